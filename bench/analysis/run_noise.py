"""How much a metric differs from one run to the next though nothing changed: the noise of a series."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import log, sqrt
from statistics import median
from typing import Final

from bench.analysis.compare import noise_key
from bench.analysis.contexts import context_key
from bench.analysis.measurements import WHOLE, compared, levels, value
from bench.analysis.summary import oldest_first
from bench.metrics.registry import split_metric_id
from bench.schema.result import Result

RUNS_NEEDED: Final = 5
"""Runs from which the noise of a series is known well enough to be used."""

DIFFERENCE_TO_DEVIATION: Final = 0.6745 * sqrt(2)
"""Median size of the difference of two values of a normal distribution, in standard deviations of one of them."""


def noise(values: Sequence[float]) -> float | None:
    """Return the relative standard deviation of a run's level, from positive values in order of time.

    The median size of the differences of neighbours, on the logarithm, scaled to a normal distribution: a step or a
    spike in the series moves it little. None below RUNS_NEEDED values.
    """
    if len(values) < RUNS_NEEDED:
        return None
    logs = [log(value) for value in values]
    steps = [abs(later - earlier) for earlier, later in pairwise(logs)]
    return median(steps) / DIFFERENCE_TO_DEVIATION


def run_noise(history: Iterable[Result], before: Result, after: Result) -> dict[tuple[str, ...], float]:
    """Return the noise from run to run of each compared metric of each model and of its levels of load, for `compare`.

    From whole runs in the context of `after`, the two compared ones left out. What has too few runs is not in it.
    """
    others = [
        result
        for result in oldest_first(history)
        if result.run.status == "complete" and result.run.id not in (before.run.id, after.run.id)
    ]
    found: dict[tuple[str, ...], float] = {}
    for model in after.models:
        context = context_key(after, model)
        alike = [
            (result, one)
            for result in others
            for one in result.models
            if one.name == model.name and context_key(result, one) == context
        ]
        for stratum in (WHOLE, *levels(model)):
            for metric_id in compared(stratum):
                if not split_metric_id(metric_id, stratum.kind)[0].varies:
                    continue
                values = (value(result, one, stratum, metric_id) for result, one in alike)
                deviation = noise([known for known in values if known])
                if deviation is not None:
                    found[noise_key(model.name, metric_id, stratum.words)] = deviation
    return found
