"""The interval of a metric at one level of load, against cases worked out by hand."""

from typing import Any

import pytest

from bench.analysis.intervals import Estimate, level_estimate
from bench.metrics.load import LevelSummary
from bench.schema.load import LoadLevel
from tests import builders
from tests.load_builders import failed_load_sample, load_level, load_sample

TOO_FEW = "an interval needs 20 answers, that of a p95 100, that of a p99 400"


def estimated(level: LoadLevel, metric_id: str, limits: dict[str, float] | None = None) -> Estimate:
    resolved = builders.config().resolved | ({"load": {"goodput": limits}} if limits else {})
    run = builders.result([builders.model_run(load=(level,))], config=builders.config(resolved=resolved))
    return level_estimate(LevelSummary(run, run.models[0], level), metric_id)


def ends(found: Estimate) -> list[float]:
    assert found.interval is not None
    return [found.interval.low, found.interval.high]


def rising(count: int, late_s: float | None = None) -> LoadLevel:
    """Return requests with a time to first token of 0.1, 0.2, 0.3, ... s; with a schedule each is so late."""
    rate: dict[str, Any] = {} if late_s is None else {"rate_per_s": 4.0}
    return load_level(
        [
            load_sample(
                1 + place * 0.01,
                0.1 + place * 0.1,
                200.0,
                scheduled_s=None if late_s is None else 1 + place * 0.01 - late_s,
            )
            for place in range(count)
        ],
        **rate,
    )


def test_a_median_lies_between_the_values_at_the_ends_of_the_share_below_it() -> None:
    # Of ten stretches of two requests the first five are wholly below 1.05 s and the others wholly above: each is one
    # request away from half of its two. The error of the share is sqrt(10 * 10 / 9) / 20 = 1 / 6, on the logarithm of
    # the odds 4 / 6, and 2.262157 of these reach to 1 / (1 + exp(1.508105)) = 0.181220 and to 0.818780. Those are the
    # ranks 3.44318 and 15.55682 of the values 0.1, 0.2, ... from rank 0.
    found = estimated(rising(20), "ttft_s.p50")

    assert found.value == pytest.approx(1.05)
    assert ends(found) == pytest.approx([0.444318, 1.655682], abs=1e-6)
    assert found.interval is not None
    assert (found.interval.about, found.interval.why, found.why) == (
        "these prompts",
        "of 10 stretches of successive requests",
        None,
    )


def test_without_a_statistic_the_interval_is_that_of_the_median() -> None:
    assert estimated(rising(20), "ttft_s") == estimated(rising(20), "ttft_s.p50")


def test_latencies_from_a_schedule_have_the_waiting_in_their_interval() -> None:
    level = rising(20, late_s=1.0)

    # The interval from the send is that of the closed loop, and 1 s later from the schedule.
    assert ends(estimated(level, "ttft_s.p50")) == pytest.approx([0.444318, 1.655682], abs=1e-6)
    assert ends(estimated(level, "scheduled_ttft_s.p50")) == pytest.approx([1.444318, 2.655682], abs=1e-6)


def test_an_interval_of_a_p95_stays_within_the_values() -> None:
    # All five of a hundred above the p95 are in the last stretch: it is 4.5 requests from its share, the others 0.5.
    # The error is sqrt(22.5 * 10 / 9) / 100 = 0.05, on the odds 0.05 / 0.0475 = 1.052632: the ends are
    # 1 / (1 + exp(2.381218 -+ 2.944439)) = 0.637197 and 0.995158, the ranks 63.0825 and 98.5207 from rank 0.
    found = estimated(rising(100), "ttft_s.p95")

    assert found.value == pytest.approx(9.505)
    assert ends(found) == pytest.approx([6.40825, 9.95207], abs=1e-4)


def test_what_has_too_few_answers_says_how_many_it_needs() -> None:
    assert estimated(rising(19), "ttft_s").why == TOO_FEW
    assert estimated(rising(99), "ttft_s.p95").why == TOO_FEW
    assert estimated(rising(399), "ttft_s.p99").why == TOO_FEW
    assert estimated(rising(100), "ttft_s.p99").interval is None
    assert estimated(rising(399), "ttft_s.p99").value is not None
    assert ends(estimated(rising(400), "ttft_s.p99"))[1] <= 40.0


def test_a_largest_value_has_no_interval() -> None:
    found = estimated(rising(20), "ttft_s.maximum")

    assert found.value == pytest.approx(2.0)
    assert found.interval is None
    assert found.why == "a smallest or largest value has no interval: what is drawn again never goes beyond it"


def test_failed_requests_are_in_no_latency() -> None:
    level = rising(20)
    broken = level.model_copy(update={"samples": (*level.samples, failed_load_sample(9.0))})

    assert estimated(broken, "ttft_s") == estimated(level, "ttft_s")


def by_tenths(tokens: list[int]) -> LoadLevel:
    """Return two answers in each second of ten, which have so many tokens each and come at once."""
    return load_level(
        [
            load_sample(place + start, 0.4, 0.4, output_tokens=each)
            for place, each in enumerate(tokens)
            for start in (0.0, 0.5)
        ]
    )


def test_a_throughput_is_the_mean_of_ten_stretches_of_the_window() -> None:
    # 20 and 40 tokens a second in turns: the standard deviation is sqrt(10 * 100 / 9), the error of the mean 10 / 3,
    # and 2.262157 of these are 7.540524.
    found = estimated(by_tenths([10, 20] * 5), "throughput_tokens_per_s")

    assert found.value == pytest.approx(30.0)
    assert ends(found) == pytest.approx([22.459476, 37.540524], abs=1e-5)
    assert ends(estimated(by_tenths([10, 20] * 5), "answers_per_s")) == pytest.approx([2.0, 2.0])


def test_a_throughput_is_never_below_nothing() -> None:
    # One second of ten has all tokens but two a second: mean 20, error 18, and 2.262157 * 18 is more than 20.
    found = estimated(by_tenths([91, *[1] * 9]), "throughput_tokens_per_s")

    assert found.value == pytest.approx(20.0)
    assert ends(found) == pytest.approx([0.0, 20 + 18 * 2.262157], abs=1e-4)


def test_a_throughput_of_few_answers_has_no_interval() -> None:
    level = load_level(by_tenths([10] * 10).samples[:19])

    assert estimated(level, "throughput_tokens_per_s") == Estimate(19.0, None, TOO_FEW)


def kept(by_stretch: list[int], size: int) -> LoadLevel:
    """Return stretches of so many requests each, of which so many are within a limit of 0.3 s and the others fail."""
    samples = []
    for place, count in enumerate(by_stretch):
        for number in range(size):
            sent_s = place + number / size
            samples.append(load_sample(sent_s, 0.2) if number < count else failed_load_sample(sent_s))
    return load_level(samples)


def test_a_goodput_varies_as_it_does_between_stretches() -> None:
    # 30 of 40: each stretch is one request from 3 of 4. The error is sqrt(10 * 10 / 9) / 40 = 1 / 12, on the logarithm
    # of the odds 4 / 9; 2.262157 of these are 1.005403, and the odds are 3: the ends are 1 / (1 + exp(1.005403) / 3)
    # and 1 / (1 + exp(-1.005403) / 3).
    found = estimated(kept([4, 2] * 5, 4), "goodput_share", {"ttft_s": 0.3})

    assert found.value == pytest.approx(0.75)
    assert ends(found) == pytest.approx([0.523286, 0.891295], abs=1e-5)


def test_a_goodput_of_all_or_none_has_no_interval() -> None:
    limits = {"ttft_s": 0.3}

    assert estimated(kept([2] * 10, 2), "goodput_share", limits) == Estimate(
        1.0, None, "every request kept the limits, or none did"
    )
    assert estimated(kept([0] * 10, 2), "goodput_share", limits).interval is None
    assert estimated(kept([1] * 9, 2), "goodput_share", limits).why == TOO_FEW


def test_what_is_missing_says_why_and_what_is_read_once_has_no_interval() -> None:
    assert estimated(rising(19), "ttft_s.p95") == Estimate(None, None, "19 requests; a p95 needs 20")
    assert estimated(load_level([load_sample(1)]), "under_way").why == "one reading a run"
    with pytest.raises(KeyError, match="unknown metric of a level 'speed'"):
        estimated(rising(20), "speed")
