"""Figures of levels of load: throughput and latencies over streams at once, or over requests a second."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.analysis.level_metrics import level_metric, level_value
from bench.analysis.load import LevelSummary
from bench.analysis.saturation import Knee, NoKnee
from bench.site import charts
from bench.site import format as form
from bench.site.figures import Figure, plain
from bench.site.level_charts import DASH_WORDS, LARGE_SIZE, SIZE, over_steps, steps
from bench.site.levels import level_name
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
    for name, levels in by_model.items():
        found = knees[name]
        for one in by_step(levels):
            value = one.throughput_tokens_per_s
            if value is not None:
                at = isinstance(found, Knee) and not found.still_growing and found.level.key == one.key
                detail = f"{form.count(one.good, 'good answer')}{', the knee' if at else ''}"
                row = _row(plain(name), "throughput", one, value, form.scale("tokens/s", []), detail)
                rows.append(row | {"size": LARGE_SIZE if at and len(by_model) > 1 else SIZE})
    if len({row["x"] for row in rows}) < 2:
        return None
    upright: list[charts.Row] = []
    if len(by_model) == 1:
        (only,) = knees.values()
        if isinstance(only, Knee) and not only.still_growing:
            upright = [{"x": float(only.level.key.streams), "label": f"knee: {level_name(only.level)}"}]
    values = [float(row["y"]) for row in rows]
    y = charts.axis("Throughput (tokens/s)", values)
    x = steps([float(row["x"]) for row in rows], "Streams at once")
    return Figure(
        id=figure_id,
        sentence=sentence,
        caption=caption,
        spec=over_steps(rows, ["throughput"], x, y, marks, upright),
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
    rows = [
        _row(plain(name), line.label, one, value, scale, form.count(one.good, "good answer"))
        for line, one, value in known
    ]
    values = [float(row["y"]) for row in rows]
    rules: list[charts.Row] = []
    if limit_s is not None:
        limit = form.plotted(limit_s, scale)
        if limit <= 2 * max(values):
            rules = [{"y": limit, "label": f"limit {form.with_unit(limit_s, unit)}"}]
    sentence, caption = words
    told_apart = ", ".join(f"{dash}: {line.label}" for dash, line in zip(DASH_WORDS, drawn, strict=False))
    x_title = "Streams at once" if levels[0].closed else "Requests asked for (1/s)"
    y = charts.axis(f"{axis_title} ({scale.unit})", [*values, *(float(rule["y"]) for rule in rules)])
    return Figure(
        id=figure_id,
        sentence=sentence,
        caption=f"{caption}. {told_apart}.",
        spec=over_steps(
            rows,
            [line.label for line in drawn],
            steps([float(row["x"]) for row in rows], x_title),
            y,
            marks,
            level=rules,
        ),
        legend={},
    )


def by_step(levels: Sequence[LevelSummary]) -> list[LevelSummary]:
    """Return levels by their streams, or by their rate."""
    return sorted(levels, key=lambda one: _step(one))


def _step(level: LevelSummary) -> float:
    return float(level.key.streams) if level.key.rate_per_s is None else level.key.rate_per_s


def _row(model: str, line: str, level: LevelSummary, value: float, scale: form.Scale, detail: str) -> charts.Row:
    return {
        "model": model,
        "line": line,
        "x": _step(level),
        "y": form.plotted(value, scale),
        "detail": detail,
        "size": SIZE,
    }
