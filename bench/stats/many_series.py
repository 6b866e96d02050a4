"""The levels of many series, read at once: the same as `KnownLevels` finds run by run, in a tenth of the time.

At most runs nothing begins, moves or is taken back. Arrays over many series tell, but for rounding, where something
may; those runs alone are given to `KnownLevels.add`, which decides. What the arrays are too close to call goes to it
as well, so that nothing depends on the order in which they add numbers up.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
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
    KnownLevels,
    SplitSums,
    likelihoods,
    student_quantile,
)
from bench.stats.distribution import Floats

Bools = NDArray[np.bool_]
Indices = NDArray[np.intp]

SERIES_AT_ONCE: Final = 128
LARGEST_BLOCK: Final = 256
"""How many series are read at once, and how many of their runs: enough that what numpy takes for each call is shared,
few enough for the memory."""

BLOCK_AFTER_SHIFT: Final = 64
"""Runs after a change of levels that are looked at, and then twice as many: beyond the next one all is in vain."""

RUNS_WEIGHED: Final = 32
"""How many of the runs that were looked at are weighed in one go, for the same reason."""

ROWS_AT_ONCE: Final = 1024
"""Windows that are sorted in one go: few enough for a processor's cache."""

NEWEST: Final = SPLITS[-1]
"""Runs that may be a new level, at most."""

ROUNDING: Final = 1e-3
"""Share, or difference of evidence, by which a number may miss what it is compared with and still be decided by
`KnownLevels`. Rounding is below a millionth of it."""

LARGEST_SQUARES: Final = 1e4
"""Sum of squared distances above which evidence may be off by more than that; no sensible series comes near."""

NOTHING: Final = 1e300
"""What stands in a row where there is no run: beyond every logarithm, and still 0 when multiplied by 0."""


def _weights() -> Floats:
    """Return for each number of runs what each of them counts in their interquartile mean, in ascending order."""
    weights = np.zeros((WINDOW + 1, WINDOW))
    for count in range(1, WINDOW + 1):
        cut = count // 4
        weights[count, cut : count - cut] = 1 / (count - 2 * cut)
    return weights


MIDDLE: Final = _weights()


def known_levels(series: Sequence[Sequence[float]], floor: float) -> Iterator[tuple[int, KnownLevels]]:
    """Yield the place of each series of logarithms and what is known after its last run, in whatever order.

    A series has its oldest run first.
    """
    waiting = list(range(len(series)))[::-1]
    sizes = [LARGEST_BLOCK] * len(series)
    at_work: dict[int, KnownLevels] = {}
    while waiting or at_work:
        while waiting and len(at_work) < SERIES_AT_ONCE:
            at_work[waiting.pop()] = KnownLevels(floor)
        blocks = []
        for number, known in at_work.items():
            first = len(known.runs)
            blocks.append(_SeriesBlock(known, first, series[number][first : first + sizes[number]]))
        for number, block, ahead in zip(list(at_work), blocks, _looked_ahead(blocks, floor), strict=True):
            changed = _take(block, ahead)
            sizes[number] = BLOCK_AFTER_SHIFT if changed else min(2 * sizes[number], LARGEST_BLOCK)
            if len(block.levels.runs) == len(series[number]):
                yield number, at_work.pop(number)


@dataclass(frozen=True)
class _SeriesBlock:
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
        """Return the runs from the level before on, with each split that the newest level may move to.

        None where it is not on trial.
        """
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
    """What lies ahead in a block, as far as it was looked at: so many of its runs.

    `places` are those that `KnownLevels` must take in by itself, `spikes` has the last spike after each.
    """

    looked: int
    places: Sequence[int]
    spikes: Sequence[int]
    unremarkable: "_Unremarkable"


def _take(block: _SeriesBlock, ahead: _Ahead) -> bool:
    """Take in the runs of a block up to the first that changes the levels; return whether one did."""
    levels, runs = block.levels, block.runs
    starts, taken = list(levels.starts), 0
    levels.unremarkable = ahead.unremarkable
    for place in ahead.places:
        if place > taken:
            levels.pass_over(runs[taken:place], ahead.spikes[place - 1])
        levels.add(runs[place])
        taken = place + 1
        if levels.starts != starts:
            return True
    if ahead.looked > taken:
        levels.pass_over(runs[taken : ahead.looked], ahead.spikes[ahead.looked - 1])
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
class _Splits:
    """The splits of some stretches, one row a split, stretch by stretch, and the runs before each.

    `logs` has the runs of all stretches, with WINDOW times NOTHING before each; `places` says for each stretch where
    its first run is, `rows` which row is its first. `end` is a split's place in the logs, `runs` counts the runs of the
    window before it, and `known` those with earlier ones of other levels. The distances of these are in `older`, and
    end at `older_end` for a split with a window full of its own.
    """

    logs: Floats
    places: Indices
    rows: Indices
    end: Indices
    runs: Indices
    known: Indices
    older: Floats
    older_end: Indices

    @classmethod
    def of(cls, stretches: Sequence[_Stretch]) -> "_Splits":
        """Return the splits of these stretches."""
        nothing = np.full(WINDOW, NOTHING)
        lengths = np.array([WINDOW + len(stretch.runs) for stretch in stretches])
        splits = np.array([stretch.splits for stretch in stretches])
        places = np.cumsum(lengths) - lengths + WINDOW
        rows = np.cumsum(splits) - splits
        which = np.repeat(np.arange(len(stretches)), splits)
        begins = np.array([stretch.first - stretch.since for stretch in stretches]) - rows
        at_level = np.arange(len(which)) + begins[which]
        runs = np.minimum(at_level, WINDOW)
        older_runs = np.array([len(stretch.older) for stretch in stretches])
        older = np.zeros((len(stretches), 2 * WINDOW))
        for row, stretch in zip(older, stretches, strict=True):
            row[WINDOW - len(stretch.older) : WINDOW] = stretch.older
        return cls(
            logs=np.concatenate([part for stretch in stretches for part in (nothing, stretch.runs)]),
            places=places,
            rows=rows,
            end=places[which] + at_level,
            runs=runs,
            known=np.minimum(runs + older_runs[which], WINDOW),
            older=older.ravel(),
            older_end=2 * WINDOW * which + WINDOW,
        )

    def windows(self, rows: Indices) -> Floats:
        """Return the WINDOW runs before each of some splits, with NOTHING before the first of the level."""
        windows: Floats = sliding_window_view(self.logs, WINDOW)[self.end[rows] - WINDOW]
        return windows

    def distances(self, rows: Indices, windows: Floats, level: Floats) -> Floats:
        """Return the distances of those runs from their level, with those of earlier ones from theirs, or 0, before."""
        distances = windows - level[:, None]
        short = np.flatnonzero(self.runs[rows] < WINDOW)
        if len(short):
            own = self.runs[rows[short]]
            older = sliding_window_view(self.older, WINDOW)[self.older_end[rows[short]] + own - WINDOW]
            distances[short] = np.where(windows[short] == NOTHING, older, distances[short])
        return distances


@dataclass(frozen=True)
class _Backgrounds:
    """What the runs before each split look like: a number a row of `splits`, as in `Background`."""

    splits: _Splits
    level: Floats
    spread: Floats
    limit: Floats

    def residuals(self, rows: Indices) -> Floats:
        """Return the residuals before some splits, WINDOW a row, 0 before the first that is known."""
        level, limit = self.level[rows], self.limit[rows, None]
        distances = self.splits.distances(rows, self.splits.windows(rows), level)
        return np.clip(distances, -limit, limit, out=distances)


def _backgrounds(stretches: Sequence[_Stretch]) -> _Backgrounds:
    splits = _Splits.of(stretches)
    count = len(splits.end)
    level, spread, limit = np.empty(count), np.empty(count), np.empty(count)
    for first in range(0, count, ROWS_AT_ONCE):
        rows = np.arange(first, min(first + ROWS_AT_ONCE, count))
        windows, known = splits.windows(rows), splits.known[rows]
        ascending = windows.copy()
        ascending.sort(axis=1)
        level[rows] = _middles(ascending, splits.runs[rows])
        residuals = splits.distances(rows, windows, level[rows])
        sizes = np.abs(residuals, out=ascending)
        sizes.sort(axis=1)
        each, lowest = rows - first, WINDOW - known
        median = (sizes[each, lowest + (known - 1) // 2] + sizes[each, lowest + known // 2]) / 2
        limit[rows] = CLIP * np.maximum(MAD_TO_DEVIATION * median, SMALLEST_DEVIATION)
        most = limit[rows, None]
        np.clip(residuals, -most, most, out=residuals)
        squares = PRIOR_SQUARES + _products(residuals, residuals)
        spread[rows] = np.sqrt(squares / (known - 1 + PRIOR_RUNS))
    return _Backgrounds(splits, level, spread, limit)


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
class _CandidateShifts:
    """Runs that may be a level: the row of the split before them, their end in the logs, and how many they are."""

    row: Indices
    end: Indices
    runs: Indices

    def at(self, numbers: Indices) -> "_CandidateShifts":
        """Return those with these numbers."""
        return _CandidateShifts(self.row[numbers], self.end[numbers], self.runs[numbers])


@dataclass(frozen=True)
class _Weighed:
    """Candidates and what speaks for them, as in `ShiftCandidate` and `Shift`, one number each, but for rounding.

    `agreeing` counts the runs that agree or are close to it. What may be off by more than ROUNDING is NaN.
    """

    before_spread: Floats
    before_known: Indices
    runs: Indices
    agreeing: Indices
    size: Floats
    error: Floats
    reach: Floats
    evidence: Floats

    def at(self, numbers: slice) -> "_Weighed":
        """Return those with these numbers."""
        return _Weighed(*(getattr(self, one.name)[numbers] for one in fields(self)))

    def may_confirm(self, floor: float) -> Bools:
        """Return which may confirm a shift if enough runs agree: a number that is none decides nothing."""
        few = np.where(self.runs < 4, NEEDED_MORE_OF_FEW, NEEDED_MORE_A_RUN * (self.runs - 4))
        short = NEEDED_MORE_SHORT * np.maximum(0.0, 1 - self.before_known / SHORT)
        noisy = np.log(np.clip(self.before_spread, *NOISE_RANGE) / USUAL_NOISE)
        needed = np.where(self.runs == RUNS_TO_CONFIRM, NEEDED_OF_THREE, NEEDED) + few + short + noisy
        real = ~(self.size < (1 - ROUNDING) * self.reach)
        large = ~(self.size + self.error < (1 - ROUNDING) * floor)
        may: Bools = real & large & ~(self.evidence < needed - ROUNDING)
        return may


def _looked_ahead(blocks: Sequence[_SeriesBlock], floor: float) -> list[_Ahead]:
    """Return what lies ahead in each block."""
    newest = [block.newest() for block in blocks]
    trials = [(number, stretch) for number, block in enumerate(blocks) if (stretch := block.on_trial()) is not None]
    before = _backgrounds([*newest, *(stretch for _, stretch in trials)])
    if not len(before.level):
        nothing = _Unremarkable(0, [], [], [])
        return [_Ahead(len(block.runs), [], [block.levels.spike] * len(block.runs), nothing) for block in blocks]

    ahead = _next_runs(blocks, newest, before)
    spikes = _spikes(blocks, ahead, before)
    which, confirming = _worth_weighing(ahead, spikes, before)
    closer = _unsettled(blocks, before, trials)
    # What lies beyond a run that may confirm a shift is as a rule of the next level.
    looked = np.array([len(block.runs) for block in blocks])
    nth = ahead.nth[which]
    for first in range(0, int(np.max(looked)), RUNS_WEIGHED):
        end = first + RUNS_WEIGHED
        some = np.flatnonzero((first <= nth) & (nth < end) & (nth < looked[ahead.block[which]]))
        candidates = confirming.at(some)
        weighed = _weigh(candidates, _held(candidates, before), before)
        found = np.unique(which[some[weighed.may_confirm(floor)]])
        for number, place in zip(ahead.block[found].tolist(), ahead.nth[found].tolist(), strict=True):
            closer[number].add(place)
            looked[number] = min(looked[number], end)
    return [
        _Ahead(
            int(looked[number]),
            sorted(place for place in closer[number] if place < looked[number]),
            _spike_numbers(
                block, spikes[ahead.block == number], int(before.splits.places[number]) - newest[number].since
            ),
            _newest_unremarkable(newest[number], before, int(before.splits.rows[number])),
        )
        for number, block in enumerate(blocks)
    ]


def _unsettled(
    blocks: Sequence[_SeriesBlock], before: _Backgrounds, trials: Sequence[tuple[int, _Stretch]]
) -> list[set[int]]:
    """Return for each block at which of its runs a level on trial may move, or be taken back.

    `trials` has blocks and stretches; their rows come after those of the blocks.
    """
    found: list[set[int]] = [set() for _ in blocks]
    if not trials:
        return found
    weighing = [_Trial.of(blocks[number], stretch) for number, stretch in trials]
    candidates = [
        trial.candidates(int(before.splits.rows[nth]), int(before.splits.places[nth]) - stretch.since)
        for nth, (trial, (_, stretch)) in enumerate(zip(weighing, trials, strict=True), start=len(blocks))
    ]
    together = _together(candidates)
    weighed = _weigh(together, _held(together, before), before)
    end = 0
    for (number, _), trial, some in zip(trials, weighing, candidates, strict=True):
        first, end = end, end + len(some.row)
        found[number] = trial.unsettled(weighed.at(slice(first, end)))
    return found


def _next_runs(blocks: Sequence[_SeriesBlock], newest: Sequence[_Stretch], before: _Backgrounds) -> _NextRuns:
    lengths = np.array([len(block.runs) for block in blocks])
    block = np.repeat(np.arange(len(blocks)), lengths)
    nth = np.arange(len(block)) - (np.cumsum(lengths) - lengths)[block]
    first = np.array([block.first for block in blocks])
    since = np.array([stretch.since for stretch in newest])
    splits = (first - np.array([stretch.first for stretch in newest]))[block] + nth + 1
    return _NextRuns(
        block=block,
        nth=nth,
        end=(before.splits.places[: len(blocks)] + first - since)[block] + nth + 1,
        row=before.splits.rows[block] + splits,
        splits=splits,
    )


def _spikes(blocks: Sequence[_SeriesBlock], ahead: _NextRuns, before: _Backgrounds) -> Indices:
    """Return where in the logs the last spike up to each of the next runs is: before its stretch if there is none."""
    judged = ahead.splits >= 1
    row = np.where(judged, ahead.row - 1, 0)
    distance, limit = np.abs(before.splits.logs[ahead.end - 1] - before.level[row]), before.limit[row]
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


def _spike_numbers(block: _SeriesBlock, spikes: Indices, zero: int) -> list[int]:
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
        before.splits.runs[newest].tolist(),
    )


def _worth_weighing(ahead: _NextRuns, spikes: Indices, before: _Backgrounds) -> tuple[Indices, _CandidateShifts]:
    """Return the candidates within the newest runs at each of the next ones, and at which of those each is."""
    logs = before.splits.logs
    sums = np.cumsum(np.concatenate([[0.0], np.where(logs == NOTHING, 0.0, logs)]))
    scaled = (1 - ROUNDING) * UNREMARKABLE * before.spread
    shares = 1 / before.splits.runs
    found, which = [], []
    for split in CONFIRMING_SPLITS:
        at = np.flatnonzero(ahead.splits >= split)
        row, end = ahead.row[at] - split, ahead.end[at]
        level, least = before.level[row], scaled[row] * np.sqrt(shares[row] + 1 / split)
        spiky = spikes[at] >= end - split
        kept = np.flatnonzero(spiky | (np.abs((sums[end] - sums[end - split]) / split - level) >= least))
        away = sliding_window_view(logs, split)[end[kept] - split] - level[kept, None]
        centre = np.mean(np.sort(away, axis=1)[:, split // 4 : split - split // 4], axis=1)
        # With a spike among them the middle of the runs counts, and not their mean.
        far = ~spiky[kept] | (np.abs(centre) >= least[kept])
        agreeing = _agreeing(away, centre, before.spread[row[kept]])
        chosen = kept[far & (agreeing >= split - split // RUNS_ALL_AGREE)]
        found.append(_CandidateShifts(row[chosen], end[chosen], np.full(len(chosen), split)))
        which.append(at[chosen])
    return np.concatenate(which), _together(found)


@dataclass(frozen=True)
class _Trial:
    """The runs of a block, one row each, during which the newest level is on trial, and where it may begin then.

    `possible` says which of both go together: a level has RUNS_TO_CONFIRM at least. `stays` is the
    column in which it stays.
    """

    starts: Indices
    ends: Indices
    possible: Bools
    stays: int

    @classmethod
    def of(cls, block: _SeriesBlock, stretch: _Stretch) -> "_Trial":
        """Return what `KnownLevels` weighs while it takes in the block."""
        runs = min(block.levels.on_trial, len(block.runs))
        ends = block.first + 1 + np.arange(runs)
        starts = stretch.first + np.arange(stretch.splits)
        possible = ends[:, None] - starts >= RUNS_TO_CONFIRM
        return cls(starts, ends, possible, block.levels.starts[-1] - stretch.first)

    def candidates(self, row: int, zero: int) -> _CandidateShifts:
        """Return them row by row; the first start has that row, and the series' first run would be at `zero`."""
        end, start = np.nonzero(self.possible)
        return _CandidateShifts(row + start, zero + self.ends[end], self.ends[end] - self.starts[start])

    def unsettled(self, weighed: _Weighed) -> set[int]:
        """Return at which runs the level may move, or be taken back, from what speaks for the candidates."""
        places = np.full(self.possible.shape, -1)
        places[self.possible] = np.arange(len(weighed.runs))
        here = places[:, self.stays]
        others = np.where(self.possible, weighed.evidence[places], -np.inf)
        others[:, self.stays] = -np.inf
        most = weighed.evidence[here]
        real = weighed.size[here] > (1 + ROUNDING) * weighed.reach[here]
        disagreeing = weighed.agreeing[here] < weighed.runs[here]
        settled = (most > ROUNDING) & real & (disagreeing | (most > np.max(others, axis=1) + ROUNDING))
        return set(np.flatnonzero(~settled).tolist())


def _together(some: Sequence[_CandidateShifts]) -> _CandidateShifts:
    return _CandidateShifts(
        np.concatenate([each.row for each in some]),
        np.concatenate([each.end for each in some]),
        np.concatenate([each.runs for each in some]),
    )


@dataclass(frozen=True)
class _Held:
    """The new runs of candidates as `change_points.held_in` returns them, the size of the shift, and how many agree.

    `away` has NEWEST a row, with 0 before the first. `agreeing` counts those as well that are close to it.
    """

    away: Floats
    size: Floats
    agreeing: Indices


def _held(some: _CandidateShifts, before: _Backgrounds) -> _Held:
    windows = sliding_window_view(before.splits.logs, NEWEST)[some.end - NEWEST]
    own = np.arange(NEWEST) >= NEWEST - some.runs[:, None]
    away = np.where(own, windows - before.level[some.row, None], NOTHING)
    ascending = np.sort(away, axis=1)
    centre = _middles(ascending, some.runs)
    spread = before.spread[some.row]
    reach = np.maximum(NEAR_NOISE * spread, NEAR_SHARE * np.abs(centre))
    low, high = (centre - reach)[:, None], (centre + reach)[:, None]
    return _Held(
        away=np.where(own, np.clip(away, low, high), 0.0),
        size=np.abs(_middles(np.clip(ascending, low, high), some.runs)),
        agreeing=_agreeing(away, centre, spread),
    )


def _agreeing(away: Floats, centre: Floats, spread: Floats) -> Indices:
    """Return how many runs of each row agree, or are close to it; all where it is not known on which side they lie."""
    slack = ROUNDING * spread
    reach = np.maximum(NEAR_NOISE * spread, NEAR_SHARE * np.abs(centre)) + slack
    beyond = BEYOND_NOISE * spread - slack
    least, greatest = centre - reach, centre + reach
    least = np.where(centre > 0, np.maximum(least, beyond), least)
    greatest = np.where(centre > 0, greatest, np.minimum(greatest, -beyond))
    agreeing: Indices = np.count_nonzero((least[:, None] <= away) & (away <= greatest[:, None]), axis=1)
    return np.where(np.abs(centre) < slack, away.shape[1], agreeing)


def _weigh(some: _CandidateShifts, held: _Held, before: _Backgrounds) -> _Weighed:
    """Return what `change_points.shift` makes of each candidate, but for rounding."""
    # Where nothing is left to explain, or less than that, a logarithm is none.
    with np.errstate(all="ignore"):
        return _weighed(some, held, before)


def _weighed(some: _CandidateShifts, held: _Held, before: _Backgrounds) -> _Weighed:
    sums = _split_sums(some, held.away, before)
    correlations = np.array([correlation for correlation, _ in change_points.CORRELATIONS])[:, None]
    beliefs = np.array([belief for _, belief in change_points.CORRELATIONS])[:, None]
    # One row a correlation.
    fit = likelihoods(sums, correlations, np.log)
    one = np.max(fit.one_level, axis=0)
    evidence = fit.two_levels[0] - one - np.log(np.sum(beliefs * np.exp(fit.one_level - one), axis=0))
    weights = beliefs * np.exp(fit.two_levels - np.max(fit.two_levels, axis=0))
    error = np.sqrt(np.sum(weights * fit.variance, axis=0) / np.sum(weights, axis=0))
    unsure = sums.squares > LARGEST_SQUARES
    evidence[unsure] = error[unsure] = np.nan
    return _Weighed(
        before_spread=before.spread[some.row],
        before_known=before.splits.known[some.row],
        runs=some.runs,
        agreeing=held.agreeing,
        size=held.size,
        error=error,
        reach=error * student_quantile(sums.count - 2 + PRIOR_RUNS, np.sqrt, np.expm1),
        evidence=evidence,
    )


def _split_sums(some: _CandidateShifts, held: Floats, before: _Backgrounds) -> SplitSums[Floats]:
    residuals, runs, known = before.residuals(some.row), before.splits.runs[some.row], before.splits.known[some.row]
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
    return _products(ascending, MIDDLE[counts, : ascending.shape[1]])


def _products(some: Floats, others: Floats) -> Floats:
    products: Floats = np.einsum("ij,ij->i", some, others)
    return products
