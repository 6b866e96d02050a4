"""Commands of the site: site, serve."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bench.commands.options import CONTEXT, results_option
from bench.errors import BenchError, UsageError


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
    from bench.commands.watch import watching

    with watching(results_dir, lambda: _write_pages(results_dir, project)):
        _mkdocs(project, "serve", "--dev-addr", address)


def _write_pages(results_dir: Path, project: Path) -> None:
    if not (project / "mkdocs.yml").is_file():
        raise UsageError(
            f"{project / 'mkdocs.yml'}: not found; run this in the project's folder, or name it: --project"
        )
    try:
        from bench.site.build import write_tree
        from bench.site.feed import site_url
    except ModuleNotFoundError as error:
        raise UsageError(
            f"{error.name} is not installed; install the site's extra: pip install 'benchledger[site]'"
        ) from error
    from bench.report.format import count

    with _reading() as on_read:
        written = write_tree(
            results_dir,
            project / "docs",
            project / "site_templates",
            site_url=site_url(project / "mkdocs.yml"),
            on_read=on_read,
        )
    for refused in written.refused:
        click.echo(f"bench: left out {results_dir / refused.path}: {refused.reason}", err=True)
    parts = (count(written.runs, "run"), count(written.pages, "page"), count(written.charts, "chart"))
    click.echo(", ".join(parts))


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
