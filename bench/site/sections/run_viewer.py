"""The sections of the run viewer as plain data: steadiness, loads, memory, energy, lengths, answers and scores."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bench.analysis.ratings import prompt_scores_of
from bench.analysis.summary import ModelSummary, RunSummary
from bench.analysis.trust import meanwhile
from bench.metrics.client_error import TIMES_THE_ERROR, ErrorSize, error_of, stamped_by
from bench.metrics.lengths import CellSummary, length_matrix
from bench.metrics.load import level_summaries
from bench.metrics.registry import metric
from bench.metrics.resources import ENERGY_SOURCES
from bench.metrics.saturation import knee
from bench.metrics.scores import mean_score
from bench.metrics.timing import NANOSECONDS_PER_SECOND, loads_s, measured_before_version_2
from bench.quality.grading import HIGHEST_SCORE, LOWEST_SCORE
from bench.report import format as form
from bench.report.reasons import reason_words
from bench.report.tables import (
    Cell,
    CellKind,
    CellValue,
    Column,
    Table,
    count_column,
    name_column,
    number_column,
    table,
    text_column,
)
from bench.report.text import shortened, visible
from bench.schema.machine import MachineWatch, Probe
from bench.schema.migrate import NOT_YET
from bench.site.dataset import measured, metric_column
from bench.site.sections.answer_cards import FoldedAnswer, MarkedPiece, Opinion, answers, by_prompt, grades_of
from bench.site.sections.lengths import lengths_sentence
from bench.site.sections.level_tables import CLOSED_VIEWER_COLUMNS, FROM_SCHEDULE, OPEN_VIEWER_COLUMNS, level_table
from bench.site.sections.load_levels import closed_sentence, rates_sentence
from bench.site.sections.raters import RaterScores, RunRaters
from bench.site.sections.reviewed_runs import rater_notes
from bench.site.sections.served_by import CACHES_SAY, TIMINGS_SAY, served_by
from bench.stats.distribution import Distribution

Json = dict[str, Any]


def facts_section(heading: str, facts: Sequence[tuple[str, str]]) -> Json:
    """Return names with their values."""
    return {"heading": heading, "kind": "facts", "rows": [[visible(name), visible(value)] for name, value in facts]}


def list_section(heading: str, lines: Sequence[str]) -> Json:
    """Return sentences."""
    return {"heading": heading, "kind": "list", "rows": [visible(line) for line in lines]}


def table_section(heading: str, shown: Table, says: str = "") -> Json:
    """Return a table, with a sentence above it that says what it shows."""
    columns = [column(visible(one.label), visible(one.unit), numeric=one.numeric) for one in shown.columns]
    rows = [[_cell(cell) for cell in row] for row in shown.rows]
    notes = [visible(f"{note.letter}: {note.text}") for note in shown.notes]
    section = {"heading": heading, "kind": "table", "columns": columns, "rows": rows, "notes": notes}
    return section | ({"says": visible(says)} if says else {})


def rows_section(heading: str, columns: Sequence[Json], rows: Sequence[list[str]]) -> Json:
    """Return a long table of texts, in which nothing is invisible, that opens when a reader asks for it."""
    return {"heading": heading, "kind": "table", "fold": True, "columns": list(columns), "rows": list(rows)}


def column(label: str, unit: str = "", numeric: bool = False) -> Json:
    """Return the head of a column."""
    return {"label": label, "unit": unit, "numeric": numeric}


def _cell(cell: Cell) -> Json:
    return {
        "t": visible(cell.text),
        "s": visible(cell.small),
        "k": cell.kind,
        "n": cell.note_letter,
        "b": 1 if cell.best else 0,
    }


TRANSPORTS = {
    "in-process": "in this program’s process",
    "direct": "our own HTTP client",
    "package": "the openai package’s HTTP client",
}
"""Every transport, in words."""

STAMPS = {"kernel": "by the kernel", "process": "by this program"}
"""Who stamps arrivals, in words."""

VERDICTS = {"steady": "Steady", "unsteady": "Unsteady", "unknown": "Not known"}


def machine_sections(summary: RunSummary) -> list[Json]:
    """Return the sections that say how a run was measured and what it took."""
    tried = [one for one in summary.models if one.model.skipped is None]
    return [
        *_steadiness(summary, tried),
        _client(summary),
        _starts(tried),
        *_servers(tried),
        _memory(tried),
        _energy(tried),
    ]


def transport_words(transport: str | None) -> str:
    """Return in words what carried the requests to a model."""
    return TRANSPORTS.get(transport or "", "not stated")


def _steadiness(summary: RunSummary, tried: Sequence[ModelSummary]) -> list[Json]:
    found = summary.steadiness
    heading = f"The machine’s steadiness: {VERDICTS[found.verdict].lower()}"
    # Not made a sentence: a reason may begin with the name of a model.
    reasons = tuple(map(reason_words, found.reasons)) or (
        "No probe, sleeper, hypervisor or load was beyond its limit.",
    )
    watched = [(one, one.model.machine_watch) for one in tried if one.model.machine_watch is not None]
    sections = [list_section(heading, reasons)]
    if watched:
        watches = [watch for _, watch in watched]
        shown = table(
            "Machine",
            [
                _names([one for one, _ in watched]),
                text_column("Arithmetic", [_probes(one, lambda probe: probe.compute_ns) for one in watches], True),
                text_column("Copying memory", [_probes(one, lambda probe: probe.memory_ns) for one in watches], True),
                text_column("Woke late", [_late(one) for one in watches], True),
                text_column("Hypervisor took", [_share(one.steal_share) for one in watches], True),
                text_column("Clock", [_both(one, _clock) for one in watches], True),
                text_column("Temperature", [_both(one, _temperature) for one in watches], True),
                text_column("Load", [_both(one, _load) for one in watches], True),
            ],
        )
        says = "A fixed piece of work, timed before → after each model, and how late a sleeper woke in between."
        sections.append(table_section("", shown, says))
    return sections


def _client(summary: RunSummary) -> Json:
    heading = "The client’s own error"
    errors = [error_of(check) for check in summary.result.client]
    if not errors:
        return list_section(heading, [_why_no_client(summary)])
    starts, gaps = [one.ttft for one in errors], [one.gap for one in errors]
    shown = table(
        "Client",
        [
            name_column("Transport", [Cell(transport_words(one.transport)) for one in errors]),
            text_column("Stamped", [STAMPS[one.stamped_by] for one in errors]),
            text_column("Streams", [f"{one.streams:,}" for one in errors], True),
            number_column("TTFT p50", "s", [_error(one, lambda size: size.p50_s) for one in starts]),
            _tail_column("TTFT p99", starts),
            number_column("TTFT from", "s", [_error(one, lambda size: size.resolvable_s) for one in starts]),
            number_column("Gap p50", "s", [_error(one, lambda size: size.p50_s) for one in gaps]),
            _tail_column("Gap p99", gaps),
            number_column("Gaps from", "s", [_error(one, lambda size: size.resolvable_s) for one in gaps]),
        ],
    )
    says = (
        "How far the client was off, early or late, against a server that logged when it wrote; "
        f"a latency or gap is resolvable from {form.in_words(TIMES_THE_ERROR)} times that on."
    )
    if all(one.model.transport == "in-process" for one in summary.models if one.model.skipped is None):
        says += " No client stands before these models: it says how well the machine kept time."
    return table_section(heading, shown, says)


def _why_no_client(summary: RunSummary) -> str:
    models = [one.model for one in summary.models]
    if all(model.transport == "in-process" for model in models if model.skipped is None):
        return "No client stands before these models: they run in this program’s process."
    if any(measured_before_version_2(model) for model in models):
        return form.sentence(NOT_YET)
    return "Not checked in this run: nobody can say which latencies are too small for the client."


def _starts(tried: Sequence[ModelSummary]) -> Json:
    shown = table(
        "Loads and requests",
        [
            _names(tried),
            text_column("Requests carried by", [transport_words(one.model.transport) for one in tried]),
            text_column("Stamped", [_stamped(one) for one in tried]),
            number_column("Cold load", "s", [measured(one, "cold_load_s") for one in tried], small=_loads(tried)),
            metric_column(tried, "first_request_s", "First request", compared=False),
            metric_column(tried, "e2e_s", "Latency p50", compared=False),
            metric_column(tried, "connect_s", "Connect", compared=False),
            metric_column(tried, "sent_s", "Sent p50", compared=False),
            metric_column(tried, "sent_share", "Sent / TTFT", compared=False),
            metric_column(tried, "longest_stall_s.maximum", "Longest stall", compared=False),
            metric_column(tried, "stalls_count", "Stalls", compared=False),
            metric_column(tried, "shared_reads_count", "Shared reads", compared=False),
        ],
    )
    return table_section("Loads and requests", shown)


def _servers(tried: Sequence[ModelSummary]) -> list[Json]:
    found = served_by(tried)
    sections = []
    if found.caches is not None:
        sections.append(table_section("Servers and prompt caches", found.caches, CACHES_SAY))
    if found.timings is not None:
        sections.append(table_section("What the servers say", found.timings, TIMINGS_SAY))
    return sections


def _stamped(summary: ModelSummary) -> str:
    """Return who stamped the arrivals of a model, and of how many requests others had to."""
    clock = summary.model.stamp_clock
    words = STAMPS[stamped_by(summary.model.samples)]
    if clock is None or not clock.refused:
        return words
    return f"{words}; the kernel’s stamps of {form.count(clock.refused, 'request')} could not be believed"


def _memory(tried: Sequence[ModelSummary]) -> Json:
    watches = [one.model.memory_watch for one in tried]
    shown = table(
        "Memory",
        [
            _names(tried),
            metric_column(tried, "memory_before_bytes", "Before", compared=False),
            metric_column(tried, "memory_loaded_bytes", "Loaded", compared=False),
            metric_column(tried, "memory_unique_bytes", "Unique", compared=False),
            metric_column(tried, "memory_peak_bytes", "Peak", compared=False),
            metric_column(tried, "gpu_memory_peak_bytes", "GPU peak", compared=False),
            _seconds("Read every", [None if one is None else one.period_ns for one in watches]),
            text_column(
                "Readings", [_not_watched() if one is None else Cell(f"{one.readings:,}") for one in watches], True
            ),
            _seconds("Reading took", [None if one is None else one.cost_ns for one in watches]),
        ],
    )
    says = "Memory of the process that holds the model, read from outside; the last column is the reader’s own cost."
    return table_section("Memory", shown, says)


def _energy(tried: Sequence[ModelSummary]) -> Json:
    reasons = {one.model.unmeasured["energy"] for one in tried if one.model.energy is None}
    if len(reasons) == 1 and all(one.model.energy is None for one in tried):
        return list_section("Energy", [form.sentence(reason) for reason in reasons])
    known = [one.model.energy for one in tried]
    whys = [one.model.unmeasured.get("energy", "") for one in tried]
    missing = [CellValue(None, "none", why) for why in whys]
    shown = table(
        "Energy",
        [
            _names(tried),
            text_column(
                "Source",
                [
                    Cell("not measured", kind="none", note=why) if one is None else Cell(ENERGY_SOURCES[one.source])
                    for one, why in zip(known, whys, strict=True)
                ],
            ),
            number_column(
                "In all",
                "J",
                [no if one is None else CellValue(one.joules) for one, no in zip(known, missing, strict=True)],
            ),
            number_column(
                "Idle, taken off",
                "W",
                [
                    CellValue(None, "none", "no idle power is known to take off" if one else no.why)
                    if one is None or one.idle_watts is None
                    else CellValue(one.idle_watts)
                    for one, no in zip(known, missing, strict=True)
                ],
            ),
            _seconds("Over", [None if one is None else one.duration_ns for one in known], whys),
            metric_column(tried, "energy_per_answer_j", "An answer"),
            metric_column(tried, "energy_per_1000_tokens_j", "1,000 tokens"),
            metric_column(tried, "cost_per_1000_answers", "1,000 answers cost"),
        ],
    )
    return table_section("Energy", shown)


def _names(rows: Sequence[ModelSummary]) -> Column:
    return name_column("Model", [Cell(shortened(one.model.name, 60)) for one in rows])


def _loads(tried: Sequence[ModelSummary]) -> list[str]:
    each = [loads_s(one.model) for one in tried]
    return [f"each: {form.listed(loads, 's')}" if len(loads) > 1 else "" for loads in each]


def _probes(watch: MachineWatch, part: Callable[[Probe], int]) -> Cell:
    before, after = part(watch.before), part(watch.after)
    text = form.pair(before / NANOSECONDS_PER_SECOND, after / NANOSECONDS_PER_SECOND, "s")
    return Cell(text, small=form.change(after / before - 1) if before else "")


def _late(watch: MachineWatch) -> Cell:
    found = meanwhile(watch)
    if found.late_worst_s is None:
        return _not_watched()
    return Cell(form.with_unit(found.late_median_s, "s"), small=f"at worst {form.with_unit(found.late_worst_s, 's')}")


def _share(value: float | None) -> Cell:
    return Cell("not told", kind="none") if value is None else Cell(form.with_unit(value, "share"))


def _both(watch: MachineWatch, part: Callable[[Probe], str | None]) -> Cell:
    before, after = part(watch.before), part(watch.after)
    if before is None and after is None:
        return Cell("not told", kind="none")
    return Cell(f"{before or 'not told'} → {after or 'not told'}")


def _clock(probe: Probe) -> str | None:
    return None if probe.cpu_hz is None else form.with_unit(probe.cpu_hz, "Hz")


def _temperature(probe: Probe) -> str | None:
    return None if probe.temperature_c is None else f"{form.short(probe.temperature_c)} °C"


def _load(probe: Probe) -> str | None:
    return None if probe.load_average is None else form.short(probe.load_average)


def _error(size: ErrorSize | None, part: Callable[[ErrorSize], float]) -> CellValue:
    return CellValue(None, "none", "not checked") if size is None else CellValue(part(size))


def _tail_column(label: str, sizes: Sequence[ErrorSize | None]) -> Column:
    few = ["" if one is None or one.p99_s is not None else f"largest of {one.count}" for one in sizes]
    return number_column(label, "s", [_error(one, lambda size: size.bound_s) for one in sizes], small=few)


def _seconds(label: str, durations_ns: Sequence[int | None], whys: Sequence[str] = ()) -> Column:
    reasons = whys or [""] * len(durations_ns)
    values = [
        CellValue(None, "none", why) if one is None else CellValue(one / NANOSECONDS_PER_SECOND)
        for one, why in zip(durations_ns, reasons, strict=True)
    ]
    return number_column(label, "s", values)


def _not_watched() -> Cell:
    return Cell("not watched", kind="none")


CELL_COLUMNS = ("prefill_tokens_per_s", "decode_tokens_per_s", "ttft_s", "e2e_s")
"""Metrics in the table of cells, in order."""


def load_sections(one: ModelSummary) -> list[Json]:
    """Return the sections of a model's levels of load and of its matrix of lengths; none where it has neither."""
    name = shortened(visible(one.model.name), 60)
    return [*_levels(one, name), *_lengths(one, name)]


def _levels(one: ModelSummary, name: str) -> list[Json]:
    levels = level_summaries(one.result, one.model)
    closed = [level for level in levels if level.closed]
    rates = [level for level in levels if not level.closed]
    found = knee(levels)
    sections = []
    if closed:
        heading = f"{name}: so many at once"
        shown = level_table(heading, closed, CLOSED_VIEWER_COLUMNS, found, intervals=False)
        sections.append(table_section(heading, shown, closed_sentence(found, closed)))
    if rates:
        heading = f"{name}: so many a second"
        shown = level_table(heading, rates, OPEN_VIEWER_COLUMNS, None, intervals=False)
        sections.append(table_section(heading, shown, f"{rates_sentence(rates)} {FROM_SCHEDULE}"))
    return sections


def _lengths(one: ModelSummary, name: str) -> list[Json]:
    matrix = length_matrix(one.model)
    if matrix is None:
        return []
    cells = [matrix.cells[place] for place in sorted(matrix.cells)]
    return [table_section(f"{name} by length", _cell_table(name, cells), lengths_sentence(matrix))]


def _cell_table(name: str, cells: list[CellSummary]) -> Table:
    columns = [
        name_column("Prompt × answer", [Cell(f"{one.prompt_tokens:,} × {one.output_tokens:,}") for one in cells]),
        _came("Prompt", [one.read for one in cells], cells),
        _came("Answer", [one.written for one in cells], cells),
    ]
    for metric_id in CELL_COLUMNS:
        spreads = [one.spreads[metric_id] for one in cells]
        chosen = metric(metric_id)
        scale = form.scale(chosen.unit, [None if spread is None else spread.maximum for spread in spreads])
        small = ["" if spread is None or spread.count == 1 else _range(spread, scale) for spread in spreads]
        columns.append(number_column(chosen.name, chosen.unit, _measured(spreads, metric_id, cells), small=small))
    columns.append(count_column("Good", [one.good for one in cells]))
    columns.append(count_column("Failed", [one.failed for one in cells]))
    return table(f"{name} by length", columns)


def _came(label: str, spreads: list[Distribution | None], cells: list[CellSummary]) -> Column:
    return number_column(f"{label} that came", "tokens", _measured(spreads, "", cells))


def _measured(spreads: list[Distribution | None], metric_id: str, cells: list[CellSummary]) -> list[CellValue]:
    found = []
    for spread, cell in zip(spreads, cells, strict=True):
        kind: CellKind = "skipped" if cell.skipped is not None else "none" if cell.good else "failed"
        why = cell.skipped or cell.undefined.get(metric_id, "") or _kinds(cell)
        found.append(CellValue(None, kind, why) if spread is None else CellValue(spread.p50))
    return found


def _range(spread: Distribution, scale: form.Scale) -> str:
    return f"{form.quantity(spread.minimum, scale)} to {form.quantity(spread.maximum, scale)}"


def _kinds(cell: CellSummary) -> str:
    return ", ".join(f"{kind} ({count})" for kind, count in cell.failure_kinds.items()) or "nobody counted"


@dataclass(frozen=True)
class RunAnswers:
    """The prompts of a run with their rubrics, its distinct answers, and the rows of each model's section by name."""

    prompts: list[Json]
    answers: list[Json]
    rows: dict[str, list[list[int | str]]]


def source_sections(summary: RunSummary, hearing: RunRaters) -> list[Json]:
    """Return what each source gives each model of a run, and what must be known of the judges; nothing without others.

    A score is the mean over the prompts that its source scored.
    """
    if not hearing.reviewers:
        return []
    models = summary.models
    columns = [name_column("Model", [Cell(one.model.name) for one in models])]
    columns += [
        text_column(_headed(voice), [_mean(summary, one, voice) for one in models], numeric=True)
        for voice in hearing.all
    ]
    says = (
        f"Each source scores the answers by itself, from {LOWEST_SCORE} to {HIGHEST_SCORE}; none is mixed into another."
    )
    caveats = [f"{line.name} {line.text}" for line in rater_notes(hearing)]
    return [
        table_section("Quality by source", table("Quality by source", columns), says),
        list_section("What to know of the judges", caveats),
    ]


def said(summary: RunSummary) -> RunAnswers:
    """Return what the models of a run said, and what the program says of it facet by facet.

    Every text is as it was said: what shows it must set it as text.
    """
    places: dict[tuple[str, str], int] = {}
    shown: list[Json] = []
    rows: dict[str, list[list[int | str]]] = {one.model.name: [] for one in summary.models}
    for name, number, each in _each_answer(summary):
        place = places.setdefault((each.prompt.id, each.output), len(shown))
        if place == len(shown):
            shown.append(_answer(each))
        rows[name].append([number, place, each.times, visible(f"ended: {each.ended}")])
    prompts = [
        {"title": visible(prompt.title), "says": [visible(facet.says) for facet in prompt.facets]}
        for prompt in summary.result.prompt_set.prompts
    ]
    return RunAnswers(prompts, shown, rows)


def opinions(summary: RunSummary, hearing: RunRaters) -> list[Json]:
    """Return what judges and people say of each answer of `said`, in its order; nothing without others."""
    if not hearing.reviewers:
        return []
    answered: dict[tuple[str, str], FoldedAnswer] = {}
    for _, _, each in _each_answer(summary, hearing):
        answered.setdefault((each.prompt.id, each.output), each)
    return [_opinions(each) for each in answered.values()]


def _each_answer(summary: RunSummary, hearing: RunRaters | None = None) -> Iterator[tuple[str, int, FoldedAnswer]]:
    """Yield the name of each model, the number of each prompt, and each distinct answer of the one to the other."""
    grades, voices = grades_of(summary.result), hearing.all if hearing is not None else ()
    for one in summary.models:
        samples = by_prompt(one.model)
        for number, prompt in enumerate(summary.result.prompt_set.prompts):
            for each in answers(one, prompt, grades, voices, samples.get(prompt.id, ())).distinct:
                yield one.model.name, number, each


def answers_section(one: ModelSummary, found: RunAnswers) -> Json:
    """Return the answers of a model: for each the numbers of its prompt and of itself, how often it came and ended."""
    name = shortened(visible(one.model.name), 60)
    return {"heading": f"Answers of {name}", "kind": "answers", "fold": True, "rows": found.rows[one.model.name]}


def _answer(one: FoldedAnswer) -> Json:
    return {
        "score": one.score,
        "hint": one.empty or one.cut,
        "facets": [{"state": facet.state, "sign": facet.sign, "why": visible(facet.why)} for facet in one.facets],
        "text": [_piece(piece) for piece in one.pieces if piece.text],
    }


def _opinions(one: FoldedAnswer) -> Json:
    return {
        "score": f"{one.score} by the program",
        "others": [_opinion(said) for said in one.others],
        "notes": [[visible(note.by), visible(note.why)] for note in one.notes],
        "facets": [[_opinion(said) for said in facet.opinions] for facet in one.facets],
    }


def _piece(one: MarkedPiece) -> str | list[str]:
    return [visible(one.text), one.kind, visible(one.title)] if one.kind else visible(one.text)


def _opinion(one: Opinion) -> Json:
    return {"by": visible(one.by), "score": one.score, "why": visible(one.why), "words": one.words}


def _mean(summary: RunSummary, one: ModelSummary, voice: RaterScores) -> Cell:
    scores = prompt_scores_of(summary.result, one.model, voice.scores)
    value = mean_score(scores)
    if value is None:
        return Cell("unscored", kind="none")
    known = sum(score is not None for score in scores.values())
    words = [] if known == len(scores) else [f"over {form.count(known, 'prompt')}"]
    words += ["doubted"] if voice.doubt else []
    return Cell(form.score(value), small=", ".join(words), kind="none" if voice.doubt else "value")


def _headed(voice: RaterScores) -> str:
    # A person's name stays as the person writes it.
    return voice.label if voice.source.kind == "person" else voice.label[:1].upper() + voice.label[1:]
