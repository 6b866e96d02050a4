"""Answers of an OpenAI-compatible endpoint, decoded after they have ended: event streams and whole bodies.

Everything here is linear in the bytes, however they were cut: reads are joined first and events found in the whole.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, NamedTuple

from bench.errors import ProviderError
from bench.providers.openai.failures import CHECK_URL, page_title, plain, told_by
from bench.providers.openai.server_view import cached_tokens, server_timings
from bench.providers.protocol import Decoded, Piece, failed
from bench.providers.thinking import told_apart
from bench.schema.fields import MOST_TOKENS

SHOWN_CHARACTERS = 80
"""How much of what cannot be decoded a message shows."""

WORD_CHARACTERS = 100
"""How much of a finish reason or of a model's name is kept."""

FIELDS = (b"data", b"event", b"id", b"retry")
"""What a line of an event stream may begin with, other than the colon of a comment."""

PART_TEXTS = ("text", "content", "value", "thinking", "reasoning", "summary", "refusal")
"""Where a typed part of a content has its text, or parts of its own."""

THOUGHT = re.compile(r"think|thought|reason", re.IGNORECASE)
"""What the type of a part says that is no part of the answer."""

DEEPEST_PART = 8
"""How many lists of parts and parts may stand within each other."""

BOM = b"\xef\xbb\xbf"

NO_SUCH_CALL = re.compile(r"(?:unexpected|unknown|no such|invalid) (?:endpoint|route|path|url)", re.IGNORECASE)
"""How a server says with status 200 that nothing answers at this address."""

HIDDEN_TOKENS = 64
"""How many tokens more than bytes of text are believed: markers and stripped blanks have no text of their own."""

TOKEN_BYTES = 512
"""How many bytes of text a token is believed to have at most: runs of blanks are the longest in use, at half of it."""


def decoded_stream(reads: Sequence[bytes]) -> Decoded:
    """Decode an event stream from the reads in which it arrived, cut anywhere.

    A piece belongs to the read that completed its event: the one with the end of the empty line. What follows a
    problem is not decoded.
    """
    answer = _Answer()
    seen = False
    for event in _events(reads):
        seen = True
        if event.data == "[DONE]":
            answer.whole = True
            break
        if not event.data:
            continue
        try:
            document = _document(event.data, named_error=event.name == b"error")
        except ProviderError as error:
            # Half of an event is what a connection leaves that was cut off; that it has no finish reason says it.
            if event.whole or error.kind == "endpoint-error":
                answer.problem = error
            break
        answer.add(document, event.read, "delta")
        if answer.problem is not None:
            break
    if not seen:
        answer.problem = _no_stream(b"".join(reads))
    return answer.decoded()


def decoded_body(body: bytes) -> Decoded:
    """Decode an answer that was not streamed; its text is of the first event."""
    answer = _Answer()
    try:
        answer.add(_document(body.removeprefix(BOM).decode("utf-8", "replace").strip()), 0, "message")
        answer.whole = True
    except ProviderError as error:
        answer.problem = error
    return answer.decoded()


class _Event(NamedTuple):
    """An event's data and name, the index of the read that completed it, and whether its empty line came."""

    data: str
    name: bytes
    read: int
    whole: bool


@dataclass
class _Answer:
    """What the documents of one answer have held so far."""

    pieces: list[Piece] = field(default_factory=list)
    usage: dict[str, Any] = field(default_factory=dict)
    timings: dict[str, Any] = field(default_factory=dict)
    finish: str | None = None
    model: str | None = None
    problem: ProviderError | None = None
    last: dict[str, Any] = field(default_factory=dict)
    chosen: bool = False
    called_tools: bool = False
    whole: bool = False
    counts: list["_EventTokens"] = field(default_factory=list)

    def add(self, document: dict[str, Any], place: int, holder: str) -> None:
        """Take in one document; `holder` is the key under which a choice has its text."""
        # Some servers send the usage so far with every chunk, some null with all but the last.
        self.usage = _mapping(document.get("usage")) or self.usage
        self.timings = _mapping(document.get("timings")) or self.timings
        # Cleaned once, at the end: the same name comes with every chunk.
        self.model = _string(document.get("model")) or self.model
        self.last = document
        choices = document.get("choices")
        if not isinstance(choices, list) or not choices:
            return
        self.chosen = True
        choice = _mapping(choices[0])
        if choice.get("error"):
            self.problem = _sent_error(choice)
            return
        self.finish = _string(choice.get("finish_reason")) or self.finish
        message = _mapping(choice.get(holder) if holder in choice else choice.get("message"))
        self.called_tools |= bool(message.get("tool_calls") or message.get("function_call"))
        # Several names are in use for the same thing, and some servers send two of them.
        reasoning = message.get("reasoning_content") or message.get("reasoning") or message.get("thinking")
        before = len(self.pieces)
        for text, _ in _parts(reasoning):
            self.pieces.append(Piece(text, place, reasoning=True))
        for text, thought in _parts(message.get("content")):
            self.pieces.append(Piece(text, place, reasoning=thought))
        if len(self.pieces) > before and len(self.counts) < 2:
            self.counts.append(_event_tokens(document, choice, len(self.pieces) - before))

    def decoded(self) -> Decoded:
        """Return the answer, with what is wrong with it as a whole."""
        prompt, output = _counts(self.usage, self.pieces)
        told = self.last | {"usage": self.usage, "timings": self.timings}
        return Decoded(
            pieces=told_apart(self.pieces),
            prompt_tokens=prompt,
            output_tokens=output,
            tokens_source="none" if output is None else "usage",
            finish_reason=_word(self.finish),
            problem=self.problem or self._shortcoming(),
            model=_word(self.model),
            cached_prompt_tokens=cached_tokens(told, prompt),
            server=server_timings(told),
            fingerprint=_word(_string(self.last.get("system_fingerprint"))),
            first_chunk_tokens=first_chunk_tokens(self.pieces, output, self.counts),
            whole=self.whole,
        )

    def _shortcoming(self) -> ProviderError | None:
        if self.finish == "content_filter":
            message = "a filter of the endpoint stopped the answer; change the prompt, or the filter"
            return ProviderError("content-filter", message)
        if self.called_tools and all(piece.reasoning for piece in self.pieces):
            message = "the model called tools and gave no text; change the prompt, or serve it without tools"
            return ProviderError("tool-calls", message)
        if self.finish == "error":
            return ProviderError("endpoint-error", "the endpoint ended the answer with an error; look into its log")
        if self.last and not self.chosen and told_by(self.last).text:
            return _sent_error(self.last)
        if self.last and not self.chosen:
            found = _shown(json.dumps(self.last, ensure_ascii=False))
            empty = "empty choices" if "choices" in self.last else "no choices"
            return ProviderError("no-choices", f"the answer has {empty}, check that base_url serves chat: {found}")
        return None


def _events(reads: Sequence[bytes]) -> Iterator[_Event]:
    """Yield the events of a stream, the last one also where its empty line never came.

    An event without data is one as well: a comment or a name shows that this is an event stream.
    """
    body = b"".join(reads)
    ends = list(accumulate(map(len, reads)))
    read = 0
    data: list[bytes] = []
    name = b""
    offset = 0
    if body.startswith(BOM):
        body, offset = body[len(BOM) :], len(BOM)
    # Bytes, unlike text, break only at CR, LF and CRLF, as events do.
    for line in body.splitlines(keepends=True):
        content = line.rstrip(b"\r\n")
        # A CR ends a line, whether or not an LF follows in a later read.
        end = offset + len(content) + 1
        offset += len(line)
        if content:
            key, _, value = content.partition(b":")
            value = value.removeprefix(b" ")
            if key == b"data":
                data.append(value)
            elif key == b"event":
                name = value
            if not key or (key in FIELDS and key != b"data"):
                yield _Event("", b"", 0, whole=True)
        elif data:
            while ends[read] < end:
                read += 1
            yield _Event(_text(data), name, read, whole=True)
            data, name = [], b""
        else:
            name = b""
    if data:
        # Nothing may follow an empty read at the end.
        last = max(place for place, read in enumerate(reads) if read)
        yield _Event(_text(data), name, last, whole=False)


def _text(lines: list[bytes]) -> str:
    return (lines[0] if len(lines) == 1 else b"\n".join(lines)).decode("utf-8", "replace").strip()


def _document(data: str, *, named_error: bool = False) -> dict[str, Any]:
    """Return an event's or a body's document. Raises ProviderError for what is none, or is an error."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        if named_error:
            raise _sent_error(data) from error
        raise ProviderError("decode", f"the endpoint sent what is no JSON: {_shown(data)}") from error
    if named_error:
        raise _sent_error(document)
    if not isinstance(document, dict):
        raise ProviderError("decode", f"the endpoint sent JSON that is no object: {_shown(data)}")
    # Some servers have an error that is null in every good answer.
    if document.get("error") or document.get("object") == "error":
        raise _sent_error(document)
    return document


def _sent_error(document: object) -> ProviderError:
    said = told_by(document).text
    advice = f"; {CHECK_URL}" if NO_SUCH_CALL.search(said) else ""
    return failed("endpoint-error", f"the endpoint sent an error: {said or 'it does not say which'}{advice}")


def _no_stream(body: bytes) -> ProviderError | None:
    text = body.removeprefix(BOM).decode("utf-8", "replace").strip()
    if not text:
        return None
    if text.startswith("<"):
        title = page_title(text)
        page = f"the page {title!r}" if title else "a page"
        message = f"the endpoint answered a streamed request with {page}; check base_url: it usually ends in /v1"
        return ProviderError("not-sse", message)
    try:
        _document(text)
    except ProviderError as error:
        if error.kind == "endpoint-error":
            return error
        return ProviderError(
            "not-sse", f"the endpoint answered a streamed request with no event stream: {_shown(text)}"
        )
    message = "the endpoint answered a streamed request with one JSON document; set stream: false to measure it whole"
    return ProviderError("not-sse", message)


def _counts(usage: dict[str, Any], pieces: Sequence[Piece]) -> tuple[int | None, int | None]:
    """Return the tokens of the prompt and of the output, None where the usage cannot be.

    A count of the output that contradicts the text makes the whole usage unbelievable: no tokens for some text, more
    than its bytes with what was reasoned unseen, or so few that no vocabulary has tokens that long.
    """
    prompt, output = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    text_bytes = sum(len(piece.text.encode("utf-8", "replace")) for piece in pieces)
    unseen = _count(_mapping(usage.get("completion_tokens_details")).get("reasoning_tokens")) or 0
    if output is None or text_bytes > output * TOKEN_BYTES or output > text_bytes + unseen + HIDDEN_TOKENS:
        return None, None
    # No prompt has no tokens; some servers leave out those that they had in a cache.
    return prompt or None, output


FEWEST_TOKENS = 4
"""Tokens of a first chunk that are told from the text alone: fewer can be an end token that was counted, or a character
of several tokens later on."""

LATER_CHUNKS = 4
"""Chunks after the first that it takes to tell how long a token's text is."""

ALIKE = 2.0
"""By what factor the text of the first chunk may differ from that of as many later tokens."""


class _EventTokens(NamedTuple):
    """What an event with text says of tokens: of its own, and of all up to it. `pieces` is how many it has of text."""

    own: int | None
    so_far: int | None
    pieces: int


def first_chunk_tokens(
    pieces: Sequence[Piece], output_tokens: int | None, counts: Sequence[_EventTokens] = ()
) -> int | None:
    """Return how many tokens the first chunk of a stream has; None where it is one, or cannot be known.

    It is known where the first events with text count. Else it is told from the rest: where each later chunk is one
    token, all others are the first one's. That is believed only if they are `FEWEST_TOKENS` or more, and the first
    chunk's text is as long as that of as many later ones, within a factor of `ALIKE`.
    """
    if output_tokens is None or len(pieces) < 2:
        return None
    known = _counted_first(counts)
    if known is not None:
        return known if 1 < known < output_tokens else None
    first, *later = [len(piece.text) for piece in pieces]
    left = output_tokens - len(later)
    if len(later) < LATER_CHUNKS or left < FEWEST_TOKENS:
        return None
    expected = left * sum(later) / len(later)
    return left if expected / ALIKE <= first <= expected * ALIKE else None


def _counted_first(counts: Sequence[_EventTokens]) -> int | None:
    if not counts or counts[0].pieces != 1:
        return None
    first = counts[0]
    # A count that does not grow is that of the whole answer, sent along with each event.
    growing = len(counts) > 1 and first.so_far is not None and (counts[1].so_far or 0) > first.so_far
    return first.own or (first.so_far if growing else None)


def _event_tokens(document: Mapping[str, Any], choice: Mapping[str, Any], pieces: int) -> _EventTokens:
    logprobs = _mapping(choice.get("logprobs")).get("content")
    own = len(logprobs) if isinstance(logprobs, list) and logprobs else None
    usage, timings = _mapping(document.get("usage")), _mapping(document.get("timings"))
    return _EventTokens(own, _count(usage.get("completion_tokens")) or _count(timings.get("predicted_n")), pieces)


def _parts(content: object, thought: bool = False, depth: int = 0) -> Iterator[tuple[str, bool]]:
    """Yield the texts of a message's content, and whether each is a thought; it may be a list of typed parts."""
    if isinstance(content, str):
        if content:
            yield content, thought
    elif depth >= DEEPEST_PART:
        return
    elif isinstance(content, list):
        for part in content:
            yield from _parts(part, thought, depth + 1)
    elif isinstance(content, dict):
        held = next((content[key] for key in PART_TEXTS if content.get(key)), None)
        kind = _string(content.get("type")) or ""
        yield from _parts(held, thought or THOUGHT.search(kind) is not None, depth + 1)


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_TOKENS else None


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _string(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _word(value: str | None) -> str | None:
    return None if value is None else plain(value[:WORD_CHARACTERS]) or None


def _shown(text: str) -> str:
    # Cut first: what a server sends can be as long as it likes.
    return repr(plain(text[:SHOWN_CHARACTERS]))
