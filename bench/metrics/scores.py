"""How well a model answered: the rubric score of each prompt, their mean, and what it leaves out."""

from collections.abc import Callable, Mapping, Sequence

from bench.metrics.timing import good_samples
from bench.quality.checks.registry import JUDGED
from bench.quality.grading import score
from bench.schema.model_run import ModelRun
from bench.schema.prompts import PromptRecord
from bench.schema.result import Result

PROMPTS_NAMED = 3
"""Prompts that a reason names one by one before it only counts them."""


def prompt_scores(result: Result, model: ModelRun) -> dict[str, float | None]:
    """Return the mean score (1 to 5) of the answers to each prompt, over good samples, in the order of the prompt set.

    None for a prompt without a good answer, without a rubric or without a grade.
    """
    graded = {(grade.prompt, grade.output): grade.facets for grade in result.grades}
    return mean_by_prompt(
        result, model, lambda prompt, output: score(prompt.facets, graded.get((prompt.id, output), ()))
    )


def mean_by_prompt(
    result: Result, model: ModelRun, score_of: Callable[[PromptRecord, str], float | None]
) -> dict[str, float | None]:
    """Return the mean over a model's good samples of what each answer to a prompt is worth, given its output.

    In the order of the prompt set; None for a prompt without any.
    """
    outputs = outputs_by_prompt(result, model)
    means: dict[str, float | None] = {}
    for prompt in result.prompt_set.prompts:
        found = {output: score_of(prompt, output) for output in dict.fromkeys(outputs[prompt.id])}
        known = [value for output in outputs[prompt.id] if (value := found[output]) is not None]
        means[prompt.id] = sum(known) / len(known) if known else None
    return means


def outputs_by_prompt(result: Result, model: ModelRun) -> dict[str, list[str]]:
    """Return the outputs of a model's good samples to each prompt, in the order of the prompt set and of the rounds."""
    outputs: dict[str, list[str]] = {prompt.id: [] for prompt in result.prompt_set.prompts}
    for sample in good_samples(model):
        if sample.output is not None:
            outputs[sample.prompt].append(sample.output)
    return outputs


def mean_score(scores: Mapping[str, float | None]) -> float | None:
    """Return the mean over the prompts that have a score, each counted once; None where none has."""
    scored = [value for value in scores.values() if value is not None]
    return sum(scored) / len(scored) if scored else None


def score_why(result: Result, model: ModelRun, scores: Mapping[str, float | None]) -> str | None:
    """Return which prompts the mean leaves out and why, in one line; None where it has them all.

    Example: '2 of 3 prompts scored: no good answer to p3'.
    """
    if None not in scores.values():
        return None
    answered = {sample.prompt for sample in good_samples(model)}
    grades = {(grade.prompt, grade.output) for grade in result.grades}
    graded = {sample.prompt for sample in good_samples(model) if (sample.prompt, sample.output) in grades}
    left_out: dict[str, list[str]] = {
        "no rubric for": [],
        "no good answer to": [],
        "only a judge or a person can score": [],
        "no facet could be told of": [],
        "no grade for": [],
    }
    for prompt in result.prompt_set.prompts:
        if scores[prompt.id] is not None:
            continue
        if not prompt.facets:
            left_out["no rubric for"].append(prompt.id)
        elif prompt.id not in answered:
            left_out["no good answer to"].append(prompt.id)
        elif all(facet.check == JUDGED for facet in prompt.facets):
            left_out["only a judge or a person can score"].append(prompt.id)
        elif prompt.id in graded:
            left_out["no facet could be told of"].append(prompt.id)
        else:
            left_out["no grade for"].append(prompt.id)
    reasons = "; ".join(f"{reason} {_listed(prompts)}" for reason, prompts in left_out.items() if prompts)
    if not reasons:
        return None
    scored = sum(value is not None for value in scores.values())
    return f"{scored} of {len(scores)} prompts scored: {reasons}"


def _listed(prompts: Sequence[str]) -> str:
    names = ", ".join(prompts[:PROMPTS_NAMED])
    rest = len(prompts) - PROMPTS_NAMED
    return f"{names} and {rest} more" if rest > 0 else names
