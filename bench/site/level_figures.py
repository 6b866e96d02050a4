"""Figures of levels of load: throughput and latencies over streams at once, or over requests a second."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.analysis.intervals import Interval
from bench.analysis.level_intervals import level_estimate
from bench.analysis.level_metrics import level_metric, level_value
from bench.analysis.load import LevelSummary
from bench.analysis.saturation import Knee, NoKnee
from bench.site import charts
from bench.site import format as form
from bench.site.figures import Figure, plain
from bench.site.level_charts import DASH_WORDS, LARGE_SIZE, SIZE, over_steps, steps
from bench.site.levels import BARS, level_name
from bench.site.palette import Mark


@dataclass(frozen=True)
class Line:
    """A line of a chart: the metric along it, and what it is called."""

    metric_id: str
    label: str


def throughput_figure(
    figure_id: str,
    by_model: Mapping[str, Sequence[LevelSummary]],
    knees: Mapping[str, Knee | NoKnee],
    marks: Mapping[str, Mark],
    sentence: str,
    caption: str,
) -> Figure | None:
    """Return throughput over streams, a line for each model; None where no model has it for two numbers of streams.

    The knee is a rule where there is one model, and a larger mark where there are several.
    """
    rows: list[charts.Row] = []
    bars: list[charts.Row] = []
    scale = form.scale("tokens/s", [])
    for name, levels in by_model.items():
        found = knees[name]
        for one in by_step(levels):
            value = one.throughput_tokens_per_s
            if value is not None:
                at = isinstance(found, Knee) and not found.still_growing and found.level.key == one.key
                interval = level_estimate(one, "throughput_tokens_per_s").interval
                row = _row(plain(name), "throughput", one, value, scale, interval, ", the knee" if at else "")
                rows.append(row | {"size": LARGE_SIZE if at and len(by_model) > 1 else SIZE})
                bars += _bars(row, interval, scale)
    if len({row["x"] for row in rows}) < 2:
        return None
    upright: list[charts.Row] = []
    if len(by_model) == 1:
        (only,) = knees.values()
        if isinstance(only, Knee) and not only.still_growing:
            upright = [{"x": float(only.level.key.streams), "label": f"knee: {level_name(only.level)}"}]
    y = charts.axis("Throughput (tokens/s)", [float(row["y"]) for row in rows] + _ends(bars))
    x = steps([float(row["x"]) for row in rows], "Streams at once")
    return Figure(
        id=figure_id,
        sentence=sentence,
        caption=f"{caption}{BARS if bars else ''}",
        spec=over_steps(rows, ["throughput"], x, y, marks, upright, intervals=bars),
        legend=marks if len(by_model) > 1 else {},
    )


def lines_figure(
    figure_id: str,
    name: str,
    levels: Sequence[LevelSummary],
    lines: Sequence[Line],
    axis_title: str,
    marks: Mapping[str, Mark],
    words: tuple[str, str],
    limit_s: float | None = None,
) -> Figure | None:
    """Return metrics of one model over its levels, a line for each metric; None where none has two values.

    `words` are the sentence and the caption, which is followed by how the lines are told apart.
    """
    known = [
        (line, one, value)
        for line in lines
        for one in by_step(levels)
        if (value := level_value(one, line.metric_id)) is not None
    ]
    drawn = [line for line in lines if sum(one is line for one, _, _ in known) > 1]
    known = [entry for entry in known if entry[0] in drawn]
    if not known:
        return None
    unit = level_metric(lines[0].metric_id.partition(".")[0]).unit
    scale = form.scale(unit, [value for _, _, value in known])
    rows: list[charts.Row] = []
    bars: list[charts.Row] = []
    for line, one, value in known:
        interval = level_estimate(one, line.metric_id).interval
        row = _row(plain(name), line.label, one, value, scale, interval)
        rows.append(row)
        bars += _bars(row, interval, scale)
    values = [float(row["y"]) for row in rows]
    rules: list[charts.Row] = []
    if limit_s is not None:
        limit = form.plotted(limit_s, scale)
        if limit <= 2 * max(values):
            rules = [{"y": limit, "label": f"limit {form.with_unit(limit_s, unit)}"}]
    sentence, caption = words
    told_apart = ", ".join(f"{dash}: {line.label}" for dash, line in zip(DASH_WORDS, drawn, strict=False))
    x_title = "Streams at once" if levels[0].closed else "Requests asked for (1/s)"
    y = charts.axis(f"{axis_title} ({scale.unit})", [*values, *_ends(bars), *(float(rule["y"]) for rule in rules)])
    return Figure(
        id=figure_id,
        sentence=sentence,
        caption=f"{caption}. {told_apart}.{BARS if bars else ''}",
        spec=over_steps(
            rows,
            [line.label for line in drawn],
            steps([float(row["x"]) for row in rows], x_title),
            y,
            marks,
            level=rules,
            intervals=bars,
        ),
        legend={},
    )


def by_step(levels: Sequence[LevelSummary]) -> list[LevelSummary]:
    """Return levels by their streams, or by their rate."""
    return sorted(levels, key=lambda one: _step(one))


def _step(level: LevelSummary) -> float:
    return float(level.key.streams) if level.key.rate_per_s is None else level.key.rate_per_s


def _row(
    model: str,
    line: str,
    level: LevelSummary,
    value: float,
    scale: form.Scale,
    interval: Interval | None,
    more: str = "",
) -> charts.Row:
    detail = form.count(level.good, "good answer") + more
    if interval is not None:
        detail += f", interval {form.interval(interval.low, interval.high, value, scale)}"
    return {
        "model": model,
        "line": line,
        "x": _step(level),
        "y": form.plotted(value, scale),
        "detail": detail,
        "size": SIZE,
    }


def _bars(row: charts.Row, interval: Interval | None, scale: form.Scale) -> list[charts.Row]:
    if interval is None:
        return []
    low, high = form.plotted(interval.low, scale), form.plotted(interval.high, scale)
    return [{"model": row["model"], "x": row["x"], "low": low, "high": high}]


def _ends(bars: Sequence[charts.Row]) -> list[float]:
    return [float(bar[end]) for bar in bars for end in ("low", "high")]
