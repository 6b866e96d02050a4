"""The endpoint provider against a real server on loopback, and against the runtime's own web service."""

import gzip
import json
import socket
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from bench.errors import ProviderError
from bench.providers.openai.endpoint import EndpointProvider, Transport, transport_for
from bench.providers.protocol import Request
from bench.providers.registry import EndpointModel
from bench.runner.measure import MeasuredSample, measure
from bench.runner.plan import Step
from bench.schema.prompts import Turn
from tests.builders import prompt
from tests.endpoint_server import Script, chunk, endpoint, events, usage
from tests.foundry_catalogue import ALIAS, VARIANT, catalogue
from tests.foundry_service import service

STEP = Step(position=0, round=1, prompt=prompt(id="p1", text="Say hello."))
REFERENCE = Path(__file__).parents[3] / "bench" / "reference" / "models"


def request(*, stream: bool = True) -> Request:
    return Request(
        text="Say hello.",
        max_output_tokens=32,
        temperature=0.0,
        top_p=None,
        seed=42,
        stream=stream,
        connect_s=10.0,
        first_text_s=10.0,
        gap_s=10.0,
        request_s=20.0,
    )


@contextmanager
def provider(url: str, model: str = "m") -> Iterator[EndpointProvider]:
    made = EndpointProvider(EndpointModel(provider="openai", name="m", model=model, base_url=url))
    made.prepare(lambda _: None)
    try:
        yield made
    finally:
        made.close()


def measured(script: Script, *, stream: bool = True, model: str = "m") -> MeasuredSample:
    ticks = iter(range(0, 10**9, 1000))
    with endpoint(script) as url, provider(url, model) as asked:
        return measure(asked, STEP, request(stream=stream), lambda: next(ticks), 0)


def failure(script: Script, *, stream: bool = True) -> tuple[str, str]:
    found = measured(script, stream=stream).sample.failure
    assert found is not None
    return found.kind, found.message


def test_a_streamed_answer() -> None:
    script = Script(events(chunk("Hel", role="assistant"), chunk("lo."), chunk(finish="stop"), usage(9, 2)))

    answer = measured(script)

    assert answer.text == "Hello."
    assert answer.sample.failure is None
    assert len(answer.sample.chunk_ns) == 2
    assert answer.sample.first_answer_chunk == 0
    assert answer.sample.prompt_tokens == 9
    assert answer.sample.output_tokens == 2
    assert answer.sample.tokens_source == "usage"
    assert answer.sample.finish_reason == "stop"


def test_what_is_asked() -> None:
    script = Script(events(chunk("Hi."), chunk(finish="stop")))

    measured(script)

    assert script.requests == [
        {
            "messages": [{"role": "user", "content": "Say hello."}],
            "model": "m",
            "max_tokens": 32,
            "seed": 42,
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": 0.0,
        }
    ]


def test_an_answer_that_is_not_streamed_has_no_chunks() -> None:
    message = {"role": "assistant", "content": "Hello."}
    document = {
        "model": "m-variant:2",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
    }

    answer = measured(Script(json.dumps(document).encode(), "application/json"), stream=False)

    assert answer.text == "Hello."
    assert answer.sample.failure is None
    assert answer.sample.chunk_ns == ()
    assert answer.sample.output_tokens == 2


def test_reasoning_is_told_apart_from_the_answer() -> None:
    script = Script(
        events(chunk(reasoning_content="Hm, "), chunk(reasoning_content="well."), chunk("Yes."), chunk(finish="stop"))
    )

    answer = measured(script)

    assert answer.text == "Yes."
    assert len(answer.sample.chunk_ns) == 3
    assert answer.sample.first_answer_chunk == 2


def test_without_usage_nobody_counted() -> None:
    sample = measured(Script(events(chunk("Hi."), chunk(finish="stop")))).sample

    assert sample.failure is None
    assert (sample.prompt_tokens, sample.output_tokens, sample.tokens_source) == (None, None, "none")


def test_the_endpoint_says_who_it_is_when_it_answers() -> None:
    with endpoint(Script(events(chunk("Hi."), chunk(finish="stop")))) as url, provider(url) as asked:
        assert asked.identity().variant_id == "m"
        measure(asked, STEP, request(), lambda: 0, 0)
        assert asked.identity().variant_id == "m-variant:2"


def test_an_alias_is_resolved_to_the_one_variant_that_is_listed() -> None:
    script = Script(events(chunk("Hi."), chunk(finish="stop")), models=["m-generic-cpu:1", "mm-generic-cpu:1"])

    measured(script)

    assert script.requests[0]["model"] == "m-generic-cpu:1"


def test_an_alias_of_several_variants_must_be_told_apart() -> None:
    with (
        endpoint(Script(models=["m-generic-cpu:1", "m-cuda-gpu:1"])) as url,
        pytest.raises(ProviderError) as caught,
        provider(url),
    ):
        pass
    assert caught.value.kind == "not-found"
    assert caught.value.message == (
        f"{url} lists several variants of 'm': m-generic-cpu:1, m-cuda-gpu:1; set model to one of them"
    )


def test_a_key_is_sent_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUD_KEY", "sk-secret-123")
    body = json.dumps({"error": {"message": "bad key sk-secret-123"}}).encode()
    script = Script(body, "application/json", status=401)
    with endpoint(script) as url:
        settings = EndpointModel(provider="openai", name="m", model="m", base_url=url, api_key_env="CLOUD_KEY")
        asked = EndpointProvider(settings)
        asked.prepare(lambda _: None)
        sample = measure(asked, STEP, request(), lambda: 0, 0).sample
        asked.close()

    assert script.headers[0]["authorization"] == "Bearer sk-secret-123"
    assert sample.failure is not None
    assert sample.failure.kind == "unauthorised"
    assert "sk-secret" not in sample.model_dump_json()
    assert "bad key ***" in sample.failure.message


def test_no_text_at_all() -> None:
    assert failure(Script(events(chunk(finish="stop")))) == ("empty", "the answer has no text (finish reason stop)")


def test_a_stream_without_a_finish_reason() -> None:
    assert failure(Script(events(chunk("Hel"), done=False))) == (
        "cut-off",
        "the stream ended without a finish reason",
    )


def test_a_stream_that_breaks() -> None:
    kind, message = failure(Script(events(chunk("Hel"), done=False), cut_off=True))

    assert kind == "connection"
    assert "incomplete" in message or "closed" in message


def test_an_error_in_the_stream() -> None:
    script = Script(events(chunk("Hel"), {"error": {"message": "it broke"}}))

    assert failure(script) == ("endpoint-error", "the endpoint sent an error: it broke")


def test_what_is_no_json() -> None:
    assert failure(Script(b"data: {oops\n\n")) == ("decode", "the endpoint sent what is no JSON: '{oops'")


def test_a_model_that_the_endpoint_does_not_have() -> None:
    body = json.dumps({"error": {"message": "no such model"}}).encode()

    kind, message = failure(Script(body, "application/json", status=404))

    assert kind == "not-found"
    assert "answered 404" in message
    assert "no such model" in message


def test_an_endpoint_that_refuses() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"

    with pytest.raises(ProviderError) as caught, provider(url):
        pass

    assert caught.value.kind == "refused"
    assert caught.value.message == (
        f"{url} refuses the connection; start the service, or set FOUNDRY_LOCAL_ENDPOINT or base_url"
    )


@pytest.mark.parametrize(
    ("url", "environment", "transport"),
    [
        ("http://localhost:5273/v1", {}, "direct"),
        ("https://models.example/v1", {}, "package"),
        ("http://models.example/v1", {"HTTP_PROXY": "http://proxy.example:8080"}, "package"),
        ("http://models.example/v1", {"ALL_PROXY": "http://proxy.example:8080"}, "package"),
        ("http://models.example/v1", {"HTTPS_PROXY": "http://proxy.example:8080"}, "direct"),
        ("http://models.example/v1", {"HTTP_PROXY": "http://p.example:1", "NO_PROXY": "models.example"}, "direct"),
    ],
)
def test_what_carries_requests(
    monkeypatch: pytest.MonkeyPatch, url: str, environment: dict[str, str], transport: str
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    made = EndpointProvider(EndpointModel(provider="openai", name="m", model="m", base_url=url))

    assert transport_for(url) == transport
    assert made.identity().transport == transport


@pytest.mark.parametrize("stream", [True, False])
def test_both_ways_ask_the_same(stream: bool) -> None:
    script = Script(events(chunk("Hi."), chunk(finish="stop")))
    odd = replace(request(stream=stream), text='Sag "Grüß Gott"\n\u2028 \\ {}', top_p=0.5)
    transports: tuple[Transport, ...] = ("direct", "package")
    with endpoint(script) as url:
        for transport in transports:
            asked = EndpointProvider(EndpointModel(provider="openai", name="m", model="m", base_url=url), transport)
            asked.prepare(lambda _: None)
            list(asked.stream(odd, time.perf_counter_ns))
            asked.close()

    direct, package = script.headers
    assert script.requests[0] == script.requests[1]
    assert script.requests[0]["messages"][0]["content"] == odd.text
    assert direct.pop("accept-encoding") == "identity"
    assert package.pop("accept-encoding")
    assert direct == package


def test_the_wire_is_told_by_our_own_connections() -> None:
    sample = measured(Script(events(chunk("Hi."), chunk(finish="stop")))).sample

    assert sample.connect_ns is not None
    assert sample.sent_ns is not None
    assert 0 <= sample.sent_ns <= sample.chunk_ns[0]


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_an_answer_that_is_packed_though_nobody_asked(encoding: str) -> None:
    body = events(chunk("Hel"), chunk("lo."), chunk(finish="stop"))
    packed = gzip.compress(body) if encoding == "gzip" else zlib.compress(body)

    answer = measured(Script(packed, encoding=encoding))

    assert answer.sample.failure is None
    assert answer.text == "Hello."


@pytest.mark.parametrize(("body", "encoding"), [(b"oops", "gzip"), (b"oops", "br")])
def test_an_answer_that_cannot_be_unpacked(body: bytes, encoding: str) -> None:
    kind, message = failure(Script(body, encoding=encoding))

    assert kind == "decode"
    assert message.startswith(f"the answer cannot be unpacked from '{encoding}'")


@pytest.mark.runtime
@pytest.mark.parametrize("name", [ALIAS, VARIANT])
@pytest.mark.parametrize("stream", [True, False])
def test_the_runtimes_own_web_service(tmp_path: Path, name: str, stream: bool) -> None:
    with (
        catalogue(REFERENCE / "ledger-xs-fp32", tmp_path) as served,
        service(served) as url,
        provider(url, name) as asked,
    ):
        answer = measure(asked, STEP, request(stream=stream), iter(range(10**6)).__next__, 0)

        assert answer.sample.failure is None
        assert answer.text
        assert answer.sample.finish_reason in ("stop", "length")
        assert answer.sample.output_tokens is not None
        assert answer.sample.output_tokens > 0
        assert bool(answer.sample.chunk_ns) is stream
        assert asked.identity().variant_id == VARIANT


def asked_with(script: Script, **settings: object) -> MeasuredSample:
    """Return the answer to a model with these settings, asked over both transports."""
    found = None
    transports: tuple[Transport, ...] = ("package", "direct")
    with endpoint(script) as url:
        model = EndpointModel.model_validate(
            {"provider": "openai", "name": "m", "model": "m", "base_url": url, **settings}
        )
        for transport in transports:
            asked = EndpointProvider(model, transport)
            asked.prepare(lambda _: None)
            found = measure(asked, STEP, request(), time.perf_counter_ns, time.perf_counter_ns())
            asked.close()
    assert found is not None
    return found


def test_a_request_is_what_its_config_makes_of_it() -> None:
    script = Script(events(chunk("Hi."), chunk(finish="stop")))
    shape = {
        "omit": ["seed", "stream_options"],
        "rename": {"max_tokens": "max_completion_tokens"},
        "body": {"chat_template_kwargs": {"enable_thinking": False}, "ignore_eos": True},
    }

    answer = asked_with(script, request=shape)

    assert answer.text == "Hi."
    assert script.requests == 2 * [
        {
            "messages": [{"role": "user", "content": "Say hello."}],
            "model": "m",
            "max_completion_tokens": 32,
            "stream": True,
            "temperature": 0.0,
            "chat_template_kwargs": {"enable_thinking": False},
            "ignore_eos": True,
        }
    ]


def test_a_conversation_reaches_the_endpoint() -> None:
    script = Script(events(chunk("Hi."), chunk(finish="stop")))
    talk = replace(
        request(),
        system='Be "brief".',
        turns=(Turn(role="user", text="Hello."), Turn(role="assistant", text="Grüß Gott.")),
    )
    transports: tuple[Transport, ...] = ("direct", "package")
    with endpoint(script) as url:
        for transport in transports:
            asked = EndpointProvider(EndpointModel(provider="openai", name="m", model="m", base_url=url), transport)
            asked.prepare(lambda _: None)
            measure(asked, STEP, talk, time.perf_counter_ns, 0)
            measure(asked, STEP, request(), time.perf_counter_ns, 0)
            asked.close()

    said = [
        {"role": "system", "content": 'Be "brief".'},
        {"role": "user", "content": "Hello."},
        {"role": "assistant", "content": "Grüß Gott."},
        {"role": "user", "content": "Say hello."},
    ]
    assert [one["messages"] for one in script.requests] == 2 * [said, said[-1:]]


def test_headers_are_sent_and_their_values_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUR_TENANT", "tenant-4711")
    monkeypatch.setenv("OUR_TOKEN", "Basic b3VyczpzZWNyZXQ=")
    body = json.dumps({"error": {"message": "tenant-4711 may not, nor Basic b3VyczpzZWNyZXQ="}}).encode()
    script = Script(body, "application/json", status=403)

    named = {"X-Tenant": "OUR_TENANT", "Authorization": "OUR_TOKEN"}
    answer = asked_with(script, request={"headers_from": named})

    assert [one["x-tenant"] for one in script.headers] == 2 * ["tenant-4711"]
    assert [one["authorization"] for one in script.headers] == 2 * ["Basic b3VyczpzZWNyZXQ="]
    assert answer.sample.failure is not None
    assert "answered 403: *** may not, nor ***; " in answer.sample.failure.message
    assert "4711" not in answer.sample.model_dump_json()
    assert "b3Vyczpz" not in answer.sample.model_dump_json()


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        (None, "is not set; set it to the value of the header X-Key"),
        ("k-1\n", "has a line break, which no header can hold; take it out"),
        ("k-1\r\nX-Other: 2", "has a line break, which no header can hold; take it out"),
        (" k-1", "has a blank at its beginning or end, which no header can hold; take it out"),
        ("schlüssel", "has a character that is not plain ASCII, which no header can hold; take it out"),
    ],
)
def test_a_header_that_cannot_be_sent_is_the_variables_fault(
    monkeypatch: pytest.MonkeyPatch, value: str | None, wrong: str
) -> None:
    monkeypatch.delenv("OUR_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("OUR_KEY", value)
    script = Script()

    with pytest.raises(ProviderError) as caught:
        asked_with(script, request={"headers_from": {"X-Key": "OUR_KEY"}})

    assert (caught.value.kind, caught.value.message) == ("unauthorised", f"the environment variable OUR_KEY {wrong}")
    if value is not None:
        with pytest.raises(ProviderError) as caught:
            asked_with(script, api_key_env="OUR_KEY")
        assert caught.value.message == f"the environment variable OUR_KEY {wrong}"
    assert script.requests == []


def test_a_refused_parameter_is_told_with_the_line_to_write() -> None:
    body = json.dumps({"detail": [{"loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]}).encode()
    script = Script(body, "application/json", status=422)
    for shape, advice in (
        ({}, "write request: {omit: [seed]} under this model in the config"),
        ({"rename": {"top_p": "p"}}, "write request: {omit: [seed]} under this model in the config"),
        ({"omit": ["seed"], "body": {"seed": 1}}, "take seed out of request.body of this model"),
    ):
        failed = asked_with(script, request=shape).sample.failure
        assert failed is not None
        assert failed.kind == "bad-request"
        assert failed.message.endswith(f"answered 422: body.seed: Extra inputs are not permitted; {advice}")


def test_a_stream_that_says_only_that_it_is_over_is_whole() -> None:
    answer = measured(Script(events(chunk("Hel"), chunk("lo."))))

    assert answer.sample.failure is None
    assert answer.text == "Hello."
    assert answer.sample.finish_reason is None


def test_a_whole_answer_without_a_finish_reason_is_good() -> None:
    document = {"choices": [{"message": {"content": "Hello."}}]}

    answer = measured(Script(json.dumps(document).encode(), "application/json"), stream=False)

    assert answer.sample.failure is None
    assert answer.text == "Hello."


SPENT = "raise max_output_tokens, or have the model think less"


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        (
            [chunk(reasoning_content="Hm, "), chunk(finish="length"), usage(9, 32)],
            f"all of the 32 output tokens went into thinking (finish reason length); {SPENT}",
        ),
        (
            [chunk("<think>Hm, "), chunk("so", finish="length")],
            f"all of the 32 output tokens went into thinking (finish reason length); {SPENT}",
        ),
        ([chunk("<think>Hm, "), usage(9, 32)], f"all of the 32 output tokens went into thinking; {SPENT}"),
        (
            [chunk(finish="length"), usage(9, 32)],
            "all of the 32 output tokens were spent without a word of answer, as by thinking unseen "
            f"(finish reason length); {SPENT}",
        ),
        (
            [chunk("<think>Hm.</think>", finish="stop")],
            "the model thought, and then gave no answer (finish reason stop)",
        ),
        ([chunk(finish="stop"), usage(9, 1)], "the answer has no text (finish reason stop)"),
    ],
)
def test_a_limit_that_was_spent_on_thinking_says_so(documents: list[object], message: str) -> None:
    assert failure(Script(events(*documents))) == ("empty", message)


def test_a_first_event_of_several_tokens_is_no_tokens_time() -> None:
    # Ten tokens at once, then one by one: nine gaps of 1 ms, and not eighteen tokens in them.
    texts = ["one two three four five ", *(["six "] * 9)]
    whole = events(*map(chunk, texts), chunk(finish="stop"), usage(9, 19))

    sample = measured(Script(whole)).sample

    assert sample.first_chunk_tokens == 10


@pytest.mark.parametrize("name", ["org/model-7b", "My Model 7B", r"C:\models\m.gguf", "/models/m.gguf", "größe"])
def test_an_id_with_slashes_or_blanks_is_asked_for_as_it_is(name: str) -> None:
    script = Script(events(chunk("Hi."), chunk(finish="stop")), models=[name, "other"])

    assert measured(script, model=name).text == "Hi."
    assert script.requests[0]["model"] == name


def test_the_row_says_what_answered() -> None:
    document = {"choices": [{"delta": {"content": "Hi."}, "finish_reason": "stop"}]}
    script = Script(events(document), models=["Phi-3.5-mini-instruct-generic-cpu", "phi-4"])
    with endpoint(script) as url, provider(url, "phi-3.5-mini") as asked:
        measure(asked, STEP, request(), lambda: 0, 0)

        assert script.requests[0]["model"] == "Phi-3.5-mini-instruct-generic-cpu"
        assert asked.identity().variant_id == "Phi-3.5-mini-instruct-generic-cpu"


def test_a_model_that_is_not_listed_is_not_asked() -> None:
    script = Script(models=["llama3-coder"])
    with endpoint(script) as url, pytest.raises(ProviderError) as caught, provider(url, "llama3"):
        pass

    assert caught.value.kind == "not-found"
    assert caught.value.message.startswith(f"{url} lists no model 'llama3'; it has llama3-coder; set model to ")
