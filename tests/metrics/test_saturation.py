"""Knees, ends of sweeps, and rates that a model sustains, worked out by hand."""

import random
from typing import Any

import pytest

from bench.metrics.load import LevelSummary, RateVerdict, level_summaries, resistant_slope
from bench.metrics.saturation import Knee, NoKnee, SweepEnd, knee, sweep_end
from bench.report.reasons import rate_words
from bench.schema.load import LoadLevel
from bench.schema.result import Result
from bench.schema.sample import Failure
from tests.builders import config, model_run, result, run_info
from tests.load_builders import failed_load_sample, load_level, load_sample, steady_level


def loaded(levels: list[LoadLevel], sweep: dict[str, float] | None = None, **fields: Any) -> Result:
    """Return a run of one model with these levels."""
    run = fields.pop("run", run_info())
    resolved = {"load": {"sweep": sweep or {"growth": 1.1, "max_streams": 64}}}
    return result([model_run(load=tuple(levels), **fields)], config=config(resolved=resolved), run=run)


def knee_of(levels: list[LoadLevel]) -> Knee | NoKnee:
    run = loaded(levels)
    return knee(level_summaries(run, run.models[0]))


def verdict_of(level: LoadLevel) -> RateVerdict | None:
    run = loaded([level])
    return LevelSummary(run, run.models[0], level).verdict


def end_of(run: Result) -> SweepEnd | None:
    model = run.models[0]
    return sweep_end(run, model, level_summaries(run, model))


def test_the_knee_has_nine_tenths_of_the_highest_throughput() -> None:
    # The highest is 400; 4 streams have 360 of it, which is 90%, and 2 have 70%.
    levels = [steady_level(*one) for one in ((1, 160), (2, 280), (4, 360), (8, 400), (16, 380))]
    found = knee_of(levels)

    assert isinstance(found, Knee)
    assert found.level.key.streams == 4
    assert found.best.key.streams == 8
    assert found.share == pytest.approx(0.9)
    assert (found.unit, found.still_growing) == ("tokens/s", False)


def test_a_knee_at_the_last_level_may_lie_beyond_it() -> None:
    found = knee_of([steady_level(*one) for one in ((1, 100), (2, 200), (4, 400))])

    assert isinstance(found, Knee)
    assert (found.level.key.streams, found.still_growing) == (4, True)


def test_the_order_of_levels_and_a_level_that_came_twice_do_not_matter() -> None:
    levels = [steady_level(*one) for one in ((8, 400), (1, 200), (2, 360), (8, 4_000))]
    found = knee_of(levels)

    assert isinstance(found, Knee)
    assert found.level.key.streams == 2


def test_where_nobody_counted_tokens_answers_count() -> None:
    # 20, 38 and 40 answers in 10 s: 2 streams have 95% of the most.
    levels = [steady_level(streams, 100, answers) for streams, answers in ((1, 20), (2, 38), (4, 40))]
    first = levels[0].model_copy(
        update={"samples": tuple(one.model_copy(update={"output_tokens": None}) for one in levels[0].samples)}
    )
    found = knee_of([first, *levels[1:]])

    assert isinstance(found, Knee)
    assert (found.level.key.streams, found.unit) == (2, "answers/s")


def test_two_levels_have_no_knee() -> None:
    two = [steady_level(1, 100), steady_level(2, 200)]
    failed = load_level([failed_load_sample(1)], streams=4)
    rate = load_level([load_sample(1, scheduled_s=1)], rate_per_s=1.0)

    assert knee_of([*two, failed, rate]) == NoKnee("2 closed-loop levels have a throughput; a knee needs 3")
    assert knee_of(two[:1]) == NoKnee("1 closed-loop level has a throughput; a knee needs 3")
    assert knee_of([]) == NoKnee("0 closed-loop levels have a throughput; a knee needs 3")


def test_a_sweep_ends_where_throughput_no_longer_grows() -> None:
    levels = [steady_level(*one, swept=True) for one in ((1, 200), (2, 400), (4, 420))]

    assert end_of(loaded(levels)) == SweepEnd("saturated", 4, 1.05)


def test_a_sweep_ends_at_the_most_streams() -> None:
    levels = [steady_level(*one, swept=True) for one in ((1, 100), (2, 200), (3, 300))]

    assert end_of(loaded(levels, {"growth": 1.1, "max_streams": 3})) == SweepEnd("most-streams", 3, 1.5)


def test_a_level_that_the_config_names_as_well_is_one_of_the_sweep() -> None:
    levels = [
        steady_level(4, 420),
        steady_level(6, 1),
        *(steady_level(s, t, swept=True) for s, t in ((1, 200), (2, 400))),
    ]

    assert end_of(loaded(levels)) == SweepEnd("saturated", 4, 1.05)


@pytest.mark.parametrize(
    "fields",
    [
        {"run": run_info(status="partial")},
        {"failure": Failure(kind="crash", message="the process ended")},
    ],
    ids=["partial run", "the model failed"],
)
def test_a_sweep_can_be_cut_short(fields: dict[str, Any]) -> None:
    levels = [steady_level(*one, swept=True) for one in ((1, 100), (2, 200))]

    assert end_of(loaded(levels, **fields)) == SweepEnd("cut-short", 2, 2.0)


def test_a_sweep_whose_last_level_failed_is_cut_short() -> None:
    levels = [steady_level(1, 100), load_level([failed_load_sample(1)], streams=2, ended_early="every request failed")]

    assert end_of(loaded(levels)) == SweepEnd("cut-short", 2, None)


def test_no_sweep_no_end() -> None:
    run = result([model_run(load=(steady_level(1, 100),))], config=config(resolved={"load": {"sweep": None}}))

    assert end_of(run) is None
    assert end_of(loaded([])) is None


def test_the_resistant_line_goes_through_the_medians_of_the_outer_thirds() -> None:
    # Outer thirds (0,1) (1,2) (2,9) and (6,5) (7,50) (8,4): medians (1,2) and (7,5), so 3 in 6. Outliers do not matter.
    points = [(0, 1), (1, 2), (2, 9), (3, 0), (4, 0), (5, 0), (6, 5), (7, 50), (8, 4)]

    assert resistant_slope(points) == pytest.approx(0.5)
    assert resistant_slope(list(reversed(points))) == pytest.approx(0.5)
    assert resistant_slope([(0, 1), (1, 2)]) is None
    assert resistant_slope([(1, 1), (1, 2), (1, 3)]) is None


def open_level(latencies_s: list[float], rate_per_s: float, **fields: Any) -> LoadLevel:
    """Return a level of constant arrivals, each request sent when it was due, with these latencies."""
    samples = [
        load_sample(place / rate_per_s, latency / 2, latency, scheduled_s=place / rate_per_s)
        for place, latency in enumerate(latencies_s)
    ]
    return load_level(samples, (0, len(latencies_s) / rate_per_s), rate_per_s=rate_per_s, arrivals="constant", **fields)


def test_a_rate_is_sustained_where_latency_does_not_grow() -> None:
    # 40 requests at 4/s, 0.2 s each: all end inside the 10 s.
    found = verdict_of(open_level([0.2] * 40, 4.0))

    assert found == RateVerdict("sustained", "40 answers for 40 requests due", 1.0, 0.0)


def test_a_rate_is_overloaded_where_the_model_falls_behind() -> None:
    # Four a second are due, two a second answered: answer n ends at n/2 s, 20 of 40 in the 10 s; n/2 - n/4 behind.
    found = verdict_of(open_level([0.5 + place / 4 for place in range(40)], 4.0))

    assert found is not None
    assert found.word == "overloaded"
    assert found.answered_share == 0.5
    # One second later, one second more behind.
    assert found.growth == pytest.approx(1.0)
    assert rate_words(found) == "20 answers for 40 requests due, and latency grew by 1 s a second"


def test_requests_under_way_at_the_window_s_end_are_no_overload() -> None:
    # Each takes 1.1 s: the last four of 40 end after the window, and nothing grows.
    found = verdict_of(open_level([1.1] * 40, 4.0))

    assert found is not None
    assert (found.word, found.answered_share) == ("sustained", 36 / 40)


def test_a_rate_that_fails_is_not_sustained() -> None:
    level = open_level([0.2] * 40, 4.0)
    failed = [failed_load_sample(place / 4, "rate-limited", scheduled_s=place / 4) for place in range(2)]
    found = verdict_of(level.model_copy(update={"samples": (*failed, *level.samples[2:])}))

    assert found is not None
    assert (found.word, found.why) == ("failing", "2 of 40 requests failed")


def test_few_requests_tell_nothing_about_a_rate() -> None:
    assert verdict_of(open_level([0.2] * 19, 4.0)) == RateVerdict(
        "unknown", "19 requests were due; it takes 20 to tell", None, None
    )
    assert verdict_of(open_level([0.2], 4.0)) == RateVerdict(
        "unknown", "1 request was due; it takes 20 to tell", None, None
    )


def test_a_closed_loop_has_no_rate_to_sustain() -> None:
    assert verdict_of(steady_level(4, 100)) is None


@pytest.mark.parametrize(("load", "words"), [(0.6, {"sustained"}), (1.4, {"overloaded"})])
def test_a_queue_below_and_above_its_capacity(load: float, words: set[str]) -> None:
    # One server, 0.1 s an answer, requests at random times for 30 s after 2 s of warm-up; ten seeds.
    found = set()
    for seed in range(10):
        arrivals = random.Random(seed)
        samples, due_s, free_s = [], 0.0, 0.0
        while due_s < 40:
            due_s += arrivals.expovariate(load / 0.1)
            free_s = max(free_s, due_s) + 0.1
            phase = "warm-up" if due_s < 2 else "measured" if due_s < 32 else "cool-down"
            took_s = free_s - due_s
            samples.append(load_sample(due_s, took_s, took_s, scheduled_s=due_s, phase=phase))
        verdict = verdict_of(load_level(samples, (2, 32), rate_per_s=load / 0.1))
        assert verdict is not None
        found.add(verdict.word)

    assert found == words
