"""When a change is real, when there is none, and when nobody can tell yet. All numbers are on the scale of the change:
the logarithm of a ratio, or points; failures are told apart by an exact test of their counts."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from math import ceil, comb, hypot, sqrt
from statistics import NormalDist
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from bench.schema.fields import MOST_ROUNDS
from bench.stats.distribution import UPPER_QUANTILE

ComparisonVerdict = Literal["better", "worse", "same", "unresolved", "not comparable", "missing"]
"""'same' is said where the whole interval lies within the floor, 'unresolved' where nobody can tell."""

FLOOR: Final = 0.05
"""Relative change below which a difference is of no interest."""

SCORE_FLOOR: Final = 0.1
"""The same for a score, in points of its scale."""

ROUNDING: Final = 1e-9
"""So much of a round is no round more."""

Z: Final = NormalDist().inv_cdf(UPPER_QUANTILE)


@dataclass(frozen=True)
class JudgedChange:
    """A verdict, and why in words."""

    verdict: ComparisonVerdict
    why: str


@dataclass(frozen=True)
class More:
    """How many more rounds would tell, in each run; None where rounds cannot, and `why` says so."""

    rounds: int | None
    why: str | None


def judged(value: float, low: float, high: float, floor: float, better: Literal["lower", "higher"]) -> JudgedChange:
    """Return the verdict on a change and its interval; `floor` is the smallest change of interest, above 0.

    It is real where the interval excludes 0 and the change is larger than the floor, and there is none where the
    interval lies within the floor on either side, its ends included. An interval that ends at 0 holds it: where two of
    ten prompts changed and the others not at all, as scores do, some of what is drawn again has none of the two.
    """
    if max(abs(low), abs(high)) <= floor:
        return JudgedChange("same", "the interval lies within the floor")
    if low <= 0 <= high:
        return JudgedChange("unresolved", "the interval holds no change at all, and one larger than the floor")
    if abs(value) <= floor:
        return JudgedChange("unresolved", "it changed, but nobody can tell whether by more than the floor")
    verdict: ComparisonVerdict = "better" if (value < 0) == (better == "lower") else "worse"
    return JudgedChange(verdict, "the interval excludes no change, and the change is larger than the floor")


def noisy(value: float, low: float, high: float, run_noise: float) -> tuple[float, float]:
    """Return an interval with what changes from run to run in it.

    `run_noise` is the standard deviation of a run's level, so the difference of two runs has sqrt(2) times as much. It
    is independent of what changes within a run: the two add up as squares.
    """
    reach = Z * sqrt(2) * run_noise
    return value - hypot(value - low, reach), value + hypot(high - value, reach)


def more_rounds(
    value: float,
    half: float,
    floor: float,
    *,
    reach: float,
    within: float | None,
    rounds: float,
    run_noise: float | None,
) -> More:
    """Return how many more rounds would settle a change that is unresolved, if the change itself stays as it is.

    `half` is half of the interval without noise from run to run, and `reach` the same in standard errors. `within` is
    the part of the variance that comes from `rounds` rounds and falls as 1 / rounds, or None where nobody knows it.
    What is left of the variance comes from the prompts, and does not fall.
    """
    if within is None:
        return More(None, "no prompt was asked twice, so nobody knows what more rounds would bring")
    wanted = abs(value) if abs(value) > floor else floor - abs(value)
    if wanted == 0:
        return More(None, "the change is just as large as the floor")
    noise = Z * sqrt(2) * (run_noise or 0.0)
    if noise >= wanted:
        return More(None, "more rounds do not help against what changes from run to run: more runs do")
    between = max(0.0, (half / reach) ** 2 - within)
    left = wanted**2 - noise**2 - reach**2 * between
    if left <= 0:
        return More(None, "more rounds do not help where prompts differ in their change: more prompts do")
    needed = reach**2 * within * rounds / left
    if needed > MOST_ROUNDS:
        return More(None, f"it would take more than {MOST_ROUNDS} rounds")
    return More(max(1, ceil(needed - rounds - ROUNDING)), None)


SIGNIFICANT: Final = 0.05
"""A p-value below which failures before and after are told apart."""

_AS_LIKELY: Final = 1 + 1e-9
"""Outcomes as likely as the one seen count with it, though their probabilities round differently."""


@dataclass(frozen=True)
class FailedCounts:
    """How many requests of one prompt failed, of how many, on each side."""

    before: int
    asked_before: int
    after: int
    asked_after: int


def failure_test(prompts: Iterable[FailedCounts]) -> float:
    """Return how likely failures as uneven as these are where both sides fail alike on each prompt.

    Fisher's exact test with each prompt as a stratum: the failures of a prompt are dealt out to its requests at random,
    on whichever side they are. The p-value sums the outcomes that are no more likely than the one seen. It is 1 where
    nothing failed, or where a prompt that fails was asked on one side only.
    """
    strata = [one for one in prompts if one.before + one.after]
    chances = reduce(np.convolve, (_dealt(one) for one in strata), np.ones(1))
    seen = sum(one.after for one in strata)
    return min(1.0, float(chances[chances <= chances[seen] * _AS_LIKELY].sum()))


def _dealt(prompt: FailedCounts) -> NDArray[np.float64]:
    """Return the probability of each number of failures after, from 0: the hypergeometric distribution."""
    failed = prompt.before + prompt.after
    ways = [comb(prompt.asked_after, after) * comb(prompt.asked_before, failed - after) for after in range(failed + 1)]
    return np.array([way / comb(prompt.asked_before + prompt.asked_after, failed) for way in ways])
