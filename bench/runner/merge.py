"""Several short runs of one model, with other work between them, as one record."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.runner.machine_record import Energy, MachineWatch, MemoryWatch
from bench.runner.record import ModelRun
from bench.runner.sample import Sample


@dataclass(frozen=True)
class Block:
    """One run of the model, and when it began, from the start of the first."""

    start_ns: int
    run: ModelRun


def merged(blocks: Sequence[Block]) -> ModelRun:
    """Return one record of at least one block, in order; samples of the n-th block are round n.

    Loads after the first are reloads. Memory is that of the first block that has it, its peak the highest of all.
    Energy is the sum where every block has it from one source; the idle machine's power is the mean. A failure is the
    first that a block had.
    """
    runs = [block.run for block in blocks]
    # What the model is was learnt when it was loaded: a block that failed before that knows nothing.
    base = next((run for run in runs if run.samples), runs[0])
    loads = [load for run in runs for load in (run.cold_load_ns, *run.reloads_ns) if load is not None]
    values: dict[str, Any] = {
        "cold_load_ns": loads[0] if loads else None,
        "memory_peak_bytes": _highest([run.memory_peak_bytes for run in runs]),
        "gpu_memory_peak_bytes": _highest([run.gpu_memory_peak_bytes for run in runs]),
        "energy": _energy([run.energy for run in runs]),
    }
    unmeasured = {name: why for run in reversed(runs) for name, why in run.unmeasured.items()} | base.unmeasured
    unmeasured |= {"energy": unmeasured.get("energy", "not every block measured it")}
    known = {name for name, value in (base.model_dump() | values).items() if value is not None}
    warmup, samples = _samples(blocks)
    return base.model_copy(
        update=values
        | {
            "reloads_ns": tuple(loads[1:]),
            "memory_watch": _memory_watch([run.memory_watch for run in runs]),
            "machine_watch": _machine_watch([run.machine_watch for run in runs]),
            "unmeasured": {name: why for name, why in unmeasured.items() if name not in known},
            "failure": next((run.failure for run in runs if run.failure is not None), None),
            "warmup": warmup,
            "samples": samples,
        }
    )


def _samples(blocks: Sequence[Block]) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    warmup: list[Sample] = []
    samples: list[Sample] = []
    position = 0
    for number, block in enumerate(blocks, start=1):
        for sample in (*block.run.warmup, *block.run.samples):
            place = {"position": position, "start_ns": block.start_ns + sample.start_ns}
            if sample.round == 0:
                warmup.append(sample.model_copy(update=place))
            else:
                samples.append(sample.model_copy(update=place | {"round": number}))
            position += 1
    return tuple(warmup), tuple(samples)


def _highest(values: Sequence[int | None]) -> int | None:
    return max((value for value in values if value is not None), default=None)


def _energy(parts: Sequence[Energy | None]) -> Energy | None:
    known = [part for part in parts if part is not None]
    if not known or len(known) < len(parts) or len({part.source for part in known}) > 1:
        return None
    idle = [part.idle_watts for part in known if part.idle_watts is not None]
    return known[0].model_copy(
        update={
            "joules": sum(part.joules for part in known),
            "idle_watts": sum(idle) / len(idle) if idle else None,
            "duration_ns": sum(part.duration_ns for part in known),
        }
    )


def _memory_watch(parts: Sequence[MemoryWatch | None]) -> MemoryWatch | None:
    known = [part for part in parts if part is not None]
    if not known:
        return None
    return known[0].model_copy(
        update={"readings": sum(part.readings for part in known), "cost_ns": sum(part.cost_ns for part in known)}
    )


def _machine_watch(parts: Sequence[MachineWatch | None]) -> MachineWatch | None:
    known = [part for part in parts if part is not None]
    if not known:
        return None
    stolen = [part.steal_share for part in known if part.steal_share is not None]
    return known[0].model_copy(
        update={
            "after": known[-1].after,
            "late_ns": tuple(late for part in known for late in part.late_ns),
            "steal_share": max(stolen, default=None),
        }
    )
