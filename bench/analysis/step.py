"""How strongly some runs speak for a level shift: one Bayes factor, whatever the noise and its autocorrelation.

One split of a series is judged here: the runs before it (`background`) against those from it on. `evidence` is the
natural logarithm of how much better 'two levels, and each run by itself' explains all of them than 'one level'. The one
level may be autocorrelated: machines have states and moods, and a few high runs in a row are then no news. What
neither side knows, the size of the noise and the level, is integrated out (Zellner, An Introduction to Bayesian
Inference in Econometrics, 1971, chapters 3 and 4), so a short history needs more than a long one.

Everything works on logarithms: a shift is a ratio. It is our own, in plain Python: the sums are closed, a split takes
microseconds, and scipy or ruptures would bring 100 MB for a t quantile and no notion of autocorrelation. Each constant
was chosen by simulation, `python -m tests.benchmarks.changes`; docs/changes-measured.md has what it gives.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, expm1, log, sqrt
from operator import mul
from typing import Final

CORRELATIONS: Final = ((0.0, 0.3), (0.5, 0.5), (0.8, 0.2))
"""Lag-one autocorrelation that the noise may have, and what each is believed beforehand. Less belief in 0.5 finds steps
sooner and cries wolf more: `--table beliefs` shows the exchange."""

PRIOR_NOISE: Final = 0.05
PRIOR_RUNS: Final = 0.5
PRIOR_SQUARES: Final = PRIOR_RUNS * PRIOR_NOISE**2
"""What is believed of the noise beforehand: 5% between runs, as firmly as half a run would say it. It keeps a few equal
values from looking like certainty. A firmer belief finds steps sooner where it is right, and cries wolf where the noise
is larger."""

SHIFT_SCALE: Final = 4.0
"""Size of a shift, in units of the noise, that is expected where there is one: standard deviation of a normal prior."""

CLIP: Final = 4.0
"""Earlier runs count as no farther from their level than this many robust deviations: a spike is not noise."""

MAD_TO_DEVIATION: Final = 1.4826
"""Standard deviation of a normal distribution in median absolute deviations."""

SMALLEST_DEVIATION: Final = 0.006
"""Least robust deviation that is clipped by: where more than half of the runs are equal it would be 0."""

NEAR_NOISE: Final = 3.0
NEAR_SHARE: Final = 0.25
"""A run agrees with a new level when it lies within 3 deviations of it, or within a quarter of the shift: spikes differ
from each other by more."""

BEYOND_NOISE: Final = 0.4
"""... and when it lies beyond the old level by this many deviations."""

NORMAL_QUANTILE: Final = 1.959964
"""Of 0.975, for intervals of 95%."""

LARGEST_LOG: Final = 700.0
"""Logarithm beyond which a ratio is no longer a number of the machine."""


@dataclass(frozen=True)
class Background:
    """The runs before a split. `level` and `spread` are of logarithms; `runs` counts those at that level.

    `residuals` are the distances of all from their levels, oldest first, none beyond `limit`; the last `runs` are at
    this level.
    """

    level: float
    spread: float
    runs: int
    limit: float
    residuals: Sequence[float]

    def came_back_from(self, run: float) -> bool:
        """Return whether an earlier run lay as far off on the same side: the next one was back, so may this one be."""
        away = min(max(run - self.level, -self.limit), self.limit)
        return max(self.residuals) >= away if away > 0 else min(self.residuals) <= away


@dataclass(frozen=True)
class Shift:
    """A shift to a new level, of logarithms: its size, the standard error of that, and half of its 95% interval.

    `evidence` is the logarithm of the Bayes factor for it.
    """

    size: float
    error: float
    reach: float
    evidence: float

    @property
    def real(self) -> bool:
        """Whether the interval excludes no change."""
        return abs(self.size) > self.reach


@dataclass(frozen=True)
class _Runs:
    """The distances of all runs, and sums over them: of squares, of products with the next run, and from a run on.

    The old level begins with the run `level`, the new one with the run `split`.
    """

    away: Sequence[float]
    level: int
    split: int
    squares: float
    products: float
    from_level: float
    from_split: float


@dataclass(frozen=True)
class _Explained:
    """How well one autocorrelation explains all runs, as logarithms of likelihoods; the variance of the shift then."""

    one_level: float
    two_levels: float
    variance: float


def middle(values: Sequence[float]) -> float:
    """Return the interquartile mean: of the middle half of the values, of all below 4. A spike leaves it alone."""
    cut = len(values) // 4
    kept = sorted(values)[cut : len(values) - cut]
    return sum(kept) / len(kept)


def background(runs: Sequence[float], older: Sequence[float] = ()) -> Background:
    """Return what the runs before a split look like. `runs` are logarithms of values at one level, oldest first.

    `older` are the distances of still earlier runs from their own levels: they say something of the noise alone.
    """
    level = middle(runs)
    residuals = [*older, *[run - level for run in runs]]
    sizes = sorted([abs(residual) for residual in residuals])
    median = (sizes[(len(sizes) - 1) // 2] + sizes[len(sizes) // 2]) / 2
    limit = CLIP * max(MAD_TO_DEVIATION * median, SMALLEST_DEVIATION)
    if sizes[-1] > limit:
        residuals = [limit if residual > limit else -limit if residual < -limit else residual for residual in residuals]
    squares = PRIOR_SQUARES + sum(map(mul, residuals, residuals))
    return Background(level, sqrt(squares / (len(residuals) - 1 + PRIOR_RUNS)), len(runs), limit, residuals)


def held_in(before: Background, runs: Sequence[float]) -> tuple[list[float], int]:
    """Return the distances of runs from the old level, those that disagree moved to the limit, and how many agree.

    A run agrees when it lies near the middle of them, and on its side of the old level.
    """
    away = [run - before.level for run in runs]
    centre = middle(away)
    reach = max(NEAR_NOISE * before.spread, NEAR_SHARE * abs(centre))
    beyond = BEYOND_NOISE * before.spread
    low, high = centre - reach, centre + reach
    if centre > 0:
        agreeing = sum(max(low, beyond) <= each <= high for each in away)
    else:
        agreeing = sum(low <= each <= min(high, -beyond) for each in away)
    return [min(max(each, low), high) for each in away], agreeing


def shift(before: Background, away: Sequence[float]) -> Shift:
    """Return the shift from `before` to the runs at the distances `away` from its level, and what speaks for it.

    The errors under each autocorrelation are weighed by how well it explains the two levels; Student's quantile is
    Wallace's (1959), within 1% from 5 degrees of freedom on.
    """
    runs = _runs(before, away)
    explained = [_explained(runs, correlation) for correlation, _ in CORRELATIONS]
    one = max([each.one_level for each in explained])
    two = max([each.two_levels for each in explained])
    one_level = variance = weights = 0.0
    for (_, belief), each in zip(CORRELATIONS, explained, strict=True):
        one_level += belief * exp(each.one_level - one)
        weight = belief * exp(each.two_levels - two)
        variance += weight * each.variance
        weights += weight
    error = sqrt(variance / weights)
    degrees = len(runs.away) - 2 + PRIOR_RUNS
    scaled = NORMAL_QUANTILE * (8 * degrees + 3) / (8 * degrees + 1)
    return Shift(
        size=middle(away),
        error=error,
        reach=error * sqrt(degrees * expm1(scaled**2 / degrees)),
        # The first correlation is none: two levels are weighed with runs that know nothing of each other.
        evidence=explained[0].two_levels - one - log(one_level),
    )


def _runs(before: Background, away: Sequence[float]) -> _Runs:
    runs = [*before.residuals, *away]
    level = len(before.residuals) - before.runs
    return _Runs(
        away=runs,
        level=level,
        split=len(before.residuals),
        squares=sum(map(mul, runs, runs)),
        products=sum(map(mul, runs, runs[1:])),
        from_level=sum(runs[level:]),
        from_split=sum(away),
    )


def _explained(runs: _Runs, correlation: float) -> _Explained:
    """Return the likelihoods with the noise and the levels integrated out.

    It is a regression of the innovations e_t = r_t - correlation * r_(t-1) on a level and a shift; the first of all has
    the variance 1 / (1 - correlation²) of the others and is scaled by its root. A level is flat beforehand, a shift
    normal around 0 with SHIFT_SCALE times the noise, the noise scaled inverse chi-squared. Factors that are the same
    for all correlations and both numbers of levels are left out.
    """
    away, level, split = runs.away, runs.level, runs.split
    count, last = len(away), away[-1]
    free, rest = 1 - correlation**2, 1 - correlation
    squares = (
        PRIOR_SQUARES
        + (1 + correlation**2) * runs.squares
        - 2 * correlation * runs.products
        - correlation**2 * (away[0] ** 2 + last**2)
    )
    first = away[level] - correlation * away[level - 1] if level else free * away[0]
    along_level = first + rest * (rest * runs.from_level - away[level] + correlation * last)
    of_level = (1 if level else free) + rest**2 * (count - level - 1)
    first = away[split] - correlation * away[split - 1]
    along_shift = first + rest * (rest * runs.from_split - away[split] + correlation * last)
    of_shift = 1 + rest**2 * (count - split - 1)
    both = rest + rest**2 * (count - split - 1)
    along_shift -= both * along_level / of_level
    of_shift -= both**2 / of_level
    one_left = squares - along_level**2 / of_level
    explained = along_shift**2
    half = (count - 1 + PRIOR_RUNS) / 2
    constant = (log(free) - log(of_level)) / 2
    return _Explained(
        one_level=constant - half * log(one_left),
        two_levels=constant
        - half * log(one_left - explained / (of_shift + SHIFT_SCALE**-2))
        - log(1 + SHIFT_SCALE**2 * of_shift) / 2,
        variance=(one_left - explained / of_shift) / (count - 2 + PRIOR_RUNS) / of_shift,
    )
