"""What the runner noted of the machine: what it is, how steady it was, what the models took of it."""

from typing import Literal

from pydantic import Field

from bench.schema.fields import (
    Bytes,
    Celsius,
    Count,
    Hertz,
    Joules,
    LoadAverage,
    Nanoseconds,
    Record,
    Share,
    SignedNanoseconds,
    StampedBy,
    Streams,
    Watts,
)


class Probe(Record):
    """A fixed piece of work, timed: what the machine could do at that moment."""

    compute_ns: Nanoseconds = Field(description="a fixed amount of arithmetic")
    memory_ns: Nanoseconds = Field(description="a fixed amount of copying, larger than the caches")
    cpu_hz: Hertz | None = Field(description="frequency of the cores, their mean; null where the system hides it")
    temperature_c: Celsius | None = Field(description="the hottest sensor of the processor; null where there is none")
    load_average: LoadAverage | None = Field(description="runnable processes over the last minute; null where not kept")


class MachineWatch(Record):
    """How steady the machine was while a model was measured.

    `late_ns` has, in order, by how much a thread that asked to sleep for `period_ns` woke up too late: each time in a
    short run, and in a long one the largest of each of some hundred stretches of equal length.
    """

    before: Probe
    after: Probe
    period_ns: Nanoseconds
    late_ns: tuple[Nanoseconds, ...]
    steal_share: Share | None = Field(description="share of time the hypervisor took; null where unknown")


class StampClock(Record):
    """How the clock of the kernel's receive stamps ran against the monotonic clock while a model was measured."""

    readings: Count = Field(description="how often their distance was read")
    drift_ns: Nanoseconds = Field(description="the largest change of that distance over one request that was believed")
    refused: Count = Field(description="requests that the process stamped: the clock was set, or no stamp came")


class MemoryWatch(Record):
    """How the memory of the process that held the model was read from outside."""

    period_ns: Nanoseconds = Field(description="time between two readings that was aimed at")
    readings: Count
    cost_ns: Nanoseconds = Field(description="processor time that all the readings took")


class Energy(Record):
    """Energy over the measured requests of a model, with the idle machine's share taken off where it is known."""

    source: Literal["rapl", "nvml", "powermetrics", "estimate"] = Field(
        description="who measured; estimate: a stated wattage times the time in which the model answered"
    )
    joules: Joules
    idle_watts: Watts | None = Field(description="taken off; null where the source has no baseline")
    duration_ns: Nanoseconds


class Accelerator(Record):
    """A GPU or NPU of the machine."""

    name: str
    memory_bytes: Bytes | None
    driver: str | None


class Machine(Record):
    """Where the run took place."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", description="stable name; the folder of its results")
    os: str = Field(description="name and version of the operating system")
    arch: str
    cpu: str
    physical_cores: Count | None
    logical_cores: Count
    memory_bytes: Bytes
    accelerators: tuple[Accelerator, ...]
    power_source: str | None = Field(description="mains, battery, or null where the machine does not say")
    versions: dict[str, str] = Field(description="name -> version of the runtime, its parts and Python")


class ClientCheck(Record):
    """How far this program's client was off against a server that logged when it wrote: its own error.

    One list entry for each request and for each gap, in the order in which they were measured; positive is late.
    """

    transport: Literal["direct", "package"]
    stamped_by: StampedBy
    streams: Streams = Field(description="streams at once")
    ttft_error_ns: tuple[SignedNanoseconds, ...]
    gap_error_ns: tuple[SignedNanoseconds, ...]
