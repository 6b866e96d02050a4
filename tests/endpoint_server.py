"""An OpenAI-compatible server on loopback that answers as a test tells it to."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Script:
    """What the server answers to a chat request, and the requests that it got.

    `answer` makes the body from a request's last message; without it the body is always the same. A request with one of
    the parameters in `refuses` gets a 400 that names it. `pages` has what stands beside /v1 by path, `paths` what was
    asked for there, `owner` who owns the models.
    """

    body: bytes = b""
    content_type: str = "text/event-stream"
    status: int = 200
    encoding: str | None = None
    models: Sequence[str] = ("m",)
    cut_off: bool = False
    answer: Callable[[str], bytes] | None = None
    pages: Mapping[str, object] = field(default_factory=dict)
    server: str = "a test"
    owner: str | None = None
    paths: list[str] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)
    refuses: Sequence[str] = ()
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


def events(*documents: object, done: bool = True) -> bytes:
    """Return documents as the body of an event stream."""
    lines = [f"data: {json.dumps(document)}\n\n" for document in documents]
    return "".join([*lines, "data: [DONE]\n\n"] if done else lines).encode()


def chunk(text: str | None = None, finish: str | None = None, **delta: str) -> dict[str, Any]:
    """Return one chunk of a streamed chat completion."""
    content = {} if text is None else {"content": text}
    return {"model": "m-variant:2", "choices": [{"index": 0, "delta": content | delta, "finish_reason": finish}]}


def usage(prompt_tokens: int, completion_tokens: int) -> dict[str, Any]:
    """Return the chunk that tells the usage: it has no choice."""
    total = prompt_tokens + completion_tokens
    counts = {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens, "total_tokens": total}
    return {"model": "m-variant:2", "choices": [], "usage": counts}


@contextmanager
def endpoint(script: Script) -> Iterator[str]:
    """Serve a script; yields the base URL, ending in /v1."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            script.paths.append(self.path)
            script.asked.append({key.lower(): value for key, value in self.headers.items()})
            owned = {"owned_by": script.owner} if script.owner is not None else {}
            entries = [{"id": name, "object": "model"} | owned for name in script.models]
            pages = {"/v1/models": {"object": "list", "data": entries}} | dict(script.pages)
            found = pages.get(self.path, {"error": "there is no such page"})
            body = found if isinstance(found, bytes) else json.dumps(found).encode()
            self._send(200 if self.path in pages else 404, "application/json", body, missing=0)

        def version_string(self) -> str:
            return script.server

        def do_POST(self) -> None:
            script.requests.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            script.headers.append({key.lower(): value for key, value in self.headers.items()})
            asked = script.requests[-1]
            refused = [name for name in script.refuses if name in asked]
            if refused:
                message = {"error": {"message": f"Unsupported parameter: '{refused[0]}'", "param": refused[0]}}
                self._send(400, "application/json", json.dumps(message).encode(), missing=0)
                return
            body = script.body if script.answer is None else script.answer(asked["messages"][-1]["content"])
            # A length that never comes is how a stream is cut off.
            missing = 100 if script.cut_off else 0
            self._send(script.status, script.content_type, body, missing=missing, encoding=script.encoding)

        def _send(self, status: int, content_type: str, body: bytes, missing: int, encoding: str | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            if encoding is not None:
                self.send_header("Content-Encoding", encoding)
            self.send_header("Content-Length", str(len(body) + missing))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *message: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
