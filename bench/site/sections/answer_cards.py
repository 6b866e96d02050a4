"""The answers of models: equal answers folded into one with a count, each with its facets and the evidence for them.

The words by which the program graded an answer are marked where they stand.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby, pairwise
from typing import Final, Literal

from markupsafe import Markup

from bench.analysis.ratings import Item, answer_score
from bench.analysis.summary import ModelSummary
from bench.quality.grading import HIGHEST_SCORE, score
from bench.report import format as form
from bench.report.palette import Mark
from bench.report.text import escape, relative, shortened
from bench.schema.model_run import ModelRun
from bench.schema.prompts import FacetRecord, PromptRecord
from bench.schema.result import FacetGrade, Result
from bench.schema.sample import Sample
from bench.site.dataset import Board, Site, failure_text
from bench.site.sections.raters import NO_SCORE, WHY_LENGTH, RaterScores
from bench.site.sections.reviewed_runs import EarlierReview, RaterNote, earlier_review, rater_notes
from bench.site.urls import model_page, run_file

MOST_MARKS: Final = 200
"""Words that are marked in one answer, from its start on."""

CUT: Final = "…"
OPPOSITE: Final = "; wanted the opposite"
OF_THE_END: Final = ("ends_with", "number_equals")
"""Checks of how an answer ends."""

_LISTED = re.compile(r"'(.*?)'(?=, '|$)")
_HAS = re.compile(r"has (?=')(.*)")
_MATCHES = re.compile(r"matches at '(.*)'")
_BEGINS = re.compile(r"begins with '(.*)'")
_ENDS = re.compile(r"ends with '(.*)'")
_IS = re.compile(r"is '(.*)'")
_INVENTED = re.compile(r"not in the source: (?=')(.*)")
_LAST_NUMBER = re.compile(r"last number is (-?\d+(?:\.\d+)?)(?:;.*)?")
_SAYS = re.compile(r"says \d+ times: '(.*)'")
_RUN = re.compile(r".*; '(.*)' \d+ times")

_NUMBER = re.compile(r"(?<!\w)(?<!\d[.,])[-+\u2212]?\d[\d,]*(?:\.\d+)?")
_ALIKE: Final = {
    "'": "['\u2018\u2019]",
    '"': '["\u201c\u201d]',
    "-": "[-\u2212]",
}
"""Characters that a check takes for the same -> a pattern of all of them."""


@dataclass(frozen=True)
class _Place:
    """Words of an answer, the facet that they speak for or against, and its words."""

    start: int
    end: int
    against: bool
    says: str


@dataclass(frozen=True)
class MarkedPiece:
    """A piece of an answer: what it speaks for or against, if anything, and that in words."""

    text: str
    kind: Literal["", "for", "against"] = ""
    title: str = ""


PIECES_KEPT: Final = 4096
"""Answers whose pieces are kept: at temperature 0 a model says the same in each run."""


class _Rubric:
    """A prompt as a key: equal to one with equal facets."""

    def __init__(self, prompt: PromptRecord) -> None:
        self._prompt = prompt
        self._hash = hash((prompt.id, len(prompt.facets)))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Rubric) and (
            self._prompt is other._prompt or self._prompt.facets == other._prompt.facets
        )


_PIECES: dict[tuple[_Rubric, str, bool, tuple[tuple[str, float | None, str], ...]], tuple[MarkedPiece, ...]] = {}


def marked(text: str, prompt: PromptRecord, grades: Sequence[FacetGrade], cut: bool = False) -> Markup:
    """Return an answer, escaped, with the words marked that speak for or against a facet.

    Where it was `cut`, checks of its end mark nothing.
    """
    return Markup("").join(_mark(piece) for piece in pieces(text, prompt, grades, cut))


def pieces(text: str, prompt: PromptRecord, grades: Sequence[FacetGrade], cut: bool = False) -> tuple[MarkedPiece, ...]:
    """Return an answer, as it is, in pieces: words that speak for or against a facet, and what is between them."""
    key = (_Rubric(prompt), text, cut, tuple((one.facet, one.credit, one.why) for one in grades))
    if key not in _PIECES:
        if len(_PIECES) >= PIECES_KEPT:
            _PIECES.clear()
        _PIECES[key] = _pieces(text, prompt, grades, cut)
    return _PIECES[key]


def _pieces(text: str, prompt: PromptRecord, grades: Sequence[FacetGrade], cut: bool) -> tuple[MarkedPiece, ...]:
    facets = {facet.id: facet for facet in prompt.facets}
    known = [(facets[grade.facet], grade) for grade in grades if grade.facet in facets]
    places = [
        place
        for facet, grade in known
        if not (cut and facet.check in OF_THE_END)
        for place in _places(text, facet, grade)
    ]
    places = sorted(places, key=lambda place: (place.start, place.end))[:MOST_MARKS]
    ends = sorted({0, len(text), *(place.start for place in places), *(place.end for place in places)})
    found = [(_evidence(places, start, end), text[start:end]) for start, end in pairwise(ends)]
    return tuple(
        _piece(evidence, "".join(piece for _, piece in group))
        for evidence, group in groupby(found, key=lambda piece: piece[0])
    )


def _evidence(places: Sequence[_Place], start: int, end: int) -> tuple[tuple[bool, str], ...]:
    """Return the facets that a piece of an answer is evidence for or against, each once."""
    here = (place for place in places if place.start <= start and end <= place.end)
    return tuple(dict.fromkeys((place.against, place.says) for place in here))


def _piece(evidence: Sequence[tuple[bool, str]], text: str) -> MarkedPiece:
    if not evidence:
        return MarkedPiece(text)
    words = (f"speaks {'against' if against else 'for'}: {shortened(says, 80)}" for against, says in evidence)
    return MarkedPiece(text, "against" if any(against for against, _ in evidence) else "for", "; ".join(words))


def _mark(piece: MarkedPiece) -> Markup:
    if not piece.kind:
        return escape(piece.text)
    mark = Markup('<mark class="bl-{}" title="{}">{}</mark>')
    return mark.format(piece.kind, escape(piece.title), escape(piece.text))


def _places(text: str, facet: FacetRecord, grade: FacetGrade) -> Iterator[_Place]:
    if grade.credit is None:
        return
    for match in _found(text, facet, grade.why.removesuffix(OPPOSITE), grade.credit):
        if match.end() > match.start():
            yield _Place(match.start(), match.end(), grade.credit <= 0, facet.says)


def _found(text: str, facet: FacetRecord, why: str, credit: float) -> Iterator[re.Match[str]]:
    """Yield where the evidence of a check stands in an answer."""
    match_case = bool(facet.parameters.get("match_case", False))
    match facet.check:
        case "contains_any" | "contains_all" | "contains_none":
            for words in _listed(_HAS, why):
                yield from _anywhere(words, text, match_case)
        case "faithful":
            for words in _listed(_INVENTED, why):
                yield from _whole(words, text)
        case "covers" if credit > 0:
            for words in _facts(facet.parameters.get("facts")):
                yield from _anywhere(words, text, match_case=False)
        case "regex":
            for words in _one(_MATCHES, why):
                yield from _certain(words, text)
        case "equals":
            for words in _one(_IS, why):
                yield from _anywhere(words, text, match_case=False)
        case "starts_with":
            for words in _one(_BEGINS, why):
                yield from _matches(rf"\A\s*{_literal(words)}", text, match_case)
        case "ends_with":
            for words in _one(_ENDS, why):
                yield from _matches(rf"{_literal(words)}\s*\Z", text, match_case)
        case "number_equals":
            for number in _one(_LAST_NUMBER, why):
                yield from _last_number(number, text)
        case "no_repetition" if credit <= 0:
            for words in _one(_SAYS, why):
                yield from _matches(_literal(words), text)
            for words in _one(_RUN, why):
                yield from _matches(r"\W+".join(map(re.escape, words.split())), text)


def _one(evidence: re.Pattern[str], why: str) -> Iterator[str]:
    """Yield the words that the evidence quotes; of words that were cut off, those that are left."""
    # A line that is too long ends without the quote that closes it.
    found = evidence.fullmatch(why) or (evidence.fullmatch(f"{why.removesuffix(CUT)}'") if why.endswith(CUT) else None)
    if found and found[1].removesuffix(CUT).strip():
        yield found[1].removesuffix(CUT).strip()


def _listed(evidence: re.Pattern[str], why: str) -> Iterator[str]:
    """Yield the words that the evidence lists; one that was cut off is left out."""
    found = evidence.fullmatch(why)
    if found:
        yield from (words for words in _LISTED.findall(found[1]) if words.strip())


def _facts(facts: object) -> Iterator[str]:
    for fact in facts if isinstance(facts, list | tuple) else ():
        texts = [fact] if isinstance(fact, str) else fact
        yield from (text for text in texts if isinstance(text, str) and text.strip())


def _literal(words: str) -> str:
    """Return a pattern for words, whatever white space is between them and whichever kind of quotes they have."""
    return r"\s+".join("".join(_ALIKE.get(letter, re.escape(letter)) for letter in word) for word in words.split())


def _matches(pattern: str, text: str, match_case: bool = False) -> Iterator[re.Match[str]]:
    return re.finditer(pattern, text, re.NOFLAG if match_case else re.IGNORECASE)


def _anywhere(words: str, text: str, match_case: bool) -> Iterator[re.Match[str]]:
    """Yield where words stand, within longer words too; but a part of a number is no match, as for the checks."""
    before = r"(?<!\d)(?<!\d[.,])" if words[0].isdigit() else ""
    after = r"(?!\d|[.,]\d)" if words[-1].isdigit() else ""
    return _matches(before + _literal(words) + after, text, match_case)


def _whole(words: str, text: str) -> Iterator[re.Match[str]]:
    """Yield where words stand by themselves; 5 is no part of 2.5, 5:30 or 5/6."""
    before = r"(?<!\w)" if words[0].isalnum() else ""
    after = r"(?!\w)" if words[-1].isalnum() else ""
    before += r"(?<!\d[.,:/])" if words[0].isdigit() else ""
    after += r"(?![.,:/]\d)" if words[-1].isdigit() else ""
    return _matches(before + _literal(words) + after, text, match_case=True)


def _certain(words: str, text: str) -> Iterator[re.Match[str]]:
    """Yield the one place where words stand; of several, those that are no part of a longer word."""
    everywhere = list(_matches(_literal(words), text, match_case=True))
    yield from everywhere if len(everywhere) == 1 else _whole(words, text)


def _last_number(number: str, text: str) -> Iterator[re.Match[str]]:
    found = list(_NUMBER.finditer(text))
    if found and Decimal(found[-1][0].replace(",", "").replace("\u2212", "-")) == Decimal(number):
        yield found[-1]


FacetState = Literal["passed", "partly", "failed", "unknown"]

SIGNS: dict[FacetState, str] = {"passed": "✓", "partly": "◐", "failed": "✗", "unknown": "?"}
LONGEST_ANSWER = 6_000
"""Characters of an answer that a page shows; the run's data has all of it."""

OF_ITSELF: Final = "on an answer of its own"
DOUBTED: Final = "doubted"

Grades = Mapping[tuple[str, str], Sequence[FacetGrade]]


@dataclass(frozen=True)
class Opinion:
    """The score of a facet or an answer by a judge or a person. `words` weaken it: doubted, or of its own answer."""

    by: str
    score: str
    why: str
    words: str


@dataclass(frozen=True)
class FacetView:
    """One facet of an answer: whether the program finds it met, by what evidence, and the scores by other raters."""

    says: str
    state: FacetState
    sign: str
    why: str
    opinions: tuple[Opinion, ...] = ()


@dataclass(frozen=True)
class FoldedAnswer:
    """One distinct answer. `times` says how often it came, `score` what the rubric gives it.

    `text` is cut to what a page shows, and `cut` says so. `others` are the scores that judges and people give it as a
    whole, `notes` their remarks.
    """

    prompt: PromptRecord
    output: str
    text: str
    cut: str
    times: str
    score: str
    ended: str
    grades: tuple[FacetGrade, ...]
    facets: tuple[FacetView, ...]
    others: tuple[Opinion, ...] = ()
    notes: tuple[Opinion, ...] = ()

    @property
    def shown(self) -> Markup:
        """The text with the words marked by which the program graded it."""
        return marked(self.text, self.prompt, self.grades, cut=bool(self.cut))

    @property
    def pieces(self) -> tuple[MarkedPiece, ...]:
        """The same in pieces, not escaped."""
        return pieces(self.text, self.prompt, self.grades, cut=bool(self.cut))

    @property
    def empty(self) -> str:
        """Words in place of an answer without text; empty for any other."""
        if self.text.strip():
            return ""
        return "The answer is white space alone." if self.text else "The answer has no text."


@dataclass(frozen=True)
class FailureCount:
    """Failed samples of one kind and message."""

    times: str
    kind: str
    message: str


@dataclass(frozen=True)
class Answers:
    """The answers of one model to one prompt. `whole` is the address of the run's file, from the site's root."""

    distinct: tuple[FoldedAnswer, ...]
    failures: tuple[FailureCount, ...]
    whole: str


def grades_of(result: Result) -> Grades:
    """Return the grades of a run by prompt and output."""
    return {(grade.prompt, grade.output): grade.facets for grade in result.grades}


def by_prompt(model: ModelRun) -> Mapping[str, Sequence[Sample]]:
    """Return the measured samples of a model by prompt, in order of sending; of a prompt without any there is none."""
    found: dict[str, list[Sample]] = {}
    for sample in model.samples:
        found.setdefault(sample.prompt, []).append(sample)
    return found


def answers(
    summary: ModelSummary,
    prompt: PromptRecord,
    grades: Grades,
    raters: Sequence[RaterScores] = (),
    samples: Sequence[Sample] | None = None,
) -> Answers:
    """Return the answers of a model to a prompt, the most frequent first, with the scores of each by `raters`.

    `samples` are those of the prompt, where the caller has them already.
    """
    samples = by_prompt(summary.model).get(prompt.id, ()) if samples is None else samples
    good = [sample for sample in samples if sample.failure is None and sample.output is not None]
    counted = Counter(sample.output for sample in good if sample.output is not None)
    distinct = []
    for output, count in counted.most_common():
        ends = dict.fromkeys(sample.finish_reason or "no reason given" for sample in good if sample.output == output)
        text = summary.result.outputs[output]
        found = tuple(grades.get((prompt.id, output), ()))
        reviewers = [rater for rater in raters if rater.source.kind != "program"]
        distinct.append(
            FoldedAnswer(
                prompt=prompt,
                output=output,
                text=text[:LONGEST_ANSWER],
                cut=_cut(text),
                times="in every round" if count == len(samples) > 1 else _times(count, len(samples)),
                score=_score(prompt, found),
                ended=shortened(", ".join(ends), 80),
                grades=found,
                facets=facets(prompt, found, output, [rater for rater in reviewers if rater.was_asked(prompt, output)]),
                others=tuple(_of_all(rater, prompt, output) for rater in reviewers),
                notes=tuple(
                    Opinion(rater.label, "", shortened(note, WHY_LENGTH), "")
                    for rater in reviewers
                    if (note := rater.notes.get((prompt.id, output)))
                ),
            )
        )
    failed = Counter((sample.failure.kind, sample.failure.message) for sample in samples if sample.failure is not None)
    failures = [FailureCount(_times(count, len(samples)), *what) for what, count in failed.most_common()]
    return Answers(tuple(distinct), tuple(failures), run_file(summary.result, "json"))


def facets(
    prompt: PromptRecord, found: Sequence[FacetGrade], output: str, raters: Sequence[RaterScores]
) -> tuple[FacetView, ...]:
    """Return each facet of a prompt's rubric with the grade of an answer and its scores by `raters`."""
    by_facet = {grade.facet: grade for grade in found}
    views = []
    for facet in prompt.facets:
        grade = by_facet.get(facet.id)
        state = state_of(None if grade is None else grade.credit)
        why = "not graded" if grade is None else grade.why
        opinions = tuple(_opinion(rater, Item(prompt.id, output, facet.id)) for rater in raters)
        views.append(FacetView(facet.says, state, SIGNS[state], why, opinions))
    return tuple(views)


def state_of(credit: float | None) -> FacetState:
    """Return in words how far a facet is met."""
    if credit is None:
        return "unknown"
    if credit >= 1:
        return "passed"
    return "failed" if credit <= 0 else "partly"


def _cut(text: str) -> str:
    if len(text) <= LONGEST_ANSWER:
        return ""
    return f"Cut here, after {LONGEST_ANSWER:,} of {form.count(len(text), 'character')}."


def _opinion(rater: RaterScores, item: Item) -> Opinion:
    given = rater.scores.get(item)
    why = rater.why_unscored(item) if given is None else rater.reasons.get(item, "")
    text = "unscored" if given is None else f"{form.short(given)} of {HIGHEST_SCORE}"
    return Opinion(rater.label, text, shortened(why, WHY_LENGTH), DOUBTED if rater.doubt else "")


def _of_all(rater: RaterScores, prompt: PromptRecord, output: str) -> Opinion:
    value = answer_score(prompt, output, rater.scores)
    text = "unscored" if value is None else form.with_unit(value, "score")
    why = "" if rater.was_asked(prompt, output) else NO_SCORE[rater.source.kind]
    words = [DOUBTED] if rater.doubt else []
    words += [OF_ITSELF] if (prompt.id, output) in rater.own_answers else []
    return Opinion(rater.label, text, why, ", ".join(words))


def _score(prompt: PromptRecord, found: Sequence[FacetGrade]) -> str:
    value = score(prompt.facets, found)
    if value is not None:
        return form.with_unit(value, "score")
    return "no rubric" if not prompt.facets else "not graded"


def _times(count: int, total: int) -> str:
    return f"{count} of {form.count(total, 'sample')}"


NOT_ASKED: Final = "not asked"

PARTS: Final = ("who gave it", "its text", "what others give it", "remarks")
"""Parts of a card besides its facets."""


@dataclass(frozen=True)
class AnsweringModel:
    """A model that gave an answer, how often, and how its answers ended."""

    name: str
    href: str
    mark: Mark
    times: str
    ended: str


@dataclass(frozen=True)
class AnswerCard:
    """A distinct answer, or why models gave none, with the models that it is of."""

    models: tuple[AnsweringModel, ...]
    answer: FoldedAnswer | None = None
    failure: FailureCount | None = None
    state: str = ""
    why: str = ""


@dataclass(frozen=True)
class Cards:
    """All cards of a prompt, of so many `facets` and `rows` in all: what is alike stands side by side.

    `reviewed` says whether others than the program scored the run, `marks` whether words are marked in some answer, and
    `whole` where the run's data is.
    """

    sentence: str
    cards: tuple[AnswerCard, ...]
    facets: int
    rows: int
    reviewed: bool
    marks: bool
    whole: str
    rater_notes: tuple[RaterNote, ...]
    earlier_review: EarlierReview | None


def cards(site: Site, board: Board, prompt: PromptRecord, here: str) -> Cards:
    """Return the answers to a prompt in the newest run of a machine, for the page `here`.

    Answers come in the order of the models that gave them first, then failures, then models that were not asked.
    """
    raters = site.raters.of(board.result)
    grades = grades_of(board.result)
    by_model = [(one, answers(one, prompt, grades, raters.all)) for one in board.summary.models]
    found = _answered(site, by_model, here)
    rest = [*_failed(site, by_model, here), *_without_answer(site, board.summary.models, prompt, here)]
    return Cards(
        sentence=_sentence(found),
        cards=(*found, *rest),
        facets=len(prompt.facets),
        rows=len(prompt.facets) + len(PARTS),
        reviewed=bool(raters.reviewers),
        marks=any("<mark " in card.answer.shown for card in found if card.answer is not None),
        whole=by_model[0][1].whole if by_model else "",
        rater_notes=rater_notes(raters),
        earlier_review=earlier_review(site, board, here),
    )


def _answered(site: Site, by_model: Iterable[tuple[ModelSummary, Answers]], here: str) -> list[AnswerCard]:
    found: dict[str, tuple[FoldedAnswer, list[AnsweringModel]]] = {}
    for one, of_model in by_model:
        for answer in of_model.distinct:
            _, models = found.setdefault(answer.output, (answer, []))
            models.append(_answering_model(site, one, here, answer.times, answer.ended))
    return [AnswerCard(tuple(models), answer=answer) for answer, models in found.values()]


def _failed(site: Site, by_model: Iterable[tuple[ModelSummary, Answers]], here: str) -> list[AnswerCard]:
    found: dict[tuple[str, str], tuple[FailureCount, list[AnsweringModel]]] = {}
    for one, of_model in by_model:
        for failure in of_model.failures:
            _, models = found.setdefault((failure.kind, failure.message), (failure, []))
            models.append(_answering_model(site, one, here, failure.times))
    return [AnswerCard(tuple(models), failure=failure) for failure, models in found.values()]


def _without_answer(site: Site, models: Iterable[ModelSummary], prompt: PromptRecord, here: str) -> list[AnswerCard]:
    found: dict[tuple[str, str], list[AnsweringModel]] = {}
    for one in models:
        if one.model.skipped is not None:
            found.setdefault(("skipped", one.model.skipped), []).append(_answering_model(site, one, here))
        elif not any(sample.prompt == prompt.id for sample in one.model.samples):
            found.setdefault((NOT_ASKED, failure_text(one)), []).append(_answering_model(site, one, here))
    return [AnswerCard(tuple(models), state=state, why=why) for (state, why), models in found.items()]


def _answering_model(site: Site, one: ModelSummary, here: str, times: str = "", ended: str = "") -> AnsweringModel:
    name = one.model.name
    return AnsweringModel(shortened(name, 40), relative(here, model_page(name)), site.marks[name], times, ended)


def _sentence(found: list[AnswerCard]) -> str:
    models = {one.href for card in found for one in card.models}
    if not models:
        return "No model gave a good answer."
    if len(models) == 1 and len(found) == 1:
        return "One model answered, and it said one thing."
    if len(found) == 1:
        return f"All {len(models)} models that answered said the same."
    return f"{form.count(len(models), 'model')} gave {len(found)} different answers."
