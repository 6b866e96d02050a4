"""Two configs that take turns on one machine: the machine's moods fall on both alike."""

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

from bench.benchmark import checked_client, header_of, result_of, stopping_on_signals
from bench.config import Config, find_config, load_config, slug
from bench.errors import BenchError, UsageError
from bench.overrides import Overridden, overridden
from bench.quality.prompt_set import load_prompt_set, single_prompt
from bench.results.schema import Pairing, Result
from bench.results.store import check_writable, save
from bench.rubric import PromptSetRecord
from bench.runner.journal import Header, Journal, Recovered
from bench.runner.lock import machine_lock
from bench.runner.merge import Block, merged
from bench.runner.run import Progress, Ran, Stopped, run

Side = Literal["A", "B"]
SIDES: tuple[Side, Side] = ("A", "B")


@dataclass(frozen=True)
class Turn:
    """Where a session stands: the block that is being measured, from 1, of how many, and what its run is doing."""

    block: int
    blocks: int
    side: Side
    standing: Progress


@dataclass(frozen=True)
class Session:
    """The results of both sides, saved, and where they lie."""

    a: Result
    b: Result
    a_path: Path
    b_path: Path


@dataclass
class _Party:
    """One side of a session, and what it has measured so far."""

    side: Side
    config: Config
    header: Header
    blocks: dict[str, list[Block]]
    outputs: dict[str, str]
    versions: dict[str, str]


def order(pairs: int) -> tuple[Side, ...]:
    """Return who has which turn: A B, B A, A B, ..., so that a machine that slows down does so for both."""
    return tuple(side for number in range(pairs) for side in (("A", "B") if number % 2 == 0 else ("B", "A")))


def take_turns(
    a: str,
    b: str,
    results_dir: Path,
    variables: Mapping[str, str],
    wait: bool,
    on_turn: Callable[[Turn], None],
) -> Session:
    """Run two configs in turns, a round each, each turn with its models loaded anew, and save a result for each side.

    A Ctrl-C ends the session after the last turn that was whole, as partial results. Raises UsageError for configs
    that cannot be compared so.
    """
    paths = find_config(a), find_config(b)
    chosen = tuple(overridden(load_config(path), variables) for path in paths)
    prompt_sets = tuple(
        single_prompt(one.prompt) if one.prompt else load_prompt_set(one.config.prompts) for one in chosen
    )
    _refuse_unlike(paths, chosen, prompt_sets)
    check_writable(results_dir)
    rounds = chosen[0].config.rounds
    turns = order(rounds)
    with machine_lock(wait):
        sides: dict[Side, _Party] = {}
        for side, path, one, prompt_set in zip(SIDES, paths, chosen, prompt_sets, strict=True):
            header = header_of(results_dir, f"{slug(path.stem)}-ab-{side.lower()}", one, prompt_set)
            header = header.model_copy(update={"client": checked_client(one.config)})
            sides[side] = _Party(side, one.config, header, {}, {}, {})
        start_ns = time.monotonic_ns()
        done: list[Side] = []
        stopped = False
        with stopping_on_signals():
            try:
                for number, side in enumerate(turns, start=1):
                    _turn(sides[side], start_ns, number, len(turns), on_turn)
                    done.append(side)
            except Stopped:
                stopped = True
    whole = len(done) // 2
    if not whole:
        raise BenchError("stopped before each side had a turn: there is nothing to keep")
    seconds = (time.monotonic_ns() - start_ns) // 1_000_000_000
    results = []
    for side, other in zip(SIDES, reversed(SIDES), strict=True):
        party = sides[side]
        pairing = Pairing(side=side, other=sides[other].header.run_id, blocks=turns[: 2 * whole])
        models = tuple(merged(blocks[:whole]) for blocks in party.blocks.values())
        kept = {sample.output for model in models for sample in (*model.warmup, *model.samples)}
        outputs = {key: text for key, text in sorted(party.outputs.items()) if key in kept}
        ran = Ran(models, outputs, party.versions, stopped)
        finished = party.header.started_utc + timedelta(seconds=seconds)
        results.append(result_of(party.header, ran, finished, pairing))
    return Session(results[0], results[1], save(results[0], results_dir), save(results[1], results_dir))


def _turn(party: _Party, start_ns: int, number: int, blocks: int, on_turn: Callable[[Turn], None]) -> None:
    # Both turns of a pair ask in the same order.
    seed = party.config.order_seed + (number - 1) // 2
    config = party.config.model_copy(update={"rounds": 1, "loads": 1, "order_seed": seed})
    block_ns = time.monotonic_ns() - start_ns
    with tempfile.TemporaryDirectory(prefix="benchledger-") as folder:
        journal = Journal(Path(folder) / "turn.jsonl", party.header)
        try:
            ran = run(
                config,
                party.header.prompt_set,
                journal,
                Recovered(),
                lambda standing: on_turn(Turn(number, blocks, party.side, standing)),
                time.monotonic_ns,
            )
        finally:
            journal.close()
    if ran.stopped:
        raise Stopped
    for model in ran.models:
        party.blocks.setdefault(model.name, []).append(Block(block_ns, model))
    party.outputs.update(ran.outputs)
    party.versions.update(ran.versions)


def _refuse_unlike(
    paths: tuple[Path, Path], chosen: tuple[Overridden, ...], prompt_sets: tuple[PromptSetRecord, ...]
) -> None:
    first, second = chosen[0].config, chosen[1].config
    where = f"{paths[0]} and {paths[1]}"
    if prompt_sets[0].sha256 != prompt_sets[1].sha256:
        raise UsageError(
            f"{where}: prompts differ ({prompt_sets[0].id} and {prompt_sets[1].id}); name the same prompt set in both"
        )
    if first.rounds != second.rounds:
        raise UsageError(
            f"{where}: rounds differ ({first.rounds} and {second.rounds}); set the same in both, or give --rounds"
        )
    if first.machine != second.machine:
        raise UsageError(f"{where}: machine differs ({first.machine} and {second.machine}); give --machine")
    for path, config in zip(paths, (first, second), strict=True):
        for key in ("load", "lengths"):
            if getattr(config, key) is not None:
                raise UsageError(f"{path}: {key}: is not measured in turns; take it out, or use bench run")
