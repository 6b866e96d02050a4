"""What the site of a long history costs: processor time, memory and disk, for so many runs on so many machines.

    python -m tests.benchmarks.site
    python -m tests.benchmarks.site --cells 100x3 --steps cold,again --json site.json
    python -m tests.benchmarks.site --cells 1000x30,4000x30 --work /var/tmp/benchledger-site --asv --install-asv

The histories are made out of the newest default run in results/, the same for a seed, and kept in the working folder
for the next time: 0.3 MB a run. For each cell a project of its own is built there: from nothing (`cold`), once more
without any change (`again`), and with one new run (`one`). Beside it stands `asv publish` of as many commits.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Final

import click
import psutil
from rich.console import Console
from rich.progress import Progress

from tests.benchmarks.asv_projects import SERIES, write_asv_project
from tests.benchmarks.ledgers import Maker, newest_run, write_runs

ROOT: Final = Path(__file__).parents[2]

STEPS: Final = {"cold": "cold", "again": "again, unchanged", "one": "with one new run"}

LOOK_S: Final = 0.05
"""Between two looks at the processes; what MkDocs took in its last moments is counted with the pages."""

SPARE_BYTES: Final = 2_000_000_000
"""What must be free on the disk beyond the runs and their site."""

SITE_BYTES_A_RUN: Final = 1_200_000
"""Of pages, data and site together: what a cell is allowed to need beside its runs."""


@dataclass(frozen=True)
class Cell:
    """A history: so many runs on so many machines, which take turns."""

    runs: int
    machines: int

    def __str__(self) -> str:
        return f"{self.runs}x{self.machines}"


@dataclass(frozen=True)
class Cost:
    """What a command took: processor time of all of its processes, and of those of MkDocs alone where there were any.

    `memory_peak_bytes` is the resident memory of the largest process at its highest, `memory_together_bytes` that of
    all of them as it was read every 50 ms: what they share counts for each.
    """

    cpu_s: float
    mkdocs_cpu_s: float | None
    wall_s: float
    memory_peak_bytes: int
    memory_together_bytes: int

    @property
    def pages_cpu_s(self) -> float:
        """What is not MkDocs."""
        return self.cpu_s - (self.mkdocs_cpu_s or 0.0)


@dataclass(frozen=True)
class Built:
    """A built site: all of its files, and its pages."""

    site_bytes: int
    pages: int
    largest_page: str
    largest_page_bytes: int


@dataclass(frozen=True)
class Row:
    """A step of a cell. `site` is None where MkDocs did not run, as with asv or of pages only."""

    cell: Cell
    step: str
    runs: int
    result_bytes: int
    cost: Cost
    site: Built | None


def cost_of(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Cost:
    """Run a command in a folder and return what it took. Raises ClickException with what it said if it fails."""
    with tempfile.TemporaryFile() as said:
        began_s = time.monotonic()
        process = subprocess.Popen(command, cwd=folder, env={**os.environ, **environment}, stdout=said, stderr=said)
        mkdocs: dict[int, float] = {}
        together_bytes = 0
        # wait4 tells of this process and of all that it waited for; poll() would take that away.
        while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
            together_bytes = max(together_bytes, _look(process.pid, mkdocs))
            time.sleep(LOOK_S)
        wall_s = time.monotonic() - began_s
        _, status, used = ended
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            said.seek(0)
            last = "\n".join(said.read().decode(errors="replace").splitlines()[-20:])
            raise click.ClickException(f"{' '.join(command)} ended with {process.returncode}:\n{last}")
    unit_bytes = 1 if sys.platform == "darwin" else 1024
    return Cost(
        cpu_s=used.ru_utime + used.ru_stime,
        mkdocs_cpu_s=sum(mkdocs.values()) if mkdocs else None,
        wall_s=wall_s,
        memory_peak_bytes=used.ru_maxrss * unit_bytes,
        memory_together_bytes=max(together_bytes, used.ru_maxrss * unit_bytes),
    )


def built(site_dir: Path) -> Built:
    """Return what a built site has."""
    sizes = {
        path.relative_to(site_dir).as_posix(): path.stat().st_size for path in site_dir.rglob("*") if path.is_file()
    }
    pages = {path: size for path, size in sizes.items() if path.endswith(".html")}
    largest = max(pages, key=lambda path: pages[path])
    return Built(sum(sizes.values()), len(pages), largest, pages[largest])


def write_project(folder: Path) -> Path:
    """Make a project folder without a result, and return its results folder."""
    shutil.rmtree(folder, ignore_errors=True)
    results = folder / "results"
    results.mkdir(parents=True)
    shutil.copy(ROOT / "mkdocs.yml", folder)
    shutil.copytree(ROOT / "docs", folder / "docs", ignore=shutil.ignore_patterns("report", "index.md"))
    shutil.copytree(ROOT / "site_templates", folder / "site_templates")
    return results


def add_runs(results_dir: Path, made_dir: Path, runs: Sequence[Path]) -> int:
    """Put runs of a maker into a project, without a copy where the disk allows it, and return their size in bytes."""
    for run in runs:
        path = results_dir / run.relative_to(made_dir)
        path.parent.mkdir(exist_ok=True)
        try:
            os.link(run, path)
        except OSError:
            shutil.copy(run, path)
    return sum(run.stat().st_size for run in runs)


def measured(
    cell: Cell, steps: Sequence[str], made_dir: Path, runs: Sequence[Path], work: Path, pages_only: bool
) -> list[Row]:
    """Build the site of a cell in each of the steps that were asked for, which need those before them.

    `runs` has one more than the cell, the new one.
    """
    project = work / "projects" / str(cell)
    results_dir = write_project(project)
    held_bytes = add_runs(results_dir, made_dir, runs[: cell.runs])
    command = [sys.executable, "-m", "bench", "site", *(["--pages-only"] if pages_only else [])]
    environment = {"PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"}
    rows = []
    count = cell.runs
    for step in STEPS:
        if step == "again" and step not in steps:
            continue
        if step == "one":
            held_bytes += add_runs(results_dir, made_dir, runs[cell.runs :])
            count += 1
        cost = cost_of(command, project, environment)
        site = None if pages_only else built(project / "site")
        row = Row(cell, step, count, held_bytes, cost, site)
        # A site must be there before it can be built again; it is told of only where it was asked for.
        if step in steps:
            rows.append(row)
            _progress(row)
        if step == [each for each in STEPS if each in steps][-1]:
            break
    return rows


def asv_measured(cell: Cell, python: Path, work: Path, seed: int) -> Row:
    """Publish as many commits of SERIES series each with asv and return what that took."""
    project = work / "asv" / str(cell.runs)
    shutil.rmtree(project, ignore_errors=True)
    size = write_asv_project(project, cell.runs, seed)
    cost = cost_of([str(python), "-m", "asv", "publish", "--no-pull"], project, {})
    row = Row(cell, "asv publish", cell.runs, size, cost, built(project / "html"))
    _progress(row)
    return row


def asv_python(work: Path, install: bool) -> Path:
    """Return an interpreter that has asv: this one, or one that is set up for it if that is allowed."""
    own = Path(sys.executable)
    if _has_asv(own):
        return own
    venv = work / "asv-venv"
    python = venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if python.exists() and _has_asv(python):
        return python
    if not install:
        raise click.UsageError("--asv: asv is not installed; pip install asv, or add --install-asv")
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)], check=True)
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", "asv"], check=True)
    return python


def markdown(rows: Sequence[Row]) -> str:
    """Return the table of all rows, and below it that of the sites."""
    of_asv = {row.cell.runs: row.cost.cpu_s for row in rows if row.step not in STEPS}
    of_cell: dict[Cell, list[Row]] = {}
    for row in rows:
        of_cell.setdefault(row.cell, []).append(row)
    heads = ("runs x machines", "step", "CPU, s", "of it pages", "of it MkDocs", "wall, s", "largest process, MB")
    lines = [_line((*heads, "all together, MB", "CPU / asv's")), _line(("---", "---", *["---:"] * 7))]
    for row in rows:
        cost, asv_s = row.cost, of_asv.get(row.cell.runs)
        cells = (
            str(row.cell),
            STEPS.get(row.step, f"{row.step}, {SERIES} series"),
            f"{cost.cpu_s:.1f}",
            "" if cost.mkdocs_cpu_s is None else f"{cost.pages_cpu_s:.1f}",
            "" if cost.mkdocs_cpu_s is None else f"{cost.mkdocs_cpu_s:.1f}",
            f"{cost.wall_s:.1f}",
            f"{cost.memory_peak_bytes / 1e6:,.0f}",
            f"{cost.memory_together_bytes / 1e6:,.0f}",
            "" if asv_s is None else f"{cost.cpu_s / asv_s:.2f}",
        )
        lines.append(_line(cells))
    heads = ("runs x machines", "step", "site, MB", "KB a run", "x its result file", "HTML pages", "largest page, KB")
    lines += ["", _line((*heads, "one run more, KB", "x its result file")), _line(("---", "---", *["---:"] * 7))]
    for some in of_cell.values():
        before: Row | None = None
        for row in some:
            if row.site is None or row.step not in STEPS:
                continue
            grew = _growth(before, row)
            cells = (
                str(row.cell),
                STEPS[row.step],
                f"{row.site.site_bytes / 1e6:,.1f}",
                f"{row.site.site_bytes / row.runs / 1e3:,.0f}",
                f"{row.site.site_bytes / row.result_bytes:.2f}",
                str(row.site.pages),
                f"{row.site.largest_page_bytes / 1e3:,.0f} ({row.site.largest_page})",
                *(("", "") if grew is None else (f"{grew[0] / 1e3:,.0f}", f"{grew[0] / grew[1]:.2f}")),
            )
            lines.append(_line(cells))
            before = row
    return "\n".join(lines)


def _growth(before: Row | None, row: Row) -> tuple[int, int] | None:
    """Return by how much the site and the result files grew from one row to the next, in bytes."""
    if before is None or before.site is None or row.site is None or row.runs == before.runs:
        return None
    return row.site.site_bytes - before.site.site_bytes, row.result_bytes - before.result_bytes


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _look(pid: int, mkdocs: dict[int, float]) -> int:
    """Return the resident memory of a process and of all below it, and note what those of MkDocs have taken so far."""
    found_bytes = 0
    with suppress(psutil.NoSuchProcess):
        first = psutil.Process(pid)
        for process in (first, *first.children(recursive=True)):
            with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                found_bytes += process.memory_info().rss
                if process.pid in mkdocs or "mkdocs" in process.cmdline():
                    times = process.cpu_times()
                    mkdocs[process.pid] = times.user + times.system
    return found_bytes


def _has_asv(python: Path) -> bool:
    return subprocess.run([str(python), "-c", "import asv"], check=False, capture_output=True).returncode == 0


def _progress(row: Row) -> None:
    cost = row.cost
    click.echo(
        f"{row.cell}, {STEPS.get(row.step, row.step)}: {cost.cpu_s:.1f} s of processor time, {cost.wall_s:.1f} s, "
        f"{cost.memory_peak_bytes / 1e6:,.0f} MB",
        err=True,
    )


def _cells(_: click.Context, option: click.Parameter, value: str) -> tuple[Cell, ...]:
    cells = []
    for text in value.split(","):
        runs, _x, machines = text.strip().partition("x")
        if not (runs.isdecimal() and machines.isdecimal() and 0 < int(machines) <= int(runs)):
            raise click.BadParameter(f"found {text!r}; a cell is RUNSxMACHINES, as in 300x30, with a run a machine")
        cells.append(Cell(int(runs), int(machines)))
    return tuple(cells)


def _steps(_: click.Context, option: click.Parameter, value: str) -> tuple[str, ...]:
    steps = [text.strip() for text in value.split(",")]
    for text in steps:
        if text not in STEPS:
            raise click.BadParameter(f"found {text!r}; allowed are {', '.join(STEPS)}")
    return tuple(step for step in STEPS if step in steps)


def _check_space(cell: Cell, maker: Maker, work: Path) -> None:
    needed_bytes = cell.runs * (maker.source.stat().st_size + SITE_BYTES_A_RUN) + SPARE_BYTES
    free_bytes = shutil.disk_usage(work).free
    if free_bytes < needed_bytes:
        raise click.ClickException(
            f"{work}: {cell} may need {needed_bytes / 1e9:.1f} GB, {free_bytes / 1e9:.1f} GB are free; "
            "name a folder on another disk with --work, or fewer runs with --cells"
        )


def _each(cells: Sequence[Cell], maker_of: Callable[[int], Maker], work: Path, jobs: int) -> dict[Cell, list[Path]]:
    """Write the runs of every cell, and one more for each."""
    found = {}
    with Progress(console=Console(stderr=True)) as progress:
        for cell in cells:
            maker = maker_of(cell.machines)
            _check_space(cell, maker, work)
            bar = progress.add_task(f"runs of {cell}", total=cell.runs + 1)
            folder = work / "runs" / maker.key
            paths = write_runs(maker, folder, cell.runs + 1, jobs, partial(progress.advance, bar))
            found[cell] = list(paths)
    return found


@click.command(context_settings={"max_content_width": 100})
@click.option(
    "--cells",
    default="100x3,300x3,300x30,1000x30",
    show_default=True,
    callback=_cells,
    help="Histories, as RUNSxMACHINES; 4000x30 takes 1.2 GB of runs and as much of site.",
)
@click.option("--steps", default=",".join(STEPS), show_default=True, callback=_steps, help="Which builds to tell of.")
@click.option("--pages-only", is_flag=True, help="Stop before MkDocs.")
@click.option(
    "--work",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(tempfile.gettempdir()) / "benchledger-site",
    help="Folder for the runs, which are kept, and the projects.  [default: benchledger-site in the temporary folder]",
)
@click.option(
    "--source", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Another run to begin with."
)
@click.option("--seed", default=1, show_default=True)
@click.option("--jobs", default=os.cpu_count() or 1, show_default=True, help="Processes that make the runs.")
@click.option("--asv", is_flag=True, help="Publish as many commits with asv as well.")
@click.option("--install-asv", is_flag=True, help="Install asv, into an environment of its own, if it is missing.")
@click.option("--keep", is_flag=True, help="Keep the projects with their sites.")
@click.option(
    "--json", "json_path", type=click.Path(path_type=Path, dir_okay=False), help="Write the numbers there too."
)
def main(
    cells: tuple[Cell, ...],
    steps: tuple[str, ...],
    pages_only: bool,
    work: Path,
    source: Path | None,
    seed: int,
    jobs: int,
    asv: bool,
    install_asv: bool,
    keep: bool,
    json_path: Path | None,
) -> None:
    """Build the sites of long histories and print what that took, as Markdown.

    Processor time is that of the command and of all processes that it started.

    \b
    python -m tests.benchmarks.site --cells 100x3 --steps cold,again
    python -m tests.benchmarks.site --cells 300x30,1000x30 --asv --install-asv --json site.json
    """
    work.mkdir(parents=True, exist_ok=True)
    python = asv_python(work, install_asv) if asv or install_asv else None
    begin = (source or newest_run(ROOT / "results")).resolve()
    runs = _each(cells, lambda machines: Maker(begin, seed, machines), work, jobs)
    rows: list[Row] = []
    published: set[int] = set()
    for cell in cells:
        made_dir = work / "runs" / Maker(begin, seed, cell.machines).key
        try:
            rows += measured(cell, steps, made_dir, runs[cell], work, pages_only)
            if python is not None and cell.runs not in published:
                rows.append(asv_measured(cell, python, work, seed))
                published.add(cell.runs)
        finally:
            if not keep:
                shutil.rmtree(work / "projects" / str(cell), ignore_errors=True)
                shutil.rmtree(work / "asv" / str(cell.runs), ignore_errors=True)
        # Cells take minutes: one that is stopped must not take those before it along.
        if json_path is not None:
            json_path.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n", encoding="utf-8")
    click.echo(markdown(rows))


if __name__ == "__main__":
    main()
