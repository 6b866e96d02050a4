"""The page that compares models under load, machine by machine and level by level."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from bench.analysis.contexts import context_key
from bench.analysis.intervals import level_estimate
from bench.analysis.summary import ModelSummary
from bench.metrics.load import LevelKey, LevelSummary, level_summaries, limits_of
from bench.metrics.registry import metric, on_schedule
from bench.metrics.saturation import Knee, NoKnee, knee
from bench.report import format as form
from bench.report.tables import Cell, CellValue, Column, Table, name_column, number_column, table, text_column
from bench.report.text import anchor, joined, relative, shortened
from bench.site.charts.figures import Figure, plain
from bench.site.charts.lines import throughput_figure
from bench.site.dataset import Site, model_cells
from bench.site.machine_parts import MachinePart, newest_on
from bench.site.sections.level_tables import (
    CLIENT_NOTE,
    INTERVALS,
    key_name,
    level_name,
    limits_sentence,
    load_context,
    measured_level,
)
from bench.site.sections.load_levels import newest_loaded
from bench.site.urls import level_metric_page, run_page

AT_EACH_LEVEL = {"ttft_s.p95": "TTFT p95", "e2e_s.p95": "Latency p95", "goodput_share": "Goodput"}
"""What is compared at each level, and its name."""


@dataclass(frozen=True)
class LevelComparisonTable:
    """A table of one metric: a row for each level, a column for each model."""

    sentence: str
    table: Table


def at_each_level(by_model: Mapping[str, Sequence[LevelSummary]]) -> tuple[LevelComparisonTable, ...]:
    """Return a table for each metric that one of several models has; none of a single model."""
    if len(by_model) < 2:
        return ()
    found = (_compared(label, metric_id, by_model) for metric_id, label in AT_EACH_LEVEL.items())
    return tuple(one for one in found if one is not None)


def _compared(
    label: str, metric_id: str, by_model: Mapping[str, Sequence[LevelSummary]]
) -> LevelComparisonTable | None:
    keys = sorted({level.key for levels in by_model.values() for level in levels}, key=lambda key: key.place)
    of = {name: {level.key: level for level in reversed(levels)} for name, levels in by_model.items()}
    if not any(
        level.value(_id(metric_id, level.key)) is not None for levels in of.values() for level in levels.values()
    ):
        return None
    columns = [name_column("Load", [Cell(key_name(key)) for key in keys])]
    chosen = metric(metric_id.partition(".")[0])
    values = {name: [_value(levels.get(key), _id(metric_id, key)) for key in keys] for name, levels in of.items()}
    scale = form.scale(chosen.unit, [value.value for column in values.values() for value in column])
    columns += [number_column(shortened(name, 24), chosen.unit, column, scale=scale) for name, column in values.items()]
    return LevelComparisonTable(_compared_words(label, chosen.better), table(f"{label} at each level", columns))


def _value(level: LevelSummary | None, metric_id: str) -> CellValue:
    if level is None:
        return CellValue(None, "none", "not among this model’s levels")
    return measured_level(level, metric_id)


def _compared_words(label: str, better: str | None) -> str:
    words = {"lower": "lower is better", "higher": "higher is better"}.get(better or "", "")
    return f"{label} at each level; {words}. With a rate it counts from the schedule."


def _id(metric_id: str, key: LevelKey) -> str:
    return metric_id if key.rate_per_s is None else on_schedule(metric_id)


HERE = "report/load.html"
EXPLAINED = "report/how-to-read.html#under-load"


@dataclass(frozen=True)
class LoadedModel:
    """A model with its levels, and the knee of the closed-loop ones."""

    summary: ModelSummary
    levels: tuple[LevelSummary, ...]
    knee: Knee | NoKnee

    @property
    def name(self) -> str:
        """The model's name in the config."""
        return self.summary.model.name


@dataclass(frozen=True)
class MachineLoad:
    """The models of one machine under load."""

    machine: str
    anchor: str
    sentence: str
    table: Table
    figure: Figure | None
    compared: tuple[LevelComparisonTable, ...]
    goodput: str
    context: str
    intervals: str
    run_href: str
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class LoadPage:
    """Every machine with levels of load, and those without one."""

    machines: tuple[MachinePart[MachineLoad], ...]
    without: str


def load_page(site: Site) -> LoadPage:
    """Return the page: the machine of the newest run first."""
    names = list(dict.fromkeys(board.machine for board in site.boards))
    found = {name: [newest_loaded(runs.get(name, ())) for runs in site.runs.values()] for name in names}
    loaded = {name: [one.result for one in runs if one] for name, runs in found.items() if any(runs)}
    machines = tuple(
        MachinePart(f"machine-{anchor(name)}", name, name, newest_on(runs), partial(_machine, site, name))
        for name, runs in loaded.items()
    )
    others = [name for name in names if name not in loaded]
    without = f"No load was measured on {joined(others)}." if machines and others else ""
    return LoadPage(machines, without)


def _machine(everything: Site, machine: str) -> MachineLoad:
    site = everything.of_machine(machine)
    found = [newest_loaded(runs[machine]) for runs in site.runs.values() if machine in runs]
    newest = sorted(
        (site.whole_model(one) for one in found if one is not None), key=lambda one: one.result.run.started_utc
    )
    # Numbers under load are compared where prompts, settings and limits are those of the newest run.
    same = [one for one in newest if _basis(one) == _basis(newest[-1])]
    models = sorted((_loaded(one) for one in same), key=lambda one: -_highest(one))
    limits = limits_of(newest[-1].result)
    return MachineLoad(
        machine=machine,
        anchor=f"machine-{anchor(machine)}",
        sentence=_sentence(models),
        table=_table(site, machine, models),
        figure=_figure(site, machine, models),
        compared=at_each_level({one.name: one.levels for one in models}),
        goodput="" if limits is None else limits_sentence(limits),
        context=load_context([level for one in models for level in one.levels]),
        intervals=INTERVALS,
        run_href=relative(HERE, run_page(newest[-1].result)),
        left_out=tuple(_left_out(one) for one in newest if _basis(one) != _basis(newest[-1])),
    )


def _basis(one: ModelSummary) -> tuple[object, ...]:
    context = context_key(one.result, one.model)
    return context.prompt_set_sha256, context.generation, limits_of(one.result)


def _left_out(one: ModelSummary) -> str:
    day = form.day(one.result.run.started_utc)
    return f"{one.model.name}: measured on {day} with other prompts, settings or limits."


def _loaded(one: ModelSummary) -> LoadedModel:
    levels = level_summaries(one.result, one.model)
    return LoadedModel(one, levels, knee(levels))


def _highest(one: LoadedModel) -> float:
    return max((level.throughput_tokens_per_s or 0.0 for level in one.levels if level.closed), default=0.0)


def _best(one: LoadedModel) -> LevelSummary | None:
    known = [level for level in one.levels if level.closed and level.throughput_tokens_per_s is not None]
    return max(known, key=lambda level: level.throughput_tokens_per_s or 0.0, default=None)


def _sentence(models: Sequence[LoadedModel]) -> str:
    known = [(one, level) for one in models if (level := _best(one)) is not None]
    if not known:
        return "No closed-loop level gave a throughput that could be compared."
    best = [(one, level) for one, level in known if not one.summary.model.instrument]
    if not best:
        return "All models under load here are test instruments: none of them is called the best."
    first, level = best[0]
    value = form.with_unit(level.throughput_tokens_per_s, "tokens/s")
    says = f"{shortened(first.name, 40)} gives the highest throughput: {value} with {level_name(level)}"
    if len(best) == 1:
        return f"{says}. No other model has levels that compare with it."
    knees = [
        f"{shortened(one.name, 40)} has its knee at {level_name(one.knee.level)}"
        for one in models
        if isinstance(one.knee, Knee) and not one.knee.still_growing
    ]
    parts = [says, *_as_high(best), *([joined(knees)] if knees else [])]
    return f"{'; '.join(parts)}."


def _as_high(best: Sequence[tuple[LoadedModel, LevelSummary]]) -> list[str]:
    """Return which models the first cannot be told apart from, as a part of a sentence."""
    (_, first), *others = best
    highest = level_estimate(first, "throughput_tokens_per_s").interval
    as_high = [
        shortened(one.name, 40)
        for one, level in others
        if highest is not None
        and (interval := level_estimate(level, "throughput_tokens_per_s").interval) is not None
        and interval.high >= highest.low
    ]
    return [f"by its interval {joined(as_high)} may give as much"] if as_high else []


def _table(site: Site, machine: str, models: Sequence[LoadedModel]) -> Table:
    at_knee = [one.knee.level if isinstance(one.knee, Knee) else None for one in models]
    whys = [one.knee.why if isinstance(one.knee, NoKnee) else "" for one in models]
    columns = [
        name_column("Model", model_cells(site, [one.summary for one in models], HERE)),
        replace(text_column("Knee", [_knee_cell(one) for one in models]), explained=EXPLAINED),
    ]
    for label, metric_id in (
        ("Throughput there", "throughput_tokens_per_s"),
        ("TTFT p95 there", "ttft_s.p95"),
        ("Latency p95 there", "e2e_s.p95"),
        ("Goodput there", "goodput_share"),
    ):
        values = [
            CellValue(None, "none", why) if level is None else measured_level(level, metric_id)
            for level, why in zip(at_knee, whys, strict=True)
        ]
        if metric_id != "goodput_share" or any(one.value is not None for one in values):
            # Each model's knee is another load: side by side, but never one better than another.
            columns.append(_metric_column(label, metric_id, values))
    best = [_best(one) for one in models]
    highest = [
        CellValue(None, "none", "no closed-loop level has a throughput")
        if level is None
        else replace(measured_level(level, "throughput_tokens_per_s"), eligible=not one.summary.model.instrument)
        for one, level in zip(models, best, strict=True)
    ]
    small = ["" if level is None else f"with {level_name(level)}" for level in best]
    columns.append(_metric_column("Highest", "throughput_tokens_per_s", _ranked(highest), small, compared=True))
    if any(not level.closed for one in models for level in one.levels):
        sustained = text_column("Sustains", [_sustained(one) for one in models], numeric=True)
        columns.append(replace(sustained, explained=EXPLAINED))
    return table(f"Models under load on {machine}", columns)


def _ranked(values: Sequence[CellValue]) -> list[CellValue]:
    """Return values with the first rank where no interval lies wholly above theirs; all have it where one has none."""
    known = [one.interval for one in values if one.value is not None]
    if None in known:
        return [replace(one, rank=1) for one in values]
    lows = [one.low for one in known if one is not None]
    return [
        one if one.interval is None else replace(one, rank=1 + sum(low > one.interval.high for low in lows))
        for one in values
    ]


def _metric_column(
    label: str, metric_id: str, values: Sequence[CellValue], small: Sequence[str] = (), compared: bool = False
) -> Column:
    chosen = metric(metric_id.partition(".")[0])
    column = number_column(label, chosen.unit, values, chosen.better if compared else None, small)
    return replace(column, explained=level_metric_page(chosen.id))


def _knee_cell(one: LoadedModel) -> Cell:
    if isinstance(one.knee, NoKnee):
        return Cell("none", kind="none", note=one.knee.why)
    small = "or beyond: the most tried" if one.knee.still_growing else ""
    note = CLIENT_NOTE if one.knee.level.client_bound else ""
    return Cell(level_name(one.knee.level), small=small, note=note)


def _sustained(one: LoadedModel) -> Cell:
    """Return the highest rate that a model sustains below the first that it does not."""
    rates = sorted((level for level in one.levels if not level.closed), key=lambda level: level.key.rate_per_s or 0.0)
    if not rates:
        return Cell("not measured", kind="none", note="no level with a schedule")
    kept = None
    for level in rates:
        verdict = level.verdict
        if kept is None and verdict is not None and verdict.word == "unknown":
            return Cell("too few", kind="few", note=f"at {level_name(level)}: {verdict.why}")
        if verdict is None or verdict.word != "sustained":
            break
        kept = level
    if kept is None:
        return Cell(f"less than {level_name(rates[0])}")
    return Cell(level_name(kept), small="the most tried" if kept is rates[-1] else "")


def _figure(site: Site, machine: str, models: Sequence[LoadedModel]) -> Figure | None:
    shown = [one for one in models if any(level.closed for level in one.levels)]
    if not shown:
        return None
    levels = [level for one in shown for level in one.levels if level.closed]
    return throughput_figure(
        f"load-{anchor(machine)}",
        {one.name: [level for level in one.levels if level.closed] for one in shown},
        {one.name: one.knee for one in shown},
        {plain(one.name): site.marks[one.name] for one in shown},
        "Throughput by streams at once: where a line goes flat, more streams only wait.",
        f"{load_context(levels)}. Output tokens of good answers that arrived in the window."
        + (" A large mark: the knee." if len(shown) > 1 else ""),
    )
