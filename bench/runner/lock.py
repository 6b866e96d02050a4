"""One run at a time on a machine: two would measure each other."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from bench.errors import UsageError

LOCK_FILE = Path(tempfile.gettempdir()) / "benchledger.lock"
"""The lock of this machine. The system lets go of it when its holder ends, however that happens."""


@contextmanager
def machine_lock(wait: bool, path: Path = LOCK_FILE) -> Iterator[None]:
    """Hold the machine while the block runs; with `wait`, wait for the run that holds it.

    Raises UsageError, with the holder's process id, if another run holds it and `wait` is false.
    """
    lock = FileLock(path, timeout=-1 if wait else 0)
    holder = path.with_suffix(".pid")
    try:
        lock.acquire()
    except Timeout as error:
        raise UsageError(
            f"another run is under way on this machine ({_holder(holder)}): wait until it ends, or add --wait"
        ) from error
    try:
        holder.write_text(str(os.getpid()), encoding="utf-8")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _holder(path: Path) -> str:
    try:
        return f"process {int(path.read_text(encoding='utf-8'))}"
    except (OSError, ValueError):
        return "its process id is not known"
