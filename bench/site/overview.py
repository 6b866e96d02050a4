"""The overview: which model for this device."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis.metrics import metric
from bench.analysis.ranking import Ranked
from bench.analysis.summary import ModelSummary, RunSummary
from bench.results.store import Refused
from bench.site import format as form
from bench.site.doubts import doubts
from bench.site.figures import Figure
from bench.site.leaderboard import estimated_column, first, rank_column, ranked
from bench.site.ledger import Board, Site, failure_text, metric_column, model_page, run_page
from bench.site.licensing import licence_column
from bench.site.naming import joined, model_cells
from bench.site.since import Since, changed_lately, since_last_run
from bench.site.sparkline import sparkline
from bench.site.standing import Standing, standings
from bench.site.tables import Cell, Column, Table, name_column, table, text_column
from bench.site.text import relative, shortened
from bench.site.trade_offs import trade_off

HERE = "index.html"
DOUBTED_SHOWN = 5
MOST_NAMED = 4
"""Models that a sentence names one by one where none is better than another."""

ESTIMATED = {
    "score": "Quality",
    "decode_tokens_per_s": "Decode speed",
    "ttft_s": "TTFT p50",
    "ttft_s.p95": "TTFT p95",
    "e2e_s.p95": "Latency p95",
    "memory_peak_bytes": "Peak memory",
}
"""Metric -> the head of its column in the table of models."""


@dataclass(frozen=True)
class Praise:
    """A metric, and what the first sentence says of the one model, or the several, that is best by it."""

    metric_id: str
    noun: str
    one_does: str
    several_do: str


PRAISE = (
    Praise("score", "quality", "answers best", "answer best"),
    Praise("decode_tokens_per_s", "speed of writing", "writes fastest", "write fastest"),
    Praise("e2e_s", "latency", "finishes first", "finish first"),
    Praise("memory_peak_bytes", "peak memory", "needs the least memory", "need the least memory"),
)
"""What the first sentence praises, in order."""


@dataclass(frozen=True)
class Failed:
    """A model without a single good sample, or skipped: why, in place of its row."""

    name: str
    href: str
    why: str


@dataclass(frozen=True)
class Section:
    """What the overview says of one machine and prompt set."""

    board: Board
    answer: str
    table: Table | None
    ranked: bool
    figures: tuple[Figure, ...]
    failed: tuple[Failed, ...]
    skipped: tuple[Failed, ...]
    standings: tuple[Standing, ...]
    run_href: str
    since: Since


@dataclass(frozen=True)
class Doubted:
    """A run that deserves less trust, and why."""

    run: str
    href: str
    day: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Overview:
    """The first screen."""

    sections: tuple[Section, ...]
    jump: str
    doubted: tuple[Doubted, ...]
    doubted_in_all: int
    refused: tuple[Refused, ...]


def overview(site: Site) -> Overview:
    """Return the first screen: a section for each machine and prompt set, then what cannot be trusted."""
    doubted = [one for summary in reversed(site.summaries) if (one := _doubted(summary)) is not None]
    return Overview(
        sections=tuple(_section(site, board) for board in site.boards),
        jump="Machines:" if all(board.sets == 1 for board in site.boards) else "Machines and prompts:",
        doubted=tuple(doubted[:DOUBTED_SHOWN]),
        doubted_in_all=len(doubted),
        refused=site.refused,
    )


def _section(site: Site, board: Board) -> Section:
    answering = board.answering
    return Section(
        board=board,
        answer=_answer(site, board),
        table=_table(site, board) if answering else None,
        ranked=bool(first(ranked(site, board, "score"))),
        figures=tuple(
            figure
            for figure in (
                trade_off(site, board, "decode_tokens_per_s", "Decode speed"),
                trade_off(site, board, "footprint_bytes", "Footprint"),
            )
            if figure is not None
        ),
        failed=tuple(
            _failed(one, failure_text(one))
            for one in board.summary.models
            if not one.good_samples and one.model.skipped is None
        ),
        skipped=tuple(_failed(one, one.model.skipped) for one in board.summary.models if one.model.skipped is not None),
        standings=standings(board.summary),
        run_href=relative(HERE, run_page(board.result)),
        since=since_last_run(site, board, HERE),
    )


def _failed(one: ModelSummary, why: str) -> Failed:
    return Failed(one.model.name, relative(HERE, model_page(one.model.name)), why)


def _table(site: Site, board: Board) -> Table:
    by_quality = ranked(site, board, "score")
    order = [one.model for one in by_quality]
    rows = sorted(board.answering, key=lambda one: order.index(one.model.name))
    columns = [
        name_column("Model", model_cells(site, rows, HERE)),
        *([rank_column([one.model.name for one in rows], by_quality, "quality")] if first(by_quality) else []),
        *(
            estimated_column(site, rows, metric_id, label, ranked(site, board, metric_id))
            for metric_id, label in ESTIMATED.items()
        ),
        metric_column(rows, "footprint_bytes", "Footprint"),
        licence_column(rows),
        _history_column(site, board, rows),
    ]
    return table(f"Models on {board.heading}", columns)


def _history_column(site: Site, board: Board, rows: Sequence[ModelSummary]) -> Column:
    cells = []
    for one in rows:
        history = site.history(one.model.name, board.machine, board.prompt_set)
        values = [value for point in history if (value := point.value("decode_tokens_per_s")) is not None]
        if len(values) < 2:
            cells.append(Cell("1 run" if values else "no run"))
            continue
        line = sparkline(values[-30:], site.marks[one.model.name].number)
        lately = changed_lately(site, history[-30:], "decode_tokens_per_s")
        runs = f"speed, {len(values)} runs"
        cells.append(Cell("", small=f"{runs} · {lately}" if lately else runs, drawing=line))
    return text_column("History", cells)


def _answer(site: Site, board: Board) -> str:
    models = board.answering
    if not models:
        return "No model gave an answer in the newest run on this machine."
    if len(models) == 1:
        return f"Only {models[0].model.name} answered in this run: nothing to compare it with."
    alone: dict[str, list[str]] = {}
    together: dict[str, list[str]] = {}
    untold: dict[str, list[str]] = {}
    for praise in PRAISE:
        ranks = ranked(site, board, praise.metric_id)
        best = first(ranks)
        names = joined([shortened(one.model, 40) for one in best])
        known = [one.estimate.value for one in best if one.estimate.value is not None]
        values = form.span(known, metric(praise.metric_id).unit) if known else ""
        if len(best) == 1:
            alone.setdefault(names, []).append(f"{praise.one_does} ({values})")
        elif len(best) == sum(one.rank is not None for one in ranks) > 0:
            untold.setdefault(_untold([one.model.name for one in models], best), []).append(praise.noun)
        elif best:
            together.setdefault(names, []).append(f"{praise.several_do} ({values})")
    parts = [f"{names} {joined(clauses)}" for names, clauses in alone.items()]
    parts += [f"{names} cannot be told apart: they {joined(clauses)}" for names, clauses in together.items()]
    parts += [f"{told} in {joined(nouns)}" for told, nouns in untold.items()]
    return "; ".join(parts) + "." if parts else ""


def _untold(order: Sequence[str], best: Sequence[Ranked]) -> str:
    """Return that none of some models is better than another, named in the order of the run."""
    if len(best) > MOST_NAMED:
        return f"{len(best)} models cannot be told apart"
    names = sorted((one.model for one in best), key=order.index)
    return f"{joined([shortened(name, 40) for name in names])} cannot be told apart"


def _doubted(summary: RunSummary) -> Doubted | None:
    reasons = doubts(summary)
    if not reasons:
        return None
    run = summary.result.run
    return Doubted(run.id, relative(HERE, run_page(summary.result)), form.day(run.started_utc), reasons)
