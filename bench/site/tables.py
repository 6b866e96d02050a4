"""Tables as a template draws them: every cell already text, every missing value with its reason."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from markupsafe import Markup

from bench.site import format as form
from bench.site.palette import Mark

Kind = Literal["value", "none", "few", "failed", "skipped", "absent", "coarse"]
Better = Literal["lower", "higher"]

WORDS: dict[Kind, str] = {
    "none": "not measured",
    "few": "too few",
    "failed": "failed",
    "skipped": "skipped",
    "absent": "none",
}
"""What a cell without a value says, by kind: each looks different as well."""


@dataclass(frozen=True)
class Measured:
    """A value in its base unit, or the kind of thing that it is missing for and why.

    What is 'absent' cannot be, as a connection to a model in the same process. A 'coarse' value is there,
    but too small for the client to be told apart: it is never the best. `small` is a word that belongs to the value
    wherever it is shown, `unit` its base unit.
    """

    value: float | None
    kind: Kind = "value"
    why: str = ""
    small: str = ""
    unit: str = ""


@dataclass(frozen=True)
class Cell:
    """One cell. `small` is its second line, `note` a footnote, `drawing` markup that the site has made."""

    text: str = ""
    small: str = ""
    kind: Kind = "value"
    best: bool = False
    href: str = ""
    note: str = ""
    note_letter: str = ""
    mark: Mark | None = None
    drawing: Markup | None = None


@dataclass(frozen=True)
class Column:
    """A column with its header; numbers are right-aligned. `explained` is the address that says what it means."""

    label: str
    cells: tuple[Cell, ...]
    unit: str = ""
    numeric: bool = False
    first: bool = False
    explained: str = ""


@dataclass(frozen=True)
class Note:
    """A footnote of a table."""

    letter: str
    text: str


@dataclass(frozen=True)
class Table:
    """A table with its columns, rows and footnotes; `label` names it for a screen reader."""

    label: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[Note, ...]


def table(label: str, columns: Sequence[Column]) -> Table:
    """Put columns side by side, and letter their footnotes in the order of reading; equal notes share a letter."""
    letters: dict[str, str] = {}
    rows = []
    for cells in zip(*(column.cells for column in columns), strict=True):
        row = []
        for cell in cells:
            if cell.note:
                letter = letters.setdefault(cell.note, _letter(len(letters)))
                cell = replace(cell, note_letter=letter)
            row.append(cell)
        rows.append(tuple(row))
    notes = tuple(Note(letter, text) for text, letter in letters.items())
    return Table(label, tuple(columns), tuple(rows), notes)


def text_column(label: str, texts: Sequence[str | Cell], numeric: bool = False) -> Column:
    """Return a column of words, or of texts that read as numbers."""
    cells = tuple(text if isinstance(text, Cell) else Cell(text) for text in texts)
    return Column(label, cells, numeric=numeric)


def name_column(label: str, cells: Sequence[Cell]) -> Column:
    """Return the column that names the rows."""
    return Column(label, tuple(cells), first=True)


def number_column(
    label: str,
    base_unit: str,
    measured: Sequence[Measured],
    better: Better | None = None,
    small: Sequence[str] = (),
    scale: form.Scale | None = None,
) -> Column:
    """Return a column of numbers in one display unit, with the best marked where several can be compared.

    Values that look equal are equally good: the mark goes by what a reader sees. The unit suits the values, unless it
    is given as `scale`: where columns are compared with each other they have one unit.
    """
    scale = scale or form.scale(base_unit, [one.value for one in measured])
    shown = [form.quantity(one.value, scale) for one in measured]
    best = _best(measured, better)
    best_shown = None if best is None else form.quantity(best, scale)
    cells = []
    for place, (one, text) in enumerate(zip(measured, shown, strict=True)):
        extra = " · ".join(part for part in (one.small, small[place] if small else "") if part)
        if one.value is None:
            cells.append(Cell(WORDS.get(one.kind, form.NO_VALUE), small=extra, kind=one.kind, note=one.why))
        else:
            best_here = one.kind == "value" and text == best_shown
            cells.append(Cell(text, small=extra, kind=one.kind, best=best_here, note=one.why))
    return Column(label, tuple(cells), unit=scale.unit, numeric=True)


def count_column(label: str, values: Sequence[int], unit: str = "") -> Column:
    """Return a column of numbers of things."""
    return Column(label, tuple(Cell(f"{value:,}") for value in values), unit=unit, numeric=True)


def _best(measured: Sequence[Measured], better: Better | None) -> float | None:
    known = [one.value for one in measured if one.value is not None and one.kind == "value"]
    if better is None or len(known) < 2 or min(known) == max(known):
        return None
    return min(known) if better == "lower" else max(known)


def _letter(position: int) -> str:
    if position < 26:
        return chr(ord("a") + position)
    return str(position - 25)
