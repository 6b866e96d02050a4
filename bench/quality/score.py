"""From the credit of each facet to one score."""

from collections.abc import Sequence

from bench.results.schema import FacetGrade
from bench.rubric import FacetRecord

LOWEST_SCORE = 1.0
HIGHEST_SCORE = 5.0


def score(facets: Sequence[FacetRecord], grades: Sequence[FacetGrade]) -> float | None:
    """Return 1 + 4 * the weighted share of credit, over the facets that could be evaluated.

    From 1 (nothing met) to 5 (everything met). Grades are matched to facets by id, in any order; None where no facet
    has a credit: an answer that could not be evaluated is not a bad one.
    """
    earned_by_facet = {grade.facet: grade.credit for grade in grades}
    weight = 0.0
    earned = 0.0
    for facet in facets:
        credit = earned_by_facet.get(facet.id)
        if credit is not None:
            weight += facet.weight
            earned += facet.weight * credit
    if weight == 0:
        return None
    return LOWEST_SCORE + (HIGHEST_SCORE - LOWEST_SCORE) * earned / weight
