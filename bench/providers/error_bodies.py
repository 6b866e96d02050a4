"""What a server says of its error, read out of any of the forms in use: JSON, an HTML page, or a line of text."""

import html
import json
import re
import textwrap
from dataclasses import dataclass
from typing import Any, Literal

TOLD_CHARACTERS = 300
"""How much of a server's explanation a message keeps."""

READ_BYTES = 1_000_000
"""How much of an error's body is looked at."""

SECRETS = re.compile(
    r"(?P<before>\bbearer\s+|\b(?:api[_-]?key|access_token|token|key)=)[^\s\"'&,;]+"
    r"|\b(?:sk|pk|rk|hf|gsk|xai|nvapi|key)[-_](?=[A-Za-z_.-]*[\d*])[A-Za-z0-9_*.-]*[A-Za-z0-9*]",
    re.IGNORECASE,
)
"""What looks like a key: a server likes to repeat the one that it refuses. Words without a digit are none."""

DEEPEST = 8
"""How far inside a document an explanation is looked for."""

TITLE = re.compile(r"<(title|h1)[^>]*>(.*?)</\1", re.IGNORECASE | re.DOTALL)
CONTEXT = re.compile(
    r"context_length|exceed_context|context (?:length|window|size)|maximum context|too many tokens", re.IGNORECASE
)


@dataclass(frozen=True)
class Told:
    """What a body tells of an error: text is empty where there is none.

    `explained` is whether a server of models wrote it, and `about` names what one can tell from it.
    """

    text: str
    explained: bool
    about: Literal["context", "content-filter"] | None = None


def told(body: bytes) -> Told:
    """Return what the body of an error says."""
    text = body[:READ_BYTES].decode("utf-8", "replace").strip()
    if text.startswith(("{", "[", '"')):
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            return Told(cut(text), explained=False)
        return told_by(document)
    if text.startswith("<"):
        return Told(page_title(text), explained=False)
    if text.count("�") * 10 > len(text):
        # Compressed, or no text at all.
        return Told("", explained=False)
    return Told(cut(text), explained=False)


def told_by(document: object) -> Told:
    """Return what a decoded JSON document says of an error."""
    said = cut(_message(document))
    # A web framework's own 'Not Found' is no explanation: it means that nobody knows the address.
    explained = bool(said) and said.lower().rstrip(".") != "not found"
    codes = f"{_codes(document)} {said}"
    if "content_filter" in codes:
        return Told(said, explained, "content-filter")
    return Told(said, explained, "context" if CONTEXT.search(codes) else None)


def page_title(text: str) -> str:
    """Return the title of an HTML page, or its first heading, as plain text; empty where it has neither."""
    found = TITLE.search(text[:READ_BYTES])
    return cut(html.unescape(re.sub(r"<[^>]*>", " ", found[2]))) if found else ""


def cut(text: str) -> str:
    """Return the beginning of a text as one plain line, cut between words: half of a key could not be told as one."""
    return textwrap.shorten(plain(text[: 10 * TOLD_CHARACTERS]), TOLD_CHARACTERS, placeholder=" …")


def plain(text: str, advice: str = "") -> str:
    """Return text as one line without control characters and without what looks like a key, then what to do next."""
    line = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    line = SECRETS.sub(lambda found: f"{found['before'] or ''}***", line)
    return f"{line.rstrip(' .;')}; {advice}" if advice else line


def _message(document: Any, depth: int = 0) -> str:
    if isinstance(document, str):
        return document
    if isinstance(document, list) and depth < DEEPEST:
        return "; ".join(filter(None, (_message(each, depth + 1) for each in document[:3])))
    if not isinstance(document, dict) or depth >= DEEPEST:
        return ""
    for key in ("error", "message", "detail", "msg", "errors", "error_description", "title", "reason"):
        said = _message(document.get(key), depth + 1)
        if said:
            place = document.get("loc")
            return f"{'.'.join(map(str, place))}: {said}" if key == "msg" and isinstance(place, list) else said
    return ""


def _codes(document: Any) -> str:
    holders = [document, document.get("error")] if isinstance(document, dict) else []
    found = [holder.get(key) for holder in holders if isinstance(holder, dict) for key in ("code", "type")]
    return " ".join(code for code in found if isinstance(code, str))
