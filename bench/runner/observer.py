"""What is observed of a model's process and of the machine from outside, and the record made from all of it."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

from bench.config.settings import Config
from bench.providers.protocol import Identity
from bench.providers.registry import ModelSettings, kind_of
from bench.runner.journal import Recovered
from bench.runner.machine.energy import CounterReading, Meter, Metered, Source
from bench.runner.machine.gpu import GpuMemory
from bench.runner.machine.memory import Sampler, holder_of, resident_bytes_of, sampling, unique_bytes
from bench.runner.machine.steadiness import Watch, probe, watching
from bench.runner.measure import MeasuredSample
from bench.runner.messages import Loaded, PromptsDone, Report, Seen, ServerStarted, Underway
from bench.runner.supervise import Heard
from bench.schema.machine import Probe
from bench.schema.model_run import MEASURED_FIELDS, ModelRun

LOST = "the process was lost before it could tell"
INTERRUPTED = "the run was interrupted in the middle of this model"


@dataclass(frozen=True)
class Power:
    """The energy counters of this machine, and what they count while it is idle, in watts."""

    meter: Meter
    idle_watts: Mapping[Source, float]


class Observer:
    """Watches one model's process, and the machine, from before its start to after its end.

    `alone` is what was seen while the prompts were asked one after the other, once something else follows. Of a model
    that is `resumed`, part of the answers was given before: what they took is not known.
    """

    def __init__(self, config: Config, model: ModelSettings, power: Power, *, resumed: bool = False) -> None:
        self._config = config
        self._model = model
        self._kind = kind_of(model)
        self._power = power
        self._resumed = resumed
        self._open = ExitStack()
        self._watching = ExitStack()
        self.alone: Seen | None = None
        self._before: Probe | None = None
        self._watch: Watch | None = None
        self._sampler: Sampler | None = None
        self._no_sampler = LOST
        # The process behind an endpoint of this machine, or of the server that was started for the model.
        self._holder_pid: int | None = None
        self._loaded_bytes: int | None = None
        self._unique_bytes: int | None = None
        self._doing: str | None = None
        self._start: CounterReading | None = None
        self._end: CounterReading | None = None
        self._answering_ns = 0

    def __enter__(self) -> Self:
        if self._config.probe:
            self._before = probe()
            self._watch = self._watching.enter_context(watching())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watching.close()
        self._open.close()

    def notice(self, heard: Heard, report: Report | None) -> None:
        """Follow the process: called at its start, and after each report while it waits to go on."""
        starts = report is None and self._sampler is None and not heard.ended
        if starts and heard.pid is not None and self._kind.process == "child":
            self._sampler = self._open.enter_context(sampling(heard.pid))
        if isinstance(report, ServerStarted):
            # At once: the peak can be that of the load.
            self._watch_family(report.pid)
        if isinstance(report, Loaded):
            self._model_is_there(heard, report)
        if isinstance(report, MeasuredSample) and self._holder_pid is not None and self._loaded_bytes is None:
            # An endpoint may load its model when it is first asked. It rests while this is read.
            self._read_family()
        if isinstance(report, MeasuredSample):
            # Energy is that of the measured requests: the warm-up's ends where they begin.
            if report.sample.round == 0:
                self._start = self._power.meter.read()
            else:
                self._end = self._power.meter.read()
                # One that failed counts as far as it is known.
                stamps = (0, *report.sample.chunk_ns, report.sample.end_ns or 0)
                self._answering_ns += max(stamps)
        if isinstance(report, PromptsDone):
            # What follows asks in other ways, and must not be charged to the prompts.
            self.alone = self._looked(heard, report.memory_peak_bytes)
        if isinstance(report, Underway) and report.doing != self._doing:
            # A level or cell begins, and its peak with it.
            self._doing = report.doing
            self.take_peak_bytes()

    def take_peak_bytes(self) -> int | None:
        """Return the highest memory of the model's process since this was last called; None where it is not read."""
        return self._sampler.take_peak_bytes() if self._sampler is not None else None

    def seen(self, heard: Heard) -> Seen:
        """Return what was seen while the prompts were asked, with a reason for what was not. Watching ends with it."""
        self._open.close()
        return self.alone or self._looked(heard, heard.finished.memory_peak_bytes if heard.finished else None)

    def _looked(self, heard: Heard, own_peak_bytes: int | None) -> Seen:
        self._watching.close()
        machine_watch = None
        if self._watch is not None and self._before is not None:
            machine_watch = self._watch.result(self._before, probe())
        loaded = heard.loaded
        if loaded is None:
            return Seen(machine_watch=machine_watch)
        here = loaded.remote is None and self._holder_pid is None
        unread = self._no_sampler if self._sampler is None else "the system does not tell, or not to this user"
        peak_bytes, peak_reason = self._peak(loaded, own_peak_bytes)
        gpu = self._sampler.gpu_peak() if self._sampler is not None else GpuMemory(None, self._no_sampler)
        energy = self._energy(loaded, gpu)
        reasons = {
            "memory_peak_bytes": peak_reason,
            "memory_loaded_bytes": unread,
            "memory_unique_bytes": unread,
            "gpu_memory_peak_bytes": gpu.reason,
            "energy": energy.reason,
        }
        return Seen(
            memory_before_bytes=loaded.memory_before_bytes if here else None,
            memory_loaded_bytes=loaded.memory_loaded_bytes if here else self._loaded_bytes,
            memory_peak_bytes=peak_bytes,
            memory_unique_bytes=self._unique_bytes,
            gpu_memory_peak_bytes=gpu.bytes,
            memory_watch=self._sampler.watch() if self._sampler is not None and peak_bytes is not None else None,
            machine_watch=machine_watch,
            energy=energy.energy,
            unmeasured={name: reason for name, reason in reasons.items() if reason is not None},
        )

    def _peak(self, loaded: Loaded, own_bytes: int | None) -> tuple[int | None, str | None]:
        peaks = [self._sampler.peak_bytes() if self._sampler is not None else None]
        if loaded.remote is None and self._holder_pid is None:
            # Readings can miss a peak that the system itself has noted.
            peaks.append(own_bytes)
        peak = max((one for one in peaks if one is not None), default=None)
        if peak is not None:
            return peak, None
        return None, self._no_sampler if self._sampler is None else self._sampler.trouble or LOST

    def _energy(self, loaded: Loaded, gpu: GpuMemory) -> Metered:
        if loaded.remote is not None and self._sampler is None:
            # This machine's counters say nothing of a model elsewhere.
            return Metered(None, self._no_sampler)
        if self._start is None or self._end is None:
            return Metered(None, "no request was measured")
        if self._resumed:
            return Metered(None, INTERRUPTED)
        on_gpu = (loaded.identity.device or "").upper() == "GPU" or bool(gpu.bytes)
        return self._power.meter.energy(
            self._start, self._end, self._power.idle_watts, on_gpu=on_gpu, answering_ns=self._answering_ns
        )

    @staticmethod
    def nothing_seen() -> Seen:
        """Return what is known of a model whose measuring was broken off."""
        names = ("memory_before_bytes", "memory_loaded_bytes", "memory_peak_bytes", "memory_unique_bytes")
        why = "the run was stopped"
        return Seen(unmeasured=dict.fromkeys((*names, "gpu_memory_peak_bytes", "energy"), why))

    def _model_is_there(self, heard: Heard, loaded: Loaded) -> None:
        self._start = self._power.meter.read()
        if loaded.remote is None and self._holder_pid is None:
            self._unique_bytes = unique_bytes(heard.pid) if heard.pid is not None else None
            return
        if loaded.remote is None:
            self._read_family()
            return
        self._no_sampler = loaded.remote
        if self._kind.process == "listener" and self._model.address is not None:
            holder = holder_of(self._model.address)
            if holder.pid is None:
                self._no_sampler = holder.reason or loaded.remote
            else:
                self._watch_family(holder.pid)

    def _watch_family(self, pid: int) -> None:
        self._holder_pid = pid
        self._sampler = self._open.enter_context(sampling(pid, family=True))

    def _read_family(self) -> None:
        assert self._holder_pid is not None
        self._loaded_bytes = resident_bytes_of(self._holder_pid, family=True)
        self._unique_bytes = unique_bytes(self._holder_pid, family=True)


NEVER_LOADED = "the model was never loaded"


def model_run(model: ModelSettings, heard: Heard, seen: Seen, kept: Recovered) -> ModelRun:
    """Return the record of a model.

    `kept` has all of its samples, cells, levels and cold loads, those from before an interruption first.
    """
    loads_ns = kept.loads_ns.get(model.name, [])
    loaded = heard.loaded
    identity = _with_declared(
        heard.identity or Identity(unmeasured=dict.fromkeys(MEASURED_FIELDS, NEVER_LOADED)), model
    )
    remote = loaded.remote if loaded is not None else None
    # What is known of a model, and what was seen of it, have the names of the record's fields.
    known: dict[str, Any] = {key: value for key, value in (vars(identity) | vars(seen)).items() if key != "versions"}
    known["cold_load_ns"] = loads_ns[0] if loads_ns and remote is None else None
    missing = [name for name in (*MEASURED_FIELDS, "energy") if known[name] is None]
    why = NEVER_LOADED if loaded is None else remote or "not measured"
    reasons = dict.fromkeys(missing, why) | dict(identity.unmeasured) | seen.unmeasured
    samples = [one.sample for one in kept.samples.get(model.name, [])]
    return ModelRun.model_validate(
        {
            **known,
            "name": model.name,
            "provider": model.provider,
            "skipped": heard.skipped,
            "requested": model.requested,
            "transport": identity.transport if loaded is not None else None,
            "reloads_ns": tuple(loads_ns[1:]) if remote is None else (),
            "unmeasured": {name: reasons[name] for name in missing},
            "failure": heard.failure,
            "warmup": tuple(sample for sample in samples if sample.round == 0),
            "samples": tuple(sample for sample in samples if sample.round > 0),
            "load": tuple(kept.levels.get(model.name, [])),
            "lengths": tuple(kept.cells.get(model.name, [])),
        }
    )


def _with_declared(identity: Identity, model: ModelSettings) -> Identity:
    """Return the identity with its gaps filled from what the config declares."""
    declared = model.declared
    fields = ("parameters", "precision", "licence", "licence_url", "publisher", "context_length", "footprint_bytes")
    gaps = {name: getattr(declared, name) for name in fields if getattr(identity, name) is None}
    tags = identity.capabilities + tuple(tag for tag in declared.capabilities if tag not in identity.capabilities)
    return replace(identity, capabilities=tags, **gaps)
