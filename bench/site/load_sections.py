"""Levels of load and lengths in the run viewer: every number of every level and cell."""

from bench.analysis.lengths import CellSummary, Spread, length_matrix
from bench.analysis.load import level_summaries
from bench.analysis.saturation import knee
from bench.analysis.summary import ModelSummary
from bench.site import format as form
from bench.site.by_length import lengths_sentence
from bench.site.levels import CLOSED_VIEWER_COLUMNS, FROM_SCHEDULE, OPEN_VIEWER_COLUMNS, level_table
from bench.site.sections import Json, table_section
from bench.site.tables import Cell, Column, Kind, Measured, Table, count_column, name_column, number_column, table
from bench.site.text import shortened, visible
from bench.site.under_load import closed_sentence, rates_sentence

PARTS = (
    ("Prefill", "tokens/s", "prefill"),
    ("Decode", "tokens/s", "decode"),
    ("TTFT", "s", "ttft"),
    ("Latency", "s", "e2e"),
)
"""What the table of cells has of each: a label, its base unit, and the part of a cell."""


def load_sections(one: ModelSummary) -> list[Json]:
    """Return the sections of a model's levels of load and of its matrix of lengths; none where it has neither."""
    name = shortened(visible(one.model.name), 60)
    return [*_levels(one, name), *_lengths(one, name)]


def _levels(one: ModelSummary, name: str) -> list[Json]:
    levels = level_summaries(one.result, one.model)
    closed = [level for level in levels if level.closed]
    rates = [level for level in levels if not level.closed]
    found = knee(levels)
    sections = []
    if closed:
        heading = f"{name}: so many at once"
        shown = level_table(heading, closed, CLOSED_VIEWER_COLUMNS, found, intervals=False)
        sections.append(table_section(heading, shown, closed_sentence(found, closed)))
    if rates:
        heading = f"{name}: so many a second"
        shown = level_table(heading, rates, OPEN_VIEWER_COLUMNS, None, intervals=False)
        sections.append(table_section(heading, shown, f"{rates_sentence(rates)} {FROM_SCHEDULE}"))
    return sections


def _lengths(one: ModelSummary, name: str) -> list[Json]:
    matrix = length_matrix(one.model)
    if matrix is None:
        return []
    cells = [matrix.cells[place] for place in sorted(matrix.cells)]
    return [table_section(f"{name} by length", _cell_table(name, cells), lengths_sentence(matrix))]


def _cell_table(name: str, cells: list[CellSummary]) -> Table:
    columns = [
        name_column("Prompt × answer", [Cell(f"{one.prompt_tokens:,} × {one.output_tokens:,}") for one in cells]),
        _came("Prompt", [one.read for one in cells], cells),
        _came("Answer", [one.written for one in cells], cells),
    ]
    for label, unit, part in PARTS:
        spreads: list[Spread | None] = [getattr(one, part) for one in cells]
        scale = form.scale(unit, [None if spread is None else spread.maximum for spread in spreads])
        small = ["" if spread is None or spread.count == 1 else _range(spread, scale) for spread in spreads]
        columns.append(number_column(label, unit, _measured(spreads, part, cells), small=small))
    columns.append(count_column("Good", [one.good for one in cells]))
    columns.append(count_column("Failed", [one.failed for one in cells]))
    return table(f"{name} by length", columns)


def _came(label: str, spreads: list[Spread | None], cells: list[CellSummary]) -> Column:
    return number_column(f"{label} that came", "tokens", _measured(spreads, "", cells))


def _measured(spreads: list[Spread | None], part: str, cells: list[CellSummary]) -> list[Measured]:
    found = []
    for spread, cell in zip(spreads, cells, strict=True):
        kind: Kind = "skipped" if cell.skipped is not None else "none" if cell.good else "failed"
        why = cell.skipped or cell.undefined.get(part, "") or _kinds(cell)
        found.append(Measured(None, kind, why) if spread is None else Measured(spread.median))
    return found


def _range(spread: Spread, scale: form.Scale) -> str:
    return f"{form.quantity(spread.minimum, scale)} to {form.quantity(spread.maximum, scale)}"


def _kinds(cell: CellSummary) -> str:
    return ", ".join(f"{kind} ({count})" for kind, count in cell.failure_kinds.items()) or "nobody counted"
