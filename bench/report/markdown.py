"""Plain Markdown out of untrusted text and numbers, and a short report of one run for a person who has to choose."""

import html
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bench.analysis.ranking import told_apart_by_cache
from bench.analysis.summary import ModelSummary, RunSummary, summarise
from bench.metrics.client_error import resolvable
from bench.metrics.registry import metric
from bench.quality.grading import HIGHEST_SCORE, LOWEST_SCORE
from bench.report.format import significant
from bench.report.reasons import reason_words
from bench.schema.model_run import INSTRUMENT
from bench.schema.result import Result

_SPECIAL = str.maketrans({character: f"&#{ord(character)};" for character in "\\`*_[]{}|~#@$!^"})
_BARE_LINK = re.compile(r"://|(?<=www)\.", re.IGNORECASE)
_UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")


def escaped(text: str) -> str:
    """Return untrusted text as one line of Markdown that shows as it is, in a sentence or in the cell of a table.

    Markup becomes entities, a line break a space; control characters and marks that change the direction of writing
    become U+FFFD, so that a name cannot pass for another one.
    """
    one_line = " ".join(text.split())
    visible = "".join("\ufffd" if unicodedata.category(letter) in _UNSEEN else letter for letter in one_line)
    entities = html.escape(visible, quote=False).translate(_SPECIAL)
    return _BARE_LINK.sub(lambda match: "".join(f"&#{ord(letter)};" for letter in match[0]), entities)


def table(headers: Sequence[str], numeric: Sequence[bool], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table of cells that are Markdown already; numeric columns are set to the right."""
    lines = [headers, ["---:" if right else "---" for right in numeric], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


MODELS_TO_COMPARE: Final = 2
"""Models that a best one needs."""


@dataclass(frozen=True)
class ReportColumn:
    """A column of the report: its header, the metric in it, and how many base units its unit has."""

    header: str
    metric_id: str
    scale: float


REPORT_COLUMNS = (
    ReportColumn("Avg latency (s)", "e2e_s.mean", 1),
    ReportColumn("p95 (s)", "e2e_s.p95", 1),
    ReportColumn("TTFT p50 (s)", "ttft_s.p50", 1),
    ReportColumn("Decode p50 (tokens/s)", "decode_tokens_per_s.p50", 1),
    ReportColumn(f"Score ({LOWEST_SCORE}-{HIGHEST_SCORE})", "score", 1),
    ReportColumn("Peak memory (MB)", "memory_peak_bytes", 1e6),
    ReportColumn("Footprint (MB)", "footprint_bytes", 1e6),
)
"""Columns of the report between the model's name and its licence."""


@dataclass(frozen=True)
class Highlight:
    """A sentence on the best model by one metric: its words, the metric, how many base units its unit has, the unit."""

    words: str
    metric_id: str
    scale: float
    unit: str


HIGHLIGHTS = (
    Highlight("Shortest latency", "e2e_s.mean", 1, "s on average"),
    Highlight("Fastest decoding", "decode_tokens_per_s.p50", 1, "tokens/s"),
    Highlight("Best answers", "score", 1, f"of {HIGHEST_SCORE}"),
    Highlight("Smallest", "footprint_bytes", 1e6, "MB on disk"),
)
"""What the report says in sentences, in order."""


def benchmark_report(result: Result) -> str:
    """Return a report of one run in Markdown: what was run, a table of the models, what stands out, what to doubt.

    The best value of each column is bold where at least two models that answered have one; equal when rounded is
    equally good. Text from the run is escaped.
    """
    run = summarise(result)
    summaries = run.models
    parts = [
        "# Benchmark report\n",
        f"{_provenance(result)}\n",
        _report_table(summaries),
        "## Highlights\n",
        _bullets(_highlights(summaries)),
    ]
    care = _care(run)
    if care:
        parts += ["## Handle with care\n", _bullets(care)]
    notes = _notes(summaries)
    if notes:
        parts += ["## What is missing\n", _bullets(notes)]
    return "\n".join(parts)


def _provenance(result: Result) -> str:
    run = result.run
    commit = "no commit" if run.commit is None else f"commit {run.commit}{' with changes' if run.dirty else ''}"
    rounds = max((sample.round for model in result.models for sample in model.samples), default=0)
    return escaped(
        f"{run.started_utc:%Y-%m-%d %H:%M} UTC on {result.machine.name} ({result.machine.cpu}, {result.machine.os}); "
        f"config {result.config.name}, prompts {result.prompt_set.id}, rounds: {rounds}; "
        f"benchledger {run.tool_version}, {commit}."
    )


def _report_table(summaries: Sequence[ModelSummary]) -> str:
    bests = {column.metric_id: _best(summaries, column.metric_id, column.scale) for column in REPORT_COLUMNS}
    cells = []
    for summary in summaries:
        line = [escaped(summary.model.name) + (f" ({INSTRUMENT})" if summary.model.instrument else "")]
        for column in REPORT_COLUMNS:
            text = _shown(summary, column.metric_id, column.scale)
            best = bests[column.metric_id]
            line.append(f"**{text}**" if best is not None and summary.model.name in best.names else text)
        cells.append([*line, escaped(summary.model.licence or "-")])
    headers = ["Model", *(column.header for column in REPORT_COLUMNS), "Licence"]
    return table(headers, [False, *(True for _ in REPORT_COLUMNS), False], cells)


@dataclass(frozen=True)
class _Best:
    names: tuple[str, ...]
    text: str


def _best(summaries: Sequence[ModelSummary], metric_id: str, scale: float) -> _Best | None:
    # A model that never answered must not win as the smallest.
    answered = [summary for summary in summaries if summary.good_samples and not summary.model.instrument]
    caches = {one.model.name: one.prompt_cache for one in answered if one.value(metric_id) is not None}
    apart = told_apart_by_cache(metric_id, caches)
    answered = [one for one in answered if one.model.name not in apart]
    known = [(value, one.model.name) for one in answered if (value := one.value(metric_id)) is not None]
    if len(known) < MODELS_TO_COMPARE:
        return None
    better = min if metric(metric_id.partition(".")[0]).better == "lower" else max
    text = significant(better(value for value, _ in known), scale)
    return _Best(tuple(name for value, name in known if significant(value, scale) == text), text)


def _shown(summary: ModelSummary, metric_id: str, scale: float) -> str:
    value = summary.value(metric_id)
    if value is not None:
        return significant(value, scale)
    return "too few" if summary.good_samples and metric_id.endswith(".p95") else "-"


def _highlights(summaries: Sequence[ModelSummary]) -> list[str]:
    found = []
    for highlight in HIGHLIGHTS:
        best = _best(summaries, highlight.metric_id, highlight.scale)
        if best is not None:
            names = " and ".join(f"**{escaped(name)}**" for name in best.names)
            found.append(f"{highlight.words}: {names}, {best.text} {highlight.unit}.")
    instruments = any(summary.model.instrument for summary in summaries)
    besides = " besides test instruments" if instruments else ""
    return found or [f"Fewer than two models answered{besides}: there is nothing to compare."]


def _care(run: RunSummary) -> list[str]:
    notes = []
    if run.result.run.status == "partial":
        notes.append("The run is partial: it was stopped before its end, and has what was measured until then.")
    if run.steadiness.verdict == "unsteady":
        notes.append(f"The machine was unsteady: {escaped('; '.join(map(reason_words, run.steadiness.reasons)))}.")
    for summary in run.models:
        if summary.prompt_cache.doubt is not None:
            notes.append(f"**{escaped(summary.model.name)}**, TTFT: {escaped(summary.prompt_cache.doubt)}.")
        for column in REPORT_COLUMNS:
            value = summary.value(column.metric_id)
            if value is not None and not resolvable(column.metric_id, value, summary.client_error):
                notes.append(f"**{escaped(summary.model.name)}**, {column.header}: not resolvable by the client.")
    return notes


def _notes(summaries: Sequence[ModelSummary]) -> list[str]:
    notes = []
    for summary in summaries:
        name = f"**{escaped(summary.model.name)}**"
        if summary.model.skipped is not None:
            notes.append(f"{name} was skipped: {escaped(summary.model.skipped)}")
            continue
        failure = summary.model.failure
        if failure is not None:
            notes.append(f"{name} failed, {escaped(failure.kind)}: {escaped(failure.message)}")
        if summary.failed_samples:
            total = summary.failed_samples + summary.good_samples
            kinds = ", ".join(f"{escaped(kind)} {count}" for kind, count in summary.failure_kinds.items())
            notes.append(f"{name}: {summary.failed_samples} of {total} samples failed ({kinds}); no latency has them")
        if summary.score is not None and summary.score_why is not None:
            notes.append(f"{name}, score: {escaped(summary.score_why)}")
        for column in REPORT_COLUMNS:
            why = summary.why_undefined(column.metric_id)
            if why is not None and summary.good_samples:
                notes.append(f"{name}, {column.header}: {escaped(why)}")
    return notes


def _bullets(sentences: Sequence[str]) -> str:
    return "".join(f"- {sentence}\n" for sentence in sentences)
