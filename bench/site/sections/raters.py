"""The raters of a run: the scores and reasons that each gave, and how far to believe it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from bench.analysis.agreement import Agreement, JudgeReliability, agreement
from bench.analysis.intervals import Interval, intervals
from bench.analysis.ratings import PROGRAM, Item, Rater, ratings
from bench.report import format as form
from bench.report.text import shortened
from bench.schema.prompts import PromptRecord
from bench.schema.result import Result
from bench.schema.review import Annotations, Judgement
from bench.site.estimates import SEED
from bench.stats.bootstrap import LIKE_THESE, RequestValues
from bench.store.distinct_answers import answers
from bench.store.reviews import Reviews, judges_itself

NAME_LENGTH: Final = 40
WHY_LENGTH: Final = 400
"""Characters of a reason or a note that a page shows; the file beside the run has all of it."""

NO_SCORE: Final[dict[Literal["program", "judge", "person"], str]] = {
    "program": "no grade for this answer",
    "judge": "this answer was not judged",
    "person": "this person did not score it",
}
"""Why there is no score, by the kind of a rater that gave no reason."""


@dataclass(frozen=True)
class RaterScores:
    """The scores of one rater of a run.

    `reasons` has why an item got its score, or why it has none. `notes` has a remark on a whole answer, by prompt and
    output. `doubt` says why to believe the rater less, or is empty. `unchecked` says why the agreement of a judge with
    people is not known. `same_models` has the models of the run that are the judge itself, `own_answers` their answers,
    by prompt and output.
    """

    source: Rater
    scores: Mapping[Item, float]
    reasons: Mapping[Item, str]
    notes: Mapping[tuple[str, str], str]
    doubt: str
    unchecked: str
    same_models: frozenset[str]
    own_answers: frozenset[tuple[str, str]]

    @property
    def name(self) -> str:
        """The rater's name on a page."""
        return "program" if self.source.kind == "program" else shortened(self.source.name, NAME_LENGTH)

    @property
    def label(self) -> str:
        """The name with what it is: 'judge qwen2.5-14b', 'ann'."""
        return f"judge {self.name}" if self.source.kind == "judge" else self.name

    def was_asked(self, prompt: PromptRecord, output: str) -> bool:
        """Return whether the rater was asked about an answer: it gave a score, or a reason for having none."""
        items = (Item(prompt.id, output, facet.id) for facet in prompt.facets)
        return any(item in self.scores or item in self.reasons for item in items)

    def why_unscored(self, item: Item) -> str:
        """Return why an item has no score by this rater."""
        return self.reasons.get(item) or NO_SCORE[self.source.kind]


@dataclass(frozen=True)
class RunRaters:
    """All raters of one run: the program first, then judges, then people.

    `models_by_answer` has the models that gave an answer, by prompt and output.
    """

    reviews: Reviews
    agreement: Agreement
    all: tuple[RaterScores, ...]
    models_by_answer: Mapping[tuple[str, str], tuple[str, ...]]

    @property
    def reviewers(self) -> tuple[RaterScores, ...]:
        """The raters besides the program."""
        return tuple(rater for rater in self.all if rater.source.kind != "program")


class RatersByRun:
    """The raters of each run, worked out when they are first asked for: their intervals take a tenth of a second."""

    def __init__(self, reviews: Mapping[str, Reviews], read: Callable[[str], Result]) -> None:
        self._reviews = reviews
        self._read = read
        self._found: dict[str, RunRaters] = {}

    def has(self, result: Result) -> bool:
        """Return whether a judge or a person reviewed a run."""
        reviews = self._reviews.get(result.run.id)
        return reviews is not None and bool(reviews.judgements or reviews.annotations)

    def of(self, result: Result) -> RunRaters:
        """Return the raters of a run, which may be condensed."""
        if result.run.id not in self._found:
            self._found[result.run.id] = run_raters(
                self._read(result.run.id), self._reviews.get(result.run.id, Reviews())
            )
        return self._found[result.run.id]


def run_raters(result: Result, reviews: Reviews) -> RunRaters:
    """Return the raters of a run. One without a score that counts is among them, with why."""
    found = agreement(result, reviews, seed=SEED)
    scores = ratings(result, reviews).scores
    badges = {reliability.judge: reliability for reliability in found.judges}
    models_by_answer = {(one.prompt.id, one.output): one.models for one in answers(result)}
    raters = [_program(result, scores.get(PROGRAM, {}))]
    for judgement in sorted(reviews.judgements, key=lambda one: one.header.judge):
        source = Rater("judge", judgement.header.judge)
        raters.append(_judge(result, judgement, scores.get(source, {}), badges.get(source), models_by_answer))
    raters += [
        _person(annotations, scores.get(Rater("person", annotations.annotator), {}))
        for annotations in sorted(reviews.annotations, key=lambda one: one.annotator)
    ]
    # Of two files with one name the last counts, as it does for the scores.
    return RunRaters(reviews, found, tuple({rater.source: rater for rater in raters}.values()), models_by_answer)


def mean_interval(scores: Mapping[str, float | None]) -> Interval | str:
    """Return the interval of the mean of prompts' scores, about prompts like these; or why there is none."""
    prompts = [(RequestValues(np.array([value])),) for value in scores.values() if value is not None]
    if not prompts:
        return "it scored none"
    return intervals(prompts, ("mean",), seed=SEED, about=LIKE_THESE)["mean"]


def _program(result: Result, scores: Mapping[Item, float]) -> RaterScores:
    reasons = {
        Item(grade.prompt, grade.output, facet.facet): facet.why for grade in result.grades for facet in grade.facets
    }
    return RaterScores(PROGRAM, scores, reasons, {}, "", "", frozenset(), frozenset())


def _judge(
    result: Result,
    judgement: Judgement,
    scores: Mapping[Item, float],
    reliability: JudgeReliability | None,
    models_by_answer: Mapping[tuple[str, str], tuple[str, ...]],
) -> RaterScores:
    reasons = {
        Item(verdict.prompt, verdict.output, facet.facet): facet.why
        for verdict in judgement.verdicts
        if verdict.reading == 1
        for facet in verdict.facets
    }
    named = {model.name for model in result.models if judges_itself(judgement, model)}
    same_models = frozenset(named | set(judgement.header.judges_itself))
    return RaterScores(
        source=Rater("judge", judgement.header.judge),
        scores=scores,
        reasons=reasons,
        notes={},
        doubt=_doubt(reliability),
        unchecked=_unchecked(reliability),
        same_models=same_models,
        own_answers=frozenset(
            place for place, models in models_by_answer.items() if not same_models.isdisjoint(models)
        ),
    )


def _person(annotations: Annotations, scores: Mapping[Item, float]) -> RaterScores:
    notes = {(entry.prompt, entry.output): entry.note for entry in annotations.entries if entry.note.strip()}
    return RaterScores(Rater("person", annotations.annotator), scores, {}, notes, "", "", frozenset(), frozenset())


def _doubt(reliability: JudgeReliability | None) -> str:
    if reliability is None or not reliability.below or reliability.agreement.value is None:
        return ""
    return (
        f"it agrees with people by kappa {form.coefficient(reliability.agreement.value)}, "
        f"below the {form.short(reliability.needed)} that is asked for"
    )


def _unchecked(reliability: JudgeReliability | None) -> str:
    if reliability is None:
        return "it gave no score that counts"
    return reliability.agreement.why or "" if reliability.agreement.value is None else ""
