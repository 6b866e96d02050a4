"""Prompts and tests of a promptfoo file, as prompts with rubrics: what each assertion and variable becomes."""

import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import yaml

from bench.config.source import Place, SourceFile
from bench.errors import ConfigError, Mistake, shown
from bench.quality.checks.registry import parameter_mistakes
from bench.quality.checks.tokenise import one_line
from bench.quality.prompts.importing import Ids, Imported, set_id, text_mistake, title_of

SAYS_LENGTH = 160
"""Characters of the sentence that says what a facet asks."""

NAMES_A_FILE = ("file://", "exec:", "package:", "langfuse://", "portkey://", "helicone://")
"""How a value begins that stands for the content of something else."""

_VARIABLE = re.compile(r"\{\{-?\s*([A-Za-z_][\w.]*)\s*-?\}\}")
_ANY_TEMPLATE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)


Said = tuple[tuple[str, str], ...]
"""The messages of a prompt, each with its role and its text, which may have variables in it."""


class NotUnderstood(Exception):
    """Something in the file that has no counterpart here, with the reason."""


@dataclass(frozen=True)
class _AssertKind:
    """What an assertion of promptfoo becomes: a check, with how it takes the value, and a sentence for a person."""

    check: str
    takes: str
    says: str
    parameters: Mapping[str, Any]


_EXACT: Final = {"match_case": True}
_NEGATED: Final = {"negate": True}

ASSERTIONS: dict[str, _AssertKind] = {
    "equals": _AssertKind("equals", "one", "It is exactly {}.", {"normalise": False}),
    "not-equals": _AssertKind("equals", "one", "It is not {}.", {"normalise": False} | _NEGATED),
    "contains": _AssertKind("contains_all", "one", "It has {}.", _EXACT),
    "icontains": _AssertKind("contains_all", "one", "It has {}.", {}),
    "contains-all": _AssertKind("contains_all", "list", "It has all of {}.", _EXACT),
    "icontains-all": _AssertKind("contains_all", "list", "It has all of {}.", {}),
    "contains-any": _AssertKind("contains_any", "list", "It has one of {}.", _EXACT),
    "icontains-any": _AssertKind("contains_any", "list", "It has one of {}.", {}),
    "not-contains": _AssertKind("contains_none", "one", "It has no {}.", _EXACT),
    "not-icontains": _AssertKind("contains_none", "one", "It has no {}.", {}),
    "not-contains-any": _AssertKind("contains_none", "list", "It has none of {}.", _EXACT),
    "not-icontains-any": _AssertKind("contains_none", "list", "It has none of {}.", {}),
    "not-contains-all": _AssertKind("contains_all", "list", "It has not all of {}.", _EXACT | _NEGATED),
    "not-icontains-all": _AssertKind("contains_all", "list", "It has not all of {}.", _NEGATED),
    "starts-with": _AssertKind("starts_with", "one", "It begins with {}.", _EXACT),
    "not-starts-with": _AssertKind("starts_with", "one", "It does not begin with {}.", _EXACT | _NEGATED),
    "regex": _AssertKind("regex", "pattern", "It matches {}.", {}),
    "not-regex": _AssertKind("regex", "pattern", "It does not match {}.", _NEGATED),
    "is-json": _AssertKind("valid_json", "schema", "It is JSON.", {}),
    "contains-json": _AssertKind("valid_json", "schema", "It has JSON in it.", {"anywhere": True}),
    "not-is-json": _AssertKind("valid_json", "none", "It is no JSON.", _NEGATED),
    "not-contains-json": _AssertKind("valid_json", "none", "It has no JSON in it.", {"anywhere": True} | _NEGATED),
    "word-count": _AssertKind("word_count", "count", "It has {} words.", {}),
    "llm-rubric": _AssertKind("judged", "says", "{}", {}),
    "model-graded-closedqa": _AssertKind("judged", "says", "{}", {}),
    "g-eval": _AssertKind("judged", "says", "{}", {}),
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


MOST_PROMPTS = 10_000
"""Prompts that the prompts, tests and lists of variables of a file make at most."""

TOP_KEYS = ("description", "prompts", "tests", "defaultTest", "$schema")
SETTINGS = (
    "providers",
    "targets",
    "env",
    "evaluateOptions",
    "commandLineOptions",
    "outputPath",
    "sharing",
    "tags",
    "extensions",
    "writeLatestResults",
    "metadata",
    "tracing",
)
"""Keys with the tool's settings: they ask nothing of a model and test no answer."""

TEST_KEYS = ("description", "vars", "assert")
ASSERT_KEYS = ("type", "value", "weight", "metric")
MARKS = ("tests", "defaultTest", "providers", "targets", "scenarios")
"""Keys of which a promptfoo file has at least one, and a prompt set of our own none."""

PROMPT_FILE = (".txt", ".json", ".jsonl", ".yaml", ".yml", ".py", ".js", ".cjs", ".mjs", ".ts", ".csv", ".md", ".j2")


def is_promptfoo(value: object) -> bool:
    """Return whether a document is a promptfoo file: it has tests or providers, or prompts that are plain texts."""
    if not isinstance(value, dict):
        return False
    prompts = value.get("prompts")
    if isinstance(prompts, str):
        return True
    plain = isinstance(prompts, list) and any(isinstance(one, str) or _raw(one) is not None for one in prompts)
    return plain or any(mark in value for mark in MARKS)


def import_promptfoo(source: SourceFile) -> Imported:
    """Import a promptfoo file: each prompt with each test, and its assertions as facets.

    Raises ConfigError where not one prompt is understood, and for mistakes such as a prompt that is too long.
    """
    return _Import(source).run()


class _Import:
    """One file on its way: what was made of it so far, and what was not understood."""

    def __init__(self, source: SourceFile) -> None:
        self.source = source
        self.value: dict[str, Any] = source.value if isinstance(source.value, dict) else {}
        self.left_out: list[Mistake] = []
        self.mistakes: list[Mistake] = list(source.mistakes)
        self.prompts: list[dict[str, Any]] = []
        self.lines: dict[Place, int] = {}
        self.ids = Ids()

    def run(self) -> Imported:
        templates = [*self._templates()]
        base, base_facets = self._default_test()
        for place, test in self._tests():
            if len(self.prompts) <= MOST_PROMPTS:
                self._add_test(place, test, templates, base, base_facets)
        if len(self.prompts) > MOST_PROMPTS:
            self.mistakes.append(Mistake(None, "tests", f"make more than {MOST_PROMPTS:,} prompts; divide the file"))
        if not self.prompts and not self.mistakes:
            reasons = "; ".join(f"{one.key}: {one.message}" for one in self.left_out)
            self.mistakes.append(
                Mistake(None, "prompts", f"not one prompt is understood: {reasons or 'there is none'}")
            )
        if self.mistakes:
            raise ConfigError(self.source.path, self.mistakes)
        title = str(self.value.get("description") or self.source.path.stem)
        document = {"id": set_id(self.source.path), "title": title_of(title), "prompts": self.prompts}
        for key in self.value:
            if key not in (*TOP_KEYS, *SETTINGS):
                self._leave((str(key),), "is not understood")
        set_aside = [
            self.source.mistake((key,), "is no part of a prompt set; models and settings stand in a config")
            for key in self.value
            if key in SETTINGS
        ]
        left_out = sorted(self.left_out, key=lambda mistake: mistake.line or 0)
        return Imported(document, self.lines, tuple(left_out), tuple(set_aside))

    def _templates(self) -> Iterator[Said]:
        given = self.value.get("prompts", [])
        for index, one in enumerate([given] if isinstance(given, str) else given if isinstance(given, list) else []):
            place: Place = ("prompts",) if isinstance(given, str) else ("prompts", index)
            text = one if isinstance(one, str) else _raw(one)
            if text is None:
                self._leave(place, f"must be a text, or hold one under raw, found {shown(one)}")
            elif text.startswith(NAMES_A_FILE) or (len(text.split()) == 1 and text.endswith(PROMPT_FILE)):
                self._leave(place, f"{shown(text)} names a file; put its text here")
            elif (chat := _chat(text)) is not None:
                try:
                    yield _messages(chat)
                except NotUnderstood as reason:
                    self._leave(place, str(reason))
            elif wrong := text_mistake(text):
                self.mistakes.append(self.source.mistake(place, wrong))
            else:
                yield (("user", text),)

    def _default_test(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        test = self.value.get("defaultTest")
        if test is None:
            return {}, []
        if not isinstance(test, dict):
            self._leave(("defaultTest",), f"must hold vars and assert, found {shown(test)}")
            return {}, []
        variables = test.get("vars") or {}
        self._unknown_keys(("defaultTest",), test)
        return (variables if isinstance(variables, dict) else {}), self._asserts(("defaultTest", "assert"), test)

    def _tests(self) -> Iterator[tuple[Place, dict[str, Any]]]:
        tests = self.value.get("tests")
        if tests is None:
            yield (), {}
            return
        if not isinstance(tests, list):
            self._leave(("tests",), f"must be a list of tests, found {shown(tests)}; put the tests here")
            return
        for index, test in enumerate(tests):
            if isinstance(test, dict):
                self._unknown_keys(("tests", index), test)
                yield ("tests", index), test
            else:
                self._leave(("tests", index), f"must hold vars and assert, found {shown(test)}; put the test here")

    def _add_test(
        self,
        place: Place,
        test: dict[str, Any],
        templates: Sequence[Said],
        base: Mapping[str, Any],
        base_facets: Sequence[dict[str, Any]],
    ) -> None:
        variables = test.get("vars") or {}
        if not isinstance(variables, dict):
            self._leave((*place, "vars"), f"must hold names and values, found {shown(variables)}")
            return
        asserts = [*base_facets, *self._asserts((*place, "assert"), test)]
        for template, values in itertools.product(templates, _combinations({**base, **variables})):
            try:
                said = tuple((role, rendered(text, values)) for role, text in template)
                self._add_prompt(place, test, said, values, asserts)
            except NotUnderstood as reason:
                self._leave(place or ("prompts",), str(reason))
            if len(self.prompts) > MOST_PROMPTS:
                return

    def _add_prompt(
        self,
        place: Place,
        test: Mapping[str, Any],
        said: Said,
        values: Mapping[str, str],
        asserts: Sequence[dict[str, Any]],
    ) -> None:
        if wrong := next(filter(None, (text_mistake(text) for _, text in said)), None):
            self.mistakes.append(self.source.mistake(place or ("prompts",), wrong))
            return
        _, text = said[-1]
        wording = _described(test, values) or text.strip()
        whole = text if len(said) == 1 else json.dumps(said)
        prompt: dict[str, Any] = {"id": self.ids.make(wording, whole), "title": title_of(wording)}
        if len(said) == 1:
            prompt["text"] = text.strip()
        else:
            prompt["messages"] = [{"role": role, "content": one.strip()} for role, one in said]
        facets: list[dict[str, Any]] = []
        for one in asserts:
            try:
                facet = facet_of(one, values)
            except NotUnderstood as reason:
                self._leave(one["place"], str(reason))
                continue
            taken = sum(other["id"] == facet["id"] or other["id"].startswith(f"{facet['id']}-") for other in facets)
            facets.append({**facet, "id": f"{facet['id']}-{taken + 1}" if taken else facet["id"]})
        line = self.source.line(place)
        if line is not None:
            self.lines[("prompts", len(self.prompts))] = line
        self.prompts.append(prompt | ({"facets": facets} if facets else {}))

    def _asserts(self, place: Place, test: Mapping[str, Any]) -> list[dict[str, Any]]:
        found = []
        given = test.get("assert") or []
        for index, one in enumerate(given if isinstance(given, list) else [given]):
            where = (*place, index)
            if not isinstance(one, dict) or not isinstance(one.get("type"), str):
                self._leave(where, f"must have a type, found {shown(one)}")
                continue
            if one["type"] not in ASSERTIONS or "transform" in one:
                reason = "with a transform " if "transform" in one else ""
                self._leave(where, f"an assertion of type {one['type']} {reason}is not understood".replace("  ", " "))
                continue
            for key in one:
                if key not in ASSERT_KEYS:
                    self._leave((*where, key), "is not understood; the assertion is taken without it")
            found.append({**one, "place": where})
        return found

    def _unknown_keys(self, place: Place, test: Mapping[str, Any]) -> None:
        for key in test:
            if key not in TEST_KEYS:
                self._leave((*place, str(key)), "is not understood")

    def _leave(self, place: Place, message: str) -> None:
        mistake = self.source.mistake(place, message)
        if mistake not in self.left_out:
            # Each combination of a prompt, a test and its variables says it again.
            self.left_out.append(mistake)


def _raw(prompt: object) -> str | None:
    """Return the text of a prompt that is an object, or None."""
    raw = prompt.get("raw") if isinstance(prompt, dict) else None
    return raw if isinstance(raw, str) and "text" not in prompt else None  # type: ignore[operator]


def _chat(text: str) -> list[Any] | None:
    """Return the messages of a prompt that is a chat, in JSON or in YAML; None where it is a text."""
    begun = text.lstrip()
    try:
        if begun.startswith("["):
            messages = json.loads(text)
        elif begun.startswith("- role:"):
            messages = yaml.safe_load(text)
        else:
            return None
    except (ValueError, RecursionError, yaml.YAMLError):
        return None
    chat = isinstance(messages, list) and any(isinstance(one, dict) and "role" in one for one in messages)
    return messages if chat else None


def _messages(chat: Sequence[Any]) -> Said:
    """Return the roles and texts of a chat. Raises NotUnderstood."""
    said = []
    for place, one in enumerate(chat):
        role, content = (one.get("role"), one.get("content")) if isinstance(one, dict) else (None, None)
        if isinstance(content, list):
            parts = [part.get("text") if isinstance(part, dict) else None for part in content]
            content = "".join(map(str, parts)) if all(isinstance(part, str) for part in parts) else None
        if role not in ("system", "user", "assistant") or (role == "system" and place):
            message = f"is a chat with a message of role {shown(role)} in place {place + 1}"
            raise NotUnderstood(f"{message}; a conversation has user and assistant after one of role system at most")
        if not isinstance(content, str):
            raise NotUnderstood(f"is a chat whose message in place {place + 1} is no text")
        said.append((str(role), content))
    if said[-1][0] != "user":
        raise NotUnderstood("is a chat whose last message is not the user's: nothing is to be answered")
    return tuple(said)


def _described(test: Mapping[str, Any], values: Mapping[str, str]) -> str:
    description = str(test.get("description") or "").strip()
    try:
        return rendered(description, values)
    except NotUnderstood:
        return description


def _combinations(variables: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Yield each way to choose one value where a variable has a list of them."""
    lists = [value if isinstance(value, list) else [value] for value in variables.values()]
    for chosen in itertools.product(*lists):
        yield {name: text_of(value) for name, value in zip(variables, chosen, strict=True)}
