"""What becomes of changes in use: many series at once, the runs after a confirmation, and the time it takes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import log1p, sqrt
from typing import Final

import numpy as np

from bench.analysis.changes import StepChange, changes, changes_of_all, replay
from bench.analysis.history import Series
from tests.benchmarks.detectors import FIRST, asked
from tests.benchmarks.histories import NOISES, Kind, Truth, history
from tests.benchmarks.segmenters import seconds
from tests.benchmarks.tasks import Bench, Row, Task, percent

SERIES: Final = 120
"""Ten models with twelve metrics."""

SITE_RUNS: Final = 44
NEW_RUNS: Final = 4
TOGETHER: Final = 0.5
"""Share of the variance that all series of a run have in common: one machine, one moment."""

SHIFTED: Final = (0, 1, 12, 60)
"""How many of the series have a step of 10% with the fourth run from the end."""

AFTER: Final = 30
LONG_RUNS: Final = 1_000


PROMISED: Final = (1e-2, 3e-3, 1e-3, 3e-4)
"""Values of p of which it is seen how often they come out of nothing."""


def promises(bench: Bench) -> Iterator[Row]:
    """Share of the runs of steady histories, from 10 on, at which something is said with a p of at most so much."""
    yield ("noise", *(f"p {promised:.2%}" for promised in PROMISED), "of one or two runs, p 1.00%")
    tasks = bench.tasks([Kind(noise, 0.03, 50) for noise in list(NOISES)[:6]])
    for task, said in zip(tasks, bench.all(_said, tasks, "promises"), strict=True):
        several = np.array([p for found in said for p, runs in found if runs > 2])
        few = np.array([p for found in said for p, runs in found if runs <= 2])
        shares = [float(np.sum(several <= promised)) / len(said) for promised in PROMISED]
        yield (task.kind.noise, *(f"{share:.3%}" for share in shares), f"{len(few) / len(said):.3%}")


def _said(task: Task) -> list[list[tuple[float, int]]]:
    """Return for each run the p and the number of runs of each change that is new or not yet sure."""
    said = []
    for truth in task.truths():
        known: set[int] = set()
        for found in list(replay(truth.values))[FIRST - 1 :]:
            said.append([(each.p, each.runs) for each in found if each.index not in known])
            known |= {each.index for each in found if each.status == "confirmed"}
    return said


@dataclass(frozen=True)
class Judged:
    """Of the changes that one run brings: how many, and how many of them false; `alone` is without correction."""

    confirmed: int
    false: int
    said: int
    false_said: int
    alone: int
    false_alone: int


def many(bench: Bench) -> Iterator[Row]:
    """Changes in 120 series at one run, of which half the noise is shared, and how many of them are false."""
    yield (
        f"of {SERIES} series shifted",
        *("confirmed", "of the shifted", "false share", "with the suspected", "false share"),
        *("confirmed, each by itself", "false share"),
    )
    kind = Kind("independent", 0.03, SITE_RUNS)
    for shifted in SHIFTED:
        tasks = [Task(kind, max(1, bench.count // 40), bench.seed + part) for part in range(10)]
        parts = bench.all(partial(_judged, shifted=shifted), tasks, f"many, {shifted}")
        runs = [judged for part in parts for judged in part]
        true = [each.confirmed - each.false for each in runs]
        yield (
            str(shifted),
            f"{np.mean([each.confirmed for each in runs]):.2f}",
            percent(float(np.mean(true)) / shifted) if shifted else "",
            percent(float(np.mean([each.false / max(1, each.confirmed) for each in runs]))),
            f"{np.mean([each.said for each in runs]):.2f}",
            percent(float(np.mean([each.false_said / max(1, each.said) for each in runs]))),
            f"{np.mean([each.alone for each in runs]):.2f}",
            percent(float(np.mean([each.false_alone / max(1, each.alone) for each in runs]))),
        )


def _judged(task: Task, shifted: int) -> list[Judged]:
    random = np.random.default_rng([task.seed, shifted])
    found = []
    for _ in range(task.count):
        common = random.normal(0.0, task.kind.size * sqrt(TOGETHER), task.kind.before)
        logs = random.normal(0.0, task.kind.size * sqrt(1 - TOGETHER), (SERIES, task.kind.before)) + common
        logs[:shifted, -NEW_RUNS:] += log1p(0.1)
        series = {number: Series(np.exp(row).tolist()) for number, row in enumerate(logs)}
        together = changes_of_all(series)
        alone = {number: changes(each.values) for number, each in series.items()}
        found.append(
            Judged(
                *_counts(together, shifted, "confirmed"),
                *_counts(together, shifted, "confirmed", "suspected"),
                *_counts(alone, shifted, "confirmed"),
            )
        )
    return found


def _counts(found: dict[int, tuple[StepChange, ...]], shifted: int, *statuses: str) -> tuple[int, int]:
    """Return in how many series there is such a change, and in how many of those there should be none."""
    having = [number for number, changed in found.items() if any(each.status in statuses for each in changed)]
    return len(having), sum(number >= shifted for number in having)


def afterwards(bench: Bench) -> Iterator[Row]:
    """What becomes of a step after its first run, 60 runs into a history, within 30 runs more."""
    yield (
        "step",
        *("suspected at once", "confirmed", "later moved by more than one run", "later taken back"),
        *("interval right when confirmed", "interval right 30 runs later", "second step back found"),
    )
    for noise, ratio, size in (
        ("independent", 0.1, 0.03),
        ("independent", 0.05, 0.02),
        ("autocorrelated 0.5", 0.2, 0.03),
        ("heavy tails", 0.1, 0.03),
        ("spikes", 0.2, 0.03),
    ):
        tasks = [Task(Kind(noise, size, 60, AFTER, ratio), bench.count // 10, bench.seed + part) for part in range(10)]
        shares = np.mean(np.concatenate(list(bench.all(_afterwards, tasks, noise))), axis=0)
        backs = [replace(task, kind=replace(task.kind, back=AFTER // 2)) for task in tasks]
        returned = float(np.mean(np.concatenate(list(bench.all(_returned, backs, f"{noise}, back")))))
        once, confirmed, moved, gone, first, last = (float(share) for share in shares)
        yield (
            f"{ratio:+.0%} at {size:.0%}, {noise}",
            *(percent(once), percent(confirmed), percent(moved / confirmed), percent(gone / confirmed)),
            *(percent(first / confirmed), percent(last / (confirmed - gone)), percent(returned)),
        )


def _afterwards(task: Task) -> list[tuple[bool, ...]]:
    return [_fate(truth, task.kind.ratio) for truth in task.truths()]


def _fate(truth: Truth, ratio: float) -> tuple[bool, ...]:
    assert truth.step is not None
    said = list(replay(truth.values))[truth.step :]
    at_once = any(abs(each.index - truth.step) <= 1 for each in said[0])
    near = [_near(found, truth.step) for found in said]
    known = [change for change in near if change is not None]
    if not known:
        return at_once, False, False, False, False, False
    begun = near.index(known[0])
    gone = near[-1] is None
    moved = not gone and any(abs(each.index - known[0].index) > 1 for each in known)
    right_at_last = not gone and known[-1].low <= ratio <= known[-1].high
    assert begun >= 0
    return at_once, True, moved, gone, known[0].low <= ratio <= known[0].high, right_at_last


def _near(found: Sequence[StepChange], step: int) -> StepChange | None:
    """Return the confirmed change within a few runs of a step."""
    near = [each for each in found if each.status == "confirmed" and abs(each.index - step) <= 5]
    return near[0] if near else None


def _returned(task: Task) -> list[bool]:
    """Return whether, at the end, a step and the step back 15 runs later are both confirmed, each within a run."""
    ends = []
    for truth in task.truths():
        assert truth.step is not None
        confirmed = [each.index for each in changes(truth.values) if each.status == "confirmed"]
        both = (truth.step, truth.step + task.kind.after - task.kind.back)
        ends.append(all(any(abs(index - step) <= 1 for index in confirmed) for step in both))
    return ends


def speed(bench: Bench) -> Iterator[Row]:
    """Processor seconds for one look at 1,000 runs with a step of 10% every 200, as ratios to ours."""
    yield ("method", "ratio")
    random = np.random.default_rng(bench.seed)
    parts = [history(Kind("independent", 0.03, 200), random).values for _ in range(LONG_RUNS // 200)]
    values = [value * (1.1 if number % 2 else 1.0) for number, part in enumerate(parts) for value in part]
    base = seconds(lambda runs: [each.index for each in changes(runs)], values)
    yield ("ours", "1.0")
    for project in bench.projects:
        with asked(project, "--time") as peer:
            for name, taken in peer.answer(values, len(values)).items():
                assert isinstance(taken, float)
                yield (name, f"{taken / base:.1f}")
