"""A model under load on one machine: its levels, the knee, and the rates that it sustains."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.analysis.summary import ModelSummary
from bench.metrics.levels import level_metric, level_value
from bench.metrics.load import LevelKey, LevelSummary, level_summaries, limits_of
from bench.metrics.saturation import Knee, NoKnee, SweepEnd, knee, rate_verdict, sweep_end
from bench.report import format as form
from bench.report.palette import Mark
from bench.report.tables import Table
from bench.report.text import anchor, joined, relative, shortened
from bench.site.charts.figures import Figure, plain
from bench.site.charts.lines import Line, by_step, lines_figure, throughput_figure
from bench.site.dataset import Site
from bench.site.sections.level_tables import (
    CLOSED_COLUMNS,
    FROM_SCHEDULE,
    INTERVALS,
    OPEN_COLUMNS,
    LevelChange,
    level_changes,
    level_name,
    level_table,
    limits_sentence,
    load_context,
)
from bench.site.urls import run_page


@dataclass(frozen=True)
class LevelsView:
    """Levels of one sort, closed loop or open: what they show in a sentence, in a table, in charts."""

    heading: str
    sentence: str
    table: Table
    figures: tuple[Figure, ...]
    hint: str


@dataclass(frozen=True)
class UnderLoad:
    """What the page of a model says of it under load on one machine, from its newest run with levels."""

    anchor: str
    sorts: tuple[LevelsView, ...]
    goodput: str
    context: str
    intervals: str
    run_href: str


def newest_loaded(runs: Sequence[ModelSummary]) -> ModelSummary | None:
    """Return the newest of runs, given the oldest first, in which the model has levels of load."""
    return next((one for one in reversed(runs) if one.model.load), None)


def under_load(site: Site, name: str, machine: str, here: str) -> UnderLoad | None:
    """Return the section of a model on a machine; None where no run of it there has levels of load."""
    found = newest_loaded(site.runs[name][machine])
    if found is None:
        return None
    newest = site.whole_model(found)
    levels = level_summaries(newest.result, newest.model)
    limits = limits_of(newest.result)
    marks = {plain(name): site.marks[name]}
    closed = [one for one in levels if one.closed]
    rates = [one for one in levels if not one.closed]
    place = f"load-{anchor(machine)}"
    changed = level_changes(site, newest, here)
    sorts = []
    if closed:
        sorts.append(_closed(newest, closed, marks, place, changed))
    if rates:
        sorts.append(_open(rates, marks, place, changed))
    return UnderLoad(
        anchor=place,
        sorts=tuple(sorts),
        goodput="" if limits is None else limits_sentence(limits),
        context=load_context(levels),
        intervals=INTERVALS,
        run_href=relative(here, run_page(newest.result)),
    )


def closed_sentence(found: Knee | NoKnee, levels: Sequence[LevelSummary]) -> str:
    """Return in a sentence what more streams at once bring."""
    if isinstance(found, NoKnee):
        best = max(levels, key=lambda one: one.throughput_tokens_per_s or 0.0)
        if best.throughput_tokens_per_s is None:
            return f"What several streams at once bring cannot be told: {found.why}."
        most = form.with_unit(best.throughput_tokens_per_s, "tokens/s")
        return f"The most is {most}, with {level_name(best)}; {found.why}."
    value = _throughput(found, found.level)
    if found.still_growing:
        return f"Throughput still grows at {level_name(found.level)}, the most that were tried: {value}."
    verb = "gives" if found.level.key.streams == 1 else "give"
    if found.best is found.level:
        return f"{level_name(found.level)} {verb} the highest throughput, {value}: with more, requests only wait."
    return (
        f"{level_name(found.level)} {verb} {form.share(found.share)} of the highest throughput "
        f"({_bare(found, found.level)} of {_throughput(found, found.best)}): with more, requests mostly wait."
    )


def rates_sentence(levels: Sequence[LevelSummary]) -> str:
    """Return in a sentence which rates a model sustains."""
    found: dict[str, list[str]] = {}
    for one in sorted(levels, key=lambda level: level.key.rate_per_s or 0.0):
        verdict = rate_verdict(one.record)
        if verdict is not None:
            found.setdefault(verdict.word, []).append(level_name(one))
    parts = []
    if "sustained" in found:
        parts.append(f"it sustains {joined(found['sustained'])}")
    if "overloaded" in found:
        parts.append(f"it falls behind at {joined(found['overloaded'])}")
    if "failing" in found:
        parts.append(f"requests fail at {joined(found['failing'])}")
    if "unknown" in found:
        parts.append(f"too few requests were due to tell of {joined(found['unknown'])}")
    return form.sentence("; ".join(parts))


def _closed(
    newest: ModelSummary,
    levels: Sequence[LevelSummary],
    marks: Mapping[str, Mark],
    place: str,
    changed: Mapping[LevelKey, LevelChange],
) -> LevelsView:
    found = knee(levels)
    name = newest.model.name
    limits = limits_of(newest.result)
    caption = f"{shortened(plain(name), 40)}, {load_context(levels)}"
    figures = (
        throughput_figure(
            f"{place}-throughput",
            {name: levels},
            {name: found},
            marks,
            _growth_words(levels),
            f"{caption}. Output tokens of good answers that arrived in the window.",
        ),
        lines_figure(
            f"{place}-ttft",
            name,
            levels,
            (Line("ttft_s.p50", "p50"), Line("ttft_s.p95", "p95")),
            "TTFT",
            marks,
            (_change_words("Time to first token", levels, "ttft_s"), caption),
            None if limits is None else limits.ttft_s,
        ),
    )
    return LevelsView(
        heading="So many at once",
        sentence=closed_sentence(found, levels),
        table=level_table(f"{name} with several streams at once", levels, CLOSED_COLUMNS, found, changed),
        figures=tuple(figure for figure in figures if figure is not None),
        hint=_sweep_words(sweep_end(newest.result, newest.model, levels)),
    )


def _open(
    levels: Sequence[LevelSummary], marks: Mapping[str, Mark], place: str, changed: Mapping[LevelKey, LevelChange]
) -> LevelsView:
    name = levels[0].model.name
    figure = lines_figure(
        f"{place}-rates",
        name,
        levels,
        (Line("scheduled_e2e_s.p95", "p95 from the schedule"), Line("e2e_s.p95", "p95 from the send")),
        "Latency",
        marks,
        (
            "What a user waits counts from the schedule: from the send alone, waiting for a free stream is hidden.",
            f"{shortened(plain(name), 40)}, {load_context(levels)}",
        ),
    )
    return LevelsView(
        heading="So many a second",
        sentence=rates_sentence(levels),
        table=level_table(f"{name} with requests by a schedule", levels, OPEN_COLUMNS, None, changed),
        figures=() if figure is None else (figure,),
        hint=FROM_SCHEDULE,
    )


def _throughput(found: Knee, level: LevelSummary) -> str:
    return f"{_bare(found, level)}{form.NO_BREAK}{found.unit}"


def _bare(found: Knee, level: LevelSummary) -> str:
    value = level.throughput_tokens_per_s if found.unit == "tokens/s" else level.answers_per_s
    return form.short(value or 0.0)


def _growth_words(levels: Sequence[LevelSummary]) -> str:
    known = [(one, one.throughput_tokens_per_s) for one in by_step(levels)]
    values = [(one, value) for one, value in known if value is not None]
    if len(values) < 2:
        return "Throughput by streams at once."
    (first, low), (last, high) = values[0], values[-1]
    times = f"{form.number(high / low, 2).removesuffix('.0')} times the throughput of {level_name(first)}"
    return f"{level_name(last)} at once give {times}."


def _change_words(label: str, levels: Sequence[LevelSummary], metric_id: str) -> str:
    known = [(one, value) for one in by_step(levels) if (value := level_value(one, metric_id)) is not None]
    if len(known) < 2:
        return f"{label} by streams at once."
    (first, low), (last, high) = known[0], known[-1]
    unit = level_metric(metric_id).unit
    before, after = form.with_unit(low, unit), form.with_unit(high, unit)
    return f"{label}: {before} with {level_name(first)}, {after} with {level_name(last)} (p50)."


def _sweep_words(end: SweepEnd | None) -> str:
    if end is None:
        return ""
    at = form.count(end.streams, "stream")
    if end.kind == "most-streams":
        return f"The sweep ended at {at}, the most that the config allows."
    if end.kind == "cut-short" or end.growth is None:
        return f"The sweep was cut short at {at}."
    moved = (
        f"grew by only {form.percent(end.growth - 1)}" if end.growth >= 1 else f"fell by {form.percent(1 - end.growth)}"
    )
    return f"The sweep ended at {at}: throughput {moved} from the level before."
