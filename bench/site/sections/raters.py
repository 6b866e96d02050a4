"""Who gave scores to the answers of a run, what each said of a facet, and how far to believe it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from bench.analysis.agreement import Agreement, JudgeStanding, agreement
from bench.analysis.intervals import Interval, intervals
from bench.analysis.ratings import PROGRAM, Item, Rater, ratings
from bench.report import format as form
from bench.report.text import shortened
from bench.schema.prompts import PromptRecord
from bench.schema.result import Result
from bench.site.estimates import SEED
from bench.stats.bootstrap import LIKE_THESE, RequestValues
from bench.store.distinct_answers import answers
from bench.store.reviews import Annotations, Judgement, Reviews, judges_itself

NAME_LENGTH: Final = 40
WHY_LENGTH: Final = 400
"""Characters of a reason or a note that a page shows; the file beside the run has all of it."""

SILENT: Final[dict[Literal["program", "judge", "person"], str]] = {
    "program": "no grade for this answer",
    "judge": "this answer was not judged",
    "person": "this person did not score it",
}
"""Why there is no score, by the kind of a source that said nothing at all."""


@dataclass(frozen=True)
class Voice:
    """A source of scores on a run.

    `reasons` has why an item got its score, or why it has none. `notes` has a remark on a whole answer, by prompt and
    output. `doubt` says why the source is to be believed less, or is empty. `untold` says why it is not known how far
    to believe a judge. `itself` has the models of the run that are the judge itself, `own` their answers, by prompt and
    output.
    """

    source: Rater
    scores: Mapping[Item, float]
    reasons: Mapping[Item, str]
    notes: Mapping[tuple[str, str], str]
    doubt: str
    untold: str
    itself: frozenset[str]
    own: frozenset[tuple[str, str]]

    @property
    def name(self) -> str:
        """What a page calls the source."""
        return "program" if self.source.kind == "program" else shortened(self.source.name, NAME_LENGTH)

    @property
    def label(self) -> str:
        """The name with what it is: 'judge qwen2.5-14b', 'ann'."""
        return f"judge {self.name}" if self.source.kind == "judge" else self.name

    def spoke_of(self, prompt: PromptRecord, output: str) -> bool:
        """Return whether the source was asked about an answer, and gave a score or a reason for having none."""
        items = (Item(prompt.id, output, facet.id) for facet in prompt.facets)
        return any(item in self.scores or item in self.reasons for item in items)

    def why_unscored(self, item: Item) -> str:
        """Return why an item has no score of this source."""
        return self.reasons.get(item) or SILENT[self.source.kind]


@dataclass(frozen=True)
class Hearing:
    """What was said of one run by whom: the program first, then judges, then people.

    `speakers` has the models that gave an answer, by prompt and output.
    """

    reviews: Reviews
    agreement: Agreement
    voices: tuple[Voice, ...]
    speakers: Mapping[tuple[str, str], tuple[str, ...]]

    @property
    def others(self) -> tuple[Voice, ...]:
        """The voices besides the program."""
        return tuple(voice for voice in self.voices if voice.source.kind != "program")


class Hearings:
    """The hearings of runs, each worked out when it is first asked for: its intervals take a tenth of a second."""

    def __init__(self, reviews: Mapping[str, Reviews], read: Callable[[str], Result]) -> None:
        self._reviews = reviews
        self._read = read
        self._found: dict[str, Hearing] = {}

    def has(self, result: Result) -> bool:
        """Return whether a judge or a person has said anything of a run."""
        reviews = self._reviews.get(result.run.id)
        return reviews is not None and bool(reviews.judgements or reviews.annotations)

    def of(self, result: Result) -> Hearing:
        """Return the hearing of a run, which may be condensed."""
        if result.run.id not in self._found:
            self._found[result.run.id] = hearing(self._read(result.run.id), self._reviews.get(result.run.id, Reviews()))
        return self._found[result.run.id]


def hearing(result: Result, reviews: Reviews) -> Hearing:
    """Return what was said of a run by whom. A source without a score that counts is there, with why."""
    found = agreement(result, reviews, seed=SEED)
    scores = ratings(result, reviews).scores
    standings = {standing.judge: standing for standing in found.judges}
    speakers = {(one.prompt.id, one.output): one.models for one in answers(result)}
    voices = [_program(result, scores.get(PROGRAM, {}))]
    for judgement in sorted(reviews.judgements, key=lambda one: one.header.judge):
        source = Rater("judge", judgement.header.judge)
        voices.append(_judge(result, judgement, scores.get(source, {}), standings.get(source), speakers))
    voices += [
        _person(annotations, scores.get(Rater("person", annotations.annotator), {}))
        for annotations in sorted(reviews.annotations, key=lambda one: one.annotator)
    ]
    # Of two files with one name the last counts, as it does for the scores.
    return Hearing(reviews, found, tuple({voice.source: voice for voice in voices}.values()), speakers)


def mean_interval(scores: Mapping[str, float | None]) -> Interval | str:
    """Return the interval of the mean of prompts' scores, about prompts like these; or why there is none."""
    prompts = [(RequestValues(np.array([value])),) for value in scores.values() if value is not None]
    if not prompts:
        return "it scored none"
    return intervals(prompts, ("mean",), seed=SEED, about=LIKE_THESE)["mean"]


def _program(result: Result, scores: Mapping[Item, float]) -> Voice:
    reasons = {
        Item(grade.prompt, grade.output, facet.facet): facet.why for grade in result.grades for facet in grade.facets
    }
    return Voice(PROGRAM, scores, reasons, {}, "", "", frozenset(), frozenset())


def _judge(
    result: Result,
    judgement: Judgement,
    scores: Mapping[Item, float],
    standing: JudgeStanding | None,
    speakers: Mapping[tuple[str, str], tuple[str, ...]],
) -> Voice:
    reasons = {
        Item(verdict.prompt, verdict.output, facet.facet): facet.why
        for verdict in judgement.verdicts
        if verdict.reading == 1
        for facet in verdict.facets
    }
    named = {model.name for model in result.models if judges_itself(judgement, model)}
    itself = frozenset(named | set(judgement.header.judges_itself))
    return Voice(
        source=Rater("judge", judgement.header.judge),
        scores=scores,
        reasons=reasons,
        notes={},
        doubt=_doubt(standing),
        untold=_untold(standing),
        itself=itself,
        own=frozenset(place for place, models in speakers.items() if not itself.isdisjoint(models)),
    )


def _person(annotations: Annotations, scores: Mapping[Item, float]) -> Voice:
    notes = {(entry.prompt, entry.output): entry.note for entry in annotations.entries if entry.note.strip()}
    return Voice(Rater("person", annotations.annotator), scores, {}, notes, "", "", frozenset(), frozenset())


def _doubt(standing: JudgeStanding | None) -> str:
    if standing is None or not standing.below or standing.agreement.value is None:
        return ""
    return (
        f"it agrees with people by kappa {form.coefficient(standing.agreement.value)}, "
        f"below the {form.short(standing.needed)} that is asked for"
    )


def _untold(standing: JudgeStanding | None) -> str:
    if standing is None:
        return "it gave no score that counts"
    return standing.agreement.why or "" if standing.agreement.value is None else ""
