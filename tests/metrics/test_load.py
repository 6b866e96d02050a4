"""Levels of load, worked out by hand."""

from typing import Any

import pytest

from bench.metrics.load import (
    Goodput,
    LevelKey,
    LevelSummary,
    Limits,
    NoGoodput,
    gaps_of_histogram,
    level_key,
    level_summaries,
)
from bench.metrics.registry import measured_in
from bench.schema.load import GapHistogram, LoadLevel
from bench.schema.machine import ClientCheck
from tests.builders import config, model_run, result
from tests.load_builders import SECOND_NS, failed_load_sample, load_level, load_sample


def summary(level: LoadLevel, goodput: dict[str, float | None] | None = None, **fields: Any) -> LevelSummary:
    """Return the summary of one level, in a run with these limits of goodput."""
    model = model_run(transport="direct", load=(level,))
    run = result([model], config=config(resolved={"load": {"goodput": goodput}}), **fields)
    (found,) = level_summaries(run, run.models[0])
    return found


# Three answers of 10 tokens around a window from 2 to 12 s: text from 1 to 3 s, from 6 to 8 s, from 11.5 to 13.5 s.
ACROSS = load_level(
    [
        load_sample(0, 1, 3, output_tokens=10, phase="warm-up"),
        load_sample(5, 1, 3, output_tokens=10),
        load_sample(11, 0.5, 2.5, output_tokens=10),
    ],
    window_s=(2, 12),
)


def test_an_answer_across_an_edge_of_the_window_counts_by_the_part_inside() -> None:
    # A half of the first, all of the second, a quarter of the third: 5 + 10 + 2.5 tokens in 10 s.
    assert summary(ACROSS).throughput_tokens_per_s == pytest.approx(1.75)


def test_an_answer_that_was_not_streamed_counts_where_it_ends() -> None:
    samples = [
        load_sample(8, chunk_ns=(), first_answer_chunk=None, end_ns=SECOND_NS, output_tokens=30),
        load_sample(9.5, chunk_ns=(), first_answer_chunk=None, end_ns=SECOND_NS, output_tokens=30),
    ]

    assert summary(load_level(samples)).throughput_tokens_per_s == 3


def test_tokens_of_failed_answers_are_lost() -> None:
    cut_off = failed_load_sample(4, "cut-off", chunk_ns=(SECOND_NS,), first_answer_chunk=0, output_tokens=50)

    assert summary(load_level([load_sample(1), cut_off])).throughput_tokens_per_s == pytest.approx(1.1)


@pytest.mark.parametrize(
    "level",
    [
        load_level([load_sample(1), load_sample(2, output_tokens=None)]),
        load_level([failed_load_sample(1)]),
        load_level([]),
        load_level([load_sample(0)], window_s=(5, 5)),
        load_level([load_sample(20)]),
    ],
    ids=["not counted", "failed", "empty", "no window", "outside"],
)
def test_a_throughput_that_nobody_can_tell_is_none(level: LoadLevel) -> None:
    assert summary(level).throughput_tokens_per_s is None


def test_answers_count_where_they_end() -> None:
    # Ends at 3, 8 and 13.5 s: two of them in the 10 s from 2 to 12 s.
    assert summary(ACROSS).answers_per_s == 0.2
    assert summary(load_level([load_sample(1)], window_s=(3, 3))).answers_per_s is None
    assert summary(load_level([failed_load_sample(1)])).answers_per_s == 0


def test_requests_under_way_are_averaged_over_the_window() -> None:
    # From 0 to 3, 5 to 8 and 11 to 13.5 s: 1 + 3 + 1 s of the 10 s from 2 to 12 s.
    assert summary(ACROSS).under_way == pytest.approx(0.5)
    assert summary(load_level([], window_s=(3, 3))).under_way is None
    # A failed request counts until the last thing known of it.
    broken = failed_load_sample(4, "connection", chunk_ns=(2 * SECOND_NS,), first_answer_chunk=0)
    assert summary(load_level([broken])).under_way == pytest.approx(0.2)


def test_little_s_law() -> None:
    # Ten answers of 2 s each in 10 s, two at a time: 1/s * 2 s = 2 under way.
    level = load_level([load_sample(2 * number, took_s=2, stream=way) for number in range(5) for way in (0, 1)])
    found = summary(level)

    assert found.by_little == pytest.approx(2)
    assert found.under_way == pytest.approx(2)


def test_only_measured_requests_are_in_latencies_and_counts() -> None:
    level = load_level(
        [
            load_sample(0, 9, 9, phase="warm-up"),
            load_sample(3, 0.5, 1.5),
            load_sample(5, 1.5, 2.5),
            failed_load_sample(6),
            failed_load_sample(7, "reset"),
            failed_load_sample(8, "reset"),
            load_sample(11, 7, 7, phase="cool-down"),
        ],
        window_s=(2, 10),
    )
    found = summary(level)

    assert (found.measured, found.good, found.failed) == (5, 2, 3)
    assert found.failure_kinds == {"reset": 2, "timeout": 1}
    assert found.value("ttft_s") == 1
    assert found.value("e2e_s.maximum") == 2.5
    # (1.5 - 0.5) s and (2.5 - 1.5) s for 10 further tokens each.
    assert found.value("tpot_s") == pytest.approx(0.1)


def test_latency_from_the_schedule_holds_what_the_client_waited() -> None:
    samples = [load_sample(place + place / 10, 0.5, 1.0, scheduled_s=place) for place in range(5)]
    found = summary(load_level(samples, rate_per_s=1.0))

    # Sent 0, 0.1, 0.2, 0.3 and 0.4 s late.
    assert found.value("lateness_s") == pytest.approx(0.2)
    assert found.value("lateness_s.maximum") == pytest.approx(0.4)
    assert found.value("e2e_s.maximum") == 1.0
    assert found.value("scheduled_e2e_s.maximum") == pytest.approx(1.4)
    assert found.value("scheduled_ttft_s") == pytest.approx(0.7)
    assert found.value("due_per_s") == 0.5


def test_a_closed_loop_has_no_schedule() -> None:
    found = summary(load_level([load_sample(1)]))

    for metric_id in ("scheduled_e2e_s", "scheduled_ttft_s.p95", "lateness_s", "due_per_s", "latency_growth"):
        assert found.value(metric_id) is None
        assert found.why_undefined(metric_id) == "a closed loop has no schedule"


def test_percentiles_need_as_many_requests_as_anywhere() -> None:
    # 0.01 to 0.21 s: the p95 of 21 values is at rank 19.
    found = summary(load_level([load_sample(place / 10, took_s=(place + 51) / 100) for place in range(21)]))
    few = summary(load_level([load_sample(place) for place in range(7)]))

    assert found.value("e2e_s.p95") == pytest.approx(0.7)
    assert found.value("e2e_s.p99") is None
    assert found.why_undefined("e2e_s.p99") == "21 requests; a p99 needs 100"
    assert few.why_undefined("ttft_s.p95") == "7 requests; a p95 needs 20"
    assert few.why_undefined("itl_s.p95") == "7 gaps; a p95 needs 20"


# Four requests: text after 0.5 s and done after 1 s; after 0.5 and 3 s; after 2 and 2.5 s; failed.
MIXED = [load_sample(0), load_sample(1, 0.5, 3.0), load_sample(2, 2.0, 2.5), failed_load_sample(3)]


@pytest.mark.parametrize(
    ("limits", "kept"),
    [
        ({"ttft_s": 1.0}, 2),
        ({"e2e_s": 2.5}, 2),
        # TPOT is 0.05, 0.25 and 0.05 s.
        ({"tpot_s": 0.1}, 2),
        ({"ttft_s": 1.0, "tpot_s": 0.1, "e2e_s": 2.5}, 1),
        ({"ttft_s": 0.1}, 0),
        ({"e2e_s": 60.0}, 3),
    ],
)
def test_goodput_is_of_all_measured_requests(limits: dict[str, float | None], kept: int) -> None:
    found = summary(load_level(MIXED), limits).goodput

    assert isinstance(found, Goodput)
    assert found.kept == kept
    assert found.share == kept / 4
    assert found.per_s == kept / 10
    assert found.limits == Limits(limits.get("ttft_s"), limits.get("tpot_s"), limits.get("e2e_s"))


def test_goodput_counts_from_the_schedule() -> None:
    # First text 0.5 s after the send, of which one was 0.8 s late.
    samples = [load_sample(1, scheduled_s=1), load_sample(2.8, scheduled_s=2)]
    found = summary(load_level(samples, rate_per_s=1.0), {"ttft_s": 1.0})

    assert found.value("goodput_share") == 0.5


def test_an_answer_of_one_token_keeps_any_limit_of_tpot() -> None:
    level = load_level([load_sample(1, 0.5, 0.5, output_tokens=1)])

    assert summary(level, {"tpot_s": 0.001}).value("goodput_share") == 1


@pytest.mark.parametrize(
    ("level", "limits", "why"),
    [
        (load_level(MIXED), None, "the config sets no limits (load.goodput)"),
        (load_level(MIXED), {"ttft_s": None}, "the config sets no limits (load.goodput)"),
        (load_level([]), {"ttft_s": 1.0}, "no request was measured"),
        (
            load_level([load_sample(1, chunk_ns=(), first_answer_chunk=None, end_ns=SECOND_NS)]),
            {"ttft_s": 1.0},
            "the limit is one of TTFT, and nothing was streamed",
        ),
        (
            load_level([load_sample(1, output_tokens=None)]),
            {"tpot_s": 1.0},
            "the limit is one of TPOT, and nobody counted the output tokens",
        ),
        (load_level(MIXED, window_s=(4, 4)), {"ttft_s": 1.0}, "the level ended before its window began"),
    ],
    ids=["no limits", "empty limits", "no request", "not streamed", "not counted", "no window"],
)
def test_goodput_that_nobody_can_tell_says_why(
    level: LoadLevel, limits: dict[str, float | None] | None, why: str
) -> None:
    found = summary(level, limits)

    assert found.goodput == NoGoodput(why)
    assert found.value("goodput_share") is None
    assert found.why_undefined("goodput_per_s") == why


def test_gaps_of_samples_are_exact() -> None:
    # Gaps of 10, 20 and 300 ms.
    stamps = (0, 10_000_000, 30_000_000, 330_000_000)
    found = summary(load_level([load_sample(1, chunk_ns=stamps, end_ns=SECOND_NS)])).gaps

    assert found is not None
    assert (found.count, found.p50, found.maximum, found.stalls, found.relative_error) == (3, 0.02, 0.3, 1, 0)


# Half widths of a half: bins end at 1,000, 2,250 and 5,062.5 ns, with their centres at 500, 1,500 and 3,375 ns.
WIDE: dict[str, Any] = {"relative_error": 0.5, "first_ns": 1_000, "longest_ns": 3_000, "over_200_ms": 0}


def test_gaps_of_a_histogram_are_the_centres_of_their_bins() -> None:
    found = gaps_of_histogram(GapHistogram(counts={"0": 1, "1": 3, "2": 1}, **WIDE))

    assert found is not None
    assert found.count == 5
    assert found.p50 == pytest.approx(1_500e-9)
    # A percentile of 5 gaps beyond the median is of none of them.
    assert (found.p95, found.p99) == (None, None)
    assert found.maximum == 3_000e-9
    assert found.relative_error == 0.5


def test_percentiles_of_a_histogram_lie_between_two_centres_and_never_above_the_longest() -> None:
    # 20 gaps: rank 18.05 lies a twentieth of the way from the 19th, of 1,500 ns, to the 20th, of 3,000 at the longest.
    found = gaps_of_histogram(GapHistogram(counts={"1": 19, "2": 1}, **WIDE))

    assert found is not None
    assert found.p95 == pytest.approx(1_575e-9)


def test_an_empty_histogram_has_no_gaps() -> None:
    assert gaps_of_histogram(GapHistogram(counts={"0": 0}, **(WIDE | {"longest_ns": 0}))) is None


def test_a_level_with_a_histogram_takes_its_gaps_from_there() -> None:
    histogram = GapHistogram(counts={"1": 200}, **(WIDE | {"over_200_ms": 4}))
    found = summary(load_level([load_sample(1)], gaps=histogram))

    assert found.value("itl_s.p99") == pytest.approx(1_500e-9)
    assert found.value("stalls_count") == 4


def test_a_client_near_one_core_may_be_what_limits() -> None:
    bound = summary(load_level([load_sample(1)], client_cpu_ns=8 * SECOND_NS))
    idle = summary(load_level([load_sample(1)], client_cpu_ns=7 * SECOND_NS))
    unknown = summary(load_level([load_sample(1)]))

    assert (bound.client_share, bound.client_bound) == (0.8, True)
    assert (idle.client_share, idle.client_bound) == (0.7, False)
    assert (unknown.client_share, unknown.client_bound) == (None, False)
    assert unknown.why_undefined("client_share") == (
        "the model runs in the asking process, or its processor time was not read"
    )


@pytest.mark.parametrize(("streams", "checked"), [(1, 1), (2, 16), (16, 16), (64, 16)])
def test_the_client_s_error_is_that_with_as_many_streams(streams: int, checked: int) -> None:
    checks = tuple(
        ClientCheck(transport="direct", stamped_by="process", streams=number, ttft_error_ns=(1,), gap_error_ns=(1,))
        for number in (16, 1)
    )
    found = summary(load_level([load_sample(1)], streams=streams), client=checks).client_error

    assert found is not None
    assert found.streams == checked


def test_a_level_of_failures_has_reasons_for_what_it_lacks() -> None:
    found = summary(load_level([failed_load_sample(1, "refused")], ended_early="every request failed"))

    assert found.answers_per_s == 0
    assert found.value("e2e_s") is None
    assert found.why_undefined("e2e_s.p95") == "no good answer among the measured requests"
    assert found.why_undefined("under_way_by_little") == "no good answer among the measured requests"
    assert summary(load_level([])).why_undefined("ttft_s") == "no request was measured"


def test_every_metric_has_a_value_or_a_reason() -> None:
    levels = [
        load_level(MIXED),
        load_level([]),
        load_level([load_sample(1, scheduled_s=1)], rate_per_s=0.5),
        load_level([], window_s=(0, 0), rate_per_s=2.0, ended_early="stopped"),
        load_level([load_sample(1, chunk_ns=(), first_answer_chunk=None, end_ns=SECOND_NS)]),
    ]
    for level in levels:
        for one in measured_in("level"):
            found = summary(level)
            assert (found.value(one.id) is None) == (found.why_undefined(one.id) is not None), one.id


def test_levels_are_the_same_by_arrivals_and_streams_or_rate() -> None:
    assert level_key(load_level(streams=8)) == LevelKey("closed", 8, None)
    assert level_key(load_level(streams=8)).words == "closed loop, 8 streams"
    assert level_key(load_level()).words == "closed loop, 1 stream"
    assert level_key(load_level(rate_per_s=4.0)).words == "poisson, 4/s, up to 64 streams"
    assert level_key(load_level(rate_per_s=0.25, arrivals="constant", streams=2)).words == (
        "constant, 0.25/s, up to 2 streams"
    )


def test_an_unknown_metric_or_statistic_is_refused() -> None:
    found = summary(load_level([load_sample(1)]))

    with pytest.raises(KeyError, match="unknown metric of a level 'latency'; known: ttft_s, scheduled_ttft_s, tpot_s,"):
        found.value("latency")
    with pytest.raises(KeyError, match="unknown metric of a level 'cold_load_s'"):
        found.value("cold_load_s")
    with pytest.raises(KeyError, match=r"unknown statistic in 'ttft_s\.p42'"):
        found.value("ttft_s.p42")
    with pytest.raises(KeyError, match=r"unknown statistic in 'under_way\.p95': under_way is a single number"):
        found.value("under_way.p95")
