"""What a set of values looks like: its percentiles, and whether it is too small to have them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import atan, cos, pi, sin, sqrt
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

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


@dataclass(frozen=True)
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


def distribution(values: Sequence[float], noun: str = "sample") -> Distribution | None:
    """Return the distribution of the values, in any order; None where there is none.

    `noun` is what one value is, for the sentence in `few`. Raises ValueError for a value that is not finite.
    """
    if not values:
        return None
    array = np.asarray(values, dtype=np.float64)
    if not np.isfinite(array).all():
        raise ValueError("a distribution needs finite values")
    p50, p90, p95, p99 = (float(value) for value in np.percentile(array, (50, 90, 95, 99), method=PERCENTILE_METHOD))
    return Distribution(
        count=len(values),
        mean=float(array.mean()),
        minimum=float(array.min()),
        maximum=float(array.max()),
        p50=p50,
        p90=None if too_few(len(values), "p90") else p90,
        p95=None if too_few(len(values), "p95") else p95,
        p99=None if too_few(len(values), "p99") else p99,
        few=too_few(len(values), "p95", noun),
        variation=_variation(array),
    )


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


def _variation(array: NDArray[np.float64]) -> float | None:
    mean = abs(float(array.mean()))
    if len(array) < 2 or mean == 0:
        return None
    # Sums round: equal values vary by nothing at all.
    return 0.0 if array.min() == array.max() else float(array.std(ddof=1)) / mean
