"""The latency of every sample, drawn as strips: one row for each prompt, or for each model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.analysis.metrics import metric, sample_metric
from bench.runner.sample import Sample
from bench.site import charts
from bench.site import format as form
from bench.site.figures import Figure, plain
from bench.site.intervals import of_median
from bench.site.palette import Mark
from bench.site.strip_charts import strips as strips_spec

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
    rows: list[charts.Row] = []
    ticks: list[charts.Row] = []
    bars: list[charts.Row] = []
    for (strip, found), label, middle in zip(timed, labels, medians, strict=True):
        common: charts.Row = {"category": label, "model": plain(strip.model)}
        for sample, value in found[::step]:
            rows.append(common | {"x": form.plotted(value, scale), "detail": f"round {sample.round}"})
        interval = of_median(tuple(value for _, value in found))
        tick: charts.Row = common | {"x": form.plotted(middle, scale), "interval": "none"}
        if not isinstance(interval, str):
            tick["interval"] = form.interval(interval.low, interval.high, middle, scale)
            bar: charts.Row = {"low": form.plotted(interval.low, scale), "high": form.plotted(interval.high, scale)}
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
    drawn = "Each mark is a sample" if step == 1 else f"Each mark is one of every {step} samples"
    return Figure(
        id=figure_id,
        sentence=sentence,
        caption=f"{caption}. {drawn}, each tick a median{', each line its 95 % interval' if bars else ''}.{missing}",
        spec=strips_spec(
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
