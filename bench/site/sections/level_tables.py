"""Levels of load as tables show them: a row for each level, every missing value with its reason, and what shifted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from bench.analysis.compare import STRETCHES
from bench.analysis.level_intervals import WITH_INTERVAL, level_estimate
from bench.analysis.summary import ModelSummary
from bench.metrics.client_error import TIMES_THE_ERROR, resolvable, smallest_resolvable_s
from bench.metrics.levels import level_metric, level_value, why_undefined
from bench.metrics.load import Goodput, LevelKey, LevelSummary, Limits
from bench.metrics.saturation import Knee, RateVerdict, rate_verdict
from bench.report import format as form
from bench.report.reasons import rate_words
from bench.report.tables import Cell, CellValue, Column, Table, name_column, number_column, table, text_column
from bench.report.text import relative
from bench.site.dataset import Site, placed
from bench.site.sections.change_entries import entries
from bench.site.urls import level_metric_page
from bench.stats.distribution import VALUES_NEEDED


@dataclass(frozen=True)
class LevelChange:
    """The newest change of a level: since when and how sure, in words, and the address of its entry."""

    words: str
    href: str


def level_changes(site: Site, shown: ModelSummary, here: str) -> dict[LevelKey, LevelChange]:
    """Return the newest change of each level of a model whose history ends with the run that the page `here` shows."""
    found: dict[LevelKey, LevelChange] = {}
    for entry in entries(one for one in site.shifts.all if one.key.model == shown.model.name):
        for one in reversed(entry.whole):
            history = site.shifts.by_history[one.key.context, one.key.model]
            if one.key.level is not None and history.runs[-1].result.run.id == shown.result.run.id:
                sure = "" if one.change.status == "confirmed" else ", suspected"
                words = f"changed {form.day(one.after.run.started_utc)}{sure}"
                found.setdefault(one.key.level, LevelChange(words, relative(here, entry.href)))
    return found


IDLE_SHARE: Final = 0.9
"""Share of a closed loop's streams that are under way on average, below which the client or failures cost load."""

CLIENT_NOTE: Final = "the client is one process, which one core serves: here it may be what limits, and not the model"

FROM_SCHEDULE: Final = "Latencies count from when a request was due. In small type: from when it was sent."

INTERVALS: Final = f"In small type: {form.confidence()} intervals, by how {STRETCHES} stretches of a level differ"
"""What a table of levels has below its numbers, in words."""

BARS: Final = f" Bars: {form.confidence()} intervals."
"""What a caption says of them."""

FROM_START: Final = {"ttft_s": "ttft_s", "e2e_s": "e2e_s", "itl_s": "itl_s"}
"""Metric of a level -> the metric by whose limit the client can resolve it."""


@dataclass(frozen=True)
class LevelColumn:
    """A column of a table of levels: its label, the metric and statistic in it, and the one in small type below it."""

    label: str
    metric_id: str
    small_id: str = ""
    small_words: str = ""


CLOSED_COLUMNS = (
    LevelColumn("Throughput", "throughput_tokens_per_s"),
    LevelColumn("Answers", "answers_per_s"),
    LevelColumn("TTFT p50", "ttft_s.p50"),
    LevelColumn("TTFT p95", "ttft_s.p95"),
    LevelColumn("TPOT p50", "tpot_s.p50"),
    LevelColumn("Latency p50", "e2e_s.p50"),
    LevelColumn("Latency p95", "e2e_s.p95"),
)
"""What a table of closed-loop levels shows, between the level and its goodput."""

OPEN_COLUMNS = (
    LevelColumn("Answers", "answers_per_s", "due_per_s", "of {} due"),
    LevelColumn("TTFT p50", "scheduled_ttft_s.p50", "ttft_s.p50", "send: {}"),
    LevelColumn("TTFT p95", "scheduled_ttft_s.p95", "ttft_s.p95", "send: {}"),
    LevelColumn("Latency p50", "scheduled_e2e_s.p50", "e2e_s.p50", "send: {}"),
    LevelColumn("Latency p95", "scheduled_e2e_s.p95", "e2e_s.p95", "send: {}"),
)
"""What a table of open-loop levels shows; latencies count from the schedule."""

FLOW_COLUMNS = (
    LevelColumn("Gap p50", "itl_s.p50"),
    LevelColumn("Gap p95", "itl_s.p95"),
    LevelColumn("Gap p99", "itl_s.p99"),
    LevelColumn("Stalls", "stalls_count"),
    LevelColumn("By Little’s law", "under_way_by_little"),
)

CLOSED_VIEWER_COLUMNS = (
    *CLOSED_COLUMNS[:4],
    LevelColumn("TTFT p99", "ttft_s.p99"),
    LevelColumn("TPOT p50", "tpot_s.p50"),
    LevelColumn("TPOT p95", "tpot_s.p95"),
    LevelColumn("Latency p50", "e2e_s.p50"),
    LevelColumn("Latency p95", "e2e_s.p95"),
    LevelColumn("Latency p99", "e2e_s.p99"),
    *FLOW_COLUMNS,
)
"""What the viewer shows of a closed-loop level."""

OPEN_VIEWER_COLUMNS = (
    *OPEN_COLUMNS,
    LevelColumn("Latency p99", "scheduled_e2e_s.p99", "e2e_s.p99", "send: {}"),
    LevelColumn("Growth", "latency_growth"),
    LevelColumn("Throughput", "throughput_tokens_per_s"),
    LevelColumn("TPOT p50", "tpot_s.p50"),
    LevelColumn("TPOT p95", "tpot_s.p95"),
    *FLOW_COLUMNS,
)
"""What the viewer shows of a level with a schedule; latencies count from it."""


def level_name(level: LevelSummary) -> str:
    """Return a level as a row names it."""
    return key_name(level.key)


def key_name(key: LevelKey) -> str:
    """Return what identifies a level as a row names it: 8 streams, 4/s."""
    return form.count(key.streams, "stream") if key.rate_per_s is None else f"{form.short(key.rate_per_s)}/s"


def level_table(
    label: str,
    levels: Sequence[LevelSummary],
    columns: Sequence[LevelColumn],
    at: object,
    changed: Mapping[LevelKey, LevelChange] | None = None,
    intervals: bool = True,
) -> Table:
    """Return a row for each level, with its goodput, failures, and what client and model took; `at` is the knee.

    `changed` has the levels that shifted: their names lead to the change. `intervals` says whether there is room for
    intervals.
    """
    shown = [name_column("Load", [_name_cell(one, at, (changed or {}).get(one.key)) for one in levels])]
    shown += [_column(levels, one, intervals) for one in columns]
    if not all(one.closed for one in levels):
        shown.append(
            replace(
                text_column("Sent late", [_late(one) for one in levels], numeric=True),
                explained=level_metric_page("lateness_s"),
            )
        )
    if any(isinstance(one.goodput, Goodput) for one in levels):
        small = [_small(one, "goodput_per_s", "{}/s") for one in levels]
        shown.append(_numbers(levels, "Goodput", "goodput_share", small, intervals))
    shown.append(text_column("Failed", [_failed(one) for one in levels], numeric=True))
    shown.append(_numbers(levels, "Under way", "under_way", [_of_streams(one) for one in levels]))
    if any(one.record.memory_peak_bytes is not None for one in levels):
        shown.append(_numbers(levels, "Peak memory", "memory_peak_bytes"))
    if any(one.client_share is not None for one in levels):
        shown.append(_numbers(levels, "Client", "client_share"))
    return table(label, shown)


def measured_level(level: LevelSummary, metric_id: str) -> CellValue:
    """Return a metric of a level with its interval, or what kind of thing is missing and why."""
    shown = _without_interval(level, metric_id)
    if shown.value is None or metric_id.partition(".")[0] not in WITH_INTERVAL:
        return shown
    found = level_estimate(level, metric_id)
    why = "" if found.interval is not None else f"no interval: {found.why}"
    return replace(shown, interval=found.interval, interval_why=why)


def load_context(levels: Sequence[LevelSummary]) -> str:
    """Return where, how and when levels of one machine were measured, in one line."""
    windows = sorted({form.tenths(one.window_s) for one in levels})
    least = "" if windows[0] == windows[-1] else f"{form.short(windows[0])} to "
    moments = sorted({one.result.run.started_utc for one in levels})
    return placed(
        levels[0].result,
        [one.model.device for one in levels],
        f"window of {least}{form.duration(windows[-1])}",
        " and ".join(form.minute(moment) for moment in moments),
    )


def limits_sentence(limits: Limits) -> str:
    """Return the limits of goodput in words."""
    parts = []
    if limits.ttft_s is not None:
        parts.append(f"first text within {form.with_unit(limits.ttft_s, 's')}")
    if limits.tpot_s is not None:
        parts.append(f"at most {form.with_unit(limits.tpot_s, 's/token')}")
    if limits.e2e_s is not None:
        parts.append(f"done within {form.with_unit(limits.e2e_s, 's')}")
    return f"Goodput counts the answers that kept the config’s limits: {', '.join(parts)}."


def verdict_kind(verdict: RateVerdict | None) -> str:
    """Return the word of a verdict on a rate, or nothing for a closed loop."""
    return "" if verdict is None else {"unknown": "too few to tell"}.get(verdict.word, verdict.word)


def _name_cell(level: LevelSummary, at: object, changed: LevelChange | None) -> Cell:
    verdict = rate_verdict(level.record)
    words = [verdict_kind(verdict)] if verdict is not None else []
    if isinstance(at, Knee) and at.level is level:
        words.append("the knee" if not at.still_growing else "knee here or beyond")
    if level.record.ended_early is not None:
        words.append("ended early")
    if changed is not None:
        words.append(changed.words)
    note = level.record.ended_early or (
        rate_words(verdict) if verdict is not None and verdict.word != "sustained" else ""
    )
    return Cell(level_name(level), small=" · ".join(words), href="" if changed is None else changed.href, note=note)


def _column(levels: Sequence[LevelSummary], chosen: LevelColumn, intervals: bool) -> Column:
    small = [_small(one, chosen.small_id, chosen.small_words) if chosen.small_id else "" for one in levels]
    return _numbers(levels, chosen.label, chosen.metric_id, small, intervals)


def _numbers(
    levels: Sequence[LevelSummary], label: str, metric_id: str, small: Sequence[str] = (), intervals: bool = False
) -> Column:
    chosen = level_metric(metric_id.partition(".")[0])
    shown = measured_level if intervals else _without_interval
    column = number_column(label, chosen.unit, [shown(one, metric_id) for one in levels], None, small)
    return replace(column, explained=level_metric_page(chosen.id))


def _small(level: LevelSummary, metric_id: str, words: str) -> str:
    value = level_value(level, metric_id)
    if value is None:
        return ""
    unit = level_metric(metric_id.partition(".")[0]).unit
    return words.format(form.short(value) if unit == "1/s" else form.with_unit(value, unit))


def _without_interval(level: LevelSummary, metric_id: str) -> CellValue:
    name = metric_id.partition(".")[0]
    value = level_value(level, metric_id)
    if value is None:
        return _missing(level, metric_id)
    if name == "client_share" and level.client_bound:
        return CellValue(value, "coarse", CLIENT_NOTE, small="may limit")
    if name == "under_way" and _lost_load(level):
        why = "fewer were under way than the level has streams: the client lost time between answers"
        return CellValue(value, "coarse", why)
    limited_as = FROM_START.get(name.removeprefix("scheduled_"))
    if limited_as is not None and not resolvable(limited_as, value, level.client_error):
        limit = form.with_unit(smallest_resolvable_s(limited_as, level.client_error), "s")
        return CellValue(
            value,
            "coarse",
            f"below {limit}, which is {form.in_words(TIMES_THE_ERROR)} times the client’s own error",
            "not resolvable",
        )
    if name == "itl_s" and level.gaps is not None and level.gaps.relative_error:
        return CellValue(value, why=f"from a histogram: off by {form.percent(level.gaps.relative_error)} at most")
    return CellValue(value)


def _missing(level: LevelSummary, metric_id: str) -> CellValue:
    why = why_undefined(level, metric_id) or ""
    name, _, statistic = metric_id.partition(".")
    if level_metric(name).needs_schedule and level.closed:
        return CellValue(None, "absent", why)
    if not level.good and name not in ("client_share", "memory_peak_bytes", "under_way", "answers_per_s"):
        return CellValue(None, "failed" if level.failed else "none", level.record.ended_early or why)
    if statistic and level_metric(name).found(level) is not None:
        # The table has the number of requests: one note for all its rows will do.
        noun = "gaps" if name == "itl_s" else "good answers"
        return CellValue(None, "few", f"a {statistic} needs {VALUES_NEEDED[statistic]} {noun}")
    return CellValue(None, "none", why)


def _late(level: LevelSummary) -> Cell:
    """Return by how much requests were sent late, in a unit of its own: it can be a microsecond or a minute."""
    late = level.lateness
    if late is None:
        return Cell("not measured", kind="none", note=why_undefined(level, "lateness_s") or "")
    p99 = "" if late.p99 is None else f"p99 {form.with_unit(late.p99, 's')}, "
    return Cell(form.with_unit(late.p50, "s"), small=f"{p99}at worst {form.with_unit(late.maximum, 's')}")


def _failed(level: LevelSummary) -> Cell:
    kinds = ", ".join(f"{kind} ({count})" for kind, count in level.failure_kinds.items())
    return Cell(
        f"{level.failed:,}", small=f"of {level.measured:,}", kind="failed" if level.failed else "value", note=kinds
    )


def _of_streams(level: LevelSummary) -> str:
    return f"of {level.key.streams:,}" if level.closed else f"at most {level.key.streams:,}"


def _lost_load(level: LevelSummary) -> bool:
    return (
        level.closed
        and not level.failed
        and level.under_way is not None
        and level.under_way < IDLE_SHARE * level.key.streams
    )
