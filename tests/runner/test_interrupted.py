"""Runs that are stopped, killed, locked out or out of disk: nothing that was measured is lost."""

import json
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import chdir, contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner, Result
from filelock import FileLock

from bench.cli import main
from bench.errors import ResultError, UsageError
from bench.runner.journal import FOLDER, Journal, journal_path, read_journal, trim, unfinished
from bench.runner.lock import machine_lock
from bench.runner.measure import MeasuredSample
from bench.store.files import check_writable, load, load_tree, save
from tests.builders import model_run, result, sample
from tests.interrupting import (
    CONFIG,
    PROMPTS,
    answered,
    bench,
    journal_of,
    kill,
    only,
    start,
    wait_for,
    whole,
    write_project,
)
from tests.running import header

pytestmark = pytest.mark.slow


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path)


@pytest.fixture(scope="module")
def killed_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project whose run was killed after the sixth answer of its first model; nobody changes it."""
    folder = write_project(tmp_path_factory.mktemp("killed"))
    process = start(folder)
    wait_for(folder, 6, process)
    kill(process)
    return folder


@pytest.fixture
def killed(killed_once: Path, tmp_path: Path) -> Path:
    """Return a copy of the project whose run was killed."""
    shutil.copytree(killed_once, tmp_path, dirs_exist_ok=True)
    return tmp_path


def run(project: Path, *arguments: str) -> Result:
    """Run `bench run` to its end, from this process: its models have processes of their own."""
    with chdir(project):
        return CliRunner().invoke(main, ["run", "own.yaml", *arguments])


def test_a_killed_run_goes_on_where_it_stopped(killed: Path) -> None:
    project = killed
    journal = journal_of(project)
    assert journal is not None
    _, kept = read_journal(journal)
    before = {model: [one.sample for one in samples] for model, samples in kept.samples.items()}
    assert load_tree(project / "results").results == ()

    done = bench(project, "--resume")

    assert done.returncode == 0, done.stderr
    result = only(project)
    whole(result)
    assert result.run.status == "complete"
    assert len(result.run.resumed_utc) == 1
    for name, samples in before.items():
        (model,) = (one for one in result.models if one.name == name)
        assert set(samples) <= {*model.warmup, *model.samples}
    assert len(result.models[0].reloads_ns) == 1
    assert journal_of(project) is None


def test_a_model_ends_with_its_runner_in_the_middle_of_an_answer(project: Path) -> None:
    (project / "own.yaml").write_text(CONFIG.replace("Paced", "HangsAtTheSecond"))
    process = start(project)
    wait_for(project, 1, process)
    started = psutil.Process(process.pid).children(recursive=True)
    assert started

    process.kill()
    process.communicate()

    # One that goes on would sleep for an hour.
    psutil.wait_procs(started)


def test_energy_of_answers_that_nobody_metered_is_not_told(project: Path) -> None:
    (project / "own.yaml").write_text(f"{CONFIG}energy: {{watts: 10}}\n")
    process = start(project)
    wait_for(project, 6, process)
    kill(process)

    done = run(project, "--resume")

    assert done.exit_code == 0, done.stderr
    first, second = only(project).models
    assert first.energy is None
    assert first.unmeasured["energy"] == "the run was interrupted in the middle of this model"
    assert second.energy is not None
    answering_ns = sum(sample.end_ns or 0 for sample in second.samples)
    assert second.energy.source != "estimate" or second.energy.duration_ns == answering_ns


@pytest.mark.parametrize("seed", range(3))
def test_kills_at_random_moments_lose_no_finished_sample(project: Path, seed: int) -> None:
    moments = random.Random(seed)
    kept_before = 0
    for _ in range(3):
        process = start(project, *(["--resume"] if journal_of(project) else []))
        time.sleep(moments.uniform(0.3, 1.2))
        if process.poll() is not None:
            process.communicate()
            break
        kill(process)
        journal = journal_of(project)
        if journal is None:
            continue
        trim(journal)
        _, kept = read_journal(journal)
        assert kept.requests >= kept_before
        kept_before = kept.requests

    if journal_of(project) is not None:
        done = run(project, "--resume")
        assert done.exit_code == 0, done.stderr
    elif not load_tree(project / "results").results:
        run(project)
    whole(only(project))


def test_ctrl_c_finishes_the_file_with_what_there_is(project: Path) -> None:
    process = start(project)
    wait_for(project, 5, process)

    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate()

    assert process.returncode == 0, err
    assert "Wrote a partial result, " in out
    assert "Traceback" not in err
    result = only(project)
    assert result.run.status == "partial"
    (model,) = result.models
    assert model.failure is None
    assert model.cold_load_ns is not None
    assert len(model.warmup) + len(model.samples) >= 5
    assert model.unmeasured["memory_peak_bytes"] == "the run was stopped"
    assert journal_of(project) is None


def test_without_a_terminal_an_interrupted_run_is_kept_as_a_partial_result(killed: Path) -> None:
    done = run(killed)

    assert done.exit_code == 0, done.stderr
    assert "Kept what an interrupted run had measured, as a partial result: results/kiosk/" in done.stderr
    partial, complete = load_tree(killed / "results").results
    assert partial.run.status == "partial"
    assert complete.run.status == "complete"
    whole(complete)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals there")
def test_in_a_terminal_it_asks_whether_to_go_on(killed: Path) -> None:
    ours, theirs = os.openpty()

    asking = start(killed, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    seen = b""
    while b"Go on with it? [Y/n]" not in seen:
        seen += os.read(ours, 1000)
    os.write(ours, b"y\n")
    with suppress(OSError):
        # The other end is closed when the run is over: that is an error on Linux.
        while part := os.read(ours, 1000):
            seen += part
    os.close(ours)

    assert asking.wait() == 0
    assert re.search(rb"An interrupted run is there \(\d+ requests answered\)\. Go on with it\?", seen)
    result = only(killed)
    whole(result)
    assert len(result.run.resumed_utc) == 1


def test_a_changed_config_is_refused(killed: Path) -> None:
    (killed / "own.yaml").write_text(CONFIG.replace("rounds: 6", "rounds: 7"))
    (killed / "prompts.yaml").write_text(PROMPTS.replace("Hello", "Good day"))

    done = run(killed, "--resume")

    assert done.exit_code == 2
    assert re.fullmatch(
        r"bench: results/\.unfinished/\S+-own\.jsonl: cannot go on with this run: "
        r"the config and the prompt set changed since; undo that, or begin anew with --no-resume, "
        r"which keeps what was measured as a partial result\n",
        done.stderr,
    )
    assert answered(killed) >= 6


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        (b'"cpu":"', b'"cpu":"another ', "machine"),
        (b'"tool_version":"', b'"tool_version":"9.', "version of benchledger"),
    ],
    ids=["machine", "version"],
)
def test_another_machine_or_version_is_refused(killed: Path, before: bytes, after: bytes, changed: str) -> None:
    journal = journal_of(killed)
    assert journal is not None
    content = journal.read_bytes().replace(before.replace(b":", b": "), after.replace(b":", b": "), 1)
    journal.write_bytes(content)

    done = run(killed, "--resume")

    assert done.exit_code == 2
    assert f"cannot go on with this run: the {changed} changed since; undo that, " in done.stderr
    assert journal.read_bytes() == content


def test_nothing_to_go_on_with(project: Path) -> None:
    done = run(project, "--resume")

    assert done.exit_code == 2
    assert done.stderr == "bench: results: there is no interrupted run of own to go on with\n"


def test_two_runs_at_once(project: Path) -> None:
    first = start(project)
    wait_for(project, 1, first)

    second = bench(project)
    first.communicate()

    assert second.returncode == 2
    assert second.stderr == (
        f"bench: another run is under way on this machine (process {first.pid}): wait until it ends, or add --wait\n"
    )
    assert first.returncode == 0
    whole(only(project))


def test_a_run_that_waits_has_its_turn(tmp_path: Path) -> None:
    path = tmp_path / "machine.lock"
    held = FileLock(path)
    held.acquire()
    with pytest.raises(UsageError), machine_lock(wait=False, path=path):
        pass
    held.release()

    with machine_lock(wait=True, path=path):
        assert path.with_suffix(".pid").read_text() == str(os.getpid())
    assert not path.with_suffix(".pid").exists()


@contextmanager
def nobody() -> Iterator[None]:
    """Act as a user without rights while the block runs, where this one is root."""
    if os.geteuid() != 0:
        pytest.skip("it takes root to be two users")
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no other user to become there")
def test_every_user_takes_the_same_lock() -> None:
    with tempfile.TemporaryDirectory() as folder:
        # As /tmp is: everybody writes there, and deletes his own files alone.
        os.chmod(folder, 0o1777)
        path = Path(folder) / "machine.lock"
        with machine_lock(wait=False, path=path):
            pass
        # What a run leaves behind that was killed.
        path.with_suffix(".pid").write_text("1")
        path.with_suffix(".pid").chmod(0o666)

        with (
            nobody(),
            machine_lock(wait=False, path=path),
            pytest.raises(UsageError) as caught,
            machine_lock(wait=False, path=path),
        ):
            pass

        assert f"(process {os.getpid()})" in str(caught.value)
        assert path.with_suffix(".pid").read_text() == ""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no other user to become there")
def test_a_lock_that_cannot_be_had_is_told() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        path = Path(folder) / "machine.lock"
        with nobody(), pytest.raises(UsageError) as caught, machine_lock(wait=False, path=path):
            pass

    assert str(caught.value) == (
        f"{path}: cannot be locked: Permission denied; where it is another user's, have it deleted"
    )


@pytest.mark.skipif(sys.platform == "win32", reason="there is no other user to become there")
def test_a_read_only_results_folder_is_told() -> None:
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results"
        results.mkdir()
        for each in (results, Path(folder)):
            each.chmod(0o555)

        for attempt in (lambda: check_writable(results), lambda: save(result(), results)):
            with nobody(), pytest.raises(ResultError) as caught:
                attempt()
            assert caught.value.reason == "cannot be written: Permission denied; choose another folder with --results"


@pytest.mark.skipif(sys.platform == "win32", reason="there are no limits on a process's files there")
def test_a_full_disk_keeps_what_was_measured(project: Path) -> None:
    import resource

    def allow_little() -> None:
        # Python ignores the signal that comes with it: a write past the limit fails like one on a full disk.
        resource.setrlimit(resource.RLIMIT_FSIZE, (9_000, resource.RLIM_INFINITY))

    process = start(project, preexec_fn=allow_little)
    _, err = process.communicate()

    assert process.returncode == 1
    assert re.search(r"\.jsonl: cannot be written: File too large\. What was measured until here is in it: ", err)
    assert "Traceback" not in err
    assert answered(project) > 0
    done = run(project, "--resume")
    assert done.exit_code == 0, done.stderr
    whole(only(project))


def test_a_result_that_cannot_be_saved_is_saved_by_going_on(project: Path) -> None:
    process = start(project)
    wait_for(project, 5, process)
    in_the_way = project / "results" / "kiosk"
    in_the_way.write_text("")
    _, err = process.communicate()

    assert process.returncode == 1
    assert re.fullmatch(
        r"bench: results/kiosk/\S+-own\.json: cannot be written: File exists\. What was measured is in "
        r"results/\.unfinished/\S+-own\.jsonl: make room, then finish with bench run --resume",
        err.splitlines()[-1],
    )
    in_the_way.unlink()
    done = run(project, "--resume")
    assert done.exit_code == 0, done.stderr
    whole(only(project))


def test_another_version_of_the_runtime_is_refused(killed: Path) -> None:
    journal = journal_of(killed)
    assert journal is not None
    # What an interrupted run with a runtime of another version had noted.
    content = journal.read_bytes().replace(b'"versions": {}', b'"versions": {"onnxruntime": "0.0.1"}')
    journal.write_bytes(content)

    done = run(killed, "--resume")

    assert done.exit_code == 2
    assert "cannot go on with this run: the version of the runtime changed since; undo that, " in done.stderr


def test_a_kill_between_saving_and_tidying_up(project: Path) -> None:
    process = start(project)
    wait_for(project, 24, process)
    kill(process)
    journal = journal_of(project)
    assert journal is not None
    content = journal.read_bytes()
    assert run(project, "--resume").exit_code == 0
    before = only(project)
    journal.write_bytes(content)

    again = run(project, "--resume")

    assert again.exit_code == 0, again.stderr
    assert only(project) == before
    assert journal_of(project) is None


def test_a_kill_before_the_first_line_was_written(project: Path) -> None:
    folder = project / "results" / FOLDER
    folder.mkdir(parents=True)
    (folder / "20260101T000000Z-nocommit-own.jsonl").write_bytes(b'{"header": {"run')

    done = run(project)

    assert done.exit_code == 0, done.stderr
    whole(only(project))
    assert journal_of(project) is None


def test_a_journal_remembers_what_it_was_told(tmp_path: Path) -> None:
    head = header()
    path = journal_path(tmp_path, head.run_id)
    journal = Journal(path, head)
    good = MeasuredSample(sample(position=1), "text of out1")
    journal.measured("tiny", MeasuredSample(sample(round=0, output="warm"), "warm"), 10)
    journal.measured("tiny", good, 20)
    journal.finished(model_run(name="tiny", samples=(sample(position=1),)))
    journal.measured("other", good, 30)
    journal.close()

    again, kept = read_journal(path)

    assert path == tmp_path / FOLDER / "20260105T090000Z-1a2b3c4d5e-default.jsonl"
    assert again == head
    assert [one.sample.round for one in kept.samples["tiny"]] == [0, 1]
    assert kept.samples["other"] == [good]
    assert kept.requests == 2
    assert kept.elapsed_ns == 30
    assert kept.models["tiny"].samples == (sample(position=1),)
    assert kept.models["tiny"].warmup == (sample(round=0, output="warm"),)


@pytest.mark.parametrize("cut", [1, 30, 200])
def test_a_line_that_a_crash_cut_off_is_dropped(tmp_path: Path, cut: int) -> None:
    path = journal_path(tmp_path, "m/r")
    journal = Journal(path, header())
    journal.measured("tiny", MeasuredSample(sample(), "text"), 10)
    journal.close()
    path.write_bytes(path.read_bytes()[:-cut])

    _, kept = read_journal(path)
    trim(path)
    journal = Journal(path, header())
    journal.measured("tiny", MeasuredSample(sample(), "text"), 20)
    journal.close()

    assert kept.requests == 0
    assert read_journal(path)[1].requests == 1


def test_a_journal_damaged_in_the_middle_is_told(tmp_path: Path) -> None:
    path = journal_path(tmp_path, "m/r")
    Journal(path, header()).close()
    path.write_bytes(b"{oops\n" + path.read_bytes())

    with pytest.raises(UsageError) as caught:
        read_journal(path)

    assert str(caught.value) == f"{path}:1: is damaged; delete the file, or put it aside, and run again"


def test_quiet_and_json(project: Path) -> None:
    quiet = run(project, "--quiet")
    rows = run(project, "--json")

    assert quiet.stderr == ""
    assert load(project / quiet.stdout.strip()).run.status == "complete"
    assert rows.stderr == ""
    assert {row["model"] for row in json.loads(rows.stdout)} == {"first", "second"}


def test_a_journal_is_that_of_its_own_config_alone(tmp_path: Path) -> None:
    for config in ("foundry-cpu", "cpu"):
        journal = Journal(tmp_path / FOLDER / f"20260105T090000Z-1a2b3c4d5e-{config}.jsonl", header())
        journal.close()

    assert unfinished(tmp_path, "cpu") == tmp_path / FOLDER / "20260105T090000Z-1a2b3c4d5e-cpu.jsonl"
    assert unfinished(tmp_path, "u") is None
