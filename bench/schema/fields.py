"""The base of everything that is kept in a file, and the bounded types of its fields."""

import datetime as dt
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Final, Generic, Literal, TypeVar, cast

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    JsonValue,
    TypeAdapter,
    ValidationError,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

from bench.errors import UsageError

Read = TypeVar("Read")


class Record(BaseModel):
    """A frozen, strict piece of a result file: unknown keys, NaN and infinity are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def with_shared_field_sets(records: Iterable[BaseModel]) -> None:
    """Let records hold one set of the names of their class's fields in common.

    Pydantic makes a set for each record, which takes several times the memory of what a sample has.
    """
    for record in records:
        object.__setattr__(record, "__pydantic_fields_set__", _field_names(type(record)))


@cache
def _field_names(kind: type[BaseModel]) -> set[str]:
    return set(kind.model_fields)


class ByIdentity(Generic[Read]):
    """What was read from a file as the key of a cache: equal to itself alone, and not compared number by number."""

    def __init__(self, value: Read) -> None:
        self.value = value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ByIdentity) and self.value is other.value


class Settings(Record):
    """A frozen part of a configuration; a key it does not know is a mistake."""


MOST_EXACT: Final = 2**53 - 1
"""The largest whole number up to which a double, and so a browser too, holds every one exactly."""

MOST_TOKENS: Final = 1_000_000_000
"""Tokens of one prompt or answer: a thousand times the longest contexts there are."""

MOST_WEIGHT: Final = 1_000_000.0
"""Weight of a facet: weights of the largest numbers there are would have no sum."""

MOST_STREAMS: Final = 1_024
"""Streams that ask at once: more measure the client and not the model."""

MOST_LENGTH_TOKENS: Final = 1_000_000
"""Tokens of a cell of the matrix of lengths, of its prompt or its answer."""

MOST_RATE_PER_S: Final = 100_000.0
"""Requests a second of a schedule: one client sends no more."""

MOST_SECONDS: Final = 9_000_000.0
"""A stretch of time, some 104 days: the most whole seconds of which `Nanoseconds` holds each nanosecond."""

MOST_WATTS: Final = 1_000_000.0
"""Power of a machine: that of a data centre."""

MOST_SAMPLE: Final = 1_000_000_000
"""Answers that a person is asked to score."""

MOST_ROUNDS: Final = 10_000
"""Rounds that a config may ask for."""

MOST_LEVELS: Final = 100
"""Lists and mappings that may stand within each other in the free part of a file; in a YAML file just as many."""

FIRST_DAY: Final = dt.date(2020, 1, 1)
"""Before the first local language model that could be measured."""

LAST_DAY: Final = dt.date(2100, 1, 1)
"""After everybody who could have measured; a clock that was never set, or a mistyped year, lies outside."""

FIRST_UTC: Final = dt.datetime.combine(FIRST_DAY, dt.time(), dt.UTC)
LAST_UTC: Final = dt.datetime.combine(LAST_DAY, dt.time(), dt.UTC)

OUT_OF_RANGE: Final = "out_of_range"
"""pydantic's type of the errors that are made here; their message names what is allowed, and not what was found."""


@dataclass(frozen=True)
class Ranged:
    """Has every mistake in an annotated number or date say the whole range; `noun` is what it must be.

    It stands behind the Field with the bounds: Annotated[int, Field(ge=0, le=9), Ranged("a whole number")].
    """

    noun: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return the schema with a message of its own for whatever does not fit."""
        bounded = cast("dict[str, Any]", handler(source))
        least = f"above {plain(bounded['gt'])}, up" if "gt" in bounded else f"from {plain(bounded['ge'])}"
        return core_schema.custom_error_schema(
            cast("CoreSchema", bounded),
            custom_error_type=OUT_OF_RANGE,
            custom_error_message=f"must be {self.noun} {least} to {plain(bounded['le'])}",
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return the JSON Schema; dates have their bounds in `formatMinimum` and `formatMaximum`, for it has none."""
        made = handler(schema)
        if made.get("format") in ("date", "date-time"):
            bounded = cast("dict[str, Any]", schema)["schema"]
            made |= {"formatMinimum": bounded["ge"].isoformat(), "formatMaximum": bounded["le"].isoformat()}
        return made


_WHOLE = Ranged("a whole number")
_NUMBER = Ranged("a number")

Nanoseconds = Annotated[int, Field(ge=0, le=MOST_EXACT), _WHOLE]
"""A duration or an offset: up to 104 days, so that a double holds each nanosecond of it."""

SomeNanoseconds = Annotated[int, Field(ge=1, le=MOST_EXACT), _WHOLE]
"""A duration that something is divided by."""

SignedNanoseconds = Annotated[int, Field(ge=-MOST_EXACT, le=MOST_EXACT), _WHOLE]
"""An error of a stamp: positive is late."""

StampedBy = Literal["process", "kernel"]
"""Whose readings of a clock arrivals are: this program's process, or the system's kernel."""

Bytes = Annotated[int, Field(ge=0, le=MOST_EXACT), _WHOLE]
"""An amount of memory or disk: up to 9 petabytes, which a double holds exactly."""

Count = Annotated[int, Field(ge=0, le=1_000_000_000_000), _WHOLE]
"""How many there were of something in a run, or a place among them: one a microsecond for eleven days."""

Hertz = Annotated[int, Field(ge=0, le=1_000_000_000_000), _WHOLE]
"""A frequency of a processor: a terahertz is beyond any."""

Parameters = Annotated[int, Field(ge=0, le=MOST_EXACT), _WHOLE]
"""The number of a model's weights: a thousand times that of the largest models."""

Seed = Annotated[int, Field(ge=0, le=MOST_EXACT), _WHOLE]
"""A seed: any that every reader of JSON reads as the same number."""

TokenCount = Annotated[int, Field(ge=0, le=MOST_TOKENS), _WHOLE]
"""Tokens of a prompt, an answer or a context."""

TokenLimit = Annotated[int, Field(ge=1, le=MOST_TOKENS), _WHOLE]
"""The most tokens that an answer may have."""

LengthTokens = Annotated[int, Field(ge=1, le=MOST_LENGTH_TOKENS), _WHOLE]
"""Tokens that a cell of the matrix of lengths aims at."""

Streams = Annotated[int, Field(ge=1, le=MOST_STREAMS), _WHOLE]
"""How many ask at once."""

RatePerSecond = Annotated[float, Field(gt=0, le=MOST_RATE_PER_S), _NUMBER]
"""Requests a second."""

Share = Annotated[float, Field(ge=0, le=1), _NUMBER]
"""A part of a whole."""

RelativeError = Annotated[float, Field(ge=0.000_1, le=0.5), _NUMBER]
"""Half the width of a bin: below it the bins cannot be told apart, above it they tell nothing."""

Weight = Annotated[float, Field(gt=0, le=MOST_WEIGHT), _NUMBER]
"""What a facet counts beside the others of its rubric."""

Joules = Annotated[float, Field(ge=0, le=1e13), _NUMBER]
"""An energy: `Watts` for as long as `Nanoseconds` can say."""

Watts = Annotated[float, Field(ge=0, le=MOST_WATTS), _NUMBER]
"""A power."""

Celsius = Annotated[float, Field(ge=-300, le=100_000), _NUMBER]
"""A temperature as a sensor says it, a broken one too: those of 16 bits say 65,535 at most."""

LoadAverage = Annotated[float, Field(ge=0, le=1_000_000_000), _NUMBER]
"""Runnable processes: no system has as many."""

SampleSize = Annotated[int, Field(ge=1, le=MOST_SAMPLE), _WHOLE]
"""How many answers are drawn for a person to score."""

UtcTime = Annotated[AwareDatetime, Field(strict=False, ge=FIRST_UTC, le=LAST_UTC), Ranged("a time with its zone")]
"""A moment. JSON has no dates: strict mode would refuse the strings that a file has."""

Day = Annotated[dt.date, Field(ge=FIRST_DAY, le=LAST_DAY), Ranged("a date")]
"""A day, UTC."""


def sound_clock(now: dt.datetime) -> dt.datetime:
    """Return what the clock says. Raises UsageError for a time that no file may have: before anything is measured."""
    if FIRST_UTC <= now <= LAST_UTC:
        return now
    message = f"this machine's clock says {now.date()}, and a date in a file is from {FIRST_DAY} to {LAST_DAY}"
    raise UsageError(f"{message}; set the clock, then give the same command again")


def plain(value: object) -> str:
    """Return a bound as a person writes it: 9,007,199,254,740,991, 0 and not 0.0, 2020-01-01 for midnight."""
    if isinstance(value, dt.datetime):
        return value.date().isoformat()
    if isinstance(value, float) and value.is_integer():
        return f"{int(value):,}"
    return f"{value:,}" if isinstance(value, int | float) else str(value)


@dataclass(frozen=True)
class Excess:
    """A value in the free part of a file that cannot be there, its place, and what must be instead."""

    place: tuple[str | int, ...]
    found: object
    message: str


def excesses(value: object, place: tuple[str | int, ...] = ()) -> Iterator[Excess]:
    """Yield the numbers in a JSON value that are beyond what a double holds exactly, and what is nested too deeply."""
    if isinstance(value, dict | list | tuple):
        if len(place) >= MOST_LEVELS:
            yield Excess(place, value, f"must have at most {MOST_LEVELS} levels of nesting")
            return
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from excesses(item, (*place, key))
    # The comparison is false for what is not a number, too.
    elif isinstance(value, int | float) and not -MOST_EXACT <= value <= MOST_EXACT:
        yield Excess(place, value, f"must be a number from {plain(-MOST_EXACT)} to {plain(MOST_EXACT)}")


def _fits(values: Iterable[JsonValue], levels: int) -> bool:
    """Return whether `excesses` has nothing to say of values with so many levels around them, in less time."""
    for value in values:
        if isinstance(value, str | None):
            continue
        if isinstance(value, dict | list):
            if levels >= MOST_LEVELS or not _fits(value.values() if isinstance(value, dict) else value, levels + 1):
                return False
        elif not -MOST_EXACT <= value <= MOST_EXACT:
            return False
    return True


def _bounded(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if _fits(value.values(), 1):
        return value
    found = [
        InitErrorDetails(type=PydanticCustomError(OUT_OF_RANGE, one.message), loc=one.place, input=one.found)
        for one in excesses(value)
    ]
    raise ValidationError.from_exception_data("FreeJson", found)


FreeJson = Annotated[dict[str, JsonValue], AfterValidator(_bounded)]
"""Keys and values of a config or a check: no number, however deep, is beyond what a double holds exactly."""

FREE_JSON_SCHEMA: Final[dict[str, Any]] = {
    "description": f"any JSON of at most {MOST_LEVELS} levels; the bounds are those of each number in it",
    "minimum": -MOST_EXACT,
    "maximum": MOST_EXACT,
    "items": {"$ref": "#/$defs/JsonValue"},
    "additionalProperties": {"$ref": "#/$defs/JsonValue"},
}
"""JSON Schema of a value in FreeJson; pydantic's own allows everything."""

MOST_DIGITS: Final = 400
"""Digits that are kept of a whole number that is longer than Python reads: more than any bound has."""


def parse_json(text: str | bytes) -> Any:
    """Return what a JSON text says. A whole number of thousands of digits is cut to 400: still beyond every bound.

    NaN and Infinity are let through, for the types to refuse with their key. Raises json.JSONDecodeError (and for bytes
    UnicodeDecodeError), and RecursionError for one that is nested too deeply.
    """
    try:
        return json.loads(text)
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise
    except ValueError:
        # Python reads no more than some thousand digits.
        return json.loads(text, parse_int=lambda digits: int(digits[:MOST_DIGITS]))


def validate_json(adapter: TypeAdapter[Read], text: str | bytes) -> Read:
    """Return a JSON text as the adapter's type; a number that is too long to be read is refused under its key as well.

    Raises pydantic's ValidationError.
    """
    try:
        return adapter.validate_json(text)
    except ValidationError as error:
        if error.errors(include_url=False, include_context=False)[0]["type"] != "json_invalid":
            raise
        try:
            readable = json.dumps(parse_json(text))
        except (ValueError, RecursionError):
            raise error from None
        return adapter.validate_json(readable)
