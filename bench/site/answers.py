"""What models said: equal answers folded into one with a count, each with its facets and why."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bench.analysis.summary import ModelSummary
from bench.quality.score import score
from bench.results.schema import FacetGrade, Result
from bench.rubric import PromptRecord
from bench.site import format as form

State = Literal["passed", "partly", "failed", "unknown"]

SIGNS: dict[State, str] = {"passed": "✓", "partly": "◐", "failed": "✗", "unknown": "?"}
LONGEST_ANSWER = 6_000
"""Characters of an answer that a page shows; the run's data has all of it."""

Grades = Mapping[tuple[str, str], Sequence[FacetGrade]]


@dataclass(frozen=True)
class FacetView:
    """One facet of an answer: whether it is met, by what evidence."""

    says: str
    state: State
    sign: str
    why: str


@dataclass(frozen=True)
class Answer:
    """One distinct answer. `times` says how often it came, `score` what the rubric gives it."""

    text: str
    cut: bool
    times: str
    score: str
    ended: str
    facets: tuple[FacetView, ...]


@dataclass(frozen=True)
class FailureCount:
    """Failed samples of one kind and message."""

    times: str
    kind: str
    message: str


@dataclass(frozen=True)
class Answers:
    """What one model said to one prompt."""

    distinct: tuple[Answer, ...]
    failures: tuple[FailureCount, ...]


def grades_of(result: Result) -> Grades:
    """Return the grades of a run by prompt and output."""
    return {(grade.prompt, grade.output): grade.facets for grade in result.grades}


def answers(summary: ModelSummary, prompt: PromptRecord, grades: Grades) -> Answers:
    """Return what a model said to a prompt, the most frequent answer first."""
    samples = [sample for sample in summary.model.samples if sample.prompt == prompt.id]
    good = [sample for sample in samples if sample.failure is None and sample.output is not None]
    counted = Counter(sample.output for sample in good if sample.output is not None)
    distinct = []
    for output, count in counted.most_common():
        ends = dict.fromkeys(sample.finish_reason or "no reason given" for sample in good if sample.output == output)
        text = summary.result.outputs[output]
        found = grades.get((prompt.id, output), ())
        distinct.append(
            Answer(
                text=text[:LONGEST_ANSWER],
                cut=len(text) > LONGEST_ANSWER,
                times="in every round" if count == len(samples) > 1 else _times(count, len(samples)),
                score=_score(prompt, found),
                ended=", ".join(ends),
                facets=facets(prompt, found),
            )
        )
    failed = Counter((sample.failure.kind, sample.failure.message) for sample in samples if sample.failure is not None)
    failures = [FailureCount(_times(count, len(samples)), *what) for what, count in failed.most_common()]
    return Answers(tuple(distinct), tuple(failures))


def facets(prompt: PromptRecord, found: Sequence[FacetGrade]) -> tuple[FacetView, ...]:
    """Return each facet of a prompt's rubric with what a grade says of it."""
    by_facet = {grade.facet: grade for grade in found}
    views = []
    for facet in prompt.facets:
        grade = by_facet.get(facet.id)
        state = state_of(None if grade is None else grade.credit)
        why = "not graded" if grade is None else grade.why
        views.append(FacetView(facet.says, state, SIGNS[state], why))
    return tuple(views)


def state_of(credit: float | None) -> State:
    """Return in words how far a facet is met."""
    if credit is None:
        return "unknown"
    if credit >= 1:
        return "passed"
    return "failed" if credit <= 0 else "partly"


def _score(prompt: PromptRecord, found: Sequence[FacetGrade]) -> str:
    value = score(prompt.facets, found)
    if value is not None:
        return form.with_unit(value, "score")
    return "no rubric" if not prompt.facets else "not graded"


def _times(count: int, total: int) -> str:
    return f"{count} of {form.count(total, 'sample')}"
