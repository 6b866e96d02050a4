"""What is worked out once for a site: intervals and ranks by a seeded bootstrap, and how models repeat themselves."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import numpy as np

from bench.analysis.answers import AnswerChanges, AnswerConsistency, answer_changes, consistency, earlier_run
from bench.analysis.intervals import Estimate, Interval, estimates, intervals
from bench.analysis.outliers import Interaction, interactions
from bench.analysis.ranking import Ranked, ranks
from bench.analysis.summary import ModelSummary, RunSummary, prompt_distributions, split_metric_id
from bench.schema.result import Result
from bench.stats.bootstrap import LIKE_THESE, THESE, RequestValues
from bench.stats.distribution import Distribution

SEED: Final = 20260101
"""Where all draws of the site begin: the same ledger gives the same pages."""

TOGETHER: Final = ("ttft_s", "ttft_s.p95", "e2e_s", "e2e_s.p95")
"""Statistics of one metric that share their resamples where they are asked for at once."""


@dataclass
class Estimates:
    """Estimates of models of runs, their ranks and what is unlike the others, each kept once it was asked for.

    Runs are known by their id: one of these is for one ledger.
    """

    _known: dict[tuple[str, str, str], Estimate] = field(default_factory=dict)
    _by_prompt: dict[tuple[str, str, str], dict[str, Distribution | None]] = field(default_factory=dict)
    _unlike: dict[tuple[str, str], tuple[Interaction, ...] | str] = field(default_factory=dict)
    _ranked: dict[tuple[str, tuple[str, ...], str, str], tuple[Ranked, ...]] = field(default_factory=dict)

    def of(self, summary: ModelSummary, metric_id: str) -> Estimate:
        """Return a metric of a model with its interval. Raises KeyError for an unknown metric."""
        key = (summary.result.run.id, summary.model.name, metric_id)
        if key not in self._known:
            name = split_metric_id(metric_id)[0].id
            asked = [metric_id, *(one for one in TOGETHER if one.partition(".")[0] == name)]
            for one, found in estimates(summary.result, summary.model, asked, seed=SEED).items():
                self._known.setdefault((key[0], key[1], one), found)
        return self._known[key]

    def of_score(self, summary: ModelSummary) -> Estimate:
        """Return the score of a model of a run, which may be condensed, with its interval."""
        if summary.score is None:
            return Estimate(None, None, summary.why_undefined("score"))
        found = of_mean(tuple(value for value in summary.prompt_scores.values() if value is not None))
        return Estimate(summary.score, *((None, found) if isinstance(found, str) else (found, None)))

    def by_prompt(self, summary: ModelSummary, metric_id: str) -> dict[str, Distribution | None]:
        """Return the distribution of a metric of samples for each prompt. Raises KeyError for any other metric."""
        key = (summary.result.run.id, summary.model.name, metric_id)
        if key not in self._by_prompt:
            self._by_prompt[key] = prompt_distributions(summary.result, summary.model, metric_id)
        return self._by_prompt[key]

    def interactions(self, result: Result, metric_id: str) -> tuple[Interaction, ...] | str:
        """Return the interactions of a run in a metric of samples, or why nobody can tell; KeyError for another."""
        key = (result.run.id, metric_id)
        if key not in self._unlike:
            self._unlike[key] = interactions(result, metric_id)
        return self._unlike[key]

    def ranks(self, result: Result, names: Collection[str], metric_id: str, prompt_id: str = "") -> tuple[Ranked, ...]:
        """Return models of a run by rank in one metric, on all prompts or as if one alone had been asked.

        Those without a value come last. Raises KeyError for an unknown metric.
        """
        key = (result.run.id, tuple(names), metric_id, prompt_id)
        if key not in self._ranked:
            some = _without_others(result, names, prompt_id)
            self._ranked[key] = ranks([some], metric_id, seed=SEED)
            if not prompt_id:
                for one in self._ranked[key]:
                    self._known.setdefault((result.run.id, one.model, metric_id), one.estimate)
        return self._ranked[key]


@lru_cache(maxsize=4096)
def of_median(values: tuple[float, ...]) -> Interval | str:
    """Return the interval of the median of one prompt's values, in their unit and in order of sending; or why none."""
    requests = [RequestValues(np.array([value])) for value in values]
    return intervals([requests], ("p50",), seed=SEED, about=THESE)["p50"]


@lru_cache(maxsize=4096)
def of_mean(values: tuple[float, ...]) -> Interval | str:
    """Return the interval of the mean of prompts' values, about prompts like these; or why there is none."""
    prompts = [(RequestValues(np.array([value])),) for value in values]
    return intervals(prompts, ("mean",), seed=SEED, about=LIKE_THESE)["mean"]


def _without_others(result: Result, names: Collection[str], prompt_id: str) -> Result:
    """Return a run as if it had measured nothing but these models, and asked nothing but one prompt if one is given."""
    models = [model for model in result.models if model.name in names]
    if prompt_id:
        models = [
            model.model_copy(update={"samples": tuple(one for one in model.samples if one.prompt == prompt_id)})
            for model in models
        ]
    return result.model_copy(update={"models": tuple(models)})


class Drift:
    """What models of some runs said otherwise, each kept from the first time that it is asked for."""

    def __init__(self, runs: Sequence[RunSummary], read: Callable[[str], Result]) -> None:
        self._runs = runs
        self._read = read
        self._consistency: dict[tuple[str, str], AnswerConsistency] = {}
        self._changes: dict[tuple[str, str], AnswerChanges] = {}

    def consistency(self, summary: ModelSummary) -> AnswerConsistency:
        """Return whether a model said one thing to each prompt in its run."""
        key = (summary.result.run.id, summary.model.name)
        if key not in self._consistency:
            self._consistency[key] = consistency(summary.result, summary.model)
        return self._consistency[key]

    def changes(self, summary: ModelSummary) -> AnswerChanges:
        """Return how a model's answers changed since the last run in the same context."""
        key = (summary.result.run.id, summary.model.name)
        if key not in self._changes:
            earlier = earlier_run(self._runs, summary)
            before = [] if earlier is None else [self._read(earlier.result.run.id)]
            self._changes[key] = answer_changes(before, summary.result, summary.model)
        return self._changes[key]
