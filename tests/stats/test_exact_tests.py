"""The exact test, worked out by hand."""

import pytest

from bench.stats.exact_tests import FailedCounts, failure_test


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
