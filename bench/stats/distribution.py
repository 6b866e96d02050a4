"""What a set of values looks like: its percentiles, and whether it is too small to have them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import atan, cos, isfinite, pi, sin, sqrt
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PERCENTILE_METHOD: Final = "linear"
"""How a percentile between two values is interpolated, whatever their number: method 7 of Hyndman and Fan (1996)."""

CONFIDENCE: Final = 0.95
"""Share of cases in which an interval holds the truth, of every interval in this program."""

UPPER_QUANTILE: Final = (1 + CONFIDENCE) / 2
"""Share of a distribution below the upper end of the interval that leaves out as much on either side."""

EXPANDED_BEYOND: Final = 30
"""Degrees of freedom beyond which the expansion of Student's distribution is off by less than one in ten thousand."""

BISECTIONS: Final = 60

VALUES_NEEDED: dict[str, int] = {"p90": 20, "p95": 20, "p99": 100}
"""Values below which a percentile is not given: it would be the largest value, give or take, under another name."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """A set of values in short, in the unit of the values.

    A percentile above the median is None where there are too few values for it. `few` says so for the p95, in words,
    and is None where there are enough. `variation` is the coefficient of variation, the sample standard deviation (of n
    - 1) / the size of the mean: it has no unit, and is None for a single value and where the mean is 0.
    """

    count: int
    mean: float
    minimum: float
    maximum: float
    p50: float
    p90: float | None
    p95: float | None
    p99: float | None
    few: str | None
    variation: float | None


def distribution(values: Sequence[float] | NDArray[np.float64], noun: str = "sample") -> Distribution | None:
    """Return the distribution of the values, in any order; None where there is none.

    `noun` is what one value is, for the sentence in `few`. Raises ValueError for a value that is not finite.
    """
    count = len(values)
    if count == 0:
        return None
    array = np.asarray(values, dtype=np.float64)
    ordered = np.sort(array)
    lowest, highest = float(ordered[0]), float(ordered[-1])
    # NaN is sorted to the end.
    if not (isfinite(lowest) and isfinite(highest)):
        raise ValueError("a distribution needs finite values")
    mean = float(np.add.reduce(array) / count)
    p90, p95, p99 = (
        percentile(ordered, share) if count >= VALUES_NEEDED[name] else None
        for name, share in (("p90", 0.90), ("p95", 0.95), ("p99", 0.99))
    )
    return Distribution(
        count=count,
        mean=mean,
        minimum=lowest,
        maximum=highest,
        p50=percentile(ordered, 0.5),
        p90=p90,
        p95=p95,
        p99=p99,
        few=too_few(count, "p95", noun),
        variation=_variation(array, mean, lowest, highest),
    )


def percentile_share(name: str) -> float:
    """Return which share of the values lies below a percentile: 0.95 for 'p95'."""
    return int(name.removeprefix("p")) / 100


def percentile(ordered: NDArray[np.float64], share: float) -> float:
    """Return the value below which a share of ascending values lies, by the linear method; 0.95 is the p95.

    It is what `np.percentile` gives, bit for bit, without the hundred microseconds that it takes for a few values.
    """
    last = len(ordered) - 1
    rank = last * share
    lower = int(rank)
    if lower >= last:
        return float(ordered[last])
    low, high = float(ordered[lower]), float(ordered[lower + 1])
    part = rank - lower
    # From the nearer end: sums round.
    return low + (high - low) * part if part < 0.5 else high - (high - low) * (1 - part)


def too_few(count: int, name: str, noun: str = "sample") -> str | None:
    """Return why `count` values have no percentile of this name ('p90', 'p95', 'p99'), or None where they have.

    Example: '12 samples; a p95 needs 20'.
    """
    needed = VALUES_NEEDED[name]
    if count >= needed:
        return None
    return f"{count} {noun}{'' if count == 1 else 's'}; a {name} needs {needed}"


@lru_cache
def student_t(degrees: int, share: float = UPPER_QUANTILE) -> float:
    """Return the value below which a share of Student's distribution lies: 1.96 for 0.975 and many degrees.

    From its distribution function, and beyond EXPANDED_BEYOND degrees from the expansion about the normal distribution
    (Abramowitz and Stegun, 26.7.3 to 26.7.5). Raises ValueError below 1 degree of freedom, and for a share below a
    half.
    """
    if degrees < 1 or not 0.5 <= share < 1:
        raise ValueError(f"Student's distribution has no {share} quantile for {degrees} degrees of freedom")
    z = NormalDist().inv_cdf(share)
    if degrees > EXPANDED_BEYOND:
        first = (z**3 + z) / 4
        second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
        third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
        return z + first / degrees + second / degrees**2 + third / degrees**3
    low, high = z, z + 1
    while _share_below(high, degrees) < share:
        low, high = high, 2 * high
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if _share_below(middle, degrees) < share else (low, middle)
    return (low + high) / 2


def _share_below(value: float, degrees: int) -> float:
    angle = atan(value / sqrt(degrees))
    odd = degrees % 2
    term = cos(angle) if odd else 1.0
    series = 0.0
    for number in range(1 + odd, degrees, 2):
        series += term
        term *= cos(angle) ** 2 * number / (number + 1)
    within = 2 / pi * (angle + sin(angle) * series) if odd else sin(angle) * series
    return (1 + within) / 2


def _variation(array: NDArray[np.float64], mean: float, lowest: float, highest: float) -> float | None:
    if len(array) < 2 or mean == 0:
        return None
    # Sums round: equal values vary by nothing at all.
    if lowest == highest:
        return 0.0
    squares = np.square(array - mean)
    return sqrt(float(np.add.reduce(squares)) / (len(array) - 1)) / abs(mean)
