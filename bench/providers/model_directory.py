"""A model's directory on disk: its size, and the card that may lie in it."""

import json
from dataclasses import dataclass
from pathlib import Path

from bench.errors import ProviderError
from bench.schema.fields import MOST_EXACT, MOST_TOKENS

CARD_FILE = "card.json"


@dataclass(frozen=True)
class Card:
    """What a model directory says of its model, as far as it does."""

    parameters: int | None = None
    precision: str | None = None
    licence: str | None = None
    publisher: str | None = None
    context_length: int | None = None
    capabilities: tuple[str, ...] = ()


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
        parameters=_whole(card.get("parameters"), MOST_EXACT),
        precision=_text(card.get("precision")),
        licence=_text(card.get("licence")),
        publisher=_text(card.get("publisher")),
        context_length=_whole(card.get("context_length"), MOST_TOKENS) or _context_length(directory),
        capabilities=tuple(str(tag) for tag in card.get("capabilities") or ()),
    )


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
