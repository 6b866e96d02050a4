"""What `bench judge` shows: how far the judge is, and at the end what can be said for and against it."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bench.analysis.agreement import agreement
from bench.analysis.guards import guards
from bench.quality.answers import visible
from bench.quality.judge import Judged, Standing
from bench.quality.review import Reviewed, reviews_beside
from bench.site.format import coefficient, count, number, share

PLAIN_EVERY_S = 5.0
"""How often a line is printed where the output is no terminal."""


@contextmanager
def showing(name: str, quiet: bool) -> Iterator[Callable[[Standing], None]]:
    """Show how far a judge is: a bar in a terminal, a line now and then elsewhere."""
    console = Console(file=sys.stderr, quiet=quiet)
    if console.is_terminal:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console) as bar:
            task = bar.add_task(name, total=None)
            yield lambda at: bar.update(task, total=at.total, completed=at.done, description=f"{name}: {at.stage}")
        return
    last_s = -PLAIN_EVERY_S

    def line(at: Standing) -> None:
        nonlocal last_s
        now_s = time.monotonic()
        if not quiet and (now_s - last_s >= PLAIN_EVERY_S or at.done == at.total):
            last_s = now_s
            click.echo(f"{name}: {at.stage}, {at.done}/{at.total}, {at.unread} not read in full", err=True)

    yield line


def tell(reviewed: Reviewed, judged: Judged) -> None:
    """Print what a judgement came to, and what speaks for or against the judge."""
    header = judged.judgement.header
    first = [verdict for verdict in judged.judgement.verdicts if verdict.reading == 1]
    whole = sum(verdict.problem is None for verdict in first)
    click.echo(
        f"{header.judge} on {header.run}: {count(len(first), 'answer')} judged, {whole} with a score for each facet, "
        f"{len(first) - whole} unscored in part or in whole"
    )
    if not judged.asked:
        click.echo("  nothing was left to ask")
    if header.judges_itself:
        click.echo(f"  it judges itself: {', '.join(map(visible, header.judges_itself))}")
    measured = guards(reviewed.result, judged.judgement)
    consistency, position, verbosity = measured.consistency, measured.position, measured.verbosity
    if consistency.equal_share is None or consistency.mean_absolute_difference is None:
        click.echo(f"  judged twice: {consistency.why}")
    else:
        click.echo(
            f"  judged twice: {share(consistency.equal_share)} of {count(consistency.facets, 'score')} the same, "
            f"{number(consistency.mean_absolute_difference)} apart on average"
        )
    if position.flip_share is None:
        click.echo(f"  both orders: {position.why}")
    else:
        click.echo(
            f"  both orders: {share(position.flip_share)} of {count(position.pairs, 'pair')} flip, "
            f"{position.first_both} for the answer shown first, {position.second_both} for the other"
        )
    if verbosity.correlation is None:
        click.echo(f"  score against length: {verbosity.why}")
    else:
        program = "" if verbosity.program is None else f" (the program's: {coefficient(verbosity.program)})"
        click.echo(f"  score against length: rank correlation {coefficient(verbosity.correlation)}{program}")
    for standing in agreement(reviewed.result, reviews_beside(reviewed.path, header.run)).judges:
        if standing.judge.name == header.judge:
            value = standing.agreement.value
            if value is None:
                click.echo(f"  agreement with people: {standing.agreement.why}")
            else:
                low = f", below the {standing.needed:g} that is asked for" if standing.below else ""
                click.echo(f"  agreement with people: kappa {coefficient(value)}{low}")
    click.echo(f"Wrote {judged.path}; commit it beside the result.")
