"""Ends a server with all that it started: at its end, or by a process of its own once the one that started it is gone.

`python -m bench.providers.openai.server_guard MARK` ends what has this mark when its standard input ends, however the
writer of that ended. The lines of it are ids of the servers' processes.
"""

import os
import signal
import sys
import time
from collections.abc import Collection
from contextlib import suppress
from typing import Final

import psutil

MARK: Final = "BENCHLEDGER_SERVER"
"""The variable that all which a server starts inherits: some of it may have left its family and its group."""

END_S: Final = 5.0
"""How long what was killed may take to be gone."""

LOOK_S: Final = 0.005


def end_all(pids: Collection[int], mark: str) -> None:
    """Kill the servers with this mark, and those of these ids, with all that they started; wait until they are gone."""
    end_s = time.monotonic() + END_S
    while (left := _left(pids, mark)) and time.monotonic() < end_s:
        for process in left:
            with suppress(psutil.Error):
                process.kill()
        # One of them may have started another in the meantime.
        await_end(left, end_s - time.monotonic())


def await_end(processes: Collection[psutil.Process], limit_s: float) -> None:
    """Wait until processes have ended, for some seconds at most; of whose children they are does not matter."""
    end_s = time.monotonic() + limit_s
    while any(map(_runs, processes)) and time.monotonic() < end_s:
        time.sleep(LOOK_S)


def _left(pids: Collection[int], mark: str) -> list[psutil.Process]:
    family: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and _belongs(process, pids, mark):
                family |= {one.pid: one for one in (process, *process.children(recursive=True))}
    return [one for one in family.values() if one.pid != os.getpid() and _runs(one)]


def _belongs(process: psutil.Process, pids: Collection[int], mark: str) -> bool:
    # A server leads a group of its own.
    if process.pid in pids or (sys.platform != "win32" and os.getpgid(process.pid) in pids):
        return True
    return process.environ().get(MARK) == mark


def _runs(process: psutil.Process) -> bool:
    try:
        # What has ended stays in the system's list until its parent, or whoever stands in for that, takes note of it.
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def main() -> None:
    """Wait for the end of the input, then end the servers of its lines."""
    # A Ctrl-C reaches every process of the terminal; whoever started the server decides what becomes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_all([int(line) for line in sys.stdin], sys.argv[1])


if __name__ == "__main__":
    main()
