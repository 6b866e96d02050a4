"""Commands of the site: site, serve."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from filelock import FileLock
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bench.commands.options import CONTEXT, results_option
from bench.errors import BenchError, UsageError

if TYPE_CHECKING:
    from bench.site.project import SiteProject

CACHE: Final = Path(".cache", "site")
"""Where a project's site keeps what it need not work out again."""

PLACED: Final = "BENCH_PLACED_DOCS"
"""Environment variable by which mkdocs.yml leaves out of a build what is put into the site without MkDocs."""

READS_MORE: Final = ("INHERIT", "custom_dir", "hooks", "docs_dir", "site_dir", "!ENV", "snippets")
"""Words of a mkdocs.yml that lead to further files, or to the environment."""

MISSING: Final = "{} is not installed; install the site's extra: pip install 'benchledger[site]'"


def project_option(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the option --project."""
    return click.option(
        "--project",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path(),
        help="Folder of your own mkdocs.yml, docs and site_templates, where you have any; site/ is written there.",
    )(command)


@click.command(context_settings=CONTEXT)
@results_option
@project_option
@click.option("--pages-only", is_flag=True, help="Write the pages and stop before MkDocs.")
def site(results_dir: Path, project: Path, pages_only: bool) -> None:
    """Turn all result files into pages and build a static site in site/.

    What the project's folder has not of its own (mkdocs.yml, docs, site_templates) comes with this program.

    \b
    bench site
    bench site --results elsewhere/results
    """
    with _alone(project):
        if pages_only:
            _write_pages(results_dir, project)
        else:
            _build(results_dir, project)


@click.command(context_settings=CONTEXT)
@results_option
@project_option
@click.option("--address", default="127.0.0.1:8000", show_default=True, help="Where to listen.")
def serve(results_dir: Path, project: Path, address: str) -> None:
    """Serve the site with live reload; a new result file is on it after a moment.

    \b
    bench serve
    bench serve --address 0.0.0.0:8080
    """
    made, _ = _written_alone(results_dir, project)
    from bench.commands.watch import watching

    with watching(results_dir, lambda: _written_alone(results_dir, project)):
        _mkdocs(made.config, "serve", "--dev-addr", address)


@contextmanager
def _alone(project: Path) -> Iterator[None]:
    """Keep a second build of the same project waiting until the first one is through."""
    folder = project / CACHE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / "lock")
        lock.acquire()
    except OSError:
        # A folder that cannot be written has no cache to mix up either.
        yield
        return
    try:
        yield
    finally:
        lock.release()


def _build(results_dir: Path, project: Path) -> None:
    try:
        from bench.site.manifest import inputs_key, known_build, note_build
        from bench.site.project import place_data, shipped_folder
        from bench.site.urls import DATA
        from bench.store.cache import Cache
    except ModuleNotFoundError as error:
        raise UsageError(MISSING.format(error.name)) from error
    cache = Cache(project / CACHE)
    folders = (project, shipped_folder())
    parts = [folder / part for folder in folders for part in ("mkdocs.yml", "docs", "site_templates")]
    generated = [folder / "docs" / part for folder in folders for part in ("report", "index.md")]
    built = (project / "site", *generated[:2], project / CACHE / "project")
    try:
        key = inputs_key([results_dir, *parts], without=generated)
    except ModuleNotFoundError as error:
        raise UsageError(MISSING.format(error.name)) from error
    warnings = None if _reads_more(project / "mkdocs.yml") else known_build(cache, key, built)
    if warnings is not None:
        for warning in warnings:
            click.echo(warning, err=True)
        click.echo(f"Nothing has changed since {project / 'site'} was built. Look at it: bench serve (make serve)")
        return
    made, warnings = _write_pages(results_dir, project)
    _mkdocs(made.config, "build", "--strict", "--site-dir", str(made.output), placed=f"/{DATA}/")
    place_data(made.docs, made.output)
    # What changed meanwhile may be on some pages and not on others.
    if inputs_key([results_dir, *parts], without=generated) == key:
        note_build(cache, key, built, warnings)
    click.echo(f"Built {project / 'site'}. Look at it: bench serve (make serve)")


def _reads_more(config: Path) -> bool:
    """Return whether a mkdocs.yml may name files that nobody here knows: such a site is always built."""
    try:
        text = config.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    # The folders where a site's parts are anyway, and what is set here.
    for known in ("docs_dir: docs\n", "site_dir: site\n", f"!ENV [{PLACED}, "):
        text = text.replace(known, "")
    return any(word in text for word in READS_MORE)


def _written_alone(results_dir: Path, project: Path) -> tuple["SiteProject", tuple[str, ...]]:
    with _alone(project):
        return _write_pages(results_dir, project)


def _write_pages(results_dir: Path, project: Path) -> tuple["SiteProject", tuple[str, ...]]:
    """Write the pages; return the parts of the project's site, and what was warned of."""
    # The arrays are small: threads for them cost more than they give, most of all where other work has the cores.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        from bench.site.build import write_tree
        from bench.site.feed import site_url
        from bench.site.project import site_project
    except ModuleNotFoundError as error:
        raise UsageError(MISSING.format(error.name)) from error
    from bench.report.format import count

    try:
        made = site_project(project, results_dir)
        if made.used is not None:
            click.echo(made.used)
        with _reading() as on_read:
            written = write_tree(
                results_dir,
                made.docs,
                made.templates,
                made.cache,
                site_url=site_url(made.config),
                on_read=on_read,
            )
    except OSError as error:
        reason = f"{error.strerror or error}; the pages are not whole: mend that and build again"
        raise BenchError(f"{error.filename or project}: cannot be read or written: {reason}") from error
    warnings = tuple(f"bench: left out {results_dir / one.path}: {one.reason}" for one in written.refused)
    for warning in warnings:
        click.echo(warning, err=True)
    parts = (count(written.runs, "run"), count(written.pages, "page"), count(written.charts, "chart"))
    click.echo(", ".join(parts))
    return made, warnings


@contextmanager
def _reading() -> Iterator[Callable[[int, int], None]]:
    """Yield what shows how many new result files were read; nothing where there are few or nobody looks on."""
    with Progress(
        TextColumn("Reading results"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    ) as progress:
        task = progress.add_task("read", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _mkdocs(config: Path, *arguments: str, placed: str = "") -> None:
    command = [sys.executable, "-m", "mkdocs", arguments[0], "--config-file", str(config), *arguments[1:]]
    # Material prints a banner about MkDocs 2 on each build.
    done = subprocess.run(command, check=False, env={**os.environ, "NO_MKDOCS_2_WARNING": "1", PLACED: placed})
    if done.returncode != 0:
        raise BenchError(f"mkdocs {arguments[0]} failed with code {done.returncode}; its messages are above")
