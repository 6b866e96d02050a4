"""What a model's licence allows, as pages say it."""

from collections.abc import Sequence

from bench.analysis.licences import commercial_use
from bench.analysis.summary import ModelSummary
from bench.site.tables import Cell, Column, text_column
from bench.site.text import shortened

WORDS = {"yes": "commercial use", "conditions": "with conditions", "no": "not commercial", "unknown": "read it first"}
"""Class of a licence -> what the small type below it says."""


def licence_column(rows: Sequence[ModelSummary], label: str = "Licence") -> Column:
    """Return the licence of each model, with what it allows in small type."""
    return text_column(label, [licence_cell(one) for one in rows])


def licence_cell(summary: ModelSummary) -> Cell:
    """Return the licence of a model, or why it is not known."""
    licence = summary.model.licence
    if licence is None and summary.model.skipped is not None:
        return Cell("skipped", kind="skipped", note=summary.model.skipped)
    if licence is None:
        return Cell("not stated", kind="none", note=summary.model.unmeasured.get("licence", ""))
    found = commercial_use(licence)
    return Cell(shortened(licence, 32), small=WORDS[found.use])
