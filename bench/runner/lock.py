"""One run at a time on a machine: two would measure each other."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from bench.errors import UsageError

LOCK_FILE = Path(tempfile.gettempdir()) / "benchledger.lock"
"""The lock of this machine. The system lets go of it when its holder ends, however that happens."""

FOR_ALL = 0o666
"""Every user of the machine takes the same lock."""


@contextmanager
def machine_lock(wait: bool, path: Path = LOCK_FILE) -> Iterator[None]:
    """Hold the machine while the block runs; with `wait`, wait for the run that holds it.

    Raises UsageError, with the holder's process id, if another run holds it and `wait` is false, and where the lock
    cannot be had at all.
    """
    lock = FileLock(path, timeout=-1 if wait else 0, mode=FOR_ALL)
    holder = path.with_suffix(".pid")
    try:
        lock.acquire()
    except Timeout as error:
        raise UsageError(
            f"another run is under way on this machine ({_holder(holder)}): wait until it ends, or add --wait"
        ) from error
    except OSError as error:
        message = f"{path}: cannot be locked: {error.strerror}; where it is another user's, have it deleted"
        raise UsageError(message) from error
    try:
        _note(holder, str(os.getpid()))
        yield
    finally:
        _forget(holder)
        lock.release()


def _holder(path: Path) -> str:
    try:
        return f"process {int(path.read_text(encoding='utf-8'))}"
    except (OSError, ValueError):
        return "its process id is not known"


def _note(path: Path, text: str) -> None:
    """Write a line for others. Where it cannot be written, its holder stays unnamed."""
    # In a folder that everybody writes to, a link could lead to any file.
    flags = os.O_WRONLY | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0)
    with suppress(OSError):
        try:
            file = os.open(path, flags)
        except FileNotFoundError:
            file = os.open(path, flags | os.O_CREAT | os.O_EXCL, FOR_ALL)
            os.chmod(path, FOR_ALL)
        with os.fdopen(file, "w", encoding="utf-8") as noted:
            noted.write(text)


def _forget(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        # Another user's, left behind by a run that was killed: he alone can delete it.
        _note(path, "")
