"""Drills of whole phrases: which names, dates and other facts an answer has, where others share a part of them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from bench.reference.judge.drill import Row, fill
from bench.reference.judge.notes import pseudo_word
from bench.reference.judge.shipped import Shipped
from bench.reference.vocabulary import Words

KINDS = {"wants": (" (there)", " (missing)"), "unwanted": (" (present)", " (absent)")}
JOINTS = (" ", " ", ", ", ". ", "\n- ", " and ", ": ")


class Phrases:
    """Rows without end, the same for the same seed: phrases of the shipped rubrics, names, dates and made-up words."""

    def __init__(self, tokenizer: Any, known: Mapping[str, int], shipped: Sequence[Shipped], seed: int) -> None:
        self._draw = random.Random(seed)
        self._words = Words(self._draw, False)
        self._tokenizer = tokenizer
        self._known = known
        self._facts = sorted({fact for one in shipped for fact in one.facts if len(fact) > 1})
        self._texts = [text.split() for one in shipped for text in one.written]

    def batch(self, most_tokens: int) -> list[Row]:
        """Rows of at most so many tokens with their padding."""
        return fill(self._row, most_tokens)

    def _phrase(self) -> str:
        luck = self._draw.random()
        if luck < 0.55:
            return self._draw.choice(self._facts)
        if luck < 0.9:
            return self._draw.choice((self._words.person, self._words.date, self._words.thing))()
        return pseudo_word(self._draw)

    def _other(self, phrase: str) -> str:
        """Another phrase, mostly with a part of the given one in it."""
        parts, others = phrase.split(" "), self._phrase().split(" ")
        luck = self._draw.random()
        if len(parts) > 1 and luck < 0.5:
            parts[self._draw.randrange(len(parts))] = self._draw.choice(others)
            return " ".join(parts)
        if luck < 0.7 and len(phrase) > 3:
            return phrase[: self._draw.randrange(1, len(phrase))]
        return " ".join(others)

    def _text(self, phrases: Sequence[str]) -> str:
        draw = self._draw
        said = []
        for phrase in phrases:
            tokens = draw.choice(self._texts)
            start = draw.randrange(len(tokens))
            said.append(" ".join([phrase, *tokens[start : start + draw.randrange(6)]]))
        return draw.choice(JOINTS).join(said)

    def _row(self) -> Row:
        draw, known = self._draw, self._known
        phrases = list(dict.fromkeys(self._phrase() for _ in range(draw.randrange(6, 14))))
        inside = [phrase for phrase in phrases if draw.random() < 0.45]
        decoys = [self._other(phrase) for phrase in phrases if phrase not in inside and draw.random() < 0.6]
        shown = [*inside, *decoys] or [self._phrase()]
        draw.shuffle(shown)
        answer = self._text(shown)
        task = self._text(draw.sample(phrases, draw.randrange(len(phrases) + 1)))
        kind = draw.choice(("wants", "wants", "unwanted"))
        tokens = [1, known["TASK"], *self._ids(task), known["ANSWER"], *self._ids(answer)]
        tokens += [known["RUBRIC"], known["FORM"], known["why"], *self._ids(kind)]
        weights = [0.0] * len(tokens)
        there, missing = KINDS[kind]
        for phrase in phrases:
            words = self._ids(f" {phrase}")
            tokens += [*words, known[there if phrase.casefold() in answer.casefold() else missing]]
            weights += [*([0.0] * len(words)), 1.0]
        jumps = (
            (1, draw.randrange(10, 30)),
            (tokens.index(known["ANSWER"]), draw.randrange(0, 60)),
            (tokens.index(known["RUBRIC"]), draw.randrange(30, 200)),
        )
        return Row(tokens, weights, jumps)

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text).ids
        return ids
