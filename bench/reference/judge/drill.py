"""Drills: which words of one text are in the other, densely asked, in the sections that a judge reads."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.reference import vocabulary
from bench.reference.judge.tokens import BAD, GOOD, fixed_pieces

FIRST_WORD = 262
"""Tokens from here on are pieces of words; those below are single bytes and the like."""
LAST_WORD = 1536
RANDOM_SHARE = 0.3
"""Rows whose words are any tokens rather than those of the corpus."""
SECTIONS = {"TASK": "grade it, and", "ANSWER": "The answer:", "RUBRIC": "The rubric,", "FORM": "Give each facet"}
"""What the fixed piece has that begins each section of the template."""


@dataclass(frozen=True)
class Row:
    """Tokens with their weights in the loss. `jumps` are (place, offset): positions from that place on are shifted."""

    tokens: list[int]
    weights: list[float]
    jumps: tuple[tuple[int, int], ...] = ()


def known_tokens(tokenizer: Any) -> dict[str, int]:
    """The tokens that begin the sections, of the marks, and of what comes before a reason ("why")."""
    pieces = fixed_pieces()
    found = {name: tokenizer.token_to_id(next(p for p in pieces if part in p)) for name, part in SECTIONS.items()}
    found |= {mark: tokenizer.token_to_id(mark) for mark in (*GOOD, *BAD)}
    return {**found, "why": tokenizer.token_to_id('": {"why": "')}


class Drill:
    """Rows without end, the same for the same seed.

    An easy row, of which there is a share, asks for words that are either in the other text or nowhere.
    """

    def __init__(self, tokenizer: Any, known: Mapping[str, int], seed: int, easy: float) -> None:
        self._draw = random.Random(seed)
        self._known = known
        self._easy = easy
        self._openings = {kind: tokenizer.encode(kind).ids for kind in ("wants", "unwanted", "names")}
        things = [word for thing in vocabulary.OBJECTS for word in thing.split()]
        names = (*vocabulary.FIRST_NAMES, *vocabulary.LAST_NAMES, *vocabulary.MONTHS, *vocabulary.VERBS)
        words = (*names, *things, *map(str, range(1, 29)), *vocabulary.TEAMS)
        encoded = [tokenizer.encode(f" {word}").ids for word in words]
        self._words = sorted({ids[-1] for ids in encoded if len(ids) <= 2})

    def row(self, size: int) -> Row:
        """One row, whose texts have about `size` words."""
        draw, known = self._draw, self._known
        if draw.random() < RANDOM_SHARE:
            pool = [draw.randrange(FIRST_WORD, LAST_WORD) for _ in range(6 * size)]
        else:
            pool = [draw.choice(self._words) for _ in range(6 * size)]
        kind = draw.choice(("wants", "wants", "unwanted", "names"))
        task = pool[: draw.randrange(size, 2 * size)]
        pool = pool[len(task) :]
        length = draw.randrange(size // 2, size + 1)
        answer = [draw.choice(task) if draw.random() < 0.5 else draw.choice(pool) for _ in range(length)]
        if kind == "names":
            source, other, there, missing = answer, set(task), " (known)", " (invented)"
        elif kind == "wants":
            source, other, there, missing = task, set(answer), " (there)", " (missing)"
        else:
            source, other, there, missing = task, set(answer), " (present)", " (absent)"
        inside = [token for token in source if token in other]
        outside = [token for token in source if token not in other]
        if draw.random() < self._easy:
            outside = [token for token in pool if token not in {*task, *answer}]
            if kind == "names":
                inside = task
            else:
                keep = set(inside)
                task = [t if t not in keep or draw.random() < 0.2 else draw.choice(pool) for t in task]
                inside = answer
        head = [1, known["TASK"], *task, known["ANSWER"], *answer, known["RUBRIC"], known["FORM"], known["why"]]
        tokens = [*head, *self._openings[kind]]
        weights = [0.0] * len(tokens)
        for _ in range(draw.randrange(size // 2, size + 1)):
            is_there = draw.random() < 0.5
            choices = inside if is_there else outside
            if choices:
                tokens += [draw.choice(choices), known[there if is_there else missing]]
                weights += [0.0, 1.0]
        jumps = (
            (1, draw.randrange(10, 30)),
            (tokens.index(known["ANSWER"]), draw.randrange(0, 60)),
            (tokens.index(known["RUBRIC"]), draw.randrange(30, 200)),
        )
        return Row(tokens, weights, jumps)

    def batch(self, most_tokens: int, size: int) -> list[Row]:
        """Rows of at most so many tokens with their padding."""
        return fill(lambda: self.row(size), most_tokens)


def fill(make: Callable[[], Row], most_tokens: int) -> list[Row]:
    """Rows of at most so many tokens with their padding; the one that does not fit any more is lost."""
    rows: list[Row] = []
    longest = 0
    while True:
        row = make()
        longest_then = max(longest, len(row.tokens))
        if rows and (len(rows) + 1) * longest_then > most_tokens:
            return rows
        rows.append(row)
        longest = longest_then
