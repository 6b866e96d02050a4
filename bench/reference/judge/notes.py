"""Notes in words that the reference models never learnt, so that a judge reads more than their templates."""

from __future__ import annotations

import random
import re

from bench.reference.judge import reasons as because
from bench.reference.judge.rubrics import Facet, Task, faithful_facet, length_facet, make, sentence_facet
from bench.reference.vocabulary import MONTHS, Words

ONSETS = (
    *["b", "br", "ch", "d", "dr", "f", "g", "gr", "h", "j", "k", "kl", "l", "m", "n", "p", "pr"],
    *["r", "s", "sh", "st", "t", "tr", "v", "w", "z", ""],
)
VOWELS = ("a", "e", "i", "o", "u", "ai", "ee", "ou", "ia")
ENDS = ("", "", *["n", "r", "s", "l", "ck", "nt", "rd", "m", "t", "ng", "ll", "tz"])
PATTERNS = (
    "{Name} {word}s the {word} by {date}.",
    "{Name} and {Name} {word}ed about the {word} for {number} minutes.",
    "The {word} costs {number} euros and the {word} {number} more.",
    "{Name} said that the {word} is too {word}.",
    "The {word} {word} was {word}ed on {date}, because of the {word}.",
    "It was decided to {word} the {word} of the {word}.",
    "Until {date} nobody may {word} the {word}.",
    "{number} of {number} {word}s had no {word}.",
    "{Name} would rather {word} it, but {Name} did not agree.",
    "The next {word} is on {date} in the {word} room.",
    "{Name} asks the {word} for {number} {word}s.",
    "Nothing was said of the {word}.",
)
ASKS = (
    "Summarise this meeting note in {count} sentence{s}.",
    "Summarise this note in at most {count} sentence{s}.",
    "Summarise these minutes in at most {count} sentence{s}.",
)
FACTS_SAY = (
    "It has the {a}, the {b} and the {c}.",
    "It has the {a}, who does it by when, and the {b}.",
    "It has the {a} and why, and both {b}s with owner and date.",
)


def pseudo_word(draw: random.Random) -> str:
    """A word of no language."""
    syllables = draw.choice((1, 2, 2, 3))
    return "".join(draw.choice(ONSETS) + draw.choice(VOWELS) for _ in range(syllables)) + draw.choice(ENDS)


def _fill(draw: random.Random, pattern: str, facts: list[str]) -> str:
    def put(match: re.Match[str]) -> str:
        kind = match[1]
        if kind == "Name":
            made = f"{pseudo_word(draw).capitalize()} {pseudo_word(draw).capitalize()}"
            made = made if draw.random() < 0.7 else made.split()[0]
        elif kind == "date":
            made = f"{draw.randrange(1, 29)} {draw.choice(MONTHS)}"
        elif kind == "number":
            made = str(draw.choice((draw.randrange(2, 30), draw.randrange(30, 900), draw.randrange(1, 90) * 1000)))
        else:
            return pseudo_word(draw)
        facts.append(made)
        return made

    return re.sub(r"\{(\w+)\}", put, pattern)


def strange(words: Words) -> tuple[Task, tuple[str, ...]]:
    """A note without meaning, a rubric for its summary, and its sentences."""
    draw = words.draw
    facts: list[str] = []
    sentences = [_fill(draw, draw.choice(PATTERNS), facts) for _ in range(draw.choice((2, 3, 4, 5, 6, 8, 10, 14)))]
    count = draw.randrange(1, 6)
    ask = draw.choice(ASKS).format(count=("one", "two", "three", "four", "five")[count - 1], s="s" if count > 1 else "")
    question = f"{ask}\n\n{' '.join(sentences)}"
    wanted = draw.sample(facts, min(len(facts), draw.randrange(3, 9)))
    if not wanted:
        return strange(words)
    says = draw.choice(FACTS_SAY).format(a=pseudo_word(draw), b=pseudo_word(draw), c=pseudo_word(draw))
    facets: list[Facet] = [sentence_facet(words, count)]
    facets.append(make("facts", says, _share, "covers", facts=[*wanted]))
    facets.append(faithful_facet(question))
    if draw.random() < 0.6:
        word = draw.choice(re.findall(r"[a-z]{4,}", sentences[-1]) or ["price"])
        says = draw.choice(
            (
                f"It says nothing of a {word}.",
                f"It does not say that the {word} was decided.",
                f"It promises no {word}.",
            )
        )
        facets.append(make(f"no-{word}", says, because.wants_none([word]), "contains_none", values=[word]))
    facets.append(length_facet(words, draw.choice((20, 40, 80))))
    return Task("strange", question, tuple(facets), " ".join(sentences[: draw.randrange(1, 4)])), tuple(sentences)


def _share(answer: str, met: bool) -> str:
    return "all of that" if met else "not all of that"
