"""Results as tables for other programs and people: CSV, JSON and Markdown."""

import csv
import io
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal

from bench.analysis.licences import commercial_use
from bench.analysis.summary import ModelSummary, RunSummary, summarise
from bench.metrics.client_error import smallest_resolvable_s
from bench.metrics.lengths import CellSummary, length_matrix
from bench.metrics.load import LevelSummary, level_summaries, limits_of
from bench.metrics.registry import StratumKind, exported
from bench.metrics.resources import prices
from bench.metrics.saturation import Knee, NoKnee, knee
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
    return csv_lines([columns]) + csv_lines([row[column] for column in columns] for row in rows)


def csv_lines(rows: Iterable[Sequence[Value]]) -> str:
    """Return rows of values as lines of CSV, as in `csv_text`."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([_csv_cell(value) for value in row] for row in rows)
    return text.getvalue()


def json_text(rows: Sequence[Row]) -> str:
    """Return rows as a JSON list of objects, indented, with a final line feed."""
    return json.dumps(rows, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def json_lines(rows: Iterable[Row]) -> str:
    """Return rows as a JSON list of objects, each on a line of its own: smaller than `json_text`, and soon made."""
    items = json_items(rows)
    return f"[\n{items}\n]\n" if items else "[]\n"


def json_items(rows: Iterable[Row]) -> str:
    """Return rows as items of a JSON list, each on a line of its own."""
    return ",\n".join(json.dumps(row, ensure_ascii=False, allow_nan=False, separators=(",", ":")) for row in rows)


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


__all__ = [
    "ALL_COLUMNS",
    "FORMULA_STARTS",
    "MARKDOWN_COLUMNS",
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

RUN_FACTS: Final[dict[str, Callable[[RunSummary, ModelSummary], Value]]] = {
    "run": lambda run, one: run.result.run.id,
    "started_utc": lambda run, one: run.result.run.started_utc.isoformat(),
    "commit": lambda run, one: run.result.run.commit,
    "dirty": lambda run, one: run.result.run.dirty,
    "tool_version": lambda run, one: run.result.run.tool_version,
    "machine": lambda run, one: run.result.machine.name,
    "config": lambda run, one: run.result.config.name,
    "prompt_set": lambda run, one: run.result.prompt_set.id,
    "model": lambda run, one: one.model.name,
    "provider": lambda run, one: one.model.provider,
    "variant": lambda run, one: one.model.variant_id,
    "device": lambda run, one: one.model.device,
    "execution_provider": lambda run, one: one.model.execution_provider,
    "parameters": lambda run, one: one.model.parameters,
    "precision": lambda run, one: one.model.precision,
    "licence": lambda run, one: one.model.licence,
    "instrument": lambda run, one: one.model.instrument,
    "commercial_use": lambda run, one: commercial_use(one.model.licence).use,
    "transport": lambda run, one: one.model.transport,
    "runtime": lambda run, one: None if one.model.runtime is None else one.model.runtime.name,
    "runtime_version": lambda run, one: None if one.model.runtime is None else one.model.runtime.version,
    "prompt_cache": lambda run, one: one.model.prompt_cache,
    "prompt_cache_doubt": lambda run, one: one.prompt_cache.doubt,
    "run_status": lambda run, one: run.result.run.status,
    "resumed": lambda run, one: len(run.result.run.resumed_utc),
    "steadiness": lambda run, one: run.steadiness.verdict,
    "skipped": lambda run, one: one.model.skipped,
    "failure": lambda run, one: _failure(one.model),
    "good_samples": lambda run, one: one.good_samples,
    "failed_samples": lambda run, one: one.failed_samples,
}
"""Column -> what it says of what was run, in order; the measured ones follow."""

LIMIT_FACTS: Final[dict[str, Callable[[ModelSummary], Value]]] = {
    "energy_source": lambda one: None if one.model.energy is None else one.model.energy.source,
    "currency": lambda one: None if one.value("cost_per_1000_answers") is None else prices(one.result).currency,
    "resolvable_from_s": lambda one: smallest_resolvable_s("ttft_s", one.client_error),
    "gaps_resolvable_from_s": lambda one: smallest_resolvable_s("itl_s", one.client_error),
}
"""Column -> how far to believe the measured ones, in order: an energy_source of 'estimate' was not measured, and a
latency or gap below its limit is not resolvable by the client."""

WHAT_COLUMNS: Final = (
    "run",
    "started_utc",
    "commit",
    "machine",
    "config",
    "prompt_set",
    "model",
    "instrument",
    "device",
    "execution_provider",
    "transport",
    "prompt_cache",
    "run_status",
    "steadiness",
)
"""Columns that say what was run in the row of a level or a cell, in order: equal to those of a model's own row."""

LEVEL_FACTS: Final[dict[str, Callable[[LevelSummary, Knee | NoKnee], Value]]] = {
    "load": lambda level, at: level.key.words,
    "arrivals": lambda level, at: level.key.arrivals,
    "streams": lambda level, at: level.key.streams,
    "rate_per_s": lambda level, at: level.key.rate_per_s,
    "swept": lambda level, at: level.record.swept,
    "at_knee": lambda level, at: at.level is level if isinstance(at, Knee) else None,
    "keeps_up": lambda level, at: None if level.verdict is None else level.verdict.word,
    "ended_early": lambda level, at: level.record.ended_early,
    "window_s": lambda level, at: level.window_s,
    "good_samples": lambda level, at: level.good,
    "failed_samples": lambda level, at: level.failed,
    "failure_kinds": lambda level, at: _kinds(level.failure_kinds),
}
"""Column -> what it says of a level, in order. `keeps_up` is a verdict on a rate: null for a closed loop."""

LEVEL_LIMIT_FACTS: Final[dict[str, Callable[[LevelSummary], Value]]] = {
    "itl_relative_error": lambda level: None if level.gaps is None else level.gaps.relative_error,
    "goodput_ttft_limit_s": lambda level: getattr(limits_of(level.result), "ttft_s", None),
    "goodput_tpot_limit_s": lambda level: getattr(limits_of(level.result), "tpot_s", None),
    "goodput_latency_limit_s": lambda level: getattr(limits_of(level.result), "e2e_s", None),
}

CELL_FACTS: Final[dict[str, Callable[[CellSummary], Value]]] = {
    "prompt_tokens_aimed": lambda cell: cell.prompt_tokens,
    "output_tokens_asked": lambda cell: cell.output_tokens,
    "prompt_tokens": lambda cell: None if cell.read is None else cell.read.p50,
    "output_tokens": lambda cell: None if cell.written is None else cell.written.p50,
    "good_samples": lambda cell: cell.good,
    "failed_samples": lambda cell: cell.failed,
    "failure_kinds": lambda cell: _kinds(cell.failure_kinds),
    "skipped": lambda cell: cell.skipped,
}
"""Column -> what it says of a cell, in order; prompt_tokens and output_tokens are medians of what came."""

ALL_COLUMNS: Final[dict[Of, Sequence[str]]] = {
    "models": (*RUN_FACTS, *exported("whole"), *LIMIT_FACTS, "undefined"),
    "load": (*WHAT_COLUMNS, *LEVEL_FACTS, *exported("level"), *LEVEL_LIMIT_FACTS, "undefined"),
    "lengths": (*WHAT_COLUMNS, *CELL_FACTS, *exported("cell"), "undefined"),
}
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

WORDS = ("run", "model", "licence", "load", "keeps_up", "skipped")
"""Columns of texts in Markdown; the others are numbers."""

IN_MARKDOWN: Final[dict[Of, dict[str, str]]] = {
    "models": MARKDOWN_COLUMNS,
    "load": LOAD_MARKDOWN,
    "lengths": LENGTH_MARKDOWN,
}


def rows(runs: Iterable[Result | RunSummary], of: Of = "models") -> list[Row]:
    """Return one row for each run and model, oldest run first, then in the order of the run; all rows have all columns.

    With `of`, a row for each level of load or each cell of the matrix of lengths instead. Numbers are unrounded, in
    base units. `undefined` says for each number that is None why, in one text. A run that is summarised already is not
    summarised again.
    """
    summaries = [run if isinstance(run, RunSummary) else summarise(run) for run in runs]
    summaries.sort(key=lambda one: (one.result.run.started_utc, one.result.run.id))
    found: dict[Of, Callable[[RunSummary, ModelSummary], Iterable[Row]]] = {
        "models": _model_rows,
        "load": _level_rows,
        "lengths": _cell_rows,
    }
    made = [row for run in summaries for one in run.models for row in found[of](run, one)]
    return [{column: row[column] for column in ALL_COLUMNS[of]} for row in made]


def to_csv(runs: Iterable[Result | RunSummary], of: Of = "models") -> str:
    """Return the rows as CSV with a header; a text that a spreadsheet would run as a formula gets an apostrophe."""
    return csv_text(ALL_COLUMNS[of], rows(runs, of))


def to_json(runs: Iterable[Result | RunSummary], of: Of = "models") -> str:
    """Return the rows as a JSON list of objects, indented, with a final line feed."""
    return json_text(rows(runs, of))


def to_markdown(runs: Iterable[Result | RunSummary], of: Of = "models") -> str:
    """Return the rows as a Markdown table of the most important columns, numbers to three significant digits.

    Every text is escaped: it shows as it is, whatever Markdown or HTML it holds.
    """
    return markdown_text(IN_MARKDOWN[of], WORDS, rows(runs, of))


def _model_rows(run: RunSummary, one: ModelSummary) -> Iterator[Row]:
    facts = {column: of(run, one) for column, of in RUN_FACTS.items()}
    yield facts | _measured(one, "whole") | {column: of(one) for column, of in LIMIT_FACTS.items()}


def _level_rows(run: RunSummary, one: ModelSummary) -> Iterator[Row]:
    levels = level_summaries(one.result, one.model)
    at = knee(levels)
    for level in levels:
        facts = {column: of(level, at) for column, of in LEVEL_FACTS.items()}
        limits = {column: of(level) for column, of in LEVEL_LIMIT_FACTS.items()}
        yield _what(run, one) | facts | _measured(level, "level") | limits


def _cell_rows(run: RunSummary, one: ModelSummary) -> Iterator[Row]:
    matrix = length_matrix(one.model)
    for cell in matrix.cells.values() if matrix else ():
        facts = {column: of(cell) for column, of in CELL_FACTS.items()}
        yield _what(run, one) | facts | _measured(cell, "cell")


def _measured(summary: ModelSummary | LevelSummary | CellSummary, kind: StratumKind) -> Row:
    """Return every exported number of a stratum, and in one text why each that is None has no value."""
    columns = exported(kind)
    values: Row = {column: summary.value(metric_id) for column, metric_id in columns.items()}
    reasons = {column: summary.why_undefined(metric_id) for column, metric_id in columns.items()}
    return values | {"undefined": "; ".join(f"{name}: {why}" for name, why in reasons.items() if why is not None)}


def _what(run: RunSummary, one: ModelSummary) -> Row:
    return {column: RUN_FACTS[column](run, one) for column in WHAT_COLUMNS}


def _failure(model: ModelRun) -> str | None:
    return None if model.failure is None else f"{model.failure.kind}: {model.failure.message}"


def _kinds(counted: dict[str, int]) -> str | None:
    return ", ".join(f"{kind} {count}" for kind, count in counted.items()) or None
