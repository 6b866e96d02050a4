"""Where the level of one metric shifts from one run to the next: suspected after one run, confirmed by more that agree.

A history is read run by run, as it came to be. At each run the newest 1 to 30 runs are weighed against those before
them (bench/analysis/step.py). A shift is *real* when its 95% interval excludes no change, the evidence outweighs what
the series' own noise brings about, and it reaches the floor; it is *confirmed* when at least 3 runs agree with it. From
there on the later level is the one to compare with. So what is said of a history up to a run does not depend on what
came after it, and a confirmed change stays, unless the next runs take it back.

Ours, and not a library's: asv's step detection, Apache Otava and ruptures segment a whole history and have no
confirmation; docs/changes-measured.md has them side by side on the same series.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, isfinite, log, log1p
from typing import Final, Literal, TypeVar

from bench.analysis.segments import RUNS_ON_TRIAL, Candidate, Levels
from bench.analysis.step import LARGEST_LOG, middle

FLOOR: Final = 0.05
"""Smallest change that is of interest, up or down by the same ratio. A change counts when its size and one standard
error reach the floor: half of all steps of exactly 5% look smaller than 5%."""

FALSE_CONFIRMED: Final = 0.05
FALSE_SUSPECTED: Final = 0.2
"""Share of the confirmed and of the suspected changes at the newest run that may be false: the false discovery rate."""

Status = Literal["suspected", "confirmed"]
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Change:
    """A level shift. `index` is of the first run at the new level, in the values given; levels are in their unit.

    `effect` is new level / old level - 1, `low` and `high` its 95% interval. `runs` counts the steady runs with a
    value from `index` to the next confirmed change or the end. `p` is the chance of so much evidence at one run of a
    steady history.
    """

    index: int
    status: Status
    effect: float
    low: float
    high: float
    before: float
    after: float
    runs: int
    p: float


@dataclass(frozen=True)
class Series:
    """One metric over runs, oldest first: a value a run, or None; and which runs were on a machine that drifted."""

    values: Sequence[float | None]
    drifted: Sequence[bool] | None = None


@dataclass(frozen=True)
class Level:
    """A stretch of runs at one level: indices of its first and last run with a value, and the level in their unit."""

    first: int
    last: int
    value: float


def changes(
    values: Sequence[float | None], drifted: Sequence[bool] | None = None, floor: float = FLOOR
) -> tuple[Change, ...]:
    """Return the level shifts in the values of one metric over runs, both oldest first.

    A run without a value (None), with one that has no logarithm (0 or less) or on a machine that drifted is passed
    over; at the end, runs on a machine that drifted can still make a change suspected. Only the newest change can be
    suspected. Raises ValueError for a value that is not finite, a floor below 0, or another number of `drifted`.
    """
    reading = _Reading(values, drifted, floor)
    while reading.further():
        pass
    return reading.found()


def replay(
    values: Sequence[float | None], drifted: Sequence[bool] | None = None, floor: float = FLOOR
) -> Iterator[tuple[Change, ...]]:
    """Yield what `changes` says of the first run, of the first two, and so on to all of them; the same, but in one go.

    Raises ValueError as `changes` does.
    """
    reading = _Reading(values, drifted, floor)
    while reading.further():
        yield reading.found()


def changes_of_all(series: Mapping[Key, Series], floor: float = FLOOR) -> dict[Key, tuple[Change, ...]]:
    """Return the changes of many series, with the share of false ones among those of the newest runs held down.

    Each series is one test; a change within its first 12 runs has its p, any other series 1 (Benjamini and Hochberg,
    Journal of the Royal Statistical Society B 57, 1995). A change stays confirmed where its p is within the limit
    for 5% false, is suspected where it is within that for 20%, and is left out otherwise. A change that is older must
    stand alone: 5% or 20% over the number of series. Keys keep their order. Raises ValueError as `changes` does.
    """
    found = {key: changes(each.values, each.drifted, floor) for key, each in series.items()}
    tested = [min((change.p for change in _on_trial(changed)), default=1.0) for changed in found.values()]
    return {key: _judged(changed, tested) for key, changed in found.items()}


def levels(
    values: Sequence[float | None], found: Sequence[Change], drifted: Sequence[bool] | None = None
) -> tuple[Level, ...]:
    """Return the stretches between the confirmed changes of `changes`, oldest first, for drawing a line of steps.

    A level is the interquartile mean of the logarithms of its steady values; a stretch without any is left out.
    """
    starts = [change.index for change in found if change.status == "confirmed"]
    usable = [
        (index, log(value))
        for index, (value, unsteady) in enumerate(_checked(values, drifted))
        if value is not None and value > 0 and not unsteady
    ]
    drawn = []
    for first, end in zip([0, *starts], [*starts, len(values)], strict=True):
        inside = [(index, run) for index, run in usable if first <= index < end]
        if inside:
            drawn.append(Level(inside[0][0], inside[-1][0], _ratio(middle([run for _, run in inside]))))
    return tuple(drawn)


class _Reading:
    """A series read up to some run."""

    def __init__(self, values: Sequence[float | None], drifted: Sequence[bool] | None, floor: float) -> None:
        self._left = iter(_checked(values, drifted))
        self._levels = Levels(_floor_as_log(floor))
        self._read = -1
        self._steady: list[int] = []
        self._late: dict[int, float] = {}

    def further(self) -> bool:
        """Read one run; False where none is left."""
        for value, unsteady in self._left:
            self._read += 1
            if value is not None and value > 0 and unsteady:
                self._late[self._read] = log(value)
            elif value is not None and value > 0:
                self._late.clear()
                self._steady.append(self._read)
                self._levels.add(log(value))
            return True
        return False

    def found(self) -> tuple[Change, ...]:
        """Return the changes up to the run that was read last."""
        known = self._levels
        confirmed = [
            _change(known.weighed(number), "confirmed", self._steady[known.starts[number]], known.count(number))
            for number in range(1, len(known.starts))
        ]
        suspected = known.suspected(list(self._late.values()))
        if suspected is None:
            return tuple(confirmed)
        first = [*self._steady, *self._late][suspected.start]
        return (*confirmed, _change(suspected, "suspected", first, len(self._steady) - suspected.start))


def _change(found: Candidate, status: Status, index: int, runs: int) -> Change:
    level, size, reach = found.before.level, found.shift.size, found.shift.reach
    return Change(
        index=index,
        status=status,
        effect=_ratio(size) - 1,
        low=_ratio(size - reach) - 1,
        high=_ratio(size + reach) - 1,
        before=_ratio(level),
        after=_ratio(level + size),
        runs=runs,
        p=found.p,
    )


def _on_trial(changed: Sequence[Change]) -> tuple[Change, ...]:
    """Return the changes that the newest runs are a test of: the suspected one, and the last confirmed where young."""
    confirmed = [change for change in changed if change.status == "confirmed"][-1:]
    suspected = [change for change in changed if change.status == "suspected"]
    return (*(change for change in confirmed if change.runs <= RUNS_ON_TRIAL), *suspected)


def _judged(changed: Sequence[Change], tested: Sequence[float]) -> tuple[Change, ...]:
    """Return the changes that count as what they are, or as suspected."""
    kept = []
    for change in changed:
        family = tested if change in _on_trial(changed) else [1.0] * len(tested)
        if change.status == "confirmed" and change.p <= _limit(family, FALSE_CONFIRMED):
            kept.append(change)
        elif change.p <= _limit(family, FALSE_SUSPECTED):
            kept.append(replace(change, status="suspected"))
    return tuple(kept)


def _limit(tested: Sequence[float], rate: float) -> float:
    """Return the largest p that counts among those tested when a share of `rate` may be false."""
    share = rate / len(tested)
    return share * max(1, *(rank for rank, p in enumerate(sorted(tested), start=1) if p <= share * rank), 1)


def _ratio(size: float) -> float:
    return exp(max(-LARGEST_LOG, min(LARGEST_LOG, size)))


def _floor_as_log(floor: float) -> float:
    if not floor >= 0:
        raise ValueError(f"a floor is 0 or more, not {floor}")
    return log1p(floor)


def _checked(values: Sequence[float | None], drifted: Sequence[bool] | None) -> list[tuple[float | None, bool]]:
    if any(value is not None and not isfinite(value) for value in values):
        raise ValueError("changes need finite values")
    if drifted is None:
        return [(value, False) for value in values]
    if len(drifted) != len(values):
        raise ValueError(f"{len(values)} values, but {len(drifted)} runs that drifted or not")
    return list(zip(values, drifted, strict=True))
