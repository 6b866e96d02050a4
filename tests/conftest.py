"""Every process that runs tests has a machine lock, a temporary folder and a home of its own.

They are set in its environment while pytest starts, before a test imports anything, so that the processes that tests
start inherit them. Tests that run side by side do not meet, and neither does a real run beside them. What is dear to
make and the same for all lies in one folder that the workers share: `shared_folder`.
"""

import atexit
import gc
import ipaddress
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Generator
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

SHARED = "TESTS_SHARED_FOLDER"
"""The variable with the folder that all workers of a test run have in common."""


def own_folder() -> Path:
    """Make a folder for this process, and have its temporary files, its lock and its home in there."""
    folder = Path(tempfile.mkdtemp(prefix="bench-tests-"))
    # Tests that become another user must come through it.
    folder.chmod(0o755)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    home = folder / "home"
    home.mkdir()
    # Workers inherit it from the process that starts them.
    os.environ.setdefault(SHARED, str(folder / "shared"))
    places = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), folder) | dict.fromkeys(("HOME", "USERPROFILE"), home)
    os.environ.update({name: str(place) for name, place in places.items()})
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
        os.environ.pop(name, None)
    # It is asked for once and kept: pytest asks before this file is read.
    tempfile.tempdir = None
    return folder


def shared_folder(name: str) -> Path:
    """Return a folder that all workers of a test run have in common, and make it where it is missing."""
    folder = Path(os.environ[SHARED]) / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


FOLDER = own_folder()


def on_this_machine(connect: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method of sockets that connects as this one does, and to this machine alone."""

    @wraps(connect)
    def connecting(self: socket.socket, address: Any, /) -> Any:
        host = address[0] if isinstance(address, tuple) else "localhost"
        if host not in ("localhost", "0.0.0.0", "::") and not ipaddress.ip_address(host).is_loopback:
            raise AssertionError(f"the tests need no network, and this one connects to {host}")
        return connect(self, address)

    return connecting


for method in ("connect", "connect_ex"):
    setattr(socket.socket, method, on_this_machine(getattr(socket.socket, method)))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let each worker begin with its share of the dear tests: the cheap ones at the end go to whoever is done first.

    Those that must be alone come last, where no worker is long in a test that they would wait for.
    """
    worker = getattr(config, "workerinput", None)
    if worker is None:
        return
    count = worker["workercount"]
    ranks = [[item for item in items if dearness(item) == rank] for rank in range(4)]
    # The first worker is given the first part of the list, and so on. Neighbours stay together: they share fixtures.
    parts = [
        [rank[len(rank) * number // count : len(rank) * (number + 1) // count] for rank in ranks]
        for number in range(count)
    ]
    items[:] = [item for part in parts for rank in part for item in rank]


def dearness(item: pytest.Item) -> int:
    """Return 0 for the dearest tests, 3 for those that must be alone."""
    marked = {mark.name for mark in item.iter_markers()}
    return 3 if "alone" in marked else 0 if "browser" in marked else 1 if marked & {"runtime", "slow"} else 2


def pytest_collection_finish() -> None:
    """Keep what was imported out of later garbage collections: the runner has one before each request."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Let a test that is marked `alone` begin when no other worker is in a test, and keep them from beginning one."""
    worker = getattr(item.config, "workerinput", None)
    if worker is None:
        return (yield)
    # Tests that start tests of their own share folders with them, and no turns.
    folder = shared_folder(f"turns-{worker['testrunuid']}")
    turn, testing = (FileLock(folder / name, poll_interval=0.005) for name in ("turn", worker["workerid"]))
    turn.acquire()
    if item.get_closest_marker("alone") is None:
        # Before the turn is given on: whoever has it then finds this worker in its test.
        testing.acquire()
        turn.release()
    else:
        for number in range(worker["workercount"]):
            with FileLock(folder / f"gw{number}", poll_interval=0.005):
                pass
    try:
        return (yield)
    finally:
        testing.release()
        turn.release()
