"""Two texts compared word by word."""

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final, Literal

LONGEST: Final = 8_000
"""Characters of a text that are compared: what is beyond stands as it is, removed and added."""

Kind = Literal["same", "removed", "added"]


@dataclass(frozen=True)
class Span:
    """Words that follow each other, with the white space between them, that both texts have, or one of them."""

    kind: Kind
    text: str


def word_diff(before: str, after: str) -> tuple[Span, ...]:
    """Return the words of both texts in order; what was removed comes before what was added in its place.

    The white space after a word belongs to it, but does not make it another word.
    """
    was, now = _words(before), _words(after)
    old, new = [word.strip() for word in was], [word.strip() for word in now]
    # A model that loops repeats a word a thousand times: to match each with each takes a while.
    head = next((place for place, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1]), None)
    head = min(len(old), len(new)) if head is None else head
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    spans = [Span("same", "".join(now[:head]))]
    spans += _middle(was[head : len(was) - tail], now[head : len(now) - tail])
    spans.append(Span("same", "".join(now[len(now) - tail :])))
    return (*(span for span in spans if span.text), *_rests(before, after))


def _middle(was: list[str], now: list[str]) -> list[Span]:
    matcher = SequenceMatcher(None, [word.strip() for word in was], [word.strip() for word in now], autojunk=False)
    spans = []
    for tag, first, last, start, end in matcher.get_opcodes():
        if tag == "equal":
            spans.append(Span("same", "".join(now[start:end])))
        else:
            spans.append(Span("removed", "".join(was[first:last])))
            spans.append(Span("added", "".join(now[start:end])))
    return spans


def _words(text: str) -> list[str]:
    return re.findall(r"\s*\S+\s*|\s+", text[:LONGEST])


def _rests(before: str, after: str) -> tuple[Span, ...]:
    was, now = before[LONGEST:], after[LONGEST:]
    if was == now:
        return (Span("same", now),) if now else ()
    kinds: tuple[tuple[Kind, str], ...] = (("removed", was), ("added", now))
    return tuple(Span(kind, text) for kind, text in kinds if text)
