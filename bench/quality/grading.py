"""The grading of a whole run: each distinct answer once."""

from collections.abc import Mapping, Sequence

from bench.quality.checks import grade_answer
from bench.results.schema import Grade
from bench.rubric import PromptSetRecord
from bench.runner.record import ModelRun


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
