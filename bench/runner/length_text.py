"""Prompts of so many tokens, as the model's own tokenizer counts them, alike but for their first words."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

TASK = "Go on with this story for as long as you can, and do not end it:"
"""What makes a model answer until it is stopped."""

FILLER = " on"
"""Comes nearer to a length than whole words of the story do: in most vocabularies it is one token."""

OPENINGS: tuple[tuple[str, ...], ...] = (
    ("Last", "This", "Some", "Next", "One", "That"),
    ("spring", "summer", "winter", "morning", "week", "night"),
    ("people", "friends", "men", "workers", "children", "women"),
)
"""The first words of a prompt, one of each list. The first of each are those with which lengths are counted."""

_WHO = ("the ferryman", "a young clerk", "the old gardener", "my neighbour", "the night nurse", "a travelling cook")
_DID = ("carried", "found", "repaired", "counted", "painted", "borrowed", "weighed", "returned")
_WHAT = ("a small lamp", "seven letters", "the blue ledger", "an iron key", "two loaves", "the harbour map")
_WHERE = ("by the river", "behind the mill", "at the station", "under the stairs", "near the market", "in the rain")

Count = Callable[[str], int | None]
"""Returns the tokens of a prompt; None: more than the model takes."""

Opening = tuple[str, ...]


@dataclass(frozen=True)
class Fitted:
    """A story whose prompt comes to `tokens`, with any of the openings that have as many tokens as the first one."""

    story: str
    tokens: int


def prompt(opening: Opening, story: str) -> str:
    """Return the prompt that asks to go on with a story."""
    return f"{' '.join(opening)}: {TASK}{story}"


def openings(count: Count) -> tuple[Opening, ...]:
    """Return openings with as many tokens as the first one, in an order in which neighbours share no word.

    A server may keep what it has read and answer the same prompt sooner the next time; it can do so only as far as two
    prompts are alike from their first token on. Words are counted one by one, in short prompts, so that no opening is
    sent as a whole before it is measured.
    """
    first = tuple(words[0] for words in OPENINGS)
    tokens = count(prompt(first, ""))
    alike: list[list[str]] = []
    for place, words in enumerate(OPENINGS):
        others = [word for word in words[1:] if count(prompt(_with(first, place, word), "")) == tokens]
        alike.append(others or [words[0]])
    total = max(len(words) for words in alike) ** len(alike)
    # The first word changes each time, the others with each pass over the one before, and a step aside.
    found = []
    for number in range(total):
        chosen = []
        for place, known in enumerate(alike):
            passes = number
            for before in alike[:place]:
                passes //= len(before)
            chosen.append(known[(passes + (number if place else 0)) % len(known)])
        found.append(tuple(chosen))
    return tuple(dict.fromkeys(found))


def fitted(count: Count, aimed_tokens: int, seed: int) -> Fitted | int | None:
    """Return a story whose prompt is as near to a length as it comes and never above it.

    Returns how many tokens the shortest prompt has where that is above it, and None where the count does not grow with
    the prompt as a count of tokens does. The number of words is found by interpolation between a story that is short
    enough and one that is too long; it takes some six counts.
    """
    first = tuple(words[0] for words in OPENINGS)

    def tokens_of(words: int, fillers: int = 0) -> int | None:
        return count(prompt(first, _story(seed, words, fillers)))

    low, high = 0, 0
    least = tokens_of(0)
    if least is None or least > aimed_tokens:
        return aimed_tokens + 1 if least is None else least
    low_tokens, high_tokens = least, None
    while low_tokens < aimed_tokens and (not high or high - low > 1):
        if not high:
            # In most vocabularies a word has between one token and two; in none has it an eighth of one.
            if low > 8 * aimed_tokens:
                return None
            words = 2 * low or max(1, (aimed_tokens - low_tokens) * 2 // 3)
        elif high_tokens is None:
            words = (low + high) // 2
        else:
            share = (aimed_tokens - low_tokens) / (high_tokens - low_tokens)
            words = min(high - 1, max(low + 1, low + int(share * (high - low))))
        tokens = tokens_of(words)
        if tokens is None or tokens > aimed_tokens:
            high, high_tokens = words, tokens
        else:
            low, low_tokens = words, tokens
    fillers = aimed_tokens - low_tokens
    for _ in range(2):
        tokens = tokens_of(low, fillers) if fillers else None
        if tokens is not None and low_tokens < tokens <= aimed_tokens:
            return Fitted(_story(seed, low, fillers), tokens)
        fillers = fillers * fillers // (tokens - low_tokens) if tokens is not None and tokens > low_tokens else 0
    return Fitted(_story(seed, low, 0), low_tokens)


def _with(opening: Opening, place: int, word: str) -> Opening:
    return (*opening[:place], word, *opening[place + 1 :])


def _story(seed: int, words: int, fillers: int) -> str:
    return "".join(f" {word}" for word in islice(_words(seed), words)) + FILLER * fillers


def _words(seed: int) -> Iterator[str]:
    chosen = random.Random(f"lengths-{seed}")
    while True:
        sentence = " ".join(chosen.choice(parts) for parts in (_WHO, _DID, _WHAT, _WHERE))
        yield from f"{sentence[0].upper()}{sentence[1:]}.".split()
