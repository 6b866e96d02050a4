"""The kinds of provider: what a config may say of each, what the rest must know of it, and where its code is.

It lies below the config, which takes the kinds of its models from here, and imports no kind's code before it is asked
for: a model's process holds the libraries of its own kind and no others.
"""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from bench.providers.protocol import Provider
from bench.schema.fields import MOST_EXACT, MOST_TOKENS, Settings

DEFAULT_ENDPOINT = "http://localhost:5273/v1"
"""Where a Foundry Local service listens if nobody says otherwise."""

APP_NAME = "benchledger"
"""What the Foundry Local runtime knows us by; it names its folder in the user's home after it."""

Device = Literal["cpu", "gpu", "npu"]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@+/-]*$", max_length=100)]


class Declared(Settings):
    """What the config says of a model where neither the runtime nor the model itself does."""

    parameters: int | None = Field(None, ge=1, le=MOST_EXACT)
    precision: str | None = None
    licence: str | None = None
    licence_url: str | None = None
    publisher: str | None = None
    context_length: int | None = Field(None, ge=1, le=MOST_TOKENS)
    footprint_bytes: int | None = Field(None, ge=0, le=MOST_EXACT)
    capabilities: Annotated[tuple[str, ...], Field(strict=False)] = ()


class ModelSettings(Settings):
    """What a config says of one model of any kind: the kind, the model's own name, and what nobody else says of it."""

    provider: str
    name: Name
    declared: Declared = Declared()

    @property
    @abstractmethod
    def requested(self) -> str:
        """What was asked for, without anything of the machine it was asked on."""

    @property
    def address(self) -> str | None:
        """The URL where the model is asked; None in this process."""
        return None

    def at(self, endpoint: str) -> Self:
        """Return the model at an endpoint, where its kind has one and its config names none."""
        return self


class FoundryModel(ModelSettings):
    """A model that runs in this machine's Foundry Local runtime, in-process.

    Exactly one of `alias` (a name of the catalogue), `variant` (an exact variant id) and `path` (a model directory,
    relative to the config) says which. An alias with several devices becomes a model for each of them.
    """

    provider: Literal["foundry"] = "foundry"
    alias: str | None = None
    variant: str | None = None
    path: Path | None = Field(None, strict=False)
    device: Device | Annotated[tuple[Device, ...], Field(strict=False)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _name_from_what_is_asked(cls, value: Any) -> Any:
        if isinstance(value, dict) and "name" not in value:
            asked = value.get("alias") or value.get("variant") or Path(str(value.get("path") or "")).name
            if asked:
                return {**value, "name": str(asked)}
        return value

    @model_validator(mode="after")
    def _one_of_three(self) -> Self:
        given = [key for key in ("alias", "variant", "path") if getattr(self, key) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none of them"
            raise ValueError(f"a foundry model needs exactly one of alias, variant and path, found {found}")
        if self.device is not None and self.alias is None:
            raise ValueError(f"device chooses among the variants of an alias; {given[0]} names one already")
        if self.device == ():
            raise ValueError("device must name at least one of cpu, gpu and npu")
        return self

    @property
    def requested(self) -> str:
        """What was asked for, without the path of the machine it was asked on."""
        return self.alias or self.variant or Path(self.path or "").name


class EndpointModel(ModelSettings):
    """A model behind an OpenAI-compatible endpoint.

    Without `base_url` the environment's FOUNDRY_LOCAL_ENDPOINT is asked, else a Foundry Local service on this machine.
    """

    provider: Literal["openai"]
    model: str = Field(min_length=1)
    base_url: str | None = None
    api_key_env: str | None = Field(None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")

    @model_validator(mode="before")
    @classmethod
    def _name_from_model(cls, value: Any) -> Any:
        if isinstance(value, dict) and "name" not in value and value.get("model"):
            return {**value, "name": str(value["model"])}
        return value

    @field_validator("base_url")
    @classmethod
    def _is_a_url_without_secrets(cls, url: str | None) -> str | None:
        return None if url is None else endpoint_url(url)

    @property
    def requested(self) -> str:
        """The model's name at the endpoint."""
        return self.model

    @property
    def address(self) -> str:
        """The endpoint's base URL."""
        return self.base_url or DEFAULT_ENDPOINT

    def at(self, endpoint: str) -> Self:
        """Return the model at an endpoint, where its config names none."""
        return self if self.base_url is not None else self.model_copy(update={"base_url": endpoint})


class CustomModel(ModelSettings):
    """A model behind a Python class of the user's: `load(weights_path)` and `generate(prompt, **params)`."""

    provider: Literal["custom"]
    class_: str = Field(alias="class", pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    weights: Path | None = Field(None, strict=False)

    @property
    def requested(self) -> str:
        """The class, as module:Class."""
        return self.class_


class FoundryRuntime(Settings):
    """How the in-process runtime is set up.

    `catalogue_url` replaces the public catalogue; `cache_dir` is where models are kept. `telemetry` lets the
    runtime report to its maker: off by default.
    """

    catalogue_url: str | None = None
    cache_dir: Path | None = Field(None, strict=False)
    download: bool = True
    telemetry: bool = False

    @property
    def cache_folder(self) -> Path:
        """Where models are kept: `cache_dir`, else the runtime's own place in the user's home."""
        return self.cache_dir or Path.home() / f".{APP_NAME}" / "cache" / "models"


def endpoint_url(url: str) -> str:
    """Return the base URL of an endpoint, ending in a path (`/v1` where there is none) without a slash.

    Raises ValueError for what is no http URL, and for one that carries a password or a query: it would be written
    into result files.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an http or https URL such as http://localhost:5273/v1")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must hold no user, password or query; name the key's variable in api_key_env")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/') or '/v1'}"


M = TypeVar("M", bound=ModelSettings)


@dataclass(frozen=True)
class Kind(Generic[M]):
    """A kind of provider.

    `name` is what a config and a result file call it, `settings` what a config says of a model, and `provider` makes
    the way to one: its module, and the libraries of that, are imported then. The rest are its capabilities:
    `remote` is why load and memory cannot be measured in this process, None where they can. `process` is the one whose
    memory is watched: our own child, the one that listens at the model's address, or none. With `streams` it tells of
    an answer while it grows; without, it is asked for whole answers whatever the config wants. `calibratable` says
    that it is reached over a transport whose client error can be measured. `key` is the setting that names the
    variable with a key, and `by_name` the one that a mere name stands for; None where there is none.
    """

    name: str
    settings: type[M]
    provider: Callable[[M, FoundryRuntime, float], Provider]
    remote: str | None
    process: Literal["child", "listener"] | None
    streams: bool
    calibratable: bool
    key: str | None
    by_name: str | None


def _foundry(model: FoundryModel, runtime: FoundryRuntime, connect_s: float) -> Provider:
    from bench.providers.foundry import FoundryProvider

    return FoundryProvider(model, runtime)


def _endpoint(model: EndpointModel, runtime: FoundryRuntime, connect_s: float) -> Provider:
    from bench.providers.openai.endpoint import EndpointProvider

    return EndpointProvider(model, connect_s=connect_s)


def _custom(model: CustomModel, runtime: FoundryRuntime, connect_s: float) -> Provider:
    from bench.providers.custom import CustomProvider

    return CustomProvider(model)


KINDS: tuple[Kind[Any], ...] = (
    Kind(
        name="foundry",
        settings=FoundryModel,
        provider=_foundry,
        remote=None,
        process="child",
        streams=True,
        calibratable=False,
        key=None,
        by_name="alias",
    ),
    Kind(
        name="openai",
        settings=EndpointModel,
        provider=_endpoint,
        remote="the model is behind an endpoint: another process holds it",
        process="listener",
        streams=True,
        calibratable=True,
        key="api_key_env",
        by_name="model",
    ),
    Kind(
        name="custom",
        settings=CustomModel,
        provider=_custom,
        remote=None,
        process="child",
        streams=True,
        calibratable=False,
        key=None,
        by_name=None,
    ),
)
"""Every kind, a row each; the first is meant where a config names none."""


def kind_of(model: ModelSettings) -> Kind[Any]:
    """Return the kind of a model."""
    return next(kind for kind in KINDS if kind.name == model.provider)


def provider_for(model: ModelSettings, runtime: FoundryRuntime, connect_s: float) -> Provider:
    """Return the provider of a model; nothing is started yet. `connect_s` is the limit on its first connection."""
    return kind_of(model).provider(model, runtime, connect_s)


def named_model(name: str, *, remote: bool) -> ModelSettings:
    """Return the model that a mere name stands for: one of an endpoint, or an alias in this process.

    Raises pydantic's ValidationError where the name can be none.
    """
    kind = next(one for one in KINDS if one.by_name is not None and (one.remote is not None) == remote)
    model: ModelSettings = kind.settings.model_validate({"provider": kind.name, kind.by_name: name})
    return model
