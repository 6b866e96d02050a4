"""The process that holds one model: it loads it, sends each request, and reports every step to the runner."""

import re
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import psutil

from bench.config.settings import Config
from bench.errors import DeviceMissing, ProviderError
from bench.providers.protocol import Provider, failed
from bench.providers.registry import ModelSettings, kind_of, provider_for, remote_of
from bench.runner import messages
from bench.runner.attached import end_with_parent, print_to
from bench.runner.load.lengths import Repeat, measure_lengths
from bench.runner.load.levels import Reached, next_level, reached
from bench.runner.load.streams import measure_level
from bench.runner.measure import measure
from bench.runner.plan import Step, request_for
from bench.schema.prompts import PromptRecord
from bench.schema.sample import Failure, Sample

ENDED = ("died",)
"""Kinds of failure of a request after which there is no model any more."""


def resident_bytes() -> int:
    """Return the resident memory of this process."""
    return int(psutil.Process().memory_info().rss)


def peak_resident_bytes() -> int:
    """Return the highest resident memory that this process has had.

    On Linux it is VmHWM: the resource usage would count what the parent held before this program was started.
    """
    if sys.platform == "linux":
        found = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
        return int(found.group(1)) * 1024 if found else resident_bytes()
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    # macOS counts bytes here where Linux counts kilobytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@dataclass(frozen=True)
class Beyond:
    """What comes after the prompts, as far as the config asks for it: levels of load ask `prompts` as well.

    `repeats` of the matrix of lengths and levels `reached` are there already.
    """

    prompts: tuple[PromptRecord, ...]
    context_length: int | None = None
    repeats: frozenset[Repeat] = frozenset()
    reached: tuple[Reached, ...] = ()


@dataclass(frozen=True)
class Job:
    """What one child process is to do; nothing is asked after the steps where `beyond` is None.

    `offset_ns` is where the stamps of an interrupted run go on.
    """

    model: ModelSettings
    config: Config
    steps: tuple[Step, ...]
    beyond: Beyond | None = None
    offset_ns: int = 0


def serve(job: Job, reports: Connection, errors_path: str) -> None:
    """Run a job and send a Report for each step of it; the last one is Finished, GaveUp or NotThere.

    After each Awaited report the runner says when to go on: by then it is on the disk. Without a runner this process
    ends, in the middle of an answer as well. What the runtime's libraries print goes to the file `errors_path`: the
    terminal shows a progress bar.
    """
    print_to(errors_path)
    end_with_parent()
    # A Ctrl-C reaches every process of the terminal; the runner decides what becomes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        _hold(job, reports)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except DeviceMissing as error:
        reports.send(messages.NotThere(error.message))
    except ProviderError as error:
        reports.send(messages.GaveUp(Failure(kind=error.kind, message=error.message)))
    except MemoryError as error:
        # Here it is not the model's code that asked for it, but what was made of its answer.
        short = failed("generate", f"MemoryError: {error}")
        reports.send(messages.GaveUp(Failure(kind=short.kind, message=short.message)))
    finally:
        reports.close()


def _hold(job: Job, reports: Connection) -> None:
    def tell(report: messages.Report) -> None:
        reports.send(report)
        if isinstance(report, messages.Awaited):
            reports.recv()

    kind = kind_of(job.model)
    # What cannot tell of an answer while it grows is not asked to.
    config = job.config if kind.streams else job.config.model_copy(update={"stream": False})
    model = job.model.with_prompt_cache(config.prompt_cache)

    def on_started(pid: int) -> None:
        reports.send(messages.ServerStarted(pid))

    provider = provider_for(model, config.foundry, config.timeouts.connect_s, on_started)
    try:
        provider.prepare(lambda percent: reports.send(messages.Downloading(percent)))
        reports.send(messages.Prepared())
        before_bytes = resident_bytes()
        start_ns = time.perf_counter_ns()
        provider.load()
        loaded_ns = time.perf_counter_ns()
        identity = provider.identity()
        tell(messages.Loaded(identity, remote_of(model), loaded_ns - start_ns, before_bytes, resident_bytes()))
        origin_ns = time.perf_counter_ns() - job.offset_ns
        for step in job.steps:
            request = request_for(step.prompt, config)
            measured = measure(provider, step, request, time.perf_counter_ns, origin_ns)
            tell(measured)
            _end_with_the_model((measured.sample,))
        if job.beyond is not None:
            tell(messages.PromptsDone(peak_resident_bytes()))
            _go_beyond(provider, config, job.beyond, origin_ns, tell, remote=kind.remote is not None)
        reports.send(messages.Finished(provider.identity(), peak_resident_bytes()))
    finally:
        provider.close()


def _go_beyond(
    provider: Provider,
    config: Config,
    beyond: Beyond,
    origin_ns: int,
    tell: Callable[[messages.Report], None],
    *,
    remote: bool,
) -> None:
    clock = time.perf_counter_ns
    if config.lengths is not None:
        context_length = provider.identity().context_length or beyond.context_length
        for cell in measure_lengths(provider, config, context_length, beyond.repeats, clock, origin_ns, tell):
            tell(cell)
            _end_with_the_model(cell.cell.samples)
    if config.load is not None:
        levels = list(beyond.reached)
        while (level := next_level(config.load, levels)) is not None:
            measured = measure_level(provider, level, config, beyond.prompts, clock, origin_ns, tell, remote=remote)
            levels.append(reached(measured.level))
            tell(measured)
            _end_with_the_model(measured.level.samples)


def _end_with_the_model(samples: Sequence[Sample]) -> None:
    """Raise ProviderError where the process has ended that was started for the model: no request can go well then."""
    ended = next((one.failure for one in samples if one.failure is not None and one.failure.kind in ENDED), None)
    if ended is not None:
        raise ProviderError(ended.kind, ended.message)
