"""The overview: which model for this device, and what the newest run of a machine brought."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal

from bench.analysis.changes import RUNS_TO_SUSPECT, Status
from bench.analysis.contexts import context_key, differing
from bench.analysis.history import History, SeriesKey
from bench.analysis.measurements import WHOLE, watched
from bench.analysis.missing_models import missing
from bench.analysis.ranking import Ranked
from bench.analysis.summary import ModelSummary, RunSummary
from bench.metrics.registry import metric
from bench.report import format as form
from bench.report.comparison import ARROWS
from bench.report.tables import Cell, Column, Table, name_column, table, text_column
from bench.report.text import joined, relative, shortened
from bench.schema.result import Result
from bench.site.charts.figures import Figure, sparkline
from bench.site.charts.trade_off import trade_off
from bench.site.dataset import Board, Site, failure_text, metric_column, model_cells
from bench.site.machine_parts import MachinePart, of_board
from bench.site.sections.badges import Badge, badges, caveats
from bench.site.sections.change_entries import Entry, entries, in_short, suspect_sentence, suspect_texts, verdict_text
from bench.site.sections.leaderboard import estimated_column, first, licence_column, rank_column, ranked
from bench.site.urls import model_page, run_page
from bench.stats.change_points import SPLITS
from bench.store.files import Refused

MOST_LINES: Final = 5
NAMED: Final = 3
"""Models that a line names one by one before it only counts them."""

GONE: Final = {
    "failed": "no good answer in this run, after {before}",
    "skipped": "skipped in this run, after {before}",
    "absent": "not in this run, after {before}",
}
"""State of a model that is missing -> its words on the page."""


@dataclass(frozen=True)
class News:
    """One thing that the newest run brought; `status` is that of a change, else empty."""

    status: Status | Literal[""]
    names: str
    href: str
    text: str


@dataclass(frozen=True)
class Since:
    """What the newest run of a machine brought: what it was compared with in a sentence, and the news, at most a few.

    `before` is the newest run that it was compared with; empty without one.
    """

    sentence: str
    news: tuple[News, ...]
    more: int
    before: str
    before_href: str


def since_last_run(site: Site, board: Board, here: str) -> Since:
    """Return what the newest run of a machine brought, as the page `here` says it."""
    newest = board.result
    if len([one for one in site.results if one.machine.name == board.machine]) == 1:
        return Since("The first run on this machine: there is nothing to compare it with yet.", (), 0, "", "")
    ending = [one for one in site.shifts.histories if one.runs[-1].result.run.id == newest.run.id]
    continued = [one for one in ending if len(one.runs) > 1]
    changed = [_changed(one, here) for one in _fresh(site, continued, newest)]
    alone = [one for one in ending if len(one.runs) == 1 and one.level is None]
    news = [*changed, *_gone(site, newest, here), *_first(site, alone, here)]
    before = max((one.runs[-2].result for one in continued), key=lambda one: one.run.started_utc, default=None)
    return Since(
        sentence=_sentence(continued, bool(changed)),
        news=tuple(news[:MOST_LINES]),
        more=len(news[MOST_LINES:]),
        before="" if before is None else form.minute(before.run.started_utc),
        before_href="" if before is None else relative(here, run_page(before)),
    )


def changed_lately(site: Site, history: Sequence[ModelSummary], metric_id: str) -> str:
    """Return the newest shift of a metric within these runs of a model, in a few words; empty where there is none."""
    if not history:
        return ""
    last = history[-1]
    found = site.shifts.of(SeriesKey(context_key(last.result, last.model), last.model.name, metric_id))
    runs = {one.result.run.id for one in history}
    if not found or found[-1].after.run.id not in runs:
        return ""
    newest = found[-1]
    sure = "" if newest.change.status == "confirmed" else " (suspected)"
    return f"{ARROWS[newest.verdict]} since {form.day(newest.after.run.started_utc)}{sure}"


def _fresh(site: Site, continued: Sequence[History], newest: Result) -> list[Entry]:
    """Return the changes that are suspected now, and those that the newest run confirmed."""
    of_now = {(one.context, one.model) for one in continued}
    found = entries(one for one in site.shifts.all if (one.key.context, one.key.model) in of_now)
    return [
        one
        for one in found
        if one.status == "suspected"
        # What more runs than that agree with was confirmed by an earlier one: nothing to look up.
        or (one.leading.change.runs <= max(SPLITS) and site.shifts.confirmed_by(one.leading).run.id == newest.run.id)
    ]


def _changed(one: Entry, here: str) -> News:
    since = form.minute(one.after.run.started_utc)
    text = f"{verdict_text(one)} since {since}: {in_short(one)}. {suspect_sentence(one.leading.suspects)}"
    return News(one.status, shortened(one.model, 40), relative(here, one.href), text)


def _gone(site: Site, newest: Result, here: str) -> list[News]:
    lines = []
    for one in missing(site.summaries):
        if one.returned is None and one.runs[0].run.id == newest.run.id:
            count = sum(
                summary.result.machine.name == one.machine and any(m.model.name == one.model for m in summary.models)
                for summary in site.summaries
            )
            text = GONE[one.state].format(before=f"{form.count(count, 'run')} on this machine")
            lines.append(News("", shortened(one.model, 40), relative(here, model_page(one.model)), f"{text}."))
    return lines


def _first(site: Site, alone: Sequence[History], here: str) -> list[News]:
    by_text: dict[str, list[str]] = {}
    for one in alone:
        machine = one.context.machine
        before = [
            other
            for other in site.shifts.histories
            if other.model == one.model
            and other.context.machine == machine
            and other.level is None
            and other is not one
        ]
        if not before:
            by_text.setdefault("first run on this machine.", []).append(one.model)
            continue
        asked = [other for other in before if other.context.prompt_set_sha256 == one.context.prompt_set_sha256]
        if not asked:
            by_text.setdefault("first run with these prompts on this machine.", []).append(one.model)
            continue
        last = max(asked, key=lambda other: other.runs[-1].result.run.started_utc)
        differs = joined(suspect_texts(differing(last.context, one.context)))
        by_text.setdefault(f"first run in this context: it differs from the one before in {differs}.", []).append(
            one.model
        )
    return [
        News("", _named(models), relative(here, model_page(models[0])) if len(models) == 1 else "", text)
        for text, models in by_text.items()
    ]


def _named(models: Sequence[str]) -> str:
    if len(models) > NAMED:
        return form.count(len(models), "model")
    return joined([shortened(one, 40) for one in models])


def _sentence(continued: Sequence[History], changed: bool) -> str:
    if not continued:
        return "No model of this run has run before in the same context: nothing can be compared."
    longest = max(len(one.runs) for one in continued)
    if longest < RUNS_TO_SUSPECT:
        return (
            f"Too early to say what changed: there are {form.count(longest, 'run')} in this context, and a change can "
            f"be suspected from {RUNS_TO_SUSPECT} on."
        )
    loads = sum(one.level is not None for one in continued)
    models = len(continued) - loads
    what = [f"{form.count(len(watched(WHOLE)), 'metric')} of {form.count(models, 'model')}"] if models else []
    what += [f"{form.count(loads, 'level')} of load"] if loads else []
    compared = f"{joined(what)} against up to {form.count(longest - 1, 'run')} before in the same context"
    return f"Compared: {compared}." if changed else f"Nothing changed. Compared: {compared}."


HERE = "index.html"
DOUBTED_SHOWN = 5
MOST_NAMED = 4
"""Models that a sentence names one by one where none is better than another."""

ESTIMATED = {
    "score": "Quality",
    "decode_tokens_per_s": "Decode speed",
    "ttft_s": "TTFT p50",
    "ttft_s.p95": "TTFT p95",
    "e2e_s.p95": "Latency p95",
    "memory_peak_bytes": "Peak memory",
}
"""Metric -> the head of its column in the table of models."""


@dataclass(frozen=True)
class Strength:
    """A metric, and what the first sentence says of the one model, or the several, that is best by it."""

    metric_id: str
    noun: str
    one_does: str
    several_do: str


STRENGTHS = (
    Strength("score", "quality", "answers best", "answer best"),
    Strength("decode_tokens_per_s", "speed of writing", "writes fastest", "write fastest"),
    Strength("e2e_s", "latency", "finishes first", "finish first"),
    Strength("memory_peak_bytes", "peak memory", "needs the least memory", "need the least memory"),
)
"""What the first sentence praises, in order."""


@dataclass(frozen=True)
class FailedModel:
    """A model without a single good sample, or skipped: why, in place of its row."""

    name: str
    href: str
    why: str


@dataclass(frozen=True)
class Section:
    """What the overview says of one machine and prompt set."""

    board: Board
    answer: str
    table: Table | None
    ranked: bool
    figures: tuple[Figure, ...]
    failed: tuple[FailedModel, ...]
    skipped: tuple[FailedModel, ...]
    badges: tuple[Badge, ...]
    run_href: str
    since: Since


@dataclass(frozen=True)
class Doubted:
    """A run that deserves less trust, and why."""

    run: str
    href: str
    day: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Overview:
    """The first screen."""

    sections: tuple[MachinePart[Section], ...]
    jump: str
    doubted: tuple[Doubted, ...]
    doubted_in_all: int
    refused: tuple[Refused, ...]


def overview(site: Site) -> Overview:
    """Return the first screen: a section for each machine and prompt set, then what cannot be trusted."""
    doubted = [one for summary in reversed(site.summaries) if (one := _doubted(summary)) is not None]
    return Overview(
        sections=tuple(of_board(board, partial(_section, site, board)) for board in site.boards),
        jump="Machines:" if all(board.sets == 1 for board in site.boards) else "Machines and prompts:",
        doubted=tuple(doubted[:DOUBTED_SHOWN]),
        doubted_in_all=len(doubted),
        refused=site.refused,
    )


def _section(everything: Site, board: Board) -> Section:
    site = everything.of_machine(board.machine)
    answering = board.answering
    return Section(
        board=board,
        answer=_answer(site, board),
        table=_table(site, board) if answering else None,
        ranked=bool(first(ranked(site, board, "score"))),
        figures=tuple(
            figure
            for figure in (
                trade_off(site, board, "decode_tokens_per_s", "Decode speed"),
                trade_off(site, board, "footprint_bytes", "Footprint"),
            )
            if figure is not None
        ),
        failed=tuple(
            _failed(one, failure_text(one))
            for one in board.summary.models
            if not one.good_samples and one.model.skipped is None
        ),
        skipped=tuple(_failed(one, one.model.skipped) for one in board.summary.models if one.model.skipped is not None),
        badges=badges(board.summary),
        run_href=relative(HERE, run_page(board.result)),
        since=since_last_run(site, board, HERE),
    )


def _failed(one: ModelSummary, why: str) -> FailedModel:
    return FailedModel(one.model.name, relative(HERE, model_page(one.model.name)), why)


def _table(site: Site, board: Board) -> Table:
    by_quality = ranked(site, board, "score")
    order = [one.model for one in by_quality]
    # Test instruments have no rank: they come last.
    places = {name: place for place, name in enumerate(order)}
    rows = sorted(
        board.answering, key=lambda one: (places.get(one.model.name, len(order)), -(one.score or 0.0), one.model.name)
    )
    columns = [
        name_column("Model", model_cells(site, rows, HERE)),
        *([rank_column([one.model.name for one in rows], by_quality, "quality")] if first(by_quality) else []),
        *(
            estimated_column(site, rows, metric_id, label, ranked(site, board, metric_id))
            for metric_id, label in ESTIMATED.items()
        ),
        metric_column(rows, "footprint_bytes", "Footprint"),
        licence_column(rows),
        _history_column(site, board, rows),
    ]
    return table(f"Models on {board.heading}", columns)


def _history_column(site: Site, board: Board, rows: Sequence[ModelSummary]) -> Column:
    cells = []
    for one in rows:
        history = site.history(one.model.name, board.machine, board.prompt_set)
        values = [value for point in history if (value := point.value("decode_tokens_per_s")) is not None]
        if len(values) < 2:
            cells.append(Cell("1 run" if values else "no run"))
            continue
        line = sparkline(values[-30:], site.marks[one.model.name].number)
        lately = changed_lately(site, history[-30:], "decode_tokens_per_s")
        runs = f"speed, {len(values)} runs"
        cells.append(Cell("", small=f"{runs} · {lately}" if lately else runs, drawing=line))
    return text_column("History", cells)


def _answer(site: Site, board: Board) -> str:
    models = board.contenders
    if not board.answering:
        return "No model gave an answer in the newest run on this machine."
    if not models:
        return (
            "All models that answered here are test instruments: they show that the whole way works and how fast the "
            "runtime is, and none of them is a model to ship."
        )
    if len(models) == 1 and len(board.answering) > 1:
        return f"Besides test instruments only {models[0].model.name} answered in this run: nothing to compare it with."
    if len(models) == 1:
        return f"Only {models[0].model.name} answered in this run: nothing to compare it with."
    alone: dict[str, list[str]] = {}
    together: dict[str, list[str]] = {}
    undecided: dict[str, list[str]] = {}
    for strength in STRENGTHS:
        ranks = ranked(site, board, strength.metric_id)
        best = first(ranks)
        names = joined([shortened(one.model, 40) for one in best])
        known = [one.estimate.value for one in best if one.estimate.value is not None]
        values = form.span(known, metric(strength.metric_id).unit) if known else ""
        if len(best) == 1:
            alone.setdefault(names, []).append(f"{strength.one_does} ({values})")
        elif len(best) == sum(one.rank is not None for one in ranks) > 0:
            undecided.setdefault(_undecided([one.model.name for one in models], best), []).append(strength.noun)
        elif best:
            together.setdefault(names, []).append(f"{strength.several_do} ({values})")
    parts = [f"{names} {joined(clauses)}" for names, clauses in alone.items()]
    parts += [f"{names} cannot be told apart: they {joined(clauses)}" for names, clauses in together.items()]
    parts += [f"{models_tied} in {joined(nouns)}" for models_tied, nouns in undecided.items()]
    return "; ".join(parts) + "." if parts else ""


def _undecided(order: Sequence[str], best: Sequence[Ranked]) -> str:
    """Return that none of some models is better than another, named in the order of the run."""
    if len(best) > MOST_NAMED:
        return f"{len(best)} models cannot be told apart"
    names = sorted((one.model for one in best), key=order.index)
    return f"{joined([shortened(name, 40) for name in names])} cannot be told apart"


def _doubted(summary: RunSummary) -> Doubted | None:
    reasons = caveats(summary)
    if not reasons:
        return None
    run = summary.result.run
    return Doubted(run.id, relative(HERE, run_page(summary.result)), form.day(run.started_utc), reasons)
