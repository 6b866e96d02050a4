"""A model on one machine: its numbers, their history, its latencies and its failures."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from bench.analysis.history import context_key
from bench.analysis.metrics import METRICS, SAMPLE_METRICS, metric
from bench.analysis.shifts import LevelShift
from bench.analysis.stats import VALUES_NEEDED
from bench.analysis.summary import ModelSummary
from bench.analysis.watched import SeriesKey
from bench.site import charts
from bench.site import format as form
from bench.site.at_work import Readings, at_work
from bench.site.by_length import ByLength, by_length
from bench.site.entries import size, suspect_sentence
from bench.site.figures import Figure, plain
from bench.site.ledger import Site, context, failure_text, measured, metric_page, run_page
from bench.site.standing import Standing, standings
from bench.site.strips import Strip, strip_figure
from bench.site.tables import Cell, Measured, Table, count_column, name_column, number_column, table, text_column
from bench.site.text import anchor, relative, shortened
from bench.site.under_load import UnderLoad, under_load

STATISTICS = {"minimum": "least", "p50": "p50", "p90": "p90", "p95": "p95", "p99": "p99", "maximum": "most"}
"""Statistics of a distribution, and what a table calls them."""

HISTORY = ("decode_tokens_per_s", "ttft_s", "e2e_s", "cold_load_s", "memory_peak_bytes", "score")
"""Metrics whose history a model's page draws."""

NUMBERS = tuple(
    one for one in METRICS if one.scope != "model" and one.unit not in ("count", "share") and one.id != "sent_s"
)
"""Metrics in the table of distributions; how a request was sent is told beside it."""

MOST_POINTS = 60
"""Runs up to which a history marks each of its points."""

MOST_RUNS = 500
"""Newest runs that a history draws: a page stays small however long the ledger grows."""


@dataclass(frozen=True)
class OnMachine:
    """A model on one machine: its newest run there and the runs before."""

    machine: str
    anchor: str
    context: str
    run_href: str
    failure: str
    skipped: str
    standings: tuple[Standing, ...]
    sentence: str
    table: Table | None
    at_work: tuple[Readings, ...]
    under_load: UnderLoad | None
    by_length: ByLength | None
    histories: tuple[Figure, ...]
    no_history: str
    left_out: str
    latencies: Figure | None
    failures: Table | None


def on_machine(site: Site, name: str, machine: str, here: str) -> OnMachine:
    """Return what the page of a model, `here`, says of one machine."""
    newest = site.newest_on(name, machine)
    history = site.history(name, machine)
    figures = [_history_figure(site, name, machine, history, metric_id) for metric_id in HISTORY]
    histories = tuple(figure for figure in figures if figure is not None)
    return OnMachine(
        machine=machine,
        anchor=f"machine-{anchor(machine)}",
        context=run_context(newest),
        run_href=relative(here, run_page(newest.result)),
        failure=failure_text(newest) if not newest.good_samples and newest.model.skipped is None else "",
        skipped=_skipped(site.runs[name][machine][-1], newest),
        standings=standings(site.by_run[newest.result.run.id]),
        sentence=_sentence(newest),
        table=_numbers(newest) if newest.good_samples else None,
        at_work=at_work(newest, here) if newest.good_samples else (),
        under_load=under_load(site, name, machine, here),
        by_length=by_length(site, name, machine, here),
        histories=histories,
        no_history="" if histories else _no_history(history),
        left_out=_left_out(histories, figures, len(site.runs[name][machine]) - len(history)),
        latencies=_latencies(site, newest, machine) if newest.good_samples else None,
        failures=_failures(newest),
    )


def run_context(summary: ModelSummary) -> str:
    """Return the context of one model's run in one line."""
    rounds = max((sample.round for model in summary.result.models for sample in model.samples), default=0)
    return context(summary.result, [summary.model.device], rounds)


def _skipped(last: ModelSummary, shown: ModelSummary) -> str:
    if last.model.skipped is None:
        return ""
    older = "" if shown is last else f" What follows is of {form.minute(shown.result.run.started_utc)}."
    return f"{last.model.skipped}.{older}"


def _sentence(summary: ModelSummary) -> str:
    parts = []
    speed = summary.value("decode_tokens_per_s")
    if speed is not None:
        parts.append(f"writes {form.with_unit(speed, 'tokens/s')}")
    first, latency = summary.value("ttft_s"), summary.value("e2e_s")
    if first is not None:
        parts.append(f"starts after {form.with_unit(first, 's')}")
    if latency is not None:
        parts.append(f"is done after {form.with_unit(latency, 's')}")
    if summary.score is not None:
        parts.append(f"scores {form.with_unit(summary.score, 'score')}")
    return f"In the middle of {form.count(summary.good_samples, 'good sample')} it {', '.join(parts)}." if parts else ""


def _numbers(summary: ModelSummary) -> Table:
    columns = [name_column("Statistic", [Cell(label) for label in (*STATISTICS.values(), "values")])]
    for chosen in NUMBERS:
        known = summary.distributions[chosen.id]
        values = [_statistic(summary, chosen.id, statistic) for statistic in STATISTICS]
        column = number_column(chosen.symbol, chosen.unit, values)
        total = Cell(f"{known.count:,}" if known else "0")
        columns.append(replace(column, cells=(*column.cells, total), explained=metric_page(chosen.id)))
    return table(f"Numbers of {summary.model.name}", columns)


def _statistic(summary: ModelSummary, metric_id: str, statistic: str) -> Measured:
    found = measured(summary, f"{metric_id}.{statistic}")
    # The row of counts is in the same table: one note for all columns will do.
    return (
        replace(found, why=f"a {statistic} needs {VALUES_NEEDED[statistic]} values") if found.kind == "few" else found
    )


def _history_figure(
    site: Site, name: str, machine: str, history: Sequence[ModelSummary], metric_id: str
) -> Figure | None:
    chosen = metric(metric_id)
    known = [(one, value) for one in history if (value := one.value(metric_id)) is not None][-MOST_RUNS:]
    if len(known) < 2:
        return None
    scale = form.scale(chosen.unit, [value for _, value in known])
    rows: list[charts.Row] = [
        {
            "date": form.stamp(one.result.run.started_utc),
            "value": form.plotted(value, scale),
            "run": (one.result.run.commit or "outside git")[:7],
            "machine": site.by_run[one.result.run.id].steadiness.verdict,
        }
        for one, value in known
    ]
    values = [form.plotted(value, scale) for _, value in known]
    first, last = known[0][1], known[-1][1]
    median = "median " if chosen in SAMPLE_METRICS else ""
    key = SeriesKey(context_key(known[-1][0].result, known[-1][0].model), name, metric_id)
    drawn = {one.result.run.id for one, _ in known}
    found = [one for one in site.shifts.of(key) if one.after.run.id in drawn]
    levels = _levels(site, key, drawn, scale)
    return Figure(
        id=f"history-{anchor(machine)}-{metric_id.replace('_', '-')}",
        sentence=f"{chosen.label}: {_course(first, last, chosen.unit, len(known))}{_shifted(found)}",
        caption=f"{shortened(plain(name), 40)} on {machine}, {median}of each run; "
        f"{'lower' if chosen.better == 'lower' else 'higher'} is better."
        + (" Hollow: the machine was unsteady." if any(row["machine"] == "unsteady" for row in rows) else "")
        + _marks_explained(found),
        spec=charts.history(
            rows,
            _axis(metric_id, f"{chosen.symbol} ({scale.unit})", values),
            site.marks[name],
            with_points=len(known) <= MOST_POINTS,
            shifts=[_shift_row(one) for one in found],
            levels=levels,
        ),
        legend={},
    )


def _levels(site: Site, key: SeriesKey, drawn: Collection[str], scale: form.Scale) -> list[charts.Row]:
    """Return the levels as steps, each up to the first run of the next; none where no change is confirmed."""
    found = site.shifts.levels(key)
    if len(found) < 2:
        return []
    runs = site.shifts.by_history[key.context, key.model].runs
    ends = [*(one.first for one in found[1:]), found[-1].last]
    first = next(place for place, one in enumerate(runs) if one.result.run.id in drawn)
    return [
        {
            "date": form.stamp(runs[max(one.first, first)].result.run.started_utc),
            "until": form.stamp(runs[end].result.run.started_utc),
            "value": form.plotted(one.value, scale),
        }
        for one, end in zip(found, ends, strict=True)
        if end > first
    ]


def _shift_row(one: LevelShift) -> charts.Row:
    return {
        "date": form.stamp(one.after.run.started_utc),
        "status": one.change.status,
        "change": size(one),
        "suspects": suspect_sentence(one.suspects),
    }


def _shifted(found: Sequence[LevelShift]) -> str:
    """Return what the newest shift was, and how many there were before it."""
    if not found:
        return ""
    last = found[-1]
    older = f", after {form.count(len(found) - 1, 'older change')}" if len(found) > 1 else ""
    day = form.day(last.after.run.started_utc)
    return f" {last.change.status.capitalize()} on {day}: {form.effect(last.change.effect)}{older}."


def _marks_explained(found: Sequence[LevelShift]) -> str:
    """Return what the marks of shifts are, and what changed with the newest of these."""
    if not found:
        return ""
    statuses = {one.change.status for one in found}
    confirmed = " Upright: a confirmed change; steps: the levels between." if "confirmed" in statuses else ""
    suspected = " Dashed: a suspected change." if "suspected" in statuses else ""
    newest = f" Of {form.day(found[-1].after.run.started_utc)}: {size(found[-1])}."
    return f"{confirmed}{suspected}{newest} {suspect_sentence(found[-1].suspects)}"


def _course(first: float, last: float, unit: str, runs: int) -> str:
    before, now = form.with_unit(first, unit), form.with_unit(last, unit)
    if before == now:
        return f"{now} in the first and in the newest of {runs} runs."
    return f"{before} in the first of {runs} runs, {now} in the newest."


def _axis(metric_id: str, label: str, values: Sequence[float]) -> charts.Axis:
    return charts.Axis(label, 1.0, 5.0) if metric_id == "score" else charts.axis(label, values)


def _no_history(history: Sequence[ModelSummary]) -> str:
    if len(history) < 2:
        return "One run in this context so far: a history needs two."
    return "No metric has a value in two runs of this context: there is no history to draw."


def _left_out(drawn: Sequence[Figure], all_figures: Sequence[Figure | None], other_runs: int) -> str:
    parts = []
    missing = [metric(name).label for name, figure in zip(HISTORY, all_figures, strict=True) if figure is None]
    if drawn and missing:
        parts.append(f"Not drawn, for want of two values: {', '.join(missing)}.")
    if other_runs:
        has = form.count(other_runs, "run has", "runs have")
        parts.append(f"{has} another context (device, prompts or settings) and cannot be compared.")
    return " ".join(parts)


def _latencies(site: Site, summary: ModelSummary, machine: str) -> Figure | None:
    strips = [
        Strip(
            label=shortened(prompt.title, 40),
            model=summary.model.name,
            samples=[one for one in summary.model.samples if one.prompt == prompt.id and one.failure is None],
        )
        for prompt in summary.result.prompt_set.prompts
    ]
    return strip_figure(f"latency-{anchor(machine)}", strips, site.marks, "prompt", run_context(summary))


def _failures(summary: ModelSummary) -> Table | None:
    counted: dict[tuple[str, str], list[str]] = {}
    for sample in summary.model.samples:
        if sample.failure is not None:
            counted.setdefault((sample.failure.kind, sample.failure.message), []).append(sample.prompt)
    if not counted:
        return None
    return table(
        f"Failures of {summary.model.name}",
        [
            name_column("Kind", [Cell(kind) for kind, _ in counted]),
            text_column("Message", [message for _, message in counted]),
            count_column("Samples", [len(prompts) for prompts in counted.values()]),
            text_column("Prompts", [", ".join(dict.fromkeys(prompts)) for prompts in counted.values()]),
        ],
    )
