"""The good samples of a model as arrays: what is asked of each of thousands of chunks is asked of all at once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from bench.schema.sample import Sample
from bench.stats.distribution import Floats

Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class SampleArrays:
    """Good samples, one element each, in order of sending; NaN stands for what was not recorded.

    `chunk_ns` has the stamps of all samples one after the other, `chunks` how many of them each sample has.
    `first_chunk_tokens` is 1 where it is not known to be more. Numbers of a record are at most 2**53, so that a float
    holds each of them exactly.
    """

    prompts: tuple[str, ...]
    chunk_ns: Counts
    chunks: Counts
    first_chunk_tokens: Floats
    first_answer_chunk: Floats
    sent_ns: Floats
    end_ns: Floats
    prompt_tokens: Floats
    output_tokens: Floats

    @cached_property
    def streamed(self) -> NDArray[np.intp]:
        """The samples that have chunks, by their place."""
        return np.flatnonzero(self.chunks)

    @cached_property
    def first_place(self) -> Counts:
        """Where the chunks of each sample begin in `chunk_ns`."""
        return np.cumsum(self.chunks) - self.chunks

    @cached_property
    def gaps(self) -> Counts:
        """How many gaps between successive chunks each sample has."""
        return np.maximum(self.chunks - 1, 0)

    @cached_property
    def gap_ns(self) -> Counts:
        """The gaps between successive chunks of all samples, one after the other."""
        within = np.ones(max(0, len(self.chunk_ns) - 1), dtype=np.bool_)
        within[self.first_place[self.streamed][1:] - 1] = False
        return np.diff(self.chunk_ns)[within]

    @cached_property
    def later_chunks(self) -> Counts:
        """How many chunks of each sample came later than its first one, and not at the same instant."""
        first_ns = np.repeat(self.chunk_ns[self.first_place[self.streamed]], self.chunks[self.streamed])
        return in_each(np.add, self.chunk_ns > first_ns, self.chunks)


@dataclass(frozen=True, eq=False)
class SampleValues:
    """The values of a metric, sample after sample, in its base unit; `counts` says how many each sample has."""

    values: Floats
    counts: Counts

    def by_prompt(self, prompts: Sequence[str]) -> dict[str, Floats]:
        """Return the values of each prompt that has some, in order of sending; `prompts` has that of each sample."""
        places: dict[str, int] = {}
        prompt_of = np.array([places.setdefault(prompt, len(places)) for prompt in prompts], dtype=np.intp)
        owner = np.repeat(prompt_of, self.counts)
        ordered = self.values[np.argsort(owner, kind="stable")]
        sizes = np.bincount(owner, minlength=len(places))
        ends = np.cumsum(sizes)
        bounds = zip(places, (ends - sizes).tolist(), ends.tolist(), strict=True)
        return {prompt: ordered[start:end] for prompt, start, end in bounds if start < end}

    def by_sample(self) -> list[Floats]:
        """Return the values of each sample in order."""
        ends = np.cumsum(self.counts).tolist()
        return [self.values[end - count : end] for end, count in zip(ends, self.counts.tolist(), strict=True)]


def arrays_of(good: Sequence[Sample]) -> SampleArrays:
    """Return good samples as arrays, in their order."""
    chunks = np.array([len(one.chunk_ns) for one in good], dtype=np.int64)
    stamps = chain.from_iterable(one.chunk_ns for one in good)
    return SampleArrays(
        prompts=tuple([one.prompt for one in good]),
        chunk_ns=np.fromiter(stamps, dtype=np.int64, count=int(chunks.sum())),
        chunks=chunks,
        first_chunk_tokens=_floats([one.first_chunk_tokens or 1 for one in good]),
        first_answer_chunk=_floats([one.first_answer_chunk for one in good]),
        sent_ns=_floats([one.sent_ns for one in good]),
        end_ns=_floats([one.end_ns for one in good]),
        prompt_tokens=_floats([one.prompt_tokens for one in good]),
        output_tokens=_floats([one.output_tokens for one in good]),
    )


def in_each(reduce: np.ufunc, values: NDArray[np.generic], sizes: Counts) -> Counts:
    """Return what a reduction makes of the values of each sample, of which there are `sizes`; 0 where there is none."""
    found = np.zeros(len(sizes), dtype=np.int64)
    some = np.flatnonzero(sizes)
    if len(some):
        found[some] = reduce.reduceat(values, (np.cumsum(sizes) - sizes)[some], dtype=np.int64)
    return found


def _floats(values: Iterable[int | None]) -> Floats:
    return np.array(values, dtype=np.float64)
