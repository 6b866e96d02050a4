"""Models behind servers that a config starts: `tests/model_server.py`, as a test wants it."""

import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from bench.errors import ProviderError
from bench.providers.openai.served import ServedProvider
from bench.providers.registry import EndpointModel
from tests.site_project import ROOT

PROGRAM = [sys.executable, str(ROOT / "tests" / "model_server.py"), "--port", "{port}", "-m", "{model}"]


def served(*options: object, ready: str = "/health", timeout_s: float = 30.0, **fields: Any) -> dict[str, Any]:
    """Return what a config says of a model whose server has these options."""
    server = {"command": [*PROGRAM, *map(str, options)], "ready": ready, "timeout_s": timeout_s}
    return {"provider": "openai", "name": "tiny", "model": "tiny", "server": server} | fields


def provider(document: dict[str, Any], pids: list[int]) -> ServedProvider:
    """Return the provider of such a model; the ids of the processes that it starts go to `pids`."""
    return ServedProvider(EndpointModel.model_validate(document), 10.0, pids.append)


def failed_load(document: dict[str, Any]) -> tuple[str, str]:
    """Return kind and message of a load that fails, once nothing is left of the server."""
    pids: list[int] = []
    made = provider(document, pids)
    try:
        made.prepare(lambda _: None)
        made.load()
        made.identity()
    except ProviderError as error:
        return error.kind, error.message
    finally:
        made.close()
        assert running(pids) == []
    raise AssertionError("the load did not fail")


def running(pids: Sequence[int]) -> list[int]:
    """Return which of these processes run; one that has ended and was not waited for yet does not."""
    found = []
    for pid in pids:
        try:
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                found.append(pid)
        except psutil.NoSuchProcess:
            continue
    return found


def await_end(pids: Sequence[int]) -> None:
    """Wait until none of these processes runs any more."""
    while running(pids):
        time.sleep(0.01)


def children_of(path: Path) -> list[int]:
    """Return the ids that a server wrote down of the children it left."""
    return [int(pid) for pid in path.read_text().split()]


def servers_of(pid: int) -> list[int]:
    """Return the servers that a run has started."""
    found = []
    for one in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.Error):
            if "model_server.py" in " ".join(one.cmdline()):
                found.append(one.pid)
    return found
