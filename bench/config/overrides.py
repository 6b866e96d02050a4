"""Environment variables that change a configuration for one run."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from bench.config.settings import DEFAULT_ENDPOINT, MACHINE_PATTERN, Config, EndpointModel, FoundryModel, endpoint_url
from bench.errors import ConfigError, Mistake
from bench.schema.fields import MOST_ROUNDS

VARIABLES = {
    "BENCH_MODELS": "names of models of the config, or aliases, separated by commas",
    "BENCH_ROUNDS": "number of rounds",
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
        if isinstance(model, EndpointModel) and model.api_key_env and not variables.get(model.api_key_env):
            message = f"the environment variable {model.api_key_env} is not set; set it to the endpoint's key"
            mistakes.append(Mistake(None, f"models.{model.name}.api_key_env", message))
    if mistakes:
        raise ConfigError("environment", mistakes)
    config = config.model_copy(update={**updates, "models": models})
    asks_endpoint = any(isinstance(m, EndpointModel) and m.base_url == endpoint for m in models)
    applied = tuple(name for name in given if name != "FOUNDRY_LOCAL_ENDPOINT" or asks_endpoint)
    return Overridden(config, given.get("BENCH_PROMPT"), applied)


def _models(config: Config, given: Mapping[str, str], endpoint: str) -> tuple[tuple[Any, ...], list[Mistake]]:
    chosen: list[Any] = list(config.models)
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
            if name in known:
                chosen.append(known[name])
            elif remote:
                chosen.append({"provider": "openai", "model": name})
            else:
                chosen.append({"provider": "foundry", "alias": name})
    models = []
    for model in chosen:
        try:
            models.append(_as_model(model, endpoint))
        except ValidationError:
            name = model.get("alias") or model.get("model")
            mistakes.append(Mistake(None, "BENCH_MODELS", f"{name!r} is neither a model of the config nor an alias"))
    return tuple(models), mistakes


def _as_model(model: Any, endpoint: str) -> Any:
    if isinstance(model, dict):
        kind = EndpointModel if model["provider"] == "openai" else FoundryModel
        model = kind.model_validate(model)
    if isinstance(model, EndpointModel) and model.base_url is None:
        return model.model_copy(update={"base_url": endpoint})
    return model
