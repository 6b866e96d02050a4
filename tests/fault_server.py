"""An endpoint on loopback that does what endpoints do wrong, byte for byte, over sockets of its own.

An `Act` is what it does once it has read a chat request; the list of models it always gives.
"""

import json
import shutil
import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

Act = Callable[[socket.socket, threading.Event], None]
"""Answers one chat request over a socket, which is closed afterwards. The event is set when the test is over."""

LIST = json.dumps({"object": "list", "data": [{"id": "m", "object": "model"}]}).encode()
READ_BYTES = 65_536

TLS_HANDSHAKE = b"\x16\x03"
"""How a connection begins that is to be secured."""


@dataclass
class Faulty:
    """A server that runs: its URL, ending in /v1, and how many chat requests it got."""

    url: str
    chats: int = 0
    over: threading.Event = field(default_factory=threading.Event)
    _listening: socket.socket = field(default_factory=socket.socket)
    _connections: list[socket.socket] = field(default_factory=list)
    _queued: list[socket.socket] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)
    _accepting: threading.Thread | None = None
    _stopped: bool = False

    def vanish(self) -> None:
        """Listen no more: who connects is refused."""
        self._stopped = True
        # Closing alone does not wake the thread that waits for a connection.
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for connection in self._connections:
            _end(connection)

    def settle(self) -> None:
        """Wait until every connection is closed that was served so far."""
        for thread in self._threads:
            thread.join()

    def drown(self) -> None:
        """Take no more connections, and fill the queue of those that wait: who connects now gets no answer at all.

        This is what Linux does with a full queue.
        """
        self._stopped = True
        assert self._accepting is not None
        self._accepting.join()
        address = self._listening.getsockname()
        with suppress(TimeoutError):
            for _ in range(20):
                waiting = socket.socket()
                waiting.settimeout(0.2)
                self._queued.append(waiting)
                waiting.connect(address)


@contextmanager
def faulty(act: Act, *, tls: ssl.SSLContext | None = None, models: bytes = b"") -> Iterator[Faulty]:
    """Serve with an act for each chat request; connections are closed after each answer.

    `models` is the answer to who asks for the list of models, where it should be another one.
    """
    listening = socket.create_server(("127.0.0.1", 0), backlog=0)
    scheme = "http" if tls is None else "https"
    server = Faulty(f"{scheme}://127.0.0.1:{listening.getsockname()[1]}/v1", _listening=listening)

    def serve(connection: socket.socket) -> None:
        with suppress(OSError), connection:
            secured = tls.wrap_socket(connection, server_side=True) if tls is not None else connection
            with secured:
                method = _read_request(secured)
                if method == "GET":
                    secured.sendall(models or answer(200, LIST, {"Content-Type": "application/json"}))
                elif method == "POST":
                    server.chats += 1
                    act(secured, server.over)
                elif method:
                    secured.sendall(answer(400, b"That is no HTTP."))

    def accept() -> None:
        while not server._stopped:
            try:
                connection, _ = listening.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            connection.settimeout(None)
            server._connections.append(connection)
            thread = threading.Thread(target=serve, args=(connection,), daemon=True)
            server._threads.append(thread)
            thread.start()

    listening.settimeout(0.05)
    server._accepting = accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield server
    finally:
        server.over.set()
        server.vanish()
        for waiting in server._queued:
            waiting.close()
        accepting.join()
        for thread in server._threads:
            thread.join()


def _read_request(connection: socket.socket) -> str:
    got = b""
    while b"\r\n\r\n" not in got:
        read = connection.recv(READ_BYTES)
        if not read:
            return ""
        got += read
        if got.startswith(TLS_HANDSHAKE):
            return "TLS"
    head, _, body = got.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:])
    missing = int(fields.get(b"content-length", b"0")) - len(body)
    while missing > 0:
        read = connection.recv(READ_BYTES)
        if not read:
            return ""
        missing -= len(read)
    return head.split(b" ", 1)[0].decode()


def _end(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def answer(status: int, body: bytes, fields: dict[str, str] | None = None) -> bytes:
    """Return a whole HTTP answer with a length."""
    lines = {"Content-Length": str(len(body)), "Connection": "close"} | (fields or {})
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} Told\r\n{head}\r\n".encode() + body


STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
)


def framed(part: bytes) -> bytes:
    """Return a part of a body as one chunk of the chunked transfer coding."""
    return f"{len(part):x}\r\n".encode() + part + b"\r\n"


def says(whole: bytes) -> Act:
    """Send bytes and close."""

    def act(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(whole)

    return act


def streams(*parts: bytes, pause_s: float = 0.0) -> Act:
    """Send an event stream, chunked, each part in a write of its own, and end it as it should be."""

    def act(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(STREAM_HEAD)
        for part in parts:
            connection.sendall(framed(part))
            over.wait(pause_s)
        connection.sendall(b"0\r\n\r\n")

    return act


def begins(*parts: bytes) -> Act:
    """Send the beginning of an event stream, then nothing more, and keep the connection."""

    def act(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(STREAM_HEAD + b"".join(map(framed, parts)))
        over.wait()

    return act


def waits(connection: socket.socket, over: threading.Event) -> None:
    """Send nothing at all, and keep the connection."""
    over.wait()


def resets(*sent: bytes) -> Act:
    """Send bytes, then reset the connection."""

    def act(connection: socket.socket, over: threading.Event) -> None:
        for part in sent:
            connection.sendall(part)
        # Time to read what was sent: not every system keeps it once the reset has come.
        over.wait(0.1 if sent else 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return act


def drips(body: Iterable[int], pause_s: float, first: bytes = b"") -> Act:
    """Send an event stream byte by byte, after what comes first at once."""

    def act(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(STREAM_HEAD + (framed(first) if first else b""))
        for byte in body:
            connection.sendall(framed(bytes([byte])))
            if over.wait(pause_s):
                return

    return act


def certificate(folder: Path, name: str) -> Path | None:
    """Make a certificate that signs itself, with its key in one file; `name` as in 'IP:127.0.0.1' or 'DNS:example'.

    Returns None where there is no openssl to make it with.
    """
    openssl = shutil.which("openssl")
    if openssl is None:
        return None
    made, key = folder / "certificate.pem", folder / "key.pem"
    request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=benchledger test"]
    files = ["-addext", f"subjectAltName={name}", "-keyout", str(key), "-out", str(made)]
    subprocess.run([openssl, *request, *files], check=True, capture_output=True)
    made.write_bytes(key.read_bytes() + made.read_bytes())
    return made
