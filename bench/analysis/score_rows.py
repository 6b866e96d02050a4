"""Scores as rows for other programs and people: one for each source, facet and distinct answer."""

from collections.abc import Iterable, Iterator
from typing import Final

from bench.analysis.tabular import Row, Value
from bench.quality.answers import answers
from bench.quality.review import Reviews
from bench.quality.score import HIGHEST_SCORE, LOWEST_SCORE
from bench.results.schema import Result

SCORE_COLUMNS: Final = (
    "run",
    "started_utc",
    "machine",
    "config",
    "prompt_set",
    "prompt",
    "output",
    "models",
    "facet",
    "says",
    "weight",
    "source",
    "by",
    "score",
    "why",
)
"""Every column of a row, in order."""

SCORE_MARKDOWN: Final = {
    "run": "Run",
    "prompt": "Prompt",
    "models": "Models",
    "facet": "Facet",
    "source": "Source",
    "by": "By",
    "score": "Score (1-5)",
    "why": "Why",
}
"""Column -> its header in Markdown, which shows only these."""

SCORE_WORDS: Final = ("run", "prompt", "models", "facet", "source", "by", "why")


def score_rows(reviewed: Iterable[tuple[Result, Reviews]]) -> list[Row]:
    """Return the rows of runs with their reviews: by run, prompt, output key and facet, the program first, then judges.

    A program's credit c is 1 + 4c. A score that is None was asked for and not given: `why` says why. Of a judge's two
    readings of an answer the first counts.
    """
    return [row for result, reviews in reviewed for row in _of_run(result, reviews)]


def _of_run(result: Result, reviews: Reviews) -> Iterator[Row]:
    said = _said(result, reviews)
    for answer in answers(result):
        for facet in answer.prompt.facets:
            for source, by, score, why in said.get((answer.prompt.id, answer.output, facet.id), ()):
                yield {
                    "run": result.run.id,
                    "started_utc": result.run.started_utc.isoformat(),
                    "machine": result.machine.name,
                    "config": result.config.name,
                    "prompt_set": result.prompt_set.id,
                    "prompt": answer.prompt.id,
                    "output": answer.output,
                    "models": "; ".join(answer.models),
                    "facet": facet.id,
                    "says": facet.says,
                    "weight": facet.weight,
                    "source": source,
                    "by": by,
                    "score": score,
                    "why": why,
                }


def _said(result: Result, reviews: Reviews) -> dict[tuple[str, str, str], list[tuple[str, str, Value, str]]]:
    said: dict[tuple[str, str, str], list[tuple[str, str, Value, str]]] = {}
    for grade in result.grades:
        for one in grade.facets:
            score = None if one.credit is None else LOWEST_SCORE + (HIGHEST_SCORE - LOWEST_SCORE) * one.credit
            said.setdefault((grade.prompt, grade.output, one.facet), []).append(("program", "program", score, one.why))
    for judgement in sorted(reviews.judgements, key=lambda one: one.header.judge):
        # Of several verdicts on one question the last counts.
        last = {(one.prompt, one.output): one for one in judgement.verdicts if one.reading == 1}
        for verdict in last.values():
            for told in verdict.facets:
                place = (verdict.prompt, verdict.output, told.facet)
                said.setdefault(place, []).append(("judge", judgement.header.judge, told.score, told.why))
    for annotations in sorted(reviews.annotations, key=lambda one: one.annotator):
        for entry in annotations.entries:
            for name, given in entry.facets.items():
                if given is not None:
                    place = (entry.prompt, entry.output, name)
                    said.setdefault(place, []).append(("person", annotations.annotator, given, entry.note))
    return said
