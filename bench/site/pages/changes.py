"""Changes: what shifted, how sure that is, and what else changed with it."""

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bench.analysis.changes import FALSE_CONFIRMED, FALSE_SUSPECTED, FLOOR, RUNS_FOR_CONFIRMED, RUNS_TO_SUSPECT, Status
from bench.analysis.contexts import IN_TURNS, ONE_STREAM, differing
from bench.analysis.history import History, SeriesKey
from bench.analysis.missing_models import missing
from bench.analysis.summary import RunSummary
from bench.report import format as form
from bench.report.palette import Mark
from bench.report.tables import Table
from bench.report.text import joined, relative, shortened
from bench.schema.result import Result
from bench.site.dataset import Site
from bench.site.feed import ADDRESS
from bench.site.sections.change_entries import (
    DIRECTIONS,
    PAGE,
    Direction,
    Entry,
    direction,
    entries,
    in_short,
    label,
    prompt_title,
    shift_table,
    suspect_sentence,
    suspect_texts,
    verdict_text,
    without_level,
)
from bench.site.sections.run_viewer import Json, table_section
from bench.site.urls import model_page, run_page
from bench.stats.change_points import RUNS_TO_CONFIRM

MOST_NOTES: Final = 8
"""Lines of one kind that the page lists before it only counts them."""

GONE: Final = {"failed": "gave no good answer in", "skipped": "was skipped in", "absent": "was not in"}
"""State of a model that is missing -> what is said of it."""


@dataclass(frozen=True)
class RunLink:
    """A run by its date, and the address of the viewer on it."""

    day: str
    href: str


@dataclass(frozen=True)
class Shown:
    """An entry of the page: what shifted for one model at one run."""

    id: str
    model: str
    href: str
    mark: Mark
    machine: str
    context: str
    status: Status
    direction: Direction
    words: str
    sentence: str
    table: Table | None
    by_prompt: Table | None
    suspects: str
    before: RunLink
    after: RunLink
    compare: str


@dataclass(frozen=True)
class Notes:
    """What the page says beside changes: a heading, what it is about, and lines; `more` counts those left out."""

    heading: str
    says: str
    lines: tuple[str, ...]
    more: int


@dataclass(frozen=True)
class ChangesPage:
    """Every change, confirmed first; what was watched; and what could not be."""

    sentence: str
    confirmed: tuple[Shown, ...]
    suspected: tuple[Shown, ...]
    feed_href: str
    needed: str
    notes: tuple[Notes, ...]


def changes_page(site: Site) -> ChangesPage | None:
    """Return the page; None for an empty ledger."""
    if not site.results:
        return None
    found = entries(site.shifts.all)
    shown = [_shown(site, one) for one in found]
    return ChangesPage(
        sentence=_sentence(site, found),
        confirmed=tuple(one for one in shown if one.status == "confirmed"),
        suspected=tuple(one for one in shown if one.status == "suspected"),
        feed_href=relative(PAGE, ADDRESS),
        needed=_needed(),
        notes=tuple(
            one for one in (_short(site), _gaps(site), _missing(site), _alone(site), _at_once(site)) if one.lines
        ),
    )


def changes_section(site: Site, summary: RunSummary) -> list[Json]:
    """Return the section of the run viewer on what shifted with a run; none where nothing did."""
    some = site.shifts.by_run.get(summary.result.run.id, ())
    if not some:
        return []
    whole = [one for one in some if one.key.prompt is None]
    shown = whole or some
    titles = [" · ".join(part for part in (shortened(one.key.model, 40), prompt_title(one)) if part) for one in shown]
    rest = len(some) - len(shown)
    says = f"It is the first run at the new level. {suspect_sentence(shown[0].suspects)}"
    says += f" Prompt by prompt there are {rest} more." if rest else ""
    return [table_section("Changes at this run", shift_table("Changes at this run", shown, titles=titles), says)]


def _shown(site: Site, one: Entry) -> Shown:
    context = without_level(one.leading.key.context)
    parts = (context.device, context.execution_provider, "" if context.load == ONE_STREAM else context.load)
    return Shown(
        id=one.id,
        model=one.model,
        href=relative(PAGE, model_page(one.model)),
        mark=site.marks[one.model],
        machine=one.machine,
        context=" · ".join(part for part in parts if part),
        status=one.status,
        direction=direction(one),
        words=DIRECTIONS[direction(one)],
        sentence=f"Since {form.minute(one.after.run.started_utc)} {verdict_text(one)}: {in_short(one)}.",
        table=shift_table(f"What shifted for {one.model}", one.whole, one) if one.whole else None,
        by_prompt=_by_prompt(one) if one.by_prompt else None,
        suspects=suspect_sentence(one.leading.suspects),
        before=_link(one.leading.before),
        after=_link(one.after),
        compare=f"bench compare {shlex.quote(one.leading.before.run.id)} {shlex.quote(one.after.run.id)}",
    )


def _by_prompt(one: Entry) -> Table:
    titles = [prompt_title(shift) for shift in one.by_prompt]
    return shift_table(f"What shifted for {one.model}, prompt by prompt", one.by_prompt, one, titles)


def _link(result: Result) -> RunLink:
    return RunLink(form.minute(result.run.started_utc), relative(PAGE, run_page(result)))


def _sentence(site: Site, found: Sequence[Entry]) -> str:
    shifts = site.shifts
    from_then = (
        f"A change can be suspected from {RUNS_TO_SUSPECT} runs in one context on, and confirmed from "
        f"{RUNS_FOR_CONFIRMED} on."
    )
    if len(site.results) == 1:
        return f"There is one run so far, and a change takes a history. {from_then}"
    if not shifts.watched:
        longest = max((len(one.runs) for one in shifts.histories), default=0)
        return f"No history is long enough yet: the longest has {form.count(longest, 'run')}. {from_then}"
    models = len({one.model for one in shifts.histories})
    watched = f"{form.count(shifts.watched, 'series', 'series')} of {form.count(models, 'model')} over "
    watched += form.count(len(site.results), "run")
    if not found:
        return f"Nothing has shifted. Watched: {watched}."
    confirmed = sum(one.status == "confirmed" for one in found)
    counted = [(confirmed, "confirmed"), (len(found) - confirmed, "suspected")]
    said = joined(
        [f"{form.count(count, 'change')} {'is' if count == 1 else 'are'} {how}" for count, how in counted if count]
    )
    return f"{form.sentence(said)} Watched: {watched}."


def _needed() -> str:
    return (
        "A series is one metric of a model in one context, or of a model and a prompt; each level of load is a context "
        "of its own. A change is suspected as soon "
        f"as a run stands out, and confirmed once {RUNS_TO_CONFIRM} runs or more agree. "
        f"Intervals are of {form.confidence()}. Changes "
        f"below {form.share(FLOOR)} are left out. Many series are watched at once: the limits are set so that of the "
        f"changes at one run {form.share(FALSE_CONFIRMED)} of the confirmed and {form.share(FALSE_SUSPECTED)} of the "
        "suspected are false at most. Runs without a value are passed over, and a run on an unsteady machine confirms "
        "nothing."
    )


def _short(site: Site) -> Notes:
    some = [one for one in reversed(site.shifts.histories) if 1 < len(one.runs) < RUNS_TO_SUSPECT]
    lines = [f"{whose}: {runs}" for whose, runs in _each([(one, form.count(len(one.runs), "run")) for one in some])]
    return _notes("Too short to say", f"Histories with fewer than {RUNS_TO_SUSPECT} runs in one context.", lines)


def _gaps(site: Site) -> Notes:
    found = []
    for one in reversed(site.shifts.histories):
        for metric_id in one.metric_ids:
            empty = one.values(metric_id).count(None)
            if 0 < empty < len(one.runs):
                what = label(SeriesKey(one.context, one.model, metric_id))
                found.append((one, f"{what} has no value in {empty} of {form.count(len(one.runs), 'run')}"))
    lines = [f"{whose}: {gap}" for whose, gap in _each(found)]
    return _notes("Series with gaps", "Runs without a value are passed over.", lines)


def _missing(site: Site) -> Notes:
    lines = []
    for one in reversed(missing(site.summaries)):
        days = list(dict.fromkeys(form.day(run.run.started_utc) for run in (one.runs[0], one.runs[-1])))
        text = f"{shortened(one.model, 40)} on {one.machine} {GONE[one.state]} {form.count(len(one.runs), 'run')}"
        back = "has not come back" if one.returned is None else f"came back on {form.day(one.returned.run.started_utc)}"
        lines.append(f"{text} of {shortened(one.config, 40)} ({' to '.join(days)}), and {back}")
    return _notes("Models that were missing", "A history goes on where the model comes back.", lines)


def _alone(site: Site) -> Notes:
    if len(site.results) == 1:
        return _notes("", "", [])
    alone = [(one, _why_alone(site, one)) for one in reversed(site.shifts.histories) if len(one.runs) == 1]
    lines = [f"{whose}, {why}" for whose, why in _each(alone)]
    return _notes("Runs alone in their context", "Nothing can be compared with them.", lines)


def _why_alone(site: Site, one: History) -> str:
    others = [
        differing(other.context, one.context)
        for other in reversed(site.shifts.histories)
        if other.model == one.model
        and other.context.machine == one.context.machine
        and other.level == one.level
        and other is not one
    ]
    when = form.minute(one.runs[0].result.run.started_utc)
    if not others:
        what = "this model" if one.level is None else "the level"
        return f"{when}: the only run of {what} on this machine"
    return f"{when}: differs from its other runs in {joined(suspect_texts(min(others, key=len)))}"


def _at_once(site: Site) -> Notes:
    """Return the moments at which several runs of a machine began; the two sides of a run in turns always do."""
    began = Counter((one.machine.name, one.run.started_utc) for one in site.results if one.run.pairing is None)
    lines = [
        f"{machine}, {form.minute(moment)}: {form.count(runs, 'run')}"
        for (machine, moment), runs in reversed(began.items())
        if runs > 1
    ]
    return _notes("Runs that began in the same second", "In a history they stand in the order of their ids.", lines)


def _each(said: Sequence[tuple[History, str]]) -> list[tuple[str, str]]:
    """Return whose each text is; levels of load of one model of which the same is said are told together."""
    levels: dict[tuple[str, str, bool], list[History]] = {}
    for one, text in said:
        levels.setdefault((_whose(one), text, one.level is None), []).append(one)
    found = []
    for (whose, text, whole), some in levels.items():
        words = [one.level.words for one in reversed(some) if one.level is not None]
        load = words[0] if len(words) == 1 else form.count(len(words), "level") + " of load"
        found.append((whose if whole else f"{whose}, {load}", text))
    return found


def _whose(one: History) -> str:
    device = f" ({one.context.device})" if one.context.device else ""
    turns = f", {IN_TURNS}" if one.context.load.endswith(IN_TURNS) else ""
    return f"{shortened(one.model, 40)} on {one.context.machine}{device}{turns}"


def _notes(heading: str, says: str, lines: Sequence[str]) -> Notes:
    return Notes(heading, says, tuple(lines[:MOST_NOTES]), len(lines[MOST_NOTES:]))
