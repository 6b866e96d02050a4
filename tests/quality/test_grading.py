"""Scores of one answer, worked out by hand."""

import pytest

from bench.quality.grading import score
from bench.schema.result import FacetGrade
from tests.builders import facet


def credit(name: str, value: float | None) -> FacetGrade:
    return FacetGrade(facet=name, credit=value, why="as the test says")


def test_everything_met_is_five_and_nothing_met_is_one() -> None:
    facets = [facet(id="a"), facet(id="b", weight=3.0)]

    assert score(facets, [credit("a", 1.0), credit("b", 1.0)]) == 5
    assert score(facets, [credit("a", 0.0), credit("b", 0.0)]) == 1


def test_weights_and_partial_credit() -> None:
    facets = [facet(id="a", weight=1.0), facet(id="b", weight=3.0)]

    assert score(facets, [credit("a", 1.0), credit("b", 0.0)]) == 2  # 1 + 4 * 1/4
    assert score(facets, [credit("a", 0.5), credit("b", 1.0)]) == pytest.approx(4.5)  # 1 + 4 * 3.5/4


def test_a_facet_that_could_not_be_evaluated_is_left_out() -> None:
    facets = [facet(id="a", weight=1.0), facet(id="b", weight=3.0)]

    assert score(facets, [credit("a", 1.0), credit("b", None)]) == 5
    assert score(facets, [credit("a", 1.0)]) == 5


def test_nothing_evaluated_is_no_score() -> None:
    assert score([facet(id="a")], [credit("a", None)]) is None
    assert score([facet(id="a")], []) is None
    assert score([], []) is None


def test_grades_are_matched_by_name_and_not_by_order() -> None:
    facets = [facet(id="a", weight=1.0), facet(id="b", weight=3.0)]

    assert score(facets, [credit("b", 1.0), credit("a", 0.0)]) == 4
    assert score(facets, [credit("b", 1.0), credit("a", 0.0), credit("other", 0.0)]) == 4
