"""Histories of one metric with a known truth: seeded noise of several kinds, with or without a step.

Noise is of the logarithm, so that 0.03 is 3% from run to run; its standard deviation is that of a run, autocorrelated
or not.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import log1p, sqrt
from typing import Final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Logs = NDArray[np.float64]

LEVEL: Final = 40.0
"""Where every history begins: tokens per second, say."""

STATES_APART: Final = 0.04
"""Distance of a machine's two states; the noise within each is two thirds of what was asked for."""


def independent(runs: int, size: float, random: Generator) -> Logs:
    """Return lognormal noise."""
    return random.normal(0.0, size, runs)


def heavy_tailed(runs: int, size: float, random: Generator) -> Logs:
    """Return noise after Student with 3 degrees of freedom, scaled to the standard deviation."""
    return random.standard_t(3, runs) * size / sqrt(3)


def autocorrelated(correlation: float) -> Callable[[int, float, Generator], Logs]:
    """Return noise of which each run remembers that share of the one before."""

    def noise(runs: int, size: float, random: Generator) -> Logs:
        innovations = random.normal(0.0, size * sqrt(1 - correlation**2), runs)
        logs = np.empty(runs)
        last = random.normal(0.0, size)
        for run in range(runs):
            last = logs[run] = correlation * last + innovations[run]
        return logs

    return noise


def spiky(runs: int, size: float, random: Generator) -> Logs:
    """Return lognormal noise in which 1 run in 20 is 30% to 100% higher."""
    spikes = np.log1p(random.uniform(0.3, 1.0, runs)) * (random.random(runs) < 0.05)
    noise: Logs = random.normal(0.0, size, runs) + spikes
    return noise


def two_states(stay: float) -> Callable[[int, float, Generator], Logs]:
    """Return noise of a machine with two states 4% apart; `stay` is the chance that the next run is in the same."""

    def noise(runs: int, size: float, random: Generator) -> Logs:
        changed = np.cumsum(random.random(runs) >= stay) + random.integers(2)
        states: Logs = np.asarray((changed % 2 - 0.5) * STATES_APART, dtype=np.float64)
        return states + random.normal(0.0, size * 2 / 3, runs)

    return noise


def drifting(runs: int, size: float, random: Generator) -> Logs:
    """Return lognormal noise on a level that rises by 10% in 50 runs."""
    return np.arange(runs) / 50 * log1p(0.1) + random.normal(0.0, size, runs)


NOISES: Final[dict[str, Callable[[int, float, Generator], Logs]]] = {
    "independent": independent,
    "heavy tails": heavy_tailed,
    "autocorrelated 0.5": autocorrelated(0.5),
    "spikes": spiky,
    "two states in turn": two_states(0.0),
    "two states at random": two_states(0.5),
    "two states, blocks of 3": two_states(2 / 3),
    "two states, blocks of 5": two_states(0.8),
    "autocorrelated 0.8": autocorrelated(0.8),
    "drift": drifting,
}


@dataclass(frozen=True)
class Truth:
    """A history and where its level shifts: `step` is the first run at the new level, None where there is no step."""

    values: tuple[float, ...]
    step: int | None


@dataclass(frozen=True)
class Kind:
    """A kind of history: `before` runs at one level, `after` at another that is `1 + ratio` times as high.

    Of those the last `back` are at the old level again. Without runs after there is no step.
    """

    noise: str
    size: float
    before: int
    after: int = 0
    ratio: float = 0.0
    back: int = 0


def history(kind: Kind, random: Generator) -> Truth:
    """Return a history of that kind."""
    logs = NOISES[kind.noise](kind.before + kind.after, kind.size, random)
    logs[kind.before : len(logs) - kind.back] += log1p(kind.ratio)
    return Truth(tuple((LEVEL * np.exp(logs)).tolist()), kind.before if kind.after else None)


def histories(kind: Kind, count: int, seed: int) -> list[Truth]:
    """Return so many histories of that kind, the same for a seed."""
    random = np.random.default_rng([seed, *repr(kind).encode()])
    return [history(kind, random) for _ in range(count)]
