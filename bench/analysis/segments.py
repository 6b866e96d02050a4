"""The levels of one series, read run by run as it came to be: which are confirmed, which is suspected.

At each run the newest 1 to 30 runs are weighed against those before them (bench/analysis/step.py). What is said up to a
run depends on no later one. Each constant was chosen by simulation: `python -m tests.benchmarks.changes` repeats it,
and docs/changes-measured.md has what came out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, sqrt
from typing import Final

from bench.analysis.step import Background, Shift, background, held_in, middle, shift

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


@dataclass(frozen=True)
class Candidate:
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


class Levels:
    """What is known of the steady runs up to one of them, as logarithms of their values.

    `starts` are the first runs of its levels.
    """

    def __init__(self, floor: float) -> None:
        self.starts = [0]
        self._floor = floor
        self._runs: list[float] = []
        self._older: list[list[float]] = [[]]
        self._sums = [0.0]
        self._spike = -1
        self._befores: dict[int, Background] = {}

    def add(self, run: float) -> None:
        """Take in the next run, which may confirm a shift, or move or take back one that is on trial."""
        self._take(run)
        found = _strongest([found for found in self._newest(CONFIRMING_SPLITS) if found.confirms])
        if found is not None:
            self._begin(self._place(found.start))
        elif len(self.starts) > 1 and self.count(-1) <= RUNS_ON_TRIAL:
            self._try()

    def count(self, number: int) -> int:
        """Return how many runs the level of this number has."""
        return [*self.starts[1:], len(self._runs)][number] - self.starts[number]

    def weighed(self, number: int) -> Candidate:
        """Return the shift to the level of this number, from all that is known of both levels."""
        start = self.starts[number]
        return self._weighed(number - 1, start, start + self.count(number))

    def suspected(self, late: Sequence[float]) -> Candidate | None:
        """Return the shift that the newest runs make one suspect; `late` are such as cannot confirm it."""
        steady, spike = len(self._runs), self._spike
        self._runs.extend(late)
        self._spike = len(self._runs) if late else spike
        found = _strongest(self._newest([split for split in SPLITS if split >= len(late)]))
        del self._runs[steady:]
        self._spike = spike
        return found if found is not None and found.p <= P_SUSPECTED else None

    def _newest(self, splits: Sequence[int]) -> list[Candidate]:
        """Return the possible shifts within the newest runs."""
        most = len(self._runs) - self.starts[-1] - self._needed_before()
        candidates = [self._candidate(split) for split in splits if split <= most and self._remarkable(split)]
        return [found for found in candidates if found is not None]

    def _remarkable(self, split: int) -> bool:
        """Return whether it is worth while to weigh so many of the newest runs."""
        start = len(self._runs) - split
        before = self._before(start)
        spiky = self._spike >= start
        away = middle(self._runs[start:]) if spiky else (self._sums[-1] - self._sums[start]) / split
        least = UNREMARKABLE * before.spread * sqrt(1 / split + 1 / before.runs)
        return abs(away - before.level) > least and not (split == 1 and before.came_back_from(self._runs[start]))

    def _candidate(self, split: int) -> Candidate | None:
        start = len(self._runs) - split
        found = _weighed(self._before(start), start, self._runs[start:])
        agreed = found.agreeing >= split - split // RUNS_ALL_AGREE
        large = abs(found.shift.size) + found.shift.error >= self._floor
        return found if agreed and large and found.shift.real else None

    def _before(self, start: int) -> Background:
        """Return what the runs at the newest level look like before one of them."""
        known = self._befores.get(start)
        if known is None:
            known = self._befores[start] = self._background(len(self.starts) - 1, start)
        return known

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

    def _weighed(self, number: int, start: int, end: int | None = None) -> Candidate:
        """Return the shift from the level of this number at a run, whatever there is to say for it."""
        return _weighed(self._background(number, start), start, self._runs[start:end][:WINDOW])

    def _background(self, number: int, end: int) -> Background:
        runs = self._runs[max(self.starts[number], end - WINDOW) : end]
        room = WINDOW - len(runs)
        return background(runs, self._older[number][-room:] if room else [])

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
        self._older.append([*self._older[-1], *(run - level for run in runs)][-WINDOW:])
        self.starts.append(start)
        self._befores.clear()

    def _try(self) -> None:
        """Move the newest level's beginning to where it explains most, or take it back where it is no longer real.

        A run that disagrees moves nothing: it may be a spike, or belong to the next level.
        """
        start = self.starts.pop()
        self._older.pop()
        self._befores.clear()
        number = len(self.starts) - 1
        found = self._weighed(number, start)
        if found.agreeing == found.runs:
            found = self._weighed(number, self._place(start))
        if found.shift.evidence > 0 and found.shift.real:
            self._begin(found.start)


def _weighed(before: Background, start: int, runs: Sequence[float]) -> Candidate:
    away, agreeing = held_in(before, runs)
    return Candidate(start, before, len(runs), agreeing, shift(before, away))


def _strongest(some: Sequence[Candidate]) -> Candidate | None:
    return max(some, key=lambda found: found.score, default=None)
