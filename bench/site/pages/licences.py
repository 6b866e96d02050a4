"""Licences and footprint: what may be shipped, how big it is, what it can do."""

from dataclasses import dataclass, replace

from bench.analysis.licences import commercial_use
from bench.analysis.summary import ModelSummary
from bench.report import format as form
from bench.report.tables import Cell, CellValue, Column, Table, name_column, number_column, table, text_column
from bench.report.text import joined, relative, shortened, web_address
from bench.site.dataset import Site, metric_column, model_cells
from bench.site.sections.leaderboard import WORDS, licence_cell
from bench.site.urls import run_page

HERE = "report/licences.html"


@dataclass(frozen=True)
class LicenceRow:
    """What one licence allows, and which models have it."""

    name: str
    allows: str
    use: str
    why: str
    models: str
    href: str


@dataclass(frozen=True)
class Footprint:
    """The page of licences and footprint."""

    sentence: str
    table: Table | None
    licences: tuple[LicenceRow, ...]


def footprint(site: Site) -> Footprint:
    """Return the matrix of all models, each by its newest run."""
    rows = [site.newest(name) for name in site.marks]
    if not rows:
        return Footprint("", None, ())
    licences = [licence_cell(one) for one in rows]
    columns = [
        name_column("Model", model_cells(site, rows, HERE)),
        text_column("Licence", licences),
        text_column("Publisher", [shortened(one.model.publisher or "not stated", 32) for one in rows]),
        text_column("Parameters", [_parameters(one) for one in rows], numeric=True),
        text_column("Precision", [_words(one, "precision") for one in rows]),
        metric_column(rows, "footprint_bytes", "On disk"),
        # The newest runs may be of different machines: memory is shown, not compared.
        _loaded_column(rows),
        metric_column(rows, "memory_peak_bytes", "Memory peak", compared=False),
        *_gpu_columns(rows),
        number_column("Context", "tokens", [_recorded(one, "context_length") for one in rows]),
        text_column("Can do", [", ".join(one.model.capabilities) or "none declared" for one in rows]),
        text_column("Measured", [_measured_cell(one) for one in rows]),
    ]
    return Footprint(_sentence(rows), table("Licences and footprint", columns), _licences(rows))


def _loaded_column(rows: list[ModelSummary]) -> Column:
    """Return the memory after the load, and in small type how much of it the process shares with no other."""
    column = metric_column(rows, "memory_loaded_bytes", "Memory loaded", compared=False)
    cells = []
    for cell, one in zip(column.cells, rows, strict=True):
        unique = one.value("memory_unique_bytes")
        known = cell.kind == "value"
        words = "unique not measured" if unique is None else f"unique {form.with_unit(unique, 'bytes')}"
        cells.append(replace(cell, small=words) if known else cell)
    return replace(column, cells=tuple(cells))


def _gpu_columns(rows: list[ModelSummary]) -> list[Column]:
    """Return the memory on GPUs, where any model took some: a column of nothing would say that there are GPUs."""
    if all(one.value("gpu_memory_peak_bytes") is None for one in rows):
        return []
    return [metric_column(rows, "gpu_memory_peak_bytes", "GPU peak", compared=False)]


def _recorded(one: ModelSummary, field: str) -> CellValue:
    value: int | None = getattr(one.model, field)
    if value is not None:
        return CellValue(float(value))
    if one.model.skipped is not None:
        return CellValue(None, "skipped", one.model.skipped)
    return CellValue(None, "none", one.model.unmeasured.get(field, ""))


def _parameters(one: ModelSummary) -> Cell:
    value = one.model.parameters
    if value is None and one.model.skipped is not None:
        return _skipped(one.model.skipped)
    if value is None:
        return Cell("not measured", kind="none", note=one.model.unmeasured.get("parameters", ""))
    return Cell(form.parameters(value))


def _words(one: ModelSummary, field: str) -> Cell:
    value: str | None = getattr(one.model, field)
    if value is None and one.model.skipped is not None:
        return _skipped(one.model.skipped)
    if value is None:
        return Cell("not stated", kind="none", note=one.model.unmeasured.get(field, ""))
    return Cell(shortened(value, 24))


def _skipped(why: str) -> Cell:
    return Cell("skipped", kind="skipped", note=why)


def _measured_cell(one: ModelSummary) -> Cell:
    run = one.result.run
    return Cell(form.day(run.started_utc), small=one.result.machine.name, href=relative(HERE, run_page(one.result)))


def _sentence(rows: list[ModelSummary]) -> str:
    free = [one for one in rows if one.model.licence is not None and commercial_use(one.model.licence).use == "yes"]
    parts = [f"{len(free)} of {form.count(len(rows), 'model')} may be used commercially without further conditions"]
    known = [(value, one.model.name) for one in rows if (value := one.value("footprint_bytes")) is not None]
    if len(known) > 1:
        value, name = min(known)
        parts.append(f"{shortened(name, 40)} is the smallest on disk ({form.with_unit(value, 'bytes')})")
    return "; ".join(parts) + "."


def _licences(rows: list[ModelSummary]) -> tuple[LicenceRow, ...]:
    by_licence: dict[str | None, list[ModelSummary]] = {}
    for one in rows:
        by_licence.setdefault(one.model.licence, []).append(one)
    found = []
    for licence, models in by_licence.items():
        judged = commercial_use(licence)
        address = next((url for one in models if (url := web_address(one.model.licence_url)) is not None), "")
        found.append(
            LicenceRow(
                name=shortened(licence or "not stated", 60),
                allows=WORDS[judged.use],
                use=judged.use,
                why=judged.why,
                models=joined([shortened(one.model.name, 40) for one in models]),
                href=address,
            )
        )
    return tuple(found)
