"""Quality: the rubric matrix of models and prompts, facet by facet, and scores over time."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from bench.analysis.summary import ModelSummary
from bench.report import format as form
from bench.report.text import anchor, shortened
from bench.site.charts.figures import Figure, plain
from bench.site.charts.kinds import QUALITY, Datum, history
from bench.site.charts.trade_off import has_trade_off, trade_off
from bench.site.dataset import Board, Site
from bench.site.machine_parts import MachinePart, of_board
from bench.site.sections.rubric_matrix import ProgramMatrix, RaterMatrix, program_matrices, rater_matrices

MOST_RUNS: Final = 200
"""Newest runs that are drawn."""

COST: Final = "memory_peak_bytes"
"""What quality is held against on this page."""

INTERVALS_SHOWN: Final = 60
"""Runs up to which each has the bar of its interval: more of them would be a band that hides the line."""

SCALE: Final = form.scale("score", [])

HERE: Final = "report/quality.html"


@dataclass(frozen=True)
class QualityOverTime:
    """The histories of the models on one machine; `no_history` says why some or all have none."""

    heading: str
    anchor: str
    figures: tuple[Figure, ...]
    no_history: str


@dataclass(frozen=True)
class QualityPage:
    """The whole page: by the program, then by every source, over time, and against memory."""

    matrices: tuple[MachinePart[ProgramMatrix], ...]
    sources: tuple[RaterMatrix, ...]
    over_time: tuple[MachinePart[QualityOverTime], ...]
    costs: tuple[MachinePart[Figure | None], ...]


def quality_page(site: Site) -> QualityPage:
    """Return the page, each part of it by machine."""
    return QualityPage(
        matrices=program_matrices(site, HERE),
        sources=rater_matrices(site, HERE),
        over_time=quality_over_time(site),
        costs=tuple(
            of_board(board, partial(_cost, site, board), "costs-")
            for board in site.boards
            if has_trade_off(board, COST)
        ),
    )


def _cost(everything: Site, board: Board) -> Figure | None:
    return trade_off(everything.of_machine(board.machine), board, COST, "Peak memory")


def quality_over_time(site: Site) -> tuple[MachinePart[QualityOverTime], ...]:
    """Return the histories of quality for each machine, by model in the order of its newest run."""
    return tuple(of_board(board, partial(_on_board, site, board), "over-time-") for board in site.boards)


def _on_board(everything: Site, board: Board) -> QualityOverTime:
    site = everything.of_machine(board.machine)
    figures, short = [], []
    for one in board.summary.models:
        name = one.model.name
        known = [run for run in site.history(name, board.machine, board.prompt_set) if run.score is not None]
        if len(known) < 2:
            short.append(shortened(name, 40))
        else:
            figures.append(_figure(site, board, name, known[-MOST_RUNS:]))
    return QualityOverTime(board.heading, f"over-time-{board.anchor}", tuple(figures), _no_history(short, len(figures)))


def _no_history(short: Sequence[str], drawn: int) -> str:
    if not short:
        return ""
    if not drawn:
        return "No model has a score in two runs of one context: there is no history to draw."
    return f"Not drawn, for want of two runs with a score in one context: {', '.join(short)}."


def _figure(site: Site, board: Board, name: str, known: Sequence[ModelSummary]) -> Figure:
    rows: list[Datum] = []
    bars: list[Datum] = []
    for run in known:
        stamp, interval = form.stamp(run.result.run.started_utc), site.estimates.of_score(run).interval
        row: Datum = {
            "date": stamp,
            "value": form.plotted(run.score or 0.0, SCALE),
            "interval": "none",
            "run": (run.result.run.commit or "outside git")[:7],
        }
        if interval is not None:
            row["interval"] = form.interval(interval.low, interval.high, run.score or 0.0, SCALE)
            bars.append(
                {"date": stamp, "low": form.plotted(interval.low, SCALE), "high": form.plotted(interval.high, SCALE)}
            )
        rows.append(row)
    shown = bars if len(known) <= INTERVALS_SHOWN else []
    why = site.estimates.of_score(known[-1]).why
    intervals = _interval_words(len(shown), len(bars), why)
    return Figure(
        id=f"quality-{board.anchor}-{anchor(name)}",
        sentence=f"{shortened(plain(name), 40)}: {_course(known)}",
        caption=f"{plain(board.machine)}, by the program, higher is better. {intervals}",
        spec=history(rows, QUALITY, site.marks[name], intervals=shown),
        legend={},
    )


def _course(known: Sequence[ModelSummary]) -> str:
    first, last = form.with_unit(known[0].score, "score"), form.with_unit(known[-1].score, "score")
    if first == last:
        return f"{last} in the first and in the newest of {len(known)} runs."
    return f"{first} in the first of {len(known)} runs, {last} in the newest."


def _interval_words(shown: int, known: int, why: str | None) -> str:
    if shown:
        return f"Bars: {form.confidence()} intervals of the mean over prompts like these."
    return f"No intervals: {why}." if why and not known else "With so many runs intervals are not drawn."
