"""Run configurations: YAML or JSON in, typed and frozen values out, every mistake reported at once."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import reduce
from operator import or_
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from bench.config.source import SourceFile, read_source, validated
from bench.errors import ConfigError, Mistake
from bench.providers.registry import KINDS, FoundryRuntime, ModelSettings
from bench.schema.fields import (
    MOST_EXACT,
    MOST_LENGTH_TOKENS,
    MOST_RATE_PER_S,
    MOST_ROUNDS,
    MOST_SECONDS,
    MOST_STREAMS,
    MOST_TOKENS,
    MOST_WATTS,
    Settings,
)
from bench.schema.model_run import PromptCacheMode

Streams = Annotated[int, Field(ge=1, le=MOST_STREAMS)]
Rate = Annotated[float, Field(gt=0, le=MOST_RATE_PER_S)]
Tokens = Annotated[int, Field(ge=1, le=MOST_LENGTH_TOKENS)]


class SweepSettings(Settings):
    """Closed-loop levels of 1, 2, 4, ... streams, until one gives less than `growth` times the throughput before it."""

    max_streams: Streams = 64
    growth: float = Field(1.1, gt=1, le=2)


class GoodputSettings(Settings):
    """What an answer must keep to count as good, in seconds: to the first token, for each further token, in all."""

    ttft_s: float | None = Field(None, gt=0, le=MOST_SECONDS)
    tpot_s: float | None = Field(None, gt=0, le=MOST_SECONDS)
    e2e_s: float | None = Field(None, gt=0, le=MOST_SECONDS)

    @model_validator(mode="after")
    def _has_a_limit(self) -> Self:
        if self.ttft_s is None and self.tpot_s is None and self.e2e_s is None:
            raise ValueError("needs at least one of ttft_s, tpot_s and e2e_s")
        return self


class LoadSettings(Settings):
    """Levels of load, each with a warm-up of `warmup_s` that goes over into a window of `measure_s` without a pause.

    `streams` are closed-loop levels: so many ask at once, each again as soon as it has its answer. `rates_per_s` are
    open-loop levels: requests are due by a schedule, whether or not the model keeps up, with at most `max_streams`
    under way. `seed` is that of the schedule and of the order of prompts.
    """

    streams: Annotated[tuple[Streams, ...], Field(strict=False)] = ()
    rates_per_s: Annotated[tuple[Rate, ...], Field(strict=False)] = ()
    arrivals: Literal["poisson", "constant"] = "poisson"
    max_streams: Streams = 64
    sweep: SweepSettings | None = None
    warmup_s: float = Field(2.0, ge=0, le=3_600)
    measure_s: float = Field(10.0, gt=0, le=86_400)
    seed: int = Field(42, ge=0, le=MOST_EXACT)
    goodput: GoodputSettings | None = None

    @model_validator(mode="after")
    def _has_a_level(self) -> Self:
        if not self.streams and not self.rates_per_s and self.sweep is None:
            raise ValueError("needs at least one of streams, rates_per_s and sweep")
        for name, given in (("streams", self.streams), ("rates_per_s", self.rates_per_s)):
            _names_each_once(name, given)
        return self


class LengthSettings(Settings):
    """A matrix of prompt and answer lengths in tokens; each cell is asked `repeats` times after one warm-up."""

    prompt_tokens: Annotated[tuple[Tokens, ...], Field(strict=False, min_length=1)] = (128, 512, 2_048)
    output_tokens: Annotated[tuple[Tokens, ...], Field(strict=False, min_length=1)] = (16, 128)
    repeats: int = Field(3, ge=1, le=1_000)

    @model_validator(mode="after")
    def _names_no_length_twice(self) -> Self:
        for name, given in (("prompt_tokens", self.prompt_tokens), ("output_tokens", self.output_tokens)):
            _names_each_once(name, given)
        return self


def _names_each_once(name: str, given: Sequence[float]) -> None:
    for place, value in enumerate(given):
        if value in given[:place]:
            raise ValueError(f"{name} names {value:g} twice; name each once")


PROVIDERS = tuple(kind.name for kind in KINDS)


def _provider_of(value: Any) -> Any:
    default = PROVIDERS[0]
    return value.get("provider", default) if isinstance(value, dict) else getattr(value, "provider", default)


def _by_name(value: Any) -> Any:
    return {KINDS[0].by_name: value} if isinstance(value, str) else value


if TYPE_CHECKING:
    AnyModel = ModelSettings
else:
    AnyModel = Annotated[
        reduce(or_, (Annotated[kind.settings, Tag(kind.name)] for kind in KINDS)),
        Discriminator(_provider_of),
        BeforeValidator(_by_name),
    ]


CONFIG_DIR = Path(__file__).parents[1] / "configs"
MOST_PRICE = 1_000_000_000.0
"""Price of a kWh or a device, in whatever currency."""

MOST_WORSENING = 1_000_000.0
"""Relative change that a gate lets pass: with a millionfold, everything passes."""

MACHINE_PATTERN = r"^[a-z0-9][a-z0-9._-]*$"


class Generation(Settings):
    """Parameters of generation: greedy and seeded unless the config says otherwise."""

    temperature: float = Field(0.0, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    seed: int = Field(42, ge=0, le=MOST_EXACT)
    max_output_tokens: int = Field(128, ge=1, le=MOST_TOKENS)


class Timeouts(Settings):
    """Limits, in seconds; reaching one is a recorded failure. `prepare_s` is for each step of a download."""

    prepare_s: float = Field(300.0, gt=0, le=MOST_SECONDS)
    load_s: float = Field(600.0, gt=0, le=MOST_SECONDS)
    connect_s: float = Field(10.0, gt=0, le=MOST_SECONDS)
    first_text_s: float = Field(120.0, gt=0, le=MOST_SECONDS)
    gap_s: float = Field(60.0, gt=0, le=MOST_SECONDS)
    request_s: float = Field(300.0, gt=0, le=MOST_SECONDS)


class EnergySettings(Settings):
    """What energy is worth, and a wattage to estimate from where the machine has no counter.

    `watts` is above idle, while answering; `price_per_kwh` and `device_price` are in `currency`.
    """

    watts: float | None = Field(None, gt=0, le=MOST_WATTS)
    price_per_kwh: float | None = Field(None, ge=0, le=MOST_PRICE)
    currency: str = "EUR"
    device_price: float | None = Field(None, ge=0, le=MOST_PRICE)
    device_life_years: float | None = Field(None, gt=0, le=1_000)

    @model_validator(mode="after")
    def _has_all_that_a_cost_needs(self) -> Self:
        if (self.device_price is None) != (self.device_life_years is None):
            raise ValueError("device_price and device_life_years need each other; give both or neither")
        if self.device_price is not None and self.price_per_kwh is None:
            raise ValueError("device_price counts only beside price_per_kwh; give the price of a kWh")
        return self


class GateSettings(Settings):
    """How much worse a metric may become before `bench compare --fail-on regression` fails.

    A relative change, where 0.1 is 10%; for `score` points, for `failed_share` a difference of shares. A metric without
    a limit fails at any change for the worse that is real.
    """

    ttft_s: float | None = Field(None, gt=0, le=MOST_WORSENING)
    decode_tokens_per_s: float | None = Field(None, gt=0, le=MOST_WORSENING)
    itl_s_p99: float | None = Field(None, gt=0, le=MOST_WORSENING, alias="itl_s.p99")
    e2e_s: float | None = Field(None, gt=0, le=MOST_WORSENING)
    throughput_tokens_per_s: float | None = Field(None, gt=0, le=MOST_WORSENING)
    cold_load_s: float | None = Field(None, gt=0, le=MOST_WORSENING)
    memory_peak_bytes: float | None = Field(None, gt=0, le=MOST_WORSENING)
    footprint_bytes: float | None = Field(None, gt=0, le=MOST_WORSENING)
    score: float | None = Field(None, gt=0, le=MOST_WORSENING)
    failed_share: float | None = Field(None, gt=0, le=MOST_WORSENING)


class Config(Settings):
    """One run: which models answer which prompts, how often and how.

    `loads` is the number of cold loads, each in a fresh process; `probe` times a fixed piece of work around each model.
    `prompt_cache` says whether measured requests may find their prompt in a cache of the runtime.
    The prompts are asked one after the other; `load` and `lengths` come after them, where they are given.
    """

    title: str = ""
    models: Annotated[tuple[AnyModel, ...], Field(strict=False, min_length=1)]
    prompts: str = "default"
    rounds: int = Field(5, ge=1, le=MOST_ROUNDS)
    warmup: int = Field(1, ge=0, le=1_000)
    loads: int = Field(1, ge=1, le=100)
    probe: bool = True
    prompt_cache: PromptCacheMode = "cold"
    stream: bool = True
    order_seed: int = Field(42, ge=0, le=MOST_EXACT)
    machine: str | None = Field(None, pattern=MACHINE_PATTERN, max_length=60)
    generation: Generation = Generation()
    timeouts: Timeouts = Timeouts()
    foundry: FoundryRuntime = FoundryRuntime()
    energy: EnergySettings = EnergySettings()
    load: LoadSettings | None = None
    lengths: LengthSettings | None = None
    gate: GateSettings = GateSettings()


def find_config(name: str) -> Path:
    """Return the path of a config: a file, or the name of one that ships.

    Raises ConfigError naming the shipped configs if there is neither.
    """
    for path in (Path(name), CONFIG_DIR / f"{name}.yaml"):
        if path.is_file():
            return path
    shipped = ", ".join(sorted(path.stem for path in CONFIG_DIR.glob("*.yaml")))
    raise ConfigError(name, [Mistake(None, "", f"no such config. Name a file, or one that ships: {shipped}")])


def load_config(path: Path) -> Config:
    """Read a config; paths in it are made absolute, relative to the file.

    Raises ConfigError with all mistakes, each with its line and key.
    """
    source = read_source(path)
    config = validated(source, Config, PROVIDERS)
    folder = path.resolve().parent
    entries = [(place, one) for place, model in enumerate(config.models) for one in _for_each_device(model)]
    _check_names(source, entries)
    _check_limits(source, config)
    models = tuple(model.beside(folder) for _, model in entries)
    foundry = config.foundry
    if foundry.cache_dir is not None:
        foundry = foundry.model_copy(update={"cache_dir": (folder / foundry.cache_dir.expanduser()).resolve()})
    prompts = config.prompts
    if Path(prompts).suffix:
        prompts = str((folder / prompts).resolve())
    return config.model_copy(update={"models": models, "foundry": foundry, "prompts": prompts})


def resolved(config: Config) -> dict[str, Any]:
    """Return the config as plain JSON values for a result file: no path of this machine, no default left out."""
    document: dict[str, Any] = config.model_dump(mode="json", by_alias=True)
    for entry, model in zip(document["models"], config.models, strict=True):
        entry |= model.portable()
        # What nobody else says of a model comes after what its kind has of its own.
        entry["declared"] = entry.pop("declared")
    if document["foundry"]["cache_dir"]:
        document["foundry"]["cache_dir"] = Path(document["foundry"]["cache_dir"]).name
    if Path(document["prompts"]).suffix:
        document["prompts"] = Path(document["prompts"]).name
    return document


def digest(document: Mapping[str, Any] | list[Any]) -> str:
    """Return the SHA-256, in hexadecimal, of a JSON document with its keys sorted."""
    return hashlib.sha256(json.dumps(document, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def slug(text: str) -> str:
    """Return text as a lower-case name of letters, digits, dots and dashes."""
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.")


def _for_each_device(model: Any) -> list[Any]:
    devices = getattr(model, "device", None)
    if not isinstance(devices, tuple):
        return [model]
    return [model.model_copy(update={"device": device, "name": f"{model.name}-{device}"}) for device in devices]


def _check_names(source: SourceFile, entries: Sequence[tuple[int, Any]]) -> None:
    first: dict[str, int] = {}
    mistakes = []
    for index, model in entries:
        if model.name in first:
            message = f"the name {model.name!r} is taken by models[{first[model.name]}]; give each model its own name"
            mistakes.append(source.mistake(("models", index), message))
        first.setdefault(model.name, index)
    if mistakes:
        raise ConfigError(source.path, mistakes)


def _check_limits(source: SourceFile, config: Config) -> None:
    """Refuse a server that may take longer to be ready than any model may to load."""
    mistakes = []
    for index, model in enumerate(config.models):
        limit_s, most_s = model.load_limit_s, config.timeouts.load_s
        if limit_s is not None and limit_s > most_s:
            message = f"must be at most timeouts.load_s, which is {most_s:g}, found {limit_s:g}; raise that as well"
            mistakes.append(source.mistake(("models", index, "server", "timeout_s"), message))
    if mistakes:
        raise ConfigError(source.path, mistakes)
