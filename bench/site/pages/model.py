"""The models: a list, and a page for each, machine by machine."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import median

from bench.analysis.changes import LevelShift
from bench.analysis.contexts import context_key
from bench.analysis.history import SeriesKey
from bench.analysis.summary import ModelSummary
from bench.metrics.registry import measured_in, metric
from bench.metrics.resources import ENERGY_SOURCES
from bench.metrics.timing import STALL, e2e_s, first_request, good_samples, loads_s, ttft_s
from bench.report import format as form
from bench.report.tables import (
    WORDS,
    Cell,
    CellKind,
    CellValue,
    Column,
    Table,
    TablePage,
    count_column,
    name_column,
    number_column,
    table,
    text_column,
)
from bench.report.text import anchor, relative, shortened, web_address
from bench.schema.load import LONG_GAP_MS
from bench.site.charts import kinds as charts
from bench.site.charts.figures import Figure, plain
from bench.site.charts.strips import Strip, strip_figure
from bench.site.dataset import Board, Site, context, failure_text, measured, model_cells
from bench.site.machine_parts import MachinePart, newest_on
from bench.site.sections.answer_cards import Answers, answers, grades_of
from bench.site.sections.badges import Badge, badges
from bench.site.sections.change_entries import size, suspect_sentence
from bench.site.sections.leaderboard import RANKS_PAGE, estimated_column, licence_column, rank_cell, ranked
from bench.site.sections.lengths import ByLength, by_length
from bench.site.sections.load_levels import UnderLoad, under_load
from bench.site.sections.outlier_tables import Unlike, unlike_of_model
from bench.site.sections.repeats import Repeats, model_repeats
from bench.site.sections.reviewed_runs import EarlierReview, RaterNote, earlier_review, rater_notes
from bench.site.sections.served_by import MODES, PARTS, checks, runtime_words
from bench.site.urls import CACHES_PAGE, metric_page, model_page, prompt_page, run_page
from bench.stats.distribution import VALUES_NEEDED


@dataclass(frozen=True)
class CostReading:
    """One number with its name and what belongs to it in small type; `kind` as in a table's cell."""

    label: str
    text: str
    small: str
    kind: CellKind
    explained: str


@dataclass(frozen=True)
class Readings:
    """Numbers that are read side by side, with a sentence that says what they show."""

    heading: str
    sentence: str
    rows: tuple[CostReading, ...]


def at_work(summary: ModelSummary, here: str) -> tuple[Readings, ...]:
    """Return what the page of a model, `here`, says of one run beside its latencies."""
    served = () if summary.model.transport == "in-process" else (_serving(summary, here),)
    return (_starting(summary, here), _stalling(summary, here), _taking(summary, here), *served)


def _starting(summary: ModelSummary, here: str) -> Readings:
    loads = loads_s(summary.model)
    first = first_request(summary.model)
    small_first = ""
    if first is not None:
        to_text = ttft_s(first)
        text_after = "" if to_text is None else f", text after {form.with_unit(to_text, 's')}"
        small_first = f"“{_title(summary, first.prompt)}”{text_after}"
    each = f"median of {form.listed(loads, 's')}" if len(loads) > 1 else "one load"
    rows = (
        _reading(summary, here, "cold_load_s", "Cold load", each),
        _reading(summary, here, "first_request_s", "First request", small_first),
        _steady(summary, here),
    )
    return Readings("From cold to steady", _start_sentence(summary), rows)


def _start_sentence(summary: ModelSummary) -> str:
    load, first = summary.value("cold_load_s"), summary.value("first_request_s")
    if load is None or first is None:
        return "What it takes before a first answer is there, and what the same prompt takes later."
    return f"From the disk to the end of a first answer: {form.with_unit(load + first, 's')}."


def _steady(summary: ModelSummary, here: str) -> CostReading:
    """Return what later requests with the first one's prompt take: anything else would compare two prompts."""
    explained = relative(here, metric_page("e2e_s"))
    first = first_request(summary.model)
    if first is None:
        return CostReading("Steady", WORDS["none"], "there is no first request to compare with", "none", explained)
    later = [one for one in good_samples(summary.model) if one.prompt == first.prompt and one.position != 0]
    values = [value for one in later if (value := e2e_s(one)) is not None]
    if not values:
        return CostReading("Steady", WORDS["none"], "no later good sample of the same prompt", "none", explained)
    small = f"median latency of the same prompt, {form.count(len(values), 'sample')}"
    return CostReading("Steady", form.with_unit(median(values), "s"), small, "value", explained)


def _stalling(summary: ModelSummary, here: str) -> Readings:
    gaps = summary.distributions["itl_s"]
    total = "" if gaps is None else f"of {form.count(gaps.count, 'gap')}"
    rows = [
        _reading(summary, here, "itl_s", "Gap p50", ""),
        _reading(summary, here, "itl_s.p99", "Gap p99", ""),
        _reading(summary, here, "longest_stall_s.maximum", "Longest stall", "of all requests"),
        _reading(summary, here, "stalls_count", f"Stalls over {LONG_GAP_MS} ms", total),
        _reading(summary, here, "shared_reads_count", "Shared reads", _shared(summary)),
    ]
    several = summary.distributions["first_chunk_tokens_count"]
    if several is not None:
        small = f"median, in {form.count(several.count, 'answer')}; no part of TPOT"
        rows.append(_reading(summary, here, "first_chunk_tokens_count", "Tokens of the first chunk", small))
    if summary.model.transport != "in-process":
        rows += [
            _reading(summary, here, "connect_s", "Connection set-up", "before the request’s start"),
            _reading(summary, here, "sent_s", "Sending the request", _sent(summary)),
        ]
    return Readings("The flow of text", _stall_sentence(summary), tuple(rows))


def _stall_sentence(summary: ModelSummary) -> str:
    count, longest = summary.value("stalls_count"), summary.value("longest_stall_s.maximum")
    if count is None or longest is None:
        return "Whether the text comes in one flow."
    if not count:
        return f"The text came in one flow: no gap was {STALL}."
    times = form.count(int(count), "time")
    return f"The text stood still for more than {LONG_GAP_MS} ms {times}, at most for {form.with_unit(longest, 's')}."


def _taking(summary: ModelSummary, here: str) -> Readings:
    energy = summary.model.energy
    source = "" if energy is None else ENERGY_SOURCES[energy.source]
    rows = [
        _reading(summary, here, "memory_loaded_bytes", "Memory loaded", ""),
        _reading(summary, here, "memory_unique_bytes", "Unique memory", "shared with no other process"),
        _reading(summary, here, "memory_peak_bytes", "Memory peak", ""),
        _reading(summary, here, "gpu_memory_peak_bytes", "GPU memory peak", ""),
        _reading(summary, here, "energy_per_answer_j", "Energy of an answer", source),
        _reading(summary, here, "energy_per_1000_tokens_j", "Energy of 1,000 tokens", source),
        _reading(summary, here, "cost_per_1000_answers", "Cost of 1,000 answers", ""),
    ]
    return Readings("Memory, energy, cost", "What it takes from the machine while it is loaded.", tuple(rows))


def _serving(summary: ModelSummary, here: str) -> Readings:
    guide = relative(here, CACHES_PAGE)
    rows = [
        CostReading("Served by", runtime_words(summary.model), "", "value", guide),
        CostReading("Prompt cache", MODES[summary.model.prompt_cache], _cache_small(summary), "value", guide),
        _reading(summary, here, "cached_share", "Prompt tokens out of it", ""),
        _reading(summary, here, "cold_ttft_s", "TTFT, prompt read", "median"),
        _reading(summary, here, "warm_ttft_s", "TTFT, prompt kept", "median"),
    ]
    for check, ours in checks(summary):
        text = form.with_unit(check.theirs_s, "s")
        kind: CellKind = "coarse" if check.differs else "value"
        rows.append(CostReading(f"{PARTS[check.part]}, as it says", text, ours, kind, guide))
    return Readings("What serves it", "And what that says itself of prompts and times.", tuple(rows))


def _cache_small(summary: ModelSummary) -> str:
    return " · ".join(part for part in (summary.model.prompt_cache_by, summary.prompt_cache.doubt) if part)


def _reading(summary: ModelSummary, here: str, metric_id: str, label: str, small: str) -> CostReading:
    found = measured(summary, metric_id)
    explained = relative(here, metric_page(metric_id.partition(".")[0]))
    if found.value is None:
        kind = WORDS[found.kind]
        if found.why.startswith(kind):
            return CostReading(label, found.why, "", found.kind, explained)
        return CostReading(label, kind, found.why, found.kind, explained)
    words = [found.small if found.small not in small else "", small, found.why if found.kind == "coarse" else ""]
    text = form.with_unit(found.value, found.unit)
    return CostReading(label, text, " · ".join(word for word in words if word), found.kind, explained)


def _shared(summary: ModelSummary) -> str:
    share = summary.value("shared_reads_share")
    return "" if share is None else f"{form.share(share)} of the gaps"


def _sent(summary: ModelSummary) -> str:
    share = summary.value("sent_share")
    return "" if share is None else f"{form.with_unit(share, 'share')} of the time to first token"


def _title(summary: ModelSummary, prompt_id: str) -> str:
    return next(one.title for one in summary.result.prompt_set.prompts if one.id == prompt_id)


STATISTICS = {"minimum": "least", "p50": "p50", "p90": "p90", "p95": "p95", "p99": "p99", "maximum": "most"}
"""Statistics of a distribution, and what a table calls them."""

HISTORY = ("decode_tokens_per_s", "ttft_s", "e2e_s", "cold_load_s", "memory_peak_bytes", "score")
"""Metrics whose history a model's page draws."""

NUMBERS = tuple(
    one for one in measured_in("whole", "sample", "gap") if one.unit not in ("count", "share") and not one.of_client
)
"""Metrics in the table of distributions; how a request was sent stands beside it."""

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
    badges: tuple[Badge, ...]
    sentence: str
    table: Table | None
    at_work: tuple[Readings, ...]
    under_load: UnderLoad | None
    by_length: ByLength | None
    histories: tuple[Figure, ...]
    no_history: str
    left_out: str
    latencies: Figure | None
    unlike: Unlike
    failures: Table | None


def on_machine(everything: Site, name: str, machine: str, here: str) -> OnMachine:
    """Return what the page of a model, `here`, says of one machine; `unlike` are prompts slow for this model alone."""
    site = everything.of_machine(machine)
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
        badges=badges(site.by_run[newest.result.run.id]),
        sentence=_sentence(newest),
        table=_numbers(newest) if newest.good_samples else None,
        at_work=at_work(newest, here) if newest.good_samples else (),
        under_load=under_load(site, name, machine, here),
        by_length=by_length(site, name, machine, here),
        histories=histories,
        no_history="" if histories else _no_history(history),
        left_out=_left_out(histories, figures, len(site.runs[name][machine]) - len(history)),
        latencies=_latencies(site, newest, machine) if newest.good_samples else None,
        unlike=unlike_of_model(site, site.whole.of(newest.result.run.id), name, here),
        failures=_failures(newest),
    )


def run_context(summary: ModelSummary) -> str:
    """Return the context of one model's run in one line."""
    rounds = max((sample.round for model in summary.result.models for sample in model.samples), default=0)
    return context(summary.result, [summary.model.device], rounds)


def _skipped(last: ModelSummary, shown: ModelSummary) -> str:
    if last.model.skipped is None:
        return ""
    older = (
        ""
        if shown.result.run.id == last.result.run.id
        else f" What follows is of {form.minute(shown.result.run.started_utc)}."
    )
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
        column = number_column(chosen.name, chosen.unit, values)
        total = Cell(f"{known.count:,}" if known else "0")
        columns.append(replace(column, cells=(*column.cells, total), explained=metric_page(chosen.id)))
    return table(f"Numbers of {summary.model.name}", columns)


def _statistic(summary: ModelSummary, metric_id: str, statistic: str) -> CellValue:
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
    rows: list[charts.Datum] = [
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
    median = "median " if chosen.scope == "sample" else ""
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
            _axis(metric_id, f"{chosen.name} ({scale.unit})", values),
            site.marks[name],
            with_points=len(known) <= MOST_POINTS,
            shifts=[_shift_row(one) for one in found],
            levels=levels,
        ),
        legend={},
    )


def _levels(site: Site, key: SeriesKey, drawn: Collection[str], scale: form.Scale) -> list[charts.Datum]:
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


def _shift_row(one: LevelShift) -> charts.Datum:
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


LIST = "report/models/index.html"


@dataclass(frozen=True)
class Fact:
    """One line of what a model is; `why` says why there is no value."""

    label: str
    value: str
    why: str = ""
    href: str = ""


@dataclass(frozen=True)
class PromptAnswer:
    """The answers of the model to one prompt."""

    title: str
    href: str
    score: str
    answers: Answers


@dataclass(frozen=True)
class ModelPage:
    """Everything about one model; `marks` says whether words are marked in some answer."""

    name: str
    summary: ModelSummary
    facts: tuple[Fact, ...]
    machines: tuple[MachinePart[OnMachine], ...]
    answers: tuple[PromptAnswer, ...]
    answers_context: str
    marks: bool
    rater_notes: tuple[RaterNote, ...]
    earlier_review: EarlierReview | None
    repeats: Repeats


def model_list(site: Site) -> TablePage:
    """Return every model that ever ran, with its newest run."""
    lead = "Every model that ever took part in a run, with its newest one."
    if not site.marks:
        return TablePage(lead, None)
    rows = [site.newest(name) for name in site.marks]
    shown = table(
        "All models",
        [
            name_column("Model", model_cells(site, rows, LIST)),
            _place_column(site, rows),
            # The newest runs may be of different machines: quality and speed are shown, not compared.
            estimated_column(site, rows, "score", "Quality"),
            estimated_column(site, rows, "decode_tokens_per_s", "Decode speed"),
            number_column("Footprint", "bytes", [measured(one, "footprint_bytes") for one in rows], "lower"),
            licence_column(rows),
            text_column("Publisher", [Cell(one.model.publisher or "not stated") for one in rows]),
            text_column("Machines", [", ".join(site.runs[name]) for name in site.marks]),
            count_column("Runs", [sum(map(len, site.runs[name].values())) for name in site.marks]),
            text_column("Newest run", [_newest_cell(one) for one in rows]),
        ],
    )
    return TablePage(lead, shown, intervals=True)


def model_view(site: Site, name: str) -> ModelPage:
    """Return the page of a model."""
    here = model_page(name)
    newest = site.newest(name)
    grades = grades_of(newest.result)
    raters = site.raters.of(newest.result)
    of_prompts = []
    for prompt in newest.result.prompt_set.prompts:
        value = newest.prompt_scores.get(prompt.id)
        of_prompts.append(
            PromptAnswer(
                title=prompt.title,
                href=relative(here, prompt_page(prompt.id)),
                score="no score" if value is None else form.with_unit(value, "score"),
                answers=answers(newest, prompt, grades, raters.all),
            )
        )
    return ModelPage(
        name=name,
        summary=newest,
        facts=_facts(newest),
        machines=tuple(
            MachinePart(
                f"machine-{anchor(machine)}",
                machine,
                machine,
                newest_on(one.result for one in runs),
                partial(on_machine, site, name, machine, here),
            )
            for machine, runs in site.runs[name].items()
        ),
        answers=tuple(of_prompts) if newest.model.samples else (),
        answers_context=run_context(newest),
        marks=any("<mark " in answer.shown for one in of_prompts for answer in one.answers.distinct),
        rater_notes=rater_notes(raters),
        earlier_review=earlier_review(site, Board(site.whole.of(newest.result.run.id)), here),
        repeats=model_repeats(site, newest, here),
    )


def _place_column(site: Site, rows: Sequence[ModelSummary]) -> Column:
    """Return the rank of each model by quality among the models of its newest run."""
    cells = []
    for one in rows:
        board = Board(site.whole.of(one.result.run.id))
        ranks = ranked(site, board, "score")
        known = sum(other.rank is not None for other in ranks)
        if known == 1:
            cells.append(Cell(form.NO_VALUE, small="alone in its run"))
            continue
        cell = rank_cell(next((other for other in ranks if other.model == one.model.name), None), ranks)
        cells.append(replace(cell, interval=f"{cell.interval} of {known}".strip()) if cell.kind == "value" else cell)
    column = text_column("Rank", cells, numeric=True)
    return replace(column, unit="by quality", explained=RANKS_PAGE)


def _newest_cell(summary: ModelSummary) -> Cell:
    text, machine = form.day(summary.result.run.started_utc), summary.result.machine.name
    href = relative(LIST, run_page(summary.result))
    if summary.model.skipped is not None:
        return Cell(text, small=f"{machine} · skipped", kind="skipped", href=href, note=failure_text(summary))
    if not summary.good_samples:
        return Cell(text, small=f"{machine} · failed", kind="failed", href=href, note=failure_text(summary))
    if summary.failed_samples:
        return Cell(text, small=f"{machine} · {form.count(summary.failed_samples, 'failed sample')}", href=href)
    return Cell(text, small=machine, href=href)


def _facts(summary: ModelSummary) -> tuple[Fact, ...]:
    model = summary.model
    why = model.unmeasured
    context_length = None if model.context_length is None else form.count(model.context_length, "token")
    facts = [
        Fact("Asked for", model.requested),
        Fact("Resolved to", _or_not_stated(model.variant_id)),
        Fact("Version", _or_not_stated(model.variant_version)),
        Fact("Provider", model.provider),
        *([Fact("Served by", runtime_words(model))] if model.runtime is not None else []),
        Fact("Device", " · ".join(part for part in (model.device, model.execution_provider) if part) or "not stated"),
        Fact("Publisher", _or_not_stated(model.publisher)),
        _measured_fact("Licence", model.licence, why.get("licence"), web_address(model.licence_url) or ""),
        _measured_fact(
            "Parameters", form.parameters(model.parameters) if model.parameters else None, why.get("parameters")
        ),
        _measured_fact("Precision", model.precision, why.get("precision")),
        _measured_fact("Context length", context_length, why.get("context_length")),
        _measured_fact(
            "Footprint",
            None if model.footprint_bytes is None else form.with_unit(model.footprint_bytes, "bytes"),
            why.get("footprint_bytes"),
        ),
        Fact("Capabilities", ", ".join(model.capabilities) or "none declared"),
        *([Fact("Made from", model.origin)] if model.origin is not None else []),
    ]
    return tuple(facts)


def _or_not_stated(text: str | None) -> str:
    return text or "not stated"


def _measured_fact(label: str, value: str | None, why: str | None, href: str = "") -> Fact:
    return Fact(label, "not known", why=why or "no reason given") if value is None else Fact(label, value, href=href)
