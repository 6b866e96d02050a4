"""Distributions, worked out by hand."""

import math

import pytest

from bench.analysis.stats import PERCENTILE_METHOD, distribution, too_few


def test_no_values_no_distribution() -> None:
    assert distribution([]) is None


def test_one_value() -> None:
    one = distribution([2.5])

    assert one is not None
    assert (one.count, one.mean, one.minimum, one.maximum, one.p50) == (1, 2.5, 2.5, 2.5, 2.5)
    assert (one.p90, one.p95, one.p99) == (None, None, None)
    assert one.few == "1 sample; a p95 needs 20"


def test_order_does_not_matter() -> None:
    assert distribution([3, 1, 2, 4]) == distribution([1, 2, 3, 4])


def test_the_median_of_an_even_number_lies_between() -> None:
    four = distribution([1, 2, 3, 10])

    assert four is not None
    assert four.p50 == 2.5
    assert four.mean == 4


def test_percentiles_are_interpolated_linearly() -> None:
    # 1 to 21: the rank of a percentile p is p / 100 * 20, so the p95 is at rank 19 and the p90 at rank 18.
    twenty_one = distribution(range(1, 22))

    assert PERCENTILE_METHOD == "linear"
    assert twenty_one is not None
    assert (twenty_one.p50, twenty_one.p90, twenty_one.p95) == (11, 19, 20)
    assert twenty_one.few is None


def test_the_method_is_the_same_for_any_number_of_values() -> None:
    # 1 to 20: rank 0.95 * 19 = 18.05 lies a twentieth of the way from 19 to 20.
    twenty = distribution(range(1, 21))

    assert twenty is not None
    assert twenty.p95 == pytest.approx(19.05)


@pytest.mark.parametrize("count", [2, 5, 19])
def test_below_twenty_values_there_is_a_median_and_nothing_above_it(count: int) -> None:
    few = distribution([1.0] * count)

    assert few is not None
    assert few.p50 == 1
    assert (few.p90, few.p95, few.p99) == (None, None, None)
    assert few.few == f"{count} samples; a p95 needs 20"


def test_a_p99_needs_a_hundred_values() -> None:
    ninety_nine = distribution(range(99))
    hundred_and_one = distribution(range(101))

    assert ninety_nine is not None
    assert ninety_nine.p95 is not None
    assert ninety_nine.p99 is None
    assert hundred_and_one is not None
    assert hundred_and_one.p99 == 99


def test_the_reason_names_what_was_counted() -> None:
    gaps = distribution([0.01] * 12, noun="gap")

    assert gaps is not None
    assert gaps.few == "12 gaps; a p95 needs 20"
    assert too_few(85, "p99", "gap") == "85 gaps; a p99 needs 100"
    assert too_few(100, "p99") is None


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match=r"^a distribution needs finite values$"):
        distribution([1.0, value])
