"""A reference server: it streams as an OpenAI-compatible endpoint does, on a schedule, and logs when it wrote.

`python -m bench.runner.calibration.server --first-us 5000 --gap-us 1000` serves on loopback until its standard input
closes, and says its port in a line on standard output. It imports nothing of this package, to start fast.

An answer has as many chunks of text as the request's `max_tokens` says. `GET /log` returns, and forgets, for each
answer that was finished: the request's prompt, when the request was there, and when each chunk was written. The clock
is time.perf_counter_ns: on Linux one clock for all processes since start-up. Nothing relies on it elsewhere: a check
compares durations, never readings of two processes.
"""

import argparse
import heapq
import json
import select
import selectors
import socket
import sys
import threading
import time
from dataclasses import dataclass, field

SPIN_NS = 150_000
"""How long before a chunk is due the server stops sleeping and watches the clock: it would wake up too late."""

SLEEP_S = 0.2
"""The longest sleep."""

TEXT = "word "
"""The text of each chunk."""

CHUNKS = 16
"""How many chunks an answer has where the request does not say it."""

MODEL = "calibration"
"""The one model that is served."""

HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)


@dataclass
class Client:
    """A connection, what has arrived of its next request, and the answer under way."""

    socket: socket.socket
    received: bytes = b""
    prompt: str = ""
    chunks: int = 0
    received_ns: int = 0
    wrote_ns: list[int] = field(default_factory=list)


class Server:
    """Serves any number of connections in one thread. `first_ns` is from a request to its first chunk of text."""

    def __init__(self, first_ns: int, gap_ns: int) -> None:
        self._first_ns = first_ns
        self._gap_ns = gap_ns
        self._chunk = _framed(_event({"content": TEXT}))
        self._due: list[tuple[int, int, Client]] = []
        self._entries = 0
        self._log: list[dict[str, object]] = []
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._selector.register(self._listener, selectors.EVENT_READ)

    @property
    def port(self) -> int:
        """The port on which it listens."""
        return int(self._listener.getsockname()[1])

    def serve(self, until: socket.socket | None = None) -> None:
        """Serve until `until` can be read, or for ever."""
        if until is not None:
            self._selector.register(until, selectors.EVENT_READ, "until")
        while True:
            now_ns = time.perf_counter_ns()
            while self._due and self._due[0][0] <= now_ns:
                due_ns, _, client = heapq.heappop(self._due)
                self._write(client, due_ns)
                now_ns = time.perf_counter_ns()
            for key, _ in self._ready(self._due[0][0] - now_ns if self._due else None):
                if key.data == "until":
                    return
                if key.data is None:
                    self._accept()
                else:
                    self._read(key.data)

    def _ready(self, left_ns: int | None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what can be read, after a sleep that ends before the next chunk is due."""
        sleep_s = SLEEP_S if left_ns is None else min(SLEEP_S, max(0, left_ns - SPIN_NS) / 1e9)
        if sleep_s and hasattr(self._selector, "fileno"):
            # epoll counts milliseconds; select, asked about the one epoll, counts microseconds.
            select.select([self._selector.fileno()], [], [], sleep_s)
            sleep_s = 0.0
        return self._selector.select(sleep_s)

    def _accept(self) -> None:
        accepted, _ = self._listener.accept()
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._selector.register(accepted, selectors.EVENT_READ, Client(accepted))

    def _read(self, client: Client) -> None:
        try:
            read = client.socket.recv(65536)
        except OSError:
            read = b""
        received_ns = time.perf_counter_ns()
        if not read:
            self._drop(client)
            return
        client.received += read
        head, end, body = client.received.partition(b"\r\n\r\n")
        if not end:
            return
        length = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        if len(body) < length:
            return
        client.received = b""
        if head.startswith(b"POST"):
            self._begin(client, json.loads(body), received_ns)
        else:
            self._tell(client, head.split(b" ", 2)[1].decode())

    def _begin(self, client: Client, asked: dict[str, object], received_ns: int) -> None:
        messages = asked.get("messages")
        chunks = asked.get("max_tokens", asked.get("max_completion_tokens"))
        prompt = messages[-1].get("content") if isinstance(messages, list) and messages else ""
        client.prompt = prompt if isinstance(prompt, str) else json.dumps(prompt)
        client.chunks = chunks if isinstance(chunks, int) and chunks > 0 else CHUNKS
        client.received_ns = received_ns
        client.wrote_ns = []
        self._send(client, HEAD)
        self._schedule(client, received_ns + self._first_ns)

    def _schedule(self, client: Client, due_ns: int) -> None:
        self._entries += 1
        heapq.heappush(self._due, (due_ns, self._entries, client))

    def _write(self, client: Client, due_ns: int) -> None:
        if len(client.wrote_ns) < client.chunks:
            # Before the write and not after it: a reader can be awake before the writer is back.
            client.wrote_ns.append(time.perf_counter_ns())
            self._send(client, self._chunk)
            self._schedule(client, due_ns + self._gap_ns)
            return
        prompt, received_ns, wrote_ns = client.prompt, client.received_ns, client.wrote_ns
        self._log.append({"prompt": prompt, "received_ns": received_ns, "wrote_ns": wrote_ns})
        usage = {"prompt_tokens": 1, "completion_tokens": client.chunks, "total_tokens": client.chunks + 1}
        end = _event({}, finish="stop") + _event(None, usage=usage) + b"data: [DONE]\n\n"
        self._send(client, _framed(end) + b"0\r\n\r\n")

    def _tell(self, client: Client, path: str) -> None:
        document: object = {"object": "list", "data": [{"id": MODEL, "object": "model"}]}
        if path == "/log":
            document, self._log = {"answers": self._log}, []
        body = json.dumps(document).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self._send(client, head.encode() + body)

    def _send(self, client: Client, data: bytes) -> None:
        try:
            client.socket.sendall(data)
        except OSError:
            self._drop(client)

    def _drop(self, client: Client) -> None:
        if client.socket.fileno() >= 0:
            self._selector.unregister(client.socket)
            client.socket.close()
        self._due = [entry for entry in self._due if entry[2] is not client]
        heapq.heapify(self._due)


def _event(delta: dict[str, str] | None, finish: str | None = None, usage: dict[str, int] | None = None) -> bytes:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    document = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": MODEL, "choices": choices}
    return b"data: %b\n\n" % json.dumps(document if usage is None else {**document, "usage": usage}).encode()


def _framed(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def main() -> None:
    """Serve until standard input closes, as it does when the process that started this one ends."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.runner.calibration.server", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--first-us", type=int, default=5000, help="from a request to its first chunk")
    parser.add_argument("--gap-us", type=int, default=1000, help="from one chunk to the next")
    chosen = parser.parse_args()
    server = Server(chosen.first_us * 1000, chosen.gap_us * 1000)
    sys.stdout.write(f"{server.port}\n")
    sys.stdout.flush()
    ours, theirs = socket.socketpair()
    threading.Thread(target=_until_closed, args=(theirs,), daemon=True).start()
    server.serve(ours)


def _until_closed(told: socket.socket) -> None:
    sys.stdin.buffer.read()
    told.send(b".")


if __name__ == "__main__":
    main()
