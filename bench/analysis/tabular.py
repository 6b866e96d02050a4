"""Rows of named values as text for other programs and people: CSV, JSON and Markdown."""

import csv
import io
import json
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from bench.analysis.markdown import escaped, rounded, table

Value = str | int | float | bool | None
Row = dict[str, Value]

EXACT_BELOW: Final = 1_000_000
"""Whole numbers below this are shown exactly in Markdown."""

FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\n")
"""First characters of a text that a spreadsheet takes for a formula."""


def csv_text(columns: Sequence[str], rows: Sequence[Row]) -> str:
    """Return rows as CSV with a header, comma-separated, lines ending in a line feed.

    A text that begins with = + - @ or a control character gets an apostrophe before it: spreadsheets would run it
    as a formula, and names and messages come from models and servers. A carriage return in a text becomes a line feed.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_csv_cell(row[column]) for column in columns] for row in rows)
    return text.getvalue()


def json_text(rows: Sequence[Row]) -> str:
    """Return rows as a JSON list of objects, indented, with a final line feed."""
    return json.dumps(rows, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def markdown_text(headers: Mapping[str, str], words: Collection[str], rows: Sequence[Row]) -> str:
    """Return the columns that have a header as a Markdown table, numbers to three significant digits.

    `words` are the columns of texts; the others are set to the right. Every text is escaped: it shows as it is,
    whatever Markdown or HTML it holds.
    """
    cells = [[_markdown_cell(row[column]) for column in headers] for row in rows]
    return table(list(headers.values()), [column not in words for column in headers], cells)


def _csv_cell(value: Value) -> Value:
    if not isinstance(value, str):
        return value
    # The csv module does not quote a lone carriage return, which readers then take for the end of the row.
    text = value.replace("\r\n", "\n").replace("\r", "\n")
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def _markdown_cell(value: Value) -> str:
    if value is None:
        return "-"
    if isinstance(value, str):
        return escaped(value)
    return rounded(value) if isinstance(value, float) or value >= EXACT_BELOW else str(value)
