"""Models in Microsoft's Foundry Local runtime, in this process: from its catalogue or from a directory."""

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import foundry_local_sdk as sdk
from foundry_local_sdk import ChatSession, FoundryLocalManager, Item
from foundry_local_sdk._native import ffi
from foundry_local_sdk._native.api import api
from foundry_local_sdk.exception import FoundryLocalException
from foundry_local_sdk.items import TextItemType
from foundry_local_sdk.logging_helper import LogLevel

from bench.errors import DeviceMissing, ProviderError
from bench.providers.model_directory import Card, check_directory, footprint_bytes, read_card
from bench.providers.openai.failures import Stage, late
from bench.providers.protocol import Arrived, Clock, Decoded, Identity, Piece, Request, failed, messages
from bench.providers.registry import APP_NAME, FoundryModel, FoundryRuntime
from bench.providers.thinking import told_apart
from bench.schema.model_run import DECLARED_FIELDS, OWN_SESSION


class Arrivals:
    """What came of one answer, each item with the clock's reading when it came.

    `late` is the limit of the request that was reached, or None.
    """

    def __init__(self, clock: Clock, request: Request) -> None:
        self.late: Stage | None = None
        self._items: list[Arrived] = []
        self._handles: list[tuple[int, Any]] = []
        self._handle = ffi.new("flItem**")
        self._pop = api.item.ItemQueue_TryPop
        self._clock = clock
        self._first_ns = int(request.first_text_s * 1e9)
        self._gap_ns = int(request.gap_s * 1e9)
        self._whole_ns = int(request.request_s * 1e9)
        self._start_ns = self._last_ns = clock()

    @property
    def items(self) -> list[Arrived]:
        """The items in order of arrival, for when the answer is over: only here are they made of the handles."""
        self._items += [Arrived(at_ns, Item.from_native(handle, owns=True)) for at_ns, handle in self._handles]
        self._handles = []
        return self._items

    def take(self, data: Any) -> int:
        """Keep what the runtime hands over. Returns 1, which cancels the request, past a limit, else 0."""
        queue, handle = data.item_queue, self._handle
        # Past a limit as well: the runtime calls again and again until its queue is empty.
        while queue and self._pop(queue, handle):
            # More can come while this runs: each has a time of its own.
            now_ns = self._clock()
            if now_ns - self._start_ns > self._whole_ns:
                self.late = self.late or "whole"
            elif now_ns - self._last_ns > (self._gap_ns if self._handles else self._first_ns):
                self.late = self.late or ("gap" if self._handles else "first-text")
            if self.late is None:
                self._handles.append((now_ns, handle[0]))
                self._last_ns = now_ns
            else:
                # Let go of with its last reference.
                Item.from_native(handle[0], owns=True)
        return 0 if self.late is None else 1


class StampingSession(ChatSession):  # type: ignore[misc]
    """A chat session whose stream goes to `arrivals`."""

    arrivals: Arrivals | None = None

    def set_streaming(self, enabled: bool) -> "StampingSession":
        """Have the runtime hand its items over as they come, or not."""
        if not enabled:
            super().set_streaming(False)
            return self

        def take(data: Any, _: Any) -> int:
            return self.arrivals.take(data) if self.arrivals is not None else 1

        # Kept for as long as the runtime may call it. An error in it cancels the request.
        self._streaming_callback = ffi.callback("flStreamingCallback", take, error=1)
        self._streaming_enabled = True
        with self._native_lifetime() as session:
            api.check_status(api.inference.Session_SetStreamingCallback(session, self._streaming_callback, ffi.NULL))
        return self


TOGETHER_NS = 20_000
"""Pieces less than this apart came together. To take one that waits costs some 1 to 10 microseconds; a model that makes
50,000 tokens a second for one stream does not exist."""


def in_one_go(items: Sequence[Arrived]) -> Iterator[Arrived]:
    """Yield items as events, in order: those that came together are one event, a tuple, with the first one's time."""
    together: list[object] = []
    first_ns = last_ns = 0
    for at_ns, item in items:
        if together and at_ns - last_ns >= TOGETHER_NS:
            yield Arrived(first_ns, tuple(together))
            together = []
        if not together:
            first_ns = at_ns
        together.append(item)
        last_ns = at_ns
    if together:
        yield Arrived(first_ns, tuple(together))


UNSAID = "neither the catalogue nor a card in the model's directory says it"

PACKAGES = ("foundry-local-sdk", "onnxruntime", "onnxruntime-genai-core")

ROLES = {
    "system": sdk.MessageRole.SYSTEM,
    "user": sdk.MessageRole.USER,
    "assistant": sdk.MessageRole.ASSISTANT,
}

# The runtime's words for why it stopped, in the words of the OpenAI API.
_FINISH = {"STOP": "stop", "LENGTH": "length", "TOOL_CALLS": "tool_calls", "ERROR": "error"}


def started(runtime: FoundryRuntime, app_data_dir: Path | None = None, log_level: LogLevel = LogLevel.FATAL) -> Any:
    """Start the runtime in this process, which can have one, and return its manager.

    `app_data_dir` is where it keeps what it registers, and models where no other place is named; where it is None both
    are in the user's home. Raises ProviderError of kind
    'load' with the runtime's reason.
    """
    if not runtime.telemetry:
        # The runtime sends a start-up event to its maker whatever its own switch says; where it believes to
        # be in continuous integration it opens no connection at all.
        os.environ["CI"] = "true"
    cache_dir = runtime.cache_folder if app_data_dir is None else runtime.cache_dir
    try:
        FoundryLocalManager.initialize(
            sdk.Configuration(
                app_name=APP_NAME,
                app_data_dir=None if app_data_dir is None else str(app_data_dir),
                model_cache_dir=None if cache_dir is None else str(cache_dir),
                catalog_urls=None if runtime.catalogue_url is None else [(runtime.catalogue_url, None)],
                log_level=log_level,
                disable_nonessential_telemetry=not runtime.telemetry,
            )
        )
    except (FoundryLocalException, OSError) as error:
        raise failed("load", f"the Foundry Local runtime does not start: {_line(error)}") from error
    return FoundryLocalManager.instance


class FoundryProvider:
    """One model in the Foundry Local runtime. A process can have one of these: the runtime is a singleton."""

    one_at_a_time = None

    def __init__(self, model: FoundryModel, runtime: FoundryRuntime) -> None:
        self._settings = model
        self._runtime = runtime
        self._manager: Any = None
        self._model: Any = None
        self._app_data = tempfile.TemporaryDirectory(prefix="benchledger-", ignore_cleanup_errors=True)

    def prepare(self, on_download: Callable[[float], None]) -> None:
        """Start the runtime, find the model, and download it if the config lets us."""
        path = self._settings.path
        if path is not None:
            check_directory(path)
        # A registration is this run's own: it must not stay behind in the user's catalogue.
        self._manager = started(self._runtime, None if path is None else Path(self._app_data.name))
        try:
            self._model = self._registered(path) if path is not None else self._from_catalogue(on_download)
        except FoundryLocalException as error:
            raise ProviderError("register" if path else "not-found", _line(error)) from error

    def load(self) -> None:
        """Load the model. Raises ProviderError of kind 'load' with the runtime's reason."""
        try:
            self._model.load()
        except FoundryLocalException as error:
            raise failed("load", _line(error)) from error

    def identity(self) -> Identity:
        """Return what the runtime and the model's own card say; the card fills what the runtime leaves out."""
        info = self._model.info
        directory = Path(self._model.get_path())
        card = read_card(directory)
        runtime = info.runtime
        device = runtime.device_type.value if runtime is not None and runtime.device_type else None
        # The CPU is what GenAI runs on when a local registration names no provider.
        local = self._settings.path is not None
        capabilities = tuple(tag for tag in (info.capabilities or "").split(",") if tag) or card.capabilities
        if info.supports_tool_calling and "tools" not in capabilities:
            capabilities = (*capabilities, "tools")
        return Identity(
            variant_id=info.id,
            variant_version=str(info.version),
            device=device or ("CPU" if local else None),
            execution_provider=(runtime.execution_provider if runtime is not None else None)
            or ("CPUExecutionProvider" if local else None),
            prompt_cache="cold",
            prompt_cache_by=OWN_SESSION,
            instrument=card.instrument,
            origin=_origin(card),
            parameters=card.parameters,
            precision=card.precision,
            licence=info.license or card.licence,
            licence_url=None,
            # The runtime calls the publisher of every registered directory "local".
            publisher=card.publisher if local else info.publisher or card.publisher,
            context_length=info.context_length or card.context_length,
            capabilities=capabilities,
            footprint_bytes=footprint_bytes(directory) or None,
            versions=_versions(),
            unmeasured=dict.fromkeys(DECLARED_FIELDS, UNSAID)
            | {
                "context_length": "neither the catalogue nor the model's configuration says it",
                "footprint_bytes": "the runtime names no directory of the model",
            },
        )

    def stream(self, request: Request, clock: Clock) -> Iterator[object]:
        """Set a session up, then yield the runtime's items with their arrival, and at last its usage.

        Items that were handed over in one go are one event. All come when the answer is complete. Raises ProviderError
        of kind 'too-long' where prompt and answer exceed the context, 'timeout' past the request's limit, else
        'generate'.
        """
        session, native = self._session(request)
        return self._answer(session, native, request, clock)

    def count_prompt_tokens(self, request: Request) -> int | None:
        """Return the runtime's own count, which asks nothing of the model. Raises ProviderError of kind 'generate'."""
        session, native = self._session(request)
        with session, native:
            try:
                return int(session.preflight_request(native).prompt_tokens)
            except FoundryLocalException as error:
                raise ProviderError("generate", _line(error)) from error

    def _session(self, request: Request) -> tuple[Any, Any]:
        """Return a session with the request's options, and the request as the runtime has it."""
        search = sdk.SearchOptions(
            temperature=request.temperature,
            top_p=request.top_p,
            max_output_tokens=request.max_output_tokens,
            seed=request.seed,
        )
        try:
            # A session keeps its history: each prompt gets a new one.
            session = StampingSession(self._model)
            session.set_options(sdk.RequestOptions(search=search))
            session.set_streaming(request.stream)
            native = sdk.Request()
            for message in messages(request):
                native.add_item(sdk.MessageItem(ROLES[message["role"]], message["content"]))
        except (FoundryLocalException, ValueError) as error:
            raise ProviderError("generate", _line(error)) from error
        return session, native

    def _answer(self, session: Any, native: Any, request: Request, clock: Clock) -> Iterator[object]:
        arrivals = Arrivals(clock, request)
        session.arrivals = arrivals
        with session, native:
            try:
                with session.process_request(native) as response:
                    ended_ns = clock()
                    final = _final(response)
                    whole = () if request.stream else tuple(response)
            except FoundryLocalException as error:
                yield from in_one_go(arrivals.items)
                if arrivals.late is not None:
                    raise late(arrivals.late, "", request) from error
                message = _line(error)
                kind = "too-long" if "context" in message or "max_length" in message else "generate"
                raise failed(kind, message) from error
            yield from in_one_go(arrivals.items)
            if request.stream and final.output_tokens and not arrivals.items:
                raise ProviderError("generate", "this foundry-local-sdk hands no text over; install version 2.2")
            yield Arrived(ended_ns, (*whole, final))

    def decode(self, events: Sequence[object]) -> Decoded:
        """Return the text of each item; tokens are the runtime's own count, which leaves out the end token."""
        pieces = []
        final: _Final | None = None
        for place, event in enumerate(events):
            for item in event if isinstance(event, tuple) else (event,):
                if isinstance(item, _Final):
                    final = item
                    continue
                text, reasoning = _text_of(item)
                if text:
                    pieces.append(Piece(text, place, reasoning))
        said = told_apart(pieces)
        if final is None:
            return Decoded(said, None, None, "none", None)
        return Decoded(said, final.prompt_tokens, final.output_tokens, "usage", final.finish_reason)

    def close(self) -> None:
        """Unload the model and shut the runtime down."""
        if self._manager is not None:
            self._manager.close()
            self._manager = None
        self._app_data.cleanup()

    def _registered(self, path: Path) -> Any:
        local = self._manager.get_catalog(sdk.CatalogType.LOCAL)
        with sdk.ModelInfoBuilder() as builder:
            builder.set_string_property("task", "chat-completion")
            return local.register_model(path, f"{self._settings.name}:1", builder)

    def _from_catalogue(self, on_download: Callable[[float], None]) -> Any:
        catalogue = self._manager.get_catalog()
        settings = self._settings
        if settings.variant is not None:
            model = catalogue.get_model_variant(settings.variant)
        else:
            model = catalogue.get_model(settings.alias)
        if model is None:
            known = sorted({entry.alias for entry in catalogue.list_models()})
            listed = f"it has {', '.join(known[:20])}" if known else "it is empty or out of reach: check the network"
            raise ProviderError("not-found", f"the catalogue has no model {settings.requested!r}; {listed}")
        if isinstance(settings.device, str):
            model = _variant_for(model, settings.device.upper())
        if not model.is_cached:
            self._download(model, on_download)
        return model

    def _download(self, model: Any, on_download: Callable[[float], None]) -> None:
        if not self._runtime.download:
            raise ProviderError(
                "download", f"{self._settings.requested!r} is not in the cache and foundry.download is false"
            )
        try:
            model.download(on_download)
        except FoundryLocalException as error:
            raise ProviderError("download", f"{_line(error)}; try again, or fetch it ahead of the run") from error


class _Final:
    def __init__(self, prompt_tokens: int, output_tokens: int, finish_reason: str | None) -> None:
        self.prompt_tokens = prompt_tokens
        self.output_tokens = output_tokens
        self.finish_reason = finish_reason


def _final(response: Any) -> _Final:
    usage = response.get_usage()
    return _Final(usage.prompt_tokens, usage.completion_tokens, _FINISH.get(response.finish_reason.name))


def _text_of(item: Any) -> tuple[str, bool]:
    if isinstance(item, sdk.TextItem):
        return item.text, item.type is TextItemType.REASONING
    if isinstance(item, sdk.MessageItem):
        parts = [_text_of(part) for part in item.parts]
        return "".join(text for text, _ in parts), any(reasoning for _, reasoning in parts)
    return "", False


def _variant_for(model: Any, device: str) -> Any:
    for variant in model.variants:
        runtime = variant.info.runtime
        if runtime is not None and runtime.device_type is not None and runtime.device_type.value == device:
            return variant
    raise DeviceMissing(f"{model.alias!r} has no variant for the {device} on this machine")


def _origin(card: Card) -> str | None:
    """Return what a model was made from, and the checksum of its largest part, as its card says."""
    source = card.source
    if source is None:
        return None
    checksums = ", ".join(f"{name} sha256 {digest}" for name, digest in source.sha256.items())
    return f"{source.name} ({source.form})" + (f", {checksums}" if checksums else "")


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:400] or type(error).__name__
