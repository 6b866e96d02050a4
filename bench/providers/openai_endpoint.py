"""Models behind any OpenAI-compatible endpoint, through the openai package."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib import metadata
from typing import Any

from bench.config import DEFAULT_ENDPOINT, EndpointModel
from bench.errors import ProviderError
from bench.providers.protocol import Clock, Decoded, Identity, Request
from bench.providers.sse import decoded_body, decoded_stream

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
        self._streamed = True

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
            transport="package",
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
        """Yield the bytes of the answer as they arrive.

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
            "timeout": openai.Timeout(request.request_s, connect=request.connect_s, read=request.first_text_s),
        }
        if request.top_p is not None:
            parameters["top_p"] = request.top_p
        if request.stream:
            parameters["stream_options"] = {"include_usage": True}
        self._streamed = request.stream
        return self._answer(parameters)

    def _answer(self, parameters: dict[str, Any]) -> Iterator[object]:
        import openai

        try:
            with self._client.chat.completions.with_streaming_response.create(**parameters) as response:
                yield from response.iter_bytes()
        except openai.OpenAIError as error:
            raise self._failure(error) from error
        except Exception as error:
            # The transport's own errors reach us unwrapped while the body is read; the package does not name them.
            if type(error).__module__.partition(".")[0] not in ("httpx", "httpcore", "httpx2", "httpcore2"):
                raise
            raise self._failure(error) from error

    def decode(self, events: Sequence[object]) -> Decoded:
        """Decode the reads of a stream, or the body of an answer."""
        reads = [event for event in events if isinstance(event, bytes)]
        decoded = decoded_stream(reads) if self._streamed else decoded_body(b"".join(reads))
        self._answered_as = decoded.model or self._answered_as
        if decoded.problem is None:
            return decoded
        problem = ProviderError(decoded.problem.kind, self._clean(decoded.problem.message))
        return replace(decoded, problem=problem)

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

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
