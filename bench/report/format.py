"""Numbers and dates as a page shows them: the only place that rounds and converts units.

Inside, quantities are in base units (s, bytes, tokens/s). A column or an axis chooses one display unit for all of
its values and names it once.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from bench.quality.grading import HIGHEST_SCORE, LOWEST_SCORE
from bench.stats.distribution import CONFIDENCE


@dataclass(frozen=True)
class Scale:
    """A display unit, and the factor that leads to it from the base unit."""

    unit: str
    factor: float


SCALES: dict[str, tuple[Scale, ...]] = {
    "s": (Scale("s", 1.0), Scale("ms", 1e3)),
    "s/token": (Scale("s/token", 1.0), Scale("ms/token", 1e3)),
    "bytes": (Scale("GB", 1e-9), Scale("MB", 1e-6), Scale("kB", 1e-3)),
    "tokens/s": (Scale("tokens/s", 1.0),),
    "tokens": (Scale("tokens", 1.0),),
    "score": (Scale(f"{LOWEST_SCORE}–{HIGHEST_SCORE}", 1.0),),
    "J": (Scale("kJ", 1e-3), Scale("J", 1.0)),
    "count": (Scale("", 1.0),),
    "share": (Scale("%", 100.0),),
    "Hz": (Scale("GHz", 1e-9), Scale("MHz", 1e-6)),
    "W": (Scale("W", 1.0),),
}
"""Base unit -> its display units, the largest first."""

_SCORE_UNIT = SCALES["score"][0].unit
_WHOLE_UNITS = (SCALES["tokens"][0].unit, SCALES["count"][0].unit)

NO_VALUE = "–"
NO_BREAK = "\u00a0"
"""The space between a number and its unit, at which no line ends."""

MOST_LOSS = 0.999
"""Share lost beyond which a change is only said to be more: one digit would make it all of it."""

MOST_TIMES = 1_000
"""Multiple beyond which a change is only said to be larger: a reader has long understood."""


def scale(base_unit: str, values: Iterable[float | None]) -> Scale:
    """Return the display unit in which the largest of the values is at least 1; the second one without a value."""
    known = [abs(value) for value in values if value is not None]
    largest = max(known, default=0.0)
    scales = SCALES.get(base_unit, (Scale(base_unit, 1.0),))
    if not known:
        return scales[min(1, len(scales) - 1)]
    return next((one for one in scales if largest * one.factor >= 1), scales[-1])


def number(value: float, digits: int = 3) -> str:
    """Return a number to some significant digits, with thousands separated and no exponent."""
    if value == 0:
        return "0"
    if digits <= 3 and "e" not in (text := f"{value:#.{digits}g}"):
        return text.rstrip(".")
    rounded = f"{value:.{digits - 1}e}"
    decimals = max(0, digits - 1 - int(rounded.partition("e")[2]))
    return f"{float(rounded):,.{decimals}f}"


def significant(value: float, per: float = 1.0) -> str:
    """Return a number in units of `per` to three digits, a zero too, with thousands separated: 0.00, 3.40, 1,230."""
    value /= per
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{float(f'{mantissa}e{exponent}'):,.{max(0, 2 - int(exponent))}f}"


def significant_percent(part: float) -> str:
    """Return a share of one as a percentage to three significant digits."""
    return f"{significant(part * 100)} %"


def significant_ms(seconds: float) -> str:
    """Return a time in milliseconds to three significant digits."""
    return f"{significant(seconds * 1_000)} ms"


def short(value: float, digits: int = 3) -> str:
    """Return a number to some digits without the zeros that end its fraction: for a sentence, not for a column."""
    text = number(value, digits)
    return text.rstrip("0").rstrip(".") if "." in text else text


def quantity(value: float | None, scale: Scale) -> str:
    """Return a value in a display unit, without the unit.

    Scores have one decimal, tokens and counts are whole, others have three significant digits.
    """
    if value is None:
        return NO_VALUE
    if scale.unit == _SCORE_UNIT:
        return score(value)
    if scale.unit in _WHOLE_UNITS:
        return whole(value)
    return number(value * scale.factor)


def interval(low: float, high: float, value: float, scale: Scale) -> str:
    """Return the interval of a value in its display unit and to its last digit, without the unit: 3.64–3.74."""
    if scale.unit == _SCORE_UNIT:
        return f"{score(low)}–{score(high)}"
    if value == 0 or scale.unit in _WHOLE_UNITS:
        return f"{quantity(low, scale)}–{quantity(high, scale)}"
    last = 2 - math.floor(math.log10(abs(_significant(value * scale.factor, 3))))
    ends = (f"{round(end * scale.factor, last):,.{max(0, last)}f}" for end in (low, high))
    return "–".join(ends)


def with_unit(value: float | None, base_unit: str) -> str:
    """Return a single value with its unit, in the unit that suits it best."""
    if value is None:
        return NO_VALUE
    if base_unit == "score":
        return f"{score(value)}{NO_BREAK}of{NO_BREAK}{HIGHEST_SCORE}"
    chosen = scale(base_unit, [value])
    return f"{short(value * chosen.factor)}{NO_BREAK}{chosen.unit}".rstrip(NO_BREAK)


def pair(before: float, after: float, base_unit: str) -> str:
    """Return two values of one thing in one unit, named once: 201 → 230 ms."""
    chosen = scale(base_unit, [before, after])
    return f"{number(before * chosen.factor)} → {number(after * chosen.factor)}{NO_BREAK}{chosen.unit}"


def listed(values: Sequence[float], base_unit: str) -> str:
    """Return values in one unit, named once: 1.24, 0.98, 1.02 s."""
    chosen = scale(base_unit, values)
    return f"{', '.join(number(value * chosen.factor) for value in values)}{NO_BREAK}{chosen.unit}"


def span(values: Sequence[float], base_unit: str) -> str:
    """Return the least and the largest of some values, with their unit named once: 1.24 to 1.31 s; one if equal."""
    low, high = min(values), max(values)
    least, largest = with_unit(low, base_unit), with_unit(high, base_unit)
    if least == largest:
        return largest
    if base_unit == "score":
        return f"{score(low)} to {largest}"
    chosen = scale(base_unit, [high])
    return f"{short(low * chosen.factor)} to {largest}"


def sentence(text: str) -> str:
    """Return a clause as a sentence, with a capital at its start and a full stop at its end."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def score(value: float) -> str:
    """Return a quality score to one decimal."""
    return f"{value:.1f}"


def points(value: float) -> str:
    """Return a difference of scores, or of shares, to two decimals and with its sign."""
    return f"{value:+.2f}"


def tenths(value: float) -> float:
    """Return a number to one decimal, as a number: what differs by less is one."""
    return round(value, 1)


def whole(value: float) -> str:
    """Return a number as a whole one, with thousands separated."""
    return f"{value:,.0f}"


def nearest_score(value: float) -> int:
    """Return the whole score that is nearest to one."""
    return min(HIGHEST_SCORE, max(LOWEST_SCORE, round(value)))


def coefficient(value: float) -> str:
    """Return a coefficient of agreement or correlation, from -1 to 1, to two decimals."""
    return f"{value:.2f}".replace("-0.00", "0.00").replace("-", "−")


def plotted(value: float, scale: Scale) -> float:
    """Return a value for a chart: in the display unit, with no more digits than a reader can use."""
    return _significant(value * scale.factor, 5)


def share(part: float) -> str:
    """Return a share of one as a whole percentage."""
    return f"{round(part * 100)} %"


def change(part: float) -> str:
    """Return a relative change as a percentage with its sign."""
    return f"{'−' if part < 0 else '+'}{percent(abs(part))}"


def effect(part: float) -> str:
    """Return a relative change as `change` does, one beyond a doubling as a multiple: ×2.4, at most 'over ×1,000'."""
    if part > MOST_TIMES - 1:
        return f"over ×{MOST_TIMES:,}"
    if part > 1:
        return f"×{short(1 + part)}"
    return f"below −{percent(MOST_LOSS)}" if part < -MOST_LOSS else change(part)


def confidence() -> str:
    """Return the share of cases in which an interval holds the truth: 95 %."""
    return share(CONFIDENCE)


def percent(part: float) -> str:
    """Return a share of one as a percentage with one decimal."""
    return f"{part * 100:.1f} %"


NUMBER_WORDS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
)
TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
FRACTIONS = {2: "half", 3: "a third", 4: "a quarter", 5: "a fifth", 10: "a tenth", 20: "a twentieth"}


def in_words(value: int) -> str:
    """Return a whole number as a sentence has it: in words up to twelve and for whole tens, else in figures."""
    if 0 <= value < len(NUMBER_WORDS):
        return NUMBER_WORDS[value]
    tens, rest = divmod(value, 10)
    return TENS[tens] if rest == 0 and 2 <= tens < len(TENS) else f"{value:,}"


def fraction(part: float) -> str:
    """Return a share of one as a sentence has it: a tenth where it is one, else a whole percentage."""
    parts = round(1 / part) if part else 0
    return FRACTIONS[parts] if parts in FRACTIONS and math.isclose(part * parts, 1) else share(part)


def times(ratio: float) -> str:
    """Return a ratio as a factor: × 1.84; what is shorter has a factor below 1."""
    return f"×{NO_BREAK}{number(ratio)}"


def parameters(value: int | None) -> str:
    """Return a number of weights as people say it: 3.35M, 7.2B."""
    if value is None:
        return NO_VALUE
    if value >= 1e9:
        return f"{short(value * 1e-9)}B"
    if value >= 1e6:
        return f"{short(value * 1e-6)}M"
    return f"{short(value * 1e-3)}k" if value >= 1e3 else str(value)


def count(value: int, one: str, many: str | None = None) -> str:
    """Return a number of things, with its noun in the right form."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"


def day(moment: datetime) -> str:
    """Return the date of a moment in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d")


def minute(moment: datetime) -> str:
    """Return date and time of a moment in UTC, to the minute."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def stamp(moment: datetime) -> str:
    """Return a moment in UTC as a chart reads it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def duration(seconds: float) -> str:
    """Return a length of time in words: 45 s, 2 min 10 s, 3 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{short(seconds)} s" if seconds < 10 else f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def _significant(value: float, digits: int) -> float:
    return float(f"{value:.{digits}g}")
