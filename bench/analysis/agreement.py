"""Whether people, judges and the program agree on a run's answers, where they do not, and which judge to rely on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from bench.analysis.ratings import Item, Ranking, Rater, Ratings, ranking, ratings
from bench.schema.result import Result
from bench.stats.rater_agreement import AlphaMetric, Coefficient, krippendorff_alpha, quadratic_kappa
from bench.store.reviews import Reviews

STATED_AGREEMENT: Final = 0.6
"""Kappa of a judge with people below which it is flagged: above it agreement is called substantial (Landis and Koch,
The Measurement of Observer Agreement for Categorical Data, 1977)."""


@dataclass(frozen=True)
class FacetAgreement:
    """The agreement on one facet, over all prompts that have a facet of this id."""

    facet: str
    prompts: int
    agreement: Coefficient


@dataclass(frozen=True)
class PairAgreement:
    """Quadratic-weighted kappa of two sources, over all facets and facet by facet in the order of the prompt set."""

    one: Rater
    other: Rater
    overall: Coefficient
    facets: tuple[FacetAgreement, ...]


@dataclass(frozen=True)
class GroupAgreement:
    """Krippendorff's alpha of two or more sources: 'people', 'judges' or 'all sources'.

    `overall` and `facets` take the steps of the scale as equal, as kappa does; `ordinal` goes by their order alone.
    """

    group: str
    sources: tuple[Rater, ...]
    overall: Coefficient
    ordinal: Coefficient
    facets: tuple[FacetAgreement, ...]


@dataclass(frozen=True)
class Disagreement:
    """A facet of an answer to which sources gave unlike scores; `distance` is from the lowest to the highest."""

    item: Item
    scores: Mapping[Rater, float]
    distance: float


@dataclass(frozen=True)
class JudgeReliability:
    """A judge against people, each facet's mean over them; `below` is whether it misses the stated agreement.

    None where that is undefined, with the reason in `agreement.why`.
    """

    judge: Rater
    agreement: Coefficient
    needed: float
    below: bool | None


@dataclass(frozen=True)
class Agreement:
    """All of it for one run: pairs in the order of the sources, disagreements with the largest first.

    `left_out` has a sentence for each review that does not count.
    """

    sources: tuple[Rater, ...]
    pairs: tuple[PairAgreement, ...]
    groups: tuple[GroupAgreement, ...]
    judges: tuple[JudgeReliability, ...]
    disagreements: tuple[Disagreement, ...]
    rankings: tuple[Ranking, ...]
    left_out: tuple[str, ...]


def agreement(result: Result, reviews: Reviews, *, seed: int = 42, needed: float = STATED_AGREEMENT) -> Agreement:
    """Return how far the sources of scores of a run agree. `seed` is that of the bootstrap."""
    found = ratings(result, reviews)
    sources = tuple(found.scores)
    people = tuple(source for source in sources if source.kind == "person")
    judges = tuple(source for source in sources if source.kind == "judge")
    groups = (("people", people), ("judges", judges), ("all sources", sources))
    return Agreement(
        sources=sources,
        pairs=tuple(_pair(found, one, other, seed) for one, other in combinations(sources, 2)),
        groups=tuple(_group(found, name, members, seed) for name, members in groups if len(members) > 1),
        judges=tuple(_reliability(found, judge, people, seed, needed) for judge in judges),
        disagreements=_disagreements(found),
        rankings=tuple(ranking(result, source, scores) for source, scores in found.scores.items()),
        left_out=found.left_out,
    )


def _pair(found: Ratings, one: Rater, other: Rater, seed: int) -> PairAgreement:
    left, right = found.scores[one], found.scores[other]
    common = [item for item in left if item in right]
    facets = tuple(
        FacetAgreement(facet, len({item.prompt for item in items}), _kappa(left, right, items, seed))
        for facet, items in _by_facet(common).items()
    )
    return PairAgreement(one, other, _kappa(left, right, common, seed), facets)


def _kappa(left: Mapping[Item, float], right: Mapping[Item, float], items: Sequence[Item], seed: int) -> Coefficient:
    return quadratic_kappa([left[item] for item in items], [right[item] for item in items], _answers(items), seed)


def _group(found: Ratings, name: str, members: Sequence[Rater], seed: int) -> GroupAgreement:
    scores = [found.scores[source] for source in members]
    items = list(dict.fromkeys(item for one in scores for item in one))
    common = [item for item in items if sum(item in one for one in scores) > 1]

    def alpha(chosen: Sequence[Item], metric: AlphaMetric = "interval") -> Coefficient:
        units = [[one[item] for one in scores if item in one] for item in chosen]
        return krippendorff_alpha(units, _answers(chosen), seed, metric=metric)

    facets = tuple(
        FacetAgreement(facet, len({item.prompt for item in chosen}), alpha(chosen))
        for facet, chosen in _by_facet(common).items()
    )
    return GroupAgreement(name, tuple(members), alpha(common), alpha(common, "ordinal"), facets)


def _reliability(found: Ratings, judge: Rater, people: Sequence[Rater], seed: int, needed: float) -> JudgeReliability:
    if not people:
        nobody = Coefficient(None, None, None, 0, 0, "no person has scored answers of this run")
        return JudgeReliability(judge, nobody, needed, None)
    given: dict[Item, list[float]] = {}
    for person in people:
        for item, score in found.scores[person].items():
            given.setdefault(item, []).append(score)
    means = {item: sum(scores) / len(scores) for item, scores in given.items()}
    scores = found.scores[judge]
    measured = _kappa(scores, means, [item for item in scores if item in means], seed)
    return JudgeReliability(judge, measured, needed, None if measured.value is None else measured.value < needed)


def _disagreements(found: Ratings) -> tuple[Disagreement, ...]:
    given: dict[Item, dict[Rater, float]] = {}
    for source, scores in found.scores.items():
        for item, score in scores.items():
            given.setdefault(item, {})[source] = score
    unlike = [Disagreement(item, scores, max(scores.values()) - min(scores.values())) for item, scores in given.items()]
    return tuple(sorted((one for one in unlike if one.distance > 0), key=lambda one: -one.distance))


def _by_facet(items: Sequence[Item]) -> dict[str, list[Item]]:
    facets: dict[str, list[Item]] = {}
    for item in items:
        facets.setdefault(item.facet, []).append(item)
    return facets


def _answers(items: Sequence[Item]) -> list[tuple[str, str]]:
    return [(item.prompt, item.output) for item in items]
