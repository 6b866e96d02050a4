"""The overview: which model for this device."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis.metrics import metric
from bench.analysis.summary import ModelSummary, RunSummary
from bench.results.store import Refused
from bench.site import charts, pareto
from bench.site import format as form
from bench.site.doubts import doubts
from bench.site.figures import Figure, plain
from bench.site.labels import Spot, place
from bench.site.ledger import Board, Site, failure_text, measured, metric_column, model_page, run_page
from bench.site.licensing import licence_column
from bench.site.naming import joined, model_cells
from bench.site.sparkline import sparkline
from bench.site.standing import Standing, standings
from bench.site.tables import Cell, Column, Table, name_column, table, text_column
from bench.site.text import relative, shortened

HERE = "index.html"
DOUBTED_SHOWN = 5
PLOT = (540.0, 240.0)
"""Width and height of a trade-off chart's plot on a desk, where its direct labels are shown."""

SCORE_SCALE = form.scale("score", [])
BYTES = form.scale("bytes", [1e6])


PRAISE = (
    ("score", "answers best", "answer best"),
    ("decode_tokens_per_s", "writes fastest", "write fastest"),
    ("e2e_s", "finishes first", "finish first"),
    ("memory_peak_bytes", "needs the least memory", "need the least memory"),
)
"""Metric -> what the first sentence says of the one model, or the several, that is best by it."""


@dataclass(frozen=True)
class Failed:
    """A model without a single good sample, or skipped: why, in place of its row."""

    name: str
    href: str
    why: str


@dataclass(frozen=True)
class Section:
    """What the overview says of one machine."""

    board: Board
    answer: str
    table: Table | None
    figures: tuple[Figure, ...]
    failed: tuple[Failed, ...]
    skipped: tuple[Failed, ...]
    standings: tuple[Standing, ...]
    run_href: str


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
    doubted: tuple[Doubted, ...]
    doubted_in_all: int
    refused: tuple[Refused, ...]


@dataclass(frozen=True)
class _Winners:
    """The models that are best by one metric, and its value with its unit."""

    names: tuple[str, ...]
    value: str


def overview(site: Site) -> Overview:
    """Return the first screen: a section for each machine, then what cannot be trusted."""
    doubted = [one for summary in reversed(site.summaries) if (one := _doubted(summary)) is not None]
    return Overview(
        sections=tuple(_section(site, board) for board in site.boards),
        doubted=tuple(doubted[:DOUBTED_SHOWN]),
        doubted_in_all=len(doubted),
        refused=site.refused,
    )


def _section(site: Site, board: Board) -> Section:
    answering = board.answering
    return Section(
        board=board,
        answer=_answer(answering),
        table=_table(site, board) if answering else None,
        figures=tuple(
            figure
            for figure in (
                _figure(site, board, "decode_tokens_per_s", "Decode speed"),
                _figure(site, board, "footprint_bytes", "Footprint"),
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
    )


def _failed(one: ModelSummary, why: str) -> Failed:
    return Failed(one.model.name, relative(HERE, model_page(one.model.name)), why)


def _table(site: Site, board: Board) -> Table:
    rows = sorted(board.answering, key=lambda one: (-(one.score or 0.0), one.model.name))
    columns = [
        name_column("Model", model_cells(site, rows, HERE)),
        metric_column(rows, "score", "Quality"),
        metric_column(rows, "decode_tokens_per_s", "Decode speed"),
        metric_column(rows, "ttft_s", "TTFT p50"),
        metric_column(rows, "ttft_s.p95", "TTFT p95"),
        metric_column(rows, "e2e_s.p95", "Latency p95"),
        metric_column(rows, "memory_peak_bytes", "Peak memory"),
        metric_column(rows, "footprint_bytes", "Footprint"),
        licence_column(rows),
        _history_column(site, board, rows),
    ]
    return table(f"Models on {board.machine}", columns)


def _history_column(site: Site, board: Board, rows: Sequence[ModelSummary]) -> Column:
    cells = []
    for one in rows:
        history = site.history(one.model.name, board.machine)
        values = [value for point in history if (value := point.value("decode_tokens_per_s")) is not None]
        if len(values) < 2:
            cells.append(Cell("1 run" if values else "no run"))
            continue
        line = sparkline(values[-30:], site.marks[one.model.name].number)
        cells.append(Cell("", small=f"speed, {len(values)} runs", drawing=line))
    return text_column("History", cells)


def _answer(models: Sequence[ModelSummary]) -> str:
    if not models:
        return "No model gave an answer in the newest run on this machine."
    if len(models) == 1:
        return f"Only {models[0].model.name} has answered on this machine so far: nothing to compare it with."
    praise: dict[str, list[str]] = {}
    for metric_id, one_does, several_do in PRAISE:
        best = _best_of(models, metric_id)
        if best is not None:
            does = one_does if len(best.names) == 1 else several_do
            praise.setdefault(joined(best.names), []).append(f"{does} ({best.value})")
    return "; ".join(f"{names} {joined(clauses)}" for names, clauses in praise.items()) + "." if praise else ""


def _best_of(models: Sequence[ModelSummary], metric_id: str) -> _Winners | None:
    """Return the models that are best as far as a reader sees; None where fewer than two have a value."""
    chosen = metric(metric_id)
    found = [(measured(one, metric_id), one.model.name) for one in models]
    known = [(one.value, name) for one, name in found if one.value is not None and one.kind == "value"]
    if len(known) < 2:
        return None
    best = min(known)[0] if chosen.better == "lower" else max(known)[0]
    shown = form.with_unit(best, chosen.unit)
    names = [shortened(name, 40) for value, name in known if form.with_unit(value, chosen.unit) == shown]
    return _Winners(tuple(names), shown)


def _figure(site: Site, board: Board, metric_id: str, label: str) -> Figure | None:
    chosen = metric(metric_id)
    shown = [one for one in board.answering if one.value(metric_id) and one.score is not None]
    if len(shown) < 2:
        return None
    candidates = [pareto.Candidate(one.model.name, one.value(metric_id) or 0.0, one.score or 0.0) for one in shown]
    scale = form.scale(chosen.unit, [one.x for one in candidates])
    x = charts.axis(f"{label} ({scale.unit})", [form.plotted(one.x, scale) for one in candidates])
    memory = [one.value("memory_peak_bytes") for one in shown]
    size = _size_axis(memory)
    labels = [shortened(plain(one.name), 26) for one in candidates]
    spots = [_spot(one, text, x, scale) for one, text in zip(candidates, labels, strict=True)]
    front = pareto.front(candidates, chosen.better)
    placed = place(spots, [_spot(one, "", x, scale) for one in front], *PLOT)
    rows: list[charts.Row] = []
    for one, value, spot, at in zip(candidates, memory, spots, placed, strict=True):
        row: charts.Row = {"model": plain(one.name), "label": spot.label, "align": at.align, "dx": at.dx, "dy": at.dy}
        row["size"] = size.low if value is None else form.plotted(value, BYTES)
        row["memory"] = "not measured" if value is None else form.with_unit(value, "bytes")
        rows.append(row | _point(one, scale))
    marks = {plain(one.model.name): site.marks[one.model.name] for one in shown}
    return Figure(
        id=f"{board.anchor}-{metric_id.replace('_', '-')}",
        sentence=_front_sentence(label.lower(), front, len(candidates), chosen.better),
        caption=f"{board.context}. {_size_caption(memory)} Dashed: the front; the best corner is upper "
        f"{_corner(chosen.better)}.",
        spec=charts.trade_off(rows, [_point(one, scale) for one in front], x, size, marks),
        legend=marks,
    )


def _point(candidate: pareto.Candidate, scale: form.Scale) -> charts.Row:
    return {"x": form.plotted(candidate.x, scale), "quality": form.plotted(candidate.quality, SCORE_SCALE)}


def _spot(candidate: pareto.Candidate, label: str, x: charts.Axis, scale: form.Scale) -> Spot:
    across = charts.position(form.plotted(candidate.x, scale), x)
    return Spot(across, charts.position(candidate.quality, charts.QUALITY), label)


def _front_sentence(label: str, front: Sequence[pareto.Candidate], total: int, better: str) -> str:
    if len(front) == total:
        return f"Quality against {label}: every model is a fair choice, none is beaten in both."
    names = joined([shortened(one.name, 40) for one in front])
    word = "is" if len(front) == 1 else "are"
    return f"Quality against {label}: {names} {word} on the front; each other model is matched or beaten in both."


def _size_axis(memory: Sequence[float | None]) -> charts.Axis:
    sizes = [form.plotted(value, BYTES) for value in memory if value is not None] or [0.0]
    return charts.Axis("Peak memory", min(sizes), max(sizes))


def _size_caption(memory: Sequence[float | None]) -> str:
    known = [value for value in memory if value is not None]
    if len(known) < 2 or min(known) == max(known):
        return "All marks have one size: there is no peak memory to tell them apart by."
    rest = "; the smallest where it was not measured" if len(known) < len(memory) else ""
    return (
        f"Mark size: peak memory, {form.with_unit(min(known), 'bytes')} to {form.with_unit(max(known), 'bytes')}{rest}."
    )


def _corner(better: str) -> str:
    return "right" if better == "higher" else "left"


def _doubted(summary: RunSummary) -> Doubted | None:
    reasons = doubts(summary)
    if not reasons:
        return None
    run = summary.result.run
    return Doubted(run.id, relative(HERE, run_page(summary.result)), form.day(run.started_utc), reasons)
