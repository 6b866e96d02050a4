"""Answers to the prompts of the shipped sets, good and bad: written one by one, put together from facts, and spoilt."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from bench.quality.answers import Answer
from bench.quality.questions import AnswerQuestion, PairQuestion
from bench.reference.corpus import write_examples
from bench.reference.judge.corpus import Judged, add, babble, drop, mix, trap, vary, write_reply
from bench.reference.judge.notes import pseudo_word
from bench.reference.judge.rubrics import Graded
from bench.reference.judge.shipped import Shipped
from bench.reference.vocabulary import MONTHS, Words

KINDS = {
    "written": 12,
    "edited": 26,
    "joined": 10,
    "facts": 16,
    "extract": 8,
    "corpus": 12,
    "spoilt": 12,
    "other": 5,
    "babble": 5,
    "cut": 4,
}
OBJECT_SHARE = 0.5
"""The share of changed objects among the answers to prompts that ask for JSON."""
PAIR_SHARE, REVERSED_SHARE = 0.06, 0.2
TRIED = 3
"""Answers of which the one with the rarest scores is taken."""
NAME = re.compile(r"\b[A-Z][a-z]+(?: [A-Z][a-z]+)*\b")
NUMBER = re.compile(r"(?<![\w.,:])\d[\d.,:]*(?![\w%])")
DATED = re.compile(rf"\b(\d{{1,2}}) ({'|'.join(MONTHS)})\b")
JOINTS = (" ", " ", ", ", ". ", "\n", "\n- ", " and ", "; ")
LEADS = (
    *(
        "Sure! ",
        "Sure, here is the summary:\n\n",
        "Here is the answer: ",
        "The answer is ",
        "Answer: ",
        "**Summary**\n\n",
    ),
    *("Based on the text, ", "According to the note, ", "Certainly!\n", "Summary: ", "It is ", "Output:\n"),
)
TAILS = (
    "\n\nLet me know if you need anything else.",
    " I hope this helps!",
    "\n",
    " Please note that this may change.",
)


class Attempts:
    """Questions of a judge about the shipped prompts with the replies it is to give, the same for the same seed."""

    def __init__(self, shipped: Sequence[Shipped], seed: int) -> None:
        self._shipped = shipped
        self._draw = random.Random(seed)
        self._words = Words(self._draw, False)
        self._source = write_examples(seed + 1, False)
        self._seen: Counter[tuple[str, str, int]] = Counter()

    def __iter__(self) -> Iterator[Judged]:
        while True:
            order = list(self._shipped)
            self._draw.shuffle(order)
            for one in order:
                yield self._judged(one)

    def _judged(self, one: Shipped) -> Judged:
        draw, prompt = self._draw, one.task.prompt()
        kind, answer, graded = self._rarest(one)
        if draw.random() < PAIR_SHARE:
            _, other, others = self._rarest(one)
            if other != answer:
                question = PairQuestion(Answer(prompt, "", answer, ()), Answer(prompt, "", other, ())).text
                return Judged("shipped", "pair", question, write_preference(graded, others))
        reading = 2 if draw.random() < REVERSED_SHARE else 1
        question = AnswerQuestion(Answer(prompt, "", answer, ()), reading).text
        return Judged("shipped", kind, question, write_reply(graded[:: 1 if reading == 1 else -1]))

    def _rarest(self, one: Shipped) -> tuple[str, str, tuple[Graded, ...]]:
        tried = []
        for _ in range(TRIED):
            kind, answer = self.attempt(one)
            graded = one.grade(answer)
            rarity = sum(1 / (1 + self._seen[one.name, facet.facet, facet.score]) for facet in graded)
            tried.append((rarity, kind, answer, graded))
        _, kind, answer, graded = max(tried, key=lambda found: found[0])
        self._seen.update((one.name, facet.facet, facet.score) for facet in graded)
        return kind, answer, graded

    def attempt(self, one: Shipped) -> tuple[str, str]:
        """How an answer was made, and the answer."""
        if one.task.answer.startswith(("{", "[")) and self._draw.random() < OBJECT_SHARE:
            return "object", self._object(one)
        kind = self._draw.choices(tuple(KINDS), tuple(KINDS.values()))[0]
        made: dict[str, Callable[[Shipped], str]] = {
            "written": self._written,
            "edited": self._edited,
            "joined": self._joined,
            "facts": self._facts,
            "extract": self._extract,
            "corpus": self._corpus,
            "spoilt": self._spoilt,
            "other": self._other,
            "babble": self._babble,
            "cut": self._cut,
        }
        answer = made[kind](one)
        return kind, answer if answer.strip() else "."

    def _written(self, one: Shipped) -> str:
        text = self._draw.choice(one.written)
        return self._dressed(text) if self._draw.random() < 0.3 else text

    def _dressed(self, text: str) -> str:
        """With what models say before and after an answer, or in another form."""
        draw = self._draw
        way = draw.randrange(6)
        if way == 0:
            return draw.choice(LEADS) + text
        if way == 1:
            return text + draw.choice(TAILS)
        if way == 2:
            return f"```\n{text}\n```"
        if way == 3:
            return DATED.sub(lambda m: draw.choice((f"{m[2]} {m[1]}", f"{m[1]}th {m[2]}", f"{m[2]} {m[1]}th")), text)
        if way == 4:
            return "\n".join(f"{draw.choice(('-', '*', f'{n}.'))} {part}" for n, part in enumerate(_parts(text), 1))
        return re.sub(r"\s*\n\W*\s*", " ", text)

    def _edited(self, one: Shipped) -> str:
        """Some of the parts of a written answer, some of the facts replaced by others."""
        draw = self._draw
        text = draw.choice(one.written)
        parts = _parts(text)
        if len(parts) > 1 and draw.random() < 0.6:
            kept = [part for part in parts if draw.random() < draw.choice((0.4, 0.75))] or [draw.choice(parts)]
            if draw.random() < 0.2:
                draw.shuffle(kept)
            text = ("\n" if "\n" in text.strip() else " ").join(kept)
        if draw.random() < 0.65:
            text = self._swapped(one, text, draw.choice((0.15, 0.35, 0.7)))
        return self._dressed(text) if draw.random() < 0.15 else text

    def _swapped(self, one: Shipped, text: str, chance: float) -> str:
        """Names, numbers and dates replaced by others of the prompt, or by any."""
        draw, prompt = self._draw, one.task.question
        names: list[str] = NAME.findall(prompt)
        numbers: list[str] = NUMBER.findall(prompt)
        dates: list[tuple[str, str]] = DATED.findall(prompt)

        def name(found: re.Match[str]) -> str:
            if draw.random() >= chance:
                return found[0]
            made = draw.choice((self._words.person(), f"{pseudo_word(draw)} {pseudo_word(draw)}".title(), ""))
            return draw.choice(names) if names and (not made or draw.random() < 0.5) else made or "Nobody"

        def number(found: re.Match[str]) -> str:
            if draw.random() >= chance:
                return found[0]
            if numbers and draw.random() < 0.5:
                return draw.choice(numbers)
            place = draw.choice([n for n, letter in enumerate(found[0]) if letter.isdigit()])
            return found[0][:place] + str(draw.randrange(10)) + found[0][place + 1 :]

        def date(found: re.Match[str]) -> str:
            if draw.random() >= chance:
                return found[0]
            if dates and draw.random() < 0.6:
                return " ".join(draw.choice(dates))
            return draw.choice((f"{found[1]} {draw.choice(MONTHS)}", f"{draw.randrange(1, 29)} {found[2]}"))

        return NUMBER.sub(number, NAME.sub(name, DATED.sub(date, text)))

    def _joined(self, one: Shipped) -> str:
        """Parts of several written answers."""
        draw = self._draw
        parts = [part for text in draw.sample(one.written, min(3, len(one.written))) for part in _parts(text)]
        chosen = draw.sample(parts, min(len(parts), draw.randrange(1, 6)))
        return draw.choice((" ", " ", "\n", "\n- ")).join(chosen)

    def _facts(self, one: Shipped) -> str:
        """Some of what the rubric looks for, between words of the prompt and of written answers."""
        draw = self._draw
        facts = list(one.facts) or [one.task.answer]
        chosen = draw.sample(facts, min(len(facts), draw.choice((1, 1, 2, 3, 4, 6, 8))))
        tokens = f"{one.task.question} {draw.choice(one.written)}".split()
        said = []
        for fact in chosen:
            start = draw.randrange(len(tokens))
            around = tokens[start : start + draw.randrange(5)]
            said.append(" ".join([fact, *around] if draw.random() < 0.5 else [*around, fact]))
        return self._swapped(one, draw.choice(JOINTS).join(said), draw.choice((0.0, 0.0, 0.3)))

    def _extract(self, one: Shipped) -> str:
        draw = self._draw
        parts = _parts(one.task.question)
        start = draw.randrange(len(parts))
        return draw.choice((" ", "\n")).join(parts[start : start + draw.randrange(1, 6)])

    def _corpus(self, one: Shipped) -> str:
        """What a reference model says, with some facts of the prompt in the place of its own."""
        said = next(self._source).answer
        return self._swapped(one, said, self._draw.choice((0.0, 0.5, 0.9)))

    def _spoilt(self, one: Shipped) -> str:
        draw, words, task = self._draw, self._words, one.task
        answer = draw.choice(one.written)
        way = draw.randrange(5)
        if way == 0:
            return vary(words, answer, draw.choice((0.3, 0.6)))
        if way == 1:
            return mix(words, task)
        if way == 2:
            return trap(words, task)
        if way == 3:
            return drop(words, answer)
        return add(words, task)

    def _object(self, one: Shipped) -> str:
        """The right JSON with some values changed, some keys left out, in another layout."""
        draw = self._draw
        chance = draw.choice((0.0, 0.15, 0.4))

        def changed(value: object) -> object:
            if isinstance(value, dict):
                return {key: changed(inner) for key, inner in value.items() if draw.random() > chance / 3}
            if isinstance(value, list):
                return [changed(inner) for inner in value if draw.random() > chance / 3]
            if draw.random() > chance:
                return value
            if isinstance(value, str):
                others = (
                    self._swapped(one, value, 1.0),
                    value.split(" ")[0],
                    None,
                    draw.choice(one.task.question.split()),
                )
                return draw.choice(others)
            if isinstance(value, bool) or value is None:
                return draw.choice((not value, "yes", None, ""))
            return draw.choice((str(value), draw.randrange(300), value, None))

        text = json.dumps(
            changed(json.loads(one.task.answer)), indent=draw.choice((None, None, 2)), ensure_ascii=draw.random() < 0.2
        )
        if draw.random() < 0.15:
            text = text.replace('"', "'") if draw.random() < 0.4 else text[: -draw.randrange(1, 4)]
        return self._dressed(text) if draw.random() < 0.25 else text

    def _other(self, one: Shipped) -> str:
        return self._draw.choice(self._draw.choice(self._shipped).written)

    def _babble(self, one: Shipped) -> str:
        draw = self._draw
        sources = (lambda: next(self._source).answer, lambda: draw.choice(one.written), lambda: one.task.question)
        return babble(self._words, lambda: draw.choice(sources)())

    def _cut(self, one: Shipped) -> str:
        """An answer that stops in the middle, or starts again."""
        draw = self._draw
        text = draw.choice(one.written)
        place = draw.randrange(1, len(text) + 1)
        return text[:place] if draw.random() < 0.6 else f"{text} {text[:place]}"


def write_preference(first: Sequence[Graded], second: Sequence[Graded]) -> str:
    """The reply about a pair: each facet's scores one beside the other, their sums, and which is better."""
    totals = sum(one.score for one in first), sum(one.score for one in second)
    better = "A" if totals[0] > totals[1] else "B" if totals[1] > totals[0] else "neither"
    said = ", ".join(f"{a.facet} {a.score} {b.score}" for a, b in zip(first, second, strict=True))
    return json.dumps({"why": f"{said}: {totals[0]} {totals[1]}", "better": better})


def _parts(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"(?<=[.!?;])\s+|\n+", text) if part.strip()] or [text]
