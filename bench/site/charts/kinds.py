"""The kinds of chart, each built once with Altair; a chart is a kind with data, units and colours swapped in.

Colours are CSS variables, so that light and dark need no second drawing.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import altair as alt

from bench.quality.grading import HIGHEST_SCORE, LOWEST_SCORE
from bench.report import format as form
from bench.report.palette import Mark
from bench.schema.review import SCORES

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

FRAME: dict[str, Any] = {
    "config": CONFIG,
    "width": "container",
    "autosize": {"type": "fit", "contains": "padding"},
}
"""What the specification of every chart has."""

WIDTH = 720
"""Width of a static picture, in pixels; a drawn chart takes the width of its page."""

PHONE_WIDTH = 480
"""A chart narrower than this leaves out its direct labels: the legend above it has them."""


Spec = dict[str, Any]
Datum = dict[str, str | float | int]
ScaleType = Literal["linear", "log"]

SIZE_RANGE = [70, 700]
"""Smallest and largest area of a mark, in square pixels."""

ONE_SIZE = 200
"""Area of every mark where there is nothing to tell them apart by."""

BAR_WIDTH = 1.5
BAR_OPACITY = 0.75
"""How the bar of an interval is drawn: thin, so that the value stays the first thing seen."""

SOFT = "var(--bl-ink-soft)"
WARN = "var(--bl-warn)"
SURFACE = "var(--bl-surface)"

HALO: dict[str, Any] = {"stroke": SURFACE, "strokeWidth": 4, "strokeJoin": "round"}
"""How words are drawn below themselves, which keeps lines and grid away from the letters."""

LOG_FROM_RATIO = 12
"""From this ratio of the largest to the smallest value an axis is logarithmic."""


@dataclass(frozen=True)
class Axis:
    """An axis or tooltip entry: its title with the unit, its range, and where its lines are if that is given."""

    title: str
    low: float = 0.0
    high: float = 1.0
    type: ScaleType = "linear"
    ticks: tuple[float, ...] = ()


QUALITY = Axis(
    f"Quality ({form.SCALES['score'][0].unit})", LOWEST_SCORE - 0.2, HIGHEST_SCORE + 0.2, ticks=tuple(SCORES)
)


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
    rows: Sequence[Datum],
    front: Sequence[Datum],
    x: Axis,
    size: Axis,
    marks: Mapping[str, Mark],
    across: Sequence[Datum] = (),
    upright: Sequence[Datum] = (),
) -> Spec:
    """Return quality against something else, one mark a model, and the front as a dashed line.

    Rows have model, x, quality, size, memory, label, align, dx and dy, and x_interval and quality_interval in words;
    those of the front x and quality. `across` has the intervals of x as model, quality, low and high, and `upright`
    those of quality as model, x, low and high.
    """
    spec: Spec = json.loads(_trade_off_kind())
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
    rows: Sequence[Datum],
    y: Axis,
    mark: Mark,
    with_points: bool = True,
    joined: bool = True,
    shifts: Sequence[Datum] = (),
    levels: Sequence[Datum] = (),
    intervals: Sequence[Datum] = (),
    numbers: Axis | None = None,
    bands: Sequence[Datum] = (),
    rules: Sequence[Datum] = (),
    notes: Sequence[Datum] = (),
) -> Spec:
    """Return one value of one model over its runs: by their dates, or by their numbers along the axis `numbers`.

    Rows have date or number, value and what a tooltip names: run (a commit), machine (steady, unsteady or unknown),
    interval, in words, and label, which is drawn beside the point. A run on an unsteady machine is a hollow point, and
    marked however many runs there are. A line joins the runs where they are `joined`.

    `shifts` have date, status, change and suspects, and stand as upright lines with a mark on top, hollow and dashed
    where suspected; `levels` have date or number, until and value, and stand as steps; `intervals` have date or number,
    low and high; `bands` number, until, low and high; `rules` value, and go across; `notes` number, label, align and
    dx, and go upright.
    """
    spec: Spec = json.loads(_history_kind(numbers is not None))
    datasets: dict[str, Sequence[Datum]] = {"bands": bands, "rules": rules, "notes": notes, "intervals": intervals}
    datasets |= {"runs": rows, "levels": levels, "shifts": shifts}
    line, points, *labels = [layer for layer in spec["layer"] if layer["data"]["name"] == "runs"]
    left_out = [*([] if joined else [line]), *([] if any("label" in row for row in rows) else labels)]
    # Vega warns of a layer without data.
    spec["layer"] = [
        layer
        for layer in spec["layer"]
        if layer not in left_out and (layer["data"]["name"] == "runs" or datasets[layer["data"]["name"]])
    ]
    for layer in spec["layer"]:
        encoding = layer["encoding"]
        if "field" in encoding.get("y", {}):
            scale_encoding(encoding["y"], y)
        if numbers is not None and "x" in encoding:
            scale_encoding(encoding["x"], numbers)
        if layer is line or layer["data"]["name"] == "intervals":
            encoding["color"] = {"value": mark.colour}
    points["encoding"] |= {
        "fill": _unsteady(SURFACE, mark.colour),
        "stroke": _unsteady(mark.colour, SURFACE),
        "strokeWidth": _unsteady(2, 1),
        "opacity": _unsteady(1, 1 if with_points else 0),
    }
    points["encoding"]["tooltip"][1]["title"] = y.title
    if rows:
        points["encoding"]["tooltip"] = [entry for entry in points["encoding"]["tooltip"] if entry["field"] in rows[0]]
    spec["datasets"] = {name: list(some) for name, some in datasets.items() if some or name == "runs"}
    return spec


def blocks(rows: Sequence[Datum], x: Axis, y: Axis, marks: Mapping[str, Mark]) -> Spec:
    """Return the blocks of two sides in the order in which they were measured, the two of a pair joined by a line.

    Rows have block, value, side and pair.
    """
    spec: Spec = json.loads(_blocks_kind())
    _, points = spec["layer"]
    for layer in spec["layer"]:
        scale_encoding(layer["encoding"]["x"], x)
        scale_encoding(layer["encoding"]["y"], y)
    colour_encoding(points["encoding"], marks)
    points["encoding"]["tooltip"][2]["title"] = y.title
    spec["datasets"] = {"blocks": list(rows)}
    return spec


def scale_encoding(encoding: dict[str, Any], along: Axis) -> None:
    """Give the encoding of a position its axis: title, range, and where lines are drawn."""
    encoding["title"] = along.title
    encoding["scale"] = {"type": along.type, "domain": [along.low, along.high], "nice": False}
    if along.ticks:
        # With a count beside them Vega would leave out some.
        encoding["axis"] = {"values": list(along.ticks), "format": "d"}
    elif along.type == "log":
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
def _trade_off_kind() -> str:
    along = {"axis": alt.Axis(tickCount=6, grid=True, format=",~f")}
    up: Spec = {
        "scale": alt.Scale(domain=[QUALITY.low, QUALITY.high], nice=False),
        "axis": alt.Axis(values=[1, 2, 3, 4, 5], format="d"),
        "title": QUALITY.title,
    }
    x, y = alt.X("x:Q", **along), alt.Y("quality:Q", **up)
    line = drawn("front").mark_line(strokeDash=[5, 4], strokeWidth=1.5, color=SOFT, opacity=0.8).encode(x=x, y=y)
    colour = alt.Color("model:N", legend=None)
    across = interval_bars("across").encode(x=alt.X("low:Q", **along), x2="high:Q", y=y, color=colour)
    upright = interval_bars("upright").encode(x=x, y=alt.Y("low:Q", **up), y2="high:Q", color=colour)
    points = (
        drawn("models")
        .mark_point(filled=True, opacity=0.9, stroke=SURFACE, strokeWidth=1)
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
    labels = [
        drawn("models")
        .mark_text(
            baseline="middle",
            align=alt.ExprRef("datum.align"),
            dx=alt.ExprRef("datum.dx"),
            dy=alt.ExprRef("datum.dy"),
            opacity=alt.ExprRef(f"width < {PHONE_WIDTH} ? 0 : 1"),
            **halo,
        )
        .encode(x=x, y=y, text="label:N")
        for halo in (HALO, {})
    ]
    return finished(alt.layer(line, across, upright, points, *labels), height=300)


@cache
def _history_kind(numbered: bool) -> str:
    place, until = ("number:Q", "until:Q") if numbered else ("date:T", "until:T")
    x = alt.X(place, axis=_counted()) if numbered else alt.X(place, title=None, axis=alt.Axis(tickCount=5, grid=False))
    up = {"axis": alt.Axis(tickCount=5 if numbered else 4, format=",~f")}
    y = alt.Y("value:Q", **up)
    bands = drawn("bands").mark_rect(color="var(--bl-axis)", opacity=0.22)
    bands = bands.encode(x=x, x2=until, y=alt.Y("low:Q", **up), y2="high:Q")
    rules = dashed("rules").encode(y=y)
    notes = dashed("notes").encode(x=x)
    note_words = drawn("notes").mark_text(
        align=alt.ExprRef("datum.align"), baseline="top", dx=alt.ExprRef("datum.dx"), color=SOFT
    )
    note_words = note_words.encode(x=x, y=alt.value(1), text="label:N")
    bars = interval_bars("intervals").encode(x=x, y=alt.Y("low:Q", **up), y2="high:Q")
    line = drawn("runs").mark_line(strokeWidth=1.8).encode(x=x, y=y)
    points = drawn("runs").mark_point(filled=True, size=42)
    points = points.encode(
        x=x,
        y=y,
        tooltip=[
            alt.Tooltip(place, title="Run", **({} if numbered else {"format": "%Y-%m-%d %H:%M"})),
            alt.Tooltip("value:Q", format=",.3~r"),
            alt.Tooltip("interval:N", title="its interval"),
            alt.Tooltip("run:N", title="Commit"),
            alt.Tooltip("machine:N", title="Machine"),
            alt.Tooltip("label:N", title="against the run before"),
        ],
    )
    steps = drawn("levels").mark_rule(strokeWidth=2, strokeCap="butt", color="var(--bl-ink)", opacity=0.75)
    steps = steps.encode(x=x, x2=until, y=y)
    tooltip = [
        alt.Tooltip(place, title="Since", **({} if numbered else {"format": "%Y-%m-%d %H:%M"})),
        alt.Tooltip("change:N", title="Change"),
        alt.Tooltip("status:N", title="It is"),
        alt.Tooltip("suspects:N", title="Noted"),
    ]
    uprights = drawn("shifts").mark_rule(strokeWidth=1.5, color=SOFT)
    uprights = uprights.encode(x=x, strokeDash=_if_suspected([3, 3], [1, 0]), tooltip=tooltip)
    tops = drawn("shifts").mark_point(
        filled=True, shape="diamond", size=90, stroke="var(--bl-ink)", strokeWidth=1.5, opacity=1
    )
    tops = tops.encode(x=x, y=alt.value(0), fill=_if_suspected(SURFACE, "var(--bl-ink)"), tooltip=tooltip)
    labels = [
        drawn("runs").mark_text(align="left", dx=7, dy=-9, fontWeight=600, **style).encode(x=x, y=y, text="label:N")
        for style in ({"color": SURFACE} | HALO, {"color": WARN})
    ]
    layers = (bands, rules, notes, note_words, bars, line, points, steps, uprights, tops, *labels)
    return finished(alt.layer(*layers), height=240 if numbered else 180)


@cache
def _blocks_kind() -> str:
    x = alt.X("block:Q", axis=_counted())
    y = alt.Y("value:Q", axis=alt.Axis(tickCount=5, format=",~f"))
    pairs = drawn("blocks").mark_line(strokeWidth=1.2, color=SOFT, opacity=0.8).encode(x=x, y=y, detail="pair:N")
    points = drawn("blocks").mark_point(filled=True, size=70, opacity=1, stroke=SURFACE, strokeWidth=1)
    points = points.encode(
        x=x,
        y=y,
        color=alt.Color("side:N", legend=None),
        shape=alt.Shape("side:N", legend=None),
        tooltip=[
            alt.Tooltip("side:N", title="Side"),
            alt.Tooltip("block:Q", title="Block"),
            alt.Tooltip("value:Q", format=",.3~r"),
            alt.Tooltip("pair:N", title="Pair"),
        ],
    )
    return finished(alt.layer(pairs, points), height=240)


def _counted() -> alt.Axis:
    """Return the axis of things that are counted."""
    return alt.Axis(grid=False, format="d", tickMinStep=1, labelOverlap="greedy")


def drawn(dataset: str) -> alt.Chart:
    """Return a layer that draws a dataset, before it has a mark."""
    return alt.Chart(alt.NamedData(dataset))


def interval_bars(dataset: str) -> alt.Chart:
    """Return the layer of intervals, from low to high."""
    return drawn(dataset).mark_rule(strokeWidth=BAR_WIDTH, opacity=BAR_OPACITY)


def dashed(dataset: str) -> alt.Chart:
    """Return a layer of dashed rules to compare values with."""
    return drawn(dataset).mark_rule(strokeDash=[5, 4], strokeWidth=1.4, color=SOFT)


def finished(chart: alt.LayerChart, height: int) -> str:
    """Return a kind of chart as a specification that takes the width of its page, in JSON."""
    # Its parts were validated when they were made: once more takes most of the time.
    spec: Spec = chart.to_dict(validate=False)
    return json.dumps(spec | FRAME | {"height": height})
