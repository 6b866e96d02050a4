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
from functools import cached_property, lru_cache
from math import inf, sqrt
from statistics import NormalDist
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from bench.stats.distribution import UPPER_QUANTILE, Floats, percentile, percentile_share, student_t

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

DRAWS_KEPT: Final = 32
"""Draws that are kept: the metrics of a model, and as a rule all models of a run, have the same requests."""

RESAMPLED_KEPT: Final = 128
"""Resampled requests that are kept: those of a model are the same for its interval and beside each other model."""

FEW_UNITS: Final = 8
ORDERS_KEPT: Final = 256
"""Up to eight requests of one prompt have few orders: where a percentile of each lies is kept for so many of them."""

MOST_UINT8: Final = 255

EXACT_SINGLE: Final = 2**24
"""Whole numbers below this are exact in single precision, of which matrices multiply fast."""


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
        return _reach(self.units, self.groups, share)

    @property
    def tail(self) -> float:
        """The share of resampled values to leave out at either end of an interval of CONFIDENCE."""
        return _tail(self.units, self.groups)


@lru_cache(maxsize=1024)
def _reach(units: int, groups: int, share: float) -> float:
    degrees = units - groups
    return sqrt(units / degrees) * student_t(degrees, share)


@lru_cache(maxsize=1024)
def _tail(units: int, groups: int) -> float:
    return NormalDist().cdf(-_reach(units, groups, UPPER_QUANTILE))


def plan(sides: Sequence[Prompts], statistic: str, about: About | None = None) -> Plan | str:
    """Return what to draw again for one statistic of one side, or of two with the same prompts; or why nothing can be.

    About prompts like these where there are enough of them for the statistic, else about these prompts; `about` asks
    for one of the two. Raises KeyError for a statistic that has no interval.
    """
    needed = PROMPTS_NEEDED[statistic] if len(sides) == 1 else PROMPTS_NEEDED_OF_TWO
    prompts = len(sides[0])
    if about != THESE and prompts >= needed:
        return Plan(LIKE_THESE, prompts, 1, None)
    what = statistic if len(sides) == 1 else "change"
    too_few = f"{_counted(prompts, 'prompt')}; a {what} of prompts like these needs {needed}"
    if about == LIKE_THESE:
        return too_few
    units = sum([sum(_units(prompts)) for prompts in sides])
    groups = sum([len(prompts) for prompts in sides])
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
    asked = tuple([tuple(requests) for requests in prompts])
    kept = _kept(asked, about, seed, stream, resamples, BLOCK)
    missing = [name for name in statistics if name not in kept]
    if missing:
        kept.update(_resampled(asked, missing, about, seed, stream, resamples))
    return {name: kept[name] for name in statistics}


@lru_cache(maxsize=RESAMPLED_KEPT)
def _kept(
    asked: tuple[tuple[RequestValues, ...], ...], about: About, seed: int, stream: int, resamples: int, block: int
) -> dict[str, Floats]:
    """Return what is kept of some requests, which are known by identity: each statistic that was resampled so far."""
    return {}


def _resampled(
    prompts: Prompts, statistics: Sequence[str], about: About, seed: int, stream: int, resamples: int
) -> dict[str, Floats]:
    unit_of = _prompt_units(prompts) if about == LIKE_THESE else _round_units(prompts)
    sizes = (len(prompts),) if about == LIKE_THESE else _units(prompts)
    units = sum(sizes)
    pool = _Pool([request for asked in prompts for request in asked], unit_of, units)
    cells = 0 if statistics == ["mean"] else len(pool.cells)
    rows = min(resamples, max(1, BLOCK // max(units, cells)))
    parts: dict[str, list[Floats]] = {name: [] for name in statistics}
    for drawn in _draws(sizes, rows, resamples, seed, stream):
        for name, values in _statistics(pool, drawn, statistics).items():
            parts[name].append(values)
    found = {name: part[0] if len(part) == 1 else np.concatenate(part) for name, part in parts.items()}
    for values in found.values():
        # They are kept for the next one who asks.
        values.flags.writeable = False
    return found


def limits(values: Floats, drawn: Plan) -> tuple[float, float]:
    """Return the ends of the interval of resampled values, of CONFIDENCE."""
    tail = drawn.tail
    shares = (tail, 1 - tail)
    last = len(values) - 1
    places = {min(int(last * share) + one, last) for share in shares for one in (0, 1)}
    ordered = np.partition(values, [*places, last])
    low, high = (percentile(ordered, share) for share in shares)
    return low, high


class _Pool:
    """All values of some requests together, each part of a unit that is drawn as one."""

    def __init__(self, requests: Sequence[RequestValues], unit_of: Sequence[int], units: int) -> None:
        self._requests = requests
        self._units = units
        self._values = np.concatenate([request.values for request in requests])
        unit = np.array(unit_of, dtype=np.intp)
        single = len(self._values) == len(requests)
        self._unit = unit if single else np.repeat(unit, [len(request.values) for request in requests])

    @cached_property
    def sums(self) -> Floats:
        """What the values of each unit add up to."""
        return np.bincount(self._unit, self._values, minlength=self._units).astype(np.float64)

    @cached_property
    def per(self) -> Floats:
        """What a mean divides by, of each unit."""
        per = [request.per for request in self._requests if request.per is not None]
        return np.bincount(self._unit, np.concatenate(per) if per else None, minlength=self._units).astype(np.float64)

    @cached_property
    def bounds(self) -> tuple[float, float]:
        """What a mean lies between."""
        if any(request.per is not None for request in self._requests):
            return -inf, inf
        return float(self._values.min()), float(self._values.max())

    @cached_property
    def cells(self) -> Floats:
        """Values in order, each of which stands for itself or for its neighbours as well."""
        edges = self._edges
        middle = (edges[:-1] + edges[1:] - 1) // 2
        cells: Floats = self._values[self._order[middle]]
        return cells

    def drawn_up_to(self, drawn: "_Draws") -> NDArray[np.floating]:
        """Return how many values are drawn up to each cell, that one included, row by row: cells x rows."""
        unit = self._unit[self._order]
        exact = len(self._values) * self._units < EXACT_SINGLE
        weights: NDArray[np.floating] = drawn.by_unit if exact else drawn.by_unit.astype(np.float64)
        cells = len(self._edges) - 1
        if cells < len(unit):
            cell = np.repeat(np.arange(cells), np.diff(self._edges))
            counts = np.bincount(unit * cells + cell, minlength=self._units * cells).reshape(self._units, cells)
            up_to: NDArray[np.floating] = np.matmul(counts.cumsum(axis=1).T.astype(weights.dtype), weights)
            return up_to
        return _sums_down(weights, unit.tolist())

    @cached_property
    def alone(self) -> tuple[int, ...] | None:
        """The units in the order of their values, where they are few and each is a single value."""
        if len(self._values) != self._units or self._units > FEW_UNITS:
            return None
        return tuple(self._unit[self._order].tolist())

    @cached_property
    def _order(self) -> NDArray[np.intp]:
        return np.argsort(self._values, kind="stable")

    @cached_property
    def _edges(self) -> NDArray[np.intp]:
        return _edges(len(self._values))


def _edges(values: int) -> NDArray[np.intp]:
    """Return where each cell of the sorted values begins, and the end."""
    if values <= CELLS:
        return np.arange(values + 1)
    tail = values - values // 10
    body, highest = np.linspace(0, tail, CELLS // 2 + 1), np.linspace(tail, values, CELLS // 2 + 1)
    return np.unique(np.concatenate([body, highest]).astype(np.intp))


class _Draws:
    """How often each unit is drawn in each resample."""

    def __init__(self, weights: NDArray[np.int64]) -> None:
        self._weights = weights
        self._known: dict[tuple[tuple[int, ...], float], _Places] = {}

    @cached_property
    def by_row(self) -> Floats:
        """Rows x units, for sums."""
        return self._weights.astype(np.float64)

    @cached_property
    def by_unit(self) -> NDArray[np.float32]:
        """Units x rows, for counts."""
        return np.ascontiguousarray(self._weights.T, dtype=np.float32)

    def places(self, order: tuple[int, ...], share: float) -> "_Places":
        """Return where a percentile lies, of units of a single value each that are in this order."""
        key = (order, share)
        if key not in self._known:
            if len(self._known) >= ORDERS_KEPT:
                self._known.clear()
            self._known[key] = _places(_sums_down(self.by_unit, order), share)
        return self._known[key]


def _sums_down(weights: NDArray[np.floating], units: Sequence[int]) -> NDArray[np.floating]:
    """Return the running sums of the rows of some units: numpy's own go down the columns one by one."""
    so_far = np.empty((len(units), weights.shape[1]), dtype=weights.dtype)
    so_far[0] = weights[units[0]]
    for place, unit in enumerate(units[1:], start=1):
        np.add(so_far[place - 1], weights[unit], out=so_far[place])
    return so_far


def _draws(sizes: tuple[int, ...], rows: int, resamples: int, seed: int, stream: int) -> Iterator[_Draws]:
    """Yield the draws of all resamples, so many rows at a time."""
    if rows == resamples:
        yield _all_draws(sizes, resamples, seed, stream)
        return
    rng = np.random.default_rng([seed, stream])
    for first in range(0, resamples, rows):
        yield _Draws(_drawn(sizes, min(rows, resamples - first), rng))


@lru_cache(maxsize=DRAWS_KEPT)
def _all_draws(sizes: tuple[int, ...], resamples: int, seed: int, stream: int) -> _Draws:
    return _Draws(_drawn(sizes, resamples, np.random.default_rng([seed, stream])))


def _drawn(sizes: Sequence[int], rows: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return how often each unit is drawn in each row; groups of these sizes follow each other."""
    units = sum(sizes)
    first = np.repeat(np.cumsum([0, *sizes[:-1]]), sizes)
    drawn = first + (rng.random((rows, units)) * np.repeat(sizes, sizes)).astype(np.intp)
    drawn += np.arange(rows)[:, np.newaxis] * units
    return np.bincount(drawn.ravel(), minlength=rows * units).reshape(rows, units).astype(np.int64, copy=False)


def _statistics(pool: _Pool, drawn: _Draws, statistics: Sequence[str]) -> dict[str, Floats]:
    found: dict[str, Floats] = {}
    percentiles = [name for name in statistics if name != "mean"]
    if len(percentiles) < len(statistics):
        # Sums round: the mean of equal values stays what they are.
        found["mean"] = np.clip((drawn.by_row @ pool.sums) / (drawn.by_row @ pool.per), *pool.bounds)
    if percentiles:
        cells, order = pool.cells, pool.alone
        so_far = pool.drawn_up_to(drawn) if order is None else None
        for name in percentiles:
            share = percentile_share(name)
            places = _places(so_far, share) if so_far is not None else drawn.places(order or (), share)
            found[name] = places.values(cells)
    return found


@dataclass(frozen=True, eq=False)
class _Places:
    """Where a percentile lies in each row: between which cells, and how far.

    `above` is None where it is on the first of them in all rows.
    """

    below: NDArray[np.intp]
    above: NDArray[np.intp] | None
    part: Floats

    def values(self, cells: Floats) -> Floats:
        """Return the percentile of each row, by the linear method."""
        low: Floats = cells[self.below]
        return low if self.above is None else low + (cells[self.above] - low) * self.part


def _places(so_far: NDArray[np.floating], share: float) -> _Places:
    """Return where a percentile lies in each row. `so_far` counts values down each column, cell by cell."""
    count = so_far[-1].astype(np.float64)
    rank = (count - 1) * share
    lower = np.floor(rank)
    part = rank - lower
    above = _cell_at(so_far, np.minimum(lower + 1, count - 1)) if part.any() else None
    return _Places(_cell_at(so_far, lower), above, part)


def _cell_at(so_far: NDArray[np.floating], place: Floats) -> NDArray[np.intp]:
    """Return the cell of the value at a place, counted from 0, in each row: the number of cells that end before it."""
    found = np.zeros(len(place), dtype=np.intp)
    place = place.astype(so_far.dtype)
    for start in range(0, len(so_far), MOST_UINT8):
        before = so_far[start : start + MOST_UINT8] <= place
        found += np.add.reduce(before.view(np.uint8), axis=0, dtype=np.uint8)
    return found


def _units(prompts: Prompts) -> tuple[int, ...]:
    return tuple([min(len(asked), ROUNDS_DRAWN) for asked in prompts])


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
