"""The models: a list, and a page for each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bench.analysis.summary import ModelSummary
from bench.site import format as form
from bench.site.answers import Answers, answers, grades_of
from bench.site.leaderboard import RANKS_PAGE, estimated_column, rank_cell, ranked
from bench.site.ledger import Board, Site, failure_text, measured, model_page, prompt_page, run_page
from bench.site.licensing import licence_column
from bench.site.naming import model_cells
from bench.site.on_machine import OnMachine, on_machine, run_context
from bench.site.outlying import Unlike, unlike_of_model
from bench.site.repeats import Repeats, model_repeats
from bench.site.scored import Earlier, VoiceLine, scored_before, voice_lines
from bench.site.tables import Cell, Column, Table, count_column, name_column, number_column, table, text_column
from bench.site.text import relative, web_address

LIST = "report/models/index.html"


@dataclass(frozen=True)
class Fact:
    """One line of what a model is; `why` says why there is no value."""

    label: str
    value: str
    why: str = ""
    href: str = ""


@dataclass(frozen=True)
class Said:
    """What the model said to one prompt."""

    title: str
    href: str
    score: str
    answers: Answers


@dataclass(frozen=True)
class ModelPage:
    """Everything about one model. `unlike` has, by machine, the prompts that are slow for this model alone.

    `marks` says whether words are marked in some answer.
    """

    name: str
    summary: ModelSummary
    facts: tuple[Fact, ...]
    machines: tuple[OnMachine, ...]
    unlike: Mapping[str, Unlike]
    said: tuple[Said, ...]
    said_context: str
    marks: bool
    voices: tuple[VoiceLine, ...]
    scored_before: Earlier | None
    repeats: Repeats


def model_list(site: Site) -> Table | None:
    """Return every model that ever ran, with its newest run; None for an empty ledger."""
    if not site.marks:
        return None
    rows = [site.newest(name) for name in site.marks]
    return table(
        "All models",
        [
            name_column("Model", model_cells(site, rows, LIST)),
            _place_column(site, rows),
            # The newest runs may be of different machines: quality and speed are shown, not compared.
            estimated_column(site, rows, "score", "Quality"),
            estimated_column(site, rows, "decode_tokens_per_s", "Decode speed"),
            number_column("Footprint", "bytes", [measured(one, "footprint_bytes") for one in rows], "lower"),
            licence_column(rows),
            text_column("Publisher", [Cell(one.model.publisher or "not stated") for one in rows]),
            text_column("Machines", [", ".join(site.runs[name]) for name in site.marks]),
            count_column("Runs", [sum(map(len, site.runs[name].values())) for name in site.marks]),
            text_column("Newest run", [_newest_cell(one) for one in rows]),
        ],
    )


def model_view(site: Site, name: str) -> ModelPage:
    """Return the page of a model."""
    here = model_page(name)
    newest = site.newest(name)
    grades = grades_of(newest.result)
    hearing = site.hearings.of(newest.result)
    said = []
    for prompt in newest.result.prompt_set.prompts:
        value = newest.prompt_scores.get(prompt.id)
        said.append(
            Said(
                title=prompt.title,
                href=relative(here, prompt_page(prompt.id)),
                score="no score" if value is None else form.with_unit(value, "score"),
                answers=answers(newest, prompt, grades, hearing.voices),
            )
        )
    return ModelPage(
        name=name,
        summary=newest,
        facts=_facts(newest),
        machines=tuple(on_machine(site, name, machine, here) for machine in site.runs[name]),
        unlike={
            machine: unlike_of_model(site, site.by_run[site.newest_on(name, machine).result.run.id], name, here)
            for machine in site.runs[name]
        },
        said=tuple(said) if newest.model.samples else (),
        said_context=run_context(newest),
        marks=any("<mark " in answer.shown for one in said for answer in one.answers.distinct),
        voices=voice_lines(hearing),
        scored_before=scored_before(site, Board(site.by_run[newest.result.run.id]), here),
        repeats=model_repeats(site, newest, here),
    )


def _place_column(site: Site, rows: Sequence[ModelSummary]) -> Column:
    """Return the rank of each model by quality among the models of its newest run."""
    cells = []
    for one in rows:
        board = Board(site.by_run[one.result.run.id])
        ranks = ranked(site, board, "score")
        known = sum(other.rank is not None for other in ranks)
        if known == 1:
            cells.append(Cell(form.NO_VALUE, small="alone in its run"))
            continue
        cell = rank_cell(next((other for other in ranks if other.model == one.model.name), None), ranks)
        cells.append(replace(cell, interval=f"{cell.interval} of {known}".strip()) if cell.kind == "value" else cell)
    column = text_column("Rank", cells, numeric=True)
    return replace(column, unit="by quality", explained=RANKS_PAGE)


def _newest_cell(summary: ModelSummary) -> Cell:
    text, machine = form.day(summary.result.run.started_utc), summary.result.machine.name
    href = relative(LIST, run_page(summary.result))
    if summary.model.skipped is not None:
        return Cell(text, small=f"{machine} · skipped", kind="skipped", href=href, note=failure_text(summary))
    if not summary.good_samples:
        return Cell(text, small=f"{machine} · failed", kind="failed", href=href, note=failure_text(summary))
    if summary.failed_samples:
        return Cell(text, small=f"{machine} · {form.count(summary.failed_samples, 'failed sample')}", href=href)
    return Cell(text, small=machine, href=href)


def _facts(summary: ModelSummary) -> tuple[Fact, ...]:
    model = summary.model
    why = model.unmeasured
    context_length = None if model.context_length is None else form.count(model.context_length, "token")
    facts = [
        Fact("Asked for", model.requested),
        Fact("Resolved to", _or_not_stated(model.variant_id)),
        Fact("Version", _or_not_stated(model.variant_version)),
        Fact("Provider", model.provider),
        Fact("Device", " · ".join(part for part in (model.device, model.execution_provider) if part) or "not stated"),
        Fact("Publisher", _or_not_stated(model.publisher)),
        _measured_fact("Licence", model.licence, why.get("licence"), web_address(model.licence_url) or ""),
        _measured_fact(
            "Parameters", form.parameters(model.parameters) if model.parameters else None, why.get("parameters")
        ),
        _measured_fact("Precision", model.precision, why.get("precision")),
        _measured_fact("Context length", context_length, why.get("context_length")),
        _measured_fact(
            "Footprint",
            None if model.footprint_bytes is None else form.with_unit(model.footprint_bytes, "bytes"),
            why.get("footprint_bytes"),
        ),
        Fact("Capabilities", ", ".join(model.capabilities) or "none declared"),
    ]
    return tuple(facts)


def _or_not_stated(text: str | None) -> str:
    return text or "not stated"


def _measured_fact(label: str, value: str | None, why: str | None, href: str = "") -> Fact:
    return Fact(label, "not known", why=why or "no reason given") if value is None else Fact(label, value, href=href)
