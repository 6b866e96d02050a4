"""Whether an answer keeps to its source, and which facts it has: numbers, dates, times and names.

The claims of an English text are read in one form for each, however they are spelled. Names are found by their
capitals.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby, pairwise

from bench.quality.checks.evidence import CheckedAnswer, CheckParameters, Evidence, quoted, unscored, verdict
from bench.quality.checks.parameters import KINDS
from bench.quality.checks.tokenise import bare, occurs, plain, without_marks


def _words_in(text: str) -> frozenset[str]:
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


HONORIFICS = _words_in("dr mr mrs ms miss prof professor sir madam")

PERSON_LABELS = _words_in(
    "owner owners name names person responsible assignee assigned attendee attendees present participants lead writer "
    "author by who contact speaker sender from to dear hello hi regards"
)
"""Labels after which a single capitalised word is a name, as in 'Owner: Hana'."""

FUNCTION_WORDS = _words_in(
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

HEADING_WORDS = _words_in(
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

VERBS = _words_in(
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

ABBREVIATIONS = _words_in("ai am api cc ceo cfo cto eod eta faq fyi gmt hr id it ok pm qa re tbc tbd utc vs")

WEEKDAYS = _words_in("monday tuesday wednesday thursday friday saturday sunday")

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


_UNITS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = {
    word: 10 * tens
    for tens, word in enumerate(("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"), start=2)
}
_SCALES = {"hundred": 100, "thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}
_VALUES = {word: value for value, word in enumerate(_UNITS)} | _TENS | {"dozen": 12}
_SUFFIXES = {"k": 1_000, "m": 1_000_000, "bn": 1_000_000_000} | _SCALES

_SPELLED = "|".join([*_VALUES, *_SCALES])
_SPELLED_RUN = re.compile(rf"(?i)\b(?:{_SPELLED})\b(?:(?:\s+|-|\s+and\s+)(?:{_SPELLED})\b)*")
_THIN_SPACE = re.compile("(?<=\\d)[\u00a0\u2009\u202f](?=\\d{3}(?!\\d))")
_NUMBER = re.compile(
    r"(?<!\w)(?<!\d[.,])((?:\d{1,3}(?:,\d{3})+(?!,?\d)|\d+)(?:\.\d+)?)"
    r"(?:\s?(?i:(k|m|bn|hundred|thousand|million|billion)\b)|(st|nd|rd|th)\b)?"
)

_FULL = "|".join(name for name in MONTHS if len(name) > 4)
_SHORT = "|".join(name for name in MONTHS if len(name) < 5 and name != "may")
_MONTH = rf"((?:(?i:{_FULL})|May|MAY)\b|(?i:{_SHORT})\b(?:\.(?=,?\s+\d))?)"
_DAY = r"(?<![\d.,:/])\d{1,2}(?:st|nd|rd|th)?\b"
_DAYS = rf"({_DAY}(?:\s*(?:-|\u2013|\u2014|&|to|and|or|until)\s*{_DAY}){{0,6}})"
_YEAR = r"(?:,?\s+((?:19|20)\d{2})\b)?"
_ISO = re.compile(r"(?<![\w-])(\d{4})-(\d{2})-(\d{2})(?![\d-])")
_SLASHED = re.compile(r"(?<![\w./-])(\d{1,2})([./])(\d{1,2})\2(\d{4}|\d{2})(?![\w/])")
_DAY_FIRST = re.compile(rf"{_DAYS}\s+(?:of\s+)?{_MONTH}{_YEAR}")
_MONTH_FIRST = re.compile(rf"\b{_MONTH}\s+(?:the\s+)?{_DAYS}(?!\s+(?:of\s+)?{_MONTH}){_YEAR}")
_CLOCK = re.compile(
    r"(?i)(?<![\d.:,])(\d{1,2})(?::(\d{2})(?!\d)|\.(\d{2})(?=\s*[ap]\.?m\b))?\s*([ap]\.?m\b|o'clock\b)?"
)
_CLOCK_H = re.compile(r"(?<!\w)(\d{1,2})h(\d{2})?\b")
_NAMED_HOUR = re.compile(r"(?i)\b(noon|midnight)\b")


@dataclass(frozen=True)
class Date:
    """A day: `readings` are its (month, day), more than one where 3/4/2026 may be either; `year` where it has one."""

    shown: str
    readings: frozenset[tuple[int, int]]
    year: int | None

    def agrees(self, other: "Date") -> bool:
        """Return whether two dates can be one day; a year that one of them leaves out is any."""
        years = {self.year, other.year} - {None}
        return len(years) < 2 and not self.readings.isdisjoint(other.readings)


@dataclass(frozen=True)
class Number:
    """A number: `values` are what it may stand for, as 40k for 40 and 40,000.

    `ordinal` marks 5th, which may be a day, and `pronoun` the word one, which is a number or none.
    """

    shown: str
    values: frozenset[Decimal]
    ordinal: bool = False
    pronoun: bool = False

    def agrees(self, other: "Number") -> bool:
        """Return whether two numbers can be one."""
        return not self.values.isdisjoint(other.values)


@dataclass(frozen=True)
class Time:
    """A time of day on a clock of twelve hours, so that 2:30 pm and 14:30 are one."""

    shown: str
    hour: int
    minute: int

    def agrees(self, other: "Time") -> bool:
        """Return whether two times are one."""
        return (self.hour, self.minute) == (other.hour, other.minute)


@dataclass(frozen=True)
class Claims:
    """What a text says in figures and number words. `rest` is the text with blanks in their places."""

    dates: tuple[Date, ...]
    times: tuple[Time, ...]
    numbers: tuple[Number, ...]
    rest: str


def read_claims(text: str) -> Claims:
    """Return the dates, times and numbers of a text; the marks of list items and digits within names are none.

    A number in a date or a time is no number of its own.
    """
    even = unicodedata.normalize("NFKC", _THIN_SPACE.sub(",", without_marks(text))).replace("\u2019", "'")
    page = _SearchedText(even)
    dates = [*_dates(page)]
    times = [*_times(page)]
    numbers = [*_figures(page), *_spelled(page)]
    return Claims(tuple(dates), tuple(times), tuple(numbers), page.rest)


class _SearchedText:
    """A text from which whatever was read is blanked out, so that nothing is read twice."""

    def __init__(self, text: str) -> None:
        self._letters = list(text)

    @property
    def rest(self) -> str:
        """The text with blanks in the places of what was read."""
        return "".join(self._letters)

    def take(self, pattern: re.Pattern[str]) -> Iterator[re.Match[str]]:
        """Yield the matches of a pattern in what is left; blanking one out moves no other."""
        yield from pattern.finditer(self.rest)

    def blank(self, match: re.Match[str]) -> None:
        """Take a match out of the text."""
        self._letters[match.start() : match.end()] = " " * len(match[0])


def _dates(page: _SearchedText) -> Iterator[Date]:
    for match in page.take(_ISO):
        if found := _date(match[0], [(int(match[2]), int(match[3]))], int(match[1])):
            page.blank(match)
            yield found
    for match in page.take(_SLASHED):
        first, second = int(match[1]), int(match[3])
        year = int(match[4]) if len(match[4]) == 4 else 2_000 + int(match[4])
        readings = [(second, first)] if match[2] == "." else [(first, second), (second, first)]
        if found := _date(match[0], readings, year):
            page.blank(match)
            yield found
    for pattern, days, month, year_group in ((_DAY_FIRST, 1, 2, 3), (_MONTH_FIRST, 2, 1, 4)):
        for match in page.take(pattern):
            given = match[year_group]
            read = [int(day) for day in re.findall(r"\d+", match[days])]
            number = MONTHS[match[month].casefold().rstrip(".")]
            found_days = [
                _date(match[0] if len(read) == 1 else f"{day} {match[month]}", [(number, day)], given and int(given))
                for day in read
            ]
            if all(found_days):
                page.blank(match)
                yield from filter(None, found_days)


def _date(shown: str, readings: list[tuple[int, int]], year: int | str | None) -> Date | None:
    possible = frozenset((month, day) for month, day in readings if 1 <= month <= 12 and 1 <= day <= 31)
    return Date(" ".join(shown.split()), possible, int(year) if year else None) if possible else None


def _times(page: _SearchedText) -> Iterator[Time]:
    for match in page.take(_CLOCK):
        minute = match[2] or match[3]
        if (minute or match[4]) and int(match[1]) <= 24 and int(minute or 0) < 60:
            page.blank(match)
            yield Time(match[0].strip(), int(match[1]) % 12, int(minute or 0))
    for match in page.take(_CLOCK_H):
        if int(match[1]) <= 24:
            page.blank(match)
            yield Time(match[0], int(match[1]) % 12, int(match[2] or 0))
    for match in page.take(_NAMED_HOUR):
        page.blank(match)
        yield Time(match[0], 0, 0)


def _figures(page: _SearchedText) -> Iterator[Number]:
    for match in page.take(_NUMBER):
        page.blank(match)
        value = Decimal(match[1].replace(",", ""))
        values = {value}
        if match[2]:
            values = {value * _SUFFIXES[match[2].casefold()]} | (values if len(match[2]) < 3 else set())
        yield Number(match[0], frozenset(values), ordinal=match[3] is not None)


def _spelled(page: _SearchedText) -> Iterator[Number]:
    for match in page.take(_SPELLED_RUN):
        page.blank(match)
        found = [word.casefold() for word in re.findall(r"[A-Za-z]+", match[0]) if word.casefold() != "and"]
        for spelled in _apart(found):
            yield Number(" ".join(spelled), frozenset({Decimal(_value(spelled))}), pronoun=spelled == ["one"])


def _apart(found: list[str]) -> list[list[str]]:
    """Split 'five six' into two numbers, and keep 'one hundred twenty five' as one."""
    runs: list[list[str]] = []
    for word in found:
        before = runs[-1][-1] if runs else ""
        goes_on = word in _SCALES or before in _SCALES or (before in _TENS and word in _UNITS[1:10])
        if runs and goes_on:
            runs[-1].append(word)
        else:
            runs.append([word])
    return runs


def _value(spelled: list[str]) -> int:
    whole, part = 0, 0
    for word in spelled:
        if word == "hundred":
            part = (part or 1) * 100
        elif word in _SCALES:
            whole, part = whole + (part or 1) * _SCALES[word], 0
        else:
            part += _VALUES[word]
    return whole + part


def faithful(answer: CheckedAnswer, parameters: CheckParameters) -> Evidence:
    """Pass an answer in which every number, date, time and name is in its source, in whatever spelling.

    The source is `source`; else the prompt's text after the marker `after`, or after its first empty line, or all of
    it. What is in `allow` may stand in the answer besides. `kinds` limits the check to some of numbers, dates (with
    times) and names. An answer that has none of them is unscored.
    """
    kinds = parameters.get("kinds", KINDS)
    allowed = "\n".join(parameters.get("allow", ()))
    source = f"{source_text(answer.prompt, parameters)}\n{allowed}"
    claims, known = read_claims(answer.text), read_claims(source)
    invented: list[str] = []
    checked = 0
    if "numbers" in kinds:
        counted = [number for number in claims.numbers if not number.pronoun]
        checked += len(counted)
        invented += [number.shown for number in counted if not _has_number(known, number)]
    if "dates" in kinds:
        checked += len(claims.dates) + len(claims.times)
        invented += [date.shown for date in claims.dates if not _has_date(known, date)]
        invented += [time.shown for time in claims.times if not _has_time(known, time)]
    if "names" in kinds:
        checked += len(names(claims.rest))
        months = " ".join(month_name(month) for date in known.dates for month, _ in sorted(date.readings))
        invented += invented_names(claims.rest, f"{source}\n{months}")
    if invented:
        return verdict(False, f"not in the source: {quoted(dict.fromkeys(invented))}")
    if not checked:
        return unscored(f"has no {_listed(kinds, 'or')} to compare")
    return verdict(True, f"{_listed(kinds, 'and')}: {checked}, all in the source")


def source_text(prompt: str, parameters: CheckParameters) -> str:
    """Return the text that an answer must keep to."""
    if "source" in parameters:
        return str(parameters["source"])
    after = parameters.get("after")
    if after is not None:
        return prompt.partition(after)[2]
    _, _, below = prompt.partition("\n\n")
    return below if below.strip() else prompt


def source_mistake(prompt: str, parameters: CheckParameters) -> str | None:
    """Return what is wrong with where the source is looked for, or None."""
    if "source" in parameters and "after" in parameters:
        return "takes 'source' or 'after', not both"
    after = parameters.get("after")
    if after is not None and not prompt.partition(after)[2].strip():
        return f"'after' names {after!r}, after which the prompt has no text"
    return None


def _has_number(known: Claims, number: Number) -> bool:
    in_dates = {date.year for date in known.dates}
    if number.ordinal:
        in_dates |= {day for date in known.dates for _, day in date.readings}
    return bool(number.values & in_dates) or any(number.agrees(other) for other in known.numbers)


def _has_date(known: Claims, date: Date) -> bool:
    # A year that the answer adds to a day must at least stand elsewhere in the source.
    years = {other.year for other in known.dates} | {value for number in known.numbers for value in number.values}
    return date.year in years | {None} and any(date.agrees(other) for other in known.dates)


def _has_time(known: Claims, time: Time) -> bool:
    # In 'from 2 to 4 pm' the first hour is written as a bare number.
    hours = {Decimal(time.hour), Decimal(time.hour + 12)}
    bare_hour = time.minute == 0 and any(not number.values.isdisjoint(hours) for number in known.numbers)
    return bare_hour or any(time.agrees(other) for other in known.times)


def _listed(kinds: Iterable[str], joined_by: str) -> str:
    *others, last = (kind for kind in KINDS if kind in set(kinds))
    return f"{', '.join(others)} {joined_by} {last}" if others else last


def covers(answer: CheckedAnswer, parameters: CheckParameters) -> Evidence:
    """Return the share of `facts` that an answer has.

    A fact is a text, or a list of texts that each say it: one of them is enough. A fact that is a date, a time or a
    number is found in any spelling (3 May and 2026-05-03, 1,250 and 1250, three and 3), any other text as it is,
    whatever its case, quotes and spacing. The evidence names the first text of each fact that is missing.
    """
    facts = [[fact] if isinstance(fact, str) else list(fact) for fact in parameters["facts"]]
    searched, claims = plain(answer.text), read_claims(answer.text)
    missing = [fact for fact in facts if not any(_says(one, searched, claims) for one in fact)]
    found = len(facts) - len(missing)
    counted = f"{found} of {len(facts)} fact{'' if len(facts) == 1 else 's'}"
    return Evidence(
        found / len(facts), f"{counted}; lacks {quoted(fact[0] for fact in missing)}" if missing else counted
    )


def _says(fact: str, searched: str, claims: Claims) -> bool:
    if occurs(plain(fact), searched):
        return True
    wanted = read_claims(fact)
    if bare(wanted.rest):
        return False
    if wanted.dates or wanted.times:
        return all(any(date.agrees(other) for other in claims.dates) for date in wanted.dates) and all(
            any(time.agrees(other) for other in claims.times) for time in wanted.times
        )
    return bool(wanted.numbers) and all(
        any(number.agrees(other) for other in claims.numbers) for number in wanted.numbers
    )
