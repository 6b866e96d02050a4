"""The command `bench`: the only place that prints or exits."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from bench import __version__
from bench.errors import BenchError, EmptyLedger, UsageError

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 120}
Command = TypeVar("Command", bound=Callable[..., Any])


class _Bench(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BenchError as error:
            _fail(error)


def _fail(error: BenchError) -> NoReturn:
    for line in str(error).splitlines():
        click.echo(f"bench: {line}", err=True)
    sys.exit(error.exit_code)


def _results_option(command: Command) -> Command:
    return click.option(
        "--results",
        "results_dir",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path("results"),
        show_default=True,
        help="Folder of the result files.",
    )(command)


@click.group(cls=_Bench, context_settings=CONTEXT)
@click.version_option(__version__, prog_name="bench")
def main() -> None:
    """Benchmark local language models, keep every run as one file, and turn the history into a site.

    \b
    bench run                      the reference models, offline
    bench run foundry-cpu          three models of Foundry Local's catalogue
    bench site                     results/ into a static site in site/
    """


@main.command(context_settings=CONTEXT)
@click.argument("config", default="default")
@_results_option
@click.option("--models", help="Names of models of the config, or aliases, separated by commas.  [env: BENCH_MODELS]")
@click.option("--rounds", help="Number of rounds.  [env: BENCH_ROUNDS]")
@click.option("--prompt", help="One prompt to ask instead of the prompt set.  [env: BENCH_PROMPT]")
@click.option("--stream/--no-stream", default=None, help="Stream the answers, or wait for each.  [env: BENCH_STREAM]")
@click.option("--machine", help="Name of this machine in the results.  [env: BENCH_MACHINE]")
@click.option(
    "--resume/--no-resume", default=None, help="Go on with an interrupted run, or begin anew and keep its part."
)
@click.option("--wait", is_flag=True, help="Wait for another run on this machine to end.")
@click.option("--quiet", is_flag=True, help="Print the result file's path and nothing else.")
@click.option("--json", "as_json", is_flag=True, help="Print the result's numbers as JSON, a row for each model.")
def run(
    config: str,
    results_dir: Path,
    resume: bool | None,
    wait: bool,
    quiet: bool,
    as_json: bool,
    stream: bool | None,
    **options: str | None,
) -> None:
    """Run CONFIG: a file, or the name of one that ships (default, foundry-cpu, endpoint, summarisation).

    Writes one result file and prints a summary. Ctrl-C ends the run with what there is, as a partial result. Exits with
    1 if every model failed.

    \b
    bench run
    bench run my-models.yaml --rounds 10 --machine kiosk-n100
    bench run foundry-cpu --models qwen2.5-0.5b
    bench run --resume
    BENCH_PROMPT="Summarize retrieval augmented generation." bench run
    """
    from bench.analysis.export import to_json
    from bench.benchmark import Ask, benchmark, require_an_answer
    from bench.terminal import RunDisplay, large_file_warning

    given = {f"BENCH_{name.upper()}": value for name, value in options.items() if value is not None}
    if stream is not None:
        given["BENCH_STREAM"] = str(int(stream))
    display = RunDisplay(sys.stderr, sys.stdout, quiet=quiet or as_json)
    ask = Ask(config, results_dir, {**os.environ, **given}, resume, wait, _goes_on)
    saved = benchmark(ask, display.running)
    if saved.set_aside is not None:
        click.echo(f"Kept what an interrupted run had measured, as a partial result: {saved.set_aside}", err=True)
    if as_json:
        click.echo(to_json([saved.result]), nl=False)
    elif quiet:
        click.echo(str(saved.path))
    else:
        display.summary(saved.result)
        partial = "a partial result, " if saved.result.run.status == "partial" else ""
        click.echo(f"Wrote {partial}{saved.path}. Next: bench site (make site), and commit the file.")
    warning = large_file_warning(saved.path)
    if warning is not None:
        click.echo(f"bench: {warning}", err=True)
    require_an_answer(saved)


def _goes_on(journal: Path, kept: Any) -> bool:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    question = f"An interrupted run is there ({kept.requests} requests answered). Go on with it?"
    return click.confirm(question, default=True, err=True)


@main.command(context_settings=CONTEXT)
@click.option("--streams", type=click.IntRange(1, 256), multiple=True, help="Streams at once; may be given often.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON, in base units.")
def calibrate(streams: tuple[int, ...], as_json: bool) -> None:
    """Measure this program's own client on this machine, against a server that logs when it wrote each chunk.

    Tells the error of TTFT and of gaps between chunks, and the highest load that the client sustains, with 1, 8 and 64
    streams at once. Takes about half a minute, in which the machine should do nothing else.

    \b
    bench calibrate
    bench calibrate --streams 1 --streams 16 --json
    """
    from bench.calibration.report import STREAMS, rows
    from bench.runner.lock import machine_lock
    from bench.terminal import show_calibration

    with machine_lock(wait=False):
        measured = show_calibration(rows(streams=streams or STREAMS), quiet=as_json)
    if as_json:
        click.echo(json.dumps([asdict(row) for row in measured], indent=2))


@main.command(context_settings=CONTEXT)
@_results_option
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


@main.command(context_settings=CONTEXT)
@_results_option
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
    from bench.watch import watching

    _write_pages(results_dir, project)
    with watching(results_dir, lambda: _write_pages(results_dir, project)):
        _mkdocs(project, "serve", "--dev-addr", address)


@main.command(context_settings=CONTEXT)
@click.argument("path", type=click.Path(path_type=Path), default=Path("results"))
def check(path: Path) -> None:
    """Validate a result file, or every one below a folder. Exits with 2 if one is refused.

    \b
    bench check
    bench check results/kiosk/20261122T103040Z-1a2b3c4d5e-default.json
    """
    from bench.results.store import load, load_tree

    if not path.exists():
        raise UsageError(f"{path}: there is no such file or folder")
    if path.is_file():
        load(path)
        click.echo(f"{path}: valid")
        return
    ledger = load_tree(path)
    for refused in ledger.refused:
        click.echo(f"bench: {path / refused.path}: {refused.reason}", err=True)
    click.echo(f"{path}: {len(ledger.results)} valid, {len(ledger.refused)} refused")
    if ledger.refused:
        sys.exit(2)


@main.command(context_settings=CONTEXT)
@_results_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "md", "json", "report"]),
    default="csv",
    show_default=True,
    help="report: the newest run as benchmark_report.md.",
)
@click.option(
    "--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="File to write, else the terminal."
)
@click.option("--machine", help="Only results of this machine.")
def export(results_dir: Path, form: str, output: Path | None, machine: str | None) -> None:
    """Export the results, one row for each model of each run, or a report on the newest run.

    \b
    bench export --format csv -o results.csv
    bench export --format md --machine kiosk-n100
    bench export --format report -o benchmark_report.md
    """
    from bench.analysis import export as exports
    from bench.results.store import load_tree

    ledger = load_tree(results_dir)
    for refused in ledger.refused:
        click.echo(f"bench: left out {results_dir / refused.path}: {refused.reason}", err=True)
    results = [result for result in ledger.results if machine in (None, result.machine.name)]
    if not results:
        names = ", ".join(sorted({result.machine.name for result in ledger.results}))
        has = f"; it has results of {names}" if names else "; make the first run with: bench run"
        of = f" of machine {machine!r}" if machine else ""
        raise EmptyLedger(f"{results_dir}: there is no result{of}{has}")
    if form == "report":
        text = exports.benchmark_report(results[-1])
    else:
        text = {"csv": exports.to_csv, "md": exports.to_markdown, "json": exports.to_json}[form](results)
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise UsageError(f"{output}: cannot be written: {error.strerror}") from error
    click.echo(f"Wrote {output}")


@main.command(context_settings=CONTEXT)
@click.option(
    "--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="File to write, else the terminal."
)
def schema(output: Path | None) -> None:
    """Print the JSON Schema of the result file.

    \b
    bench schema -o docs/result-schema.json
    """
    from bench.results.json_schema import schema_text

    if output is None:
        click.echo(schema_text(), nl=False)
    else:
        output.write_text(schema_text(), encoding="utf-8")
        click.echo(f"Wrote {output}")


def _write_pages(results_dir: Path, project: Path) -> None:
    if not (project / "mkdocs.yml").is_file():
        raise UsageError(
            f"{project / 'mkdocs.yml'}: not found; run this in the project's folder, or name it: --project"
        )
    try:
        from bench.site.pages import write_site
    except ModuleNotFoundError as error:
        raise UsageError(
            f"{error.name} is not installed; install the site's extra: pip install 'benchledger[site]'"
        ) from error
    from bench.results.store import load_tree
    from bench.site.format import count

    ledger = load_tree(results_dir)
    for refused in ledger.refused:
        click.echo(f"bench: left out {results_dir / refused.path}: {refused.reason}", err=True)
    written = write_site(ledger, project / "docs", project / "site_templates")
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
