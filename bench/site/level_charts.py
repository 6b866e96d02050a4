"""The kind of chart that shows how a speed or a latency moves with load, or with a length: lines over steps."""

import copy
from collections.abc import Mapping, Sequence
from functools import cache

import altair as alt

from bench.site.charts import BAR_OPACITY, BAR_WIDTH, Axis, Row, Spec, colour_encoding, finished, scale_encoding
from bench.site.palette import Mark

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
    rows: Sequence[Row],
    lines: Sequence[str],
    x: Axis,
    y: Axis,
    marks: Mapping[str, Mark],
    upright: Sequence[Row] = (),
    level: Sequence[Row] = (),
    intervals: Sequence[Row] = (),
) -> Spec:
    """Return y over the steps of x, a line for each model and each of `lines`, which differ in their dashes.

    Rows have model, line, x, y, detail and size, an area in square pixels; `upright` has the upright rules, with x and
    label, and `level` those across, with y and label. `intervals` are bars from low to high, each with model and x.
    """
    spec = copy.deepcopy(_over_steps_kind())
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
def _over_steps_kind() -> Spec:
    x = alt.X("x:Q", axis=alt.Axis(grid=False, format=",.6~r", labelOverlap="greedy"))
    along = {"axis": alt.Axis(tickCount=5, format=",~f")}
    y = alt.Y("y:Q", **along)
    across = (
        alt.Chart(alt.NamedData("level"))
        .mark_rule(strokeDash=[2, 3], strokeWidth=1.2, color="var(--bl-warn)")
        .encode(y=y)
    )
    across_words = (
        alt.Chart(alt.NamedData("level"))
        .mark_text(align="left", baseline="bottom", dx=4, dy=-2, color="var(--bl-warn)")
        .encode(x=alt.value(0), y=y, text="label:N")
    )
    up = (
        alt.Chart(alt.NamedData("upright"))
        .mark_rule(strokeDash=[5, 4], strokeWidth=1.4, color="var(--bl-ink-soft)")
        .encode(x=x)
    )
    up_words = (
        alt.Chart(alt.NamedData("upright"))
        .mark_text(align="right", baseline="top", dx=-5, color="var(--bl-ink-soft)")
        .encode(x=x, y=alt.value(2), text="label:N")
    )
    colour = alt.Color("model:N", legend=None)
    line = (
        alt.Chart(alt.NamedData("steps"))
        .mark_line(strokeWidth=2)
        .encode(x=x, y=y, color=colour, strokeDash=alt.StrokeDash("line:N", legend=None), detail="line:N")
    )
    bars = (
        alt.Chart(alt.NamedData("intervals"))
        .mark_rule(strokeWidth=BAR_WIDTH, opacity=BAR_OPACITY)
        .encode(x=x, y=alt.Y("low:Q", **along), y2="high:Q", color=colour)
    )
    points = (
        alt.Chart(alt.NamedData("steps"))
        .mark_point(filled=True, opacity=1, stroke="var(--bl-surface)", strokeWidth=1)
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
