"""Quality against something else: which models no other beats in both (the Pareto front), their names placed apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from bench.analysis.intervals import Interval
from bench.analysis.summary import ModelSummary
from bench.metrics.registry import Better, metric
from bench.report import format as form
from bench.report.text import joined, shortened
from bench.site.charts import kinds as charts
from bench.site.charts.figures import Figure, plain
from bench.site.dataset import Board, Site
from bench.site.sections.leaderboard import estimated


@dataclass(frozen=True)
class ParetoPoint:
    """A model's place: a cost or gain along x, and its quality, of which more is better."""

    name: str
    x: float
    quality: float


def pareto_front(candidates: Sequence[ParetoPoint], better_x: Better) -> tuple[ParetoPoint, ...]:
    """Return the candidates on the front, by x; of two in the same place both are on it."""
    sign = 1.0 if better_x == "higher" else -1.0
    kept = [one for one in candidates if not any(_beats(other, one, sign) for other in candidates)]
    return tuple(sorted(kept, key=lambda one: (one.x, one.quality, one.name)))


def _beats(one: ParetoPoint, other: ParetoPoint, sign: float) -> bool:
    gain = sign * (one.x - other.x)
    return gain >= 0 and one.quality >= other.quality and (gain > 0 or one.quality > other.quality)


LETTER_WIDTH = 6.4
LINE_HEIGHT = 16.0
POINT_REACH = 9.0
"""Half of the square that a mark keeps free of other names, in pixels."""


@dataclass(frozen=True)
class Spot:
    """A point with its name: its place as shares of the plot's width and height, from the lower left."""

    x: float
    y: float
    label: str


@dataclass(frozen=True)
class Placing:
    """Where a name stands, seen from its point."""

    align: str
    dx: int
    dy: int


@dataclass(frozen=True)
class _Box:
    left: float
    top: float
    right: float
    bottom: float


_PLACES = (
    Placing("left", 15, 0),
    Placing("right", -15, 0),
    Placing("center", 0, -20),
    Placing("center", 0, 20),
    Placing("left", 11, -13),
    Placing("left", 11, 13),
    Placing("right", -11, -13),
    Placing("right", -11, 13),
)


def place(spots: Sequence[Spot], line: Sequence[Spot], width: float, height: float) -> list[Placing]:
    """Return the place of each name on a plot of this size in pixels, with a line drawn through some of the spots.

    Each name takes the place, of eight around its point, that covers the least of all points, of the names before it,
    of the line, and of what lies outside; the first of equal ones.
    """
    taken = [
        _Box(x - POINT_REACH, y - POINT_REACH, x + POINT_REACH, y + POINT_REACH)
        for x, y in (_pixels(spot, width, height) for spot in spots)
    ]
    taken += _along(line, width, height)
    chosen = []
    for spot in spots:
        boxes = [_box(spot, placing, width, height) for placing in _PLACES]
        costs = [sum(_overlap(box, other) for other in taken) + _outside(box, width, height) for box in boxes]
        best = costs.index(min(costs))
        taken.append(boxes[best])
        chosen.append(_PLACES[best])
    return chosen


def _pixels(spot: Spot, width: float, height: float) -> tuple[float, float]:
    return spot.x * width, (1 - spot.y) * height


def _along(line: Sequence[Spot], width: float, height: float) -> list[_Box]:
    """Return small boxes that cover a line from spot to spot."""
    boxes = []
    for start, end in pairwise(line):
        (x1, y1), (x2, y2) = _pixels(start, width, height), _pixels(end, width, height)
        steps = max(1, round((abs(x2 - x1) + abs(y2 - y1)) / 4))
        for step in range(steps + 1):
            x, y = x1 + (x2 - x1) * step / steps, y1 + (y2 - y1) * step / steps
            boxes.append(_Box(x - 2, y - 2, x + 2, y + 2))
    return boxes


def _box(spot: Spot, placing: Placing, width: float, height: float) -> _Box:
    x, y = _pixels(spot, width, height)
    length = LETTER_WIDTH * len(spot.label)
    left = x + placing.dx - {"left": 0.0, "right": length, "center": length / 2}[placing.align]
    middle = y + placing.dy
    return _Box(left, middle - LINE_HEIGHT / 2, left + length, middle + LINE_HEIGHT / 2)


def _overlap(one: _Box, other: _Box) -> float:
    wide = min(one.right, other.right) - max(one.left, other.left)
    high = min(one.bottom, other.bottom) - max(one.top, other.top)
    return wide * high if wide > 0 and high > 0 else 0.0


def _outside(box: _Box, width: float, height: float) -> float:
    over = max(0.0, -box.left) + max(0.0, box.right - width) + max(0.0, -box.top) + max(0.0, box.bottom - height)
    return over * LINE_HEIGHT


PLOT = (540.0, 240.0)
"""Width and height of a trade-off chart's plot on a desk, where its direct labels are shown."""

SCORE_SCALE = form.scale("score", [])
BYTES = form.scale("bytes", [1e6])

BARS = f" Thin bars: {form.confidence()} intervals; a model whose bars reach the front may belong on it."


def has_trade_off(board: Board, metric_id: str) -> bool:
    """Return whether two models of a machine's newest run have both quality and a metric."""
    return len(_with_both(board, metric_id)) >= 2


def trade_off(site: Site, board: Board, metric_id: str, label: str) -> Figure | None:
    """Return the models of a machine's newest run by quality and one metric; None where fewer than two have both.

    `label` names the metric. Raises KeyError for an unknown metric.
    """
    chosen = metric(metric_id)
    shown = _with_both(board, metric_id)
    if len(shown) < 2:
        return None
    across = [estimated(site, one, metric_id).interval for one in shown]
    upright = [estimated(site, one, "score").interval for one in shown]
    candidates = [ParetoPoint(one.model.name, one.value(metric_id) or 0.0, one.score or 0.0) for one in shown]
    scale = form.scale(chosen.unit, [one.x for one in candidates])
    ends = [end for one in across if one is not None for end in (one.low, one.high)]
    plotted = [form.plotted(value, scale) for value in (*(one.x for one in candidates), *ends)]
    x = charts.axis(f"{label} ({scale.unit})", plotted)
    memory = [one.value("memory_peak_bytes") for one in shown]
    size = _size_axis(memory)
    labels = [shortened(plain(one.name), 26) for one in candidates]
    spots = [_spot(one, text, x, scale) for one, text in zip(candidates, labels, strict=True)]
    on_front = pareto_front(candidates, chosen.direction)
    placed = place(spots, [_spot(one, "", x, scale) for one in on_front], *PLOT)
    rows: list[charts.Datum] = []
    for number, (one, value) in enumerate(zip(candidates, memory, strict=True)):
        at = placed[number]
        row: charts.Datum = {"model": plain(one.name), "label": labels[number], "align": at.align, "dx": at.dx}
        row |= {"dy": at.dy, "size": size.low if value is None else form.plotted(value, BYTES)}
        row["memory"] = "not measured" if value is None else form.with_unit(value, "bytes")
        row["x_interval"] = _in_words(across[number], one.x, scale)
        row["quality_interval"] = _in_words(upright[number], one.quality, SCORE_SCALE)
        rows.append(row | _point(one, scale))
    marks = {plain(one.model.name): site.marks[one.model.name] for one in shown}
    bars = any(one is not None for one in (*across, *upright))
    return Figure(
        id=f"{board.anchor}-{metric_id.replace('_', '-')}",
        sentence=_front_sentence(label.lower(), on_front, len(candidates), chosen.direction),
        caption=f"{board.context}. {_size_caption(memory)} Dashed: the front; the best corner is upper "
        f"{_corner(chosen.direction)}." + (BARS if bars else ""),
        spec=charts.trade_off(
            rows,
            [_point(one, scale) for one in on_front],
            x,
            size,
            marks,
            across=_bars(rows, "quality", across, scale),
            upright=_bars(rows, "x", upright, SCORE_SCALE),
        ),
        legend=marks,
    )


def _in_words(found: Interval | None, value: float, scale: form.Scale) -> str:
    return "none" if found is None else form.interval(found.low, found.high, value, scale)


def _bars(
    rows: Sequence[charts.Datum], at: str, found: Sequence[Interval | None], scale: form.Scale
) -> list[charts.Datum]:
    """Return the bars of the intervals that there are, each at the place `at` of its model's row."""
    return [
        {"model": row["model"], at: row[at]}
        | {"low": form.plotted(one.low, scale), "high": form.plotted(one.high, scale)}
        for row, one in zip(rows, found, strict=True)
        if one is not None
    ]


def _point(candidate: ParetoPoint, scale: form.Scale) -> charts.Datum:
    return {"x": form.plotted(candidate.x, scale), "quality": form.plotted(candidate.quality, SCORE_SCALE)}


def _spot(candidate: ParetoPoint, label: str, x: charts.Axis, scale: form.Scale) -> Spot:
    across = charts.position(form.plotted(candidate.x, scale), x)
    return Spot(across, charts.position(candidate.quality, charts.QUALITY), label)


def _front_sentence(label: str, on_front: Sequence[ParetoPoint], total: int, better: str) -> str:
    if len(on_front) == total:
        return f"Quality against {label}: every model is a fair choice, none is beaten in both."
    names = joined([shortened(one.name, 40) for one in on_front])
    word = "is" if len(on_front) == 1 else "are"
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


def _with_both(board: Board, metric_id: str) -> list[ModelSummary]:
    return [one for one in board.answering if one.value(metric_id) and one.score is not None]
