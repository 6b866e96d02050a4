"""Results as tables for other programs and people: CSV, JSON and Markdown."""

import csv
import io
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal

from bench.analysis.licences import commercial_use
from bench.analysis.summary import ModelSummary, RunSummary, summarise
from bench.metrics.client_error import smallest_resolvable_s
from bench.metrics.lengths import CellSummary, length_matrix
from bench.metrics.levels import level_value, why_undefined
from bench.metrics.load import Gaps, LevelSummary, level_summaries, limits_of
from bench.metrics.resources import prices
from bench.metrics.saturation import Knee, knee, rate_verdict
from bench.quality.grading import HIGHEST_SCORE, LOWEST_SCORE
from bench.report.format import significant
from bench.report.markdown import benchmark_report, escaped, table
from bench.schema.model_run import ModelRun
from bench.schema.result import Result
from bench.store.distinct_answers import answers
from bench.store.reviews import Reviews

Value = str | int | float | bool | None
Row = dict[str, Value]

EXACT_BELOW: Final = 1_000_000
"""Whole numbers below this are shown exactly in Markdown."""

FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\n")
"""First characters of a text that a spreadsheet takes for a formula."""


def csv_text(columns: Sequence[str], rows: Sequence[Row]) -> str:
    """Return rows as CSV with a header, comma-separated, lines ending in a line feed.

    A text that begins with = + - @ or a control character gets an apostrophe before it: spreadsheets would run it
    as a formula, and names and messages come from models and servers. A carriage return in a text becomes a line feed.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_csv_cell(row[column]) for column in columns] for row in rows)
    return text.getvalue()


def json_text(rows: Sequence[Row]) -> str:
    """Return rows as a JSON list of objects, indented, with a final line feed."""
    return json.dumps(rows, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def markdown_text(headers: Mapping[str, str], words: Collection[str], rows: Sequence[Row]) -> str:
    """Return the columns that have a header as a Markdown table, numbers to three significant digits.

    `words` are the columns of texts; the others are set to the right. Every text is escaped: it shows as it is,
    whatever Markdown or HTML it holds.
    """
    cells = [[_markdown_cell(row[column]) for column in headers] for row in rows]
    return table(list(headers.values()), [column not in words for column in headers], cells)


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
    return significant(value) if isinstance(value, float) or value >= EXACT_BELOW else str(value)


SCORE_COLUMNS: Final = (
    "run",
    "started_utc",
    "machine",
    "config",
    "prompt_set",
    "prompt",
    "output",
    "models",
    "facet",
    "says",
    "weight",
    "source",
    "by",
    "score",
    "why",
)
"""Every column of a row, in order."""

SCORE_MARKDOWN: Final = {
    "run": "Run",
    "prompt": "Prompt",
    "models": "Models",
    "facet": "Facet",
    "source": "Source",
    "by": "By",
    "score": f"Score ({LOWEST_SCORE}-{HIGHEST_SCORE})",
    "why": "Why",
}
"""Column -> its header in Markdown, which shows only these."""

SCORE_WORDS: Final = ("run", "prompt", "models", "facet", "source", "by", "why")


def score_rows(reviewed: Iterable[tuple[Result, Reviews]]) -> list[Row]:
    """Return the rows of runs with their reviews: by run, prompt, output key and facet, the program first, then judges.

    A program's credit c is 1 + 4c. A score that is None was asked for and not given: `why` says why. Of a judge's two
    readings of an answer the first counts.
    """
    return [row for result, reviews in reviewed for row in _of_run(result, reviews)]


def _of_run(result: Result, reviews: Reviews) -> Iterator[Row]:
    said = _said(result, reviews)
    for answer in answers(result):
        for facet in answer.prompt.facets:
            for source, by, score, why in said.get((answer.prompt.id, answer.output, facet.id), ()):
                yield {
                    "run": result.run.id,
                    "started_utc": result.run.started_utc.isoformat(),
                    "machine": result.machine.name,
                    "config": result.config.name,
                    "prompt_set": result.prompt_set.id,
                    "prompt": answer.prompt.id,
                    "output": answer.output,
                    "models": "; ".join(answer.models),
                    "facet": facet.id,
                    "says": facet.says,
                    "weight": facet.weight,
                    "source": source,
                    "by": by,
                    "score": score,
                    "why": why,
                }


def _said(result: Result, reviews: Reviews) -> dict[tuple[str, str, str], list[tuple[str, str, Value, str]]]:
    said: dict[tuple[str, str, str], list[tuple[str, str, Value, str]]] = {}
    for grade in result.grades:
        for one in grade.facets:
            score = None if one.credit is None else LOWEST_SCORE + (HIGHEST_SCORE - LOWEST_SCORE) * one.credit
            said.setdefault((grade.prompt, grade.output, one.facet), []).append(("program", "program", score, one.why))
    for judgement in sorted(reviews.judgements, key=lambda one: one.header.judge):
        # Of several verdicts on one question the last counts.
        last = {(one.prompt, one.output): one for one in judgement.verdicts if one.reading == 1}
        for verdict in last.values():
            for told in verdict.facets:
                place = (verdict.prompt, verdict.output, told.facet)
                said.setdefault(place, []).append(("judge", judgement.header.judge, told.score, told.why))
    for annotations in sorted(reviews.annotations, key=lambda one: one.annotator):
        for entry in annotations.entries:
            for name, given in entry.facets.items():
                if given is not None:
                    place = (entry.prompt, entry.output, name)
                    said.setdefault(place, []).append(("person", annotations.annotator, given, entry.note))
    return said


WHAT_COLUMNS = (
    "run",
    "started_utc",
    "commit",
    "machine",
    "config",
    "prompt_set",
    "model",
    "device",
    "execution_provider",
    "transport",
    "run_status",
    "steadiness",
)
"""Columns that say what was run, in order: equal to those of a model's own row."""

LEVEL_COLUMNS: dict[str, str] = {
    "throughput_tokens_per_s": "throughput_tokens_per_s",
    "answers_per_s": "answers_per_s",
    "due_per_s": "due_per_s",
    "ttft_p50_s": "ttft_s.p50",
    "ttft_p95_s": "ttft_s.p95",
    "ttft_p99_s": "ttft_s.p99",
    "scheduled_ttft_p50_s": "scheduled_ttft_s.p50",
    "scheduled_ttft_p95_s": "scheduled_ttft_s.p95",
    "scheduled_ttft_p99_s": "scheduled_ttft_s.p99",
    "tpot_p50_s": "tpot_s.p50",
    "tpot_p95_s": "tpot_s.p95",
    "tpot_p99_s": "tpot_s.p99",
    "latency_p50_s": "e2e_s.p50",
    "latency_p95_s": "e2e_s.p95",
    "latency_p99_s": "e2e_s.p99",
    "scheduled_latency_p50_s": "scheduled_e2e_s.p50",
    "scheduled_latency_p95_s": "scheduled_e2e_s.p95",
    "scheduled_latency_p99_s": "scheduled_e2e_s.p99",
    "lateness_p50_s": "lateness_s.p50",
    "lateness_p99_s": "lateness_s.p99",
    "lateness_worst_s": "lateness_s.maximum",
    "latency_growth": "latency_growth",
    "itl_p50_s": "itl_s.p50",
    "itl_p95_s": "itl_s.p95",
    "itl_p99_s": "itl_s.p99",
    "itl_longest_s": "itl_s.maximum",
    "stalls_count": "stalls_count",
    "goodput_share": "goodput_share",
    "goodput_per_s": "goodput_per_s",
    "under_way": "under_way",
    "under_way_by_little": "under_way_by_little",
    "client_share": "client_share",
    "memory_peak_bytes": "memory_peak_bytes",
}
"""Column -> the metric of a level, and the statistic of it, that it holds."""

LOAD_COLUMNS = (
    *WHAT_COLUMNS,
    "load",
    "arrivals",
    "streams",
    "rate_per_s",
    "swept",
    "at_knee",
    "keeps_up",
    "ended_early",
    "window_s",
    "good_samples",
    "failed_samples",
    "failure_kinds",
    *LEVEL_COLUMNS,
    "itl_relative_error",
    "goodput_ttft_limit_s",
    "goodput_tpot_limit_s",
    "goodput_latency_limit_s",
    "undefined",
)
"""Every column of a level's row, in order. `keeps_up` is sustained, overloaded, failing or unknown; null if closed."""

SPREAD_COLUMNS: dict[str, tuple[str, str]] = {
    "prefill_p50_tokens_per_s": ("prefill", "median"),
    "prefill_min_tokens_per_s": ("prefill", "minimum"),
    "prefill_max_tokens_per_s": ("prefill", "maximum"),
    "decode_p50_tokens_per_s": ("decode", "median"),
    "decode_min_tokens_per_s": ("decode", "minimum"),
    "decode_max_tokens_per_s": ("decode", "maximum"),
    "ttft_p50_s": ("ttft", "median"),
    "ttft_min_s": ("ttft", "minimum"),
    "ttft_max_s": ("ttft", "maximum"),
    "latency_p50_s": ("e2e", "median"),
    "latency_min_s": ("e2e", "minimum"),
    "latency_max_s": ("e2e", "maximum"),
}
"""Column -> what of a cell it holds, and the statistic of it over the repeats."""

LENGTH_COLUMNS = (
    *WHAT_COLUMNS,
    "prompt_tokens_aimed",
    "output_tokens_asked",
    "prompt_tokens",
    "output_tokens",
    "good_samples",
    "failed_samples",
    "failure_kinds",
    "skipped",
    *SPREAD_COLUMNS,
    "undefined",
)
"""Every column of a cell's row, in order; prompt_tokens and output_tokens are medians of what came."""

LOAD_MARKDOWN: dict[str, str] = {
    "run": "Run",
    "model": "Model",
    "load": "Load",
    "good_samples": "Good samples",
    "failed_samples": "Failed samples",
    "throughput_tokens_per_s": "Throughput (tokens/s)",
    "answers_per_s": "Answers (1/s)",
    "ttft_p50_s": "TTFT p50 (s)",
    "ttft_p95_s": "TTFT p95 (s)",
    "latency_p95_s": "Latency p95 (s)",
    "scheduled_latency_p95_s": "Latency p95 from the schedule (s)",
    "goodput_share": "Goodput (share)",
    "keeps_up": "Keeps up",
}
"""Column -> its header in Markdown, which shows only these."""

LENGTH_MARKDOWN: dict[str, str] = {
    "run": "Run",
    "model": "Model",
    "prompt_tokens": "Prompt (tokens)",
    "output_tokens_asked": "Answer asked for (tokens)",
    "output_tokens": "Answer (tokens)",
    "good_samples": "Good samples",
    "failed_samples": "Failed samples",
    "prefill_p50_tokens_per_s": "Prefill p50 (tokens/s)",
    "decode_p50_tokens_per_s": "Decode p50 (tokens/s)",
    "ttft_p50_s": "TTFT p50 (s)",
    "skipped": "Skipped",
}
"""Column -> its header in Markdown, which shows only these."""


def load_rows(runs: Iterable[RunSummary]) -> list[Row]:
    """Return one row for each level, in the order of the runs, their models and levels; all rows have all columns."""
    rows = []
    for run in runs:
        for model in run.result.models:
            levels = level_summaries(run.result, model)
            at = knee(levels)
            rows += [_level_row(run, one, at) for one in levels]
    return rows


def length_rows(runs: Iterable[RunSummary]) -> list[Row]:
    """Return one row for each cell of the matrix of lengths, in the order of the runs and their models."""
    rows = []
    for run in runs:
        for model in run.result.models:
            matrix = length_matrix(model)
            rows += [_cell_row(run, model, cell) for cell in matrix.cells.values()] if matrix else []
    return rows


def _level_row(run: RunSummary, level: LevelSummary, at: object) -> Row:
    verdict = rate_verdict(level.record)
    limits = limits_of(level.result)
    reasons = {column: why_undefined(level, metric_id) for column, metric_id in LEVEL_COLUMNS.items()}
    return {
        **_what(run, level.model),
        "load": level.key.words,
        "arrivals": level.key.arrivals,
        "streams": level.key.streams,
        "rate_per_s": level.key.rate_per_s,
        "swept": level.record.swept,
        "at_knee": at.level is level if isinstance(at, Knee) else None,
        "keeps_up": None if verdict is None else verdict.word,
        "ended_early": level.record.ended_early,
        "window_s": level.window_s,
        "good_samples": level.good,
        "failed_samples": level.failed,
        "failure_kinds": _kinds(level.failure_kinds),
        **{column: level_value(level, metric_id) for column, metric_id in LEVEL_COLUMNS.items()},
        "itl_relative_error": level.gaps.relative_error if isinstance(level.gaps, Gaps) else None,
        "goodput_ttft_limit_s": None if limits is None else limits.ttft_s,
        "goodput_tpot_limit_s": None if limits is None else limits.tpot_s,
        "goodput_latency_limit_s": None if limits is None else limits.e2e_s,
        "undefined": _reasons(reasons),
    }


def _cell_row(run: RunSummary, model: ModelRun, cell: CellSummary) -> Row:
    row: Row = {
        **_what(run, model),
        "prompt_tokens_aimed": cell.prompt_tokens,
        "output_tokens_asked": cell.output_tokens,
        "prompt_tokens": None if cell.read is None else cell.read.median,
        "output_tokens": None if cell.written is None else cell.written.median,
        "good_samples": cell.good,
        "failed_samples": cell.failed,
        "failure_kinds": _kinds(cell.failure_kinds),
        "skipped": cell.skipped,
    }
    for column, (part, statistic) in SPREAD_COLUMNS.items():
        spread = getattr(cell, part)
        row[column] = None if spread is None else getattr(spread, statistic)
    reasons = {column: cell.undefined.get(part) for column, (part, _) in SPREAD_COLUMNS.items()}
    return row | {"undefined": _reasons(reasons)}


def _what(run: RunSummary, model: ModelRun) -> Row:
    result: Result = run.result
    return {
        "run": result.run.id,
        "started_utc": result.run.started_utc.isoformat(),
        "commit": result.run.commit,
        "machine": result.machine.name,
        "config": result.config.name,
        "prompt_set": result.prompt_set.id,
        "model": model.name,
        "device": model.device,
        "execution_provider": model.execution_provider,
        "transport": model.transport,
        "run_status": result.run.status,
        "steadiness": run.steadiness.verdict,
    }


def _kinds(counted: dict[str, int]) -> str | None:
    return ", ".join(f"{kind} {count}" for kind, count in counted.items()) or None


def _reasons(reasons: dict[str, str | None]) -> str:
    return "; ".join(f"{column}: {why}" for column, why in reasons.items() if why is not None)


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
    "score": f"Quality ({LOWEST_SCORE}-{HIGHEST_SCORE})",
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
