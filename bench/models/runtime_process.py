"""The Foundry Local runtime in a process of its own, asked about models: there it may hang and print, and be stopped.

The runtime looks at a cancellation only while a download grows. One that has stalled ends with its process alone.
"""

import multiprocessing
import re
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from bench.errors import ProviderError
from bench.models.cache_folder import MEBIBYTE
from bench.models.variant import Variant
from bench.providers.model_directory import Card, footprint_bytes, read_card
from bench.providers.registry import FoundryRuntime
from bench.runner.attached import end_with_parent, print_to

CLOSE_S = 5.0
"""How long the runtime may take to shut down when all was said."""


@dataclass(frozen=True)
class Asked:
    """What the runtime is asked: the variant that is to be downloaded, by its id, or else the whole catalogue."""

    runtime: FoundryRuntime
    download: str | None = None


@dataclass(frozen=True)
class Listed:
    """The whole catalogue, as far as this machine's devices can run it."""

    variants: tuple[Variant, ...]


@dataclass(frozen=True)
class Grown:
    """A download has this percentage."""

    percent: float


@dataclass(frozen=True)
class Downloaded:
    """A model is in the cache, in this directory."""

    directory: Path


@dataclass(frozen=True)
class RuntimeRefused:
    """The runtime could not do it, for this reason of its own."""

    reason: str


Answer = Listed | Grown | Downloaded | RuntimeRefused


class RuntimeAnswers:
    """What a runtime process says, and what it prints meanwhile."""

    def __init__(self, process: BaseProcess, answers: Connection, printed: Path) -> None:
        self._process = process
        self._answers = answers
        self._printed = printed

    def next(self, within_s: float) -> Answer | None:
        """Return the next answer, None where none comes in this time; a process that has died has refused."""
        if not self._answers.poll(within_s):
            return None
        try:
            answer: Answer = self._answers.recv()
        except (EOFError, ConnectionResetError):
            self._process.join()
            said = self.printed().splitlines()
            last = f"; it last said: {plain(said[-1])}" if said else ""
            return RuntimeRefused(f"the runtime's process ended with code {self._process.exitcode}{last}")
        return answer

    def printed(self) -> str:
        """Return what the runtime has printed so far."""
        return self._printed.read_text(encoding="utf-8", errors="replace").strip()


@contextmanager
def asking(asked: Asked) -> Iterator[RuntimeAnswers]:
    """Ask the runtime in a process that has ended when the block has, whatever it is doing then."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    with tempfile.TemporaryDirectory(prefix="benchledger-") as folder:
        printed = Path(folder) / "printed.txt"
        printed.touch()
        process = context.Process(target=answer, args=(asked, there, str(printed)), daemon=True)
        process.start()
        there.close()
        try:
            yield RuntimeAnswers(process, here, printed)
            process.join(CLOSE_S)
        finally:
            if process.is_alive():
                process.kill()
            process.join()
            here.close()


def answer(asked: Asked, answers: Connection, printed: str) -> None:
    """Answer what is asked, in a process of its own; the last answer is Listed, Downloaded or RuntimeRefused."""
    print_to(printed)
    end_with_parent()
    # A Ctrl-C reaches every process of the terminal; the one that asks decides what becomes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from foundry_local_sdk.exception import FoundryLocalException
    from foundry_local_sdk.logging_helper import LogLevel

    from bench.providers.foundry import started

    manager = None
    last: Answer
    try:
        # What it prints tells why a catalogue has nothing, and what a download waits for.
        manager = started(asked.runtime, log_level=LogLevel.INFORMATION)
        catalogue = manager.get_catalog()
        last = _listed(catalogue) if asked.download is None else _downloaded(catalogue, asked.download, answers)
    except ProviderError as error:
        last = RuntimeRefused(error.message)
    except FoundryLocalException as error:
        last = RuntimeRefused(plain(str(error)))
    except BrokenPipeError:
        return
    finally:
        # It prints with a delay, but all of it before it is shut down.
        if manager is not None:
            manager.close()
    answers.send(last)


def _listed(catalogue: Any) -> Listed:
    found = []
    for model in catalogue.list_models():
        chosen = model.id
        found += [_variant(one, chosen=one.id == chosen) for one in model.variants]
    return Listed(tuple(sorted(found, key=lambda one: (one.alias, not one.chosen, one.id))))


def _variant(model: Any, *, chosen: bool) -> Variant:
    info = model.info
    runtime = info.runtime
    directory = Path(model.get_path()) if model.is_cached else None
    card = Card() if directory is None else read_card(directory)
    # Whole mebibytes: 0 is less than one, or nothing is said.
    download_bytes = info.file_size_mb * MEBIBYTE if info.file_size_mb else None
    return Variant(
        alias=info.alias,
        id=info.id,
        version=info.version,
        title=info.display_name,
        publisher=info.publisher,
        device=runtime.device_type.value if runtime is not None and runtime.device_type else None,
        execution_provider=(runtime.execution_provider or None) if runtime is not None else None,
        size_bytes=download_bytes if directory is None else footprint_bytes(directory),
        licence=info.license or card.licence,
        licence_text=info.license_description,
        task=info.task,
        context_length=info.context_length or card.context_length,
        max_output_tokens=info.max_output_tokens,
        tools=info.supports_tool_calling,
        capabilities=tuple(tag for tag in (info.capabilities or "").split(",") if tag) or card.capabilities,
        inputs=info.input_modalities,
        outputs=info.output_modalities,
        created_utc=datetime.fromtimestamp(info.created_at_unix, UTC) if info.created_at_unix else None,
        uri=info.uri or None,
        chosen=chosen,
        directory=directory,
    )


def _downloaded(catalogue: Any, variant_id: str, answers: Connection) -> Answer:
    model = catalogue.get_model_variant(variant_id)
    if model is None:
        return RuntimeRefused(f"the catalogue has no {variant_id} any more")
    answers.send(Grown(0.0))
    grown = 0.0

    def tell(percent: float) -> None:
        nonlocal grown
        if percent > grown:
            grown = percent
            answers.send(Grown(percent))

    model.download(tell)
    return Downloaded(Path(model.get_path()))


_SOURCE = re.compile(r"^\S+\.(?:cc|cpp|h):\d+ .*?\) (?:const )?")
_TRIED = re.compile(r"^operation failed after \d+ attempts: (?:transport failure: )?(?:transport error: )?")


def plain(reason: str) -> str:
    """Return a reason of the runtime's on one line, without the place in its source where it arose."""
    line = re.sub(r"^\[\w+\] ", "", " ".join(reason.split()))
    return _TRIED.sub("", _SOURCE.sub("", line))[:300].rstrip(" .") or "it does not say why"
