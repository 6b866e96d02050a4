"""One run in short: for each model its distributions, its score, its failures, and why a number is missing."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from bench.analysis.trust import Steadiness, steadiness
from bench.metrics.client_error import ClientError, client_error
from bench.metrics.load import LevelKey, Limits
from bench.metrics.prompt_cache import PromptCacheFinding, finding
from bench.metrics.registry import NOT_STREAMED, Metric, measured_in, metric, split_metric_id
from bench.metrics.scores import mean_score, prompt_scores, score_why
from bench.metrics.timing import (
    good_samples,
    measured_before_version_2,
    sample_arrays,
)
from bench.schema.migrate import NOT_YET
from bench.schema.model_run import ModelRun
from bench.schema.result import Result
from bench.stats.distribution import Distribution, distribution, too_few

NO_GOOD_SAMPLE = "no good sample"
NO_CLIENT = "no client stands before a model in the same process"


@dataclass(frozen=True)
class LevelPoint:
    """What a history needs of one level of load in one run: each watched metric, and the limits of its goodput."""

    key: LevelKey
    limits: Limits | None
    values: dict[str, float | None]


@dataclass(frozen=True)
class Kept:
    """What a history needs of a model's samples, for when they are no longer in memory.

    `by_prompt` has each metric that is watched prompt by prompt, with the value of each prompt that has one; `levels`
    those with a good measured request, the first of equal ones. `rounds` is the number of rounds that were measured.
    """

    by_prompt: dict[str, dict[str, float]]
    levels: tuple[LevelPoint, ...]
    rounds: int


@dataclass(frozen=True)
class ModelSummary:
    """One model of a run in short.

    `distributions` has each sample metric and itl_s by id, over the good samples, in base units; None where no sample
    has a value. `values` has each metric of the model as a whole by id. `prompt_scores` has each prompt of the set, in
    its order. `failure_kinds` counts the failed samples by kind, most frequent first. `score_why` says which prompts
    the score leaves out. `undefined` says for each metric without a value why it has none. `client_error` is the
    client's own error in front of this model, where there is one, `prompt_cache` what a prompt cache did to its
    requests. `kept` stands in for the samples of a run that was
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
    prompt_cache: PromptCacheFinding
    kept: Kept | None = None

    def value(self, metric_id: str) -> float | None:
        """Return one number for a metric, in its base unit; a distribution's is its median.

        A statistic may follow the metric: 'ttft_s.p95'. None where it is undefined; `why_undefined` says why.
        Raises KeyError for a metric or statistic that does not exist.
        """
        selected, statistic = split_metric_id(metric_id)
        if selected.of_samples:
            return _statistic(self.distributions[selected.id], statistic)
        return self.values[selected.id]

    def why_undefined(self, metric_id: str) -> str | None:
        """Return why `value` has nothing for this metric, or None where it has something."""
        selected, statistic = split_metric_id(metric_id)
        if self.value(metric_id) is not None:
            return None
        values = self.distributions.get(selected.id)
        if values is not None:
            return too_few(values.count, statistic, selected.scope)
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
    distributions = {one.id: _distribution(model, one) for one in measured_in("whole", "sample", "gap")}
    scores = prompt_scores(result, model)
    known = {"score": mean_score(scores)}
    values = {
        one.id: known[one.id] if one.id in known else _of_model(result, model, one)
        for one in measured_in("whole", "model")
    }
    missing = [one for one in measured_in("whole") if (values | distributions)[one.id] is None]
    kinds = Counter(sample.failure.kind for sample in model.samples if sample.failure is not None)
    return ModelSummary(
        result=result,
        model=model,
        distributions=distributions,
        values=values,
        score=values["score"],
        score_why=score_why(result, model, scores),
        prompt_scores=scores,
        failed_samples=kinds.total(),
        good_samples=len(good),
        failure_kinds=dict(kinds.most_common()),
        undefined={one.id: why_none(result, model, one) for one in missing},
        client_error=client_error(result, model),
        prompt_cache=finding(model),
    )


def model_value(result: Result, model: ModelRun, metric_id: str) -> float | None:
    """Return what `ModelSummary.value` returns, without working out the rest of the summary.

    Raises KeyError for a metric or statistic that does not exist.
    """
    selected, statistic = split_metric_id(metric_id)
    if selected.of_samples:
        return _statistic(_distribution(model, selected), statistic)
    return _of_model(result, model, selected)


def why_none(result: Result, model: ModelRun, selected: Metric) -> str:
    """Return why a whole run has no value of a metric, given that it has none."""
    if selected.of_client and model.transport == "in-process":
        return NO_CLIENT
    if selected.since_version > 1 and measured_before_version_2(model) and good_samples(model):
        return NOT_YET
    if selected.withheld is not None and (why := selected.withheld(model)) is not None:
        return why
    if selected.recorded is not None:
        return model.unmeasured.get(selected.recorded, selected.undefined)
    if selected.why_none is not None:
        return selected.why_none(result, model) or selected.undefined
    if not selected.of_samples:
        return selected.undefined
    good = good_samples(model)
    if not good:
        return NO_GOOD_SAMPLE
    streamed = any(sample.chunk_ns for sample in good)
    return NOT_STREAMED if selected.needs_stream and not streamed else selected.undefined


def oldest_first(results: Iterable[Result]) -> list[Result]:
    """Return runs in order of their start, then id."""
    return sorted(results, key=lambda result: (result.run.started_utc, result.run.id))


def prompt_distributions(result: Result, model: ModelRun, metric_id: str) -> dict[str, Distribution | None]:
    """Return the distribution of a sample metric or itl_s for each prompt, in the order of the prompt set.

    None for a prompt without a value. Raises KeyError for a metric that samples do not have.
    """
    selected = metric(metric_id)
    if not selected.of_samples or "prompt" not in selected.strata:
        raise KeyError(f"{metric_id!r} is not a metric of samples")
    arrays = sample_arrays(model)
    if selected.withheld is not None and selected.withheld(model) is not None:
        return {prompt.id: None for prompt in result.prompt_set.prompts}
    by_prompt = selected.sample_values(model.samples).by_prompt(arrays.prompts)
    of_each = ((prompt.id, by_prompt.get(prompt.id, ())) for prompt in result.prompt_set.prompts)
    return {prompt_id: distribution(values, selected.scope) for prompt_id, values in of_each}


def _of_model(result: Result, model: ModelRun, selected: Metric) -> float | None:
    return None if selected.of_model is None else selected.of_model(result, model)


def _distribution(model: ModelRun, selected: Metric) -> Distribution | None:
    if selected.withheld is not None and selected.withheld(model) is not None:
        return None
    return distribution(selected.sample_values(model.samples).values, selected.scope)


def _statistic(values: Distribution | None, statistic: str) -> float | None:
    if values is None:
        return None
    chosen: float | None = getattr(values, statistic)
    return chosen
