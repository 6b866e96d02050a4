"""Why a facet is met or not, in words that a small network can write: each wanted word, marked as there or missing."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from bench.quality.checks import grade_answer
from bench.quality.reading import list_items, sentences, words
from bench.reference import vocabulary
from bench.rubric import FacetRecord, PromptRecord

PERSON = re.compile(rf"\b(?:{'|'.join(vocabulary.FIRST_NAMES)}) (?:{'|'.join(vocabulary.LAST_NAMES)})\b")
NAME = re.compile(rf"\b(?:{'|'.join((*vocabulary.FIRST_NAMES, *vocabulary.LAST_NAMES))})\b")
DATE = re.compile(rf"\b\d+ (?:{'|'.join(vocabulary.MONTHS)})\b")
MONTH = re.compile(rf"\b(?:{'|'.join(vocabulary.MONTHS)})\b")
TASK = re.compile(rf"\b(?:{'|'.join(vocabulary.VERBS)}) the (?:{'|'.join(vocabulary.OBJECTS)})\b")
TEAM = re.compile(rf"\b(?:{'|'.join(vocabulary.TEAMS)})\b")
CLAIM = re.compile(rf"{DATE.pattern}|(?:[A-Z][a-z]+ )+[A-Z][a-z]+\b|{NAME.pattern}|\b\d[\d.,:]*\d\b|\b\d\b")
CLAIMS_NAMED = 6
MOST_COUNTED = 9

Reason = Callable[[str, bool], str]
"""Says why a facet is met or not: takes the answer and whether it is met."""


def marked(wanted: Sequence[str], answer: str, met: bool) -> str:
    """Each wanted word with its mark; met, all are there."""
    marks = [met or _there(word, answer) for word in wanted]
    shown = " ".join(f"{word} ({'there' if mark else 'missing'})" for word, mark in zip(wanted, marks, strict=True))
    return f"wants {shown}" if met or not all(marks) else f"wants {shown} together (missing)"


def wants(text: str) -> Reason:
    """The words of a fact that is wanted."""
    wanted = fact_words(text)
    return lambda answer, met: marked(wanted, answer, met)


def wants_on_a_line(text: str) -> Reason:
    """The words of facts that are wanted on one line: those of the line that has most of them."""
    wanted = fact_words(text)

    def reason(answer: str, met: bool) -> str:
        lines = answer.splitlines() or [""]
        best = max(lines, key=lambda line: sum(_there(word, line) for word in wanted))
        return marked(wanted, best, met)

    return reason


def wants_none(unwanted: Sequence[str], searched: Sequence[str] | None = None) -> Reason:
    """Each unwanted fact, marked as absent or present; `searched` is what stands for it in an answer."""
    stand_ins = searched or unwanted

    def reason(answer: str, met: bool) -> str:
        marks = [not met and stand_in.casefold() in answer.casefold() for stand_in in stand_ins]
        shown = (f"{fact} ({'present' if mark else 'absent'})" for fact, mark in zip(unwanted, marks, strict=True))
        return f"unwanted {' '.join(shown)}"

    return reason


def names_known(prompt: str) -> Reason:
    """The names, dates and numbers of an answer in order, each marked as known or invented."""

    def reason(answer: str, met: bool) -> str:
        claims = list(dict.fromkeys(CLAIM.findall(re.sub(r"(?m)^\s*(\d+[.)]|-)\s", "", answer))))
        shown = [f"{claim} ({'known' if met or _known(prompt, claim) else 'invented'})" for claim in claims]
        shown = shown[:CLAIMS_NAMED]
        if not met and not any(one.endswith("(invented)") for one in shown):
            shown.append("more (invented)")
        return f"names {' '.join(shown)}" if shown else "names nothing"

    return reason


def count_sentences(answer: str, met: bool) -> str:
    """How many sentences there are."""
    return f"{min(MOST_COUNTED, len(sentences(answer)))} sentences"


def count_items(answer: str, met: bool) -> str:
    """How many items the list has."""
    return f"{min(MOST_COUNTED, len(list_items(answer)))} items"


def count_words(answer: str, met: bool) -> str:
    """How many words there are."""
    return f"{len(words(answer))} words"


def either(yes: str, no: str) -> Reason:
    """One of two fixed reasons."""
    return lambda answer, met: yes if met else no


def fact_words(text: str) -> tuple[str, ...]:
    """The words of a fact that count."""
    return tuple(word for word in re.findall(r"[\w-]+", text) if word not in ("the", "by"))


def stem(verb: str) -> str:
    """What all forms of a verb begin with."""
    return verb[:-1] if verb[-1] in "ey" else verb


def _there(word: str, text: str) -> bool:
    if word.isdigit():
        return re.search(rf"(?<!\d){word}(?!\d)", text) is not None
    first, rest = re.escape(word[0]), re.escape(stem(word)[1:] if word.islower() and len(word) > 3 else word[1:])
    return re.search(rf"\b(?:{first}|{first.upper()}){rest}", text) is not None


_FAITHFUL = FacetRecord(id="faithful", says="-", weight=1.0, check="faithful", parameters={})


def _known(prompt: str, claim: str) -> bool:
    """Whether the program finds nothing invented in a claim by itself."""
    record = PromptRecord(id="-", title="", category="", text=prompt, max_output_tokens=None, facets=(_FAITHFUL,))
    (grade,) = grade_answer(record, f"It was {claim}.")
    return grade.credit != 0.0
