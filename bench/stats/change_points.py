"""Level shifts of one series, read run by run as it came to be: which are confirmed, which is suspected.

The evidence for a shift is one Bayes factor, whatever the noise and its autocorrelation.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import exp, log, sqrt
from operator import mul
from typing import Final, Generic, TypeVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Indices = NDArray[np.intp]
Number = TypeVar("Number", float, Floats)

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

    @cached_property
    def sums(self) -> tuple[float, float, float]:
        """Sums of the residuals' squares, of their products with the next one, and of those at this level."""
        kept = self.residuals
        return sum(map(mul, kept, kept)), sum(map(mul, kept, kept[1:])), sum(kept[len(kept) - self.runs :])


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
class _Runs(Generic[Number]):
    """The distances of all runs before a split and after it, as the evidence needs them: floats, or one array a field.

    Sums over all are of squares and of products with the next run; `from_level` and `from_split` sum the distances
    from the first run of the old level on and from the split on. `first`, `at_level`, `at_split` and `last` are
    distances of single runs, `before_level` and `before_split` those of the runs just before (0 where there is none).
    `of_level` and `of_split` count the runs from there on, `count` all. `whole` is 1 where the old level begins with
    the first of all runs, else 0.
    """

    count: Number
    of_level: Number
    of_split: Number
    whole: Number
    squares: Number
    products: Number
    from_level: Number
    from_split: Number
    first: Number
    before_level: Number
    at_level: Number
    before_split: Number
    at_split: Number
    last: Number


@dataclass(frozen=True)
class _Explained(Generic[Number]):
    """How well one autocorrelation explains all runs, as logarithms of likelihoods; the variance of the shift then."""

    one_level: Number
    two_levels: Number
    variance: Number


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
    explained = [_explained(runs, correlation, math.log) for correlation, _ in CORRELATIONS]
    one = max([each.one_level for each in explained])
    two = max([each.two_levels for each in explained])
    one_level = variance = weights = 0.0
    for (_, belief), each in zip(CORRELATIONS, explained, strict=True):
        one_level += belief * exp(each.one_level - one)
        weight = belief * exp(each.two_levels - two)
        variance += weight * each.variance
        weights += weight
    error = sqrt(variance / weights)
    return Shift(
        size=middle(away),
        error=error,
        reach=error * _student(runs.count - 2 + PRIOR_RUNS, math.sqrt, math.expm1),
        # The first correlation is none: two levels are weighed with runs that know nothing of each other.
        evidence=explained[0].two_levels - one - log(one_level),
    )


def _runs(before: Background, away: Sequence[float]) -> _Runs[float]:
    residuals = before.residuals
    squares, products, from_level = before.sums
    level = len(residuals) - before.runs
    # Each sum goes on where the background's ends: the same as over all runs, oldest first, to the last digit.
    return _Runs(
        count=len(residuals) + len(away),
        of_level=before.runs + len(away),
        of_split=len(away),
        whole=0.0 if level else 1.0,
        squares=sum(map(mul, away, away), squares),
        products=sum(map(mul, [residuals[-1], *away], away), products),
        from_level=sum(away, from_level),
        from_split=sum(away),
        first=residuals[0],
        before_level=residuals[level - 1] if level else 0.0,
        at_level=residuals[level],
        before_split=residuals[-1],
        at_split=away[0],
        last=away[-1],
    )


def _student(degrees: Number, sqrt: Callable[[Number], Number], expm1: Callable[[Number], Number]) -> Number:
    scaled = NORMAL_QUANTILE * (8 * degrees + 3) / (8 * degrees + 1)
    return sqrt(degrees * expm1(scaled**2 / degrees))


def _explained(runs: _Runs[Number], correlation: float, log: Callable[[Number], Number]) -> _Explained[Number]:
    """Return the likelihoods with the noise and the levels integrated out.

    It is a regression of the innovations e_t = r_t - correlation * r_(t-1) on a level and a shift; the first of all has
    the variance 1 / (1 - correlation²) of the others and is scaled by its root. A level is flat beforehand, a shift
    normal around 0 with SHIFT_SCALE times the noise, the noise scaled inverse chi-squared. Factors that are the same
    for all correlations and both numbers of levels are left out.
    """
    free, rest = 1 - correlation**2, 1 - correlation
    squares = (
        PRIOR_SQUARES
        + (1 + correlation**2) * runs.squares
        - 2 * correlation * runs.products
        - correlation**2 * (runs.first**2 + runs.last**2)
    )
    head = 1 - correlation**2 * runs.whole
    first = head * runs.at_level - correlation * runs.before_level
    along_level = first + rest * (rest * runs.from_level - runs.at_level + correlation * runs.last)
    of_level = head + rest**2 * (runs.of_level - 1)
    first = runs.at_split - correlation * runs.before_split
    along_shift = first + rest * (rest * runs.from_split - runs.at_split + correlation * runs.last)
    of_shift = 1 + rest**2 * (runs.of_split - 1)
    both = rest + rest**2 * (runs.of_split - 1)
    along_shift = along_shift - both * along_level / of_level
    of_shift = of_shift - both**2 / of_level
    one_left = squares - along_level**2 / of_level
    explained = along_shift**2
    half = (runs.count - 1 + PRIOR_RUNS) / 2
    constant = (math.log(free) - log(of_level)) / 2
    return _Explained(
        one_level=constant - half * log(one_left),
        two_levels=constant
        - half * log(one_left - explained / (of_shift + SHIFT_SCALE**-2))
        - log(1 + SHIFT_SCALE**2 * of_shift) / 2,
        variance=(one_left - explained / of_shift) / (runs.count - 2 + PRIOR_RUNS) / of_shift,
    )


WINDOW: Final = 60
"""Runs before a split that are weighed, at most: enough to know the noise, few enough to follow a slow drift."""

SPLITS: Final = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 20, 25, 30)
"""How many of the newest runs may be the new level. What 30 runs do not show is a drift or too small to say."""

RUNS_BEFORE: Final = 5
"""Runs that the first level needs before anything is said; a later one needs 3, since its noise is known."""

RUNS_BEFORE_LATER: Final = 3

RUNS_TO_CONFIRM: Final = 3
"""Two runs in a row may both be spikes: where 1 run in 20 is one, that happens in 1 history of 50 runs in 9."""

CONFIRMING_SPLITS: Final = tuple(split for split in SPLITS if split >= RUNS_TO_CONFIRM)

RUNS_ALL_AGREE: Final = 5
"""From this many runs at the new level on, one in so many may disagree with it: a spike does not hide a step."""

NEEDED: Final = 5.5
"""Evidence, a natural logarithm, that confirms four runs. By simulation: the least with which fewer than 1 history of
50 runs in 100 has a false confirmed change, at 3%, 6% and 10% of every kind of noise but drift and lasting states."""

NEEDED_OF_THREE: Final = NEEDED + 3.0
"""The same of three runs: so few agree by chance more easily where the noise has heavy tails."""

NEEDED_MORE_OF_FEW: Final = 1.0
"""What one, two or three runs need beyond four, to be suspected or confirmed."""

NEEDED_MORE_A_RUN: Final = 0.15
"""... and what each run beyond the fourth adds: the more splits are tried, the more may come out by chance."""

SHORT: Final = 20
NEEDED_MORE_SHORT: Final = 3.5
"""... and what no run before would add, less with each run up to 20: few runs at one level may be an autocorrelated
stretch, and no rule finds the small steps of a short history anyway."""

USUAL_NOISE: Final = 0.03
NOISE_RANGE: Final = (0.02, 0.1)
"""... and the noise adds its logarithm in units of 3%, as far as from 2% to 10%: below, the floor already keeps small
shifts out, above it keeps out none."""

P_CONSTANT: Final = -2.3
P_SLOPE: Final = 0.95
"""Chance that the newest run of a steady history shows at least so much evidence: exp(constant - slope * evidence). A
line through the simulated chances under autocorrelated noise, the worst kind."""

SMALLEST_P: Final = 1e-9
"""No simulation says anything of smaller chances."""

P_SUSPECTED: Final = 0.01
"""Chance below which a change is suspected."""

RUNS_ON_TRIAL: Final = 12
"""Runs at a confirmed level during which it is taken back where one level explains all runs better than two."""

RUNS_ASTRAY: Final = 3
"""How far from where it was first seen a shift is looked for: few runs make a chance run next to it part of it."""

UNREMARKABLE: Final = 2.5
"""Distance of the newest runs from their level, in standard errors without autocorrelation, below which they are not
weighed, since they could make nobody suspect anything."""

FIRST_BLOCK: Final = 256
BLOCK_AFTER_SHIFT: Final = 64
LARGEST_BLOCK: Final = 512
"""How many runs are looked at in one go: what is looked at beyond a shift is looked at again."""

ROUNDING: Final = 1e-3
"""Share, or difference of evidence, by which arrays may be off in any comparison. They are off by less than a
millionth of it; what is as close as this is worked out again, run by run."""


@dataclass(frozen=True)
class ShiftCandidate:
    """A possible shift at the run `start`, and what speaks for it; `agreeing` of its `runs` lie at the new level."""

    start: int
    before: Background
    runs: int
    agreeing: int
    shift: Shift

    @property
    def score(self) -> float:
        """The evidence beyond what the numbers of runs and the noise ask for."""
        least, most = NOISE_RANGE
        few = NEEDED_MORE_OF_FEW if self.runs < 4 else NEEDED_MORE_A_RUN * (self.runs - 4)
        short = NEEDED_MORE_SHORT * max(0.0, 1 - len(self.before.residuals) / SHORT)
        noisy = log(min(max(self.before.spread, least), most) / USUAL_NOISE)
        return self.shift.evidence - few - short - noisy

    @property
    def confirms(self) -> bool:
        """Whether it is enough to confirm the shift."""
        return self.score >= (NEEDED_OF_THREE if self.runs == RUNS_TO_CONFIRM else NEEDED)

    @property
    def p(self) -> float:
        """Chance that one run of a steady history shows so much."""
        return max(SMALLEST_P, exp(min(0.0, P_CONSTANT - P_SLOPE * self.score)))


class KnownLevels:
    """What is known of the steady runs up to one of them, as logarithms of their values.

    `starts` are the first runs of its levels. `confirmed_by` has for each run that was ever the start of a later level,
    even if that was taken back, the run with which it first was.
    """

    def __init__(self, floor: float) -> None:
        self.starts = [0]
        self.confirmed_by: dict[int, int] = {}
        self._floor = floor
        self._runs: list[float] = []
        self._older: list[list[float]] = [[]]
        self._sums = [0.0]
        self._spike = -1
        self._befores: list[dict[int, Background]] = [{}]
        self._rough: _Backgrounds | None = None

    def add(self, run: float) -> None:
        """Take in the next run, which may confirm a shift, or move or take back one that is on trial."""
        self._take(run)
        found = _strongest([found for found in self._newest(CONFIRMING_SPLITS) if found.confirms])
        if found is not None:
            self._begin(self._place(found.start))
        elif len(self.starts) > 1 and self.count(-1) <= RUNS_ON_TRIAL:
            self._try()

    def add_all(self, runs: Sequence[float]) -> None:
        """Take in the next runs, oldest first: the same as to `add` them one by one, but most are read in one go."""
        taken, block = 0, FIRST_BLOCK
        while taken < len(runs):
            if len(self.starts) > 1 and self.count(-1) < RUNS_ON_TRIAL:
                self.add(runs[taken])
                taken, block = taken + 1, BLOCK_AFTER_SHIFT
            else:
                taken += self._add_block(runs[taken : taken + block])
                block = min(2 * block, LARGEST_BLOCK)

    def _add_block(self, runs: Sequence[float]) -> int:
        """Take in runs up to the first that begins a level, or all; return how many. No level is on trial."""
        first, levels = len(self._runs), len(self.starts)
        begins = self.starts[-1]
        split = max(begins + self._needed_before(), first - SPLITS[-1])
        since = max(begins, split - WINDOW)
        logs = np.array([*self._runs[since:], *runs])
        sums = np.cumsum([self._sums[-1], *runs])
        self._rough = rough = _backgrounds(logs, since, split, self._older[-1])
        self._runs.extend(runs)
        spikes = self._spikes(first, rough)
        del self._runs[first:]
        all_sums = np.concatenate([self._sums[since:first], sums])
        taken = 0
        for place in _confirming(logs, all_sums, since, first, spikes, rough, self._floor):
            self._pass_over(runs[taken:place], sums[taken + 1 : place + 1], spikes[place])
            self.add(runs[place])
            taken = place + 1
            if len(self.starts) > levels:
                return taken
        self._pass_over(runs[taken:], sums[taken + 1 :], spikes[-1])
        return len(runs)

    def count(self, number: int) -> int:
        """Return how many runs the level of this number has."""
        return [*self.starts[1:], len(self._runs)][number] - self.starts[number]

    def weighed(self, number: int) -> ShiftCandidate:
        """Return the shift to the level of this number, from all that is known of both levels."""
        start = self.starts[number]
        return self._weighed(number - 1, start, start + self.count(number))

    def suspected(self, late: Sequence[float]) -> ShiftCandidate | None:
        """Return the shift that the newest runs make one suspect; `late` are such as cannot confirm it."""
        steady, spike = len(self._runs), self._spike
        self._runs.extend(late)
        self._spike = len(self._runs) if late else spike
        found = _strongest(self._newest([split for split in SPLITS if split >= len(late)]))
        del self._runs[steady:]
        self._spike = spike
        return found if found is not None and found.p <= P_SUSPECTED else None

    def _newest(self, splits: Sequence[int]) -> list[ShiftCandidate]:
        """Return the possible shifts within the newest runs."""
        most = len(self._runs) - self.starts[-1] - self._needed_before()
        candidates = [self._candidate(split) for split in splits if split <= most and self._remarkable(split)]
        return [found for found in candidates if found is not None]

    def _remarkable(self, split: int) -> bool:
        """Return whether it is worth while to weigh so many of the newest runs."""
        start = len(self._runs) - split
        spiky = self._spike >= start
        away = middle(self._runs[start:]) if spiky else (self._sums[-1] - self._sums[start]) / split
        if self._rough is not None and self._rough.unremarkable(start, split, away):
            return False
        before = self._before(start)
        least = UNREMARKABLE * before.spread * sqrt(1 / split + 1 / before.runs)
        return abs(away - before.level) > least and not (split == 1 and before.came_back_from(self._runs[start]))

    def _candidate(self, split: int) -> ShiftCandidate | None:
        start = len(self._runs) - split
        found = _weighed(self._before(start), start, self._runs[start:])
        agreed = found.agreeing >= split - split // RUNS_ALL_AGREE
        large = abs(found.shift.size) + found.shift.error >= self._floor
        return found if agreed and large and found.shift.real else None

    def _before(self, start: int) -> Background:
        """Return what the runs at the newest level look like before one of them."""
        return self._background(len(self.starts) - 1, start)

    def _spikes(self, first: int, rough: "_Backgrounds") -> Indices:
        """Return the last spike before each of the runs from `first` on, and after all of them."""
        judged = max(first, rough.first)
        places = slice(judged - rough.first, len(self._runs) - rough.first)
        distances = np.abs(np.array(self._runs[judged:]) - rough.level[places])
        limits = rough.limit[places]
        spikes = np.full(len(self._runs) - first + 1, self._spike)
        beyond = distances > limits
        for place in np.flatnonzero(np.abs(distances - limits) <= ROUNDING * limits).tolist():
            before = self._before(judged + place)
            beyond[place] = abs(self._runs[judged + place] - before.level) > before.limit
        numbers = np.arange(judged, len(self._runs))
        spikes[judged - first + 1 :] = np.where(beyond, numbers, self._spike)
        return np.maximum.accumulate(spikes)

    def _pass_over(self, runs: Sequence[float], sums: Floats, spike: int) -> None:
        """Take in runs that confirm nothing, and what is known of them: the sums up to each, and the last spike."""
        self._runs.extend(runs)
        self._sums.extend(sums.tolist())
        self._spike = spike

    def _take(self, run: float) -> None:
        self._runs.append(run)
        self._sums.append(self._sums[-1] + run)
        last = len(self._runs) - 1
        if last - self.starts[-1] >= self._needed_before():
            before = self._before(last)
            if abs(run - before.level) > before.limit:
                self._spike = last

    def _needed_before(self) -> int:
        return RUNS_BEFORE if len(self.starts) == 1 else RUNS_BEFORE_LATER

    def _weighed(self, number: int, start: int, end: int | None = None) -> ShiftCandidate:
        """Return the shift from the level of this number at a run, whatever there is to say for it."""
        return _weighed(self._background(number, start), start, self._runs[start:end][:WINDOW])

    def _background(self, number: int, end: int) -> Background:
        known = self._befores[number].get(end)
        if known is None:
            runs = self._runs[max(self.starts[number], end - WINDOW) : end]
            room = WINDOW - len(runs)
            known = self._befores[number][end] = background(runs, self._older[number][-room:] if room else [])
        return known

    def _place(self, about: int) -> int:
        """Return the run from which on the new level explains most, within a few of `about`."""
        first = max(about - RUNS_ASTRAY, self.starts[-1] + RUNS_BEFORE_LATER)
        last = min(about + RUNS_ASTRAY, len(self._runs) - RUNS_TO_CONFIRM)
        weighed = [self._weighed(len(self.starts) - 1, start) for start in range(first, last + 1)]
        return max(weighed, key=lambda found: found.shift.evidence).start

    def _begin(self, start: int) -> None:
        """Let the newest level begin at a run."""
        level = self._background(len(self.starts) - 1, start).level
        runs = self._runs[max(self.starts[-1], start - WINDOW) : start]
        older = [*self._older[-1], *(run - level for run in runs)][-WINDOW:]
        self._newest_level(start, older, {})

    def _newest_level(self, start: int, older: list[float], befores: dict[int, Background]) -> None:
        self._older.append(older)
        self.starts.append(start)
        self._befores.append(befores)
        self._rough = None
        self.confirmed_by.setdefault(start, len(self._runs) - 1)

    def _try(self) -> None:
        """Move the newest level's beginning to where it explains most, or take it back where it is no longer real.

        A run that disagrees moves nothing: it may be a spike, or belong to the next level.
        """
        start, older, befores = self.starts.pop(), self._older.pop(), self._befores.pop()
        self._rough = None
        number = len(self.starts) - 1
        found = self._weighed(number, start)
        if found.agreeing == found.runs:
            found = self._weighed(number, self._place(start))
        if found.shift.evidence > 0 and found.shift.real:
            if found.start == start:
                self._newest_level(start, older, befores)
            else:
                self._begin(found.start)


def _weighed(before: Background, start: int, runs: Sequence[float]) -> ShiftCandidate:
    away, agreeing = held_in(before, runs)
    return ShiftCandidate(start, before, len(runs), agreeing, shift(before, away))


def _strongest(some: Sequence[ShiftCandidate]) -> ShiftCandidate | None:
    return max(some, key=lambda found: found.score, default=None)


@dataclass(frozen=True)
class _Backgrounds:
    """What the runs before several splits in a row look like, but for rounding; the first is the split `first`.

    `level`, `spread`, `limit` and `runs` have a number a split, as in `Background`, and `known` counts its residuals.
    Those are the last of WINDOW columns, with 0 before them.
    """

    first: int
    level: Floats
    spread: Floats
    limit: Floats
    runs: Indices
    known: Indices
    residuals: Floats

    def at(self, places: Indices) -> "_Backgrounds":
        """Return those in these places, in that order; they are no splits in a row any more."""
        return _Backgrounds(
            self.first,
            self.level[places],
            self.spread[places],
            self.limit[places],
            self.runs[places],
            self.known[places],
            self.residuals[places],
        )

    def unremarkable(self, start: int, split: int, away: float) -> bool:
        """Return whether the runs from a split on, so many, with that middle, are surely not worth weighing."""
        place = start - self.first
        if not 0 <= place < len(self.level):
            return False
        least = UNREMARKABLE * self.spread[place] * sqrt(1 / split + 1 / self.runs[place])
        return bool(abs(away - self.level[place]) < least * (1 - ROUNDING))


def _backgrounds(runs: Floats, since: int, first: int, older: Sequence[float]) -> _Backgrounds:
    """Return what the runs look like before each split from `first` on, the one after all of them included.

    `runs` begin with the run `since`: the first of their level, or WINDOW runs before `first`.
    """
    begins = first - since
    windows = sliding_window_view(np.concatenate([np.full(WINDOW, np.inf), runs]), WINDOW)[begins:]
    own = np.minimum(np.arange(begins, len(runs) + 1), WINDOW)
    level = _middles(np.sort(windows, axis=1), own)
    residuals = windows - level[:, None]
    short = int(np.searchsorted(own, WINDOW))
    if short:
        padded = np.concatenate([np.zeros(WINDOW - len(older)), older, np.zeros(WINDOW)])
        filled = sliding_window_view(padded, WINDOW)[begins : begins + short]
        np.copyto(residuals[:short], filled, where=np.isinf(windows[:short]))
    known = np.minimum(own + len(older), WINDOW)
    sizes = np.sort(np.abs(residuals), axis=1)
    rows = np.arange(len(own))
    middles = sizes[rows, WINDOW - known + (known - 1) // 2] + sizes[rows, WINDOW - known + known // 2]
    limit = CLIP * np.maximum(MAD_TO_DEVIATION * middles / 2, SMALLEST_DEVIATION)
    np.clip(residuals, -limit[:, None], limit[:, None], out=residuals)
    squares = PRIOR_SQUARES + _products(residuals, residuals)
    return _Backgrounds(first, level, np.sqrt(squares / (known - 1 + PRIOR_RUNS)), limit, own, known, residuals)


def _middles(ascending: Floats, counts: Indices) -> Floats:
    """Return the interquartile mean of the first `counts` numbers of each row."""
    cuts = counts // 4
    rows = np.arange(len(counts))
    sums = np.cumsum(ascending, axis=1)
    below = np.where(cuts > 0, sums[rows, cuts - 1], 0.0)
    return (sums[rows, counts - cuts - 1] - below) / (counts - 2 * cuts)


def _confirming(
    runs: Floats, sums: Floats, since: int, first: int, spikes: Indices, befores: _Backgrounds, floor: float
) -> list[int]:
    """Return which runs from `first` on may confirm a shift, counted from there: all that do, and few others.

    `runs` begin with the run `since`, `sums` are those of all runs before each of them and after the last; `spikes`
    are as `KnownLevels` has them.
    """
    if not len(befores.level):
        return []
    ends = np.arange(first + 1, since + len(runs) + 1)
    splits = np.array(CONFIRMING_SPLITS)[:, None]
    starts = ends - splits
    numbers = starts - befores.first
    inside = numbers >= 0
    numbers = np.maximum(numbers, 0)
    spiky = spikes[1:] >= starts
    away = (sums[ends - since] - sums[np.maximum(starts - since, 0)]) / splits - befores.level[numbers]
    least = (1 - ROUNDING) * UNREMARKABLE * befores.spread[numbers] * np.sqrt(1 / splits + 1 / befores.runs[numbers])
    # The middle of the runs since a spike is not their mean; it is known below.
    kept = np.nonzero(inside & (spiky | ~(np.abs(away) < least)))
    if not len(kept[0]):
        return []
    numbers, splits, ends, least, spiky = (
        numbers[kept],
        splits[kept[0], 0],
        ends[kept[1]],
        least[kept],
        spiky[kept],
    )
    most = SPLITS[-1]
    windows = sliding_window_view(np.concatenate([np.zeros(most), runs]), most)[ends - since]
    new = np.arange(most) >= most - splits[:, None]
    away = np.where(new, windows - befores.level[numbers, None], np.inf)
    ascending = np.sort(away, axis=1)
    centre = _middles(ascending, splits)
    far = ~(spiky & (np.abs(centre) < least))
    with np.errstate(all="ignore"):
        confirms = _may_confirm(befores.at(numbers[far]), away[far], ascending[far], centre[far], splits[far], floor)
    return np.unique(ends[far][confirms] - first - 1).tolist()


def _may_confirm(
    before: _Backgrounds, away: Floats, ascending: Floats, centre: Floats, splits: Indices, floor: float
) -> Bools:
    """Return for each candidate whether `KnownLevels` may find that it confirms a shift; a number that is none may.

    A row of `away` ends with the distances of so many new runs as `splits` has, infinite before them; `ascending` are
    the same in order, `centre` is their interquartile mean.
    """
    slack = ROUNDING * before.spread
    reach = np.maximum(NEAR_NOISE * before.spread, NEAR_SHARE * np.abs(centre))
    beyond = BEYOND_NOISE * before.spread
    low, high = centre - reach, centre + reach
    least = np.where(centre > 0, np.maximum(low, beyond), low) - slack
    greatest = np.where(centre > 0, high, np.minimum(high, -beyond)) + slack
    agreeing = np.sum((least[:, None] <= away) & (away <= greatest[:, None]), axis=1)
    agreed = (agreeing >= splits - splits // RUNS_ALL_AGREE) | (np.abs(centre) < slack)

    low, high = low[:, None], high[:, None]
    size = np.abs(_middles(np.clip(ascending, low, high), splits))
    held = np.where(np.isinf(away), 0.0, np.clip(away, low, high))
    runs = _runs_of_all(before, held, splits)
    explained = [_explained(runs, correlation, np.log) for correlation, _ in CORRELATIONS]
    beliefs = np.array([belief for _, belief in CORRELATIONS])[:, None]
    one_levels = np.array([each.one_level for each in explained])
    two_levels = np.array([each.two_levels for each in explained])
    one = np.max(one_levels, axis=0)
    evidence = two_levels[0] - one - np.log(np.sum(beliefs * np.exp(one_levels - one), axis=0))
    weights = beliefs * np.exp(two_levels - np.max(two_levels, axis=0))
    variances = np.array([each.variance for each in explained])
    error = np.sqrt(np.sum(weights * variances, axis=0) / np.sum(weights, axis=0))
    real = ~(size < (1 - ROUNDING) * error * _student(runs.count - 2 + PRIOR_RUNS, np.sqrt, np.expm1))
    large = ~(size + error < (1 - ROUNDING) * floor)

    few = np.where(splits < 4, NEEDED_MORE_OF_FEW, NEEDED_MORE_A_RUN * (splits - 4))
    short = NEEDED_MORE_SHORT * np.maximum(0.0, 1 - before.known / SHORT)
    noisy = np.log(np.clip(before.spread, *NOISE_RANGE) / USUAL_NOISE)
    needed = np.where(splits == RUNS_TO_CONFIRM, NEEDED_OF_THREE, NEEDED) - ROUNDING
    return agreed & real & large & ~(evidence - few - short - noisy < needed)


def _runs_of_all(before: _Backgrounds, held: Floats, splits: Indices) -> _Runs[Floats]:
    """Return the sums over all runs of each candidate; `held` has the distances of the new ones, 0 before them."""
    residuals = before.residuals
    rows = np.arange(len(splits))
    level = WINDOW - before.runs
    whole = before.known == before.runs
    at_split = held[rows, held.shape[1] - splits]
    from_split = np.sum(held, axis=1)
    return _Runs(
        count=(before.known + splits).astype(np.float64),
        of_level=(before.runs + splits).astype(np.float64),
        of_split=splits.astype(np.float64),
        whole=whole.astype(np.float64),
        squares=_products(residuals, residuals) + _products(held, held),
        products=_products(residuals[:, :-1], residuals[:, 1:])
        + residuals[:, -1] * at_split
        + _products(held[:, :-1], held[:, 1:]),
        from_level=np.sum(residuals, axis=1, where=np.arange(WINDOW) >= level[:, None]) + from_split,
        from_split=from_split,
        first=residuals[rows, WINDOW - before.known],
        before_level=np.where(whole, 0.0, residuals[rows, level - 1]),
        at_level=residuals[rows, level],
        before_split=residuals[:, -1],
        at_split=at_split,
        last=held[:, -1],
    )


def _products(some: Floats, others: Floats) -> Floats:
    return np.einsum("ij,ij->i", some, others)
