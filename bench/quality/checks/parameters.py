"""What the parameters of a check must be, with the rest of a sentence for each mistake."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from bench.quality.checks.language import LANGUAGES

SHOWN_LENGTH = 60
"""Characters of a wrong value that a message shows."""

KINDS = ("numbers", "dates", "names")
"""What the check `faithful` compares."""

_PATH = re.compile(r"(?:[^.\[\]\s][^.\[\]]*|\[\d+\])(?:\.[^.\[\]]+|\[\d+\])*")


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


def text_mistake(value: object) -> str | None:
    """Return what is wrong with a text, or None."""
    if not isinstance(value, str) or not value.strip():
        return f"must be a text, found {shown(value)}"
    return None


def flag_mistake(value: object) -> str | None:
    """Return what is wrong with true or false, or None."""
    return None if isinstance(value, bool) else f"must be true or false, found {shown(value)}"


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


def count_mistake(value: object) -> str | None:
    """Return what is wrong with a whole number from 0, or None."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        return f"must be a whole number from 0, found {shown(value)}"
    return None


def number_mistake(value: object) -> str | None:
    """Return what is wrong with a number, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return f"must be a number, found {shown(value)}"
    return None


def tolerance_mistake(value: object) -> str | None:
    """Return what is wrong with a number from 0, or None."""
    if number_mistake(value) or not isinstance(value, int | float) or value < 0:
        return f"must be a number from 0, found {shown(value)}"
    return None


def share_mistake(value: object) -> str | None:
    """Return what is wrong with a share from 0 to 1, or None."""
    if number_mistake(value) or not isinstance(value, int | float) or not 0 <= value <= 1:
        return f"must be a number from 0 to 1, found {shown(value)}"
    return None


def language_mistake(value: object) -> str | None:
    """Return what is wrong with the code of a language that can be told, or None."""
    if not isinstance(value, str) or value not in LANGUAGES:
        return f"must be one of {', '.join(LANGUAGES)}, found {shown(value)}"
    return None


def kinds_mistake(value: object) -> str | None:
    """Return what is wrong with a list of what `faithful` compares, or None."""
    if not isinstance(value, list | tuple) or not value or any(item not in KINDS for item in value):
        return f"must be a list of some of {', '.join(KINDS)}, found {shown(value)}"
    return None


def path_mistake(value: object) -> str | None:
    """Return what is wrong with the path of a field in a JSON document, or None."""
    if not isinstance(value, str) or not _PATH.fullmatch(value):
        return f"must be the path of a field, such as owner.name or items[0].price, found {shown(value)}"
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


def shown(value: object) -> str:
    """Return a value as JSON where it can be, cut to SHOWN_LENGTH characters."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= SHOWN_LENGTH else text[: SHOWN_LENGTH - 1] + "\u2026"


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
