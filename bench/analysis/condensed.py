"""A run without its samples: all that histories, lists and exports need of it, so small that thousands fit in memory.

A condensed run has the fields of a whole one but for those that grow with its samples. They are not empty there, they
are missing: code that reads one by mistake fails with an AttributeError instead of counting nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Final

from pydantic import BaseModel, TypeAdapter, ValidationError

from bench.analysis.history import kept
from bench.analysis.summary import Kept, ModelSummary, RunSummary
from bench.analysis.trust import Steadiness
from bench.metrics.client_error import ClientError
from bench.metrics.prompt_cache import PromptCacheFinding
from bench.schema.result import Result
from bench.stats.distribution import Distribution

OF_RESULT: Final = ("client", "grades", "outputs")
OF_MODEL: Final = ("warmup", "samples")
OF_LEVEL: Final = ("samples", "gaps")
OF_CELL: Final = ("samples",)
OF_WATCH: Final = ("late_ns",)
"""Fields that a condensed run does not have: of the result, of a model, of a level of load, of a cell of lengths, of
a watch on the machine."""


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
    result: Result
    models: tuple[_StoredModel, ...]
    steadiness: Steadiness


_STORED: Final = TypeAdapter(_StoredRun)
_NAMES: Final = tuple(one.name for one in fields(_StoredModel) if one.name != "kept")


def condensed(summary: RunSummary) -> RunSummary:
    """Return the summary of a whole run without what grows with its samples."""
    return restored(to_bytes(summary))


def to_bytes(summary: RunSummary) -> bytes:
    """Return the summary of a whole run, condensed, as bytes that `restored` reads."""
    models = [_StoredModel(**{name: getattr(one, name) for name in _NAMES}, kept=kept(one)) for one in summary.models]
    return _STORED.dump_json(_StoredRun(_emptied(summary.result), tuple(models), summary.steadiness))


def restored(data: bytes) -> RunSummary:
    """Return a condensed run; raises NotCondensed for bytes that are none."""
    try:
        stored = _STORED.validate_json(data)
    except ValidationError as error:
        raise NotCondensed(str(error)) from error
    result = stored.result
    _drop(result, OF_RESULT)
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
        for model, one in zip(result.models, stored.models, strict=True)
    )
    return RunSummary(result, summaries, stored.steadiness)


def with_shared_parts(runs: Iterable[RunSummary]) -> Iterable[RunSummary]:
    """Yield the condensed runs, with prompt sets, configs and machines that are equal kept in memory once."""
    known: dict[tuple[str, str], object] = {}
    for run in runs:
        result = run.result
        for record, name, key in (
            (result, "prompt_set", result.prompt_set.sha256),
            (result, "machine", result.machine.name),
            (result.config, "resolved", result.config.sha256),
        ):
            # The key is only where to look: a file may claim a hash that is not its own, and a machine be another.
            own = record.__dict__[name]
            if known.setdefault((name, key), own) == own:
                record.__dict__[name] = known[name, key]
        yield run


def _emptied(result: Result) -> Result:
    models = tuple(
        model.model_copy(
            update={
                "warmup": (),
                "samples": (),
                "machine_watch": model.machine_watch and model.machine_watch.model_copy(update={"late_ns": ()}),
                "load": tuple(level.model_copy(update={"samples": (), "gaps": None}) for level in model.load),
                "lengths": tuple(cell.model_copy(update={"samples": ()}) for cell in model.lengths),
            }
        )
        for model in result.models
    )
    return result.model_copy(update={"client": (), "grades": (), "outputs": {}, "models": models})


def _drop(record: BaseModel, names: Iterable[str]) -> None:
    for name in names:
        del record.__dict__[name]
