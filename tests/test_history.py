"""Series over time, and what keeps two numbers apart."""

from datetime import UTC, datetime
from typing import Any

import pytest

from bench.analysis.history import ONE_STREAM, Point, context_key, contexts, level_series, series
from bench.analysis.load import LevelKey
from bench.results.schema import Result
from tests import builders
from tests.builders import model_run, result, samples
from tests.load_builders import failed_load_sample, load_level, load_sample, steady_level


def run_on(day: int, latency_s: float, model: dict[str, Any] | None = None, **fields: Any) -> Result:
    """Return a run of January 2026 in which each of 20 samples took so long."""
    runs = [model_run(samples=samples([latency_s] * 20), **(model or {}))]
    return result(runs, started_utc=datetime(2026, 1, day, tzinfo=UTC), commit=f"c{day:09}", **fields)


def test_points_are_oldest_first_whatever_the_order_of_the_results() -> None:
    runs = [run_on(9, 2.0), run_on(1, 1.0), run_on(5, 4.0)]

    assert series(runs, "laptop", "tiny", "e2e_s") == tuple(
        Point(
            run_id=f"laptop/202601{day:02}T000000Z-c{day:09}-default",
            started_utc=datetime(2026, 1, day, tzinfo=UTC),
            commit=f"c{day:09}",
            tool_version="0.1.0",
            value=value,
            config="default",
        )
        for day, value in ((1, 1.0), (5, 4.0), (9, 2.0))
    )


def test_the_median_unless_another_statistic_is_named() -> None:
    latencies = [1.0] * 19 + [21.0]
    run = result([model_run(samples=samples(latencies))])

    # The p95 of 20 values is at rank 18.05: a twentieth of the way from 1 to 21.
    assert [point.value for point in series([run], "laptop", "tiny", "e2e_s")] == [1.0]
    assert [point.value for point in series([run], "laptop", "tiny", "e2e_s.p95")] == [pytest.approx(2.0)]
    assert [point.value for point in series([run], "laptop", "tiny", "footprint_bytes")] == [2_100_000]


def test_a_run_without_a_value_stays_as_a_gap() -> None:
    runs = [run_on(1, 1.0), run_on(2, 1.0, {"memory_peak_bytes": None}), run_on(3, 1.0)]

    values = [point.value for point in series(runs, "laptop", "tiny", "memory_peak_bytes")]
    assert values == [75_000_000, None, 75_000_000]


@pytest.mark.parametrize(
    "change",
    [
        {"model": {"device": "GPU"}},
        {"model": {"execution_provider": "CUDAExecutionProvider"}},
        {"model": {"provider": "openai"}},
        {"prompt_set": builders.prompt_set(sha256="6" * 64)},
        {"config": builders.config(resolved={"stream": True, "generation": {"temperature": 0.7}})},
        {"config": builders.config(resolved=builders.config().resolved | {"stream": False})},
    ],
    ids=["device", "execution provider", "provider", "prompts", "generation", "stream"],
)
def test_another_context_is_another_series(change: dict[str, Any]) -> None:
    before, after = run_on(1, 1.0), run_on(2, 9.0, **change)
    old, new = context_key(before, before.models[0]), context_key(after, after.models[0])

    assert old != new
    assert [point.value for point in series([before, after], "laptop", "tiny", "e2e_s")] == [9.0]
    assert contexts([before, after], "laptop", "tiny") == (new, old)


def test_rounds_versions_and_names_of_configs_are_no_context() -> None:
    before = run_on(1, 1.0)
    after = run_on(
        2,
        2.0,
        model={"variant_version": "2", "precision": "int4"},
        config=builders.config(name="quick", sha256="d" * 64, resolved=builders.config().resolved | {"rounds": 9}),
        machine=builders.machine(versions={"foundry-local-sdk": "3.0"}),
    )

    points = series([before, after], "laptop", "tiny", "e2e_s")
    assert [(point.value, point.config) for point in points] == [(1.0, "default"), (2.0, "quick")]


def test_machines_and_models_are_kept_apart() -> None:
    runs = [run_on(1, 1.0), run_on(2, 2.0, machine_name="kiosk"), run_on(3, 3.0, {"name": "other"})]

    assert [point.value for point in series(runs, "laptop", "tiny", "e2e_s")] == [1.0]
    assert [point.value for point in series(runs, "kiosk", "tiny", "e2e_s")] == [2.0]


def test_a_model_that_failed_to_load_does_not_hide_its_history() -> None:
    # It has no device, so its context is another one.
    failed = builders.failed_model(name="tiny", device=None, execution_provider=None)
    last = result([failed], started_utc=datetime(2026, 1, 2, tzinfo=UTC))
    runs = [run_on(1, 1.0), last]

    assert [point.value for point in series(runs, "laptop", "tiny", "e2e_s")] == [1.0]
    assert contexts(runs, "laptop", "tiny")[1] == context_key(last, failed)
    assert [point.value for point in series([last], "laptop", "tiny", "e2e_s")] == [None]


def test_nothing_known_is_an_empty_series() -> None:
    assert series([], "laptop", "tiny", "e2e_s") == ()
    assert series([run_on(1, 1.0)], "laptop", "unknown", "e2e_s") == ()
    assert contexts([], "laptop", "tiny") == ()


def test_an_unknown_metric_is_refused_even_without_results() -> None:
    with pytest.raises(KeyError, match="unknown metric 'latency'"):
        series([], "laptop", "tiny", "latency")


FOUR = LevelKey("closed", 4, None)


def loaded_on(day: int, tokens_per_s: float, **fields: Any) -> Result:
    """Return a run of January 2026 with levels of 1 and 4 streams, the second with this throughput."""
    limits = fields.pop("limits", {"e2e_s": 1.0})
    levels = fields.pop("load", (steady_level(1, 50), steady_level(4, tokens_per_s)))
    resolved = builders.config().resolved | {"load": {"goodput": limits}}
    return run_on(day, 1.0, {"load": levels} | fields, config=builders.config(resolved=resolved))


def test_a_level_of_load_has_a_series_of_its_own() -> None:
    runs = [loaded_on(2, 320), loaded_on(1, 300), run_on(3, 1.0)]

    assert [point.value for point in level_series(runs, "laptop", "tiny", FOUR, "throughput_tokens_per_s")] == [
        300,
        320,
    ]
    # 20 answers in 10 s.
    assert [point.value for point in level_series(runs, "laptop", "tiny", FOUR, "e2e_s.p95")] == [0.5, 0.5]
    assert [point.value for point in series(runs, "laptop", "tiny", "throughput_tokens_per_s")] == [11, 11, 11]


def test_load_is_part_of_a_context() -> None:
    run = loaded_on(1, 300)
    model = run.models[0]

    assert context_key(run, model).load == ONE_STREAM
    assert context_key(run, model, FOUR.words).load == "closed loop, 4 streams"
    # One stream in a closed loop asks without a pause, in another order: it is a level like the others.
    assert context_key(run, model) != context_key(run, model, LevelKey("closed", 1, None).words)


@pytest.mark.parametrize(
    "key", [LevelKey("closed", 2, None), LevelKey("poisson", 64, 4.0), LevelKey("constant", 64, 2.0)]
)
def test_levels_match_by_arrivals_streams_and_rate(key: LevelKey) -> None:
    rate = load_level([load_sample(1, scheduled_s=1)], rate_per_s=2.0)
    runs = [loaded_on(1, 300, load=(steady_level(4, 300), rate))]

    assert level_series(runs, "laptop", "tiny", key, "e2e_s") == ()
    found = level_series(runs, "laptop", "tiny", LevelKey("poisson", 64, 2.0), "e2e_s")
    assert [point.value for point in found] == [1.0]


def test_a_level_in_another_context_is_left_out() -> None:
    runs = [loaded_on(1, 300, device="GPU"), loaded_on(2, 100), loaded_on(3, 110)]

    found = level_series(runs, "laptop", "tiny", FOUR, "throughput_tokens_per_s")
    assert [point.value for point in found] == [100, 110]


def test_a_level_that_failed_does_not_hide_the_others() -> None:
    failed = load_level([failed_load_sample(1, "refused")], streams=4)
    runs = [loaded_on(1, 300), loaded_on(2, 0, load=(failed,), device=None)]

    found = level_series(runs, "laptop", "tiny", FOUR, "throughput_tokens_per_s")
    assert [point.value for point in found] == [300]
    alone = level_series(runs[1:], "laptop", "tiny", FOUR, "throughput_tokens_per_s")
    assert [point.value for point in alone] == [None]


def test_goodput_is_compared_under_the_same_limits_only() -> None:
    runs = [loaded_on(1, 300), loaded_on(2, 300, limits={"e2e_s": 0.1})]

    assert [point.value for point in level_series(runs, "laptop", "tiny", FOUR, "goodput_share")] == [0.0]
    assert len(level_series(runs, "laptop", "tiny", FOUR, "e2e_s")) == 2


def test_an_unknown_metric_of_a_level_is_refused_even_without_results() -> None:
    with pytest.raises(KeyError, match="unknown metric of a level 'score'"):
        level_series([], "laptop", "tiny", FOUR, "score")
