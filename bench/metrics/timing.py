"""What the stamps of requests show: durations in seconds and speeds in tokens per second.

A function of one sample gives None (or no gaps) for a failed one and where the value is undefined.
"""

from bisect import bisect_right
from collections.abc import Iterator
from itertools import pairwise
from operator import sub
from statistics import median

from bench.schema.load import LONG_GAP_MS
from bench.schema.migrate import NOT_YET
from bench.schema.model_run import ModelRun
from bench.schema.sample import Sample

NANOSECONDS_PER_SECOND = 1_000_000_000
MINIMUM_TPOT_TOKENS = 2
"""Output tokens that a time per output token needs: with one there is no gap between tokens."""

NO_TPOT = f"needs at least {MINIMUM_TPOT_TOKENS} counted output tokens that came at different times"
"""Why a time per output token is undefined."""


FEW_STAMPS = 3
"""A sample of a level with very many keeps this many stamps at most, which say nothing of single reads."""

NANOSECONDS_PER_MILLISECOND = 1_000_000
STALL_NS = LONG_GAP_MS * NANOSECONDS_PER_MILLISECOND

STALL = f"longer than {LONG_GAP_MS} ms"
"""What a gap is that counts as a stall, in words."""


def good_samples(model: ModelRun) -> tuple[Sample, ...]:
    """Return the measured samples that did not fail, in order of sending; no warm-up requests."""
    return tuple(sample for sample in model.samples if sample.failure is None)


def ttft_s(sample: Sample) -> float | None:
    """Return the seconds from the request's start to the first chunk with text, reasoning text included."""
    if sample.failure is not None or not sample.chunk_ns:
        return None
    return sample.chunk_ns[0] / NANOSECONDS_PER_SECOND


def ttfo_s(sample: Sample) -> float | None:
    """Return the seconds from the request's start to the first answer text, reasoning text left out."""
    if sample.failure is not None or sample.first_answer_chunk is None:
        return None
    return sample.chunk_ns[sample.first_answer_chunk] / NANOSECONDS_PER_SECOND


def tpot_s(sample: Sample) -> float | None:
    """Return the seconds per output token after the first: (last text chunk - first text chunk) / (output tokens - 1).

    Tokens of chunks that came in one read with the first one took no part of that time, and are left out; each chunk
    after the first stands for an equal share of the tokens. None below 2 output tokens, where nobody counted them, and
    where all text came at one instant: such a stream does not show how long a token took.
    """
    tokens = sample.output_tokens
    if sample.failure is not None or not sample.chunk_ns or tokens is None or tokens < MINIMUM_TPOT_TOKENS:
        return None
    spread_ns = sample.chunk_ns[-1] - sample.chunk_ns[0]
    if spread_ns == 0:
        return None
    chunks = len(sample.chunk_ns)
    # The stamps are in order of arrival: a search finds those of the first instant without looking at each.
    later = chunks - bisect_right(sample.chunk_ns, sample.chunk_ns[0]) if chunks > FEW_STAMPS else chunks - 1
    return spread_ns / NANOSECONDS_PER_SECOND / ((tokens - 1) * later / (chunks - 1))


def decode_tokens_per_s(sample: Sample) -> float | None:
    """Return 1 / TPOT, in output tokens per second; None where TPOT is undefined."""
    tpot = tpot_s(sample)
    return None if tpot is None else 1 / tpot


def e2e_s(sample: Sample) -> float | None:
    """Return the seconds from the request's start to the last byte."""
    if sample.failure is not None or sample.end_ns is None:
        return None
    return sample.end_ns / NANOSECONDS_PER_SECOND


def output_tokens_per_s(sample: Sample) -> float | None:
    """Return output tokens / latency of one request; the prompt's tokens are never counted."""
    return _rate(sample.output_tokens, e2e_s(sample))


def prefill_tokens_per_s(sample: Sample) -> float | None:
    """Return prompt tokens / TTFT."""
    return _rate(sample.prompt_tokens, ttft_s(sample))


def itl_s(sample: Sample) -> tuple[float, ...]:
    """Return the gaps between successive text chunks in seconds, in order of arrival; a chunk is not always a token.

    Empty for a failed sample and for one whose text came in a single chunk.
    """
    if sample.failure is not None:
        return ()
    return tuple((later - earlier) / NANOSECONDS_PER_SECOND for earlier, later in pairwise(sample.chunk_ns))


def longest_stall_s(sample: Sample) -> float | None:
    """Return the longest gap between two successive text chunks in seconds; None where there is no gap."""
    if sample.failure is not None or len(sample.chunk_ns) < 2:
        return None
    return max(_gaps_ns(sample)) / NANOSECONDS_PER_SECOND


def stalls(sample: Sample) -> int | None:
    """Return how many gaps are longer than LONG_GAP_MS; None where there is no gap."""
    if sample.failure is not None or len(sample.chunk_ns) < 2:
        return None
    return sum(map(STALL_NS.__lt__, _gaps_ns(sample)))


def sent_s(sample: Sample) -> float | None:
    """Return the seconds from the request's start until the whole request was with the operating system."""
    if sample.failure is not None or sample.sent_ns is None:
        return None
    return sample.sent_ns / NANOSECONDS_PER_SECOND


def sent_share(sample: Sample) -> float | None:
    """Return sending the request / TTFT: the part of the TTFT that is the client's own."""
    sent, first = sent_s(sample), ttft_s(sample)
    return None if sent is None or not first else sent / first


def _gaps_ns(sample: Sample) -> Iterator[int]:
    return map(sub, sample.chunk_ns[1:], sample.chunk_ns)


def _rate(tokens: int | None, duration_s: float | None) -> float | None:
    # A count of 0 beside a text is a count that the server does not make, not a speed of 0.
    if not tokens or not duration_s:
        return None
    return tokens / duration_s


def measured_before_version_2(model: ModelRun) -> bool:
    """Return whether the model's record was written before there was a place for what version 2 measures."""
    return model.unmeasured.get("energy") == NOT_YET


def loads_s(model: ModelRun) -> tuple[float, ...]:
    """Return the seconds of each cold load of the run, in order; empty where none was measured."""
    first = () if model.cold_load_ns is None else (model.cold_load_ns,)
    return tuple(load_ns / NANOSECONDS_PER_SECOND for load_ns in (*first, *model.reloads_ns))


def cold_load_s(model: ModelRun) -> float | None:
    """Return the median of the cold loads in seconds."""
    loads = loads_s(model)
    return median(loads) if loads else None


def first_request(model: ModelRun) -> Sample | None:
    """Return the first request after the load, warm-up or not, if it went well."""
    for sample in (*model.warmup, *model.samples):
        if sample.position == 0:
            return sample if sample.failure is None else None
    return None


def first_request_s(model: ModelRun) -> float | None:
    """Return the latency of the first request after the load in seconds; None where it failed."""
    sample = first_request(model)
    return None if sample is None or sample.end_ns is None else sample.end_ns / NANOSECONDS_PER_SECOND


def connect_s(model: ModelRun) -> float | None:
    """Return the median seconds of setting up a connection, over the requests that needed one, warm-up included."""
    known = [one.connect_ns for one in (*model.warmup, *model.samples) if one.connect_ns is not None]
    return median(known) / NANOSECONDS_PER_SECOND if known else None


def stalls_in_all(model: ModelRun) -> int | None:
    """Return how many gaps of all good samples are longer than LONG_GAP_MS; None where there is no gap."""
    known = [count for sample in good_samples(model) if (count := stalls(sample)) is not None]
    return sum(known) if known else None


def shared_reads(model: ModelRun) -> int | None:
    """Return how many chunks of all good samples came in one read with the one before; None where there is no gap."""
    if not _gaps(model) or measured_before_version_2(model):
        return None
    return sum(sample.shared_reads for sample in good_samples(model))


def shared_reads_share(model: ModelRun) -> float | None:
    """Return the share of the gaps that lie inside one read."""
    shared = shared_reads(model)
    return None if shared is None else shared / _gaps(model)


def _gaps(model: ModelRun) -> int:
    return sum(max(0, len(sample.chunk_ns) - 1) for sample in good_samples(model))
