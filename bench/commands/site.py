"""Commands of the site: site, serve; pages follow when a result file or a review comes, changes or goes."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.commands.options import CONTEXT, results_option
from bench.errors import BenchError, UsageError

if TYPE_CHECKING:
    from bench.site.project import SiteProject

ENDINGS = (".json", ".jsonl", ".yaml")
"""How the names of result files, of judgements and of a person's scores end."""

QUIET_S = 0.5
"""How long a folder must have been quiet: one new result is several events."""


@contextmanager
def watching(folder: Path, call: Callable[[], object]) -> Iterator[None]:
    """Call `call`, in a thread of its own, after changes to the results and reviews below a folder."""
    # It comes with the site's extra, and the other commands do without.
    from watchdog.events import FileSystemEvent, FileSystemEventHandler
    from watchdog.observers import Observer

    class Changes(FileSystemEventHandler):
        timer: threading.Timer | None = None

        def on_any_event(self, event: FileSystemEvent) -> None:
            # A result file appears under its name by a move.
            names = (str(event.src_path), str(event.dest_path))
            if event.event_type in ("opened", "closed_no_write") or not any(name.endswith(ENDINGS) for name in names):
                return
            if self.timer is not None:
                self.timer.cancel()
            self.timer = threading.Timer(QUIET_S, call)
            self.timer.daemon = True
            self.timer.start()

    folder.mkdir(parents=True, exist_ok=True)
    observer = Observer()
    observer.schedule(Changes(), str(folder), recursive=True)
    observer.start()
    try:
        yield
    finally:
        observer.stop()
        observer.join()


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
    made = _write_pages(results_dir, project)
    if not pages_only:
        _mkdocs(made.config, "build", "--strict", "--site-dir", str(made.output))
        click.echo(f"Built {project / 'site'}. Look at it: bench serve (make serve)")


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

    made = _write_pages(results_dir, project)
    with watching(results_dir, lambda: _write_pages(results_dir, project)):
        _mkdocs(made.config, "serve", "--dev-addr", address)


def _write_pages(results_dir: Path, project: Path) -> "SiteProject":
    try:
        from bench.site.build import write_site
        from bench.site.feed import site_url
        from bench.site.project import site_project
    except ModuleNotFoundError as error:
        raise UsageError(
            f"{error.name} is not installed; install the site's extra: pip install 'benchledger[site]'"
        ) from error
    from bench.report.format import count
    from bench.store.files import load_tree
    from bench.store.reviews import all_reviews

    made = site_project(project, results_dir)
    if made.used is not None:
        click.echo(made.used)
    ledger, reviews = load_tree(results_dir), all_reviews(results_dir)
    for refused in (*ledger.refused, *(refused for one in reviews.values() for refused in one.refused)):
        click.echo(f"bench: left out {results_dir / refused.path}: {refused.reason}", err=True)
    written = write_site(ledger, made.docs, made.templates, made.cache, site_url(made.config), reviews)
    parts = (count(len(ledger.results), "run"), count(written.pages, "page"), count(written.charts, "chart"))
    click.echo(", ".join(parts))
    return made


def _mkdocs(config: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "mkdocs", arguments[0], "--config-file", str(config), *arguments[1:]]
    # Material prints a banner about MkDocs 2 on each build.
    done = subprocess.run(command, check=False, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"})
    if done.returncode != 0:
        raise BenchError(f"mkdocs {arguments[0]} failed with code {done.returncode}; its messages are above")
