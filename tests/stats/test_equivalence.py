"""When a change is real, worked out by hand."""

from math import sqrt
from typing import Literal

import pytest

from bench.stats.equivalence import FailedCounts, JudgedChange, More, failure_test, judged, more_rounds, noisy

REAL = "the interval excludes no change, and the change is larger than the floor"
PERHAPS = "the interval holds no change at all, and one larger than the floor"
SMALL = "it changed, but nobody can tell whether by more than the floor"


@pytest.mark.parametrize(
    ("value", "low", "high", "expected"),
    [
        (0.2, 0.1, 0.3, JudgedChange("worse", REAL)),
        (-0.2, -0.3, -0.1, JudgedChange("better", REAL)),
        (0.2, 0.0, 0.4, JudgedChange("unresolved", PERHAPS)),
        (-0.2, -0.4, 0.0, JudgedChange("unresolved", PERHAPS)),
        (0.2, 0.2, 0.2, JudgedChange("worse", REAL)),
        (0.01, -0.03, 0.05, JudgedChange("same", "the interval lies within the floor")),
        (0.0, 0.0, 0.0, JudgedChange("same", "the interval lies within the floor")),
        (0.03, 0.02, 0.04, JudgedChange("same", "the interval lies within the floor")),
        (0.2, -0.1, 0.5, JudgedChange("unresolved", PERHAPS)),
        (0.0, -0.1, 0.1, JudgedChange("unresolved", PERHAPS)),
        (0.04, 0.01, 0.07, JudgedChange("unresolved", SMALL)),
        (0.05, 0.01, 0.09, JudgedChange("unresolved", SMALL)),
    ],
)
def test_a_change_is_real_beyond_chance_and_floor(
    value: float, low: float, high: float, expected: JudgedChange
) -> None:
    assert judged(value, low, high, floor=0.05, better="lower") == expected


@pytest.mark.parametrize(("better", "verdict"), [("lower", "worse"), ("higher", "better")])
def test_the_metric_says_which_way_is_better(better: Literal["lower", "higher"], verdict: str) -> None:
    assert judged(0.2, 0.1, 0.3, 0.05, better).verdict == verdict


def test_noise_from_run_to_run_adds_as_squares() -> None:
    # 1.96 * sqrt(2) * 0.04 / (1.96 * sqrt(2)) is 0.04: with 0.03 it makes 0.05.
    noise = 0.04 / (1.959964 * sqrt(2))

    assert noisy(0.1, 0.07, 0.13, noise) == pytest.approx((0.05, 0.15))
    assert noisy(0.1, 0.1, 0.1, noise) == pytest.approx((0.06, 0.14))
    assert noisy(0.1, 0.0, 0.13, 0.0) == pytest.approx((0.0, 0.13))


def test_four_times_the_rounds_halve_an_interval() -> None:
    # Half of the interval is 0.2 and all of it from the rounds; 0.1 is wanted, so 5 rounds must become 20.
    assert more_rounds(0.1, 0.2, 0.05, reach=2.0, within=0.01, rounds=5, run_noise=None) == More(15, None)


def test_a_change_within_the_floor_must_be_kept_within_it() -> None:
    # 0.01 is 0.04 away from the floor: half an interval of 0.08 must become 0.04.
    assert more_rounds(0.01, 0.08, 0.05, reach=2.0, within=0.0016, rounds=5, run_noise=None) == More(15, None)


def test_rounds_work_on_their_part_of_the_variance_alone() -> None:
    # The variance is (0.2 / 2)**2 = 0.01: 0.0084 from the rounds, 0.0016 from the prompts. Wanted is (0.1 / 2)**2 =
    # 0.0025, which leaves 0.0009 to the rounds: 5 * 0.0084 / 0.0009 = 46.7.
    assert more_rounds(0.1, 0.2, 0.05, reach=2.0, within=0.0084, rounds=5, run_noise=None) == More(42, None)


def test_there_is_always_one_more_round_to_ask_for() -> None:
    assert more_rounds(0.1, 0.1, 0.05, reach=2.0, within=0.0025, rounds=5, run_noise=None) == More(1, None)


@pytest.mark.parametrize(
    ("value", "within", "run_noise", "why"),
    [
        (0.1, None, None, "no prompt was asked twice, so nobody knows what more rounds would bring"),
        (0.1, 0.001, None, "more rounds do not help where prompts differ in their change: more prompts do"),
        (0.1, 0.01, 0.04, "more rounds do not help against what changes from run to run: more runs do"),
        (0.0501, 0.02, 0.018, "it would take more than 10000 rounds"),
        (0.05, 0.01, None, "the change is just as large as the floor"),
    ],
)
def test_where_rounds_do_not_help(value: float, within: float | None, run_noise: float | None, why: str) -> None:
    found = more_rounds(value, 0.2, 0.05, reach=2.0, within=within, rounds=5, run_noise=run_noise)

    assert found == More(None, why)


def test_one_prompt_that_always_failed_and_never_does() -> None:
    # 5 failures dealt out to 10 requests: one way of 252 puts them all before, one all after.
    assert failure_test([FailedCounts(5, 5, 0, 5)]) == pytest.approx(2 / 252)
    assert failure_test([FailedCounts(0, 5, 5, 5)]) == pytest.approx(2 / 252)


def test_the_same_failures_over_many_prompts_mean_less() -> None:
    # One failure in each of 5 prompts, all after: 1/2 each, so 1/32, and as much for all before.
    assert failure_test([FailedCounts(0, 5, 1, 5)] * 5) == pytest.approx(2 / 32)


def test_fisher_s_tea() -> None:
    # Three of four cups right: (1 + 16 + 16 + 1) / 70, two-sided.
    assert failure_test([FailedCounts(1, 4, 3, 4)]) == pytest.approx(34 / 70)


def test_what_never_failed_tells_nothing() -> None:
    assert failure_test([]) == 1
    assert failure_test([FailedCounts(0, 5, 0, 5)]) == 1
    assert failure_test([FailedCounts(0, 5, 0, 5), FailedCounts(5, 5, 0, 5)]) == pytest.approx(2 / 252)


def test_a_prompt_asked_on_one_side_alone_tells_nothing() -> None:
    assert failure_test([FailedCounts(0, 0, 3, 5)]) == 1
