"""What the openai package does for us: it builds every request, and carries those that are out of the ordinary."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from bench.errors import ProviderError
from bench.providers.openai.failures import Stage, failure, late
from bench.providers.protocol import Arrived, Clock, Request
from bench.providers.registry import NEEDED, EndpointModel, unsendable

CONNECT_S = 10.0
"""How long a connection may take to come about, while nothing is measured, unless a config says it."""

LIST_S = 30.0
"""How long an endpoint may take to list its models."""


@dataclass(frozen=True)
class Secrets:
    """A model's key and the headers of its requests, out of the environment: none of their values is ever told."""

    key: str
    headers: Mapping[str, str]

    @property
    def sent(self) -> dict[str, str]:
        """What goes with a request: the key, where there is one, and the headers."""
        return ({"Authorization": f"Bearer {self.key}"} if self.key else {}) | dict(self.headers)

    def hidden(self, text: str) -> str:
        """Return a text without their values."""
        for value in sorted((self.key, *self.headers.values()), key=len, reverse=True):
            text = text.replace(value, "***") if value else text
        return text


def secrets_of(model: EndpointModel) -> Secrets:
    """Return a model's key and headers.

    Raises ProviderError of kind 'unauthorised' for a header's variable that is not set, and for a value that no header
    can hold.
    """
    for header, variable in {**model.request.headers_from, "Authorization": model.api_key_env}.items():
        value = os.environ.get(variable, "") if variable else ""
        if variable and not value and header in model.request.headers_from:
            message = f"the environment variable {variable} is not set; set it to the value of the header {header}"
            raise ProviderError("unauthorised", message)
        if wrong := unsendable(value):
            message = f"the environment variable {variable} has {wrong}, which no header can hold; take it out"
            raise ProviderError("unauthorised", message)
    key = os.environ.get(model.api_key_env, "") if model.api_key_env else ""
    return Secrets(key, {name: os.environ[variable] for name, variable in model.request.headers_from.items()})


class _Built(BaseException):
    """Stops the package before it sends. No Exception: it would take that for a broken connection."""

    def __init__(self, request: Any) -> None:
        super().__init__()
        self.request = request


@dataclass(frozen=True)
class Template:
    """A request as the package sends it, in bytes, around the place of the prompt."""

    head: bytes
    before: bytes
    after: bytes

    def message(self, prompt: bytes) -> bytes:
        """Return the whole request for a prompt, given as JSON."""
        length = len(self.before) + len(prompt) + len(self.after)
        return b"%bContent-Length: %d\r\n\r\n%b%b%b" % (self.head, length, self.before, prompt, self.after)


def client(
    base_url: str,
    secrets: Secrets,
    connect_s: float = CONNECT_S,
    *,
    build_only: bool = False,
    environment: bool = True,
) -> Any:
    """Return the package's client, which neither tries twice nor follows a redirect: both would be measured.

    Without `environment` the proxies that it names are left aside.
    """
    import openai

    hooks = {"request": [_stop]} if build_only else {}
    # What sends nothing looks at no certificate, and to read those that are trusted takes longer than all the rest.
    carrier = openai.DefaultHttpxClient(
        follow_redirects=False, trust_env=environment, event_hooks=hooks, verify=not build_only
    )
    return openai.OpenAI(
        base_url=base_url,
        # The package insists on a key; a local endpoint reads none.
        api_key=secrets.key or "none",
        default_headers=secrets.headers,
        max_retries=0,
        timeout=openai.Timeout(LIST_S, connect=connect_s),
        http_client=carrier,
    )


def arguments(body: Mapping[str, Any], request: Request) -> dict[str, Any]:
    """Return what the package gets for a request with this body."""
    import openai

    rest = {key: value for key, value in body.items() if key not in NEEDED}
    limits = openai.Timeout(request.request_s, connect=request.connect_s, read=request.first_text_s)
    # The package knows the names of some keys; as they are, it sends any.
    return {**{key: body[key] for key in NEEDED}, "extra_body": rest, "timeout": limits}


def template(builder: Any, body: Callable[[Request], Mapping[str, Any]], request: Request) -> Template:
    """Return the request as the package builds it; `builder` is a client that builds only.

    The answer is asked for without compression: unpacking would be measured.
    """
    mark = f"prompt-{os.urandom(12).hex()}"
    try:
        # Built on entering; it is never sent.
        with builder.chat.completions.with_streaming_response.create(
            **arguments(body(replace(request, text=mark)), request)
        ):
            raise AssertionError("the package sent what was only to be built")
    except _Built as built:
        sent = built.request
    before, _, after = sent.read().partition(b'"%b"' % mark.encode())
    lines = [b"POST %b HTTP/1.1" % sent.url.raw_path]
    for name, value in sent.headers.raw:
        if name.lower() not in (b"content-length", b"accept-encoding"):
            lines.append(b"%b: %b" % (name, value))
    return Template(b"\r\n".join([*lines, b"Accept-Encoding: identity", b""]), before, after)


class PackagedExchange:
    """One request sent through the package, and its answer.

    The package knows a limit for each read alone: so a thread of its own reads, and is left behind when it is late.
    """

    def __init__(self, client: Any, body: Mapping[str, Any], request: Request, where: str, clock: Clock) -> None:
        self._client = client
        self._arguments = arguments(body, request)
        self._request = request
        self._where = where
        self._clock = clock
        self._arrived: list[Arrived] = []
        self._read_by_s = 0.0
        self._socket: socket.socket | None = None
        self._problem: Exception | None = None
        self._begun = threading.Event()
        self._over = threading.Event()

    def events(self) -> Iterator[Arrived]:
        """Send the request and yield the reads of the body; raises ProviderError after those that came before it."""
        request = self._request
        end_by_s = time.monotonic() + request.request_s
        self._read_by_s = time.monotonic() + request.first_text_s
        reader = threading.Thread(target=self._read, daemon=True)
        reader.start()
        stage = self._waited(end_by_s)
        arrived = tuple(self._arrived)
        yield from arrived
        if stage is not None:
            raise late(stage, self._where, request)
        reader.join()
        if self._problem is not None:
            raise failure(
                self._problem, self._where, stage="gap" if arrived else None, request=request
            ) from self._problem

    def _waited(self, end_by_s: float) -> Stage | None:
        """Wait for the end of the answer, and return the limit that was reached before it."""
        # The first read can bring the limit nearer; every other one puts it off.
        self._begun.wait(max(0.0, min(self._read_by_s, end_by_s) - time.monotonic()))
        while not self._over.wait(max(0.0, min(self._read_by_s, end_by_s) - time.monotonic())):
            now_s = time.monotonic()
            if now_s < min(self._read_by_s, end_by_s):
                continue
            if self._socket is not None:
                with suppress(OSError):
                    # The plain method, for a socket with TLS as well: its TLS state is the reader's.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
            if now_s >= end_by_s:
                return "whole"
            return "gap" if self._arrived else "first-text"
        return None

    def _read(self) -> None:
        try:
            with self._client.chat.completions.with_streaming_response.create(**self._arguments) as response:
                self._socket = _socket(response)
                for read in response.iter_bytes():
                    self._arrived.append(Arrived(self._clock(), read))
                    self._read_by_s = time.monotonic() + self._request.gap_s
                    self._begun.set()
        except Exception as error:
            # Whatever it is, it is raised where the answer is waited for.
            self._problem = error
        self._over.set()
        self._begun.set()


def _socket(response: Any) -> socket.socket | None:
    stream = response.http_response.extensions.get("network_stream")
    found = stream.get_extra_info("socket") if stream is not None else None
    return found if isinstance(found, socket.socket) else None


def _stop(request: Any) -> None:
    raise _Built(request)
