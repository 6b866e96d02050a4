"""What is seen of a model's process and of the machine from outside, while the model is measured."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from bench.config import Config
from bench.model_settings import DEFAULT_ENDPOINT, CustomModel, EndpointModel, FoundryModel
from bench.runner.energy import Meter, Metered, Reading, Source
from bench.runner.gpu import GpuMemory
from bench.runner.holder import holder_of
from bench.runner.machine_record import Probe
from bench.runner.measure import Measured
from bench.runner.memory import Sampler, resident_bytes_of, sampling, unique_bytes
from bench.runner.probe import probe
from bench.runner.reports import Loaded, PromptsDone, Report, Underway
from bench.runner.seen import Seen
from bench.runner.supervise import Heard
from bench.runner.watch import Watch, watching

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

    def __init__(
        self, config: Config, model: FoundryModel | EndpointModel | CustomModel, power: Power, *, resumed: bool = False
    ) -> None:
        self._config = config
        self._model = model
        self._power = power
        self._resumed = resumed
        self._open = ExitStack()
        self._watching = ExitStack()
        self.alone: Seen | None = None
        self._before: Probe | None = None
        self._watch: Watch | None = None
        self._sampler: Sampler | None = None
        self._no_sampler = LOST
        self._holder_pid: int | None = None
        self._loaded_bytes: int | None = None
        self._unique_bytes: int | None = None
        self._doing: str | None = None
        self._start: Reading | None = None
        self._end: Reading | None = None
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
        if starts and heard.pid is not None and not isinstance(self._model, EndpointModel):
            self._sampler = self._open.enter_context(sampling(heard.pid))
        if isinstance(report, Loaded):
            self._model_is_there(heard, report)
        if isinstance(report, Measured) and self._holder_pid is not None and self._loaded_bytes is None:
            # An endpoint may load its model when it is first asked. It rests while this is read.
            self._loaded_bytes = resident_bytes_of(self._holder_pid, family=True)
            self._unique_bytes = unique_bytes(self._holder_pid, family=True)
        if isinstance(report, Measured):
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
        """Return the highest memory of the model's process since this was last called; None where nobody reads it."""
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
        here = loaded.remote is None
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
        if loaded.remote is None:
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
        if loaded.remote is None:
            self._unique_bytes = unique_bytes(heard.pid) if heard.pid is not None else None
            return
        if isinstance(self._model, EndpointModel):
            holder = holder_of(self._model.base_url or DEFAULT_ENDPOINT)
            if holder.pid is None:
                self._no_sampler = holder.reason or loaded.remote
            else:
                self._holder_pid = holder.pid
                self._sampler = self._open.enter_context(sampling(holder.pid, family=True))
