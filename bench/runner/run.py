"""A run: each model in a child process of its own, one after the other, and whatever happens is recorded.

An observer watches each process and the machine from outside; the record of a model is made from all of it.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

from bench.config.settings import Config
from bench.providers.protocol import Identity
from bench.providers.registry import ModelSettings, kind_of
from bench.runner.child import Beyond, Job
from bench.runner.journal import Journal, Recovered
from bench.runner.load.lengths import repeats_of
from bench.runner.load.levels import reached
from bench.runner.machine.energy import CounterReading, Meter, Metered, Source, metering
from bench.runner.machine.gpu import GpuMemory
from bench.runner.machine.memory import Sampler, holder_of, resident_bytes_of, sampling, unique_bytes
from bench.runner.machine.steadiness import Watch, probe, watching
from bench.runner.measure import MeasuredSample
from bench.runner.messages import (
    CellMeasured,
    LevelMeasured,
    Loaded,
    PromptsDone,
    Report,
    Seen,
    ServerStarted,
    Underway,
)
from bench.runner.plan import Step, plan, warmup_requests
from bench.runner.supervise import Heard, supervise
from bench.schema.machine import Probe
from bench.schema.model_run import MEASURED_FIELDS, ModelRun
from bench.schema.prompts import PromptSetRecord

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


IDLE_S = 2.0
"""How long the idle machine's power is measured before the first model, where it has a counter."""


@dataclass(frozen=True)
class RunProgress:
    """Where a run stands: `done` of `total` requests of a model, what it is doing, and how fast its last answer was.

    The requests are those that are asked one after the other; `under_way` is the level or cell after them, or None.
    `round` is that of the request which is under way, 0 for a warm-up; None where none of them is.
    """

    model: str
    stage: str
    done: int
    total: int
    tokens_per_s: float | None
    under_way: Underway | None = None
    round: int | None = None


@dataclass(frozen=True)
class Ran:
    """What a run gave: the models in the order of the config, each distinct text, and versions of what took part.

    `stopped` says that somebody stopped it before its end.
    """

    models: tuple[ModelRun, ...]
    outputs: Mapping[str, str]
    versions: Mapping[str, str]
    stopped: bool


class Stopped(Exception):
    """Somebody asked the run to stop."""


@dataclass
class _Run:
    """What is under way: everything that the steps of a run share."""

    config: Config
    prompt_set: PromptSetRecord
    journal: Journal
    kept: Recovered
    on_progress: Callable[[RunProgress], None]
    elapsed_ns: Callable[[], int]
    power: Power


def run(
    config: Config,
    prompt_set: PromptSetRecord,
    journal: Journal,
    kept: Recovered,
    on_progress: Callable[[RunProgress], None],
    elapsed_ns: Callable[[], int],
) -> Ran:
    """Run every model of a config over the prompts, from where `kept` leaves off, and return what was measured.

    A model that fails is recorded with its failure, and the next one has its turn. `on_progress` may raise Stopped, as
    may a signal handler: the run then ends with what there is. `elapsed_ns` counts from the start of the run.
    """
    models: dict[str, ModelRun] = dict(kept.models)
    stopped = False
    try:
        with metering(config.energy.watts) as meter:
            power = Power(meter, meter.idle_watts(IDLE_S))
            under_way = _Run(config, prompt_set, journal, kept, on_progress, elapsed_ns, power)
            for model in config.models:
                if model.name not in models:
                    models[model.name] = _one(under_way, model)
    except Stopped:
        stopped = True
        models |= unfinished_models(config, kept)
    ordered = tuple(models[model.name] for model in config.models if model.name in models)
    return Ran(ordered, dict(sorted(kept.outputs.items())), kept.versions, stopped)


def unfinished_models(config: Config, kept: Recovered) -> dict[str, ModelRun]:
    """Return a record of each model that has samples and was never finished, by name."""
    found = {}
    for model in config.models:
        if kept.samples.get(model.name) and model.name not in kept.models:
            heard = Heard(loaded=kept.loaded.get(model.name))
            seen = kept.seen.get(model.name) or Observer.nothing_seen()
            found[model.name] = model_run(model, heard, seen, kept)
    return found


def _one(under_way: _Run, model: ModelSettings) -> ModelRun:
    config, kept = under_way.config, under_way.kept
    prompts = under_way.prompt_set.prompts
    steps = plan(prompts, config.rounds, warmup_requests(config, model, len(prompts)), config.order_seed)
    answered = {one.sample.position for one in kept.samples.get(model.name, []) if one.sample.round > 0}
    left = tuple(step for step in steps if step.round == 0 or step.position not in answered)
    with Observer(config, model, under_way.power, resumed=bool(answered)) as observer:
        job = Job(model, config, left, _beyond(under_way, model), _offset_ns(kept, model.name))
        heard = supervise(job, _listener(under_way, model, observer, left, len(steps)))
        seen = kept.seen.get(model.name) or observer.seen(heard)
    if heard.loaded is not None and heard.loaded.remote is None and heard.failure is None:
        for number in range(2, config.loads + 1):
            again = supervise(Job(model, config, ()), _listener(under_way, model, None, (), len(steps)))
            if again.loaded is None and again.failure is not None:
                why = f"load {number} of {config.loads}: {again.failure.message}"
                heard.failure = again.failure.model_copy(update={"message": why})
                break
    record = model_run(model, heard, seen, kept)
    under_way.journal.finished(record)
    kept.models[model.name] = record
    return record


def _beyond(under_way: _Run, model: ModelSettings) -> Beyond | None:
    config, kept = under_way.config, under_way.kept
    if config.load is None and config.lengths is None:
        return None
    return Beyond(
        prompts=under_way.prompt_set.prompts,
        context_length=model.declared.context_length,
        repeats=repeats_of(kept.cells.get(model.name, [])),
        reached=tuple(reached(level) for level in kept.levels.get(model.name, [])),
    )


def _offset_ns(kept: Recovered, model: str) -> int:
    """Return where the stamps of a model go on: after the end of all that was measured of it."""
    samples = [one.sample for one in kept.samples.get(model, [])]
    samples += [sample for cell in kept.cells.get(model, []) for sample in cell.samples]
    ends = [sample.start_ns + (sample.end_ns or 0) for sample in samples]
    for level in kept.levels.get(model, []):
        ends += [level.start_ns + sample.start_ns + (sample.end_ns or 0) for sample in level.samples]
        ends.append(level.start_ns + level.window_end_ns)
    return max(ends, default=0)


def _listener(
    under_way: _Run, model: ModelSettings, observer: Observer | None, left: Sequence[Step], total: int
) -> Callable[[Heard, Report | None], None]:
    """Return the progress of a child that has `left` of the `total` requests of its model."""
    name = model.name
    speed: float | None = None

    def listen(heard: Heard, report: Report | None) -> None:
        nonlocal speed
        if observer is not None:
            observer.notice(heard, report)
        _keep(under_way, name, observer, report)
        speed = (_tokens_per_s(report) if isinstance(report, MeasuredSample) else None) or speed
        stage = heard.doing
        if heard.ended:
            stage = "failed" if heard.failure else "skipped" if heard.skipped else "done"
        elif observer is None:
            stage = "loading again"
        asked = left[heard.answered] if stage == "answering" and heard.answered < len(left) else None
        done = total - len(left) + heard.answered
        current = speed if stage == "answering" else None
        number = asked.round if asked is not None else None
        under_way.on_progress(RunProgress(name, stage, done, total, current, heard.under_way, number))

    return listen


def _keep(under_way: _Run, name: str, observer: Observer | None, report: Report | None) -> None:
    """Keep what was measured, and write it to the journal: in this order, since a Ctrl-C may come in between."""
    kept, journal = under_way.kept, under_way.journal
    match report:
        case Loaded():
            kept.versions.update(report.identity.versions)
            kept.loaded[name] = report
            kept.loads_ns.setdefault(name, []).append(report.cold_load_ns)
            journal.loaded(name, report)
        case MeasuredSample():
            kept.keep_sample(name, report)
            journal.measured(name, report, under_way.elapsed_ns())
        case PromptsDone() if observer is not None and observer.alone is not None and name not in kept.seen:
            kept.seen[name] = observer.alone
            journal.seen(name, observer.alone)
        case CellMeasured():
            kept.keep_cell(name, report)
            journal.cell(name, report, under_way.elapsed_ns())
        case LevelMeasured():
            peak_bytes = observer.take_peak_bytes() if observer is not None else None
            report = replace(report, level=report.level.model_copy(update={"memory_peak_bytes": peak_bytes}))
            kept.keep_level(name, report)
            journal.level(name, report, under_way.elapsed_ns())


def _tokens_per_s(measured: MeasuredSample) -> float | None:
    sample = measured.sample
    if not sample.output_tokens or not sample.end_ns:
        return None
    return sample.output_tokens / (sample.end_ns / 1e9)
