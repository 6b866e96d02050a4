"""A level of load in short: throughput, latencies, gaps, goodput and failures, and what the client did meanwhile."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from bench.metrics.client_error import ClientError, error_of
from bench.metrics.timing import NANOSECONDS_PER_SECOND, STALL_NS, e2e_s, itl_s, tpot_s, ttft_s
from bench.schema.load import Arrivals, GapHistogram, LoadLevel, LoadSample
from bench.schema.model_run import ModelRun
from bench.schema.result import Result
from bench.schema.sample import Sample
from bench.stats.distribution import Distribution, distribution, too_few


@dataclass(frozen=True)
class Gaps:
    """Gaps in seconds. A percentile above the median is None where there are too few gaps for it.

    `relative_error` is by how much a percentile can be off: 0 where each gap is kept. `stalls` counts those over 200
    ms.
    """

    count: int
    p50: float
    p95: float | None
    p99: float | None
    maximum: float
    stalls: int
    relative_error: float


def gaps_of_samples(samples: Sequence[Sample]) -> Gaps | None:
    """Return the gaps of good samples whose chunks are kept one by one; None where there is no gap."""
    found = distribution([gap for sample in samples for gap in itl_s(sample)], "gap")
    if found is None:
        return None
    stalls = sum(
        later - earlier > STALL_NS
        for sample in samples
        for earlier, later in zip(sample.chunk_ns, sample.chunk_ns[1:], strict=False)
    )
    return Gaps(found.count, found.p50, found.p95, found.p99, found.maximum, stalls, 0.0)


def gaps_of_histogram(histogram: GapHistogram) -> Gaps | None:
    """Return the gaps that a histogram counted; None where it counted none.

    A gap is taken for the centre of its bin, the geometric mean of its ends, so it is off by `relative_error` at most;
    one in bin 0 is taken for half of `first_ns`. Percentiles are interpolated as those of single values are.
    """
    bins = sorted((int(place), count) for place, count in histogram.counts.items() if count)
    total = sum(count for _, count in bins)
    if not total:
        return None
    return Gaps(
        count=total,
        p50=_percentile(histogram, bins, total, 0.50),
        p95=None if too_few(total, "p95") else _percentile(histogram, bins, total, 0.95),
        p99=None if too_few(total, "p99") else _percentile(histogram, bins, total, 0.99),
        maximum=histogram.longest_ns / NANOSECONDS_PER_SECOND,
        stalls=histogram.over_200_ms,
        relative_error=histogram.relative_error,
    )


def _percentile(histogram: GapHistogram, bins: Sequence[tuple[int, int]], total: int, share: float) -> float:
    rank = (total - 1) * share
    below = int(rank)
    low_s = _value_at(histogram, bins, below)
    high_s = _value_at(histogram, bins, min(below + 1, total - 1))
    return low_s + (high_s - low_s) * (rank - below)


def _value_at(histogram: GapHistogram, bins: Sequence[tuple[int, int]], place: int) -> float:
    """Return the gap at a place in the order of size, from 0, as the centre of its bin; never above the longest."""
    counted = 0
    for number, count in bins:
        counted += count
        if place < counted:
            return min(_centre_ns(histogram, number), histogram.longest_ns) / NANOSECONDS_PER_SECOND
    raise IndexError(f"there is no gap {place} among {counted}")


def _centre_ns(histogram: GapHistogram, number: int) -> float:
    if number == 0:
        return histogram.first_ns / 2
    centre: float = histogram.first_ns * (1 + histogram.relative_error) ** (2 * number - 1)
    return centre


NO_LIMITS = "the config sets no limits (load.goodput)"
NO_REQUEST = "no request was measured"
NO_TTFT = "the limit is one of TTFT, and the answers were not streamed"
NO_TPOT = "the limit is one of TPOT, and nobody counted the output tokens"
NO_WINDOW = "the level ended before its window began"


@dataclass(frozen=True)
class Limits:
    """What an answer must keep, in seconds (for each further token: tpot_s); None where the config sets no limit."""

    ttft_s: float | None
    tpot_s: float | None
    e2e_s: float | None


@dataclass(frozen=True)
class Goodput:
    """The measured requests that were good and kept every limit: their number, share of all, and rate in the window."""

    kept: int
    share: float
    per_s: float
    limits: Limits


@dataclass(frozen=True)
class NoGoodput:
    """Why nobody can tell the goodput."""

    why: str


def limits_of(result: Result) -> Limits | None:
    """Return the limits that a run's config sets, or None."""
    load = result.config.resolved.get("load")
    found = load.get("goodput") if isinstance(load, dict) else None
    if not isinstance(found, dict):
        return None
    limits = Limits(_limit(found.get("ttft_s")), _limit(found.get("tpot_s")), _limit(found.get("e2e_s")))
    return None if limits == Limits(None, None, None) else limits


def goodput(measured: Sequence[LoadSample], limits: Limits | None, window_s: float) -> Goodput | NoGoodput:
    """Return the goodput of a level's measured requests, or why there is none.

    A failed request never keeps the limits. TTFT and latency count from the schedule where there is one. An answer of
    one token has no further token, and so keeps any limit of TPOT.
    """
    if limits is None:
        return NoGoodput(NO_LIMITS)
    if not measured:
        return NoGoodput(NO_REQUEST)
    if window_s <= 0:
        return NoGoodput(NO_WINDOW)
    good = [sample for sample in measured if sample.failure is None]
    if limits.ttft_s is not None and any(not sample.chunk_ns for sample in good):
        return NoGoodput(NO_TTFT)
    if limits.tpot_s is not None and any(not sample.output_tokens for sample in good):
        return NoGoodput(NO_TPOT)
    kept = sum(_keeps(sample, limits) for sample in good)
    return Goodput(kept, kept / len(measured), kept / window_s, limits)


def waited_s(sample: LoadSample) -> float:
    """Return how long after its scheduled time a request was sent, in seconds; 0 where there is no schedule."""
    return 0.0 if sample.scheduled_ns is None else (sample.start_ns - sample.scheduled_ns) / NANOSECONDS_PER_SECOND


def _keeps(sample: LoadSample, limits: Limits) -> bool:
    waited = waited_s(sample)
    found = ((ttft_s(sample), waited, limits.ttft_s), (tpot_s(sample), 0.0, limits.tpot_s))
    return all(
        limit is None or value is None or value + added <= limit
        for value, added, limit in (*found, (e2e_s(sample), waited, limits.e2e_s))
    )


def _limit(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else None


CLIENT_LIMIT: Final = 0.8
"""Processor time of the client per second of the window, from which the client may be what limits a level. It is one
Python process: the interpreter's lock gives all its threads one core together, and nearing it they wait for each
other."""


class LevelKey(NamedTuple):
    """What two levels have in common that can be compared: `streams` at once, or a rate with at most `streams`."""

    arrivals: Arrivals
    streams: int
    rate_per_s: float | None

    @property
    def words(self) -> str:
        """The level in words, as in 'closed loop, 8 streams' or 'poisson, 4/s, up to 64 streams'."""
        noun = "stream" if self.streams == 1 else "streams"
        if self.rate_per_s is None:
            return f"closed loop, {self.streams} {noun}"
        return f"{self.arrivals}, {self.rate_per_s:g}/s, up to {self.streams} {noun}"

    @property
    def place(self) -> tuple[float, ...]:
        """Where a level stands among others: closed loops by their streams, then schedules by their rate."""
        return (0, self.streams) if self.rate_per_s is None else (1, self.rate_per_s, self.streams)


@dataclass(frozen=True)
class LevelSummary:
    """One level of load in short; durations in seconds, None for what is undefined.

    `measured` counts the requests that the statistics are of, `failure_kinds` the failed of them, most frequent first.
    `throughput_tokens_per_s` and `answers_per_s` are of the window, `due_per_s` is what the schedule drew for it.
    `scheduled_ttft` and `scheduled_e2e` count from the schedule and are None in a closed loop, as `lateness` is: by how
    much later than scheduled a request was sent. `under_way` is how many requests were under way on average,
    `by_little` the same by Little's law. `client_share` is the client's processor time / the window.
    """

    result: Result
    model: ModelRun
    record: LoadLevel
    key: LevelKey
    window_s: float
    measured: int
    good: int
    failure_kinds: dict[str, int]
    throughput_tokens_per_s: float | None
    answers_per_s: float | None
    due_per_s: float | None
    ttft: Distribution | None
    tpot: Distribution | None
    e2e: Distribution | None
    scheduled_ttft: Distribution | None
    scheduled_e2e: Distribution | None
    lateness: Distribution | None
    gaps: Gaps | None
    under_way: float | None
    by_little: float | None
    goodput: Goodput | NoGoodput
    client_share: float | None
    client_error: ClientError | None

    @property
    def failed(self) -> int:
        """The number of measured requests that failed."""
        return self.measured - self.good

    @property
    def closed(self) -> bool:
        """Whether streams ask again by themselves; else a schedule asks."""
        return self.record.arrivals == "closed"

    @property
    def client_bound(self) -> bool:
        """Whether the client was so busy that it may be what limited this level."""
        return self.client_share is not None and self.client_share >= CLIENT_LIMIT


def level_key(level: LoadLevel) -> LevelKey:
    """Return what identifies a level across runs."""
    return LevelKey(level.arrivals, level.streams, level.rate_per_s)


def level_summaries(result: Result, model: ModelRun) -> tuple[LevelSummary, ...]:
    """Return the levels of a model in a run, in the order in which they were measured."""
    return tuple(summarise_level(result, model, level) for level in model.load)


def summarise_level(result: Result, model: ModelRun, level: LoadLevel) -> LevelSummary:
    """Return the summary of one level. Warm-up and cool-down are in nothing but throughput and what was under way."""
    window_s = (level.window_end_ns - level.window_start_ns) / NANOSECONDS_PER_SECOND
    measured = measured_samples(level)
    good = [sample for sample in measured if sample.failure is None]
    kinds = Counter(sample.failure.kind for sample in measured if sample.failure is not None)
    scheduled = level.arrivals != "closed"
    answers = answers_per_s(level)
    e2e = _of(e2e_s(sample) for sample in good)
    return LevelSummary(
        result=result,
        model=model,
        record=level,
        key=level_key(level),
        window_s=window_s,
        measured=len(measured),
        good=len(good),
        failure_kinds=dict(kinds.most_common()),
        throughput_tokens_per_s=throughput_tokens_per_s(level),
        answers_per_s=answers,
        due_per_s=len(measured) / window_s if scheduled and window_s > 0 else None,
        ttft=_of(ttft_s(sample) for sample in good),
        tpot=_of(tpot_s(sample) for sample in good),
        e2e=e2e,
        scheduled_ttft=_of(_later(ttft_s(sample), sample) for sample in good) if scheduled else None,
        scheduled_e2e=_of(_later(e2e_s(sample), sample) for sample in good) if scheduled else None,
        lateness=_of(waited_s(sample) for sample in measured) if scheduled else None,
        gaps=gaps_of_samples(good) if level.gaps is None else gaps_of_histogram(level.gaps),
        under_way=under_way(level),
        by_little=None if answers is None or e2e is None else answers * e2e.mean,
        goodput=goodput(measured, limits_of(result), window_s),
        client_share=client_share(level),
        client_error=_client_error(result, model, level.streams),
    )


def measured_samples(level: LoadLevel) -> tuple[LoadSample, ...]:
    """Return the samples that the statistics of a level are of, failed ones included, in the order of sending."""
    return tuple(sample for sample in level.samples if sample.phase == "measured")


def throughput_tokens_per_s(level: LoadLevel) -> float | None:
    """Return the output tokens that arrived inside the window, per second of it.

    Every good answer counts, whenever it was sent, by the part of its text that came inside the window; its tokens are
    taken to come evenly from its first text to its last. So an answer that ends after the window counts by its part
    before it, and one that a warm-up request began by its part after it: counting whole answers would be off by up to
    one answer a stream at each end, which is most of it where an answer takes as long as the window. The tokens of a
    failed answer are lost. What is left of bias: an answer that does not flow evenly is put a little early or late.

    None where no good answer has text in the window, or where the tokens of one that has were not counted.
    """
    start_ns, end_ns = level.window_start_ns, level.window_end_ns
    shares = [(sample, _share_inside(sample, start_ns, end_ns)) for sample in level.samples if sample.failure is None]
    inside = [(sample.output_tokens, share) for sample, share in shares if share > 0]
    if not inside or end_ns == start_ns or not all(tokens for tokens, _ in inside):
        return None
    tokens_inside = sum(tokens * share for tokens, share in inside if tokens)
    return tokens_inside / ((end_ns - start_ns) / NANOSECONDS_PER_SECOND)


def answers_per_s(level: LoadLevel) -> float | None:
    """Return the good answers that ended inside the window, whenever they were sent, per second of it.

    Answers under way at the window's start count whole, those under way at its end not at all: in a steady load the two
    cancel, give or take one answer a stream. None for a window of no length.
    """
    if level.window_end_ns == level.window_start_ns:
        return None
    return answered(level) / ((level.window_end_ns - level.window_start_ns) / NANOSECONDS_PER_SECOND)


def answered(level: LoadLevel) -> int:
    """Return how many good answers ended inside the window, whenever they were sent."""
    return sum(
        sample.failure is None
        and sample.end_ns is not None
        and level.window_start_ns < sample.start_ns + sample.end_ns <= level.window_end_ns
        for sample in level.samples
    )


def under_way(level: LoadLevel) -> float | None:
    """Return how many requests were under way on average over the window: sent, and not yet ended.

    A failed request counts until the last thing known of it. None for a window of no length.
    """
    start_ns, end_ns = level.window_start_ns, level.window_end_ns
    if end_ns == start_ns:
        return None
    spans = ((sample.start_ns, sample.start_ns + _last_known_ns(sample)) for sample in level.samples)
    return sum(max(0, min(end, end_ns) - max(start, start_ns)) for start, end in spans) / (end_ns - start_ns)


def client_share(level: LoadLevel) -> float | None:
    """Return the client's processor time / the window; None where it was not read, and for a window of no length."""
    if level.client_cpu_ns is None or level.window_end_ns == level.window_start_ns:
        return None
    return level.client_cpu_ns / (level.window_end_ns - level.window_start_ns)


def _share_inside(sample: LoadSample, start_ns: int, end_ns: int) -> float:
    first_ns = sample.start_ns + (sample.chunk_ns[0] if sample.chunk_ns else sample.end_ns or 0)
    last_ns = sample.start_ns + (sample.chunk_ns[-1] if sample.chunk_ns else sample.end_ns or 0)
    if first_ns == last_ns:
        return float(start_ns < last_ns <= end_ns)
    return max(0, min(last_ns, end_ns) - max(first_ns, start_ns)) / (last_ns - first_ns)


def _last_known_ns(sample: LoadSample) -> int:
    if sample.end_ns is not None:
        return sample.end_ns
    return sample.chunk_ns[-1] if sample.chunk_ns else 0


def _later(value_s: float | None, sample: LoadSample) -> float | None:
    return None if value_s is None else value_s + waited_s(sample)


def _of(values: Iterable[float | None]) -> Distribution | None:
    return distribution([value for value in values if value is not None], "request")


def _client_error(result: Result, model: ModelRun, streams: int) -> ClientError | None:
    """Return the client's error with the fewest streams that are no fewer than the level's, or with the most."""
    checks = sorted((one for one in result.client if one.transport == model.transport), key=lambda one: one.streams)
    if not checks:
        return None
    return error_of(next((one for one in checks if one.streams >= streams), checks[-1]))
