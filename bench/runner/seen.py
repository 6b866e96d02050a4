"""What was seen of a model from outside the process that held it."""

from dataclasses import dataclass, field

from bench.runner.machine_record import Energy, MachineWatch, MemoryWatch


@dataclass(frozen=True)
class Seen:
    """What was seen from outside the process that held a model; for each None, `unmeasured` has a reason."""

    memory_before_bytes: int | None = None
    memory_loaded_bytes: int | None = None
    memory_peak_bytes: int | None = None
    memory_unique_bytes: int | None = None
    gpu_memory_peak_bytes: int | None = None
    memory_watch: MemoryWatch | None = None
    machine_watch: MachineWatch | None = None
    energy: Energy | None = None
    unmeasured: dict[str, str] = field(default_factory=dict)
