"""A level of load in short: throughput, latencies, gaps, goodput, failures, the client, and whether a rate is kept."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median
from typing import Final, Literal, NamedTuple

import numpy as np

from bench.metrics.client_error import ClientError, client_error
from bench.metrics.registry import NOT_STREAMED, Metric, metric, split_metric_id
from bench.metrics.timing import (
    NANOSECONDS_PER_SECOND,
    REQUESTS_DUE_NEEDED,
    STALL_NS,
    e2e_s,
    good_arrays,
    last_known_ns,
    tpot_s,
    ttft_s,
    waited_s,
)
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


def gaps_of_samples(samples: tuple[Sample, ...]) -> Gaps | None:
    """Return the gaps of good samples whose chunks are kept one by one; None where there is no gap."""
    gap_ns = good_arrays(samples).gap_ns
    found = distribution(gap_ns / NANOSECONDS_PER_SECOND, "gap")
    if found is None:
        return None
    stalls = int(np.count_nonzero(gap_ns > STALL_NS))
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


CLOSED: Final = "a closed loop has no schedule"
NO_GOOD_ANSWER: Final = "no good answer among the measured requests"
NO_LIMITS = "the config sets no limits (load.goodput)"
NO_REQUEST = "no request was measured"
NO_TTFT = f"the limit is one of TTFT, and {NOT_STREAMED}"
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
    found = result.config.part("load", "goodput")
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


KEPT_SHARE: Final = 0.97
"""Share of the requests due that a sustained rate answers. Three in a hundred is the finest step that a window of some
30 requests can show at all, and more is felt within minutes: at 3% too little a queue grows by 2 s a minute."""

GROWTH_LIMIT: Final = 0.03
"""Seconds that the latency from the schedule may grow in a second. A model that answers 97 of 100 requests due falls
behind by 1/0.97 - 1 = 0.03 s a second: the same limit, seen from the latencies."""

VerdictWord = Literal["sustained", "overloaded", "failing", "unknown"]


@dataclass(frozen=True)
class RateVerdict:
    """Whether a model keeps up with a rate; `why` says so in words.

    `answered_share` is the good answers that ended inside the window / the requests due in it, `growth` by how many
    seconds the latency from the schedule grew in a second.
    """

    word: VerdictWord
    why: str
    answered_share: float | None
    growth: float | None


@dataclass(frozen=True, eq=False)
class LevelSummary:
    """One level of load of a model in a run; each number is worked out when it is first asked for.

    Warm-up and cool-down are in nothing but throughput and what was under way. Durations are in seconds; None for what
    is undefined.
    """

    result: Result
    model: ModelRun
    record: LoadLevel

    def value(self, metric_id: str) -> float | None:
        """Return one number in its base unit: 'under_way', or a statistic as in 'ttft_s.p95'; else the median.

        Raises KeyError for a metric or statistic that a level does not have.
        """
        selected, statistic = split_metric_id(metric_id, "level")
        found = self.found(selected)
        if found is None or isinstance(found, int | float):
            return found
        value: float | None = getattr(found, statistic)
        return value

    def why_undefined(self, metric_id: str) -> str | None:
        """Return why `value` has nothing for this metric, or None where it has something."""
        if self.value(metric_id) is not None:
            return None
        selected, statistic = split_metric_id(metric_id, "level")
        if selected.needs_schedule and self.closed:
            return CLOSED
        found = self.found(selected)
        if isinstance(found, Distribution | Gaps):
            return too_few(found.count, statistic, "gap" if selected.scope == "gap" else "request")
        if selected.why_level is not None:
            return selected.why_level(self)
        if selected.needs_good and not self.good:
            return NO_GOOD_ANSWER if self.measured else NO_REQUEST
        if selected.needs_stream and not any(sample.chunk_ns for sample in self.answers):
            return NOT_STREAMED
        return selected.level_undefined or selected.undefined

    def found(self, selected: Metric) -> Distribution | Gaps | float | None:
        """Return what was found of a metric: of one of samples its distribution over the good measured requests."""
        if selected.id not in self._found:
            self._found[selected.id] = self._worked_out(selected)
        return self._found[selected.id]

    def _worked_out(self, selected: Metric) -> Distribution | Gaps | float | None:
        if selected.needs_schedule and self.closed:
            return None
        if selected.of_level is not None:
            return selected.of_level(self)
        if selected.scope == "gap":
            return self.gaps
        return distribution(selected.all_values(self.answers), "request")

    @cached_property
    def _found(self) -> dict[str, Distribution | Gaps | float | None]:
        return {}

    @property
    def key(self) -> LevelKey:
        """What identifies the level across runs."""
        return level_key(self.record)

    @property
    def closed(self) -> bool:
        """Whether streams ask again by themselves; else a schedule asks."""
        return self.record.arrivals == "closed"

    @property
    def window_s(self) -> float:
        """The length of the window in seconds."""
        return (self.record.window_end_ns - self.record.window_start_ns) / NANOSECONDS_PER_SECOND

    @cached_property
    def asked(self) -> tuple[LoadSample, ...]:
        """The requests that the statistics are of, failed ones included, in the order of sending."""
        return tuple(sample for sample in self.record.samples if sample.phase == "measured")

    @cached_property
    def answers(self) -> tuple[LoadSample, ...]:
        """Those of them that were answered well."""
        return tuple(sample for sample in self.asked if sample.failure is None)

    @property
    def measured(self) -> int:
        """The number of requests that the statistics are of."""
        return len(self.asked)

    @property
    def good(self) -> int:
        """The number of those that were answered well."""
        return len(self.answers)

    @property
    def failed(self) -> int:
        """The number of measured requests that failed."""
        return self.measured - self.good

    @property
    def failure_kinds(self) -> dict[str, int]:
        """The failed of them by kind, most frequent first."""
        kinds = Counter(sample.failure.kind for sample in self.asked if sample.failure is not None)
        return dict(kinds.most_common())

    @cached_property
    def throughput_tokens_per_s(self) -> float | None:
        """The output tokens that arrived inside the window, per second of it.

        Every good answer counts, whenever it was sent, by the part of its text that came inside the window; its tokens
        are taken to come evenly from its first text to its last. So an answer that ends after the window counts by its
        part before it, and one that a warm-up request began by its part after it: counting whole answers would be off
        by up to one answer a stream at each end, which is most of it where an answer takes as long as the window. The
        tokens of a failed answer are lost. What is left of bias: an answer that does not flow evenly is put a little
        early or late.

        None where no good answer has text in the window, or where the tokens of one that has were not counted.
        """
        start_ns, end_ns = self.record.window_start_ns, self.record.window_end_ns
        good = [sample for sample in self.record.samples if sample.failure is None]
        shares = [(sample.output_tokens, sample.share_inside(start_ns, end_ns)) for sample in good]
        inside = [(tokens, share) for tokens, share in shares if share > 0]
        if not inside or end_ns == start_ns or not all(tokens for tokens, _ in inside):
            return None
        return sum(tokens * share for tokens, share in inside if tokens) / self.window_s

    @cached_property
    def answered(self) -> int:
        """How many good answers ended inside the window, whenever they were sent."""
        return sum(
            sample.failure is None
            and sample.end_ns is not None
            and self.record.window_start_ns < sample.start_ns + sample.end_ns <= self.record.window_end_ns
            for sample in self.record.samples
        )

    @property
    def answers_per_s(self) -> float | None:
        """The same per second of the window; None for a window of no length.

        Answers under way at the window's start count whole, those under way at its end not at all: in a steady load the
        two cancel, give or take one answer a stream.
        """
        return None if self.window_s == 0 else self.answered / self.window_s

    @property
    def due_per_s(self) -> float | None:
        """What the schedule drew for the window, per second of it."""
        return None if self.closed or self.window_s <= 0 else self.measured / self.window_s

    @cached_property
    def lateness(self) -> Distribution | None:
        """By how much later than scheduled the measured requests were sent, failed ones included."""
        return None if self.closed else distribution([waited_s(sample) for sample in self.asked], "request")

    @cached_property
    def gaps(self) -> Gaps | None:
        """The gaps between chunks of the good answers."""
        histogram = self.record.gaps
        return gaps_of_samples(self.answers) if histogram is None else gaps_of_histogram(histogram)

    @cached_property
    def under_way(self) -> float | None:
        """How many requests were under way on average over the window: sent, and not yet ended.

        A failed request counts until the last thing known of it. None for a window of no length.
        """
        start_ns, end_ns = self.record.window_start_ns, self.record.window_end_ns
        if end_ns == start_ns:
            return None
        spans = ((sample.start_ns, sample.start_ns + last_known_ns(sample)) for sample in self.record.samples)
        return sum(max(0, min(end, end_ns) - max(start, start_ns)) for start, end in spans) / (end_ns - start_ns)

    @property
    def by_little(self) -> float | None:
        """The same by Little's law."""
        e2e, answers = self.found(metric("e2e_s")), self.answers_per_s
        return answers * e2e.mean if isinstance(e2e, Distribution) and answers is not None else None

    @cached_property
    def goodput(self) -> Goodput | NoGoodput:
        """The measured requests that kept the config's limits, or why nobody can tell."""
        return goodput(self.asked, limits_of(self.result), self.window_s)

    @property
    def client_share(self) -> float | None:
        """The client's processor time / the window; None where it was not read, and for a window of no length."""
        cpu_ns, window_ns = self.record.client_cpu_ns, self.record.window_end_ns - self.record.window_start_ns
        return None if cpu_ns is None or window_ns == 0 else cpu_ns / window_ns

    @property
    def client_bound(self) -> bool:
        """Whether the client was so busy that it may be what limited this level."""
        return self.client_share is not None and self.client_share >= CLIENT_LIMIT

    @property
    def client_error(self) -> ClientError | None:
        """The client's error with the fewest streams that are no fewer than the level's, or with the most."""
        return client_error(self.result, self.model, self.record.streams, self.record.samples)

    @cached_property
    def verdict(self) -> RateVerdict | None:
        """Whether the model keeps up with the level's rate; None for a closed loop."""
        return rate_verdict(self)


def level_key(level: LoadLevel) -> LevelKey:
    """Return what identifies a level across runs."""
    return LevelKey(level.arrivals, level.streams, level.rate_per_s)


def level_summaries(result: Result, model: ModelRun) -> tuple[LevelSummary, ...]:
    """Return the levels of a model in a run, in the order in which they were measured."""
    return tuple(LevelSummary(result, model, level) for level in model.load)


def rate_verdict(level: LevelSummary) -> RateVerdict | None:
    """Return whether a model keeps up with the rate of an open-loop level; None for a closed loop.

    A rate is *failing* where more than 3% of the requests due in the window failed. It is *overloaded* where the model
    falls behind, of which there are two signs: fewer than 97% as many good answers ended in the window as requests were
    due in it, and latency from the schedule grew by more than 0.03 s a second. It takes both, for each alone is often
    chance: a few requests more under way at the window's end than at its start, or a few long answers late in it. In a
    simulated queue at 70% of its capacity, with 100 requests due at random times, one of the signs or the other came up
    in a fifth of the windows and both in one or two of a hundred; at 125%, both in 91 to 95. Otherwise it is
    *sustained*.

    The growth is the slope of a resistant line (Tukey, Exploratory Data Analysis, 1977): between the medians of the
    first and of the last third of the requests, by their scheduled times.
    """
    if level.closed:
        return None
    due = level.asked
    if len(due) < REQUESTS_DUE_NEEDED:
        noun = "request was" if len(due) == 1 else "requests were"
        return RateVerdict("unknown", f"{len(due)} {noun} due; it takes {REQUESTS_DUE_NEEDED} to tell", None, None)
    share = level.answered / len(due)
    if level.good < KEPT_SHARE * len(due):
        return RateVerdict("failing", f"{level.failed} of {len(due)} requests failed", share, None)
    points = [
        (sample.scheduled_ns / NANOSECONDS_PER_SECOND, latency + waited_s(sample))
        for sample in level.answers
        if sample.scheduled_ns is not None and (latency := e2e_s(sample)) is not None
    ]
    growth = resistant_slope(points)
    why = f"{level.answered} answers for {len(due)} requests due"
    if share < KEPT_SHARE and growth is not None and growth > GROWTH_LIMIT:
        return RateVerdict("overloaded", why, share, growth)
    return RateVerdict("sustained", why, share, growth)


def resistant_slope(points: Sequence[tuple[float, float]]) -> float | None:
    """Return the slope between the medians of the outer thirds of (x, y) points; None where x does not move."""
    third = len(points) // 3
    if not third:
        return None
    ordered = sorted(points)
    first, last = ordered[:third], ordered[-third:]
    run = median(x for x, _ in last) - median(x for x, _ in first)
    rise = median(y for _, y in last) - median(y for _, y in first)
    return rise / run if run > 0 else None
