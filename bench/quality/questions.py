"""What a judge is asked: each answer against its rubric, some of them twice, and pairs of answers in both orders."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Final, Literal

from bench.quality.answers import Answer, answers, pairs, spread
from bench.quality.judge_reply import Preference, kept, read_preference, read_scores
from bench.quality.review_record import FacetScore, PairVerdict, Verdict
from bench.results.schema import Result
from bench.rubric import FacetRecord

_FOLDER = Path(__file__).parent
TEMPLATE: Final = (_FOLDER / "judge_template.txt").read_text(encoding="utf-8")
PAIR_TEMPLATE: Final = (_FOLDER / "judge_pair_template.txt").read_text(encoding="utf-8")

_PLACES: dict[Literal["A", "B", "neither"], Literal["first", "second", "neither"]] = {
    "A": "first",
    "B": "second",
    "neither": "neither",
}


@dataclass(frozen=True)
class AnswerQuestion:
    """How well an answer does what its rubric says. The second reading has the rubric in reverse order."""

    answer: Answer
    reading: int

    @property
    def key(self) -> tuple[object, ...]:
        """What is asked; a verdict has the same key."""
        return ("answer", self.answer.prompt.id, self.answer.output, self.reading)

    @property
    def text(self) -> str:
        """What the judge is sent."""
        facets = self.answer.prompt.facets if self.reading == 1 else self.answer.prompt.facets[::-1]
        # The form is no JSON itself: a judge that only repeats it gives no score.
        form = ", ".join(f'{json.dumps(facet.id)}: {{"why": "one short sentence", "score": N}}' for facet in facets)
        return Template(TEMPLATE).substitute(
            fence=fence(self.answer.prompt.text, self.answer.text),
            prompt=self.answer.prompt.text,
            answer=self.answer.text,
            rubric=_rubric(facets),
            form=form,
        )

    def verdict(self, reply: str | None, problem: str | None) -> Verdict:
        """Return the verdict that a reply is. `problem` is why there is none, or why it may not be whole."""
        asked = [facet.id for facet in self.answer.prompt.facets]
        if reply is None:
            facets = tuple(FacetScore(facet=name, score=None, why="no verdict") for name in asked)
            found = problem
        else:
            scores = read_scores(reply, asked)
            facets, found = scores.facets, _with(scores.problem, problem)
        return Verdict(
            kind="answer",
            prompt=self.answer.prompt.id,
            output=self.answer.output,
            reading=1 if self.reading == 1 else 2,
            facets=facets,
            reply=kept(reply) if found is not None else None,
            problem=found,
        )


@dataclass(frozen=True)
class PairQuestion:
    """Which of two answers to a prompt is better, with `first` shown before `second`."""

    first: Answer
    second: Answer

    @property
    def key(self) -> tuple[object, ...]:
        """What is asked; a verdict has the same key."""
        return ("pair", self.first.prompt.id, self.first.output, self.second.output)

    @property
    def text(self) -> str:
        """What the judge is sent."""
        prompt = self.first.prompt
        return Template(PAIR_TEMPLATE).substitute(
            fence=fence(prompt.text, self.first.text, self.second.text),
            prompt=prompt.text,
            first=self.first.text,
            second=self.second.text,
            rubric=_rubric(prompt.facets),
        )

    def verdict(self, reply: str | None, problem: str | None) -> PairVerdict:
        """Return the verdict that a reply is. `problem` is why there is none, or why it may not be whole."""
        preference = Preference(None, "", None) if reply is None else read_preference(reply)
        found = problem if reply is None else _with(preference.problem, problem)
        return PairVerdict(
            kind="pair",
            prompt=self.first.prompt.id,
            first=self.first.output,
            second=self.second.output,
            better=None if preference.better is None else _PLACES[preference.better],
            why=preference.why,
            reply=kept(reply) if found is not None else None,
            problem=found,
        )


Question = AnswerQuestion | PairQuestion


def questions(result: Result, repeats: int, pair_count: int, seed: int) -> tuple[Question, ...]:
    """Return all that a judge is asked of a run, in order: each distinct answer, then the guards.

    `repeats` answers are judged a second time, `pair_count` pairs of answers are compared in both orders; both are
    seeded samples, of which a larger one holds the smaller one.
    """
    found = answers(result)
    again = spread(found, repeats, seed) if repeats else ()
    compared = pairs(found, pair_count, seed)
    return (
        *(AnswerQuestion(answer, 1) for answer in found),
        *(AnswerQuestion(answer, 2) for answer in again),
        *(question for one, other in compared for question in (PairQuestion(one, other), PairQuestion(other, one))),
    )


def template_sha256(template: str) -> str:
    """Return the SHA-256 of a template, in hexadecimal."""
    return hashlib.sha256(template.encode("utf-8")).hexdigest()


def fence(*texts: str) -> str:
    """Return a word that none of the texts has, so that none of them can close the fence around it."""
    digest = hashlib.sha256("\x00".join(texts).encode("utf-8", "replace")).hexdigest()
    length = 8
    while any(digest[:length] in text for text in texts):
        digest, length = hashlib.sha256(digest.encode("ascii")).hexdigest(), min(length + 1, 64)
    return f"text-{digest[:length]}"


def _rubric(facets: Sequence[FacetRecord]) -> str:
    return "\n".join(f"{facet.id}: {' '.join(facet.says.split())}" for facet in facets)


def _with(problem: str | None, cause: str | None) -> str | None:
    return f"{problem}; {cause}" if problem is not None and cause is not None else problem
