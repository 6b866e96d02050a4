"""What was measured of one metric of a model, request by request and by prompt: what can be drawn again."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final, Literal

import numpy as np

from bench.analysis.summary import run_throughput, split_metric_id
from bench.metrics.registry import SCORE, THROUGHPUT, GapMetric, Metric, SampleMetric
from bench.metrics.sample_arrays import SampleArrays
from bench.metrics.scores import prompt_scores
from bench.metrics.timing import NANOSECONDS_PER_SECOND, loads_s, sample_arrays, values_of
from bench.schema.model_run import ModelRun
from bench.schema.result import Result
from bench.stats.bootstrap import RequestValues

LOADS = "loads"
"""Stands for the prompt where a model was loaded and not asked."""

REQUESTS_KEPT: Final = 256
"""Metrics of models whose values are kept: an interval, and each comparison with another model, start from the same."""


@dataclass(frozen=True, eq=False)
class Measurement:
    """A metric of a model. `statistic` of all `by_prompt` together is its value, in the metric's base unit.

    `kind` says what the requests are: 'requests', the 'loads' of the model, the mean 'scores' of the prompts, or a
    single 'reading', of which there is nothing by prompt. Prompts are in the order of the prompt set; one without a
    value is left out.
    """

    metric: Metric
    statistic: str
    kind: Literal["requests", "loads", "scores", "reading"]
    by_prompt: dict[str, tuple[RequestValues, ...]]


def measured(result: Result, model: ModelRun, metric_id: str) -> Measurement:
    """Return what was measured of 'ttft_s', 'ttft_s.p95', 'score' and so on; the median unless a statistic is named.

    Throughput is the mean of tokens / time over the requests, where the time of one is from its start to that of the
    next, failed ones included. Raises KeyError for a metric or statistic that does not exist.
    """
    metric, statistic = split_metric_id(metric_id)
    if isinstance(metric, SampleMetric | GapMetric):
        return Measurement(metric, statistic, "requests", _requests(result, model, metric))
    if metric is THROUGHPUT:
        return Measurement(metric, "mean", "requests", _rates(result, model))
    if metric is SCORE:
        scores = prompt_scores(result, model).items()
        known: dict[str, tuple[RequestValues, ...]] = {
            prompt: (_one(score),) for prompt, score in scores if score is not None
        }
        return Measurement(metric, "mean", "scores", known)
    if metric.id == "cold_load_s":
        loads = tuple(_one(load_s) for load_s in loads_s(model))
        return Measurement(metric, "p50", "loads", {LOADS: loads} if loads else {})
    return Measurement(metric, "p50", "reading", {})


def _requests(
    result: Result, model: ModelRun, metric: SampleMetric | GapMetric
) -> dict[str, tuple[RequestValues, ...]]:
    by_prompt = _by_prompt(sample_arrays(model), metric.id)
    return {prompt.id: by_prompt[prompt.id] for prompt in result.prompt_set.prompts if prompt.id in by_prompt}


@lru_cache(maxsize=REQUESTS_KEPT)
def _by_prompt(arrays: SampleArrays, metric_id: str) -> dict[str, tuple[RequestValues, ...]]:
    found: dict[str, list[RequestValues]] = {}
    for prompt, values in zip(arrays.prompts, values_of(arrays, metric_id).by_sample(), strict=True):
        if len(values):
            found.setdefault(prompt, []).append(RequestValues(values))
    return {prompt: tuple(requests) for prompt, requests in found.items()}


def _rates(result: Result, model: ModelRun) -> dict[str, tuple[RequestValues, ...]]:
    """Return the output tokens of each request per second until the next one; nothing where requests overlap wholly."""
    throughput = run_throughput(model)
    if throughput is None:
        return {}
    samples = sorted(model.samples, key=lambda sample: sample.start_ns)
    tokens = [(sample.output_tokens or 0) if sample.failure is None else 0 for sample in samples]
    shares_s = [(later.start_ns - sample.start_ns) / NANOSECONDS_PER_SECOND for sample, later in pairwise(samples)]
    shares_s.append(max(0.0, sum(tokens) / throughput - sum(shares_s)))
    found: dict[str, list[RequestValues]] = {prompt.id: [] for prompt in result.prompt_set.prompts}
    for sample, count, share_s in zip(samples, tokens, shares_s, strict=True):
        found[sample.prompt].append(RequestValues(np.array([float(count)]), np.array([share_s])))
    spent_s = {
        prompt: sum(float(one.per.sum()) for one in asked if one.per is not None) for prompt, asked in found.items()
    }
    if any(spent_s[prompt] == 0 and any(one.values.any() for one in asked) for prompt, asked in found.items()):
        return {}
    return {prompt: tuple(requests) for prompt, requests in found.items() if spent_s[prompt] > 0}


def _one(value: float) -> RequestValues:
    return RequestValues(np.array([value], dtype=np.float64))
