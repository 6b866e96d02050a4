"""When the system received what a connection brought: a process that wakes up late makes no late stamp.

Linux stamps what TCP brings (SO_TIMESTAMPNS), by the wall clock. One thread takes in the answers of all connections,
so that each is taken in soon, and looks before it takes: a read over several segments has the stamp of the last one
alone, so what waits is read event by event.
"""

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

_TIMESPEC = struct.Struct("@ll")

_EVENT_END = re.compile(rb"\n\r?\n(?:\r\n)?")
"""The empty line after an event, with the line break of its chunk, or after the head of an answer."""

Messages = list[tuple[int, int, bytes]]
"""What `recvmsg` returns beside the bytes: the stamp."""


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

    Who waits is `told` of each read that is `awaited`, of the end of the connection, and of an `error`.
    """

    connection: socket.socket
    clock: Clock
    awaited: Callable[[bytes], bool]
    reads: list[bytes] = field(default_factory=list)
    process_ns: list[int] = field(default_factory=list)
    stamped: list[Messages] = field(default_factory=list)
    error: OSError | None = None
    told: "SimpleQueue[None]" = field(default_factory=SimpleQueue)


def kernel_stamps_ns(inbox: Inbox, count: int, distance: ClockDistance, begin_ns: int) -> list[int] | None:
    """Return the readings of the monotonic clock at which the system received each of the first `count` reads.

    The end of a connection has none: it counts when this process saw it. None where another read has none, or one that
    cannot be: before the request began, before the read before it, or after the process had it.
    """
    stamps_ns: list[int] = []
    latest_ns = begin_ns
    for read, had_ns, messages in zip(inbox.reads[:count], inbox.process_ns, inbox.stamped, strict=False):
        at_ns = had_ns
        if read:
            if not _is_stamp(messages):
                return None
            seconds, nanoseconds = _TIMESPEC.unpack(messages[0][2])
            at_ns = seconds * NANOSECONDS_PER_SECOND + nanoseconds - distance.ahead_ns
        if not latest_ns <= at_ns <= had_ns + STEADY_NS:
            return None
        stamps_ns.append(at_ns)
        latest_ns = at_ns
    return stamps_ns


def _order(stamped: Messages) -> tuple[int, ...]:
    return _TIMESPEC.unpack(stamped[0][2]) if _is_stamp(stamped) else ()


def _is_stamp(stamped: Messages) -> bool:
    return len(stamped) == 1 and len(stamped[0][2]) == _TIMESPEC.size


def stamp(connection: socket.socket) -> None:
    """Have the system stamp what a connection brings. Raises OSError where it refuses."""
    if sys.platform != "linux":
        raise OSError("only Linux stamps what TCP brings")
    connection.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)


class Receiver:
    """Takes in, in a thread of its own, what connections bring; any thread may have one watched."""

    def __init__(self) -> None:
        """Raises OSError where the system gives no stamps."""
        # The system stamps only while somebody wants it: with this the first bytes of a new connection have one, too.
        self._keeper = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            stamp(self._keeper)
            self._room = socket.CMSG_SPACE(_TIMESPEC.size)
            self._epoll = select.epoll()
        except OSError:
            self._keeper.close()
            raise
        self._inboxes: dict[int, Inbox] = {}
        self._lock = threading.Lock()
        self._buffer = bytearray(READ_BYTES)
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
        self._leave(inbox.connection.fileno(), inbox)

    def close(self) -> None:
        """End the thread. Nothing may be watched any more."""
        os.eventfd_write(self._stop, 1)
        self._thread.join()
        os.close(self._stop)
        self._epoll.close()
        self._keeper.close()

    def _run(self) -> None:
        poll, inboxes = self._epoll.poll, self._inboxes
        while True:
            for number, _ in poll():
                inbox = inboxes.get(number)
                if inbox is not None:
                    self._take(number, inbox)
                elif number == self._stop:
                    return

    def _leave(self, number: int, inbox: Inbox) -> None:
        with self._lock:
            # One that ended was left alone already, and its number may be another's by now.
            if self._inboxes.get(number) is inbox:
                del self._inboxes[number]
                self._epoll.unregister(number)

    def _take(self, number: int, inbox: Inbox) -> None:
        """Take in what waits on a connection."""
        receive = inbox.connection.recvmsg
        try:
            read, last, _, _ = receive(READ_BYTES, self._room, socket.MSG_PEEK | socket.MSG_DONTWAIT)
            at_ns = inbox.clock()
            first = _EVENT_END.search(read)
            if first is None or first.end() == len(read):
                # Nearly always one event waits: what was looked at is let go.
                inbox.connection.recv_into(self._buffer, len(read), socket.MSG_TRUNC | socket.MSG_DONTWAIT)
                self._keep(inbox, read, at_ns, last)
            else:
                ends = [found.end() for found in _EVENT_END.finditer(read)]
                begin = 0
                for end in dict.fromkeys((*ends, len(read))):
                    part, stamped, _, _ = receive(end - begin, self._room, socket.MSG_DONTWAIT)
                    begin = end
                    if _order(stamped) < _order(last):
                        self._keep(inbox, part, at_ns, stamped)
                        continue
                    # The last segment is reached. What came meanwhile may be in it by now, and have changed its stamp.
                    self._keep(inbox, part, at_ns, last)
                    if begin < len(read):
                        self._keep(inbox, inbox.connection.recv(len(read) - begin, socket.MSG_DONTWAIT), at_ns, last)
                    break
        except BlockingIOError:
            return
        except OSError as error:
            inbox.error = error
            read = b""
        if not read:
            # The end would be reported for ever.
            self._leave(number, inbox)
        if not read or inbox.awaited(read):
            inbox.told.put(None)

    def _keep(self, inbox: Inbox, read: bytes, at_ns: int, stamped: Messages) -> None:
        inbox.process_ns.append(at_ns)
        inbox.stamped.append(stamped)
        # Last, since what is here has its stamps.
        inbox.reads.append(read)
