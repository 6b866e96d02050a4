"""How steady the machine is while a model is measured, seen from the process that supervises it.

A thread asks to sleep for a moment, again and again, and notes by how much it woke up too late: what delays it delays
the model as well. It runs in the supervising process, so that it takes nothing from the interpreter that measures.
"""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from bench.runner.machine_record import MachineWatch, Probe

PERIOD_NS = 10_000_000
"""Sleep that the thread asks for."""

KEPT_READINGS = 600
"""Most readings that are kept of one watch."""

SWITCH_S = 0.0005
"""How soon another thread of this process gives way during a watch: Python's own 5 ms would look like the machine's."""


class Maxima:
    """A series of any length in bounded memory: the maxima of equal stretches of it, in order.

    A stretch is one reading at first. Whenever `limit` stretches are full, each two neighbours become one with the
    larger value, and stretches are twice as long from then on: no peak is lost, and every stretch weighs the same. Only
    the last one may be shorter. `limit` is even.
    """

    def __init__(self, limit: int = KEPT_READINGS) -> None:
        self._limit = limit
        self._full: list[int] = []
        self._stride = 1
        self._begun: int | None = None
        self._in_begun = 0

    def add(self, value: int) -> None:
        """Take one more reading."""
        self._begun = value if self._begun is None else max(self._begun, value)
        self._in_begun += 1
        if self._in_begun < self._stride:
            return
        self._full.append(self._begun)
        self._begun = None
        self._in_begun = 0
        if len(self._full) == self._limit:
            self._full = [max(pair) for pair in zip(self._full[::2], self._full[1::2], strict=True)]
            self._stride *= 2

    def values(self) -> tuple[int, ...]:
        """Return the maxima so far, in order."""
        return (*self._full,) if self._begun is None else (*self._full, self._begun)


class Watch:
    """What a thread noted of the machine; ask for the result once the block that watched has ended."""

    def __init__(self, period_ns: int) -> None:
        self._period_ns = period_ns
        self._late = Maxima()
        self._over = False
        self._thread = threading.Thread(target=self._look, name="machine watch", daemon=True)
        self._times_before = _cpu_times()
        self._times_after: dict[str, float] | None = None

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """End the watch."""
        self._over = True
        self._thread.join()
        self._times_after = _cpu_times()

    def result(self, before: Probe, after: Probe) -> MachineWatch:
        """Return what was noted, with the probes taken before and after."""
        return MachineWatch(
            before=before,
            after=after,
            period_ns=self._period_ns,
            late_ns=self._late.values(),
            steal_share=steal_share(self._times_before, self._times_after or _cpu_times()),
        )

    def _look(self) -> None:
        period_s = self._period_ns / 1e9
        while not self._over:
            start_ns = time.perf_counter_ns()
            # An Event would be woken at once at the end, but waits in coarser steps on Windows.
            time.sleep(period_s)
            self._late.add(max(0, time.perf_counter_ns() - start_ns - self._period_ns))


@contextmanager
def watching(period_ns: int = PERIOD_NS) -> Iterator[Watch]:
    """Watch the machine while the block runs; the readings are kept as `Maxima`."""
    switch_s = sys.getswitchinterval()
    sys.setswitchinterval(min(switch_s, SWITCH_S))
    watch = Watch(period_ns)
    watch.start()
    try:
        yield watch
    finally:
        watch.stop()
        sys.setswitchinterval(switch_s)


def steal_share(before: dict[str, float], after: dict[str, float]) -> float | None:
    """Return the share of processor time that the hypervisor took between two readings of the times by kind.

    None where the system keeps no such time, or where none has passed.
    """
    if "steal" not in before or "steal" not in after:
        return None
    # A guest's time is part of the user's time already. Some kernels let a counter step back.
    passed = {
        kind: max(0.0, after[kind] - before.get(kind, 0.0)) for kind in after if kind not in ("guest", "guest_nice")
    }
    total = sum(passed.values())
    return passed["steal"] / total if total > 0 else None


def _cpu_times() -> dict[str, float]:
    return dict(psutil.cpu_times()._asdict())
