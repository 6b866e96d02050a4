"""Two configs that take turns on one machine: the machine's moods fall on both alike.

Several short runs of one model, with other work between them, become one record.
"""

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from bench.benchmark import checked_client, header_of, result_of, stopping_on_signals
from bench.config.overrides import Overridden, overridden
from bench.config.settings import Config, find_config, load_config, slug
from bench.errors import BenchError, UsageError
from bench.quality.prompts.prompt_set import load_prompt_set, single_prompt
from bench.runner.journal import Header, Journal, Recovered
from bench.runner.lock import machine_lock
from bench.runner.run import Ran, RunProgress, Stopped, run
from bench.schema.machine import Energy, MachineWatch, MemoryWatch
from bench.schema.model_run import ModelRun
from bench.schema.prompts import PromptSetRecord
from bench.schema.result import Pairing, Result
from bench.schema.sample import Sample
from bench.store.files import check_writable, save


@dataclass(frozen=True)
class Block:
    """One run of the model, and when it began, from the start of the first."""

    start_ns: int
    run: ModelRun


def merged(blocks: Sequence[Block]) -> ModelRun:
    """Return one record of at least one block, in order; samples of the n-th block are round n.

    Loads after the first are reloads. Memory is that of the first block that has it, its peak the highest of all.
    Energy is the sum where every block has it from one source; the idle machine's power is the mean. A failure is the
    first that a block had.
    """
    runs = [block.run for block in blocks]
    # What the model is was learnt when it was loaded: a block that failed before that knows nothing.
    base = next((run for run in runs if run.samples), runs[0])
    loads = [load for run in runs for load in (run.cold_load_ns, *run.reloads_ns) if load is not None]
    values: dict[str, Any] = {
        "cold_load_ns": loads[0] if loads else None,
        "memory_peak_bytes": _highest([run.memory_peak_bytes for run in runs]),
        "gpu_memory_peak_bytes": _highest([run.gpu_memory_peak_bytes for run in runs]),
        "energy": _energy([run.energy for run in runs]),
    }
    unmeasured = {name: why for run in reversed(runs) for name, why in run.unmeasured.items()} | base.unmeasured
    unmeasured |= {"energy": unmeasured.get("energy", "not every block measured it")}
    known = {name for name, value in (base.model_dump() | values).items() if value is not None}
    warmup, samples = _samples(blocks)
    return base.model_copy(
        update=values
        | {
            "reloads_ns": tuple(loads[1:]),
            "memory_watch": _memory_watch([run.memory_watch for run in runs]),
            "machine_watch": _machine_watch([run.machine_watch for run in runs]),
            "unmeasured": {name: why for name, why in unmeasured.items() if name not in known},
            "failure": next((run.failure for run in runs if run.failure is not None), None),
            "warmup": warmup,
            "samples": samples,
        }
    )


def _samples(blocks: Sequence[Block]) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    warmup: list[Sample] = []
    samples: list[Sample] = []
    position = 0
    for number, block in enumerate(blocks, start=1):
        for sample in (*block.run.warmup, *block.run.samples):
            place = {"position": position, "start_ns": block.start_ns + sample.start_ns}
            if sample.round == 0:
                warmup.append(sample.model_copy(update=place))
            else:
                samples.append(sample.model_copy(update=place | {"round": number}))
            position += 1
    return tuple(warmup), tuple(samples)


def _highest(values: Sequence[int | None]) -> int | None:
    return max((value for value in values if value is not None), default=None)


def _energy(parts: Sequence[Energy | None]) -> Energy | None:
    known = [part for part in parts if part is not None]
    if not known or len(known) < len(parts) or len({part.source for part in known}) > 1:
        return None
    idle = [part.idle_watts for part in known if part.idle_watts is not None]
    return known[0].model_copy(
        update={
            "joules": sum(part.joules for part in known),
            "idle_watts": sum(idle) / len(idle) if idle else None,
            "duration_ns": sum(part.duration_ns for part in known),
        }
    )


def _memory_watch(parts: Sequence[MemoryWatch | None]) -> MemoryWatch | None:
    known = [part for part in parts if part is not None]
    if not known:
        return None
    return known[0].model_copy(
        update={"readings": sum(part.readings for part in known), "cost_ns": sum(part.cost_ns for part in known)}
    )


def _machine_watch(parts: Sequence[MachineWatch | None]) -> MachineWatch | None:
    known = [part for part in parts if part is not None]
    if not known:
        return None
    stolen = [part.steal_share for part in known if part.steal_share is not None]
    return known[0].model_copy(
        update={
            "after": known[-1].after,
            "late_ns": tuple(late for part in known for late in part.late_ns),
            "steal_share": max(stolen, default=None),
        }
    )


Side = Literal["A", "B"]
SIDES: tuple[Side, Side] = ("A", "B")


@dataclass(frozen=True)
class BlockProgress:
    """Where a session stands: the block that is being measured, from 1, of how many, and what its run is doing."""

    block: int
    blocks: int
    side: Side
    standing: RunProgress


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
    on_turn: Callable[[BlockProgress], None],
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


def _turn(party: _Party, start_ns: int, number: int, blocks: int, on_turn: Callable[[BlockProgress], None]) -> None:
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
                lambda standing: on_turn(BlockProgress(number, blocks, party.side, standing)),
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
