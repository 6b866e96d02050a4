"""Level shifts of a whole ledger: of every model in every context, metric by metric and prompt by prompt."""

import json
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from functools import cached_property
from math import exp, isfinite, log, log1p
from typing import Final, Literal, NamedTuple, TypeVar

from bench.analysis.contexts import CONDITIONS, Context, Differing, changed_conditions, in_words
from bench.analysis.history import History, Series, SeriesKey, Watched, histories, watched
from bench.analysis.summary import RunSummary
from bench.schema.result import Result
from bench.stats.change_points import (
    LARGEST_LOG,
    RUNS_BEFORE,
    RUNS_ON_TRIAL,
    RUNS_TO_CONFIRM,
    KnownLevels,
    ShiftCandidate,
    middle,
)
from bench.stats.many_series import known_levels

FLOOR: Final = 0.05
"""Smallest change that is of interest, up or down by the same ratio. A change counts when its size and one standard
error reach the floor: half of all steps of exactly the floor look smaller."""

FALSE_CONFIRMED: Final = 0.05
FALSE_SUSPECTED: Final = 0.2
"""Share of the confirmed and of the suspected changes at the newest run that may be false: the false discovery rate."""

Status = Literal["suspected", "confirmed"]
SeriesId = TypeVar("SeriesId", bound=Hashable)


@dataclass(frozen=True)
class StepChange:
    """A level shift. `index` is of the first run at the new level, in the values given; levels are in their unit.

    `effect` is new level / old level - 1, `low` and `high` its interval. `runs` counts the steady runs with a
    value from `index` to the next confirmed change or the end. `p` is the chance of so much evidence at one run of a
    steady history. `confirmed_by` is the index of the run with which the change was confirmed for the first time, None
    where it is suspected.
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
    confirmed_by: int | None = None


@dataclass(frozen=True)
class SeriesShifts:
    """The changes of one series judged by itself, oldest first: a function of its values and drifted flags alone."""

    changes: tuple[StepChange, ...]

    def to_json(self) -> str:
        """Return it as JSON on one line, from which `from_json` makes the same again to the last digit."""
        return json.dumps([astuple(change) for change in self.changes])

    @classmethod
    def from_json(cls, text: str) -> "SeriesShifts":
        """Return what `to_json` was made from. Raises ValueError for a text that it did not make."""
        try:
            return cls(tuple(StepChange(*fields) for fields in json.loads(text)))
        except TypeError as error:
            raise ValueError("no shifts of a series") from error


OfSeries = Callable[[Sequence[Series]], Sequence[SeriesShifts]]
"""What `series_shifts` is: one answer a series, in order. Whoever keeps answers asks it for the rest."""


@dataclass(frozen=True)
class LevelStretch:
    """A stretch of runs at one level: indices of its first and last run with a value, and the level in their unit."""

    first: int
    last: int
    value: float


def changes(
    values: Sequence[float | None], drifted: Sequence[bool] | None = None, floor: float = FLOOR
) -> tuple[StepChange, ...]:
    """Return the level shifts in the values of one metric over runs, both oldest first.

    A run without a value (None), with one that has no logarithm (0 or less) or on a machine that drifted is passed
    over; at the end, runs on a machine that drifted can still make a change suspected. Only the newest change can be
    suspected. Raises ValueError for a value that is not finite, a floor below 0, or another number of `drifted`.
    """
    return _changes_of([Series(values, drifted)], floor)[0]


def series_shifts(series: Sequence[Series]) -> tuple[SeriesShifts, ...]:
    """Return the changes of each series at the usual floor, in order: many at once are faster than one by one.

    Raises ValueError as `changes` does.
    """
    return tuple(SeriesShifts(found) for found in _changes_of(series, FLOOR))


def replay(
    values: Sequence[float | None], drifted: Sequence[bool] | None = None, floor: float = FLOOR
) -> Iterator[tuple[StepChange, ...]]:
    """Yield what `changes` says of the first run, of the first two, and so on to all of them; the same, but in one go.

    Raises ValueError as `changes` does.
    """
    reading = _Reading(values, drifted, floor)
    while reading.further():
        yield reading.found()


def changes_of_all(
    series: Mapping[SeriesId, Series], of_series: OfSeries = series_shifts
) -> dict[SeriesId, tuple[StepChange, ...]]:
    """Return the changes of many series, with the share of false ones among those of the newest runs held down.

    Each series is one test; a change within its first RUNS_ON_TRIAL has its p, any other series 1 (Benjamini and
    Hochberg, Journal of the Royal Statistical Society B 57, 1995). A change stays confirmed where its p is within the
    limit for FALSE_CONFIRMED, is suspected where it is within that for FALSE_SUSPECTED, and is left out otherwise. A
    change that is older must stand alone: one of the two over the number of series. Keys keep their order. `of_series`
    is what `series_shifts` is, or knows its answers. Raises ValueError as `changes` does.
    """
    shifts_of_each = of_series(list(series.values()))
    found = {key: each.changes for key, each in zip(series, shifts_of_each, strict=True)}
    tested = [min((change.p for change in _on_trial(changed)), default=1.0) for changed in found.values()]
    return {key: _judged(changed, tested) for key, changed in found.items()}


def levels(
    values: Sequence[float | None], found: Sequence[StepChange], drifted: Sequence[bool] | None = None
) -> tuple[LevelStretch, ...]:
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
            drawn.append(LevelStretch(inside[0][0], inside[-1][0], _ratio(middle([run for _, run in inside]))))
    return tuple(drawn)


def _changes_of(series: Sequence[Series], floor: float) -> list[tuple[StepChange, ...]]:
    least = _floor_as_log(floor)
    usable = [_usable(one.values, one.drifted) for one in series]
    found: list[tuple[StepChange, ...]] = [()] * len(series)
    for place, known in known_levels([list(one.steady.values()) for one in usable], least):
        found[place] = _found(known, list(usable[place].steady), usable[place].late)
    return found


class _Usable(NamedTuple):
    """Index -> logarithm of each run that a shift can be told by: the steady ones, and unsteady ones after them all."""

    steady: dict[int, float]
    late: dict[int, float]


def _usable(values: Sequence[float | None], drifted: Sequence[bool] | None) -> _Usable:
    _check(values, drifted)
    logs = {index: log(value) for index, value in enumerate(values) if value is not None and value > 0}
    if drifted is None or not any(drifted):
        return _Usable(logs, {})
    steady = {index: run for index, run in logs.items() if not drifted[index]}
    last = next(reversed(steady), -1)
    return _Usable(steady, {index: run for index, run in logs.items() if index > last})


class _Reading:
    """A series read up to some run."""

    def __init__(self, values: Sequence[float | None], drifted: Sequence[bool] | None, floor: float) -> None:
        self._left = iter(_checked(values, drifted))
        self._levels = KnownLevels(_floor_as_log(floor))
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

    def found(self) -> tuple[StepChange, ...]:
        """Return the changes up to the run that was read last."""
        return _found(self._levels, self._steady, self._late)


def _found(known: KnownLevels, steady: Sequence[int], late: Mapping[int, float]) -> tuple[StepChange, ...]:
    """Return the changes that are known; `steady` and `late` have the indices of the runs."""
    confirmed = [
        _change(
            known.weighed(number),
            "confirmed",
            steady[start],
            known.count(number),
            steady[known.confirmed_by[start]],
        )
        for number, start in enumerate(known.starts[1:], start=1)
    ]
    suspected = known.suspected(list(late.values()))
    if suspected is None:
        return tuple(confirmed)
    first = [*steady, *late][suspected.start]
    return (*confirmed, _change(suspected, "suspected", first, len(steady) - suspected.start))


def _change(
    found: ShiftCandidate, status: Status, index: int, runs: int, confirmed_by: int | None = None
) -> StepChange:
    level, size, reach = found.before.level, found.shift.size, found.shift.reach
    return StepChange(
        index=index,
        status=status,
        effect=_ratio(size) - 1,
        low=_ratio(size - reach) - 1,
        high=_ratio(size + reach) - 1,
        before=_ratio(level),
        after=_ratio(level + size),
        runs=runs,
        p=found.p,
        confirmed_by=confirmed_by,
    )


def _on_trial(changed: Sequence[StepChange]) -> tuple[StepChange, ...]:
    """Return the changes that the newest runs are a test of: the suspected one, and the last confirmed where young."""
    confirmed = [change for change in changed if change.status == "confirmed"][-1:]
    suspected = [change for change in changed if change.status == "suspected"]
    return (*(change for change in confirmed if change.runs <= RUNS_ON_TRIAL), *suspected)


def _judged(changed: Sequence[StepChange], tested: Sequence[float]) -> tuple[StepChange, ...]:
    """Return the changes that count as what they are, or as suspected."""
    kept = []
    for change in changed:
        family = tested if change in _on_trial(changed) else [1.0] * len(tested)
        if change.status == "confirmed" and change.p <= _limit(family, FALSE_CONFIRMED):
            kept.append(change)
        elif change.p <= _limit(family, FALSE_SUSPECTED):
            kept.append(replace(change, status="suspected", confirmed_by=None))
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
    _check(values, drifted)
    return list(zip(values, [False] * len(values) if drifted is None else drifted, strict=True))


def _check(values: Sequence[float | None], drifted: Sequence[bool] | None) -> None:
    if not all(map(isfinite, filter(None, values))):
        raise ValueError("changes need finite values")
    if drifted is not None and len(drifted) != len(values):
        raise ValueError(f"{len(values)} values, but {len(drifted)} runs that drifted or not")


RUNS_TO_SUSPECT: Final = RUNS_BEFORE + 1
"""Runs with a value that a series needs before anything can be suspected."""

RUNS_FOR_CONFIRMED: Final = RUNS_BEFORE + RUNS_TO_CONFIRM + 1
"""The same before anything can be confirmed: after so few runs three do not outweigh what a short history asks for."""

NOT_RECORDED: Final = (None, "null")
"""What `bench.analysis.contexts` has for a field that a run does not record: it is no suspect."""

ShiftVerdict = Literal["better", "worse"]


@dataclass(frozen=True)
class LevelShift:
    """A change of one series: the last run at the old level, the first at the new one, and what else differs in them.

    `place` is that of the first run at the new level in the model's history. `verdict` says what the change is for a
    user, by the metric's direction.
    """

    key: SeriesKey
    change: StepChange
    place: int
    before: Result
    after: Result
    verdict: ShiftVerdict
    suspects: tuple[Differing, ...]


@dataclass(frozen=True)
class Shifts:
    """All shifts, by the start of the first run at the new level, oldest first, then in the order of the series.

    `watched` counts the series that are long enough to say something, `waiting` those that are not yet. `shifting` has
    those with a shift, and their changes.
    """

    histories: tuple[History, ...]
    all: tuple[LevelShift, ...]
    shifting: Mapping[SeriesKey, tuple[Watched, tuple[StepChange, ...]]]
    watched: int
    waiting: int

    @cached_property
    def by_history(self) -> dict[tuple[Context, str], History]:
        """Context and model -> its history."""
        return {(one.context, one.model): one for one in self.histories}

    @cached_property
    def by_run(self) -> dict[str, tuple[LevelShift, ...]]:
        """Run id -> the shifts of which it is the first run at the new level."""
        runs: dict[str, list[LevelShift]] = {}
        for one in self.all:
            runs.setdefault(one.after.run.id, []).append(one)
        return {run_id: tuple(some) for run_id, some in runs.items()}

    def of(self, key: SeriesKey) -> tuple[LevelShift, ...]:
        """Return the shifts of one series, oldest first."""
        return tuple(one for one in self.all if one.key == key)

    def levels(self, key: SeriesKey) -> tuple[LevelStretch, ...]:
        """Return the levels between the confirmed changes of a metric, oldest first, by place in its history.

        Empty for a series without a shift.
        """
        if key not in self.shifting:
            return ()
        one, found = self.shifting[key]
        return levels(one.series.values, found, one.series.drifted)

    def confirmed_by(self, shift: LevelShift) -> Result:
        """Return the run with which a confirmed shift was confirmed for the first time, judged by its series alone.

        Raises ValueError for a suspected shift.
        """
        one, _ = self.shifting[shift.key]
        if shift.change.confirmed_by is None:
            raise ValueError(f"a change of {shift.key.metric_id} of {shift.key.model} was never confirmed")
        return one.history.runs[one.offset + shift.change.confirmed_by].result


def shifts(summaries: Sequence[RunSummary], of_series: OfSeries = series_shifts) -> Shifts:
    """Return the level shifts of all runs, given oldest first.

    The series that end with one run are a family, those of its levels of load another one: of the changes in each,
    FALSE_CONFIRMED of the confirmed and FALSE_SUSPECTED of the suspected may be false. A run in which a model gave no
    good answer is no run of its history; one on an unsteady machine can make a change suspected, not confirmed.
    `of_series` is what `series_shifts` is, or knows its answers.
    """
    families: dict[tuple[str, bool], dict[SeriesKey, Watched]] = {}
    lengths = []
    known = histories(summaries)
    for history in known:
        # Levels of load are many, and not in every run: what is known of the rest must not come and go with them.
        family = families.setdefault((history.runs[-1].result.run.id, history.level is not None), {})
        for one in watched(history):
            usable = one.usable
            lengths.append(len(usable))
            # Nothing shifts where every value is the same; a footprint is, and a score as a rule.
            if len(usable) >= RUNS_TO_SUSPECT and min(usable) < max(usable):
                family[one.key] = one
    shifting = {
        key: (family[key], found)
        for family in families.values()
        for key, found in changes_of_all({key: one.series for key, one in family.items()}, of_series).items()
        if found
    }
    return Shifts(
        histories=known,
        all=_level_shifts(shifting),
        shifting=shifting,
        watched=sum(length >= RUNS_TO_SUSPECT for length in lengths),
        waiting=sum(0 < length < RUNS_TO_SUSPECT for length in lengths),
    )


def suspects(before: Result, after: Result, model: str) -> tuple[Differing, ...]:
    """Return what is noted for a model and differs between two runs, in the order of CONDITIONS.

    What one of the two did not record is no suspect. The model goes by its name in the config.
    """
    changed = []
    for one in changed_conditions(before, after):
        if one.before in NOT_RECORDED or one.after in NOT_RECORDED:
            continue
        path = one.field
        for folder in ("", "config."):
            whose = f"{folder}models.{model}."
            path = f"{folder}model.{path.removeprefix(whose)}" if path.startswith(whose) else path
        changed.append((path, one.before or "", one.after or ""))
    return tuple(
        Differing(words, was, now)
        for condition in CONDITIONS
        if condition.breaks is None
        for path, was, now in changed
        if (words := in_words(condition, path)) is not None
    )


def _level_shifts(
    shifting: Mapping[SeriesKey, tuple[Watched, tuple[StepChange, ...]]],
) -> tuple[LevelShift, ...]:
    known: dict[tuple[str, str, str], tuple[Differing, ...]] = {}
    made = []
    for key, (one, found) in shifting.items():
        runs = one.history.runs[one.offset :]
        for change in found:
            before, after = runs[_last_before(one, change)].result, runs[change.index].result
            between = before.run.id, after.run.id, key.model
            if between not in known:
                known[between] = suspects(before, after, key.model)
            verdict: ShiftVerdict = "better" if (change.effect < 0) == (key.metric.better == "lower") else "worse"
            place = one.offset + change.index
            made.append(LevelShift(key, change, place, before, after, verdict, known[between]))
    return tuple(sorted(made, key=lambda one: (one.after.run.started_utc, one.after.run.id)))


def _last_before(one: Watched, change: StepChange) -> int:
    """Return the place of the last run at the old level; one on a machine that drifted says nothing of a level."""
    drifted = one.history.drifted[one.offset :]
    values = one.series.values
    return next(place for place in reversed(range(change.index)) if values[place] and not drifted[place])
