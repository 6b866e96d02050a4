"""One child process under supervision: what it reports, what becomes of it, and never a hang."""

import multiprocessing
import signal
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import psutil

from bench.config.settings import Config
from bench.providers.openai.server_guard import await_end
from bench.providers.protocol import Identity
from bench.runner import messages
from bench.runner.child import Job, serve
from bench.runner.measure import MeasuredSample
from bench.runner.plan import Step
from bench.schema.sample import Failure, Sample

GRACE_S = 10.0
"""How long past a limit a child may take to say so itself before it is killed."""


@dataclass
class Heard:
    """What one child has reported so far: how many samples, and the last of them, but not every report."""

    pid: int | None = None
    server: psutil.Process | None = None
    stage: str = "preparing"
    percent: float | None = None
    answered: int = 0
    last: Sample | None = None
    under_way: messages.Underway | None = None
    loaded: messages.Loaded | None = None
    finished: messages.Finished | None = None
    failure: Failure | None = None
    skipped: str | None = None

    @property
    def identity(self) -> Identity | None:
        """What the model is, as far as the child has reported it."""
        if self.finished is not None:
            return self.finished.identity
        return self.loaded.identity if self.loaded is not None else None

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self.finished is not None or self.failure is not None or self.skipped is not None

    @property
    def doing(self) -> str:
        """What the child is doing, for a person."""
        if self.stage == "preparing" and self.percent is not None:
            return f"downloading {self.percent:.0f} %"
        return self.under_way.doing if self.under_way is not None else self.stage


OnReport = Callable[[Heard, messages.Report | None], None]
"""Is called with each report, and with None at the start and where a child is lost."""


def supervise(job: Job, on_report: OnReport) -> Heard:
    """Run a job in a child process and return all that it reported.

    `on_report` is called with None at the start and where a child is lost, and with each report, a sample's before the
    child goes on to the next request. The child is killed when a limit of the config is past or `on_report` raises.
    """
    # A forked child cannot use the runtime, and holds what its parent held.
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    heard = Heard()
    with tempfile.TemporaryDirectory(prefix="benchledger-") as folder:
        errors = Path(folder) / "errors.txt"
        errors.touch()
        process = context.Process(target=serve, args=(job, there, str(errors)), daemon=True)
        process.start()
        heard.pid = process.pid
        # The parent's copy would keep the pipe open after the child has died.
        there.close()
        try:
            on_report(heard, None)
            while not heard.ended:
                _listen(job, process, here, heard, errors, on_report)
            if heard.finished is not None:
                # Shutting the runtime down can take a second.
                process.join(GRACE_S)
        finally:
            if process.is_alive():
                process.kill()
            process.join()
            here.close()
            if heard.server is not None:
                # What guards it ends it once the child is gone; until then it would disturb the next measurement.
                await_end([heard.server], GRACE_S)
    return heard


def _listen(
    job: Job,
    process: BaseProcess,
    here: Connection,
    heard: Heard,
    errors: Path,
    on_report: OnReport,
) -> None:
    limit_s = _limit_s(job.config, heard.stage)
    if not here.poll(limit_s + GRACE_S):
        silence = Failure(kind="timeout", message=f"{heard.doing}: nothing for {limit_s:g} s")
        _note_lost(job, heard, silence, on_report)
        return
    try:
        report: messages.Report = here.recv()
    except (EOFError, ConnectionResetError):
        process.join()
        death = Failure(kind="died", message=_death(process.exitcode, heard, errors))
        _note_lost(job, heard, death, on_report)
        return
    _take(report, heard)
    on_report(heard, report)
    if isinstance(report, messages.Awaited):
        here.send(None)


def _take(report: messages.Report, heard: Heard) -> None:
    match report:
        case messages.Downloading():
            heard.percent = report.percent
        case messages.Prepared():
            heard.stage = "loading"
        case messages.ServerStarted():
            # Taken hold of while it runs: its number may be another's later.
            with suppress(psutil.NoSuchProcess):
                heard.server = psutil.Process(report.pid)
        case messages.Loaded():
            heard.loaded = report
            heard.stage = "answering"
        case MeasuredSample():
            heard.answered += 1
            heard.last = report.sample
        case messages.PromptsDone():
            heard.stage = "measuring"
        case messages.Underway():
            heard.under_way = report
        case messages.Finished():
            heard.finished = report
        case messages.GaveUp():
            heard.failure = report.failure
        case messages.NotThere():
            heard.skipped = report.reason


def _limit_s(config: Config, stage: str) -> float:
    limits = config.timeouts
    # Under load a sign of life comes more often than a request may take.
    return {"preparing": limits.prepare_s, "loading": limits.load_s}.get(stage, limits.request_s)


def _note_lost(job: Job, heard: Heard, failure: Failure, on_report: OnReport) -> None:
    """Record the failure, and the request that was under way as a failed sample of the same kind."""
    heard.failure = failure
    if heard.stage != "answering" or heard.answered >= len(job.steps):
        on_report(heard, None)
        return
    start_ns = job.offset_ns
    if heard.last is not None:
        start_ns = heard.last.start_ns + (heard.last.end_ns or 0)
    measured = MeasuredSample(_failed(job.steps[heard.answered], start_ns, failure), None)
    _take(measured, heard)
    on_report(heard, measured)


def _failed(step: Step, start_ns: int, failure: Failure) -> Sample:
    return Sample(
        prompt=step.prompt.id,
        round=step.round,
        position=step.position,
        start_ns=start_ns,
        connect_ns=None,
        sent_ns=None,
        stamped_by="process",
        chunk_ns=(),
        first_chunk_tokens=None,
        shared_reads=0,
        first_answer_chunk=None,
        end_ns=None,
        prompt_tokens=None,
        cached_prompt_tokens=None,
        output_tokens=None,
        tokens_source="none",
        finish_reason=None,
        server=None,
        output=None,
        failure=failure,
    )


def _death(exitcode: int | None, heard: Heard, errors: Path) -> str:
    doing = heard.doing if heard.under_way is None else f"measuring {heard.doing}"
    lines = errors.read_text(encoding="utf-8", errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    said = f"; it last said: {last[:200]}" if last else ""
    if exitcode is not None and exitcode < 0:
        name = signal.Signals(-exitcode).name if -exitcode in set(signal.Signals) else f"signal {-exitcode}"
        advice = ", often for want of memory: stop other models or take a smaller variant" if name == "SIGKILL" else ""
        return f"the process that held the model was killed by {name} while {doing}{advice}{said}"
    return f"the process that held the model ended with code {exitcode} while {doing}{said}"
