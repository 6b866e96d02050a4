"""Which model a config asks for, and through what: the runtime in-process, an endpoint, or a class of the user's."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Discriminator, Field, Tag, field_validator, model_validator

from bench.schema.bounds import MOST_EXACT, MOST_TOKENS
from bench.settings import Settings

DEFAULT_ENDPOINT = "http://localhost:5273/v1"
"""Where a Foundry Local service listens if nobody says otherwise."""

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


class FoundryModel(Settings):
    """A model that runs in this machine's Foundry Local runtime, in-process.

    Exactly one of `alias` (a name of the catalogue), `variant` (an exact variant id) and `path` (a model directory,
    relative to the config) says which. An alias with several devices becomes a model for each of them.
    """

    provider: Literal["foundry"] = "foundry"
    name: Name
    alias: str | None = None
    variant: str | None = None
    path: Path | None = Field(None, strict=False)
    device: Device | Annotated[tuple[Device, ...], Field(strict=False)] | None = None
    declared: Declared = Declared()

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


class EndpointModel(Settings):
    """A model behind an OpenAI-compatible endpoint.

    Without `base_url` the environment's FOUNDRY_LOCAL_ENDPOINT is asked, else a Foundry Local service on this machine.
    """

    provider: Literal["openai"]
    name: Name
    model: str = Field(min_length=1)
    base_url: str | None = None
    api_key_env: str | None = Field(None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    declared: Declared = Declared()

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


class CustomModel(Settings):
    """A model behind a Python class of the user's: `load(weights_path)` and `generate(prompt, **params)`."""

    provider: Literal["custom"]
    name: Name
    class_: str = Field(alias="class", pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    weights: Path | None = Field(None, strict=False)
    declared: Declared = Declared()

    @property
    def requested(self) -> str:
        """The class, as module:Class."""
        return self.class_


PROVIDERS = ("foundry", "openai", "custom")


def _provider_of(value: Any) -> Any:
    return value.get("provider", "foundry") if isinstance(value, dict) else getattr(value, "provider", "foundry")


def _alias_as_model(value: Any) -> Any:
    return {"alias": value} if isinstance(value, str) else value


ModelSettings = Annotated[
    Annotated[FoundryModel, Tag("foundry")]
    | Annotated[EndpointModel, Tag("openai")]
    | Annotated[CustomModel, Tag("custom")],
    Discriminator(_provider_of),
]
AnyModel = Annotated[ModelSettings, BeforeValidator(_alias_as_model)]


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
