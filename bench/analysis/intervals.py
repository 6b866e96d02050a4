"""Numbers with their uncertainty: a metric of a model, and the interval in which it would lie again.

The interval is a bootstrap over prompts or over rounds; `bench.stats.bootstrap` says which, and what each is about.
Simulated with log-normal latencies (prompts differ by 0, 10 or 50%, rounds by 5 or 10%) it holds the truth

- about prompts like these in 92 to 97% of cases for a median, and in 91 to 95% for a mean; from 5 to 8 prompts that
  differ by 50%, a mean is held in 88% only;
- about these prompts in 91 to 95% for a mean, and in 88 to 96% for a median of 5 or 10 rounds, but in 70 to 91% of 2;
- for a p95 in 88 to 91% about 60 prompts like these, in 86 to 94% about these prompts asked 5 or 10 times, and in 36 to
  64% about these prompts asked twice. Where a p95 falls between two prompts of different length it is decided by a few
  requests (42%), and what is drawn again never goes beyond the largest: read such an interval as too narrow.

No interval knows what changes from run to run, such as a machine that is warmer on another day.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from bench.analysis.measurements import Measurement, measured
from bench.analysis.summary import model_value, split_metric_id, summarise_model
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
from bench.stats.distribution import distribution

OF_LOADS: Final = "about the loads of the model: no prompt is asked"
ONE_READING: Final = "one reading a run"
NO_EXTREMES: Final = "a smallest or largest value has no interval: what is drawn again never goes beyond it"
OVERLAP: Final = "requests overlap, so that none has a time of its own"


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


def estimate(result: Result, model: ModelRun, metric_id: str, *, seed: int, about: About | None = None) -> Estimate:
    """Return the estimate of one metric; see `estimates`."""
    return estimates(result, model, (metric_id,), seed=seed, about=about)[metric_id]


def estimates(
    result: Result, model: ModelRun, metric_ids: Iterable[str], *, seed: int, about: About | None = None
) -> dict[str, Estimate]:
    """Return metrics of a model with their intervals, by id ('ttft_s', 'ttft_s.p95'), in base units.

    The value is that of `ModelSummary.value`. Statistics of one metric share their resamples, so asking for them
    together is cheaper. `about` asks for intervals about prompts like these or about these prompts; without it an
    interval is about prompts like these where there are enough of them. Raises KeyError for an unknown metric.
    """
    wanted = tuple(dict.fromkeys(metric_ids))
    by_metric: dict[str, list[str]] = {}
    for metric_id in wanted:
        by_metric.setdefault(split_metric_id(metric_id)[0].id, []).append(metric_id)
    found: dict[str, Estimate] = {}
    for of_metric in by_metric.values():
        found |= _of_one_metric(result, model, of_metric, seed, about)
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


def _of_one_metric(
    result: Result, model: ModelRun, metric_ids: Sequence[str], seed: int, about: About | None
) -> dict[str, Estimate]:
    whole = measured(result, model, metric_ids[0])
    names = {metric_id: _statistic(whole, metric_id) for metric_id in metric_ids}
    values = _values(result, model, whole, names)
    known = dict.fromkeys(names[metric_id] for metric_id, value in values.items() if value is not None)
    found = _intervals(whole, tuple(known), seed, about)
    estimated = {}
    for metric_id, value in values.items():
        interval = found.get(names[metric_id])
        if value is None:
            estimated[metric_id] = Estimate(None, None, summarise_model(result, model).why_undefined(metric_id))
        elif isinstance(interval, Interval):
            estimated[metric_id] = Estimate(value, interval, None)
        else:
            estimated[metric_id] = Estimate(value, None, interval)
    return estimated


def _statistic(whole: Measurement, metric_id: str) -> str:
    return whole.statistic if whole.metric.scope == "model" else split_metric_id(metric_id)[1]


def _values(result: Result, model: ModelRun, whole: Measurement, names: dict[str, str]) -> dict[str, float | None]:
    if whole.metric.scope == "model":
        return {metric_id: model_value(result, model, metric_id) for metric_id in names}
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
