"""How well changes are told from noise, beside other projects: `python -m tests.benchmarks.changes --help`.

Prints the tables of docs/changes-measured.md. A false alarm is a steady history of which any prefix, from 10 runs on,
is said to have a change; a step counts as found when some prefix with at most so many runs after the step's first run
is said to have a change at most one run from it. asv and Apache Otava are asked in interpreters of their own:

    python -m venv asv && asv/bin/pip install asv
    python -m tests.benchmarks.changes --table peers --asv asv/bin/python
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Final
from unittest.mock import patch

import click
import numpy as np

from bench.analysis.changes import StepChange
from bench.stats import change_points as step
from tests.benchmarks.bounds import bounds
from tests.benchmarks.detectors import (
    Project,
    Seen,
    by_project,
    by_ratio,
    false_share,
    found_share,
    our_changes,
    ours_by_limit,
)
from tests.benchmarks.detectors import ours as our_reports
from tests.benchmarks.histories import NOISES, Kind, Truth
from tests.benchmarks.in_use import afterwards, many, promises, speed
from tests.benchmarks.tasks import Bench, Row, Task, percent

RUNS: Final = 50
SIZE: Final = 0.03
STEADY: Final = {noise: Kind(noise, SIZE, RUNS) for noise in NOISES}
"""What should raise no alarm. Nobody can tell a drift from small steps, nor a state that lasts from a level."""

NOISY: Final = {noise: Kind(noise, 0.1, RUNS) for noise in list(NOISES)[:4]}
"""The same with noise that hides no shift below the floor."""

STEPS: Final = ((0.1, 0.03, 3), (-0.1, 0.03, 3), (0.05, 0.02, 8), (-0.05, 0.02, 8))
"""What must be found: ratio, noise, and by how many runs after its first."""

BEFORE: Final = (10, 20, 30, 40, 60)
"""How many runs there are before a step, for the table by length."""

SHORT: Final = 30
LONG: Final = 40
"""... and for the others: a history of 50 runs has no more than 41 before a step that 8 further runs follow."""

PS: Final = (1e-2, 3e-3, 1e-3, 5e-4, 2e-4, 1e-4, 3e-5, 1e-5)
BELIEFS: Final = (0.0, 0.02, 0.1, 0.3, 0.5, 0.7)
"""Shares of the belief in autocorrelated noise, against which the price of one kind of noise is seen."""


def stepped(ratio: float, size: float, further: int, before: int) -> Kind:
    """Return the kind of history with a step, as long as is looked at."""
    return Kind("independent", size, before, further + 1, ratio)


STEPPED: Final = tuple(stepped(*each, before=before) for before in (SHORT, LONG) for each in STEPS)


def step_name(ratio: float, size: float, further: int) -> str:
    """Return what a column of steps is called."""
    return f"{ratio:+.0%} at {size:.0%}, {further} further"


def shares_of(belief: float) -> tuple[tuple[float, float], ...]:
    """Return the correlations with so much belief in those that are not none, in the proportion that they have."""
    correlated = sum(weight for correlation, weight in step.CORRELATIONS if correlation)
    kept = [(each, weight * belief / correlated if each else 1 - belief) for each, weight in step.CORRELATIONS]
    return tuple((each, weight) for each, weight in kept if weight)


def ours(task: Task) -> list[Seen]:
    """Return our reports."""
    correlations = step.CORRELATIONS if task.belief is None else shares_of(task.belief)
    with patch.object(step, "CORRELATIONS", correlations):
        return [Seen(truth, our_reports(truth)) for truth in task.truths()]


def ours_and_ratios(task: Task) -> dict[str, list[Seen]]:
    """Return our reports, and those of the ratios to the run before."""
    truths = task.truths()
    return {**ours_by_limit(truths), **by_ratio(truths)}


def least_p(task: Task) -> list[float]:
    """Return the least p, in any prefix, of a change of four runs or more; of a step, of one where it is."""
    return [
        min((each.p for found in our_changes(truth) for each in found if counted(each, truth)), default=1.0)
        for truth in task.truths()
    ]


def counted(change: StepChange, truth: Truth) -> bool:
    """Return whether a change may be the step of a history."""
    return change.runs >= 4 and (truth.step is None or abs(change.index - truth.step) <= 1)


def theirs(task: Task) -> dict[str, list[Seen]]:
    """Return another project's reports."""
    assert task.project is not None
    return by_project(task.project, task.truths())


def peers(bench: Bench) -> Iterator[Row]:
    """False alarms and steps found, side by side on the same histories."""
    kinds = [*STEADY.values(), *NOISY.values(), *STEPPED]
    columns = dict(_shares(kinds, bench.all(ours_and_ratios, bench.tasks(kinds), "ours"), bench.count))
    for project in bench.projects:
        tasks = [Task(kind, bench.peer_count, bench.seed, project=project) for kind in kinds]
        columns |= _shares(kinds, bench.all(theirs, tasks, project.name), bench.peer_count)
    yield ("histories", *columns)
    for number, kind in enumerate(kinds):
        yield (_column(kind), *(cells[number] for cells in columns.values()))


def _shares(kinds: Sequence[Kind], found: Iterable[dict[str, list[Seen]]], count: int) -> dict[str, list[str]]:
    """Return for each method, named with the number of histories, what it makes of each kind."""
    columns: dict[str, list[str]] = {}
    for kind, each in zip(kinds, found, strict=True):
        for name, seen in each.items():
            columns.setdefault(f"{name} ({count:,})", []).append(_cell(kind, seen))
    return columns


def _cell(kind: Kind, seen: Sequence[Seen]) -> str:
    return percent(found_share(seen, kind.after - 1) if kind.after else false_share(seen))


def lengths(bench: Bench) -> Iterator[Row]:
    """Steps found by how many runs there were before."""
    yield (
        "runs before",
        *(f"{step_name(*each)}{more}" for each in STEPS for more in ("", ", one fewer", ", at any run")),
    )
    kinds = [stepped(*each, before=before) for before in BEFORE for each in STEPS]
    found = iter(bench.all(ours, bench.tasks(kinds), "lengths"))
    for before in BEFORE:
        cells = []
        for (_, _, further), seen in zip(STEPS, found, strict=False):
            shares = found_share(seen, further), found_share(seen, further - 1), found_share(seen, further, astray=5)
            cells += [percent(share) for share in shares]
        yield (str(before), *cells)


def limits(bench: Bench) -> Iterator[Row]:
    """False alarms against steps found as the limit of p moves."""
    kinds = [*list(STEADY.values())[:6], NOISY["autocorrelated 0.5"], *STEPPED]
    yield ("p", *(_column(kind) for kind in kinds))
    least = list(bench.all(least_p, bench.tasks(kinds), "limits"))
    for p in PS:
        yield (f"{p:.0e}", *(percent(float(np.mean(np.array(each) <= p))) for each in least))


def beliefs(bench: Bench) -> Iterator[Row]:
    """False alarms against steps found as the belief in autocorrelated noise moves."""
    kinds = [*list(STEADY.values())[:6], NOISY["autocorrelated 0.5"], *STEPPED]
    yield ("belief", *(_column(kind) for kind in kinds))
    tasks = [task for belief in BELIEFS for task in bench.tasks(kinds, belief)]
    found = iter(bench.all(ours, tasks, "beliefs"))
    for belief in BELIEFS:
        yield (f"{belief:.0%}", *(_cell(kind, seen) for kind, seen in zip(kinds, found, strict=False)))


def _column(kind: Kind) -> str:
    if kind.after:
        return f"{step_name(kind.ratio, kind.size, kind.after - 1)}, {kind.before} before"
    return f"{kind.noise}, {kind.size:.0%}"


def others(bench: Bench) -> Iterator[Row]:
    """False alarms at other sizes of noise, and in longer histories."""
    yield ("noise", "1%", "3%", "6%", "10%", "3%, 200 runs")
    names = list(NOISES)[:4]
    shapes = ((0.01, RUNS), (0.03, RUNS), (0.06, RUNS), (0.1, RUNS), (0.03, 200))
    kinds = [Kind(noise, size, runs) for noise, (size, runs) in product(names, shapes)]
    found = iter(bench.all(ours, bench.tasks(kinds), "others"))
    for noise in names:
        yield (noise, *(percent(false_share(seen)) for _, seen in zip(shapes, found, strict=False)))


TABLES: Final[dict[str, Callable[[Bench], Iterator[Row]]]] = {
    "peers": peers,
    "lengths": lengths,
    "bounds": bounds,
    "limits": limits,
    "beliefs": beliefs,
    "others": others,
    "promises": promises,
    "many": many,
    "afterwards": afterwards,
    "speed": speed,
}


@click.command()
@click.option("--table", "names", multiple=True, type=click.Choice(list(TABLES)), help="A table; all if left out.")
@click.option("--series", "count", default=1_000, show_default=True, help="Histories a cell.")
@click.option("--peer-series", "peer_count", default=200, show_default=True, help="... of another project.")
@click.option("--seed", default=1, show_default=True, help="Seed of the histories.")
@click.option("--jobs", default=2, show_default=True, help="Processes at a time.")
@click.option("--asv", type=click.Path(path_type=Path), help="An interpreter that has asv.")
@click.option("--otava", type=click.Path(path_type=Path), help="An interpreter that has apache-otava.")
def main(
    names: tuple[str, ...], count: int, peer_count: int, seed: int, jobs: int, asv: Path | None, otava: Path | None
) -> None:
    """Print the tables as Markdown."""
    projects = tuple(Project(name, python) for name, python in (("asv", asv), ("otava", otava)) if python)
    bench = Bench(count, peer_count, seed, jobs, projects)
    for name in names or TABLES:
        click.echo(f"{TABLES[name].__doc__}\n")
        for number, row in enumerate(TABLES[name](bench)):
            click.echo(f"| {' | '.join(row)} |")
            if number == 0:
                click.echo(f"| {' | '.join(['---'] * len(row))} |")
        click.echo()


if __name__ == "__main__":
    main()
