"""The bootstrap: what a statistic would be if the prompts, or the rounds of each prompt, had been drawn again.

Requests of one prompt are alike, so they are not drawn one by one from all requests. Two questions can be asked:

- *prompts like these*: prompts are drawn again with replacement, each with its requests as they are. What differs
  between the requests of a prompt is in the spread of the prompts already: drawing the requests once more would count
  it twice (Davison and Hinkley, Bootstrap Methods and their Application, 1997, section 3.8).
- *these prompts*: the prompts stay, and the requests of each are drawn again with replacement.

Both are widened for few units as in Hesterberg, What Teachers Should Know About the Bootstrap, 2015 (the 'expanded
percentile interval'): a percentile interval of n units is too narrow by about sqrt((n - 1) / n) and by the difference
of Student's t from the normal distribution.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import inf, sqrt
from statistics import NormalDist
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from bench.stats.distribution import UPPER_QUANTILE, student_t

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
About = Literal["prompts like these", "these prompts"]
LIKE_THESE: Final = "prompts like these"
THESE: Final = "these prompts"

RESAMPLES: Final = 2_000

PROMPTS_NEEDED: dict[str, int] = {"mean": 5, "p50": 5, "p90": 40, "p95": 60, "p99": 400}
"""Prompts from which an interval of a statistic can be about prompts like these. A percentile far out is the business
of the few slowest prompts: an interval from fewer of them mostly misses it."""

PROMPTS_NEEDED_OF_TWO: Final = 5
"""The same for two sides with the same prompts, whatever the statistic: by how much prompts differ is in both."""

REPEATS_NEEDED: Final = 4
"""Requests beyond the first of each prompt that an interval about these prompts needs."""

ROUNDS_DRAWN: Final = 100
"""Units of a prompt that are drawn one by one. Beyond, successive rounds are drawn together, as one unit."""

CELLS: Final = 600
"""Values that resampled percentiles can take. Beyond, neighbours stand for the middle one of them, and half of the
cells are for the highest tenth: a rank is off by 0.15% of the values at most, and by a ninth of that in the tail."""

BLOCK: Final = 2_000_000
"""Numbers held at a time."""


@dataclass(frozen=True, eq=False)
class RequestValues:
    """The values of one request: one, or several as its gaps are.

    `per` has what a mean divides by, value for value, where that is not their number: a mean is sum(values) / sum(per).
    """

    values: Floats
    per: Floats | None = None


Prompts = Sequence[Sequence[RequestValues]]
"""Requests by prompt, in order of sending. Each has a value, each prompt a request."""


@dataclass(frozen=True)
class Plan:
    """What is drawn again: `units` in so many `groups`, each unit within its group. `why` says why not the prompts."""

    about: About
    units: int
    groups: int
    why: str | None

    def reach(self, share: float = UPPER_QUANTILE) -> float:
        """Return how many bootstrap standard errors the quantile of a share is away: more for few units."""
        degrees = self.units - self.groups
        return sqrt(self.units / degrees) * student_t(degrees, share)

    @property
    def tail(self) -> float:
        """The share of resampled values to leave out at either end of an interval of CONFIDENCE."""
        return NormalDist().cdf(-self.reach())


def plan(sides: Sequence[Prompts], statistic: str, about: About | None = None) -> Plan | str:
    """Return what to draw again for one statistic of one side, or of two with the same prompts; or why nothing can be.

    About prompts like these where there are enough of them for the statistic, else about these prompts; `about` asks
    for one of the two. Raises KeyError for a statistic that has no interval.
    """
    needed = PROMPTS_NEEDED[statistic] if len(sides) == 1 else PROMPTS_NEEDED_OF_TWO
    prompts = len(sides[0])
    what = statistic if len(sides) == 1 else "change"
    too_few = f"{_counted(prompts, 'prompt')}; a {what} of prompts like these needs {needed}"
    if about != THESE and prompts >= needed:
        return Plan(LIKE_THESE, prompts, 1, None)
    if about == LIKE_THESE:
        return too_few
    units = sum(sum(_units(prompts)) for prompts in sides)
    groups = sum(len(prompts) for prompts in sides)
    repeats = units - groups
    if repeats == 0:
        return "no prompt was asked twice, so nobody knows how much a repetition differs"
    if repeats < REPEATS_NEEDED * len(sides):
        return f"{_counted(repeats, 'repeated request')}; an interval needs {REPEATS_NEEDED * len(sides)}"
    return Plan(THESE, units, groups, "as asked" if about == THESE else too_few)


def bootstrap(
    prompts: Prompts,
    statistics: Sequence[str],
    about: About,
    *,
    seed: int,
    stream: int = 0,
    resamples: int = RESAMPLES,
) -> dict[str, Floats]:
    """Return `resamples` values of each statistic ('mean', 'p50', 'p90', 'p95', 'p99'), in the unit of the values.

    The statistic is over all values of all requests together, percentiles by the linear method. What is drawn follows
    from the seed, the stream and the number of units alone: two sides with the same prompts get the same prompts in
    each resample, and different `stream`s give draws that are independent of each other.
    """
    unit_of = _prompt_units(prompts) if about == LIKE_THESE else _round_units(prompts)
    sizes = (len(prompts),) if about == LIKE_THESE else _units(prompts)
    pool = _pool([request for asked in prompts for request in asked], unit_of, sum(sizes))
    rows = min(resamples, max(1, BLOCK // max(sum(sizes), len(pool.cells))))
    found: dict[str, list[Floats]] = {name: [] for name in statistics}
    for weights in _weights(sizes, rows, resamples, seed, stream):
        for name, values in _statistics(pool, weights, statistics).items():
            found[name].append(values)
    return {name: np.concatenate(parts) for name, parts in found.items()}


def limits(values: Floats, drawn: Plan) -> tuple[float, float]:
    """Return the ends of the interval of resampled values, of CONFIDENCE."""
    low, high = np.quantile(values, (drawn.tail, 1 - drawn.tail))
    return float(low), float(high)


@dataclass(frozen=True, eq=False)
class _Pool:
    """All values together. `cells` are values in order, `unit_of` the unit of each where each is a single value, and
    else `counts` how many values of each unit it stands for. A mean lies between `lowest` and `highest`."""

    cells: Floats
    unit_of: NDArray[np.intp] | None
    counts: NDArray[np.float32] | None
    sums: Floats
    per: Floats
    lowest: float
    highest: float


def _pool(requests: Sequence[RequestValues], unit_of: Sequence[int], units: int) -> _Pool:
    values = np.concatenate([request.values for request in requests])
    unit = np.repeat(np.asarray(unit_of), [len(request.values) for request in requests])
    per = [request.per for request in requests if request.per is not None]
    order = np.argsort(values, kind="stable")
    edges = _edges(len(values))
    cells = len(edges) - 1
    counts = None
    if cells < len(values):
        cell = np.repeat(np.arange(cells), np.diff(edges))
        counts = np.bincount(unit[order] * cells + cell, minlength=units * cells).reshape(units, cells)
    return _Pool(
        cells=values[order[(edges[:-1] + edges[1:] - 1) // 2]],
        unit_of=unit[order] if counts is None else None,
        counts=None if counts is None else counts.astype(np.float32),
        sums=np.bincount(unit, values, minlength=units).astype(np.float64),
        per=np.bincount(unit, np.concatenate(per) if per else None, minlength=units).astype(np.float64),
        lowest=-inf if per else float(values.min()),
        highest=inf if per else float(values.max()),
    )


def _edges(values: int) -> NDArray[np.intp]:
    """Return where each cell of the sorted values begins, and the end."""
    if values <= CELLS:
        return np.arange(values + 1)
    tail = values - values // 10
    body, highest = np.linspace(0, tail, CELLS // 2 + 1), np.linspace(tail, values, CELLS // 2 + 1)
    return np.unique(np.concatenate([body, highest]).astype(np.intp))


def _weights(sizes: tuple[int, ...], rows: int, resamples: int, seed: int, stream: int) -> Iterator[Counts]:
    """Yield how often each unit is drawn in each resample, so many rows at a time."""
    if rows == resamples:
        yield _all_weights(sizes, resamples, seed, stream)
        return
    rng = np.random.default_rng([seed, stream])
    for first in range(0, resamples, rows):
        yield _drawn(sizes, min(rows, resamples - first), rng)


@lru_cache(maxsize=8)
def _all_weights(sizes: tuple[int, ...], resamples: int, seed: int, stream: int) -> Counts:
    # The metrics of a model, and as a rule all models of a run, have the same requests: they are drawn once.
    weights = _drawn(sizes, resamples, np.random.default_rng([seed, stream]))
    weights.flags.writeable = False
    return weights


def _drawn(sizes: Sequence[int], rows: int, rng: np.random.Generator) -> Counts:
    """Return how often each unit is drawn in each row; groups of these sizes follow each other."""
    units = sum(sizes)
    first = np.repeat(np.cumsum([0, *sizes[:-1]]), sizes)
    drawn = first + (rng.random((rows, units)) * np.repeat(sizes, sizes)).astype(np.intp)
    drawn += np.arange(rows)[:, np.newaxis] * units
    return np.bincount(drawn.ravel(), minlength=rows * units).reshape(rows, units).astype(np.int64, copy=False)


def _statistics(pool: _Pool, weights: Counts, statistics: Sequence[str]) -> dict[str, Floats]:
    found: dict[str, Floats] = {}
    percentiles = [name for name in statistics if name != "mean"]
    if len(percentiles) < len(statistics):
        # Sums round: the mean of equal values stays what they are.
        found["mean"] = np.clip((weights @ pool.sums) / (weights @ pool.per), pool.lowest, pool.highest)
    if percentiles:
        drawn = _drawn_values(pool, weights)
        so_far = drawn.cumsum(dtype=np.int32 if drawn.sum(dtype=np.int64) < 2**31 else np.int64)
        for name in percentiles:
            found[name] = _percentiles(pool.cells, so_far, len(weights), int(name.removeprefix("p")) / 100)
    return found


def _drawn_values(pool: _Pool, weights: Counts) -> NDArray[np.int32]:
    """Return how many values each cell has in each row."""
    if pool.counts is None:
        return weights.astype(np.int32)[:, pool.unit_of]
    # Single precision is exact for whole numbers of this size, and matrices of it multiply fast.
    return (weights.astype(np.float32) @ pool.counts).astype(np.int32)


def _percentiles(cells: Floats, so_far: NDArray[np.signedinteger], rows: int, share: float) -> Floats:
    """Return a percentile of each row, by the linear method. `so_far` counts values through all rows, cell by cell."""
    ends = so_far[len(cells) - 1 :: len(cells)]
    before = np.concatenate([[0], ends[:-1]])
    rank = (ends - before - 1) * share
    lower = rank.astype(np.int64)
    first = np.arange(rows) * len(cells)
    low, high = (
        cells[np.searchsorted(so_far, np.minimum(before + place, ends - 1).astype(so_far.dtype), side="right") - first]
        for place in (lower, lower + 1)
    )
    found: Floats = low + (high - low) * (rank - lower)
    return found


def _units(prompts: Prompts) -> tuple[int, ...]:
    return tuple(min(len(asked), ROUNDS_DRAWN) for asked in prompts)


def _prompt_units(prompts: Prompts) -> list[int]:
    return [place for place, asked in enumerate(prompts) for _ in asked]


def _round_units(prompts: Prompts) -> list[int]:
    unit_of: list[int] = []
    first = 0
    for asked, units in zip(prompts, _units(prompts), strict=True):
        unit_of += [first + place * units // len(asked) for place in range(len(asked))]
        first += units
    return unit_of


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
