"""The figures of quality against something else: which models no other beats in both."""

from collections.abc import Sequence

from bench.analysis.intervals import Interval
from bench.analysis.metrics import metric
from bench.site import charts, pareto
from bench.site import format as form
from bench.site.figures import Figure, plain
from bench.site.labels import Spot, place
from bench.site.leaderboard import estimated
from bench.site.ledger import Board, Site
from bench.site.naming import joined
from bench.site.text import shortened

PLOT = (540.0, 240.0)
"""Width and height of a trade-off chart's plot on a desk, where its direct labels are shown."""

SCORE_SCALE = form.scale("score", [])
BYTES = form.scale("bytes", [1e6])

BARS = " Thin bars: 95 % intervals; a model whose bars reach the front may belong on it."


def trade_off(site: Site, board: Board, metric_id: str, label: str) -> Figure | None:
    """Return the models of a machine's newest run by quality and one metric; None where fewer than two have both.

    `label` names the metric. Raises KeyError for an unknown metric.
    """
    chosen = metric(metric_id)
    shown = [one for one in board.answering if one.value(metric_id) and one.score is not None]
    if len(shown) < 2:
        return None
    across = [estimated(site, one, metric_id).interval for one in shown]
    upright = [estimated(site, one, "score").interval for one in shown]
    candidates = [pareto.Candidate(one.model.name, one.value(metric_id) or 0.0, one.score or 0.0) for one in shown]
    scale = form.scale(chosen.unit, [one.x for one in candidates])
    ends = [end for one in across if one is not None for end in (one.low, one.high)]
    plotted = [form.plotted(value, scale) for value in (*(one.x for one in candidates), *ends)]
    x = charts.axis(f"{label} ({scale.unit})", plotted)
    memory = [one.value("memory_peak_bytes") for one in shown]
    size = _size_axis(memory)
    labels = [shortened(plain(one.name), 26) for one in candidates]
    spots = [_spot(one, text, x, scale) for one, text in zip(candidates, labels, strict=True)]
    front = pareto.front(candidates, chosen.better)
    placed = place(spots, [_spot(one, "", x, scale) for one in front], *PLOT)
    rows: list[charts.Row] = []
    for number, (one, value) in enumerate(zip(candidates, memory, strict=True)):
        at = placed[number]
        row: charts.Row = {"model": plain(one.name), "label": labels[number], "align": at.align, "dx": at.dx}
        row |= {"dy": at.dy, "size": size.low if value is None else form.plotted(value, BYTES)}
        row["memory"] = "not measured" if value is None else form.with_unit(value, "bytes")
        row["x_interval"] = _in_words(across[number], one.x, scale)
        row["quality_interval"] = _in_words(upright[number], one.quality, SCORE_SCALE)
        rows.append(row | _point(one, scale))
    marks = {plain(one.model.name): site.marks[one.model.name] for one in shown}
    bars = any(one is not None for one in (*across, *upright))
    return Figure(
        id=f"{board.anchor}-{metric_id.replace('_', '-')}",
        sentence=_front_sentence(label.lower(), front, len(candidates), chosen.better),
        caption=f"{board.context}. {_size_caption(memory)} Dashed: the front; the best corner is upper "
        f"{_corner(chosen.better)}." + (BARS if bars else ""),
        spec=charts.trade_off(
            rows,
            [_point(one, scale) for one in front],
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


def _bars(rows: Sequence[charts.Row], at: str, found: Sequence[Interval | None], scale: form.Scale) -> list[charts.Row]:
    """Return the bars of the intervals that there are, each at the place `at` of its model's row."""
    return [
        {"model": row["model"], at: row[at]}
        | {"low": form.plotted(one.low, scale), "high": form.plotted(one.high, scale)}
        for row, one in zip(rows, found, strict=True)
        if one is not None
    ]


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
