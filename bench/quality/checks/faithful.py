"""Whether an answer keeps to its source, and which facts it has: numbers, dates, times and names.

The claims of an English text are read in one form for each, however they are spelled.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from bench.quality.checks.evidence import CheckedAnswer, Evidence, Parameters, quoted, unscored, verdict
from bench.quality.checks.names import MONTHS, invented_names, month_name, names
from bench.quality.checks.parameters import KINDS
from bench.quality.checks.tokenise import bare, occurs, plain, without_marks

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
    page = _Page(even)
    dates = [*_dates(page)]
    times = [*_times(page)]
    numbers = [*_figures(page), *_spelled(page)]
    return Claims(tuple(dates), tuple(times), tuple(numbers), page.rest)


class _Page:
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


def _dates(page: _Page) -> Iterator[Date]:
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


def _times(page: _Page) -> Iterator[Time]:
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


def _figures(page: _Page) -> Iterator[Number]:
    for match in page.take(_NUMBER):
        page.blank(match)
        value = Decimal(match[1].replace(",", ""))
        values = {value}
        if match[2]:
            values = {value * _SUFFIXES[match[2].casefold()]} | (values if len(match[2]) < 3 else set())
        yield Number(match[0], frozenset(values), ordinal=match[3] is not None)


def _spelled(page: _Page) -> Iterator[Number]:
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


def faithful(answer: CheckedAnswer, parameters: Parameters) -> Evidence:
    """Pass an answer in which every number, date, time and name is in its source, in whatever spelling.

    The source is `source`; else the prompt's text after the marker `after`, or after its first empty line, or all of
    it. What is in `allow` may stand in the answer besides. `kinds` limits the check to some of numbers, dates (with
    times) and names. An answer that has none of them cannot be told.
    """
    kinds = parameters.get("kinds", KINDS)
    allowed = "\n".join(parameters.get("allow", ()))
    source = f"{source_text(answer.prompt, parameters)}\n{allowed}"
    said, known = read_claims(answer.text), read_claims(source)
    invented: list[str] = []
    checked = 0
    if "numbers" in kinds:
        counted = [number for number in said.numbers if not number.pronoun]
        checked += len(counted)
        invented += [number.shown for number in counted if not _has_number(known, number)]
    if "dates" in kinds:
        checked += len(said.dates) + len(said.times)
        invented += [date.shown for date in said.dates if not _has_date(known, date)]
        invented += [time.shown for time in said.times if not _has_time(known, time)]
    if "names" in kinds:
        checked += len(names(said.rest))
        months = " ".join(month_name(month) for date in known.dates for month, _ in sorted(date.readings))
        invented += invented_names(said.rest, f"{source}\n{months}")
    if invented:
        return verdict(False, f"not in the source: {quoted(dict.fromkeys(invented))}")
    if not checked:
        return unscored(f"has no {_listed(kinds, 'or')} to compare")
    return verdict(True, f"{_listed(kinds, 'and')}: {checked}, all in the source")


def source_text(prompt: str, parameters: Parameters) -> str:
    """Return the text that an answer must keep to."""
    if "source" in parameters:
        return str(parameters["source"])
    after = parameters.get("after")
    if after is not None:
        return prompt.partition(after)[2]
    _, _, below = prompt.partition("\n\n")
    return below if below.strip() else prompt


def source_mistake(prompt: str, parameters: Parameters) -> str | None:
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


def covers(answer: CheckedAnswer, parameters: Parameters) -> Evidence:
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
