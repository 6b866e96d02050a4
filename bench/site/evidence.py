"""The words of an answer by which the program graded it, marked where they stand.

The result file keeps the evidence of a check as one line, such as "has 'weight', 'memory'". What is quoted there and
stands in the answer is marked; what cannot be found again for certain is not.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby, pairwise
from typing import Final, Literal

from markupsafe import Markup

from bench.results.schema import FacetGrade
from bench.rubric import FacetRecord, PromptRecord
from bench.site.text import escape, shortened

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
class Piece:
    """A piece of an answer: what it speaks for or against, if anything, and that in words."""

    text: str
    kind: Literal["", "for", "against"] = ""
    title: str = ""


def marked(text: str, prompt: PromptRecord, grades: Sequence[FacetGrade], cut: bool = False) -> Markup:
    """Return an answer, escaped, with the words marked that speak for or against a facet.

    Where it was `cut`, nothing is said of its end.
    """
    return Markup("").join(_mark(piece) for piece in pieces(text, prompt, grades, cut))


def pieces(text: str, prompt: PromptRecord, grades: Sequence[FacetGrade], cut: bool = False) -> tuple[Piece, ...]:
    """Return an answer, as it is, in pieces: words that speak for or against a facet, and what is between them."""
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
    found = [(_speaking(places, start, end), text[start:end]) for start, end in pairwise(ends)]
    return tuple(
        _piece(speaking, "".join(piece for _, piece in group))
        for speaking, group in groupby(found, key=lambda piece: piece[0])
    )


def _speaking(places: Sequence[_Place], start: int, end: int) -> tuple[tuple[bool, str], ...]:
    """Return what a piece of an answer speaks against, or for, and which facet: each once."""
    here = (place for place in places if place.start <= start and end <= place.end)
    return tuple(dict.fromkeys((place.against, place.says) for place in here))


def _piece(speaking: Sequence[tuple[bool, str]], text: str) -> Piece:
    if not speaking:
        return Piece(text)
    words = (f"speaks {'against' if against else 'for'}: {shortened(says, 80)}" for against, says in speaking)
    return Piece(text, "against" if any(against for against, _ in speaking) else "for", "; ".join(words))


def _mark(piece: Piece) -> Markup:
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
