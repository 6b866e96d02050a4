"""What was computed from files, kept beside them: by content and code, checked when read, thrown away at will.

An entry is found by a key that its maker forms from everything it depends on: the content of the files and the version
of the code. So an entry is never stale, only of no use any more. One that is cut short or changed, or that lies under
the key of another, is not trusted: it counts as missing. A folder that cannot be written makes work slower, and nothing
else.
"""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Final

FORM: Final = "benchledger cache 2"
"""How each entry begins; another form is another text."""

_PACKAGE: Final = Path(__file__).parents[1]
_COMPUTES: Final = ("numpy", "pydantic")
"""Packages that numbers come out of: another version of them may give other ones."""


@dataclass(frozen=True)
class Cache:
    """Entries below a folder, in one folder for each kind; the folder need not exist, nor be writable."""

    folder: Path

    def get(self, kind: str, key: str) -> bytes | None:
        """Return what was kept under a key, or None where there is nothing whole."""
        try:
            data = self._path(kind, key).read_bytes()
        except OSError:
            return None
        head, _, body = data.partition(b"\n")
        return body if head == _head(kind, key, body) else None

    def put(self, kind: str, key: str, body: bytes) -> None:
        """Keep bytes under a key; the entry appears whole or not at all. What cannot be written is not kept."""
        path = self._path(kind, key)
        # A read-only or full disk costs time at the next build, no more.
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=path.parent)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(_head(kind, key, body) + b"\n" + body)
                os.replace(name, path)
            except OSError:
                Path(name).unlink(missing_ok=True)
                raise

    def keep_only(self, kind: str, keys: Collection[str]) -> None:
        """Remove the entries of a kind that have none of these keys: a cache does not outgrow its ledger."""
        wanted = {self._path(kind, key).name for key in keys}
        with contextlib.suppress(OSError):
            for path in self._path(kind, "").parent.iterdir():
                if path.name not in wanted and not path.name.startswith("."):
                    with contextlib.suppress(OSError):
                        path.unlink()

    def _path(self, kind: str, key: str) -> Path:
        return self.folder / kind / f"{key}.bin"


def key_of(*parts: str | bytes) -> str:
    """Return a key of some parts: their SHA-256 in hexadecimal, each part told from the next one."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


@cache
def code_version() -> str:
    """Return the SHA-256 of the program's own source and of the packages that it computes with."""
    sources = sorted(_PACKAGE.rglob("*.py"))
    names = [path.relative_to(_PACKAGE).as_posix() for path in sources]
    texts = [path.read_bytes() for path in sources]
    packages = [f"{name} {version(name)}" for name in _COMPUTES]
    return key_of(*names, *texts, *packages)


def _head(kind: str, key: str, body: bytes) -> bytes:
    return f"{FORM} {key_of(kind, key, body)}".encode()
