"""One metric of one model over time, within one context: what must be equal for two numbers to be compared."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from bench.analysis.summary import model_value, oldest_first, split_metric_id
from bench.analysis.timing import good_samples
from bench.results.schema import Result
from bench.runner.record import ModelRun

GENERATION_KEYS = ("generation", "stream")
"""Parts of a resolved configuration that change how an answer comes about, and so its timings."""


class Context(NamedTuple):
    """Everything that must be equal for two numbers to be compared. `generation` is JSON with sorted keys."""

    machine: str
    provider: str
    device: str | None
    execution_provider: str | None
    prompt_set_sha256: str
    generation: str


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


def context_key(result: Result, model: ModelRun) -> Context:
    """Return the context of a model in a run: equal keys can be compared, others cannot."""
    resolved = result.config.resolved
    return Context(
        machine=result.machine.name,
        provider=model.provider,
        device=model.device,
        execution_provider=model.execution_provider,
        prompt_set_sha256=result.prompt_set.sha256,
        generation=json.dumps({key: resolved.get(key) for key in GENERATION_KEYS}, sort_keys=True),
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
    return tuple(_point(entry, metric_id) for entry in _entries(known, machine, model) if entry.context == newest[0])


def _entries(results: Iterable[Result], machine: str, model: str) -> list[_Entry]:
    return [
        _Entry(context_key(result, run), result, run)
        for result in oldest_first(results)
        if result.machine.name == machine
        for run in result.models
        if run.name == model
    ]


def _point(entry: _Entry, metric_id: str) -> Point:
    run = entry.result.run
    return Point(
        run_id=run.id,
        started_utc=run.started_utc,
        commit=run.commit,
        tool_version=run.tool_version,
        value=model_value(entry.result, entry.model, metric_id),
        config=entry.result.config.name,
    )
