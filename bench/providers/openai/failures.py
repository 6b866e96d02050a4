"""What went wrong with an endpoint, by kind and in one plain line: broken connections, error statuses, error bodies."""

import errno
import html
import json
import re
import socket
import ssl
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from bench.errors import ProviderError
from bench.providers.protocol import SAID, SMALLER, Request

TOLD_CHARACTERS = 300
"""How much of a server's explanation a message keeps."""

READ_BYTES = 1_000_000
"""How much of an error's body is looked at."""

SECRETS = re.compile(
    r"(?P<before>\bbearer\s+|\b(?:api[_-]?key|access_token|token|key)=)[^\s\"'&,;]+"
    r"|\b(?:sk|pk|rk|hf|gsk|xai|nvapi|key)[-_](?=[A-Za-z_.-]*[\d*])[A-Za-z0-9_*.-]*[A-Za-z0-9*]",
    re.IGNORECASE,
)
"""What looks like a key: a server likes to repeat the key that it refuses. Words without a digit are no keys."""

DEEPEST = 8
"""How far inside a document an explanation is looked for."""

TITLE = re.compile(r"<(title|h1)[^>]*>(.*?)</\1", re.IGNORECASE | re.DOTALL)
CONTEXT = re.compile(
    r"context_length|exceed_context|context (?:length|window|size)|maximum context|too many tokens", re.IGNORECASE
)


@dataclass(frozen=True)
class ErrorText:
    """What a body tells of an error: text is empty where there is none.

    `explained` is whether a server of models wrote it, and `about` names what one can tell from it.
    """

    text: str
    explained: bool
    about: Literal["context", "content-filter"] | None = None


def told(body: bytes) -> ErrorText:
    """Return what the body of an error says."""
    text = body[:READ_BYTES].decode("utf-8", "replace").strip()
    if text.startswith(("{", "[", '"')):
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            return ErrorText(cut(text), explained=False)
        return told_by(document)
    if text.startswith("<"):
        return ErrorText(page_title(text), explained=False)
    if text.count("�") * 10 > len(text):
        # Compressed, or no text at all.
        return ErrorText("", explained=False)
    return ErrorText(cut(text), explained=False)


def told_by(document: object) -> ErrorText:
    """Return what a decoded JSON document says of an error."""
    said = cut(_named(document, _message(document)))
    explained = bool(said)
    codes = f"{_codes(document)} {said}"
    if "content_filter" in codes:
        return ErrorText(said, explained, "content-filter")
    return ErrorText(said, explained, "context" if CONTEXT.search(codes) else None)


def page_title(text: str) -> str:
    """Return the title of an HTML page, or its first heading, as plain text; empty where it has neither."""
    found = TITLE.search(text[:READ_BYTES])
    return cut(html.unescape(re.sub(r"<[^>]*>", " ", found[2]))) if found else ""


def cut(text: str) -> str:
    """Return the beginning of a text as one plain line, cut between words: half of a key would not be recognised."""
    return textwrap.shorten(plain(text[: 10 * TOLD_CHARACTERS]), TOLD_CHARACTERS, placeholder=" …")


def plain(text: str, advice: str = "") -> str:
    """Return text as one line without control characters and without what looks like a key, then what to do next."""
    line = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    line = SECRETS.sub(lambda found: f"{found['before'] or ''}***", line)
    return f"{line.rstrip(' .;')}; {advice}" if advice else line


def _message(document: Any, depth: int = 0) -> str:
    if isinstance(document, str):
        return document
    if isinstance(document, list) and depth < DEEPEST:
        return "; ".join(filter(None, (_message(each, depth + 1) for each in document[:3])))
    if not isinstance(document, dict) or depth >= DEEPEST:
        return ""
    for key in ("error", "message", "detail", "msg", "errors", "error_description", "title", "reason"):
        said = _message(document.get(key), depth + 1)
        if said:
            place = document.get("loc")
            return f"{'.'.join(map(str, place))}: {said}" if key == "msg" and isinstance(place, list) else said
    return ""


def _named(document: Any, said: str) -> str:
    """Return an explanation with the name of the parameter that it is about, where it only stands beside it."""
    error = document.get("error") if isinstance(document, dict) else None
    name = error.get("param") if isinstance(error, dict) else None
    return said if not isinstance(name, str) or not said or name in said else f"{name}: {said}"


def _codes(document: Any) -> str:
    holders = [document, document.get("error")] if isinstance(document, dict) else []
    found = [holder.get(key) for holder in holders if isinstance(holder, dict) for key in ("code", "type")]
    return " ".join(code for code in found if isinstance(code, str))


Stage = Literal["connect", "first-text", "gap", "whole"]
"""What a request was waiting for: a connection, its first text, its next piece, or its end."""

UNREACHABLE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL)
SHOWN_CHARACTERS = 200
"""How much of a header a message shows."""

RAISE = "; raise timeouts.{limit} if the model may be that slow"


def failure(
    error: BaseException, where: str, *, stage: Stage | None = None, request: Request | None = None
) -> ProviderError:
    """Return an exception of the openai package, of its transport, or of a socket as a failure.

    `where` is the base URL. `stage` is what the request was waiting for, where the caller knows: else it is told from
    the exception, as far as that says it. With a `request`, messages name its limits.
    """
    chain = _chain(error)
    names = {name for cause in chain for name in _names(cause)}
    response = getattr(error, "response", None)
    if "APIStatusError" in names and response is not None:
        return status_failure(response.status_code, response.headers, _content(response), where)
    stage = stage or _stage(error, names)
    return (
        _environment(chain, names)
        or _proxy(chain, names, where)
        or _unconnected(chain, where)
        or _late(chain, names, where, stage, request)
        or _broken(chain, names, where, stage)
        or ProviderError("connection", plain(f"the request to {shown_url(where)} failed: {_words(error, chain)}"))
    )


def late(stage: Stage, where: str, request: Request) -> ProviderError:
    """Return that a limit of the request was reached while it waited for `stage`."""
    limits: dict[Stage, tuple[str, str]] = {
        "connect": (
            "connect-timeout",
            f"{shown_url(where)} did not take a connection within {request.connect_s:g} s; "
            "check base_url and that the service runs",
        ),
        "first-text": (
            "no-first-text",
            f"no text within {request.first_text_s:g} s" + RAISE.format(limit="first_text_s"),
        ),
        "gap": (
            "stalled",
            f"nothing for {request.gap_s:g} s in the middle of the answer" + RAISE.format(limit="gap_s"),
        ),
        "whole": ("timeout", f"not finished within {request.request_s:g} s" + RAISE.format(limit="request_s")),
    }
    return ProviderError(*limits[stage])


def status_failure(status: int, headers: Mapping[str, str], body: bytes, where: str) -> ProviderError:
    """Return an answer with a status other than 200 as a failure, with the server's own explanation.

    A redirect is told and not followed: what is measured must be what the config names.
    """
    fields = {name.lower(): value for name, value in headers.items()}
    told_of = told(body)
    kind, advice = _meaning(status, told_of, fields, where)
    if status >= 400 and kind != "too-long" and SAID.search(told_of.text):
        kind, advice = "out-of-memory", SMALLER
    said = f": {told_of.text}" if told_of.text else ""
    return ProviderError(kind, plain(f"{shown_url(where)} answered {status}{said}", advice))


def shown_url(url: str) -> str:
    """Return a URL without what may be a secret in it: user, password, query and fragment."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "the endpoint"
    if not parts.scheme or not parts.netloc:
        return parts.path
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _meaning(status: int, told_of: ErrorText, fields: Mapping[str, str], where: str) -> tuple[str, str]:
    if 300 <= status < 400:
        target = fields.get("location", "")
        leads = f"it leads to {plain(shown_url(target))[:SHOWN_CHARACTERS]}; " if target else ""
        return "redirect", f"{leads}set base_url to the address that answers, since redirects are not followed"
    if status in (400, 413, 422) and told_of.about == "context":
        return "too-long", "shorten the prompt, lower max_output_tokens, or serve the model with a longer context"
    if told_of.about == "content-filter":
        return "content-filter", "change the prompt, or the filter of the endpoint"
    if status == 404 and not (told_of.explained and "model" in told_of.text.lower()):
        # A server that knows the address speaks of the model.
        return "not-found", CHECK_URL
    if status in (429, 503, 529):
        wait = _wait(fields.get("retry-after", ""))
        if status == 429:
            return "rate-limited", f"{wait}lower the load, or raise the limit of the endpoint"
        return "unavailable", f"{wait}wait until it has loaded its model, or lower the load"
    if status in _STATUSES:
        return _STATUSES[status]
    if status >= 500:
        return "server-error", "look into the log of the service"
    return "http", "check that base_url is an OpenAI-compatible endpoint"


CHECK_URL = "check base_url: it usually ends in /v1"

AS_IT_SAYS = "change the request as it says"
"""What to do about a request that was not taken, where nobody knows it better."""

_STATUSES: dict[int, tuple[str, str]] = {
    400: ("bad-request", AS_IT_SAYS),
    401: ("unauthorised", "set api_key_env to the variable that holds a valid key"),
    403: ("forbidden", "use a key that may ask this model"),
    404: ("not-found", "set model to one that the endpoint has"),
    407: ("proxy", "the proxy of the environment wants a password; set it, or add the host to NO_PROXY"),
    408: ("server-timeout", "the endpoint gave up waiting; look into its log, or lower the load"),
    413: ("too-large", "shorten the prompt, or raise the limit of the endpoint"),
    422: ("bad-request", AS_IT_SAYS),
    502: ("bad-gateway", "what stands before the model does not reach it; look into its log"),
    504: ("server-timeout", "what stands before the model gave up waiting; look into its log, or lower the load"),
}
"""What a status means, and what to do. Some need more than the status: see _meaning."""


def _wait(retry_after: str) -> str:
    asked = plain(retry_after)[:SHOWN_CHARACTERS]
    if not asked:
        return ""
    return f"it asks to wait {asked} s; " if asked.isdigit() else f"it asks to wait until {asked}; "


def _chain(error: BaseException) -> list[BaseException]:
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:
        chain.append(cause)
        # The transport hides its cause with 'from None'; the context still has it.
        cause = cause.__cause__ or cause.__context__
    return chain


def _names(error: BaseException) -> list[str]:
    # The names are alike in every version of the package's transport, its modules are not.
    return [each.__name__ for each in type(error).__mro__]


def _stage(error: BaseException, names: set[str]) -> Stage | None:
    if names & {"ConnectTimeout", "PoolTimeout", "ConnectError"}:
        return "connect"
    # The package wraps what happens before the headers; while the body is read, the transport's errors come bare.
    if "OpenAIError" in _names(error):
        return "first-text"
    return "gap" if names & {"ReadTimeout", "ReadError", "RemoteProtocolError"} else None


def _environment(chain: list[BaseException], names: set[str]) -> ProviderError | None:
    """Tell what keeps the package's client from being made at all: it reads proxies and certificates first."""
    said = str(chain[0])
    if "ImportError" in names and "socks" in said.lower():
        message = "the environment names a SOCKS proxy; install the package socksio, or set NO_PROXY or another proxy"
        return ProviderError("proxy", message)
    if getproxies() and ("InvalidURL" in names or ("ValueError" in names and "proxy" in said)):
        # What is wrong is not shown: a proxy's URL may hold a password.
        return ProviderError("proxy", "the environment names a proxy that is no URL; correct HTTP_PROXY and the like")
    unread = isinstance(chain[0], FileNotFoundError | PermissionError | IsADirectoryError)
    if unread or (isinstance(chain[0], ssl.SSLError) and getattr(chain[0], "library", "") in ("X509", "PEM")):
        return ProviderError("tls", "the certificates of this machine cannot be read; correct or unset SSL_CERT_FILE")
    return None


def _proxy(chain: list[BaseException], names: set[str], where: str) -> ProviderError | None:
    # Only the package heeds a proxy: a socket of ours has not been to it.
    proxy = proxy_of(where) if names & {"OpenAIError", "TransportError"} else None
    if proxy is None:
        return None
    way_out = f"set it right, or add {_host(where)} to NO_PROXY"
    said = next((str(cause) for cause in chain if type(cause).__name__ == "ProxyError"), "")
    if said:
        return ProviderError("proxy", plain(f"the proxy {shown_url(proxy)} does not lead there: {said}", way_out))
    unconnected = _unconnected(chain, where)
    if unconnected is None or unconnected.kind == "tls":
        return None
    doing = "refuses the connection" if unconnected.kind == "refused" else "cannot be reached"
    return ProviderError("proxy", plain(f"the proxy {shown_url(proxy)} of the environment {doing}", way_out))


def proxy_of(where: str) -> str | None:
    """Return the proxy that the environment names for a URL, or None."""
    proxies = getproxies()
    proxy = proxies.get(urlsplit(where).scheme) or proxies.get("all")
    return proxy if proxy and not proxy_bypass(_host(where)) else None


def _host(where: str) -> str:
    try:
        return urlsplit(where).hostname or where
    except ValueError:
        return where


def _unconnected(chain: list[BaseException], where: str) -> ProviderError | None:
    shown = shown_url(where)
    for cause in chain:
        if isinstance(cause, socket.gaierror):
            message = f"the name {_host(where)} is not known here; check base_url and the network"
            return ProviderError("name-not-found", message)
        if isinstance(cause, ConnectionRefusedError):
            message = f"{shown} refuses the connection; start the service, or set FOUNDRY_LOCAL_ENDPOINT or base_url"
            return ProviderError("refused", message)
        if isinstance(cause, ssl.SSLCertVerificationError):
            advice = "give the endpoint a certificate that this machine trusts, or name its authority in SSL_CERT_FILE"
            reason = (
                f"the certificate of {shown} is not trusted: {getattr(cause, 'verify_message', '') or _reason(cause)}"
            )
            return ProviderError("tls", plain(reason, advice))
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            advice = "check whether base_url should begin with http://"
            return ProviderError("tls", plain(f"no secure connection to {shown}: {_reason(cause)}", advice))
        if isinstance(cause, OSError) and cause.errno in UNREACHABLE:
            return ProviderError("unreachable", f"no way leads to {shown}; check the network and base_url")
        if isinstance(cause, OSError) and cause.errno in (errno.EMFILE, errno.ENFILE):
            return ProviderError(
                "connection", "this machine has too many files open; lower the load or raise ulimit -n"
            )
    return None


def _reason(error: ssl.SSLError) -> str:
    # Not every one has what it declares: only those that OpenSSL raised.
    reason = getattr(error, "reason", None) or "the handshake failed"
    return str(reason).replace("_", " ").lower()


def _late(
    chain: list[BaseException], names: set[str], where: str, stage: Stage | None, request: Request | None
) -> ProviderError | None:
    if not any(isinstance(cause, TimeoutError) for cause in chain) and not any("Timeout" in name for name in names):
        return None
    if stage is not None and request is not None:
        return late(stage, where, request)
    kind = {"connect": "connect-timeout", "first-text": "no-first-text", "gap": "stalled"}.get(stage or "", "timeout")
    return ProviderError(kind, f"{shown_url(where)} did not answer in time; check that the service runs")


RESETS = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError, ssl.SSLEOFError, ssl.SSLZeroReturnError)
CLOSED = re.compile(r"closed connection|disconnected|incomplete", re.IGNORECASE)
"""What the transports say when the other side has gone before its message was whole."""


def _broken(chain: list[BaseException], names: set[str], where: str, stage: Stage | None) -> ProviderError | None:
    said = " ".join(str(cause) for cause in chain)
    reset = any(isinstance(cause, RESETS) for cause in chain)
    closed = CLOSED.search(said) is not None or "IncompleteRead" in names
    shown = shown_url(where)
    if not reset and not closed:
        if names & {"RemoteProtocolError", "BadStatusLine", "LineTooLong"}:
            advice = "check base_url: its port, and whether it should begin with https://"
            return ProviderError("not-http", f"{shown} answered with what is not HTTP; {advice}")
        return None
    doing = "reset" if reset else "closed"
    advice = "look into the log of the service"
    if stage in ("connect", "first-text"):
        return ProviderError("reset", f"{shown} {doing} the connection before it answered; {advice}")
    return ProviderError("connection", f"{shown} {doing} the connection in the middle of the answer; {advice}")


def _content(response: object) -> bytes:
    try:
        content = getattr(response, "content", b"")
    except RuntimeError:
        # The transport says so of a body that was not read.
        return b""
    return content if isinstance(content, bytes) else b""


def _words(error: BaseException, chain: list[BaseException]) -> str:
    # The package says only 'Connection error.'; the innermost cause says what happened.
    words = [getattr(cause, "strerror", None) or str(cause) for cause in reversed(chain)]
    return next(filter(None, words), type(error).__name__)
