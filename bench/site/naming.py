"""How pages name models, and list things in a sentence."""

from collections.abc import Sequence

from bench.analysis.summary import ModelSummary
from bench.site import format as form
from bench.site.ledger import Site, model_page
from bench.site.tables import Cell
from bench.site.text import relative, shortened


def model_cells(site: Site, summaries: Sequence[ModelSummary], here: str) -> list[Cell]:
    """Return the cells that name models in a table: mark, name, link, and what the model is in small type."""
    return [
        Cell(
            shortened(one.model.name, 60),
            small=what_it_is(one),
            href=relative(here, model_page(one.model.name)),
            mark=site.marks[one.model.name],
        )
        for one in summaries
    ]


def what_it_is(summary: ModelSummary) -> str:
    """Return size, precision and device of a model in a few words."""
    model = summary.model
    known = [
        form.parameters(model.parameters) if model.parameters is not None else None,
        model.precision,
        model.device,
    ]
    return " · ".join(shortened(part, 24) for part in known if part)


def joined(parts: Sequence[str]) -> str:
    """Return parts as an enumeration: a, b and c."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""
