"""What is known to mislead a judge, measured: whims, the place of an answer, and its length."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from bench.analysis.ratings import PROGRAM, answer_score, ratings
from bench.quality.answers import answers
from bench.quality.review import Judgement, Reviews
from bench.results.schema import Result

ANSWERS_NEEDED = 10
"""Answers that a correlation needs."""


@dataclass(frozen=True)
class Consistency:
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
    the difference is the judge's. None, with the reason, where it cannot be told.
    """

    answers: int
    prompts: int
    correlation: float | None
    program: float | None
    why: str | None


@dataclass(frozen=True)
class Guards:
    """What speaks for or against a judge, without a person's scores."""

    consistency: Consistency
    position: PositionBias
    verbosity: VerbosityBias


def guards(result: Result, judgement: Judgement) -> Guards:
    """Return the guards of a judgement of a run."""
    return Guards(_consistency(judgement), _position(judgement), _verbosity(result, judgement))


def _consistency(judgement: Judgement) -> Consistency:
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
        return Consistency(len(again), 0, None, None, why)
    equal = sum(difference == 0 for difference in differences)
    count = len(differences)
    return Consistency(len(again), count, equal / count, sum(differences) / count, None)


def _position(judgement: Judgement) -> PositionBias:
    said = {(pair.prompt, pair.first, pair.second): pair.better for pair in judgement.pairs}
    flips = first_both = second_both = compared = 0
    for (prompt, first, second), better in said.items():
        turned = said.get((prompt, second, first))
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
        why = "no pair has a verdict in both orders" if said else "no pair of answers was compared"
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
