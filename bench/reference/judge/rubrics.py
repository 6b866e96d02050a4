"""A question with its rubric, what the program says of an answer, and the facets that many rubrics have."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import JsonValue

from bench.quality.checks import grade_answer
from bench.reference.judge import reasons as because
from bench.reference.judge.reasons import Reason
from bench.reference.vocabulary import Words
from bench.rubric import FacetRecord, PromptRecord

UNSCORED = 5
"""The score of a facet that the program cannot tell: nothing speaks against it."""


@dataclass(frozen=True)
class Facet:
    """A facet with a reason that a network can learn to write."""

    record: FacetRecord
    reason: Reason


@dataclass(frozen=True)
class Graded:
    """What a judge is to say of a facet; `told` is whether the program could tell."""

    facet: str
    why: str
    score: int
    told: bool


@dataclass(frozen=True)
class Task:
    """A question, its rubric and the right answer."""

    family: str
    question: str
    facets: tuple[Facet, ...]
    answer: str

    def prompt(self) -> PromptRecord:
        """The question as a prompt of a set."""
        records = tuple(facet.record for facet in self.facets)
        return PromptRecord(id="p", title="", category="", text=self.question, max_output_tokens=None, facets=records)

    def grade(self, answer: str) -> tuple[Graded, ...]:
        """What the program says of an answer, on the scale from 1 to 5, with the reasons."""
        found = []
        for facet, grade in zip(self.facets, grade_answer(self.prompt(), answer), strict=True):
            told = grade.credit is not None
            score = round(1 + 4 * grade.credit) if grade.credit is not None else UNSCORED
            found.append(Graded(facet.record.id, facet.reason(answer, score == 5), score, told))
        return tuple(found)


def make(name: str, says: str, reason: Reason, check: str, **parameters: JsonValue) -> Facet:
    """A facet of weight 1."""
    return Facet(FacetRecord(id=name, says=says, weight=1.0, check=check, parameters=parameters), reason)


def date_pattern(date: str) -> str:
    """The regular expression of a date in the shipped sets."""
    day, month = date.split()
    return rf"(?i)\b{day}(th)?( of)? {month}|{month} {day}\b"


COUNTS = ("one", "two", "three", "four", "five")
ORDINALS = ("first", "second", "third")


def sentence_facet(words: Words, count: int) -> Facet:
    """So many sentences, exactly or at most."""
    many = f"{COUNTS[count - 1]} sentence{'s' if count > 1 else ''}"
    kind = words.draw.randrange(3) if count > 1 else words.draw.choice((0, 0, 2))
    if kind == 0:
        name = f"{COUNTS[count - 1]}-sentence{'s' if count > 1 else ''}"
        return make(
            name, f"The answer has exactly {many}.", because.count_sentences, "sentence_count", min=count, max=count
        )
    if kind == 1:
        return make(
            f"at-most-{COUNTS[count - 1]}",
            f"It has at most {many}.",
            because.count_sentences,
            "sentence_count",
            min=1,
            max=count,
        )
    name = f"{COUNTS[count - 1]}-sentence{'s' if count > 1 else ''}"
    return make(name, f"The answer is at most {many}.", because.count_sentences, "sentence_count", min=0, max=count)


def length_facet(words: Words, typical: int) -> Facet:
    """A number of words about the typical one, within or beyond which an answer may lie."""
    draw = words.draw
    least = max(2, round(typical * draw.uniform(0.2, 1.6) / 5) * 5) if draw.random() < 0.6 else 8
    most = max(least + 10, round(typical * draw.uniform(0.8, 3.5) / 5) * 5)
    return make("length", f"It has {least} to {most} words.", because.count_words, "word_count", min=least, max=most)


def faithful_facet(question: str) -> Facet:
    """Nothing invented."""
    return make("faithful", "It invents no number, date or name.", because.names_known(question), "faithful")
