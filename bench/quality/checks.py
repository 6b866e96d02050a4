"""The checks that a program can make of an answer, and the grading of one answer by its prompt's facets.

Answers are untrusted text: they are searched and counted, never run. Evidence quotes them in one short line, without
control characters, and is not escaped: whoever shows it does that.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NoReturn

from bench.quality.parameters import value_mistakes
from bench.quality.reading import list_items, numbers, one_line, plain, sentences, unfenced
from bench.results.schema import FacetGrade
from bench.rubric import FacetRecord, PromptRecord
from bench.source import suggestion

EVIDENCE_LENGTH = 120
"""Characters that a piece of evidence has at most."""


@dataclass(frozen=True)
class Evidence:
    """Whether an answer passed a check, and what shows it."""

    passed: bool
    why: str


@dataclass(frozen=True)
class Check:
    """A test of an answer, and the parameters that it takes.

    `function` takes the answer and parameters in which `parameter_mistakes` finds nothing. `says` is a sentence for
    a person who writes a rubric.
    """

    function: Callable[[str, Mapping[str, Any]], Evidence]
    required: frozenset[str]
    optional: frozenset[str]
    says: str


def contains_any(text: str, parameters: Mapping[str, Any]) -> Evidence:
    """Pass an answer that has at least one of `values`."""
    found = _found(text, parameters["values"])
    if found:
        return Evidence(True, f"has {_quoted(found)}")
    return Evidence(False, f"has none of {_quoted(parameters['values'])}")


def contains_all(text: str, parameters: Mapping[str, Any]) -> Evidence:
    """Pass an answer that has every one of `values`."""
    found = _found(text, parameters["values"])
    missing = [value for value in parameters["values"] if value not in found]
    if missing:
        return Evidence(False, f"lacks {_quoted(missing)}")
    return Evidence(True, f"has {_quoted(found)}")


def contains_none(text: str, parameters: Mapping[str, Any]) -> Evidence:
    """Pass an answer that has none of `values`."""
    found = _found(text, parameters["values"])
    if found:
        return Evidence(False, f"has {_quoted(found)}")
    return Evidence(True, f"has none of {_quoted(parameters['values'])}")


def regex(text: str, parameters: Mapping[str, Any]) -> Evidence:
    """Pass an answer in which `pattern` is found, in the answer as it is."""
    match = re.search(parameters["pattern"], text)
    if match:
        return Evidence(True, f"matches at '{match[0]}'")
    return Evidence(False, f"no match for {parameters['pattern']}")


def sentence_count(text: str, parameters: Mapping[str, Any]) -> Evidence:
    """Pass an answer that has from `min` to `max` sentences."""
    return _counted(len(sentences(text)), "sentence", parameters)


def list_length(text: str, parameters: Mapping[str, Any]) -> Evidence:
    """Pass an answer whose list has from `min` to `max` items."""
    return _counted(len(list_items(text)), "list item", parameters)


def valid_json(text: str, parameters: Mapping[str, Any]) -> Evidence:
    """Pass an answer that is a JSON object or list, alone or in a code fence; with `keys`, an object that has them."""
    try:
        document = json.loads(unfenced(text), parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        return Evidence(False, f"not JSON: {error.msg} at character {error.pos + 1}")
    except ValueError as error:
        return Evidence(False, f"not JSON: {error}")
    except RecursionError:
        return Evidence(False, "not JSON that can be read: nested too deeply")
    if not isinstance(document, dict | list):
        return Evidence(False, "a single JSON value, neither object nor list")
    return _has_keys(document, parameters.get("keys", ()))


def number_equals(text: str, parameters: Mapping[str, Any]) -> Evidence:
    """Pass an answer whose last number is `value`, or at most `tolerance` away from it."""
    wanted = Decimal(str(parameters["value"]))
    tolerance = Decimal(str(parameters.get("tolerance", 0)))
    found = numbers(text)
    goal = f"{wanted:f}" + (f" \u00b1 {tolerance:f}" if tolerance else "")
    if not found:
        return Evidence(False, f"no number; wanted {goal}")
    return Evidence(abs(found[-1] - wanted) <= tolerance, f"last number is {found[-1]:f}; wanted {goal}")


_VALUES = frozenset({"values"})
_LIMITS = frozenset({"min", "max"})
_NONE: frozenset[str] = frozenset()

CHECKS: dict[str, Check] = {
    "contains_any": Check(
        contains_any, _VALUES, _NONE, "has at least one of the values; case, quotes and spacing do not matter"
    ),
    "contains_all": Check(
        contains_all, _VALUES, _NONE, "has every one of the values; case, quotes and spacing do not matter"
    ),
    "contains_none": Check(
        contains_none, _VALUES, _NONE, "has none of the values; case, quotes and spacing do not matter"
    ),
    "regex": Check(
        regex, frozenset({"pattern"}), _NONE, "the Python regular expression is found; begin it with (?i) for any case"
    ),
    "sentence_count": Check(sentence_count, _NONE, _LIMITS, "has at least min and at most max sentences"),
    "list_length": Check(list_length, _NONE, _LIMITS, "has a list of at least min and at most max items, one a line"),
    "valid_json": Check(
        valid_json, _NONE, frozenset({"keys"}), "is a JSON object or list and nothing else; with keys, an object"
    ),
    "number_equals": Check(
        number_equals, frozenset({"value"}), frozenset({"tolerance"}), "the last number is the value, within tolerance"
    ),
}
"""Every check, by the name that a rubric uses."""


def parameter_mistakes(check: str, parameters: Mapping[str, object]) -> list[str]:
    """Return what is wrong with the parameters of a check, one sentence each; empty where nothing is.

    An unknown check is the only mistake then.
    """
    if check not in CHECKS:
        return [f"unknown check {check!r}; known: {', '.join(CHECKS)}{suggestion(check, list(CHECKS))}"]
    known = CHECKS[check].required | CHECKS[check].optional
    mistakes = [f"needs {name!r}" for name in sorted(CHECKS[check].required - parameters.keys())]
    if known == _LIMITS and not _LIMITS & parameters.keys():
        mistakes.append("needs 'min' or 'max'")
    mistakes.extend(
        f"does not take {name!r}; it takes {', '.join(sorted(known))}{suggestion(name, sorted(known))}"
        for name in parameters
        if name not in known
    )
    wrong = value_mistakes({name: value for name, value in parameters.items() if name in known})
    mistakes.extend(wrong)
    least, most = parameters.get("min"), parameters.get("max")
    if not wrong and isinstance(least, int) and isinstance(most, int) and least > most:
        mistakes.append(f"min is above max ({least} > {most})")
    return mistakes


def grade_answer(prompt: PromptRecord, text: str) -> tuple[FacetGrade, ...]:
    """Return the grade of an answer for each facet of its prompt, in the order of the facets.

    Credit is 1 or 0, or None where the check is unknown or its parameters are wrong. An empty answer meets nothing.
    """
    return tuple(_graded(facet, text) for facet in prompt.facets)


def _graded(facet: FacetRecord, text: str) -> FacetGrade:
    mistakes = parameter_mistakes(facet.check, facet.parameters)
    if mistakes:
        return FacetGrade(facet=facet.id, credit=None, why=one_line(f"not evaluated: {mistakes[0]}", EVIDENCE_LENGTH))
    if not text.strip():
        return FacetGrade(facet=facet.id, credit=0.0, why="the answer is empty")
    evidence = CHECKS[facet.check].function(text, facet.parameters)
    credit = 1.0 if evidence.passed else 0.0
    return FacetGrade(facet=facet.id, credit=credit, why=one_line(evidence.why, EVIDENCE_LENGTH))


def _has_keys(document: dict[str, Any] | list[Any], keys: Sequence[str]) -> Evidence:
    if not keys:
        return Evidence(True, "is JSON")
    if isinstance(document, list):
        return Evidence(False, "a JSON list, which has no keys")
    missing = [key for key in keys if key not in document]
    if missing:
        return Evidence(False, f"is JSON, but lacks {_quoted(missing)}")
    return Evidence(True, f"is JSON with {_quoted(keys)}")


def _found(text: str, values: Iterable[str]) -> list[str]:
    searched = plain(text)
    return [value for value in values if plain(value) in searched]


def _counted(count: int, noun: str, parameters: Mapping[str, Any]) -> Evidence:
    least, most = parameters.get("min", 0), parameters.get("max")
    passed = least <= count and (most is None or count <= most)
    if most is None:
        wanted = f"at least {least}"
    elif least == most:
        wanted = f"exactly {least}"
    elif "min" in parameters:
        wanted = f"{least} to {most}"
    else:
        wanted = f"at most {most}"
    return Evidence(passed, f"{count} {noun}{'' if count == 1 else 's'}; wanted {wanted}")


def _quoted(values: Iterable[str]) -> str:
    return ", ".join(f"'{value}'" for value in values)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
