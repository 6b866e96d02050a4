"""Level shifts of one series, read run by run as it came to be: which are confirmed, which is suspected.

The evidence for a shift is one Bayes factor, whatever the noise and its autocorrelation.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from math import exp, log, sqrt
from operator import mul
from statistics import NormalDist
from typing import Final, Generic, TypeVar

from bench.stats.distribution import UPPER_QUANTILE, Floats

Scalar = TypeVar("Scalar", float, Floats)

CORRELATIONS: Final = ((0.0, 0.3), (0.5, 0.5), (0.8, 0.2))
"""Lag-one autocorrelation that the noise may have, and what each is believed beforehand. Less belief in 0.5 finds steps
sooner and cries wolf more: `--table beliefs` shows the exchange."""

PRIOR_NOISE: Final = 0.05
PRIOR_RUNS: Final = 0.5
PRIOR_SQUARES: Final = PRIOR_RUNS * PRIOR_NOISE**2
"""What is believed of the noise between runs beforehand, and as firmly as how many runs would say it. It keeps a few
equal values from looking like certainty. A firmer belief finds steps sooner where it is right, and cries wolf where the
noise is larger."""

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
"""A run agrees with a new level when it lies within so many deviations of it, or within so much of the shift: spikes
differ from each other by more."""

BEYOND_NOISE: Final = 0.4
"""... and when it lies beyond the old level by this many deviations."""

NORMAL_QUANTILE: Final = NormalDist().inv_cdf(UPPER_QUANTILE)

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
    """A shift to a new level, of logarithms: its size, the standard error of that, and half of its interval.

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
class SplitSums(Generic[Scalar]):
    """The distances of all runs before a split and after it, as the evidence needs them: floats, or one array a field.

    Sums over all are of squares and of products with the next run; `from_level` and `from_split` sum the distances
    from the first run of the old level on and from the split on. `first`, `at_level`, `at_split` and `last` are
    distances of single runs, `before_level` and `before_split` those of the runs just before (0 where there is none).
    `of_level` and `of_split` count the runs from there on, `count` all. `whole` is 1 where the old level begins with
    the first of all runs, else 0.
    """

    count: Scalar
    of_level: Scalar
    of_split: Scalar
    whole: Scalar
    squares: Scalar
    products: Scalar
    from_level: Scalar
    from_split: Scalar
    first: Scalar
    before_level: Scalar
    at_level: Scalar
    before_split: Scalar
    at_split: Scalar
    last: Scalar


@dataclass(frozen=True)
class Likelihoods(Generic[Scalar]):
    """How well one autocorrelation explains all runs, as logarithms of likelihoods; the variance of the shift then."""

    one_level: Scalar
    two_levels: Scalar
    variance: Scalar


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
    fits = [likelihoods(runs, correlation, math.log) for correlation, _ in CORRELATIONS]
    one = max([each.one_level for each in fits])
    two = max([each.two_levels for each in fits])
    one_level = variance = weights = 0.0
    for (_, belief), each in zip(CORRELATIONS, fits, strict=True):
        one_level += belief * exp(each.one_level - one)
        weight = belief * exp(each.two_levels - two)
        variance += weight * each.variance
        weights += weight
    error = sqrt(variance / weights)
    return Shift(
        size=middle(away),
        error=error,
        reach=error * student_quantile(runs.count - 2 + PRIOR_RUNS, math.sqrt, math.expm1),
        # The first correlation is none: two levels are weighed with runs that know nothing of each other.
        evidence=fits[0].two_levels - one - log(one_level),
    )


def _runs(before: Background, away: Sequence[float]) -> SplitSums[float]:
    residuals = before.residuals
    squares, products, from_level = before.sums
    level = len(residuals) - before.runs
    # Each sum goes on where the background's ends: the same as over all runs, oldest first, to the last digit.
    return SplitSums(
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


def student_quantile(degrees: Scalar, sqrt: Callable[[Scalar], Scalar], expm1: Callable[[Scalar], Scalar]) -> Scalar:
    """Return the quantile of UPPER_QUANTILE of Student's distribution, after Wallace; the functions fit the type."""
    scaled = NORMAL_QUANTILE * (8 * degrees + 3) / (8 * degrees + 1)
    return sqrt(degrees * expm1(scaled**2 / degrees))


def likelihoods(runs: SplitSums[Scalar], correlation: Scalar, log: Callable[[Scalar], Scalar]) -> Likelihoods[Scalar]:
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
    gained = along_shift**2
    half = (runs.count - 1 + PRIOR_RUNS) / 2
    constant = (log(free) - log(of_level)) / 2
    return Likelihoods(
        one_level=constant - half * log(one_left),
        two_levels=constant
        - half * log(one_left - gained / (of_shift + SHIFT_SCALE**-2))
        - log(1 + SHIFT_SCALE**2 * of_shift) / 2,
        variance=(one_left - gained / of_shift) / (runs.count - 2 + PRIOR_RUNS) / of_shift,
    )


WINDOW: Final = 60
"""Runs before a split that are weighed, at most: enough to know the noise, few enough to follow a slow drift."""

SPLITS: Final = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 20, 25, 30)
"""How many of the newest runs may be the new level. What 30 runs do not show is a drift or too small to say."""

RUNS_BEFORE: Final = 5
"""Runs that the first level needs before anything is said; a later one needs fewer, since its noise is known."""

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
"""... and what no run before would add, less with each run up to so many: few runs at one level may be an
autocorrelated stretch, and no rule finds the small steps of a short history anyway."""

USUAL_NOISE: Final = 0.03
NOISE_RANGE: Final = (0.02, 0.1)
"""... and the noise adds its logarithm in units of the usual one, within a range: below, the floor already keeps small
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

    `runs` are those taken in, `starts` the first of each level, and `older` has for each level the distances of earlier
    runs from their own. `confirmed_by` has for each run that was ever the start of a later level, even if that was
    taken back, the run with which it first was. `spike` is the last run beyond the limit of those before it, -1 where
    there is none. `unremarkable` may know of a run of the newest level, of how many runs there are from it on and of
    their middle that they are not worth weighing.
    """

    def __init__(self, floor: float) -> None:
        self.starts = [0]
        self.confirmed_by: dict[int, int] = {}
        self._floor = floor
        self.runs: list[float] = []
        self.older: list[list[float]] = [[]]
        self._sums = [0.0]
        self.spike = -1
        self._befores: list[dict[int, Background]] = [{}]
        self.unremarkable: Callable[[int, int, float], bool] | None = None

    def add(self, run: float) -> None:
        """Take in the next run, which may confirm a shift, or move or take back one that is on trial."""
        self._take(run)
        found = _strongest([found for found in self._newest(CONFIRMING_SPLITS) if found.confirms])
        if found is not None:
            self._begin(self._place(found.start))
        elif len(self.starts) > 1 and self.count(-1) <= RUNS_ON_TRIAL:
            self._try()

    def pass_over(self, runs: Sequence[float], spike: int) -> None:
        """Take in the next runs, as to `add` them would, where those neither confirm nor move nor take back anything.

        `spike` is the last run that is known to be a spike then.
        """
        self.runs.extend(runs)
        self._sums.extend(accumulate(runs, initial=self._sums.pop()))
        self.spike = spike

    @property
    def on_trial(self) -> int:
        """How many of the next runs may take the newest level back."""
        return max(0, RUNS_ON_TRIAL - self.count(-1)) if len(self.starts) > 1 else 0

    def count(self, number: int) -> int:
        """Return how many runs the level of this number has."""
        return [*self.starts[1:], len(self.runs)][number] - self.starts[number]

    def weighed(self, number: int) -> ShiftCandidate:
        """Return the shift to the level of this number, from all that is known of both levels."""
        start = self.starts[number]
        return self._weighed(number - 1, start, start + self.count(number))

    def suspected(self, late: Sequence[float]) -> ShiftCandidate | None:
        """Return the shift that the newest runs make one suspect; `late` are such as cannot confirm it."""
        steady, spike = len(self.runs), self.spike
        self.runs.extend(late)
        self.spike = len(self.runs) if late else spike
        found = _strongest(self._newest([split for split in SPLITS if split >= len(late)]))
        del self.runs[steady:]
        self.spike = spike
        return found if found is not None and found.p <= P_SUSPECTED else None

    def _newest(self, splits: Sequence[int]) -> list[ShiftCandidate]:
        """Return the possible shifts within the newest runs."""
        most = len(self.runs) - self.starts[-1] - self.needed_before
        candidates = [self._candidate(split) for split in splits if split <= most and self._remarkable(split)]
        return [found for found in candidates if found is not None]

    def _remarkable(self, split: int) -> bool:
        """Return whether it is worth while to weigh so many of the newest runs."""
        start = len(self.runs) - split
        spiky = self.spike >= start
        away = middle(self.runs[start:]) if spiky else (self._sums[-1] - self._sums[start]) / split
        if self.unremarkable is not None and self.unremarkable(start, split, away):
            return False
        before = self._before(start)
        least = UNREMARKABLE * before.spread * sqrt(1 / split + 1 / before.runs)
        return abs(away - before.level) > least and not (split == 1 and before.came_back_from(self.runs[start]))

    def _candidate(self, split: int) -> ShiftCandidate | None:
        start = len(self.runs) - split
        before = self._before(start)
        away, agreeing = held_in(before, self.runs[start:])
        if agreeing < split - split // RUNS_ALL_AGREE:
            return None
        found = ShiftCandidate(start, before, split, agreeing, shift(before, away))
        large = abs(found.shift.size) + found.shift.error >= self._floor
        return found if large and found.shift.real else None

    def _before(self, start: int) -> Background:
        """Return what the runs at the newest level look like before one of them."""
        return self._background(len(self.starts) - 1, start)

    def is_spike(self, number: int) -> bool:
        """Return whether a run of the newest level lies beyond the limit of those before."""
        before = self._before(number)
        return abs(self.runs[number] - before.level) > before.limit

    def _take(self, run: float) -> None:
        self.runs.append(run)
        self._sums.append(self._sums[-1] + run)
        last = len(self.runs) - 1
        if last - self.starts[-1] >= self.needed_before and self.is_spike(last):
            self.spike = last

    @property
    def needed_before(self) -> int:
        """How many runs the newest level needs before anything is said of the next one."""
        return RUNS_BEFORE if len(self.starts) == 1 else RUNS_BEFORE_LATER

    def _weighed(self, number: int, start: int, end: int | None = None) -> ShiftCandidate:
        """Return the shift from the level of this number at a run, whatever there is to say for it."""
        return _weighed(self._background(number, start), start, self.runs[start:end][:WINDOW])

    def _background(self, number: int, end: int) -> Background:
        known = self._befores[number].get(end)
        if known is None:
            runs = self.runs[max(self.starts[number], end - WINDOW) : end]
            room = WINDOW - len(runs)
            known = self._befores[number][end] = background(runs, self.older[number][-room:] if room else [])
        return known

    def _place(self, about: int) -> int:
        """Return the run from which on the new level explains most, within a few of `about`."""
        first = max(about - RUNS_ASTRAY, self.starts[-1] + RUNS_BEFORE_LATER)
        last = min(about + RUNS_ASTRAY, len(self.runs) - RUNS_TO_CONFIRM)
        weighed = [self._weighed(len(self.starts) - 1, start) for start in range(first, last + 1)]
        return max(weighed, key=lambda found: found.shift.evidence).start

    def _begin(self, start: int) -> None:
        """Let the newest level begin at a run."""
        level = self._background(len(self.starts) - 1, start).level
        runs = self.runs[max(self.starts[-1], start - WINDOW) : start]
        older = [*self.older[-1], *(run - level for run in runs)][-WINDOW:]
        self._newest_level(start, older, {})

    def _newest_level(self, start: int, older: list[float], befores: dict[int, Background]) -> None:
        self.older.append(older)
        self.starts.append(start)
        self._befores.append(befores)
        self.unremarkable = None
        self.confirmed_by.setdefault(start, len(self.runs) - 1)

    def _try(self) -> None:
        """Move the newest level's beginning to where it explains most, or take it back where it is no longer real.

        A run that disagrees moves nothing: it may be a spike, or belong to the next level.
        """
        start, older, befores = self.starts.pop(), self.older.pop(), self._befores.pop()
        self.unremarkable = None
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
