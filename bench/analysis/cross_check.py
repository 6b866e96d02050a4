"""What a server says of its own time, beside ours: two clocks that should agree on one thing."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Final, Literal

from bench.metrics.timing import NANOSECONDS_PER_SECOND, good_samples
from bench.schema.model_run import ModelRun
from bench.schema.sample import Sample

APART: Final = 0.05
"""Relative difference from which two views of one time are marked."""


@dataclass(frozen=True)
class CrossCheck:
    """One part of a request as both sides timed it.

    The times are medians over the requests of which both are known; `apart` is the median of ours / theirs - 1.
    """

    part: Literal["prompt", "answer"]
    ours_s: float
    theirs_s: float
    apart: float
    samples: int

    @property
    def differs(self) -> bool:
        """Whether the two are further apart than APART."""
        return abs(self.apart) > APART


def cross_checks(model: ModelRun) -> tuple[CrossCheck, ...]:
    """Return each part of the requests that the server timed as well: the prompt against TTFT, the answer against the
    time from its first chunk to its last. Empty where it says nothing of its time."""
    known = (_checked(model, "prompt", _prompt), _checked(model, "answer", _answer))
    return tuple(one for one in known if one is not None)


def _checked(
    model: ModelRun, part: Literal["prompt", "answer"], both_ns: Callable[[Sample], tuple[int, int] | None]
) -> CrossCheck | None:
    found = [both for sample in good_samples(model) if (both := both_ns(sample)) is not None]
    if not found:
        return None
    return CrossCheck(
        part=part,
        ours_s=median(ours for ours, _ in found) / NANOSECONDS_PER_SECOND,
        theirs_s=median(theirs for _, theirs in found) / NANOSECONDS_PER_SECOND,
        apart=median(ours / theirs - 1 for ours, theirs in found),
        samples=len(found),
    )


def _prompt(sample: Sample) -> tuple[int, int] | None:
    if sample.server is None or not sample.server.prompt_ns or not sample.chunk_ns:
        return None
    return sample.chunk_ns[0], sample.server.prompt_ns


def _answer(sample: Sample) -> tuple[int, int] | None:
    if sample.server is None or not sample.server.output_ns or len(sample.chunk_ns) < 2:
        return None
    return sample.chunk_ns[-1] - sample.chunk_ns[0], sample.server.output_ns
