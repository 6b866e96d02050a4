"""A made-up model whose truth is known, for the page that explains verdicts: drawn with fixed seeds, never measured."""

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from bench.analysis.changes import Level, levels, replay
from bench.analysis.intervals import Interval, intervals
from bench.analysis.pairs import Crossed, crossed
from bench.analysis.resampling import THESE, About, Floats, Prompts, Request
from bench.site.intervals import SEED

TRUTH_S: Final = 1.0
"""Median latency of the made-up model over all prompts that there could be."""

PROMPTS: Final = (
    "A yes or no",
    "A name",
    "A date",
    "A fact",
    "A reason",
    "A list of three",
    "A short summary",
    "A long summary",
)
ROUNDS: Final = 5
BETWEEN_PROMPTS: Final = 0.35
BETWEEN_ROUNDS: Final = 0.06
"""By how much latencies differ, as standard deviations of their logarithm."""

RUN_SEED: Final = 1
TRIALS: Final = 100
"""Runs that are made up to see how often an interval holds the truth."""

RUNS: Final = 10
BETWEEN_RUNS: Final = 0.04
RUNS_SEED: Final = 0
RATIO: Final = 0.05
"""Change from the run before at which a rule with a fixed ratio cries."""

HISTORY: Final = 30
STEP_AT: Final = 17
STEP: Final = 0.13
UNSTEADY_AT: Final = 19
SPIKE_AT: Final = 8
SPIKE: Final = 0.14
HISTORY_NOISE: Final = 0.015
HISTORY_SEED: Final = 1

PAIRS: Final = 10
WARMING: Final = 0.18
SLOWER: Final = 0.05
PAIRS_SEED: Final = 2


@dataclass(frozen=True)
class OneRun:
    """The samples of one run by prompt, in seconds, and the interval of their median if prompts or requests are drawn.

    `held` and `held_by_requests` count in how many of `TRIALS` such runs either interval held the truth.
    """

    samples: tuple[tuple[float, ...], ...]
    median: float
    by_prompts: Interval
    by_requests: Interval
    held: int
    held_by_requests: int


@dataclass(frozen=True)
class RunAgain:
    """A run of a series in which nothing changed: its median with its interval in seconds, against the run before."""

    median: float
    interval: Interval
    against_before: float | None


@dataclass(frozen=True)
class History:
    """Medians of runs in seconds, oldest first, and what was said of them as they came.

    `alarms` are the places of the runs before the step after which a change was suspected, `suspected` and `confirmed`
    those after which the step first was. `effect` is the size of the step, as a share.
    """

    medians: tuple[float, ...]
    drifted: tuple[bool, ...]
    alarms: tuple[int, ...]
    suspected: int
    confirmed: int
    effect: float
    levels: tuple[Level, ...]


@dataclass(frozen=True)
class Turns:
    """A and B in turns: median latencies in seconds in the order of the blocks, the ratio beside neighbours (on the
    logarithm), and what the same machine would have said of all of A first and all of B then."""

    blocks: tuple[tuple[str, float], ...]
    beside: Crossed
    one_after_the_other: float


@cache
def one_run() -> OneRun:
    """Return one run, and how often such a run's intervals hold the truth."""
    rng = np.random.default_rng(RUN_SEED)
    table = np.array(sorted(_drawn(rng), key=np.median))
    by_prompts, by_requests = _by_prompts(table), _by_requests(table)
    again = [_drawn(rng) for _ in range(TRIALS)]
    return OneRun(
        samples=tuple(tuple(row) for row in table.tolist()),
        median=float(np.median(table)),
        by_prompts=by_prompts,
        by_requests=by_requests,
        held=sum(_holds(_by_prompts(one)) for one in again),
        held_by_requests=sum(_holds(_by_requests(one)) for one in again),
    )


@cache
def runs_again() -> tuple[RunAgain, ...]:
    """Return runs with the same prompts between which nothing changed but the machine's mood."""
    rng = np.random.default_rng(RUNS_SEED)
    prompts = rng.normal(0, BETWEEN_PROMPTS, (len(PROMPTS), 1))
    found: list[RunAgain] = []
    for mood in rng.normal(0, BETWEEN_RUNS, RUNS):
        table = TRUTH_S * np.exp(prompts + mood + rng.normal(0, BETWEEN_ROUNDS, (len(PROMPTS), ROUNDS)))
        median = float(np.median(table))
        before = found[-1].median if found else None
        against = None if before is None else median / before - 1
        found.append(RunAgain(median, _interval(_asked(table), THESE), against))
    return tuple(found)


@cache
def history() -> History:
    """Return a history with a spike, a step and an unsteady run, and what was said at each run."""
    rng = np.random.default_rng(HISTORY_SEED)
    logs = rng.normal(0, HISTORY_NOISE, HISTORY)
    logs[SPIKE_AT] += SPIKE
    logs[STEP_AT:] += STEP
    values = [float(value) for value in TRUTH_S * np.exp(logs)]
    drifted = [place == UNSTEADY_AT for place in range(HISTORY)]
    said = list(replay(values, drifted))
    return History(
        medians=tuple(values),
        drifted=tuple(drifted),
        alarms=tuple(place for place, found in enumerate(said[:STEP_AT]) if found),
        suspected=next(place for place, found in enumerate(said) if found and place >= STEP_AT),
        confirmed=next(place for place, found in enumerate(said) for one in found if one.status == "confirmed"),
        effect=said[-1][-1].effect,
        levels=levels(values, said[-1], drifted),
    )


@cache
def turns() -> Turns:
    """Return A and B in turns on a machine that gets slower, as A B, B A, A B and so on."""
    rng = np.random.default_rng(PAIRS_SEED)
    mood = WARMING * (1 - np.exp(-np.arange(2 * PAIRS) / 8)) + rng.normal(0, 0.006, 2 * PAIRS)
    noise = rng.normal(0, 0.02, (2, PAIRS, len(PROMPTS)))
    sides = ["A" if (place // 2 + place) % 2 == 0 else "B" for place in range(2 * PAIRS)]
    logs = {"A": np.zeros((PAIRS, len(PROMPTS))), "B": np.zeros((PAIRS, len(PROMPTS)))}
    for place, side in enumerate(sides):
        slower = np.log1p(SLOWER) if side == "B" else 0.0
        logs[side][place // 2] = mood[place] + slower + noise[0 if side == "A" else 1, place // 2]
    beside = crossed(logs["B"] - logs["A"])
    assert isinstance(beside, Crossed)
    blocks = [(side, float(np.exp(logs[side][place // 2].mean()))) for place, side in enumerate(sides)]
    first, then = float(mood[:PAIRS].mean()), float(mood[PAIRS:].mean())
    return Turns(tuple(blocks), beside, float(np.exp(then - first)) * (1 + SLOWER) - 1)


def _drawn(rng: np.random.Generator) -> Floats:
    """Return latencies by prompt and round, of prompts drawn anew."""
    prompts = rng.normal(0, BETWEEN_PROMPTS, (len(PROMPTS), 1))
    latencies: Floats = TRUTH_S * np.exp(prompts + rng.normal(0, BETWEEN_ROUNDS, (len(PROMPTS), ROUNDS)))
    return latencies


def _by_prompts(table: Floats) -> Interval:
    return _interval(_asked(table), None)


def _by_requests(table: Floats) -> Interval:
    """Return the interval as if each request had been of a prompt of its own."""
    return _interval([[Request(np.array([value]))] for value in table.ravel()], None)


def _asked(table: Floats) -> Prompts:
    return [[Request(np.array([value])) for value in row] for row in table]


def _interval(prompts: Prompts, about: About | None) -> Interval:
    found = intervals(prompts, ("p50",), seed=SEED, about=about)["p50"]
    assert isinstance(found, Interval)
    return found


def _holds(found: Interval) -> bool:
    return found.low <= TRUTH_S <= found.high
