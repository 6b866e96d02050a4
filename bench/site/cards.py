"""The answers to a prompt as cards side by side: one for each distinct answer, whichever models gave it how often."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from bench.analysis.summary import ModelSummary
from bench.rubric import PromptRecord
from bench.site import format as form
from bench.site.answers import Answer, Answers, FailureCount, answers, grades_of
from bench.site.ledger import Board, Site, failure_text, model_page
from bench.site.palette import Mark
from bench.site.scored import Earlier, VoiceLine, scored_before, voice_lines
from bench.site.text import relative, shortened

NOT_ASKED: Final = "not asked"

PARTS: Final = ("who gave it", "its text", "what others give it", "remarks")
"""Parts of a card besides its facets."""


@dataclass(frozen=True)
class Speaker:
    """A model that gave an answer, how often, and how its answers ended."""

    name: str
    href: str
    mark: Mark
    times: str
    ended: str


@dataclass(frozen=True)
class Card:
    """A distinct answer, or why models gave none, with the models that it is of."""

    speakers: tuple[Speaker, ...]
    answer: Answer | None = None
    failure: FailureCount | None = None
    state: str = ""
    why: str = ""


@dataclass(frozen=True)
class Cards:
    """All cards of a prompt, of so many `facets` and `rows` in all: what is alike stands side by side.

    `heard` says whether others than the program scored the run, `marks` whether words are marked in some answer, and
    `whole` where the run's data is.
    """

    sentence: str
    cards: tuple[Card, ...]
    facets: int
    rows: int
    heard: bool
    marks: bool
    whole: str
    voices: tuple[VoiceLine, ...]
    scored_before: Earlier | None


def cards(site: Site, board: Board, prompt: PromptRecord, here: str) -> Cards:
    """Return the answers to a prompt in the newest run of a machine, for the page `here`.

    Answers come in the order of the models that gave them first, then failures, then models that were not asked.
    """
    hearing = site.hearings.of(board.result)
    grades = grades_of(board.result)
    said = [(one, answers(one, prompt, grades, hearing.voices)) for one in board.summary.models]
    found = _answered(site, said, here)
    rest = [*_failed(site, said, here), *_silent(site, board.summary.models, prompt, here)]
    return Cards(
        sentence=_sentence(found),
        cards=(*found, *rest),
        facets=len(prompt.facets),
        rows=len(prompt.facets) + len(PARTS),
        heard=bool(hearing.others),
        marks=any("<mark " in card.answer.shown for card in found if card.answer is not None),
        whole=said[0][1].whole if said else "",
        voices=voice_lines(hearing),
        scored_before=scored_before(site, board, here),
    )


def _answered(site: Site, said: Iterable[tuple[ModelSummary, Answers]], here: str) -> list[Card]:
    found: dict[str, tuple[Answer, list[Speaker]]] = {}
    for one, told in said:
        for answer in told.distinct:
            _, speakers = found.setdefault(answer.output, (answer, []))
            speakers.append(_speaker(site, one, here, answer.times, answer.ended))
    return [Card(tuple(speakers), answer=answer) for answer, speakers in found.values()]


def _failed(site: Site, said: Iterable[tuple[ModelSummary, Answers]], here: str) -> list[Card]:
    found: dict[tuple[str, str], tuple[FailureCount, list[Speaker]]] = {}
    for one, told in said:
        for failure in told.failures:
            _, speakers = found.setdefault((failure.kind, failure.message), (failure, []))
            speakers.append(_speaker(site, one, here, failure.times))
    return [Card(tuple(speakers), failure=failure) for failure, speakers in found.values()]


def _silent(site: Site, models: Iterable[ModelSummary], prompt: PromptRecord, here: str) -> list[Card]:
    found: dict[tuple[str, str], list[Speaker]] = {}
    for one in models:
        if one.model.skipped is not None:
            found.setdefault(("skipped", one.model.skipped), []).append(_speaker(site, one, here))
        elif not any(sample.prompt == prompt.id for sample in one.model.samples):
            found.setdefault((NOT_ASKED, failure_text(one)), []).append(_speaker(site, one, here))
    return [Card(tuple(speakers), state=state, why=why) for (state, why), speakers in found.items()]


def _speaker(site: Site, one: ModelSummary, here: str, times: str = "", ended: str = "") -> Speaker:
    name = one.model.name
    return Speaker(shortened(name, 40), relative(here, model_page(name)), site.marks[name], times, ended)


def _sentence(found: list[Card]) -> str:
    models = {speaker.href for card in found for speaker in card.speakers}
    if not models:
        return "No model gave a good answer."
    if len(models) == 1 and len(found) == 1:
        return "One model answered, and it said one thing."
    if len(found) == 1:
        return f"All {len(models)} models that answered said the same."
    return f"{form.count(len(models), 'model')} gave {len(found)} different answers."
