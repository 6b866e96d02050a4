"""Our client beside others, against the reference server: error, processor time, load. One table from one run.

    python -m tests.benchmarks.clients --streams 1 16 64 256
    python -m tests.benchmarks.clients --streams 16 --peers
    python -m tests.benchmarks.clients --streams 1 16 64 --mixed
    python -m tests.benchmarks.clients --streams 16 64 256 --gap-ms 20 --stamps

Every client is asked in turn, round after round, so that a machine that drifts spoils no ratio. With `--mixed` our
direct clients and the bare socket take turns request by request instead, within each stream: what disturbs one then
disturbs the others, and what is left between them is their way to the socket and back. `bare socket` is what
Python can do at best without the kernel's stamps: a thread for each stream that sends bytes made before and stamps each
read. `openai, chunk by chunk` is the package as its users write it. `--stamps` leaves that and our package transport
out. `--peers` adds those of guidellm and AIPerf whose command is found.
"""

import argparse
import json
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import openai

from bench.providers.openai.endpoint import Transport
from bench.report.terminal import quantile_s
from bench.runner.calibration.client_check import (
    Asker,
    CalibrationRequest,
    Reference,
    Saw,
    Wrote,
    asker,
    client_check,
    endpoint,
    load,
    reference_server,
    saw,
)
from bench.runner.calibration.server import MODEL, TEXT
from tests.benchmarks.peers import PEERS, peer_found

FIRST_S = 0.02
GAP_S = 0.005
CHUNKS = 20
"""The answers: 20 chunks, at 200 a second unless another gap is asked for."""

LONGEST = 150
"""The most requests of one stream, in turns as many for each round: each takes an eighth of a second."""

MARK = json.dumps({"content": TEXT}).encode()[1:-1]
"""What each chunk of text holds, and nothing else does."""


@dataclass(frozen=True)
class Client:
    """A client: how it asks, and how what it got is read afterwards."""

    ask: Asker
    saw: Callable[[CalibrationRequest], Saw]


@dataclass
class Found:
    """What was found of one client at one number of streams, over all rounds."""

    ttft_error_ns: list[int] = field(default_factory=list)
    gap_error_ns: list[int] = field(default_factory=list)
    cpu_s: float = 0.0
    requests: int = 0

    def add(self, cpu_s: float, answers: Sequence[Saw], wrote: dict[str, Wrote]) -> None:
        """Add a round."""
        checked = client_check("direct", 1, answers, wrote)
        self.ttft_error_ns.extend(checked.ttft_error_ns)
        self.gap_error_ns.extend(checked.gap_error_ns)
        self.cpu_s += cpu_s
        self.requests += len(answers)


@contextmanager
def ours(server: Reference, transport: Transport, kernel_stamps: bool = True) -> Iterator[Client]:
    """Our endpoint provider."""
    with endpoint(server, transport, kernel_stamps) as provider:
        yield Client(asker(provider), lambda asked: saw(provider, asked))


@contextmanager
def ours_by_kernel(server: Reference) -> Iterator[Client]:
    """Over connections of our own, with the kernel's stamps where it gives them."""
    with ours(server, "direct") as client:
        yield client


@contextmanager
def ours_by_process(server: Reference) -> Iterator[Client]:
    """Over connections of our own, with this process's stamps."""
    with ours(server, "direct", kernel_stamps=False) as client:
        yield client


@contextmanager
def ours_package(server: Reference) -> Iterator[Client]:
    """Over the package's client, reading bytes: the path of TLS and proxies."""
    with ours(server, "package") as client:
        yield client


@contextmanager
def bare_socket(server: Reference) -> Iterator[Client]:
    """A socket for each request in flight, bytes made before, a stamp after each read."""
    clock = time.perf_counter_ns
    idle: list[socket.socket] = []

    def ask(prompt: str, chunks: int) -> CalibrationRequest:
        document = {"model": MODEL, "messages": [{"role": "user", "content": prompt}], "max_tokens": chunks}
        body = json.dumps({**document, "stream": True}).encode()
        message = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        try:
            connection = idle.pop()
        except IndexError:
            connection = socket.create_connection(("127.0.0.1", server.port))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(None)
        stamps: list[int] = []
        reads: list[object] = []
        read = b""
        start_ns = clock()
        connection.sendall(message)
        while not read.endswith(b"\r\n0\r\n\r\n"):
            read = connection.recv(65536)
            stamps.append(clock())
            reads.append(read)
        idle.append(connection)
        return CalibrationRequest(prompt, start_ns, stamps, reads)

    def seen(asked: CalibrationRequest) -> Saw:
        pairs = zip(asked.stamps, asked.events, strict=True)
        counted = [(at_ns, read.count(MARK)) for at_ns, read in pairs if isinstance(read, bytes)]
        return Saw(asked.prompt, asked.start_ns, tuple(at_ns for at_ns, count in counted for _ in range(count)))

    yield Client(ask, seen)
    for connection in idle:
        connection.close()


@contextmanager
def chunk_by_chunk(server: Reference) -> Iterator[Client]:
    """The package as its users write it."""
    clock = time.perf_counter_ns
    asked_of = openai.OpenAI(base_url=server.base_url, api_key="none", max_retries=0)

    def ask(prompt: str, chunks: int) -> CalibrationRequest:
        asked = CalibrationRequest(prompt, clock())
        stream = asked_of.chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": prompt}],
            max_tokens=chunks,
            temperature=0.0,
            seed=0,
            stream=True,
            stream_options={"include_usage": True},
        )
        for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                asked.stamps.append(clock())
        return asked

    yield Client(ask, lambda asked: Saw(asked.prompt, asked.start_ns, tuple(asked.stamps)))
    asked_of.close()


CLIENTS = {
    "bare socket": bare_socket,
    "ours, kernel stamps": ours_by_kernel,
    "ours, process stamps": ours_by_process,
    "ours, package": ours_package,
    "openai, chunk by chunk": chunk_by_chunk,
}

SOCKETS = ("bare socket", "ours, kernel stamps", "ours, process stamps")
"""Those that read from a socket of their own."""


def compared(names: Sequence[str], streams: int, requests: int, rounds: int, gap_s: float) -> dict[str, Found]:
    """Return what is found of each client with so many streams at once."""
    found = {name: Found() for name in names}
    with reference_server(FIRST_S, gap_s) as server:
        for number in range(rounds):
            for name in names if number % 2 == 0 else reversed(names):
                with CLIENTS[name](server) as client:
                    done = load(client.ask, streams, requests, CHUNKS, spread_s=FIRST_S + CHUNKS * gap_s)
                    found[name].add(done.cpu_s, [client.saw(asked) for asked in done.asked], server.log())
    return found


def mixed(streams: int, requests: int, gap_s: float) -> dict[str, Found]:
    """Return what is found of SOCKETS when they take turns within each stream.

    Processor time is of the threads that ask: that of the one that receives is not in it.
    """
    took: dict[str, list[tuple[CalibrationRequest, float]]] = {name: [] for name in SOCKETS}
    with reference_server(FIRST_S, gap_s) as server, ExitStack() as opened:
        clients = {name: opened.enter_context(CLIENTS[name](server)) for name in SOCKETS}

        def ask(prompt: str, chunks: int) -> CalibrationRequest:
            place, number = map(int, prompt.split("-"))
            name = SOCKETS[(place + number) % len(SOCKETS)]
            begin_s = time.thread_time()
            asked = clients[name].ask(prompt, chunks)
            # The first request of each client is its warm-up.
            if number >= len(SOCKETS):
                took[name].append((asked, time.thread_time() - begin_s))
            return asked

        load(ask, streams, len(SOCKETS) * requests, CHUNKS, spread_s=FIRST_S + CHUNKS * gap_s)
        wrote = server.log()
        found = {name: Found() for name in SOCKETS}
        for name, pairs in took.items():
            answers = [clients[name].saw(asked) for asked, _ in pairs]
            found[name].add(sum(cpu_s for _, cpu_s in pairs), answers, wrote)
    return found


def lines(streams: int, found: dict[str, Found]) -> Iterator[str]:
    """Yield the rows of the table; the ratios are to the bare socket, in brackets."""
    bare = found["bare socket"]
    for name, each in found.items():
        cells = [str(streams), name]
        for errors, base in (
            (each.ttft_error_ns, bare.ttft_error_ns),
            (each.gap_error_ns, bare.gap_error_ns),
        ):
            for share in (0.5, 0.99):
                if not errors:
                    cells.append("not kept")
                    continue
                size_s = quantile_s(errors, share)
                cells.append(f"{size_s * 1e3:.3f} ({size_s / quantile_s(base, share):.2f}x)")
        cpu_s = each.cpu_s / (each.requests * CHUNKS) * 1000
        bare_cpu_s = bare.cpu_s / (bare.requests * CHUNKS) * 1000
        cells += [f"{cpu_s * 1e3:.1f} ({cpu_s / bare_cpu_s:.2f}x)", f"{each.requests / each.cpu_s:,.0f}"]
        yield f"| {' | '.join(cells)} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--requests", type=int, default=640, help="of each client at each number of streams")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", action="store_true", help="also guidellm and AIPerf, where their commands are found")
    parser.add_argument("--mixed", action="store_true", help="bare socket and ours alone, taking turns within a stream")
    parser.add_argument("--stamps", action="store_true", help="bare socket and ours alone, one after the other")
    parser.add_argument("--gap-ms", type=float, default=GAP_S * 1e3, help="from one chunk to the next")
    chosen = parser.parse_args()
    gap_s = chosen.gap_ms / 1e3
    write = sys.stdout.write
    write("Errors in ms, without sign, and their ratio to the bare socket's; CPU in ms.\n\n")
    write(
        "| streams | client | TTFT p50 | TTFT p99 | gap p50 | gap p99 | CPU per 1,000 chunks | requests per CPU s |\n"
    )
    write("| --- | --- | --- | --- | --- | --- | --- | --- |\n")
    for streams in chosen.streams:
        requests = min(chosen.requests, LONGEST * streams)
        if chosen.mixed:
            found = mixed(streams, max(2, min(chosen.requests // streams, LONGEST * chosen.rounds)), gap_s)
        else:
            names = SOCKETS if chosen.stamps else tuple(CLIENTS)
            found = compared(names, streams, max(2, requests // streams // chosen.rounds), chosen.rounds, gap_s)
        if chosen.peers:
            for name in PEERS:
                peer = peer_found(name, streams, requests, CHUNKS, FIRST_S, gap_s)
                if peer is not None:
                    found[name] = Found(peer.ttft_error_ns, peer.gap_error_ns, peer.cpu_s, peer.requests)
        for line in lines(streams, found):
            write(f"{line}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
