"""One request, measured: stamps first, everything else afterwards."""

import gc
import hashlib
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from bench.errors import ProviderError
from bench.providers.openai.failures import Stage, late
from bench.providers.protocol import Arrived, Clock, Decoded, Provider, Request
from bench.runner.plan import Step
from bench.schema.sample import Failure, Sample

_FIELDS = set(Sample.model_fields)


@dataclass(frozen=True)
class MeasuredSample:
    """A sample and the text it belongs to; None where there is no text.

    One that comes from another process shares its words, and its text, with all others that have the same.
    """

    sample: Sample
    text: str | None

    def __reduce__(self) -> tuple[Callable[[Sequence[object], str | None], "MeasuredSample"], tuple[object, ...]]:
        """Return what pickle sends: the values alone. The names of the fields would be new for every sample."""
        return _received, (tuple(getattr(self.sample, name) for name in Sample.model_fields), self.text)


@dataclass(frozen=True)
class Timeline:
    """What one request came to, before anything is decoded; `event_ns` and the rest are readings of the clock."""

    start_ns: int
    event_ns: tuple[int, ...]
    end_ns: int | None
    events: tuple[object, ...]
    failure: Failure | None


def measure(provider: Provider, step: Step, request: Request, clock: Clock, origin_ns: int) -> MeasuredSample:
    """Send one request and return its sample, good or failed.

    `origin_ns` is the clock's reading from which `start_ns` of the sample counts.
    """
    with uncollected():
        timeline = timed(provider, request, clock)
    return sample_of(provider, step, request, timeline, origin_ns)


def sample_of(provider: Provider, step: Step, request: Request, timeline: Timeline, origin_ns: int) -> MeasuredSample:
    """Decode what a request came to and return its sample, good or failed."""
    decoded = provider.decode(timeline.events)
    failure = timeline.failure
    if failure is None and decoded.problem is not None:
        failure = Failure(kind=decoded.problem.kind, message=decoded.problem.message)
    pieces = decoded.pieces
    if failure is not None and failure.kind == "stalled" and not pieces:
        # A server may send its headers and an empty chunk long before the first text.
        began = f"the answer began without text, then nothing for {request.gap_s:g} s"
        why = f"{began}; raise timeouts.gap_s if the model may be that slow"
        failure = Failure(kind="no-first-text", message=why)
    answer = [place for place, piece in enumerate(pieces) if not piece.reasoning]
    # Half of a character can be all that a runtime hands over before it fails; a file holds whole ones only.
    text = "".join(pieces[place].text for place in answer).encode("utf-8", "replace").decode("utf-8")
    failure = failure or _shortcoming(text, decoded, request)
    streamed = request.stream and decoded.streamed
    sample = Sample(
        prompt=step.prompt.id,
        round=step.round,
        position=step.position,
        start_ns=timeline.start_ns - origin_ns,
        connect_ns=decoded.wire.connect_ns,
        sent_ns=decoded.wire.sent_at_ns - timeline.start_ns if decoded.wire.sent_at_ns is not None else None,
        stamped_by=decoded.wire.stamped_by,
        chunk_ns=tuple(timeline.event_ns[piece.event] - timeline.start_ns for piece in pieces) if streamed else (),
        first_chunk_tokens=decoded.first_chunk_tokens if streamed else None,
        shared_reads=sum(one.event == other.event for one, other in pairwise(pieces)) if streamed else 0,
        first_answer_chunk=answer[0] if streamed and answer else None,
        end_ns=timeline.end_ns - timeline.start_ns if timeline.end_ns is not None else None,
        prompt_tokens=decoded.prompt_tokens,
        cached_prompt_tokens=decoded.cached_prompt_tokens,
        output_tokens=decoded.output_tokens,
        tokens_source=decoded.tokens_source,
        finish_reason=decoded.finish_reason,
        server=decoded.server,
        output=output_key(text) if text else None,
        failure=failure,
    )
    return MeasuredSample(sample, text or None)


def _received(values: Sequence[object], text: str | None) -> MeasuredSample:
    shared: list[Any] = [sys.intern(value) if isinstance(value, str) else value for value in values]
    sample = Sample.model_construct(_FIELDS, **dict(zip(Sample.model_fields, shared, strict=True)))
    return MeasuredSample(sample, sys.intern(text) if text is not None else None)


def output_key(text: str) -> str:
    """Return the key of a text among a result's outputs: the first 16 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


@contextmanager
def uncollected() -> Iterator[None]:
    """Collect garbage, then never while the block runs: in the middle of an answer it would be charged to the model."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _nothing() -> None:
    return None


def timed(provider: Provider, request: Request, clock: Clock, hold: Callable[[], None] = _nothing) -> Timeline:
    """Send one request and return when its events arrived; `hold` is called when all is ready to send it."""
    stamps: list[int] = []
    events: list[object] = []
    end_ns: int | None = None
    arrived = False
    failure: Failure | None = None
    first_limit_ns = int(request.first_text_s * 1e9)
    gap_limit_ns = int(request.gap_s * 1e9)
    limit_ns = int(request.request_s * 1e9)
    start_ns = clock()
    try:
        stream = provider.stream(request, clock)
        hold()
        start_ns = clock()
        for event in stream:
            now_ns = clock()
            arrived = isinstance(event, Arrived)
            if isinstance(event, Arrived):
                now_ns, event = event.at_ns, event.event
            stage: Stage | None = None
            # A provider that stamps its events keeps the limits itself.
            if arrived:
                stage = None
            elif not events and now_ns - start_ns > first_limit_ns:
                stage = "first-text"
            elif stamps and now_ns - stamps[-1] > gap_limit_ns:
                stage = "gap"
            elif now_ns - start_ns > limit_ns:
                stage = "whole"
            if stage is not None:
                reached = late(stage, "", request)
                failure = Failure(kind=reached.kind, message=reached.message)
            if failure is not None:
                # Closing the stream cancels the request; what that raises says nothing more.
                with suppress(ProviderError):
                    getattr(stream, "close", _nothing)()
                break
            stamps.append(now_ns)
            events.append(event)
        else:
            # An event of another thread was over before this thread received it.
            end_ns = stamps[-1] if stamps and arrived else clock()
    except ProviderError as error:
        failure = Failure(kind=error.kind, message=error.message)
    return Timeline(start_ns, tuple(stamps), end_ns, tuple(events), failure)


def _shortcoming(text: str, decoded: Decoded, request: Request) -> Failure | None:
    if not text:
        return Failure(kind="empty", message=_why_empty(decoded, request.max_output_tokens))
    if decoded.finish_reason is None and not decoded.whole:
        return Failure(kind="cut-off", message="the stream ended without a finish reason")
    return None


def _why_empty(decoded: Decoded, limit_tokens: int) -> str:
    reason = f" (finish reason {decoded.finish_reason})" if decoded.finish_reason else ""
    # Not every server says why it stopped.
    spent = decoded.finish_reason == "length" or (not reason and (decoded.output_tokens or 0) >= limit_tokens)
    if not spent:
        thought = "the model thought, and then gave no answer" if decoded.pieces else "the answer has no text"
        return f"{thought}{reason}"
    went = "went into thinking" if decoded.pieces else "were spent without a word of answer, as by thinking unseen"
    advice = "raise max_output_tokens, or have the model think less"
    return f"all of the {limit_tokens} output tokens {went}{reason}; {advice}"
