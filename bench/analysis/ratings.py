"""The scores that a program, judges and people gave to the facets of a run's answers, on one scale from 1 to 5."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from bench.analysis.scores import mean_score
from bench.analysis.timing import good_samples
from bench.quality.answers import answers
from bench.quality.review import Reviews
from bench.quality.score import HIGHEST_SCORE, LOWEST_SCORE, score
from bench.results.schema import FacetGrade, Result
from bench.rubric import PromptRecord
from bench.runner.record import ModelRun

TIED = 1e-9
"""Scores that differ by no more share a rank."""


@dataclass(frozen=True)
class Source:
    """Who gave scores. The program has no name of its own."""

    kind: Literal["program", "judge", "person"]
    name: str


PROGRAM = Source("program", "program")


@dataclass(frozen=True)
class Item:
    """What gets one score of a source: one facet of one distinct answer to a prompt."""

    prompt: str
    output: str
    facet: str


@dataclass(frozen=True)
class Ratings:
    """The scores of each source that gave any, by item in the order of prompts, facets and output keys.

    Sources are the program, then judges, then people, by name. `left_out` has a sentence for each review that does
    not count.
    """

    scores: Mapping[Source, Mapping[Item, float]]
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class Rank:
    """A model's place by one source, 1 the best; models with one score share a place."""

    model: str
    rank: int
    score: float


@dataclass(frozen=True)
class Ranking:
    """The models by one source, the best first, over `prompts` prompts that the source scored for each of them.

    Models without any score of the source are in `unranked`. Without a prompt in common there is no rank, and `why`
    says so.
    """

    source: Source
    ranks: tuple[Rank, ...]
    unranked: tuple[str, ...]
    prompts: int
    why: str | None


def ratings(result: Result, reviews: Reviews) -> Ratings:
    """Return all scores of a run. A program's credit c is 1 + 4c; of a judge's two readings the first counts."""
    items = {
        Item(answer.prompt.id, answer.output, facet.id): None
        for answer in sorted(answers(result), key=lambda one: one.output)
        for facet in answer.prompt.facets
    }
    place = {prompt.id: number for number, prompt in enumerate(result.prompt_set.prompts)}
    facet_place = {(p.id, facet.id): number for p in result.prompt_set.prompts for number, facet in enumerate(p.facets)}
    order = sorted(items, key=lambda item: (place[item.prompt], facet_place[item.prompt, item.facet], item.output))
    found: dict[Source, dict[Item, float]] = {PROGRAM: {}}
    left_out: list[str] = []
    for grade in result.grades:
        for facet in grade.facets:
            if facet.credit is not None:
                item = Item(grade.prompt, grade.output, facet.facet)
                found[PROGRAM][item] = LOWEST_SCORE + (HIGHEST_SCORE - LOWEST_SCORE) * facet.credit
    for judgement in sorted(reviews.judgements, key=lambda one: one.header.judge):
        scores = found.setdefault(Source("judge", judgement.header.judge), {})
        for verdict in judgement.verdicts:
            if verdict.reading == 1:
                for said in verdict.facets:
                    if said.score is not None:
                        scores[Item(verdict.prompt, verdict.output, said.facet)] = said.score
    for annotations in sorted(reviews.annotations, key=lambda one: one.annotator):
        scores = found.setdefault(Source("person", annotations.annotator), {})
        for entry in annotations.entries:
            for name, given in entry.facets.items():
                if given is not None:
                    scores[Item(entry.prompt, entry.output, name)] = given
    for source, scores in found.items():
        strange = [item for item in scores if item not in items]
        left_out += [
            f"{source.name}'s score of facet {item.facet} of answer {item.output} to prompt {item.prompt} "
            "does not count: the run has no such answer or facet"
            for item in strange
        ]
    ordered = {source: {item: scores[item] for item in order if item in scores} for source, scores in found.items()}
    return Ratings({source: scores for source, scores in ordered.items() if scores}, tuple(left_out))


def answer_score(prompt: PromptRecord, output: str, scores: Mapping[Item, float]) -> float | None:
    """Return the weighted mean of a source's scores of one answer; None where it scored no facet of it."""
    grades = []
    for facet in prompt.facets:
        given = scores.get(Item(prompt.id, output, facet.id))
        credit = None if given is None else (given - LOWEST_SCORE) / (HIGHEST_SCORE - LOWEST_SCORE)
        grades.append(FacetGrade(facet=facet.id, credit=credit, why=""))
    return score(prompt.facets, grades)


def prompt_scores_of(result: Result, model: ModelRun, scores: Mapping[Item, float]) -> dict[str, float | None]:
    """Return a source's mean score of a model's good answers to each prompt, in the order of the prompt set.

    None for a prompt without any.
    """
    outputs: dict[str, list[str]] = {prompt.id: [] for prompt in result.prompt_set.prompts}
    for sample in good_samples(model):
        if sample.output is not None:
            outputs[sample.prompt].append(sample.output)
    means: dict[str, float | None] = {}
    for prompt in result.prompt_set.prompts:
        found = [answer_score(prompt, output, scores) for output in outputs[prompt.id]]
        known = [value for value in found if value is not None]
        means[prompt.id] = sum(known) / len(known) if known else None
    return means


def ranking(result: Result, source: Source, scores: Mapping[Item, float]) -> Ranking:
    """Return the models by a source's scores, over the prompts that it scored for all of them."""
    by_model = {model.name: prompt_scores_of(result, model, scores) for model in result.models}
    scored = {name: found for name, found in by_model.items() if any(value is not None for value in found.values())}
    unranked = tuple(name for name in by_model if name not in scored)
    common = [
        prompt.id
        for prompt in result.prompt_set.prompts
        if scored and all(found[prompt.id] is not None for found in scored.values())
    ]
    if not common:
        why = "there is no prompt of which it scored an answer of each model"
        return Ranking(source, (), unranked, 0, why)
    means = {name: mean_score({prompt: found[prompt] for prompt in common}) or 0.0 for name, found in scored.items()}
    order = sorted(means, key=lambda name: -means[name])
    ranks = tuple(
        Rank(name, 1 + sum(other > means[name] + TIED for other in means.values()), means[name]) for name in order
    )
    return Ranking(source, ranks, unranked, len(common), None)
