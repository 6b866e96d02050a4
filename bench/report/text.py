"""Untrusted text on its way to a page: escaped for HTML, Markdown and Jinja at once, or made a safe name."""

import hashlib
import posixpath
import re
from collections.abc import Sequence
from urllib.parse import quote

from markupsafe import Markup

_MEANINGFUL = "&<>\"'" + "`*_{}[]\\#~|!$^=+@" + "\n\t"
_ENTITIES = str.maketrans({character: f"&#{ord(character)};" for character in _MEANINGFUL})
_LINE_END = re.compile("\r\n|[\r\u2028\u2029]")
_CONTROLS = "\x00-\x08\x0b-\x1f\x7f-\x9f"
_BIDIRECTIONAL = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_WIDTHLESS = "\u200b\u2060-\u2064\ufeff"
"""Without the joiners of Persian, of Indian scripts and of emoji, which are seen by what they do."""
_SURROGATES = "\ud800-\udfff"
_INVISIBLE = re.compile(f"[{_CONTROLS}{_BIDIRECTIONAL}{_WIDTHLESS}{_SURROGATES}]")
_CONTROL_PICTURES = 0x2400
_REPLACEMENT = "\ufffd"

_TITLE_CHARACTER = re.compile(r"[^\w .,:;/()+-]")
_NOT_IN_KEY = re.compile(r"[^a-z0-9._-]+")
_KEY = re.compile(r"[a-z0-9][a-z0-9._-]*")
_RUN_KEY = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}/[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_LONGEST_KEY = 60
_RESERVED_KEYS = frozenset({"index", "con", "prn", "aux", "nul"})


def visible(text: str) -> str:
    """Return the text with what cannot be seen made visible.

    That is control characters, bidirectional marks, characters without a width, and lone surrogates. Line feeds and
    tabs stay; other line ends become line feeds.
    """
    # Whatever must be made visible is not printable, and most texts are printable as a whole.
    if text.isprintable():
        return text
    text = _LINE_END.sub("\n", text)
    return _INVISIBLE.sub(_visible_character, text)


def escape(value: object) -> Markup:
    """Return a value as text that neither HTML nor Markdown nor Jinja reads as anything but text."""
    return Markup(visible(str(value)).translate(_ENTITIES))


def finalise(value: object) -> Markup:
    """Escape what a template prints, unless a function of the site has made it as markup."""
    if value is None:
        raise TypeError("a template prints None: say why there is nothing instead")
    return value if isinstance(value, Markup) else escape(value)


def title(text: str) -> str:
    """Return the text with only characters that mean nothing in HTML, YAML and Jinja.

    MkDocs puts titles into its templates unescaped, and unescapes entities in them: escaping would not do.
    """
    cleaned = " ".join(_TITLE_CHARACTER.sub("·", visible(text)).replace("_", " ").split())
    return shortened(cleaned, 80) or "untitled"


def shortened(text: str, length: int) -> str:
    """Return the text cut to a length, with an ellipsis where something is missing."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def key(name: str) -> str:
    """Return a file name for a model or prompt: its own name where that is safe, else a cleaned one with a hash.

    The hash keeps two names apart that look alike when cleaned, and the file name of one never depends on others.
    """
    if _KEY.fullmatch(name) and len(name) <= _LONGEST_KEY and name not in _RESERVED_KEYS and ".." not in name:
        return name
    cleaned = _NOT_IN_KEY.sub("-", name.lower()).strip(".-_").replace("..", "-")[:_LONGEST_KEY] or "name"
    return f"{cleaned}-{_hash(name)}"


def run_key(run_id: str) -> str:
    """Return the path of a run's data below `data/runs/`, without its ending: the run's id where that is safe."""
    if _RUN_KEY.fullmatch(run_id) and ".." not in run_id:
        return run_id
    return f"other/{_hash(run_id)}"


def relative(page: str, target: str) -> str:
    """Return the link from one page of the site to another, both given from the site's root."""
    path, rest = _split_address(target)
    address = posixpath.relpath(path, posixpath.dirname(page) or ".") if path else ""
    return quote(address, safe="/") + rest


def anchor(text: str) -> str:
    """Return an id for a heading: two names never have one id."""
    return key(text)


def web_address(text: str | None) -> str | None:
    """Return the text if it is an address that a page may link to, else None: never javascript: or the like."""
    if text is None or not re.fullmatch(r"https?://[^\s\"'<>`\\{}|^]{1,500}", text):
        return None
    return text


def _visible_character(found: re.Match[str]) -> str:
    code = ord(found[0])
    return chr(_CONTROL_PICTURES + code) if code < 0x20 else _REPLACEMENT


def _split_address(address: str) -> tuple[str, str]:
    """Return the path of an address, and its query and fragment with the characters that start them."""
    ends = [place for mark in "?#" if (place := address.find(mark)) >= 0]
    end = min(ends, default=len(address))
    return address[:end], address[end:]


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def joined(parts: Sequence[str]) -> str:
    """Return parts as an enumeration: a, b and c."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""
