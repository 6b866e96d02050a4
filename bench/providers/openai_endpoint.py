"""Models behind any OpenAI-compatible endpoint, through the openai package."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from typing import Any

from bench.config import DEFAULT_ENDPOINT, EndpointModel
from bench.errors import ProviderError
from bench.providers.protocol import Clock, Decoded, Identity, Piece, Request

CONNECT_S = 10.0
"""How long a connection may take to come about."""

LIST_S = 30.0
"""How long an endpoint may take to list its models."""


class EndpointProvider:
    """One model at an endpoint. Another process holds it, so its memory and its load are not ours to measure."""

    remote = "the model is behind an endpoint: another process holds it"

    def __init__(self, model: EndpointModel) -> None:
        self._settings = model
        self._base_url = model.base_url or DEFAULT_ENDPOINT
        self._key = os.environ.get(model.api_key_env, "") if model.api_key_env else ""
        self._client: Any = None
        self._model = model.model
        self._listed = False
        self._answered_as: str | None = None

    def prepare(self, on_download: Callable[[float], None]) -> None:
        """Connect, and ask the endpoint which models it has.

        A Foundry Local service knows its models by the ids of their variants: an alias is resolved to the one variant
        that it lists. Raises ProviderError of kind 'refused' or 'connection' where nobody answers, and 'not-found' for
        an alias of several variants.
        """
        import openai

        self._client = openai.OpenAI(
            base_url=self._base_url,
            # The package insists on a key; a local endpoint reads none.
            api_key=self._key or "none",
            # A retry inside a measured request would be measured as latency.
            max_retries=0,
            timeout=openai.Timeout(LIST_S, connect=CONNECT_S),
        )
        try:
            ids = [entry.id for entry in self._client.models.list()]
        except (openai.APIStatusError, AttributeError, TypeError):
            # Not every endpoint has a list of models, or one of this form; the first request will tell.
            ids = []
        except (openai.OpenAIError, ValueError) as error:
            raise self._failure(error) from error
        variants = [name for name in ids if name.startswith(f"{self._model}-")]
        if self._model not in ids and len(variants) > 1:
            listed = ", ".join(variants)
            raise ProviderError("not-found", f"{self._base_url} lists several variants of {self._model!r}: {listed}")
        if self._model not in ids and variants:
            self._model = variants[0]
        self._listed = self._model in ids

    def load(self) -> None:
        """Do nothing: the endpoint loads its models when it wants to."""

    def identity(self) -> Identity:
        """Return what the config declares; an endpoint says little of its models."""
        unsaid = "an endpoint does not say it; declare it in the config under declared"
        declared = self._settings.declared
        return Identity(
            variant_id=self._answered_as or (self._model if self._listed else None),
            footprint_bytes=declared.footprint_bytes,
            versions={"openai": metadata.version("openai")},
            unmeasured={
                "parameters": unsaid,
                "precision": unsaid,
                "licence": unsaid,
                "context_length": unsaid,
                "footprint_bytes": unsaid,
            },
        )

    def stream(self, request: Request, clock: Clock) -> Iterator[object]:
        """Yield the lines of the event stream as they arrive, or the whole body of an answer that is not streamed.

        Raises ProviderError of kind 'timeout', 'refused', 'connection', 'not-found' or 'http'.
        """
        import openai

        parameters: dict[str, Any] = {
            "model": self._model,
            "messages": [{"role": "user", "content": request.text}],
            "temperature": request.temperature,
            "max_tokens": request.max_output_tokens,
            "seed": request.seed,
            "stream": request.stream,
            "timeout": openai.Timeout(request.request_s, connect=CONNECT_S, read=request.first_text_s),
        }
        if request.top_p is not None:
            parameters["top_p"] = request.top_p
        if request.stream:
            parameters["stream_options"] = {"include_usage": True}
        return self._answer(parameters)

    def _answer(self, parameters: dict[str, Any]) -> Iterator[object]:
        import openai

        try:
            with self._client.chat.completions.with_streaming_response.create(**parameters) as response:
                if parameters["stream"]:
                    yield from response.iter_lines()
                else:
                    yield response.read()
        except openai.OpenAIError as error:
            raise self._failure(error) from error
        except Exception as error:
            # The transport's own errors reach us unwrapped while the body is read; the package does not name them.
            if type(error).__module__.partition(".")[0] not in ("httpx", "httpcore", "httpx2", "httpcore2"):
                raise
            raise self._failure(error) from error

    def decode(self, events: Sequence[object]) -> Decoded:
        """Parse the lines of a stream, or the body of an answer. Raises ProviderError of kind 'decode' or 'http'."""
        if len(events) == 1 and isinstance(events[0], bytes):
            return self._decoded_body(events[0])
        pieces = []
        usage: dict[str, Any] = {}
        finish: str | None = None
        for event in events:
            text = str(event)
            data = text.removeprefix("data:").strip() if text.startswith("data:") else ""
            if not data or data == "[DONE]":
                pieces.append(Piece(""))
                continue
            chunk = self._parsed(data)
            usage = chunk.get("usage") or usage
            choice = _first(chunk.get("choices"))
            finish = choice.get("finish_reason") or finish
            pieces.append(_piece(choice.get("delta") or {}))
        return self._decoded(tuple(pieces), usage, finish)

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _decoded_body(self, body: bytes) -> Decoded:
        document = self._parsed(body)
        choice = _first(document.get("choices"))
        piece = _piece(choice.get("message") or {})
        return self._decoded((piece,), document.get("usage") or {}, choice.get("finish_reason"))

    def _decoded(self, pieces: tuple[Piece, ...], usage: dict[str, Any], finish: str | None) -> Decoded:
        prompt, output = usage.get("prompt_tokens"), usage.get("completion_tokens")
        if not isinstance(output, int):
            return Decoded(pieces, None, None, "none", finish)
        return Decoded(pieces, prompt if isinstance(prompt, int) else None, output, "usage", finish)

    def _parsed(self, data: str | bytes) -> dict[str, Any]:
        try:
            document = json.loads(data)
        except ValueError as error:
            shown = data[:80] if isinstance(data, str) else data[:80].decode("utf-8", "replace")
            raise ProviderError("decode", self._clean(f"the endpoint sent what is no JSON: {shown!r}")) from error
        if not isinstance(document, dict):
            raise ProviderError("decode", "the endpoint sent JSON that is no object")
        if "error" in document:
            raise ProviderError("http", self._clean(f"the endpoint sent an error: {_error_text(document['error'])}"))
        if isinstance(document.get("model"), str):
            self._answered_as = document["model"]
        return document

    def _failure(self, error: Exception) -> ProviderError:
        import openai

        # The names are alike in every version of the transport, its modules are not.
        causes: list[BaseException] = []
        cause: BaseException | None = error
        while cause is not None and len(causes) < 10:
            causes.append(cause)
            cause = cause.__cause__ or cause.__context__
        where = self._base_url
        if isinstance(error, openai.APIStatusError):
            kind = "not-found" if error.status_code == 404 else "http"
            return ProviderError(kind, self._clean(f"{where} answered {error.status_code}: {error.message}"))
        if any("Timeout" in type(cause).__name__ for cause in causes):
            return ProviderError("timeout", f"{where} did not answer in time")
        if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
            message = f"{where} refuses the connection; start the service, or set FOUNDRY_LOCAL_ENDPOINT or base_url"
            return ProviderError("refused", message)
        return ProviderError("connection", self._clean(f"{where}: {error}"))

    def _clean(self, message: str) -> str:
        line = " ".join(message.split())[:400]
        return line.replace(self._key, "***") if self._key else line


def _first(choices: object) -> dict[str, Any]:
    if isinstance(choices, list) and choices and isinstance(choices[0], dict):
        return choices[0]
    return {}


def _piece(message: dict[str, Any]) -> Piece:
    content = message.get("content")
    if isinstance(content, str) and content:
        return Piece(content)
    # Two names are in use for the same thing.
    reasoning = message.get("reasoning_content") or message.get("reasoning")
    return Piece(reasoning, reasoning=True) if isinstance(reasoning, str) else Piece("")


def _error_text(error: object) -> str:
    return str(error.get("message") if isinstance(error, dict) else error)
