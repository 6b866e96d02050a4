"""Which runs of a machine somebody scored, and what must be known of those who did."""

from dataclasses import dataclass
from typing import Final

from bench.analysis.summary import RunSummary
from bench.report import format as form
from bench.report.text import joined, relative, shortened
from bench.site.dataset import Board, Site
from bench.site.sections.raters import Hearing
from bench.site.urls import prompt_page

AGREEMENT: Final = "report/agreement.html"
"""The page on how far sources agree, from the site's root."""


@dataclass(frozen=True)
class VoiceLine:
    """What must be known of a source before its scores. `kind` is doubted, untold or itself."""

    kind: str
    name: str
    text: str


@dataclass(frozen=True)
class Earlier:
    """The newest run of a machine that somebody scored, where that is not the one shown, and `by` whom."""

    by: str
    when: str
    href: str


@dataclass(frozen=True)
class Scored:
    """A run that somebody scored, and the id of its section on a page.

    `is_newest` says that no later run of the machine asked the same prompts.
    """

    summary: RunSummary
    anchor: str
    is_newest: bool


def scored_run(site: Site, board: Board) -> Scored | None:
    """Return the newest run of a machine and a prompt set that a judge or a person scored; None without one."""
    runs = [
        one
        for one in reversed(site.summaries)
        if one.result.machine.name == board.machine and one.result.prompt_set.id == board.prompt_set
    ]
    found = next((one for one in runs if site.hearings.has(one.result)), None)
    if found is None:
        return None
    return Scored(site.whole.of(found.result.run.id), board.anchor, found is runs[0])


def scored_before(site: Site, board: Board, here: str) -> Earlier | None:
    """Return the run of a machine that was scored, where the one shown was not, for the page `here`.

    One of the same prompts goes before a newer one of others.
    """
    if site.hearings.has(board.result):
        return None
    of_machine = [other for other in site.boards if other.machine == board.machine]
    of_machine.sort(key=lambda other: other.prompt_set != board.prompt_set)
    one = next((found for other in of_machine if (found := scored_run(site, other)) is not None), None)
    if one is None:
        return None
    result = one.summary.result
    return Earlier(
        by=joined([voice.label for voice in site.hearings.of(result).others]),
        when=form.minute(result.run.started_utc),
        href=relative(here, f"{AGREEMENT}#{one.anchor}"),
    )


def page_of_prompt(site: Site, prompt_id: str, here: str) -> str:
    """Return the link from the page `here` to the page of a prompt; nothing where no newest run asks it."""
    return relative(here, prompt_page(prompt_id)) if prompt_id in site.asked else ""


def voice_lines(hearing: Hearing) -> tuple[VoiceLine, ...]:
    """Return what must be known of the judges of a run, in their order."""
    lines = []
    for voice in hearing.others:
        if voice.doubt:
            lines.append(VoiceLine("doubted", voice.label, f"is greyed and doubted: {voice.doubt}."))
        if voice.untold:
            lines.append(VoiceLine("untold", voice.label, f"was not held against people: {voice.untold}."))
        if voice.itself:
            names = joined([shortened(name, 40) for name in sorted(voice.itself)])
            lines.append(VoiceLine("itself", voice.label, f"judges itself: it is the model {names} of this run."))
    return tuple(lines)
