"""The interval of a metric at one level of load in one run, by how STRETCHES stretches of the level differ.

Requests under load are alike where they are near in time, as `bench.analysis.compare` says: what is taken to be
independent is no request but a stretch of the measured requests or of the window. Student's distribution has one degree
of freedom less than there are stretches.

- A share of the requests varies as it does between the stretches (a ratio estimate: Cochran, Sampling Techniques, 1977,
  section 6.3). Its interval is taken on the logarithm of the odds, so that it never leaves 0 to 1.
- A percentile lies between the values at the two ends of the interval of the share that is at or below it (Woodruff,
  Confidence Intervals for Medians and Other Position Measures, 1952).
- A number a second is the mean of the stretches of the window (batch means: Law, Simulation Modeling and Analysis).

Simulated with 20 to 800 requests, with an autocorrelation of the noise of 0, 0.5 and 0.9, it holds the truth in 96 to
99, 94 to 98, and 88 to 94% of cases for a median, in 92 to 95, 93 to 94, and 86 to 95% for a p95, and in 89 to 93, 87
to 92, and 82 to 90% for a p99. For a throughput it does in 96% where a machine's pace changes many times in a stretch,
in 85% where it is alike for a third of a stretch, and in 66% where it is for longer than one: what changes so slowly
is hardly seen in one level (python -m tests.benchmarks.level_intervals).
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import exp, log, sqrt
from statistics import fmean, stdev
from typing import Final, TypeVar

import numpy as np

from bench.analysis.compare import OF_STRETCHES, REQUESTS_NEEDED, STRETCHES
from bench.analysis.history import GOODPUT, SCHEDULED
from bench.analysis.intervals import NO_EXTREMES, ONE_READING, Estimate, Interval
from bench.metrics.levels import level_value, why_undefined
from bench.metrics.load import (
    Goodput,
    LevelSummary,
    Limits,
    answered,
    answers_per_s,
    goodput,
    limits_of,
    measured_samples,
    throughput_tokens_per_s,
    waited_s,
)
from bench.metrics.timing import e2e_s, tpot_s, ttft_s
from bench.schema.load import LoadLevel, LoadSample
from bench.stats.bootstrap import THESE
from bench.stats.distribution import PERCENTILE_METHOD, student_t

Item = TypeVar("Item")

VALUES_NEEDED: Final = {"p50": REQUESTS_NEEDED, "p95": 100, "p99": 400}
"""Good answers with a value below which a percentile has no interval: its upper end would be the largest value, give or
take, under another name."""

RATES: Final[dict[str, Callable[[LoadLevel], float | None]]] = {
    "throughput_tokens_per_s": throughput_tokens_per_s,
    "answers_per_s": answers_per_s,
}
"""Metric of a level -> what it is in a window."""

LATENCIES: Final[dict[str, Callable[[LoadSample], float | None]]] = {
    "ttft_s": ttft_s,
    "tpot_s": tpot_s,
    "e2e_s": e2e_s,
    f"{SCHEDULED}ttft_s": ttft_s,
    f"{SCHEDULED}e2e_s": e2e_s,
}
"""Metric of a level -> its value in one request, counted from the send."""

WITH_INTERVAL: Final = (*RATES, *LATENCIES, GOODPUT.id)
"""Every metric of a level that can have an interval."""

TOO_FEW: Final = (
    f"an interval needs {REQUESTS_NEEDED} answers, "
    f"that of a p95 {VALUES_NEEDED['p95']}, that of a p99 {VALUES_NEEDED['p99']}"
)
"""The same words whatever has too few: one note will do for a table."""

ALL_OR_NONE: Final = "every request kept the limits, or none did"


def level_estimate(level: LevelSummary, metric_id: str) -> Estimate:
    """Return one number of a level with its interval in its base unit: 'throughput_tokens_per_s', 'ttft_s.p95'.

    The value is that of `level_value`. Raises KeyError for an unknown metric or statistic.
    """
    value = level_value(level, metric_id)
    if value is None:
        return Estimate(None, None, why_undefined(level, metric_id))
    name, _, statistic = metric_id.partition(".")
    found: tuple[float, float] | str
    if name in RATES:
        found = _of_rate(level.record, RATES[name])
    elif name in LATENCIES:
        found = _of_percentile(_latencies(level, name), statistic or "p50")
    elif name == GOODPUT.id:
        found = _of_goodput(level)
    else:
        found = ONE_READING
    if isinstance(found, str):
        return Estimate(value, None, found)
    return Estimate(value, Interval(*found, THESE, OF_STRETCHES), None)


def _of_rate(level: LoadLevel, rate: Callable[[LoadLevel], float | None]) -> tuple[float, float] | str:
    if answered(level) < REQUESTS_NEEDED:
        return TOO_FEW
    span_ns = level.window_end_ns - level.window_start_ns
    edges = [level.window_start_ns + span_ns * place // STRETCHES for place in range(STRETCHES + 1)]
    rates = [
        rate(level.model_copy(update={"window_start_ns": start, "window_end_ns": end})) or 0.0
        for start, end in pairwise(edges)
    ]
    middle, reach = fmean(rates), _reach(stdev(rates) / sqrt(STRETCHES))
    return max(0.0, middle - reach), middle + reach


def _latencies(level: LevelSummary, name: str) -> list[float]:
    """Return the values of the measured requests that have one, in order of sending, in seconds."""
    good = [(LATENCIES[name](one), one) for one in measured_samples(level.record) if one.failure is None]
    scheduled = name.startswith(SCHEDULED)
    return [value + (waited_s(one) if scheduled else 0.0) for value, one in good if value is not None]


def _of_percentile(values: Sequence[float], statistic: str) -> tuple[float, float] | str:
    needed = VALUES_NEEDED.get(statistic)
    if needed is None:
        return NO_EXTREMES
    if len(values) < needed:
        return TOO_FEW
    share = int(statistic[1:]) / 100
    at = float(np.percentile(values, 100 * share, method=PERCENTILE_METHOD))
    cut = _stretches(values)
    below = [sum(value <= at for value in stretch) for stretch in cut]
    ends = _ends(share, below, [len(stretch) for stretch in cut])
    low, high = np.percentile(values, [100 * end for end in ends], method=PERCENTILE_METHOD)
    return float(low), float(high)


def _of_goodput(level: LevelSummary) -> tuple[float, float] | str:
    asked = measured_samples(level.record)
    if len(asked) < REQUESTS_NEEDED:
        return TOO_FEW
    limits = limits_of(level.result)
    cut = _stretches(asked)
    kept = [_kept(stretch, limits, level.window_s) for stretch in cut]
    if sum(kept) in (0, len(asked)):
        return ALL_OR_NONE
    return _ends(sum(kept) / len(asked), kept, [len(stretch) for stretch in cut])


def _kept(asked: Sequence[LoadSample], limits: Limits | None, window_s: float) -> int:
    found = goodput(asked, limits, window_s)
    return found.kept if isinstance(found, Goodput) else 0


def _stretches(asked: Sequence[Item]) -> list[Sequence[Item]]:
    edges = [len(asked) * place // STRETCHES for place in range(STRETCHES + 1)]
    return [asked[start:end] for start, end in pairwise(edges)]


def _ends(share: float, parts: Sequence[int], sizes: Sequence[int]) -> tuple[float, float]:
    """Return the interval of a share, from how many of each stretch are part of it and the sizes of the stretches."""
    pooled = sum(parts) / sum(sizes)
    spread = sqrt(sum((part - pooled * size) ** 2 for part, size in zip(parts, sizes, strict=True)))
    error = spread * sqrt(STRETCHES / (STRETCHES - 1)) / sum(sizes)
    odds, reach = log(share / (1 - share)), _reach(error / (share * (1 - share)))
    return 1 / (1 + exp(reach - odds)), 1 / (1 + exp(-reach - odds))


def _reach(error: float) -> float:
    return student_t(STRETCHES - 1) * error
