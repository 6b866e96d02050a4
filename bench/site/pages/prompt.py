"""The prompts: a list, and a page for each."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from bench.analysis.intervals import Estimate
from bench.analysis.ranking import Ranked
from bench.analysis.summary import ModelSummary
from bench.metrics.registry import metric
from bench.report import format as form
from bench.report.tables import Cell, CellValue, Table, count_column, name_column, number_column, table, text_column
from bench.report.text import joined, relative, shortened
from bench.schema.prompts import FacetRecord, Message, PromptRecord
from bench.site.charts.figures import Figure
from bench.site.charts.strips import Strip, strip_figure
from bench.site.dataset import Board, Site, failure_text, judged, model_cells
from bench.site.machine_parts import MachinePart, of_board
from bench.site.sections.answer_cards import Cards, cards
from bench.site.sections.leaderboard import with_interval
from bench.site.sections.outlier_tables import Unlike, no_outliers, outlier_table, unlike_on_prompt
from bench.site.sections.repeats import AnswerFinding, prompt_findings
from bench.site.urls import metric_page, prompt_page, run_page
from bench.stats.distribution import Distribution

LIST = "report/prompts/index.html"
METRIC = "e2e_s"
PERCENTILES = {"ttft_s": "TTFT p50", "decode_tokens_per_s": "Decode speed", "e2e_s": "Latency p50"}


@dataclass(frozen=True)
class PromptList:
    """The prompts of one machine's newest run."""

    board: Board
    table: Table


@dataclass(frozen=True)
class PromptOnBoard:
    """A prompt in the newest run of one machine."""

    board: Board
    run_href: str
    sentence: str
    other_wording: tuple[Message, ...]
    table: Table
    figure: Figure | None
    outliers: Table | None
    no_outliers: str
    unlike: Unlike
    findings: tuple[AnswerFinding, ...]
    cards: Cards


@dataclass(frozen=True)
class PromptPage:
    """Everything about one prompt."""

    prompt: PromptRecord
    facets: tuple[FacetRecord, ...]
    boards: tuple[MachinePart[PromptOnBoard], ...]
    before: str
    after: str


@dataclass(frozen=True)
class _Counts:
    """The samples of one model on one prompt."""

    good: int
    total: int

    @property
    def text(self) -> str:
        return f"{self.good} of {self.total}" if self.total else "not asked"


def prompts_of(site: Site) -> dict[str, PromptRecord]:
    """Return the prompts of the newest run of each set on each machine, the newest wording of each."""
    found: dict[str, PromptRecord] = {}
    for board in site.boards:
        for prompt in board.result.prompt_set.prompts:
            found.setdefault(prompt.id, prompt)
    return found


def prompt_list(site: Site) -> tuple[MachinePart[PromptList], ...]:
    """Return the prompts of each machine's newest run, as parts of PromptList: who answers best, who is done first."""
    return tuple(of_board(board, partial(_listed, site, board)) for board in site.boards)


def _listed(everything: Site, board: Board) -> PromptList:
    return PromptList(board, _list_table(everything.of_machine(board.machine), board))


def prompt_view(site: Site, prompt: PromptRecord) -> PromptPage:
    """Return the page of a prompt."""
    here = prompt_page(prompt.id)
    boards = [board for board in site.boards if any(one.id == prompt.id for one in board.result.prompt_set.prompts)]
    order = list(prompts_of(site))
    place = order.index(prompt.id)
    return PromptPage(
        prompt=prompt,
        facets=prompt.facets,
        boards=tuple(
            # The newest wording may be another machine's: a board says where its own differs.
            of_board(board, partial(_on_board, site, board, prompt, here), beside=prompt.transcript)
            for board in boards
        ),
        before=relative(here, prompt_page(order[place - 1])) if place else "",
        after=relative(here, prompt_page(order[place + 1])) if place + 1 < len(order) else "",
    )


def _list_table(site: Site, board: Board) -> Table:
    prompts = board.result.prompt_set.prompts
    return table(
        f"Prompts on {board.heading}",
        [
            name_column("Prompt", [_prompt_cell(prompt) for prompt in prompts]),
            text_column("Category", [prompt.category for prompt in prompts]),
            count_column("Facets", [len(prompt.facets) for prompt in prompts]),
            text_column("Best answer", [_best_answer(board, prompt) for prompt in prompts]),
            number_column("Mean of models", "score", [_mean_score(board, prompt) for prompt in prompts]),
            text_column("First to finish", [_first_to_finish(site, board, prompt) for prompt in prompts]),
        ],
    )


def _prompt_cell(prompt: PromptRecord) -> Cell:
    return Cell(shortened(prompt.title, 60), href=relative(LIST, prompt_page(prompt.id)))


INSTRUMENTS_ALONE: Final = "test instruments alone"


def _best_answer(board: Board, prompt: PromptRecord) -> Cell:
    if not _scores(board.answering, prompt):
        return Cell("no score", kind="none", note=_why_no_score(board, prompt))
    scores = _scores(board.contenders, prompt)
    if not scores:
        return Cell(INSTRUMENTS_ALONE, kind="none")
    best = max(value for _, value in scores)
    names = [shortened(name, 40) for name, value in scores if value == best]
    if len(names) == len(board.contenders) > 1:
        return Cell("all alike", small=form.with_unit(best, "score"))
    return Cell(joined(names), small=form.with_unit(best, "score"))


def _why_no_score(board: Board, prompt: PromptRecord) -> str:
    if not prompt.facets:
        return "the prompt has no rubric"
    samples = [one for summary in board.summary.models for one in summary.model.samples if one.prompt == prompt.id]
    if not any(sample.failure is None for sample in samples):
        return "no model gave a good answer"
    return "no answer could be graded"


def _scores(models: Sequence[ModelSummary], prompt: PromptRecord) -> list[tuple[str, float]]:
    return [(one.model.name, value) for one in models if (value := one.prompt_scores[prompt.id]) is not None]


def _mean_score(board: Board, prompt: PromptRecord) -> CellValue:
    scores = [value for one in board.answering if (value := one.prompt_scores[prompt.id]) is not None]
    if not scores:
        return CellValue(None, "none", _why_no_score(board, prompt))
    return CellValue(sum(scores) / len(scores))


def _first_to_finish(site: Site, board: Board, prompt: PromptRecord) -> Cell:
    ranks = _ranks_on(site, board, prompt.id, METRIC)
    best = [one for one in ranks if one.rank == 1]
    if not best and board.answering and not board.contenders:
        return Cell(INSTRUMENTS_ALONE, kind="none")
    if not best:
        return Cell("none", kind="failed", note="every sample of this prompt failed, with every model")
    values = form.span([one.estimate.value for one in best if one.estimate.value is not None], metric(METRIC).unit)
    if len(best) == sum(one.rank is not None for one in ranks) > 1:
        return Cell("not told apart", small=values)
    return Cell(joined([shortened(one.model, 40) for one in best]), small=values)


def _ranks_on(site: Site, board: Board, prompt_id: str, metric_id: str) -> tuple[Ranked, ...]:
    """Return the models by rank in a metric of samples on one prompt, without those that the client cannot resolve."""
    names = [
        one.model.name
        for one in board.contenders
        if (found := site.estimates.by_prompt(one, metric_id)[prompt_id]) is not None
        and judged(one, metric_id, found.p50).kind != "coarse"
    ]
    return site.estimates.ranks(board.result, names, metric_id, prompt_id)


def _on_board(everything: Site, board: Board, prompt: PromptRecord, here: str) -> PromptOnBoard:
    site = everything.of_machine(board.machine)
    own = next(one for one in board.result.prompt_set.prompts if one.id == prompt.id)
    models = board.summary.models
    strips = [
        Strip(
            label=shortened(one.model.name, 40),
            model=one.model.name,
            samples=[s for s in one.model.samples if s.prompt == prompt.id and s.failure is None],
        )
        for one in models
        if one.model.skipped is None
    ]
    found = outlier_table(site, board, prompt.id, here)
    return PromptOnBoard(
        board=board,
        run_href=relative(here, run_page(board.result)),
        sentence=_sentence(board, prompt),
        other_wording=own.messages if own.messages != prompt.messages else (),
        table=_model_table(site, board, prompt, here),
        figure=strip_figure(f"latency-{board.anchor}", strips, site.marks, "model", board.context),
        outliers=found,
        no_outliers="" if found else no_outliers(board, prompt.id),
        unlike=unlike_on_prompt(site, board, prompt.id, here),
        findings=prompt_findings(site, board, prompt.id, here),
        cards=cards(site, board, own, here),
    )


def _sentence(board: Board, prompt: PromptRecord) -> str:
    if not any(s.prompt == prompt.id and s.failure is None for one in board.answering for s in one.model.samples):
        return "No model gave a good answer to this prompt: each sample below failed, and says why."
    if not _scores(board.answering, prompt):
        return "Models answered, but there is no score: " + _why_no_score(board, prompt) + "."
    scores = _scores(board.contenders, prompt)
    if not scores:
        return f"Answered by {INSTRUMENTS_ALONE}: none of them is a choice, so none is called the best."
    best = max(value for _, value in scores)
    names = [shortened(name, 40) for name, value in scores if value == best]
    if len(names) == len(scores) > 1:
        return f"All {len(scores)} models answer equally well, {form.with_unit(best, 'score')}."
    return f"{joined(names)} {'answers' if len(names) == 1 else 'answer'} best, {form.with_unit(best, 'score')}."


def _model_table(site: Site, board: Board, prompt: PromptRecord, here: str) -> Table:
    rows = board.summary.models
    columns = [
        name_column("Model", model_cells(site, rows, here)),
        number_column("Quality", "score", [_prompt_score(board, one, prompt) for one in rows], "higher"),
    ]
    for metric_id, label in PERCENTILES.items():
        chosen = metric(metric_id)
        places = {one.model: one for one in _ranks_on(site, board, prompt.id, metric_id)}
        values = []
        for one in rows:
            found = site.estimates.by_prompt(one, metric_id)[prompt.id]
            shown = _median(one, found, metric_id, prompt.id)
            place = places.get(one.model.name)
            values.append(shown if place is None else replace(_of_prompt(shown, place.estimate), rank=place.rank))
        column = number_column(label, chosen.unit, values, chosen.better)
        columns.append(replace(column, explained=metric_page(metric_id)))
    columns.append(text_column("Good samples", [_counts(one, prompt.id).text for one in rows], numeric=True))
    return table(f"Models on {board.heading}", columns)


def _of_prompt(shown: CellValue, found: Estimate) -> CellValue:
    """Return a value with its interval; that it is about this prompt alone goes without saying on its page."""
    return replace(with_interval(shown, found), interval_why="" if found.interval else f"no interval: {found.why}")


def _prompt_score(board: Board, one: ModelSummary, prompt: PromptRecord) -> CellValue:
    value = one.prompt_scores[prompt.id]
    if value is not None:
        return CellValue(value, eligible=not one.model.instrument)
    if one.model.skipped is not None:
        return CellValue(None, "skipped", one.model.skipped)
    counts = _counts(one, prompt.id)
    if counts.total and not counts.good:
        return CellValue(None, "failed", "every sample failed")
    if not counts.total:
        return CellValue(None, "failed", failure_text(one))
    return CellValue(None, "none", _why_no_score(board, prompt))


def _median(one: ModelSummary, found: Distribution | None, metric_id: str, prompt_id: str) -> CellValue:
    if found is not None:
        return judged(one, metric_id, found.p50)
    if one.model.skipped is not None:
        return CellValue(None, "skipped", one.model.skipped)
    if not one.good_samples:
        return CellValue(None, "failed", failure_text(one))
    counts = _counts(one, prompt_id)
    if not counts.good:
        return CellValue(None, "failed", "every sample failed" if counts.total else "it was not asked")
    return CellValue(None, "none", metric(metric_id).undefined)


def _counts(one: ModelSummary, prompt_id: str) -> _Counts:
    samples = [sample for sample in one.model.samples if sample.prompt == prompt_id]
    return _Counts(sum(sample.failure is None for sample in samples), len(samples))
