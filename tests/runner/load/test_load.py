"""Levels of load: which requests go out when, which of them count, and what is recorded of them."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest

from bench.config.settings import Config
from bench.errors import ProviderError
from bench.providers.custom import CustomProvider
from bench.providers.openai.endpoint import EndpointProvider, Transport
from bench.providers.protocol import Provider
from bench.providers.registry import CustomModel, EndpointModel
from bench.runner.calibration.client_check import reference_server
from bench.runner.load import streams
from bench.runner.load.levels import PlannedLevel
from bench.runner.load.streams import measure_level
from bench.runner.messages import Underway
from bench.schema.load import LoadLevel, LoadSample
from tests.builders import prompt
from tests.counting_server import Counting, counting_server
from tests.endpoint_server import Script, chunk, endpoint, events

pytestmark = pytest.mark.slow

PROMPTS = tuple(prompt(id=name, text=f"Say {name}.") for name in "abcd")


def config(**settings: Any) -> Config:
    document = {
        "models": ["not-asked"],
        "generation": {"max_output_tokens": 4},
        "load": {"streams": [1], "warmup_s": 0.1, "measure_s": 0.3},
    }
    return Config.model_validate(document | settings)


def short(**settings: Any) -> dict[str, Any]:
    return {"streams": [1], "warmup_s": 0.1, "measure_s": 0.3, **settings}


@contextmanager
def asking(url: str, transport: Transport = "direct") -> Iterator[EndpointProvider]:
    model = EndpointModel(provider="openai", name="m", model="m", base_url=url, unlisted=True)
    provider = EndpointProvider(model, transport)
    provider.prepare(lambda _: None)
    try:
        yield provider
    finally:
        provider.close()


def custom(name: str) -> CustomProvider:
    settings = CustomModel.model_validate({"provider": "custom", "name": "own", "class": f"tests.load_models:{name}"})
    provider = CustomProvider(settings)
    provider.prepare(lambda _: None)
    provider.load()
    return provider


def measured_level(
    provider: Provider, level: PlannedLevel, settings: Config, beats: list[Underway] | None = None
) -> LoadLevel:
    told = beats if beats is not None else []
    return measure_level(
        provider,
        level,
        settings,
        PROMPTS,
        time.perf_counter_ns,
        time.perf_counter_ns(),
        told.append,
        remote=isinstance(provider, EndpointProvider),
    ).level


def closed(streams: int) -> PlannedLevel:
    return PlannedLevel("closed", streams, None)


def constant(rate_per_s: float, streams: int = 8) -> PlannedLevel:
    return PlannedLevel("constant", streams, rate_per_s)


def phases(level: LoadLevel) -> Counter[str]:
    return Counter(sample.phase for sample in level.samples)


def of_phase(level: LoadLevel, phase: str) -> list[LoadSample]:
    return [sample for sample in level.samples if sample.phase == phase]


def end_ns(sample: LoadSample) -> int:
    assert sample.end_ns is not None
    return sample.start_ns + sample.end_ns


@pytest.mark.parametrize("transport", ["direct", "package"])
def test_each_stream_asks_again_as_soon_as_it_has_its_answer(transport: Transport) -> None:
    counting = Counting(each_s=0.02)
    with counting_server(counting) as url, asking(url, transport) as provider:
        level = measured_level(provider, closed(3), config())

    assert counting.most_at_once == 3
    assert {sample.stream for sample in level.samples} == {0, 1, 2}
    for stream in range(3):
        asked = [sample for sample in level.samples if sample.stream == stream]
        assert all(end_ns(earlier) <= later.start_ns for earlier, later in pairwise(asked))
    assert all(sample.failure is None and sample.output_tokens == 4 for sample in level.samples)
    assert all(sample.scheduled_ns is None for sample in level.samples)
    assert [sample.position for sample in level.samples] == list(range(len(level.samples)))
    assert {sample.prompt for sample in level.samples} == {"a", "b", "c", "d"}


def test_the_window_begins_when_each_stream_has_had_an_answer() -> None:
    counting = Counting(each_s=0.02, stalled=1, stall_s=0.4)
    with counting_server(counting) as url, asking(url) as provider:
        level = measured_level(provider, closed(2), config())

    late = max(level.samples, key=lambda sample: sample.end_ns or 0)
    assert late.phase == "warm-up"
    assert level.window_start_ns >= end_ns(late) >= 400_000_000
    assert level.window_end_ns - level.window_start_ns == 300_000_000


def test_measured_is_what_was_sent_inside_the_window() -> None:
    with counting_server(Counting(each_s=0.02)) as url, asking(url) as provider:
        level = measured_level(provider, closed(2), config())

    assert level.window_start_ns >= 100_000_000
    assert phases(level)["warm-up"] > 0
    for sample in level.samples:
        expected = "warm-up" if sample.start_ns < level.window_start_ns else "measured"
        assert sample.phase == ("cool-down" if sample.start_ns >= level.window_end_ns else expected)


def test_the_load_stays_up_until_the_last_measured_request_has_ended() -> None:
    # The stalled one is sent early in the window, and is under way long after its end.
    counting = Counting(each_s=0.02, stalled=8, stall_s=3.0)
    with counting_server(counting) as url, asking(url) as provider:
        level = measured_level(provider, closed(2), config(load=short(warmup_s=0.0, measure_s=1.0)))

    late = max(level.samples, key=lambda sample: sample.end_ns or 0)
    assert late.phase == "measured"
    cooling = of_phase(level, "cool-down")
    assert len(cooling) > 10
    assert all(sample.failure is None for sample in cooling)
    # Nothing is left out in the middle: the other stream went on until then.
    assert max(end_ns(sample) for sample in cooling) > level.window_end_ns + 1_000_000_000
    assert max(sample.start_ns for sample in cooling) < end_ns(late)


@pytest.mark.alone
def test_a_constant_rate_is_kept() -> None:
    with counting_server(Counting(each_s=0.005)) as url, asking(url) as provider:
        level = measured_level(provider, constant(20.0), config(load=short(rates_per_s=[20.0], measure_s=0.5)))

    # Due at 0, 50, ..., 600 ms: two before the window at 100 ms, ten inside it.
    scheduled = sorted(sample.scheduled_ns or 0 for sample in level.samples)
    assert scheduled == [number * 50_000_000 for number in range(len(scheduled))]
    assert len(scheduled) >= 12
    assert phases(level)["warm-up"] == 2
    assert phases(level)["measured"] == 10
    assert (level.window_start_ns, level.window_end_ns) == (100_000_000, 600_000_000)
    assert all(sample.start_ns >= (sample.scheduled_ns or 0) for sample in level.samples)
    assert all(sample.failure is None for sample in level.samples)


def test_a_stall_shows_in_the_latency_from_the_schedule_alone() -> None:
    # One request at a time, and the fifth takes 0.6 s: those due meanwhile wait for it and are then answered at once.
    counting = Counting(each_s=0.001, stalled=4, stall_s=0.6)
    settings = config(load=short(rates_per_s=[20.0], warmup_s=0.0, measure_s=1.0))
    with counting_server(counting) as url, asking(url) as provider:
        level = measured_level(provider, constant(20.0, streams=1), settings)

    measured = of_phase(level, "measured")
    from_send = [sample.end_ns or 0 for sample in measured]
    from_schedule = [end_ns(sample) - (sample.scheduled_ns or 0) for sample in measured]
    assert len(measured) == 20
    assert sum(latency > 200_000_000 for latency in from_send) == 1
    # Due 50, 100, ..., 350 ms after the stalled one: they waited 550, 500, ..., 250 ms.
    assert sum(latency > 200_000_000 for latency in from_schedule) >= 8
    assert max(sample.start_ns - (sample.scheduled_ns or 0) for sample in measured) >= 500_000_000


def test_at_most_max_streams_are_under_way() -> None:
    counting = Counting(each_s=0.1)
    with counting_server(counting) as url, asking(url) as provider:
        level = measured_level(provider, constant(100.0, streams=3), config(load=short(rates_per_s=[100.0])))

    assert counting.most_at_once == 3
    assert level.streams == 3
    # Each one due is sent in its turn, however late: 30 of them, three at a time.
    assert phases(level)["measured"] == 30
    assert all(sample.failure is None for sample in level.samples)


def test_a_request_that_is_not_sent_within_its_limit_fails_and_is_counted() -> None:
    settings = config(load=short(rates_per_s=[40.0]), timeouts={"request_s": 0.4})
    with counting_server(Counting(each_s=0.25)) as url, asking(url) as provider:
        level = measured_level(provider, constant(40.0, streams=1), settings)

    measured = of_phase(level, "measured")
    assert len(measured) == 12
    failures = {sample.failure.message for sample in measured if sample.failure is not None}
    assert failures == {"not sent within 0.4 s of its time: the one stream was busy"}


def test_a_server_that_refuses_ends_the_level_before_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "FAILED_IN_A_ROW", 4)
    counting = Counting(fails_from=0)
    with counting_server(counting) as url, asking(url) as provider:
        level = measured_level(provider, closed(2), config(load=short(measure_s=60.0)))

    assert level.ended_early is not None
    assert level.ended_early.startswith("4 requests in a row failed, the last one: http://127.0.0.1:")
    assert {sample.failure.kind for sample in level.samples if sample.failure is not None} == {"unavailable"}
    # Neither stream spins: each waits a tenth of a second before it asks again.
    assert len(level.samples) <= len(counting.requests) <= 8
    assert level.client_cpu_ns is None


def test_answers_without_text_are_no_reason_to_spin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "FAILED_IN_A_ROW", 4)
    script = Script(events(chunk(finish="stop")))
    with endpoint(script) as url, asking(url) as provider:
        level = measured_level(provider, closed(1), config(load=short(measure_s=60.0)))

    assert level.ended_early == "4 requests in a row failed, the last one: the answer has no text"
    assert {sample.failure.kind for sample in level.samples if sample.failure is not None} == {"empty"}
    assert len(script.requests) <= 6


def test_a_connection_that_is_refused_is_a_failure_and_no_spinning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "FAILED_IN_A_ROW", 4)
    with counting_server(Counting()) as url, asking(url) as provider:
        pass
    settings = config(load=short(rates_per_s=[50.0], measure_s=60.0))

    level = measured_level(provider, constant(50.0, streams=2), settings)

    assert level.ended_early is not None
    assert {sample.failure.kind for sample in level.samples if sample.failure is not None} == {"refused"}
    assert all(sample.start_ns >= (sample.scheduled_ns or 0) for sample in level.samples)


def test_the_client_s_processor_time_is_that_of_the_window() -> None:
    with counting_server(Counting(each_s=0.01)) as url, asking(url) as provider:
        level = measured_level(provider, closed(2), config())

    # The server is in this process as well; two threads cannot use more than what all cores give.
    assert level.client_cpu_ns is not None
    assert 0 < level.client_cpu_ns < 64 * 300_000_000


def test_a_model_in_process_has_no_processor_time_of_the_client() -> None:
    level = measured_level(custom("Together"), closed(4), config())

    assert level.client_cpu_ns is None
    assert {sample.stream for sample in level.samples} == {0, 1, 2, 3}
    for sample in level.samples:
        # The prompt has two words, whichever of the streams asked it: "Say a."
        assert (sample.prompt_tokens, sample.output_tokens, sample.tokens_source) == (2, 4, "tokenizer")


def test_each_answer_belongs_to_its_prompt() -> None:
    told = measure_level(
        custom("Together"),
        closed(4),
        config(),
        PROMPTS,
        time.perf_counter_ns,
        time.perf_counter_ns(),
        lambda _: None,
        remote=False,
    )

    texts = {(sample.prompt, told.texts[sample.output or ""]) for sample in told.level.samples}
    assert texts == {(name, f"one two Say {name}.") for name in "abcd"}


def test_a_class_that_does_not_say_that_several_may_ask_it() -> None:
    provider = custom("OneAtATime")

    alone = measured_level(provider, closed(1), config())
    together = measured_level(provider, closed(2), config())
    scheduled = measured_level(provider, constant(20.0), config(load=short(rates_per_s=[20.0])))

    assert alone.ended_early is None
    assert len(alone.samples) > 2
    assert together.samples == ()
    assert together.ended_early == (
        "tests.load_models:OneAtATime does not say that several may ask it at once; "
        "if they may, give the class the attribute concurrent = True"
    )
    assert scheduled.streams == 1
    assert scheduled.ended_early is None


def test_a_request_that_never_ends_ends_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "STUCK_S", 0.2)

    with pytest.raises(ProviderError) as caught:
        measured_level(custom("HangsUnderLoad"), closed(2), config(timeouts={"request_s": 0.3}))

    assert caught.value.kind == "timeout"
    assert caught.value.message == "a request under load did not end within 0.3 s"


def test_signs_of_life_say_how_far_a_level_is() -> None:
    beats: list[Underway] = []
    with counting_server(Counting(each_s=0.01)) as url, asking(url) as provider:
        measured_level(provider, closed(2), config(load=short(measure_s=1.5)), beats)

    assert {beat.doing for beat in beats} == {"load: 2 streams"}
    assert {(beat.total, beat.unit) for beat in beats} == {(1.6, "s")}
    assert [beat.done for beat in beats] == sorted(beat.done for beat in beats)
    assert beats[0].answers == 0
    assert beats[-1].answers > 20
    assert beats[0].answers_per_s is None
    assert beats[-1].answers_per_s is not None


def test_no_garbage_is_collected_during_a_level(monkeypatch: pytest.MonkeyPatch) -> None:
    import gc

    seen: list[bool] = []
    provider = custom("Together")
    generate = provider._model.generate

    def noting(prompt: str, **params: object) -> object:
        seen.append(gc.isenabled())
        return generate(prompt, **params)

    monkeypatch.setattr(provider._model, "generate", noting)
    measured_level(provider, closed(2), config())

    assert set(seen) == {False}
    assert gc.isenabled()


def test_the_threads_of_a_level_end_with_it() -> None:
    with counting_server(Counting(each_s=0.005)) as url, asking(url) as provider:
        before = set(threading.enumerate())
        measured_level(provider, constant(20.0, streams=16), config(load=short(rates_per_s=[20.0])))
        after = {thread for thread in threading.enumerate() if thread.name.startswith("stream ")}

    assert after <= before


def test_chunks_keep_their_own_times_under_load() -> None:
    with reference_server(first_s=0.02, gap_s=0.01) as server, asking(server.base_url) as provider:
        level = measured_level(provider, closed(4), config())

    for sample in level.samples:
        assert len(sample.chunk_ns) == 4
        assert sample.chunk_ns[0] >= 20_000_000
        # The server's schedule: a chunk each 10 ms, and the client cannot be early.
        assert sample.chunk_ns[3] >= 50_000_000
