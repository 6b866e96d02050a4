"""A model's directory on disk: its size, and the card that may lie in it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench.errors import ProviderError
from bench.schema.fields import MOST_EXACT, MOST_TOKENS

CARD_FILE = "card.json"


@dataclass(frozen=True)
class Source:
    """What a model was made from: its name, its form, how its weights were quantised, the SHA-256 of each file."""

    name: str
    form: str
    quantisation: str | None
    sha256: Mapping[str, str]


@dataclass(frozen=True)
class Card:
    """What a model directory says of its model, as far as it does.

    An `instrument` is there to try the benchmark with, and not to be shipped. `made_with` has the name of each tool and
    its version or its arguments, `sha256` the checksum of each file that is needed at run time.
    """

    name: str | None = None
    parameters: int | None = None
    precision: str | None = None
    licence: str | None = None
    publisher: str | None = None
    context_length: int | None = None
    capabilities: tuple[str, ...] = ()
    instrument: bool = False
    source: Source | None = None
    made_with: Mapping[str, str] = field(default_factory=dict)
    sha256: Mapping[str, str] = field(default_factory=dict)
    description: str | None = None


def footprint_bytes(directory: Path) -> int:
    """Return the bytes of all files below a directory, following no links out of it."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def check_directory(directory: Path) -> None:
    """Raise ProviderError unless a directory is there and has what the runtime needs to register it."""
    if not directory.is_dir():
        raise ProviderError("register", f"there is no model directory {directory.name!r}; check the path in the config")
    if not (directory / "genai_config.json").is_file():
        raise ProviderError(
            "register",
            f"the model directory {directory.name!r} has no genai_config.json; "
            "export the model in ONNX Runtime GenAI form",
        )


def read_card(directory: Path) -> Card:
    """Return the card of a model directory; an empty one if there is none or it is no JSON object."""
    try:
        card = json.loads((directory / CARD_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        card = {}
    if not isinstance(card, dict):
        return Card()
    return Card(
        name=_text(card.get("name")),
        parameters=_whole(card.get("parameters"), MOST_EXACT),
        precision=_text(card.get("precision")),
        licence=_text(card.get("licence")),
        publisher=_text(card.get("publisher")),
        context_length=_whole(card.get("context_length"), MOST_TOKENS) or _context_length(directory),
        capabilities=tuple(str(tag) for tag in card.get("capabilities") or ()),
        instrument=card.get("instrument") is True,
        source=_source(card.get("source")),
        made_with=_texts(card.get("made_with")),
        sha256=_texts(card.get("sha256")),
        description=_text(card.get("description")),
    )


def write_card(directory: Path, card: Card) -> None:
    """Write the card of a model directory, without what it does not say."""
    document = {key: value for key, value in asdict(card).items() if value not in (None, (), {}, False)}
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    (directory / CARD_FILE).write_text(text, encoding="utf-8", newline="\n")


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _source(value: object) -> Source | None:
    if not isinstance(value, dict):
        return None
    name, form = _text(value.get("name")), _text(value.get("form"))
    if name is None or form is None:
        return None
    return Source(name, form, _text(value.get("quantisation")), _texts(value.get("sha256")))


def _texts(value: object) -> dict[str, str]:
    items = value.items() if isinstance(value, dict) else ()
    return {str(key): text for key, text in items if isinstance(text, str)}


def _context_length(directory: Path) -> int | None:
    try:
        document = json.loads((directory / "genai_config.json").read_text(encoding="utf-8"))
        return _whole(document["model"]["context_length"], MOST_TOKENS)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _whole(value: object, most: int) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
