"""Scores by a person, blind: answers in a seeded order without the names of models, one facet after the other."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.schema.prompts import FacetRecord
from bench.schema.result import Result
from bench.schema.review import Annotation, Annotations
from bench.store.distinct_answers import DistinctAnswer, answers, shuffled, spread

FacetKey = tuple[str, str, str]
"""Prompt, output and facet: what has one score of a person."""


@dataclass(frozen=True)
class FacetPlace:
    """The facet of an answer that is to be scored; numbers count from 1."""

    answer: DistinctAnswer
    facet: FacetRecord
    answer_number: int
    facet_number: int

    @property
    def key(self) -> FacetKey:
        """What a score belongs to."""
        return (self.answer.prompt.id, self.answer.output, self.facet.id)


class BlindSession:
    """A session in which each answer's facets are scored, skipped, or undone, one step after the other.

    What was scored before the session is passed over; what is skipped stays without a score, for another session.
    """

    def __init__(self, chosen: Sequence[DistinctAnswer], given: Mapping[FacetKey, int]) -> None:
        places = [
            FacetPlace(answer, facet, number, position)
            for number, answer in enumerate(chosen, start=1)
            for position, facet in enumerate(answer.prompt.facets, start=1)
        ]
        self.answers = len(chosen)
        self.facets = len(places)
        self._places = tuple(place for place in places if place.key not in given)
        self._before = len(places) - len(self._places)
        self._at = 0
        self._scores: dict[FacetKey, int] = {}

    @property
    def current(self) -> FacetPlace | None:
        """What is to be scored; None at the end."""
        return self._places[self._at] if self._at < len(self._places) else None

    @property
    def scored(self) -> int:
        """Facets that have a score, those from before included."""
        return self._before + len(self._scores)

    @property
    def scores(self) -> Mapping[FacetKey, int]:
        """The scores of this session."""
        return dict(self._scores)

    def score(self, value: int) -> None:
        """Score the current facet and go on to the next."""
        place = self._places[self._at]
        self._scores[place.key] = value
        self._at += 1

    def skip(self) -> None:
        """Go on to the next facet."""
        self._at = min(self._at + 1, len(self._places))

    def undo(self) -> bool:
        """Go back by one step and take its score away; return False at the session's beginning."""
        if self._at == 0:
            return False
        self._at -= 1
        self._scores.pop(self._places[self._at].key, None)
        return True


def empty_annotations(result: Result, annotator: str, seed: int, sample: int | None, today: dt.date) -> Annotations:
    """Return the annotations of a person before the first score."""
    return Annotations(
        schema_version=1, run=result.run.id, annotator=annotator, date=today, seed=seed, sample=sample, entries=()
    )


def chosen(result: Result, annotations: Annotations) -> tuple[DistinctAnswer, ...]:
    """Return the answers of a session, in its order: of its sample, else all."""
    found = answers(result)
    if annotations.sample is None:
        return shuffled(found, annotations.seed)
    return spread(found, annotations.sample, annotations.seed)


def given(annotations: Annotations) -> dict[FacetKey, int]:
    """Return the scores of a person's file."""
    return {
        (entry.prompt, entry.output, facet): score
        for entry in annotations.entries
        for facet, score in entry.facets.items()
        if score is not None
    }


def with_scores(annotations: Annotations, scores: Mapping[FacetKey, int], today: dt.date) -> Annotations:
    """Return a person's file with these scores as well; one that is there already is replaced, notes are kept.

    `today` dates the file, and each entry with a score that it did not have. Entries are sorted by prompt and output,
    so that the file's order says nothing of the answers and its diff is short.
    """
    facets: dict[tuple[str, str], dict[str, int | None]] = {
        (entry.prompt, entry.output): dict(entry.facets) for entry in annotations.entries
    }
    notes = {(entry.prompt, entry.output): entry.note for entry in annotations.entries}
    dates = {(entry.prompt, entry.output): entry.date for entry in annotations.entries}
    for (prompt, output, facet), score in scores.items():
        known = facets.setdefault((prompt, output), {})
        if known.get(facet) != score:
            dates[prompt, output] = today
        known[facet] = score
    entries = tuple(
        Annotation(
            prompt=prompt,
            output=output,
            date=dates[prompt, output],
            facets=facets[prompt, output],
            note=notes.get((prompt, output), ""),
        )
        for prompt, output in sorted(facets)
    )
    return annotations.model_copy(update={"entries": entries, "date": today})


def with_notes(annotations: Annotations, other: Annotations) -> Annotations:
    """Return a person's file with the notes of another as well; an empty note replaces none."""
    notes = {(entry.prompt, entry.output): entry.note for entry in other.entries if entry.note}
    known = {(entry.prompt, entry.output) for entry in annotations.entries}
    entries = [
        entry.model_copy(update={"note": notes.get((entry.prompt, entry.output), entry.note)})
        for entry in annotations.entries
    ]
    entries += [
        Annotation(prompt=prompt, output=output, facets={}, note=note)
        for (prompt, output), note in notes.items()
        if (prompt, output) not in known
    ]
    return annotations.model_copy(
        update={"entries": tuple(sorted(entries, key=lambda entry: (entry.prompt, entry.output)))}
    )


def stub(result: Result, annotations: Annotations) -> Annotations:
    """Return a form with a place for each facet of each answer of a session, filled in where there is a score."""
    scores = given(annotations)
    notes = {(entry.prompt, entry.output): entry.note for entry in annotations.entries}
    entries = tuple(
        Annotation(
            prompt=answer.prompt.id,
            output=answer.output,
            facets={
                facet.id: scores.get((answer.prompt.id, answer.output, facet.id)) for facet in answer.prompt.facets
            },
            note=notes.get((answer.prompt.id, answer.output), ""),
        )
        for answer in chosen(result, annotations)
    )
    return annotations.model_copy(update={"entries": entries})
