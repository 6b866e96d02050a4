"""The result files of a tree, each read once: condensed runs, rows of exports and viewer files, kept by content.

What comes of one file depends on its bytes and on the program alone, so it is looked up by both. A file that was
replaced is another file, whatever its size and date; a file that is gone is asked for no more.
"""

import gc
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from bench.analysis.condensed import NotCondensed, restored, to_bytes
from bench.analysis.summary import RunSummary, summarise
from bench.errors import ResultError
from bench.report.export import ALL_COLUMNS, Of, csv_lines, json_items, rows
from bench.schema.result import Result
from bench.site.run_files import run_files
from bench.store.cache import Cache, code_version, key_of
from bench.store.files import Refused, load, misplaced, parse, read, result_paths

RUNS: Final = "runs"
"""Kind of the cache's entries: what came of one result file."""

FILES_A_WORKER: Final = 25
"""New result files from which a further process is worth its start of a second."""

FILES_AT_ONCE: Final = 4
"""Files that a process gets at a time."""

Digests = dict[str, str]
"""Name of a file -> the SHA-256 of what it holds."""

Exports = dict[Of, tuple[bytes, bytes]]
"""What rows are of -> those of one run as lines of CSV, and as items of a JSON list."""


@dataclass(frozen=True)
class IndexedRun:
    """A run that was read: condensed, its rows in exports, and the files of its viewer.

    `key` stands for the bytes of its file; it is empty for a run that is in memory alone.
    """

    key: str
    summary: RunSummary
    exports: Exports
    files: Digests


@dataclass(frozen=True)
class RunIndex:
    """The runs of a tree, oldest first, the files that were refused, by path, and how to read a whole run again."""

    runs: tuple[IndexedRun, ...]
    refused: tuple[Refused, ...]
    read: Callable[[str], Result]


def index_tree(
    results_dir: Path, data_dir: Path, cache: Cache, on_read: Callable[[int, int], None] | None = None
) -> RunIndex:
    """Read every result file below a folder, and have the files of each run's viewer in `data_dir`.

    What cannot be read is refused and the rest is kept. Files that the cache knows are not read again, unless a file of
    its viewer is not as it was written; the others are shared among the processor's cores. `on_read` is called with the
    number of files that were read and of those that must be.
    """
    paths = result_paths(results_dir)
    found: dict[str, IndexedRun | Refused] = {}
    new: list[tuple[str, Path]] = []
    keys = []
    for path in paths:
        place = path.relative_to(results_dir).as_posix()
        try:
            key = _key(place, read(path))
        except ResultError as error:
            found[place] = Refused(place, error.reason)
            continue
        keys.append(key)
        known = cache.get(RUNS, key)
        one = None if known is None else _indexed(known, place, key)
        if one is None or (isinstance(one, IndexedRun) and not _are_there(one.files, data_dir)):
            new.append((place, path))
        else:
            found[place] = one
    for number, (place, key, body) in enumerate(_read_all(new, data_dir), start=1):
        indexed = _indexed(body, place, key)
        assert indexed is not None
        found[place] = indexed
        if key:
            cache.put(RUNS, key, body)
        if on_read is not None:
            on_read(number, len(new))
    cache.keep_only(RUNS, keys)
    runs = [one for one in found.values() if isinstance(one, IndexedRun)]
    runs.sort(key=lambda one: (one.summary.result.run.started_utc, one.summary.result.run.id))
    refused = sorted((one for one in found.values() if isinstance(one, Refused)), key=lambda one: one.path)
    return RunIndex(tuple(runs), tuple(refused), lambda run_id: load(results_dir / f"{run_id}.json"))


def index_results(results: Iterable[Result], refused: Iterable[Refused], data_dir: Path) -> RunIndex:
    """Return the index of runs that are in memory, in the order given, and write the files of their viewers."""
    known = {result.run.id: result for result in results}
    runs = []
    for result in known.values():
        one = _indexed(_body(result, data_dir), f"{result.run.id}.json", "")
        assert isinstance(one, IndexedRun)
        runs.append(one)
    return RunIndex(tuple(runs), tuple(refused), known.__getitem__)


def _read_all(new: list[tuple[str, Path]], data_dir: Path) -> Iterator[tuple[str, str, bytes]]:
    """Yield place, key and entry of each file, in no order."""
    workers = min(os.cpu_count() or 1, len(new) // FILES_A_WORKER)
    if workers < 2:
        for place, path in new:
            yield _made(place, path, data_dir)
        return
    # A forked child would share the threads and locks of whatever the caller has running.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        places, files = zip(*new, strict=True)
        yield from pool.map(_made, places, files, [data_dir] * len(new), chunksize=FILES_AT_ONCE)


def _made(place: str, path: Path, data_dir: Path) -> tuple[str, str, bytes]:
    # Records hold no cycles: looking for some among thousands of new ones is a tenth of the time.
    collects = gc.isenabled()
    gc.disable()
    try:
        return _read_one(place, path, data_dir)
    finally:
        if collects:
            gc.enable()


def _read_one(place: str, path: Path, data_dir: Path) -> tuple[str, str, bytes]:
    try:
        data = read(path)
    except ResultError as error:
        return place, "", _refusal(error.reason)
    key = _key(place, data)
    try:
        result = parse(path, data)
    except ResultError as error:
        return place, key, _refusal(error.reason)
    if (why := misplaced(place, result.run.id)) is not None:
        return place, key, _refusal(why)
    return place, key, _body(result, data_dir, data)


def _body(result: Result, data_dir: Path, data: bytes | None = None) -> bytes:
    summary = summarise(result)
    digests = {}
    for name, content in run_files(summary, data):
        write_if_new(data_dir / name, content)
        digests[name] = sha256(content).hexdigest()
    beside = {"exports": _exports(summary), "files": digests}
    return json.dumps(beside).encode() + b"\n" + to_bytes(summary)


def _exports(summary: RunSummary) -> dict[Of, tuple[str, str]]:
    made = {of: rows([summary], of) for of in ALL_COLUMNS}
    return {of: (csv_lines([*row.values()] for row in found), json_items(found)) for of, found in made.items()}


def _refusal(reason: str) -> bytes:
    return json.dumps({"refused": reason}).encode() + b"\n"


def _indexed(body: bytes, place: str, key: str) -> IndexedRun | Refused | None:
    """Return what an entry says of the file at a place; None where it says nothing of it."""
    head, _, rest = body.partition(b"\n")
    try:
        beside = json.loads(head)
        if "refused" in beside:
            return Refused(place, beside["refused"])
        exports: Exports = {of: (lines.encode(), items.encode()) for of, (lines, items) in beside["exports"].items()}
        return IndexedRun(key, restored(rest), exports, beside["files"])
    except (ValueError, KeyError, TypeError, NotCondensed):
        return None


def _are_there(files: Digests, data_dir: Path) -> bool:
    for name, digest in files.items():
        try:
            if sha256((data_dir / name).read_bytes()).hexdigest() != digest:
                return False
        except OSError:
            return False
    return True


def write_if_new(path: Path, content: bytes) -> Path:
    """Write a file, unless it holds these bytes already: an unchanged file keeps its date."""
    if path.is_dir():
        shutil.rmtree(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or path.stat().st_size != len(content) or path.read_bytes() != content:
        path.write_bytes(content)
    return path


def _key(place: str, data: bytes) -> str:
    return key_of(code_version(), place, data)
