"""The client's own error: what it measures of the reference server, against what that server logged."""

import gc
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from itertools import pairwise

from bench.config.settings import Config
from bench.errors import ProviderError
from bench.providers.openai.endpoint import EndpointProvider, Transport, transport_for
from bench.providers.protocol import Arrived, Request
from bench.providers.registry import EndpointModel, kind_of
from bench.runner.calibration.server import MODEL
from bench.schema.fields import StampedBy
from bench.schema.machine import ClientCheck


@dataclass
class CalibrationRequest:
    """One request: when it began, and what arrived of its answer, each with its stamp."""

    prompt: str
    start_ns: int
    stamps: list[int] = field(default_factory=list)
    events: list[object] = field(default_factory=list)


@dataclass(frozen=True)
class Load:
    """The requests of all streams after the first of each, the time from the first to the last, and the processor's.

    Processor time is of this process alone.
    """

    asked: tuple[CalibrationRequest, ...]
    wall_s: float
    cpu_s: float


Asker = Callable[[str, int], CalibrationRequest]
"""Sends one prompt and returns what arrived: the answer has so many chunks."""


def load(ask: Asker, streams: int, requests: int, chunks: int, *, spread_s: float = 0.0) -> Load:
    """Ask by `streams` threads, `requests` times each after one that is not measured.

    The measured requests begin when every stream had its first answer, spread evenly over `spread_s`.
    """
    asked: list[list[CalibrationRequest]] = [[] for _ in range(streams)]
    failures: list[BaseException] = []
    began: list[float] = []
    together = threading.Barrier(streams, action=lambda: began.extend((time.perf_counter(), time.process_time())))

    def stream(place: int) -> None:
        try:
            ask(f"{place}-0", chunks)
            together.wait()
            time.sleep(spread_s * place / streams)
            for number in range(1, requests + 1):
                asked[place].append(ask(f"{place}-{number}", chunks))
        except BaseException as error:
            # Nothing may end a thread in silence: the others would wait for it. It is raised again below.
            failures.append(error)
            together.abort()

    # One stream is asked where a run asks it: in the main thread.
    threads = [threading.Thread(target=stream, args=(place,)) for place in range(1, streams)]
    gc.collect()
    gc.disable()
    try:
        for thread in threads:
            thread.start()
        stream(0)
        for thread in threads:
            thread.join()
        ended = time.perf_counter(), time.process_time()
    finally:
        gc.enable()
    # A stream that failed lets the others down: the first failure that is its own tells more.
    for error in sorted(failures, key=lambda error: isinstance(error, threading.BrokenBarrierError)):
        raise error
    return Load(tuple(each for stream in asked for each in stream), ended[0] - began[0], ended[1] - began[1])


FIRST_S = 0.005
"""From a request to the first chunk, of the reference server in a check."""

GAP_S = 0.001
"""From one chunk to the next."""

SHORT_REQUESTS = 20
SHORT_CHUNKS = 20
"""What the check before each run asks: about half a second."""

LIMIT_S = 60.0
"""How long an answer may take before the check gives up."""

GAP_LIMIT_S = 20.0
"""How long a part of it may take."""


@dataclass(frozen=True)
class Wrote:
    """What the server logged of one answer."""

    received_ns: int
    wrote_ns: tuple[int, ...]


@dataclass(frozen=True)
class Saw:
    """What a client stamped of one answer: the start of the request, and the arrival of each chunk of text."""

    prompt: str
    start_ns: int
    chunk_ns: tuple[int, ...]
    stamped_by: StampedBy = "process"


@dataclass(frozen=True)
class Sustained:
    """The highest load: all streams ask again as soon as they are answered, and the server writes without a pause.

    What gives in first can be the server or the machine: `requests_per_cpu_s` is of the client alone.
    """

    transport: Transport
    streams: int
    chunks: int
    requests_per_s: float
    requests_per_cpu_s: float
    cpu_s_per_chunk: float


@dataclass(frozen=True)
class Reference:
    """A reference server in a process of its own."""

    port: int

    @property
    def base_url(self) -> str:
        """Where an OpenAI client finds it."""
        return f"http://127.0.0.1:{self.port}/v1"

    def log(self) -> dict[str, Wrote]:
        """Return what was written since the last call, by the request's prompt."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=LIMIT_S)
        connection.request("GET", "/log")
        answers = json.loads(connection.getresponse().read())["answers"]
        connection.close()
        return {told["prompt"]: Wrote(told["received_ns"], tuple(told["wrote_ns"])) for told in answers}


@contextmanager
def reference_server(first_s: float = FIRST_S, gap_s: float = GAP_S) -> Iterator[Reference]:
    """Start a reference server; it ends with the block."""
    schedule = [f"--first-us={round(first_s * 1e6)}", f"--gap-us={round(gap_s * 1e6)}"]
    command = [sys.executable, "-m", "bench.runner.calibration.server", *schedule]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            said = process.stdout.readline().strip()
            if not said:
                raise ProviderError("died", "the reference server did not start")
            yield Reference(int(said))
        finally:
            process.stdin.close()


def check(
    transport: Transport,
    streams: int,
    requests: int,
    chunks: int,
    *,
    first_s: float = FIRST_S,
    gap_s: float = GAP_S,
    kernel_stamps: bool = True,
) -> ClientCheck:
    """Measure the client with `streams` at once, each of which sends `requests` answered with `chunks` of text.

    Without `kernel_stamps`, and where the system gives none, this process stamps; the check says who did.

    The error of TTFT is the client's TTFT less the server's time from the request to its first write: it holds both
    ways over loopback. The error of a gap is the gap between two arrivals less the one between the two writes.
    """
    with reference_server(first_s, gap_s) as server, endpoint(server, transport, kernel_stamps) as provider:
        done = load(asker(provider), streams, requests, chunks, spread_s=first_s + chunks * gap_s)
        return client_check(transport, streams, [saw(provider, asked) for asked in done.asked], server.log())


def short_check(config: Config) -> tuple[ClientCheck, ...]:
    """Return the check for the start of a run: one stream, over each transport that reaches an endpoint of the config.

    Our own connections are checked with the stamps of the kernel, where it gives them, and with this process's, which
    a request has whose others cannot be believed. A run without endpoints checks them with the latter, unless its
    config wants no probe either: the machine's part in the error is then known. It takes about a second for each. The
    package is checked over plain HTTP: what TLS adds is left out.
    """
    addresses = {model.address for model in config.models if kind_of(model).calibratable}
    used = {transport_for(address) for address in addresses if address is not None}
    by_kernel = [_short_check("direct")] if "direct" in used else []
    if not used and config.probe:
        used.add("direct")
    by_process = [_short_check(transport, kernel_stamps=False) for transport in sorted(used)]
    return (*(one for one in by_kernel if one.stamped_by == "kernel"), *by_process)


def _short_check(transport: Transport, *, kernel_stamps: bool = True) -> ClientCheck:
    return check(transport, 1, SHORT_REQUESTS, SHORT_CHUNKS, kernel_stamps=kernel_stamps)


def sustained(
    transport: Transport, streams: int, requests: int, chunks: int, *, kernel_stamps: bool = True
) -> Sustained:
    """Return what the client takes on when each of `streams` asks again at once, `requests` times."""
    with reference_server(0.0, 0.0) as server, endpoint(server, transport, kernel_stamps) as provider:
        done = load(asker(provider), streams, requests, chunks)
    answered = len(done.asked)
    return Sustained(
        transport=transport,
        streams=streams,
        chunks=chunks,
        requests_per_s=answered / done.wall_s,
        requests_per_cpu_s=answered / done.cpu_s,
        cpu_s_per_chunk=done.cpu_s / (answered * chunks),
    )


def client_check(transport: Transport, streams: int, answers: Sequence[Saw], wrote: dict[str, Wrote]) -> ClientCheck:
    """Return the errors of what a client saw against what the server wrote."""
    ttft_error_ns: list[int] = []
    gap_error_ns: list[int] = []
    for answer in answers:
        logged = wrote[answer.prompt]
        served_ns = logged.wrote_ns[0] - logged.received_ns
        ttft_error_ns.append(answer.chunk_ns[0] - answer.start_ns - served_ns)
        pairs = zip(pairwise(answer.chunk_ns), pairwise(logged.wrote_ns), strict=True)
        gap_error_ns.extend((seen[1] - seen[0]) - (sent[1] - sent[0]) for seen, sent in pairs)
    return ClientCheck(
        transport=transport,
        # One that was not believed is one too many.
        stamped_by="kernel" if {answer.stamped_by for answer in answers} == {"kernel"} else "process",
        streams=streams,
        ttft_error_ns=tuple(ttft_error_ns),
        gap_error_ns=tuple(gap_error_ns),
    )


def asker(provider: EndpointProvider) -> Asker:
    """Return what asks a provider as the runner does: ready first, then the clock, then the events."""
    clock = time.perf_counter_ns

    def ask(prompt: str, chunks: int) -> CalibrationRequest:
        events = provider.stream(_request(prompt, chunks), clock)
        asked = CalibrationRequest(prompt, clock())
        for event in events:
            assert isinstance(event, Arrived)
            asked.stamps.append(event.at_ns)
            asked.events.append(event.event)
        return asked

    return ask


def saw(provider: EndpointProvider, asked: CalibrationRequest) -> Saw:
    """Return when each chunk of an answer arrived. Raises ProviderError for a bad one."""
    decoded = provider.decode(asked.events)
    if decoded.problem is not None:
        raise decoded.problem
    chunk_ns = tuple(asked.stamps[piece.event] for piece in decoded.pieces)
    return Saw(asked.prompt, asked.start_ns, chunk_ns, decoded.wire.stamped_by)


def _request(prompt: str, chunks: int) -> Request:
    return Request(
        text=prompt,
        max_output_tokens=chunks,
        temperature=0.0,
        top_p=None,
        seed=0,
        stream=True,
        connect_s=GAP_LIMIT_S,
        first_text_s=GAP_LIMIT_S,
        gap_s=GAP_LIMIT_S,
        request_s=LIMIT_S,
    )


@contextmanager
def endpoint(server: Reference, transport: Transport, kernel_stamps: bool = True) -> Iterator[EndpointProvider]:
    """Yield a provider that is ready to ask the server."""
    settings = EndpointModel(provider="openai", name=MODEL, model=MODEL, base_url=server.base_url)
    provider = EndpointProvider(settings, transport=transport, kernel_stamps=kernel_stamps)
    provider.prepare(lambda _: None)
    try:
        yield provider
    finally:
        provider.close()
