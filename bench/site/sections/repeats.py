"""What a model said otherwise: in another round at temperature 0, or in the run before."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from bench.analysis.answers import PromptOutputs, WordSpan, word_diff
from bench.analysis.summary import ModelSummary
from bench.report import format as form
from bench.report.palette import Mark
from bench.report.text import escape, relative, shortened
from bench.site.dataset import Board, Site
from bench.site.sections.answer_cards import LONGEST_ANSWER
from bench.site.urls import model_page, prompt_page, run_page

ANCHOR: Final = "repeats"
"""The id of the section on a model's page."""

ANSWERS_SHOWN: Final = 5
"""Distinct answers to one prompt that are compared with the most frequent one."""

_WORDS: Final = {"removed": ("del", "was"), "added": ("ins", "now")}


@dataclass(frozen=True)
class Other:
    """An answer against another one: what is not in both is marked in words. `cut` says what is left out."""

    label: str
    diff: Markup
    cut: str


@dataclass(frozen=True)
class Wavering:
    """A prompt to which a model said several things where one is expected."""

    title: str
    href: str
    found: str
    others: tuple[Other, ...]


@dataclass(frozen=True)
class Changed:
    """A prompt to which a model says something else than in the run before."""

    title: str
    href: str
    other: Other


@dataclass(frozen=True)
class Repeats:
    """Whether a model repeats itself. `is_finding` marks what is not expected, `before` is when the run before was."""

    sentence: str
    is_finding: bool
    wavering: tuple[Wavering, ...]
    changes_sentence: str
    before: str
    before_href: str
    changed: tuple[Changed, ...]


@dataclass(frozen=True)
class AnswerFinding:
    """What is said of one model on the page of a prompt."""

    name: str
    href: str
    mark: Mark
    text: str


def model_repeats(site: Site, summary: ModelSummary, here: str) -> Repeats:
    """Return what a model said otherwise in its newest run, for its page `here`."""
    titles = {prompt.id: prompt.title for prompt in summary.result.prompt_set.prompts}
    found, changes = site.drift.consistency(summary), site.drift.changes(summary)
    before = site.whole.of(changes.since).result if changes.since is not None else None
    if found.why is not None:
        sentence = f"Not looked at, whether it repeats itself: {found.why}."
    elif not found.wavering:
        times = form.count(found.prompts, "prompt")
        sentence = f"At temperature 0 it said one thing to each of {times} that it answered more than once."
    else:
        sentence = (
            f"At temperature 0 it gave several answers to {len(found.wavering)} of "
            f"{form.count(found.prompts, 'prompt')}, where one is expected."
        )
    return Repeats(
        sentence=sentence,
        is_finding=bool(found.wavering),
        wavering=tuple(_wavering(one, titles[one.prompt], here) for one in found.wavering),
        changes_sentence=_changes_sentence(changes.why, len(changes.changed), changes.prompts),
        before="" if before is None else form.minute(before.run.started_utc),
        before_href="" if before is None else relative(here, run_page(before)),
        changed=tuple(
            Changed(
                shortened(titles[one.prompt], 80),
                relative(here, prompt_page(one.prompt)),
                _other("", one.spans),
            )
            for one in changes.changed
        ),
    )


def prompt_findings(site: Site, board: Board, prompt_id: str, here: str) -> tuple[AnswerFinding, ...]:
    """Return which models wavered on a prompt or answer it otherwise than before, for the prompt's page `here`."""
    findings = []
    for one in board.answering:
        name = one.model.name
        target = relative(here, f"{model_page(name)}#{ANCHOR}")
        for said in site.drift.consistency(one).wavering:
            if said.prompt == prompt_id:
                text = f"gave {_found(said)} at temperature 0, where one answer is expected."
                findings.append(AnswerFinding(shortened(name, 40), target, site.marks[name], text))
        changes = site.drift.changes(one)
        if changes.since is not None and any(changed.prompt == prompt_id for changed in changes.changed):
            when = form.minute(site.by_run[changes.since].result.run.started_utc)
            text = f"says something else than in the run of {when}: its page shows the words that differ."
            findings.append(AnswerFinding(shortened(name, 40), target, site.marks[name], text))
    return tuple(findings)


def _changes_sentence(why: str | None, changed: int, prompts: int) -> str:
    if why is not None:
        return f"Not compared with an earlier run: {why}."
    if not changed:
        return f"It says what it said before to {'its prompt' if prompts == 1 else f'all {prompts} prompts'}."
    return f"{changed} of {form.count(prompts, 'answer')} changed."


def _wavering(said: PromptOutputs, title: str, here: str) -> Wavering:
    first = said.answers[0]
    total = sum(answer.count for answer in said.answers)
    others = tuple(
        _other(f"{other.count} of {total} times, against {first.count} of {total}", word_diff(first.text, other.text))
        for other in said.answers[1 : ANSWERS_SHOWN + 1]
    )
    return Wavering(shortened(title, 80), relative(here, prompt_page(said.prompt)), _found(said), others)


def _found(said: PromptOutputs) -> str:
    total = sum(answer.count for answer in said.answers)
    return f"{len(said.answers)} different answers in {form.count(total, 'good sample')}"


def _other(label: str, spans: Sequence[WordSpan]) -> Other:
    pieces, left = [], LONGEST_ANSWER
    for span in spans:
        text = span.text[:left]
        if text:
            pieces.append(_piece(span, text))
        left -= len(text)
    missing = sum(len(span.text) for span in spans) - LONGEST_ANSWER
    cut = f"Cut here: {form.count(missing, 'character')} of both answers follow." if missing > 0 else ""
    return Other(label, Markup("").join(pieces), cut)


def _piece(span: WordSpan, text: str) -> Markup:
    if span.kind == "same":
        return escape(text)
    tag, word = _WORDS[span.kind]
    return Markup("<{0}><small>{1}</small>{2}</{0}>").format(Markup(tag), word, escape(text))
