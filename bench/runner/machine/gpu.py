"""What NVIDIA's driver tells of its GPUs, through the package nvidia-ml-py (extra `gpu`)."""

import importlib
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from types import ModuleType, SimpleNamespace

NO_LIBRARY = "no GPU library: install benchledger[gpu]"
NO_GPU = "no GPU found"
NOT_TOLD = "the driver does not tell"
NOT_LISTED = "the driver lists no memory of this process; from inside a container it cannot"


@dataclass(frozen=True)
class GpuMemory:
    """Memory of processes on the GPUs, or None and the reason."""

    bytes: int | None
    reason: str | None


@dataclass(frozen=True)
class Gpus:
    """The GPUs of this machine. Without one, `reason` says why, and every reading is None."""

    library: ModuleType | SimpleNamespace | None
    handles: tuple[object, ...]
    reason: str | None

    def memory(self, pids: Collection[int]) -> GpuMemory:
        """Return the memory that processes hold together, on all GPUs."""
        if self.library is None or self.reason is not None:
            return GpuMemory(None, self.reason)
        held: dict[tuple[int, int], int] = {}
        listed = False
        for gpu, handle in enumerate(self.handles):
            for ask in (
                self.library.nvmlDeviceGetComputeRunningProcesses,
                self.library.nvmlDeviceGetGraphicsRunningProcesses,
            ):
                try:
                    processes = ask(handle)
                except self.library.NVMLError:
                    continue
                for process in processes:
                    if process.pid not in pids:
                        continue
                    listed = True
                    if process.usedGpuMemory is not None:
                        # A process that draws and computes is in both lists, with the same memory.
                        key = (gpu, process.pid)
                        held[key] = max(held.get(key, 0), int(process.usedGpuMemory))
        if held:
            return GpuMemory(sum(held.values()), None)
        return GpuMemory(None, NOT_TOLD if listed else NOT_LISTED)

    def joules(self) -> float | None:
        """Return the energy that all GPUs took since the driver was loaded, or None where they do not count it."""
        if self.library is None or not self.handles:
            return None
        try:
            return sum(int(self.library.nvmlDeviceGetTotalEnergyConsumption(handle)) for handle in self.handles) / 1e3
        except self.library.NVMLError:
            return None


@cache
def gpus() -> Gpus:
    """Return the GPUs of this machine; the driver is asked once a process."""
    try:
        library = importlib.import_module("pynvml")
    except ImportError:
        return Gpus(None, (), NO_LIBRARY)
    return gpus_of(library)


def gpus_of(library: ModuleType | SimpleNamespace) -> Gpus:
    """Return the GPUs that a library with the functions of nvidia-ml-py finds."""
    try:
        library.nvmlInit()
        count = library.nvmlDeviceGetCount()
        handles = tuple(library.nvmlDeviceGetHandleByIndex(index) for index in range(count))
    except library.NVMLError:
        return Gpus(None, (), NO_GPU)
    return Gpus(library, handles, None if handles else NO_GPU)
