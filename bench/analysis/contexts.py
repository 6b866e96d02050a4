"""What must be equal for two numbers to be compared, the context; what is only noted, the suspects of a change; and
which runs are compared: the newest of each machine and config."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

from pydantic import JsonValue

from bench.analysis.summary import oldest_first
from bench.schema.fields import ByIdentity
from bench.schema.model_run import ModelRun, PromptCacheMode
from bench.schema.result import Result
from bench.store.revisions import Named

GENERATION_KEYS = ("generation", "stream")
"""Parts of a resolved configuration that change how an answer comes about, and so its timings."""


CONFIGS_KEPT: Final = 1024
"""Configurations of which that part is kept as text: the models of a run share one, and condensed runs do."""

ONE_STREAM: Final = "one stream"
"""The load of a model's own samples: one request after the other. No level of load has it, not even one of 1 stream."""

NOT_STATED: Final = "not stated"

IN_TURNS: Final = "in turns"
"""What is added to the load of a run that took turns with another config: its models were loaded anew each time."""


class Context(NamedTuple):
    """Everything that must be equal for two numbers to be compared.

    `generation` is JSON with sorted keys, without what is null: an older run's config may not know the key. `load` is
    a level of load in words, or ONE_STREAM; either may end in IN_TURNS. `request` is JSON as well: what the config
    leaves out of this model's requests or adds to them. `prompt_cache` is how that of the runtime was kept.
    """

    machine: str
    provider: str
    device: str | None
    execution_provider: str | None
    prompt_set_sha256: str
    generation: str
    load: str = ONE_STREAM
    request: str = "{}"
    prompt_cache: PromptCacheMode = "as-is"


@dataclass(frozen=True)
class Condition:
    """Something that two runs may differ in.

    `path` is a field of `bench.analysis.contexts`, with 'model' in place of a model and its name; one that ends in a
    dot stands for all below it. In `words`, {} stands for what follows. `breaks` is the field of Context that it makes
    another one; None for what is only noted: the suspects where a level shifts.
    """

    path: str
    words: str
    breaks: str | None = None


CONDITIONS: Final = (
    Condition("machine.name", "machine", breaks="machine"),
    Condition("model.provider", "provider", breaks="provider"),
    Condition("model.device", "device", breaks="device"),
    Condition("model.execution_provider", "execution provider", breaks="execution_provider"),
    Condition("prompt_set.sha256", "prompts", breaks="prompt_set_sha256"),
    Condition("config.generation.", "generation {}", breaks="generation"),
    Condition("config.stream", "streaming", breaks="generation"),
    Condition("config.model.request.omit", "request.omit", breaks="request"),
    Condition("config.model.request.body.", "request.body.{}", breaks="request"),
    Condition("load", "load", breaks="load"),
    Condition("model.prompt_cache", "prompt cache", breaks="prompt_cache"),
    Condition("machine.versions.", "{}"),
    Condition("model.runtime.name", "runtime"),
    Condition("model.runtime.version", "version of the runtime"),
    Condition("model.variant_id", "variant"),
    Condition("model.variant_version", "model version"),
    Condition("model.precision", "precision"),
    Condition("model.parameters", "number of weights"),
    Condition("model.transport", "transport"),
    Condition("model.stamped_by", "stamps of arrivals"),
    Condition("config.model.base_url", "endpoint"),
    Condition("config.model.request.rename.", "request.rename.{}"),
    Condition("machine.accelerators.", "accelerator {}"),
    Condition("machine.os", "operating system"),
    Condition("machine.cpu", "processor"),
    Condition("machine.logical_cores", "logical cores"),
    Condition("machine.memory_bytes", "bytes of memory"),
    Condition("machine.power_source", "power source"),
    Condition("config.rounds", "rounds"),
    Condition("config.warmup", "warm-up requests"),
    Condition("config.loads", "cold loads"),
    Condition("tool_version", "Benchledger"),
    Condition("commit", "commit"),
)
"""What breaks a context and what is only noted, the likelier suspects first. What is not here is neither: titles,
names of configs, timeouts, what comes after the samples."""


class Differing(NamedTuple):
    """Something in which two runs differ, as words and texts."""

    words: str
    before: str
    after: str


def context_key(result: Result, model: ModelRun, load: str = ONE_STREAM) -> Context:
    """Return the context of a model in a run: equal keys can be compared, others cannot.

    A run that took turns with another one is in another context than one that had the machine to itself.
    """
    return Context(
        machine=result.machine.name,
        provider=model.provider,
        device=model.device,
        execution_provider=model.execution_provider,
        prompt_set_sha256=result.prompt_set.sha256,
        generation=_generation(ByIdentity(result.config.resolved)),
        load=load if result.run.pairing is None else f"{load}, {IN_TURNS}",
        request=json.dumps(_request(result.config.resolved, model.name), sort_keys=True),
        prompt_cache=model.prompt_cache,
    )


def _request(resolved: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return what a model's config leaves out of its requests or adds to them, where it changes how an answer is made.

    What a key is called, who asks, and whether the usage is asked for change nothing of the answer.
    """
    entries = [entry for entry in resolved.get("models", ()) if isinstance(entry, dict) and entry.get("name") == name]
    request = entries[0].get("request") if entries else None
    if not isinstance(request, dict):
        return {}
    omitted = [key for key in request.get("omit", ()) if key != "stream_options"]
    added = {"omit": sorted(omitted), "body": request.get("body")}
    return {key: value for key, value in added.items() if value}


@lru_cache(maxsize=CONFIGS_KEPT)
def _generation(resolved: ByIdentity[dict[str, JsonValue]]) -> str:
    return json.dumps({key: _given(resolved.value.get(key)) for key in GENERATION_KEYS}, sort_keys=True)


def differing(before: Context, after: Context) -> tuple[Differing, ...]:
    """Return why two contexts are not one: each thing in which they differ, in the order of CONDITIONS.

    Hashes are cut to 12 characters. Empty for equal contexts.
    """
    was, now = _facts(before), _facts(after)
    found = []
    for condition in CONDITIONS:
        for path in dict.fromkeys([*was, *now]):
            words = in_words(condition, path)
            before_text, after_text = was.get(path, NOT_STATED), now.get(path, NOT_STATED)
            if words is not None and before_text != after_text:
                found.append(Differing(words, before_text, after_text))
    return tuple(found)


def in_words(condition: Condition, path: str) -> str | None:
    """Return what a field is called, or None where the condition does not stand for it."""
    if condition.path.endswith("."):
        rest = path.removeprefix(condition.path)
        return None if rest == path else condition.words.format(rest)
    return condition.words if path == condition.path else None


def _facts(context: Context) -> dict[str, str]:
    """Return the fields of a context by their paths in CONDITIONS, as texts; those of `generation` one by one."""
    settings: dict[str, Any] = json.loads(context.generation)
    generation, request = settings.pop("generation", None), json.loads(context.request)
    facts = {
        condition.path: getattr(context, condition.breaks)
        for condition in CONDITIONS
        if condition.breaks not in (None, "generation", "request")
    }
    facts["prompt_set.sha256"] = context.prompt_set_sha256[:12]
    facts |= {f"config.{key}": value for key, value in settings.items()}
    facts |= {f"config.model.request.body.{key}": value for key, value in request.pop("body", {}).items()}
    facts |= {f"config.model.request.{key}": value for key, value in request.items()}
    if isinstance(generation, dict):
        facts |= {f"config.generation.{key}": value for key, value in generation.items()}
    return {path: _text(value) for path, value in facts.items()}


def _given(settings: object) -> object:
    if isinstance(settings, dict):
        return {key: value for key, value in settings.items() if value is not None}
    return settings


def _text(value: object) -> str:
    if value is None:
        return NOT_STATED
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


MODEL_FIELDS: Final = (
    "provider",
    "requested",
    "variant_id",
    "variant_version",
    "device",
    "execution_provider",
    "transport",
    "prompt_cache",
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
            if model.runtime is not None:
                yield from _flat(f"models.{model.name}.runtime", model.runtime.model_dump())
            yield f"models.{model.name}.stamped_by", "process" if model.stamp_clock is None else "kernel"
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


@dataclass(frozen=True)
class RunPair:
    """Two runs to compare."""

    before: Result
    after: Result

    @property
    def same(self) -> bool:
        """Whether both sides have the same newest run, so that there is nothing to compare."""
        return self.before.run.id == self.after.run.id


@dataclass(frozen=True)
class RunPairs:
    """The pairs by machine and config, and the names of what only one side has, as 'machine config'."""

    pairs: tuple[RunPair, ...]
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]


def run_pairs(before: Named, after: Named) -> RunPairs:
    """Return the runs of two sides that are compared with each other.

    Two runs are, whatever they are. A run and a revision: the newest run of its machine and config there.
    """
    if before.run is not None and after.run is not None:
        return RunPairs((RunPair(before.run, after.run),), (), ())
    sides = _newest(before), _newest(after)
    both = sorted(sides[0].keys() & sides[1].keys())
    # One run against a revision asks of that run alone.
    of_revisions = before.run is None and after.run is None
    alone = [_words(side.keys() - set(both)) if of_revisions else () for side in sides]
    return RunPairs(tuple(RunPair(sides[0][key], sides[1][key]) for key in both), alone[0], alone[1])


def _newest(side: Named) -> dict[tuple[str, str], Result]:
    if side.run is not None:
        return {_key(side.run): side.run}
    results: Iterable[Result] = () if side.ledger is None else side.ledger.results
    return {_key(result): result for result in oldest_first(results)}


def _key(result: Result) -> tuple[str, str]:
    return result.machine.name, result.config.name


def _words(keys: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    return tuple(" ".join(key) for key in sorted(keys))
