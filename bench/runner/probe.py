"""What the machine can do at this moment: a fixed piece of arithmetic and of copying, timed, in this process."""

import hashlib
import os
import re
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import psutil

from bench.runner.machine_record import Probe

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
