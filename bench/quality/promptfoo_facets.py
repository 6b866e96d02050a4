"""Assertions and variables of a promptfoo file: what each becomes here."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from bench.quality.checks import parameter_mistakes
from bench.quality.reading import one_line
from bench.source import shown

SAYS_LENGTH = 160
"""Characters of the sentence that tells what a facet asks."""

NAMES_A_FILE = ("file://", "exec:", "package:", "langfuse://", "portkey://", "helicone://")
"""How a value begins that stands for the content of something else."""

_VARIABLE = re.compile(r"\{\{-?\s*([A-Za-z_][\w.]*)\s*-?\}\}")
_ANY_TEMPLATE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)


class NotUnderstood(Exception):
    """Something in the file that has no counterpart here, with the reason."""


@dataclass(frozen=True)
class _Kind:
    """What an assertion of promptfoo becomes: a check, with how it takes the value, and a sentence for a person."""

    check: str
    takes: str
    says: str
    parameters: Mapping[str, Any]


_EXACT: Final = {"match_case": True}
_NEGATED: Final = {"negate": True}

ASSERTIONS: dict[str, _Kind] = {
    "equals": _Kind("equals", "one", "It is exactly {}.", {"normalise": False}),
    "not-equals": _Kind("equals", "one", "It is not {}.", {"normalise": False} | _NEGATED),
    "contains": _Kind("contains_all", "one", "It has {}.", _EXACT),
    "icontains": _Kind("contains_all", "one", "It has {}.", {}),
    "contains-all": _Kind("contains_all", "list", "It has all of {}.", _EXACT),
    "icontains-all": _Kind("contains_all", "list", "It has all of {}.", {}),
    "contains-any": _Kind("contains_any", "list", "It has one of {}.", _EXACT),
    "icontains-any": _Kind("contains_any", "list", "It has one of {}.", {}),
    "not-contains": _Kind("contains_none", "one", "It has no {}.", _EXACT),
    "not-icontains": _Kind("contains_none", "one", "It has no {}.", {}),
    "not-contains-any": _Kind("contains_none", "list", "It has none of {}.", _EXACT),
    "not-icontains-any": _Kind("contains_none", "list", "It has none of {}.", {}),
    "not-contains-all": _Kind("contains_all", "list", "It has not all of {}.", _EXACT | _NEGATED),
    "not-icontains-all": _Kind("contains_all", "list", "It has not all of {}.", _NEGATED),
    "starts-with": _Kind("starts_with", "one", "It begins with {}.", _EXACT),
    "not-starts-with": _Kind("starts_with", "one", "It does not begin with {}.", _EXACT | _NEGATED),
    "regex": _Kind("regex", "pattern", "It matches {}.", {}),
    "not-regex": _Kind("regex", "pattern", "It does not match {}.", _NEGATED),
    "is-json": _Kind("valid_json", "schema", "It is JSON.", {}),
    "contains-json": _Kind("valid_json", "schema", "It has JSON in it.", {"anywhere": True}),
    "not-is-json": _Kind("valid_json", "none", "It is no JSON.", _NEGATED),
    "not-contains-json": _Kind("valid_json", "none", "It has no JSON in it.", {"anywhere": True} | _NEGATED),
    "word-count": _Kind("word_count", "count", "It has {} words.", {}),
    "llm-rubric": _Kind("judged", "says", "{}", {}),
    "model-graded-closedqa": _Kind("judged", "says", "{}", {}),
    "g-eval": _Kind("judged", "says", "{}", {}),
}
"""Every type of assertion that is understood."""


def facet_of(one: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    """Return an assertion as a facet with its variables filled in. Raises NotUnderstood."""
    kind, name = ASSERTIONS[one["type"]], one["type"]
    value = _filled(one.get("value"), values)
    check = "json_schema" if kind.takes == "schema" and value is not None else kind.check
    parameters = {**_taken(kind.takes, name, value), **kind.parameters}
    weight = one.get("weight", 1)
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not weight > 0:
        raise NotUnderstood(f"a weight of {shown(weight)} counts for nothing")
    if mistakes := parameter_mistakes(check, parameters):
        raise NotUnderstood(f"{name}: {mistakes[0]}")
    says = str(one.get("metric") or kind.says.format(_told(parameters, value)))
    facet = {"id": name, "says": one_line(says, SAYS_LENGTH), "check": check, **parameters}
    return facet if weight == 1 else facet | {"weight": float(weight)}


def _taken(takes: str, name: str, value: Any) -> dict[str, Any]:
    """Return the parameters that the value of an assertion gives."""
    if takes in ("one", "says") and (value is None or isinstance(value, dict | list) or not text_of(value).strip()):
        raise NotUnderstood(f"{name} needs a text, found {shown(value)}")
    if takes == "one":
        return {"values": [text_of(value)]}
    if takes == "list":
        listed = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else []
        return {"values": [text_of(each).strip() for each in listed]}
    if takes == "count":
        return dict(value) if isinstance(value, dict) else {"min": value, "max": value}
    if takes == "pattern":
        return {"pattern": value}
    return {"schema": value} if takes == "schema" and value is not None else {}


def _told(parameters: Mapping[str, Any], value: Any) -> str:
    if "values" in parameters:
        return ", ".join(f"'{each}'" for each in parameters["values"])
    limits = dict.fromkeys(str(parameters[name]) for name in ("min", "max") if name in parameters)
    return " to ".join(limits) if limits else text_of(value)


def rendered(template: str, values: Mapping[str, str]) -> str:
    """Return a template with its variables filled in. Raises NotUnderstood for anything but {{variable}}."""

    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise NotUnderstood(f"{{{{{match[1]}}}}} has no value among vars")
        if values[match[1]].startswith(NAMES_A_FILE):
            raise NotUnderstood(f"{match[1]} names a file: {shown(values[match[1]])}; put its text here")
        return values[match[1]]

    for match in _ANY_TEMPLATE.finditer(template):
        if not _VARIABLE.fullmatch(match[0]):
            raise NotUnderstood(f"{shown(match[0])} is more than a variable")
    return _VARIABLE.sub(value, template)


def text_of(value: object) -> str:
    """Return the value of a variable as it stands in a text: lists and objects as JSON."""
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, dict | list | bool) else str(value)


def _filled(value: Any, values: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        if value.startswith(NAMES_A_FILE):
            raise NotUnderstood(f"{shown(value)} names a file; put its text here")
        return rendered(value, values)
    if isinstance(value, list):
        return [_filled(each, values) for each in value]
    return value
