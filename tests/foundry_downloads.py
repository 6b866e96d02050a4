"""The public path of a model on loopback: a catalogue, the registry that names a storage, and the storage itself.

The runtime asks the registry over TLS alone, at a host of its own: it gets there through a proxy, which is this server,
and trusts a certificate that is made for it.
"""

import json
import re
import socketserver
import ssl
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.fault_server import certificate
from tests.foundry_catalogue import entry


@cache
def registry_certificate() -> Path:
    """Return the certificate of the registry's host with its key, made once; skips the test where it cannot be."""
    made = certificate(Path(tempfile.mkdtemp(prefix="registry-")), "DNS:*.api.azureml.ms")
    return made or pytest.skip("there is no openssl to make a certificate with")


DATED = {"ETag": '"0x8D"', "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
STORED = {
    **DATED,
    "Content-Type": "application/octet-stream",
    "x-ms-blob-type": "BlockBlob",
    "x-ms-creation-time": DATED["Last-Modified"],
    "x-ms-server-encrypted": "true",
    "x-ms-lease-state": "available",
    "x-ms-lease-status": "unlocked",
}
"""What the storage says of each file; the runtime insists on it."""


@dataclass
class Downloads:
    """What is served, and what was asked for. `answer` is the catalogue's: a status and a body, or what it lists.

    As many requests as `hanging` says for a file of that name are never answered; `hangs` is set by the first.
    """

    files: Mapping[str, bytes]
    entries: Sequence[Mapping[str, object]] = ()
    answer: tuple[int, bytes] | None = None
    hanging: dict[str, int] = field(default_factory=dict)
    hangs: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    fetched: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        """Where the catalogue is asked."""
        return f"http://127.0.0.1:{self.port}/asset-gallery/v1.0/models"

    @property
    def environment(self) -> dict[str, str]:
        """What the runtime must find in its environment to come here."""
        return {"https_proxy": f"http://127.0.0.1:{self.port}", "SSL_CERT_FILE": str(registry_certificate())}


@contextmanager
def downloads(model: Path | None = None) -> Iterator[Downloads]:
    """Serve a catalogue with one variant of one model, whose files are those of a directory."""
    files = {} if model is None else {path.name: path.read_bytes() for path in sorted(model.iterdir())}
    size_bytes = sum(map(len, files.values()))
    served = Downloads(files, [entry(size_bytes=size_bytes)])
    server = _Server(("127.0.0.1", 0), _Handler)
    server.served = served
    served.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield served
    finally:
        served.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    served: Downloads

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a process that was stopped while it was answered."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def served(self) -> Downloads:
        assert isinstance(self.server, _Server)
        return self.server.served

    def log_message(self, *message: object) -> None:
        return

    def do_CONNECT(self) -> None:
        self.send_response(200, "Connection established")
        self.end_headers()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(registry_certificate())
        self.connection = context.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb", -1)
        self.wfile = socketserver._SocketWriter(self.connection)  # type: ignore[attr-defined]

    def finish(self) -> None:
        super().finish()
        # Within TLS it is another one than the server's.
        self.connection.close()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        listed = {"value": list(self.served.entries), "totalCount": len(self.served.entries)}
        status, body = self.served.answer or (200, json.dumps(listed).encode())
        self._say(status, body, {"Content-Type": "application/json"})

    def do_HEAD(self) -> None:
        self._file(urlsplit(self.path).path.rpartition("/")[2])

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if "/modelregistry/" in parts.path:
            storage = {"blobSasUri": f"http://127.0.0.1:{self.served.port}/account/container?sv=2020&sig=none"}
            self._say(200, json.dumps(storage).encode(), {"Content-Type": "application/json"})
        elif parse_qs(parts.query).get("comp") == ["list"]:
            self._say(200, _listing(self.served.files).encode(), {"Content-Type": "application/xml"})
        else:
            name = parts.path.rpartition("/")[2]
            self.served.fetched.append(name)
            if self.served.hanging.get(name, 0) > 0:
                self.served.hanging[name] -= 1
                self.served.hangs.set()
                self.served.ended.wait()
            else:
                self._file(name)

    def _file(self, name: str) -> None:
        data = self.served.files.get(name)
        if data is None:
            self._say(404, b"", {})
            return
        asked = re.match(r"bytes=(\d+)-(\d+)", self.headers.get("x-ms-range", ""))
        if asked is None:
            self._say(200, data, STORED)
            return
        first, last = int(asked[1]), min(int(asked[2]), len(data) - 1)
        self._say(206, data[first : last + 1], {**STORED, "Content-Range": f"bytes {first}-{last}/{len(data)}"})

    def _say(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _listing(files: Mapping[str, bytes]) -> str:
    """Return the storage's list of its files, which lie in a folder of the model's version."""
    blobs = "".join(
        f"<Blob><Name>v1/{name}</Name><Properties><Last-Modified>{DATED['Last-Modified']}</Last-Modified>"
        f"<Etag>0x8D</Etag><Content-Length>{len(data)}</Content-Length><BlobType>BlockBlob</BlobType></Properties></Blob>"
        for name, data in files.items()
    )
    return f'<?xml version="1.0"?><EnumerationResults><Blobs>{blobs}</Blobs><NextMarker /></EnumerationResults>'
