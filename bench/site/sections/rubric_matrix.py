"""The rubric matrix of a run: what each rater gave each model on each prompt, and on each facet of its rubric.

By the program alone there is a column for each model; with judges and people each model has a column for each rater.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Literal, TypeVar

from bench.analysis.intervals import Interval
from bench.analysis.ranking import Ranked
from bench.analysis.ratings import Item, prompt_scores_of
from bench.analysis.summary import ModelSummary
from bench.metrics.scores import mean_score, outputs_by_prompt
from bench.quality.checks.registry import JUDGED
from bench.report import format as form
from bench.report.palette import Mark
from bench.report.tables import number_column
from bench.report.text import joined, relative, shortened
from bench.schema.prompts import FacetRecord, PromptRecord
from bench.site.dataset import Board, Site, failure_text
from bench.site.machine_parts import MachinePart, of_board
from bench.site.sections.answer_cards import SIGNS, FacetState, Grades, grades_of, state_of
from bench.site.sections.leaderboard import estimated, first, rank_cell, ranked
from bench.site.sections.raters import RaterScores, RunRaters, mean_interval
from bench.site.sections.reviewed_runs import RaterNote, ReviewedRun, newest_reviewed, page_of_prompt, rater_notes
from bench.site.urls import model_page, run_page

MatrixColumn = TypeVar("MatrixColumn")
"""What a column stands for: a model, or a model and a rater."""

REASONS_NAMED: Final = 3

MOST_FACET_CELLS: Final = 6_000
"""Cells of facets beyond which a page would take a phone too long: the pages of the prompts have them all."""

SCALE: Final = form.scale("score", [])


@dataclass(frozen=True)
class MatrixModel:
    """A model at the head of as many columns as there are raters."""

    name: str
    href: str
    mark: Mark


@dataclass(frozen=True)
class MatrixRater:
    """A rater at the head of one column of a model. `words` say what is special about it there."""

    name: str
    kind: str
    doubted: bool
    words: str


@dataclass(frozen=True)
class MatrixCell:
    """A score, how far a facet is met, or what kind of value is missing.

    `shade` is a step from 1 to 5, or the kind of cell without one; `state` takes its place for a facet that is met or
    not. `small` has the interval, `over` how many prompts a mean is of where that is not all, and `letter` is that of
    the note that says why something is missing.
    """

    text: str
    shade: str = ""
    state: FacetState | Literal[""] = ""
    small: str = ""
    over: str = ""
    letter: str = ""
    doubted: bool = False

    @property
    def sign(self) -> str:
        """The sign of the state; empty for a score."""
        return SIGNS[self.state] if self.state else ""


@dataclass(frozen=True)
class MatrixRow:
    """One prompt, or one facet of it, across the columns."""

    title: str
    href: str
    cells: tuple[MatrixCell, ...]
    weight: str = ""
    facets: tuple["MatrixRow", ...] = ()


@dataclass(frozen=True)
class RubricMatrix:
    """Models by prompts; where there are `raters`, each of them has a column of each model.

    `ranks` is empty where models are not ranked. A note has a letter where a cell refers to it.
    """

    models: tuple[MatrixModel, ...]
    raters: tuple[MatrixRater, ...]
    means: tuple[MatrixCell, ...]
    ranks: tuple[MatrixCell, ...]
    rows: tuple[MatrixRow, ...]
    notes: tuple[tuple[str, str], ...]

    @property
    def per_model(self) -> int:
        """The number of columns of each model."""
        return len(self.raters) // len(self.models) if self.raters else 1


@dataclass(frozen=True)
class ProgramMatrix:
    """The program's scores of one machine's newest run."""

    board: Board
    sentence: str
    matrix: RubricMatrix


@dataclass(frozen=True)
class RaterMatrix:
    """The scores of a run by the program, judges and people, side by side."""

    machine: str
    prompt_set: str
    anchor: str
    sentence: str
    when: str
    run_href: str
    is_newest: bool
    matrix: RubricMatrix
    has_facets: bool
    rater_notes: tuple[RaterNote, ...]


def program_matrices(site: Site, here: str) -> tuple[MachinePart[ProgramMatrix], ...]:
    """Return the matrix of each machine's newest run, for the page `here`."""
    return tuple(of_board(board, partial(_by_program, site, board, here)) for board in site.boards)


def rater_matrices(site: Site, here: str) -> tuple[RaterMatrix, ...]:
    """Return a matrix for each machine and prompt set with a run that a judge or a person scored: the newest one."""
    found = ((board, newest_reviewed(site, board)) for board in site.boards)
    return tuple(_by_rater(site, board, one, here) for board, one in found if one is not None)


def _models(site: Site, models: Iterable[ModelSummary], here: str) -> tuple[MatrixModel, ...]:
    names = [one.model.name for one in models]
    return tuple(MatrixModel(shortened(name, 40), relative(here, model_page(name)), site.marks[name]) for name in names)


def _rows(
    site: Site,
    prompts: Iterable[PromptRecord],
    columns: Sequence[MatrixColumn],
    here: str,
    score_cell: Callable[[MatrixColumn, PromptRecord], MatrixCell],
    facet_cell: Callable[[MatrixColumn, PromptRecord, FacetRecord], MatrixCell] | None,
) -> tuple[MatrixRow, ...]:
    """Return a row for each prompt, with rows for its facets unless these are left out."""
    rows = []
    for prompt in prompts:
        cells = tuple(score_cell(column, prompt) for column in columns)
        facets = []
        if facet_cell is not None:
            for facet in prompt.facets:
                facet_cells = tuple(facet_cell(column, prompt, facet) for column in columns)
                weight = "" if facet.weight == 1 else f"weight {form.number(facet.weight)}"
                facets.append(MatrixRow(facet.says, "", facet_cells, weight))
        href = page_of_prompt(site, prompt.id, here)
        rows.append(MatrixRow(shortened(prompt.title, 80), href, cells, facets=tuple(facets)))
    return tuple(rows)


def _by_program(everything: Site, board: Board, here: str) -> ProgramMatrix:
    site = everything.of_machine(board.machine)
    grades = grades_of(board.result)
    models = board.summary.models
    ranks = ranked(site, board, "score")

    def facet_cell(one: ModelSummary, prompt: PromptRecord, facet: FacetRecord) -> MatrixCell:
        return _facet_state(one, prompt, facet, grades)

    notes = (*(note for one in models if (note := _note(one))), *_no_intervals(ranks))
    matrix = RubricMatrix(
        models=_models(site, models, here),
        raters=(),
        means=tuple(_mean(site, one) for one in models),
        ranks=tuple(_rank(one, ranks) for one in models) if first(ranks) else (),
        rows=_rows(site, board.result.prompt_set.prompts, models, here, _score_cell, facet_cell),
        notes=tuple(("", note) for note in notes),
    )
    return ProgramMatrix(board, _sentence(board, ranks), matrix)


def _mean(site: Site, one: ModelSummary) -> MatrixCell:
    cell = number_column("", "score", [estimated(site, one, "score")]).cells[0]
    return MatrixCell(cell.text if one.score is not None else form.NO_VALUE, small=cell.interval)


def _rank(one: ModelSummary, ranks: Sequence[Ranked]) -> MatrixCell:
    cell = rank_cell(next((other for other in ranks if other.model == one.model.name), None), ranks)
    return MatrixCell(cell.text, small=cell.interval)


def _no_intervals(ranks: Sequence[Ranked]) -> tuple[str, ...]:
    """Return why scores have no interval; each reason once."""
    whys = [one.estimate.why for one in ranks if one.estimate.value is not None and one.estimate.interval is None]
    return tuple(dict.fromkeys(f"No interval of a score over all prompts: {why}" for why in whys))


def _note(one: ModelSummary) -> str:
    why = one.score_why if one.good_samples else failure_text(one)
    return f"{shortened(one.model.name, 40)}: {why}" if why else ""


def _score_cell(one: ModelSummary, prompt: PromptRecord) -> MatrixCell:
    value = one.prompt_scores[prompt.id]
    if one.model.skipped is not None:
        return MatrixCell("skipped", "skipped")
    if value is not None:
        return MatrixCell(form.score(value), shade=str(form.nearest_score(value)))
    samples = [sample for sample in one.model.samples if sample.prompt == prompt.id]
    if not any(sample.failure is None for sample in samples):
        return MatrixCell("failed", "none")
    return MatrixCell("no rubric" if not prompt.facets else "ungraded", "none")


def _facet_state(one: ModelSummary, prompt: PromptRecord, facet: FacetRecord, grades: Grades) -> MatrixCell:
    found = [
        grade.credit
        for sample in one.model.samples
        if sample.prompt == prompt.id and sample.failure is None and sample.output is not None
        for grade in grades.get((prompt.id, sample.output), ())
        if grade.facet == facet.id
    ]
    known = [credit for credit in found if credit is not None]
    if one.model.skipped is not None:
        return MatrixCell("skipped", state="unknown")
    if not known:
        unchecked = "left to judges and people" if facet.check == JUDGED else "could not be checked"
        return MatrixCell(unchecked if found else "no good answer", state="unknown")
    mean = sum(known) / len(known)
    state = state_of(mean)
    words = {"passed": "met", "failed": "not met", "partly": f"met to {form.share(mean)}", "unknown": ""}
    return MatrixCell(words[state], state=state)


def _sentence(board: Board, ranks: Sequence[Ranked]) -> str:
    scored = [one for one in ranks if one.rank is not None]
    if not scored and any(one.score is not None for one in board.answering):
        return f"All models here are test instruments: none of them is called the best.{_unanswered(board)}"
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


@dataclass
class _MatrixNotes:
    """Reasons by letter, in the order of reading."""

    letters: dict[str, str] = field(default_factory=dict)

    def letter(self, why: str) -> str:
        place = len(self.letters)
        return self.letters.setdefault(why, chr(ord("a") + place) if place < 26 else str(place - 25))


def _by_rater(site: Site, board: Board, reviewed: ReviewedRun, here: str) -> RaterMatrix:
    summary = reviewed.summary
    result = summary.result
    raters = site.raters.of(result)
    scores = {
        (one.model.name, rater.source): prompt_scores_of(result, one.model, rater.scores)
        for one in summary.models
        for rater in raters.all
    }
    outputs = {one.model.name: outputs_by_prompt(result, one.model) for one in summary.models}
    columns = [(one, rater) for one in summary.models for rater in raters.all]
    notes = _MatrixNotes()

    def score_cell(column: tuple[ModelSummary, RaterScores], prompt: PromptRecord) -> MatrixCell:
        one, rater = column
        value = scores[one.model.name, rater.source][prompt.id]
        why = partial(_why, one, rater, prompt, prompt.facets, outputs[one.model.name][prompt.id])
        return _given(value, why, rater, notes)

    def facet_cell(column: tuple[ModelSummary, RaterScores], prompt: PromptRecord, facet: FacetRecord) -> MatrixCell:
        one, rater = column
        found = outputs[one.model.name][prompt.id]
        items = [Item(prompt.id, output, facet.id) for output in found]
        known = [rater.scores[item] for item in items if item in rater.scores]
        value = sum(known) / len(known) if known else None
        return _given(value, partial(_why, one, rater, prompt, [facet], found), rater, notes)

    has_facets = len(columns) * sum(len(prompt.facets) for prompt in result.prompt_set.prompts) <= MOST_FACET_CELLS
    means = tuple(_mean_by(scores[one.model.name, rater.source], one, rater, notes) for one, rater in columns)
    prompts = result.prompt_set.prompts
    rows = _rows(site, prompts, columns, here, score_cell, facet_cell if has_facets else None)
    return RaterMatrix(
        machine=board.machine,
        prompt_set=shortened(result.prompt_set.title, 60),
        anchor=f"sources-{reviewed.anchor}",
        sentence=_first_by(raters),
        when=form.minute(result.run.started_utc),
        run_href=relative(here, run_page(result)),
        is_newest=reviewed.is_newest,
        matrix=RubricMatrix(
            models=_models(site, summary.models, here),
            raters=tuple(_rater(one, rater) for one, rater in columns),
            means=means,
            ranks=(),
            rows=rows,
            notes=tuple((letter, why) for why, letter in notes.letters.items()),
        ),
        has_facets=has_facets,
        rater_notes=rater_notes(raters),
    )


def _rater(one: ModelSummary, rater: RaterScores) -> MatrixRater:
    words = ["doubted"] if rater.doubt else []
    words += ["itself"] if one.model.name in rater.same_models else []
    return MatrixRater(rater.name, rater.source.kind, bool(rater.doubt), ", ".join(words))


def _mean_by(
    scores: Mapping[str, float | None], one: ModelSummary, rater: RaterScores, notes: _MatrixNotes
) -> MatrixCell:
    value = mean_score(scores)
    if value is None:
        return _given(None, lambda: _why_no_mean(one, rater), rater, notes)
    known = sum(score is not None for score in scores.values())
    interval = mean_interval(scores)
    has_interval = isinstance(interval, Interval)
    return MatrixCell(
        text=form.score(value),
        shade="mean",
        small=form.interval(interval.low, interval.high, value, SCALE) if isinstance(interval, Interval) else "",
        over="" if known == len(scores) else form.count(known, "prompt"),
        letter="" if has_interval else notes.letter(f"no interval: {interval}"),
        doubted=bool(rater.doubt),
    )


def _why_no_mean(one: ModelSummary, rater: RaterScores) -> str:
    if one.model.skipped is not None:
        return "the model was skipped"
    if not one.good_samples:
        return "the model gave no good answer"
    return f"{rater.label} scored no answer of this model"


def _given(value: float | None, why: Callable[[], str], rater: RaterScores, notes: _MatrixNotes) -> MatrixCell:
    if value is None:
        return MatrixCell("unscored", "unscored", letter=notes.letter(why()), doubted=bool(rater.doubt))
    return MatrixCell(form.score(value), str(form.nearest_score(value)), doubted=bool(rater.doubt))


def _why(
    one: ModelSummary, rater: RaterScores, prompt: PromptRecord, facets: Iterable[FacetRecord], outputs: Iterable[str]
) -> str:
    if one.model.skipped is not None:
        return "the model was skipped"
    distinct = dict.fromkeys(outputs)
    if not distinct:
        return "the model gave no good answer to this prompt"
    if not prompt.facets:
        return "the prompt has no rubric"
    items = [Item(prompt.id, output, facet.id) for output in distinct for facet in facets]
    reasons = list(dict.fromkeys(shortened(rater.why_unscored(item), 120) for item in items))
    rest = f" and {len(reasons) - REASONS_NAMED} more reasons" if len(reasons) > REASONS_NAMED else ""
    return f"{rater.label}: {'; '.join(reasons[:REASONS_NAMED])}{rest}"


def _first_by(raters: RunRaters) -> str:
    first: dict[tuple[str, ...], list[str]] = {}
    scores: list[str] = []
    names = {rater.source: rater.label for rater in raters.all}
    for ranking in raters.agreement.rankings:
        best = tuple(shortened(one.model, 40) for one in ranking.ranks if one.rank == 1)
        if best:
            by = "the program" if ranking.source.kind == "program" else names.get(ranking.source, "")
            first.setdefault(best, []).append(by)
            scores.append(f"{form.score(ranking.ranks[0].score)} by {by}")
    ranked = {one.model for ranking in raters.agreement.rankings for one in ranking.ranks}
    if len(ranked) == 1:
        return (
            f"{joined([shortened(name, 40) for name in ranked])} alone has answers that were scored: {joined(scores)}."
        )
    if not first:
        return "No source scored answers of all models to one prompt, so none can say which model is best."
    parts = [
        f"{joined(models)} {'is' if len(models) == 1 else 'are'} first by {joined(by)}" for models, by in first.items()
    ]
    return f"{'; '.join(parts)}."
