"""Commands that measure: run, calibrate."""

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bench.commands.options import CONTEXT, results_option

if TYPE_CHECKING:
    from bench.schema.result import Result

REASONS_SHOWN = 3
"""Reasons for an unsteady machine that a run's summary names."""


@click.command(context_settings=CONTEXT)
@click.argument("config", default="default")
@results_option
@click.option("--models", help="Names of models of the config, or aliases, separated by commas.  [env: BENCH_MODELS]")
@click.option("--rounds", help="Number of rounds.  [env: BENCH_ROUNDS]")
@click.option("--prompt-set", help="Prompt set to ask instead: a file, or one that ships.  [env: BENCH_PROMPT_SET]")
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
    """Run CONFIG: a file, or the name of one that ships (default, foundry-cpu, endpoint, summarisation, load,
    smollm2).

    Writes one result file and prints a summary. Ctrl-C ends the run with what there is, as a partial result. Exits with
    1 if every model failed.

    \b
    bench run
    bench run my-models.yaml --rounds 10 --machine kiosk-n100
    bench run foundry-cpu --models qwen2.5-0.5b
    bench run smollm2 --prompt-set summarisation
    bench run --resume
    BENCH_PROMPT="Summarize retrieval augmented generation." bench run
    """
    from bench.benchmark import Ask, benchmark, require_an_answer
    from bench.report.export import to_json
    from bench.report.terminal import RunDisplay, large_file_warning

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
        for line in _unsteady(saved.result):
            click.echo(line)
        partial = "a partial result, " if saved.result.run.status == "partial" else ""
        click.echo(f"Wrote {partial}{saved.path}. Next: bench site (make site), and commit the file.")
    warning = large_file_warning(saved.path)
    if warning is not None:
        click.echo(f"bench: {warning}", err=True)
    require_an_answer(saved)


def _unsteady(result: "Result") -> list[str]:
    """Return what a person must know of the machine before the numbers of a run."""
    from bench.analysis.trust import steadiness
    from bench.report.reasons import reason_words

    found = steadiness(result)
    if found.verdict != "unsteady":
        return []
    more = len(found.reasons) - REASONS_SHOWN
    return [
        "The machine was unsteady: a difference from another run may be the machine's.",
        *(f"  {reason_words(reason)}" for reason in found.reasons[:REASONS_SHOWN]),
        *([f"  and {more} more on the run's page"] if more > 0 else []),
    ]


def _goes_on(journal: Path, kept: Any) -> bool:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    question = f"An interrupted run is there ({kept.requests} requests answered). Go on with it?"
    return click.confirm(question, default=True, err=True)


@click.command(context_settings=CONTEXT)
@click.option("--streams", type=click.IntRange(1, 256), multiple=True, help="Streams at once; may be given often.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON, in base units.")
def calibrate(streams: tuple[int, ...], as_json: bool) -> None:
    """Measure this program's own client on this machine, against a server that logs when it wrote each chunk.

    Tells the error of TTFT and of gaps between chunks, and the highest load that the client sustains, with one stream
    and with many at once: with the kernel's receive stamps, where the system gives them, and with this process's own.
    Takes about a minute, in which the machine should do nothing else. It is refused while a run is under way.

    \b
    bench calibrate
    bench calibrate --streams 1 --streams 16 --json
    """
    from bench.report.terminal import STREAMS, rows, show_calibration
    from bench.runner.lock import machine_lock

    with machine_lock(wait=False):
        measured = show_calibration(rows(streams=streams or STREAMS), quiet=as_json)
    if as_json:
        click.echo(json.dumps([asdict(row) for row in measured], indent=2))
