"""The levels of many series, read at once: the same as `KnownLevels` finds run by run, at a tenth of the time.

At most runs nothing begins, moves or is taken back. Arrays over many series tell, but for rounding, where something
may; those runs alone are given to `KnownLevels.add`, which decides. What the arrays are too close to call goes to it
as well, so that nothing depends on the order in which they add numbers up.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from bench.stats import change_points
from bench.stats.change_points import (
    BEYOND_NOISE,
    CLIP,
    CONFIRMING_SPLITS,
    MAD_TO_DEVIATION,
    NEAR_NOISE,
    NEAR_SHARE,
    NEEDED,
    NEEDED_MORE_A_RUN,
    NEEDED_MORE_OF_FEW,
    NEEDED_MORE_SHORT,
    NEEDED_OF_THREE,
    NOISE_RANGE,
    PRIOR_RUNS,
    PRIOR_SQUARES,
    RUNS_ALL_AGREE,
    RUNS_ASTRAY,
    RUNS_BEFORE_LATER,
    RUNS_TO_CONFIRM,
    SHORT,
    SMALLEST_DEVIATION,
    SPLITS,
    UNREMARKABLE,
    USUAL_NOISE,
    WINDOW,
    Floats,
    KnownLevels,
    SplitSums,
    likelihoods,
    student_quantile,
)

Bools = NDArray[np.bool_]
Indices = NDArray[np.intp]

SERIES_AT_ONCE: Final = 32
"""Enough that what numpy takes for each call is shared, few enough that the arrays fit into a processor's cache."""

FIRST_BLOCK: Final = 256
BLOCK_AFTER_SHIFT: Final = 64
LARGEST_BLOCK: Final = 512
"""How many runs of a series are looked at in one go: what lies beyond a shift is looked at again."""

NEWEST: Final = SPLITS[-1]
"""Runs that may be a new level, at most."""

ROUNDING: Final = 1e-3
"""Share, or difference of evidence, by which a number may miss what it is compared with and still be decided by
`KnownLevels`. Rounding is below a millionth of it."""

LARGEST_SQUARES: Final = 1e4
"""Sum of squares from which on evidence may be off by more than that: no sensible series comes near."""


def known_levels(series: Sequence[Sequence[float]], floor: float) -> Iterator[KnownLevels]:
    """Yield what is known of each series of logarithms, oldest first, after its last run, in order."""
    for first in range(0, len(series), SERIES_AT_ONCE):
        some = series[first : first + SERIES_AT_ONCE]
        known = [KnownLevels(floor) for _ in some]
        _read(known, some, floor)
        yield from known


def _read(known: Sequence[KnownLevels], series: Sequence[Sequence[float]], floor: float) -> None:
    sizes = [FIRST_BLOCK] * len(known)
    while left := [number for number, runs in enumerate(series) if len(known[number].runs) < len(runs)]:
        blocks = []
        for number in left:
            first = len(known[number].runs)
            blocks.append(_Block(known[number], first, series[number][first : first + sizes[number]]))
        for number, block, ahead in zip(left, blocks, _looked_ahead(blocks, floor), strict=True):
            changed = _take(block, ahead)
            sizes[number] = BLOCK_AFTER_SHIFT if changed else min(2 * sizes[number], LARGEST_BLOCK)


@dataclass(frozen=True)
class _Block:
    """The next runs of a series; the first of them has the number `first`."""

    levels: KnownLevels
    first: int
    runs: Sequence[float]

    def newest(self) -> "_Stretch":
        """Return the runs at the newest level, with each split that one of the next runs may be weighed at."""
        begins = self.levels.starts[-1]
        split = max(begins + self.levels.needed_before, self.first - NEWEST)
        return self._stretch(-1, split, self.first + len(self.runs))

    def on_trial(self) -> "_Stretch | None":
        """Return the runs at the level before, with each split that the newest level may move to; None without trial."""
        runs = min(self.levels.on_trial, len(self.runs))
        if not runs:
            return None
        start = self.levels.starts[-1]
        split = max(start - RUNS_ASTRAY, self.levels.starts[-2] + RUNS_BEFORE_LATER)
        return self._stretch(-2, split, min(start + RUNS_ASTRAY, self.first + runs - RUNS_TO_CONFIRM))

    def _stretch(self, number: int, first: int, last: int) -> "_Stretch":
        since = max(self.levels.starts[number], first - WINDOW)
        runs = np.array([*self.levels.runs[since:], *self.runs])
        return _Stretch(runs, since, first, max(0, last + 1 - first), self.levels.older[number])


@dataclass(frozen=True)
class _Stretch:
    """Runs from `since` on, and so many splits in a row that are looked at, of which `first` is the first.

    It begins with the level, or WINDOW runs before the first split; `older` are distances at earlier levels.
    """

    runs: Floats
    since: int
    first: int
    splits: int
    older: Sequence[float]


@dataclass(frozen=True)
class _Ahead:
    """What lies ahead in a block: which of its runs need a closer look, and the last spike after each of its runs."""

    places: Sequence[int]
    spikes: Sequence[int]
    unremarkable: "_Unremarkable"


def _take(block: _Block, ahead: _Ahead) -> bool:
    """Take in the runs of a block up to the first that changes the levels; return whether one did."""
    levels, runs = block.levels, block.runs
    starts, taken = list(levels.starts), 0
    for place in ahead.places:
        if place > taken:
            levels.pass_over(runs[taken:place], ahead.spikes[place - 1])
        levels.add(runs[place])
        taken = place + 1
        if levels.starts != starts:
            return True
    levels.pass_over(runs[taken:], ahead.spikes[-1])
    levels.unremarkable = ahead.unremarkable
    return False


@dataclass(frozen=True)
class _Unremarkable:
    """The levels and the spreads before splits in a row, from `first` on, and from how many runs they are known."""

    first: int
    level: Sequence[float]
    spread: Sequence[float]
    runs: Sequence[int]

    def __call__(self, start: int, split: int, middle: float) -> bool:
        """Return whether so many runs from `start` on, with that middle, are surely not worth weighing."""
        place = start - self.first
        if not 0 <= place < len(self.level):
            return False
        least = UNREMARKABLE * self.spread[place] * sqrt(1 / split + 1 / self.runs[place])
        return abs(middle - self.level[place]) < (1 - ROUNDING) * least


@dataclass(frozen=True)
class _Backgrounds:
    """The runs before each split of some stretches, one row a split, stretch by stretch.

    `level`, `spread`, `limit` and `runs` have a number a row, as in `Background`, and `known` counts its residuals.
    Those are the last of WINDOW columns, with 0 before them. `logs` has the runs of all stretches, with WINDOW
    infinities before each; `places` says for each stretch where its first run is, `rows` which row is its first.
    """

    level: Floats
    spread: Floats
    limit: Floats
    runs: Indices
    known: Indices
    residuals: Floats
    logs: Floats
    places: Indices
    rows: Indices


def _backgrounds(stretches: Sequence[_Stretch]) -> _Backgrounds:
    nothing = np.full(WINDOW, np.inf)
    logs = np.concatenate([part for stretch in stretches for part in (nothing, stretch.runs)])
    lengths = np.array([WINDOW + len(stretch.runs) for stretch in stretches])
    splits = np.array([stretch.splits for stretch in stretches])
    places = np.cumsum(lengths) - lengths + WINDOW
    rows = np.cumsum(splits) - splits
    which = np.repeat(np.arange(len(stretches)), splits)
    begins = np.array([stretch.first - stretch.since for stretch in stretches]) - rows
    at_level = np.arange(len(which)) + begins[which]
    runs = np.minimum(at_level, WINDOW)

    windows = sliding_window_view(logs, WINDOW)[places[which] + at_level - WINDOW]
    level = _middles(np.sort(windows, axis=1), runs)
    residuals = windows - level[:, None]
    short = np.flatnonzero(runs < WINDOW)
    if len(short):
        older = np.zeros((len(stretches), 2 * WINDOW))
        for row, stretch in zip(older, stretches, strict=True):
            row[WINDOW - len(stretch.older) : WINDOW] = stretch.older
        filled = sliding_window_view(older.ravel(), WINDOW)[2 * WINDOW * which[short] + runs[short]]
        residuals[short] = np.where(np.isinf(windows[short]), filled, residuals[short])
    older_runs = np.array([len(stretch.older) for stretch in stretches])
    known = np.minimum(runs + older_runs[which], WINDOW)
    sizes = np.sort(np.abs(residuals), axis=1)
    each = np.arange(len(which))
    median = (sizes[each, WINDOW - known + (known - 1) // 2] + sizes[each, WINDOW - known + known // 2]) / 2
    limit = CLIP * np.maximum(MAD_TO_DEVIATION * median, SMALLEST_DEVIATION)
    np.clip(residuals, -limit[:, None], limit[:, None], out=residuals)
    squares = PRIOR_SQUARES + _products(residuals, residuals)
    spread = np.sqrt(squares / (known - 1 + PRIOR_RUNS))
    return _Backgrounds(level, spread, limit, runs, known, residuals, logs, places, rows)


@dataclass(frozen=True)
class _NextRuns:
    """The next runs of all blocks, one after the other: a number a run.

    `block` is the block it is in, `nth` its place there. `end` is the place behind it in the logs, `row` the row of the
    split behind it, and `splits` how many splits of its stretch lie before that one, below 0 where it is none itself.
    """

    block: Indices
    nth: Indices
    end: Indices
    row: Indices
    splits: Indices


@dataclass(frozen=True)
class _Candidates:
    """Runs that may be a level: the row of the split that they begin at, their end in the logs, and how many they are."""

    row: Indices
    end: Indices
    runs: Indices


@dataclass(frozen=True)
class _Weighed:
    """Candidates and what speaks for them, as in `ShiftCandidate` and `Shift`, one number each, but for rounding.

    `agreeing` counts the runs that agree or are close to it. `evidence` is NaN where it may be off by more.
    """

    before_spread: Floats
    before_known: Indices
    runs: Indices
    agreeing: Indices
    size: Floats
    error: Floats
    reach: Floats
    evidence: Floats

    def may_confirm(self, floor: float) -> Bools:
        """Return which may confirm a shift: a number that is none decides nothing."""
        few = np.where(self.runs < 4, NEEDED_MORE_OF_FEW, NEEDED_MORE_A_RUN * (self.runs - 4))
        short = NEEDED_MORE_SHORT * np.maximum(0.0, 1 - self.before_known / SHORT)
        noisy = np.log(np.clip(self.before_spread, *NOISE_RANGE) / USUAL_NOISE)
        needed = np.where(self.runs == RUNS_TO_CONFIRM, NEEDED_OF_THREE, NEEDED) + few + short + noisy
        agreed = self.agreeing >= self.runs - self.runs // RUNS_ALL_AGREE
        real = ~(self.size < (1 - ROUNDING) * self.reach)
        large = ~(self.size + self.error < (1 - ROUNDING) * floor)
        may: Bools = agreed & real & large & ~(self.evidence < needed - ROUNDING)
        return may


def _looked_ahead(blocks: Sequence[_Block], floor: float) -> list[_Ahead]:
    """Return what lies ahead in each block."""
    newest = [block.newest() for block in blocks]
    trials = [(number, stretch) for number, block in enumerate(blocks) if (stretch := block.on_trial()) is not None]
    before = _backgrounds([*newest, *(stretch for _, stretch in trials)])
    if not len(before.level):
        nothing = _Unremarkable(0, [], [], [])
        return [_Ahead([], [block.levels.spike] * len(block.runs), nothing) for block in blocks]

    ahead = _next_runs(blocks, newest, before)
    spikes = _spikes(blocks, ahead, before)
    which, confirming = _worth_weighing(ahead, spikes, before)
    moves = [
        _moves(blocks[number], stretch, int(before.rows[nth]), int(before.places[nth]))
        for nth, (number, stretch) in enumerate(trials, start=len(blocks))
    ]
    with np.errstate(all="ignore"):
        weighed = _weigh(_together([confirming, *moves]), before)
        may_confirm = weighed.may_confirm(floor)[: len(which)]

    closer: list[set[int]] = [set() for _ in blocks]
    for one in which[may_confirm]:
        closer[ahead.block[one]].add(int(ahead.nth[one]))
    at = len(which)
    for (number, stretch), move in zip(trials, moves, strict=True):
        closer[number] |= _unsettled(blocks[number], stretch, weighed, slice(at, at + len(move.row)))
        at += len(move.row)
    return [
        _Ahead(
            sorted(closer[number]),
            _spike_numbers(block, spikes[ahead.block == number], int(before.places[number]) - newest[number].since),
            _newest_unremarkable(newest[number], before, int(before.rows[number])),
        )
        for number, block in enumerate(blocks)
    ]


def _next_runs(blocks: Sequence[_Block], newest: Sequence[_Stretch], before: _Backgrounds) -> _NextRuns:
    lengths = np.array([len(block.runs) for block in blocks])
    block = np.repeat(np.arange(len(blocks)), lengths)
    nth = np.arange(len(block)) - (np.cumsum(lengths) - lengths)[block]
    first = np.array([block.first for block in blocks])
    since = np.array([stretch.since for stretch in newest])
    splits = (first - np.array([stretch.first for stretch in newest]))[block] + nth + 1
    return _NextRuns(
        block=block,
        nth=nth,
        end=(before.places[: len(blocks)] + first - since)[block] + nth + 1,
        row=before.rows[block] + splits,
        splits=splits,
    )


def _spikes(blocks: Sequence[_Block], ahead: _NextRuns, before: _Backgrounds) -> Indices:
    """Return the place in the logs of the last spike up to each of the next runs; before its stretch if there is none."""
    judged = ahead.splits >= 1
    row = np.where(judged, ahead.row - 1, 0)
    distance, limit = np.abs(before.logs[ahead.end - 1] - before.level[row]), before.limit[row]
    spike = judged & (distance > limit)
    for one in np.flatnonzero(judged & (np.abs(distance - limit) <= ROUNDING * limit)).tolist():
        block = blocks[ahead.block[one]]
        block.levels.runs.extend(block.runs)
        spike[one] = block.levels.is_spike(block.first + int(ahead.nth[one]))
        del block.levels.runs[block.first :]
    last = np.where(spike, ahead.end - 1, -1)
    for one in np.flatnonzero(ahead.nth == 0).tolist():
        block = blocks[ahead.block[one]]
        last[one] = max(last[one], ahead.end[one] - 1 - block.first + block.levels.spike)
    return np.maximum.accumulate(last)


def _spike_numbers(block: _Block, spikes: Indices, zero: int) -> list[int]:
    """Return the last spike after each run of a block; the first run of its series would be at the place `zero`."""
    numbers: list[int] = np.where(spikes >= zero + block.first, spikes - zero, block.levels.spike).tolist()
    return numbers


def _newest_unremarkable(stretch: _Stretch, before: _Backgrounds, row: int) -> _Unremarkable:
    end = row + stretch.splits
    newest = slice(max(row, end - NEWEST - 1), end)
    return _Unremarkable(
        stretch.first + newest.start - row,
        before.level[newest].tolist(),
        before.spread[newest].tolist(),
        before.runs[newest].tolist(),
    )


def _worth_weighing(ahead: _NextRuns, spikes: Indices, before: _Backgrounds) -> tuple[Indices, _Candidates]:
    """Return the candidates within the newest runs at each of the next ones, and at which of those each is."""
    sums = np.cumsum(np.concatenate([[0.0], np.where(np.isinf(before.logs), 0.0, before.logs)]))
    splits = np.array(CONFIRMING_SPLITS)[:, None]
    inside = ahead.splits >= splits
    row = np.where(inside, ahead.row - splits, 0)
    start = ahead.end - splits
    spiky = spikes >= start
    away = (sums[ahead.end] - sums[start]) / splits - before.level[row]
    least = (1 - ROUNDING) * UNREMARKABLE * before.spread[row] * np.sqrt(1 / splits + 1 / before.runs[row])
    kept = np.nonzero(inside & (spiky | (np.abs(away) >= least)))
    which = kept[1]
    found = _Candidates(row[kept], ahead.end[which], splits[kept[0], 0])
    # With a spike among them the middle of the runs counts, and not their mean.
    again = np.flatnonzero(spiky[kept])
    _, _, centre = _distances(_Candidates(found.row[again], found.end[again], found.runs[again]), before)
    far = np.ones(len(which), dtype=np.bool_)
    far[again] = np.abs(centre) >= least[kept][again]
    return which[far], _Candidates(found.row[far], found.end[far], found.runs[far])


def _moves(block: _Block, stretch: _Stretch, row: int, place: int) -> _Candidates:
    """Return where the newest level may begin, at each run of its trial that is in the block."""
    runs = min(block.levels.on_trial, len(block.runs))
    ends, starts = np.meshgrid(
        block.first + 1 + np.arange(runs), stretch.first + np.arange(stretch.splits), indexing="ij"
    )
    possible = ends - starts >= RUNS_TO_CONFIRM
    ends, starts = ends[possible], starts[possible]
    return _Candidates(row + starts - stretch.first, place + ends - stretch.since, ends - starts)


def _unsettled(block: _Block, stretch: _Stretch, weighed: _Weighed, own: slice) -> set[int]:
    """Return at which runs of a block the level on trial may move, or be taken back."""
    runs = min(block.levels.on_trial, len(block.runs))
    ends, starts = np.meshgrid(
        np.arange(1, runs + 1) + block.first, np.arange(stretch.splits) + stretch.first, indexing="ij"
    )
    possible = ends - starts >= RUNS_TO_CONFIRM
    evidence = np.full(possible.shape, -np.inf)
    evidence[possible] = weighed.evidence[own]
    stays = np.flatnonzero(starts[possible] == block.levels.starts[-1]) + own.start
    here = block.levels.starts[-1] - stretch.first
    most = evidence[:, here].copy()
    evidence[:, here] = -np.inf
    real = weighed.size[stays] > (1 + ROUNDING) * weighed.reach[stays]
    disagreeing = weighed.agreeing[stays] < weighed.runs[stays]
    settled = (most > ROUNDING) & real & (disagreeing | (most > np.max(evidence, axis=1) + ROUNDING))
    return set(np.flatnonzero(~settled).tolist())


def _together(some: Sequence[_Candidates]) -> _Candidates:
    return _Candidates(
        np.concatenate([each.row for each in some]),
        np.concatenate([each.end for each in some]),
        np.concatenate([each.runs for each in some]),
    )


def _distances(some: _Candidates, before: _Backgrounds) -> tuple[Floats, Floats, Floats]:
    """Return the runs' distances from the old level, the same in ascending order, and their interquartile mean.

    The runs of a candidate are the last in its row, with infinities before them; those come last where in order.
    """
    windows = sliding_window_view(before.logs, NEWEST)[some.end - NEWEST]
    own = np.arange(NEWEST) >= NEWEST - some.runs[:, None]
    away = np.where(own, windows - before.level[some.row, None], np.inf)
    ascending = np.sort(away, axis=1)
    return away, ascending, _middles(ascending, some.runs)


def _weigh(some: _Candidates, before: _Backgrounds) -> _Weighed:
    """Return what `change_points.held_in` and `change_points.shift` make of each candidate, but for rounding."""
    away, ascending, centre = _distances(some, before)
    spread = before.spread[some.row]
    slack = ROUNDING * spread
    reach = np.maximum(NEAR_NOISE * spread, NEAR_SHARE * np.abs(centre))
    low, high = centre - reach, centre + reach
    least = np.where(centre > 0, np.maximum(low, BEYOND_NOISE * spread), low) - slack
    greatest = np.where(centre > 0, high, np.minimum(high, -BEYOND_NOISE * spread)) + slack
    agreeing = np.sum((least[:, None] <= away) & (away <= greatest[:, None]), axis=1)
    agreeing = np.where(np.abs(centre) < slack, some.runs, agreeing)

    held = np.where(np.isinf(away), 0.0, np.clip(away, low[:, None], high[:, None]))
    size = np.abs(_middles(np.clip(ascending, low[:, None], high[:, None]), some.runs))
    sums = _split_sums(some, held, before)
    fits = [likelihoods(sums, correlation, np.log) for correlation, _ in change_points.CORRELATIONS]
    beliefs = np.array([belief for _, belief in change_points.CORRELATIONS])[:, None]
    one_levels = np.array([fit.one_level for fit in fits])
    two_levels = np.array([fit.two_levels for fit in fits])
    one = np.max(one_levels, axis=0)
    evidence = two_levels[0] - one - np.log(np.sum(beliefs * np.exp(one_levels - one), axis=0))
    weights = beliefs * np.exp(two_levels - np.max(two_levels, axis=0))
    variances = np.array([fit.variance for fit in fits])
    error = np.sqrt(np.sum(weights * variances, axis=0) / np.sum(weights, axis=0))
    return _Weighed(
        before_spread=spread,
        before_known=before.known[some.row],
        runs=some.runs,
        agreeing=agreeing,
        size=size,
        error=error,
        reach=error * student_quantile(sums.count - 2 + PRIOR_RUNS, np.sqrt, np.expm1),
        evidence=np.where(sums.squares < LARGEST_SQUARES, evidence, np.nan),
    )


def _split_sums(some: _Candidates, held: Floats, before: _Backgrounds) -> SplitSums[Floats]:
    residuals, runs, known = before.residuals[some.row], before.runs[some.row], before.known[some.row]
    each = np.arange(len(runs))
    level = WINDOW - runs
    whole = known == runs
    at_split = held[each, NEWEST - some.runs]
    from_split = np.sum(held, axis=1)
    return SplitSums(
        count=(known + some.runs).astype(np.float64),
        of_level=(runs + some.runs).astype(np.float64),
        of_split=some.runs.astype(np.float64),
        whole=whole.astype(np.float64),
        squares=_products(residuals, residuals) + _products(held, held),
        products=_products(residuals[:, :-1], residuals[:, 1:])
        + residuals[:, -1] * at_split
        + _products(held[:, :-1], held[:, 1:]),
        from_level=np.sum(np.where(np.arange(WINDOW) >= level[:, None], residuals, 0.0), axis=1) + from_split,
        from_split=from_split,
        first=residuals[each, WINDOW - known],
        before_level=np.where(whole, 0.0, residuals[each, level - 1]),
        at_level=residuals[each, level],
        before_split=residuals[:, -1],
        at_split=at_split,
        last=held[:, -1],
    )


def _middles(ascending: Floats, counts: Indices) -> Floats:
    """Return the interquartile mean of the first `counts` numbers of each row."""
    cuts = counts // 4
    rows = np.arange(len(counts))
    sums = np.cumsum(ascending, axis=1)
    below = np.where(cuts > 0, sums[rows, cuts - 1], 0.0)
    middles: Floats = (sums[rows, counts - cuts - 1] - below) / (counts - 2 * cuts)
    return middles


def _products(some: Floats, others: Floats) -> Floats:
    products: Floats = np.einsum("ij,ij->i", some, others)
    return products
