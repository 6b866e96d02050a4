"""What the parameters of a check must be, with a sentence for each mistake."""

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

SHOWN_LENGTH = 60
"""Characters of a wrong value that a message shows."""


def values_mistake(value: object) -> str | None:
    """Return what is wrong with a list of at least one text, or None."""
    if not isinstance(value, list | tuple) or not value:
        return f"must be a list of at least one text, found {_shown(value)}"
    for item in value:
        if not isinstance(item, str):
            return f"must be a list of texts, found {_shown(item)} in it; put it in quotes"
        if not item.strip():
            return "holds an empty text, which every answer has; take it out"
    return None


def pattern_mistake(value: object) -> str | None:
    """Return what is wrong with a regular expression, or None."""
    if not isinstance(value, str) or not value:
        return f"must be a text, found {_shown(value)}"
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
        return f"must be a whole number from 0, found {_shown(value)}"
    return None


def number_mistake(value: object) -> str | None:
    """Return what is wrong with a number, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return f"must be a number, found {_shown(value)}"
    return None


def tolerance_mistake(value: object) -> str | None:
    """Return what is wrong with a number from 0, or None."""
    if number_mistake(value) or not isinstance(value, int | float) or value < 0:
        return f"must be a number from 0, found {_shown(value)}"
    return None


PARAMETERS: dict[str, Callable[[object], str | None]] = {
    "values": values_mistake,
    "pattern": pattern_mistake,
    "min": count_mistake,
    "max": count_mistake,
    "keys": values_mistake,
    "value": number_mistake,
    "tolerance": tolerance_mistake,
}
"""Every parameter that a check can have, with the test of its value."""


def value_mistakes(parameters: Mapping[str, Any]) -> list[str]:
    """Return the mistakes in the values of known parameters, in the order in which they are given."""
    mistakes = []
    for name, value in parameters.items():
        mistake = PARAMETERS[name](value) if name in PARAMETERS else None
        if mistake:
            mistakes.append(f"{name!r} {mistake}")
    return mistakes


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= SHOWN_LENGTH else text[: SHOWN_LENGTH - 1] + "\u2026"
