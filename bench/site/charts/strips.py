"""The latency of every sample, drawn as strips: a row for each prompt or model, with its median and its interval."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import median

import altair as alt

from bench.metrics.registry import metric, sample_metric
from bench.report import format as form
from bench.report.palette import Mark
from bench.schema.sample import Sample
from bench.site.charts import kinds as charts
from bench.site.charts.figures import Figure, plain
from bench.site.charts.kinds import (
    SOFT,
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
from bench.site.estimates import of_median

ROW_HEIGHT = 26


def strip_chart(
    rows: Sequence[Datum],
    medians: Sequence[Datum],
    order: Sequence[str],
    x: Axis,
    marks: Mapping[str, Mark],
    intervals: Sequence[Datum] = (),
    rules: Sequence[Datum] = (),
) -> Spec:
    """Return every sample as a mark along x, a row for each category, the medians as ticks and their intervals as bars.

    Rows have category, model, x and detail; medians category, model, x and interval, in words; intervals category,
    model, low and high; `rules` are upright, with x and label.
    """
    spec: Spec = json.loads(_strips_kind())
    rule, words, samples, bars, ticks = spec["layer"]
    if rules:
        for layer in (rule, words):
            scale_encoding(layer["encoding"]["x"], x)
    else:
        spec["layer"] = [samples, bars, ticks]
    for layer in (samples, bars, ticks):
        scale_encoding(layer["encoding"]["x"], x)
        layer["encoding"]["y"]["scale"] = {"domain": list(order)}
        colour_encoding(layer["encoding"], marks)
    samples["encoding"]["tooltip"][1]["title"] = x.title
    ticks["encoding"]["tooltip"][1]["title"] = f"median, {x.title}"
    spec["height"] = ROW_HEIGHT * len(order) + 56
    spec["datasets"] = {"intervals": list(intervals), "medians": list(medians), "samples": list(rows)}
    if rules:
        spec["datasets"]["rules"] = list(rules)
    return spec


@cache
def _strips_kind() -> str:
    along = {"axis": alt.Axis(tickCount=6, format=",~f")}
    x = alt.X("x:Q", **along)
    y = alt.Y("category:N", title=None, axis=alt.Axis(grid=True, ticks=False, domain=False, labelOverlap=False))
    colour = alt.Color("model:N", legend=None)
    rule = dashed("rules").encode(x=x)
    words = drawn("rules").mark_text(align="left", baseline="top", dx=5, color=SOFT)
    words = words.encode(x=x, y=alt.value(1), text="label:N")
    samples = (
        drawn("samples")
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
    bars = interval_bars("intervals").encode(x=alt.X("low:Q", **along), x2="high:Q", y=y, color=colour)
    ticks = (
        drawn("medians")
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
    return finished(alt.layer(rule, words, samples, bars, ticks), height=120)


METRIC = "e2e_s"
MOST_SAMPLES = 2_000
"""Samples that a chart draws; of more, every n-th."""


@dataclass(frozen=True)
class Strip:
    """One row: its label, the model whose colour it has, and its good samples."""

    label: str
    model: str
    samples: Sequence[Sample]


def strip_figure(
    figure_id: str, strips: Sequence[Strip], marks: Mapping[str, Mark], noun: str, caption: str
) -> Figure | None:
    """Return the latencies of the strips as a figure; None without a sample. `noun` is what a strip stands for."""
    value_of = sample_metric(METRIC).value
    timed = [
        (strip, [(sample, value) for sample in strip.samples if (value := value_of(sample)) is not None])
        for strip in strips
    ]
    timed = [(strip, found) for strip, found in timed if found]
    everything = [value for _, found in timed for _, value in found]
    if not everything:
        return None
    scale = form.scale(metric(METRIC).unit, everything)
    step = -(-len(everything) // MOST_SAMPLES)
    medians = [median(value for _, value in found) for _, found in timed]
    labels = _distinct([plain(strip.label) for strip, _ in timed])
    rows: list[charts.Datum] = []
    ticks: list[charts.Datum] = []
    bars: list[charts.Datum] = []
    for (strip, found), label, middle in zip(timed, labels, medians, strict=True):
        common: charts.Datum = {"category": label, "model": plain(strip.model)}
        for sample, value in found[::step]:
            rows.append(common | {"x": form.plotted(value, scale), "detail": f"round {sample.round}"})
        interval = of_median(tuple(value for _, value in found))
        tick: charts.Datum = common | {"x": form.plotted(middle, scale), "interval": "none"}
        if not isinstance(interval, str):
            tick["interval"] = form.interval(interval.low, interval.high, middle, scale)
            bar: charts.Datum = {"low": form.plotted(interval.low, scale), "high": form.plotted(interval.high, scale)}
            bars.append(common | bar)
        ticks.append(tick)
    used = {plain(strip.model): marks[strip.model] for strip, _ in timed}
    fastest, slowest = medians.index(min(medians)), medians.index(max(medians))
    least, most = (form.with_unit(medians[place], "s") for place in (fastest, slowest))
    if len(medians) == 1:
        sentence = f"Latency of {labels[0]}: {least} median."
    elif least == most:
        sentence = f"Latency by {noun}: each has a median of {least}."
    else:
        ends = f"from {least} ({_named(timed[fastest][0])}) to {most} ({_named(timed[slowest][0])})"
        sentence = f"Latency by {noun}: medians {ends}."
    silent = [plain(strip.label) for strip in strips if not strip.samples]
    missing = f" No good sample: {', '.join(silent)}." if silent else ""
    lines = f", each line its {form.confidence()} interval" if bars else ""
    each = "Each mark is a sample" if step == 1 else f"Each mark is one of every {step} samples"
    return Figure(
        id=figure_id,
        sentence=sentence,
        caption=f"{caption}. {each}, each tick a median{lines}.{missing}",
        spec=strip_chart(
            rows,
            ticks,
            labels,
            charts.axis(f"Latency ({scale.unit})", [form.plotted(value, scale) for value in everything]),
            used,
            bars,
        ),
        legend={},
    )


def _named(strip: Strip) -> str:
    label = plain(strip.label)
    return label if strip.label == strip.model else f"“{label}”"


def _distinct(labels: Sequence[str]) -> list[str]:
    """Return the labels with a number where one would stand twice: equal labels would share a row."""
    found: list[str] = []
    for label in labels:
        shown, number = label, 2
        while shown in found:
            shown, number = f"{label} ({number})", number + 1
        found.append(shown)
    return found
