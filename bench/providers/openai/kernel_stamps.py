"""When the system received what a connection brought: a process that wakes up late makes no late stamp.

Linux stamps what TCP brings (SO_TIMESTAMPNS), by the wall clock. One thread takes in the answers of all connections,
so that each is taken in soon, and looks before it takes: a read over several segments has the stamp of the last one
alone, so what waits is read event by event.
"""

import ctypes
import os
import re
import select
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import SimpleQueue

from bench.providers.protocol import Clock

SO_TIMESTAMPNS = 35
"""The option, and the kind of its stamps: Python has no name for it."""

STEADY_NS = 10_000
"""By how much the wall clock may seem to move against the monotonic one while an answer comes.

The system slews both alike: what moves is the reading of them alone, unless the wall clock is set.
"""

READ_BYTES = 16 * 1024
"""The most that one read takes from a connection: room for many chunks, and little to make ready for each."""

NARROW_NS = 1_000
"""Two clocks are read together where no more than this lies between the readings before and after."""

NANOSECONDS_PER_SECOND = 1_000_000_000

TRIES = 20
"""How often that is tried: the nearest readings count."""

_STAMP = struct.Struct("@Niill")
"""What comes beside the bytes: its length, its level and kind, then seconds and nanoseconds."""

_EVENT_END = re.compile(rb"\n\r?\n(?:\r\n)?")
"""The empty line after an event, with the line break of its chunk, or after the head of an answer."""


@dataclass(frozen=True)
class ClockDistance:
    """How far the wall clock is ahead of the monotonic one, and the time in which both were read."""

    ahead_ns: int
    width_ns: int


def clock_distance(clock: Clock) -> ClockDistance:
    """Read both clocks, again while something comes between."""
    best: ClockDistance | None = None
    for _ in range(TRIES):
        before_ns = clock()
        wall_ns = time.time_ns()
        width_ns = clock() - before_ns
        if best is None or width_ns < best.width_ns:
            best = ClockDistance(wall_ns - before_ns - width_ns // 2, width_ns)
        if width_ns <= NARROW_NS:
            break
    assert best is not None
    return best


def drift_ns(before: ClockDistance, after: ClockDistance) -> int | None:
    """Return by how much the clocks moved against each other; None where it was too much, or cannot be told."""
    moved_ns = abs(after.ahead_ns - before.ahead_ns)
    return moved_ns if max(moved_ns, before.width_ns, after.width_ns) <= STEADY_NS else None


@dataclass
class Inbox:
    """What a connection brought since it is watched: its reads, when this process had each, and the system's stamps.

    Those are of the wall clock; None where the system gave none. Who waits is `told` of each read that is `awaited`, of
    the end of the connection, and of an `error`.
    """

    connection: socket.socket
    clock: Clock
    awaited: Callable[[bytes], bool]
    reads: list[bytes] = field(default_factory=list)
    process_ns: list[int] = field(default_factory=list)
    wall_ns: list[int | None] = field(default_factory=list)
    error: OSError | None = None
    told: "SimpleQueue[None]" = field(default_factory=SimpleQueue)


def kernel_stamps_ns(inbox: Inbox, count: int, distance: ClockDistance, begin_ns: int) -> list[int] | None:
    """Return the readings of the monotonic clock at which the system received each of the first `count` reads.

    The end of a connection has none: it counts when this process saw it. None where another read has none, or one that
    cannot be: before the request began, before the read before it, or after the process had it.
    """
    stamps_ns: list[int] = []
    latest_ns = begin_ns
    for read, had_ns, wall_ns in zip(inbox.reads[:count], inbox.process_ns, inbox.wall_ns, strict=False):
        at_ns = had_ns
        if read:
            if wall_ns is None:
                return None
            at_ns = wall_ns - distance.ahead_ns
        if not latest_ns <= at_ns <= had_ns + STEADY_NS:
            return None
        stamps_ns.append(at_ns)
        latest_ns = at_ns
    return stamps_ns


def stamp(connection: socket.socket) -> None:
    """Have the system stamp what a connection brings. Raises OSError where it refuses."""
    if sys.platform != "linux":
        raise OSError("only Linux stamps what TCP brings")
    connection.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)


class _Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Header(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.POINTER(_Vector)),
        ("vectors_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class Reader:
    """Reads without waiting, and without letting other threads run.

    Python's own `recvmsg` does let them, and a thread that reads for many would wait for one of them after each read.
    """

    def __init__(self) -> None:
        self._recvmsg = ctypes.PyDLL(None, use_errno=True).recvmsg
        self._recvmsg.argtypes = (ctypes.c_int, ctypes.POINTER(_Header), ctypes.c_int)
        self._recvmsg.restype = ctypes.c_ssize_t
        self._bytes = ctypes.create_string_buffer(READ_BYTES)
        self._view = memoryview(self._bytes)
        self._control = ctypes.create_string_buffer(_STAMP.size)
        self._vector = _Vector(ctypes.addressof(self._bytes), READ_BYTES)
        self._header = _Header(
            vectors=ctypes.pointer(self._vector), vectors_count=1, control=ctypes.addressof(self._control)
        )

    def look(self, number: int) -> tuple[bytes, int | None]:
        """Return what waits on a connection, and leave it there; with its stamp, None without one.

        Raises BlockingIOError where nothing does, and OSError for a connection that is broken.
        """
        count = self._call(number, READ_BYTES, socket.MSG_PEEK)
        return self._view[:count].tobytes(), self._stamp()

    def take(self, number: int, count: int) -> int | None:
        """Let go of so many bytes that were looked at, and return the stamp that they have now."""
        self._call(number, count, socket.MSG_TRUNC)
        return self._stamp()

    def _call(self, number: int, count: int, flags: int) -> int:
        self._vector.length = count
        self._header.control_length = _STAMP.size
        got = int(self._recvmsg(number, self._header, flags | socket.MSG_DONTWAIT))
        if got < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        return got

    def _stamp(self) -> int | None:
        if self._header.control_length < _STAMP.size:
            return None
        _, level, kind, seconds, nanoseconds = _STAMP.unpack(self._control)
        if (level, kind) != (socket.SOL_SOCKET, SO_TIMESTAMPNS):
            return None
        return int(seconds * NANOSECONDS_PER_SECOND + nanoseconds)


class Receiver:
    """Takes in, in a thread of its own, what connections bring; any thread may have one watched."""

    def __init__(self) -> None:
        """Raises OSError where the system gives no stamps."""
        # The system stamps only while somebody wants it: with this the first bytes of a new connection have one, too.
        self._keeper = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            stamp(self._keeper)
            self._epoll = select.epoll()
        except OSError:
            self._keeper.close()
            raise
        self._inboxes: dict[int, Inbox] = {}
        self._lock = threading.Lock()
        self._reader = Reader()
        self._stop = os.eventfd(0)
        self._epoll.register(self._stop, select.EPOLLIN)
        self._thread = threading.Thread(target=self._run, name="receiver", daemon=True)
        self._thread.start()

    def watch(self, inbox: Inbox) -> None:
        """Take in what the connection of an inbox brings, until it is let go of."""
        number = inbox.connection.fileno()
        with self._lock:
            self._inboxes[number] = inbox
            self._epoll.register(number, select.EPOLLIN)

    def let_go(self, inbox: Inbox) -> None:
        """Leave a connection alone, while it is still open."""
        with self._lock:
            self._leave(inbox.connection.fileno())

    def close(self) -> None:
        """End the thread. Nothing may be watched any more."""
        os.eventfd_write(self._stop, 1)
        self._thread.join()
        os.close(self._stop)
        self._epoll.close()
        self._keeper.close()

    def _run(self) -> None:
        poll, inboxes, lock, take = self._epoll.poll, self._inboxes, self._lock, self._take
        while True:
            for number, _ in poll():
                # Nobody closes a connection meanwhile: its number could be another's then.
                with lock:
                    inbox = inboxes.get(number)
                    if inbox is not None:
                        take(number, inbox)
                    elif number == self._stop:
                        return

    def _leave(self, number: int) -> None:
        # One that ended was left alone already.
        if self._inboxes.pop(number, None) is not None:
            self._epoll.unregister(number)

    def _take(self, number: int, inbox: Inbox) -> None:
        """Take in what waits on a connection."""
        take = self._reader.take
        try:
            read, last_ns = self._reader.look(number)
            at_ns = inbox.clock()
            begin = 0
            # Nearly always one event waits, and this is done once.
            while (found := _EVENT_END.search(read, begin)) is not None and found.end() < len(read):
                end = found.end()
                wall_ns = take(number, end - begin)
                if wall_ns is None or last_ns is None or wall_ns >= last_ns:
                    # The last segment is reached. What came meanwhile may be in it by now, and have changed its stamp.
                    self._keep(inbox, read[begin:end], at_ns, last_ns)
                    begin = end
                    break
                self._keep(inbox, read[begin:end], at_ns, wall_ns)
                begin = end
            if read:
                take(number, len(read) - begin)
            self._keep(inbox, read[begin:], at_ns, last_ns)
        except BlockingIOError:
            return
        except OSError as error:
            inbox.error = error
            read = b""
        if not read:
            # The end would be reported for ever.
            self._leave(number)
        if not read or inbox.awaited(read):
            inbox.told.put(None)

    def _keep(self, inbox: Inbox, read: bytes, at_ns: int, wall_ns: int | None) -> None:
        inbox.process_ns.append(at_ns)
        inbox.wall_ns.append(wall_ns)
        # Last, since what is here has its stamps.
        inbox.reads.append(read)
