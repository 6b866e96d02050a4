"""Environment variables that change a configuration for one run."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bench.config.settings import MACHINE_PATTERN, Config
from bench.errors import ConfigError, Mistake
from bench.providers.registry import DEFAULT_ENDPOINT, ModelSettings, endpoint_url, kind_of, named_model, unsendable
from bench.schema.fields import MOST_ROUNDS

VARIABLES = {
    "BENCH_MODELS": "names of models of the config, or aliases, separated by commas",
    "BENCH_ROUNDS": "number of rounds",
    "BENCH_PROMPT_SET": "prompt set to ask instead of the config's: a file, or the name of one that ships",
    "BENCH_PROMPT": "one prompt to ask instead of the prompt set",
    "BENCH_STREAM": "1 to stream, 0 to wait for whole answers",
    "BENCH_MACHINE": "name of this machine in the results",
    "FOUNDRY_LOCAL_ENDPOINT": "base URL for models of provider openai without base_url",
}
"""Every variable that is read, with its meaning."""

_TRUTH = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


@dataclass(frozen=True)
class Overridden:
    """A config after the overrides, the one prompt that replaces its prompt set or None, and what was changed."""

    config: Config
    prompt: str | None
    applied: tuple[str, ...]


def overridden(config: Config, variables: Mapping[str, str]) -> Overridden:
    """Return the config as the environment changes it; an empty variable changes nothing.

    `applied` names the variables that had an effect, without their values.
    Raises ConfigError with all mistakes, under the variables' names.
    """
    given = {name: variables[name].strip() for name in VARIABLES if variables.get(name, "").strip()}
    updates: dict[str, Any] = {}
    mistakes: list[Mistake] = []
    if rounds := given.get("BENCH_ROUNDS"):
        if rounds.isdecimal() and 1 <= int(rounds) <= MOST_ROUNDS:
            updates["rounds"] = int(rounds)
        else:
            found = f"must be a whole number from 1 to {MOST_ROUNDS}, found {rounds!r}"
            mistakes.append(Mistake(None, "BENCH_ROUNDS", found))
    if prompts := given.get("BENCH_PROMPT_SET"):
        # Unlike one that a config names, a file lies where the command is given.
        updates["prompts"] = str(Path(prompts).resolve()) if Path(prompts).suffix else prompts
        if "BENCH_PROMPT" in given:
            message = f"there is BENCH_PROMPT as well; give one of the two, found {prompts!r}"
            mistakes.append(Mistake(None, "BENCH_PROMPT_SET", message))
    if stream := given.get("BENCH_STREAM"):
        if stream.lower() in _TRUTH:
            updates["stream"] = _TRUTH[stream.lower()]
        else:
            mistakes.append(Mistake(None, "BENCH_STREAM", f"must be 1 or 0, found {stream!r}"))
    if machine := given.get("BENCH_MACHINE"):
        if re.fullmatch(MACHINE_PATTERN, machine):
            updates["machine"] = machine
        else:
            message = f"must be lower-case letters, digits, dots and dashes, found {machine!r}"
            mistakes.append(Mistake(None, "BENCH_MACHINE", message))
    endpoint = DEFAULT_ENDPOINT
    if raw := given.get("FOUNDRY_LOCAL_ENDPOINT"):
        try:
            endpoint = endpoint_url(raw)
        except ValueError as error:
            mistakes.append(Mistake(None, "FOUNDRY_LOCAL_ENDPOINT", str(error)))
    models, unusable = _models(config, given, endpoint)
    mistakes += unusable
    for model in models:
        mistakes += _unusable_secrets(model, variables)
    if mistakes:
        raise ConfigError("environment", mistakes)
    config = config.model_copy(update={**updates, "models": models})
    asks_endpoint = any(model.address == endpoint for model in models)
    applied = tuple(name for name in given if name != "FOUNDRY_LOCAL_ENDPOINT" or asks_endpoint)
    return Overridden(config, given.get("BENCH_PROMPT"), applied)


def _unusable_secrets(model: ModelSettings, variables: Mapping[str, str]) -> Iterator[Mistake]:
    """Yield what is wrong with the variables that hold a model's key and headers, without a word of what they hold."""
    key = kind_of(model).key
    named = dict(model.header_variables)
    if key is not None and getattr(model, key):
        named[key] = getattr(model, key)
    for place, variable in named.items():
        value = variables.get(variable, "")
        whose = "the endpoint's key" if place == key else "the header's value"
        if not value.strip():
            wrong = f"the environment variable {variable} is not set; set it to {whose}"
        elif wrong_part := unsendable(value):
            wrong = f"the environment variable {variable} has {wrong_part}, which no header can hold; take it out"
        else:
            continue
        yield Mistake(None, f"models.{model.name}.{place}", wrong)


def _models(config: Config, given: Mapping[str, str], endpoint: str) -> tuple[tuple[ModelSettings, ...], list[Mistake]]:
    chosen = list(config.models)
    mistakes: list[Mistake] = []
    if names := given.get("BENCH_MODELS"):
        known = {model.name: model for model in config.models}
        wanted = [name.strip() for name in names.split(",") if name.strip()]
        if not wanted:
            mistakes.append(Mistake(None, "BENCH_MODELS", f"must name at least one model, found {names!r}"))
        if len(set(wanted)) != len(wanted):
            mistakes.append(Mistake(None, "BENCH_MODELS", f"names a model twice: {names!r}"))
        remote = "FOUNDRY_LOCAL_ENDPOINT" in given
        chosen = []
        for name in wanted:
            try:
                chosen.append(known[name] if name in known else named_model(name, remote=remote))
            except ValidationError:
                message = f"{name!r} is neither a model of the config nor an alias"
                mistakes.append(Mistake(None, "BENCH_MODELS", message))
    return tuple(model.at(endpoint) for model in chosen), mistakes
