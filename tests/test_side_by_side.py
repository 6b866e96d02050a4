"""The tests and a real run beside each other: neither takes what is the other's."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from filelock import FileLock

from bench.runner.lock import LOCK_FILE
from tests.conftest import FOLDER
from tests.interrupting import bench, write_project
from tests.site_project import ROOT

PLACES = """
import tempfile
from pathlib import Path
from bench.runner.lock import LOCK_FILE
print(LOCK_FILE, tempfile.gettempdir(), Path.home())
"""

TESTS = """
import time
import pytest

def note(number):
    with open("times", "a") as times:
        begun = time.monotonic()
        time.sleep(0.05)
        times.write(f"{number} {begun} {time.monotonic()}\\n")

@pytest.mark.parametrize("number", range(20))
def test_beside_others(number):
    note(number)

@pytest.mark.alone
@pytest.mark.parametrize("number", range(100, 104))
def test_alone(number):
    note(number)

@pytest.mark.slow
@pytest.mark.parametrize("number", range(200, 204))
def test_slow(number):
    note(number)
"""


def test_the_lock_the_temporary_folder_and_the_home_are_this_worker_s() -> None:
    asked = subprocess.run([sys.executable, "-c", PLACES], cwd=ROOT, check=True, capture_output=True, text=True)

    places = [LOCK_FILE, Path(tempfile.gettempdir()), Path.home()]
    assert places == [FOLDER / "benchledger.lock", FOLDER, FOLDER / "home"]
    assert asked.stdout.split() == [str(place) for place in places]


@pytest.mark.slow
def test_the_tests_pass_while_a_run_holds_the_machine(tmp_path: Path) -> None:
    # In these two processes this folder is what /tmp is to a user: the machine's lock itself is left alone.
    project = write_project(tmp_path)
    with FileLock(project / LOCK_FILE.name):
        refused = bench(project)
        tests = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/test_cli.py", "-k", "one_prompt_instead"],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(project)},
            check=False,
            capture_output=True,
            text=True,
        )

    assert refused.returncode == 2
    assert "another run is under way on this machine" in refused.stderr
    assert tests.returncode == 0, tests.stdout
    assert " 1 passed" in tests.stdout
    # The folder of those tests is gone with them.
    assert list(project.glob("bench-tests-*")) == []


@pytest.mark.slow
def test_dear_tests_come_first_and_one_that_must_be_alone_has_no_other_beside_it(tmp_path: Path) -> None:
    (tmp_path / "test_times.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n  alone\n  slow\n")

    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-n", "2", "--dist", "worksteal"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout
    rows = [line.split() for line in (tmp_path / "times").read_text().splitlines()]
    times = {int(number): (float(begun), float(ended)) for number, begun, ended in rows}
    assert len(times) == 28
    # The share of each worker, whichever begins.
    assert all(number >= 200 for number in sorted(times, key=lambda number: times[number])[:2])
    for alone in range(100, 104):
        begun, ended = times.pop(alone)
        assert [number for number, other in times.items() if other[0] < ended and begun < other[1]] == []
