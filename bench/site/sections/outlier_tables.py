"""What stands out: samples far from their peers, beside what the machine did, and prompts unlike the others."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from bench.analysis.outliers import (
    INTERACTION_FLOOR,
    MINIMUM_PEERS,
    OUTLIER_FLOOR,
    THRESHOLD,
    Interaction,
    Outlier,
    outliers,
    too_few,
)
from bench.analysis.summary import ModelSummary, RunSummary
from bench.analysis.trust import lateness, meanwhile
from bench.report import format as form
from bench.report.tables import (
    Cell,
    CellValue,
    Column,
    Table,
    count_column,
    name_column,
    number_column,
    table,
    text_column,
)
from bench.report.text import relative, shortened
from bench.schema.machine import Probe
from bench.schema.result import Result
from bench.schema.sample import Sample
from bench.site.dataset import Board, Site, model_cells
from bench.site.urls import prompt_page

METRIC: Final = "e2e_s"

NOT_WATCHED: Final = "the machine was not watched"


@dataclass(frozen=True)
class Unlike:
    """What is slow, or quick, for one model alone; `why` says why there is nothing."""

    table: Table | None
    why: str


@dataclass(frozen=True)
class _Expected:
    """A value, what was expected of it with its limits, and how many robust deviations it is away."""

    value: float
    middle: float
    low: float
    high: float
    score: float


@dataclass(frozen=True)
class _OutlierRow:
    """An outlier with its sample, its model, and how many prompts of that model are outliers in the same round."""

    outlier: Outlier
    sample: Sample
    summary: ModelSummary
    in_round: int


def outlier_table(site: Site, board: Board, prompt_id: str, here: str) -> Table | None:
    """Return the samples far from their peers on a prompt, and what the machine did meanwhile; None without any."""
    everything = outliers(board.result, METRIC)
    rounds = Counter((one.model, one.round) for one in everything)
    found = [
        _OutlierRow(one, *_sample_of(board, one), rounds[one.model, one.round])
        for one in everything
        if one.prompt == prompt_id
    ]
    if not found:
        return None
    return table(
        f"Outliers on {board.machine}",
        [
            name_column("Model", model_cells(site, [one.summary for one in found], here)),
            text_column("Round", [_round_cell(one, board.result) for one in found], numeric=True),
            *_against(
                [
                    _Expected(one.value, one.median, one.low, one.high, one.score)
                    for one in (seen.outlier for seen in found)
                ]
            ),
            text_column("Machine", [_drift_cell(one) for one in found], numeric=True),
            text_column("Woke late", [_late_cell(board.result, one) for one in found], numeric=True),
            text_column("Load", [_load_cell(one) for one in found], numeric=True),
            count_column("Shared reads", [one.sample.shared_reads for one in found]),
        ],
    )


def no_outliers(board: Board, prompt_id: str) -> str:
    """Return why a prompt has no outlier to show."""
    few = [one for one in too_few(board.result, METRIC) if one.prompt == prompt_id]
    if len(few) == len(board.summary.models):
        most = max((one.peers for one in few), default=0)
        if not most:
            return "No good sample, so no outlier either."
        return f"Too few samples to tell: {most} at most for one model, and it takes {MINIMUM_PEERS}."
    rest = f" ({form.count(len(few), 'model')} had fewer than {MINIMUM_PEERS} samples.)" if few else ""
    return f"None: no sample is off by more than {THRESHOLD} robust deviations and {form.share(OUTLIER_FLOOR)}.{rest}"


def unlike_on_prompt(site: Site, board: Board, prompt_id: str, here: str) -> Unlike:
    """Return the models that a prompt takes longer, or less long, than it should; for the page of the prompt."""
    by_name = {one.model.name: one for one in board.summary.models}

    def names(found: Sequence[Interaction]) -> list[Cell]:
        return model_cells(site, [by_name[one.model] for one in found], here)

    return _unlike(site, board.result, lambda one: one.prompt == prompt_id, "Model", names)


def unlike_of_model(site: Site, summary: RunSummary, model: str, here: str) -> Unlike:
    """Return the prompts that take a model of a run longer, or less long, than they should; for the model's page."""
    titles = {one.id: one.title for one in summary.result.prompt_set.prompts}

    def names(found: Sequence[Interaction]) -> list[Cell]:
        return [Cell(shortened(titles[one.prompt], 60), href=relative(here, prompt_page(one.prompt))) for one in found]

    return _unlike(site, summary.result, lambda one: one.model == model, "Prompt", names)


def _unlike(
    site: Site,
    result: Result,
    wanted: Callable[[Interaction], bool],
    label: str,
    names: Callable[[Sequence[Interaction]], list[Cell]],
) -> Unlike:
    everything = site.estimates.interactions(result, METRIC)
    if isinstance(everything, str):
        return Unlike(None, f"Nobody can tell: {everything}.")
    found = sorted((one for one in everything if wanted(one)), key=lambda one: -one.score)
    if not found:
        limits = f"{THRESHOLD} robust deviations and {form.share(INTERACTION_FLOOR)}"
        return Unlike(None, f"None: nothing is off by more than {limits} from what model and prompt add up to.")
    columns = [
        name_column(label, names(found)),
        *_against([_Expected(one.value, one.expected, one.low, one.high, one.score) for one in found]),
        number_column("Wrote", "tokens", [_tokens(one.tokens) for one in found]),
        number_column("Others wrote", "tokens", [_tokens(one.tokens_of_others) for one in found]),
    ]
    return Unlike(table("Unlike the others", columns), "")


def _against(found: Sequence[_Expected]) -> list[Column]:
    """Return the columns of values, of what was expected of them with its range, and of how far they are from it."""
    scale = form.scale("s", [value for one in found for value in (one.value, one.middle)])
    ranges = [form.interval(one.low, one.high, one.middle, scale) for one in found]
    far = [Cell(form.times(one.value / one.middle), small=f"{form.short(abs(one.score))} deviations") for one in found]
    return [
        number_column("Latency", "s", [CellValue(one.value) for one in found], scale=scale),
        number_column("Expected", "s", [CellValue(one.middle) for one in found], small=ranges, scale=scale),
        text_column("How far", far, numeric=True),
    ]


def _tokens(count: float | None) -> CellValue:
    return CellValue(None, "none", "nobody counted the output tokens") if count is None else CellValue(count)


def _sample_of(board: Board, found: Outlier) -> tuple[Sample, ModelSummary]:
    summary = next(one for one in board.summary.models if one.model.name == found.model)
    place = (found.prompt, found.round, found.position)
    sample = next(one for one in summary.model.samples if (one.prompt, one.round, one.position) == place)
    return sample, summary


def _round_cell(seen: _OutlierRow, result: Result) -> Cell:
    others = seen.in_round - 1
    asked = len(result.prompt_set.prompts)
    return Cell(f"{seen.outlier.round:,}", small=f"{seen.in_round} of {form.count(asked, 'prompt')}" if others else "")


def _drift_cell(seen: _OutlierRow) -> Cell:
    watch = seen.summary.model.machine_watch
    if watch is None:
        return Cell("not watched", kind="none", note=NOT_WATCHED)
    drift = meanwhile(watch).drift
    return Cell(f"{form.percent(abs(drift))} {'slower' if drift > 0 else 'faster'}" if drift else "unchanged")


def _late_cell(result: Result, seen: _OutlierRow) -> Cell:
    late = lateness(result, seen.summary.model, seen.sample)
    if late is None:
        return Cell("not watched", kind="none", note=NOT_WATCHED)
    around = "at worst, of the model" if late.span_s is None else f"within {form.with_unit(late.span_s, 's')}"
    return Cell(form.with_unit(late.worst_s, "s"), small=around)


def _load_cell(seen: _OutlierRow) -> Cell:
    watch = seen.summary.model.machine_watch
    if watch is None:
        return Cell("not watched", kind="none", note=NOT_WATCHED)
    return Cell(f"{_load(watch.before)} → {_load(watch.after)}")


def _load(probe: Probe) -> str:
    return form.NO_VALUE if probe.load_average is None else form.short(probe.load_average)
