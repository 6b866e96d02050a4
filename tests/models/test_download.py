"""How a download goes on where it stalls or breaks off, and what is said of its pace."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import click
import pytest

from bench.cli import main
from bench.errors import UsageError
from bench.models.download import BrokenOff, DownloadProgress, Pace, Patience, fetch, persist
from bench.models.runtime_process import RuntimeRefused, plain
from bench.models.variant import Variant
from bench.providers.registry import FoundryRuntime

PATIENCE = Patience(retries=3, first_pause_s=2.0, longest_pause_s=5.0)


def scripted(*ends: float | Path) -> Callable[[], Path]:
    """Return attempts that break off at these percentages, and end with a directory where there is one."""
    left = list(ends)

    def attempt() -> Path:
        end = left.pop(0)
        if isinstance(end, Path):
            return end
        raise BrokenOff("the download stalled", end)

    return attempt


def test_the_pause_grows_while_nothing_comes_and_begins_anew_when_something_came() -> None:
    pauses: list[float] = []
    told: list[DownloadProgress] = []

    found = persist(scripted(10.0, 10.0, 10.0, 40.0, Path("there")), PATIENCE, told.append, "tiny", pauses.append)

    assert found == Path("there")
    assert pauses == [2.0, 4.0, 5.0, 2.0]
    assert [(one.percent, one.retry, one.problem) for one in told] == [
        (10.0, 1, "the download stalled"),
        (10.0, 2, "the download stalled"),
        (10.0, 3, "the download stalled"),
        (40.0, 1, "the download stalled"),
    ]


def test_in_the_end_it_is_given_up_and_what_came_is_kept() -> None:
    with pytest.raises(UsageError) as given_up:
        persist(scripted(43.2, 43.2, 0.0, 12.0), PATIENCE, lambda told: None, "tiny-cpu:1", lambda pause_s: None)

    assert str(given_up.value) == (
        "tiny-cpu:1: the download stalled at 43 %, and 3 retries brought nothing more; what came is kept, and the same "
        "command goes on with it: try again at a quieter hour"
    )


class Said:
    """A runtime that refuses a download, in the runtime's own words."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def next(self, within_s: float) -> RuntimeRefused:
        return RuntimeRefused(plain(self._reason))

    def printed(self) -> str:
        return ""


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        (
            "file_writer.cc:76 void fl::FileWriter::WriteAt(int64_t, const uint8_t*, size_t) FileWriter pwrite failed "
            "at offset 4194304 (errno 28)",
            "cache: the disk is full; make room (bench models remove), and the same command goes on with what came of "
            "tiny-cpu:1",
        ),
        (
            "filesystem error: cannot create directories: Read-only file system [cache/Own/tiny-cpu-1]",
            "cache: the cache cannot be written (filesystem error: cannot create directories: Read-only file system "
            "[cache/Own/tiny-cpu-1]); have it made writable, or name another one with --cache-dir",
        ),
    ],
)
def test_what_no_retry_helps_against_is_not_retried(monkeypatch: pytest.MonkeyPatch, reason: str, message: str) -> None:
    monkeypatch.setattr("bench.models.download.asking", lambda asked: nullcontext(Said(reason)))

    with pytest.raises(UsageError) as refused:
        fetch(FoundryRuntime(cache_dir=Path("cache")), Variant("tiny", "tiny-cpu:1"), PATIENCE, lambda told: None)

    assert str(refused.value) == message


def test_a_reason_of_the_runtime_is_told_without_the_place_in_its_source() -> None:
    assert (
        plain(
            "http_client.cc:304 std::string fl::http::RetryWithBackoff(const std::function<RetryAttempt()>&, const "
            "std::function<void(std::chrono::duration<long int, std::ratio<1, 1000> >)>&) operation failed after 4 "
            "attempts: transport failure: transport error: Could not connect to server"
        )
        == "Could not connect to server"
    )


def test_the_command_waits_as_long_and_tries_as_often_as_a_download_does_by_itself() -> None:
    group = main.commands["models"]
    assert isinstance(group, click.Group)
    defaults = {option.name: option.default for option in group.commands["download"].params}

    assert (defaults["stall"], defaults["retries"]) == (f"{Patience.stall_s:g}s", Patience.retries)


def test_the_pace_is_that_of_the_last_seconds() -> None:
    pace = Pace(size_bytes=1_000_000)

    assert pace.at(99.0, 0.0) == DownloadProgress(0.0)
    # An earlier attempt had brought it.
    assert pace.at(100.0, 40.0) == DownloadProgress(40.0)
    assert pace.at(101.0, 49.0) == DownloadProgress(49.0)
    # 10 % of a megabyte in 5 s, 50 % left.
    assert pace.at(105.0, 50.0) == DownloadProgress(50.0, 20_000.0, 25.0)
    # 20 % in 20 s: what was before 101 s is more than 20 s ago.
    assert pace.at(121.0, 69.0) == DownloadProgress(69.0, 10_000.0, 31.0)


def test_without_a_size_there_is_a_time_left_and_no_rate() -> None:
    pace = Pace(size_bytes=None)
    pace.at(0.0, 20.0)

    assert pace.at(4.0, 60.0) == DownloadProgress(60.0, None, 4.0)
