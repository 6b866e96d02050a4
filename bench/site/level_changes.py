"""The levels of load of a run that shifted, with the way to what is known of it."""

from dataclasses import dataclass

from bench.analysis.load import LevelKey
from bench.analysis.summary import ModelSummary
from bench.site import format as form
from bench.site.entries import entries
from bench.site.ledger import Site
from bench.site.text import relative


@dataclass(frozen=True)
class LevelChange:
    """The newest change of a level: since when and how sure, in words, and the address of its entry."""

    words: str
    href: str


def level_changes(site: Site, shown: ModelSummary, here: str) -> dict[LevelKey, LevelChange]:
    """Return the newest change of each level of a model whose history ends with the run that the page `here` shows."""
    found: dict[LevelKey, LevelChange] = {}
    for entry in entries(one for one in site.shifts.all if one.key.model == shown.model.name):
        for one in reversed(entry.whole):
            history = site.shifts.by_history[one.key.context, one.key.model]
            if one.key.level is not None and history.runs[-1].result.run.id == shown.result.run.id:
                sure = "" if one.change.status == "confirmed" else ", suspected"
                words = f"changed {form.day(one.after.run.started_utc)}{sure}"
                found.setdefault(one.key.level, LevelChange(words, relative(here, entry.href)))
    return found
