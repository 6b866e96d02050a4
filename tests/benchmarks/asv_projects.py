"""A project of asv with the results of many commits, as asv itself would have written them."""

import json
import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np

from tests.benchmarks.histories import Kind, history

SERIES: Final = 50
"""Benchmarks that each commit has a result of."""

BEGIN: Final = datetime(2024, 1, 1, 8, tzinfo=UTC)
APART: Final = timedelta(hours=3)

NOISE: Final = 0.03
STEP: Final = 0.15
"""Noise of every series from commit to commit, and the one step that every other series has half-way."""

MACHINE: Final = {
    "machine": "edge-01",
    "os": "Linux",
    "arch": "x86_64",
    "cpu": "AMD EPYC",
    "num_cpu": "2",
    "ram": "24GB",
}
ENVIRONMENT: Final = "existing-py3"
COLUMNS: Final = ("result", "params", "version", "started_at", "duration")
"""What is kept of a result; asv takes what stands after them for missing."""


def write_asv_project(folder: Path, commits: int, seed: int) -> int:
    """Write a project of so many commits of SERIES series each, and return the size of its result files in bytes.

    Its repository has commits without a file. `asv publish` in the folder writes html/.
    """
    results = folder / "results" / MACHINE["machine"]
    results.mkdir(parents=True)
    hashes = _write_repository(folder / "repository", commits)
    names = [f"bench.Series.time_{number:02}" for number in range(SERIES)]
    random = np.random.default_rng(seed)
    after = commits // 2
    values = np.array(
        [
            history(Kind("independent", NOISE, commits - after, after, STEP if number % 2 else 0.0), random).values
            for number in range(SERIES)
        ]
    )
    _write(folder / "asv.conf.json", _configuration(), 1)
    _write(folder / "results" / "benchmarks.json", {name: _benchmark(name) for name in names}, 2)
    _write(results / "machine.json", MACHINE, 1)
    size_bytes = 0
    for number, commit in enumerate(hashes):
        date_ms = _date_ms(number)
        found = {
            name: [[float(value)], [], "1", date_ms, 0.1] for name, value in zip(names, values[:, number], strict=True)
        }
        size_bytes += _write(results / f"{commit[:8]}-{ENVIRONMENT}.json", _result(commit, date_ms, found), 2)
    return size_bytes


def _write_repository(folder: Path, commits: int) -> list[str]:
    """Make a repository of so many commits without a file, and return their hashes, oldest first."""
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}

    def git(*arguments: str, said: str = "") -> str:
        command = ["git", "-C", str(folder), *arguments]
        done = subprocess.run(command, input=said, check=True, capture_output=True, text=True, env=environment)
        return done.stdout

    folder.mkdir(parents=True)
    git("init", "--quiet", "--initial-branch=main")
    stream = []
    for number in range(commits):
        seconds = _date_ms(number) // 1000
        stream.append(f"commit refs/heads/main\ncommitter Asv <asv@example.org> {seconds} +0000\ndata 0\n\n")
    git("fast-import", "--quiet", said="".join(stream))
    return git("rev-list", "--reverse", "main").split()


def _date_ms(number: int) -> int:
    return round((BEGIN + number * APART).timestamp() * 1000)


def _configuration() -> dict[str, Any]:
    return {
        "project": "scratch",
        "project_url": "https://example.org",
        "repo": "repository",
        "branches": ["main"],
        "dvcs": "git",
        "environment_type": "existing",
        "benchmark_dir": "benchmarks",
        "results_dir": "results",
        "html_dir": "html",
    }


def _benchmark(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "code": "",
        "param_names": [],
        "params": [],
        "timeout": 60.0,
        "type": "time",
        "unit": "seconds",
        "version": "1",
    }


def _result(commit: str, date_ms: int, results: dict[str, list[Any]]) -> dict[str, Any]:
    return {
        "commit_hash": commit,
        "env_name": ENVIRONMENT,
        "date": date_ms,
        "params": {**MACHINE, "python": "3"},
        "python": "3",
        "requirements": {},
        "env_vars": {},
        "result_columns": COLUMNS,
        "results": results,
        "durations": {},
    }


def _write(path: Path, content: dict[str, Any], version: int) -> int:
    """Write JSON with the version of its form, and return its size in bytes."""
    text = json.dumps({**content, "version": version})
    path.write_text(text, encoding="utf-8")
    return len(text)
