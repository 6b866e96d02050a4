"""What went wrong with an endpoint, from its exceptions and its statuses: exact kinds and messages."""

import errno
import json
import re
import socket
import ssl
from http.client import BadStatusLine, IncompleteRead
from pathlib import Path
from types import SimpleNamespace

import httpx2
import openai
import pytest

from bench.errors import ProviderError
from bench.providers.openai.failures import Stage, failure, late, shown_url, status_failure
from bench.providers.protocol import Request
from bench.schema.sample import FAILURE_KINDS

WHERE = "http://127.0.0.1:5273/v1"
ASKED = httpx2.Request("POST", WHERE)
LOG = "look into the log of the service"
REQUEST = Request(
    text="Hi",
    max_output_tokens=8,
    temperature=0.0,
    top_p=None,
    seed=1,
    stream=True,
    connect_s=1.5,
    first_text_s=2.5,
    gap_s=3.5,
    request_s=4.5,
)


@pytest.fixture(autouse=True)
def _no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def caused(error: BaseException, *causes: BaseException) -> BaseException:
    """Return an error with a chain of causes, as 'raise ... from ...' makes it."""
    at = error
    for cause in causes:
        at.__cause__ = cause
        at = cause
    return error


def told(error: ProviderError) -> tuple[str, str]:
    assert error.kind in FAILURE_KINDS
    assert error.message.isprintable()
    return error.kind, error.message


def certificate_error(message: str) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")
    error.verify_message = message
    return error


def tls_error(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, f"[SSL: {reason}]")
    error.reason = reason
    return error


REFUSES = f"{WHERE} refuses the connection; start the service, or set FOUNDRY_LOCAL_ENDPOINT or base_url"
UNKNOWN = "the name 127.0.0.1 is not known here; check base_url and the network"
BEFORE = f"{WHERE} reset the connection before it answered; {LOG}"
MIDDLE = f"{WHERE} closed the connection in the middle of the answer; {LOG}"
LATE = f"{WHERE} did not answer in time; check that the service runs"
TRUST = "give the endpoint a certificate that this machine trusts, or name its authority in SSL_CERT_FILE"
NOT_HTTP = (
    f"{WHERE} answered with what is not HTTP; check base_url: its port, and whether it should begin with https://"
)


@pytest.mark.parametrize(
    ("cause", "kind", "message"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), "refused", REFUSES),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "name-not-found", UNKNOWN),
        (ConnectionResetError(errno.ECONNRESET, "reset"), "reset", BEFORE),
        (BrokenPipeError(errno.EPIPE, "pipe"), "reset", BEFORE),
        (
            OSError(errno.EHOSTUNREACH, "No route to host"),
            "unreachable",
            f"no way leads to {WHERE}; check the network and base_url",
        ),
        (
            OSError(errno.EMFILE, "Too many open files"),
            "connection",
            "this machine has too many files open; lower the load or raise ulimit -n",
        ),
        (
            certificate_error("self-signed certificate"),
            "tls",
            f"the certificate of {WHERE} is not trusted: self-signed certificate; {TRUST}",
        ),
        (
            tls_error("WRONG_VERSION_NUMBER"),
            "tls",
            f"no secure connection to {WHERE}: wrong version number; check whether base_url should begin with http://",
        ),
        (ssl.SSLEOFError(8, "EOF occurred"), "reset", BEFORE),
        (OSError(errno.EIO, "odd"), "connection", f"the request to {WHERE} failed: odd"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)
def test_what_comes_before_an_answer(cause: OSError, kind: str, message: str) -> None:
    wrapped = caused(
        openai.APIConnectionError(request=ASKED), httpx2.ConnectError("x"), httpx2.ConnectError("y"), cause
    )

    assert told(failure(wrapped, WHERE)) == (kind, message)
    assert told(failure(cause, WHERE, stage="first-text")) == (kind, message)


def test_a_cause_that_is_hidden_is_found() -> None:
    error = OSError("outer")
    error.__context__ = ConnectionRefusedError()
    # As 'raise ... from None' leaves it.
    error.__suppress_context__ = True

    assert told(failure(error, WHERE)) == ("refused", REFUSES)


def test_a_circle_of_causes_ends() -> None:
    error, other = OSError("one"), OSError("two")
    error.__cause__, other.__cause__ = other, error

    assert told(failure(error, WHERE)) == ("connection", f"the request to {WHERE} failed: two")


@pytest.mark.parametrize(
    "error",
    [
        httpx2.RemoteProtocolError("peer closed connection without sending complete message body (incomplete read)"),
        IncompleteRead(b""),
    ],
)
def test_a_connection_that_closes_in_the_middle(error: Exception) -> None:
    assert told(failure(error, WHERE)) == ("connection", MIDDLE)


def test_a_connection_that_closes_before_an_answer() -> None:
    error = httpx2.RemoteProtocolError("Server disconnected without sending a response.")

    assert told(failure(caused(openai.APIConnectionError(request=ASKED), error), WHERE)) == (
        "reset",
        f"{WHERE} closed the connection before it answered; {LOG}",
    )


def test_a_reset_in_the_middle() -> None:
    message = f"{WHERE} reset the connection in the middle of the answer; {LOG}"

    assert told(failure(caused(httpx2.ReadError("x"), ConnectionResetError()), WHERE)) == ("connection", message)
    assert told(failure(ConnectionResetError(), WHERE, stage="gap")) == ("connection", message)


@pytest.mark.parametrize("error", [httpx2.RemoteProtocolError("illegal status line: x"), BadStatusLine("x")])
def test_what_is_not_http(error: Exception) -> None:
    assert told(failure(error, WHERE)) == ("not-http", NOT_HTTP)
    assert told(failure(caused(openai.APIConnectionError(request=ASKED), error), WHERE)) == ("not-http", NOT_HTTP)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (caused(openai.APITimeoutError(ASKED), httpx2.ConnectTimeout("x"), TimeoutError()), "connect-timeout"),
        (caused(openai.APITimeoutError(ASKED), httpx2.ReadTimeout("x"), TimeoutError()), "no-first-text"),
        (caused(httpx2.ReadTimeout("x"), TimeoutError()), "stalled"),
        (TimeoutError(), "timeout"),
    ],
)
def test_a_limit_of_the_transport(error: BaseException, kind: str) -> None:
    assert told(failure(error, WHERE)) == (kind, LATE)


LIMITS: list[tuple[Stage, str, str]] = [
    (
        "connect",
        "connect-timeout",
        f"{WHERE} did not take a connection within 1.5 s; check base_url and that the service runs",
    ),
    (
        "first-text",
        "no-first-text",
        "no text within 2.5 s; raise timeouts.first_text_s if the model may be that slow",
    ),
    (
        "gap",
        "stalled",
        "nothing for 3.5 s in the middle of the answer; raise timeouts.gap_s if the model may be that slow",
    ),
    (
        "whole",
        "timeout",
        "not finished within 4.5 s; raise timeouts.request_s if the model may be that slow",
    ),
]


@pytest.mark.parametrize(("stage", "kind", "message"), LIMITS)
def test_each_limit_has_its_name(stage: Stage, kind: str, message: str) -> None:
    assert told(late(stage, WHERE, REQUEST)) == (kind, message)
    assert told(failure(TimeoutError(), WHERE, stage=stage, request=REQUEST)) == (kind, message)


def test_a_status_of_the_package_is_told_with_its_body() -> None:
    response = httpx2.Response(
        429, headers={"Retry-After": "7"}, content=b'{"error": {"message": "slow down"}}', request=ASKED
    )

    assert told(failure(openai.RateLimitError("x", response=response, body=None), WHERE)) == (
        "rate-limited",
        f"{WHERE} answered 429: slow down; it asks to wait 7 s; lower the load, or raise the limit of the endpoint",
    )


def test_a_status_whose_body_nobody_read() -> None:
    response = httpx2.Response(500, stream=httpx2.ByteStream(b"x"), request=ASKED)

    assert told(failure(openai.InternalServerError("x", response=response, body=None), WHERE)) == (
        "server-error",
        f"{WHERE} answered 500; {LOG}",
    )


@pytest.mark.parametrize("name", ["HTTP_PROXY", "ALL_PROXY"])
def test_a_proxy_that_refuses(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "http://me:secret@127.0.0.1:3128")
    wrapped = caused(openai.APIConnectionError(request=ASKED), ConnectionRefusedError())

    assert told(failure(wrapped, "http://model.invalid/v1")) == (
        "proxy",
        "the proxy http://127.0.0.1:3128 of the environment refuses the connection; set it right, or add model.invalid "
        "to NO_PROXY",
    )
    # A socket of ours has not been to the proxy.
    assert failure(ConnectionRefusedError(), "http://model.invalid/v1").kind == "refused"
    monkeypatch.setenv("NO_PROXY", "model.invalid")
    assert failure(wrapped, "http://model.invalid/v1").kind == "refused"


def test_a_proxy_that_does_not_lead_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:3128")
    wrapped = caused(openai.APIConnectionError(request=ASKED), httpx2.ProxyError("403 Forbidden"))

    assert told(failure(wrapped, "https://model.invalid/v1")) == (
        "proxy",
        "the proxy http://127.0.0.1:3128 does not lead there: 403 Forbidden; set it right, or add model.invalid to "
        "NO_PROXY",
    )


@pytest.mark.parametrize(
    ("name", "value", "kind", "message"),
    [
        (
            "ALL_PROXY",
            "socks5://127.0.0.1:9",
            "proxy",
            "the environment names a SOCKS proxy; install the package socksio, or set NO_PROXY or another proxy",
        ),
        (
            "HTTP_PROXY",
            "odd://me:secret@x",
            "proxy",
            "the environment names a proxy that is no URL; correct HTTP_PROXY and the like",
        ),
        (
            "HTTPS_PROXY",
            "http://127.0.0.1:port",
            "proxy",
            "the environment names a proxy that is no URL; correct HTTP_PROXY and the like",
        ),
        (
            "SSL_CERT_FILE",
            str(Path(__file__).parents[2] / "nothing.pem"),
            "tls",
            "the certificates of this machine cannot be read; correct or unset SSL_CERT_FILE",
        ),
        (
            "SSL_CERT_FILE",
            __file__,
            "tls",
            "the certificates of this machine cannot be read; correct or unset SSL_CERT_FILE",
        ),
    ],
)
def test_an_environment_in_which_no_client_can_be_made(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, kind: str, message: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises((ImportError, ValueError, OSError, httpx2.InvalidURL)) as caught:
        httpx2.Client()

    assert told(failure(caught.value, WHERE)) == (kind, message)


def explained(message: str, **more: object) -> bytes:
    return json.dumps({"error": {"message": message, **more}}).encode()


LOWER = "lower the load, or raise the limit of the endpoint"
SHORTEN = "shorten the prompt, lower max_output_tokens, or serve the model with a longer context"
LOADED = "wait until it has loaded its model, or lower the load"
FOLLOWED = "set base_url to the address that answers, since redirects are not followed"
AS_IT_SAYS = "change the request as it says"
PAGE = b"<html>\r\n<head><title>502 Bad\r\nGateway</title></head><body>nginx &amp; co</body></html>"
DATE = "Wed, 21 Oct 2026 07:28:00 GMT"


@pytest.mark.parametrize(
    ("status", "fields", "body", "kind", "said"),
    [
        (400, {}, explained("seed must be positive"), "bad-request", f": seed must be positive; {AS_IT_SAYS}"),
        (400, {}, b"", "bad-request", f"; {AS_IT_SAYS}"),
        (400, {}, explained("no", code="context_length_exceeded"), "too-long", f": no; {SHORTEN}"),
        (400, {}, explained("Too long.", type="exceed_context_size_error"), "too-long", f": Too long; {SHORTEN}"),
        (
            400,
            {},
            b'{"object": "error", "message": "This model\'s maximum context length is 512 tokens."}',
            "too-long",
            f": This model's maximum context length is 512 tokens; {SHORTEN}",
        ),
        (
            400,
            {},
            explained("stopped", code="content_filter"),
            "content-filter",
            ": stopped; change the prompt, or the filter of the endpoint",
        ),
        (
            401,
            {},
            explained("Incorrect API key provided: sk-ab1c****wxyz."),
            "unauthorised",
            ": Incorrect API key provided: ***; set api_key_env to the variable that holds a valid key",
        ),
        (403, {}, b'{"message": "not yours"}', "forbidden", ": not yours; use a key that may ask this model"),
        (
            404,
            {},
            explained("The model 'm' does not exist"),
            "not-found",
            ": The model 'm' does not exist; set model to one that the endpoint has",
        ),
        (
            404,
            {},
            b'{"detail": "Not Found"}',
            "not-found",
            ": Not Found; check base_url: it usually ends in /v1",
        ),
        (404, {}, b"", "not-found", "; check base_url: it usually ends in /v1"),
        (
            407,
            {},
            b"",
            "proxy",
            "; the proxy of the environment wants a password; set it, or add the host to NO_PROXY",
        ),
        (
            408,
            {},
            b"",
            "server-timeout",
            "; the endpoint gave up waiting; look into its log, or lower the load",
        ),
        (
            413,
            {},
            b"Payload too large",
            "too-large",
            ": Payload too large; shorten the prompt, or raise the limit of the endpoint",
        ),
        (
            422,
            {},
            b'{"detail": [{"loc": ["body", "seed"], "msg": "not an integer"}, {"loc": ["body"], "msg": "no"}]}',
            "bad-request",
            f": body.seed: not an integer; body: no; {AS_IT_SAYS}",
        ),
        (429, {}, b"", "rate-limited", f"; {LOWER}"),
        (429, {"retry-after": "12"}, b'"quota"', "rate-limited", f": quota; it asks to wait 12 s; {LOWER}"),
        (429, {"Retry-After": DATE}, b"", "rate-limited", f"; it asks to wait until {DATE}; {LOWER}"),
        (500, {}, b"Internal Server Error\n", "server-error", f": Internal Server Error; {LOG}"),
        (500, {}, b"{oops", "server-error", f": {{oops; {LOG}"),
        (500, {}, b"\x1f\x8b\x08\xff\xfe\xfd", "server-error", f"; {LOG}"),
        (500, {}, b"[" * 100_000, "server-error", f": …; {LOG}"),
        (500, {}, b'{"error":' * 500 + b"1" + b"}" * 500, "server-error", f"; {LOG}"),
        (500, {}, b'{"error": {"error": ["deep"]}}', "server-error", f": deep; {LOG}"),
        (501, {}, b"{}", "server-error", f"; {LOG}"),
        (
            502,
            {},
            PAGE,
            "bad-gateway",
            ": 502 Bad Gateway; what stands before the model does not reach it; look into its log",
        ),
        (503, {"Retry-After": "30"}, b"", "unavailable", f"; it asks to wait 30 s; {LOADED}"),
        (503, {}, explained("Loading model"), "unavailable", f": Loading model; {LOADED}"),
        (
            504,
            {},
            b"<h1>Gateway <b>Time-out</b></h1>",
            "server-timeout",
            ": Gateway Time-out; what stands before the model gave up waiting; look into its log, or lower the load",
        ),
        (
            307,
            {"Location": "https://me:secret@example.invalid/v1/chat?token=abc1"},
            b"",
            "redirect",
            f"; it leads to https://example.invalid/v1/chat; {FOLLOWED}",
        ),
        (302, {"Location": "/login?next=x"}, b"", "redirect", f"; it leads to /login; {FOLLOWED}"),
        (
            302,
            {"Location": "/a\nb\x1b" + "c" * 1000},
            b"",
            "redirect",
            f"; it leads to /ab {'c' * 196}; {FOLLOWED}",
        ),
        (300, {}, b"", "redirect", f"; {FOLLOWED}"),
        (204, {}, b"", "http", "; check that base_url is an OpenAI-compatible endpoint"),
        (405, {}, b"no", "http", ": no; check that base_url is an OpenAI-compatible endpoint"),
    ],
)
def test_a_status(status: int, fields: dict[str, str], body: bytes, kind: str, said: str) -> None:
    assert told(status_failure(status, fields, body, WHERE)) == (kind, f"{WHERE} answered {status}{said}")


def test_a_long_explanation_is_cut_between_words() -> None:
    _, message = told(status_failure(500, {}, b"word " * 1_000_000, WHERE))

    assert message == f"{WHERE} answered 500: {'word ' * 59}…; {LOG}"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ("bad key sk-proj-Ab1_x", "bad key ***"),
        ("see /v1?api_key=abc&x=1", "see /v1?api_key=***&x=1"),
        ("the sk-learn of hf_hub", "the sk-learn of hf_hub"),
    ],
)
def test_what_looks_like_a_key_is_not_shown(said: str, shown: str) -> None:
    assert status_failure(500, {}, said.encode(), WHERE).message == f"{WHERE} answered 500: {shown}; {LOG}"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://me:secret@127.0.0.1:1/v1?key=abc#part", "http://127.0.0.1:1/v1"),
        ("/v1/x?key=abc", "/v1/x"),
        ("http://[::1", "the endpoint"),
    ],
)
def test_a_url_is_shown_without_secrets(url: str, shown: str) -> None:
    assert shown_url(url) == shown


def test_a_response_of_another_sort_is_no_status() -> None:
    error = OSError("x")
    error.response = SimpleNamespace(status_code=500)  # type: ignore[attr-defined]

    assert failure(error, WHERE).kind == "connection"


def test_every_kind_that_is_raised_has_a_meaning() -> None:
    package = Path(__file__).parents[3] / "bench"
    raised = {
        kind
        for path in package.rglob("*.py")
        for kind in re.findall(r"(?:ProviderError\(|Failure\(kind=)\s*\"([^\"]+)\"", path.read_text(encoding="utf-8"))
    }

    assert "refused" in raised
    assert raised <= set(FAILURE_KINDS)
