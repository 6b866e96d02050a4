"""Thoughts that a model or its server leaves inside the answer, told apart from it."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from bench.providers.protocol import Piece

MARKS: Final = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("\u25c1think\u25b7", "\u25c1/think\u25b7"),
)
"""Between what models put their thoughts: the first is the one in general use."""

BLANKS: Final = re.compile(r"\s*")


def told_apart(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """Return the pieces of an answer with the thoughts in its content marked as reasoning, however they were cut.

    Thoughts stand at the beginning of the content, between two of MARKS, several times over if need be; an end without
    a beginning has it in the prompt, as some templates do. The marks, and the blanks after them, belong to them. A
    piece in which a thought ends and the answer begins becomes two.
    """
    content = "".join(piece.text for piece in pieces if not piece.reasoning)
    end = _end_of_thoughts(content)
    return tuple(_marked(pieces, end)) if end else tuple(pieces)


def _end_of_thoughts(content: str) -> int:
    """Return where the answer begins in the content; 0 where all of it is answer."""
    at, found = _blanks(content, 0), False
    while pair := next((pair for pair in MARKS if content.startswith(pair[0], at)), None):
        closed = content.find(pair[1], at)
        if closed < 0:
            return len(content)
        at, found = _blanks(content, closed + len(pair[1])), True
    if found:
        return at
    opening, closing = MARKS[0]
    closed = content.find(closing)
    # After a beginning of its own it is something that the answer speaks of.
    return _blanks(content, closed + len(closing)) if closed >= 0 and opening not in content[:closed] else 0


def _blanks(content: str, start: int) -> int:
    match = BLANKS.match(content, start)
    return match.end() if match else start


def _marked(pieces: Sequence[Piece], end: int) -> Iterator[Piece]:
    at = 0
    for piece in pieces:
        if piece.reasoning:
            yield piece
            continue
        thought = piece.text[: max(0, end - at)]
        answer = piece.text[len(thought) :]
        at += len(piece.text)
        if thought:
            yield Piece(thought, piece.event, reasoning=True)
        if answer:
            yield Piece(answer, piece.event)
