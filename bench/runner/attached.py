"""A process that does one thing for another one: it prints into a file, and ends with the process that started it."""

import multiprocessing
import os
import threading


def print_to(path: str) -> None:
    """Append to a file that is there whatever this process prints, its native libraries too: a terminal shows a bar."""
    errors = os.open(path, os.O_WRONLY | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(errors, stream)
    os.close(errors)


def end_with_parent() -> None:
    """End this process as soon as its parent has, in the middle of a native call too: nobody waits for it then."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, name="end of the parent", daemon=True).start()
