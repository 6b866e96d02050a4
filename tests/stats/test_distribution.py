"""Distributions, worked out by hand."""

import math

import numpy as np
import pytest

from bench.stats.distribution import PERCENTILE_METHOD, distribution, student_t, too_few


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
    with pytest.raises(ValueError, match=r"^a distribution needs finite values$"):
        distribution([value, 1.0, 2.0])


def test_the_coefficient_of_variation_by_hand() -> None:
    # 1, 2 and 6: a mean of 3, squared distances of 4, 1 and 9, a sample variance of 7.
    three, scaled = distribution([1, 2, 6]), distribution([10, 20, 60])

    assert three is not None
    assert scaled is not None
    assert three.variation == pytest.approx(math.sqrt(7) / 3)
    assert scaled.variation == pytest.approx(math.sqrt(7) / 3)


@pytest.mark.parametrize(("values", "expected"), [([2.5], None), ([-1, 1], None), ([0.1] * 3, 0.0), ([0, 0], None)])
def test_a_variation_of_nothing(values: list[float], expected: float | None) -> None:
    found = distribution(values)

    assert found is not None
    assert found.variation == expected


@pytest.mark.parametrize(
    ("degrees", "share", "expected"),
    [
        (1, 0.975, 12.7062),
        (2, 0.975, 4.3027),
        (3, 0.975, 3.1824),
        (4, 0.975, 2.7764),
        (9, 0.975, 2.2622),
        (30, 0.975, 2.0423),
        (31, 0.975, 2.0395),
        (60, 0.975, 2.0003),
        (10_000, 0.975, 1.9602),
        (4, 0.9995, 8.6103),
        (11, 0.9995, 4.4370),
        (60, 0.9995, 3.4602),
        (7, 0.5, 0.0),
    ],
)
def test_student_s_distribution_against_its_tables(degrees: int, share: float, expected: float) -> None:
    assert student_t(degrees, share) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("degrees", "share"), [(0, 0.975), (5, 0.4), (5, 1.0)])
def test_student_s_distribution_has_no_such_value(degrees: int, share: float) -> None:
    with pytest.raises(ValueError, match=f"^Student's distribution has no {share} quantile for {degrees} degrees of"):
        student_t(degrees, share)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 19, 20, 21, 99, 100, 101, 1_000])
def test_a_distribution_is_that_of_numpy_to_the_last_bit(count: int) -> None:
    rng = np.random.default_rng(count)
    for values in (rng.lognormal(-3, 1, count), rng.integers(0, 4, count) / 7, np.full(count, 0.1)):
        found = distribution(values)
        p50, p90, p95, p99 = np.percentile(values, (50, 90, 95, 99), method=PERCENTILE_METHOD).tolist()

        assert found == distribution(tuple(values.tolist()))
        assert found is not None
        assert (found.p50, found.mean, found.minimum, found.maximum) == (p50, values.mean(), min(values), max(values))
        assert [found.p90, found.p95, found.p99] == [
            p90 if count >= 20 else None,
            p95 if count >= 20 else None,
            p99 if count >= 100 else None,
        ]
        if count > 1 and min(values) < max(values):
            assert found.variation == values.std(ddof=1) / values.mean()
