"""A run: each model in a child process of its own, one after the other, and whatever happens is recorded."""

import multiprocessing
import signal
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from bench.config import Config, CustomModel, EndpointModel, FoundryModel
from bench.providers.protocol import Identity
from bench.rubric import PromptSetRecord
from bench.runner.child import Downloading, Finished, GaveUp, Job, Loaded, Prepared, Report, serve
from bench.runner.measure import Measured
from bench.runner.plan import Step, plan
from bench.runner.record import MEASURED_FIELDS, Failure, ModelRun, Sample

GRACE_S = 10.0
"""How long past a limit a child may take to say so itself before it is killed."""


@dataclass(frozen=True)
class Progress:
    """Where a run stands: `done` of `total` requests of a model, and what it is doing."""

    model: str
    stage: str
    done: int
    total: int


@dataclass(frozen=True)
class Ran:
    """What a run gave: the models in the order of the config, each distinct text, and versions of what took part."""

    models: tuple[ModelRun, ...]
    outputs: Mapping[str, str]
    versions: Mapping[str, str]


@dataclass
class _Reports:
    """What one child has told so far."""

    stage: str = "preparing"
    percent: float | None = None
    loaded: Loaded | None = None
    finished: Finished | None = None
    failure: Failure | None = None
    measured: list[Measured] = field(default_factory=list)


def run(config: Config, prompt_set: PromptSetRecord, on_progress: Callable[[Progress], None]) -> Ran:
    """Run every model of a config over the prompts and return what was measured.

    A model that fails is recorded with its failure, and the next one has its turn.
    """
    steps = plan(prompt_set.prompts, config.rounds, config.warmup, config.order_seed)
    models = []
    outputs: dict[str, str] = {}
    versions: dict[str, str] = {}
    for model in config.models:
        reports = _run_model(Job(model, config, steps), on_progress)
        models.append(_model_run(model, steps, reports))
        for measured in reports.measured:
            if measured.sample.output is not None and measured.text is not None:
                outputs[measured.sample.output] = measured.text
        identity = _identity(reports)
        if identity is not None:
            versions.update(identity.versions)
    return Ran(tuple(models), dict(sorted(outputs.items())), versions)


def _run_model(job: Job, on_progress: Callable[[Progress], None]) -> _Reports:
    # A forked child cannot use the runtime, and holds what its parent held.
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    reports = _Reports()
    with tempfile.TemporaryDirectory(prefix="benchledger-") as folder:
        errors = Path(folder) / "errors.txt"
        errors.touch()
        process = context.Process(target=serve, args=(job, sender, str(errors)), daemon=True)
        process.start()
        # The parent's copy would keep the pipe open after the child has died.
        sender.close()
        try:
            _listen(job, process, receiver, reports, on_progress, errors)
        finally:
            if process.is_alive():
                process.kill()
            process.join()
            receiver.close()
    return reports


def _listen(
    job: Job,
    process: BaseProcess,
    receiver: Connection,
    reports: _Reports,
    on_progress: Callable[[Progress], None],
    errors: Path,
) -> None:
    total = len(job.steps)
    while reports.failure is None and reports.finished is None:
        on_progress(Progress(job.model.name, _doing(reports), len(reports.measured), total))
        limit_s = _limit_s(job.config, reports.stage)
        if not receiver.poll(limit_s + GRACE_S):
            reports.failure = Failure(kind="timeout", message=f"{_doing(reports)}: nothing for {limit_s:g} s")
            _note_unanswered(job.steps, reports)
            break
        try:
            report: Report = receiver.recv()
        except (EOFError, ConnectionResetError):
            process.join()
            reports.failure = Failure(kind="died", message=_death(process.exitcode, reports.stage, errors))
            _note_unanswered(job.steps, reports)
            break
        _take(report, reports)
    if reports.finished is not None:
        # Shutting the runtime down can take a second; a child that never ends is killed by the caller.
        process.join(GRACE_S)
    stage = "done" if reports.failure is None else "failed"
    on_progress(Progress(job.model.name, stage, len(reports.measured), total))


def _take(report: Report, reports: _Reports) -> None:
    match report:
        case Downloading():
            reports.percent = report.percent
        case Prepared():
            reports.stage = "loading"
        case Loaded():
            reports.loaded = report
            reports.stage = "answering"
        case Measured():
            reports.measured.append(report)
        case Finished():
            reports.finished = report
        case GaveUp():
            reports.failure = report.failure


def _doing(reports: _Reports) -> str:
    if reports.stage == "preparing" and reports.percent is not None:
        return f"downloading {reports.percent:.0f} %"
    return reports.stage


def _limit_s(config: Config, stage: str) -> float:
    limits = config.timeouts
    return {"preparing": limits.prepare_s, "loading": limits.load_s, "answering": limits.request_s}[stage]


def _note_unanswered(steps: tuple[Step, ...], reports: _Reports) -> None:
    """Record the request that was under way when the child was lost as a failed sample of the same kind."""
    if reports.stage != "answering" or reports.failure is None or len(reports.measured) >= len(steps):
        return
    step = steps[len(reports.measured)]
    start_ns = 0
    if reports.measured:
        last = reports.measured[-1].sample
        start_ns = last.start_ns + (last.end_ns or 0)
    sample = _failed(step, start_ns, reports.failure)
    reports.measured.append(Measured(sample, None))


def _failed(step: Step, start_ns: int, failure: Failure) -> Sample:
    return Sample(
        prompt=step.prompt.id,
        round=step.round,
        position=step.position,
        start_ns=start_ns,
        connect_ns=None,
        sent_ns=None,
        chunk_ns=(),
        shared_reads=0,
        first_answer_chunk=None,
        end_ns=None,
        prompt_tokens=None,
        output_tokens=None,
        tokens_source="none",
        finish_reason=None,
        output=None,
        failure=failure,
    )


def _death(exitcode: int | None, stage: str, errors: Path) -> str:
    lines = errors.read_text(encoding="utf-8", errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    said = f"; it last said: {last[:200]}" if last else ""
    if exitcode is not None and exitcode < 0:
        name = signal.Signals(-exitcode).name if -exitcode in set(signal.Signals) else f"signal {-exitcode}"
        advice = ", often for want of memory: stop other models or take a smaller variant" if name == "SIGKILL" else ""
        return f"the process that held the model was killed by {name} while {stage}{advice}{said}"
    return f"the process that held the model ended with code {exitcode} while {stage}{said}"


def _identity(reports: _Reports) -> Identity | None:
    if reports.finished is not None:
        return reports.finished.identity
    return reports.loaded.identity if reports.loaded is not None else None


def _model_run(
    model: FoundryModel | EndpointModel | CustomModel, steps: tuple[Step, ...], reports: _Reports
) -> ModelRun:
    never = "the model was never loaded"
    identity = _identity(reports) or Identity(unmeasured=dict.fromkeys(MEASURED_FIELDS, never))
    identity = _with_declared(identity, model)
    loaded = reports.loaded
    remote = loaded.remote if loaded is not None else None
    measured_here = loaded is not None and remote is None
    missing = remote or never
    unmeasured = dict(identity.unmeasured)
    for name in ("cold_load_ns", "memory_before_bytes", "memory_loaded_bytes", "memory_peak_bytes"):
        unmeasured[name] = missing
    for name in ("memory_unique_bytes", "gpu_memory_peak_bytes"):
        unmeasured[name] = missing
    if measured_here:
        unmeasured["memory_unique_bytes"] = "not measured"
        unmeasured["gpu_memory_peak_bytes"] = "not measured"
        unmeasured["memory_peak_bytes"] = "the process was lost before it could tell"
    values: dict[str, int | str | None] = {
        "parameters": identity.parameters,
        "precision": identity.precision,
        "licence": identity.licence,
        "context_length": identity.context_length,
        "footprint_bytes": identity.footprint_bytes,
        "cold_load_ns": loaded.cold_load_ns if loaded is not None and measured_here else None,
        "memory_before_bytes": loaded.memory_before_bytes if loaded is not None and measured_here else None,
        "memory_loaded_bytes": loaded.memory_loaded_bytes if loaded is not None and measured_here else None,
        "memory_peak_bytes": reports.finished.memory_peak_bytes if reports.finished and measured_here else None,
        "memory_unique_bytes": None,
        "gpu_memory_peak_bytes": None,
    }
    samples = [measured.sample for measured in reports.measured]
    return ModelRun(
        name=model.name,
        provider=model.provider,
        skipped=None,
        requested=model.requested,
        variant_id=identity.variant_id,
        variant_version=identity.variant_version,
        device=identity.device,
        execution_provider=identity.execution_provider,
        transport=identity.transport if loaded is not None else None,
        reloads_ns=(),
        memory_watch=None,
        machine_watch=None,
        energy=None,
        licence_url=identity.licence_url,
        publisher=identity.publisher,
        capabilities=identity.capabilities,
        unmeasured={name: unmeasured[name] for name in MEASURED_FIELDS if values[name] is None}
        | {"energy": "not measured"},
        failure=reports.failure,
        warmup=tuple(sample for sample in samples if sample.round == 0),
        samples=tuple(sample for sample in samples if sample.round > 0),
        **values,  # type: ignore[arg-type]
    )


def _with_declared(identity: Identity, model: FoundryModel | EndpointModel | CustomModel) -> Identity:
    """Return the identity with its gaps filled from what the config declares."""
    declared = model.declared
    fields = ("parameters", "precision", "licence", "licence_url", "publisher", "context_length", "footprint_bytes")
    gaps = {name: getattr(declared, name) for name in fields if getattr(identity, name) is None}
    tags = identity.capabilities + tuple(tag for tag in declared.capabilities if tag not in identity.capabilities)
    return replace(identity, capabilities=tags, **gaps)
