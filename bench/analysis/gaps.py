"""The gaps between text chunks of a level of load, from stamps or from a histogram with a stated error."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis.stats import distribution, too_few
from bench.analysis.timing import NANOSECONDS_PER_SECOND, STALL_NS, itl_s
from bench.runner.load_record import GapHistogram
from bench.runner.sample import Sample


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
