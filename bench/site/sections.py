"""The sections of the run viewer: facts, tables and lists as plain data, every text ready to read."""

from collections.abc import Sequence
from typing import Any

from bench.site.tables import Cell, Table
from bench.site.text import visible

Json = dict[str, Any]


def facts_section(heading: str, facts: Sequence[tuple[str, str]]) -> Json:
    """Return names with their values."""
    return {"heading": heading, "kind": "facts", "rows": visible_rows([list(fact) for fact in facts])}


def list_section(heading: str, lines: Sequence[str]) -> Json:
    """Return sentences."""
    return {"heading": heading, "kind": "list", "rows": [visible(line) for line in lines]}


def table_section(heading: str, shown: Table, says: str = "") -> Json:
    """Return a table, with a sentence above it that says what it shows."""
    columns = [column(one.label, one.unit, numeric=one.numeric) for one in shown.columns]
    rows = [[_cell(cell) for cell in row] for row in shown.rows]
    notes = [visible(f"{note.letter}: {note.text}") for note in shown.notes]
    section = {"heading": heading, "kind": "table", "columns": columns, "rows": rows, "notes": notes}
    return section | ({"says": visible(says)} if says else {})


def rows_section(heading: str, columns: Sequence[Json], rows: Sequence[Sequence[str]]) -> Json:
    """Return a long table of texts that opens when a reader asks for it."""
    return {"heading": heading, "kind": "table", "fold": True, "columns": list(columns), "rows": visible_rows(rows)}


def column(label: str, unit: str = "", numeric: bool = False) -> Json:
    """Return the head of a column."""
    return {"label": label, "unit": unit, "numeric": numeric}


def visible_rows(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return rows of texts with what cannot be seen made visible."""
    return [[visible(text) for text in row] for row in rows]


def _cell(cell: Cell) -> Json:
    return {
        "t": visible(cell.text),
        "s": visible(cell.small),
        "k": cell.kind,
        "n": cell.note_letter,
        "b": 1 if cell.best else 0,
    }
