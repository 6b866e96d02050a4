import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from bench.errors import EmptyLedger, ResultError, UsageError
from bench.store.files import save
from bench.store.revisions import ledger_of_revision, named
from tests import builders

FIRST = builders.result()
SECOND = builders.result(started_utc=builders.STARTED_UTC + timedelta(days=1), commit="2b3c4d5e6f")


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "init.defaultBranch=main")
    done = subprocess.run(["git", "-C", str(folder), *identity, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init")
    save(FIRST, tmp_path / "results")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "results: laptop 1a2b3c4d5e default")
    save(SECOND, tmp_path / "results")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "results: laptop 2b3c4d5e6f default")
    return tmp_path


def test_a_file_is_one_run(repository: Path) -> None:
    path = repository / "results" / f"{FIRST.run.id}.json"

    found = named(str(path), repository / "results")

    assert found.run == FIRST
    assert found.ledger is None


@pytest.mark.parametrize(
    "name", ["laptop/20260105T090000Z-1a2b3c4d5e-default", "20260105T090000Z-1a2b3c4d5e-default", "20260105"]
)
def test_an_id_its_last_part_or_the_beginning_of_that_is_one_run(repository: Path, name: str) -> None:
    found = named(name, repository / "results")

    assert found.run == FIRST


def test_latest_is_the_newest_run(repository: Path) -> None:
    found = named("latest", repository / "results")

    assert found.run == SECOND


def test_a_revision_is_all_of_its_runs(repository: Path) -> None:
    before = named("HEAD~1", repository / "results")
    now = named("main", repository / "results")

    assert before.run is None
    assert before.ledger is not None
    assert before.ledger.results == (FIRST,)
    assert now.ledger is not None
    assert now.ledger.results == (FIRST, SECOND)


def test_a_revision_is_read_though_the_folder_is_gone_from_the_disk(repository: Path) -> None:
    git(repository, "rm", "-r", "--quiet", "results")

    ledger = ledger_of_revision("HEAD", repository / "results")

    assert ledger.results == (FIRST, SECOND)


def test_a_name_of_several_runs_is_told_with_their_ids(repository: Path) -> None:
    with pytest.raises(UsageError) as caught:
        named("2026010", repository / "results")

    assert str(caught.value) == (
        "2026010: 2 runs have this name: laptop/20260105T090000Z-1a2b3c4d5e-default, "
        "laptop/20260106T090000Z-2b3c4d5e6f-default; give more of the id"
    )


def test_a_name_of_nothing_says_what_may_be_named(repository: Path) -> None:
    results = repository / "results"

    with pytest.raises(UsageError) as caught:
        named("no-such-branch", results)

    assert str(caught.value) == (
        f"no-such-branch: is no file, no run in {results} and no git revision there; name a result file, a run's id, "
        "'latest', or a git revision that has results"
    )


def test_a_revision_without_results_says_so(repository: Path) -> None:
    (repository / "other").mkdir()

    with pytest.raises(UsageError) as caught:
        ledger_of_revision("HEAD", repository / "other")

    assert str(caught.value) == (
        "HEAD: has no folder other; name a result file, a run's id, 'latest', or a git revision that has results"
    )


def test_a_missing_file_is_no_revision(repository: Path) -> None:
    with pytest.raises(UsageError, match=r"^gone\.json: there is no such file; name a result file"):
        named("gone.json", repository / "results")


def test_a_damaged_file_is_refused_with_its_reason(repository: Path) -> None:
    path = repository / "damaged.json"
    path.write_text("{")

    with pytest.raises(ResultError, match="is not whole JSON"):
        named(str(path), repository / "results")


def test_latest_of_nothing_says_how_to_begin(tmp_path: Path) -> None:
    with pytest.raises(EmptyLedger) as caught:
        named("latest", tmp_path)

    assert str(caught.value) == f"{tmp_path}: there is no result; make the first run with: bench run"


def test_an_option_of_git_is_no_revision(repository: Path) -> None:
    with pytest.raises(UsageError, match=r"^--all: is no file"):
        named("--all", repository / "results")
