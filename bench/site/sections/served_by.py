"""What served the models of a run, how their prompt caches were kept, and what the servers say of their own time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from bench.analysis.cross_check import APART, CrossCheck, cross_checks
from bench.analysis.summary import ModelSummary
from bench.metrics.prompt_cache import FASTER
from bench.report import format as form
from bench.report.tables import Cell, CellValue, Table, name_column, number_column, table, text_column
from bench.report.text import shortened
from bench.schema.model_run import ModelRun
from bench.site.dataset import metric_column

MODES: Final = {"cold": "cold", "warm": "warm", "as-is": "as it is"}
"""How a prompt cache was kept, in words."""

PARTS: Final = {"prompt": "Reading the prompt", "answer": "Writing the answer"}
"""Part of a request that both sides time, in words."""

OURS: Final = {"prompt": "to the first text", "answer": "first to last chunk"}
"""What our own time of it is."""


@dataclass(frozen=True)
class ServedBy:
    """The two tables about the servers of a run; None where there is nothing to show."""

    caches: Table | None
    timings: Table | None


CACHES_SAY: Final = (
    "Cold: a prompt is read for each measured request; warm: it came out of a cache; as it is: left to the runtime. "
    "TTFT of prompts that were read and of those that were kept, as far as it is known which is which."
)

TIMINGS_SAY: Final = (
    f"Medians a request, ours beside the server’s own: a cross-check. What is more than {form.share(APART)} apart is "
    "marked. Ours has the way there and back in it."
)


def runtime_words(model: ModelRun) -> str:
    """Return what serves a model, with its version where that is known."""
    if model.runtime is None:
        return "this program’s process" if model.transport == "in-process" else "not known"
    return " ".join(part for part in (model.runtime.name, model.runtime.version) if part)


def cache_words(model: ModelRun) -> str:
    """Return how a model's prompt cache was kept, and what saw to that."""
    by = f": {model.prompt_cache_by}" if model.prompt_cache_by else ""
    return f"{MODES[model.prompt_cache]}{by}"


def served_by(summaries: Sequence[ModelSummary]) -> ServedBy:
    """Return what is known of the servers of some models of a run; nothing of models that were kept in-process."""
    return ServedBy(_caches([one for one in summaries if _has_cache(one)]), _timings(summaries))


def checks(summary: ModelSummary) -> tuple[tuple[CrossCheck, str], ...]:
    """Return what a model's server says of its own time, each with how far ours is from it, in words."""
    return tuple((one, _apart(one)) for one in cross_checks(summary.model))


def _has_cache(one: ModelSummary) -> bool:
    return one.model.transport not in ("in-process", None) or one.prompt_cache.doubt is not None


def _caches(rows: Sequence[ModelSummary]) -> Table | None:
    if not rows:
        return None
    slower = [_slower(one) for one in rows]
    return table(
        "Prompt caches",
        [
            name_column("Model", [Cell(shortened(one.model.name, 60)) for one in rows]),
            text_column("Served by", [runtime_words(one.model) for one in rows]),
            text_column("Prompt cache", [_kept(one) for one in rows]),
            metric_column(rows, "cached_share", "Out of the cache", compared=False),
            metric_column(rows, "cold_ttft_s", "TTFT, read", compared=False),
            metric_column(rows, "warm_ttft_s", "TTFT, kept", compared=False),
            text_column("First / later", slower, numeric=True),
        ],
    )


def _kept(one: ModelSummary) -> Cell:
    doubt = one.prompt_cache.doubt
    return Cell(MODES[one.model.prompt_cache], small=one.model.prompt_cache_by or "", note=doubt or "")


def _slower(one: ModelSummary) -> Cell:
    """Return how many times as long the first sight of a prompt took, where nobody counts what came out of a cache."""
    if one.prompt_cache.slower is not None:
        return Cell(form.times(one.prompt_cache.slower), small=f"a cache from {form.times(FASTER)} on")
    why = "the runtime counts" if one.prompt_cache.counted else "too few prompts came again"
    return Cell("not looked", kind="none", note=why)


def _timings(summaries: Sequence[ModelSummary]) -> Table | None:
    rows = list(_checked(summaries))
    if not rows:
        return None
    return table(
        "The servers’ own timings",
        [
            name_column("Model", [Cell(shortened(one.model.name, 60)) for one, _ in rows]),
            text_column("What", [Cell(PARTS[found.part], small=f"ours: {OURS[found.part]}") for _, found in rows]),
            number_column("Ours", "s", [CellValue(found.ours_s) for _, found in rows]),
            number_column("The server’s", "s", [CellValue(found.theirs_s) for _, found in rows]),
            text_column("Apart", [_apart_cell(found) for _, found in rows], numeric=True),
            text_column("Requests", [f"{found.samples:,}" for _, found in rows], numeric=True),
        ],
    )


def _checked(summaries: Sequence[ModelSummary]) -> Iterator[tuple[ModelSummary, CrossCheck]]:
    for one in summaries:
        for found in cross_checks(one.model):
            yield one, found


def _apart_cell(found: CrossCheck) -> Cell:
    if not found.differs:
        return Cell(form.change(found.apart))
    return Cell(form.change(found.apart), small=f"more than {form.share(APART)} apart", kind="coarse")


def _apart(found: CrossCheck) -> str:
    mark = f", more than {form.share(APART)} apart" if found.differs else ""
    return f"ours {form.with_unit(found.ours_s, 's')}, {form.change(found.apart)}{mark}"
