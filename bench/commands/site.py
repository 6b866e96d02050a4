"""Commands of the site: site, serve; pages follow when a result file or a review comes, changes or goes."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from bench.commands.options import CONTEXT, results_option
from bench.errors import BenchError, UsageError

ENDINGS = (".json", ".jsonl", ".yaml")
"""How the names of result files, of judgements and of a person's scores end."""

QUIET_S = 0.5
"""How long a folder must have been quiet: one new result is several events."""


class _Changes(FileSystemEventHandler):
    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call
        self._timer: threading.Timer | None = None

    def on_any_event(self, event: FileSystemEvent) -> None:
        # A result file appears under its name by a move.
        names = (str(event.src_path), str(event.dest_path))
        if event.event_type in ("opened", "closed_no_write") or not any(name.endswith(ENDINGS) for name in names):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = threading.Timer(QUIET_S, self._call)
        self._timer.daemon = True
        self._timer.start()


@contextmanager
def watching(folder: Path, call: Callable[[], None]) -> Iterator[None]:
    """Call `call`, in a thread of its own, after changes to the results and reviews below a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    observer = Observer()
    observer.schedule(_Changes(call), str(folder), recursive=True)
    observer.start()
    try:
        yield
    finally:
        observer.stop()
        observer.join()


@click.command(context_settings=CONTEXT)
@results_option
@click.option(
    "--project", type=click.Path(path_type=Path, file_okay=False), default=Path(), help="Folder of mkdocs.yml."
)
@click.option("--pages-only", is_flag=True, help="Write docs/report/ and stop before MkDocs.")
def site(results_dir: Path, project: Path, pages_only: bool) -> None:
    """Turn all result files into pages and build a static site in site/.

    \b
    bench site
    bench site --results elsewhere/results
    """
    _write_pages(results_dir, project)
    if not pages_only:
        _mkdocs(project, "build", "--strict", "--site-dir", "site")
        click.echo(f"Built {project / 'site'}. Look at it: bench serve (make serve)")


@click.command(context_settings=CONTEXT)
@results_option
@click.option(
    "--project", type=click.Path(path_type=Path, file_okay=False), default=Path(), help="Folder of mkdocs.yml."
)
@click.option("--address", default="127.0.0.1:8000", show_default=True, help="Where to listen.")
def serve(results_dir: Path, project: Path, address: str) -> None:
    """Serve the site with live reload; a new result file is on it after a moment.

    \b
    bench serve
    bench serve --address 0.0.0.0:8080
    """

    _write_pages(results_dir, project)
    with watching(results_dir, lambda: _write_pages(results_dir, project)):
        _mkdocs(project, "serve", "--dev-addr", address)


def _write_pages(results_dir: Path, project: Path) -> None:
    if not (project / "mkdocs.yml").is_file():
        raise UsageError(
            f"{project / 'mkdocs.yml'}: not found; run this in the project's folder, or name it: --project"
        )
    try:
        from bench.site.build import write_site
        from bench.site.feed import site_url
    except ModuleNotFoundError as error:
        raise UsageError(
            f"{error.name} is not installed; install the site's extra: pip install 'benchledger[site]'"
        ) from error
    from bench.report.format import count
    from bench.store.files import load_tree
    from bench.store.reviews import all_reviews

    ledger, reviews = load_tree(results_dir), all_reviews(results_dir)
    for refused in (*ledger.refused, *(refused for one in reviews.values() for refused in one.refused)):
        click.echo(f"bench: left out {results_dir / refused.path}: {refused.reason}", err=True)
    address = site_url(project / "mkdocs.yml")
    written = write_site(
        ledger,
        project / "docs",
        project / "site_templates",
        site_url=address,
        reviews=reviews,
        results_dir=results_dir,
    )
    parts = (count(len(ledger.results), "run"), count(written.pages, "page"), count(written.charts, "chart"))
    click.echo(", ".join(parts))


def _mkdocs(project: Path, *arguments: str) -> None:
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        arguments[0],
        "--config-file",
        str(project / "mkdocs.yml"),
        *arguments[1:],
    ]
    # Material prints a banner about MkDocs 2 on each build.
    done = subprocess.run(command, check=False, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"})
    if done.returncode != 0:
        raise BenchError(f"mkdocs {arguments[0]} failed with code {done.returncode}; its messages are above")
