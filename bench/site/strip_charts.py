"""The kind of chart that shows every sample: a row for each prompt or model, with its median and its interval."""

import copy
from collections.abc import Mapping, Sequence
from functools import cache

import altair as alt

from bench.site.charts import BAR_OPACITY, BAR_WIDTH, Axis, Row, Spec, colour_encoding, finished, scale_encoding
from bench.site.palette import Mark

ROW_HEIGHT = 26


def strips(
    rows: Sequence[Row],
    medians: Sequence[Row],
    order: Sequence[str],
    x: Axis,
    marks: Mapping[str, Mark],
    intervals: Sequence[Row] = (),
) -> Spec:
    """Return every sample as a mark along x, a row for each category, the medians as ticks and their intervals as bars.

    Rows have category, model, x and detail; medians category, model, x and interval, in words; intervals category,
    model, low and high.
    """
    spec = copy.deepcopy(_strips_kind())
    samples, bars, ticks = spec["layer"]
    for layer in (samples, bars, ticks):
        scale_encoding(layer["encoding"]["x"], x)
        layer["encoding"]["y"]["scale"] = {"domain": list(order)}
        colour_encoding(layer["encoding"], marks)
    samples["encoding"]["tooltip"][1]["title"] = x.title
    ticks["encoding"]["tooltip"][1]["title"] = f"median, {x.title}"
    spec["height"] = ROW_HEIGHT * len(order) + 56
    spec["datasets"] = {"intervals": list(intervals), "medians": list(medians), "samples": list(rows)}
    return spec


@cache
def _strips_kind() -> Spec:
    along = {"axis": alt.Axis(tickCount=6, format=",~f")}
    x = alt.X("x:Q", **along)
    y = alt.Y("category:N", title=None, axis=alt.Axis(grid=True, ticks=False, domain=False, labelOverlap=False))
    colour = alt.Color("model:N", legend=None)
    samples = (
        alt.Chart(alt.NamedData("samples"))
        .mark_point(filled=True, size=34, opacity=0.5)
        .encode(
            x=x,
            y=y,
            color=colour,
            shape=alt.Shape("model:N", legend=None),
            tooltip=[
                alt.Tooltip("category:N", title="Of"),
                alt.Tooltip("x:Q", format=",.3~r"),
                alt.Tooltip("detail:N", title="Sample"),
            ],
        )
    )
    bars = (
        alt.Chart(alt.NamedData("intervals"))
        .mark_rule(strokeWidth=BAR_WIDTH, opacity=BAR_OPACITY)
        .encode(x=alt.X("low:Q", **along), x2="high:Q", y=y, color=colour)
    )
    ticks = (
        alt.Chart(alt.NamedData("medians"))
        .mark_tick(thickness=2.5, size=18, opacity=1)
        .encode(
            x=x,
            y=y,
            color=colour,
            tooltip=[
                alt.Tooltip("category:N", title="Of"),
                alt.Tooltip("x:Q", format=",.3~r"),
                alt.Tooltip("interval:N", title="its interval"),
            ],
        )
    )
    return finished(alt.layer(samples, bars, ticks), height=120)
