"""Models behind any OpenAI-compatible endpoint.

The openai package builds each request before the clock starts. Plain HTTP is then carried by connections of our own,
which have the system stamp each read, or stamp it before anything is parsed; TLS and proxies are the package's.
"""

import json
import time
import uuid
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from functools import partial
from importlib import metadata
from operator import attrgetter
from typing import Any, Literal
from urllib.parse import urlsplit

from bench.errors import ProviderError
from bench.providers.openai.client import (
    CONNECT_S,
    PackagedExchange,
    Secrets,
    Template,
    client,
    secrets_of,
    template,
)
from bench.providers.openai.failures import AS_IT_SAYS, failure, proxy_of, status_failure
from bench.providers.openai.http import Connections, Exchange
from bench.providers.openai.listed import resolved
from bench.providers.openai.request import body, line_to_write
from bench.providers.openai.runtimes import SALT, UNKNOWN, asker, by_fingerprint, cache_mode, recognised
from bench.providers.openai.sse import decoded_body, decoded_stream
from bench.providers.protocol import Arrived, Clock, Decoded, Identity, Request, Wire
from bench.providers.registry import EndpointModel
from bench.schema.model_run import DECLARED_FIELDS

Transport = Literal["direct", "package"]
"""What carries the requests: connections of our own, or the openai package's client."""

MESSAGE_CHARACTERS = 500
"""How long the message of a failure may be."""

SHAPE = attrgetter(*(field.name for field in fields(Request) if field.name != "text"))
"""Returns all of a request but its prompt."""

NO_SECRETS = Secrets("", {})

AS_JSON = json.JSONEncoder(ensure_ascii=False).encode


@dataclass(frozen=True)
class Opening:
    """The event before the bytes of an answer: what is needed to decode them."""

    wire: Wire
    streamed: bool
    encoding: str = "identity"


class EndpointProvider:
    """One model at an endpoint. Another process holds it, so its memory and its load are not ours to measure.

    Several threads may ask it at once. `transport` is chosen by the endpoint's address and the environment's proxies,
    unless it is given: then no proxy is used. Without `kernel_stamps` the system is not asked for its own. `connect_s`
    is the limit on a connection before any request has its own.
    """

    one_at_a_time = None

    def __init__(
        self,
        model: EndpointModel,
        transport: Transport | None = None,
        *,
        kernel_stamps: bool = True,
        connect_s: float = CONNECT_S,
    ) -> None:
        self._settings = model
        self._connect_s = connect_s
        self._base_url = model.address
        self._secrets = NO_SECRETS
        self._client: Any = None
        self._builder: Any = None
        self._model = model.model
        self._listed = False
        self._answered_as: str | None = None
        self._templates: dict[tuple[object, ...], Template] = {}
        self._runtime = UNKNOWN
        self._cache = cache_mode(model.prompt_cache or "cold", UNKNOWN)
        self._by_environment = transport is None
        self._transport = transport or transport_for(self._base_url)
        self._connections: Connections | None = None
        if self._transport == "direct":
            parts = urlsplit(self._base_url)
            host, port = parts.hostname or "", parts.port or 80
            self._connections = Connections(host, port, self._base_url, kernel_stamps=kernel_stamps)

    def prepare(self, on_download: Callable[[float], None]) -> None:
        """Connect, and ask the endpoint which models it has.

        A Foundry Local service knows its models by the ids of their variants: an alias is resolved to the one variant
        that it lists. Raises ProviderError of kind 'refused' and the like where nobody answers, 'not-found' for an
        alias of several variants and for a model that is not listed, and 'unauthorised' for a key that cannot be sent.
        """
        import openai

        self._secrets = secrets_of(self._settings)
        try:
            made = partial(client, self._base_url, self._secrets, self._connect_s, environment=self._by_environment)
            self._client, self._builder = made(), made(build_only=True)
            ids = [entry.id for entry in self._client.models.list()]
        except (openai.APIStatusError, json.JSONDecodeError, AttributeError, TypeError):
            # Not every endpoint has a list of models, or one of this form; the first request will tell.
            ids = []
        except (openai.OpenAIError, ImportError, OSError, ValueError) as error:
            # The last three are what the package makes of an environment that it cannot use.
            raise self._cleaned(failure(error, self._base_url)) from error
        self._model = resolved(self._model, ids, self._base_url, unlisted=self._settings.unlisted)
        self._listed = self._model in ids
        self._runtime = recognised(self._base_url, asker(self._secrets.sent, environment=self._by_environment))
        self._cache = cache_mode(self._settings.prompt_cache or "cold", self._runtime, self._settings.request.body)

    def load(self) -> None:
        """Do nothing: the endpoint loads its models when it wants to."""

    def identity(self) -> Identity:
        """Return what the config declares; an endpoint says little of its models."""
        unsaid = "an endpoint does not say it; declare it in the config under declared"
        declared = self._settings.declared
        return Identity(
            transport=self._transport,
            runtime=self._runtime,
            prompt_cache=self._cache.mode,
            prompt_cache_by=self._cache.by,
            stamp_clock=self._connections.stamp_clock if self._connections is not None else None,
            variant_id=self._answered_as or (self._model if self._listed else None),
            footprint_bytes=declared.footprint_bytes,
            versions={"openai": metadata.version("openai")},
            unmeasured=dict.fromkeys(DECLARED_FIELDS, unsaid),
        )

    def stream(self, request: Request, clock: Clock) -> Iterator[object]:
        """Build the request and have a connection ready, then yield the bytes of the answer as they arrive.

        The first event is the Opening. Raises ProviderError.
        """
        if self._connections is None:
            return self._packaged(request, clock)
        return self._direct(self._connections, self._exchange(self._connections, request, clock), request, clock)

    def _exchange(self, connections: Connections, request: Request, clock: Clock) -> Exchange:
        return Exchange(connections, connections.take(request, clock), self._message(request), request, clock)

    def _message(self, request: Request) -> bytes:
        shape = SHAPE(request)
        built = self._templates.get(shape)
        if built is None:
            built = self._templates[shape] = template(self._builder, self._body, request)
        message = built.message(AS_JSON(request.text).encode("utf-8"))
        return message.replace(SALT.encode(), _salt().encode()) if SALT in self._cache.body.values() else message

    def _body(self, request: Request) -> dict[str, Any]:
        return body(self._model, request, self._settings.request, self._cache.body)

    def _direct(self, connections: Connections, exchange: Exchange, request: Request, clock: Clock) -> Iterator[object]:
        problem = exchange.perform()
        if problem is not None and exchange.found_closed:
            connections.keep_no_more()
            # A server that has gone is told of by how the request ended, not by how no second one came about.
            with suppress(ProviderError):
                exchange = self._exchange(connections, request, clock)
                problem = exchange.perform()
        arrived, wire, head = exchange.arrived, exchange.wire, exchange.head
        if head is not None and arrived:
            encoding = head.headers.get("content-encoding", "identity").lower()
            yield Arrived(arrived[0].at_ns, Opening(wire, request.stream, encoding))
            if head.status == 200:
                yield from arrived
            elif problem is None:
                body = b"".join(event.event for event in arrived if isinstance(event.event, bytes))
                problem = status_failure(head.status, head.headers, body, self._base_url)
        elif wire.sent_at_ns is not None:
            yield Arrived(wire.sent_at_ns, Opening(wire, request.stream))
        if problem is not None:
            raise self._cleaned(problem)

    def _packaged(self, request: Request, clock: Clock) -> Iterator[object]:
        opening: Opening | None = Opening(Wire(None, None), request.stream)
        salted = {key: _salt() if value == SALT else value for key, value in self._body(request).items()}
        try:
            asked = PackagedExchange(self._client, salted, request, self._base_url, clock)
            for event in asked.events():
                if opening is not None:
                    yield Arrived(event.at_ns, opening)
                    opening = None
                yield event
        except ProviderError as error:
            raise self._cleaned(error) from error

    def decode(self, events: Sequence[object]) -> Decoded:
        """Decode the reads of a stream, or the body of an answer."""
        opening = next((event for event in events if isinstance(event, Opening)), Opening(Wire(None, None), True))
        # A piece names the event that completed it: every event keeps its place.
        reads = [event if isinstance(event, bytes) else b"" for event in events]
        try:
            reads = _unpacked(reads, opening.encoding)
        except (zlib.error, LookupError) as error:
            problem = ProviderError("decode", f"the answer cannot be unpacked from {opening.encoding!r}: {error}")
            return Decoded((), None, None, "none", None, problem, None, opening.wire)
        decoded = decoded_stream(reads) if opening.streamed else decoded_body(b"".join(reads))
        self._answered_as = decoded.model or self._answered_as
        if self._runtime == UNKNOWN and decoded.fingerprint is not None:
            # A gateway shows no page of what is behind it.
            self._runtime = by_fingerprint(decoded.fingerprint) or UNKNOWN
        told = None if decoded.problem is None else self._cleaned(decoded.problem)
        return replace(decoded, problem=told, wire=opening.wire)

    def count_prompt_tokens(self, request: Request) -> int | None:
        """Return what the endpoint's usage says of an answer of one token, or None where it says nothing.

        Raises ProviderError where it refuses.
        """
        short = replace(request, max_output_tokens=1)
        events = [event.event for event in self.stream(short, time.perf_counter_ns) if isinstance(event, Arrived)]
        decoded = self.decode(events)
        if decoded.problem is not None and decoded.prompt_tokens is None:
            raise decoded.problem
        return decoded.prompt_tokens

    def close(self) -> None:
        """Close the connections."""
        for each in (self._client, self._builder, self._connections):
            if each is not None:
                each.close()
        self._client = self._builder = None

    def _cleaned(self, error: ProviderError) -> ProviderError:
        line = self._secrets.hidden(" ".join(error.message.split()))
        said = line.removesuffix(AS_IT_SAYS)
        if error.kind == "bad-request" and said != line:
            # The address comes before what was said, and may have the same words in it.
            told = said.partition(" answered ")[2]
            line = said + (line_to_write(told, self._settings.request) or self._cache.line_to_write(told) or AS_IT_SAYS)
        return ProviderError(error.kind, line[:MESSAGE_CHARACTERS])


def transport_for(base_url: str) -> Transport:
    """Return what carries requests to a URL: TLS, and a proxy that the environment names, are the package's."""
    return "direct" if base_url.startswith("http://") and proxy_of(base_url) is None else "package"


def _salt() -> str:
    return uuid.uuid4().hex


def _unpacked(reads: Sequence[bytes], encoding: str) -> list[bytes]:
    """Return what the reads hold where a server packed them though it was asked not to."""
    if encoding == "identity":
        return list(reads)
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise LookupError("nothing here reads it")
    # 47: the widest window, and the header tells gzip and zlib apart.
    unpack = zlib.decompressobj(47).decompress
    return [unpack(read) for read in reads]
