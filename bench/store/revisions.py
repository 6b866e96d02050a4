"""Results by name: a file, a run's id, the newest run, or all results of a git revision."""

import io
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.errors import EmptyLedger, UsageError
from bench.schema.result import Result
from bench.store.files import Ledger, load, load_tree, result_paths

NEWEST: Final = "latest"
"""The name of the newest run."""

_WHAT = "name a result file, a run's id, 'latest', or a git revision that has results"


@dataclass(frozen=True)
class Named:
    """What a name stands for: one run, or all runs of a revision; `name` is what was asked for."""

    name: str
    run: Result | None
    ledger: Ledger | None


def named(name: str, results_dir: Path) -> Named:
    """Return what a name stands for, tried in this order: a file, 'latest', a run's id, a git revision.

    Of an id its last part, or the beginning of that, is enough where only one run has it. Raises UsageError where
    nothing or several have the name, and ResultError for a file that cannot be read.
    """
    path = run_path(name, results_dir)
    if path is not None:
        return Named(name, load(path), None)
    if name.endswith(".json"):
        raise UsageError(f"{name}: there is no such file; {_WHAT}")
    return Named(name, None, ledger_of_revision(name, results_dir))


def ledger_of_revision(revision: str, results_dir: Path) -> Ledger:
    """Return the results that a git revision has in the place of `results_dir`.

    Raises UsageError where it is no revision, or the folder lies in no repository.
    """
    folder = results_dir.resolve()
    parent = folder if folder.is_dir() else folder.parent
    commit = _git(parent, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if commit is None:
        raise UsageError(f"{revision}: is no file, no run in {results_dir} and no git revision there; {_WHAT}")
    top = Path((_git(parent, "rev-parse", "--show-toplevel") or b"").decode().strip())
    place = folder.relative_to(top.resolve()).as_posix()
    packed = _git(top, "archive", "--format=tar", commit.decode().strip(), "--", place)
    if packed is None:
        raise UsageError(f"{revision}: has no folder {place}; {_WHAT}")
    with tempfile.TemporaryDirectory(prefix="benchledger-") as temporary:
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(temporary, filter="data")
        return load_tree(Path(temporary) / place)


def run_path(name: str, results_dir: Path) -> Path | None:
    """Return where the run of a name lies: a file, 'latest', or an id, of which the beginning of its last part will do.

    None where no run has the name. Raises UsageError where several have it, and EmptyLedger for 'latest' of nothing.
    """
    if Path(name).is_file():
        return Path(name)
    paths = sorted(result_paths(results_dir), key=lambda path: (path.stem, path)) if results_dir.is_dir() else []
    if name == NEWEST:
        if not paths:
            raise EmptyLedger(f"{results_dir}: there is no result; make the first run with: bench run")
        return paths[-1]
    ids = {path.relative_to(results_dir).with_suffix("").as_posix(): path for path in paths}
    if name in ids or not name:
        return ids.get(name)
    alike = [one for one in ids if one.rpartition("/")[2].startswith(name.rpartition("/")[2])]
    if len(alike) > 1:
        raise UsageError(f"{name}: {len(alike)} runs have this name: {', '.join(alike[:5])}; give more of the id")
    return ids[alike[0]] if alike else None


def _git(folder: Path, *arguments: str) -> bytes | None:
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, check=False)
    except FileNotFoundError as error:
        raise UsageError("git is not installed; name result files or runs instead of revisions") from error
    return done.stdout if done.returncode == 0 else None
