"""Answers of an OpenAI-compatible endpoint, decoded after they have ended: event streams and whole bodies."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from bench.errors import ProviderError
from bench.providers.protocol import Decoded, Piece

SHOWN_CHARACTERS = 80
"""How much of what is no JSON a message shows."""


def decoded_stream(reads: Sequence[bytes]) -> Decoded:
    """Decode an event stream from the reads in which it arrived, cut anywhere.

    A piece belongs to the read that completed its event.
    """
    pieces: list[Piece] = []
    usage: dict[str, Any] = {}
    finish: str | None = None
    model: str | None = None
    problem: ProviderError | None = None
    for place, data in _events(reads):
        if data == "[DONE]":
            break
        try:
            chunk = _document(data)
        except ProviderError as error:
            problem = error
            break
        usage = chunk.get("usage") or usage
        model = chunk["model"] if isinstance(chunk.get("model"), str) else model
        choice = _first(chunk.get("choices"))
        finish = choice.get("finish_reason") or finish
        piece = _piece(choice.get("delta") or {}, place)
        if piece is not None:
            pieces.append(piece)
    return _decoded(tuple(pieces), usage, finish, model, problem)


def decoded_body(body: bytes) -> Decoded:
    """Decode an answer that was not streamed; its text is one piece of the first event."""
    try:
        document = _document(body.decode("utf-8", "replace"))
    except ProviderError as error:
        return _decoded((), {}, None, None, error)
    choice = _first(document.get("choices"))
    piece = _piece(choice.get("message") or {}, 0)
    model = document["model"] if isinstance(document.get("model"), str) else None
    pieces = () if piece is None else (piece,)
    return _decoded(pieces, document.get("usage") or {}, choice.get("finish_reason"), model, None)


def _events(reads: Sequence[bytes]) -> Iterator[tuple[int, str]]:
    """Yield each event's data with the index of the read that completed it."""
    rest = b""
    for place, read in enumerate(reads):
        *lines, rest = (rest + read).split(b"\n")
        for line in lines:
            text = line.decode("utf-8", "replace").rstrip("\r")
            if text.startswith("data:"):
                yield place, text.removeprefix("data:").strip()


def _document(data: str) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except ValueError as error:
        raise ProviderError("decode", f"the endpoint sent what is no JSON: {data[:SHOWN_CHARACTERS]!r}") from error
    if not isinstance(document, dict):
        raise ProviderError("decode", "the endpoint sent JSON that is no object")
    if "error" in document:
        told = document["error"]
        said = told.get("message") if isinstance(told, dict) else told
        raise ProviderError("http", f"the endpoint sent an error: {said}")
    return document


def _first(choices: object) -> dict[str, Any]:
    if isinstance(choices, list) and choices and isinstance(choices[0], dict):
        return choices[0]
    return {}


def _piece(message: dict[str, Any], place: int) -> Piece | None:
    content = message.get("content")
    if isinstance(content, str) and content:
        return Piece(content, place)
    # Two names are in use for the same thing.
    reasoning = message.get("reasoning_content") or message.get("reasoning")
    return Piece(reasoning, place, reasoning=True) if isinstance(reasoning, str) and reasoning else None


def _decoded(
    pieces: tuple[Piece, ...],
    usage: dict[str, Any],
    finish: str | None,
    model: str | None,
    problem: ProviderError | None,
) -> Decoded:
    prompt, output = usage.get("prompt_tokens"), usage.get("completion_tokens")
    counted = isinstance(output, int)
    return Decoded(
        pieces=pieces,
        prompt_tokens=prompt if counted and isinstance(prompt, int) else None,
        output_tokens=output if counted else None,
        tokens_source="usage" if counted else "none",
        finish_reason=finish,
        problem=problem,
        model=model,
    )
