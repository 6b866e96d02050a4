"""An OpenAI-compatible server on loopback that counts words as tokens, and can stall, refuse and run out of context."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.endpoint_server import chunk, events, usage

TEMPLATE_TOKENS = 3
"""What the chat template of this server adds to the words of a prompt."""


@dataclass
class Counting:
    """How the server answers, and what it was asked.

    It holds each request for `each_s`, and the one with number `stalled` (from 0) for `stall_s`; `alone` makes it
    answer one at a time. Above `context` tokens of prompt and answer it refuses, and from number `fails_from` on.
    """

    each_s: float = 0.0
    stalled: int | None = None
    stall_s: float = 0.0
    alone: bool = False
    context: int | None = None
    counts: bool = True
    fails_from: int | None = None
    requests: list[dict[str, Any]] = field(default_factory=list)
    most_at_once: int = 0
    _at_once: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    @property
    def prompts(self) -> list[str]:
        """The prompts in the order in which they came."""
        return [request["messages"][-1]["content"] for request in self.requests]

    def answer(self, request: dict[str, Any]) -> tuple[int, bytes]:
        """Return the status and the body of the answer to a request."""
        with self._lock:
            number = len(self.requests)
            self.requests.append(request)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        if self.alone:
            with self._turn:
                self._work(number)
        else:
            self._work(number)
        with self._lock:
            self._at_once -= 1
        if self.fails_from is not None and number >= self.fails_from:
            return 503, json.dumps({"error": {"message": "overloaded"}}).encode()
        prompt_tokens = len(request["messages"][-1]["content"].split()) + TEMPLATE_TOKENS
        output_tokens = request["max_tokens"]
        if self.context is not None and prompt_tokens + output_tokens > self.context:
            why = f"This model's maximum context length is {self.context} tokens."
            return 400, json.dumps({"error": {"message": why, "code": "context_length_exceeded"}}).encode()
        told = usage(prompt_tokens, output_tokens)
        if not request.get("stream"):
            message = {"role": "assistant", "content": "word " * output_tokens}
            whole = {"model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "length"}]}
            return 200, json.dumps(whole | ({"usage": told["usage"]} if self.counts else {})).encode()
        chunks = [chunk("word ") for _ in range(output_tokens)]
        return 200, events(*chunks, chunk(finish="length"), *([told] if self.counts else []))

    def _work(self, number: int) -> None:
        time.sleep(self.stall_s if number == self.stalled else self.each_s)


@contextmanager
def counting_server(counting: Counting) -> Iterator[str]:
    """Serve; yields the base URL, ending in /v1."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._send(200, json.dumps({"object": "list", "data": [{"id": "m", "object": "model"}]}).encode())

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, body = counting.answer(request)
            self._send(status, body, streamed=status == 200 and bool(request.get("stream")))

        def _send(self, status: int, body: bytes, streamed: bool = False) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "text/event-stream" if streamed else "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *message: object) -> None:
            return

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
