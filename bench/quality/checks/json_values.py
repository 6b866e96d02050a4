"""Checks of answers in JSON: is it JSON, does it follow a schema, has it a value in a field."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, NoReturn

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.exceptions import best_match
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable

from bench.errors import shown
from bench.quality.checks.evidence import CheckedAnswer, CheckParameters, Evidence, quoted, unscored, verdict
from bench.quality.checks.safe_regex import search
from bench.quality.checks.tokenise import plain, unfenced

OPENINGS_TRIED = 200
"""Brackets at which `anywhere` looks for JSON in a longer answer."""

_STEP = re.compile(r"\[(\d+)\]|([^.\[\]]+)")


class NotJson(Exception):
    """An answer is no JSON document, with the reason as a clause."""


def valid_json(answer: CheckedAnswer, parameters: CheckParameters) -> Evidence:
    """Pass an answer that is a JSON object or list, alone or in a code fence; with `keys`, an object that has them.

    With `anywhere` it may stand in a longer answer.
    """
    try:
        document = _document(answer.text, parameters)
    except NotJson as reason:
        return verdict(False, str(reason))
    if not isinstance(document, dict | list):
        return verdict(False, "a single JSON value, neither object nor list")
    return _has_keys(document, parameters.get("keys", ()))


def json_schema(answer: CheckedAnswer, parameters: CheckParameters) -> Evidence:
    """Pass an answer that is JSON, alone or in a code fence, and follows the JSON Schema `schema` (draft 2020-12)."""
    try:
        document = _document(answer.text, parameters)
    except NotJson as reason:
        return verdict(False, str(reason))
    try:
        # Without an empty registry the library would fetch what a reference names.
        validator = _Validator(parameters["schema"], registry=Registry())
        error = best_match(validator.iter_errors(document))
    except Unresolvable as wrong:
        return unscored(f"not evaluated: the schema refers to {wrong.ref}, which it does not have")
    except RecursionError:
        return verdict(False, "JSON that is nested too deeply for the schema")
    return verdict(error is None, "follows the schema" if error is None else f"{error.json_path}: {error.message}")


def json_field_equals(answer: CheckedAnswer, parameters: CheckParameters) -> Evidence:
    """Pass an answer whose JSON has, at `path`, one of `values`.

    Texts are compared without regard to case, quotes and spacing, and 2 equals 2.0; a text never equals a number.
    """
    path: str = parameters["path"]
    try:
        document = _document(answer.text, parameters)
    except NotJson as reason:
        return verdict(False, str(reason))
    for index, name in _STEP.findall(path):
        if name and isinstance(document, dict) and name in document:
            document = document[name]
        elif index and isinstance(document, list) and int(index) < len(document):
            document = document[int(index)]
        else:
            return verdict(False, f"is JSON, but has no {path}")
    if any(_same(document, value) for value in parameters["values"]):
        return verdict(True, f"{path} is {shown(document)}")
    return verdict(False, f"{path} is {shown(document)}; wanted {' or '.join(map(shown, parameters['values']))}")


def _document(text: str, parameters: CheckParameters) -> Any:
    """Return the answer as JSON. Raises NotJson."""
    try:
        return json.loads(unfenced(text), parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        if parameters.get("anywhere", False):
            return _within(text)
        raise NotJson(f"not JSON: {error.msg} at character {error.pos + 1}") from error
    except ValueError as error:
        raise NotJson(f"not JSON: {error}") from error
    except RecursionError as error:
        raise NotJson("not JSON that can be read: nested too deeply") from error


def _within(text: str) -> Any:
    decoder = json.JSONDecoder(parse_constant=_refuse_constant)
    openings = [match.start() for match in re.finditer(r"[{\[]", text)]
    for start in openings[:OPENINGS_TRIED]:
        try:
            return decoder.raw_decode(text, start)[0]
        except (ValueError, RecursionError):
            continue
    raise NotJson("has no JSON object or list in it")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _has_keys(document: dict[str, Any] | list[Any], keys: Sequence[str]) -> Evidence:
    if not keys:
        return verdict(True, "is JSON")
    if isinstance(document, list):
        return verdict(False, "a JSON list, which has no keys")
    missing = [key for key in keys if key not in document]
    if missing:
        return verdict(False, f"is JSON, but lacks {quoted(missing)}")
    return verdict(True, f"is JSON with {quoted(keys)}")


def _same(found: Any, wanted: Any) -> bool:
    if isinstance(found, str) and isinstance(wanted, str):
        return plain(found) == plain(wanted)
    if isinstance(found, bool) or isinstance(wanted, bool):
        return found is wanted
    if isinstance(found, list) and isinstance(wanted, list | tuple):
        return len(found) == len(wanted) and all(map(_same, found, wanted))
    if isinstance(found, dict) and isinstance(wanted, dict):
        return found.keys() == wanted.keys() and all(_same(found[key], wanted[key]) for key in found)
    return bool(found == wanted)


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and search(pattern, instance) is None:
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


_Validator: Final = extend(Draft202012Validator, {"pattern": _pattern})
"""The library's validator, but no pattern in a schema can go on searching for ever."""
