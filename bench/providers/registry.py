"""The kinds of provider: what a config may say of each, what the rest must know of it, and where its code is.

It lies below the config, which takes the kinds of its models from here, and imports no kind's code before it is asked
for: a model's process holds the libraries of its own kind and no others.
"""

import re
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Generic, Literal, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_core import InitErrorDetails

from bench.providers.protocol import Provider
from bench.providers.server_settings import ServerSettings
from bench.schema.fields import MOST_EXACT, MOST_TOKENS, FreeJson, Settings
from bench.schema.model_run import PromptCacheMode

DEFAULT_ENDPOINT = "http://localhost:5273/v1"
"""Where a Foundry Local service listens if nobody says otherwise."""

STARTED_ENDPOINT = "http://127.0.0.1/v1"
"""Where a server is asked that a config starts, before it has a port."""

APP_NAME = "benchledger"
"""What the Foundry Local runtime knows us by; it names its folder in the user's home after it."""

Device = Literal["cpu", "gpu", "npu"]
NAME_CHARACTERS: Final = 100
NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9._:@+/-]*$"
Name = Annotated[str, Field(pattern=NAME, max_length=NAME_CHARACTERS)]


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

    @property
    def header_variables(self) -> Mapping[str, str]:
        """The variables of the environment that hold headers, by the place in the model's config that names each."""
        return {}

    def at(self, endpoint: str) -> Self:
        """Return the model at an endpoint, where its kind has one and its config names none."""
        return self

    @property
    def is_started(self) -> bool:
        """Whether a process is started that holds this model alone, wherever others of its kind are held."""
        return False

    @property
    def load_limit_s(self) -> float | None:
        """How long its load may take, in seconds, where that is said of it alone."""
        return None

    def prompt_cache_in(self, config_mode: PromptCacheMode) -> PromptCacheMode | None:
        """Return how the prompt cache of its runtime is to be kept; None for a kind that has none to tell."""
        return None

    def with_prompt_cache(self, config_mode: PromptCacheMode) -> Self:
        """Return the model with that said, where its kind has a prompt cache."""
        return self

    def beside(self, folder: Path) -> Self:
        """Return the model with what its config names beside itself found in the folder of that."""
        paths = {key: (folder / path.expanduser()).resolve() for key, path in self if isinstance(path, Path)}
        return self.model_copy(update=paths)

    def portable(self) -> dict[str, Any]:
        """Return the values that a result file has in place of those which name folders of this machine."""
        return {key: path.name for key, path in self if isinstance(path, Path)}


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


SENT: Final[Mapping[str, str | None]] = {
    "temperature": "generation.temperature",
    "top_p": "generation.top_p",
    "max_tokens": "generation.max_output_tokens",
    "seed": "generation.seed",
    "stream_options": None,
}
"""What a request's body has that it could do without -> the setting of a config that it comes from."""

NEEDED: Final = ("model", "messages", "stream")
"""What a request's body always has, under these names."""

OWN_HEADERS: Final = frozenset(
    ("accept", "accept-encoding", "connection", "content-length", "content-type", "host", "transfer-encoding")
)
"""Headers that belong to how a request is carried."""

SECRET_KEY: Final = re.compile(r"api[_-]?key|authori[sz]ation|password|secret|(access|auth|bearer)[_-]?token", re.I)
"""Names of what must not stand in a config, since result files have the config in them."""

HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
VARIABLE: Final = r"^[A-Za-z_][A-Za-z0-9_]*$"


class RequestSettings(Settings):
    """How the requests to one model of an endpoint differ from what is usually sent.

    Keys of the body are left out (`omit`), go by another name (`rename`: ours, then the endpoint's) or are added
    (`body`). `headers_from` adds headers, each with the value of a variable of the environment.
    """

    omit: Annotated[tuple[str, ...], Field(strict=False)] = ()
    rename: dict[str, str] = Field(default_factory=dict)
    body: FreeJson = Field(default_factory=dict)
    headers_from: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _fits_what_is_sent(self) -> Self:
        found = [
            InitErrorDetails(type="value_error", loc=place, input=None, ctx={"error": ValueError(message)})
            for place, message in self._mistakes()
        ]
        if found:
            raise ValidationError.from_exception_data("request", found)
        return self

    def _mistakes(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        for place, key in enumerate(self.omit):
            if wrong := _no_choice(key, "left out"):
                yield ("omit", place), wrong
        left = [key for key in SENT if key not in self.omit and key not in self.rename]
        taken = dict.fromkeys((*NEEDED, *left), "is sent as well") | dict.fromkeys(self.body, "stands in body")
        for key, name in self.rename.items():
            if wrong := _no_choice(key, "renamed"):
                yield ("rename", key), wrong
            elif key in self.omit:
                yield ("rename", key), "is left out by omit; keep one of the two"
            elif not name.strip():
                yield ("rename", key), "must be the name that the endpoint knows it by, and not empty"
            elif name in taken:
                yield (
                    ("rename", key),
                    f"puts it in the place of {name!r}, which {taken[name]}; choose another name",
                )
            taken[name] = f"{key} becomes"
        for key in self.body:
            if key in NEEDED:
                yield ("body", key), "is sent already, and cannot be another"
            elif key in left:
                setting = SENT[key]
                change = f"set {setting}, or name it" if setting else "name it"
                yield ("body", key), f"is sent already; {change} in omit as well"
            elif SECRET_KEY.search(key):
                yield ("body", key), "would be written into result files; send it as a header: headers_from"
        for header, variable in self.headers_from.items():
            if not HEADER.fullmatch(header):
                yield ("headers_from", header), "is no name of a header: letters, digits and dashes, such as X-Key"
            elif header.lower() in OWN_HEADERS:
                yield ("headers_from", header), "is a header that every request has already; take it out"
            elif not re.fullmatch(VARIABLE, variable):
                message = "must name a variable of the environment, such as OUR_KEY, and not hold the value itself"
                yield ("headers_from", header), message


def _no_choice(key: str, done: str) -> str | None:
    """Return why a key of the body cannot be left out or renamed; None where it can."""
    if key == "stream":
        return f"stream cannot be {done}; stream: false at the head of the config waits for whole answers"
    if key in NEEDED:
        return f"{key} cannot be {done}: no request goes without it"
    return None if key in SENT else f"{key!r} is never sent; what can be {done} is {', '.join(SENT)}"


class EndpointModel(ModelSettings):
    """A model behind an OpenAI-compatible endpoint.

    Without `base_url` the environment's FOUNDRY_LOCAL_ENDPOINT is asked, else a Foundry Local service on this machine.
    A name that the endpoint does not list is asked for only where `unlisted` says that it takes others.
    `prompt_cache` is for this model alone; None: as for the others of its config. A `server` is started for the model,
    and asked at a port of its own; `model_file` is what it is given to serve, a file or a directory beside the config.
    """

    provider: Literal["openai"]
    model: str = Field(min_length=1)
    base_url: str | None = None
    api_key_env: str | None = Field(None, pattern=VARIABLE)
    unlisted: bool = False
    request: RequestSettings = RequestSettings()
    prompt_cache: PromptCacheMode | None = None
    server: ServerSettings | None = None
    model_file: Path | None = Field(None, strict=False)

    @model_validator(mode="before")
    @classmethod
    def _name_from_model(cls, value: Any) -> Any:
        if isinstance(value, dict) and "name" not in value and value.get("model"):
            return {**value, "name": _as_name(str(value["model"]))}
        return value

    # The last of these comes first.
    @model_validator(mode="before")
    @classmethod
    def _model_from_its_file(cls, value: Any) -> Any:
        if isinstance(value, dict) and "model" not in value and isinstance(value.get("model_file"), str):
            return {**value, "model": Path(value["model_file"]).name}
        return value

    @field_validator("model")
    @classmethod
    def _is_one_plain_line(cls, model: str) -> str:
        if not model.isprintable():
            raise ValueError("has a line break or another character that cannot be seen; take it out")
        if model != model.strip():
            raise ValueError("has a blank at its beginning or end; take it out")
        return model

    @model_validator(mode="after")
    def _has_one_key(self) -> Self:
        if self.api_key_env is not None and any(name.lower() == "authorization" for name in self.request.headers_from):
            raise ValueError("api_key_env and request.headers_from both give the header Authorization; keep one")
        return self

    @field_validator("base_url")
    @classmethod
    def _is_a_url_without_secrets(cls, url: str | None) -> str | None:
        return None if url is None else endpoint_url(url)

    @model_validator(mode="after")
    def _has_one_server(self) -> Self:
        if self.server is not None and self.base_url is not None:
            raise ValueError("server is started at an address of its own; take base_url out, or server")
        if self.server is None and self.model_file is not None:
            raise ValueError("model_file is for a server that is started; give server as well, or take model_file out")
        return self

    @property
    def requested(self) -> str:
        """The model's name at the endpoint."""
        return self.model

    @property
    def address(self) -> str:
        """The endpoint's base URL, without the port that a server gets when it is started."""
        return STARTED_ENDPOINT if self.server is not None else self.base_url or DEFAULT_ENDPOINT

    @property
    def is_started(self) -> bool:
        """Whether its server is started for it."""
        return self.server is not None

    @property
    def load_limit_s(self) -> float | None:
        """How long its server may take to be ready, in seconds, where one is started."""
        return None if self.server is None else self.server.timeout_s

    @property
    def header_variables(self) -> Mapping[str, str]:
        """The variables of the environment that hold headers, by the place in the model's config that names each."""
        return {f"request.headers_from.{name}": variable for name, variable in self.request.headers_from.items()}

    def at(self, endpoint: str) -> Self:
        """Return the model at an endpoint, where its config names none and starts none."""
        named = self.base_url is not None or self.server is not None
        return self if named else self.model_copy(update={"base_url": endpoint})

    def beside(self, folder: Path) -> Self:
        """Return the model with its file, and the program of its server, found in the folder of its config."""
        found = super().beside(folder)
        return found if found.server is None else found.model_copy(update={"server": found.server.beside(folder)})

    def portable(self) -> dict[str, Any]:
        """Return what a result file has of its file and its server."""
        return super().portable() | ({} if self.server is None else {"server": self.server.portable()})

    def prompt_cache_in(self, config_mode: PromptCacheMode) -> PromptCacheMode:
        """Return how its prompt cache is to be kept: as it says, else as its config does."""
        return self.prompt_cache or config_mode

    def with_prompt_cache(self, config_mode: PromptCacheMode) -> Self:
        """Return the model with that said."""
        return self.model_copy(update={"prompt_cache": self.prompt_cache_in(config_mode)})


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


CALLS: Final = re.compile(r"(/chat/completions|/completions|/responses|/embeddings|(?<=/v1)/models)$", re.I)
"""How an address ends that is of one call and no base URL. Some base URLs do end in /models."""


def endpoint_url(url: str) -> str:
    """Return the base URL of an endpoint, ending in a path (`/v1` where there is none) without a slash.

    Raises ValueError for what is no http URL, for the address of a single call, and for one that carries a password or
    a query: it would be written into result files.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or not _is_plain(url):
        raise ValueError("must be an http or https URL such as http://localhost:5273/v1")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must hold no user, password or query; name the key's variable in api_key_env")
    base = f"{parts.scheme}://{parts.netloc}"
    path = parts.path.rstrip("/")
    if call := CALLS.search(path):
        before = path[: call.start()] or "/v1"
        raise ValueError(f"must end before {call[0]}, which is added to it; write {base}{before}")
    return f"{base}{path or '/v1'}"


def unsendable(value: str) -> str | None:
    """Return what a header's value has that it cannot have, or None; never the value itself."""
    if "\n" in value or "\r" in value:
        return "a line break"
    if value != value.strip():
        return "a blank at its beginning or end"
    return None if value.isascii() and value.isprintable() else "a character that is not plain ASCII"


def _is_plain(url: str) -> bool:
    return url.isprintable() and " " not in url


def _as_name(model: str) -> str:
    """Return the name of a model that has none in the config: its id, or what of that can be in a name."""
    if re.fullmatch(NAME, model):
        return model[:NAME_CHARACTERS]
    return re.sub(r"[^A-Za-z0-9._:@+/-]+", "-", model).strip("-/._:@+")[:NAME_CHARACTERS] or "model"


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
    variable with a key, and `by_name` the one that a mere name stands for; None where there is none. `started` makes
    the way to a model whose process is started for it: neither `remote` nor `process` is said of that.
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
    started: Callable[[M, float, Callable[[int], None]], Provider] | None = None


def _foundry(model: FoundryModel, runtime: FoundryRuntime, connect_s: float) -> Provider:
    from bench.providers.foundry import FoundryProvider

    return FoundryProvider(model, runtime)


def _endpoint(model: EndpointModel, runtime: FoundryRuntime, connect_s: float) -> Provider:
    from bench.providers.openai.endpoint import EndpointProvider

    return EndpointProvider(model, connect_s=connect_s)


def _served(model: EndpointModel, connect_s: float, on_started: Callable[[int], None]) -> Provider:
    from bench.providers.openai.served import ServedProvider

    return ServedProvider(model, connect_s, on_started)


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
        started=_served,
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


def remote_of(model: ModelSettings) -> str | None:
    """Return why load and memory of a model are not this machine's to measure, or None where they are."""
    return None if model.is_started else kind_of(model).remote


def provider_for(
    model: ModelSettings, runtime: FoundryRuntime, connect_s: float, on_started: Callable[[int], None]
) -> Provider:
    """Return the provider of a model; nothing is started yet. `connect_s` is the limit on its first connection.

    `on_started` gets the id of the process that is started for the model, where one is.
    """
    kind = kind_of(model)
    if model.is_started and kind.started is not None:
        return kind.started(model, connect_s, on_started)
    return kind.provider(model, runtime, connect_s)


def named_model(name: str, *, remote: bool) -> ModelSettings:
    """Return the model that a mere name stands for: one of an endpoint, or an alias in this process.

    Raises pydantic's ValidationError where the name can be none.
    """
    kind = next(one for one in KINDS if one.by_name is not None and (one.remote is not None) == remote)
    model: ModelSettings = kind.settings.model_validate({"provider": kind.name, kind.by_name: name})
    return model
