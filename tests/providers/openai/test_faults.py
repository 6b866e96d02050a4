"""Everything that an endpoint can do wrong, done to us by a real server: each is a failed sample that says so.

Nothing here asserts a time: a fault that is not noticed would let its test hang.
"""

import json
import os
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.config.settings import Config
from bench.errors import ProviderError
from bench.providers.openai import http
from bench.providers.openai.endpoint import EndpointProvider
from bench.providers.protocol import Request
from bench.providers.registry import EndpointModel
from bench.runner.measure import MeasuredSample, measure
from bench.runner.plan import Step
from bench.schema.model_run import ModelRun
from bench.schema.sample import FAILURE_KINDS
from tests.builders import prompt, prompt_set
from tests.endpoint_server import chunk, events, usage
from tests.fault_server import (
    STREAM_HEAD,
    Act,
    answer,
    begins,
    certificate,
    drips,
    faulty,
    framed,
    resets,
    says,
    streams,
    waits,
)
from tests.running import run_models

STEP = Step(position=0, round=1, prompt=prompt(id="p1", text="Say hello."))
KEY = "sk-secret-123"
SHORT_S = 0.3
ROLE = events(chunk("", role="assistant"), done=False)
HEL = events(chunk("Hel"), done=False)
LO = events(chunk("lo."), chunk(finish="stop"), usage(9, 2))
WHOLE = {
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
}


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file", "ssl_cert_dir"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("FAULTY_KEY", KEY)


def request(**limits: float) -> Request:
    """Return a request with limits that only a hang reaches, but for those given."""
    wide: dict[str, Any] = {"connect_s": 20.0, "first_text_s": 20.0, "gap_s": 20.0, "request_s": 30.0}
    return Request(
        text="Say hello.",
        max_output_tokens=32,
        temperature=0.0,
        top_p=None,
        seed=42,
        stream=True,
        **(wide | limits),
    )


@contextmanager
def provider(url: str) -> Iterator[EndpointProvider]:
    made = EndpointProvider(
        EndpointModel(provider="openai", name="m", model="m", base_url=url, api_key_env="FAULTY_KEY")
    )
    try:
        made.prepare(lambda _: None)
        yield made
    finally:
        made.close()


def ask(asked: EndpointProvider, sent: Request) -> MeasuredSample:
    return measure(asked, STEP, sent, time.perf_counter_ns, time.perf_counter_ns())


def measured(act: Act, sent: Request | None = None, tls: ssl.SSLContext | None = None) -> MeasuredSample:
    """Return the answer of a server; it is asked once for each sample, whatever happens."""
    with faulty(act, tls=tls) as server, provider(server.url) as asked:
        found = ask(asked, sent or request())
        assert server.chats == 1
        return found


def failure(found: MeasuredSample) -> tuple[str, str]:
    """Return kind and message of a failed sample, which is one plain line without the key."""
    failed = found.sample.failure
    assert failed is not None
    assert_plain(failed.kind, failed.message)
    return failed.kind, failed.message


def assert_plain(kind: str, message: str) -> None:
    assert kind in FAILURE_KINDS
    assert message.isprintable()
    assert len(message) <= 600
    assert "secret" not in message
    for trace in ("Traceback", "Error(", "Errno", "httpx", "httpcore"):
        assert trace not in message


def good(found: MeasuredSample) -> str:
    assert found.sample.failure is None
    assert found.text is not None
    return found.text


def until_closed(body: bytes) -> Act:
    return says(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" + body)


@pytest.mark.parametrize(
    "act",
    [
        streams(HEL, LO),
        streams(HEL + LO),
        says(answer(200, HEL + LO, {"Content-Type": "text/event-stream"})),
        until_closed(HEL + LO),
        says(STREAM_HEAD + framed(HEL)[:-1] + b"\n" + framed(LO) + b"0;last=1\r\nTrailer: x\r\n\r\n"),
        says(b"HTTP/1.1 100 Continue\r\n\r\n" + STREAM_HEAD + framed(HEL + LO) + b"0\r\n\r\n"),
    ],
    ids=["chunks", "one chunk", "a length", "until closed", "trailers", "100 first"],
)
def test_all_framings_are_good(act: Act) -> None:
    found = measured(act)

    assert good(found) == "Hello."
    assert (found.sample.prompt_tokens, found.sample.output_tokens) == (9, 2)


# Connections


def test_refused() -> None:
    with faulty(streams(HEL, LO)) as server, provider(server.url) as asked:
        assert good(ask(asked, request())) == "Hello."
        server.vanish()

        assert failure(ask(asked, request())) == (
            "refused",
            f"{server.url} refuses the connection; start the service, or set FOUNDRY_LOCAL_ENDPOINT or base_url",
        )


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse where Linux lets a connection wait")
def test_a_connection_that_never_comes_about() -> None:
    with faulty(streams(HEL, LO)) as server, provider(server.url) as asked:
        server.drown()

        assert failure(ask(asked, request(connect_s=SHORT_S))) == (
            "connect-timeout",
            f"{server.url} did not take a connection within 0.3 s; check base_url and that the service runs",
        )


def unprepared(url: str) -> tuple[str, str]:
    """Return why a provider cannot even be prepared: that is the model's failure, before any sample."""
    with pytest.raises(ProviderError) as caught, provider(url):
        pass
    assert_plain(caught.value.kind, caught.value.message)
    return caught.value.kind, caught.value.message


def test_a_name_that_nobody_knows() -> None:
    assert unprepared("http://nobody.invalid/v1") == (
        "name-not-found",
        "the name nobody.invalid is not known here; check base_url and the network",
    )


LOG = "look into the log of the service"


def test_reset_before_the_headers() -> None:
    kind, message = failure(measured(resets()))

    assert kind == "reset"
    assert message.endswith(f"reset the connection before it answered; {LOG}")


def test_closed_before_the_headers() -> None:
    kind, message = failure(measured(says(b"")))

    assert kind == "reset"
    assert message.endswith(f"closed the connection before it answered; {LOG}")


def then_closes(*, before: Callable[[], None] = lambda: None) -> Act:
    """Return what answers and keeps the connection, and closes it when the next request comes, as if just before."""

    def act(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(STREAM_HEAD.replace(b"Connection: close\r\n", b"") + framed(HEL + LO) + b"0\r\n\r\n")
        if connection.recv(1):
            before()

    return act


def test_a_connection_that_was_closed_meanwhile() -> None:
    """As llama.cpp's server does after each stream: no request of that comes to grief, and from then on all are new."""
    with faulty(then_closes()) as server, provider(server.url) as asked:
        found = [ask(asked, request()) for _ in range(4)]

    assert [good(one) for one in found] == ["Hello."] * 4
    assert all(one.sample.connect_ns is not None for one in found)
    assert server.chats == 4


def test_a_server_that_has_gone_meanwhile() -> None:
    gone = threading.Event()

    def vanish() -> None:
        server._stopped = True
        server._listening.close()
        gone.set()

    with faulty(then_closes(before=vanish)) as server, provider(server.url) as asked:
        good(ask(asked, request()))
        kind, message = failure(ask(asked, request()))

    assert kind == "reset"
    assert message.endswith(f"the connection before it answered; {LOG}")


def test_a_request_that_was_read_is_sent_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "FOUND_CLOSED_NS", 0)
    with faulty(then_closes()) as server, provider(server.url) as asked:
        good(ask(asked, request()))
        kind, _ = failure(ask(asked, request()))

    assert kind == "reset"
    assert server.chats == 1


@pytest.mark.parametrize(
    ("act", "doing"),
    [
        (resets(STREAM_HEAD + framed(HEL)), "reset"),
        (says(STREAM_HEAD + framed(HEL)), "closed"),
        (says(answer(200, HEL, {"Content-Type": "text/event-stream", "Content-Length": "1000"})), "closed"),
    ],
    ids=["reset", "chunks", "a length"],
)
def test_broken_in_the_middle(act: Act, doing: str) -> None:
    found = measured(act)
    kind, message = failure(found)

    assert kind == "connection"
    assert message.endswith(f"{doing} the connection in the middle of the answer; {LOG}")
    assert found.text == "Hel"
    assert len(found.sample.chunk_ns) == 1
    assert found.sample.end_ns is None


def test_closed_without_done() -> None:
    found = measured(until_closed(HEL + events(chunk("lo"), done=False)))

    assert failure(found) == ("cut-off", "the stream ended without a finish reason")
    assert found.text == "Hello"


def test_closed_without_done_after_a_finish_reason_is_good() -> None:
    assert good(measured(until_closed(HEL + events(chunk("lo.", finish="stop"), done=False)))) == "Hello."


# Limits


RAISE = "if the model may be that slow"


def drips_head(connection: socket.socket, over: threading.Event) -> None:
    """Send the head of an answer byte by byte, each in good time, and never come to its end."""
    for byte in STREAM_HEAD[:-2] + b"X-Odd: " + b"x" * 200:
        connection.sendall(bytes([byte]))
        if over.wait(0.05):
            return


@pytest.mark.parametrize(
    "act", [waits, begins(), drips_head], ids=["headers never come", "first text never comes", "slow head"]
)
def test_no_first_text(act: Act) -> None:
    found = measured(act, request(first_text_s=SHORT_S))

    assert failure(found) == ("no-first-text", f"no text within 0.3 s; raise timeouts.first_text_s {RAISE}")
    assert found.text is None


def test_an_answer_that_begins_without_text_and_stops() -> None:
    found = measured(begins(ROLE), request(**STALLED))

    assert failure(found) == (
        "no-first-text",
        f"the answer began without text, then nothing for 0.3 s; raise timeouts.gap_s {RAISE}",
    )
    assert found.text is None


# Short of the limit for the first text: a gap that is noticed only with that one would be another kind.
STALLED = {"gap_s": SHORT_S, "request_s": 10 * SHORT_S}


def test_a_stall() -> None:
    found = measured(begins(ROLE, HEL), request(**STALLED))

    assert failure(found) == (
        "stalled",
        f"nothing for 0.3 s in the middle of the answer; raise timeouts.gap_s {RAISE}",
    )
    assert found.text == "Hel"


@pytest.mark.parametrize(
    ("first", "kind"), [(b"", "no-first-text"), (HEL, "stalled")], ids=["from the first one", "after some text"]
)
def test_one_byte_a_second(first: bytes, kind: str) -> None:
    found = measured(drips(HEL + LO, pause_s=1.0, first=first), request(gap_s=SHORT_S))

    assert failure(found)[0] == kind


@pytest.mark.parametrize(
    "act",
    [drips(HEL + LO, pause_s=0.05), streams(HEL, *[b": ping\n\n"] * 400, pause_s=0.05)],
    ids=["byte by byte", "comments for ever"],
)
def test_an_answer_that_never_ends(act: Act) -> None:
    kind, message = failure(measured(act, request(request_s=2 * SHORT_S)))

    assert kind == "timeout"
    assert message.startswith("not finished within 0.6 s")


@pytest.mark.parametrize("limit", ["first_text_s", "request_s"])
def test_a_whole_answer_that_never_comes(limit: str) -> None:
    kind, _ = failure(measured(waits, replace(request(**{limit: SHORT_S}), stream=False)))

    assert kind == {"first_text_s": "no-first-text", "request_s": "timeout"}[limit]


# TLS


def tls(made: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made)
    return context


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = certificate(tmp_path_factory.mktemp("ours"), "IP:127.0.0.1")
    return made or pytest.skip("there is no openssl to make a certificate with")


@pytest.fixture(scope="module")
def anothers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = certificate(tmp_path_factory.mktemp("anothers"), "DNS:another.invalid")
    return made or pytest.skip("there is no openssl to make a certificate with")


def test_a_certificate_that_nobody_trusts(ours: Path) -> None:
    with faulty(streams(HEL, LO), tls=tls(ours)) as server:
        kind, message = unprepared(server.url)

    assert kind == "tls"
    assert message.startswith(f"the certificate of {server.url} is not trusted: self")


def test_a_certificate_of_another_name(monkeypatch: pytest.MonkeyPatch, anothers: Path) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(anothers))
    with faulty(streams(HEL, LO), tls=tls(anothers)) as server:
        kind, message = unprepared(server.url)

    assert kind == "tls"
    assert "127.0.0.1" in message


def test_a_certificate_that_is_trusted(monkeypatch: pytest.MonkeyPatch, ours: Path) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(ours))
    with faulty(streams(HEL, LO), tls=tls(ours)) as server, provider(server.url) as asked:
        assert good(ask(asked, request())) == "Hello."
        assert asked.identity().transport == "package"


@pytest.mark.parametrize(
    ("act", "limits", "kind", "text"),
    [
        (waits, {"first_text_s": SHORT_S}, "no-first-text", None),
        (waits, {"request_s": SHORT_S}, "timeout", None),
        (begins(HEL), STALLED, "stalled", "Hel"),
        (drips_head, {"first_text_s": 2 * SHORT_S}, "no-first-text", None),
        (drips(HEL + LO, pause_s=0.05), {"request_s": 2 * SHORT_S}, "timeout", None),
        (resets(STREAM_HEAD + framed(HEL)), {}, "connection", "Hel"),
        (says(b""), {}, "reset", None),
        (says(answer(500, b"oops")), {}, "server-error", None),
        (says(answer(307, b"", {"Location": "http://127.0.0.1:9/v1"})), {}, "redirect", None),
    ],
    ids=["no text", "no end", "stall", "slow head", "byte by byte", "reset", "closed", "500", "redirect"],
)
def test_faults_behind_tls(
    monkeypatch: pytest.MonkeyPatch, ours: Path, act: Act, limits: dict[str, float], kind: str, text: str | None
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(ours))

    found = measured(act, request(**limits), tls(ours))

    assert failure(found)[0] == kind
    if text is not None:
        assert found.text == text


def test_plain_http_where_tls_is_asked_for() -> None:
    with faulty(streams(HEL, LO)) as server:
        kind, message = unprepared(server.url.replace("http://", "https://"))

    assert kind == "tls"
    assert message.endswith("check whether base_url should begin with http://")


def test_what_does_not_speak_http() -> None:
    kind, message = failure(measured(says(b"220 mail.invalid ESMTP\r\n\r\n")))

    assert kind == "not-http"
    assert message.endswith(
        "answered with what is not HTTP; check base_url: its port, and whether it should begin with https://"
    )


# Statuses


def told(message: str, **more: object) -> bytes:
    return json.dumps({"error": {"message": message, **more}}).encode()


@pytest.mark.parametrize(
    ("status", "fields", "body", "kind", "said"),
    [
        (400, {}, told("seed must be positive"), "bad-request", "answered 400: seed must be positive; "),
        (400, {}, told("too long", code="context_length_exceeded"), "too-long", "answered 400: too long; "),
        (401, {}, told(f"wrong key {KEY}"), "unauthorised", "answered 401: wrong key ***; set api_key_env "),
        (403, {}, b"", "forbidden", "answered 403; use a key "),
        (404, {}, told("no model m"), "not-found", "answered 404: no model m; set model "),
        (404, {}, b'{"detail": "Not Found"}', "not-found", "answered 404: Not Found; check base_url"),
        (408, {}, b"", "server-timeout", "answered 408; "),
        (413, {}, b"", "too-large", "answered 413; shorten the prompt, "),
        (429, {"Retry-After": "0"}, b"", "rate-limited", "answered 429; it asks to wait 0 s; lower the load, "),
        (429, {}, told("slow down"), "rate-limited", "answered 429: slow down; lower the load, "),
        (500, {}, told("it broke"), "server-error", "answered 500: it broke; look into "),
        (500, {}, told("out of memory"), "out-of-memory", "answered 500: out of memory; stop other models "),
        (400, {}, told("unknown key", param="seed"), "bad-request", "write request: {omit: [seed]} under this model"),
        (502, {}, b"<html><title>Bad Gateway</title>x</html>", "bad-gateway", "answered 502: Bad Gateway; "),
        (503, {"Retry-After": "7"}, b"", "unavailable", "answered 503; it asks to wait 7 s; "),
        (504, {}, b"", "server-timeout", "answered 504; "),
        (301, {"Location": "/v2"}, b"", "redirect", "answered 301; it leads to /v2; set base_url "),
        (
            307,
            {"Location": "http://127.0.0.1:9/v1?token=secret"},
            b"",
            "redirect",
            "answered 307; it leads to http://127.0.0.1:9/v1; set base_url ",
        ),
        (204, {}, b"", "http", "answered 204; "),
    ],
)
@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_a_status(status: int, fields: dict[str, str], body: bytes, kind: str, said: str, stream: bool) -> None:
    found = measured(says(answer(status, body, fields)), replace(request(), stream=stream))

    assert failure(found)[0] == kind
    assert said in failure(found)[1]
    assert found.text is None


def test_a_status_whose_body_never_ends() -> None:
    endless = answer(500, told("it broke"), {"Content-Length": "100000"})

    def act(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(endless)
        over.wait()

    kind, _ = failure(measured(act, request(gap_s=SHORT_S, first_text_s=SHORT_S)))

    assert kind in ("server-error", "stalled", "no-first-text")


# What is streamed


@pytest.mark.parametrize("end", [b"\r\n", b"\r"], ids=["CRLF", "CR"])
def test_other_ends_of_lines(end: bytes) -> None:
    assert good(measured(streams(*[part.replace(b"\n", end) for part in (HEL, LO)]))) == "Hello."


def test_comments_many_lines_and_no_spaces() -> None:
    lines = "".join(f"data:{line}\n" for line in json.dumps(chunk("Hel"), indent=1).split("\n"))

    assert good(measured(streams(b": ping\n\nretry: 3\n", lines.encode() + b"\n", LO))) == "Hello."


def test_cut_inside_a_character() -> None:
    body = (
        events(chunk("Grüße"), chunk(finish="stop")).replace(rb"\u00fc", "ü".encode()).replace(rb"\u00df", b"\xc3\x9f")
    )

    assert good(measured(streams(*[bytes([byte]) for byte in body]))) == "Grüße"


def test_invalid_utf_8_is_shown_as_such() -> None:
    assert good(measured(streams(HEL.replace(b"Hel", b"H\xffl"), LO))) == "H�llo."


@pytest.mark.parametrize(
    ("odd", "kind"),
    [
        ({"error": {"message": "it broke"}}, "endpoint-error"),
        ({"error": {"message": "out of memory"}}, "out-of-memory"),
        ({"choices": [{"delta": {}, "finish_reason": "content_filter"}]}, "content-filter"),
    ],
)
def test_what_ends_an_answer_in_its_middle(odd: object, kind: str) -> None:
    found = measured(streams(HEL, events(odd)))

    assert failure(found)[0] == kind
    assert found.text == "Hel"


def test_what_is_no_json_in_the_middle() -> None:
    found = measured(streams(HEL, b"data: {oops\n\n", LO))

    assert failure(found) == ("decode", "the endpoint sent what is no JSON: '{oops'")
    assert found.text == "Hel"


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        ({"id": "x"}, "no-choices"),
        ({"choices": []}, "no-choices"),
        ({"choices": [{"delta": {"content": None}, "finish_reason": "stop"}]}, "empty"),
        ({"choices": [{"delta": {"tool_calls": [{}]}, "finish_reason": "tool_calls"}]}, "tool-calls"),
        ({"choices": [{"delta": {"reasoning": "Hm."}, "finish_reason": "stop"}]}, "empty"),
    ],
)
def test_no_text_at_all(document: object, kind: str) -> None:
    found = measured(streams(events(document)))

    assert failure(found)[0] == kind
    assert found.text is None


def test_nothing_at_all() -> None:
    assert failure(measured(says(answer(200, b"", {"Content-Type": "text/event-stream"}))))[0] == "empty"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (json.dumps(WHOLE).encode(), "not-sse"),
        (b"<html><title>Log in</title></html>", "not-sse"),
        (b"Hello.", "not-sse"),
        (json.dumps({"error": "it broke"}).encode(), "endpoint-error"),
    ],
)
def test_no_event_stream(body: bytes, kind: str) -> None:
    assert failure(measured(says(answer(200, body))))[0] == kind


@pytest.mark.parametrize(
    ("body", "kind"),
    [(b"<html></html>", "decode"), (HEL + LO, "decode"), (b"", "decode"), (told("it broke"), "endpoint-error")],
)
def test_a_whole_answer_that_is_none(body: bytes, kind: str) -> None:
    assert failure(measured(says(answer(200, body)), replace(request(), stream=False)))[0] == kind


def test_a_whole_answer() -> None:
    found = measured(says(answer(200, json.dumps(WHOLE).encode())), replace(request(), stream=False))

    assert good(found) == "Hello."
    assert found.sample.output_tokens == 2


@pytest.mark.parametrize(
    ("usages", "tokens"),
    [
        ([], None),
        ([usage(9, 1), usage(9, 2)], 2),
        ([usage(9, 0)], None),
        ([usage(9, 10**9)], None),
        ([{"usage": {"completion_tokens": -1}}, {"usage": None}], None),
    ],
    ids=["none", "twice", "none beside text", "absurd", "negative"],
)
def test_usage(usages: list[object], tokens: int | None) -> None:
    found = measured(streams(HEL, events(chunk("lo.", finish="stop"), *usages)))

    assert good(found) == "Hello."
    assert found.sample.output_tokens == tokens
    assert found.sample.tokens_source == ("none" if tokens is None else "usage")


def test_an_answer_that_its_limit_ended_is_good() -> None:
    found = measured(streams(HEL, events(chunk(finish="length"))))

    assert good(found) == "Hel"
    assert found.sample.finish_reason == "length"


def test_ten_megabytes_in_one_chunk() -> None:
    said = "0123456789" * 1_000_000

    assert good(measured(streams(events(chunk(said), done=False), LO))) == said + "lo."


# Proxies


def test_a_proxy_of_the_environment_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    with faulty(streams(HEL, LO)) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url.removesuffix("/v1"))
        with provider("http://model.invalid/v1") as asked:
            assert good(ask(asked, request())) == "Hello."
            assert asked.identity().transport == "package"
        assert proxy.chats == 1


def test_a_proxy_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    with faulty(streams(HEL, LO)) as gone:
        address = gone.url.removesuffix("/v1")
    monkeypatch.setenv("HTTP_PROXY", address.replace("http://", "http://me:secret@"))

    assert unprepared("http://model.invalid/v1") == (
        "proxy",
        f"the proxy {address} of the environment refuses the connection; set it right, or add model.invalid to "
        "NO_PROXY",
    )
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert good(measured(streams(HEL, LO))) == "Hello."


def test_a_proxy_that_wants_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    with faulty(says(answer(407, b""))) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url.removesuffix("/v1"))
        with provider("http://model.invalid/v1") as asked:
            assert failure(ask(asked, request()))[0] == "proxy"


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("ALL_PROXY", "socks5://127.0.0.1:9", "proxy"),
        ("HTTP_PROXY", "odd://me:secret@x", "proxy"),
        ("SSL_CERT_FILE", __file__, "tls"),
    ],
)
def test_an_environment_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch, name: str, value: str, kind: str) -> None:
    monkeypatch.setenv(name, value)

    assert unprepared("http://model.invalid/v1")[0] == kind


# Before and after


@pytest.mark.parametrize(
    "models",
    [
        answer(404, b""),
        answer(500, b"<html></html>"),
        answer(307, b"", {"Location": "http://127.0.0.1:9/v1/models"}),
        answer(200, b"<html></html>", {"Content-Type": "text/html"}),
        answer(200, b"{oops", {"Content-Type": "application/json"}),
        answer(200, b"[]", {"Content-Type": "application/json"}),
        answer(200, b'{"data": [{}, 3]}', {"Content-Type": "application/json"}),
        answer(200, b'{"data": null}', {"Content-Type": "application/json"}),
    ],
    ids=["404", "500", "redirect", "page", "no JSON", "list", "no ids", "null"],
)
def test_an_endpoint_without_a_list_of_its_models(models: bytes) -> None:
    with faulty(streams(HEL, LO), models=models) as server, provider(server.url) as asked:
        assert good(ask(asked, request())) == "Hello."


def test_a_connection_that_the_server_closed_at_rest() -> None:
    kept_alive = STREAM_HEAD.replace(b"Connection: close\r\n", b"") + framed(HEL + LO) + b"0\r\n\r\n"
    with faulty(says(kept_alive)) as server, provider(server.url) as asked:
        assert good(ask(asked, request())) == "Hello."
        server.settle()

        assert good(ask(asked, request())) == "Hello."


@pytest.mark.parametrize(
    "fault", [resets(STREAM_HEAD + framed(HEL)), begins(HEL), says(answer(500, b"")), says(b"")], ids=range(4)
)
def test_the_next_request_is_good(fault: Act) -> None:
    acts = iter([fault, streams(HEL, LO)])
    with faulty(lambda connection, over: next(acts)(connection, over)) as server, provider(server.url) as asked:
        failure(ask(asked, request(gap_s=SHORT_S)))

        assert good(ask(asked, request())) == "Hello."


def test_no_fault_leaves_an_open_file_behind() -> None:
    folder = Path("/proc/self/fd")
    if not folder.exists():
        pytest.skip("there is no /proc to count open files in")
    before = len(os.listdir(folder))
    for act in (resets(STREAM_HEAD + framed(HEL)), begins(HEL), says(answer(500, b"")), says(b"")):
        measured(act, request(gap_s=SHORT_S))

    assert len(os.listdir(folder)) <= before


# In a run


def asked_by_a_run(acts: Sequence[Act], limits: Mapping[str, float], *, drowned: bool = False) -> ModelRun:
    """Return the record of a model whose server does one thing after the other, a request each."""
    left = iter(acts)
    with faulty(lambda connection, over: next(left)(connection, over)) as server:
        if drowned:
            server.drown()
        entry = {"provider": "openai", "model": "m", "base_url": server.url}
        document = {"models": [entry], "rounds": len(acts), "warmup": 0, "probe": False, "timeouts": dict(limits)}
        (model,) = run_models(Config.model_validate(document), prompt_set([STEP.prompt])).models
    return model


def kinds(model: ModelRun) -> list[str | None]:
    return [sample.failure.kind if sample.failure is not None else None for sample in model.samples]


FAULTS: list[tuple[Act, str | None]] = [
    (resets(), "reset"),
    (resets(STREAM_HEAD + framed(HEL)), "connection"),
    (until_closed(HEL), "cut-off"),
    (says(answer(400, told("seed must be positive"))), "bad-request"),
    (says(answer(429, b"", {"Retry-After": "60"})), "rate-limited"),
    (says(answer(502, b"<html><title>Bad Gateway</title></html>")), "bad-gateway"),
    (says(b"220 mail.invalid ESMTP\r\n\r\n"), "not-http"),
    (streams(HEL, b"data: {oops\n\n"), "decode"),
    (streams(HEL, events({"error": {"message": "it broke"}})), "endpoint-error"),
    (streams(HEL, events({"error": {"message": "CUDA error: out of memory"}})), "out-of-memory"),
    (streams(events({"choices": []})), "no-choices"),
    (streams(events(chunk(finish="stop"))), "empty"),
    (streams(HEL, LO), None),
]


@pytest.mark.slow
def test_a_run_goes_on_through_one_fault_after_the_other() -> None:
    model = asked_by_a_run([act for act, _ in FAULTS], {})

    assert model.failure is None
    assert kinds(model) == [kind for _, kind in FAULTS]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("act", "limit", "kind"),
    [
        (waits, "first_text_s", "no-first-text"),
        (begins(ROLE, HEL), "gap_s", "stalled"),
        (drips(HEL + LO, pause_s=0.05), "request_s", "timeout"),
    ],
    ids=["first text", "gap", "whole request"],
)
def test_each_limit_of_a_config_is_kept(act: Act, limit: str, kind: str) -> None:
    model = asked_by_a_run([act, streams(HEL, LO)], {limit: SHORT_S})

    assert model.failure is None
    assert kinds(model) == [kind, None]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse where Linux lets a connection wait")
def test_the_limit_on_a_connection_is_kept_before_the_first_request() -> None:
    model = asked_by_a_run([streams(HEL, LO)], {"connect_s": SHORT_S}, drowned=True)

    assert model.failure is not None
    assert model.failure.kind == "connect-timeout"
    assert model.samples == ()
