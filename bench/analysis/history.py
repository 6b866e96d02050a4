"""One metric of one model over time, within one context: what must be equal for two numbers to be compared."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from bench.analysis.goodput import limits_of
from bench.analysis.level_metrics import level_metric, level_value
from bench.analysis.load import LevelKey, level_key, summarise_level
from bench.analysis.summary import model_value, oldest_first, split_metric_id
from bench.analysis.timing import good_samples
from bench.results.schema import Result
from bench.runner.load_record import LoadLevel
from bench.runner.record import ModelRun

GENERATION_KEYS = ("generation", "stream")
"""Parts of a resolved configuration that change how an answer comes about, and so its timings."""


ONE_STREAM: Final = "one stream"
"""The load of a model's own samples: one request after the other. No level of load has it, not even one of 1 stream."""


class Context(NamedTuple):
    """Everything that must be equal for two numbers to be compared. `generation` is JSON with sorted keys.

    `load` is a level of load in words, or ONE_STREAM.
    """

    machine: str
    provider: str
    device: str | None
    execution_provider: str | None
    prompt_set_sha256: str
    generation: str
    load: str = ONE_STREAM


@dataclass(frozen=True)
class Point:
    """One run's value of a metric, in its base unit; None where the run has none."""

    run_id: str
    started_utc: datetime
    commit: str | None
    tool_version: str
    value: float | None
    config: str


@dataclass(frozen=True)
class _Entry:
    context: Context
    result: Result
    model: ModelRun


@dataclass(frozen=True)
class _LevelEntry:
    context: Context
    result: Result
    model: ModelRun
    level: LoadLevel


def context_key(result: Result, model: ModelRun, load: str = ONE_STREAM) -> Context:
    """Return the context of a model in a run: equal keys can be compared, others cannot."""
    resolved = result.config.resolved
    return Context(
        machine=result.machine.name,
        provider=model.provider,
        device=model.device,
        execution_provider=model.execution_provider,
        prompt_set_sha256=result.prompt_set.sha256,
        generation=json.dumps({key: resolved.get(key) for key in GENERATION_KEYS}, sort_keys=True),
        load=load,
    )


def contexts(results: Iterable[Result], machine: str, model: str) -> tuple[Context, ...]:
    """Return the contexts in which a model ran on a machine, the one of `series` first, then the newest first.

    `model` is the model's name in the config. Empty where it never ran there.
    """
    found = _entries(results, machine, model)
    newest_first = [entry.context for entry in reversed(found) if good_samples(entry.model)]
    return tuple(dict.fromkeys([*newest_first, *(entry.context for entry in reversed(found))]))


def series(results: Iterable[Result], machine: str, model: str, metric_id: str) -> tuple[Point, ...]:
    """Return the points of one metric of a model on a machine, oldest first, in its newest context.

    A distribution's value is its median; 'ttft_s.p95' selects another statistic. Runs in other contexts are left out
    (`contexts` lists them), and a context in which the model gave no good sample only counts where there is no
    other: a model that failed to load has no device. Raises KeyError for an unknown metric.
    """
    split_metric_id(metric_id)
    known = tuple(results)
    newest = contexts(known, machine, model)
    return tuple(
        _point(entry.result, model_value(entry.result, entry.model, metric_id))
        for entry in _entries(known, machine, model)
        if entry.context == newest[0]
    )


def level_series(
    results: Iterable[Result], machine: str, model: str, key: LevelKey, metric_id: str
) -> tuple[Point, ...]:
    """Return the points of one metric of one level of load on a model, oldest first, in its newest context.

    'ttft_s.p95' selects a statistic of `bench.analysis.level_metrics`; goodput is a matter of the limits as well, so
    its points are of the runs with the newest one's limits. A level without a good answer only gives the context where
    there is no other. Of equal levels in a run the first counts. Raises KeyError for an unknown metric.
    """
    level_metric(metric_id.partition(".")[0])
    found = [
        _LevelEntry(context_key(result, run, key.words), result, run, level)
        for result in oldest_first(results)
        if result.machine.name == machine
        for run in result.models
        if run.name == model
        for level in [one for one in run.load if level_key(one) == key][:1]
    ]
    answered = [entry for entry in found if any(sample.failure is None for sample in entry.level.samples)] or found
    if not answered:
        return ()
    newest = answered[-1]
    same = [entry for entry in found if entry.context == newest.context]
    if metric_id.startswith("goodput"):
        same = [entry for entry in same if limits_of(entry.result) == limits_of(newest.result)]
    return tuple(
        _point(entry.result, level_value(summarise_level(entry.result, entry.model, entry.level), metric_id))
        for entry in same
    )


def _entries(results: Iterable[Result], machine: str, model: str) -> list[_Entry]:
    return [
        _Entry(context_key(result, run), result, run)
        for result in oldest_first(results)
        if result.machine.name == machine
        for run in result.models
        if run.name == model
    ]


def _point(result: Result, value: float | None) -> Point:
    run = result.run
    return Point(
        run_id=run.id,
        started_utc=run.started_utc,
        commit=run.commit,
        tool_version=run.tool_version,
        value=value,
        config=result.config.name,
    )
