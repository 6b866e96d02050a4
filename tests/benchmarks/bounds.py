"""How soon a step can be found at best: rules that know more than any rule can, as a ceiling for ours.

Each knows that there is at most one step, how large it is and that it came with one of the newest runs, and that the
noise is normal; it does not know the step's direction, nor the level before. It weighs 'a step' against 'none' by the
likelihoods (Neyman and Pearson), summed over where the step may be, and alarms above a limit; the limit is the least
with which 1 steady history of 50 runs in 100 has an alarm at any prefix from 10 runs on. It may say the wrong run.

They differ in what else they know: the size of the noise or not, and that the noise is independent or that it may be
autocorrelated as well. Where it may be, the limit holds for both, and the belief in it is the one that finds most.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log, log1p, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.detectors import FIRST, Seen, found_share, ours
from tests.benchmarks.histories import Kind, histories
from tests.benchmarks.tasks import Bench, Row, percent

Logs = NDArray[np.float64]

RUNS: Final = 50
FALSE: Final = 0.01
"""Share of the steady histories that may have an alarm."""

STEPS: Final = ((0.1, 0.03, 3), (0.1, 0.03, 2), (-0.1, 0.03, 3), (0.05, 0.02, 8), (0.05, 0.02, 7), (-0.05, 0.02, 8))
"""Ratio, noise, and by how many runs after its first a step is to be found; 2 is 'within 3 runs' with the first one."""

BEFORE: Final = (10, 20, 30, 40, 60)

CORRELATION: Final = 0.5
BELIEFS: Final = (0.1, 0.3, 0.5, 0.7, 0.9, 0.97)
"""In autocorrelated noise, of which the best is taken."""

LEAST_BEFORE: Final = 3
"""Runs at the old level, at least."""

OURS_OF: Final = 4
"""Ours is asked on one in so many of the histories: the oracles' limits need more of them, and take less time."""

ASTRAY: Final = 5
"""How far from the step ours may say it is, to be compared with rules that do not say where."""


@dataclass(frozen=True)
class Oracle:
    """A rule: whether it knows the size of the noise, and that the noise is independent."""

    name: str
    knows_size: bool
    knows_independent: bool


ORACLES: Final = (
    Oracle("knows the noise, and that it is independent", knows_size=True, knows_independent=True),
    Oracle("knows the size of the noise, which may be AR 0.5", knows_size=True, knows_independent=False),
    Oracle("knows that the noise is independent, not its size", knows_size=False, knows_independent=True),
    Oracle("knows neither", knows_size=False, knows_independent=False),
)


@dataclass(frozen=True)
class Question:
    """What an oracle is asked, and with how many histories."""

    oracle: Oracle
    ratio: float
    size: float
    further: int
    count: int
    seed: int

    def stepped(self, before: int) -> Kind:
        """Return the kind of history with the step."""
        return Kind("independent", self.size, before, self.further + 1, self.ratio)


def bounds(bench: Bench) -> Iterator[Row]:
    """Steps found at best, by rules that know the noise's law and the step's size, and by ours, by the runs before."""
    yield ("step", "rule", *(f"{before} before" for before in BEFORE))
    questions = [Question(oracle, *step, bench.count, bench.seed) for step in STEPS for oracle in ORACLES]
    found = iter(bench.all(_answers, questions, "bounds"))
    own = iter(bench.all(_ours, questions[:: len(ORACLES)], "ours"))
    for ratio, size, further in STEPS:
        name = f"{ratio:+.0%} at {size:.0%}, {further} further"
        best = [next(found) for _ in ORACLES]
        for oracle, shares in zip(ORACLES, best, strict=True):
            yield (name, oracle.name, *map(percent, shares))
        reached = next(own)
        yield (name, "ours", *map(percent, reached))
        yield (name, "ours, of what knows neither", *(percent(a / b) for a, b in zip(reached, best[-1], strict=True)))


def _ours(question: Question) -> list[float]:
    """Return the share of steps that ours finds, on the first of the oracles' histories, by the runs before."""
    shares = []
    for before in BEFORE:
        truths = histories(question.stepped(before), max(1, question.count // OURS_OF), question.seed)
        shares.append(found_share([Seen(each, ours(each)) for each in truths], question.further, ASTRAY))
    return shares


def _answers(question: Question) -> list[float]:
    """Return the share of steps that an oracle finds, by the runs before."""
    noises = ["independent"] if question.oracle.knows_independent else ["independent", f"autocorrelated {CORRELATION}"]
    beliefs = (0.0,) if question.oracle.knows_independent else BELIEFS
    steady = [_most(question, Kind(noise, question.size, RUNS), range(FIRST, RUNS + 1), beliefs) for noise in noises]
    limits = np.max([np.quantile(most, 1 - FALSE, axis=1) for most in steady], axis=0)
    shares = []
    for before in BEFORE:
        prefixes = range(before + 1, before + question.further + 2)
        most = _most(question, question.stepped(before), prefixes, beliefs)
        shares.append(float(np.max(np.mean(most >= limits[:, None], axis=1))))
    return shares


def _most(question: Question, kind: Kind, prefixes: Sequence[int], beliefs: Sequence[float]) -> Logs:
    """Return the most evidence in any of the prefixes, of each belief (rows) and history (columns)."""
    logs = np.log([truth.values for truth in histories(kind, question.count, question.seed)])
    size = question.size if question.oracle.knows_size else None
    most = np.full((len(beliefs), question.count), -np.inf)
    for runs in prefixes:
        away = logs[:, :runs] - logs[:, :runs].mean(axis=1, keepdims=True)
        two = _two_levels(away, question, size)
        none = _one_level(away, 0.0, size)
        correlated = _one_level(away, CORRELATION, size) if any(beliefs) else none
        for row, belief in enumerate(beliefs):
            one = np.logaddexp(log1p(-belief) + none, log(belief) + correlated) if belief else none
            most[row] = np.maximum(most[row], two - one)
    return most


def _two_levels(away: Logs, question: Question, size: float | None) -> Logs:
    """Return the logarithm of the likelihood of a step, up or down, with any of the newest runs."""
    runs = away.shape[1]
    ways = []
    for split in range(1, min(question.further + 1, runs - LEAST_BEFORE) + 1):
        new = log1p(question.ratio) * (np.arange(runs) >= runs - split)
        ways += [_one_level(away - new, 0.0, size), _one_level(away + new, 0.0, size)]
    total: Logs = np.logaddexp.reduce(ways, axis=0)
    return total


def _one_level(away: Logs, correlation: float, size: float | None) -> Logs:
    """Return the logarithm of the likelihood of one level, integrated out, as is the size of the noise where unknown.

    Both are flat beforehand, the size on its logarithm. `size` is that of a run, autocorrelated or not.
    """
    runs, free = away.shape[1], 1 - correlation**2
    innovations = np.hstack([sqrt(free) * away[:, :1], away[:, 1:] - correlation * away[:, :-1]])
    level = np.full(runs, 1 - correlation)
    level[0] = sqrt(free)
    of_level = float(level @ level)
    left = (innovations**2).sum(axis=1) - (innovations @ level) ** 2 / of_level
    constant = (log(free) - log(of_level)) / 2
    if size is None:
        unknown: Logs = constant - (runs - 1) / 2 * np.log(left)
        return unknown
    known: Logs = constant - (runs - 1) / 2 * log(size**2 * free) - left / (2 * size**2 * free)
    return known
