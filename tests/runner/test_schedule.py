"""Schedules of an open loop, and the order of prompts under load: all from a seed."""

from itertools import islice, pairwise
from statistics import mean, stdev

import pytest

from bench.runner.plan import due_ns, order
from tests.builders import prompt

PROMPTS = [prompt(id=name) for name in "abc"]


def test_constant_arrivals_begin_at_once_and_do_not_drift() -> None:
    due = list(islice(due_ns("constant", 3.0, seed=1), 3001))

    assert due[:4] == [0, 333_333_333, 666_666_667, 1_000_000_000]
    assert due[3000] == 1_000_000_000_000


def test_poisson_arrivals_have_exponential_gaps_of_the_mean_that_the_rate_says() -> None:
    due = [0, *islice(due_ns("poisson", 20.0, seed=7), 20_000)]

    gaps_s = [(later - earlier) / 1e9 for earlier, later in pairwise(due)]

    # An exponential distribution has its mean, 1/20 s, for its standard deviation too, and a share of 1/e above it.
    assert mean(gaps_s) == pytest.approx(0.05, rel=0.03)
    assert stdev(gaps_s) == pytest.approx(0.05, rel=0.03)
    assert mean(gap > 0.05 for gap in gaps_s) == pytest.approx(0.3679, abs=0.01)


def test_a_seed_decides_when_requests_are_due() -> None:
    first = list(islice(due_ns("poisson", 5.0, seed=1), 50))

    assert list(islice(due_ns("poisson", 5.0, seed=1), 50)) == first
    assert list(islice(due_ns("poisson", 5.0, seed=2), 50)) != first
    assert first == sorted(first)


def test_prompts_come_equally_often_in_an_order_of_the_seed() -> None:
    asked = [one.id for one in islice(order(PROMPTS, seed=1), 30)]

    assert [sorted(asked[at : at + 3]) for at in range(0, 30, 3)] == [["a", "b", "c"]] * 10
    assert len({tuple(asked[at : at + 3]) for at in range(0, 30, 3)}) > 1
    assert [one.id for one in islice(order(PROMPTS, seed=1), 30)] == asked
    assert [one.id for one in islice(order(PROMPTS, seed=2), 30)] != asked
