"""The names in an English text, told by their capitals, and which of them another text does not have.

A capital at the start of a sentence says nothing by itself: such a word is a name only if another capitalised word
follows it, or a label as 'Owner:' stands before it. So a single invented name that begins a sentence can go unseen,
and a common word in mid-sentence with a capital that the source does not use can be taken for a name.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from bench.quality.capitals import HONORIFICS, MONTHS, NO_NAMES, PERSON_LABELS, WEEKDAYS

_TOKEN = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")
_HEADING = re.compile(r"\s*#{1,6}\s")
_BREAK = re.compile(r"[.!?\u2026:;|]")
_LABEL = re.compile(r"[\"'*_]*\s*[:=\-\u2013]\s*[\"'*_]*")
_INITIALISM = re.compile(r"[A-Z]{2,6}s?")
_POSSESSIVE = re.compile(r"['\u2019]s?$")


@dataclass(frozen=True)
class _Word:
    shown: str
    folded: str
    capital: bool
    starts: bool
    joined: bool
    labelled: bool


@dataclass(frozen=True)
class _Source:
    """What a source has: its words, those that it writes small, the pairs within its names, and its initials."""

    words: frozenset[str]
    small: frozenset[str]
    pairs: frozenset[tuple[str, str]]
    initials: str


def names(text: str) -> tuple[str, ...]:
    """Return the names of a text in order: capitalised words that stand together are one."""
    return tuple(" ".join(word.shown for word in run) for run in _runs(text))


def invented_names(text: str, source: str) -> tuple[str, ...]:
    """Return the names of a text that its source does not have, in order.

    A name is invented if one of its words is not in the source, whatever the case, or if it puts two words together
    that belong to different names there. Initials such as RAG may stand for words of the source.
    """
    known = _read_source(source)
    found = []
    for run in _runs(text):
        unknown = [word.shown for word in run if not _supported(word, known)]
        mixed = [
            f"{first.shown} {second.shown}"
            for first, second in pairwise(run)
            if not unknown and _names_somebody(first, known) and _names_somebody(second, known)
            if (first.folded, second.folded) not in known.pairs
        ]
        found += [" ".join(word.shown for word in run)] if unknown and len(run) > 1 else [*unknown, *mixed]
    return tuple(dict.fromkeys(found))


def _runs(text: str) -> Iterator[tuple[_Word, ...]]:
    """Yield the runs of capitalised words that name something."""
    for _, group in groupby(_grouped(_words(text)), key=lambda pair: pair[0]):
        run = [word for _, word in group]
        if run[0].starts and not run[0].labelled and (len(run) == 1 or run[0].folded in NO_NAMES):
            run = run[1:]
        run = [word for word in run if word.folded not in NO_NAMES]
        if run:
            yield tuple(run)


def _grouped(words: Sequence[_Word]) -> Iterator[tuple[int, _Word]]:
    number = 0
    for word in words:
        if not word.capital:
            number += 1
            continue
        if not word.joined or word.starts:
            number += 1
        yield number, word


def _words(text: str) -> list[_Word]:
    found: list[_Word] = []
    for line in text.splitlines():
        if not _HEADING.match(line):
            found.extend(_words_of(line))
    return found


def _words_of(line: str) -> Iterator[_Word]:
    before, end = "", 0
    for match in _TOKEN.finditer(line):
        gap, shown = line[end : match.start()], _POSSESSIVE.sub("", match[0])
        folded = _folded(shown)
        after_abbreviation = gap.startswith(". ") and (before in HONORIFICS or len(before) == 1)
        starts = not before or (_BREAK.search(gap) is not None and not after_abbreviation)
        yield _Word(
            shown=shown,
            folded=folded,
            capital=shown[0].isupper() and len(shown) > 1,
            starts=starts,
            joined=not gap.strip() or after_abbreviation,
            labelled=before in PERSON_LABELS and _LABEL.fullmatch(gap) is not None,
        )
        before, end = folded, match.end()


def _read_source(source: str) -> _Source:
    tokens = [word for line in source.splitlines() for word in _words_of(line)]
    parts = {part for word in tokens for part in (word.folded, *word.folded.split("-"))}
    small = {word.folded for word in tokens if not word.capital}
    pairs: set[tuple[str, str]] = set()
    for _, group in groupby(_grouped(tokens), key=lambda pair: pair[0]):
        run = [word.folded for _, word in group]
        pairs |= {(first, second) for place, first in enumerate(run) for second in run[place + 1 :]}
    return _Source(frozenset(parts), frozenset(small), frozenset(pairs), "".join(word.folded[0] for word in tokens))


def _supported(word: _Word, known: _Source) -> bool:
    if word.folded in known.words or word.folded.replace("-", "") in known.words:
        return True
    if word.folded in MONTHS:
        return any(MONTHS.get(other) == MONTHS[word.folded] for other in known.words)
    if _INITIALISM.fullmatch(word.shown) and word.folded.rstrip("s") in known.initials:
        return True
    # A form of a word that the source writes small, as Translation of translate: no name, whatever its capital.
    return len(word.folded) > 5 and any(other.startswith(word.folded[:5]) for other in known.small)


def _names_somebody(word: _Word, known: _Source) -> bool:
    return word.folded in known.words and word.folded not in known.small and word.folded not in {*MONTHS, *WEEKDAYS}


def _folded(word: str) -> str:
    apart = unicodedata.normalize("NFKD", word)
    return "".join(letter for letter in apart if not unicodedata.combining(letter)).casefold()
