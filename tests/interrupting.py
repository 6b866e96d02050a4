"""Runs of their own processes, for tests and scripts that stop and kill them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.runner.journal import FOLDER
from bench.schema.result import Result
from bench.store.files import load_tree
from tests.site_project import ROOT

CONFIG = """
prompts: prompts.yaml
rounds: 6
warmup: 1
machine: kiosk
probe: false
models:
  - {provider: custom, name: first, class: "tests.replay_model:Paced"}
  - {provider: custom, name: second, class: "tests.replay_model:Paced"}
"""

PROMPTS = """
id: own
prompts:
  - {id: a, title: A, text: Hello}
  - {id: b, title: B, text: Bye}
"""


def write_project(folder: Path, rounds: int = 6) -> Path:
    """Write a config of two models that take a little time, and return its folder."""
    (folder / "own.yaml").write_text(CONFIG.replace("rounds: 6", f"rounds: {rounds}"))
    (folder / "prompts.yaml").write_text(PROMPTS)
    return folder


@contextmanager
def ctrl_c_known() -> Iterator[None]:
    """Let this process, and those that it starts meanwhile, know SIGINT: the workers of a test run ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def start(project: Path, *arguments: str, **settings: Any) -> subprocess.Popen[str]:
    """Start `bench run` in a session of its own."""
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(project)}
    return subprocess.Popen(
        [sys.executable, "-m", "bench", "run", "own.yaml", *arguments],
        cwd=project,
        env=environment,
        text=True,
        start_new_session=True,
        **(streams | settings),
    )


def bench(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `bench run` to its end."""
    process = start(project, *arguments)
    out, err = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def journal_of(project: Path) -> Path | None:
    """Return the journal of the interrupted run, or None."""
    found = sorted((project / "results" / FOLDER).glob("*.jsonl"))
    return found[0] if found else None


def answered(project: Path) -> int:
    """Return how many samples the journal has."""
    journal = journal_of(project)
    return journal.read_bytes().count(b'"sample"') if journal is not None else 0


def wait_for(project: Path, samples: int, process: subprocess.Popen[str]) -> None:
    """Wait until the journal has so many samples."""
    while answered(project) < samples:
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)


def kill(process: subprocess.Popen[str]) -> None:
    """Kill a run and all of its processes at once."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def only(project: Path) -> Result:
    """Return the one result of the project."""
    ledger = load_tree(project / "results")
    assert ledger.refused == ()
    (result,) = ledger.results
    return result


def whole(result: Result, rounds: int = 6) -> None:
    """Assert that a result has each sample of its plan once."""
    assert [model.name for model in result.models] == ["first", "second"]
    for model in result.models:
        assert model.failure is None
        assert sorted((one.round, one.prompt) for one in model.samples) == [
            (number, name) for number in range(1, rounds + 1) for name in "ab"
        ]
        assert len({one.position for one in model.samples}) == 2 * rounds
        assert [one.start_ns for one in model.samples] == sorted(one.start_ns for one in model.samples)
