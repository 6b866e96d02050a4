"""The machine and the repository around the results."""

import re
import subprocess
from pathlib import Path

from bench.runner.machine.environment import checkout, machine


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    done = subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_a_machine_has_a_name_from_its_hardware() -> None:
    found = machine(None, {"onnxruntime": "1.2.3"})

    assert re.fullmatch(r"[a-z0-9][a-z0-9._-]*", found.name)
    assert found.name.endswith(f"-{found.logical_cores}c-{round(found.memory_bytes / 2**30)}g")
    assert found.memory_bytes > 0
    assert found.versions["onnxruntime"] == "1.2.3"
    assert "python" in found.versions


def test_a_given_name_is_kept() -> None:
    assert machine("kiosk-n100", {}).name == "kiosk-n100"


def test_a_folder_outside_git_has_no_commit(tmp_path: Path) -> None:
    found = checkout(tmp_path / "results" / "deeper")

    assert (found.commit, found.dirty) == (None, False)


def test_results_do_not_make_a_repository_dirty(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "code.py").write_text("one")
    git(tmp_path, "add", "code.py")
    git(tmp_path, "commit", "--quiet", "--message", "First")
    results = tmp_path / "results"
    results.mkdir()
    (results / "run.json").write_text("{}")

    clean = checkout(results)
    (tmp_path / "code.py").write_text("two")
    changed = checkout(results)

    assert clean.commit == git(tmp_path, "rev-parse", "--short=10", "HEAD")
    assert clean.dirty is False
    assert changed.commit == clean.commit
    assert changed.dirty is True
