"""What was measured beyond one prompt after the other: levels of load, and a matrix of prompt and answer lengths."""

import math
from itertools import pairwise
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from bench.schema.fields import (
    Bytes,
    Count,
    LengthTokens,
    Nanoseconds,
    RatePerSecond,
    Record,
    RelativeError,
    Seed,
    SomeNanoseconds,
    Streams,
)
from bench.schema.sample import Sample

Arrivals = Literal["closed", "constant", "poisson"]

Bin = Annotated[str, Field(pattern=r"^[0-9]{1,6}$")]
"""Number of a bin: the narrowest bins there may be reach the longest duration before the 200,000th."""

LONG_GAP_MS: Final = 200
"""Gap between two chunks beyond which a reader sees the text stand still; a file counts them, in `over_200_ms`."""

ROUNDING = 1e-6
"""Share of a duration by which the beginning of a bin may seem off."""


class LoadSample(Sample):
    """One request of a load level. Its `start_ns` counts from the level's start, as `scheduled_ns` does.

    `round` is 1. Warm-up and cool-down keep the load up around the measured window, and are in no statistic.
    """

    phase: Literal["warm-up", "measured", "cool-down"] = Field(
        description="measured: due inside the window, or in a closed loop sent inside it"
    )
    stream: Count = Field(description="which of the level's streams sent it, from 0")
    scheduled_ns: Nanoseconds | None = Field(description="when the schedule asked for it; null in a closed loop")

    def share_inside(self, start_ns: int, end_ns: int) -> float:
        """Return the part of its text that came in a span of the level's time, taken to come evenly."""
        chunks = self.chunk_ns or (self.end_ns or 0,)
        first_ns, last_ns = self.start_ns + chunks[0], self.start_ns + chunks[-1]
        if first_ns == last_ns:
            return float(start_ns < last_ns <= end_ns)
        return max(0, min(last_ns, end_ns) - max(first_ns, start_ns)) / (last_ns - first_ns)

    @model_validator(mode="after")
    def _not_before_its_time(self) -> Self:
        if self.scheduled_ns is not None and self.start_ns < self.scheduled_ns:
            raise ValueError(f"start_ns is {self.start_ns}, before the schedule's {self.scheduled_ns}")
        return self


class GapHistogram(Record):
    """The gaps of a level with many samples: how many fell into each bin; `relative_error` is a bin's half width.

    Bin 0 ends at `first_ns`; bin i ends at first_ns * (1 + relative_error) ** (2 * i), its end included.
    """

    relative_error: RelativeError
    first_ns: SomeNanoseconds
    counts: dict[Bin, Count] = Field(description="bin -> gaps in it; bins without a gap are left out")
    longest_ns: Nanoseconds
    over_200_ms: Count = Field(description=f"gaps longer than {LONG_GAP_MS} ms")

    @model_validator(mode="after")
    def _longest_is_in_a_bin(self) -> Self:
        # By logarithms: the end of a bin that cannot be may be too large for a number.
        last = max((int(place) for place, count in self.counts.items() if count), default=0)
        begins = math.log(self.first_ns) + 2 * (last - 1) * math.log1p(self.relative_error)
        if last > 0 and begins > math.log(max(self.longest_ns, 1)) + ROUNDING:
            raise ValueError(f"bin {last} of counts begins after longest_ns, which is {self.longest_ns}")
        return self


class LoadLevel(Record):
    """One level of load on a model: so many streams at once, or so many requests a second, for a stretch of time.

    `samples` are in the order in which they were sent. Where there are very many, `gaps` has all gaps of the measured
    ones, and each sample keeps of its chunks the first, the first of the answer and the last.
    """

    arrivals: Arrivals = Field(description="closed: a stream asks again when it has its answer; else a schedule")
    streams: Streams = Field(description="how many ask at once; with a schedule, the most that may be under way")
    rate_per_s: RatePerSecond | None = Field(description="requests a second that the schedule asks for; null if closed")
    seed: Seed = Field(description="of the schedule and of the order of prompts")
    swept: bool = Field(description="whether the sweep chose this level")
    start_ns: Nanoseconds = Field(description="the level's start, from the start of this model's first request")
    window_start_ns: Nanoseconds = Field(description="where the measured window begins, from the level's start")
    window_end_ns: Nanoseconds = Field(description="where it ends")
    client_cpu_ns: Nanoseconds | None = Field(
        description="processor time of the asking process in the window; null in-process, where it is the model's too"
    )
    memory_peak_bytes: Bytes | None = Field(description="the model's process at its highest; null where not read")
    ended_early: str | None = Field(description="why the level ended before its time, or null")
    gaps: GapHistogram | None = Field(description="null: each sample has its gaps")
    samples: tuple[LoadSample, ...]

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if (self.rate_per_s is None) != (self.arrivals == "closed"):
            raise ValueError(f"rate_per_s is {self.rate_per_s} with {self.arrivals} arrivals")
        if self.window_end_ns < self.window_start_ns:
            raise ValueError(f"window_end_ns is {self.window_end_ns}, before window_start_ns {self.window_start_ns}")
        for earlier, later in pairwise(self.samples):
            if later.start_ns < earlier.start_ns:
                raise ValueError(f"samples go back in time, from {earlier.start_ns} to {later.start_ns}")
        return self


class LengthCell(Record):
    """One cell of the matrix of lengths: the same text sent a few times, and an answer of so many tokens asked for.

    A sample's own `prompt_tokens` and `output_tokens` say what it came to.
    """

    prompt_tokens: LengthTokens = Field(description="tokens of the prompt that were aimed at")
    output_tokens: LengthTokens = Field(description="tokens of the answer that were asked for, at most")
    skipped: str | None = Field(description="why the cell was not measured, or null")
    samples: tuple[Sample, ...]
