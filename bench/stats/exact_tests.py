"""An exact test of counts prompt by prompt: no distribution is assumed, and its p-value is two-sided."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from math import comb
from typing import Final

import numpy as np
from numpy.typing import NDArray

SIGNIFICANT: Final = 0.05

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
