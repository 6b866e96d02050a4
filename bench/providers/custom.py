"""Models behind a class of the user's own: `load(weights_path)` and `generate(prompt, **params)`."""

import importlib
import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import ProviderError
from bench.providers.model_directory import footprint_bytes
from bench.providers.protocol import Clock, Decoded, Identity, Piece, Request, failed, messages
from bench.providers.registry import CustomModel
from bench.providers.thinking import told_apart
from bench.schema.model_run import DECLARED_FIELDS

ONE_MESSAGE = (
    "takes one message, and this prompt has several; if it takes them as messages=[{role, content}, ...], "
    "give the class the attribute conversations = True"
)


@dataclass(frozen=True)
class GeneratedPiece:
    """A piece of an answer, with the prompt that it answers: several may be under way.

    `whole` is what came as one, when all of it had been generated.
    """

    text: str
    prompt: str
    whole: bool = False


class CustomProvider:
    """One model behind a Python class, in this process.

    `generate` gets max_output_tokens, temperature, top_p and seed by keyword and returns the text, or an iterator of
    pieces that is then a stream. A method `count_tokens(text)` is used where the class has one. Several threads ask it
    at once only if it has an attribute `concurrent` that is true, and a prompt of several messages reaches it, as
    `messages`, only if it has one `conversations`.
    """

    def __init__(self, model: CustomModel) -> None:
        self._settings = model
        self._model: Any = None

    @property
    def one_at_a_time(self) -> str | None:
        """Why several threads cannot ask it at once, or None."""
        if getattr(self._model, "concurrent", False):
            return None
        return (
            f"{self._settings.class_} does not say that several may ask it at once; "
            "if they may, give the class the attribute concurrent = True"
        )

    def prepare(self, on_download: Callable[[float], None]) -> None:
        """Import the class and make one. Raises ProviderError of kind 'not-found' or 'load'."""
        module_name, _, class_name = self._settings.class_.partition(":")
        if os.getcwd() not in sys.path:
            sys.path.insert(0, os.getcwd())
        try:
            self._model = getattr(importlib.import_module(module_name), class_name)()
        except ModuleNotFoundError as error:
            raise ProviderError("not-found", f"no module {error.name!r} in this folder or installed") from error
        except AttributeError as error:
            raise ProviderError("not-found", f"module {module_name!r} has no class {class_name!r}") from error
        except Exception as error:
            # The class is the user's code: anything it raises is this model's failure.
            raise failed("load", _line(error)) from error

    def load(self) -> None:
        """Call the class's load with the path of the weights, or None."""
        weights = self._settings.weights
        try:
            self._model.load(str(weights) if weights is not None else None)
        except Exception as error:
            # The class is the user's code: anything it raises is this model's failure.
            raise failed("load", _line(error)) from error

    def identity(self) -> Identity:
        """Return the size of the weights; the config declares the rest."""
        weights = self._settings.weights
        unsaid = "a custom class does not say it; declare it in the config under declared"
        return Identity(
            variant_id=self._settings.class_,
            footprint_bytes=_size_bytes(weights) if weights is not None else None,
            unmeasured=dict.fromkeys(DECLARED_FIELDS, unsaid) | {"footprint_bytes": "the config names no weights"},
        )

    def stream(self, request: Request, clock: Clock) -> Iterator[object]:
        """Yield the pieces that the class generates; a plain text is one piece."""
        return self._answer(request)

    def _answer(self, request: Request) -> Iterator[object]:
        conversation = messages(request)
        told: dict[str, Any] = {}
        if len(conversation) > 1:
            if not getattr(self._model, "conversations", False):
                raise ProviderError("generate", f"{self._settings.class_} {ONE_MESSAGE}")
            told["messages"] = conversation
        prompt = _read(conversation)
        try:
            answer = self._model.generate(
                request.text,
                max_output_tokens=request.max_output_tokens,
                temperature=request.temperature,
                top_p=request.top_p,
                seed=request.seed,
                **told,
            )
            # What has a length was there before any of it was handed over.
            if isinstance(answer, str):
                yield GeneratedPiece(answer, prompt, whole=True)
            elif isinstance(answer, Collection):
                yield GeneratedPiece("".join(map(str, answer)), prompt, whole=True)
            else:
                for piece in answer:
                    yield GeneratedPiece(str(piece), prompt)
        except Exception as error:
            # The class is the user's code: anything it raises is this request's failure.
            raise failed("generate", _line(error)) from error

    def decode(self, events: Sequence[object]) -> Decoded:
        """Return the pieces as they came, with the class's own token counts if it counts."""
        said = [event for event in events if isinstance(event, GeneratedPiece)]
        pieces = told_apart([Piece(one.text, place) for place, one in enumerate(said) if one.text])
        streamed = not any(one.whole for one in said)
        if not said or not self._counts:
            return Decoded(pieces, None, None, "none", "stop", streamed=streamed)
        output = "".join(one.text for one in said)
        counted = (self._tokens(said[0].prompt), self._tokens(output))
        return Decoded(pieces, *counted, "tokenizer", "stop", streamed=streamed)

    def count_prompt_tokens(self, request: Request) -> int | None:
        """Return the class's own count, or None if it has none."""
        if not self._counts:
            return None
        try:
            return self._tokens(_read(messages(request)))
        except Exception as error:
            # The class is the user's code: anything it raises is this request's failure.
            raise failed("generate", _line(error)) from error

    @property
    def _counts(self) -> bool:
        return getattr(self._model, "count_tokens", None) is not None

    def _tokens(self, text: str) -> int:
        return int(self._model.count_tokens(text))

    def close(self) -> None:
        """Call the class's close if it has one."""
        close = getattr(self._model, "close", None)
        if close is not None:
            close()


def _read(conversation: Sequence[Mapping[str, str]]) -> str:
    """Return all that a model reads, as one text."""
    return "\n".join(message["content"] for message in conversation)


def _size_bytes(weights: Path) -> int | None:
    if weights.is_dir():
        return footprint_bytes(weights)
    return weights.stat().st_size if weights.is_file() else None


def _line(error: Exception) -> str:
    said = " ".join(str(error).split())
    return f"{type(error).__name__}: {said}"[:400] if said else type(error).__name__
