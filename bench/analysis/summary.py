"""One run in short: for each model its distributions, its score, its failures, and why a number is missing."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bench.analysis.trust import Steadiness, steadiness
from bench.metrics.client_error import ClientError, client_error
from bench.metrics.load import LevelKey, Limits
from bench.metrics.registry import (
    COST,
    ITL,
    MODEL_METRICS,
    SAMPLE_METRICS,
    SCORE,
    THROUGHPUT,
    GapMetric,
    Metric,
    ModelMetric,
    SampleMetric,
    metric,
)
from bench.metrics.resources import cost_per_1000_answers, why_no_cost
from bench.metrics.scores import mean_score, prompt_scores, score_why
from bench.metrics.timing import NANOSECONDS_PER_SECOND, good_samples, measured_before_version_2
from bench.schema.migrate import NOT_YET
from bench.schema.model_run import ModelRun
from bench.schema.result import Result
from bench.schema.sample import Sample
from bench.stats.distribution import Distribution, distribution, too_few

STATISTICS = ("p50", "p90", "p95", "p99", "mean", "minimum", "maximum")
"""What may follow the dot of a metric's name, as in 'ttft_s.p95'."""

NOT_STREAMED = "the answers were not streamed"
NO_GOOD_SAMPLE = "no good sample"
NO_CLIENT = "no client stands before a model in the same process"

OF_A_CLIENT = ("connect_s", "sent_s", "sent_share")
"""Metrics of what a client does."""

OF_READS = ("shared_reads_count", "shared_reads_share")
"""Metrics of how chunks were read, which a record of schema version 1 does not hold; nor does it those of a client."""

_OF_SAMPLES: tuple[SampleMetric | GapMetric, ...] = (*SAMPLE_METRICS, ITL)


@dataclass(frozen=True)
class LevelPoint:
    """What a history needs of one level of load in one run: counts of measured requests, and each watched metric."""

    key: LevelKey
    good: int
    measured: int
    limits: Limits | None
    values: dict[str, float | None]


@dataclass(frozen=True)
class Kept:
    """What a history needs of a model's samples, for when they are no longer in memory.

    `latency_s` has the median latency of each prompt that has one; `levels` those with a good measured request, the
    first of equal ones. `rounds` is the number of rounds that were measured.
    """

    latency_s: dict[str, float]
    levels: tuple[LevelPoint, ...]
    rounds: int


@dataclass(frozen=True)
class ModelSummary:
    """One model of a run in short.

    `distributions` has each sample metric and itl_s by id, over the good samples, in base units; None where no sample
    has a value. `values` has each metric of the model as a whole by id. `prompt_scores` has each prompt of the set, in
    its order. `failure_kinds` counts the failed samples by kind, most frequent first. `score_why` says which prompts
    the score leaves out. `undefined` says for each metric without a value why it has none. `client_error` is the
    client's own error in front of this model, where there is one. `kept` stands in for the samples of a run that was
    condensed (`bench.analysis.condensed`): its `model` and `result` have none.
    """

    result: Result
    model: ModelRun
    distributions: dict[str, Distribution | None]
    values: dict[str, float | None]
    score: float | None
    score_why: str | None
    prompt_scores: dict[str, float | None]
    failed_samples: int
    good_samples: int
    failure_kinds: dict[str, int]
    undefined: dict[str, str]
    client_error: ClientError | None
    kept: Kept | None = None

    def value(self, metric_id: str) -> float | None:
        """Return one number for a metric, in its base unit; a distribution's is its median.

        A statistic may follow the metric: 'ttft_s.p95'. None where it is undefined; `why_undefined` says why.
        Raises KeyError for a metric or statistic that does not exist.
        """
        selected, statistic = split_metric_id(metric_id)
        if isinstance(selected, SampleMetric | GapMetric):
            return _statistic(self.distributions[selected.id], statistic)
        return self.values[selected.id]

    def why_undefined(self, metric_id: str) -> str | None:
        """Return why `value` has nothing for this metric, or None where it has something."""
        selected, statistic = split_metric_id(metric_id)
        if self.value(metric_id) is not None:
            return None
        values = self.distributions.get(selected.id)
        if values is not None:
            return too_few(values.count, statistic, "gap" if selected.scope == "gap" else "sample")
        return self.undefined[selected.id]


@dataclass(frozen=True)
class RunSummary:
    """A run and its models in short, in the order of the run, and how steady its machine was."""

    result: Result
    models: tuple[ModelSummary, ...]
    steadiness: Steadiness


def summarise(result: Result) -> RunSummary:
    """Return the summary of a run. Failed samples and warm-up requests are in no distribution."""
    return RunSummary(result, tuple(summarise_model(result, model) for model in result.models), steadiness(result))


def summarise_model(result: Result, model: ModelRun) -> ModelSummary:
    """Return the summary of one model of a run."""
    good = good_samples(model)
    distributions = {selected.id: _distribution(good, selected) for selected in _OF_SAMPLES}
    scores = prompt_scores(result, model)
    values = _model_values(result, model, mean_score(scores))
    why = score_why(result, model, scores)
    kinds = Counter(sample.failure.kind for sample in model.samples if sample.failure is not None)
    return ModelSummary(
        result=result,
        model=model,
        distributions=distributions,
        values=values,
        score=values[SCORE.id],
        score_why=why,
        prompt_scores=scores,
        failed_samples=kinds.total(),
        good_samples=len(good),
        failure_kinds=dict(kinds.most_common()),
        undefined=_undefined(result, model, distributions, values, why),
        client_error=client_error(result, model),
    )


def model_value(result: Result, model: ModelRun, metric_id: str) -> float | None:
    """Return what `ModelSummary.value` returns, without working out the rest of the summary.

    Raises KeyError for a metric or statistic that does not exist.
    """
    selected, statistic = split_metric_id(metric_id)
    if isinstance(selected, SampleMetric | GapMetric):
        return _statistic(_distribution(good_samples(model), selected), statistic)
    if isinstance(selected, ModelMetric):
        return selected.value(model)
    if selected is COST:
        return cost_per_1000_answers(result, model)
    return mean_score(prompt_scores(result, model)) if selected is SCORE else _throughput(result, model)


def latest_by_machine(results: Iterable[Result]) -> dict[str, RunSummary]:
    """Return the newest run of each machine, by machine name in alphabetical order."""
    newest = {result.machine.name: result for result in oldest_first(results)}
    return {name: summarise(newest[name]) for name in sorted(newest)}


def latest_runs(results: Iterable[Result]) -> tuple[Result, ...]:
    """Return the newest run of each machine and config name, by machine, then config name."""
    newest = {(result.machine.name, result.config.name): result for result in oldest_first(results)}
    return tuple(newest[key] for key in sorted(newest))


def oldest_first(results: Iterable[Result]) -> list[Result]:
    """Return runs in order of their start, then id."""
    return sorted(results, key=lambda result: (result.run.started_utc, result.run.id))


def run_throughput(model: ModelRun, in_turns: bool = False) -> float | None:
    """Return the output tokens of all good samples per second of wall time.

    Wall time runs from the start of the first measured request to the last thing known of any, failed ones included:
    it is not a mean of the requests' rates. `in_turns` adds up the rounds' own wall times, and leaves out the other
    side's. None without a good sample, or where the tokens of one were not counted.
    """
    good = good_samples(model)
    counts = [sample.output_tokens for sample in good if sample.output_tokens]
    if not good or len(counts) < len(good):
        return None
    turns: dict[int, list[Sample]] = {}
    for sample in model.samples:
        turns.setdefault(sample.round if in_turns else 0, []).append(sample)
    wall_ns = sum(
        max(_last_known_ns(sample) for sample in turn) - min(sample.start_ns for sample in turn)
        for turn in turns.values()
    )
    return None if wall_ns == 0 else sum(counts) / (wall_ns / NANOSECONDS_PER_SECOND)


def metric_values(samples: Iterable[Sample], selected: SampleMetric | GapMetric) -> tuple[float, ...]:
    """Return the values of a metric over samples, in their order and in base units.

    Samples that failed or have no value are left out.
    """
    if isinstance(selected, GapMetric):
        return tuple(gap for sample in samples for gap in selected.values(sample))
    values = (selected.value(sample) for sample in samples)
    return tuple(value for value in values if value is not None)


def prompt_distributions(result: Result, model: ModelRun, metric_id: str) -> dict[str, Distribution | None]:
    """Return the distribution of a sample metric or itl_s for each prompt, in the order of the prompt set.

    None for a prompt without a value. Raises KeyError for a metric that samples do not have.
    """
    selected = metric(metric_id)
    if not isinstance(selected, SampleMetric | GapMetric):
        raise KeyError(f"{metric_id!r} is not a metric of samples")
    by_prompt: dict[str, list[Sample]] = {prompt.id: [] for prompt in result.prompt_set.prompts}
    for sample in good_samples(model):
        by_prompt[sample.prompt].append(sample)
    return {prompt: _distribution(samples, selected) for prompt, samples in by_prompt.items()}


def split_metric_id(metric_id: str) -> tuple[Metric, str]:
    """Return the metric of 'ttft_s' or 'ttft_s.p95' and the statistic, the median unless one is named.

    Raises KeyError for a metric or statistic that does not exist, or a statistic of a metric with one value.
    """
    name, dot, statistic = metric_id.partition(".")
    selected = metric(name)
    if not dot:
        return selected, "p50"
    if statistic not in STATISTICS or selected.scope == "model":
        raise KeyError(f"unknown statistic in {metric_id!r}; metrics of samples have {', '.join(STATISTICS)}")
    return selected, statistic


def _distribution(samples: Iterable[Sample], selected: SampleMetric | GapMetric) -> Distribution | None:
    return distribution(metric_values(samples, selected), _noun(selected))


def _model_values(result: Result, model: ModelRun, score: float | None) -> dict[str, float | None]:
    values: dict[str, float | None] = {selected.id: selected.value(model) for selected in MODEL_METRICS}
    more = {THROUGHPUT.id: _throughput(result, model), SCORE.id: score, COST.id: cost_per_1000_answers(result, model)}
    return values | more


def _undefined(
    result: Result,
    model: ModelRun,
    distributions: Mapping[str, Distribution | None],
    values: Mapping[str, float | None],
    score_why: str | None,
) -> dict[str, str]:
    good = good_samples(model)
    streamed = any(sample.chunk_ns for sample in good)
    reasons: dict[str, str] = {}
    for selected in _OF_SAMPLES:
        if distributions[selected.id] is None:
            reason = NOT_STREAMED if selected.needs_stream and not streamed else selected.undefined
            reasons[selected.id] = reason if good else NO_GOOD_SAMPLE
    for recorded in MODEL_METRICS:
        if values[recorded.id] is None:
            reasons[recorded.id] = model.unmeasured.get(recorded.field or "", recorded.undefined)
    if measured_before_version_2(model) and good:
        reasons |= {metric_id: NOT_YET for metric_id in (*OF_A_CLIENT, *OF_READS) if metric_id in reasons}
    if model.transport == "in-process":
        reasons |= {metric_id: NO_CLIENT for metric_id in OF_A_CLIENT if metric_id in reasons}
    if values[THROUGHPUT.id] is None:
        reasons[THROUGHPUT.id] = THROUGHPUT.undefined if good else NO_GOOD_SAMPLE
    if values[SCORE.id] is None:
        reasons[SCORE.id] = score_why or SCORE.undefined
    if values[COST.id] is None:
        reasons[COST.id] = why_no_cost(result, model)
    return reasons


def _throughput(result: Result, model: ModelRun) -> float | None:
    return run_throughput(model, in_turns=result.run.pairing is not None)


def _statistic(values: Distribution | None, statistic: str) -> float | None:
    if values is None:
        return None
    chosen: float | None = getattr(values, statistic)
    return chosen


def _noun(selected: Metric) -> str:
    return "gap" if selected.scope == "gap" else "sample"


def _last_known_ns(sample: Sample) -> int:
    if sample.end_ns is not None:
        return sample.start_ns + sample.end_ns
    return sample.start_ns + (sample.chunk_ns[-1] if sample.chunk_ns else 0)
