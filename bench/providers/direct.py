"""Requests over plain HTTP/1.1 connections of our own: each read is stamped before anything is made of it."""

import os
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException, IncompleteRead

from bench.errors import ProviderError
from bench.providers.endpoint_failures import Stage, failure, late
from bench.providers.framing import Answer
from bench.providers.protocol import Arrived, Clock, Request, Wire

READ_BYTES = 64 * 1024
"""The most that one read takes from a connection."""

SHORTEST_WAIT_S = 0.001
"""A wait is never shorter: a socket takes a wait of nothing for not waiting at all."""


@dataclass
class Connection:
    """A connection that is ready; `connect_ns` is what its set-up took, None for one that was there already."""

    socket: socket.socket
    connect_ns: int | None


class Connections:
    """The connections to one host, kept alive between requests. Several threads may use them at once."""

    def __init__(self, host: str, port: int, where: str) -> None:
        self.where = where
        self._host = host
        self._port = port
        self._idle: list[socket.socket] = []

    def take(self, request: Request, clock: Clock) -> Connection:
        """Return a connection that was kept alive, else a new one.

        Raises ProviderError where none comes about, or not within the request's `connect_s`.
        """
        while self._idle:
            with suppress(IndexError):
                kept = self._idle.pop()
                if _is_open(kept):
                    return Connection(kept, None)
                kept.close()
        start_ns = clock()
        try:
            made = self._connected(request.connect_s)
        except OSError as error:
            raise failure(error, self.where, stage="connect", request=request) from error
        return Connection(made, clock() - start_ns)

    def keep(self, connection: Connection) -> None:
        """Keep a connection for the next request."""
        self._idle.append(connection.socket)

    def close(self) -> None:
        """Close the connections that are kept."""
        while self._idle:
            self._idle.pop().close()

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
    """One request on a connection, and its answer. It is sent when the first event is asked for.

    The events are the Head, with the stamp of the body's first bytes, then the bytes of the body, read by read. They
    are handed over when the last one is here or something failed: between reads nothing is done but to take the time.
    """

    def __init__(
        self, connections: Connections, connection: Connection, message: bytes, request: Request, clock: Clock
    ) -> None:
        self._connections = connections
        self._connection = connection
        self._where = connections.where
        self._message = message
        self._request = request
        self._clock = clock
        self._sent_at_ns: int | None = None
        self._answer = Answer()
        self._stamps: list[int] = []
        self._reads: list[bytes] = []
        self._wait_us = 0
        # The request goes out with nothing left to set.
        self._first_wait_ns = int(min(request.first_text_s, request.request_s) * 1e9)
        self._wait(max(self._first_wait_ns, 1000))

    @property
    def wire(self) -> Wire:
        """What the connection took, so far."""
        return Wire(self._connection.connect_ns, self._sent_at_ns)

    def events(self) -> Iterator[Arrived]:
        """Send the request and yield what arrived. Raises ProviderError after that, also where a limit is reached."""
        answer = self._answer
        problem: ProviderError | None = None
        bodies: list[bytes] = []
        try:
            problem = self._exchanged(bodies)
        finally:
            if answer.complete and not answer.surplus and answer.head is not None and answer.head.keeps_alive:
                self._connections.keep(self._connection)
            else:
                self._connection.socket.close()
        begun = False
        last = len(bodies) - 1
        for place, (at_ns, body) in enumerate(zip(self._stamps, bodies, strict=False)):
            # The last read can be framing alone: the answer ends with it all the same.
            if body or (place == last and answer.complete):
                if not begun:
                    begun = True
                    yield Arrived(at_ns, answer.head)
                yield Arrived(at_ns, body)
        if problem is not None:
            raise problem

    def _exchanged(self, bodies: list[bytes]) -> ProviderError | None:
        """Send, read to the end, and put what each read brought of the body into `bodies`; returns what went wrong."""
        request = self._request
        gap_ns = int(request.gap_s * 1e9)
        stage: Stage = "first-text" if request.first_text_s < request.request_s else "whole"
        begun = False
        try:
            unsent, sent_at_ns = self._send()
            end_by_ns = sent_at_ns + int(request.request_s * 1e9)
            read_by_ns = sent_at_ns + self._first_wait_ns
            while not self._answer.complete:
                # All reads but the first and the last few are made in one call.
                self._read(end_by_ns - gap_ns if stage == "gap" else 0)
                self._take_apart(bodies, unsent)
                begun = begun or any(bodies)
                at_ns = self._stamps[-1]
                if begun:
                    stage, read_by_ns = ("gap" if end_by_ns - at_ns >= gap_ns else "whole"), end_by_ns
                self._wait(gap_ns if stage == "gap" else read_by_ns - at_ns)
        except (TimeoutError, BlockingIOError):
            problem = late(stage, self._where, request)
        except (OSError, HTTPException) as error:
            problem = failure(error, self._where, stage="gap" if begun else "first-text")
        else:
            return None
        with suppress(OSError, HTTPException):
            # What came before it failed was not looked at yet.
            self._take_apart(bodies, None)
        return problem

    def _send(self) -> tuple[OSError | None, int]:
        """Send the request; returns what broke it off, since the server may have answered nevertheless, and when."""
        broken = None
        try:
            self._connection.socket.sendall(self._message)
        except (BrokenPipeError, ConnectionResetError) as error:
            broken = error
        self._sent_at_ns = sent_at_ns = self._clock()
        return broken, sent_at_ns

    def _read(self, until_ns: int) -> None:
        """Read until the clock is past `until_ns`, or what came may be the end, or the connection is closed."""
        clock, receive, tail = self._clock, self._connection.socket.recv, self._answer.tail
        stamps, reads = self._stamps, self._reads
        while True:
            read = receive(READ_BYTES)
            at_ns = clock()
            stamps.append(at_ns)
            reads.append(read)
            if at_ns > until_ns or read.endswith(tail) or len(read) < len(tail):
                return

    def _take_apart(self, bodies: list[bytes], unsent: OSError | None) -> None:
        for read in self._reads[len(bodies) :]:
            if not read and not self._answer.end():
                raise unsent or IncompleteRead(b"")
            bodies.append(self._answer.feed(read) if read else b"")

    def _wait(self, wait_ns: int) -> None:
        """Let the next reads wait that long, each, and no longer. Raises TimeoutError for a time that is over."""
        wait_us = wait_ns // 1000
        if wait_us <= 0:
            raise TimeoutError
        if wait_us == self._wait_us:
            return
        self._wait_us = wait_us
        bound = self._connection.socket
        if os.name == "posix":
            # The system's own limit: Python's would ask before each read whether there is something to read.
            bound.settimeout(None)
            for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                bound.setsockopt(socket.SOL_SOCKET, option, struct.pack("@ll", *divmod(wait_us, 1_000_000)))
        else:
            bound.settimeout(wait_us / 1e6)


def _is_open(kept: socket.socket) -> bool:
    """Return whether the other side has neither closed a connection at rest nor sent anything unasked."""
    kept.setblocking(False)
    try:
        kept.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
