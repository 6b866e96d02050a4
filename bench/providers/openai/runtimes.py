"""What serves an endpoint: how each known runtime is recognised, and how it is told about its prompt cache."""

import json
import re
import time
import urllib.request
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any, Final, NamedTuple
from urllib.error import HTTPError

from bench.providers.openai.failures import plain
from bench.schema.model_run import PromptCacheMode, Runtime

ASK_S: Final = 2.0
"""How long a server may take to say one thing about itself."""

ASK_ALL_S: Final = 6.0
"""How long it may take for all of them: after that it is unknown."""

SAID_BYTES: Final = 256 * 1024
"""How much of what it says is read."""

VERSION_CHARACTERS: Final = 60

UNKNOWN: Final = Runtime(name="unknown", version=None)

SALT: Final = "0" * 32
"""Stands in a request for what is another text in each of them."""


class Sign(NamedTuple):
    """A page beside /v1 that tells a runtime: `keys` that its JSON has, and the one of these with the version.

    The version must match `form`: two runtimes may have the same page.
    """

    path: str
    keys: tuple[str, ...]
    version: str | None = None
    form: str = ""


@dataclass(frozen=True)
class KnownRuntime:
    """A runtime, and by what it is known.

    `server` is a pattern of its Server header, `owner` what its list of models has as `owned_by`, `fingerprint` a
    pattern of the `system_fingerprint` of its answers; the empty text matches nothing. A model is `lazy` that comes
    into memory with the first request. `cold` and `warm` are what a request says so that its prompt is not taken from
    the cache, or may be; SALT in them is another text each time. It cannot be told where `cold` is None.
    """

    name: str
    signs: tuple[Sign, ...]
    server: str = ""
    owner: str = ""
    fingerprint: str = ""
    lazy: bool = False
    cold: Mapping[str, Any] | None = None
    warm: Mapping[str, Any] = field(default_factory=dict)


RUNTIMES: Final[tuple[KnownRuntime, ...]] = (
    KnownRuntime(
        name="Foundry Local",
        # The second page is that of its versions before 1.
        signs=(Sign("/status", ("endpoints", "modelCachePath")), Sign("/openai/status", ("Endpoints", "ModelDirPath"))),
        server=r"oatpp/",
        lazy=True,
    ),
    KnownRuntime(
        name="llama.cpp",
        signs=(Sign("/props", ("default_generation_settings", "build_info"), "build_info"),),
        server=r"llama\.cpp",
        owner="llamacpp",
        fingerprint=r"b\d+-[0-9a-f]{7,}",
        cold={"cache_prompt": False},
        warm={"cache_prompt": True},
    ),
    KnownRuntime(
        name="Ollama",
        signs=(Sign("/api/version", ("version",), "version", r"\d+\."),),
        owner="library",
        fingerprint=r"fp_ollama",
        lazy=True,
    ),
    KnownRuntime(
        name="LM Studio",
        signs=(Sign("/lmstudio-greeting", ("lmstudio",)),),
        owner="organization_owner",
        lazy=True,
    ),
    KnownRuntime(
        name="vLLM",
        signs=(Sign("/version", ("version",), "version", r"\d+\."),),
        owner="vllm",
        cold={"cache_salt": SALT},
    ),
    KnownRuntime(
        name="LocalAI",
        # Its version begins with a letter, where vLLM's has a digit.
        signs=(Sign("/version", ("version",), "version", r"v\d+\."), Sign("/system", ("backends", "loaded_models"))),
        lazy=True,
    ),
    KnownRuntime(
        name="TGI",
        signs=(Sign("/info", ("model_id", "max_concurrent_requests", "version"), "version"),),
        fingerprint=r"\d+\.\d+\.\d+\S*-(?:native|sha-[0-9a-f]+)",
    ),
)
"""Every runtime that is recognised, a row each."""


@dataclass(frozen=True)
class Said:
    """What a server says on a page: status, Server header and JSON document, which is empty for an error."""

    status: int
    server: str
    document: Mapping[str, Any]


Ask = Callable[[str], Said | None]
"""Returns what the page of a path says; None where there is none."""


def recognised(base_url: str, ask: Ask) -> Runtime:
    """Return what serves an endpoint, with its version where it says it: 'unknown' where it is none of the table.

    What is told beside the list of models comes first: of a runtime that is known by that only its own page is asked
    for. An error is never one of the endpoint's, and no page takes longer than ASK_S.
    """
    root = base_url.removesuffix("/v1")
    end_s = time.monotonic() + ASK_ALL_S
    asked: dict[str, Said | None] = {}

    def page(url: str) -> Said | None:
        if url not in asked:
            asked[url] = ask(url) if time.monotonic() < end_s else None
        return asked[url]

    listed = page(f"{base_url}/models")
    signed = [] if listed is None else [one for one in RUNTIMES if _is_signed(one, listed)]
    for known in signed or RUNTIMES:
        for each in known.signs:
            found = page(root + each.path)
            if found is not None and _fits(each, found.document):
                return Runtime(name=known.name, version=_version(each, found.document))
    return Runtime(name=signed[0].name, version=None) if signed else UNKNOWN


def by_fingerprint(fingerprint: str) -> Runtime | None:
    """Return what an answer's `system_fingerprint` tells of the runtime, or None. llama.cpp's is its version."""
    known = next((one for one in RUNTIMES if one.fingerprint and re.fullmatch(one.fingerprint, fingerprint)), None)
    if known is None:
        return None
    return Runtime(name=known.name, version=_word(fingerprint) if known.name == "llama.cpp" else None)


def is_lazy(ready: Said, base_url: str, ask: Ask) -> bool:
    """Return whether a server that is ready brings its model into memory when it is first asked.

    Where its Server header tells the runtime nothing more is asked for: it would be charged to the load.
    """
    known = next((one for one in RUNTIMES if one.server and re.match(one.server, ready.server)), None)
    if known is not None:
        return known.lazy
    name = recognised(base_url, ask).name
    return any(one.lazy for one in RUNTIMES if one.name == name)


def asker(headers: Mapping[str, str], *, environment: bool = True) -> Ask:
    """Return what asks over HTTP, with these headers; without `environment` its proxies are left aside."""
    proxies = () if environment else (urllib.request.ProxyHandler({}),)
    opener = urllib.request.build_opener(_NoRedirect, *proxies)

    def ask(url: str) -> Said | None:
        try:
            with opener.open(urllib.request.Request(url, headers=dict(headers)), timeout=ASK_S) as said:
                return Said(said.status, said.headers.get("Server") or "", _object(said.read(SAID_BYTES)))
        except HTTPError as error:
            with error:
                return Said(error.code, error.headers.get("Server") or "", {})
        except (OSError, HTTPException, ValueError):
            # What a server does wrong here is no failure of the model: it is not recognised then.
            return None

    return ask


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows nothing: the key is for the endpoint alone."""

    def redirect_request(self, *told: Any) -> None:
        """Return no further request."""


def _object(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _is_signed(known: KnownRuntime, listed: Said) -> bool:
    entries = listed.document.get("data")
    owners = [one.get("owned_by") for one in entries if isinstance(one, dict)] if isinstance(entries, list) else []
    return bool(known.server and re.match(known.server, listed.server)) or bool(known.owner and known.owner in owners)


def _fits(page: Sign, document: Mapping[str, Any]) -> bool:
    if not all(document.get(key) not in (None, False) for key in page.keys):
        return False
    return page.version is None or re.match(page.form, str(document[page.version])) is not None


def _version(page: Sign, document: Mapping[str, Any]) -> str | None:
    return None if page.version is None else _word(str(document[page.version]))


def _word(said: str) -> str | None:
    return plain(said[:VERSION_CHARACTERS]) or None


@dataclass(frozen=True)
class CacheMode:
    """How the prompt cache is kept: what each request says of it, and for the record what sees to that."""

    mode: PromptCacheMode
    by: str | None
    body: Mapping[str, Any] = field(default_factory=dict)

    def line_to_write(self, said: str) -> str | None:
        """Return what to write in a config where an endpoint's words name what a request says of its cache."""
        named = any(re.search(rf"\b{re.escape(key)}\b", said) for key in self.body)
        return "write prompt_cache: as-is under this model in the config" if named else None


def cache_mode(wanted: PromptCacheMode, runtime: Runtime, own: Collection[str] = ()) -> CacheMode:
    """Return how a runtime's prompt cache is kept where it is wanted so.

    It is left as it is where it cannot be told off, and where the config's `own` keys of a request have a say in it.
    """
    known = next((one for one in RUNTIMES if one.name == runtime.name), None)
    if wanted == "as-is":
        return CacheMode("as-is", None)
    if known is not None and (said := sorted({*(known.cold or {}), *known.warm} & set(own))):
        return CacheMode("as-is", f"request.body in the config says {' and '.join(said)}")
    if wanted == "warm":
        return CacheMode("warm", "each prompt was sent once before it was measured", known.warm if known else {})
    if known is None:
        why = "what serves the endpoint is not known: nobody can tell it to leave its prompt cache aside"
        return CacheMode("as-is", why)
    if known.cold is None:
        return CacheMode("as-is", f"{known.name} has no way to leave its prompt cache aside")
    return CacheMode("cold", _words(known.cold), known.cold)


def _words(body: Mapping[str, Any]) -> str:
    each = (
        f"{key} is another one in each request" if value == SALT else f"{key} is {json.dumps(value)} in each request"
        for key, value in body.items()
    )
    return " and ".join(each)
