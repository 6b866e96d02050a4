"""Models found, fetched and removed by the Foundry Local runtime itself, from a catalogue and a storage on loopback."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner, Result

from bench.cli import main
from bench.errors import UsageError
from bench.models.cache_folder import cached, unfinished
from bench.models.catalogue import catalogue
from bench.models.download import DownloadProgress, Patience, fetch
from bench.models.variant import Variant
from bench.providers.registry import FoundryRuntime
from tests.foundry_catalogue import ALIAS, VARIANT, entry
from tests.foundry_downloads import Downloads, downloads
from tests.interrupting import ctrl_c_known

pytestmark = pytest.mark.runtime

SMALLEST = Path(__file__).parents[2] / "bench" / "reference" / "models" / "ledger-xs-fp32"
WEIGHTS = "model.onnx.data"
"""The largest file: it comes last."""


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Downloads]:
    with downloads(SMALLEST) as served:
        for name, value in served.environment.items():
            monkeypatch.setenv(name, value)
        yield served


def models(served: Downloads, cache: Path, *arguments: object) -> Result:
    place = ("--catalogue-url", served.url, "--cache-dir", cache)
    return CliRunner().invoke(main, ["models", *map(str, (*arguments, *place))])


def test_a_model_is_listed_fetched_shown_and_removed(served: Downloads, tmp_path: Path) -> None:
    giant = entry("giant-generic-cpu:2", "giant", licence="mit", size_bytes=1024**5)
    served.entries = [*served.entries, giant, entry("tiny-npu:1", ALIAS, "npu", "QNNExecutionProvider")]
    directory = tmp_path / "Benchledger" / "tiny-generic-cpu-1" / "v1"

    listed = json.loads(models(served, tmp_path, "list", "--device", "cpu", "--json").stdout)
    both = models(served, tmp_path, "download", ALIAS, "giant", "--device", "cpu")
    fetched = models(served, tmp_path, "download", VARIANT)
    weights = (directory / WEIGHTS).read_bytes()
    shown = models(served, tmp_path, "show", ALIAS).stdout
    removed = models(served, tmp_path, "remove", ALIAS, "--yes")

    assert [(one["alias"], one["id"], one["size_bytes"], one["licence"]) for one in listed] == [
        ("giant", "giant-generic-cpu:2", 1024**5, "mit"),
        ("tiny", VARIANT, None, "apache-2.0"),
    ]
    assert both.exit_code == 2
    assert f"bench: {tmp_path}: 1,130,000\u00a0GB are needed, " in both.stderr
    assert both.stderr.endswith(
        "free; make room (bench models remove), or name a folder on another disk with --cache-dir\n"
    )
    assert fetched.exit_code == 0, fetched.output
    assert fetched.stdout == f"{VARIANT} is in the cache now: {directory}\n"
    assert weights == (SMALLEST / WEIGHTS).read_bytes()
    assert sorted(served.fetched) == sorted(served.files)
    for fact in ("variant             tiny-npu:1", "parameters          74k", f"in the cache        {directory}"):
        assert fact in shown
    assert "Removed tiny-generic-cpu:1\nFreed " in removed.stdout
    assert cached(tmp_path) == ()


def test_a_download_that_stalls_is_stopped_and_gone_on_with(served: Downloads, tmp_path: Path) -> None:
    served.hanging[WEIGHTS] = 1
    runtime = FoundryRuntime(catalogue_url=served.url, cache_dir=tmp_path)
    (variant,) = catalogue(runtime)
    told: list[DownloadProgress] = []

    directory = fetch(runtime, variant, Patience(stall_s=2.0, first_pause_s=0.0), told.append)

    (pause,) = (one for one in told if one.pause_s is not None)
    assert pause.problem == "the download stalled (nothing for 2 s)"
    assert 0 < pause.percent < 100
    # All but the file that stalled was kept.
    assert sorted(served.fetched) == sorted([*served.files, WEIGHTS])
    assert [one.directory for one in cached(tmp_path)] == [directory]
    assert unfinished(tmp_path) == ()


@pytest.mark.skipif(sys.platform == "win32", reason="the lock is taken as POSIX has it")
def test_a_download_that_another_process_makes_is_waited_for_by_the_user(served: Downloads, tmp_path: Path) -> None:
    import fcntl

    folder = tmp_path / "Benchledger" / "tiny-generic-cpu-1"
    folder.mkdir(parents=True)
    runtime = FoundryRuntime(catalogue_url=served.url, cache_dir=tmp_path)

    with (folder / ".download.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UsageError) as busy:
            fetch(runtime, Variant(ALIAS, VARIANT), Patience(stall_s=2.0), lambda told: None)

    assert str(busy.value) == f"{VARIANT} is being downloaded by another process: wait until that one has ended"


@pytest.mark.slow
def test_ctrl_c_leaves_no_process_and_nothing_that_counts_as_cached(served: Downloads, tmp_path: Path) -> None:
    served.hanging[WEIGHTS] = 1
    command = ["models", "download", ALIAS, "--catalogue-url", served.url, "--cache-dir", str(tmp_path)]
    with ctrl_c_known():
        process = subprocess.Popen([sys.executable, "-m", "bench", *command], stderr=subprocess.PIPE, text=True)
    served.hangs.wait()
    children = psutil.Process(process.pid).children(recursive=True)

    os.kill(process.pid, signal.SIGINT)
    _, said = process.communicate()

    assert process.returncode == 1
    assert said.splitlines()[-1] == (
        f"bench: stopped: {VARIANT} is not in the cache; the same command goes on with what came of it"
    )
    _, left = psutil.wait_procs(children, timeout=30)
    assert left == []
    assert cached(tmp_path) == ()
    assert [one.id for one in unfinished(tmp_path)] == [VARIANT]
    # The runtime is of the same opinion.
    assert [one.directory for one in catalogue(FoundryRuntime(catalogue_url=served.url, cache_dir=tmp_path))] == [None]


WITHOUT = (
    "; check the network. Without it work: bench models list --cached (0 in the cache), and models in a directory "
    "(path: in a config)\n"
)


def test_half_an_answer_of_the_catalogue_is_no_catalogue(served: Downloads, tmp_path: Path) -> None:
    served.answer = (200, json.dumps({"value": list(served.entries)}).encode()[:300])

    done = models(served, tmp_path, "list")

    assert done.exit_code == 2
    reason = "catalog response must be valid JSON with an array-valued 'value' or 'summaries' field"
    assert done.stderr == f"bench: the catalogue {served.url} cannot be read ({reason}){WITHOUT}"


def test_without_a_network_what_works_without_it_is_said(tmp_path: Path) -> None:
    nowhere = Downloads({}, port=9)

    done = models(nowhere, tmp_path, "download", ALIAS)

    assert done.exit_code == 2
    assert done.stderr == (
        f"bench: the catalogue {nowhere.url} cannot be read (Fail to get a new connection for: http://127.0.0.1:9. "
        f"Could not connect to server){WITHOUT}"
    )


def test_a_name_that_the_catalogue_does_not_have_gets_the_nearest_ones(served: Downloads, tmp_path: Path) -> None:
    done = models(served, tmp_path, "show", "tinny")

    assert done.exit_code == 2
    assert done.stderr == "bench: the catalogue has no model 'tinny'; nearest: tiny\n"
