"""Tables as a template draws them: every cell already text, every missing value with its reason."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from markupsafe import Markup

from bench.analysis.intervals import Interval
from bench.metrics.registry import Better
from bench.report import format as form
from bench.report.palette import Mark

CellKind = Literal["value", "none", "few", "failed", "skipped", "absent", "coarse"]

WORDS: dict[CellKind, str] = {
    "none": "not measured",
    "few": "too few",
    "failed": "failed",
    "skipped": "skipped",
    "absent": "none",
}
"""What a cell without a value says, by kind: each looks different as well."""


@dataclass(frozen=True)
class CellValue:
    """A value in its base unit, or the kind of thing that it is missing for and why.

    What is 'absent' cannot be, as a connection to a model in the same process. A 'coarse' value is there, but not to be
    compared, as one that is too small for the client or comes out of a prompt cache: it is never the best. `small` is
    a word that belongs to the value wherever it is shown, `unit` its base unit. `interval_why` says what its interval
    is about, or why there is none. `rank` is the value's rank, where values are ranked. What is not `eligible`, as a
    test instrument's, is never the best.
    """

    value: float | None
    kind: CellKind = "value"
    why: str = ""
    small: str = ""
    unit: str = ""
    interval: Interval | None = None
    interval_why: str = ""
    rank: int | None = None
    eligible: bool = True


@dataclass(frozen=True)
class Cell:
    """One cell. `small` is its second line, `note` a footnote, `drawing` markup that the site has made.

    `interval` stands below a value, with a footnote of its own: `interval_note`.
    """

    text: str = ""
    small: str = ""
    interval: str = ""
    interval_note: str = ""
    interval_letter: str = ""
    kind: CellKind = "value"
    best: bool = False
    href: str = ""
    note: str = ""
    note_letter: str = ""
    mark: Mark | None = None
    drawing: Markup | None = None


@dataclass(frozen=True)
class Column:
    """A column with its header; numbers are right-aligned. `explained` is the address that says what it means.

    `note_letter` is that of a footnote which all of its intervals share.
    """

    label: str
    cells: tuple[Cell, ...]
    unit: str = ""
    numeric: bool = False
    first: bool = False
    explained: str = ""
    note_letter: str = ""


@dataclass(frozen=True)
class Footnote:
    """A footnote of a table."""

    letter: str
    text: str


@dataclass(frozen=True)
class Table:
    """A table with its columns, rows and footnotes; `label` names it for a screen reader."""

    label: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[Footnote, ...]


@dataclass(frozen=True)
class TablePage:
    """A table and the sentence above it; before the first run `table` is None, and the page says how to make one.

    `intervals` says that the table has intervals and ranks in small type, which a line below it then explains.
    `table.md.j2` shows it: such a page needs no template of its own.
    """

    sentence: str
    table: Table | None
    intervals: bool = False


def table(label: str, columns: Sequence[Column]) -> Table:
    """Put columns side by side, and letter their footnotes in the order of reading; equal notes share a letter.

    A note that all the intervals of a column share stands in its header.
    """
    letters: dict[str, str] = {}

    def letter_of(note: str) -> str:
        return letters.setdefault(note, _letter(len(letters))) if note else ""

    headed = [_headed(column, letter_of) for column in columns]
    rows = tuple(
        tuple(
            replace(cell, note_letter=letter_of(cell.note), interval_letter=letter_of(cell.interval_note))
            if cell.note or cell.interval_note
            else cell
            for cell in cells
        )
        for cells in zip(*(column.cells for column in headed), strict=True)
    )
    notes = tuple(Footnote(letter, text) for text, letter in letters.items())
    return Table(label, tuple(headed), rows, notes)


def _headed(column: Column, letter_of: Callable[[str], str]) -> Column:
    """Return the column with the note that all its intervals share in its header."""
    shared = {cell.interval_note for cell in column.cells if cell.kind in ("value", "coarse")}
    if len(shared) != 1:
        return column
    cells = tuple(replace(cell, interval_note="") if cell.interval_note else cell for cell in column.cells)
    return replace(column, cells=cells, note_letter=letter_of(shared.pop()))


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
    measured: Sequence[CellValue],
    better: Better | None = None,
    small: Sequence[str] = (),
    scale: form.Scale | None = None,
) -> Column:
    """Return a column of numbers in one display unit, with the best marked where several can be compared.

    Ranked values are the best where they have the first rank. Of others those are that look equal to the best: the mark
    goes by what a reader sees. The unit suits the values, unless it is given as `scale`: where columns are compared
    with each other they have one unit.
    """
    scale = scale or form.scale(base_unit, [one.value for one in measured])
    best = _best(measured, better, scale)
    cells = []
    for place, (one, best_here) in enumerate(zip(measured, best, strict=True)):
        extra = " · ".join(part for part in (one.small, small[place] if small else "") if part)
        if one.value is None:
            cells.append(Cell(WORDS.get(one.kind, form.NO_VALUE), small=extra, kind=one.kind, note=one.why))
            continue
        ends = one.interval
        cells.append(
            Cell(
                form.quantity(one.value, scale),
                small=extra,
                interval="" if ends is None else form.interval(ends.low, ends.high, one.value, scale),
                interval_note=one.interval_why,
                kind=one.kind,
                best=best_here,
                note=one.why,
            )
        )
    return Column(label, tuple(cells), unit=scale.unit, numeric=True)


def count_column(label: str, values: Sequence[int], unit: str = "") -> Column:
    """Return a column of numbers of things."""
    return Column(label, tuple(Cell(f"{value:,}") for value in values), unit=unit, numeric=True)


def _best(measured: Sequence[CellValue], better: Better | None, scale: form.Scale) -> list[bool]:
    """Return which values are the best; none where there are fewer than two, or where all of them are."""
    compared = [one.kind == "value" and one.eligible for one in measured]
    known = [one for one, is_compared in zip(measured, compared, strict=True) if is_compared and one.value is not None]
    values = [one.value for one in known if one.value is not None]
    if better is None or len(values) < 2 or min(values) == max(values):
        return [False] * len(measured)
    ranks = {one.rank for one in known}
    if ranks != {None}:
        best_ranks = [one.rank == 1 and ranks != {1} for one in measured]
        return [there and first for there, first in zip(compared, best_ranks, strict=True)]
    best = form.quantity(min(values) if better == "lower" else max(values), scale)
    return [there and form.quantity(one.value, scale) == best for one, there in zip(measured, compared, strict=True)]


def _letter(position: int) -> str:
    if position < 26:
        return chr(ord("a") + position)
    return str(position - 25)
