"""Call something when a result file or a review of one comes, changes or goes, while a block runs."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

ENDINGS = (".json", ".jsonl", ".yaml")
"""How the names of result files, of judgements and of a person's scores end."""

QUIET_S = 0.5
"""How long a folder must have been quiet: one new result is several events."""


class _Changes(FileSystemEventHandler):
    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call
        self._timer: threading.Timer | None = None

    def on_any_event(self, event: FileSystemEvent) -> None:
        # A result file appears under its name by a move.
        names = (str(event.src_path), str(event.dest_path))
        if event.event_type in ("opened", "closed_no_write") or not any(name.endswith(ENDINGS) for name in names):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = threading.Timer(QUIET_S, self._call)
        self._timer.daemon = True
        self._timer.start()


@contextmanager
def watching(folder: Path, call: Callable[[], None]) -> Iterator[None]:
    """Call `call`, in a thread of its own, after changes to the results and reviews below a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    observer = Observer()
    observer.schedule(_Changes(call), str(folder), recursive=True)
    observer.start()
    try:
        yield
    finally:
        observer.stop()
        observer.join()
