"""The gaps of very many samples, kept in bounded space: a histogram for all, and a few stamps of each sample."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from bench.runner.load_record import GapHistogram, LoadSample

RELATIVE_ERROR = 0.01
"""Half the width of a bin: the most by which a percentile from the histogram is off, as a share of it."""

FIRST_NS = 1_000
"""End of the first bin: a gap below a microsecond lies inside one read."""

LONG_GAP_NS = 200_000_000
"""A gap above this is one that a reader notices."""

MANY_SAMPLES = 2_000
"""Measured samples of a level from which its gaps are kept as a histogram."""


def condensed(
    samples: Sequence[LoadSample], many: int = MANY_SAMPLES
) -> tuple[GapHistogram | None, tuple[LoadSample, ...]]:
    """Return the samples of a level as they are kept: above `many` measured ones with a histogram, and few stamps each.

    The histogram has the gaps of the measured samples that are good.
    """
    measured = [sample for sample in samples if sample.phase == "measured"]
    if len(measured) <= many:
        return None, tuple(samples)
    gaps = [
        later - earlier for sample in measured if sample.failure is None for earlier, later in pairwise(sample.chunk_ns)
    ]
    return histogram(gaps), tuple(few_stamps(sample) for sample in samples)


def histogram(gaps_ns: Iterable[int]) -> GapHistogram:
    """Return gaps, in nanoseconds, as a histogram; see GapHistogram for its bins."""
    gaps = np.fromiter(gaps_ns, dtype=np.int64)
    above = gaps[gaps > FIRST_NS]
    width = 2 * np.log1p(RELATIVE_ERROR)
    bins = np.ceil(np.log(above / FIRST_NS) / width).astype(np.int64)
    # The logarithm can be off by its last digit where a gap is just a bin's end.
    bins -= above <= FIRST_NS * (1 + RELATIVE_ERROR) ** (2.0 * (bins - 1))
    bins += above > FIRST_NS * (1 + RELATIVE_ERROR) ** (2.0 * bins)
    numbers, counts = np.unique(np.concatenate([np.zeros(len(gaps) - len(above), np.int64), bins]), return_counts=True)
    return GapHistogram(
        relative_error=RELATIVE_ERROR,
        first_ns=FIRST_NS,
        counts={str(number): int(count) for number, count in zip(numbers.tolist(), counts.tolist(), strict=True)},
        longest_ns=int(gaps.max(initial=0)),
        over_200_ms=int((gaps > LONG_GAP_NS).sum()),
    )


def few_stamps(sample: LoadSample) -> LoadSample:
    """Return a sample with the stamps of its first chunk, the first one of the answer and the last one, and no more."""
    if not sample.chunk_ns:
        return sample
    first_answer = sample.first_answer_chunk
    kept = sorted({0, len(sample.chunk_ns) - 1} | ({first_answer} if first_answer is not None else set()))
    return sample.model_copy(
        update={
            "chunk_ns": tuple(sample.chunk_ns[place] for place in kept),
            "first_answer_chunk": None if first_answer is None else kept.index(first_answer),
        }
    )
