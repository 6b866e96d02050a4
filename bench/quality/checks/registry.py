"""Every check that a rubric can name, and the grading of one answer by its prompt's facets.

Answers are untrusted text: they are searched and counted, never run. Evidence quotes them in one short line, without
control characters, and is not escaped: whoever shows it does that.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from bench.config.source import suggestion
from bench.quality.checks import parameters as must_be
from bench.quality.checks import wording
from bench.quality.checks.evidence import CheckedAnswer, CheckFunction, Evidence, unscored
from bench.quality.checks.faithful import covers, faithful, source_mistake
from bench.quality.checks.json_values import json_field_equals, json_schema, valid_json
from bench.quality.checks.language import language
from bench.quality.checks.parameters import value_mistakes
from bench.quality.checks.safe_regex import TIME_LIMIT_S, TooSlow
from bench.quality.checks.tokenise import one_line
from bench.schema.prompts import FacetRecord, PromptRecord
from bench.schema.result import FacetGrade

EVIDENCE_LENGTH = 120
"""Characters that a piece of evidence has at most."""

JUDGED: Final = "judged"
"""The check that leaves a facet to judges and people."""

Test = Callable[[object], str | None]


@dataclass(frozen=True)
class Check:
    """A test of an answer, and the parameters that it takes, each with the test of its value.

    `function` takes the answer and parameters in which `parameter_mistakes` finds nothing. `says` is a sentence for
    a person who writes a rubric. One of `limits` is needed at least, where there are any.
    """

    function: CheckFunction
    says: str
    required: Mapping[str, Test] = field(default_factory=dict)
    optional: Mapping[str, Test] = field(default_factory=dict)
    limits: Mapping[str, Test] = field(default_factory=dict)

    @property
    def parameters(self) -> dict[str, Test]:
        """Every parameter with the test of its value."""
        return {**self.required, **self.optional, **self.limits}


_VALUES: dict[str, Test] = {"values": must_be.values_mistake}
_LIMITS: dict[str, Test] = {"min": must_be.count_mistake, "max": must_be.count_mistake}
_CASE: dict[str, Test] = {"match_case": must_be.flag_mistake}
_NEGATE: dict[str, Test] = {"negate": must_be.flag_mistake}
_ANYWHERE: dict[str, Test] = {"anywhere": must_be.flag_mistake}

CHECKS: dict[str, Check] = {
    "contains_any": Check(wording.contains_any, "has at least one of the values", _VALUES, _CASE),
    "contains_all": Check(wording.contains_all, "has every one of the values", _VALUES, _CASE | _NEGATE),
    "contains_none": Check(wording.contains_none, "has none of the values", _VALUES, _CASE),
    "covers": Check(covers, "says so many of the facts: credit is their share", {"facts": must_be.facts_mistake}),
    "equals": Check(wording.equals, "is one of the values", _VALUES, {"normalise": must_be.flag_mistake} | _NEGATE),
    "starts_with": Check(wording.starts_with, "begins with one of the values", _VALUES, _CASE | _NEGATE),
    "ends_with": Check(wording.ends_with, "ends with one of the values", _VALUES, _CASE | _NEGATE),
    "regex": Check(
        wording.regex, "the Python regular expression is found", {"pattern": must_be.pattern_mistake}, _NEGATE
    ),
    "word_count": Check(wording.word_count, "has at least min and at most max words", limits=_LIMITS),
    "sentence_count": Check(wording.sentence_count, "has at least min and at most max sentences", limits=_LIMITS),
    "list_length": Check(wording.list_length, "has a list of at least min and at most max items", limits=_LIMITS),
    "number_equals": Check(
        wording.number_equals,
        "the last number is the value, within tolerance",
        {"value": must_be.number_mistake},
        {"tolerance": must_be.tolerance_mistake},
    ),
    "valid_json": Check(
        valid_json,
        "is a JSON object or list; with keys, an object that has them",
        optional={"keys": must_be.values_mistake} | _ANYWHERE | _NEGATE,
    ),
    "json_schema": Check(json_schema, "is JSON that follows the schema", {"schema": must_be.schema_mistake}, _ANYWHERE),
    "json_field_equals": Check(
        json_field_equals,
        "is JSON with one of the values at the path",
        {"path": must_be.path_mistake, "values": must_be.accepted_mistake},
        _ANYWHERE,
    ),
    "faithful": Check(
        faithful,
        "every number, date and name in it is in its source",
        optional={
            "source": must_be.text_mistake,
            "after": must_be.text_mistake,
            "allow": must_be.values_mistake,
            "kinds": must_be.kinds_mistake,
        },
    ),
    "no_repetition": Check(wording.no_repetition, "does not repeat itself", optional={"most": must_be.share_mistake}),
    "language": Check(language, "is written in the language", {"is": must_be.language_mistake}),
    JUDGED: Check(wording.judged, "a program cannot tell: left to a judge or a person"),
}
"""Every check, by the name that a rubric uses."""


def parameter_mistakes(check: str, parameters: Mapping[str, object], prompt: str | None = None) -> list[str]:
    """Return what is wrong with the parameters of a check, one sentence each; empty where nothing is.

    An unknown check is the only mistake then. `prompt` is the text of the prompt, for the checks that read it.
    """
    if check not in CHECKS:
        return [f"unknown check {check!r}; known: {', '.join(CHECKS)}{suggestion(check, list(CHECKS))}"]
    chosen, known = CHECKS[check], CHECKS[check].parameters
    mistakes = [f"needs {name!r}" for name in sorted(chosen.required.keys() - parameters.keys())]
    if chosen.limits and not chosen.limits.keys() & parameters.keys():
        mistakes.append(f"needs {' or '.join(map(repr, sorted(chosen.limits, reverse=True)))}")
    takes = f"it takes {', '.join(sorted(known))}" if known else "it takes none"
    mistakes.extend(
        f"does not take {name!r}; {takes}{suggestion(name, sorted(known))}" for name in parameters if name not in known
    )
    wrong = value_mistakes({name: value for name, value in parameters.items() if name in known}, known)
    mistakes.extend(wrong)
    least, most = parameters.get("min"), parameters.get("max")
    if not wrong and isinstance(least, int) and isinstance(most, int) and least > most:
        mistakes.append(f"min is above max ({least} > {most})")
    if not mistakes and check == "faithful" and prompt is not None:
        mistakes.extend(filter(None, [source_mistake(prompt, parameters)]))
    return mistakes


def grade_answer(prompt: PromptRecord, answer: str) -> tuple[FacetGrade, ...]:
    """Return the grade of an answer for each facet of its prompt, in the order of the facets.

    Credit is from 0 to 1, or None where it is not known: the check is unknown, its parameters are wrong, its pattern
    takes too long, the answer is too short for it, or it is left to a judge. An empty answer meets nothing else.
    """
    asked = asked_text(prompt)
    return tuple(_graded(facet, CheckedAnswer(answer, asked)) for facet in prompt.facets)


def asked_text(prompt: PromptRecord) -> str:
    """Return the text of a prompt as checks read it: a conversation has an empty line first, so that all is source."""
    texts = [message.text for message in prompt.messages]
    return prompt.text if len(texts) == 1 else "\n\n".join(["", *texts])


def _graded(facet: FacetRecord, answer: CheckedAnswer) -> FacetGrade:
    evidence = _evidence(facet, answer)
    return FacetGrade(facet=facet.id, credit=evidence.credit, why=one_line(evidence.why, EVIDENCE_LENGTH))


def _evidence(facet: FacetRecord, answer: CheckedAnswer) -> Evidence:
    mistakes = parameter_mistakes(facet.check, facet.parameters, answer.prompt)
    if mistakes:
        return unscored(f"not evaluated: {mistakes[0]}")
    if not answer.text.strip() and facet.check != JUDGED:
        return Evidence(0.0, "the answer is empty")
    try:
        evidence = CHECKS[facet.check].function(answer, facet.parameters)
    except TooSlow:
        return unscored(f"not evaluated: the pattern took longer than {TIME_LIMIT_S:g} s")
    if facet.parameters.get("negate", False) and evidence.credit is not None:
        failed = evidence.credit > 0
        return Evidence(1 - evidence.credit, f"{evidence.why}; wanted the opposite" if failed else evidence.why)
    return evidence
