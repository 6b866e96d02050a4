"""Quality: the rubric matrix of models and prompts, facet by facet."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis.ranking import Ranked
from bench.analysis.summary import ModelSummary
from bench.quality.checks import JUDGED
from bench.rubric import FacetRecord, PromptRecord
from bench.site import format as form
from bench.site.answers import SIGNS, Grades, State, grades_of, state_of
from bench.site.figures import Figure
from bench.site.leaderboard import estimated, first, rank_cell, ranked
from bench.site.ledger import Board, Site, failure_text, model_page, prompt_page
from bench.site.naming import joined
from bench.site.palette import Mark
from bench.site.score_history import QualityOverTime, quality_over_time
from bench.site.sources import SourceMatrix, source_matrices
from bench.site.tables import number_column
from bench.site.text import relative, shortened
from bench.site.trade_offs import trade_off

HERE = "report/quality.html"


@dataclass(frozen=True)
class Head:
    """A model at the head of a column: its score over all prompts, its rank by it, and the places that it may have."""

    name: str
    href: str
    mark: Mark
    mean: str
    interval: str
    rank: str
    places: str


@dataclass(frozen=True)
class Square:
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
    squares: tuple[Square, ...]
    facets: tuple[FacetRow, ...]


@dataclass(frozen=True)
class Matrix:
    """The rubric matrix of one machine's newest run."""

    board: Board
    sentence: str
    heads: tuple[Head, ...]
    ranked: bool
    rows: tuple[PromptRow, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class QualityPage:
    """The whole page: by the program, then by every source, over time, and against memory."""

    matrices: tuple[Matrix, ...]
    sources: tuple[SourceMatrix, ...]
    over_time: tuple[QualityOverTime, ...]
    costs: tuple[Figure, ...]


def quality_page(site: Site) -> QualityPage:
    """Return the page, each part of it by machine."""
    costs = (trade_off(site, board, "memory_peak_bytes", "Peak memory") for board in site.boards)
    return QualityPage(
        matrices=tuple(_matrix(site, board) for board in site.boards),
        sources=source_matrices(site, HERE),
        over_time=quality_over_time(site),
        costs=tuple(figure for figure in costs if figure is not None),
    )


def _matrix(site: Site, board: Board) -> Matrix:
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


def _head(site: Site, one: ModelSummary, ranks: Sequence[Ranked]) -> Head:
    name = one.model.name
    means = number_column("", "score", [estimated(site, one, "score")]).cells[0]
    place = rank_cell(next((other for other in ranks if other.model == name), None), ranks)
    return Head(
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


def _square(one: ModelSummary, prompt: PromptRecord) -> Square:
    value = one.prompt_scores[prompt.id]
    if one.model.skipped is not None:
        return Square("skipped", "skipped", why=failure_text(one))
    if value is not None:
        return Square(form.score(value), shade=str(min(5, max(1, round(value)))))
    samples = [sample for sample in one.model.samples if sample.prompt == prompt.id]
    if not any(sample.failure is None for sample in samples):
        return Square("failed", "none", why=failure_text(one) if not samples else "every sample failed")
    return Square("no rubric" if not prompt.facets else "ungraded", "none")


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
