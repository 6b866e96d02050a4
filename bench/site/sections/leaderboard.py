"""Numbers with their intervals, ranks that admit ties, and what a licence allows, as tables and sentences show them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from bench.analysis.intervals import Estimate
from bench.analysis.licences import commercial_use
from bench.analysis.ranking import Ranked
from bench.analysis.recommend import EXACT
from bench.analysis.summary import ModelSummary
from bench.metrics.registry import metric
from bench.report.tables import Cell, CellValue, Column, number_column, text_column
from bench.report.text import shortened
from bench.site.dataset import Board, Site, measured
from bench.site.urls import metric_page
from bench.stats.bootstrap import THESE

RANKS_PAGE: Final = "report/how-to-read.html#ranks"
"""The address that says what a rank means, from the site's root."""


def estimated(site: Site, summary: ModelSummary, metric_id: str) -> CellValue:
    """Return a metric of a model with its interval, or what kind of thing is missing and why."""
    shown = measured(summary, metric_id)
    if shown.value is None or metric_id in EXACT:
        return shown
    return with_interval(shown, site.estimates.of(summary, metric_id))


def with_interval(shown: CellValue, found: Estimate) -> CellValue:
    """Return a value with the interval of its estimate, and what a reader must know of it."""
    if found.interval is None:
        return replace(shown, interval_why=f"no interval: {found.why}")
    of_these = found.interval.about == THESE
    why = f"interval about these prompts alone: {found.interval.why}" if of_these else ""
    return replace(shown, interval=found.interval, interval_why=why)


def ranked(site: Site, board: Board, metric_id: str) -> tuple[Ranked, ...]:
    """Return the contenders of a machine's newest run by rank, without those whose value the client cannot resolve."""
    names = [one.model.name for one in board.contenders if measured(one, metric_id).kind != "coarse"]
    return site.estimates.ranks(board.result, names, metric_id)


def estimated_column(
    site: Site, rows: Sequence[ModelSummary], metric_id: str, label: str, ranks: Sequence[Ranked] = ()
) -> Column:
    """Return the column of one metric with its intervals; where the models are ranked the best are marked."""
    chosen = metric(metric_id.partition(".")[0])
    places = {one.model: one.rank for one in ranks}
    values = [replace(estimated(site, one, metric_id), rank=places.get(one.model.name)) for one in rows]
    column = number_column(label, chosen.unit, values, chosen.better if ranks else None)
    return replace(column, explained=metric_page(chosen.id))


def rank_column(rows: Sequence[str], ranks: Sequence[Ranked], by: str) -> Column:
    """Return the ranks of the models that the rows name, and in small type the places that each may have."""
    known = {one.model: one for one in ranks}
    column = text_column("Rank", [rank_cell(known.get(name), ranks) for name in rows], numeric=True)
    return replace(column, unit=f"by {by}", explained=RANKS_PAGE)


def rank_cell(one: Ranked | None, ranks: Sequence[Ranked]) -> Cell:
    """Return a rank, with '=' before it where another model has it too."""
    if one is None or one.rank is None:
        return Cell("no rank", kind="none", note=f"no rank: {one.why}" if one is not None and one.why else "")
    shared = sum(other.rank == one.rank for other in ranks) > 1
    # A value without an interval says so itself.
    why = f"not told apart by an interval: {one.why}" if one.why and one.estimate.interval else ""
    return Cell(
        f"={one.rank}" if shared else str(one.rank),
        interval="" if one.last == one.rank else f"{one.rank}–{one.last}",
        interval_note=why,
    )


def first(ranks: Sequence[Ranked]) -> tuple[Ranked, ...]:
    """Return the models that have the first rank, best value first; none where fewer than two have a rank."""
    known = [one for one in ranks if one.rank is not None]
    return tuple(one for one in known if one.rank == 1) if len(known) > 1 else ()


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
