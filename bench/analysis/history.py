"""What is monitored over the runs of a ledger: the history of each model in each context, and the series in it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final, NamedTuple

from bench.analysis.contexts import Context, context_key
from bench.analysis.measurements import Stratum
from bench.analysis.measurements import watched as monitored
from bench.analysis.summary import Kept, LevelPoint, ModelSummary, RunSummary
from bench.metrics.load import LevelKey, LevelSummary, level_key, limits_of
from bench.metrics.registry import Metric, metric
from bench.schema.load import LoadLevel

GOODPUT: Final = "goodput_share"


@dataclass(frozen=True)
class Series:
    """One metric over runs, oldest first: a value a run, or None; and which runs were on a machine that drifted."""

    values: Sequence[float | None]
    drifted: Sequence[bool] | None = None


PROMPT_RUNS: Final = 100
"""Newest runs over which single prompts are watched: they are many, and what is older has long been seen."""


class SeriesKey(NamedTuple):
    """One series: a metric of a model in a context, of one prompt or (None) of them all; or of one level of load."""

    context: Context
    model: str
    metric_id: str
    prompt: str | None = None
    level: LevelKey | None = None

    @property
    def metric(self) -> Metric:
        """The metric, without its statistic."""
        return metric(self.metric_id.partition(".")[0])


@dataclass(frozen=True)
class History:
    """The runs of a model in one context in which it gave a good answer, oldest first, and which of them drifted.

    In a context of load `levels` has the level of each run; else it is empty.
    """

    context: Context
    model: str
    runs: tuple[ModelSummary, ...]
    drifted: tuple[bool, ...]
    levels: tuple[LevelPoint, ...] = ()

    @property
    def level(self) -> LevelKey | None:
        """The level of load; None for a model's own samples, one after the other."""
        return self.levels[0].key if self.levels else None

    @property
    def metric_ids(self) -> tuple[str, ...]:
        """Every metric that is watched here, in order."""
        return monitored(Stratum(level=self.level))

    def values(self, metric_id: str) -> tuple[float | None, ...]:
        """Return the value of a watched metric in each run.

        Goodput is a matter of the limits as well: a run with others than the newest one's has none.
        """
        if not self.levels:
            return tuple(one.value(metric_id) for one in self.runs)
        newest = self.levels[-1].limits
        return tuple(
            None if metric_id == GOODPUT and one.limits != newest else one.values[metric_id] for one in self.levels
        )


@dataclass(frozen=True)
class Watched:
    """A series with what it is of; its first value is of the run at the place `offset` of its history."""

    key: SeriesKey
    history: History
    offset: int
    series: Series

    @property
    def usable(self) -> tuple[float, ...]:
        """The values that a shift can be told by: those that are there, and above 0."""
        return tuple(value for value in self.series.values if value is not None and value > 0)


@dataclass(frozen=True)
class _HistoryRun:
    model: ModelSummary
    drifted: bool
    level: LevelPoint | None = None


def histories(summaries: Sequence[RunSummary]) -> tuple[History, ...]:
    """Return the history of each model in each context, given all runs, oldest first; in order of first appearance.

    Each level of load is a context of its own. A run in which a model gave no good answer, or none at a level, is in
    none. A run on an unsteady machine drifted. Of equal levels in a run the first counts.
    """
    found: dict[tuple[Context, str], list[_HistoryRun]] = {}
    for summary in summaries:
        drifted = summary.steadiness.verdict == "unsteady"
        for one in summary.models:
            if one.good_samples:
                found.setdefault((context_key(one.result, one.model), one.model.name), []).append(
                    _HistoryRun(one, drifted)
                )
            for level in kept(one).levels:
                context = context_key(one.result, one.model, level.key.words)
                found.setdefault((context, one.model.name), []).append(_HistoryRun(one, drifted, level))
    return tuple(_history(context, model, runs) for (context, model), runs in found.items())


def watched(history: History) -> Iterator[Watched]:
    """Yield each series of a history: those of its metrics, then prompt by prompt where it is of no level of load."""
    context, model = history.context, history.model
    for metric_id in history.metric_ids:
        series = Series(history.values(metric_id), history.drifted)
        yield Watched(SeriesKey(context, model, metric_id, level=history.level), history, 0, series)
    if history.levels:
        return
    offset = max(0, len(history.runs) - PROMPT_RUNS)
    newest, drifted = history.runs[offset:], history.drifted[offset:]
    by_prompt = [kept(one).by_prompt for one in newest]
    # All runs of a context have the same prompts.
    for prompt in newest[-1].result.prompt_set.prompts:
        for metric_id in monitored(Stratum(prompt=prompt.id)):
            key = SeriesKey(context, model, metric_id, prompt.id)
            values = [one[metric_id].get(prompt.id) for one in by_prompt]
            yield Watched(key, history, offset, Series(values, drifted))


def kept(one: ModelSummary) -> Kept:
    """Return what histories need of a model's samples: kept from before, or worked out from them."""
    if one.kept is not None:
        return one.kept
    return Kept(
        by_prompt={name: _by_prompt(one, metric(name)) for name in monitored(Stratum(prompt=""))},
        levels=tuple(_level_point(one, level) for level in _levels(one)),
        rounds=max((sample.round for sample in one.model.samples), default=0),
    )


def _history(context: Context, model: str, runs: Sequence[_HistoryRun]) -> History:
    return History(
        context=context,
        model=model,
        runs=tuple(one.model for one in runs),
        drifted=tuple(one.drifted for one in runs),
        levels=tuple(one.level for one in runs if one.level is not None),
    )


def _levels(one: ModelSummary) -> list[LoadLevel]:
    """Return the levels of load at which a model gave a good answer to a measured request, the first of equal ones."""
    levels: dict[LevelKey, LoadLevel] = {}
    for level in one.model.load:
        if any(sample.failure is None and sample.phase == "measured" for sample in level.samples):
            levels.setdefault(level_key(level), level)
    return list(levels.values())


def _level_point(one: ModelSummary, level: LoadLevel) -> LevelPoint:
    found = LevelSummary(one.result, one.model, level)
    values = {metric_id: found.value(metric_id) for metric_id in monitored(Stratum(level=found.key))}
    return LevelPoint(found.key, limits_of(one.result), values)


def _by_prompt(one: ModelSummary, of: Metric) -> dict[str, float]:
    """Return what a metric is for each prompt that has it: its own value of a prompt, else the median of requests."""
    if of.of_prompts is not None:
        scores = of.of_prompts(one.result, one.model)
        return {prompt: value for prompt, value in scores.items() if value is not None}
    found: dict[str, list[float]] = {}
    for sample, value in zip(one.model.samples, of.value_of_each(one.model.samples), strict=True):
        if value is not None:
            found.setdefault(sample.prompt, []).append(value)
    return {prompt: median(values) for prompt, values in found.items()}
