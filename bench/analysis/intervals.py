"""Numbers with their uncertainty: a metric of a model, and the interval in which it would lie again.

The interval of requests one after the other is a bootstrap over prompts or over rounds; `bench.stats.bootstrap` says
which, and what each is about.
Simulated with log-normal latencies (prompts differ by 0, 10 or 50%, rounds by 5 or 10%) it holds the truth

- about prompts like these in 92 to 97% of cases for a median, and in 91 to 95% for a mean; from 5 to 8 prompts that
  differ by 50%, a mean is held in 88% only;
- about these prompts in 91 to 95% for a mean, and in 88 to 96% for a median of 5 or 10 rounds, but in 70 to 91% of 2;
- for a p95 in 88 to 91% about 60 prompts like these, in 86 to 94% about these prompts asked 5 or 10 times, and in 36 to
  64% about these prompts asked twice. Where a p95 falls between two prompts of different length it is decided by a few
  requests (42%), and what is drawn again never goes beyond the largest: read such an interval as too narrow.

At a level of load requests are alike where they are near in time, as `bench.analysis.compare` says: what is taken to be
independent is no request but a stretch, a tenth of the measured requests or of the window. With ten of them Student's
distribution has nine degrees of freedom.

- A share of the requests varies as it does between the stretches (a ratio estimate: Cochran, Sampling Techniques, 1977,
  section 6.3). Its interval is taken on the logarithm of the odds, so that it never leaves 0 to 1.
- A percentile lies between the values at the two ends of the interval of the share that is at or below it (Woodruff,
  Confidence Intervals for Medians and Other Position Measures, 1952).
- A number a second is the mean of the ten stretches of the window (batch means: Law, Simulation Modeling and Analysis).

Simulated with 20 to 800 requests, with an autocorrelation of the noise of 0, 0.5 and 0.9, it holds the truth in 96 to
99, 94 to 98, and 88 to 94% of cases for a median, in 92 to 95, 93 to 94, and 86 to 95% for a p95, and in 89 to 93, 87
to 92, and 82 to 90% for a p99. For a throughput it does in 96% where a machine's pace changes many times in a stretch,
in 85% where it is alike for a third of a stretch, and in 66% where it is for longer than one: what changes so slowly
is hardly seen in one level (python -m tests.benchmarks.level_intervals).

No interval knows what changes from run to run, such as a machine that is warmer on another day.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import exp, log, sqrt
from statistics import fmean, stdev
from typing import Final

import numpy as np

from bench.analysis.measurements import (
    REQUESTS_NEEDED,
    STRETCHES,
    WHOLE,
    Measurement,
    Stratum,
    in_stretches,
    measure,
    part,
    value,
    why_undefined,
)
from bench.metrics.load import Goodput, LevelSummary, goodput, limits_of
from bench.metrics.registry import Metric, metric, split_metric_id
from bench.schema.model_run import ModelRun
from bench.schema.result import Result
from bench.stats.bootstrap import (
    LIKE_THESE,
    PROMPTS_NEEDED,
    REPEATS_NEEDED,
    THESE,
    About,
    Plan,
    Prompts,
    bootstrap,
    limits,
    plan,
)
from bench.stats.distribution import PERCENTILE_METHOD, distribution, student_t

OF_LOADS: Final = "about the loads of the model: no prompt is asked"
ONE_READING: Final = "one reading a run"
NO_EXTREMES: Final = "a smallest or largest value has no interval: what is drawn again never goes beyond it"
OVERLAP: Final = "requests overlap, so that none has a time of its own"
GOODPUT_SHARE: Final = "goodput_share"
OF_STRETCHES: Final = f"of {STRETCHES} stretches of successive requests"
ALL_OR_NONE: Final = "every request kept the limits, or none did"

VALUES_NEEDED_AT_LOAD: Final = {"p50": REQUESTS_NEEDED, "p95": 100, "p99": 400}
"""Good answers of a level below which a percentile has no interval: its upper end would be the largest value, give or
take, under another name."""

TOO_FEW: Final = (
    f"an interval needs {REQUESTS_NEEDED} answers, "
    f"that of a p95 {VALUES_NEEDED_AT_LOAD['p95']}, that of a p99 {VALUES_NEEDED_AT_LOAD['p99']}"
)
"""The same words whatever has too few: one note will do for a table."""


@dataclass(frozen=True)
class Interval:
    """An interval, in the unit of its value. `why` says why it is about these prompts and not prompts like these."""

    low: float
    high: float
    about: About
    why: str | None


@dataclass(frozen=True)
class Estimate:
    """A value with its interval. `why` says why one of them is missing, and is None where both are there."""

    value: float | None
    interval: Interval | None
    why: str | None


def estimate(
    result: Result,
    model: ModelRun,
    metric_id: str,
    *,
    seed: int,
    about: About | None = None,
    stratum: Stratum = WHOLE,
) -> Estimate:
    """Return the estimate of one metric; see `estimates`."""
    return estimates(result, model, (metric_id,), seed=seed, about=about, stratum=stratum)[metric_id]


def estimates(
    result: Result,
    model: ModelRun,
    metric_ids: Iterable[str],
    *,
    seed: int,
    about: About | None = None,
    stratum: Stratum = WHOLE,
) -> dict[str, Estimate]:
    """Return metrics of a stratum with their intervals, by id ('ttft_s', 'ttft_s.p95'), in base units.

    The values are those of `bench.analysis.measurements.value`. Statistics of one metric share their resamples, so
    asking for them together is cheaper. `about` asks for intervals about prompts like these or about these prompts;
    without it an interval is about prompts like these where there are enough of them. Nothing is drawn at a level of
    load. Raises KeyError for an unknown metric.
    """
    if stratum.level is not None:
        found_level = part(result, model, stratum)
        if isinstance(found_level, LevelSummary):
            return {metric_id: level_estimate(found_level, metric_id) for metric_id in metric_ids}
    wanted = tuple(dict.fromkeys(metric_ids))
    by_metric: dict[str, list[str]] = {}
    for metric_id in wanted:
        by_metric.setdefault(split_metric_id(metric_id, stratum.kind)[0].id, []).append(metric_id)
    found: dict[str, Estimate] = {}
    for of_metric in by_metric.values():
        found |= _of_one_metric(result, model, stratum, of_metric, seed, about)
    return {metric_id: found[metric_id] for metric_id in wanted}


def intervals(
    prompts: Prompts, statistics: Iterable[str], *, seed: int, about: About | None = None
) -> dict[str, Interval | str]:
    """Return the interval of each statistic of the requests of some prompts together, or why it has none.

    Raises KeyError for a statistic that cannot be drawn again.
    """
    drawn = {name: plan([prompts], name, about) for name in statistics}
    found: dict[str, Interval | str] = {}
    for population in (LIKE_THESE, THESE):
        plans = {name: one for name, one in drawn.items() if isinstance(one, Plan) and one.about == population}
        resampled = bootstrap(prompts, list(plans), population, seed=seed) if plans else {}
        found |= {name: Interval(*limits(resampled[name], one), one.about, one.why) for name, one in plans.items()}
    return {name: one if isinstance(one, str) else found[name] for name, one in drawn.items()}


def level_estimate(level: LevelSummary, metric_id: str) -> Estimate:
    """Return one number of a level with its interval; see `estimates`."""
    known = level.value(metric_id)
    if known is None:
        return Estimate(None, None, level.why_undefined(metric_id))
    selected, statistic = split_metric_id(metric_id, "level")
    found: tuple[float, float] | str = ONE_READING
    if selected.windowed:
        found = _of_rate(level, selected)
    elif selected.id == GOODPUT_SHARE:
        found = _of_goodput(level)
    elif has_interval_at_load(metric_id):
        found = _of_percentile(selected.all_values(level.answers), statistic)
    if isinstance(found, str):
        return Estimate(known, None, found)
    return Estimate(known, Interval(*found, THESE, OF_STRETCHES), None)


def has_interval_at_load(metric_id: str) -> bool:
    """Return whether a metric can have an interval at a level of load at all."""
    selected = metric(metric_id.partition(".")[0])
    of_requests = selected.scope == "sample" and selected.of_level is None
    return selected.windowed or selected.id == GOODPUT_SHARE or of_requests


def _of_one_metric(
    result: Result, model: ModelRun, stratum: Stratum, metric_ids: Sequence[str], seed: int, about: About | None
) -> dict[str, Estimate]:
    whole = measure(result, model, stratum, metric_ids[0])
    of_samples = whole.metric.of_samples
    names = {one: split_metric_id(one, stratum.kind)[1] if of_samples else whole.statistic for one in metric_ids}
    values = _of_samples(whole, names) if of_samples else {one: value(result, model, stratum, one) for one in names}
    known = dict.fromkeys(names[metric_id] for metric_id, found in values.items() if found is not None)
    drawn = _intervals(whole, tuple(known), seed, about)
    estimated = {}
    for metric_id, found in values.items():
        interval = drawn.get(names[metric_id])
        if found is None:
            estimated[metric_id] = Estimate(None, None, why_undefined(result, model, stratum, metric_id))
        elif isinstance(interval, Interval):
            estimated[metric_id] = Estimate(found, interval, None)
        else:
            estimated[metric_id] = Estimate(found, None, interval)
    return estimated


def _of_samples(whole: Measurement, names: dict[str, str]) -> dict[str, float | None]:
    everything = [value for asked in whole.by_prompt.values() for one in asked for value in one.values.tolist()]
    values = distribution(everything)
    return {metric_id: None if values is None else getattr(values, name) for metric_id, name in names.items()}


def _intervals(
    whole: Measurement, statistics: Sequence[str], seed: int, about: About | None
) -> dict[str, Interval | str]:
    prompts = tuple(whole.by_prompt.values())
    if not prompts:
        return dict.fromkeys(statistics, ONE_READING if whole.kind == "reading" else OVERLAP)
    if whole.kind == "scores":
        return intervals(prompts, statistics, seed=seed, about=LIKE_THESE)
    if whole.kind == "loads":
        return _of_loads(prompts, statistics, seed)
    resampled = [name for name in statistics if name in PROMPTS_NEEDED]
    return dict.fromkeys(statistics, NO_EXTREMES) | intervals(prompts, resampled, seed=seed, about=about)


def _of_loads(loads: Prompts, statistics: Sequence[str], seed: int) -> dict[str, Interval | str]:
    count, needed = len(loads[0]), REPEATS_NEEDED + 1
    if count < needed:
        return dict.fromkeys(statistics, f"{count} load{'' if count == 1 else 's'}; an interval needs {needed}")
    found = intervals(loads, statistics, seed=seed, about=THESE)
    return {name: replace(one, why=OF_LOADS) if isinstance(one, Interval) else one for name, one in found.items()}


def _of_rate(level: LevelSummary, selected: Metric) -> tuple[float, float] | str:
    if level.answered < REQUESTS_NEEDED or selected.of_level is None:
        return TOO_FEW
    start_ns = level.record.window_start_ns
    span_ns = level.record.window_end_ns - start_ns
    edges = [start_ns + span_ns * place // STRETCHES for place in range(STRETCHES + 1)]
    rates = []
    for start, end in pairwise(edges):
        stretch = level.record.model_copy(update={"window_start_ns": start, "window_end_ns": end})
        rate = selected.of_level(replace(level, record=stretch))
        rates.append(rate if isinstance(rate, float) else 0.0)
    middle, reach = fmean(rates), _reach(stdev(rates) / sqrt(STRETCHES))
    return max(0.0, middle - reach), middle + reach


def _of_percentile(values: Sequence[float], statistic: str) -> tuple[float, float] | str:
    needed = VALUES_NEEDED_AT_LOAD.get(statistic)
    if needed is None:
        return NO_EXTREMES
    if len(values) < needed:
        return TOO_FEW
    share = int(statistic[1:]) / 100
    at = float(np.percentile(values, 100 * share, method=PERCENTILE_METHOD))
    cut = in_stretches(values)
    below = [sum(value <= at for value in stretch) for stretch in cut]
    ends = _ends(share, below, [len(stretch) for stretch in cut])
    low, high = np.percentile(values, [100 * end for end in ends], method=PERCENTILE_METHOD)
    return float(low), float(high)


def _of_goodput(level: LevelSummary) -> tuple[float, float] | str:
    if level.measured < REQUESTS_NEEDED:
        return TOO_FEW
    limits = limits_of(level.result)
    cut = in_stretches(level.asked)
    found = [goodput(stretch, limits, level.window_s) for stretch in cut]
    kept = [one.kept if isinstance(one, Goodput) else 0 for one in found]
    if sum(kept) in (0, level.measured):
        return ALL_OR_NONE
    return _ends(sum(kept) / level.measured, kept, [len(stretch) for stretch in cut])


def _ends(share: float, parts: Sequence[int], sizes: Sequence[int]) -> tuple[float, float]:
    """Return the interval of a share, from how many of each stretch are part of it and the sizes of the stretches."""
    pooled = sum(parts) / sum(sizes)
    spread = sqrt(sum((part - pooled * size) ** 2 for part, size in zip(parts, sizes, strict=True)))
    error = spread * sqrt(STRETCHES / (STRETCHES - 1)) / sum(sizes)
    odds, reach = log(share / (1 - share)), _reach(error / (share * (1 - share)))
    return 1 / (1 + exp(reach - odds)), 1 / (1 + exp(-reach - odds))


def _reach(error: float) -> float:
    return student_t(STRETCHES - 1) * error
