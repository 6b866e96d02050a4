"""The client's own error: the real reference server, and the arithmetic with numbers worked out by hand."""

from pathlib import Path

import pytest

from bench.config.settings import Config
from bench.providers.openai import kernel_stamps
from bench.providers.openai.endpoint import Transport
from bench.report.terminal import quantile_s
from bench.runner.calibration.client_check import (
    CalibrationRequest,
    Saw,
    Wrote,
    check,
    client_check,
    load,
    short_check,
    sustained,
)
from tests.interrupting import bench, only
from tests.kernel_stamps import given

ONE_SECOND_NS = 10**9


def test_errors_are_differences_of_durations() -> None:
    # The clocks need not have begun together: the server's readings are a million ahead.
    wrote = {"a": Wrote(received_ns=1_000_100, wrote_ns=(1_000_600, 1_001_600, 1_002_600))}
    saw = [Saw("a", start_ns=40, chunk_ns=(600, 1610, 2590))]

    checked = client_check("direct", 1, saw, wrote)

    assert checked.ttft_error_ns == (60,)
    assert checked.gap_error_ns == (10, -20)


def test_a_chunk_that_nobody_saw_is_a_mistake() -> None:
    wrote = {"a": Wrote(received_ns=0, wrote_ns=(1, 2))}

    with pytest.raises(ValueError, match="zip"):
        client_check("direct", 1, [Saw("a", 0, (5,))], wrote)


@pytest.mark.parametrize(("share", "size_s"), [(0.5, 2e-9), (0.99, 4e-9), (0.0, 1e-9)])
def test_quantiles_leave_the_sign_out(share: float, size_s: float) -> None:
    assert quantile_s([-4, 1, 2, -3], share) == size_s


@pytest.mark.parametrize(("transport", "streams"), [("direct", 1), ("direct", 4), ("package", 2)])
def test_a_check_against_the_real_server(transport: Transport, streams: int) -> None:
    checked = check(transport, streams, requests=3, chunks=5)

    assert (checked.transport, checked.streams) == (transport, streams)
    assert checked.stamped_by == ("kernel" if transport == "direct" and given() else "process")
    assert len(checked.ttft_error_ns) == streams * 3
    assert len(checked.gap_error_ns) == streams * 3 * 4
    # Both ways over loopback are in it: it is more than nothing, and no bug of seconds.
    assert all(0 < error < 5 * ONE_SECOND_NS for error in checked.ttft_error_ns)
    assert all(abs(error) < 5 * ONE_SECOND_NS for error in checked.gap_error_ns)


def test_a_check_of_the_process_s_own_stamps() -> None:
    assert check("direct", 1, requests=1, chunks=2, kernel_stamps=False).stamped_by == "process"


def test_a_check_in_which_one_answer_was_not_believed_is_of_the_process() -> None:
    wrote = {name: Wrote(received_ns=0, wrote_ns=(1, 2)) for name in "ab"}
    saw = [Saw("a", 0, (1, 2), "kernel"), Saw("b", 0, (1, 2), "process")]

    assert client_check("direct", 1, saw, wrote).stamped_by == "process"
    assert client_check("direct", 1, saw[:1], wrote).stamped_by == "kernel"


def config(*addresses: str, probe: bool = True) -> Config:
    models = [
        {"provider": "openai", "name": f"m{place}", "model": "m", "base_url": address}
        for place, address in enumerate(addresses)
    ]
    models.append({"provider": "custom", "name": "own", "class": "a:B"})
    return Config.model_validate({"models": models, "probe": probe})


@pytest.mark.parametrize(
    ("addresses", "checks"),
    [
        ([], ["direct process"]),
        (["http://127.0.0.1:9/v1", "http://127.0.0.1:8/v1"], ["direct kernel", "direct process"]),
        (["https://127.0.0.1:9/v1"], ["package process"]),
        (
            ["https://127.0.0.1:9/v1", "http://127.0.0.1:9/v1"],
            ["direct kernel", "direct process", "package process"],
        ),
    ],
    ids=["no endpoint", "plain", "TLS", "both"],
)
@pytest.mark.skipif(not given(), reason="this system does not stamp what TCP brings")
def test_the_short_check_is_of_one_stream_over_each_transport_in_use(addresses: list[str], checks: list[str]) -> None:
    checked = short_check(config(*addresses))

    assert [f"{each.transport} {each.stamped_by}" for each in checked] == checks
    assert [each.streams for each in checked] == [1] * len(checks)
    assert [len(each.ttft_error_ns) for each in checked] == [20] * len(checks)
    assert [len(each.gap_error_ns) for each in checked] == [20 * 19] * len(checks)


def test_where_the_system_gives_no_stamps_the_process_is_checked_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_stamps, "SO_TIMESTAMPNS", 9999)

    checked = short_check(config("http://127.0.0.1:9/v1", probe=False))

    assert [(each.transport, each.stamped_by) for each in checked] == [("direct", "process")]


def test_without_endpoints_and_without_a_probe_nothing_is_checked() -> None:
    assert short_check(config(probe=False)) == ()


def test_an_endpoint_behind_a_proxy_is_checked_over_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)

    (checked,) = short_check(config("http://192.0.2.1:9/v1"))

    assert (checked.transport, len(checked.ttft_error_ns)) == ("package", 20)


@pytest.mark.slow
def test_a_result_of_endpoints_holds_the_check_of_their_transports(tmp_path: Path) -> None:
    (tmp_path / "prompts.yaml").write_text("{id: own, prompts: [{id: a, title: A, text: Hello}]}")
    (tmp_path / "own.yaml").write_text(
        "{prompts: prompts.yaml, rounds: 1, warmup: 0, machine: kiosk, probe: false, models: ["
        "{provider: openai, name: tls, model: m, base_url: 'https://127.0.0.1:9/v1'}, "
        "{provider: openai, name: plain, model: m, base_url: 'http://127.0.0.1:9/v1'}]}"
    )

    done = bench(tmp_path)

    # Nobody is there: the run failed, and is kept all the same.
    assert done.returncode == 1, done.stderr
    assert {each.transport for each in only(tmp_path).client} == {"direct", "package"}


def test_a_proxy_of_the_environment_is_left_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)

    assert len(check("direct", 1, requests=1, chunks=2).ttft_error_ns) == 1


def test_the_highest_load() -> None:
    highest = sustained("direct", 4, requests=5, chunks=3)

    assert highest.requests_per_s > 0
    assert highest.requests_per_cpu_s > 0
    assert highest.cpu_s_per_chunk == pytest.approx(1 / highest.requests_per_cpu_s / 3)


def test_a_load_leaves_out_the_first_request_of_each_stream() -> None:
    asked: list[str] = []

    def ask(prompt: str, chunks: int) -> CalibrationRequest:
        asked.append(prompt)
        return CalibrationRequest(prompt, 0)

    done = load(ask, streams=2, requests=2, chunks=1)

    assert sorted(asked) == ["0-0", "0-1", "0-2", "1-0", "1-1", "1-2"]
    assert [each.prompt for each in done.asked] == ["0-1", "0-2", "1-1", "1-2"]


def test_a_stream_that_fails_ends_a_load_with_its_own_failure() -> None:
    def ask(prompt: str, chunks: int) -> CalibrationRequest:
        if prompt == "2-0":
            raise LookupError("of the third stream")
        return CalibrationRequest(prompt, 0)

    with pytest.raises(LookupError, match="of the third stream"):
        load(ask, streams=4, requests=1, chunks=1)
