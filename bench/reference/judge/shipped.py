"""The prompts of the shipped sets as tasks of the judge, with a reason for each kind of facet."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from bench.quality.covers import covers
from bench.quality.evidence import Answer
from bench.quality.prompt_set import load_prompt_set
from bench.quality.reading import words
from bench.reference.judge import reasons as because
from bench.reference.judge.reasons import Reason, marked
from bench.reference.judge.rubrics import Facet, Graded, Task
from bench.rubric import FacetRecord, PromptRecord

SETS: Final = ("default", "workshop", "smoke", "extraction", "json", "safety", "summarisation")
ANSWERS: Final = Path(__file__).parent / "answers.yaml"
SAID_WORDS = 3


@dataclass(frozen=True)
class Shipped:
    """A prompt of a shipped set as a task whose answer is the first of those written for it; `facts` is what counts."""

    name: str
    task: Task
    written: tuple[str, ...]
    facts: tuple[str, ...]

    def grade(self, answer: str) -> tuple[Graded, ...]:
        """What the program says; a facet that is left to judges gets the mean of the others."""
        graded = self.task.grade(answer)
        told = [one.score for one in graded if one.told]
        mean = round(sum(told) / len(told)) if told else 3
        left = {facet.record.id for facet in self.task.facets if facet.record.check == "judged"}
        return tuple(Graded(one.facet, "as the others", mean, False) if one.facet in left else one for one in graded)


def load_shipped_prompts() -> tuple[Shipped, ...]:
    """Return every prompt of the shipped sets that has a rubric, in order."""
    written = yaml.safe_load(ANSWERS.read_text(encoding="utf-8"))
    prompts = {f"{name}/{prompt.id}": prompt for name in SETS for prompt in load_prompt_set(name).prompts}
    return tuple(_shipped(name, prompt, written[name]) for name, prompt in prompts.items() if prompt.facets)


def _shipped(name: str, prompt: PromptRecord, written: Sequence[str]) -> Shipped:
    facets = tuple(Facet(record, _reason(record, prompt.text)) for record in prompt.facets)
    facts = tuple(dict.fromkeys(fact for record in prompt.facets for fact in _facts(record)))
    return Shipped(name, Task("shipped", prompt.text, facets, written[0]), tuple(written), facts)


def _reason(record: FacetRecord, prompt: str) -> Reason:
    make = _REASONS.get(record.check)
    if make is not None:
        return make(record.parameters)
    if record.check == "faithful":
        return because.names_known(prompt)
    fixed = {"sentence_count": because.count_sentences, "list_length": because.count_items}
    return fixed.get(record.check) or because.either("as it should be", "not as it should be")


def _contains_all(parameters: Mapping[str, Any]) -> Reason:
    values = [str(value) for value in parameters["values"]]
    if parameters.get("negate"):
        return because.wants_none(values)
    return lambda answer, met: _wants([(value, met or _within(value, answer)) for value in values], met)


def _contains_any(parameters: Mapping[str, Any]) -> Reason:
    values = [str(value) for value in parameters["values"]]

    def reason(answer: str, met: bool) -> str:
        tried: list[str] = []
        for value in values:
            if met and _within(value, answer):
                return f"wants {' '.join([*tried, value])} (there)"
            tried.append(f"{value} no")
        return f"wants {' '.join(tried).removesuffix(' no')} (missing)"

    return reason if len(values) > 1 else because.wants(values[0])


def _covers(parameters: Mapping[str, Any]) -> Reason:
    facts = [[fact] if isinstance(fact, str) else list(fact) for fact in parameters["facts"]]
    grade = _covered(facts)
    return lambda answer, met: _wants([(fact[0], met or grade(fact, answer)) for fact in facts], met)


def _covered(facts: list[list[str]]) -> Callable[[list[str], str], bool]:
    return lambda fact, answer: covers(Answer(answer, ""), {"facts": [fact]}).credit == 1.0


def _regex(parameters: Mapping[str, Any]) -> Reason:
    pattern = str(parameters["pattern"])
    wanted = literals(pattern)
    if parameters.get("negate"):
        return because.either("says nothing of it (absent)", "says it (present)")
    if r"\A" in pattern and r"\Z" in pattern:
        return because.either("nothing else (there)", "more than that (missing)")
    if len(wanted) == 1 and because.DATE.fullmatch(wanted[0]):
        return because.wants(wanted[0])
    if len(wanted) > 1 and ".*" in pattern:
        return _on_a_line(wanted)

    def reason(answer: str, met: bool) -> str:
        found = re.search(pattern, answer) if met else None
        said = " ".join(found[0].split()[:SAID_WORDS]).lower() if found else ""
        return f"says {said} (there)" if said else "says it (there)" if met else "does not say it (missing)"

    return reason


def _on_a_line(wanted: Sequence[str]) -> Reason:
    def reason(answer: str, met: bool) -> str:
        lines = answer.splitlines() or [""]
        best = max(lines, key=lambda line: sum(_within(word, line) for word in wanted))
        return _wants([(word, met or _within(word, best)) for word in wanted], met)

    return reason


def _equals(parameters: Mapping[str, Any]) -> Reason:
    value = str(parameters["values"][0])
    return because.either(f"wants {value} alone (there)", f"wants {value} alone (missing)")


def _field(parameters: Mapping[str, Any]) -> Reason:
    value = str(parameters["values"][0])
    return lambda answer, met: marked((value,), answer, met)


def _number(parameters: Mapping[str, Any]) -> Reason:
    value = f"{parameters['value']:g}"
    return because.either(f"wants {value} (there)", f"wants {value} (missing)")


def _words(parameters: Mapping[str, Any]) -> Reason:
    least = int(parameters.get("min", 0))

    def reason(answer: str, met: bool) -> str:
        if met:
            return "long enough (there)"
        return "too short (missing)" if len(words(answer)) < least else "too long (missing)"

    return reason


_REASONS: dict[str, Callable[[Mapping[str, Any]], Reason]] = {
    "contains_all": _contains_all,
    "contains_any": _contains_any,
    "contains_none": lambda parameters: because.wants_none([str(value) for value in parameters["values"]]),
    "covers": _covers,
    "regex": _regex,
    "equals": _equals,
    "json_field_equals": _field,
    "number_equals": _number,
    "word_count": _words,
    "json_schema": lambda _: because.either("follows the form (there)", "does not follow the form (missing)"),
    "valid_json": lambda _: because.either("JSON with the keys (there)", "not JSON with the keys (missing)"),
    "no_repetition": lambda _: because.either("repeats nothing (absent)", "repeats itself (present)"),
}


def _wants(found: Sequence[tuple[str, bool]], met: bool) -> str:
    shown = " ".join(f"{word} ({'there' if there else 'missing'})" for word, there in found)
    return f"wants {shown}" if met or not all(there for _, there in found) else f"wants {shown} together (missing)"


def _within(value: str, answer: str) -> bool:
    return value.casefold() in answer.casefold()


def literals(pattern: str) -> tuple[str, ...]:
    """The texts that a regular expression looks for, of each choice the first."""
    text = re.sub(r"\(\?[a-z]+\)", "", pattern)
    while (inner := re.search(r"\((?:\?:)?([^()]*)\)([?*]|\{0,\d+\})?", text)) is not None:
        kept = "" if inner[2] else inner[1].split("|")[0]
        text = text[: inner.start()] + kept + text[inner.end() :]
    text = re.sub(
        r"\[[^]]*\](\{\d+,\d+\}|[*+?])?|\.(\{\d+,\d+\}|[*+?])|\\[AZbnsWwd][*+?]?(\{\d,\d\})?", "\0", text.split("|")[0]
    )
    parts = [re.sub(r"(.)\?|\\(.)", lambda m: m[2] or "", part).strip(" ,:") for part in text.split("\0")]
    return tuple(part for part in parts if len(part) > 1 or part.isdigit())


def _facts(record: FacetRecord) -> list[str]:
    values = record.parameters.get("values") or record.parameters.get("facts") or []
    assert isinstance(values, list)
    found = [str(one) for value in values for one in (value if isinstance(value, list) else [value])]
    if record.check == "regex":
        found = list(literals(str(record.parameters["pattern"])))
    return found
