"""The runs: a list, and the data file from which one viewer page shows any of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis.summary import ModelSummary, RunSummary
from bench.metrics.registry import metric
from bench.report import format as form
from bench.report.tables import Cell, Table, name_column, table
from bench.report.text import relative, shortened, visible
from bench.schema.machine import Machine
from bench.schema.result import Result
from bench.schema.sample import FAILURE_KINDS, Sample
from bench.site.dataset import Site, failure_text, metric_column
from bench.site.sections.badges import Badge, badges, caveats
from bench.site.sections.leaderboard import licence_column
from bench.site.sections.raters import RunRaters
from bench.site.sections.run_viewer import (
    Json,
    RunAnswers,
    answers_section,
    column,
    facts_section,
    list_section,
    load_sections,
    machine_sections,
    opinions,
    rows_section,
    said,
    source_sections,
    table_section,
)
from bench.site.urls import DATA, run_file, run_page

LIST = "report/runs.html"
DATA_OF_RUNS = f"{DATA}/runs/"
SAMPLE_COLUMNS = ("ttft_s", "decode_tokens_per_s", "e2e_s", "longest_stall_s")


@dataclass(frozen=True)
class RunLine:
    """A run in the list."""

    href: str
    minute: str
    machine: str
    config: str
    models: tuple[str, ...]
    good: int
    failed: int
    badges: tuple[Badge, ...]
    version: str
    commit: str
    caveats: tuple[str, ...]
    json_href: str
    csv_href: str


def run_lines(site: Site) -> tuple[RunLine, ...]:
    """Return every run, newest first."""
    return tuple(_line(summary) for summary in reversed(site.summaries))


def run_data(summary: RunSummary) -> Json:
    """Return a run as the viewer shows it: sections of facts and tables, every cell text that is ready to read.

    It goes by the result file alone. `later_at` is the number of sections before those that `run_data_later` has.
    """
    result = summary.result
    first = [
        list_section("Reasons for doubt", caveats(summary)),
        facts_section("Run", _run_facts(result)),
        table_section("Models", _model_table(summary)),
    ]
    then = [
        facts_section("Machine", _machine_facts(result.machine)),
        *(section for one in summary.models for section in load_sections(one)),
        *machine_sections(summary),
        facts_section("Versions", sorted(result.machine.versions.items())),
        facts_section("Configuration", _flat(result.config.resolved)) | {"fold": True},
    ]
    found = said(summary)
    for one in summary.models:
        then += _model_sections(one, found)
    shown = [section for section in first if section["rows"]]
    return {
        "id": visible(result.run.id),
        "when": form.minute(result.run.started_utc),
        "standings": [{"kind": one.kind, "text": one.sentence} for one in badges(summary)],
        "sections": [*shown, *(section for section in then if section["rows"])],
        "later_at": len(shown),
        "prompts": found.prompts,
        "answers": found.answers,
        "json": relative(DATA_OF_RUNS, run_file(result, "json")),
        "csv": relative(DATA_OF_RUNS, run_file(result, "csv")),
    }


def run_data_later(summary: RunSummary, changed: Sequence[Json], hearing: RunRaters | None) -> Json:
    """Return what is known of a run only after it, as the viewer shows it: sections, and what was said of each answer.

    `changed` are the sections on what shifted with the run; `hearing` is what judges and people said of its answers.
    """
    sections = [*(source_sections(summary, hearing) if hearing is not None else ()), *changed]
    return {
        "sections": [section for section in sections if section["rows"]],
        "answers": opinions(summary, hearing) if hearing is not None else [],
    }


def _line(summary: RunSummary) -> RunLine:
    result = summary.result
    run = result.run
    return RunLine(
        href=relative(LIST, run_page(result)),
        minute=form.minute(run.started_utc),
        machine=result.machine.name,
        config=result.config.name,
        models=tuple(shortened(one.model.name, 40) for one in summary.models),
        good=sum(one.good_samples for one in summary.models),
        failed=sum(one.failed_samples for one in summary.models),
        badges=badges(summary),
        version=run.tool_version,
        commit=_commit(result),
        caveats=caveats(summary),
        json_href=relative(LIST, run_file(result, "json")),
        csv_href=relative(LIST, run_file(result, "csv")),
    )


def _commit(result: Result) -> str:
    if result.run.commit is None:
        return "outside git"
    return result.run.commit[:7] + (" + changes" if result.run.dirty else "")


def _run_facts(result: Result) -> list[tuple[str, str]]:
    run = result.run
    seconds = (run.finished_utc - run.started_utc).total_seconds()
    return [
        ("Started", form.minute(run.started_utc)),
        ("Took", form.duration(seconds) + (", interruptions included" if run.resumed_utc else "")),
        ("State", "whole" if run.status == "complete" else "partial: stopped before its end"),
        ("Resumed", ", ".join(form.minute(moment) for moment in run.resumed_utc) or "never interrupted"),
        ("Tool version", run.tool_version),
        ("Commit", _commit(result)),
        ("Configuration", f"{result.config.name} ({result.config.sha256[:12]})"),
        ("Changed by", ", ".join(result.config.overrides) or "nothing"),
        ("Prompt set", f"{result.prompt_set.title} ({result.prompt_set.sha256[:12]})"),
        ("Prompts", form.count(len(result.prompt_set.prompts), "prompt")),
    ]


def _machine_facts(machine: Machine) -> list[tuple[str, str]]:
    physical = "" if machine.physical_cores is None else f"{form.count(machine.physical_cores, 'physical core')}, "
    facts = [
        ("Name", machine.name),
        ("System", f"{machine.os} ({machine.arch})"),
        ("Processor", machine.cpu),
        ("Cores", f"{physical}{machine.logical_cores} logical"),
        ("Memory", form.with_unit(machine.memory_bytes, "bytes")),
        ("Power", machine.power_source or "the machine does not say"),
    ]
    for one in machine.accelerators:
        memory = "memory not stated" if one.memory_bytes is None else form.with_unit(one.memory_bytes, "bytes")
        facts.append(("Accelerator", f"{one.name}, {memory}, driver {one.driver or 'not stated'}"))
    if not machine.accelerators:
        facts.append(("Accelerators", "none found"))
    return facts


def _model_table(summary: RunSummary) -> Table:
    rows = summary.models
    return table(
        "Models",
        [
            name_column("Model", [Cell(one.model.name, small=_state(one)) for one in rows]),
            metric_column(rows, "score", "Quality"),
            metric_column(rows, "decode_tokens_per_s", "Decode speed"),
            metric_column(rows, "ttft_s", "TTFT p50"),
            metric_column(rows, "ttft_s.p95", "TTFT p95"),
            metric_column(rows, "e2e_s", "Latency p50"),
            metric_column(rows, "e2e_s.p95", "Latency p95"),
            metric_column(rows, "cold_load_s", "Cold load"),
            metric_column(rows, "memory_peak_bytes", "Peak memory"),
            metric_column(rows, "footprint_bytes", "Footprint"),
            licence_column(rows),
        ],
    )


def _state(one: ModelSummary) -> str:
    if not one.good_samples:
        return failure_text(one)
    failed = f", {one.failed_samples} failed" if one.failed_samples else ""
    return f"{form.count(one.good_samples, 'good sample')}{failed}"


def _model_sections(one: ModelSummary, found: RunAnswers) -> list[Json]:
    titles = {prompt.id: visible(prompt.title) for prompt in one.result.prompt_set.prompts}
    name = shortened(visible(one.model.name), 60)
    return [
        _sample_section(f"Samples of {name}", one.model.samples, titles),
        _sample_section(f"Warm-up of {name}", one.model.warmup, titles),
        answers_section(one, found),
    ]


def _sample_section(heading: str, samples: tuple[Sample, ...], titles: dict[str, str]) -> Json:
    chosen = [metric(metric_id) for metric_id in SAMPLE_COLUMNS]
    values = [one.value_of_each(samples) for one in chosen]
    scales = [form.scale(one.unit, found) for one, found in zip(chosen, values, strict=True)]
    columns = [column("Order", numeric=True), column("Round", numeric=True), column("Prompt")]
    columns += [column(one.name, scale.unit, numeric=True) for one, scale in zip(chosen, scales, strict=True)]
    columns += [column("Output", "tokens", numeric=True), column("Ended")]
    tokens = [sample.output_tokens for sample in samples]
    texts = [
        [str(sample.position) for sample in samples],
        [str(sample.round) for sample in samples],
        [titles[sample.prompt] for sample in samples],
        *([form.quantity(value, scale) for value in found] for found, scale in zip(values, scales, strict=True)),
        [form.NO_VALUE if count is None else f"{count:,}" for count in tokens],
        [visible(_ended(sample)) for sample in samples],
    ]
    return rows_section(heading, columns, [list(row) for row in zip(*texts, strict=True)])


def _ended(sample: Sample) -> str:
    if sample.failure is None:
        return sample.finish_reason or "no reason given"
    meaning = FAILURE_KINDS.get(sample.failure.kind, "unknown kind of failure")
    return f"failed ({sample.failure.kind}: {meaning}): {sample.failure.message}"


def _flat(value: object, path: str = "") -> list[tuple[str, str]]:
    """Return what is set in a configuration, each under its path."""
    if isinstance(value, dict) and value:
        return [fact for key, inner in value.items() for fact in _flat(inner, f"{path}.{key}" if path else str(key))]
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return [fact for place, inner in enumerate(value) for fact in _flat(inner, f"{path}[{place}]")]
    if isinstance(value, list) and value:
        return [(path, ", ".join(str(item) for item in value))]
    if value is None or value in ([], {}):
        return []
    return [(path, str(value).lower() if isinstance(value, bool) else str(value))]
