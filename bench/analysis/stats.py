"""What a set of values looks like: its percentiles, and whether it is too small to have them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

PERCENTILE_METHOD: Final = "linear"
"""How a percentile between two values is interpolated, whatever their number: method 7 of Hyndman and Fan (1996)."""

VALUES_NEEDED: dict[str, int] = {"p90": 20, "p95": 20, "p99": 100}
"""Values below which a percentile is not given: it would be the largest value, give or take, under another name."""


@dataclass(frozen=True)
class Distribution:
    """A set of values in short, in the unit of the values.

    A percentile above the median is None where there are too few values for it. `few` says so for the p95, in words,
    and is None from 20 values on.
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
    )


def too_few(count: int, name: str, noun: str = "sample") -> str | None:
    """Return why `count` values have no percentile of this name ('p90', 'p95', 'p99'), or None where they have.

    Example: '12 samples; a p95 needs 20'.
    """
    needed = VALUES_NEEDED[name]
    if count >= needed:
        return None
    return f"{count} {noun}{'' if count == 1 else 's'}; a {name} needs {needed}"
