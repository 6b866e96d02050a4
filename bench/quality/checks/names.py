"""Names in an English text, by their capitals, and the words that have a capital without naming anybody."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise


def _listed(text: str) -> frozenset[str]:
    return frozenset(text.split())


MONTHS: dict[str, int] = {
    name: number
    for number, names in enumerate(
        (
            ("january", "jan"),
            ("february", "feb"),
            ("march", "mar"),
            ("april", "apr"),
            ("may",),
            ("june", "jun"),
            ("july", "jul"),
            ("august", "aug"),
            ("september", "sept", "sep"),
            ("october", "oct"),
            ("november", "nov"),
            ("december", "dec"),
        ),
        start=1,
    )
    for name in names
}
"""Months with their number, in full before short."""


def month_name(number: int) -> str:
    """Return the name of a month, from 1."""
    return next(name for name, value in MONTHS.items() if value == number).title()


HONORIFICS = _listed("dr mr mrs ms miss prof professor sir madam")

PERSON_LABELS = _listed(
    "owner owners name names person responsible assignee assigned attendee attendees present participants lead writer "
    "author by who contact speaker sender from to dear hello hi regards"
)
"""Labels after which a single capitalised word is a name, as in 'Owner: Hana'."""

FUNCTION_WORDS = _listed(
    """
    a about above after again against all also although an and another any anyone anything are as at be because been
    before being below besides between both but by can could currently did do does done during each either else even
    every everybody everyone everything except few finally first for from further furthermore had has have he hence her
    here hers him his how however i i'm i've if in including instead into is it its itself last lastly later least less
    let like likewise many may me meanwhile might more moreover most must my neither next no nobody none nor not nothing
    now of off on once one only onto or other others otherwise our ours out over overall per perhaps please same second
    secondly several shall she should similarly since so some someone something soon still such than that the their them
    then there therefore these they third this those though three through thus to today together tomorrow too toward
    towards two under unless until up upon us very via was we were what when where whereas whether which while who whom
    whose why will with within without would yes yesterday yet you your additionally afterwards eventually initially
    subsequently specifically regarding following according based due despite given
    """
)

HEADING_WORDS = _listed(
    """
    action actions agenda agreed agreement announcement answer answers assigned assignment assignments attendance
    attendee attendees background benefit benefits brief budget chair cost costs conclusion context date dates day
    deadline deadlines decided decision decisions description detail details discussed discussion due email expected
    fact facts figure figures final goal goals info information issue issues item items key list lists location main
    meeting meetings message milestone milestones minutes month name names note notes number numbers objective
    objectives open outcome outcomes overview owner owners participant participants people person place plan plans point
    points present priority problem problems progress project proposal question questions reason reasons report
    responsibility responsible result results risk risks role room schedule section status step steps subject summary
    takeaway takeaways target task tasks team teams time timeline title topic topics total update updates vote week
    writer year not applicable
    """
)

VERBS = _listed(
    """
    add agree announce approve arrange ask assess assign attend book build buy call cancel change check choose clean
    close collect compare complete confirm contact continue coordinate create cut decide define deliver deploy design
    develop discuss distribute document download draft email ensure evaluate examine explore extend file finalise
    finalize find finish fix follow get give handle hire hold implement improve include inform inspect install invite
    involve join keep launch lead make manage meet migrate monitor move negotiate note notify obtain offer open order
    organise organize pay plan postpone prepare present print produce propose provide publish push put raise receive
    recruit reduce remind remove rename renew repair replace report request research resolve review revise run schedule
    secure see sell send set share ship sign simplify speak split start stop submit support switch talk tell test track
    train translate try update upgrade use visit wait work write
    """
)

ABBREVIATIONS = _listed("ai am api cc ceo cfo cto eod eta faq fyi gmt hr id it ok pm qa re tbc tbd utc vs")

WEEKDAYS = _listed("monday tuesday wednesday thursday friday saturday sunday")

NO_NAMES = FUNCTION_WORDS | HEADING_WORDS | VERBS | ABBREVIATIONS | HONORIFICS
"""Words, in lower case, that name nobody by themselves, whatever they are written like."""


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
