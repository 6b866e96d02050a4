"""Results as tables for other programs and people: CSV, JSON and Markdown.

CSV and JSON carry unrounded numbers in base units (seconds, bytes, tokens/s) with the unit in the column's name. Only
Markdown rounds, to three significant digits. An undefined value is an empty cell in CSV, null in JSON and '-' in
Markdown; the column `undefined` says why.
"""

import csv
import io
import json
from collections.abc import Iterable
from typing import Final

from bench.analysis.consumption import prices
from bench.analysis.licences import commercial_use
from bench.analysis.markdown import escaped, rounded, table
from bench.analysis.report import benchmark_report
from bench.analysis.resolution import smallest_resolvable_s
from bench.analysis.summary import ModelSummary, RunSummary, summarise
from bench.results.schema import Result

__all__ = [
    "COLUMNS",
    "FORMULA_STARTS",
    "LIMIT_COLUMNS",
    "MARKDOWN_COLUMNS",
    "RUN_COLUMNS",
    "STATISTIC_COLUMNS",
    "Row",
    "Value",
    "benchmark_report",
    "rows",
    "to_csv",
    "to_json",
    "to_markdown",
]

Value = str | int | float | bool | None
Row = dict[str, Value]

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

EXACT_BELOW: Final = 1_000_000
"""Whole numbers below this are shown exactly in Markdown."""

FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\n")
"""First characters of a text that a spreadsheet takes for a formula."""


def rows(runs: Iterable[Result | RunSummary]) -> list[Row]:
    """Return one row for each run and model, oldest run first, then in the order of the run; all rows have all columns.

    Numbers are unrounded, in base units. `undefined` says for each number that is None why, in one text. A run that is
    summarised already is not summarised again.
    """
    summaries = [run if isinstance(run, RunSummary) else summarise(run) for run in runs]
    summaries.sort(key=lambda one: (one.result.run.started_utc, one.result.run.id))
    return [_row(run, one) for run in summaries for one in run.models]


def to_csv(runs: Iterable[Result | RunSummary]) -> str:
    """Return the rows as CSV with a header, comma-separated, lines ending in a line feed.

    A text that begins with = + - @ or a control character gets an apostrophe before it: spreadsheets would run it
    as a formula, and names and messages come from models and servers. A carriage return in a text becomes a line feed.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([_csv_cell(row[column]) for column in COLUMNS] for row in rows(runs))
    return text.getvalue()


def to_json(runs: Iterable[Result | RunSummary]) -> str:
    """Return the rows as a JSON list of objects, indented, with a final line feed."""
    return json.dumps(rows(runs), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def to_markdown(runs: Iterable[Result | RunSummary]) -> str:
    """Return the rows as a Markdown table of the most important columns, numbers to three significant digits.

    Every text is escaped: it shows as it is, whatever Markdown or HTML it holds.
    """
    cells = [[_markdown_cell(row[column]) for column in MARKDOWN_COLUMNS] for row in rows(runs)]
    numeric = [column not in ("run", "model", "licence") for column in MARKDOWN_COLUMNS]
    return table(list(MARKDOWN_COLUMNS.values()), numeric, cells)


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


def _csv_cell(value: Value) -> Value:
    if not isinstance(value, str):
        return value
    # The csv module does not quote a lone carriage return, which readers then take for the end of the row.
    text = value.replace("\r\n", "\n").replace("\r", "\n")
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def _markdown_cell(value: Value) -> str:
    if value is None:
        return "-"
    if isinstance(value, str):
        return escaped(value)
    return rounded(value) if isinstance(value, float) or value >= EXACT_BELOW else str(value)
