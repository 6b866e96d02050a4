"""Results as tables for other programs and people: CSV, JSON and Markdown.

CSV and JSON carry unrounded numbers in base units (seconds, bytes, tokens/s) with the unit in the column's name. Only
Markdown rounds, to three significant digits. An undefined value is an empty cell in CSV, null in JSON and '-' in
Markdown; the column `undefined` says why. Levels of load and cells of the matrix of lengths have tables of their own: a
number under load is never beside one of a single stream.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

from bench.analysis.consumption import prices
from bench.analysis.level_rows import (
    LENGTH_COLUMNS,
    LENGTH_MARKDOWN,
    LOAD_COLUMNS,
    LOAD_MARKDOWN,
    length_rows,
    load_rows,
)
from bench.analysis.licences import commercial_use
from bench.analysis.report import benchmark_report
from bench.analysis.resolution import smallest_resolvable_s
from bench.analysis.summary import ModelSummary, RunSummary, summarise
from bench.analysis.tabular import FORMULA_STARTS, Row, Value, csv_text, json_text, markdown_text
from bench.results.schema import Result

__all__ = [
    "COLUMNS",
    "FORMULA_STARTS",
    "LENGTH_COLUMNS",
    "LIMIT_COLUMNS",
    "LOAD_COLUMNS",
    "MARKDOWN_COLUMNS",
    "RUN_COLUMNS",
    "STATISTIC_COLUMNS",
    "Of",
    "Row",
    "Value",
    "benchmark_report",
    "rows",
    "to_csv",
    "to_json",
    "to_markdown",
]

Of = Literal["models", "load", "lengths"]
"""What a row is of: a model of a run, a level of load on one, a cell of its matrix of lengths."""

RUN_COLUMNS = (
    "run",
    "started_utc",
    "commit",
    "dirty",
    "tool_version",
    "machine",
    "config",
    "prompt_set",
    "model",
    "provider",
    "variant",
    "device",
    "execution_provider",
    "parameters",
    "precision",
    "licence",
    "commercial_use",
    "transport",
    "run_status",
    "resumed",
    "steadiness",
    "skipped",
    "failure",
    "good_samples",
    "failed_samples",
)
"""Columns that say what was run, in order; the measured ones follow."""

STATISTIC_COLUMNS: dict[str, str] = {
    "ttft_p50_s": "ttft_s.p50",
    "ttft_p95_s": "ttft_s.p95",
    "ttfo_p50_s": "ttfo_s.p50",
    "first_request_s": "first_request_s",
    "itl_p50_s": "itl_s.p50",
    "itl_p95_s": "itl_s.p95",
    "itl_p99_s": "itl_s.p99",
    "longest_stall_s": "longest_stall_s.maximum",
    "stalls_count": "stalls_count",
    "connect_s": "connect_s",
    "sent_p50_s": "sent_s.p50",
    "sent_share": "sent_share.p50",
    "shared_reads_count": "shared_reads_count",
    "shared_reads_share": "shared_reads_share",
    "tpot_p50_s": "tpot_s.p50",
    "decode_p50_tokens_per_s": "decode_tokens_per_s.p50",
    "prefill_p50_tokens_per_s": "prefill_tokens_per_s.p50",
    "latency_mean_s": "e2e_s.mean",
    "latency_p50_s": "e2e_s.p50",
    "latency_p95_s": "e2e_s.p95",
    "throughput_tokens_per_s": "throughput_tokens_per_s",
    "score": "score",
    "cold_load_s": "cold_load_s",
    "memory_before_bytes": "memory_before_bytes",
    "memory_loaded_bytes": "memory_loaded_bytes",
    "memory_peak_bytes": "memory_peak_bytes",
    "memory_unique_bytes": "memory_unique_bytes",
    "gpu_memory_peak_bytes": "gpu_memory_peak_bytes",
    "footprint_bytes": "footprint_bytes",
    "energy_per_answer_j": "energy_per_answer_j",
    "energy_per_1000_tokens_j": "energy_per_1000_tokens_j",
    "cost_per_1000_answers": "cost_per_1000_answers",
}
"""Column -> the metric, and the statistic of it, that it holds."""

LIMIT_COLUMNS = ("energy_source", "currency", "resolvable_from_s", "gaps_resolvable_from_s")
"""Columns that say how far to believe the measured ones, in order: an energy_source of 'estimate' was not measured, and
a latency or gap below its limit is not resolvable by the client."""

COLUMNS = (*RUN_COLUMNS, *STATISTIC_COLUMNS, *LIMIT_COLUMNS, "undefined")
"""Every column of a row, in order."""


MARKDOWN_COLUMNS: dict[str, str] = {
    "run": "Run",
    "model": "Model",
    "good_samples": "Good samples",
    "failed_samples": "Failed samples",
    "ttft_p50_s": "TTFT p50 (s)",
    "decode_p50_tokens_per_s": "Decode p50 (tokens/s)",
    "latency_p50_s": "Latency p50 (s)",
    "latency_p95_s": "Latency p95 (s)",
    "throughput_tokens_per_s": "Throughput (tokens/s)",
    "score": "Quality (1-5)",
    "memory_peak_bytes": "Peak memory (bytes)",
    "footprint_bytes": "Footprint (bytes)",
    "licence": "Licence",
}
"""Column -> its header in Markdown, which shows only these."""

WORDS = ("run", "model", "licence", "load", "keeps_up", "skipped")
"""Columns of texts in Markdown; the others are numbers."""


def rows(runs: Iterable[Result | RunSummary], of: Of = "models") -> list[Row]:
    """Return one row for each run and model, oldest run first, then in the order of the run; all rows have all columns.

    With `of`, a row for each level of load or each cell of the matrix of lengths instead. Numbers are unrounded, in
    base units. `undefined` says for each number that is None why, in one text. A run that is summarised already is not
    summarised again.
    """
    summaries = [run if isinstance(run, RunSummary) else summarise(run) for run in runs]
    summaries.sort(key=lambda one: (one.result.run.started_utc, one.result.run.id))
    if of == "load":
        return load_rows(summaries)
    if of == "lengths":
        return length_rows(summaries)
    return [_row(run, one) for run in summaries for one in run.models]


def to_csv(runs: Iterable[Result | RunSummary], of: Of = "models") -> str:
    """Return the rows as CSV with a header; a text that a spreadsheet would run as a formula gets an apostrophe."""
    columns: dict[Of, Sequence[str]] = {"models": COLUMNS, "load": LOAD_COLUMNS, "lengths": LENGTH_COLUMNS}
    return csv_text(columns[of], rows(runs, of))


def to_json(runs: Iterable[Result | RunSummary], of: Of = "models") -> str:
    """Return the rows as a JSON list of objects, indented, with a final line feed."""
    return json_text(rows(runs, of))


def to_markdown(runs: Iterable[Result | RunSummary], of: Of = "models") -> str:
    """Return the rows as a Markdown table of the most important columns, numbers to three significant digits.

    Every text is escaped: it shows as it is, whatever Markdown or HTML it holds.
    """
    headers: dict[Of, dict[str, str]] = {"models": MARKDOWN_COLUMNS, "load": LOAD_MARKDOWN, "lengths": LENGTH_MARKDOWN}
    return markdown_text(headers[of], WORDS, rows(runs, of))


def _row(run: RunSummary, summary: ModelSummary) -> Row:
    result, model = summary.result, summary.model
    values = {column: summary.value(metric_id) for column, metric_id in STATISTIC_COLUMNS.items()}
    reasons = {column: summary.why_undefined(metric_id) for column, metric_id in STATISTIC_COLUMNS.items()}
    return {
        "run": result.run.id,
        "started_utc": result.run.started_utc.isoformat(),
        "commit": result.run.commit,
        "dirty": result.run.dirty,
        "tool_version": result.run.tool_version,
        "machine": result.machine.name,
        "config": result.config.name,
        "prompt_set": result.prompt_set.id,
        "model": model.name,
        "provider": model.provider,
        "variant": model.variant_id,
        "device": model.device,
        "execution_provider": model.execution_provider,
        "parameters": model.parameters,
        "precision": model.precision,
        "licence": model.licence,
        "commercial_use": commercial_use(model.licence).use,
        "transport": model.transport,
        "run_status": result.run.status,
        "resumed": len(result.run.resumed_utc),
        "steadiness": run.steadiness.verdict,
        "skipped": model.skipped,
        "failure": None if model.failure is None else f"{model.failure.kind}: {model.failure.message}",
        "good_samples": summary.good_samples,
        "failed_samples": summary.failed_samples,
        **values,
        "energy_source": None if model.energy is None else model.energy.source,
        "currency": None if values["cost_per_1000_answers"] is None else prices(result).currency,
        "resolvable_from_s": smallest_resolvable_s("ttft_s", summary.client_error),
        "gaps_resolvable_from_s": smallest_resolvable_s("itl_s", summary.client_error),
        "undefined": "; ".join(f"{column}: {why}" for column, why in reasons.items() if why is not None),
    }
