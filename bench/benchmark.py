"""A benchmark from its config to its saved result: the one place where running, grading and saving meet."""

import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path
from types import FrameType
from typing import Literal

from bench import __version__
from bench.config.overrides import Overridden, overridden
from bench.config.settings import Config, digest, find_config, load_config, resolved, slug
from bench.errors import AllModelsFailed, BenchError, ProviderError, ResultError, UsageError
from bench.quality.grading import grades
from bench.quality.prompts.prompt_set import load_prompt_set, single_prompt
from bench.runner.calibration.client_check import short_check
from bench.runner.journal import Header, Journal, Recovered, journal_path, read_journal, trim, unfinished
from bench.runner.lock import machine_lock
from bench.runner.machine.environment import checkout, machine
from bench.runner.run import Ran, RunProgress, Stopped, run, unfinished_models
from bench.schema.fields import sound_clock
from bench.schema.machine import ClientCheck, Machine
from bench.schema.model_run import ModelRun
from bench.schema.prompts import PromptSetRecord
from bench.schema.result import SCHEMA_VERSION, ConfigRecord, Grade, Pairing, Result, RunInfo
from bench.store.files import check_writable, load, save


def run_id(machine: str, started_utc: datetime, commit: str | None, config_name: str) -> str:
    """Return <machine>/<utc>-<commit>-<config>, which sorts by time within a machine."""
    return f"{machine}/{started_utc:%Y%m%dT%H%M%SZ}-{commit or 'nocommit'}-{slug(config_name)}"


def assemble(
    *,
    header: Header,
    models: Sequence[ModelRun],
    outputs: Mapping[str, str],
    versions: Mapping[str, str],
    grades: Sequence[Grade],
    finished_utc: datetime,
    status: Literal["complete", "partial"],
    pairing: Pairing | None = None,
) -> Result:
    """Return the result of a run. Raises pydantic's ValidationError only where this program is wrong."""
    return Result(
        schema_version=SCHEMA_VERSION,
        run=RunInfo(
            id=header.run_id,
            started_utc=header.started_utc,
            finished_utc=finished_utc,
            resumed_utc=header.resumed_utc,
            status=status,
            tool_version=header.tool_version,
            commit=header.commit,
            dirty=header.dirty,
            pairing=pairing,
        ),
        machine=header.machine.model_copy(update={"versions": header.machine.versions | dict(versions)}),
        config=ConfigRecord(
            name=header.config_name,
            sha256=header.config_sha256,
            overrides=header.overrides,
            resolved=header.config,
        ),
        prompt_set=header.prompt_set,
        client=header.client,
        models=tuple(models),
        grades=tuple(grades),
        outputs=dict(outputs),
    )


Running = Callable[[Config, PromptSetRecord], AbstractContextManager[Callable[[RunProgress], None]]]
"""Shows a run's progress while its block runs, and gives what is to be called with it."""


@dataclass(frozen=True)
class Ask:
    """What is wanted: `resume` goes on with an interrupted run, or is None to ask `goes_on`, given its journal."""

    config: str
    results_dir: Path
    variables: Mapping[str, str]
    resume: bool | None
    wait: bool
    goes_on: Callable[[Path, Recovered], bool]


@dataclass(frozen=True)
class Saved:
    """A result and where it lies; `set_aside` is the file of an interrupted run that was not gone on with, or None."""

    result: Result
    path: Path
    set_aside: Path | None


def benchmark(ask: Ask, running: Running) -> Saved:
    """Run a config, or go on with an interrupted run of it, and save its result.

    Raises UsageError for a mistake in what is asked, or a run that cannot be gone on with.
    """
    path = find_config(ask.config)
    chosen = overridden(load_config(path), ask.variables)
    prompt_set = single_prompt(chosen.prompt) if chosen.prompt else load_prompt_set(chosen.config.prompts)
    check_writable(ask.results_dir)
    with machine_lock(ask.wait):
        fresh = header_of(ask.results_dir, slug(path.stem), chosen, prompt_set)
        found = unfinished(ask.results_dir, fresh.config_name)
        set_aside = None
        header, kept = fresh, Recovered()
        if found is None and ask.resume:
            raise UsageError(f"{ask.results_dir}: there is no interrupted run of {fresh.config_name} to go on with")
        if found is not None:
            header, kept = read_journal(found)
            saved = ask.results_dir / f"{header.run_id}.json"
            if saved.exists():
                # The end came between saving the result and removing the journal: nothing is left to do.
                result = load(saved)
                found.unlink()
                if ask.resume:
                    return Saved(result, saved, None)
                found, header, kept = None, fresh, Recovered()
        if found is not None:
            if ask.resume or (ask.resume is None and ask.goes_on(found, kept)):
                _refuse_changes(found, header, fresh, kept.versions)
                trim(found)
                # A wall clock may have been set back since: the times of a run go forward all the same.
                told = header.started_utc + timedelta(seconds=kept.elapsed_ns // 1_000_000_000)
                resumed = max(_now(), told, *header.resumed_utc)
                header = header.model_copy(update={"resumed_utc": (*header.resumed_utc, resumed)})
            else:
                set_aside = _set_aside(ask.results_dir, found, header, kept)
                header, kept = fresh, Recovered()
        if not header.client:
            header = header.model_copy(update={"client": checked_client(chosen.config)})
        return _go(ask.results_dir, header, kept, chosen.config, running, set_aside)


def require_an_answer(saved: Saved) -> None:
    """Raise AllModelsFailed unless a model of the result gave a good answer."""
    if not any(sample.failure is None for model in saved.result.models for sample in model.samples):
        raise AllModelsFailed(f"every model failed; what happened is in {saved.path}")


def _go(
    results_dir: Path, header: Header, kept: Recovered, config: Config, running: Running, set_aside: Path | None
) -> Saved:
    start_ns = time.monotonic_ns() - kept.elapsed_ns
    session_utc = header.resumed_utc[-1] if header.resumed_utc else header.started_utc
    session_ns = time.monotonic_ns()
    journal = Journal(journal_path(results_dir, header.run_id), header)
    try:
        with running(config, header.prompt_set) as on_progress, stopping_on_signals():
            ran = run(config, header.prompt_set, journal, kept, on_progress, lambda: time.monotonic_ns() - start_ns)
        if ran.stopped and not any(model.samples for model in ran.models):
            journal.remove()
            raise BenchError("stopped before the first answer: there is nothing to keep")
        # A wall clock may be set back during a run; a duration never is.
        finished = session_utc + timedelta(seconds=(time.monotonic_ns() - session_ns) // 1_000_000_000)
        result = result_of(header, ran, finished)
        try:
            path = save(result, results_dir)
        except ResultError as error:
            # Not in another folder: the journal is in this one.
            what = error.reason.partition(";")[0]
            message = f"{error.path}: {what}. What was measured is in {journal.path}: "
            raise BenchError(message + "make room, then finish with bench run --resume") from error
    finally:
        journal.close()
    journal.remove()
    return Saved(result, path, set_aside)


def checked_client(config: Config) -> tuple[ClientCheck, ...]:
    """Return the check of the client at the start of a run."""
    try:
        return short_check(config)
    except ProviderError:
        # A machine on which our own server cannot be asked can still ask another: it is not checked then.
        return ()


def header_of(results_dir: Path, config_name: str, chosen: Overridden, prompt_set: PromptSetRecord) -> Header:
    """Return what a run that begins at this moment is. Raises UsageError where the clock cannot be right."""
    started = sound_clock(_now())
    found = checkout(results_dir)
    here = machine(chosen.config.machine, {})
    document = resolved(chosen.config)
    # A clock that was set back comes to the same second again, and a result is never overwritten.
    while (results_dir / f"{run_id(here.name, started, found.commit, config_name)}.json").exists():
        started += timedelta(seconds=1)
    return Header(
        run_id=run_id(here.name, started, found.commit, config_name),
        started_utc=started,
        resumed_utc=(),
        tool_version=__version__,
        commit=found.commit,
        dirty=found.dirty,
        config_name=config_name,
        config_sha256=digest(document),
        config=document,
        overrides=chosen.applied,
        prompt_set=prompt_set,
        machine=here,
        client=(),
    )


def _refuse_changes(path: Path, old: Header, new: Header, versions: Mapping[str, str]) -> None:
    changed = [
        name
        for name, before, now in (
            ("config", old.config_sha256, new.config_sha256),
            ("prompt set", old.prompt_set.sha256, new.prompt_set.sha256),
            ("machine", _hardware(old.machine), _hardware(new.machine)),
            ("version of benchledger", old.tool_version, new.tool_version),
            ("version of the runtime", versions, _installed(versions)),
        )
        if before != now
    ]
    if changed:
        raise UsageError(
            f"{path}: cannot go on with this run: the {' and the '.join(changed)} changed since; "
            "undo that, or begin anew with --no-resume, which keeps what was measured as a partial result"
        )


def _installed(packages: Mapping[str, str]) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = None
    return found


def _hardware(one: Machine) -> tuple[object, ...]:
    return (one.name, one.os, one.cpu, one.arch, one.logical_cores, one.memory_bytes, one.accelerators)


def _set_aside(results_dir: Path, path: Path, header: Header, kept: Recovered) -> Path | None:
    """Save what an interrupted run measured as a partial result, and remove its journal."""
    if not kept.requests:
        path.unlink()
        return None
    models = dict(kept.models) | unfinished_models(Config.model_validate(header.config), kept)
    ran = Ran(tuple(models.values()), dict(sorted(kept.outputs.items())), kept.versions, stopped=True)
    finished = header.started_utc + timedelta(seconds=kept.elapsed_ns // 1_000_000_000)
    saved = save(result_of(header, ran, finished), results_dir)
    path.unlink()
    return saved


def result_of(header: Header, ran: Ran, finished_utc: datetime, pairing: Pairing | None = None) -> Result:
    """Return what a run gave, graded, as a result."""
    return assemble(
        header=header,
        models=ran.models,
        outputs=ran.outputs,
        versions=ran.versions,
        grades=grades(header.prompt_set, ran.models, ran.outputs),
        finished_utc=finished_utc,
        status="partial" if ran.stopped else "complete",
        pairing=pairing,
    )


@contextmanager
def stopping_on_signals() -> Iterator[None]:
    """Let Ctrl-C and a polite kill end the run with what there is."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
