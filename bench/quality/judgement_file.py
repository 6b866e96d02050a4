"""A judge's file beside a result: a header line, then a verdict a line, each on the disk before the next is asked."""

import json
import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from bench.config import slug
from bench.errors import BenchError, ResultError
from bench.quality.review_record import REVIEW_SCHEMA_VERSION, JudgeHeader, Judgement, PairVerdict, Sitting, Verdict
from bench.schema.bounds import OUT_OF_RANGE, parse_json, shortened, validate_json

Entry = Verdict | PairVerdict | Sitting
_ENTRY: TypeAdapter[Entry] = TypeAdapter(Annotated[Entry, Field(discriminator="kind")])
_HEADER = TypeAdapter(JudgeHeader)


def name_slug(name: str) -> str:
    """Return the part of a review's file name that stands for a judge or a person: letters, digits and dashes."""
    return slug(name).replace(".", "-")[:60].strip("-")


def judgement_path(result_path: Path, judge: str) -> Path:
    """Return where the judgement of a result by a judge of this name lies."""
    return result_path.with_name(f"{result_path.stem}.judge-{name_slug(judge)}.jsonl")


def load_judgement(path: Path) -> Judgement:
    """Read a judge's file; a line that was cut off at its end is left out.

    Raises ResultError, with the path, the line and the reason, for a file that is damaged or newer than this program.
    """
    try:
        # After the last line break there is nothing, or what was being written when the end came.
        lines = path.read_bytes().split(b"\n")[:-1]
    except OSError as error:
        raise ResultError(path, f"cannot be read: {error.strerror}") from error
    if not lines:
        raise ResultError(path, "has no header; delete it and judge again")
    header = _header(path, lines[0])
    verdicts: dict[tuple[object, ...], Verdict] = {}
    pairs: dict[tuple[object, ...], PairVerdict] = {}
    sittings = []
    for number, line in enumerate(lines[1:], start=2):
        try:
            entry = validate_json(_ENTRY, line)
        except ValidationError as error:
            raise ResultError(path, f"line {number} is damaged: {_first(error)}; take the line out") from error
        match entry:
            case Verdict():
                verdicts[key(entry)] = entry
            case PairVerdict():
                pairs[key(entry)] = entry
            case Sitting():
                sittings.append(entry)
    return Judgement(header, tuple(verdicts.values()), tuple(pairs.values()), tuple(sittings))


def key(entry: Verdict | PairVerdict) -> tuple[object, ...]:
    """Return what a verdict answers: two with one key answer the same question."""
    if isinstance(entry, Verdict):
        return ("answer", entry.prompt, entry.output, entry.reading)
    return ("pair", entry.prompt, entry.first, entry.second)


class JudgementFile:
    """A judgement that is being written. Raises BenchError, naming the file, where the disk takes no more."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            content = path.read_bytes() if path.exists() else b""
            # Open for as long as the judge is asked; `close` ends it.
            self._file = open(path, "ab", buffering=0)  # noqa: SIM115
            # A line that a crash left unfinished would spoil the next one.
            self._file.truncate(content.rfind(b"\n") + 1)
        except OSError as error:
            raise BenchError(f"{path}: cannot be written: {error.strerror}") from error

    def append(self, record: JudgeHeader | Entry) -> None:
        """Write one line; when this returns, it is on the disk."""
        document = record.model_dump(mode="json")
        line = json.dumps(document, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace") + b"\n"
        try:
            while line:
                line = line[self._file.write(line) :]
            os.fsync(self._file.fileno())
        except OSError as error:
            message = f"{self.path}: cannot be written: {error.strerror}. What was judged until here is in it: "
            raise BenchError(message + "make room, then give the same command again") from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def has_header(path: Path) -> bool:
    """Return whether there is a file with a whole first line."""
    return path.is_file() and b"\n" in path.read_bytes()


def _header(path: Path, line: bytes) -> JudgeHeader:
    version: Any = None
    try:
        document = parse_json(line)
        version = document.get("schema_version") if isinstance(document, dict) else None
    except (ValueError, RecursionError) as error:
        raise ResultError(path, "line 1 is no header; delete the file and judge again") from error
    if isinstance(version, int) and version > REVIEW_SCHEMA_VERSION:
        newer = f"has schema version {shortened(version)}; this program reads up to {REVIEW_SCHEMA_VERSION}"
        raise ResultError(path, f"{newer}: upgrade benchledger")
    try:
        return validate_json(_HEADER, line)
    except ValidationError as error:
        raise ResultError(path, f"line 1 is no header: {_first(error)}; delete the file and judge again") from error


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == OUT_OF_RANGE:
        message += f", found {shortened(first['input'])}"
    return f"{place}: {message}" if place else message
