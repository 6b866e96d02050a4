"""Memory of the process that holds a model, read from outside while it works; and which process that is.

Readings take nothing from the process that is read: the system keeps the counts anyway. The one exception is
`unique_bytes`, which walks all its pages: not while it answers.
"""

import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import psutil

from bench.runner.machine.gpu import GpuMemory, gpus
from bench.schema.machine import MemoryWatch

PERIOD_NS = 40_000_000
"""Time between two readings: 25 a second, so that one which comes late leaves more than 20."""

GPU_EVERY = 10
"""Readings of resident memory for one of GPU memory, which costs more and moves less."""

FAMILY_EVERY = 25
"""Readings after which the processes that a family consists of are listed anew."""


class Sampler:
    """Reads the memory of a process, and of all that it started if `family`, until stopped or until it is gone."""

    def __init__(self, pid: int, period_ns: int, family: bool) -> None:
        self._pid = pid
        self._period_ns = period_ns
        self._family = family
        self._peak_bytes: int | None = None
        self._recent_bytes: int | None = None
        self._gpu = GpuMemory(None, "the process ended before it could be read")
        self._readings = 0
        self._cost_ns = 0
        self._trouble: str | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="memory sampler", daemon=True)

    @property
    def trouble(self) -> str | None:
        """Why there is no peak, in words; None if there is one."""
        return None if self._peak_bytes is not None else self._trouble or "no reading was taken"

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Take a last reading and end."""
        self._over.set()
        self._thread.join()

    def peak_bytes(self) -> int | None:
        """Return the highest resident memory that was read; None, and `trouble`, if there was no reading.

        Of a family it is the highest sum, in which pages that its members share count for each of them.
        """
        return self._peak_bytes

    def take_peak_bytes(self) -> int | None:
        """Return the highest resident memory since this was last called; None if there was no reading since."""
        # A reading between the two lines belongs to neither stretch: there are 25 a second.
        peak, self._recent_bytes = self._recent_bytes, None
        return peak

    def gpu_peak(self) -> GpuMemory:
        """Return the highest memory on the GPUs that was read."""
        return self._gpu

    def watch(self) -> MemoryWatch:
        """Return how the readings were taken and what they cost this process."""
        return MemoryWatch(period_ns=self._period_ns, readings=self._readings, cost_ns=self._cost_ns)

    def _look(self) -> None:
        try:
            self._read_until_over()
        except psutil.NoSuchProcess:
            # Also a zombie on macOS. It may die at any moment; what was read stays.
            self._trouble = "the process ended before it could be read"
        except psutil.AccessDenied:
            self._trouble = f"no right to read the memory of process {self._pid}"
        self._cost_ns = time.thread_time_ns()

    def _read_until_over(self) -> None:
        members = [psutil.Process(self._pid)]
        turn = 0
        last = False
        while not last:
            last = self._over.is_set()
            if self._family and turn % FAMILY_EVERY == 0:
                members = _family(members[0])
            resident_bytes = members[0].memory_info().rss + sum(_resident_bytes(member) for member in members[1:])
            if resident_bytes == 0:
                # A zombie, whose number may soon be another's.
                raise psutil.NoSuchProcess(self._pid)
            self._readings += 1
            self._peak_bytes = max(resident_bytes, self._peak_bytes or 0)
            self._recent_bytes = max(resident_bytes, self._recent_bytes or 0)
            if turn % GPU_EVERY == 0 or last:
                self._note(gpus().memory([member.pid for member in members]))
            self._cost_ns = time.thread_time_ns()
            turn += 1
            self._over.wait(self._period_ns / 1e9)

    def _note(self, gpu: GpuMemory) -> None:
        if self._gpu.bytes is None or (gpu.bytes is not None and gpu.bytes > self._gpu.bytes):
            self._gpu = gpu


@contextmanager
def sampling(pid: int, period_ns: int = PERIOD_NS, *, family: bool = False) -> Iterator[Sampler]:
    """Read the memory of a process from outside while the block runs.

    With `family`, that of all processes which it started as well: some servers answer in one and hold models in others.
    """
    sampler = Sampler(pid, period_ns, family)
    sampler.start()
    try:
        yield sampler
    finally:
        sampler.stop()


def unique_bytes(pid: int, *, family: bool = False) -> int | None:
    """Return the memory that a process shares with nobody, or None where the system does not report it.

    Of a family it is the sum. The system walks all the pages of the process, which waits for it meanwhile.
    """
    return _sum(pid, family, lambda process: int(process.memory_full_info().uss))


def resident_bytes_of(pid: int, *, family: bool = False) -> int | None:
    """Return the resident memory of a process, or None where the system does not report it."""
    return _sum(pid, family, lambda process: int(process.memory_info().rss)) or None


def _sum(pid: int, family: bool, read: Callable[[psutil.Process], int]) -> int | None:
    try:
        process = psutil.Process(pid)
        return sum(read(member) for member in (_family(process) if family else [process]))
    except (psutil.Error, AttributeError):
        # Not every system has the attribute.
        return None


def _family(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def _resident_bytes(process: psutil.Process) -> int:
    """Return the resident memory of a process that may have ended: 0 then."""
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


PORTS = {"http": 80, "https": 443}

FORWARDERS = ("docker-proxy", "com.docker.backend", "rootlessport", "gvproxy", "slirp4netns", "wslrelay", "ssh")
"""Programs that listen for another machine, or for a container: their memory is not the model's."""


EVERYWHERE = {"0.0.0.0", "::"}
"""Addresses that stand for all of a machine's."""


@dataclass(frozen=True)
class Holder:
    """The process that listens where a URL points to, or None and the reason."""

    pid: int | None
    reason: str | None


@dataclass(frozen=True)
class _Listener:
    pid: int
    ip: str
    port: int


def holder_of(base_url: str) -> Holder:
    """Return the process that answers an endpoint, when it runs on this machine.

    It need not hold the model itself, but then it has started the process that does: read the memory of its family.
    Where several listen at one port, as workers do, it is the oldest.
    """
    parts = urlsplit(base_url)
    try:
        port = parts.port or PORTS[parts.scheme]
    except (ValueError, KeyError):
        return Holder(None, "the URL names no port")
    addresses = _addresses(parts.hostname or "")
    if not any(_is_here(address) for address in addresses):
        return Holder(None, "remote")
    pids = {
        listener.pid
        for listener in _listeners()
        if listener.port == port
        and (listener.ip in addresses or not addresses.isdisjoint(EVERYWHERE) or listener.ip in EVERYWHERE)
    }
    if not pids:
        return Holder(None, f"no process is seen to listen on port {port}: another user's may need more rights")
    return _oldest(pids, port)


def _addresses(host: str) -> set[str]:
    try:
        # An address of IPv6 may carry the name of its interface.
        return {str(found[4][0]).partition("%")[0] for found in socket.getaddrinfo(host, None)}
    except OSError:
        return set()


def _is_here(address: str) -> bool:
    parsed = ipaddress.ip_address(address)
    if parsed.is_loopback or parsed.is_unspecified:
        return True
    own = (entry.address.partition("%")[0] for entries in psutil.net_if_addrs().values() for entry in entries)
    return address in own


def _listeners() -> Iterator[_Listener]:
    """Yield the processes that accept connections, as far as this user may see them."""
    try:
        for each in psutil.net_connections(kind="tcp"):
            if each.pid is not None and each.status == psutil.CONN_LISTEN and each.laddr:
                yield _Listener(each.pid, each.laddr.ip, each.laddr.port)
    except psutil.AccessDenied:
        # macOS shows those of all processes to root alone, but each user his own.
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                for own in process.net_connections(kind="tcp"):
                    if own.status == psutil.CONN_LISTEN and own.laddr:
                        yield _Listener(process.pid, own.laddr.ip, own.laddr.port)


def _oldest(pids: set[int], port: int) -> Holder:
    processes = []
    for pid in pids:
        try:
            process = psutil.Process(pid)
            processes.append((process.create_time(), pid, process.name()))
        except psutil.Error:
            continue
    if not processes:
        return Holder(None, f"the process that listened on port {port} has ended")
    _, pid, name = min(processes)
    if name.removesuffix(".exe") in FORWARDERS:
        return Holder(None, f"port {port} is forwarded by {name}: the model is held elsewhere")
    return Holder(pid, None)
