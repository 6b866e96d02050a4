"""One request, measured: stamps against a clock that a test sets."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from bench.errors import ProviderError
from bench.providers.protocol import Arrived, Clock, Decoded, Identity, Piece, Request, Wire
from bench.runner.measure import measure, output_key
from bench.runner.plan import Step
from tests.builders import prompt

STEP = Step(position=7, round=2, prompt=prompt(id="p1"))


class Hands:
    """A clock that a test moves."""

    def __init__(self, now_ns: int) -> None:
        self.now_ns = now_ns

    def __call__(self) -> int:
        """Return the time."""
        return self.now_ns


class Scripted:
    """A provider that yields what it was given, after moving the clock: the seam at which a fake may stand."""

    one_at_a_time = None

    def __init__(self, hands: Hands, script: Sequence[tuple[int, object]], finish: str | None = "stop") -> None:
        self.closed = False
        self._hands = hands
        self._script = script
        self._finish = finish

    def prepare(self, on_download: object) -> None:
        """Do nothing."""

    def load(self) -> None:
        """Do nothing."""

    def identity(self) -> Identity:
        """Nobody."""
        return Identity()

    def count_prompt_tokens(self, request: Request) -> int | None:
        """Count nothing."""
        return None

    def close(self) -> None:
        """Do nothing."""

    def stream(self, request: Request, clock: Clock) -> Iterator[object]:
        """Take 50 ns to get ready, which must not count, then play the script."""
        self._hands.now_ns += 50
        return self._play()

    def _play(self) -> Iterator[object]:
        try:
            for after_ns, event in self._script:
                self._hands.now_ns += after_ns
                if isinstance(event, ProviderError):
                    raise event
                yield event
        finally:
            self.closed = True

    def decode(self, events: Sequence[object]) -> Decoded:
        """Take each event for its text; a leading '~' marks reasoning."""
        pieces = tuple(
            Piece(str(event).lstrip("~"), place, str(event).startswith("~"))
            for place, event in enumerate(events)
            if event
        )
        return Decoded(pieces, 4, len(pieces), "usage", self._finish)


def request(*, stream: bool = True) -> Request:
    return Request(
        text="Hi",
        max_output_tokens=10,
        temperature=0.0,
        top_p=None,
        seed=42,
        stream=stream,
        connect_s=1.0,
        first_text_s=5e-7,
        gap_s=1.0,
        request_s=1e-6,
    )


def test_stamps_count_from_the_moment_the_request_goes_out() -> None:
    hands = Hands(1_000)
    provider = Scripted(hands, [(100, "a"), (20, ""), (30, "b")])

    answer = measure(provider, STEP, request(), hands, origin_ns=400)

    assert answer.text == "ab"
    assert answer.sample.start_ns == 1_000 + 50 - 400
    assert answer.sample.chunk_ns == (100, 150)
    assert answer.sample.end_ns == 150
    assert answer.sample.position == 7
    assert answer.sample.round == 2
    assert answer.sample.output == output_key("ab")
    assert answer.sample.failure is None


def test_an_event_that_came_in_another_thread_has_its_own_time() -> None:
    hands = Hands(0)
    provider = Scripted(hands, [(300, Arrived(60, "a")), (0, Arrived(75, "b"))])

    sample = measure(provider, STEP, request(), hands, origin_ns=0).sample

    assert sample.start_ns == 50
    assert sample.chunk_ns == (10, 25)
    assert sample.end_ns == 25


def test_reasoning_counts_for_the_first_text_and_not_for_the_answer() -> None:
    hands = Hands(0)
    provider = Scripted(hands, [(10, "~hm"), (10, "~so"), (10, "yes")])

    answer = measure(provider, STEP, request(), hands, origin_ns=0)

    assert answer.text == "yes"
    assert answer.sample.chunk_ns == (10, 20, 30)
    assert answer.sample.first_answer_chunk == 2


def test_reasoning_alone_is_no_answer() -> None:
    hands = Hands(0)

    sample = measure(Scripted(hands, [(10, "~hm")]), STEP, request(), hands, origin_ns=0).sample

    assert sample.failure is not None
    assert sample.failure.kind == "empty"
    assert sample.first_answer_chunk is None
    assert sample.output is None


def test_a_failure_keeps_what_came_before_it() -> None:
    hands = Hands(0)
    provider = Scripted(hands, [(10, "a"), (10, ProviderError("connection", "reset by peer"))])

    answer = measure(provider, STEP, request(), hands, origin_ns=0)

    assert answer.sample.failure is not None
    assert (answer.sample.failure.kind, answer.sample.failure.message) == ("connection", "reset by peer")
    assert answer.sample.chunk_ns == (10,)
    assert answer.sample.end_ns is None
    assert answer.text == "a"


def test_no_finish_reason_is_a_cut_off_answer() -> None:
    hands = Hands(0)

    sample = measure(Scripted(hands, [(10, "a")], finish=None), STEP, request(), hands, origin_ns=0).sample

    assert sample.failure is not None
    assert sample.failure.kind == "cut-off"


def test_a_late_first_text_is_a_timeout_and_the_stream_is_closed() -> None:
    hands = Hands(0)
    provider = Scripted(hands, [(501, "a"), (10, "b")])

    sample = measure(provider, STEP, request(), hands, origin_ns=0).sample

    assert sample.failure is not None
    assert (sample.failure.kind, sample.failure.message) == (
        "no-first-text",
        "no text within 5e-07 s; raise timeouts.first_text_s if the model may be that slow",
    )
    assert provider.closed


def test_a_request_past_its_limit_is_a_timeout() -> None:
    hands = Hands(0)
    provider = Scripted(hands, [(400, "a"), (601, "b"), (10, "c")])

    sample = measure(provider, STEP, request(), hands, origin_ns=0).sample

    assert sample.failure is not None
    assert (sample.failure.kind, sample.failure.message) == (
        "timeout",
        "not finished within 1e-06 s; raise timeouts.request_s if the model may be that slow",
    )
    assert sample.chunk_ns == (400,)
    assert provider.closed


def test_a_stall_past_its_limit_is_a_timeout() -> None:
    hands = Hands(0)
    provider = Scripted(hands, [(100, "a"), (301, "b"), (10, "c")])

    sample = measure(provider, STEP, replace(request(), gap_s=3e-7), hands, origin_ns=0).sample

    assert sample.failure is not None
    assert (sample.failure.kind, sample.failure.message) == (
        "stalled",
        "nothing for 3e-07 s in the middle of the answer; raise timeouts.gap_s if the model may be that slow",
    )
    assert sample.chunk_ns == (100,)


def test_pieces_that_came_with_one_event_share_its_stamp() -> None:
    hands = Hands(0)
    provider = Scripted(hands, [(100, "a"), (20, "b")])
    provider.decode = lambda events: Decoded(  # type: ignore[method-assign]
        (Piece("x", 0), Piece("y", 1), Piece("z", 1)), 4, 3, "usage", "stop", wire=Wire(700, 60)
    )

    sample = measure(provider, STEP, request(), hands, origin_ns=0).sample

    assert sample.chunk_ns == (100, 120, 120)
    assert sample.shared_reads == 1
    assert (sample.connect_ns, sample.sent_ns) == (700, 10)


def test_half_a_character_does_not_reach_a_file() -> None:
    hands = Hands(0)

    answer = measure(Scripted(hands, [(10, "a\ud83d")]), STEP, request(), hands, origin_ns=0)

    assert answer.text == "a?"


def test_an_answer_that_is_not_streamed_has_no_chunks() -> None:
    hands = Hands(0)

    sample = measure(Scripted(hands, [(10, "a")]), STEP, request(stream=False), hands, origin_ns=0).sample

    assert sample.chunk_ns == ()
    assert sample.end_ns == 10
    assert sample.failure is None
