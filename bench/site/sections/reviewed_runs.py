"""Which runs of a machine a judge or a person reviewed, and what must be known of these raters."""

from dataclasses import dataclass
from typing import Final

from bench.analysis.summary import RunSummary
from bench.report import format as form
from bench.report.text import joined, relative, shortened
from bench.site.dataset import Board, Site
from bench.site.sections.raters import RunRaters
from bench.site.urls import prompt_page

AGREEMENT: Final = "report/agreement.html"
"""The page on how far sources agree, from the site's root."""


@dataclass(frozen=True)
class RaterNote:
    """What must be known of a rater before its scores. `kind` is doubted, untold (agreement not known) or itself."""

    kind: str
    name: str
    text: str


@dataclass(frozen=True)
class EarlierReview:
    """The newest reviewed run of a machine where that is not the one shown, and `by` whom it was reviewed."""

    by: str
    when: str
    href: str


@dataclass(frozen=True)
class ReviewedRun:
    """A run that a judge or a person reviewed, and the id of its section on a page.

    `is_newest` says that no later run of the machine asked the same prompts.
    """

    summary: RunSummary
    anchor: str
    is_newest: bool


def newest_reviewed(site: Site, board: Board) -> ReviewedRun | None:
    """Return the newest reviewed run of a machine and a prompt set; None without one."""
    of_machine = site.of_machine(board.machine).summaries
    runs = [one for one in reversed(of_machine) if one.result.prompt_set.id == board.prompt_set]
    found = next((one for one in runs if site.raters.has(one.result)), None)
    if found is None:
        return None
    return ReviewedRun(site.whole.of(found.result.run.id), board.anchor, found is runs[0])


def earlier_review(site: Site, board: Board, here: str) -> EarlierReview | None:
    """Return the reviewed run of a machine where the one shown was not reviewed, for the page `here`.

    One of the same prompts goes before a newer one of others.
    """
    if site.raters.has(board.result):
        return None
    of_machine = [other for other in site.boards if other.machine == board.machine]
    of_machine.sort(key=lambda other: other.prompt_set != board.prompt_set)
    one = next((found for other in of_machine if (found := newest_reviewed(site, other)) is not None), None)
    if one is None:
        return None
    result = one.summary.result
    return EarlierReview(
        by=joined([rater.label for rater in site.raters.of(result).reviewers]),
        when=form.minute(result.run.started_utc),
        href=relative(here, f"{AGREEMENT}#{one.anchor}"),
    )


def page_of_prompt(site: Site, prompt_id: str, here: str) -> str:
    """Return the link from the page `here` to the page of a prompt; nothing where no newest run asks it."""
    return relative(here, prompt_page(prompt_id)) if prompt_id in site.asked else ""


def rater_notes(raters: RunRaters) -> tuple[RaterNote, ...]:
    """Return what must be known of the judges of a run, in their order."""
    lines = []
    for rater in raters.reviewers:
        if rater.doubt:
            lines.append(RaterNote("doubted", rater.label, f"is greyed and doubted: {rater.doubt}."))
        if rater.unchecked:
            lines.append(RaterNote("untold", rater.label, f"was not held against people: {rater.unchecked}."))
        if rater.same_models:
            names = joined([shortened(name, 40) for name in sorted(rater.same_models)])
            lines.append(RaterNote("itself", rater.label, f"judges itself: it is the model {names} of this run."))
    return tuple(lines)
