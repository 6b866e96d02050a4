"""What is watched over the runs of a ledger: the history of each model in each context, and the series in it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final, NamedTuple

from bench.analysis.changes import Series
from bench.analysis.history import Context, context_key
from bench.analysis.metrics import Metric, e2e_s, metric
from bench.analysis.summary import ModelSummary, RunSummary

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
    """One series: a metric of a model in a context, of one prompt or (None) of them all."""

    context: Context
    model: str
    metric_id: str
    prompt: str | None = None

    @property
    def metric(self) -> Metric:
        """The metric, without its statistic."""
        name = self.metric_id.partition(".")[0]
        return GOOD_SHARE if name == GOOD_SHARE.id else metric(name)


@dataclass(frozen=True)
class History:
    """The runs of a model in one context in which it gave a good answer, oldest first, and which of them drifted."""

    context: Context
    model: str
    runs: tuple[ModelSummary, ...]
    drifted: tuple[bool, ...]

    def values(self, metric_id: str) -> tuple[float | None, ...]:
        """Return the value of a watched metric in each run."""
        return tuple(_value(one, metric_id) for one in self.runs)


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


def histories(summaries: Sequence[RunSummary]) -> tuple[History, ...]:
    """Return the history of each model in each context, given all runs, oldest first; in order of first appearance.

    A run in which a model gave no good answer is in none. A run on an unsteady machine drifted.
    """
    found: dict[tuple[Context, str], list[tuple[ModelSummary, bool]]] = {}
    for summary in summaries:
        drifted = summary.steadiness.verdict == "unsteady"
        for one in summary.models:
            if one.good_samples:
                found.setdefault((context_key(one.result, one.model), one.model.name), []).append((one, drifted))
    return tuple(
        History(context, model, tuple(one for one, _ in runs), tuple(drifted for _, drifted in runs))
        for (context, model), runs in found.items()
    )


def watched(history: History) -> Iterator[Watched]:
    """Yield each series of a history: those of WATCHED, then prompt by prompt."""
    context, model = history.context, history.model
    for metric_id in WATCHED:
        series = Series(history.values(metric_id), history.drifted)
        yield Watched(SeriesKey(context, model, metric_id), history, 0, series)
    offset = max(0, len(history.runs) - PROMPT_RUNS)
    newest, drifted = history.runs[offset:], history.drifted[offset:]
    latencies = [_latencies(one) for one in newest]
    # All runs of a context have the same prompts.
    for prompt in newest[-1].result.prompt_set.prompts:
        values = {
            "e2e_s": [one.get(prompt.id) for one in latencies],
            "score": [one.prompt_scores.get(prompt.id) for one in newest],
        }
        for metric_id in WATCHED_BY_PROMPT:
            key = SeriesKey(context, model, metric_id, prompt.id)
            yield Watched(key, history, offset, Series(values[metric_id], drifted))


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
