"""What the client can tell apart, worked out by hand."""

from typing import Any

import pytest

from bench.metrics.client_error import client_error, error_of, resolvable, smallest_resolvable_s, stamped_by
from bench.schema.machine import ClientCheck
from bench.schema.sample import Failure
from tests.builders import model_run, result, sample

US = 1_000


def check(**fields: Any) -> ClientCheck:
    defaults: dict[str, Any] = {
        "transport": "direct",
        "stamped_by": "process",
        "streams": 1,
        "ttft_error_ns": (100 * US, 300 * US, 200 * US),
        "gap_error_ns": (-50 * US, 10 * US, 30 * US, 20 * US),
    }
    return ClientCheck(**(defaults | fields))


def test_early_and_late_are_errors_alike() -> None:
    error = error_of(check())

    assert error.ttft is not None
    assert (error.ttft.count, error.ttft.p99_s) == (3, None)
    assert error.ttft.p50_s == pytest.approx(200e-6)
    assert error.ttft.bound_s == error.ttft.largest_s == pytest.approx(300e-6)
    assert error.gap is not None
    assert error.gap.p50_s == pytest.approx(25e-6)
    assert error.gap.largest_s == pytest.approx(50e-6)


def test_a_p99_takes_a_hundred_values() -> None:
    # 1 to 101 µs: the rank of the p99 is 0.99 * 100, which is the value 100 µs.
    size = error_of(check(ttft_error_ns=tuple(number * US for number in range(1, 102)))).ttft

    assert size is not None
    assert size.p99_s == pytest.approx(100e-6)
    assert size.resolvable_s == pytest.approx(300e-6)


def test_below_three_times_the_error_nothing_can_be_told() -> None:
    error = error_of(check())

    assert smallest_resolvable_s("ttft_s.p95", error) == pytest.approx(900e-6)
    assert smallest_resolvable_s("itl_s", error) == pytest.approx(150e-6)
    assert not resolvable("ttft_s", 899e-6, error)
    assert resolvable("ttft_s", 901e-6, error)
    assert not resolvable("longest_stall_s.maximum", 149e-6, error)


def test_what_is_no_latency_of_the_client_has_no_limit() -> None:
    error = error_of(check(gap_error_ns=()))

    for metric_id in ("cold_load_s", "decode_tokens_per_s", "score", "itl_s"):
        assert resolvable(metric_id, 0.0, error)
    assert resolvable("ttft_s", 0.0, None)


def test_a_model_has_the_error_of_its_own_transport_with_the_fewest_streams() -> None:
    checks = (check(streams=16), check(), check(transport="package", streams=8))
    models = [
        model_run(name="direct", transport="direct"),
        model_run(name="package", transport="package"),
        model_run(name="inside", transport="in-process"),
    ]
    run = result(models, client=checks)

    found = [client_error(run, model) for model in models]

    assert [None if one is None else (one.transport, one.streams) for one in found] == [
        ("direct", 1),
        ("package", 8),
        None,
    ]


@pytest.mark.parametrize(
    ("stamped", "checked", "found"),
    [
        (("kernel", "kernel"), ("process", "kernel"), "kernel"),
        (("kernel", "process"), ("process", "kernel"), "process"),
        (("process", "process"), ("process", "kernel"), "process"),
        (("kernel", "kernel"), ("process",), "process"),
        (("process", "process"), ("kernel",), None),
    ],
    ids=["all", "all but one", "none", "not checked", "only the other checked"],
)
def test_a_model_has_the_error_of_who_stamped_its_answers(
    stamped: tuple[str, ...], checked: tuple[str, ...], found: str | None
) -> None:
    samples = tuple(sample(round=number, stamped_by=by) for number, by in enumerate(stamped, start=1))
    model = model_run(transport="direct", samples=samples)

    error = client_error(result([model], client=tuple(check(stamped_by=by) for by in checked)), model)

    assert (error and error.stamped_by) == found


def test_a_failed_request_does_not_say_who_stamped() -> None:
    failed = Failure(kind="refused", message="nobody answers")
    samples = (sample(stamped_by="kernel"), sample(stamped_by="process", failure=failed))

    assert stamped_by(samples) == "kernel"
    assert stamped_by(samples[1:]) == "process"
