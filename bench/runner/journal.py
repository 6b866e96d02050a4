"""The journal of a run: what was measured is on the disk before the next thing begins, so that a run can go on.

A sample asked alone is a line of its own; a level of load is one line, when it is over. A journal is a file of JSON
lines: a header, then what happened in order. A line that is cut off at the end of the file is what a crash leaves
behind; it is dropped, and what it was about is measured again.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import Field, TypeAdapter, ValidationError

from bench.errors import BenchError, UsageError
from bench.runner.measure import MeasuredSample
from bench.runner.messages import CellMeasured, LevelMeasured, Loaded, Seen
from bench.schema.fields import FreeJson, Nanoseconds, Record, UtcTime
from bench.schema.load import LengthCell, LoadLevel
from bench.schema.machine import ClientCheck, Machine
from bench.schema.model_run import ModelRun
from bench.schema.prompts import PromptSetRecord
from bench.schema.sample import Sample

FOLDER = ".unfinished"
"""Folder of journals below a results folder; hidden, so that no reader of results takes a journal for one."""


_LOADED = TypeAdapter(Loaded)
_SEEN = TypeAdapter(Seen)


class Header(Record):
    """What a run is: it can only go on if all of this still holds."""

    run_id: str
    started_utc: UtcTime
    resumed_utc: tuple[UtcTime, ...] = Field(strict=False)
    tool_version: str
    commit: str | None
    dirty: bool
    config_name: str
    config_sha256: str
    config: FreeJson
    overrides: tuple[str, ...]
    prompt_set: PromptSetRecord
    machine: Machine
    client: tuple[ClientCheck, ...]


@dataclass
class Recovered:
    """What a journal tells: finished models by name, and of the others what was measured of each so far.

    `seen` has what was seen of a model whose prompts were all asked. `outputs` has each distinct text once, by its key,
    and samples share it: most answers are repeated.
    """

    models: dict[str, ModelRun] = field(default_factory=dict)
    samples: dict[str, list[MeasuredSample]] = field(default_factory=dict)
    cells: dict[str, list[LengthCell]] = field(default_factory=dict)
    levels: dict[str, list[LoadLevel]] = field(default_factory=dict)
    seen: dict[str, Seen] = field(default_factory=dict)
    loaded: dict[str, Loaded] = field(default_factory=dict)
    loads_ns: dict[str, list[int]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    elapsed_ns: int = 0

    @property
    def requests(self) -> int:
        """The number of measured requests that need not be sent again."""
        alone = sum(one.sample.round > 0 for kept in self.samples.values() for one in kept)
        of_lengths = sum(len(cell.samples) for kept in self.cells.values() for cell in kept)
        under_load = sum(len(level.samples) for kept in self.levels.values() for level in kept)
        return alone + of_lengths + under_load

    def keep_sample(self, model: str, measured: MeasuredSample) -> None:
        """Keep a sample of a model."""
        text = self._one_text(measured.sample.output, measured.text)
        self.samples.setdefault(model, []).append(replace(measured, text=text))

    def keep_cell(self, model: str, measured: CellMeasured) -> None:
        """Keep a sample of a cell of lengths, next to those that it has, or why it has none."""
        for key, text in measured.texts.items():
            self._one_text(key, text)
        cells = self.cells.setdefault(model, [])
        new = measured.cell
        for place, cell in enumerate(cells):
            if (cell.prompt_tokens, cell.output_tokens) == (new.prompt_tokens, new.output_tokens):
                cells[place] = new.model_copy(update={"samples": cell.samples + new.samples})
                return
        cells.append(new)

    def keep_level(self, model: str, measured: LevelMeasured) -> None:
        """Keep a level of load."""
        for key, text in measured.texts.items():
            self._one_text(key, text)
        self.levels.setdefault(model, []).append(measured.level)

    def _one_text(self, key: str | None, text: str | None) -> str | None:
        return text if key is None or text is None else self.outputs.setdefault(key, text)


class Journal:
    """A journal that is being written. Raises BenchError, naming the file, where the disk takes no more."""

    def __init__(self, path: Path, header: Header) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        ignore = path.parent / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
        # Open for as long as the run lasts; `close` and `remove` end it.
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115
        self._append({"header": header.model_dump(mode="json")})

    def loaded(self, model: str, loaded: Loaded) -> None:
        """Note that a model was loaded."""
        self._append({"loaded": _LOADED.dump_python(loaded, mode="json"), "model": model})

    def measured(self, model: str, measured: MeasuredSample, elapsed_ns: int) -> None:
        """Note a finished sample; when this returns, it is on the disk."""
        sample = measured.sample.model_dump(mode="json")
        self._append({"sample": sample, "model": model, "text": measured.text, "elapsed_ns": elapsed_ns})

    def cell(self, model: str, measured: CellMeasured, elapsed_ns: int) -> None:
        """Note a sample of a cell of lengths, or why the cell has none."""
        cell = measured.cell.model_dump(mode="json")
        self._append({"cell": cell, "model": model, "texts": dict(measured.texts), "elapsed_ns": elapsed_ns})

    def level(self, model: str, measured: LevelMeasured, elapsed_ns: int) -> None:
        """Note a level of load that is over."""
        level = measured.level.model_dump(mode="json")
        self._append({"level": level, "model": model, "texts": dict(measured.texts), "elapsed_ns": elapsed_ns})

    def seen(self, model: str, seen: Seen) -> None:
        """Note what was seen of a model while its prompts were asked."""
        self._append({"seen": _SEEN.dump_python(seen, mode="json"), "model": model})

    def finished(self, run: ModelRun) -> None:
        """Note that a model is done with; its samples, cells and levels are in the journal already."""
        alone = run.model_copy(update={"warmup": (), "samples": (), "load": (), "lengths": ()})
        self._append({"finished": alone.model_dump(mode="json")})

    def close(self) -> None:
        """Close the file and leave it for a run that goes on."""
        self._file.close()

    def remove(self) -> None:
        """Close the file and delete it: the result has all of it."""
        self.close()
        self.path.unlink(missing_ok=True)

    def _append(self, entry: Mapping[str, Any]) -> None:
        line = json.dumps(entry, ensure_ascii=False, allow_nan=False).encode("utf-8") + b"\n"
        try:
            while line:
                line = line[self._file.write(line) :]
            os.fsync(self._file.fileno())
        except OSError as error:
            message = f"{self.path}: cannot be written: {error.strerror}. What was measured until here is in it: "
            raise BenchError(message + "make room, then go on with bench run --resume") from error


class _JournalEntry(Record):
    header: Header | None = None
    loaded: Loaded | None = None
    sample: Sample | None = None
    model: str | None = None
    text: str | None = None
    cell: LengthCell | None = None
    level: LoadLevel | None = None
    texts: dict[str, str] = Field(default_factory=dict)
    seen: Seen | None = None
    elapsed_ns: Nanoseconds = 0
    finished: ModelRun | None = None


def read_journal(path: Path) -> tuple[Header, Recovered]:
    """Return the newest header of a journal and what it kept. Raises UsageError for a file that is no journal."""
    header: Header | None = None
    kept = Recovered()
    # After the last line break there is nothing, or what was being written when the crash came.
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], start=1):
        try:
            entry = _JournalEntry.model_validate_json(line)
        except ValidationError as error:
            message = f"{path}:{number}: is damaged; delete the file, or put it aside, and run again"
            raise UsageError(message) from error
        header = entry.header or header
        _keep(entry, kept)
    if header is None:
        raise UsageError(f"{path}: has no header; delete the file, or put it aside, and run again")
    return header, kept


def trim(path: Path) -> None:
    """Cut a line off a journal's end that a crash left unfinished, so that the next one starts on its own."""
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        with open(path, "r+b") as file:
            file.truncate(len(whole))


def unfinished(results_dir: Path, config_name: str) -> Path | None:
    """Return the newest journal of a config below a results folder, or None.

    One whose first line was never finished tells nothing, not even whose it is: it is removed.
    """
    found = []
    for path in sorted((results_dir / FOLDER).glob(f"*-{config_name}.jsonl")):
        # <utc>-<commit>-<config>: the config called cpu is not foundry-cpu.
        if path.stem.split("-", 2)[2:] != [config_name]:
            continue
        if b"\n" in path.read_bytes():
            found.append(path)
        else:
            path.unlink()
    return found[-1] if found else None


def journal_path(results_dir: Path, run_id: str) -> Path:
    """Return where the journal of a run lies."""
    return results_dir / FOLDER / f"{run_id.rpartition('/')[2]}.jsonl"


def _keep(entry: _JournalEntry, kept: Recovered) -> None:
    kept.elapsed_ns = max(kept.elapsed_ns, entry.elapsed_ns)
    if entry.finished is not None:
        kept.models[entry.finished.name] = _with_samples(entry.finished, kept)
    model = entry.model
    if model is None:
        return
    if entry.loaded is not None:
        kept.loaded[model] = entry.loaded
        kept.loads_ns.setdefault(model, []).append(entry.loaded.cold_load_ns)
        kept.versions.update(entry.loaded.identity.versions)
    if entry.sample is not None:
        kept.keep_sample(model, MeasuredSample(entry.sample, entry.text))
    if entry.cell is not None:
        kept.keep_cell(model, CellMeasured(entry.cell, entry.texts))
    if entry.level is not None:
        kept.keep_level(model, LevelMeasured(entry.level, entry.texts))
    if entry.seen is not None:
        kept.seen[model] = entry.seen


def _with_samples(run: ModelRun, kept: Recovered) -> ModelRun:
    samples = [measured.sample for measured in kept.samples.get(run.name, [])]
    return run.model_copy(
        update={
            "warmup": tuple(sample for sample in samples if sample.round == 0),
            "samples": tuple(sample for sample in samples if sample.round > 0),
            "load": tuple(kept.levels.get(run.name, [])),
            "lengths": tuple(kept.cells.get(run.name, [])),
        }
    )
