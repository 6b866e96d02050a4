"""A level of load in short: its throughput, latencies, goodput and failures, and what the client did meanwhile.

Latencies, failures and goodput are those of the measured requests: sent inside the window, or due inside it. Throughput
is what arrived inside the window, whichever request it belongs to; see `throughput_tokens_per_s`.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from bench.analysis.gaps import Gaps, gaps_of_histogram, gaps_of_samples
from bench.analysis.goodput import Goodput, NoGoodput, goodput, limits_of, waited_s
from bench.analysis.resolution import ClientError, error_of
from bench.analysis.stats import Distribution, distribution
from bench.analysis.timing import NANOSECONDS_PER_SECOND, e2e_s, tpot_s, ttft_s
from bench.results.schema import Result
from bench.runner.load_record import Arrivals, LoadLevel, LoadSample
from bench.runner.record import ModelRun

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
