"""Commands that compare: compare, ab."""

import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from bench.commands.options import CONTEXT, results_option
from bench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.ab import BlockProgress
    from bench.analysis.compare import Comparison
    from bench.report.comparison import ComparisonText

SEED = 20_260_101
"""Seed of every bootstrap: the same two files give the same table."""

CELL_LENGTH = 1_000
"""Characters of a text out of a result file that a terminal shows, none of them a control character."""


@click.command(context_settings=CONTEXT)
@click.argument("before")
@click.argument("after")
@results_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "md", "json"]),
    default="text",
    show_default=True,
    help="How to tell it.",
)
@click.option("--fail-on", type=click.Choice(["regression"]), help="Exit with 1 where a number is really worse.")
@click.option("--floor", default=5.0, show_default=True, type=click.FloatRange(0.1, 100), help="Smallest change, in %.")
def compare(before: str, after: str, results_dir: Path, form: str, fail_on: str | None, floor: float) -> None:
    """Say what really differs between BEFORE and AFTER, what is unresolved, and what else changed.

    Each is a result file, a run's id or the beginning of it, 'latest', or a git revision: of a revision the newest run
    of each machine and config counts. A difference is real where its interval excludes no change and it is larger
    than the floor. With --fail-on regression, limits per metric stand under `gate` in the config.

    \b
    bench compare main HEAD
    bench compare 20261122T103040Z latest
    bench compare old.json new.json --format md
    bench compare origin/main HEAD --fail-on regression
    """
    from bench.analysis.compare import compare as compared
    from bench.analysis.compare import regressions
    from bench.analysis.contexts import run_pairs
    from bench.analysis.run_noise import run_noise
    from bench.report.comparison import told
    from bench.store.files import load_tree
    from bench.store.revisions import named

    sides = named(before, results_dir), named(after, results_dir)
    found = run_pairs(*sides)
    if not found.pairs:
        raise UsageError(f"{before} and {after}: have no run of the same machine and config to compare")
    history = load_tree(results_dir).results if results_dir.is_dir() else ()
    changed = [pair for pair in found.pairs if not pair.same]
    comparisons = [
        compared(
            pair.before,
            pair.after,
            seed=SEED,
            floor=floor / 100,
            run_noise=run_noise(history, pair.before, pair.after),
        )
        for pair in changed
    ]
    alone = [
        *(f"only in {before}: {name}" for name in found.only_before),
        *(f"only in {after}: {name}" for name in found.only_after),
    ]
    if form == "json":
        click.echo(json.dumps([_document(one) for one in comparisons], indent=2))
    else:
        _tell([told(one) for one in comparisons], form)
        for pair in found.pairs:
            if pair.same:
                click.echo(f"{pair.after.run.id}: the newest run of both sides, nothing to compare")
        for line in alone:
            click.echo(line)
    if fail_on is not None:
        _fail([(one, regressions(one)) for one in comparisons])


@click.command(context_settings=CONTEXT)
@click.argument("a")
@click.argument("b")
@results_option
@click.option("--rounds", help="Turns that each side has.  [env: BENCH_ROUNDS]")
@click.option("--prompt-set", help="Prompt set to ask instead: a file, or one that ships.  [env: BENCH_PROMPT_SET]")
@click.option("--prompt", help="One prompt to ask instead of the prompt set.  [env: BENCH_PROMPT]")
@click.option("--machine", help="Name of this machine in the results.  [env: BENCH_MACHINE]")
@click.option("--wait", is_flag=True, help="Wait for another run on this machine to end.")
@click.option(
    "--format", "form", type=click.Choice(["text", "md"]), default="text", show_default=True, help="How to tell it."
)
def ab(a: str, b: str, results_dir: Path, wait: bool, form: str, **options: str | None) -> None:
    """Run configs A and B in turns (A B B A) on this machine, and compare them pair by pair.

    The strongest verdict that a noisy machine gives: its moods fall on both sides alike. Each turn is one round, with
    the models loaded anew. Both need the same prompts and rounds; models of one name are compared, or the only model
    of each. Writes a result file for each side. Ctrl-C keeps the pairs of turns that were whole.

    \b
    bench ab cpu.yaml gpu.yaml --rounds 10
    bench ab int4.yaml fp32.yaml
    """
    from bench.ab import take_turns
    from bench.report.comparison import told_in_turns

    given = {f"BENCH_{name.upper()}": value for name, value in options.items() if value is not None}
    with _turns() as on_turn:
        session = take_turns(a, b, results_dir, {**os.environ, **given}, wait, on_turn)
    _tell([told_in_turns(session.a, session.b)], form)
    click.echo(f"Wrote {session.a_path} and {session.b_path}", err=form != "text")


def _tell(all_told: "Sequence[ComparisonText]", form: str) -> None:
    from bench.quality.checks.tokenise import one_line
    from bench.report.comparison import to_markdown

    if form == "md":
        click.echo("\n".join(to_markdown(one) for one in all_told), nl=False)
        return
    # Where there is no terminal, in a log say, nothing is gained by folding lines.
    console = Console() if sys.stdout.isatty() else Console(width=160)
    for one in all_told:
        console.print(Text(one.title, style="bold"))
        console.print(Text(one.answer))
        for note in one.notes:
            console.print(Text(f"- {one_line(note, CELL_LENGTH)}"))
        for grid in one.grids:
            table = Table(title=Text(f"{grid.heading}. {grid.says}"), title_justify="left", box=box.SIMPLE_HEAD)
            for label, numeric in zip(grid.columns, grid.numeric, strict=True):
                table.add_column(label, justify="right" if numeric else "left", no_wrap=numeric, overflow="fold")
            for row in grid.rows:
                table.add_row(*(Text(one_line(cell, CELL_LENGTH)) for cell in row))
            console.print(table)


def _document(one: "Comparison") -> dict[str, Any]:
    from bench.report.reasons import caution_words

    return {
        "before": one.before.run.id,
        "after": one.after.run.id,
        "differences": [asdict(difference) for difference in one.differences],
        "only_before": one.only_before,
        "only_after": one.only_after,
        "cautions": caution_words(one),
        "conditions": [asdict(condition) for condition in one.conditions],
        "answers": [asdict(answer) for answer in one.answers],
    }


def _fail(found: "Sequence[tuple[Comparison, Sequence[Any]]]") -> None:
    from bench.analysis.run_noise import RUNS_NEEDED
    from bench.report.comparison import change_text
    from bench.report.format import short

    worse = [(one.after.run.id, regression) for one, several in found for regression in several]
    for run, regression in worse:
        difference = regression.difference
        limit = f", limit {short(regression.limit)}" if regression.limit is not None else ""
        what = ", ".join(part for part in (difference.model, difference.level, difference.metric_id) if part)
        click.echo(f"bench: regression in {run}: {what}: {change_text(difference)}{limit}", err=True)
    weak = sum(one.verdict == "worse" for both, _ in found for one in both.differences) - len(worse)
    if weak:
        click.echo(
            f"bench: let through: {weak} worse, within a limit of `gate`, or without one while fewer than "
            f"{RUNS_NEEDED} runs tell how much a run differs from the next, or where a machine was unsteady",
            err=True,
        )
    if worse:
        click.get_current_context().exit(1)


@contextmanager
def _turns() -> "Iterator[Callable[[BlockProgress], None]]":
    console = Console(stderr=True)
    if not console.is_terminal:
        last = [0]

        def line(turn: "BlockProgress") -> None:
            if turn.block != last[0]:
                last[0] = turn.block
                click.echo(f"turn {turn.block} of {turn.blocks}: {turn.side}", err=True)

        yield line
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console) as bar:
        task = bar.add_task("starting", total=None)

        def update(turn: "BlockProgress") -> None:
            doing = f"{turn.side}: {turn.standing.model}: {turn.standing.stage}"
            bar.update(task, total=turn.blocks, completed=turn.block - 1, description=doing)

        yield update
        bar.update(task, completed=bar.tasks[0].total)
