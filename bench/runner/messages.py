"""What the process that holds a model reports, step by step, and what was observed of it from outside."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.providers.protocol import Identity
from bench.runner.measure import MeasuredSample
from bench.schema.load import LengthCell, LoadLevel
from bench.schema.machine import Energy, MachineWatch, MemoryWatch
from bench.schema.sample import Failure


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


@dataclass(frozen=True)
class Downloading:
    """A download has grown to this percentage."""

    percent: float


@dataclass(frozen=True)
class Prepared:
    """The runtime is up and the model is on disk."""


@dataclass(frozen=True)
class ServerStarted:
    """A server was started for the model, in a process of its own: it holds the model."""

    pid: int


@dataclass(frozen=True)
class Loaded:
    """The model is ready. `remote` is the reason why load and memory are not measured, or None."""

    identity: Identity
    remote: str | None
    cold_load_ns: int
    memory_before_bytes: int
    memory_loaded_bytes: int


@dataclass(frozen=True)
class PromptsDone:
    """The prompts were asked one after the other; lengths and load come next. The peak is the system's own."""

    memory_peak_bytes: int


@dataclass(frozen=True)
class Underway:
    """A sign of life from a level or cell, named `doing`: how much of it is done, in seconds or in requests as `unit`
    says, how many good answers came, and how many a second of late; None where that is unknown."""

    doing: str
    done: float
    total: float
    unit: str
    answers: int
    answers_per_s: float | None


@dataclass(frozen=True)
class CellMeasured:
    """One more sample of a cell of lengths, or why it has none; `texts` has the text of its output by key."""

    cell: LengthCell
    texts: Mapping[str, str]


@dataclass(frozen=True)
class LevelMeasured:
    """A level of load is over; `texts` has the distinct texts of its samples by key."""

    level: LoadLevel
    texts: Mapping[str, str]


@dataclass(frozen=True)
class Finished:
    """All requests were sent. The identity is sent again: an endpoint names its model when it answers."""

    identity: Identity
    memory_peak_bytes: int


@dataclass(frozen=True)
class GaveUp:
    """The model cannot go on."""

    failure: Failure


@dataclass(frozen=True)
class NotThere:
    """The model's device is not there, for this reason."""

    reason: str


Report = (
    Downloading
    | Prepared
    | ServerStarted
    | Loaded
    | MeasuredSample
    | PromptsDone
    | Underway
    | CellMeasured
    | LevelMeasured
    | Finished
    | GaveUp
    | NotThere
)

Awaited = Loaded | MeasuredSample | PromptsDone | CellMeasured | LevelMeasured
"""Reports after which the child waits: what they tell is on the disk before it goes on."""
