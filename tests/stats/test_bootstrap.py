"""What is drawn again, and what comes of it."""

from collections.abc import Sequence

import numpy as np
import pytest

from bench.stats import bootstrap as resampling
from bench.stats.bootstrap import (
    CELLS,
    LIKE_THESE,
    THESE,
    Plan,
    Prompts,
    RequestValues,
    bootstrap,
    limits,
    plan,
)
from bench.stats.distribution import Floats


def asked(*prompts: Sequence[float]) -> Prompts:
    """Return prompts with a request for each of their values."""
    return [[RequestValues(np.array([float(value)])) for value in values] for values in prompts]


def answered(*prompts: Sequence[Sequence[float]]) -> Prompts:
    """Return prompts with a request for each list of values."""
    return [[RequestValues(np.array(values, dtype=np.float64)) for values in requests] for requests in prompts]


def of(prompts: Prompts, statistic: str, about: resampling.About, seed: int = 1) -> Floats:
    return bootstrap(prompts, (statistic,), about, seed=seed)[statistic]


def test_prompts_are_drawn_with_their_requests_as_they_are() -> None:
    # Two prompts of 1 and 3: both the first, one of each, or both the second, at 1 : 2 : 1.
    drawn = of(asked([1, 1], [3, 3]), "mean", LIKE_THESE)

    values, counts = np.unique(drawn, return_counts=True)
    assert values.tolist() == [1, 2, 3]
    assert counts / len(drawn) == pytest.approx([0.25, 0.5, 0.25], abs=0.03)


def test_rounds_are_drawn_within_their_prompt() -> None:
    # Of 1 and 3 two are drawn: a mean of 1, 2 or 3 at 1 : 2 : 1. The other prompt stays at 10, whatever is drawn.
    drawn = of(asked([1, 3], [10, 10]), "mean", THESE)

    values, counts = np.unique(drawn, return_counts=True)
    assert values.tolist() == [5.5, 6, 6.5]
    assert counts / len(drawn) == pytest.approx([0.25, 0.5, 0.25], abs=0.03)


def test_percentiles_are_those_of_the_linear_method() -> None:
    # A single prompt drawn again is itself: each resample has the percentiles of its values.
    rng = np.random.default_rng(5)
    values = rng.lognormal(size=57)
    prompts = answered([values[:30].tolist(), values[30:31].tolist(), values[31:].tolist()])

    for statistic, share in (("p50", 50), ("p90", 90), ("p95", 95), ("p99", 99)):
        assert of(prompts, statistic, LIKE_THESE) == pytest.approx(np.percentile(values, share))


def test_a_single_value_has_all_its_percentiles() -> None:
    for statistic in ("mean", "p50", "p99"):
        assert set(of(asked([5]), statistic, LIKE_THESE)) == {5}


def test_a_request_counts_with_all_its_values() -> None:
    # Drawn are the request of 1, 1, 1 and that of 5: (1, 1, 1, 5), or three ones twice, or 5 twice.
    drawn = of(answered([[1, 1, 1], [5]]), "mean", THESE)

    assert np.unique(drawn).tolist() == [1, 2, 5]


def test_a_mean_can_divide_by_other_than_the_number_of_values() -> None:
    # 10 tokens in 1 s and 10 in 4 s: 20 in 5 s.
    prompts = [[RequestValues(np.array([10.0]), np.array([1.0])), RequestValues(np.array([10.0]), np.array([4.0]))]]

    assert set(of(prompts, "mean", LIKE_THESE)) == {4.0}


def test_many_values_are_grouped_and_stay_close() -> None:
    rng = np.random.default_rng(6)
    values = rng.lognormal(size=20 * CELLS)
    prompts = answered([values.tolist()])

    for statistic, share, off in (("p50", 0.5, 0.002), ("p95", 0.95, 0.0002), ("p99", 0.99, 0.0002)):
        found = of(prompts, statistic, LIKE_THESE)[0]
        assert (values < found).mean() == pytest.approx(share, abs=off)


def test_two_sides_get_the_same_prompts() -> None:
    fast = asked(*([number, number + 0.5] for number in range(1, 9)))
    slow = asked(*([2 * number, 2 * number + 1] for number in range(1, 9)))

    for statistic in ("mean", "p50", "p99"):
        assert of(slow, statistic, LIKE_THESE) / of(fast, statistic, LIKE_THESE) == pytest.approx(2)


def test_streams_are_independent() -> None:
    prompts = asked(range(20))
    one, other = (bootstrap(prompts, ("mean",), THESE, seed=1, stream=stream)["mean"] for stream in (0, 1))

    assert abs(np.corrcoef(one, other)[0, 1]) < 0.1


def test_the_seed_fixes_the_draws() -> None:
    prompts = asked(range(20))

    assert (of(prompts, "mean", THESE, seed=3) == of(prompts, "mean", THESE, seed=3)).all()
    assert (of(prompts, "mean", THESE, seed=3) != of(prompts, "mean", THESE, seed=4)).any()


def test_large_data_are_drawn_in_parts_with_the_same_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = asked(range(30), range(5, 17))
    whole = bootstrap(prompts, ("mean", "p90"), THESE, seed=2)
    monkeypatch.setattr(resampling, "BLOCK", 1_000)
    in_parts = bootstrap(prompts, ("mean", "p90"), THESE, seed=2)

    for statistic in ("mean", "p90"):
        assert in_parts[statistic].tolist() == whole[statistic].tolist()


def test_beyond_a_hundred_rounds_neighbours_are_drawn_together() -> None:
    # 200 rounds, in which each value comes twice: the spread is that of 100 units and not of 200.
    pairs = [value for value in range(100) for _ in range(2)]
    alone = of(asked(range(100)), "mean", THESE).std()

    assert plan([asked(pairs)], "mean") == Plan(THESE, 100, 1, "1 prompt; a mean of prompts like these needs 5")
    assert of(asked(pairs), "mean", THESE).std() == pytest.approx(alone)


def test_equal_values_stay_what_they_are() -> None:
    prompts = asked(*([0.1] * 3 for _ in range(7)))

    for about in (LIKE_THESE, THESE):
        for statistic in ("mean", "p50", "p95"):
            assert set(of(prompts, statistic, about)) == {0.1}


@pytest.mark.parametrize(
    ("prompts", "statistic", "expected"),
    [
        (asked(*[[1, 2]] * 5), "p50", Plan(LIKE_THESE, 5, 1, None)),
        (asked(*[[1, 2]] * 4), "p50", Plan(THESE, 8, 4, "4 prompts; a p50 of prompts like these needs 5")),
        (asked(*[[1, 2]] * 20), "p95", Plan(THESE, 40, 20, "20 prompts; a p95 of prompts like these needs 60")),
        (asked(*[[1]] * 60), "p95", Plan(LIKE_THESE, 60, 1, None)),
        (asked([1, 2, 3, 4, 5]), "mean", Plan(THESE, 5, 1, "1 prompt; a mean of prompts like these needs 5")),
        (asked([1, 2, 3, 4]), "mean", "3 repeated requests; an interval needs 4"),
        (asked([1, 2], [1]), "mean", "1 repeated request; an interval needs 4"),
        (asked([1], [2], [3]), "p50", "no prompt was asked twice, so nobody knows how much a repetition differs"),
    ],
)
def test_what_is_drawn_follows_from_what_there_is(prompts: Prompts, statistic: str, expected: Plan | str) -> None:
    assert plan([prompts], statistic) == expected


def test_what_is_drawn_can_be_asked_for() -> None:
    prompts = asked(*[[1, 2]] * 5)

    assert plan([prompts], "p50", THESE) == Plan(THESE, 10, 5, "as asked")
    assert plan([prompts], "p90", LIKE_THESE) == "5 prompts; a p90 of prompts like these needs 40"


def test_two_sides_need_five_prompts_whatever_the_statistic() -> None:
    five, four = asked(*[[1, 2]] * 5), asked(*[[1, 2]] * 4)

    assert plan([five, five], "p99") == Plan(LIKE_THESE, 5, 1, None)
    assert plan([four, four], "p99") == Plan(THESE, 16, 8, "4 prompts; a change of prompts like these needs 5")
    assert plan([asked([1, 2, 3, 4]), asked([1, 2, 3, 4])], "p50") == "6 repeated requests; an interval needs 8"


def test_few_units_widen_an_interval() -> None:
    # Five units: sqrt(5 / 4) * 2.7764, of which the normal distribution leaves out 0.000955 at either end.
    few = Plan(LIKE_THESE, 5, 1, None)

    assert few.reach() == pytest.approx(3.1042, rel=1e-4)
    assert few.tail == pytest.approx(0.000955, rel=1e-3)
    assert Plan(THESE, 20_000, 20, None).tail == pytest.approx(0.025, abs=1e-4)
    assert limits(np.arange(2_001.0), few) == pytest.approx((1.909, 1998.091), abs=2e-3)


def test_a_largest_value_is_not_drawn_again() -> None:
    with pytest.raises(KeyError):
        plan([asked([1, 2, 3, 4, 5])], "maximum")


@pytest.mark.parametrize("rounds", [1, 2, 5, 8, 9])
@pytest.mark.parametrize("statistic", ["p50", "p90"])
def test_a_resampled_percentile_is_that_of_the_values_that_were_drawn(rounds: int, statistic: str) -> None:
    # The draws by hand: of so many values the resample takes, row by row, those that the seed and the stream say.
    for values in np.random.default_rng(rounds).lognormal(size=(4, rounds)):
        rng = np.random.default_rng([7, 3])
        drawn = values[(rng.random((50, rounds)) * rounds).astype(int)]
        found = bootstrap(asked(values), (statistic,), THESE, seed=7, stream=3, resamples=50)[statistic]

        assert found == pytest.approx(np.percentile(drawn, int(statistic[1:]), axis=1), rel=1e-12)


def test_what_was_drawn_of_some_requests_is_kept_and_cannot_be_changed() -> None:
    prompts = asked([1, 2, 3, 4])
    first = of(prompts, "p50", THESE)

    assert of(prompts, "p50", THESE) is first
    assert of(asked([1, 2, 3, 5]), "p90", THESE).max() == 5
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 0


def test_an_interval_ends_at_the_percentiles_of_what_was_drawn() -> None:
    drawn = Plan(THESE, 12, 2, None)
    values = np.random.default_rng(4).normal(size=2_000)

    assert limits(values, drawn) == tuple(np.quantile(values, (drawn.tail, 1 - drawn.tail)).tolist())
