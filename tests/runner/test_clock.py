"""Runs on a machine whose wall clock is set back, or stands still: real processes, whose wall clock a file sets."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bench.schema.result import Result
from bench.store.files import load_tree
from tests.interrupting import journal_of, kill, only, wait_for, whole, write_project
from tests.site_project import ROOT

pytestmark = pytest.mark.slow

HOUR_S = 3600
ROUNDS = 3

WALL_CLOCK = """
import datetime
import os
import time

seconds = time.time


def now_s():
    with open(os.environ["WALL_CLOCK"], encoding="ascii") as file:
        how, value = file.read().split()
    return float(value) + (seconds() if how == "off" else 0)


class Moment(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(time.time(), tz)


time.time = now_s
time.time_ns = lambda: int(now_s() * 1e9)
datetime.datetime = Moment
"""
"""Python runs it, as sitecustomize, before anything else, in every process of a run."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "python").mkdir()
    (tmp_path / "python" / "sitecustomize.py").write_text(WALL_CLOCK)
    set_clock(tmp_path, "off 0")
    return write_project(tmp_path, ROUNDS)


def set_clock(project: Path, setting: str) -> None:
    """Let the wall clock be 'off' by so many seconds, or stand 'at' a time; it is never read half written."""
    (project / "clock.new").write_text(setting)
    (project / "clock.new").replace(project / "clock")


def start(project: Path, *arguments: str) -> subprocess.Popen[str]:
    path = os.pathsep.join((str(project / "python"), str(ROOT)))
    settings = {"PYTHONPATH": path, "TMPDIR": str(project), "WALL_CLOCK": str(project / "clock")}
    return subprocess.Popen(
        [sys.executable, "-m", "bench", "run", "own.yaml", *arguments],
        cwd=project,
        env={**os.environ, **settings},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def end(process: subprocess.Popen[str]) -> None:
    _, errors = process.communicate()
    assert process.returncode == 0, errors


def clean_times(result: Result) -> None:
    """Assert that the times of a result go forward and that its durations are of seconds, not of an hour."""
    run = result.run
    moments = [run.started_utc, *run.resumed_utc, run.finished_utc]
    assert moments == sorted(moments)
    assert run.finished_utc - run.started_utc < timedelta(seconds=HOUR_S / 2)
    for model in result.models:
        assert model.cold_load_ns is not None
        durations = [model.cold_load_ns, *(sample.end_ns for sample in model.samples)]
        assert all(duration is not None and 0 <= duration < HOUR_S / 2 * 1e9 for duration in durations)
        assert all(0 <= sample.start_ns < HOUR_S / 2 * 1e9 for sample in model.samples)


def test_the_wall_clock_of_these_tests_can_be_set(project: Path) -> None:
    set_clock(project, f"off {-HOUR_S}")
    before = datetime.now(UTC) - timedelta(seconds=HOUR_S + 2)

    end(start(project))

    after = datetime.now(UTC) - timedelta(seconds=HOUR_S)
    assert before <= only(project).run.started_utc <= after


def test_a_clock_that_was_never_set_is_told_before_anything_is_measured(project: Path) -> None:
    set_clock(project, "at 0")

    process = start(project)
    output, errors = process.communicate()

    assert (process.returncode, output) == (2, "")
    assert errors == (
        "bench: this machine's clock says 1970-01-01, and a date in a file is from 2020-01-01 to 2100-01-01; "
        "set the clock, then give the same command again\n"
    )
    assert journal_of(project) is None


@pytest.mark.parametrize("off_s", [-HOUR_S, HOUR_S], ids=["back", "ahead"])
def test_a_clock_that_is_set_during_a_run_changes_nothing(project: Path, off_s: int) -> None:
    begun = datetime.now(UTC).replace(microsecond=0)
    process = start(project)
    wait_for(project, 4, process)
    set_clock(project, f"off {off_s}")
    end(process)

    result = only(project)
    whole(result, ROUNDS)
    clean_times(result)
    # By the clock that the run began with, to its end.
    assert begun <= result.run.started_utc <= result.run.finished_utc <= datetime.now(UTC)
    assert (result.run.status, result.run.resumed_utc) == ("complete", ())


def test_a_run_goes_on_after_the_clock_was_set_back(project: Path) -> None:
    process = start(project)
    wait_for(project, 4, process)
    kill(process)
    set_clock(project, f"off {-HOUR_S}")
    end(start(project, "--resume"))

    result = only(project)
    whole(result, ROUNDS)
    clean_times(result)
    assert len(result.run.resumed_utc) == 1
    assert journal_of(project) is None


def test_a_run_that_is_set_aside_after_the_clock_was_set_back_is_kept(project: Path) -> None:
    process = start(project)
    wait_for(project, 4, process)
    kill(process)
    set_clock(project, f"off {-HOUR_S}")
    end(start(project))

    ledger = load_tree(project / "results")
    assert ledger.refused == ()
    # In order of their clocks: the second run began an hour before the first.
    complete, partial = ledger.results
    assert (complete.run.status, partial.run.status) == ("complete", "partial")
    assert len(partial.models[0].samples) >= 3
    whole(complete, ROUNDS)
    clean_times(complete)
    clean_times(partial)


def test_runs_of_the_same_second_are_all_kept(project: Path) -> None:
    set_clock(project, "at 1767603600")
    for _ in range(3):
        end(start(project))

    ledger = load_tree(project / "results")
    assert ledger.refused == ()
    assert [one.run.started_utc - ledger.results[0].run.started_utc for one in ledger.results] == [
        timedelta(seconds=0),
        timedelta(seconds=1),
        timedelta(seconds=2),
    ]
    for result in ledger.results:
        whole(result, ROUNDS)
        clean_times(result)
