"""A model on its way into the cache: noticed where it stalls, tried again after a growing pause, and gone on with."""

import re
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError, UsageError
from bench.models.cache_folder import allocated_bytes, check_writable, free_bytes, model_folder
from bench.models.runtime_process import Asked, Downloaded, Grown, RuntimeRefused, asking
from bench.models.variant import Variant
from bench.providers.registry import FoundryRuntime

START_S = 120.0
"""How long the runtime may take to start and to find the model."""

WINDOW_S = 20.0
"""The rate of a download is that of its last seconds."""

SETTLED_S = 2.0
"""What came in less time says nothing of a rate."""

TICK_S = 1.0
"""How often is said that nothing comes."""

_NO_SPACE = re.compile(r"errno (?:28|122)\b|no space left|disk quota", re.IGNORECASE)
_NO_ACCESS = re.compile(
    r"errno (?:1|13|30)\b|permission denied|read-only file system|not a directory|cannot create director", re.IGNORECASE
)
_ANOTHER = "being performed by another process"


@dataclass(frozen=True)
class Patience:
    """When a download counts as stalled, and how often and after which pause it is tried again.

    The pause doubles from `first_pause_s` up to `longest_pause_s`; whatever came meanwhile begins the count anew.
    """

    stall_s: float = 60.0
    retries: int = 5
    first_pause_s: float = 2.0
    longest_pause_s: float = 60.0

    def pause_s(self, failures: int) -> float:
        """Return the pause after so many failures in a row."""
        return min(self.longest_pause_s, self.first_pause_s * 2.0 ** (failures - 1))


@dataclass(frozen=True)
class DownloadProgress:
    """How far a download is; None where it is not known.

    Nothing has come for `silent_s`. `problem` is why the last attempt ended, while a pause of `pause_s` is made before
    retry `retry`.
    """

    percent: float
    rate_bytes_per_s: float | None = None
    left_s: float | None = None
    silent_s: float = 0.0
    problem: str | None = None
    pause_s: float | None = None
    retry: int = 0


class BrokenOff(BenchError):
    """An attempt at a download that ended before the model was there; another one may go on with it."""

    def __init__(self, reason: str, percent: float) -> None:
        self.reason = reason
        self.percent = percent
        super().__init__(reason)


class Pace:
    """The rate of a download of `size_bytes` from what of it came in the last seconds.

    The first percentage above zero has what an earlier attempt had brought: from there on it is counted.
    """

    def __init__(self, size_bytes: int | None) -> None:
        self._size_bytes = size_bytes
        self._came: deque[tuple[float, float]] = deque()

    def at(self, now_s: float, percent: float) -> DownloadProgress:
        """Take a percentage at a time of a monotonic clock, and return what it says."""
        if percent <= 0:
            return DownloadProgress(percent)
        self._came.append((now_s, percent))
        while now_s - self._came[0][0] > WINDOW_S and len(self._came) > 2:
            self._came.popleft()
        first_s, first_percent = self._came[0]
        if now_s - first_s < SETTLED_S or percent <= first_percent:
            return DownloadProgress(percent)
        percent_per_s = (percent - first_percent) / (now_s - first_s)
        rate = None if self._size_bytes is None else percent_per_s / 100 * self._size_bytes
        return DownloadProgress(percent, rate, (100 - percent) / percent_per_s)


OnProgress = Callable[[DownloadProgress], None]
Attempt = Callable[[], Path]


def check_disk(runtime: FoundryRuntime, variants: Sequence[Variant]) -> None:
    """Raise UsageError where the cache takes no files, or its disk has no room for what is still to come of variants.

    A variant whose size the catalogue does not say is counted as nothing.
    """
    folder = runtime.cache_folder
    check_writable(folder)
    needed = 0
    for one in variants:
        there = model_folder(folder, one)
        needed += max(0, (one.size_bytes or 0) - (allocated_bytes(there) if there.is_dir() else 0))
    free = free_bytes(folder)
    if needed > free:
        raise NoRoom(folder, needed, free)


class NoRoom(UsageError):
    """A disk on which there is no room for what is to be downloaded or built."""

    def __init__(self, folder: Path, needed_bytes: int, free_bytes: int) -> None:
        self.folder = folder
        self.needed_bytes = needed_bytes
        self.free_bytes = free_bytes
        super().__init__(f"{folder}: needs {needed_bytes} bytes and has {free_bytes} free")


def fetch(runtime: FoundryRuntime, variant: Variant, patience: Patience, on_progress: OnProgress) -> Path:
    """Download a variant and return its directory; what an earlier download left is gone on with.

    Raises UsageError where the cache cannot take it or all retries were in vain; then, and where this is interrupted,
    no process is left, and nothing that is not complete counts as cached.
    """
    return persist(lambda: attempt(runtime, variant, patience, on_progress), patience, on_progress, variant.id)


def persist(
    attempt: Attempt,
    patience: Patience,
    on_progress: OnProgress,
    name: str,
    sleep: Callable[[float], None] = time.sleep,
) -> Path:
    """Attempt a download until it is there. Raises UsageError where the retries in a row have brought nothing."""
    failures = 0
    best = 0.0
    while True:
        try:
            return attempt()
        except BrokenOff as broken:
            failures = 1 if broken.percent > best else failures + 1
            best = max(best, broken.percent)
            if failures > patience.retries:
                raise UsageError(
                    f"{name}: {broken.reason} at {best:.0f} %, and {patience.retries} retries brought nothing more; "
                    "what came is kept, and the same command goes on with it: try again at a quieter hour"
                ) from broken
            pause_s = patience.pause_s(failures)
            on_progress(DownloadProgress(best, problem=broken.reason, pause_s=pause_s, retry=failures))
            sleep(pause_s)


def attempt(runtime: FoundryRuntime, variant: Variant, patience: Patience, on_progress: OnProgress) -> Path:
    """Download a variant in a process of its own, once, and return its directory.

    Raises BrokenOff where nothing came for a while or the runtime gave up, UsageError where trying again is useless.
    """
    pace = Pace(variant.size_bytes)
    percent = 0.0
    with asking(Asked(runtime, download=variant.id)) as answers:
        answer = answers.next(START_S)
        grown_s = time.monotonic()
        while isinstance(answer, Grown):
            percent, grown_s = answer.percent, time.monotonic()
            on_progress(pace.at(grown_s, percent))
            while (answer := answers.next(min(TICK_S, patience.stall_s))) is None:
                silent_s = time.monotonic() - grown_s
                if silent_s >= patience.stall_s:
                    break
                on_progress(DownloadProgress(percent, silent_s=silent_s))
        if isinstance(answer, Downloaded):
            return answer.directory
        printed = answers.printed()
        if answer is None:
            # Not waited for: it would not end by itself.
            raise _silent(variant, patience, percent, printed)
    raise _refused(runtime, variant, answer, percent)


def _silent(variant: Variant, patience: Patience, percent: float, printed: str) -> BenchError:
    if _ANOTHER in printed:
        return UsageError(f"{variant.id} is being downloaded by another process: wait until that one has ended")
    return BrokenOff(f"the download stalled (nothing for {patience.stall_s:g} s)", percent)


def _refused(runtime: FoundryRuntime, variant: Variant, answer: object, percent: float) -> BenchError:
    reason = answer.reason if isinstance(answer, RuntimeRefused) else "the runtime listed what it was to download"
    if _NO_SPACE.search(reason):
        return UsageError(
            f"{runtime.cache_folder}: the disk is full; make room (bench models remove), and the same command goes on "
            f"with what came of {variant.id}"
        )
    if _NO_ACCESS.search(reason):
        return UsageError(
            f"{runtime.cache_folder}: the cache cannot be written ({reason}); have it made writable, or name another "
            "one with --cache-dir"
        )
    return BrokenOff(f"the download broke off ({reason})", percent)
