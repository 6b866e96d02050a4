"""The kinds of chart, each built once with Altair; a chart is a kind with data, units and colours swapped in.

Colours are CSS variables, so that light and dark need no second drawing.
"""

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import altair as alt

from bench.quality.grading import HIGHEST_SCORE, LOWEST_SCORE
from bench.report import format as form
from bench.report.palette import Mark

FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'

CONFIG: dict[str, Any] = {
    "background": None,
    "font": FONT,
    "view": {"stroke": None},
    "padding": {"left": 2, "right": 8, "top": 8, "bottom": 2},
    "axis": {
        "labelColor": "var(--bl-ink-soft)",
        "titleColor": "var(--bl-ink-soft)",
        "gridColor": "var(--bl-grid)",
        "domainColor": "var(--bl-axis)",
        "tickColor": "var(--bl-axis)",
        "labelFontSize": 11,
        "titleFontSize": 11.5,
        "titleFontWeight": 500,
        "titlePadding": 8,
        "labelPadding": 4,
        "tickSize": 4,
        "labelOverlap": True,
        "labelFlush": False,
    },
    "axisY": {"labelLimit": 220},
    "rule": {"color": "var(--bl-axis)"},
    "line": {"color": "var(--bl-axis)"},
    "text": {"color": "var(--bl-ink)", "fontSize": 11.5},
}
"""The Vega-Lite config of every chart."""

WIDTH = 720
"""Width of a static picture, in pixels; a drawn chart takes the width of its page."""

PHONE_WIDTH = 480
"""A chart narrower than this leaves out its direct labels: the legend above it has them."""


Spec = dict[str, Any]
Row = dict[str, str | float | int]
ScaleType = Literal["linear", "log"]

SIZE_RANGE = [70, 700]
"""Smallest and largest area of a mark, in square pixels."""

ONE_SIZE = 200
"""Area of every mark where there is nothing to tell them apart by."""

BAR_WIDTH = 1.5
BAR_OPACITY = 0.75
"""How the bar of an interval is drawn: thin, so that the value stays the first thing seen."""

LOG_FROM_RATIO = 12
"""From this ratio of the largest to the smallest value an axis is logarithmic."""


@dataclass(frozen=True)
class Axis:
    """An axis or tooltip entry: its title with the unit, and its range."""

    title: str
    low: float = 0.0
    high: float = 1.0
    type: ScaleType = "linear"


QUALITY = Axis(f"Quality ({form.SCALES['score'][0].unit})", LOWEST_SCORE - 0.2, HIGHEST_SCORE + 0.2)


def axis(title: str, values: Sequence[float], from_zero: bool = True) -> Axis:
    """Return an axis that holds the values with room at its ends; logarithmic where they span orders of magnitude."""
    low, high = min(values), max(values)
    if low > 0 and high / low >= LOG_FROM_RATIO:
        return Axis(title, low / 1.6, high * 1.6, "log")
    if from_zero and low >= 0:
        return Axis(title, 0.0, high * 1.14 or 1.0)
    room = (high - low) * 0.15 or abs(high) * 0.1 or 1.0
    return Axis(title, low - room, high + room)


def position(value: float, along: Axis) -> float:
    """Return where a value lies on an axis, as a share of its length."""
    if along.type == "log":
        return math.log(value / along.low) / math.log(along.high / along.low)
    return (value - along.low) / (along.high - along.low)


def trade_off(
    rows: Sequence[Row],
    front: Sequence[Row],
    x: Axis,
    size: Axis,
    marks: Mapping[str, Mark],
    across: Sequence[Row] = (),
    upright: Sequence[Row] = (),
) -> Spec:
    """Return quality against something else, one mark a model, and the front as a dashed line.

    Rows have model, x, quality, size, memory, label, align, dx and dy, and x_interval and quality_interval in words;
    those of the front x and quality. `across` has the intervals of x as model, quality, low and high, and `upright`
    those of quality as model, x, low and high.
    """
    spec = copy.deepcopy(_trade_off_kind())
    _, bars, upright_bars, points, *_ = spec["layer"]
    for layer in spec["layer"]:
        scale_encoding(layer["encoding"]["x"], x)
    for layer in (bars, upright_bars, points):
        colour_encoding(layer["encoding"], marks)
    points["encoding"]["size"]["scale"] = {
        "domain": [size.low, size.high],
        "range": SIZE_RANGE if size.high > size.low else [ONE_SIZE, ONE_SIZE],
    }
    points["encoding"]["tooltip"][3]["title"] = x.title
    spec["datasets"] = {"across": list(across), "front": list(front), "models": list(rows), "upright": list(upright)}
    return spec


def history(
    rows: Sequence[Row],
    y: Axis,
    mark: Mark,
    with_points: bool,
    shifts: Sequence[Row] = (),
    levels: Sequence[Row] = (),
) -> Spec:
    """Return one metric of one model over its runs. Rows have date, value, run and machine.

    `machine` is steady, unsteady or unknown. A run on an unsteady machine is a hollow point, and marked however many
    runs there are. `shifts` have date, status, change and suspects, and stand as upright lines with a mark on top,
    hollow and dashed where suspected; `levels` have date, until and value, and stand as steps.
    """
    spec = copy.deepcopy(_history_kind())
    line, points, steps, *upright = spec["layer"]
    spec["layer"] = [line, points, *([steps] if levels else []), *(upright if shifts else [])]
    for layer in (line, points, steps):
        scale_encoding(layer["encoding"]["y"], y)
    line["encoding"]["color"] = {"value": mark.colour}
    points["encoding"] |= {
        "fill": _unsteady("var(--bl-surface)", mark.colour),
        "stroke": _unsteady(mark.colour, "var(--bl-surface)"),
        "strokeWidth": _unsteady(2, 1),
        "opacity": _unsteady(1, 1 if with_points else 0),
    }
    points["encoding"]["tooltip"][1]["title"] = y.title
    spec["datasets"] = {"runs": list(rows)}
    spec["datasets"] |= {name: list(some) for name, some in (("levels", levels), ("shifts", shifts)) if some}
    return spec


def scale_encoding(encoding: dict[str, Any], along: Axis) -> None:
    """Give the encoding of a position its axis: title, range, and where lines are drawn."""
    encoding["title"] = along.title
    encoding["scale"] = {"type": along.type, "domain": [along.low, along.high], "nice": False}
    if along.type == "log":
        # Vega draws a line for each of 1 to 9 in every decade: 1, 2 and 5 are enough.
        encoding["axis"]["values"] = _ticks(along)


def _unsteady(then: str | int, otherwise: str | int) -> dict[str, Any]:
    return {"condition": {"test": "datum.machine === 'unsteady'", "value": then}, "value": otherwise}


def _if_suspected(then: str | list[int], otherwise: str | list[int]) -> Any:
    return alt.condition("datum.status === 'suspected'", alt.value(then), alt.value(otherwise))


def _ticks(along: Axis) -> list[float]:
    decades = range(math.floor(math.log10(along.low)), math.ceil(math.log10(along.high)) + 1)
    steps = (1, 2, 5) if along.high / along.low < 300 else (1,)
    values = [float(f"{step}e{decade}") for decade in decades for step in steps]
    return [value for value in values if along.low <= value <= along.high]


def colour_encoding(encoding: dict[str, Any], marks: Mapping[str, Mark]) -> None:
    """Give each model of an encoding its colour, and its shape where the encoding has shapes."""
    names = list(marks)
    encoding["color"]["scale"] = {"domain": names, "range": [marks[name].colour for name in names]}
    if "shape" in encoding:
        encoding["shape"]["scale"] = {"domain": names, "range": [marks[name].shape for name in names]}


@cache
def _trade_off_kind() -> Spec:
    along = {"axis": alt.Axis(tickCount=6, grid=True, format=",~f")}
    up: Spec = {
        "scale": alt.Scale(domain=[QUALITY.low, QUALITY.high], nice=False),
        "axis": alt.Axis(values=[1, 2, 3, 4, 5], format="d"),
        "title": QUALITY.title,
    }
    x, y = alt.X("x:Q", **along), alt.Y("quality:Q", **up)
    line = (
        alt.Chart(alt.NamedData("front"))
        .mark_line(strokeDash=[5, 4], strokeWidth=1.5, color="var(--bl-ink-soft)", opacity=0.8)
        .encode(x=x, y=y)
    )
    colour = alt.Color("model:N", legend=None)
    bar = {"strokeWidth": BAR_WIDTH, "opacity": BAR_OPACITY}
    across = (
        alt.Chart(alt.NamedData("across"))
        .mark_rule(**bar)
        .encode(x=alt.X("low:Q", **along), x2="high:Q", y=y, color=colour)
    )
    upright = (
        alt.Chart(alt.NamedData("upright"))
        .mark_rule(**bar)
        .encode(x=x, y=alt.Y("low:Q", **up), y2="high:Q", color=colour)
    )
    points = (
        alt.Chart(alt.NamedData("models"))
        .mark_point(filled=True, opacity=0.9, stroke="var(--bl-surface)", strokeWidth=1)
        .encode(
            x=x,
            y=y,
            color=colour,
            shape=alt.Shape("model:N", legend=None),
            size=alt.Size("size:Q", legend=None),
            tooltip=[
                alt.Tooltip("model:N", title="Model"),
                alt.Tooltip("quality:Q", title=QUALITY.title, format=".1f"),
                alt.Tooltip("quality_interval:N", title="its interval"),
                alt.Tooltip("x:Q", format=",.3~r"),
                alt.Tooltip("x_interval:N", title="its interval"),
                alt.Tooltip("memory:N", title="Peak memory"),
            ],
        )
    )
    # Each label twice: the lower one is a halo that keeps lines and grid away from the letters.
    labels = [
        alt.Chart(alt.NamedData("models"))
        .mark_text(
            baseline="middle",
            align=alt.ExprRef("datum.align"),
            dx=alt.ExprRef("datum.dx"),
            dy=alt.ExprRef("datum.dy"),
            opacity=alt.ExprRef(f"width < {PHONE_WIDTH} ? 0 : 1"),
            **halo,
        )
        .encode(x=x, y=y, text="label:N")
        for halo in ({"stroke": "var(--bl-surface)", "strokeWidth": 4, "strokeJoin": "round"}, {})
    ]
    return finished(alt.layer(line, across, upright, points, *labels), height=300)


@cache
def _history_kind() -> Spec:
    x = alt.X("date:T", title=None, axis=alt.Axis(tickCount=5, grid=False))
    y = alt.Y("value:Q", axis=alt.Axis(tickCount=4, format=",~f"))
    line = alt.Chart(alt.NamedData("runs")).mark_line(strokeWidth=1.8).encode(x=x, y=y)
    points = (
        alt.Chart(alt.NamedData("runs"))
        .mark_point(filled=True, size=42)
        .encode(
            x=x,
            y=y,
            tooltip=[
                alt.Tooltip("date:T", title="Run", format="%Y-%m-%d %H:%M"),
                alt.Tooltip("value:Q", format=",.3~r"),
                alt.Tooltip("run:N", title="Commit"),
                alt.Tooltip("machine:N", title="Machine"),
            ],
        )
    )
    steps = (
        alt.Chart(alt.NamedData("levels"))
        .mark_rule(strokeWidth=2, strokeCap="butt", color="var(--bl-ink)", opacity=0.75)
        .encode(x=x, x2="until:T", y=y)
    )
    tooltip = [
        alt.Tooltip("date:T", title="Since", format="%Y-%m-%d %H:%M"),
        alt.Tooltip("change:N", title="Change"),
        alt.Tooltip("status:N", title="It is"),
        alt.Tooltip("suspects:N", title="Noted"),
    ]
    uprights = (
        alt.Chart(alt.NamedData("shifts"))
        .mark_rule(strokeWidth=1.5, color="var(--bl-ink-soft)")
        .encode(x=x, strokeDash=_if_suspected([3, 3], [1, 0]), tooltip=tooltip)
    )
    tops = (
        alt.Chart(alt.NamedData("shifts"))
        .mark_point(filled=True, shape="diamond", size=90, stroke="var(--bl-ink)", strokeWidth=1.5, opacity=1)
        .encode(
            x=x,
            y=alt.value(0),
            fill=_if_suspected("var(--bl-surface)", "var(--bl-ink)"),
            tooltip=tooltip,
        )
    )
    return finished(alt.layer(line, points, steps, uprights, tops), height=180)


def finished(chart: alt.LayerChart, height: int) -> Spec:
    """Return a kind of chart as a specification that takes the width of its page."""
    spec: Spec = chart.to_dict()
    spec["config"] = CONFIG
    spec["width"] = "container"
    spec["height"] = height
    spec["autosize"] = {"type": "fit", "contains": "padding"}
    return spec
