"""The level shifts of a whole ledger: of every model in every context, metric by metric and prompt by prompt.

`bench.analysis.watched` makes the series in one pass over the runs, `bench.analysis.changes` finds the shifts, and each
gets the runs on either side of it and the suspects: what is noted and differs between these two.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

from bench.analysis.changes import Change, Level, changes_of_all, levels, replay
from bench.analysis.conditions import changed_conditions
from bench.analysis.history import CONDITIONS, Context, Differing, in_words
from bench.analysis.segments import RUNS_BEFORE, RUNS_TO_CONFIRM
from bench.analysis.summary import RunSummary
from bench.analysis.watched import History, SeriesKey, Watched, histories, watched
from bench.results.schema import Result

RUNS_TO_SUSPECT: Final = RUNS_BEFORE + 1
"""Runs with a value that a series needs before anything can be suspected."""

RUNS_FOR_CONFIRMED: Final = RUNS_BEFORE + RUNS_TO_CONFIRM + 1
"""The same before anything can be confirmed: after so few runs three do not outweigh what a short history asks for."""

NOT_RECORDED: Final = (None, "null")
"""What `bench.analysis.conditions` has for a field that a run does not record: it is no suspect."""

Verdict = Literal["better", "worse"]


@dataclass(frozen=True)
class LevelShift:
    """A change of one series: the last run at the old level, the first at the new one, and what else differs in them.

    `place` is that of the first run at the new level in the model's history. `verdict` says what the change is for a
    user, by the metric's direction.
    """

    key: SeriesKey
    change: Change
    place: int
    before: Result
    after: Result
    verdict: Verdict
    suspects: tuple[Differing, ...]


@dataclass(frozen=True)
class Shifts:
    """All shifts, by the start of the first run at the new level, oldest first, then in the order of the series.

    `watched` counts the series that are long enough to say something, `waiting` those that are not yet. `shifting` has
    those with a shift, and their changes.
    """

    histories: tuple[History, ...]
    all: tuple[LevelShift, ...]
    shifting: Mapping[SeriesKey, tuple[Watched, tuple[Change, ...]]]
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

    def levels(self, key: SeriesKey) -> tuple[Level, ...]:
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
        if shift.change.status == "confirmed":
            for place, found in enumerate(replay(one.series.values, one.series.drifted)):
                if any(change.index == shift.change.index and change.status == "confirmed" for change in found):
                    return one.history.runs[one.offset + place].result
        raise ValueError(f"a change of {shift.key.metric_id} of {shift.key.model} was never confirmed")


def shifts(summaries: Sequence[RunSummary]) -> Shifts:
    """Return the level shifts of all runs, given oldest first.

    The series that end with one run are a family, those of its levels of load another one: of the changes in each, 5%
    of the confirmed and 20% of the suspected may be false. A run in which a model gave no good answer is no run of its
    history; one on an unsteady machine can make a change suspected, not confirmed.
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
        for key, found in changes_of_all({key: one.series for key, one in family.items()}).items()
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
    shifting: Mapping[SeriesKey, tuple[Watched, tuple[Change, ...]]],
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
            verdict: Verdict = "better" if (change.effect < 0) == (key.metric.better == "lower") else "worse"
            place = one.offset + change.index
            made.append(LevelShift(key, change, place, before, after, verdict, known[between]))
    return tuple(sorted(made, key=lambda one: (one.after.run.started_utc, one.after.run.id)))


def _last_before(one: Watched, change: Change) -> int:
    """Return the place of the last run at the old level; one on a machine that drifted says nothing of a level."""
    drifted = one.history.drifted[one.offset :]
    values = one.series.values
    return next(place for place in reversed(range(change.index)) if values[place] and not drifted[place])
