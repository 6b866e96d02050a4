"""A page that is a sentence and a table: it needs no template of its own, `table.md.j2` shows it."""

from dataclasses import dataclass

from bench.report.tables import Table


@dataclass(frozen=True)
class TablePage:
    """A table and the sentence above it; before the first run `table` is None, and the page says how to make one.

    `intervals` says that the table has intervals and ranks in small type, which a line below it then explains.
    """

    sentence: str
    table: Table | None
    intervals: bool = False
