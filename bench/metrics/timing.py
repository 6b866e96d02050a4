"""What the stamps of requests show: durations in seconds and speeds in tokens per second.

A function of arrays says it of many good samples in one go, NaN where it is undefined. Three are there for a single
sample as well, with None for a failed one and where it is undefined: a test holds the two equal to the last bit.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import lru_cache
from statistics import median
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.metrics.sample_arrays import Counts, SampleArrays, SampleValues, arrays_of, in_each
from bench.schema.fields import ByIdentity
from bench.schema.load import LONG_GAP_MS, LoadSample
from bench.schema.migrate import NOT_YET
from bench.schema.model_run import ModelRun
from bench.schema.sample import Sample
from bench.stats.distribution import Floats

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

REQUESTS_DUE_NEEDED = 20
"""Requests that must be due inside a window before a rate is judged: with fewer, a third of them has no median to speak
of."""

Recorded = ByIdentity[tuple[Sample, ...]]
"""The samples of a model."""

OfArrays = Callable[[SampleArrays], Floats]
"""Returns a value of each of many good samples at once: NaN where it is undefined."""

MODELS_KEPT: Final = 32
"""Models whose good samples and arrays are kept: those of one run are asked for many times over."""

METRICS_KEPT: Final = 12
"""Metrics of each of them whose values are kept."""


@lru_cache(maxsize=MODELS_KEPT)
def _good(recorded: Recorded) -> tuple[Sample, ...]:
    return tuple([sample for sample in recorded.value if sample.failure is None])


@lru_cache(maxsize=MODELS_KEPT)
def _arrays(recorded: Recorded) -> SampleArrays:
    return arrays_of(_good(recorded))


def good_arrays(samples: tuple[Sample, ...]) -> SampleArrays:
    """Return the good ones of some samples as arrays, in their order."""
    return _arrays(ByIdentity(samples))


def good_samples(model: ModelRun) -> tuple[Sample, ...]:
    """Return the measured samples that did not fail, in order of sending; no warm-up requests."""
    return _good(ByIdentity(model.samples))


def sample_arrays(model: ModelRun) -> SampleArrays:
    """Return the good samples of a model as arrays, in order of sending; no warm-up requests."""
    return good_arrays(model.samples)


def value_of_each(samples: tuple[Sample, ...], of_arrays: OfArrays) -> list[float | None]:
    """Return a value of each sample in order; None for a failed one and where it is undefined."""
    # NaN alone is not equal to itself.
    good = [value if value == value else None for value in of_arrays(good_arrays(samples)).tolist()]
    if len(good) == len(samples):
        return good
    of_good = iter(good)
    return [None if one.failure is not None else next(of_good) for one in samples]


@lru_cache(maxsize=MODELS_KEPT * METRICS_KEPT)
def values_of(arrays: SampleArrays, of_arrays: OfArrays) -> SampleValues:
    """Return a value of each sample that has one."""
    each = of_arrays(arrays)
    known = ~np.isnan(each)
    return SampleValues(each[known], known.astype(np.int64))


def ttft_s(sample: Sample) -> float | None:
    """Return the seconds from the request's start to the first chunk with text, reasoning text included."""
    if sample.failure is not None or not sample.chunk_ns:
        return None
    return sample.chunk_ns[0] / NANOSECONDS_PER_SECOND


def tpot_s(sample: Sample) -> float | None:
    """Return the seconds per output token after the first chunk.

    That is (last text chunk - first text chunk) / (output tokens - tokens of the first chunk): one, unless it is known
    to have several. Tokens of chunks that came in one read with the first one took no part of that time, and are left
    out; each chunk after the first stands for an equal share of the tokens. None below 2 output tokens, where nobody
    counted them, where none came after the first chunk, and where all text came at one instant: such a stream does not
    show how long a token took.
    """
    tokens = sample.output_tokens
    if sample.failure is not None or not sample.chunk_ns or tokens is None or tokens < MINIMUM_TPOT_TOKENS:
        return None
    spread_ns = sample.chunk_ns[-1] - sample.chunk_ns[0]
    if spread_ns == 0:
        return None
    after_first = tokens - (sample.first_chunk_tokens or 1)
    if after_first <= 0:
        return None
    chunks = len(sample.chunk_ns)
    # The stamps are in order of arrival: a search finds those of the first instant without looking at each.
    later = chunks - bisect_right(sample.chunk_ns, sample.chunk_ns[0]) if chunks > FEW_STAMPS else chunks - 1
    return spread_ns / NANOSECONDS_PER_SECOND / (after_first * later / (chunks - 1))


def e2e_s(sample: Sample) -> float | None:
    """Return the seconds from the request's start to the last byte."""
    if sample.failure is not None or sample.end_ns is None:
        return None
    return sample.end_ns / NANOSECONDS_PER_SECOND


def waited_s(sample: Sample) -> float:
    """Return how long after its scheduled time a request was sent, in seconds; 0 where there is no schedule."""
    if not isinstance(sample, LoadSample) or sample.scheduled_ns is None:
        return 0.0
    return (sample.start_ns - sample.scheduled_ns) / NANOSECONDS_PER_SECOND


def from_schedule(value_s: float | None, sample: Sample) -> float | None:
    """Return a latency as it counts from the scheduled time of its request."""
    return None if value_s is None else value_s + waited_s(sample)


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
    gap_ns = sample_arrays(model).gap_ns
    return int(np.count_nonzero(gap_ns > STALL_NS)) if len(gap_ns) else None


def shared_reads(model: ModelRun) -> int | None:
    """Return how many chunks of all good samples came in one read with the one before; None where there is no gap."""
    if not _gaps(model) or measured_before_version_2(model):
        return None
    return sum([sample.shared_reads for sample in good_samples(model)])


def shared_reads_share(model: ModelRun) -> float | None:
    """Return the share of the gaps that lie inside one read."""
    shared = shared_reads(model)
    return None if shared is None else shared / _gaps(model)


def failed_share(samples: Sequence[Sample]) -> float | None:
    """Return failed samples / samples; None where there is none."""
    return sum(sample.failure is not None for sample in samples) / len(samples) if samples else None


def good_share(samples: Sequence[Sample]) -> float | None:
    """Return good samples / samples; None where there is none."""
    return sum(sample.failure is None for sample in samples) / len(samples) if samples else None


def run_throughput(model: ModelRun, in_turns: bool = False) -> float | None:
    """Return the output tokens of all good samples per second of wall time.

    Wall time runs from the start of the first measured request to the last thing known of any, failed ones included:
    it is not a mean of the requests' rates. `in_turns` adds up the rounds' own wall times, and leaves out the other
    side's. None without a good sample, or where the tokens of one were not counted.
    """
    good = good_samples(model)
    counts = [sample.output_tokens for sample in good if sample.output_tokens]
    if not good or len(counts) < len(good):
        return None
    turns: dict[int, list[Sample]] = {}
    for sample in model.samples:
        turns.setdefault(sample.round if in_turns else 0, []).append(sample)
    wall_ns = sum(
        max(sample.start_ns + last_known_ns(sample) for sample in turn) - min(sample.start_ns for sample in turn)
        for turn in turns.values()
    )
    return None if wall_ns == 0 else sum(counts) / (wall_ns / NANOSECONDS_PER_SECOND)


def last_known_ns(sample: Sample) -> int:
    """Return when the last thing known of a request happened, from its own start."""
    if sample.end_ns is not None:
        return sample.end_ns
    return sample.chunk_ns[-1] if sample.chunk_ns else 0


def first_text_s(arrays: SampleArrays) -> Floats:
    """Return `ttft_s` of each sample."""
    return _at(arrays, arrays.streamed, arrays.first_place[arrays.streamed])


def first_output_s(arrays: SampleArrays) -> Floats:
    """Return the seconds from the request's start to the first answer text, reasoning text left out."""
    here = np.flatnonzero(~np.isnan(arrays.first_answer_chunk))
    return _at(arrays, here, arrays.first_place[here] + arrays.first_answer_chunk[here].astype(np.int64))


def _at(arrays: SampleArrays, samples: Counts, places: Counts) -> Floats:
    """Return when the chunks at some places came, for the samples that they are of."""
    found = _undefined(arrays)
    found[samples] = arrays.chunk_ns[places] / NANOSECONDS_PER_SECOND
    return found


@lru_cache(maxsize=MODELS_KEPT)
def token_s(arrays: SampleArrays) -> Floats:
    """Return `tpot_s` of each sample."""
    found = _undefined(arrays)
    after_first = arrays.output_tokens - arrays.first_chunk_tokens
    here = arrays.streamed[(arrays.output_tokens >= MINIMUM_TPOT_TOKENS)[arrays.streamed]]
    here = here[after_first[here] > 0]
    first, last = arrays.first_place[here], arrays.first_place[here] + arrays.gaps[here]
    spread_ns = arrays.chunk_ns[last] - arrays.chunk_ns[first]
    here, spread_ns = here[spread_ns > 0], spread_ns[spread_ns > 0]
    gaps = arrays.gaps[here]
    later = np.where(arrays.chunks[here] > FEW_STAMPS, arrays.later_chunks[here], gaps)
    found[here] = spread_ns / NANOSECONDS_PER_SECOND / (after_first[here] * later / gaps)
    return found


def first_chunk(arrays: SampleArrays) -> Floats:
    """Return the tokens of the first chunk of each sample where they are known to be several."""
    return np.where((arrays.chunks > 0) & (arrays.first_chunk_tokens > 1), arrays.first_chunk_tokens, np.nan)


def decode_speed(arrays: SampleArrays) -> Floats:
    """Return 1 / TPOT, in output tokens per second."""
    return 1 / token_s(arrays)


def end_s(arrays: SampleArrays) -> Floats:
    """Return `e2e_s` of each sample."""
    return arrays.end_ns / NANOSECONDS_PER_SECOND


def output_speed(arrays: SampleArrays) -> Floats:
    """Return output tokens / latency; the prompt's tokens are never counted."""
    return _over(_counted(arrays.output_tokens), end_s(arrays))


def prefill_speed(arrays: SampleArrays) -> Floats:
    """Return prompt tokens / TTFT."""
    return _over(_counted(arrays.prompt_tokens), first_text_s(arrays))


@lru_cache(maxsize=MODELS_KEPT)
def gaps_s(arrays: SampleArrays) -> SampleValues:
    """Return the gaps between successive text chunks in order of arrival; a chunk is not always a token."""
    return SampleValues(arrays.gap_ns / NANOSECONDS_PER_SECOND, arrays.gaps)


def longest_stall_s(arrays: SampleArrays) -> Floats:
    """Return the longest gap between two successive text chunks."""
    return _in_gaps(arrays, np.maximum, arrays.gap_ns) / NANOSECONDS_PER_SECOND


def stalls(arrays: SampleArrays) -> Floats:
    """Return how many gaps are longer than LONG_GAP_MS."""
    return _in_gaps(arrays, np.add, arrays.gap_ns > STALL_NS)


def sent_s(arrays: SampleArrays) -> Floats:
    """Return the seconds from the request's start until the whole request was with the operating system."""
    return arrays.sent_ns / NANOSECONDS_PER_SECOND


def sent_share(arrays: SampleArrays) -> Floats:
    """Return sending the request / TTFT: the part of the TTFT that is the client's own."""
    return _over(sent_s(arrays), first_text_s(arrays))


def _in_gaps(arrays: SampleArrays, reduce: np.ufunc, values: NDArray[np.generic]) -> Floats:
    return np.where(arrays.gaps > 0, in_each(reduce, values, arrays.gaps), np.nan)


def _over(above: Floats, below: Floats) -> Floats:
    found = np.full(len(above), np.nan)
    np.divide(above, below, out=found, where=below > 0)
    return found


def _counted(tokens: Floats) -> Floats:
    # A count of 0 beside a text is a count that the server does not make, not a speed of 0.
    return np.where(tokens > 0, tokens, np.nan)


def _undefined(arrays: SampleArrays) -> Floats:
    return np.full(len(arrays.chunks), np.nan)


def _gaps(model: ModelRun) -> int:
    return len(sample_arrays(model).gap_ns)
