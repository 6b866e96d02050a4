"""YAML files (and JSON, which is YAML) read together with the line of every key."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from bench.errors import ConfigError, Mistake, shown
from bench.schema.fields import MOST_DIGITS, MOST_LEVELS

MOST_REPEATED = 100_000
"""Values that the aliases of a file may repeat, those within each other counted every time."""

Place = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class SourceFile:
    """A file's value and the line, from 1, of each place in it; keys that are written twice are mistakes already."""

    path: Path
    value: object
    lines: dict[Place, int]
    mistakes: tuple[Mistake, ...]

    def line(self, place: Place) -> int | None:
        """Return the line of a place, or of the nearest thing around it; None for the whole file."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place) if place else None

    def mistake(self, place: Place, message: str) -> Mistake:
        """Return a mistake at a place of this file."""
        return Mistake(self.line(place), key_path(place), message)


def read_source(path: Path) -> SourceFile:
    """Read a YAML or JSON file.

    Raises ConfigError if it is missing, is not text, does not parse, has more than 100 levels, or aliases that repeat
    more than 100,000 values or themselves.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(
            path, [Mistake(None, "", f"is not UTF-8 text (byte {error.start}); save it as UTF-8")]
        ) from error
    except OSError as error:
        raise ConfigError(path, [Mistake(None, "", f"cannot be read: {error.strerror}")]) from error
    lines: dict[Place, int] = {}
    twice: list[Mistake] = []
    try:
        excess = _excess(text)
        if excess is not None:
            raise ConfigError(path, [excess])
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        value = yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise ConfigError(path, [Mistake(line, "", f"is not YAML: {error.problem or error.context}")]) from error
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise ConfigError(path, [Mistake(None, "", f"is not YAML: {reason}")]) from error
    except (AttributeError, LookupError, ValueError) as error:
        # PyYAML lets an impossible date (2026-02-31), or a value that its tag does not fit, through to Python.
        raise ConfigError(path, [Mistake(None, "", f"is not YAML: a value cannot be read ({error})")]) from error
    if node is not None:
        _walk(node, (), lines, twice)
    return SourceFile(path, value, lines, tuple(twice))


class _Loader(yaml.SafeLoader):
    """The safe loader, but a whole number that is longer than Python reads is cut: the types refuse it with its key."""

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        try:
            return int(super().construct_yaml_int(node))
        except ValueError:
            digits = node.value.replace("_", "")
            if not digits.lstrip("+-").isdecimal():
                raise
            return int(digits[:MOST_DIGITS])


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)


def _excess(text: str) -> Mistake | None:
    """Return where a text goes deeper, or its aliases repeat more, than can be read; None where it does not.

    Raises yaml.YAMLError where it is not YAML as far as it was looked at.
    """
    sizes: dict[str, int] = {}
    around: list[tuple[str | None, int]] = []
    repeated = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = event.start_mark.line + 1 if event.start_mark else None
        if isinstance(event, yaml.CollectionStartEvent):
            around.append((event.anchor, 1))
            if len(around) > MOST_LEVELS:
                return Mistake(line, "", f"has more than {MOST_LEVELS} levels of nesting; is a bracket left open?")
            continue
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, size = around.pop()
        elif isinstance(event, yaml.AliasEvent):
            if any(name == event.anchor for name, _ in around):
                return Mistake(line, "", f"the alias *{event.anchor} stands within what it names; take it out")
            anchor, size = None, sizes.get(event.anchor or "", 1)
            repeated += size
            if repeated > MOST_REPEATED:
                message = (
                    f"the aliases up to *{event.anchor} repeat more than {MOST_REPEATED:,} values; write less of them"
                )
                return Mistake(line, "", message)
        elif isinstance(event, yaml.ScalarEvent):
            anchor, size = event.anchor, 1
        else:
            continue
        if anchor is not None:
            sizes[anchor] = size
        if around:
            outer, before = around[-1]
            around[-1] = (outer, before + size)
    return None


def validated(source: SourceFile, model: type[Model], tags: Sequence[str] = ()) -> Model:
    """Return the source's value as `model`.

    `tags` are the tags of its tagged unions: they stand in pydantic's paths and not in the file.
    Raises ConfigError with every mistake of the file, in the order of its lines.
    """
    mistakes = list(source.mistakes)
    value: Model | None = None
    if not isinstance(source.value, dict):
        found = "nothing" if source.value is None else f"{type(source.value).__name__} {shown(source.value)}"
        mistakes.append(Mistake(1, "", f"must hold keys and values (see docs/configuration.md), found {found}"))
    else:
        try:
            value = model.model_validate(source.value)
        except ValidationError as error:
            problems = error.errors(include_url=False)
            for problem in problems:
                if problem["type"] == "too_short" and _holds_another(problem["loc"], problems):
                    # pydantic counts only the entries without a mistake.
                    continue
                place = tuple(part for part in problem["loc"] if part not in tags)
                mistakes.append(source.mistake(place, _message(problem, model, tags)))
    if mistakes or value is None:
        raise ConfigError(source.path, sorted(mistakes, key=lambda mistake: mistake.line or 0))
    return value


def _holds_another(place: Place, problems: Sequence[Any]) -> bool:
    return any(len(other["loc"]) > len(place) and other["loc"][: len(place)] == place for other in problems)


def key_path(place: Place) -> str:
    """Return a place as a person writes it: models[0].alias."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def suggestion(word: str, known: Sequence[str]) -> str:
    """Return ' Did you mean X?' for the nearest known word, or nothing."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


def _walk(node: yaml.Node, place: Place, lines: dict[Place, int], twice: list[Mistake]) -> None:
    lines.setdefault(place, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            line = key_node.start_mark.line + 1
            if key in seen and key != "<<":
                message = f"is written twice, first on line {seen[key]}; keep one of them"
                twice.append(Mistake(line, key_path((*place, key)), message))
            seen.setdefault(key, line)
            lines[(*place, key)] = line
            _walk(value_node, (*place, key), lines, twice)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _walk(item, (*place, index), lines, twice)


def _message(problem: Mapping[str, Any], model: type[BaseModel], tags: Sequence[str]) -> str:
    kind = problem["type"]
    found = problem["input"]
    context = problem.get("ctx", {})
    if kind == "extra_forbidden":
        known = _known_keys(model, problem["loc"][:-1])
        word = str(problem["loc"][-1])
        return f"is not a known key{suggestion(word, known)} (known keys: {', '.join(known)})"
    if kind == "missing":
        return "is missing"
    if kind == "union_tag_invalid":
        return f"provider must be one of {', '.join(tags)}, found {shown(context.get('tag'))}"
    if kind == "value_error":
        return str(context["error"])
    text = _EXPECTED.get(kind)
    limits = {name: _plain(value) for name, value in context.items()}
    text = problem["msg"][0].lower() + problem["msg"][1:] if text is None else text.format(**limits)
    return f"{text}, found {shown(found)}"


def _plain(value: object) -> object:
    """Return a limit as a person writes it: 0 and not 0.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


_EXPECTED = {
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_type": "must be text",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "dict_type": "must hold keys and values",
    "model_type": "must hold keys and values",
    "model_attributes_type": "must hold keys and values",
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be above {gt}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "too_short": "must have at least {min_length} entry",
    "string_too_short": "must not be empty",
    "string_pattern_mismatch": "must match {pattern}",
    "finite_number": "must be a finite number",
}


def _known_keys(model: type[BaseModel], place: Sequence[str | int]) -> list[str]:
    """Return the keys that are allowed at a place, by following the annotations of the model's fields."""
    candidates = [model]
    for part in place:
        if isinstance(part, int):
            continue
        if len(candidates) > 1:
            # The tag of a tagged union follows the field's name in the path.
            candidates = [candidate for candidate in candidates if part in _tags_of(candidate)]
        elif candidates and part in candidates[0].model_fields:
            candidates = _models_in(candidates[0].model_fields[part].annotation)
    return sorted({field.alias or name for each in candidates for name, field in each.model_fields.items()})


def _tags_of(model: type[BaseModel]) -> tuple[object, ...]:
    field = model.model_fields.get("provider")
    return getattr(field.annotation, "__args__", ()) if field is not None else ()


def _models_in(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in _models_in(part)]
