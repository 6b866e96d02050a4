"""Our own HTTP: answers cut anywhere, connections kept alive, limits, and what is stamped."""

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import pytest

from bench.providers.openai import kernel_stamps
from bench.providers.openai.http import Connections, Exchange, NotHttp, ResponseBytes
from bench.providers.protocol import Request
from tests.kernel_stamps import given

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNKED = HEAD + (b"5\r\nhello\r\n1;name=value\r\n \r\nA\r\nworld\r\n\r\nx\r\n0\r\nTrailer: 1\r\n\r\n")
BY_LINES = HEAD + b"8\r\ndata\r\n\r\n\r\n" * 3 + b"0\r\n\r\n"
MEASURED = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CLOSED = b"HTTP/1.0 200 OK\r\n\r\nhello"
NOTHING = b"HTTP/1.1 204 No Content\r\n\r\n"
EARLY = b"HTTP/1.1 100 Continue\r\n\r\n" + MEASURED


def fed(*reads: bytes) -> tuple[ResponseBytes, bytes]:
    answer = ResponseBytes()
    return answer, b"".join(answer.feed(read) for read in reads)


@pytest.mark.parametrize(
    ("sent", "body"),
    [(CHUNKED, b"hello world\r\n\r\nx"), (MEASURED, b"hello"), (NOTHING, b""), (EARLY, b"hello")],
    ids=["chunked", "length", "no body", "continue"],
)
def test_an_answer_cut_anywhere(sent: bytes, body: bytes) -> None:
    cuts = [(sent[:first], sent[first:]) for first in range(len(sent) + 1)]
    for reads in [*cuts, tuple(sent[at : at + 1] for at in range(len(sent)))]:
        answer, found = fed(*reads)

        assert (found, answer.complete, answer.surplus) == (body, True, False)


@pytest.mark.parametrize("sent", [CHUNKED, MEASURED, BY_LINES], ids=["chunked", "length", "by lines"])
def test_reads_together_bring_what_each_brings_alone(sent: bytes) -> None:
    for length in range(1, len(sent) + 1):
        reads = [sent[at : at + length] for at in range(0, len(sent), length)]
        alone, together = ResponseBytes(), ResponseBytes()
        bodies: list[bytes] = []

        together.feed_all(reads, bodies)

        assert bodies == [alone.feed(read) for read in reads]
        assert together.complete


@pytest.mark.parametrize("read", [b"0x5\r\nhello\r\n", b"-5\r\nhello\r\n", b"\r\nhello\r\n"])
def test_a_whole_read_that_is_no_chunk(read: bytes) -> None:
    with pytest.raises(NotHttp):
        ResponseBytes().feed_all([HEAD, b"5\r\nhello\r\n", read], [])


def test_an_answer_that_the_end_of_the_connection_ends() -> None:
    answer, body = fed(CLOSED[:20], CLOSED[20:])

    assert (body, answer.complete) == (b"hello", False)
    assert answer.end()
    assert answer.complete


@pytest.mark.parametrize("sent", [CHUNKED, MEASURED], ids=["chunked", "length"])
def test_an_answer_that_is_cut_off(sent: bytes) -> None:
    for end in range(len(sent)):
        answer, _ = fed(sent[:end])

        assert not answer.end()


def test_what_comes_after_the_end() -> None:
    assert fed(MEASURED + b"x")[0].surplus
    assert fed(CHUNKED + b"x")[0].surplus


@pytest.mark.parametrize(
    ("version", "connection", "keeps_alive"),
    [("1.1", "", True), ("1.1", "close", False), ("1.0", "", False), ("1.0", "Keep-Alive", True)],
)
def test_who_keeps_a_connection_alive(version: str, connection: str, keeps_alive: bool) -> None:
    answer, _ = fed(f"HTTP/{version} 200 OK\r\nConnection: {connection}\r\n\r\n".encode())

    assert answer.head is not None
    assert answer.head.keeps_alive is keeps_alive


@pytest.mark.parametrize(
    "sent",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n",
        b"x" * 300_000,
    ],
    ids=["another protocol", "no status", "length", "size", "no size", "longer than told", "no end of line"],
)
def test_what_is_no_http(sent: bytes) -> None:
    with pytest.raises(NotHttp):
        fed(sent)


@pytest.fixture(params=["kernel", "process"])
def stamped_by(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have the kernel stamp what comes, where it does that, or refuse to."""
    if request.param == "process":
        monkeypatch.setattr(kernel_stamps, "SO_TIMESTAMPNS", 9999)
    elif not given():
        pytest.skip("this system does not stamp what TCP brings")
    return str(request.param)


either_stamps = pytest.mark.usefixtures("stamped_by")


def request(**limits: float) -> Request:
    return Request(
        text="",
        max_output_tokens=1,
        temperature=0.0,
        top_p=None,
        seed=0,
        stream=True,
        connect_s=limits.get("connect_s", 10.0),
        first_text_s=limits.get("first_text_s", 10.0),
        gap_s=limits.get("gap_s", 10.0),
        request_s=limits.get("request_s", 20.0),
    )


@contextmanager
def answering(*answers: Sequence[bytes | float]) -> Iterator[Connections]:
    """Serve one connection: for each request the parts of its answer, with pauses in seconds; then close it."""
    over = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        # The client goes when a limit is reached.
        with connection, suppress(OSError):
            for parts in answers:
                connection.recv(65536)
                for part in parts:
                    if isinstance(part, bytes):
                        connection.sendall(part)
                    else:
                        over.wait(part)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        port = listener.getsockname()[1]
        connections = Connections("127.0.0.1", port, f"http://127.0.0.1:{port}/v1")
        try:
            yield connections
        finally:
            over.set()
            connections.close()
            thread.join()


def exchange(connections: Connections, asked: Request) -> Exchange:
    clock = time.perf_counter_ns
    return Exchange(connections, connections.take(asked, clock), b"GET / HTTP/1.1\r\n\r\n", asked, clock)


def bodies(asked: Exchange) -> bytes:
    return b"".join(arrived.event for arrived in asked.arrived if isinstance(arrived.event, bytes))


@either_stamps
def test_a_connection_is_used_again_and_its_set_up_counted_once() -> None:
    with answering([MEASURED], [CHUNKED], [MEASURED]) as connections:
        wires = []
        for expected in (b"hello", b"hello world\r\n\r\nx", b"hello"):
            asked = exchange(connections, request())
            assert asked.perform() is None
            assert bodies(asked) == expected
            wires.append(asked.wire)

    assert [wire.connect_ns is None for wire in wires] == [False, True, True]
    assert all(wire.sent_at_ns is not None for wire in wires)


def test_every_read_has_its_stamp(stamped_by: str) -> None:
    body = CHUNKED.removeprefix(HEAD)
    with answering([HEAD, 0.2, body[:10], 0.2, body[10:]]) as connections:
        before_ns = time.perf_counter_ns()
        asked = exchange(connections, request())
        assert asked.perform() is None

    first, second = asked.arrived
    assert asked.head is not None
    assert asked.head.status == 200
    assert asked.wire.stamped_by == stamped_by
    assert asked.wire.sent_at_ns is not None
    assert before_ns < asked.wire.sent_at_ns < first.at_ns < second.at_ns
    assert second.at_ns - first.at_ns > 30_000_000
    assert (first.event, second.event) == (b"hello", b" world\r\n\r\nx")


@either_stamps
def test_a_chunk_that_ends_with_an_empty_line_ends_nothing() -> None:
    parts = [BY_LINES[at : at + 13] for at in range(len(HEAD), len(BY_LINES), 13)]
    with answering([HEAD, *(part for piece in parts for part in (0.2, piece))]) as connections:
        asked = exchange(connections, request())
        problem = asked.perform()

    assert problem is None
    assert [arrived.event for arrived in asked.arrived] == [b"data\r\n\r\n"] * 3 + [b""]


@either_stamps
@pytest.mark.parametrize(
    ("parts", "limits", "kind", "kept"),
    [
        ([5.0], {"first_text_s": 0.1}, "no-first-text", b""),
        ([HEAD + b"5\r\n", 5.0], {"first_text_s": 0.1}, "no-first-text", b""),
        ([HEAD + b"5\r\nhello\r\n1", 5.0], {"gap_s": 0.1}, "stalled", b"hello"),
        ([HEAD + b"5\r\nhello\r\n1", 5.0], {"request_s": 0.1}, "timeout", b"hello"),
        ([5.0], {"request_s": 0.1}, "timeout", b""),
        ([MEASURED[:20], 0.06, MEASURED[20:25], 0.06, b"\r", 5.0], {"first_text_s": 0.1}, "no-first-text", b""),
    ],
    ids=["no answer", "no body", "gap", "in the middle", "no end", "slow head"],
)
def test_limits(parts: list[bytes | float], limits: dict[str, float], kind: str, kept: bytes) -> None:
    with answering(parts) as connections:
        asked = exchange(connections, request(**limits))
        problem = asked.perform()

    assert problem is not None
    assert problem.kind == kind
    assert bodies(asked) == kept


@either_stamps
def test_a_byte_now_and_then_does_not_outlast_the_limit() -> None:
    drip = [part for _ in range(100) for part in (b"1\r\nx\r\n", 0.02)]
    with answering([HEAD, *drip]) as connections:
        asked = exchange(connections, request(request_s=0.3, gap_s=0.1))
        problem = asked.perform()

    assert problem is not None
    assert problem.kind == "timeout"
    assert bodies(asked).startswith(b"xxx")


@either_stamps
def test_an_answer_before_the_whole_request_was_sent() -> None:
    refusal = b"HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\nConnection: close\r\n\r\nlong"
    with answering([refusal]) as connections:
        asked = request()
        clock = time.perf_counter_ns
        sent = Exchange(connections, connections.take(asked, clock), b"x" * 100, asked, clock)
        problem = sent.perform()

    assert problem is None
    assert sent.head is not None
    assert sent.head.status == 413
    assert bodies(sent) == b"long"
