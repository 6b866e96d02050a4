"""The system's receive stamps: a process that is late, a system that gives none, a wall clock that is set."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bench.providers.openai import kernel_stamps
from bench.providers.openai.endpoint import EndpointProvider
from bench.providers.openai.kernel_stamps import (
    STEADY_NS,
    ClockDistance,
    Inbox,
    Receiver,
    clock_distance,
    drift_ns,
    kernel_stamps_ns,
    stamp,
)
from bench.providers.registry import EndpointModel
from bench.runner.measure import MeasuredSample, measure
from bench.schema.machine import StampClock
from tests.endpoint_server import Script, chunk, endpoint, events, usage
from tests.kernel_stamps import given
from tests.providers.openai.test_endpoint import STEP, request

pytestmark = pytest.mark.skipif(not given(), reason="this system does not stamp what TCP brings")

ANSWER = Script(events(chunk("Hel", role="assistant"), chunk("lo."), chunk(finish="stop"), usage(9, 2)))

CLOCK = time.perf_counter_ns


@contextmanager
def connection() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Yield both ends of a connection over loopback, the server's first; the system stamps what the other receives."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    with client, server:
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stamp(client)
        yield server, client


def waiting_bytes(one: socket.socket) -> int:
    return len(one.recv(65536, socket.MSG_PEEK))


def measured() -> tuple[MeasuredSample, StampClock | None]:
    with endpoint(ANSWER) as url:
        asked = EndpointProvider(EndpointModel(provider="openai", name="m", model="m", base_url=url))
        asked.prepare(lambda _: None)
        try:
            return measure(asked, STEP, request(), CLOCK, 0), asked.identity().stamp_clock
        finally:
            asked.close()


def test_a_late_reader_makes_no_late_stamp() -> None:
    sent_ns, released = [], threading.Event()

    def late(read: bytes) -> bool:
        # What reads is kept here while the answer goes on.
        released.wait()
        return False

    with connection() as (server, client):
        receiver = Receiver()
        inbox = Inbox(client, CLOCK, late)
        distance = clock_distance(CLOCK)
        begin_ns = CLOCK()
        receiver.watch(inbox)
        server.sendall(b"data: 0\n\n")
        while not inbox.reads:
            time.sleep(0)
        for number in range(1, 5):
            sent_ns.append(CLOCK())
            server.sendall(b"data: %d\n\n" % number)
        while waiting_bytes(client) < 4 * len(b"data: 1\n\n"):
            time.sleep(0)
        release_ns = CLOCK()
        released.set()
        while len(b"".join(inbox.reads)) < 5 * len(b"data: 1\n\n"):
            time.sleep(0)
        receiver.let_go(inbox)
        receiver.close()
        found = kernel_stamps_ns(inbox, len(inbox.reads), distance, begin_ns)

    assert found is not None
    late_reads = list(zip(inbox.reads, inbox.process_ns, found, strict=True))[1:]
    for read, process_ns, kernel_ns in late_reads:
        # Segments that the system had put together have the stamp of the last one.
        last = int(read[-3:])
        assert sent_ns[last - 1] - STEADY_NS < kernel_ns < release_ns + STEADY_NS < process_ns + STEADY_NS


def test_what_waits_in_one_segment_is_read_in_two() -> None:
    with connection() as (server, client):
        server.sendall(b"HTTP/1.1 200 OK\r\n\r\n8\r\ndata: 1\n\n\r\n8\r\ndata: 2\r\n\r\n\r\n8\r\nda")
        while not waiting_bytes(client):
            time.sleep(0)
        receiver = Receiver()
        inbox = Inbox(client, CLOCK, lambda read: True)
        receiver.watch(inbox)
        inbox.told.get(timeout=60)
        server.close()
        inbox.told.get(timeout=60)
        receiver.let_go(inbox)
        receiver.close()

    # One segment has one stamp: its first event tells that, and the others are read with what is left.
    head, rest, end = inbox.reads
    assert head == b"HTTP/1.1 200 OK\r\n\r\n"
    assert rest == b"8\r\ndata: 1\n\n\r\n8\r\ndata: 2\r\n\r\n\r\n8\r\nda"
    assert end == b""
    assert inbox.wall_ns[0] is not None
    assert inbox.wall_ns[0] == inbox.wall_ns[1]


def test_what_comes_while_events_are_read_makes_none_of_them_late() -> None:
    two, third = b"data: 1\n\ndata: 2\n\n", b"data: 3\n\n"
    looked_ns: list[int] = []

    with connection() as (server, client):

        def clock() -> int:
            # It is read when the first two were looked at, and not yet read.
            looked_ns.append(CLOCK())
            if len(looked_ns) == 1:
                server.sendall(third)
                while waiting_bytes(client) < len(two + third):
                    time.sleep(0)
            return looked_ns[-1]

        server.sendall(two)
        while waiting_bytes(client) < len(two):
            time.sleep(0)
        receiver = Receiver()
        inbox = Inbox(client, clock, lambda read: read == third)
        distance = clock_distance(CLOCK)
        receiver.watch(inbox)
        inbox.told.get(timeout=60)
        receiver.let_go(inbox)
        receiver.close()
        found = kernel_stamps_ns(inbox, 3, distance, begin_ns=0)

    assert inbox.reads == [b"data: 1\n\n", b"data: 2\n\n", third]
    assert found is not None
    assert found[0] == found[1] < looked_ns[0] + STEADY_NS < found[2] + 2 * STEADY_NS


def test_the_kernel_stamps_an_answer() -> None:
    answer, clock = measured()

    assert answer.text == "Hello."
    assert answer.sample.failure is None
    assert answer.sample.stamped_by == "kernel"
    assert clock is not None
    assert (clock.readings, clock.refused) == (2, 0)
    assert clock.drift_ns <= STEADY_NS


def test_a_system_that_refuses_the_option_leaves_the_stamps_to_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_stamps, "SO_TIMESTAMPNS", 9999)

    answer, clock = measured()

    assert answer.text == "Hello."
    assert answer.sample.stamped_by == "process"
    assert clock is None


def test_a_system_that_takes_the_option_and_gives_no_stamps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_stamps, "SO_TIMESTAMPNS", socket.SO_KEEPALIVE)

    answer, clock = measured()

    assert answer.text == "Hello."
    assert answer.sample.stamped_by == "process"
    assert clock == StampClock(readings=2, drift_ns=0, refused=1)


def test_a_wall_clock_that_is_set_during_an_answer_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    read, readings = time.time_ns, []

    def wall_ns() -> int:
        readings.append(read())
        # The first distance was read by now: a step of a fifth of a millisecond.
        return readings[-1] + (200_000 if len(readings) > kernel_stamps.TRIES else 0)

    monkeypatch.setattr(kernel_stamps, "NARROW_NS", -1)
    monkeypatch.setattr(time, "time_ns", wall_ns)

    answer, clock = measured()

    assert answer.text == "Hello."
    assert answer.sample.stamped_by == "process"
    assert clock == StampClock(readings=2, drift_ns=0, refused=1)


def test_stamps_that_cannot_be_are_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    # The wall clock was set back for the time of both readings: its stamps would be a second late.
    read = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: read() - 1_000_000_000)

    answer, clock = measured()

    assert answer.sample.stamped_by == "process"
    assert clock is not None
    assert clock.refused == 1


@pytest.mark.parametrize(
    ("before", "after", "moved_ns"),
    [
        ((5_000, 300), (5_000, 400), 0),
        ((5_000, 300), (4_600, 400), 400),
        ((0, 300), (STEADY_NS, 300), STEADY_NS),
        ((0, 300), (STEADY_NS + 1, 300), None),
        ((0, STEADY_NS + 1), (0, 300), None),
        ((0, 300), (0, STEADY_NS + 1), None),
    ],
    ids=["still", "back", "just", "set", "not told before", "not told after"],
)
def test_how_far_clocks_moved(before: tuple[int, int], after: tuple[int, int], moved_ns: int | None) -> None:
    assert drift_ns(ClockDistance(*before), ClockDistance(*after)) == moved_ns


def inbox_of(*reads: tuple[bytes, int, int | None]) -> Inbox:
    """Return an inbox of reads with the process's stamp and the wall clock's, a second and more ahead of it."""
    ours, theirs = socket.socketpair()
    ours.close()
    theirs.close()
    inbox = Inbox(ours, CLOCK, lambda read: False)
    for read, process_ns, wall_ns in reads:
        inbox.reads.append(read)
        inbox.process_ns.append(process_ns)
        inbox.wall_ns.append(wall_ns)
    return inbox


@pytest.mark.parametrize(
    ("reads", "found"),
    [
        ([(b"a", 500, 1_000_000_400), (b"b", 900, 1_000_000_700)], [400, 700]),
        ([(b"a", 500, 1_000_000_400), (b"", 900, None)], [400, 900]),
        ([(b"a", 500, 1_000_000_400), (b"b", 900, None)], None),
        ([(b"a", 500, 1_000_000_099)], None),
        ([(b"a", 500, 1_000_000_500 + STEADY_NS)], [500 + STEADY_NS]),
        ([(b"a", 500, 1_000_000_501 + STEADY_NS)], None),
        ([(b"a", 500, 1_000_000_400), (b"b", 900, 1_000_000_399)], None),
    ],
    ids=["good", "closed", "without", "before the request", "just", "after the process", "back"],
)
def test_stamps_on_the_monotonic_clock(reads: list[tuple[bytes, int, int | None]], found: list[int] | None) -> None:
    inbox = inbox_of(*reads)

    assert kernel_stamps_ns(inbox, len(reads), ClockDistance(1_000_000_000, 0), begin_ns=100) == found
