"""Which run of a machine somebody scored, and what must be known of those who did."""

from dataclasses import dataclass
from typing import Final

from bench.analysis.summary import RunSummary
from bench.site import format as form
from bench.site.ledger import Board, Site
from bench.site.naming import joined
from bench.site.text import relative, shortened
from bench.site.voices import Hearing

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
    """The newest run of a machine that somebody scored, where that is not its newest run."""

    when: str
    href: str


def reviewed_run(site: Site, machine: str) -> RunSummary | None:
    """Return the newest run of a machine that a judge or a person scored; None where there is none."""
    runs = (one for one in reversed(site.summaries) if one.result.machine.name == machine)
    return next((one for one in runs if site.hearings.has(one.result)), None)


def scored_before(site: Site, board: Board, here: str) -> Earlier | None:
    """Return the run of a machine that was scored, where its newest one was not, for the page `here`."""
    scored = reviewed_run(site, board.machine)
    if scored is None or scored.result is board.result:
        return None
    return Earlier(form.minute(scored.result.run.started_utc), relative(here, f"{AGREEMENT}#{board.anchor}"))


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
