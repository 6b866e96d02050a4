"""Energy: what the counters of this machine show (RAPL, powermetrics, NVIDIA), less what it takes when idle."""

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from bench.runner.machine.gpu import gpus
from bench.schema.machine import Energy

POWERCAP = Path("/sys/class/powercap")

NO_RAPL_RIGHT = "no right to read the processor's energy counter (intel-rapl, energy_uj): let this user read it"


@dataclass
class Package:
    """One package's counter in microjoules, which starts again from 0 after `range_uj`."""

    path: Path
    range_uj: int
    last_uj: int
    passed_uj: int = 0

    def read(self) -> int:
        """Return the energy since the first reading. The counter may have started again once since the last."""
        now_uj = _number(self.path / "energy_uj")
        self.passed_uj += passed_uj(self.last_uj, now_uj, self.range_uj)
        self.last_uj = now_uj
        return self.passed_uj


@dataclass(frozen=True)
class Rapl:
    """All packages of a machine; memory modules and discrete GPUs are in none of them."""

    packages: tuple[Package, ...]

    def joules(self) -> float:
        """Return the energy of all packages since the first reading."""
        return sum(package.read() for package in self.packages) / 1e6


@dataclass(frozen=True)
class FoundRapl:
    """The counters, or None and the reason, which is None as well on a machine without any."""

    rapl: Rapl | None
    reason: str | None


def find_rapl(root: Path = POWERCAP) -> FoundRapl:
    """Return the counters of the packages below a folder laid out as Linux does."""
    try:
        # intel-rapl:0:1 is a part of intel-rapl:0, and intel-rapl-mmio:0 counts the same package once more.
        zones = [path for path in sorted(root.glob("intel-rapl:*")) if path.name.count(":") == 1]
        packages = [_package(path) for path in zones if _text(path / "name").startswith("package")]
    except PermissionError:
        return FoundRapl(None, NO_RAPL_RIGHT)
    except (OSError, ValueError) as error:
        return FoundRapl(None, f"the processor's energy counter cannot be read: {error}")
    return FoundRapl(Rapl(tuple(packages)) if packages else None, None)


def passed_uj(before_uj: int, after_uj: int, range_uj: int) -> int:
    """Return what a counter has counted between two readings, if it started again at most once."""
    return after_uj - before_uj if after_uj >= before_uj else after_uj + range_uj - before_uj


def _package(path: Path) -> Package:
    return Package(path, _number(path / "max_energy_range_uj"), _number(path / "energy_uj"))


def _text(path: Path) -> str:
    return path.read_text(encoding="ascii").strip()


def _number(path: Path) -> int:
    return int(_text(path))


INTERVAL_MS = 500
"""Time over which powermetrics takes each mean; a reading lacks what came after the last one."""

ELAPSED = re.compile(r"^\*\*\* Sampled system activity .*\(([\d.]+)ms elapsed\)")

POWER = re.compile(
    # The first is said by Apple's chips since macOS 13, the second before, the third by Intel's.
    r"^(?:Combined Power \(CPU \+ GPU \+ ANE\)|Package Power|Intel energy model derived package power.*?)"
    r":\s*([\d.]+)\s*(m?)W"
)

COMMAND = ("powermetrics", "--samplers", "cpu_power", "--sample-rate", str(INTERVAL_MS), "--buffer-size", "1")

START_S = 5.0
"""Most time until the program's first figure."""

END_S = 5.0
"""Most time that the program gets to end."""

NO_POWERMETRICS_RIGHT = (
    "powermetrics is for root alone: run as root, or let this user run it by sudo without a password"
)


class Powermetrics:
    """Adds up what a running powermetrics prints."""

    def __init__(self, command: Sequence[str]) -> None:
        self._joules = 0.0
        self._elapsed_s = 0.0
        self._over = False
        self._first = threading.Event()
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            errors="replace",
        )
        self._thread = threading.Thread(target=self._follow, name="powermetrics", daemon=True)
        self._thread.start()

    def wait(self, seconds: float) -> bool:
        """Wait until there is a first figure, and tell whether one came."""
        self._first.wait(seconds)
        return self.joules() is not None and self._joules > 0

    def joules(self) -> float | None:
        """Return the energy of the intervals that have ended, or None if the program has ended as well."""
        return self._joules if self._process.poll() is None else None

    def close(self) -> None:
        """End the program. A program of root's cannot be ended: it stops when its output is read no more."""
        self._over = True
        with suppress(PermissionError):
            self._process.terminate()
        self._thread.join(END_S)

    def _follow(self) -> None:
        output = self._process.stdout
        assert output is not None
        with output:
            for line in output:
                self._take(line)
                if self._over:
                    break
        # Whoever waits for a figure must find the program ended, not just silent.
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(END_S)
        self._first.set()

    def _take(self, line: str) -> None:
        if found := ELAPSED.match(line):
            self._elapsed_s = float(found.group(1)) / 1e3
        elif found := POWER.match(line):
            watts = float(found.group(1)) / (1e3 if found.group(2) else 1.0)
            self._joules += watts * self._elapsed_s
            self._first.set()


@dataclass(frozen=True)
class FoundPowermetrics:
    """The running program, or None and the reason, which is None as well where there is no such program."""

    powermetrics: Powermetrics | None
    reason: str | None


def find_powermetrics() -> FoundPowermetrics:
    """Start powermetrics on a Mac, where that needs no password."""
    if sys.platform != "darwin" or shutil.which(COMMAND[0]) is None:
        return FoundPowermetrics(None, None)
    # With -n sudo gives up where it would ask.
    return start_powermetrics(COMMAND if os.geteuid() == 0 else ("sudo", "-n", *COMMAND))


def start_powermetrics(command: Sequence[str], start_s: float = START_S) -> FoundPowermetrics:
    """Start a program that prints what powermetrics does, and wait for its first figure."""
    try:
        started = Powermetrics(command)
    except OSError as error:
        return FoundPowermetrics(None, f"powermetrics cannot be started: {error}")
    if started.wait(start_s):
        return FoundPowermetrics(started, None)
    ended = started.joules() is None
    started.close()
    return FoundPowermetrics(None, NO_POWERMETRICS_RIGHT if ended else "powermetrics tells no power on this machine")


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
class CounterReading:
    """The reading of each counter at a moment of the monotonic clock; a counter that could not be read is missing."""

    at_ns: int
    joules: Mapping[Source, float]


@dataclass(frozen=True)
class Metered:
    """Energy, or None and the reason."""

    energy: Energy | None
    reason: str | None


@dataclass(frozen=True)
class Meter:
    """The energy counters of this machine, or a stated wattage where there is none.

    `reason` and `gpu_reason` say why nothing counts the processor's energy, or that of the GPU.
    """

    counters: Mapping[Source, Counter]
    watts: float | None
    reason: str
    gpu_reason: str
    clock: Callable[[], int] = time.perf_counter_ns
    sleep: Callable[[float], None] = time.sleep
    lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self) -> CounterReading:
        """Read all counters. A `metering` block does so by itself as often as they need it."""
        joules: dict[Source, float] = {}
        with self.lock:
            at_ns = self.clock()
            for source, counter in self.counters.items():
                try:
                    shown = counter.joules()
                except (OSError, ValueError):
                    continue
                if shown is not None:
                    joules[source] = shown
        return CounterReading(at_ns, joules)

    def idle_watts(self, seconds: float) -> Mapping[Source, float]:
        """Return the power of the idle machine, by counter, measured for some seconds; at once where none counts."""
        if not self.counters or seconds <= 0:
            return {}
        start = self.read()
        self.sleep(seconds)
        end = self.read()
        passed_s = (end.at_ns - start.at_ns) / 1e9
        if passed_s <= 0:
            return {}
        both = [source for source in start.joules if source in end.joules]
        return {source: max(0.0, (end.joules[source] - start.joules[source]) / passed_s) for source in both}

    def energy(
        self,
        start: CounterReading,
        end: CounterReading,
        idle: Mapping[Source, float],
        *,
        on_gpu: bool,
        answering_ns: int,
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
        if any(source in self.counters for source in order):
            return Metered(None, LOST)
        if self.watts is not None:
            return Metered(estimate(self.watts, answering_ns), None)
        return Metered(None, NO_GPU_COUNTER.format(reason=self.gpu_reason) if on_gpu else self.reason)


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
