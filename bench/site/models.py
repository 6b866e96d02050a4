"""The models: a list, and a page for each."""

from dataclasses import dataclass

from bench.analysis.summary import ModelSummary
from bench.site import format as form
from bench.site.answers import Answers, answers, grades_of
from bench.site.ledger import Site, failure_text, measured, model_page, prompt_page, run_page
from bench.site.licensing import licence_column
from bench.site.naming import model_cells
from bench.site.on_machine import OnMachine, on_machine, run_context
from bench.site.tables import Cell, Table, count_column, name_column, number_column, table, text_column
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
    """Everything about one model."""

    name: str
    summary: ModelSummary
    facts: tuple[Fact, ...]
    machines: tuple[OnMachine, ...]
    said: tuple[Said, ...]
    said_context: str


def model_list(site: Site) -> Table | None:
    """Return every model that ever ran, with its newest run; None for an empty ledger."""
    if not site.marks:
        return None
    rows = [site.newest(name) for name in site.marks]
    return table(
        "All models",
        [
            name_column("Model", model_cells(site, rows, LIST)),
            text_column("Publisher", [Cell(one.model.publisher or "not stated") for one in rows]),
            number_column("Footprint", "bytes", [measured(one, "footprint_bytes") for one in rows], "lower"),
            licence_column(rows),
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
    said = []
    for prompt in newest.result.prompt_set.prompts:
        value = newest.prompt_scores.get(prompt.id)
        said.append(
            Said(
                title=prompt.title,
                href=relative(here, prompt_page(prompt.id)),
                score="no score" if value is None else form.with_unit(value, "score"),
                answers=answers(newest, prompt, grades),
            )
        )
    return ModelPage(
        name=name,
        summary=newest,
        facts=_facts(newest),
        machines=tuple(on_machine(site, name, machine, here) for machine in site.runs[name]),
        said=tuple(said) if newest.model.samples else (),
        said_context=run_context(newest),
    )


def _newest_cell(summary: ModelSummary) -> Cell:
    text = form.day(summary.result.run.started_utc)
    href = relative(LIST, run_page(summary.result))
    if summary.model.skipped is not None:
        return Cell(text, small="skipped", kind="skipped", href=href, note=failure_text(summary))
    if not summary.good_samples:
        return Cell(text, small="failed", kind="failed", href=href, note=failure_text(summary))
    if summary.failed_samples:
        return Cell(text, small=f"{form.count(summary.failed_samples, 'failed sample')}", href=href)
    return Cell(text, href=href)


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
