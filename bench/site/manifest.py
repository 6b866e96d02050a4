"""What a site was built from and what came of it, by content: a build that would change nothing is not made.

Nothing here trusts a date or a size: every file is read. That is much cheaper than any of what it saves, and a page
that somebody edited or removed by hand is made again.
"""

import json
import platform
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Final

from bench.store.cache import Cache, code_version, key_of

KIND: Final = "builds"
"""Kind of the cache's entries: the digests of one build's files."""

PROGRAMS: Final = ("altair", "jinja2", "markdown", "mkdocs", "mkdocs-material", "vl-convert-python")
"""Packages that make pages: another version of them may make other ones."""


def inputs_key(roots: Iterable[Path], without: Iterable[Path] = (), words: Iterable[str] = ()) -> str:
    """Return what identifies everything that a build is made from: files and folders, the program, and some words.

    `without` are files and folders below the roots that a build makes itself.
    """
    parts: list[str | bytes] = [code_version(), platform.python_version(), *words]
    parts += [f"{name} {version(name)}" for name in PROGRAMS]
    made = tuple(without)
    for root in roots:
        parts.append(f"folder {root}")
        for path in _files(root):
            if not any(path == one or one in path.parents for one in made):
                parts += [path.relative_to(root.parent).as_posix(), _digest(path, {}) or ""]
    return key_of(*parts)


def known_build(cache: Cache, key: str, roots: Iterable[Path]) -> tuple[str, ...] | None:
    """Return what a build of these inputs warned of, if one was made here and all that came of it is as it was left.

    `roots` are the files and folders that a build makes. None where there must be a build.
    """
    known = cache.get(KIND, key)
    if known is None:
        return None
    try:
        entry = json.loads(known)
        warnings, digests = tuple(map(str, entry["warnings"])), entry["files"]
    except (ValueError, KeyError, TypeError):
        return None
    return warnings if digests == _digests(roots) else None


def note_build(cache: Cache, key: str, roots: Iterable[Path], warnings: Iterable[str]) -> None:
    """Keep what came of a build of these inputs, in place of what came of the one before."""
    entry = {"warnings": list(warnings), "files": _digests(roots)}
    cache.put(KIND, key, json.dumps(entry).encode())
    cache.keep_only(KIND, [key])


def _digests(roots: Iterable[Path]) -> Mapping[str, str | None]:
    known: dict[tuple[int, int], str] = {}
    return {path.as_posix(): _digest(path, known) for root in roots for path in _files(root)}


def _files(root: Path) -> Iterator[Path]:
    if root.is_file():
        yield root
    elif root.is_dir():
        yield from sorted(path for path in root.rglob("*") if path.is_file())


def _digest(path: Path, known: dict[tuple[int, int], str]) -> str | None:
    """Return the SHA-256 of a file, None where it cannot be read. Of files linked to each other it reads one."""
    try:
        status = path.stat()
        node = (status.st_dev, status.st_ino)
        if status.st_nlink == 1 or node not in known:
            known[node] = sha256(path.read_bytes()).hexdigest()
        return known[node]
    except OSError:
        return None
