"""Quality: the rubric matrix of models and prompts, facet by facet, and scores over time."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Final

import altair as alt

from bench.analysis.ranking import Ranked
from bench.analysis.summary import ModelSummary
from bench.quality.checks.registry import JUDGED
from bench.report import format as form
from bench.report.palette import Mark
from bench.report.tables import number_column
from bench.report.text import anchor, joined, relative, shortened
from bench.schema.prompts import FacetRecord, PromptRecord
from bench.schema.review import SCORES
from bench.site.charts.figures import Figure, plain
from bench.site.charts.kinds import BAR_OPACITY, BAR_WIDTH, QUALITY, Row, Spec, finished, scale_encoding
from bench.site.charts.trade_off import has_trade_off, trade_off
from bench.site.dataset import Board, Site, failure_text
from bench.site.machine_parts import MachinePart
from bench.site.sections.answer_cards import SIGNS, Grades, State, grades_of, state_of
from bench.site.sections.leaderboard import estimated, first, rank_cell, ranked
from bench.site.sections.quality_by_rater import SourceMatrix, source_matrices
from bench.site.urls import model_page, prompt_page

MOST_RUNS: Final = 200
"""Newest runs that are drawn."""

COST: Final = "memory_peak_bytes"
"""What quality is held against on this page."""

INTERVALS_SHOWN: Final = 60
"""Runs up to which each has the bar of its interval: more of them would be a band that hides the line."""

SCALE: Final = form.scale("score", [])


@dataclass(frozen=True)
class QualityOverTime:
    """The histories of the models on one machine; `no_history` says why some or all have none."""

    heading: str
    anchor: str
    figures: tuple[Figure, ...]
    no_history: str


def quality_over_time(site: Site) -> tuple[MachinePart[QualityOverTime], ...]:
    """Return the histories of quality for each machine, by model in the order of its newest run."""
    return tuple(
        MachinePart(f"over-time-{board.anchor}", board.heading, board.machine, partial(_on_board, site, board))
        for board in site.boards
    )


def score_history(rows: Sequence[Row], bars: Sequence[Row], mark: Mark) -> Spec:
    """Return the score of one model over its runs. Rows have date, value, interval and run; bars date, low and high."""
    spec = copy.deepcopy(_score_history_kind())
    rule, line, points = spec["layer"]
    for layer in (rule, line, points):
        scale_encoding(layer["encoding"]["y"], QUALITY)
        layer["encoding"]["color"] = {"value": mark.colour}
    # Vega warns of a layer without data.
    spec["layer"] = [rule, line, points] if bars else [line, points]
    spec["datasets"] = ({"intervals": list(bars)} if bars else {}) | {"runs": list(rows)}
    return spec


def _on_board(everything: Site, board: Board) -> QualityOverTime:
    site = everything.of_machine(board.machine)
    figures, short = [], []
    for one in board.summary.models:
        name = one.model.name
        known = [run for run in site.history(name, board.machine, board.prompt_set) if run.score is not None]
        if len(known) < 2:
            short.append(shortened(name, 40))
        else:
            figures.append(_figure(site, board, name, known[-MOST_RUNS:]))
    return QualityOverTime(board.heading, f"over-time-{board.anchor}", tuple(figures), _no_history(short, len(figures)))


def _no_history(short: Sequence[str], drawn: int) -> str:
    if not short:
        return ""
    if not drawn:
        return "No model has a score in two runs of one context: there is no history to draw."
    return f"Not drawn, for want of two runs with a score in one context: {', '.join(short)}."


def _figure(site: Site, board: Board, name: str, known: Sequence[ModelSummary]) -> Figure:
    rows: list[Row] = []
    bars: list[Row] = []
    for run in known:
        stamp, interval = form.stamp(run.result.run.started_utc), site.estimates.of_score(run).interval
        row: Row = {
            "date": stamp,
            "value": form.plotted(run.score or 0.0, SCALE),
            "interval": "none",
            "run": (run.result.run.commit or "outside git")[:7],
        }
        if interval is not None:
            row["interval"] = form.interval(interval.low, interval.high, run.score or 0.0, SCALE)
            bars.append(
                {"date": stamp, "low": form.plotted(interval.low, SCALE), "high": form.plotted(interval.high, SCALE)}
            )
        rows.append(row)
    shown = bars if len(known) <= INTERVALS_SHOWN else []
    why = site.estimates.of_score(known[-1]).why
    intervals = _interval_words(len(shown), len(bars), why)
    return Figure(
        id=f"quality-{board.anchor}-{anchor(name)}",
        sentence=f"{shortened(plain(name), 40)}: {_course(known)}",
        caption=f"{plain(board.machine)}, by the program, higher is better. {intervals}",
        spec=score_history(rows, shown, site.marks[name]),
        legend={},
    )


def _course(known: Sequence[ModelSummary]) -> str:
    first, last = form.with_unit(known[0].score, "score"), form.with_unit(known[-1].score, "score")
    if first == last:
        return f"{last} in the first and in the newest of {len(known)} runs."
    return f"{first} in the first of {len(known)} runs, {last} in the newest."


def _interval_words(shown: int, known: int, why: str | None) -> str:
    if shown:
        return f"Bars: {form.confidence()} intervals of the mean over prompts like these."
    return f"No intervals: {why}." if why and not known else "With so many runs intervals are not drawn."


@cache
def _score_history_kind() -> Spec:
    x = alt.X("date:T", title=None, axis=alt.Axis(tickCount=5, grid=False))
    axis = alt.Axis(values=list(SCORES), format="d")
    y = alt.Y("value:Q", axis=axis)
    bars = (
        alt.Chart(alt.NamedData("intervals"))
        .mark_rule(strokeWidth=BAR_WIDTH, opacity=BAR_OPACITY)
        .encode(x=x, y=alt.Y("low:Q", axis=axis), y2="high:Q")
    )
    line = alt.Chart(alt.NamedData("runs")).mark_line(strokeWidth=1.8).encode(x=x, y=y)
    points = (
        alt.Chart(alt.NamedData("runs"))
        .mark_point(filled=True, size=42, opacity=1)
        .encode(
            x=x,
            y=y,
            tooltip=[
                alt.Tooltip("date:T", title="Run", format="%Y-%m-%d %H:%M"),
                alt.Tooltip("value:Q", title=QUALITY.title, format=".1f"),
                alt.Tooltip("interval:N", title="its interval"),
                alt.Tooltip("run:N", title="Commit"),
            ],
        )
    )
    return finished(alt.layer(bars, line, points), height=170)


HERE = "report/quality.html"


@dataclass(frozen=True)
class MatrixHead:
    """A model at the head of a column: its score over all prompts, its rank by it, and the places that it may have."""

    name: str
    href: str
    mark: Mark
    mean: str
    interval: str
    rank: str
    places: str


@dataclass(frozen=True)
class MatrixScore:
    """A score in the matrix: its text, its shade (a step from 1 to 5, none or skipped), and why there is none."""

    text: str
    shade: str
    why: str = ""


@dataclass(frozen=True)
class FacetSquare:
    """How far one model's answers meet one facet."""

    state: State
    sign: str
    text: str


@dataclass(frozen=True)
class FacetRow:
    """One facet across the models."""

    says: str
    weight: str
    squares: tuple[FacetSquare, ...]


@dataclass(frozen=True)
class PromptRow:
    """One prompt across the models, with its facets below."""

    title: str
    href: str
    squares: tuple[MatrixScore, ...]
    facets: tuple[FacetRow, ...]


@dataclass(frozen=True)
class Matrix:
    """The rubric matrix of one machine's newest run."""

    board: Board
    sentence: str
    heads: tuple[MatrixHead, ...]
    ranked: bool
    rows: tuple[PromptRow, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class QualityPage:
    """The whole page: by the program, then by every source, over time, and against memory."""

    matrices: tuple[MachinePart[Matrix], ...]
    sources: tuple[SourceMatrix, ...]
    over_time: tuple[MachinePart[QualityOverTime], ...]
    costs: tuple[MachinePart[Figure | None], ...]


def quality_page(site: Site) -> QualityPage:
    """Return the page, each part of it by machine."""
    return QualityPage(
        matrices=tuple(
            MachinePart(board.anchor, board.heading, board.machine, partial(_matrix, site, board))
            for board in site.boards
        ),
        sources=source_matrices(site, HERE),
        over_time=quality_over_time(site),
        costs=tuple(
            MachinePart(f"costs-{board.anchor}", board.heading, board.machine, partial(_cost, site, board))
            for board in site.boards
            if has_trade_off(board, COST)
        ),
    )


def _cost(everything: Site, board: Board) -> Figure | None:
    return trade_off(everything.of_machine(board.machine), board, COST, "Peak memory")


def _matrix(everything: Site, board: Board) -> Matrix:
    site = everything.of_machine(board.machine)
    grades = grades_of(board.result)
    models = board.summary.models
    ranks = ranked(site, board, "score")
    return Matrix(
        board=board,
        sentence=_sentence(board, ranks),
        heads=tuple(_head(site, one, ranks) for one in models),
        ranked=bool(first(ranks)),
        rows=tuple(_row(prompt, models, grades) for prompt in board.result.prompt_set.prompts),
        notes=(*(note for one in models if (note := _note(one))), *_untold(ranks)),
    )


def _head(site: Site, one: ModelSummary, ranks: Sequence[Ranked]) -> MatrixHead:
    name = one.model.name
    means = number_column("", "score", [estimated(site, one, "score")]).cells[0]
    place = rank_cell(next((other for other in ranks if other.model == name), None), ranks)
    return MatrixHead(
        name=shortened(name, 40),
        href=relative(HERE, model_page(name)),
        mark=site.marks[name],
        mean=means.text if one.score is not None else form.NO_VALUE,
        interval=means.interval,
        rank=place.text,
        places=place.interval,
    )


def _untold(ranks: Sequence[Ranked]) -> tuple[str, ...]:
    """Return why scores have no interval; each reason once."""
    whys = [one.estimate.why for one in ranks if one.estimate.value is not None and one.estimate.interval is None]
    return tuple(dict.fromkeys(f"No interval of a score over all prompts: {why}" for why in whys))


def _note(one: ModelSummary) -> str:
    why = one.score_why if one.good_samples else failure_text(one)
    return f"{shortened(one.model.name, 40)}: {why}" if why else ""


def _row(prompt: PromptRecord, models: tuple[ModelSummary, ...], grades: Grades) -> PromptRow:
    return PromptRow(
        title=shortened(prompt.title, 80),
        href=relative(HERE, prompt_page(prompt.id)),
        squares=tuple(_square(one, prompt) for one in models),
        facets=tuple(
            FacetRow(
                says=facet.says,
                weight="" if facet.weight == 1 else f"weight {form.number(facet.weight)}",
                squares=tuple(_facet_square(one, prompt, facet, grades) for one in models),
            )
            for facet in prompt.facets
        ),
    )


def _square(one: ModelSummary, prompt: PromptRecord) -> MatrixScore:
    value = one.prompt_scores[prompt.id]
    if one.model.skipped is not None:
        return MatrixScore("skipped", "skipped", why=failure_text(one))
    if value is not None:
        return MatrixScore(form.score(value), shade=str(form.nearest_score(value)))
    samples = [sample for sample in one.model.samples if sample.prompt == prompt.id]
    if not any(sample.failure is None for sample in samples):
        return MatrixScore("failed", "none", why=failure_text(one) if not samples else "every sample failed")
    return MatrixScore("no rubric" if not prompt.facets else "ungraded", "none")


def _facet_square(one: ModelSummary, prompt: PromptRecord, facet: FacetRecord, grades: Grades) -> FacetSquare:
    found = [
        grade.credit
        for sample in one.model.samples
        if sample.prompt == prompt.id and sample.failure is None and sample.output is not None
        for grade in grades.get((prompt.id, sample.output), ())
        if grade.facet == facet.id
    ]
    known = [credit for credit in found if credit is not None]
    if one.model.skipped is not None:
        return FacetSquare("unknown", SIGNS["unknown"], "skipped")
    if not known:
        untold = "left to judges and people" if facet.check == JUDGED else "could not be checked"
        return FacetSquare("unknown", SIGNS["unknown"], untold if found else "no good answer")
    mean = sum(known) / len(known)
    state = state_of(mean)
    words = {"passed": "met", "failed": "not met", "partly": f"met to {form.share(mean)}", "unknown": ""}
    return FacetSquare(state, SIGNS[state], words[state])


def _sentence(board: Board, ranks: Sequence[Ranked]) -> str:
    scored = [one for one in ranks if one.rank is not None]
    if not scored:
        return "No answer has a score: the prompts have no rubric, or no model answered."
    best = [one for one in scored if one.rank == 1]
    names = joined([shortened(one.model, 40) for one in best])
    scores = form.span([one.estimate.value for one in best if one.estimate.value is not None], "score")
    hardest = _hardest(board)
    rest = f" Hardest is “{shortened(hardest.title, 60)}”." if hardest is not None else ""
    if len(best) == 1:
        says = f"{names} answers best, {scores} over all prompts."
    elif len(best) == len(scored):
        says = f"{names} cannot be told apart: {scores} over all prompts."
    else:
        says = f"{names} answer best, {scores} over all prompts, and cannot be told apart."
    return f"{says}{rest}{_unanswered(board)}"


def _unanswered(board: Board) -> str:
    answered = {sample.prompt for one in board.answering for sample in one.model.samples if sample.failure is None}
    missing = [one for one in board.result.prompt_set.prompts if one.id not in answered]
    if not missing:
        return ""
    return f" No model has a good answer to {joined([f'“{shortened(one.title, 60)}”' for one in missing[:3]])}."


def _hardest(board: Board) -> PromptRecord | None:
    means = []
    for place, prompt in enumerate(board.result.prompt_set.prompts):
        known = [value for one in board.answering if (value := one.prompt_scores[prompt.id]) is not None]
        if known:
            means.append((sum(known) / len(known), place, prompt))
    if len(means) < 2 or min(means)[0] == max(means)[0]:
        return None
    return min(means)[2]
