"""The process that holds one model: it loads it, sends each request, and reports every step to the runner."""

import os
import signal
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection

from bench.config import Config
from bench.errors import DeviceMissing, ProviderError
from bench.model_settings import CustomModel, EndpointModel, FoundryModel
from bench.providers import provider_for
from bench.providers.protocol import Identity, Request
from bench.runner.measure import Measured, measure
from bench.runner.plan import Step
from bench.runner.resources import peak_resident_bytes, resident_bytes
from bench.runner.sample import Failure


@dataclass(frozen=True)
class Job:
    """What one child process is to do. `offset_ns` is where the stamps of an interrupted run go on."""

    model: FoundryModel | EndpointModel | CustomModel
    config: Config
    steps: tuple[Step, ...]
    offset_ns: int = 0


@dataclass(frozen=True)
class Downloading:
    """A download has grown to this percentage."""

    percent: float


@dataclass(frozen=True)
class Prepared:
    """The runtime is up and the model is on disk."""


@dataclass(frozen=True)
class Loaded:
    """The model is ready. `remote` is the reason why load and memory are not measured, or None."""

    identity: Identity
    remote: str | None
    cold_load_ns: int
    memory_before_bytes: int
    memory_loaded_bytes: int


@dataclass(frozen=True)
class Finished:
    """All requests were sent. The identity is told again: an endpoint says who it is when it answers."""

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


Report = Downloading | Prepared | Loaded | Measured | Finished | GaveUp | NotThere


def serve(job: Job, reports: Connection, errors_path: str) -> None:
    """Run a job and send a Report for each step of it; the last one is Finished, GaveUp or NotThere.

    After the load and each sample the runner says when to go on: by then it is on the disk. Without a runner this
    process ends. What the runtime's libraries print goes to the file `errors_path`: the terminal shows a progress bar.
    """
    _redirect(errors_path)
    # A Ctrl-C reaches every process of the terminal; the runner decides what becomes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        _hold(job, reports)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except DeviceMissing as error:
        reports.send(NotThere(error.message))
    except ProviderError as error:
        reports.send(GaveUp(Failure(kind=error.kind, message=error.message)))
    finally:
        reports.close()


def request_for(step: Step, config: Config) -> Request:
    """Return the request that a step of the plan stands for."""
    generation = config.generation
    return Request(
        text=step.prompt.text,
        max_output_tokens=step.prompt.max_output_tokens or generation.max_output_tokens,
        temperature=generation.temperature,
        top_p=generation.top_p,
        seed=generation.seed,
        stream=config.stream,
        connect_s=config.timeouts.connect_s,
        first_text_s=config.timeouts.first_text_s,
        gap_s=config.timeouts.gap_s,
        request_s=config.timeouts.request_s,
    )


def _hold(job: Job, reports: Connection) -> None:
    provider = provider_for(job.model, job.config.foundry)
    try:
        provider.prepare(lambda percent: reports.send(Downloading(percent)))
        reports.send(Prepared())
        before_bytes = resident_bytes()
        start_ns = time.perf_counter_ns()
        provider.load()
        loaded_ns = time.perf_counter_ns()
        reports.send(Loaded(provider.identity(), provider.remote, loaded_ns - start_ns, before_bytes, resident_bytes()))
        reports.recv()
        origin_ns = time.perf_counter_ns() - job.offset_ns
        for step in job.steps:
            request = request_for(step, job.config)
            reports.send(measure(provider, step, request, time.perf_counter_ns, origin_ns))
            reports.recv()
        reports.send(Finished(provider.identity(), peak_resident_bytes()))
    finally:
        provider.close()


def _redirect(path: str) -> None:
    errors = os.open(path, os.O_WRONLY | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(errors, stream)
    os.close(errors)
