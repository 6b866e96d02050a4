"""Outliers on a page: the samples far from their peers, beside what the machine was doing."""

from bench.analysis.outliers import FLOOR, MINIMUM_PEERS, THRESHOLD, outliers, too_few
from bench.analysis.steadiness import meanwhile
from bench.analysis.summary import ModelSummary
from bench.site import format as form
from bench.site.ledger import Board, Site
from bench.site.naming import model_cells
from bench.site.tables import Cell, Measured, Table, count_column, name_column, number_column, table, text_column

METRIC = "e2e_s"


def outlier_table(site: Site, board: Board, prompt_id: str, here: str) -> Table | None:
    """Return the samples far from their peers on a prompt, and what the machine did meanwhile; None without any."""
    found = [one for one in outliers(board.result, METRIC) if one.prompt == prompt_id]
    if not found:
        return None
    by_name = {one.model.name: one for one in board.summary.models}
    return table(
        f"Outliers on {board.machine}",
        [
            name_column("Model", model_cells(site, [by_name[one.model] for one in found], here)),
            count_column("Round", [one.round for one in found]),
            number_column("Latency", "s", [Measured(one.value) for one in found]),
            number_column("Median of peers", "s", [Measured(one.median) for one in found]),
            number_column("Usual from", "s", [Measured(one.low) for one in found]),
            number_column("Usual to", "s", [Measured(one.high) for one in found]),
            number_column("Distance", "z", [Measured(one.score) for one in found]),
            text_column("Machine meanwhile", [_machine_cell(by_name[one.model]) for one in found]),
        ],
    )


def no_outliers(board: Board, prompt_id: str) -> str:
    """Return why a prompt has no outlier to show."""
    few = [one for one in too_few(board.result, METRIC) if one.prompt == prompt_id]
    if len(few) == len(board.summary.models):
        most = max((one.peers for one in few), default=0)
        if not most:
            return "No good sample, so no outlier either."
        return f"Too few samples to tell: {most} at most for one model, and it takes {MINIMUM_PEERS}."
    rest = f" ({form.count(len(few), 'model')} had fewer than {MINIMUM_PEERS} samples.)" if few else ""
    return f"None: no sample is off by more than {THRESHOLD} robust deviations and {form.share(FLOOR)}.{rest}"


def _machine_cell(one: ModelSummary) -> Cell:
    watch = one.model.machine_watch
    if watch is None:
        return Cell("not watched", kind="none")
    found = meanwhile(watch)
    late = "" if found.late_worst_s is None else f"woke {form.with_unit(found.late_worst_s, 's')} late at worst"
    if found.drift > 0:
        return Cell(f"slowed by {form.percent(found.drift)}", small=late)
    return Cell(f"sped up by {form.percent(-found.drift)}" if found.drift else "unchanged", small=late)
