"""Result files on disk: written whole or not at all, read strictly or refused with a reason."""

import json
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from pydantic import JsonValue, TypeAdapter, ValidationError

from bench.errors import ResultError, shown
from bench.schema.fields import parse_json, validate_json, with_shared_field_sets
from bench.schema.migrate import migrated
from bench.schema.result import SCHEMA_VERSION, Result

LARGE_FILE_BYTES = 10_000_000
"""Above this size git is the wrong place for a result file."""

_RESULT = TypeAdapter(Result)
TOO_DEEP = "is nested too deeply to be a result file"

_PRESENT_VERSION = re.compile(rb'"schema_version":\s*%d\b' % SCHEMA_VERSION)

_ONE_LINE_EACH = frozenset({"samples", "warmup", "grades", "facets"})


@dataclass(frozen=True)
class Refused:
    """A result file that was left out, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class Ledger:
    """All results of a tree, oldest first, and the files that were refused, by path."""

    results: tuple[Result, ...]
    refused: tuple[Refused, ...]


def dump(result: Result) -> str:
    """Return the text of a result file: indented, keys in a fixed order; a sample, grade or plain list a line."""
    return "".join(_written(result.model_dump(mode="json"), indent=0, one_line=False)) + "\n"


def check_writable(results_dir: Path) -> None:
    """Raise ResultError unless a result can be saved below a folder, which is made if need be.

    For before a run: what was measured must not be lost for want of a place.
    """
    try:
        results_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=results_dir):
            pass
    except OSError as error:
        message = f"cannot be written: {error.strerror}; choose another folder with --results"
        raise ResultError(results_dir, message) from error


def save(result: Result, results_dir: Path) -> Path:
    """Write a result to `results_dir`/<run id>.json and return the path.

    The file appears whole or not at all: a temporary file is flushed to the disk, then linked to its name.
    Raises ResultError if the file exists already or the folder cannot be written.
    """
    path = results_dir / f"{result.run.id}.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not write_whole(path, dump(result), overwrite=False):
            raise ResultError(path, "exists already; a result file is never overwritten")
    except OSError as error:
        raise ResultError(path, f"cannot be written: {error.strerror}; choose another folder with --results") from error
    return path


def write_whole(path: Path, text: str, overwrite: bool) -> bool:
    """Write a file whole or not at all and return whether it was written: not where it exists, unless `overwrite`.

    A temporary file is flushed to the disk, then renamed. Raises OSError where it cannot be written.
    """
    handle, temporary = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes a file that only its owner reads; results and reviews are for everybody.
        os.chmod(temporary, 0o644)
        if path.exists() and not overwrite:
            return False
        os.replace(temporary, path)
        return True
    finally:
        Path(temporary).unlink(missing_ok=True)


def load(path: Path) -> Result:
    """Read one result file, of this or an older schema version.

    Raises ResultError, with the path and the reason, for a file that is missing, damaged, newer than this program,
    or whose numbers cannot be.
    """
    return parse(path, read(path))


def read(path: Path) -> bytes:
    """Return the bytes of a result file; raises ResultError for one that cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ResultError(path, f"cannot be read: {error.strerror}") from error


def parse(path: Path, data: bytes) -> Result:
    """Return the result that the bytes of a file hold; see `load`. `path` is only for the error."""
    if _PRESENT_VERSION.search(data, 0, 200):
        try:
            return _lean(_RESULT.validate_json(data))
        except ValidationError:
            # What follows finds the reason in words.
            pass
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ResultError(path, f"is not UTF-8 text (byte {error.start}); restore it with git") from error
    document = _parsed(path, text)
    version = document.get("schema_version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ResultError(path, f"schema_version is {shown(version)}, not a whole number from 1; is it a result file?")
    if version > SCHEMA_VERSION:
        raise ResultError(
            path,
            f"has schema version {shown(version)}; this program reads up to {SCHEMA_VERSION}: upgrade benchledger",
        )
    try:
        if version == SCHEMA_VERSION:
            return _lean(validate_json(_RESULT, text))
        return _lean(validate_json(_RESULT, json.dumps(migrated(document))))
    except ValidationError as error:
        raise ResultError(path, _first_problem(error)) from error
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ResultError(path, f"does not have the form of schema version {version}: {error!r}") from error


def _lean(result: Result) -> Result:
    """Return a result with less in memory of the records that it has hundreds of."""
    for model in result.models:
        with_shared_field_sets(chain([model], model.warmup, model.samples))
        with_shared_field_sets(chain.from_iterable(level.samples for level in model.load))
    return result


def result_paths(results_dir: Path) -> tuple[Path, ...]:
    """Return the result files of a tree, sorted by path; hidden files and folders are passed over."""
    return tuple(
        path
        for path in sorted(results_dir.rglob("*.json"))
        if not any(part.startswith(".") for part in path.relative_to(results_dir).parts)
    )


def load_tree(results_dir: Path) -> Ledger:
    """Read every result file below a folder; what cannot be read is refused and the rest is kept.

    A file whose place does not match its run id is refused too: two files could claim to be one run.
    """
    results = []
    refused = []
    for path in result_paths(results_dir):
        place = path.relative_to(results_dir).as_posix()
        try:
            result = load(path)
        except ResultError as error:
            refused.append(Refused(place, error.reason))
            continue
        if (why := misplaced(place, result.run.id)) is not None:
            refused.append(Refused(place, why))
            continue
        results.append(result)
    results.sort(key=lambda result: (result.run.started_utc, result.run.id))
    return Ledger(tuple(results), tuple(refused))


def misplaced(place: str, run_id: str) -> str | None:
    """Return why a run may not lie at a place below its tree, or None where it may."""
    if place == f"{run_id}.json":
        return None
    return f"its run id is {run_id!r}: move it to {run_id}.json"


def _parsed(path: Path, text: str) -> dict[str, Any]:
    try:
        document = parse_json(text)
    except json.JSONDecodeError as error:
        raise ResultError(path, f"is not whole JSON (line {error.lineno}: {error.msg}); restore it with git") from error
    except RecursionError as error:
        raise ResultError(path, TOO_DEEP) from error
    if not isinstance(document, dict):
        raise ResultError(path, "does not hold a JSON object; is it a result file?")
    return document


def _first_problem(error: ValidationError) -> str:
    problems = error.errors(include_url=False)
    first = problems[0]
    if first["type"] == "json_invalid":
        # The text is whole JSON: pydantic follows it less far down than json does.
        return TOO_DEEP
    place = ""
    for part in first["loc"]:
        place += f"[{part}]" if isinstance(part, int) else f".{part}"
    message = first["msg"].removeprefix("Value error, ")
    found = first["input"]
    if isinstance(found, str | int | float | bool) or found is None:
        message += f", found {shown(found)}"
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{place.removeprefix('.') or 'the file'}: {message}{more}"


def _written(value: JsonValue, indent: int, one_line: bool) -> Iterator[str]:
    plain_list = isinstance(value, list) and not any(isinstance(item, dict | list) for item in value)
    if one_line or plain_list or not isinstance(value, dict | list) or not value:
        yield json.dumps(value, ensure_ascii=False, allow_nan=False)
        return
    inner = "  " * (indent + 1)
    if isinstance(value, list):
        yield "["
        for position, item in enumerate(value):
            yield f"{',' if position else ''}\n{inner}"
            yield from _written(item, indent + 1, one_line=False)
        yield f"\n{'  ' * indent}]"
        return
    yield "{"
    for position, (key, item) in enumerate(value.items()):
        yield f"{',' if position else ''}\n{inner}{json.dumps(key, ensure_ascii=False)}: "
        if key in _ONE_LINE_EACH and isinstance(item, list) and item:
            yield from _lines_of(item, indent + 1)
        else:
            yield from _written(item, indent + 1, one_line=False)
    yield f"\n{'  ' * indent}}}"


def _lines_of(items: list[JsonValue], indent: int) -> Iterator[str]:
    yield "["
    for position, item in enumerate(items):
        yield f"{',' if position else ''}\n{'  ' * (indent + 1)}"
        yield from _written(item, indent + 1, one_line=True)
    yield f"\n{'  ' * indent}]"
