"""A model behind a server that its config starts: the server's process is the model's, from its load to its end."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bench.errors import GgufError, ProviderError
from bench.providers.gguf import Gguf, read_gguf
from bench.providers.model_directory import footprint_bytes
from bench.providers.openai.client import secrets_of
from bench.providers.openai.endpoint import NO_SECRETS, EndpointProvider
from bench.providers.openai.runtimes import Said, asker, is_lazy
from bench.providers.openai.server_process import ServerProcess
from bench.providers.protocol import Clock, Decoded, Identity, Request
from bench.providers.registry import EndpointModel
from bench.schema.model_run import DECLARED_FIELDS

UNSAID: Final = "neither the model's file nor the server says it; declare it in the config under declared"

NO_PROCESS: Final = "the server was started for the model: before that there was no process"

SEVERAL: Final = re.compile(r"-\d{5}-of-(\d{5})\.gguf$", re.IGNORECASE)
"""How the name of a GGUF file ends that is one of several."""

SEEN_S: Final = 0.05
"""How long after an answer without a finish reason the end of the server may be seen."""

BROKEN: Final = frozenset({"connection", "reset", "refused", "connect-timeout"})
"""Failures behind which there may be the end of the server."""


@dataclass(frozen=True)
class ModelFile:
    """A model's file or directory on disk, and what it says of itself where it is GGUF."""

    footprint_bytes: int
    gguf: Gguf | None


class ServedProvider:
    """One model at an endpoint of our own: `load` starts its server and waits until it is ready.

    `on_started` gets the id of the server's process as soon as there is one: it holds the model.
    """

    one_at_a_time = None

    def __init__(self, model: EndpointModel, connect_s: float, on_started: Callable[[int], None]) -> None:
        assert model.server is not None
        self._settings = model
        self._server = model.server
        self._connect_s = connect_s
        self._on_started = on_started
        self._file: ModelFile | None = None
        self._process: ServerProcess | None = None
        self._endpoint: EndpointProvider | None = None
        self._secrets = NO_SECRETS
        self._ask = asker({}, environment=False)

    def prepare(self, on_download: Callable[[float], None]) -> None:
        """Look at the model's file, and have all that is needed to start the server and to ask it.

        Raises ProviderError of kind 'not-found' for a file that is not there, and 'load' for a damaged one.
        """
        # Its import takes longer than many a load.
        import openai  # noqa: F401

        self._secrets = secrets_of(self._settings)
        self._ask = asker(self._secrets.sent, environment=False)
        asked = self._settings.model_file
        self._file = None if asked is None else model_file(asked)
        self._process = ServerProcess(self._server, self._settings.name, str(asked or self._settings.model))

    def load(self) -> None:
        """Start the server and wait until it is ready and the model in memory. Raises ProviderError."""
        ready = self._running.start(self._on_started)
        if is_lazy(ready, self._base_url, self._ask):
            self._running.ask_for_a_token(self._settings.model, self._secrets.sent)

    def identity(self) -> Identity:
        """Return what the server and the model's file say. Raises ProviderError where it does not answer."""
        found = self._asked.identity()
        facts = self._file.gguf if self._file is not None else None
        answered = found.variant_id
        if answered is not None and self._settings.model_file is not None and Path(answered).is_absolute():
            # No path of this machine.
            answered = Path(answered).name
        if facts is not None:
            found = replace(
                found,
                parameters=facts.parameters,
                precision=facts.quantisation,
                licence=facts.licence,
                publisher=facts.publisher,
                context_length=facts.context_length,
            )
        return replace(
            found,
            variant_id=answered,
            footprint_bytes=None if self._file is None else self._file.footprint_bytes,
            unmeasured=dict.fromkeys(DECLARED_FIELDS, UNSAID) | {"memory_before_bytes": NO_PROCESS},
        )

    def stream(self, request: Request, clock: Clock) -> Iterator[object]:
        """Ask the server. Raises ProviderError of kind 'died' or 'out-of-memory' once it has ended."""
        try:
            return self._watched(self._asked.stream(request, clock))
        except ProviderError as error:
            raise self._told(error) from error

    def _watched(self, events: Iterator[object]) -> Iterator[object]:
        try:
            yield from events
        except ProviderError as error:
            raise self._told(error) from error

    def _told(self, error: ProviderError) -> ProviderError:
        if error.kind in BROKEN and self._running.has_ended():
            return self._running.death("while it answered")
        return error

    def decode(self, events: Sequence[object]) -> Decoded:
        """Decode the reads of an answer."""
        decoded = self._asked.decode(events)
        unended = decoded.problem is None and decoded.finish_reason is None and not decoded.whole
        if unended and self._running.has_ended(SEEN_S):
            # Where the end of the connection is that of the answer, nothing else tells one that is cut off.
            return replace(decoded, problem=self._running.death("while it answered"))
        return decoded

    def count_prompt_tokens(self, request: Request) -> int | None:
        """Return what the server's usage says of an answer of one token. Raises ProviderError."""
        try:
            return self._asked.count_prompt_tokens(request)
        except ProviderError as error:
            raise self._told(error) from error

    def close(self) -> None:
        """Stop the server with all that it started."""
        if self._endpoint is not None:
            self._endpoint.close()
        if self._process is not None:
            self._process.stop()

    @property
    def _running(self) -> ServerProcess:
        assert self._process is not None
        return self._process

    @property
    def _base_url(self) -> str:
        return f"http://127.0.0.1:{self._running.port}/v1"

    @property
    def _asked(self) -> EndpointProvider:
        """The way to the server, made when it is first needed: in no load."""
        if self._endpoint is None:
            listed = self._ask(f"{self._base_url}/models")
            served = self._settings.model_copy(
                update={"server": None, "model_file": None, "base_url": self._base_url, "model": self._model(listed)}
            )
            made = EndpointProvider(served, "direct", connect_s=self._connect_s)
            try:
                made.prepare(lambda _: None)
            except ProviderError as error:
                raise self._told(error) from error
            self._endpoint = made
        return self._endpoint

    def _model(self, listed: Said | None) -> str:
        """Return what the server calls the model: it lists a single one where it was given a file."""
        entries = listed.document.get("data") if listed is not None else None
        ids = [one.get("id") for one in entries if isinstance(one, dict)] if isinstance(entries, list) else []
        if self._settings.model_file is not None and len(ids) == 1 and isinstance(ids[0], str):
            return ids[0]
        return self._settings.model


def model_file(path: Path) -> ModelFile:
    """Return what a model's file or directory is. Raises ProviderError where it is not there, or damaged."""
    if path.is_dir():
        return ModelFile(footprint_bytes(path), None)
    if not path.is_file():
        raise ProviderError("not-found", f"there is no model file {path.name!r}; check model_file in the config")
    with path.open("rb") as file:
        is_gguf = path.suffix.lower() == ".gguf" or file.read(4) == b"GGUF"
    if not is_gguf:
        return ModelFile(path.stat().st_size, None)
    try:
        gguf = read_gguf(path)
    except GgufError as error:
        next_step = "" if ";" in error.reason else "; check model_file in the config"
        raise ProviderError("load", f"the model file {path.name!r} {error.reason}{next_step}") from error
    return ModelFile(sum(part.stat().st_size for part in _parts(path)), gguf)


def _parts(path: Path) -> list[Path]:
    """Return the files of a model that is split over several, of which this is one."""
    found = SEVERAL.search(path.name)
    if found is None:
        return [path]
    before = path.name[: found.start()]
    return [one for one in path.parent.iterdir() if SEVERAL.search(one.name) and one.name.startswith(f"{before}-")]
