"""The kinds of chart on the page that explains verdicts."""

import copy
from collections.abc import Mapping, Sequence
from functools import cache

import altair as alt

from bench.report.palette import Mark
from bench.site.charts.kinds import BAR_WIDTH, Axis, Row, Spec, colour_encoding, finished, scale_encoding
from bench.site.charts.strips import ROW_HEIGHT

SOFT = "var(--bl-ink-soft)"
WARN = "var(--bl-warn)"
SURFACE = "var(--bl-surface)"


def one_run(
    samples: Sequence[Row], intervals: Sequence[Row], truth: Row, order: Sequence[str], x: Axis, mark: Mark
) -> Spec:
    """Return samples along x, a row for each prompt, and below them rows with an interval of the median of all.

    Samples have category, x and detail; intervals category, x, low, high and interval, in words; truth x and label.
    """
    spec = copy.deepcopy(_one_run_kind())
    _, _, dots, bars, ticks = spec["layer"]
    for layer in spec["layer"]:
        scale_encoding(layer["encoding"]["x"], x)
    for layer in (dots, bars, ticks):
        layer["encoding"]["y"]["scale"] = {"domain": list(order)}
        layer["encoding"]["color"] = {"value": mark.colour}
    dots["encoding"]["tooltip"][1]["title"] = x.title
    ticks["encoding"]["tooltip"][1]["title"] = f"median, {x.title}"
    spec["height"] = ROW_HEIGHT * len(order) + 56
    spec["datasets"] = {"intervals": list(intervals), "samples": list(samples), "truth": [truth]}
    return spec


def runs_again(rows: Sequence[Row], truth: float, x: Axis, y: Axis, mark: Mark) -> Spec:
    """Return the medians of runs with their intervals; those that a rule with a fixed ratio cries at stand out.

    Rows have run, value, low, high, interval and label, which is empty where nothing is cried.
    """
    spec = copy.deepcopy(_runs_again_kind())
    _, line, bars, points, *words = spec["layer"]
    for layer in (line, bars, points, *words):
        scale_encoding(layer["encoding"]["x"], x)
    for layer in spec["layer"]:
        scale_encoding(layer["encoding"]["y"], y)
    line["encoding"]["color"] = {"value": mark.colour}
    for layer in (bars, points):
        layer["encoding"]["color"] = {
            "condition": {"test": "datum.label !== ''", "value": WARN},
            "value": mark.colour,
        }
    points["encoding"]["tooltip"][1]["title"] = y.title
    spec["datasets"] = {"runs": list(rows), "truth": [{"value": truth}]}
    return spec


def history(
    rows: Sequence[Row], levels: Sequence[Row], floor: Sequence[Row], said: Sequence[Row], x: Axis, y: Axis, mark: Mark
) -> Spec:
    """Return the medians of runs, the levels found in them, the band of the floor, and when what was said.

    Rows have run, value and machine, steady or unsteady; levels first, last and value; the floor first, last, low and
    high; said run, label, align and dx.
    """
    spec = copy.deepcopy(_history_kind())
    band, _, _, steps, points = spec["layer"]
    for layer in spec["layer"]:
        scale_encoding(layer["encoding"]["x"], x)
    for layer in (band, steps, points):
        scale_encoding(layer["encoding"]["y"], y)
    steps["encoding"]["color"] = {"value": mark.colour}
    unsteady = {"test": "datum.machine === 'unsteady'"}
    points["encoding"] |= {
        "fill": {"condition": unsteady | {"value": SURFACE}, "value": mark.colour},
        "stroke": {"condition": unsteady | {"value": mark.colour}, "value": SURFACE},
        "strokeWidth": {"condition": unsteady | {"value": 2}, "value": 1},
    }
    points["encoding"]["tooltip"][1]["title"] = y.title
    spec["datasets"] = {"floor": list(floor), "levels": list(levels), "runs": list(rows), "said": list(said)}
    return spec


def turns(rows: Sequence[Row], x: Axis, y: Axis, marks: Mapping[str, Mark]) -> Spec:
    """Return the blocks of two sides in the order in which they were measured, the two of a pair joined by a line.

    Rows have block, value, side and pair.
    """
    spec = copy.deepcopy(_turns_kind())
    _, points = spec["layer"]
    for layer in spec["layer"]:
        scale_encoding(layer["encoding"]["x"], x)
        scale_encoding(layer["encoding"]["y"], y)
    colour_encoding(points["encoding"], marks)
    points["encoding"]["tooltip"][2]["title"] = y.title
    spec["datasets"] = {"blocks": list(rows)}
    return spec


@cache
def _one_run_kind() -> Spec:
    along = {"axis": alt.Axis(tickCount=6, format=",~f")}
    x = alt.X("x:Q", **along)
    y = alt.Y("category:N", title=None, axis=alt.Axis(grid=True, ticks=False, domain=False, labelOverlap=False))
    rule = alt.Chart(alt.NamedData("truth")).mark_rule(strokeDash=[5, 4], strokeWidth=1.4, color=SOFT).encode(x=x)
    words = (
        alt.Chart(alt.NamedData("truth"))
        .mark_text(align="left", baseline="top", dx=5, color=SOFT)
        .encode(x=x, y=alt.value(1), text="label:N")
    )
    dots = (
        alt.Chart(alt.NamedData("samples"))
        .mark_point(filled=True, size=34, opacity=0.5)
        .encode(
            x=x,
            y=y,
            tooltip=[
                alt.Tooltip("category:N", title="Prompt"),
                alt.Tooltip("x:Q", format=",.3~r"),
                alt.Tooltip("detail:N", title="Sample"),
            ],
        )
    )
    bars = (
        alt.Chart(alt.NamedData("intervals"))
        .mark_rule(strokeWidth=3, opacity=0.75)
        .encode(x=alt.X("low:Q", **along), x2="high:Q", y=y)
    )
    ticks = (
        alt.Chart(alt.NamedData("intervals"))
        .mark_tick(thickness=2.5, size=18, opacity=1)
        .encode(
            x=x,
            y=y,
            tooltip=[
                alt.Tooltip("category:N", title="Of"),
                alt.Tooltip("x:Q", format=",.3~r"),
                alt.Tooltip("interval:N", title="its interval"),
            ],
        )
    )
    return finished(alt.layer(rule, words, dots, bars, ticks), height=120)


@cache
def _runs_again_kind() -> Spec:
    x = alt.X("run:Q", axis=_whole())
    up = {"axis": alt.Axis(tickCount=5, format=",~f")}
    y = alt.Y("value:Q", **up)
    runs = alt.Chart(alt.NamedData("runs"))
    level = alt.Chart(alt.NamedData("truth")).mark_rule(strokeDash=[5, 4], strokeWidth=1.4, color=SOFT).encode(y=y)
    line = runs.mark_line(strokeWidth=1, opacity=0.5).encode(x=x, y=y)
    bars = runs.mark_rule(strokeWidth=BAR_WIDTH, opacity=0.75).encode(x=x, y=alt.Y("low:Q", **up), y2="high:Q")
    points = runs.mark_point(filled=True, size=60, opacity=1).encode(
        x=x,
        y=y,
        tooltip=[
            alt.Tooltip("run:Q", title="Run"),
            alt.Tooltip("value:Q", format=",.3~r"),
            alt.Tooltip("interval:N", title="its interval"),
            alt.Tooltip("label:N", title="against the run before"),
        ],
    )
    words = [
        runs.mark_text(align="left", dx=7, dy=-9, fontWeight=600, **style).encode(x=x, y=y, text="label:N")
        # The lower one is a halo that keeps lines away from the letters.
        for style in ({"color": SURFACE, "stroke": SURFACE, "strokeWidth": 4, "strokeJoin": "round"}, {"color": WARN})
    ]
    return finished(alt.layer(level, line, bars, points, *words), height=240)


@cache
def _history_kind() -> Spec:
    axis = _whole()
    across = alt.X("first:Q", axis=axis)
    up = {"axis": alt.Axis(tickCount=5, format=",~f")}
    band = (
        alt.Chart(alt.NamedData("floor"))
        .mark_rect(color="var(--bl-axis)", opacity=0.22)
        .encode(x=across, x2="last:Q", y=alt.Y("low:Q", **up), y2="high:Q")
    )
    upright = (
        alt.Chart(alt.NamedData("said"))
        .mark_rule(strokeDash=[5, 4], strokeWidth=1.2, color=SOFT)
        .encode(x=alt.X("run:Q", axis=axis))
    )
    words = (
        alt.Chart(alt.NamedData("said"))
        .mark_text(align=alt.ExprRef("datum.align"), baseline="top", dx=alt.ExprRef("datum.dx"), color=SOFT)
        .encode(x=alt.X("run:Q", axis=axis), y=alt.value(1), text="label:N")
    )
    steps = (
        alt.Chart(alt.NamedData("levels"))
        .mark_rule(strokeWidth=2, opacity=0.8)
        .encode(x=across, x2="last:Q", y=alt.Y("value:Q", **up))
    )
    points = (
        alt.Chart(alt.NamedData("runs"))
        .mark_point(filled=True, size=60, opacity=1)
        .encode(
            x=alt.X("run:Q", axis=axis),
            y=alt.Y("value:Q", **up),
            tooltip=[
                alt.Tooltip("run:Q", title="Run"),
                alt.Tooltip("value:Q", format=",.3~r"),
                alt.Tooltip("machine:N", title="Machine"),
            ],
        )
    )
    return finished(alt.layer(band, upright, words, steps, points), height=280)


@cache
def _turns_kind() -> Spec:
    x = alt.X("block:Q", axis=_whole())
    y = alt.Y("value:Q", axis=alt.Axis(tickCount=5, format=",~f"))
    pairs = (
        alt.Chart(alt.NamedData("blocks"))
        .mark_line(strokeWidth=1.2, color=SOFT, opacity=0.8)
        .encode(x=x, y=y, detail="pair:N")
    )
    points = (
        alt.Chart(alt.NamedData("blocks"))
        .mark_point(filled=True, size=70, opacity=1, stroke=SURFACE, strokeWidth=1)
        .encode(
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
    )
    return finished(alt.layer(pairs, points), height=240)


def _whole() -> alt.Axis:
    """Return the axis of things that are counted."""
    return alt.Axis(grid=False, format="d", tickMinStep=1, labelOverlap="greedy")
