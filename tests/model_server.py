"""A server of a model as a config starts one: `python tests/model_server.py --port PORT [--mode MODE] ...`.

It answers as llama.cpp's does: not ready while it loads, a list of one model, streamed answers with what came out of
its prompt cache. `--mode` is what it does wrong. It needs nothing but the standard library.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

MODES = ("good", "never", "dies", "no-memory", "dies-answering", "killed-answering", "other-port", "deaf")
WORD_S = 0.001
"""What each word of a prompt that is not in the cache takes, and each word of an answer."""


def main() -> None:
    """Serve until a signal ends it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--mode", choices=MODES, default="good")
    parser.add_argument("-m", "--model", default="tiny.gguf")
    parser.add_argument("--load-s", type=float, default=0.0)
    parser.add_argument("--memory-mb", type=int, default=0)
    parser.add_argument("--lazy", action="store_true", help="be another runtime, which loads when it is first asked")
    parser.add_argument("--children", type=Path, help="start children that outlive it, and write their ids here")
    asked = parser.parse_args()
    if asked.children is not None:
        _leave_children(asked.children)
    if asked.mode == "dies":
        sys.exit(f"\x1b[31merror:\x1b[0m failed to load the model {asked.model}")
    if asked.mode == "no-memory":
        sys.exit("ggml: failed to allocate 4096 MB: out of memory")
    if asked.mode == "deaf":
        time.sleep(600)
    server = Server(asked)
    threading.Thread(target=server.load, daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    server.serve_forever()


class Server(ThreadingHTTPServer):
    """The server, and the prompts that it has in its cache."""

    daemon_threads = True

    def __init__(self, asked: argparse.Namespace) -> None:
        port = 0 if asked.mode == "other-port" else asked.port
        super().__init__(("127.0.0.1", port), Handler)
        self.asked = asked
        self.ready = False
        self.seen: set[str] = set()
        self.weights = b""
        self.chats = 0

    def load(self) -> None:
        """Take as long, and as much memory, as was asked for."""
        if not self.asked.lazy:
            time.sleep(self.asked.load_s)
        self.weights = b"w" * (self.asked.memory_mb * 2**20)
        self.ready = self.asked.mode != "never"


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: Server

    def do_GET(self) -> None:
        """Tell of the server."""
        pages: dict[str, object] = {
            "/health": {"status": "ok"},
            "/v1/models": {"object": "list", "data": [{"id": self._name, "object": "model"}]},
            "/props": {"default_generation_settings": {"n_ctx": 512}, "build_info": "b1-abcdef0"},
        }
        if self.server.asked.lazy:
            entry = {"id": self._name, "object": "model", "owned_by": "library"}
            pages = {"/v1/models": {"data": [entry]}, "/api/version": {"version": "0.12.3"}}
        if not self.server.ready:
            self._send(503, json.dumps({"error": {"message": "Loading model"}}))
        elif self.path in pages:
            self._send(200, json.dumps(pages[self.path]))
        else:
            self._send(404, json.dumps({"error": {"message": "File Not Found"}}))

    def do_POST(self) -> None:
        """Answer a chat with the first words of its prompt."""
        asked: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompt = asked["messages"][-1]["content"]
        words = prompt.split()
        cached = len(words) - 1 if asked.get("cache_prompt", True) and prompt in self.server.seen else 0
        self.server.seen.add(prompt)
        self.server.chats += 1
        if self.server.asked.lazy and self.server.chats == 1:
            time.sleep(self.server.asked.load_s)
        time.sleep(WORD_S * (len(words) - cached))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        said = words[: asked["max_tokens"]]
        for word in said:
            self._event({"choices": [{"index": 0, "delta": {"content": f"{word} "}, "finish_reason": None}]})
            if self.server.asked.mode == "dies-answering" and self.server.chats == 2:
                sys.stderr.write("assertion failed: the slot is gone\n")
                sys.stderr.flush()
                os._exit(3)
            if self.server.asked.mode == "killed-answering" and self.server.chats == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(WORD_S)
        self._event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        usage = {"prompt_tokens": len(words), "completion_tokens": len(said)}
        timings = {
            "cache_n": cached,
            "prompt_n": len(words) - cached,
            "prompt_ms": (len(words) - cached) * WORD_S * 1000,
            "predicted_n": len(said),
            "predicted_ms": len(said) * WORD_S * 1000,
        }
        self._event({"choices": [], "usage": usage, "timings": timings})
        self.wfile.write(b"data: [DONE]\n\n")

    @property
    def _name(self) -> str:
        return Path(self.server.asked.model).name

    def _event(self, document: dict[str, Any]) -> None:
        self.wfile.write(f"data: {json.dumps({'model': self._name} | document)}\n\n".encode())
        self.wfile.flush()

    def _send(self, status: int, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def version_string(self) -> str:
        """Return what the Server header says."""
        return "a test" if self.server.asked.lazy else "llama.cpp"

    def log_message(self, *message: object) -> None:
        """Log nothing."""


def _leave_children(ids: Path) -> None:
    """Start children that no polite signal ends: one of this group, and one of a session of its own."""
    command = ["sh", "-c", "trap '' TERM HUP; sleep 600"]
    children = [subprocess.Popen(command, start_new_session=alone) for alone in (False, True)]
    ids.write_text(" ".join(str(child.pid) for child in children))


if __name__ == "__main__":
    main()
