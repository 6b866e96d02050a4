"""What is monitored over the runs of a ledger: the history of each model in each context, and the series in it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final, NamedTuple

from bench.analysis.contexts import Context, context_key
from bench.analysis.summary import Kept, LevelPoint, ModelSummary, RunSummary
from bench.metrics.levels import LEVEL_METRICS, level_value
from bench.metrics.load import LevelKey, LevelSummary, level_key, limits_of, summarise_level
from bench.metrics.registry import Metric, e2e_s, metric
from bench.schema.load import LoadLevel

GOODPUT: Final = Metric(
    id="goodput_share",
    label="Goodput, share",
    symbol="Goodput",
    unit="share",
    better="higher",
    definition="Measured requests of a level that were answered well and within the config's limits / all of them.",
    undefined="the config sets no limits (load.goodput)",
    needs_stream=False,
)

AT_LOAD: Final = (
    "throughput_tokens_per_s",
    "ttft_s",
    "ttft_s.p95",
    "itl_s.p99",
    "e2e_s",
    "e2e_s.p95",
    "memory_peak_bytes",
    GOODPUT.id,
)
"""Every metric of a level that is watched, in order; `at_level` says which it is where there is a schedule."""

SCHEDULED: Final = "scheduled_"
"""How a metric that counts from the schedule begins; the rest of it is the same metric from the send."""


def at_level(metric_id: str, key: LevelKey) -> str:
    """Return which metric counts at a level: latencies count from the schedule where there is one."""
    scheduled = f"{SCHEDULED}{metric_id}"
    known = {one.id for one in LEVEL_METRICS}
    return scheduled if key.rate_per_s is not None and scheduled.partition(".")[0] in known else metric_id


def without_load(metric_id: str) -> Metric:
    """Return what a metric of a level is without load: its name, its unit, and which way is better.

    'scheduled_ttft_s.p95' is a TTFT. Raises KeyError for a metric that there is under load alone, goodput excepted.
    """
    name = metric_id.partition(".")[0].removeprefix(SCHEDULED)
    return GOODPUT if name == GOODPUT.id else metric(name)


def level_values(levels: Sequence[LevelSummary], metric_id: str) -> tuple[float | None, ...]:
    """Return a metric of one level in several runs, oldest first, in its base unit.

    Goodput is a matter of the limits as well: a run with others than the newest one's has none. Raises KeyError for an
    unknown metric.
    """
    values = tuple(level_value(level, metric_id) for level in levels)
    if metric_id != GOODPUT.id:
        return values
    newest = limits_of(levels[-1].result)
    return tuple(
        value if limits_of(level.result) == newest else None for level, value in zip(levels, values, strict=True)
    )


@dataclass(frozen=True)
class Series:
    """One metric over runs, oldest first: a value a run, or None; and which runs were on a machine that drifted."""

    values: Sequence[float | None]
    drifted: Sequence[bool] | None = None


GOOD_SHARE: Final = Metric(
    id="good_share",
    label="Share of good samples",
    symbol="Good samples",
    unit="share",
    better="higher",
    definition="Good samples / samples of a run. Watched in place of the share that failed: a shift is a ratio, and "
    "most runs have no failed sample at all.",
    undefined="no good sample",
    needs_stream=False,
)

WATCHED: Final = (
    "decode_tokens_per_s",
    "ttft_s",
    "itl_s.p99",
    "e2e_s",
    "e2e_s.p95",
    "throughput_tokens_per_s",
    "cold_load_s",
    "memory_peak_bytes",
    "footprint_bytes",
    "score",
    GOOD_SHARE.id,
)
"""Every metric that is watched for each model, in order."""

WATCHED_BY_PROMPT: Final = ("e2e_s", "score")
"""The same for each model and prompt: the median latency of a prompt's good samples, and their mean score."""

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
        """The metric, without its statistic; that of a level of load goes by the name that it has without load."""
        return GOOD_SHARE if self.metric_id == GOOD_SHARE.id else without_load(self.metric_id)


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
        return WATCHED if self.level is None else watched_at(self.level)

    def values(self, metric_id: str) -> tuple[float | None, ...]:
        """Return the value of a watched metric in each run.

        Goodput is a matter of the limits as well: a run with others than the newest one's has none.
        """
        if not self.levels:
            return tuple(_value(one, metric_id) for one in self.runs)
        if metric_id == GOOD_SHARE.id:
            return tuple(one.good / one.measured for one in self.levels)
        newest = self.levels[-1].limits
        return tuple(
            None if metric_id == GOODPUT.id and one.limits != newest else one.values[metric_id] for one in self.levels
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


def watched_at(key: LevelKey) -> tuple[str, ...]:
    """Return every metric that is watched at a level of load, in order."""
    return (*(at_level(metric_id, key) for metric_id in AT_LOAD), GOOD_SHARE.id)


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
    latencies = [kept(one).latency_s for one in newest]
    # All runs of a context have the same prompts.
    for prompt in newest[-1].result.prompt_set.prompts:
        values = {
            "e2e_s": [one.get(prompt.id) for one in latencies],
            "score": [one.prompt_scores.get(prompt.id) for one in newest],
        }
        for metric_id in WATCHED_BY_PROMPT:
            key = SeriesKey(context, model, metric_id, prompt.id)
            yield Watched(key, history, offset, Series(values[metric_id], drifted))


def kept(one: ModelSummary) -> Kept:
    """Return what histories need of a model's samples: kept from before, or worked out from them."""
    if one.kept is not None:
        return one.kept
    return Kept(
        latency_s=_latencies(one),
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
    found = summarise_level(one.result, one.model, level)
    values = {
        metric_id: level_value(found, metric_id) for metric_id in watched_at(found.key) if metric_id != GOOD_SHARE.id
    }
    return LevelPoint(found.key, found.good, found.measured, limits_of(one.result), values)


def _value(one: ModelSummary, metric_id: str) -> float | None:
    if metric_id == GOOD_SHARE.id:
        return one.good_samples / (one.good_samples + one.failed_samples)
    return one.value(metric_id)


def _latencies(one: ModelSummary) -> dict[str, float]:
    """Return the median latency of each prompt that has one."""
    found: dict[str, list[float]] = {}
    for sample in one.model.samples:
        latency = e2e_s(sample)
        if latency is not None:
            found.setdefault(sample.prompt, []).append(latency)
    return {prompt: median(values) for prompt, values in found.items()}
