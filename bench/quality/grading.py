"""From the credit of each facet to one score, and the grading of a whole run: each distinct answer once."""

from collections.abc import Mapping, Sequence

from bench.quality.checks.registry import grade_answer
from bench.schema.model_run import ModelRun
from bench.schema.prompts import FacetRecord, PromptSetRecord
from bench.schema.result import FacetGrade, Grade
from bench.schema.review import SCORES

LOWEST_SCORE = SCORES[0]
HIGHEST_SCORE = SCORES[-1]

SCALE_WORDS = f"from {LOWEST_SCORE} (no facet met) to {HIGHEST_SCORE} (all met)"
"""The scale of a score, in words."""


def score(facets: Sequence[FacetRecord], grades: Sequence[FacetGrade]) -> float | None:
    """Return the weighted share of credit on the scale of scores, over the facets that could be evaluated.

    From LOWEST_SCORE (nothing met) to HIGHEST_SCORE (everything met). Grades are matched to facets by id, in any order;
    None where no facet has a credit: an answer that could not be evaluated is not a bad one.
    """
    earned_by_facet = {grade.facet: grade.credit for grade in grades}
    weight = 0.0
    earned = 0.0
    for facet in facets:
        credit = earned_by_facet.get(facet.id)
        if credit is not None:
            weight += facet.weight
            earned += facet.weight * credit
    if weight == 0:
        return None
    return LOWEST_SCORE + (HIGHEST_SCORE - LOWEST_SCORE) * earned / weight


def grades(prompt_set: PromptSetRecord, models: Sequence[ModelRun], outputs: Mapping[str, str]) -> tuple[Grade, ...]:
    """Return the program's grade of each distinct answer to each prompt, by prompt in its order, then by output key.

    Only answers of good measured samples are graded, and only prompts that have a rubric. `outputs` has the texts
    by key.
    """
    answers: dict[str, set[str]] = {prompt.id: set() for prompt in prompt_set.prompts}
    for model in models:
        for sample in model.samples:
            if sample.failure is None and sample.output is not None:
                answers[sample.prompt].add(sample.output)
    return tuple(
        Grade(prompt=prompt.id, output=output, source="program", facets=grade_answer(prompt, outputs[output]))
        for prompt in prompt_set.prompts
        if prompt.facets
        for output in sorted(answers[prompt.id])
    )
