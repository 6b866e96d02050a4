"""Energy: what the counters of this machine show, less what it takes when idle.

Counters count all that a processor or a GPU does: what else runs is charged to the model, so nothing else should run.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from bench.runner.gpu import gpus
from bench.runner.machine_record import Energy
from bench.runner.powermetrics import FoundPowermetrics, find_powermetrics
from bench.runner.rapl import POWERCAP, find_rapl

Source = Literal["rapl", "nvml", "powermetrics"]

FOLLOW_S = 30.0
"""Time between two readings of a meter by itself: the smallest counters start again after some minutes."""

STATE_WATTS = "state watts in the config under energy for an estimate"

NO_COUNTER = f"no energy counter on this machine; {STATE_WATTS}"

NO_GPU_COUNTER = f"no energy counter for the GPU: {{reason}}; {STATE_WATTS}"

LOST = "the energy counter could not be read at the start or at the end"

NOT_RESOLVED = "the answers took no more than the idle machine: something else ran while its idle power was read"


class Counter(Protocol):
    """Something that counts energy."""

    def joules(self) -> float | None:
        """Return the energy since some moment of its own; None if it stopped counting."""
        ...


@dataclass(frozen=True)
class Reading:
    """What each counter showed at a moment of the monotonic clock; one that could not be read is missing."""

    at_ns: int
    joules: Mapping[Source, float]


@dataclass(frozen=True)
class Metered:
    """Energy, or None and the reason."""

    energy: Energy | None
    reason: str | None


class Meter:
    """The energy counters of this machine, or a stated wattage where there is none."""

    def __init__(
        self,
        counters: Mapping[Source, Counter],
        watts: float | None,
        reason: str,
        gpu_reason: str,
        clock: Callable[[], int] = time.perf_counter_ns,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._counters = counters
        self._watts = watts
        self._reason = reason
        self._gpu_reason = gpu_reason
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()

    def read(self) -> Reading:
        """Read all counters. A `metering` block does so by itself as often as they need it."""
        joules: dict[Source, float] = {}
        with self._lock:
            at_ns = self._clock()
            for source, counter in self._counters.items():
                try:
                    shown = counter.joules()
                except (OSError, ValueError):
                    continue
                if shown is not None:
                    joules[source] = shown
        return Reading(at_ns, joules)

    def idle_watts(self, seconds: float) -> Mapping[Source, float]:
        """Return the power of the idle machine, by counter, measured for some seconds; at once where none counts."""
        if not self._counters or seconds <= 0:
            return {}
        start = self.read()
        self._sleep(seconds)
        end = self.read()
        passed_s = (end.at_ns - start.at_ns) / 1e9
        if passed_s <= 0:
            return {}
        both = [source for source in start.joules if source in end.joules]
        return {source: max(0.0, (end.joules[source] - start.joules[source]) / passed_s) for source in both}

    def energy(
        self, start: Reading, end: Reading, idle: Mapping[Source, float], *, on_gpu: bool, answering_ns: int
    ) -> Metered:
        """Return the energy between two readings, less the idle machine's in the same time.

        The GPU's counters stand for a model on a GPU, the processor's for any other; powermetrics has both. A stated
        wattage is that of a machine which answers: it counts for the time in which it did, and not for that between
        two requests.
        """
        duration_ns = end.at_ns - start.at_ns
        order: tuple[Source, ...] = ("nvml", "powermetrics") if on_gpu else ("rapl", "powermetrics")
        for source in order:
            if source in start.joules and source in end.joules:
                return net(source, end.joules[source] - start.joules[source], duration_ns, idle.get(source))
        if any(source in self._counters for source in order):
            return Metered(None, LOST)
        if self._watts is not None:
            return Metered(estimate(self._watts, answering_ns), None)
        return Metered(None, NO_GPU_COUNTER.format(reason=self._gpu_reason) if on_gpu else self._reason)


@contextmanager
def metering(watts: float | None = None, powercap: Path = POWERCAP) -> Iterator[Meter]:
    """Read the energy counters of this machine while the block runs; `watts` is for one without any."""
    rapl = find_rapl(powercap)
    # One that belongs to the processor is enough.
    mac = find_powermetrics() if rapl.rapl is None else FoundPowermetrics(None, None)
    found_gpus = gpus()
    counters: dict[Source, Counter] = {}
    if rapl.rapl is not None:
        counters["rapl"] = rapl.rapl
    if mac.powermetrics is not None:
        counters["powermetrics"] = mac.powermetrics
    if found_gpus.joules() is not None:
        counters["nvml"] = found_gpus
    denied = rapl.reason or mac.reason
    reason = f"{denied}, or {STATE_WATTS}" if denied is not None else NO_COUNTER
    meter = Meter(counters, watts, reason, found_gpus.reason or "its driver keeps none")
    try:
        with following(meter):
            yield meter
    finally:
        if mac.powermetrics is not None:
            mac.powermetrics.close()


@contextmanager
def following(meter: Meter, period_s: float = FOLLOW_S) -> Iterator[None]:
    """Read a meter now and then while the block runs, so that no counter starts again twice unseen."""
    over = threading.Event()

    def follow() -> None:
        while not over.wait(period_s):
            meter.read()

    thread = threading.Thread(target=follow, name="energy meter", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def net(source: Source, joules: float, duration_ns: int, idle_watts: float | None) -> Metered:
    """Return energy less that of the idle machine, or the reason if nothing is left: there is no 'no energy'."""
    left = joules - (idle_watts or 0.0) * duration_ns / 1e9
    if left <= 0:
        return Metered(None, NOT_RESOLVED if idle_watts else "the energy counter stood still")
    return Metered(Energy(source=source, joules=left, idle_watts=idle_watts, duration_ns=duration_ns), None)


def estimate(watts: float, duration_ns: int) -> Energy:
    """Return a stated wattage times the time."""
    return Energy(source="estimate", joules=watts * duration_ns / 1e9, idle_watts=None, duration_ns=duration_ns)
