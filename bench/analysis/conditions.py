"""What was different between two runs besides their numbers: machine, versions, config, models."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bench.results.schema import Result

MODEL_FIELDS: Final = (
    "provider",
    "requested",
    "variant_id",
    "variant_version",
    "device",
    "execution_provider",
    "transport",
    "parameters",
    "precision",
    "licence",
    "publisher",
    "context_length",
)
"""What a model is, as far as a run notes it: its quantities are compared as metrics."""

PARTS: Final = ("tool_version", "commit", "dirty", "machine", "models", "prompt_set", "config")
"""First parts of the fields, in order."""


@dataclass(frozen=True)
class ConditionChange:
    """A field of a run that differs; None where one of the two does not have it, 'null' where it has no value."""

    field: str
    before: str | None
    after: str | None


def changed_conditions(before: Result, after: Result) -> tuple[ConditionChange, ...]:
    """Return the fields that differ: of the run, the machine, the models of both runs, the prompt set and the config.

    In that order, and within it as in the files, those of `before` first. Fields are paths, as in
    'machine.versions.onnxruntime' or 'config.generation.seed'; models and accelerators go by name. A text stands as it
    is, any other value as JSON.
    """
    shared = {model.name for model in before.models} & {model.name for model in after.models}
    was, now = (dict(_fields(result, shared)) for result in (before, after))
    fields = sorted(dict.fromkeys([*was, *now]), key=lambda field: PARTS.index(field.partition(".")[0]))
    return tuple(
        ConditionChange(field, was.get(field), now.get(field)) for field in fields if was.get(field) != now.get(field)
    )


def _fields(result: Result, models: set[str]) -> Iterator[tuple[str, str]]:
    yield "tool_version", result.run.tool_version
    yield from _flat("commit", result.run.commit)
    yield from _flat("dirty", result.run.dirty)
    yield from _flat("machine", result.machine.model_dump(mode="json"))
    for model in result.models:
        if model.name in models:
            for field in MODEL_FIELDS:
                yield from _flat(f"models.{model.name}.{field}", getattr(model, field))
    yield from _flat("prompt_set.id", result.prompt_set.id)
    yield from _flat("prompt_set.sha256", result.prompt_set.sha256)
    yield from _flat("config", result.config.resolved)


def _flat(path: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield the leaves of JSON. Lists of objects with different names go by these, other lists are leaves."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _flat(f"{path}.{key}", inner)
    elif isinstance(value, Sequence) and not isinstance(value, str) and (names := _names(value)):
        for name, inner in zip(names, value, strict=True):
            yield from _flat(f"{path}.{name}", {key: part for key, part in inner.items() if key != "name"})
    else:
        yield path, value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _names(items: Sequence[Any]) -> list[str]:
    names = [item.get("name") for item in items if isinstance(item, Mapping)]
    known = [name for name in names if isinstance(name, str)]
    return known if len(known) == len(items) == len(set(known)) else []
