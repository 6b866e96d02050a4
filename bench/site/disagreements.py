"""Where sources of scores differ: facets of answers, with what each source says, the largest distance first."""

from dataclasses import dataclass
from typing import Final

from bench.analysis.agreement import Disagreement
from bench.analysis.ratings import Item
from bench.results.schema import Result
from bench.rubric import FacetRecord, PromptRecord
from bench.site import format as form
from bench.site.answers import run_data_page
from bench.site.ledger import Site
from bench.site.naming import joined
from bench.site.scored import AGREEMENT, page_of_prompt
from bench.site.text import shortened
from bench.site.voices import Hearing, Voice

MOST_SHOWN: Final = 40
TEXT_LENGTH: Final = 2_000
START_LENGTH: Final = 60
REASON_LENGTH: Final = 200


@dataclass(frozen=True)
class Said:
    """What one source says of the facet; no score is a reason alone."""

    score: str
    why: str
    doubted: bool


@dataclass(frozen=True)
class Row:
    """A facet of an answer on which sources differ."""

    says: str
    title: str
    href: str
    start: str
    text: str
    cut: str
    models: str
    apart: str
    said: tuple[Said, ...]


@dataclass(frozen=True)
class Disagreements:
    """The largest disagreements of a run, and how many there are in all."""

    sources: tuple[str, ...]
    rows: tuple[Row, ...]
    in_all: int
    compared: int
    whole: str


def disagreements(site: Site, result: Result, hearing: Hearing) -> Disagreements:
    """Return where sources differ on a run. `compared` counts the facets of answers that two of them scored."""
    prompts = {prompt.id: prompt for prompt in result.prompt_set.prompts}
    facets = {(prompt.id, facet.id): facet for prompt in prompts.values() for facet in prompt.facets}
    found = hearing.agreement.disagreements
    times: dict[Item, int] = {}
    for voice in hearing.voices:
        for item in voice.scores:
            times[item] = times.get(item, 0) + 1
    return Disagreements(
        sources=tuple(voice.label for voice in hearing.voices),
        rows=tuple(
            _row(site, result, hearing, one, prompts[one.item.prompt], facets[one.item.prompt, one.item.facet])
            for one in found[:MOST_SHOWN]
        ),
        in_all=len(found),
        compared=sum(count > 1 for count in times.values()),
        whole=run_data_page(result),
    )


def _row(
    site: Site, result: Result, hearing: Hearing, one: Disagreement, prompt: PromptRecord, facet: FacetRecord
) -> Row:
    text = result.outputs[one.item.output]
    start = " ".join(text[: 4 * START_LENGTH].split())
    return Row(
        says=facet.says,
        title=shortened(prompt.title, 60),
        href=page_of_prompt(site, prompt.id, AGREEMENT),
        start=shortened(start, START_LENGTH) or "no text",
        text=text[:TEXT_LENGTH],
        cut=f"Cut here, after {TEXT_LENGTH:,} of {form.count(len(text), 'character')}."
        if len(text) > TEXT_LENGTH
        else "",
        models=joined([shortened(name, 40) for name in hearing.speakers.get((one.item.prompt, one.item.output), ())]),
        apart=form.short(one.distance),
        said=tuple(_said(voice, one.item) for voice in hearing.voices),
    )


def _said(voice: Voice, item: Item) -> Said:
    given = voice.scores.get(item)
    note = voice.notes.get((item.prompt, item.output), "")
    why = voice.why_unscored(item) if given is None else voice.reasons.get(item, note)
    return Said("unscored" if given is None else form.short(given), shortened(why, REASON_LENGTH), bool(voice.doubt))
