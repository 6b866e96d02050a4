"""Requests over plain HTTP/1.1 connections of our own: each read is stamped before anything is made of it.

The stamps are the system's own where it gives them, else this process's. An answer is taken apart read by read: its
head, its transfer coding, its end.
"""

import os
import re
import select
import socket
import struct
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from http.client import BadStatusLine, HTTPException, IncompleteRead
from itertools import groupby
from operator import itemgetter
from queue import Empty

from bench.errors import ProviderError
from bench.providers.openai.failures import Stage, failure, late
from bench.providers.openai.kernel_stamps import (
    READ_BYTES,
    Inbox,
    Receiver,
    clock_distance,
    drift_ns,
    kernel_stamps_ns,
    stamp,
)
from bench.providers.protocol import Arrived, Clock, Request, Wire
from bench.schema.machine import StampClock

HEAD_BYTES = 256 * 1024
"""The longest head of an answer, or line inside a chunked body, that is read."""

END = b"\r\n\r\n"
"""What the read with the end of a chunked answer ends with, if it is as long."""

NO_END = b"\r\n\r\n\r\n"
"""With this it is a chunk instead, whose data end with an empty line."""

CHUNKED = re.compile(rb"^transfer-encoding:.*chunked", re.IGNORECASE | re.MULTILINE)
"""The line of a head that announces chunks."""

FOUND_CLOSED_NS = 1_000_000_000
"""How soon after it was sent a request breaks on a connection that was closed before: what takes longer was read."""

_HEX = frozenset(b"0123456789abcdefABCDEF")


class NotHttp(BadStatusLine):
    """What arrived is no HTTP answer."""


@dataclass(frozen=True)
class ResponseHead:
    """Status and headers of an answer; the names are in lower case, and of several values the last one counts."""

    status: int
    headers: Mapping[str, str]
    keeps_alive: bool


class ResponseBytes:
    """The bytes of one answer, fed in the reads in which they arrived, cut anywhere.

    `head` is None until it is whole, and `chunked` says whether the body is in chunks. `complete` says that the last
    byte is here; `surplus` that bytes came after it.
    """

    def __init__(self) -> None:
        self.head: ResponseHead | None = None
        self.complete = False
        self.surplus = False
        self.chunked = False
        self._rest = b""
        # Bytes of the body or of the chunk that are still to come; None: as many as come until the connection closes.
        self._left: int | None = 0
        self._expected = "size"

    def feed(self, read: bytes) -> bytes:
        """Return the bytes of the body that a read brought. Raises NotHttp."""
        if self.head is None:
            head, end, body = (self._rest + read).partition(b"\r\n\r\n")
            if not end:
                self._rest = _bounded(head)
                return b""
            self._rest = b""
            self._begin(_head(_bounded(head)))
            # What comes before the answer, such as 100 Continue, is passed over.
            return self.feed(body) if body or self.head is None else b""
        if self.chunked:
            return self._dechunked(read)
        if self._left is None:
            return read
        self.surplus = self.surplus or len(read) > self._left
        body = read[: self._left]
        self._left -= len(body)
        self.complete = self._left == 0
        return body

    def feed_all(self, reads: Sequence[bytes], bodies: list[bytes]) -> None:
        """Add to `bodies` what each of the reads brought of the body. Raises NotHttp."""
        between = self._between_chunks
        for read in reads:
            # Nearly every read is one chunk, whole.
            if between and read.endswith(b"\r\n"):
                begin = read.find(b"\r\n") + 2
                size = read[: begin - 2]
                if size and _HEX.issuperset(size) and len(read) - 2 == begin + int(size, 16) > begin:
                    bodies.append(read[begin:-2])
                    continue
            bodies.append(self.feed(read))
            between = self._between_chunks

    @property
    def _between_chunks(self) -> bool:
        return self.chunked and self._expected == "size" and not self._left and not self._rest

    def end(self) -> bool:
        """Take note that the connection was closed; returns whether the answer is complete with that."""
        if self.head is not None and self._left is None and not self.chunked:
            self.complete = True
        return self.complete

    def _begin(self, head: ResponseHead) -> None:
        if 100 <= head.status < 200:
            return
        self.head = head
        length = head.headers.get("content-length")
        if head.status in (204, 304):
            self.complete = True
        elif "chunked" in head.headers.get("transfer-encoding", "").lower():
            self.chunked = True
        elif length is not None:
            if not (length.isascii() and length.isdigit()):
                raise NotHttp(f"Content-Length: {length[:80]}")
            self._left = int(length)
            self.complete = self._left == 0
        else:
            self._left = None

    def _dechunked(self, read: bytes) -> bytes:
        parts: list[bytes] = []
        at = 0
        while at < len(read):
            if self.complete:
                self.surplus = True
                break
            if self._left:
                part = read[at : at + self._left]
                parts.append(part)
                at += len(part)
                self._left -= len(part)
                continue
            stop = read.find(b"\n", at)
            if stop < 0:
                self._rest = _bounded(self._rest + read[at:])
                break
            self._line((self._rest + read[at:stop]).removesuffix(b"\r"))
            self._rest = b""
            at = stop + 1
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _line(self, line: bytes) -> None:
        """Read one line between the chunks' data: a size, the end of a chunk's data, or a trailer."""
        if self._expected == "size":
            size = line.partition(b";")[0].strip()
            if not size or not _HEX.issuperset(size):
                raise NotHttp(f"chunk size {line[:80]!r}")
            self._left = int(size, 16)
            self._expected = "end of data" if self._left else "trailer"
        elif self._expected == "end of data":
            if line:
                raise NotHttp(f"{line[:80]!r} after a chunk")
            self._expected = "size"
        elif not line:
            self.complete = True


def _bounded(head: bytes) -> bytes:
    if len(head) > HEAD_BYTES:
        raise NotHttp(f"more than {HEAD_BYTES} bytes without an end of line")
    return head


# An endpoint says the same before each answer, or the same for a second.
@lru_cache(maxsize=16)
def _head(data: bytes) -> ResponseHead:
    first, *lines = data.decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    status = rest[:3]
    if not version.startswith("HTTP/1.") or not (status.isascii() and status.isdigit() and len(status) == 3):
        raise NotHttp(repr(first[:80]))
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    connection = headers.get("connection", "").lower()
    keeps_alive = "close" not in connection and (version != "HTTP/1.0" or "keep-alive" in connection)
    return ResponseHead(int(status), headers, keeps_alive)


SHORTEST_WAIT_S = 0.001
"""A wait is never shorter: a socket takes a wait of nothing for not waiting at all."""

_POSIX = os.name == "posix"

_TIMEVAL = struct.Struct("@ll")


class Connection:
    """A connection; `connect_ns` is what its set-up took, None for a connection that was there already.

    `receiver` takes in what comes, with the system's stamps; None: whoever asks reads for himself.
    """

    def __init__(self, made: socket.socket, connect_ns: int | None, receiver: Receiver | None = None) -> None:
        self.socket = made
        self.connect_ns = connect_ns
        self.receiver = receiver
        self._read_us = self._write_us = 0
        if _POSIX:
            made.settimeout(None)
            self._poll = select.poll()
            self._poll.register(made, select.POLLIN)

    def wait(self, wait_ns: int, *, sending: bool = False) -> None:
        """Let each read, and each write if `sending`, wait that long and no longer.

        Raises TimeoutError for a time that is over.
        """
        wait_us = wait_ns // 1000
        if wait_us <= 0:
            raise TimeoutError
        if not _POSIX:
            self.socket.settimeout(wait_us / 1e6)
            return
        # The system's own limits: for Python's it would ask before each read whether there is something to read.
        if wait_us != self._read_us:
            self._read_us = wait_us
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _timeval(wait_us))
        if sending and wait_us != self._write_us:
            self._write_us = wait_us
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(wait_us))

    def is_open(self) -> bool:
        """Return whether the other side has neither closed a connection at rest nor sent anything unasked."""
        if _POSIX:
            return not self._poll.poll(0)
        return not select.select([self.socket], [], [], 0)[0]


class Connections:
    """The connections to one host, kept alive between requests. Several threads may use them at once.

    Without `kernel_stamps` the system is not asked for its own.
    """

    def __init__(self, host: str, port: int, where: str, *, kernel_stamps: bool = True) -> None:
        self.where = where
        self._host = host
        self._port = port
        self._idle: list[Connection] = []
        self._lock = threading.Lock()
        self._keeps = True
        self._kernel_stamps = kernel_stamps
        self._clock_readings = self._drift_ns = self._refused = 0
        self._receiver: Receiver | None = None

    def take(self, request: Request, clock: Clock) -> Connection:
        """Return a connection that was kept alive, else a new one.

        Raises ProviderError where none comes about, or not within the request's `connect_s`.
        """
        while self._idle:
            try:
                kept = self._idle.pop()
            except IndexError:
                # Another thread was faster.
                break
            if kept.is_open():
                kept.connect_ns = None
                return kept
            kept.socket.close()
        start_ns = clock()
        try:
            made = self._connected(request.connect_s)
        except OSError as error:
            raise failure(error, self.where, stage="connect", request=request) from error
        connect_ns = clock() - start_ns
        return Connection(made, connect_ns, self._receiver_of(made))

    def keep(self, connection: Connection) -> None:
        """Keep a connection for the next request, unless the server is known to close them."""
        if self._keeps:
            self._idle.append(connection)
        else:
            connection.socket.close()

    def keep_no_more(self) -> None:
        """Have a new connection for each request from now on."""
        self._keeps = False
        while self._idle:
            with suppress(IndexError):
                self._idle.pop().socket.close()

    @property
    def stamp_clock(self) -> StampClock | None:
        """How the clock of the system's stamps ran so far; None where no answer had any."""
        if not self._clock_readings:
            return None
        return StampClock(readings=self._clock_readings, drift_ns=self._drift_ns, refused=self._refused)

    def count(self, moved_ns: int | None) -> None:
        """Take note of a request by how much the clocks moved meanwhile; None: its stamps were refused."""
        with self._lock:
            self._clock_readings += 2
            self._refused += moved_ns is None
            self._drift_ns = max(self._drift_ns, moved_ns or 0)

    def close(self) -> None:
        """Close the connections that are kept; none is in use any more."""
        while self._idle:
            self._idle.pop().socket.close()
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.close()

    def _receiver_of(self, made: socket.socket) -> Receiver | None:
        """Return who takes in what a new connection brings; None where the system does not stamp it."""
        if not self._kernel_stamps:
            return None
        try:
            stamp(made)
            with self._lock:
                if self._receiver is None:
                    self._receiver = Receiver()
                return self._receiver
        except OSError:
            return None

    def _connected(self, connect_s: float) -> socket.socket:
        end_s = time.monotonic() + connect_s
        broken: OSError = OSError("the name has no address")
        for family, kind, protocol, _, address in socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM):
            made = socket.socket(family, kind, protocol)
            try:
                made.settimeout(max(end_s - time.monotonic(), SHORTEST_WAIT_S))
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                made.connect(address)
            except OSError as error:
                made.close()
                broken = error
            else:
                return made
        raise broken


class Exchange:
    """One request on a connection, and its answer.

    Once it was performed, `arrived` has the bytes of the body, read by read, each with its stamp, `head` what came
    before them, and `wire` what the connection took. Between reads nothing is done but to take the time.
    """

    def __init__(
        self, connections: Connections, connection: Connection, message: bytes, request: Request, clock: Clock
    ) -> None:
        self.head: ResponseHead | None = None
        self.arrived: list[Arrived] = []
        self.wire = Wire(connection.connect_ns, None)
        self._connections = connections
        self._connection = connection
        self._kept = connection.connect_ns is None
        self._message = message
        self._request = request
        self._clock = clock
        self._sent_at_ns: int | None = None
        self._answer = ResponseBytes()
        self._stamps: list[int] = []
        self._reads: list[bytes] = []
        self._bodies: list[bytes] = []
        self._begin_ns = self._broke_at_ns = 0
        self._chunked = False
        self._inbox: Inbox | None = None
        if connection.receiver is not None:
            self._distance = clock_distance(clock)
            self._inbox = Inbox(connection.socket, clock, self._may_be_the_end, self._reads, self._stamps)
        # The request goes out with nothing left to set.
        self._first_wait_ns = int(min(request.first_text_s, request.request_s) * 1e9)
        self._stage: Stage = "first-text" if request.first_text_s < request.request_s else "whole"
        self._wait_ns = max(self._first_wait_ns, 1000)
        connection.wait(self._wait_ns, sending=True)

    def perform(self) -> ProviderError | None:
        """Send the request and read the answer; returns what went wrong, also where a limit was reached."""
        answer = self._answer
        problem = None
        try:
            self._exchange()
        except (TimeoutError, BlockingIOError):
            problem = late(self._stage, self._connections.where, self._request)
        except (OSError, HTTPException) as error:
            self._broke_at_ns = self._clock()
            problem = failure(error, self._connections.where, stage="gap" if any(self._bodies) else "first-text")
        finally:
            if self._inbox is not None and self._connection.receiver is not None:
                self._connection.receiver.let_go(self._inbox)
            if answer.complete and not answer.surplus and answer.head is not None and answer.head.keeps_alive:
                self._connections.keep(self._connection)
            else:
                self._connection.socket.close()
        if problem is not None:
            with suppress(OSError, HTTPException):
                # What came before it failed was not looked at yet.
                self._take_apart(None)
        stamps = self._kernel_stamps() if self._bodies else None
        # It knows this exchange: a circle, and nobody collects those while a model is measured.
        self._inbox = None
        self.arrived = list(self._arrivals(stamps or self._stamps))
        self.head = answer.head
        self.wire = Wire(self.wire.connect_ns, self._sent_at_ns, "process" if stamps is None else "kernel")
        return problem

    @property
    def found_closed(self) -> bool:
        """Whether a connection that was kept broke at once, without a byte: the server had closed it meanwhile.

        llama.cpp's server closes one after each stream and says nothing of it, so that a request can be on its way
        before that is seen. Such a request was not read, and may be sent again (RFC 9112, 9.3.1).
        """
        if not self._kept or self._answer.head is not None or self._sent_at_ns is None:
            return False
        return not any(self._reads) and self._broke_at_ns - self._sent_at_ns < FOUND_CLOSED_NS

    def _kernel_stamps(self) -> list[int] | None:
        """Return the system's stamp of each read, or None where there are none or they cannot be believed."""
        inbox = self._inbox
        if inbox is None:
            return None
        moved_ns = drift_ns(self._distance, clock_distance(self._clock))
        stamps = None
        if moved_ns is not None:
            stamps = kernel_stamps_ns(inbox, len(self._bodies), self._distance, self._begin_ns)
        self._connections.count(moved_ns if stamps is not None else None)
        return stamps

    def _arrivals(self, stamps: Sequence[int]) -> Iterator[Arrived]:
        """Yield what arrived of the body: reads with the same stamp came together."""
        at_ns, body = 0, b""
        for at_ns, pairs in groupby(zip(stamps, self._bodies, strict=False), itemgetter(0)):
            body = b"".join(body for _, body in pairs)
            if body:
                yield Arrived(at_ns, body)
        if self._answer.complete and not body:
            # The last read can be framing alone: the answer ends with it all the same.
            yield Arrived(at_ns, b"")

    def _exchange(self) -> None:
        """Send, and read to the end. Raises OSError, TimeoutError or HTTPException for what goes wrong."""
        unsent = None
        self._begin_ns = self._clock()
        try:
            self._connection.socket.sendall(self._message)
        except (BrokenPipeError, ConnectionResetError) as error:
            # The server may have answered nevertheless.
            unsent = error
        self._sent_at_ns = sent_at_ns = self._clock()
        if self._inbox is not None and self._connection.receiver is not None:
            # What came already loses nothing by it.
            self._connection.receiver.watch(self._inbox)
        gap_ns = int(self._request.gap_s * 1e9)
        end_by_ns = sent_at_ns + int(self._request.request_s * 1e9)
        read_by_ns = sent_at_ns + self._first_wait_ns
        while True:
            # All reads but the first and the last few are made in one call.
            at_ns = self._read(end_by_ns - gap_ns if self._stage == "gap" else 0)
            self._take_apart(unsent)
            if self._answer.complete:
                return
            if any(self._bodies):
                self._stage, read_by_ns = ("gap" if end_by_ns - at_ns >= gap_ns else "whole"), end_by_ns
            self._wait_ns = gap_ns if self._stage == "gap" else read_by_ns - at_ns
            if self._inbox is None:
                self._connection.wait(self._wait_ns)

    def _read(self, until_ns: int) -> int:
        """Read until the clock is past `until_ns`, or what came may be the end, or the connection is closed.

        Returns the last stamp.
        """
        if self._inbox is not None:
            return self._received(self._inbox)
        clock, receive, may_end = self._clock, self._connection.socket.recv, self._may_be_the_end
        stamp, keep = self._stamps.append, self._reads.append
        while True:
            read = receive(READ_BYTES)
            at_ns = clock()
            stamp(at_ns)
            keep(read)
            if at_ns > until_ns or may_end(read):
                return at_ns

    def _received(self, inbox: Inbox) -> int:
        """Wait for what the receiver reads meanwhile, and return as `_read` does, or now and then before."""
        since_ns = self._stamps[-1] if self._stamps else self._clock()
        while len(self._reads) == len(self._bodies):
            if inbox.error is not None:
                raise inbox.error
            left_ns = since_ns + self._wait_ns - self._clock()
            if left_ns <= 0:
                raise TimeoutError
            with suppress(Empty):
                # Nobody is told of what comes in the middle of an answer: it is looked for before a gap can be over.
                inbox.told.get(timeout=min(left_ns / 1e9, self._request.gap_s))
        return self._stamps[-1]

    def _may_be_the_end(self, read: bytes) -> bool:
        if not self._chunked:
            # Whether it is in chunks is known before the head is looked at for the rest.
            self._chunked = self._answer.chunked or CHUNKED.search(read) is not None
        if not self._chunked or len(read) < len(END):
            return True
        return read.endswith(END) and not read.endswith(NO_END)

    def _take_apart(self, unsent: OSError | None) -> None:
        """Keep what the reads brought of the body that were not looked at yet."""
        reads = self._reads[len(self._bodies) :]
        closed = bool(reads) and not reads[-1]
        self._answer.feed_all(reads[:-1] if closed else reads, self._bodies)
        # A connection that is closed after the last byte is not part of the answer.
        if closed and not self._answer.complete:
            self._bodies.append(b"")
            if not self._answer.end():
                raise unsent or IncompleteRead(b"")


def _timeval(wait_us: int) -> bytes:
    return _TIMEVAL.pack(*divmod(wait_us, 1_000_000))
