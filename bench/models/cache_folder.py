"""The folder in which the Foundry Local runtime keeps its models, read without the runtime and without a network.

Below a publisher's folder each variant has one of its own. It is complete with an `inference_model.json`, which the
runtime writes last; `download.tmp` is there while a download is under way or was cut short, and what came is kept.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.errors import UsageError
from bench.models.variant import Variant
from bench.providers.model_directory import footprint_bytes, read_card

COMPLETE = "inference_model.json"
UNFINISHED = "download.tmp"
REMEMBERED = "foundry.modelinfo.json"
"""What the runtime last read from a catalogue."""

MEBIBYTE = 1024 * 1024
BLOCK_BYTES = 512
"""What st_blocks counts, whatever the file system."""


@dataclass(frozen=True)
class Unfinished:
    """A download that was cut short, and what it holds of the disk."""

    alias: str
    id: str
    directory: Path
    size_bytes: int


def cached(folder: Path) -> tuple[Variant, ...]:
    """Return the complete variants of a cache folder by alias; none where there is no folder.

    What was last read from a catalogue says what they are; without it, what lies in their directories. Raises
    UsageError for a folder that cannot be read.
    """
    known = _remembered(folder)
    found = [_variant(directory, name, known.get(name, {})) for directory, name in _complete(folder)]
    return tuple(sorted(found, key=lambda one: (one.alias, one.id)))


def unfinished(folder: Path) -> tuple[Unfinished, ...]:
    """Return the downloads of a cache folder that were cut short, by id."""
    known = _remembered(folder)
    found = []
    for mark in folder.glob(f"*/*/{UNFINISHED}"):
        directory, name = mark.parent, _id_of(mark.parent.name)
        if not any(directory.rglob(COMPLETE)):
            found.append(Unfinished(_alias(known.get(name, {}), name), name, directory, allocated_bytes(directory)))
    return tuple(sorted(found, key=lambda one: one.id))


def allocated_bytes(directory: Path) -> int:
    """Return what the files below a directory take of the disk: the runtime makes each as long as it will be."""
    stats = (path.lstat() for path in directory.rglob("*") if path.is_file() and not path.is_symlink())
    return sum(one.st_blocks * BLOCK_BYTES if hasattr(one, "st_blocks") else one.st_size for one in stats)


def model_folder(folder: Path, variant: Variant) -> Path:
    """Return the folder of a variant below its publisher's, which is made anew for each version."""
    if variant.directory is not None and folder in variant.directory.parents:
        publisher, name, *_ = variant.directory.relative_to(folder).parts
        return folder / publisher / name
    return folder / (variant.publisher or "") / variant.id.replace(":", "-")


def remove(directory: Path) -> int:
    """Remove the folder of one variant, complete or not, and return the bytes that this frees.

    From its first step on it does not count as cached. Raises UsageError where a file cannot be removed.
    """
    freed_bytes = allocated_bytes(directory)
    try:
        if directory.is_symlink():
            directory.unlink()
            return 0
        for mark in directory.rglob(COMPLETE):
            mark.unlink()
        shutil.rmtree(directory)
    except OSError as error:
        message = f"{error.filename or directory}: cannot be removed: {error.strerror}; remove it as its owner"
        raise UsageError(message) from error
    return freed_bytes


def check_writable(folder: Path) -> None:
    """Raise UsageError unless the folder is there, or can be made, and takes files."""
    place = _existing(folder)
    if not place.is_dir():
        raise UsageError(f"{place}: the cache needs a folder, and this is a file; name another one with --cache-dir")
    if not os.access(place, os.W_OK | os.X_OK):
        raise UsageError(
            f"{place}: the cache cannot be written there; have it made writable, or name another one with --cache-dir"
        )


def free_bytes(folder: Path) -> int:
    """Return what is free on the disk on which the folder is, or will be."""
    return shutil.disk_usage(_existing(folder)).free


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest one around it that is there."""
    return next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())


def _complete(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield the directory of each complete variant and its id, as the runtime finds them."""
    if folder.exists() and not os.access(folder, os.R_OK | os.X_OK):
        raise UsageError(f"{folder}: the cache cannot be read; have it made readable, or name another with --cache-dir")
    # The runtime puts the files into a folder of the publisher's version where it has one.
    marks = [mark for depth in ("*/*", "*/*/*") for mark in folder.glob(f"{depth}/{COMPLETE}")]
    for mark in sorted(marks):
        name = _document(mark).get("Name")
        yield mark.parent, name if isinstance(name, str) and name else _id_of(mark.relative_to(folder).parts[1])


def _id_of(directory: str) -> str:
    name, dash, version = directory.rpartition("-")
    return f"{name}:{version}" if dash and version.isdecimal() else directory


def _remembered(folder: Path) -> dict[str, Mapping[str, Any]]:
    models = _document(folder / REMEMBERED).get("models")
    entries = [one for one in models if isinstance(one, dict)] if isinstance(models, list) else []
    return {str(one.get("id")): one for one in entries}


def _alias(entry: Mapping[str, Any], name: str) -> str:
    return _text(entry.get("alias")) or name.partition(":")[0]


def _document(path: Path) -> Mapping[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _variant(directory: Path, name: str, entry: Mapping[str, Any]) -> Variant:
    card = read_card(directory)
    texts, numbers, runtime = (_mapping(entry.get(key)) for key in ("stringProperties", "intProperties", "runtime"))
    capabilities = _text(texts.get("capabilities"))
    _, _, version = name.rpartition(":")
    return Variant(
        alias=_alias(entry, name),
        id=name,
        version=int(version) if version.isdecimal() else None,
        title=_text(entry.get("displayName")),
        publisher=_text(entry.get("publisher")) or card.publisher,
        device=_text(runtime.get("deviceType")),
        execution_provider=_text(runtime.get("executionProvider")),
        size_bytes=footprint_bytes(directory),
        licence=_text(entry.get("license")) or card.licence,
        licence_text=_text(texts.get("license_description")),
        task=_text(entry.get("task")),
        context_length=_whole(numbers.get("context_length")) or card.context_length,
        max_output_tokens=_whole(entry.get("maxOutputTokens")),
        tools=None if (tools := _whole(numbers.get("supports_tool_calling"))) is None else bool(tools),
        capabilities=tuple(capabilities.split(",")) if capabilities else card.capabilities,
        inputs=_text(texts.get("input_modalities")),
        outputs=_text(texts.get("output_modalities")),
        created_utc=None if not (at := _whole(entry.get("createdAt"))) else datetime.fromtimestamp(at, UTC),
        uri=_text(entry.get("uri")),
        chosen=True,
        directory=directory,
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
