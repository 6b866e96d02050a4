"""Since the last run: what the newest run of a machine brought, against the runs before it in the same context."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from bench.analysis.changes import Status
from bench.analysis.history import context_key, differing
from bench.analysis.presence import missing
from bench.analysis.segments import SPLITS
from bench.analysis.shifts import RUNS_TO_SUSPECT
from bench.analysis.summary import ModelSummary
from bench.analysis.watched import WATCHED, History, SeriesKey
from bench.results.schema import Result
from bench.site import format as form
from bench.site.comparison import ARROWS
from bench.site.entries import Entry, entries, in_short, suspect_sentence, suspect_texts, verdict_text
from bench.site.ledger import Board, Site, model_page, run_page
from bench.site.naming import joined
from bench.site.text import relative, shortened

MOST_LINES: Final = 5
NAMED: Final = 3
"""Models that a line names one by one before it only counts them."""

GONE: Final = {
    "failed": "no good answer in this run, after {before}",
    "skipped": "skipped in this run, after {before}",
    "absent": "not in this run, after {before}",
}
"""State of a model that is missing -> what is said of it."""


@dataclass(frozen=True)
class News:
    """One thing that the newest run brought; `status` is that of a change, else empty."""

    status: Status | Literal[""]
    names: str
    href: str
    text: str


@dataclass(frozen=True)
class Since:
    """What the newest run of a machine brought: what it was compared with in a sentence, and the news, at most a few.

    `before` is the newest run that it was compared with; empty without one.
    """

    sentence: str
    news: tuple[News, ...]
    more: int
    before: str
    before_href: str


def since_last_run(site: Site, board: Board, here: str) -> Since:
    """Return what the newest run of a machine brought, as the page `here` says it."""
    newest = board.result
    if len([one for one in site.results if one.machine.name == board.machine]) == 1:
        return Since("The first run on this machine: there is nothing to compare it with yet.", (), 0, "", "")
    ending = [one for one in site.shifts.histories if one.runs[-1].result.run.id == newest.run.id]
    continued = [one for one in ending if len(one.runs) > 1]
    changed = [_changed(one, here) for one in _fresh(site, continued, newest)]
    alone = [one for one in ending if len(one.runs) == 1 and one.level is None]
    news = [*changed, *_gone(site, newest, here), *_first(site, alone, here)]
    before = max((one.runs[-2].result for one in continued), key=lambda one: one.run.started_utc, default=None)
    return Since(
        sentence=_sentence(continued, bool(changed)),
        news=tuple(news[:MOST_LINES]),
        more=len(news[MOST_LINES:]),
        before="" if before is None else form.minute(before.run.started_utc),
        before_href="" if before is None else relative(here, run_page(before)),
    )


def changed_lately(site: Site, history: Sequence[ModelSummary], metric_id: str) -> str:
    """Return the newest shift of a metric within these runs of a model, in a few words; empty where there is none."""
    if not history:
        return ""
    last = history[-1]
    found = site.shifts.of(SeriesKey(context_key(last.result, last.model), last.model.name, metric_id))
    runs = {one.result.run.id for one in history}
    if not found or found[-1].after.run.id not in runs:
        return ""
    newest = found[-1]
    sure = "" if newest.change.status == "confirmed" else " (suspected)"
    return f"{ARROWS[newest.verdict]} since {form.day(newest.after.run.started_utc)}{sure}"


def _fresh(site: Site, continued: Sequence[History], newest: Result) -> list[Entry]:
    """Return the changes that are suspected now, and those that the newest run confirmed."""
    of_now = {(one.context, one.model) for one in continued}
    found = entries(one for one in site.shifts.all if (one.key.context, one.key.model) in of_now)
    return [
        one
        for one in found
        if one.status == "suspected"
        # What more runs than that agree with was confirmed by an earlier one: nothing to look up.
        or (one.leading.change.runs <= max(SPLITS) and site.shifts.confirmed_by(one.leading).run.id == newest.run.id)
    ]


def _changed(one: Entry, here: str) -> News:
    since = form.minute(one.after.run.started_utc)
    text = f"{verdict_text(one)} since {since}: {in_short(one)}. {suspect_sentence(one.leading.suspects)}"
    return News(one.status, shortened(one.model, 40), relative(here, one.href), text)


def _gone(site: Site, newest: Result, here: str) -> list[News]:
    lines = []
    for one in missing(site.summaries):
        if one.returned is None and one.runs[0].run.id == newest.run.id:
            count = sum(
                summary.result.machine.name == one.machine and any(m.model.name == one.model for m in summary.models)
                for summary in site.summaries
            )
            text = GONE[one.state].format(before=f"{form.count(count, 'run')} on this machine")
            lines.append(News("", shortened(one.model, 40), relative(here, model_page(one.model)), f"{text}."))
    return lines


def _first(site: Site, alone: Sequence[History], here: str) -> list[News]:
    by_text: dict[str, list[str]] = {}
    for one in alone:
        machine = one.context.machine
        before = [
            other
            for other in site.shifts.histories
            if other.model == one.model
            and other.context.machine == machine
            and other.level is None
            and other is not one
        ]
        if not before:
            by_text.setdefault("first run on this machine.", []).append(one.model)
            continue
        asked = [other for other in before if other.context.prompt_set_sha256 == one.context.prompt_set_sha256]
        if not asked:
            by_text.setdefault("first run with these prompts on this machine.", []).append(one.model)
            continue
        last = max(asked, key=lambda other: other.runs[-1].result.run.started_utc)
        differs = joined(suspect_texts(differing(last.context, one.context)))
        by_text.setdefault(f"first run in this context: it differs from the one before in {differs}.", []).append(
            one.model
        )
    return [
        News("", _named(models), relative(here, model_page(models[0])) if len(models) == 1 else "", text)
        for text, models in by_text.items()
    ]


def _named(models: Sequence[str]) -> str:
    if len(models) > NAMED:
        return form.count(len(models), "model")
    return joined([shortened(one, 40) for one in models])


def _sentence(continued: Sequence[History], changed: bool) -> str:
    if not continued:
        return "No model of this run has run before in the same context: nothing can be compared."
    longest = max(len(one.runs) for one in continued)
    if longest < RUNS_TO_SUSPECT:
        return (
            f"Too early to say what changed: there are {form.count(longest, 'run')} in this context, and a change can "
            f"be suspected from {RUNS_TO_SUSPECT} on."
        )
    loads = sum(one.level is not None for one in continued)
    models = len(continued) - loads
    what = [f"{form.count(len(WATCHED), 'metric')} of {form.count(models, 'model')}"] if models else []
    what += [f"{form.count(loads, 'level')} of load"] if loads else []
    compared = f"{joined(what)} against up to {form.count(longest - 1, 'run')} before in the same context"
    return f"Compared: {compared}." if changed else f"Nothing changed. Compared: {compared}."
