"""What the parameters of a check must be, with the rest of a sentence for each mistake."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from bench.errors import shown
from bench.quality.checks.language import LANGUAGES

KINDS = ("numbers", "dates", "names")
"""What the check `faithful` compares."""

_PATH = re.compile(r"(?:[^.\[\]\s][^.\[\]]*|\[\d+\])(?:\.[^.\[\]]+|\[\d+\])*")


def _must_be(what: str, holds: Callable[[Any], bool]) -> Callable[[object], str | None]:
    """Return what says that a value must be something, or None where it is."""
    return lambda value: None if holds(value) else f"must be {what}, found {shown(value)}"


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


text_mistake = _must_be("a text", lambda value: isinstance(value, str) and bool(value.strip()))
flag_mistake = _must_be("true or false", lambda value: isinstance(value, bool))
count_mistake = _must_be("a whole number from 0", _is_count)
number_mistake = _must_be("a number", _is_number)
tolerance_mistake = _must_be("a number from 0", lambda value: _is_number(value) and value >= 0)
share_mistake = _must_be("a number from 0 to 1", lambda value: _is_number(value) and 0 <= value <= 1)
language_mistake = _must_be(
    f"one of {', '.join(LANGUAGES)}", lambda value: isinstance(value, str) and value in LANGUAGES
)
kinds_mistake = _must_be(
    f"a list of some of {', '.join(KINDS)}",
    lambda value: isinstance(value, list | tuple) and bool(value) and all(item in KINDS for item in value),
)
path_mistake = _must_be(
    "the path of a field, such as owner.name or items[0].price",
    lambda value: isinstance(value, str) and _PATH.fullmatch(value) is not None,
)


def values_mistake(value: object) -> str | None:
    """Return what is wrong with a list of at least one text, or None."""
    if not isinstance(value, list | tuple) or not value:
        return f"must be a list of at least one text, found {shown(value)}"
    for item in value:
        if not isinstance(item, str):
            return f"must be a list of texts, found {shown(item)} in it; put it in quotes"
        if not item.strip():
            return "holds an empty text, which every answer has; take it out"
    return None


def facts_mistake(value: object) -> str | None:
    """Return what is wrong with a list of facts, each a text or a list of texts that say the same, or None."""
    if not isinstance(value, list | tuple) or not value:
        return f"must be a list of at least one fact, found {shown(value)}"
    for fact in value:
        mistake = values_mistake([fact] if isinstance(fact, str) else fact)
        if mistake:
            return f"has a fact that {mistake}" if mistake.startswith("must") else mistake
    return None


def pattern_mistake(value: object) -> str | None:
    """Return what is wrong with a regular expression, or None."""
    if not isinstance(value, str) or not value:
        return f"must be a text, found {shown(value)}"
    try:
        re.compile(value)
    except re.error as error:
        return f"is not a regular expression: {error}"
    except (OverflowError, RecursionError):
        return "is not a regular expression: too large"
    return None


def accepted_mistake(value: object) -> str | None:
    """Return what is wrong with a list of at least one JSON value, or None."""
    if not isinstance(value, list | tuple) or not value:
        return f"must be a list of at least one value, found {shown(value)}"
    return _no_json(value)


def schema_mistake(value: object) -> str | None:
    """Return what is wrong with a JSON Schema, or None.

    References that lead out of the schema are mistakes (they would be fetched), and so is `patternProperties`, whose
    patterns have no time limit.
    """
    if not isinstance(value, dict):
        return f"must be a JSON Schema, found {shown(value)}"
    try:
        mistake = _no_json(value) or _unfit(value)
        if mistake is None:
            Draft202012Validator.check_schema(value)
    except SchemaError as error:
        return f"is not a JSON Schema: {error.json_path}: {error.message}"
    except RecursionError:
        return "is not a JSON Schema: nested too deeply"
    return mistake


def value_mistakes(parameters: Mapping[str, Any], tests: Mapping[str, Any]) -> list[str]:
    """Return the mistakes in the values of parameters by the test of each, in the order in which they are given."""
    mistakes = []
    for name, value in parameters.items():
        mistake = tests[name](value)
        if mistake:
            mistakes.append(f"{name!r} {mistake}")
    return mistakes


def _no_json(value: object) -> str | None:
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                return f"has the key {shown(key)}, which is no text; put it in quotes"
            if found := _no_json(item):
                return found
    elif isinstance(value, list | tuple):
        for item in value:
            if found := _no_json(item):
                return found
    elif isinstance(value, float) and not math.isfinite(value):
        return f"holds {value}, which JSON has not"
    elif value is not None and not isinstance(value, str | bool | int | float):
        return f"holds {shown(value)}, which is no JSON value; put it in quotes"
    return None


def _unfit(schema: object) -> str | None:
    if isinstance(schema, dict):
        for key in ("$ref", "$dynamicRef"):
            if isinstance(schema.get(key), str) and not schema[key].startswith("#"):
                return f"refers to {shown(schema[key])}; a reference must begin with # and stay within the schema"
        if isinstance(schema.get("pattern"), str) and (wrong := pattern_mistake(schema["pattern"])):
            return f"has a pattern that {wrong}"
        if "patternProperties" in schema:
            return "has patternProperties, which is not supported; name the properties"
        parts = list(schema.values())
    elif isinstance(schema, list | tuple):
        parts = list(schema)
    else:
        return None
    return next((found for part in parts if (found := _unfit(part))), None)
