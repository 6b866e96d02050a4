"""How much a metric differs from one run to the next though nothing changed: the noise of a series."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from math import log, sqrt
from statistics import median
from typing import Final

from bench.analysis.compare import COMPARED, COMPARED_AT_LOAD, FAILED_SHARE, by_key, noise_key
from bench.analysis.contexts import context_key
from bench.analysis.history import at_level
from bench.analysis.summary import model_value, oldest_first
from bench.metrics.levels import level_value
from bench.metrics.load import LevelKey, summarise_level
from bench.schema.model_run import ModelRun
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
        for row in COMPARED:
            level = None if row.metric_id == FAILED_SHARE or not row.varies else noise(_values(alike, row.metric_id))
            if level is not None:
                found[noise_key(model.name, row.metric_id, None)] = level
        for key in by_key(model):
            found |= _at_level(alike, model.name, key)
    return found


def _at_level(alike: Sequence[tuple[Result, ModelRun]], name: str, key: LevelKey) -> Mapping[tuple[str, ...], float]:
    levels = [
        summarise_level(result, model, found)
        for result, model in alike
        if (found := by_key(model).get(key)) is not None
    ]
    known: dict[tuple[str, ...], float] = {}
    for metric_id in (at_level(row.metric_id, key) for row in COMPARED_AT_LOAD if row.varies):
        deviation = noise([value for level in levels if (value := level_value(level, metric_id))])
        if deviation is not None:
            known[noise_key(name, metric_id, key.words)] = deviation
    return known


def _values(alike: Iterable[tuple[Result, ModelRun]], metric_id: str) -> list[float]:
    values = (model_value(result, model, metric_id) for result, model in alike)
    return [value for value in values if value]
