"""How steady the machine is: a fixed probe before and after each model, and a watch while one is measured."""

import hashlib
import os
import re
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np
import psutil

from bench.schema.machine import MachineWatch, Probe

ITERATIONS = 36_000
"""Of PBKDF2 in one timing: one call in one thread, which needs the first cache alone and frees the interpreter."""

COPIED_BYTES = 64 * 2**20
"""Copied in one timing, from one block of memory to another: more than the caches of a personal machine hold."""

REPETITIONS = 21
"""Timings of each kind: about half a second in all on a server's core of 2023."""

PROCESSOR_SENSORS = re.compile(r"core|cpu|pkg|soc|k\d+temp|zenpower", re.IGNORECASE)
"""Names under which drivers list the processor's sensors: coretemp, k10temp, cpu_thermal, x86_pkg_temp, ..."""


class Sensor(Protocol):
    """One reading of a temperature sensor."""

    @property
    def current(self) -> float | None: ...


def probe(clock: Callable[[], int] = time.perf_counter_ns) -> Probe:
    """Time the fixed work and read the sensors.

    Each time is the median of `REPETITIONS` timings, the two kinds in turn, after one of each that does not count. The
    fastest timing is a little steadier, but half blind: beside other programs some timings still find the processor
    free. The median shows them, and is not moved by a single interruption.
    """
    # Read first: the work below would be part of it.
    load = _load_average()
    source = np.ones(COPIED_BYTES, dtype=np.uint8)
    target = np.zeros_like(source)
    compute_ns = []
    memory_ns = []
    for turn in range(REPETITIONS + 1):
        start_ns = clock()
        hashlib.pbkdf2_hmac("sha256", b"benchledger", b"probe", ITERATIONS)
        between_ns = clock()
        np.copyto(target, source)
        end_ns = clock()
        if turn > 0:
            compute_ns.append(between_ns - start_ns)
            memory_ns.append(end_ns - between_ns)
    return Probe(
        compute_ns=round(statistics.median(compute_ns)),
        memory_ns=round(statistics.median(memory_ns)),
        # Right after the work: an idle core sleeps at a frequency that says nothing.
        cpu_hz=_cpu_hz(),
        temperature_c=_temperature_c(),
        load_average=load,
    )


def hottest_c(sensors: Mapping[str, Sequence[Sensor]]) -> float | None:
    """Return the highest temperature of the processor's own sensors, or None if there is none."""
    readings = [sensor.current for name, group in sensors.items() if PROCESSOR_SENSORS.search(name) for sensor in group]
    return max((reading for reading in readings if reading is not None and reading > 0), default=None)


def _load_average() -> float | None:
    # psutil would imitate it on Windows, and say 0 for want of a history.
    if not hasattr(os, "getloadavg"):
        return None
    try:
        return os.getloadavg()[0]
    except OSError:
        return None


def _cpu_hz() -> int | None:
    """Return the mean frequency of the cores. Elsewhere than on Linux psutil has only the nominal one."""
    if sys.platform != "linux" or not _frequency_is_live():
        return None
    try:
        found = psutil.cpu_freq()
    except (OSError, NotImplementedError):
        return None
    return round(found.current * 1e6) if found is not None and found.current > 0 else None


def _frequency_is_live() -> bool:
    """Tell whether Linux reads the frequency from the processor; a virtual machine shows a constant instead."""
    if Path("/sys/devices/system/cpu/cpu0/cpufreq").exists():
        return True
    try:
        return "aperfmperf" in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def _temperature_c() -> float | None:
    sensors = getattr(psutil, "sensors_temperatures", None)
    if sensors is None:
        return None
    try:
        return hottest_c(sensors())
    except OSError:
        return None


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
