"""Rows of an export for levels of load and for the matrix of lengths: apart from the models' own rows, never among
them."""

from collections.abc import Iterable

from bench.analysis.gaps import Gaps
from bench.analysis.goodput import limits_of
from bench.analysis.lengths import CellSummary, length_matrix
from bench.analysis.level_metrics import level_value, why_undefined
from bench.analysis.load import LevelSummary, level_summaries
from bench.analysis.saturation import Knee, knee, rate_verdict
from bench.analysis.summary import RunSummary
from bench.analysis.tabular import Row
from bench.results.schema import Result
from bench.runner.record import ModelRun

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
