"""A run without its samples: all that histories, lists and exports need of it, so small that thousands fit in memory.

A condensed run has the fields of a whole one but for those that grow with its samples. They are not empty there, they
are missing: code that reads one by mistake fails with an AttributeError instead of counting nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, Final

from pydantic import BaseModel, TypeAdapter

from bench.analysis.history import kept
from bench.analysis.summary import Kept, ModelSummary, RunSummary
from bench.analysis.trust import Steadiness
from bench.metrics.client_error import ClientError
from bench.metrics.prompt_cache import PromptCacheFinding
from bench.schema.fields import with_shared_field_sets
from bench.schema.machine import Machine
from bench.schema.model_run import ModelRun
from bench.schema.prompts import PromptSetRecord
from bench.schema.result import SCHEMA_VERSION, ConfigRecord, Result, RunInfo
from bench.stats.distribution import Distribution

OF_MODEL: Final = ("warmup", "samples")
OF_LEVEL: Final = ("samples", "gaps")
OF_CELL: Final = ("samples",)
OF_WATCH: Final = ("late_ns",)
"""Fields that a condensed run does not have: of a model, of a level of load, of a cell of lengths, of a watch on the
machine. Of the result it lacks `client`, `grades` and `outputs`."""

SHARED: Final = 1024
"""Prompt sets, configurations and machines that are kept in memory for the next run that has the same."""


class NotCondensed(ValueError):
    """Bytes that are no condensed run of this version."""


@dataclass(frozen=True)
class _StoredModel:
    """The fields of a ModelSummary that are not the run's own."""

    distributions: dict[str, Distribution | None]
    values: dict[str, int | float | None]
    score: float | None
    score_why: str | None
    prompt_scores: dict[str, float | None]
    failed_samples: int
    good_samples: int
    failure_kinds: dict[str, int]
    undefined: dict[str, str]
    client_error: ClientError | None
    prompt_cache: PromptCacheFinding
    kept: Kept


@dataclass(frozen=True)
class _StoredRun:
    """The fields of a Result that stay, but for those of `_PARTS`, and those of its summary."""

    run: RunInfo
    config: ConfigRecord
    models: tuple[ModelRun, ...]
    summaries: tuple[_StoredModel, ...]
    steadiness: Steadiness


_PARTS: Final = tuple(TypeAdapter[Any](one) for one in (PromptSetRecord, dict[str, Any], Machine))
_STORED: Final = TypeAdapter(_StoredRun)
_NAMES: Final = tuple(one.name for one in fields(_StoredModel) if one.name != "kept")


def condensed(summary: RunSummary) -> RunSummary:
    """Return the summary of a whole run without what grows with its samples."""
    return restored(to_bytes(summary))


def to_bytes(summary: RunSummary) -> bytes:
    """Return the summary of a whole run, condensed, as bytes that `restored` reads.

    What many runs have in common (prompts, configuration, machine) comes first, each on a line of its own.
    """
    result = summary.result
    models = [_StoredModel(**{name: getattr(one, name) for name in _NAMES}, kept=kept(one)) for one in summary.models]
    config = result.config.model_copy(update={"resolved": {}})
    stored = _StoredRun(result.run, config, _emptied(result.models), tuple(models), summary.steadiness)
    shared = zip(_PARTS, (result.prompt_set, result.config.resolved, result.machine), strict=True)
    return b"\n".join([*(part.dump_json(value) for part, value in shared), _STORED.dump_json(stored)])


def restored(data: bytes) -> RunSummary:
    """Return a condensed run; raises NotCondensed for bytes that are none.

    Runs with the same prompts, configuration or machine share one in memory.
    """
    lines = data.split(b"\n")
    try:
        prompt_set, resolved, machine = (_part(place, line) for place, line in enumerate(lines[: len(_PARTS)]))
        stored = _STORED.validate_json(lines[len(_PARTS)])
    except (ValueError, IndexError) as error:
        raise NotCondensed(str(error)) from error
    known: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "run": stored.run,
        "machine": machine,
        "config": stored.config.model_copy(update={"resolved": resolved}),
        "prompt_set": prompt_set,
        "models": stored.models,
    }
    result = Result.model_construct(**known)
    with_shared_field_sets(result.models)
    for model in result.models:
        _drop(model, OF_MODEL)
        if model.machine_watch is not None:
            _drop(model.machine_watch, OF_WATCH)
        for level in model.load:
            _drop(level, OF_LEVEL)
        for cell in model.lengths:
            _drop(cell, OF_CELL)
    summaries = tuple(
        ModelSummary(result, model, **{name: getattr(one, name) for name in _NAMES}, kept=one.kept)
        for model, one in zip(stored.models, stored.summaries, strict=True)
    )
    return RunSummary(result, summaries, stored.steadiness)


@lru_cache(maxsize=SHARED * len(_PARTS))
def _part(place: int, data: bytes) -> Any:
    return _PARTS[place].validate_json(data)


def _emptied(models: Iterable[ModelRun]) -> tuple[ModelRun, ...]:
    return tuple(
        model.model_copy(
            update={
                "warmup": (),
                "samples": (),
                "machine_watch": model.machine_watch and model.machine_watch.model_copy(update={"late_ns": ()}),
                "load": tuple(level.model_copy(update={"samples": (), "gaps": None}) for level in model.load),
                "lengths": tuple(cell.model_copy(update={"samples": ()}) for cell in model.lengths),
            }
        )
        for model in models
    )


def _drop(record: BaseModel, names: Iterable[str]) -> None:
    for name in names:
        del record.__dict__[name]
