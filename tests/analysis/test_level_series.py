"""Levels of load over runs: which histories they make, and which of their metrics shift."""

from collections.abc import Callable
from typing import Any

import pytest

from bench.analysis.changes import LevelShift, Shifts, shifts
from bench.analysis.contexts import Differing
from bench.analysis.measurements import Stratum, watched
from bench.analysis.summary import summarise
from bench.metrics.load import LevelKey
from bench.schema.load import LoadLevel
from bench.schema.result import Result
from tests import builders
from tests.daily_runs import daily_runs
from tests.load_builders import failed_load_sample, load_level, load_sample

STEP = 12
SIXTEEN = LevelKey("closed", 16, None)
A_RATE = LevelKey("poisson", 64, 4.0)


def asked(ttft_s: float, **fields: Any) -> LoadLevel:
    """Return 40 requests, 0.2 s apart and of 1 s each, whose first text comes after so long."""
    samples = [load_sample(place * 0.2, ttft_s, 1.0, prompt=f"p{place % 2 + 1}") for place in range(40)]
    return load_level(samples, **fields)


def late(scheduled_late_s: float) -> LoadLevel:
    """Return 40 requests of a schedule, each sent so much later than it was due."""
    samples = [
        load_sample(place * 0.2 + 1, 0.4, 1.0, scheduled_s=place * 0.2 + 1 - scheduled_late_s) for place in range(40)
    ]
    return load_level(samples, rate_per_s=4.0)


def stepping(before: Any, after: Any) -> Callable[[int, str], dict[str, Any]]:
    return lambda day, name: {"load": after if day >= STEP else before}


def loaded(load: Callable[[int, str], dict[str, Any]], days: int = 20, **fields: Any) -> tuple[Result, ...]:
    return daily_runs(range(days), noise=0.0, model=load, **fields)


def found(*results: Result) -> Shifts:
    return shifts([summarise(result) for result in results])


def shown(some: Shifts) -> list[tuple[str, str]]:
    return [("" if one.key.level is None else one.key.level.words, one.key.metric_id) for one in some.all]


def of_metric(some: Shifts, metric_id: str) -> LevelShift:
    (one,) = [one for one in some.all if one.key.metric_id == metric_id]
    return one


TTFT_AT_SIXTEEN = stepping(
    (asked(0.1, streams=4), asked(0.4, streams=16)), (asked(0.1, streams=4), asked(0.5, streams=16))
)


def test_a_shift_at_one_level_of_load_is_found_there_and_nowhere_else() -> None:
    some = found(*loaded(TTFT_AT_SIXTEEN))

    assert shown(some) == [("closed loop, 16 streams", "ttft_s"), ("closed loop, 16 streams", "ttft_s.p95")]
    p95 = of_metric(some, "ttft_s.p95")
    assert (p95.change.status, p95.place, p95.verdict) == ("confirmed", STEP, "worse")
    # All 40 requests of a run have the same TTFT, and so the same percentiles: 0.4 s, then 0.5 s.
    assert [p95.change.before, p95.change.after] == pytest.approx([0.4, 0.5])
    assert p95.change.effect == pytest.approx(0.25)
    assert p95.suspects == (Differing("commit", "000000000b", "000000000c"),)
    assert p95.key.metric.symbol == "TTFT"


def test_a_shift_at_a_level_is_suspected_first() -> None:
    some = found(*loaded(TTFT_AT_SIXTEEN, days=STEP + 1))

    assert [(one.key.metric_id, one.change.status, one.change.runs) for one in some.all] == [
        ("ttft_s", "suspected", 1),
        ("ttft_s.p95", "suspected", 1),
    ]


def test_each_level_has_a_history_beside_that_of_the_model() -> None:
    some = found(*loaded(TTFT_AT_SIXTEEN, days=3))

    assert [one.context.load for one in some.histories] == [
        "one stream",
        "closed loop, 4 streams",
        "closed loop, 16 streams",
    ]
    assert [one.level for one in some.histories] == [None, LevelKey("closed", 4, None), SIXTEEN]
    assert list(some.histories[2].values("ttft_s.p95")) == pytest.approx([0.4] * 3)
    assert some.histories[2].values("good_share") == (1.0, 1.0, 1.0)


def test_a_history_of_a_level_has_the_runs_with_that_level_alone() -> None:
    # Every third run has no level at all, and in another one no request of it was answered.
    refused = load_level([failed_load_sample(1, "refused")], streams=16)

    def load(day: int, name: str) -> dict[str, Any]:
        if day % 3 == 0:
            return {}
        return {"load": (refused if day == 5 else asked(0.4 if day < STEP else 0.5, streams=16),)}

    runs = loaded(load, days=24)
    some = found(*runs)

    assert len(some.histories[0].runs) == 24
    assert len(some.histories[1].runs) == 15
    p95 = of_metric(some, "ttft_s.p95")
    # Day 12 has no level: the last run before the step is that of day 11, the first after it that of day 13.
    assert (p95.before.run.id, p95.after.run.id) == (runs[11].run.id, runs[13].run.id)
    # Of the days 1 to 11 seven have an answered level: 1, 2, 4, 7, 8, 10 and 11.
    assert p95.place == 7


def test_what_is_known_of_a_model_does_not_depend_on_its_levels() -> None:
    slower: Any = {"slower": lambda day, name: 1.25 if day >= STEP else 1.0, "noise": 0.02}
    many = tuple(asked(0.1, streams=streams) for streams in range(1, 9))
    alone = found(*daily_runs(range(20), **slower))
    with_load = found(*daily_runs(range(20), model=lambda day, name: {"load": many}, **slower))

    assert len(with_load.histories) == 9
    assert [(one.key, one.change) for one in with_load.all] == [(one.key, one.change) for one in alone.all]


def test_of_equal_levels_in_a_run_the_first_is_watched() -> None:
    some = found(*loaded(lambda day, name: {"load": (asked(0.4, streams=16), asked(0.9, streams=16))}, days=2))

    assert list(some.histories[1].values("ttft_s")) == pytest.approx([0.4] * 2)


def test_latencies_of_a_level_with_a_schedule_count_from_it() -> None:
    some = found(*loaded(stepping((late(0.0),), (late(0.1),))))

    # 0.4 s from the send, 0.5 s from the schedule; 1.0 and 1.1 s to the end.
    assert shown(some) == [
        ("poisson, 4/s, up to 64 streams", metric_id)
        for metric_id in ("scheduled_ttft_s", "scheduled_ttft_s.p95", "scheduled_e2e_s", "scheduled_e2e_s.p95")
    ]
    assert of_metric(some, "scheduled_ttft_s.p95").change.effect == pytest.approx(0.25)
    assert of_metric(some, "scheduled_e2e_s").change.effect == pytest.approx(0.1)
    assert of_metric(some, "scheduled_e2e_s").key.metric.symbol == "Latency"


def test_failures_at_a_level_are_a_share_that_shifts() -> None:
    good = asked(0.4, streams=16)
    broken = [failed_load_sample(sample.start_ns / 1e9, prompt=sample.prompt) for sample in good.samples[:20]]
    half = load_level([*broken, *good.samples[20:]], streams=16)

    some = found(*loaded(stepping((good,), (half,))))

    share = of_metric(some, "good_share")
    assert [share.change.before, share.change.after] == pytest.approx([1.0, 0.5])
    assert share.verdict == "worse"


def test_goodput_is_only_compared_under_the_newest_limits() -> None:
    def limited(day: int) -> dict[str, Any]:
        limits = {"ttft_s": 0.3 if day < 2 else 0.45}
        return {"config": builders.config(resolved=builders.config().resolved | {"load": {"goodput": limits}})}

    some = found(*loaded(lambda day, name: {"load": (asked(0.4, streams=16),)}, days=4, run=limited))

    assert some.histories[1].values("goodput_share") == (None, None, 1.0, 1.0)


def test_latencies_are_watched_from_the_schedule_where_there_is_one() -> None:
    closed, scheduled = watched(Stratum(level=SIXTEEN)), watched(Stratum(level=A_RATE))

    assert dict(zip(closed, scheduled, strict=True)) == {one: one for one in closed} | {
        "ttft_s": "scheduled_ttft_s",
        "ttft_s.p95": "scheduled_ttft_s.p95",
        "e2e_s": "scheduled_e2e_s",
        "e2e_s.p95": "scheduled_e2e_s.p95",
    }


def test_levels_stand_by_their_streams_and_then_by_their_rate() -> None:
    keys = [A_RATE, SIXTEEN, LevelKey("constant", 8, 2.0), LevelKey("closed", 2, None)]

    assert sorted(keys, key=lambda key: key.place) == [
        LevelKey("closed", 2, None),
        SIXTEEN,
        LevelKey("constant", 8, 2.0),
        A_RATE,
    ]
