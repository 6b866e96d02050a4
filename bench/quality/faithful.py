"""Whether an answer keeps to its source: no number, date or name that the source does not have."""

from collections.abc import Iterable
from decimal import Decimal

from bench.quality.capitals import month_name
from bench.quality.claims import Claims, Date, Number, Time, read_claims
from bench.quality.evidence import Answer, Evidence, Parameters, quoted, unscored, verdict
from bench.quality.names import invented_names, names
from bench.quality.parameters import KINDS


def faithful(answer: Answer, parameters: Parameters) -> Evidence:
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
