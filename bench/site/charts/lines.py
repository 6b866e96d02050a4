"""How a speed or a latency moves with load, or with a length: lines over steps."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import altair as alt

from bench.analysis.intervals import Interval, level_estimate
from bench.metrics.load import LevelSummary
from bench.metrics.registry import metric
from bench.metrics.saturation import Knee, NoKnee
from bench.report import format as form
from bench.report.palette import Mark
from bench.site.charts import kinds as charts
from bench.site.charts.figures import Figure, plain
from bench.site.charts.kinds import (
    SOFT,
    SURFACE,
    WARN,
    Axis,
    Datum,
    Spec,
    colour_encoding,
    dashed,
    drawn,
    finished,
    interval_bars,
    scale_encoding,
)
from bench.site.sections.level_tables import BARS, level_name

DASHES: tuple[list[int], ...] = ([1, 0], [6, 4], [2, 3], [9, 3, 2, 3])
"""How the lines of a chart are drawn, in order: whole, dashed, dotted, dashed and dotted."""

SIZE = 60
"""Area of a point, in square pixels."""

LARGE_SIZE = 190
"""Area of a point that stands out."""

DASH_WORDS = ("Whole line", "dashed", "dotted", "dashed and dotted")
"""The dashes in words, for a caption."""


def steps(values: Sequence[float], title: str) -> Axis:
    """Return the axis of steps that were tried, with room at its ends; logarithmic where the largest is four times the
    smallest."""
    low, high = min(values), max(values)
    if high >= 4 * low:
        ratio = (high / low) ** 0.06
        return Axis(title, low / ratio, high * ratio, "log")
    room = (high - low) * 0.08 or high * 0.1
    return Axis(title, low - room, high + room)


def over_steps(
    rows: Sequence[Datum],
    lines: Sequence[str],
    x: Axis,
    y: Axis,
    marks: Mapping[str, Mark],
    upright: Sequence[Datum] = (),
    level: Sequence[Datum] = (),
    intervals: Sequence[Datum] = (),
) -> Spec:
    """Return y over the steps of x, a line for each model and each of `lines`, which differ in their dashes.

    Rows have model, line, x, y, detail and size, an area in square pixels; `upright` has the upright rules, with x and
    label, and `level` those across, with y and label. `intervals` are bars from low to high, each with model and x.
    """
    spec: Spec = json.loads(_over_steps_kind())
    across, across_words, up, up_words, line, bars, points = spec["layer"]
    for layer in (up, up_words, line, bars, points):
        scale_encoding(layer["encoding"]["x"], x)
        layer["encoding"]["x"]["axis"]["values"] = sorted({row["x"] for row in rows})
    for layer in (across, across_words, line, bars, points):
        scale_encoding(layer["encoding"]["y"], y)
    for layer in (line, bars, points):
        colour_encoding(layer["encoding"], marks)
    line["encoding"]["strokeDash"]["scale"] = {
        "domain": list(lines),
        "range": [DASHES[place % len(DASHES)] for place in range(len(lines))],
    }
    points["encoding"]["tooltip"][2]["title"] = x.title
    points["encoding"]["tooltip"][3]["title"] = y.title
    spec["datasets"] = {
        "intervals": list(intervals),
        "level": list(level),
        "steps": list(rows),
        "upright": list(upright),
    }
    return spec


@cache
def _over_steps_kind() -> str:
    x = alt.X("x:Q", axis=alt.Axis(grid=False, format=",.6~r", labelOverlap="greedy"))
    along = {"axis": alt.Axis(tickCount=5, format=",~f")}
    y = alt.Y("y:Q", **along)
    across = drawn("level").mark_rule(strokeDash=[2, 3], strokeWidth=1.2, color=WARN).encode(y=y)
    across_words = (
        drawn("level")
        .mark_text(align="left", baseline="bottom", dx=4, dy=-2, color=WARN)
        .encode(x=alt.value(0), y=y, text="label:N")
    )
    up = dashed("upright").encode(x=x)
    up_words = (
        drawn("upright")
        .mark_text(align="right", baseline="top", dx=-5, color=SOFT)
        .encode(x=x, y=alt.value(2), text="label:N")
    )
    colour = alt.Color("model:N", legend=None)
    line = (
        drawn("steps")
        .mark_line(strokeWidth=2)
        .encode(x=x, y=y, color=colour, strokeDash=alt.StrokeDash("line:N", legend=None), detail="line:N")
    )
    bars = interval_bars("intervals").encode(x=x, y=alt.Y("low:Q", **along), y2="high:Q", color=colour)
    points = (
        drawn("steps")
        .mark_point(filled=True, opacity=1, stroke=SURFACE, strokeWidth=1)
        .encode(
            x=x,
            y=y,
            color=colour,
            shape=alt.Shape("model:N", legend=None),
            size=alt.Size("size:Q", scale=None, legend=None),
            tooltip=[
                alt.Tooltip("model:N", title="Model"),
                alt.Tooltip("line:N", title="Of"),
                alt.Tooltip("x:Q", format=",.4~r"),
                alt.Tooltip("y:Q", format=",.3~r"),
                alt.Tooltip("detail:N", title="Samples"),
            ],
        )
    )
    return finished(alt.layer(across, across_words, up, up_words, line, bars, points), height=240)


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
    rows: list[charts.Datum] = []
    bars: list[charts.Datum] = []
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
    upright: list[charts.Datum] = []
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
        if (value := one.value(line.metric_id)) is not None
    ]
    shown = [line for line in lines if sum(one is line for one, _, _ in known) > 1]
    known = [entry for entry in known if entry[0] in shown]
    if not known:
        return None
    unit = metric(lines[0].metric_id.partition(".")[0]).unit
    scale = form.scale(unit, [value for _, _, value in known])
    rows: list[charts.Datum] = []
    bars: list[charts.Datum] = []
    for line, one, value in known:
        interval = level_estimate(one, line.metric_id).interval
        row = _row(plain(name), line.label, one, value, scale, interval)
        rows.append(row)
        bars += _bars(row, interval, scale)
    values = [float(row["y"]) for row in rows]
    rules: list[charts.Datum] = []
    if limit_s is not None:
        limit = form.plotted(limit_s, scale)
        if limit <= 2 * max(values):
            rules = [{"y": limit, "label": f"limit {form.with_unit(limit_s, unit)}"}]
    sentence, caption = words
    told_apart = ", ".join(f"{dash}: {line.label}" for dash, line in zip(DASH_WORDS, shown, strict=False))
    x_title = "Streams at once" if levels[0].closed else "Requests asked for (1/s)"
    y = charts.axis(f"{axis_title} ({scale.unit})", [*values, *_ends(bars), *(float(rule["y"]) for rule in rules)])
    return Figure(
        id=figure_id,
        sentence=sentence,
        caption=f"{caption}. {told_apart}.{BARS if bars else ''}",
        spec=over_steps(
            rows,
            [line.label for line in shown],
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
) -> charts.Datum:
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


def _bars(row: charts.Datum, interval: Interval | None, scale: form.Scale) -> list[charts.Datum]:
    if interval is None:
        return []
    low, high = form.plotted(interval.low, scale), form.plotted(interval.high, scale)
    return [{"model": row["model"], "x": row["x"], "low": low, "high": high}]


def _ends(bars: Sequence[charts.Datum]) -> list[float]:
    return [float(bar[end]) for bar in bars for end in ("low", "high")]
