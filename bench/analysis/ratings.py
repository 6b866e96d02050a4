"""The scores of the facets of a run's answers by program, judges and people, on one scale.

What is known to bias a judge is measured here too: inconsistency, the place of an answer, and its length.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bench.metrics.scores import mean_by_prompt, mean_score
from bench.quality.grading import HIGHEST_SCORE, LOWEST_SCORE, score
from bench.schema.model_run import ModelRun
from bench.schema.prompts import PromptRecord
from bench.schema.result import FacetGrade, Result
from bench.schema.review import Judgement
from bench.store.distinct_answers import answers
from bench.store.reviews import Reviews

TIED = 1e-9
"""Scores that differ by no more share a rank."""


@dataclass(frozen=True)
class Rater:
    """The program, a judge or a person who gave scores. The program has no name of its own."""

    kind: Literal["program", "judge", "person"]
    name: str


PROGRAM = Rater("program", "program")


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

    scores: Mapping[Rater, Mapping[Item, float]]
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

    source: Rater
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
    found: dict[Rater, dict[Item, float]] = {PROGRAM: {}}
    left_out: list[str] = []
    for grade in result.grades:
        for facet in grade.facets:
            if facet.credit is not None:
                item = Item(grade.prompt, grade.output, facet.facet)
                found[PROGRAM][item] = LOWEST_SCORE + (HIGHEST_SCORE - LOWEST_SCORE) * facet.credit
    for judgement in sorted(reviews.judgements, key=lambda one: one.header.judge):
        scores = found.setdefault(Rater("judge", judgement.header.judge), {})
        for verdict in judgement.verdicts:
            if verdict.reading == 1:
                for facet_score in verdict.facets:
                    if facet_score.score is not None:
                        scores[Item(verdict.prompt, verdict.output, facet_score.facet)] = facet_score.score
    for annotations in sorted(reviews.annotations, key=lambda one: one.annotator):
        scores = found.setdefault(Rater("person", annotations.annotator), {})
        for entry in annotations.entries:
            for name, given in entry.facets.items():
                if given is not None:
                    scores[Item(entry.prompt, entry.output, name)] = given
    for source, scores in found.items():
        unknown = [item for item in scores if item not in items]
        left_out += [
            f"{source.name}'s score of facet {item.facet} of answer {item.output} to prompt {item.prompt} "
            "does not count: the run has no such answer or facet"
            for item in unknown
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
    return mean_by_prompt(result, model, lambda prompt, output: answer_score(prompt, output, scores))


def ranking(result: Result, source: Rater, scores: Mapping[Item, float]) -> Ranking:
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


ANSWERS_NEEDED = 10
"""Answers that a correlation needs."""


@dataclass(frozen=True)
class JudgeConsistency:
    """The same answers judged twice, the second time with the rubric in reverse order.

    `equal_share` of the `facets` that have both scores got the same one; None, with the reason, without any.
    """

    answers: int
    facets: int
    equal_share: float | None
    mean_absolute_difference: float | None
    why: str | None


@dataclass(frozen=True)
class PositionBias:
    """Pairs of answers compared in both orders: those with both verdicts, and those whose verdict flips with the order.

    Of the flips, `first_both` chose the answer shown first both times, `second_both` the one shown second; the others
    chose one answer in one order and neither in the other.
    """

    pairs: int
    flips: int
    first_both: int
    second_both: int
    flip_share: float | None
    why: str | None


@dataclass(frozen=True)
class VerbosityBias:
    """Spearman's rank correlation of score with length in characters, within prompts, from -1 to 1.

    `program` is the program's own over the same answers: where longer answers are better ones, both are above 0, and
    the difference is the judge's. None, with the reason, where it is undefined.
    """

    answers: int
    prompts: int
    correlation: float | None
    program: float | None
    why: str | None


@dataclass(frozen=True)
class JudgeBias:
    """What speaks for or against a judge, without a person's scores."""

    consistency: JudgeConsistency
    position: PositionBias
    verbosity: VerbosityBias


def judge_bias(result: Result, judgement: Judgement) -> JudgeBias:
    """Return the bias of a judge, measured on its judgement of a run."""
    return JudgeBias(_consistency(judgement), _position(judgement), _verbosity(result, judgement))


def _consistency(judgement: Judgement) -> JudgeConsistency:
    first = {
        (verdict.prompt, verdict.output, facet.facet): facet.score
        for verdict in judgement.verdicts
        if verdict.reading == 1
        for facet in verdict.facets
    }
    again = [verdict for verdict in judgement.verdicts if verdict.reading == 2]
    differences = []
    for verdict in again:
        for facet in verdict.facets:
            before = first.get((verdict.prompt, verdict.output, facet.facet))
            if before is not None and facet.score is not None:
                differences.append(abs(before - facet.score))
    if not differences:
        why = "no facet has a score of both readings" if again else "no answer was judged twice"
        return JudgeConsistency(len(again), 0, None, None, why)
    equal = sum(difference == 0 for difference in differences)
    count = len(differences)
    return JudgeConsistency(len(again), count, equal / count, sum(differences) / count, None)


def _position(judgement: Judgement) -> PositionBias:
    better_of = {(pair.prompt, pair.first, pair.second): pair.better for pair in judgement.pairs}
    flips = first_both = second_both = compared = 0
    for (prompt, first, second), better in better_of.items():
        turned = better_of.get((prompt, second, first))
        # Each pair stands there in both orders: it is looked at from one of them.
        if first > second or better is None or turned is None:
            continue
        compared += 1
        chosen = {"first": first, "second": second, "neither": None}[better]
        chosen_turned = {"first": second, "second": first, "neither": None}[turned]
        flips += chosen != chosen_turned
        first_both += better == turned == "first"
        second_both += better == turned == "second"
    if not compared:
        why = "no pair has a verdict in both orders" if better_of else "no pair of answers was compared"
        return PositionBias(0, 0, 0, 0, None, why)
    return PositionBias(compared, flips, first_both, second_both, flips / compared, None)


def _verbosity(result: Result, judgement: Judgement) -> VerbosityBias:
    found = ratings(result, Reviews(judgements=(judgement,))).scores
    graded = found.get(PROGRAM, {})
    judged = next((scores for source, scores in found.items() if source.kind == "judge"), {})
    lengths, scores, programs, prompts = [], [], [], []
    for _, group in groupby(answers(result), key=lambda answer: answer.prompt.id):
        rated = [(one, given) for one in group if (given := answer_score(one.prompt, one.output, judged)) is not None]
        # A single answer has nobody to be compared with.
        if len(rated) > 1:
            lengths.append([len(answer.text) for answer, _ in rated])
            scores.append([given for _, given in rated])
            programs.append([answer_score(answer.prompt, answer.output, graded) for answer, _ in rated])
            prompts.append(rated[0][0].prompt.id)
    count = sum(len(group) for group in lengths)
    if count < ANSWERS_NEEDED:
        why = f"{count} judged answers beside another of their prompt; needs {ANSWERS_NEEDED}"
        return VerbosityBias(count, len(prompts), None, None, why)
    correlation = _within(lengths, scores)
    by_program = [[value for value in group if value is not None] for group in programs]
    whole = [len(group) for group in by_program] == [len(group) for group in lengths]
    program = _within(lengths, by_program) if whole else None
    flat = "within each prompt all scores or all lengths are the same" if correlation is None else None
    return VerbosityBias(count, len(prompts), correlation, program, flat)


def _within(ones: Sequence[Sequence[float]], others: Sequence[Sequence[float]]) -> float | None:
    """Return the correlation of ranks taken within each group, around the group's middle; None without any spread."""
    x = np.concatenate([_centred_ranks(group) for group in ones])
    y = np.concatenate([_centred_ranks(group) for group in others])
    spread = float(np.sqrt((x * x).sum() * (y * y).sum()))
    return float((x * y).sum()) / spread if spread > 0 else None


def _centred_ranks(values: Sequence[float]) -> NDArray[np.float64]:
    """Return each value's rank less the mean rank; equal values share the mean of their ranks."""
    array = np.round(np.asarray(values, dtype=np.float64), 9)
    below = (array[None, :] < array[:, None]).sum(axis=1)
    equal = (array[None, :] == array[:, None]).sum(axis=1)
    ranks: NDArray[np.float64] = below + (equal - 1) / 2 - (len(array) - 1) / 2
    return ranks
