"""What the client can tell apart: its own error on this machine, and which latencies are too small for it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from bench.metrics.registry import metric
from bench.metrics.timing import NANOSECONDS_PER_SECOND
from bench.schema.fields import StampedBy
from bench.schema.machine import ClientCheck
from bench.schema.model_run import ModelRun
from bench.schema.result import Result
from bench.schema.sample import Sample
from bench.stats.distribution import PERCENTILE_METHOD, VALUES_NEEDED

TIMES_THE_ERROR: Final = 3
"""A latency below this many times the client's error is not resolvable: a third of it or more may be the client."""


@dataclass(frozen=True)
class ErrorSize:
    """By how much the client was off, early or late, in seconds. `p99_s` is None with too few values."""

    count: int
    p50_s: float
    p99_s: float | None
    largest_s: float

    @property
    def bound_s(self) -> float:
        """The p99, or the largest error where there are too few for it."""
        return self.largest_s if self.p99_s is None else self.p99_s

    @property
    def resolvable_s(self) -> float:
        """The smallest latency that stands out from this error."""
        return TIMES_THE_ERROR * self.bound_s


@dataclass(frozen=True)
class ClientError:
    """The client's own error with one transport, stamps and so many streams; None for what was not checked."""

    transport: str
    stamped_by: StampedBy
    streams: int
    ttft: ErrorSize | None
    gap: ErrorSize | None


def stamped_by(samples: Iterable[Sample]) -> StampedBy:
    """Return who stamped the good ones: the kernel only where it was all of them."""
    good = {sample.stamped_by for sample in samples if sample.failure is None}
    return "kernel" if good == {"kernel"} else "process"


def client_error(
    result: Result, model: ModelRun, streams: int = 1, samples: Iterable[Sample] | None = None
) -> ClientError | None:
    """Return the client's error that belongs to a model: of its transport, with the fewest streams that are enough.

    Where the kernel's stamps were checked as well, it is of who stamped the `samples`, the model's own unless others
    are given. Where no check had so many `streams`, it is the one with the most. None for a model in this process,
    which no client stands before, and where there was no such check.
    """
    checks = sorted((one for one in result.client if one.transport == model.transport), key=lambda one: one.streams)
    if any(one.stamped_by == "kernel" for one in checks):
        by = stamped_by(model.samples if samples is None else samples)
        checks = [one for one in checks if one.stamped_by == by]
    if not checks:
        return None
    return error_of(next((one for one in checks if one.streams >= streams), checks[-1]))


def error_of(check: ClientCheck) -> ClientError:
    """Return the size of the errors of one check."""
    sizes = _size(check.ttft_error_ns), _size(check.gap_error_ns)
    return ClientError(check.transport, check.stamped_by, check.streams, *sizes)


def smallest_resolvable_s(metric_id: str, error: ClientError | None) -> float | None:
    """Return the latency of this metric below which the client cannot tell; None where there is no such limit."""
    if error is None:
        return None
    limited_by = metric(metric_id.partition(".")[0]).resolvable_from
    size = error.ttft if limited_by == "ttft" else error.gap if limited_by == "gap" else None
    return None if size is None else size.resolvable_s


def resolvable(metric_id: str, value_s: float, error: ClientError | None) -> bool:
    """Return whether a value of a metric is large enough beside the client's error; True where nothing limits it."""
    limit_s = smallest_resolvable_s(metric_id, error)
    return limit_s is None or value_s >= limit_s


def _size(errors_ns: Sequence[int]) -> ErrorSize | None:
    if not errors_ns:
        return None
    sizes = np.abs(np.asarray(errors_ns, dtype=np.float64)) / NANOSECONDS_PER_SECOND
    p50, p99 = (float(value) for value in np.percentile(sizes, (50, 99), method=PERCENTILE_METHOD))
    known = len(errors_ns) >= VALUES_NEEDED["p99"]
    return ErrorSize(len(errors_ns), p50, p99 if known else None, float(sizes.max()))
