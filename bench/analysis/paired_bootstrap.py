"""Two sides matched by prompt: by how much one is above the other, and what that would be if it were all done again.

A prompt's change is that of its own median, and the change as a whole is the mean over the prompts, for a ratio of the
logarithms: the geometric mean of the prompts' ratios. Medians over all requests say as much about the prompts as about
the sides: in simulations the interval of their ratio was three times as wide. A percentile above the median needs all
values together, so there it is the ratio of the two, over the same prompts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

import numpy as np

from bench.analysis.measurements import Measurement
from bench.stats.bootstrap import (
    LIKE_THESE,
    REPEATS_NEEDED,
    RESAMPLES,
    THESE,
    About,
    Plan,
    Prompts,
    RequestValues,
    bootstrap,
    plan,
)
from bench.stats.distribution import Floats, percentile, percentile_share

ChangeScale = Literal["ratio", "points"]
"""How a change is told: after / before, or after - before. Noise adds up on the logarithm of a ratio, and on points."""

OF_EACH_PROMPT: Final = ("p50", "mean")
"""Statistics that a single prompt has; percentiles above the median are of all prompts together."""

NO_RATIO: Final = "a value of 0 has no ratio"
NOTHING_SHARED: Final = "no prompt has a value on both sides"

LEVELS_KEPT: Final = 4_096
RESAMPLES_KEPT: Final = 128
"""What is kept of single sides: in a leaderboard each meets all others, and is the same every time."""


@dataclass(frozen=True, eq=False)
class PairedChange:
    """By how much `after` is above `before`, on the scale on which noise adds up: the logarithm of a ratio, or points.

    `resampled` has the change of each resample. `left_out` are prompts that only one side has a value for.
    """

    value: float
    resampled: Floats
    drawn: Plan
    left_out: tuple[str, ...]


def scale_of(side: Measurement) -> ChangeScale:
    """Return how changes of what was measured are told: scores and failures in points, everything else as a ratio."""
    return "points" if side.metric.in_points else "ratio"


def change(before: Measurement, after: Measurement, *, seed: int, about: About | None = None) -> PairedChange | str:
    """Return the change of one metric between two sides, or why it cannot be drawn again.

    About prompts like these, and the same ones for both sides, where there are enough of them; else about these
    prompts. `about` asks for one of the two.
    """
    shared = [
        prompt
        for prompt, asked in before.by_prompt.items()
        if prompt in after.by_prompt and _has_some(asked) and _has_some(after.by_prompt[prompt])
    ]
    if not shared:
        return NOTHING_SHARED
    sides = tuple([[one.by_prompt[prompt] for prompt in shared] for one in (before, after)])
    if before.kind == "loads":
        about = THESE
        fewest = min(len(side[0]) for side in sides)
        if fewest <= REPEATS_NEEDED:
            counts = " and ".join(str(len(side[0])) for side in sides)
            return f"{counts} loads; an interval needs {REPEATS_NEEDED + 1} on each side"
    drawn = plan(sides, before.statistic, LIKE_THESE if before.kind == "scores" else about)
    if isinstance(drawn, str):
        return drawn
    of_them = _of_each_prompt if before.statistic in OF_EACH_PROMPT else _of_all_together
    try:
        value, resampled = of_them(sides, before.statistic, scale_of(before), drawn, seed)
    except _NoRatioError:
        return NO_RATIO
    left_out = {*before.by_prompt, *after.by_prompt} - {*shared}
    return PairedChange(value, resampled, drawn, tuple(sorted(left_out)))


class _NoRatioError(Exception):
    """A value of 0 where a logarithm is asked for."""


def _of_each_prompt(
    sides: Sequence[Prompts], statistic: str, scale: ChangeScale, drawn: Plan, seed: int
) -> tuple[float, Floats]:
    before, after = [_scaled(np.array([_level(tuple(asked), statistic) for asked in side]), scale) for side in sides]
    changes = after - before
    value = float(np.add.reduce(changes) / len(changes))
    if drawn.about == LIKE_THESE:
        prompts = [[RequestValues(changes[place : place + 1])] for place in range(len(changes))]
        return value, bootstrap(prompts, ("mean",), LIKE_THESE, seed=seed)["mean"]
    resampled = np.zeros(RESAMPLES)
    for place, asked in enumerate(zip(*sides, strict=True)):
        was, now = [
            _resampled((tuple(one),), statistic, scale, THESE, seed, 2 * place + number)
            for number, one in enumerate(asked)
        ]
        resampled += (now - was) / len(changes)
    return value, resampled


def _of_all_together(
    sides: Sequence[Prompts], statistic: str, scale: ChangeScale, drawn: Plan, seed: int
) -> tuple[float, Floats]:
    prompts = [tuple(tuple(asked) for asked in side) for side in sides]
    before, after = (_scaled(np.array([_level(_flat(side), statistic)]), scale) for side in prompts)
    # One stream draws the same prompts for both sides; their rounds have nothing to do with each other.
    streams = (0, 0) if drawn.about == LIKE_THESE else (0, 1)
    was, now = (
        _resampled(side, statistic, scale, drawn.about, seed, stream)
        for side, stream in zip(prompts, streams, strict=True)
    )
    return float(after[0] - before[0]), now - was


@lru_cache(maxsize=RESAMPLES_KEPT)
def _resampled(
    prompts: tuple[tuple[RequestValues, ...], ...],
    statistic: str,
    scale: ChangeScale,
    about: About,
    seed: int,
    stream: int,
) -> Floats:
    """Return the scaled resamples of a statistic of some prompts together."""
    return _scaled(bootstrap(prompts, (statistic,), about, seed=seed, stream=stream)[statistic], scale)


@lru_cache(maxsize=LEVELS_KEPT)
def _level(asked: tuple[RequestValues, ...], statistic: str) -> float:
    """Return a statistic of all values of some requests."""
    values = np.concatenate([request.values for request in asked])
    if statistic == "mean":
        per = sum(len(one.values) if one.per is None else float(one.per.sum()) for one in asked)
        return float(values.sum()) / per
    return percentile(np.sort(values), percentile_share(statistic))


def _scaled(values: Floats, scale: ChangeScale) -> Floats:
    if scale == "points":
        return values
    if (values <= 0).any():
        raise _NoRatioError
    logarithms: Floats = np.log(values)
    return logarithms


def _has_some(asked: Sequence[RequestValues]) -> bool:
    """Return whether anything came of a prompt: a rate over failed requests alone is no value of it."""
    return any(one.per is None or one.values.any() for one in asked)


def _flat(side: Prompts) -> tuple[RequestValues, ...]:
    return tuple([request for asked in side for request in asked])
