"""Commands on the results there are: check, export, schema."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from bench.commands.options import CONTEXT, results_option
from bench.errors import EmptyLedger, UsageError

if TYPE_CHECKING:
    from bench.schema.result import Result


@click.command(context_settings=CONTEXT)
@click.argument("path", type=click.Path(path_type=Path), default=Path("results"))
def check(path: Path) -> None:
    """Validate a result file, or every one below a folder with its reviews. Exits with 2 if one is refused.

    \b
    bench check
    bench check results/kiosk/20261122T103040Z-1a2b3c4d5e-default.json
    """
    from bench.store.files import load, load_tree
    from bench.store.reviews import review_mistakes

    if not path.exists():
        raise UsageError(f"{path}: there is no such file or folder")
    if path.is_file():
        load(path)
        click.echo(f"{path}: valid")
        return
    ledger = load_tree(path)
    # A path that was refused as a result can be that of a review, too: each is listed once.
    all_refused = dict.fromkeys([*ledger.refused, *review_mistakes(path)])
    for refused in all_refused:
        click.echo(f"bench: {path / refused.path}: {refused.reason}", err=True)
    click.echo(f"{path}: {len(ledger.results)} valid, {len(all_refused)} refused")
    if all_refused:
        sys.exit(2)


@click.command(context_settings=CONTEXT)
@results_option
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
@click.option(
    "--of",
    type=click.Choice(["models", "load", "lengths", "scores"]),
    default="models",
    show_default=True,
    help="What a row is of: a model, a level of load on it, a cell of its matrix of lengths, a score of a facet.",
)
def export(results_dir: Path, form: str, output: Path | None, machine: str | None, of: str) -> None:
    """Export the results, one row for each model of each run, or a report on the newest run.

    \b
    bench export --format csv -o results.csv
    bench export --format md --machine kiosk-n100
    bench export --of load -o load.csv
    bench export --of scores --format md
    bench export --format report -o benchmark_report.md
    """
    from bench.report import export as exports
    from bench.store.files import load_tree

    if form == "report" and of != "models":
        raise UsageError(f"--of {of}: a report has no rows; choose --format csv, md or json")
    ledger = load_tree(results_dir)
    for refused in ledger.refused:
        click.echo(f"bench: left out {results_dir / refused.path}: {refused.reason}", err=True)
    results = [result for result in ledger.results if machine in (None, result.machine.name)]
    if not results:
        names = ", ".join(sorted({result.machine.name for result in ledger.results}))
        has = f"; it has results of {names}" if names else "; make the first run with: bench run"
        there = f" of machine {machine!r}" if machine else ""
        raise EmptyLedger(f"{results_dir}: there is no result{there}{has}")
    if form == "report":
        text = exports.benchmark_report(results[-1])
    elif of == "scores":
        text = _scores(results, results_dir, form)
    else:
        rendered = {"csv": exports.to_csv, "md": exports.to_markdown, "json": exports.to_json}[form]
        text = rendered(results, cast("exports.Of", of))
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise UsageError(f"{output}: cannot be written: {error.strerror}") from error
    click.echo(f"Wrote {output}")


@click.command(context_settings=CONTEXT)
@click.option(
    "--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="File to write, else the terminal."
)
def schema(output: Path | None) -> None:
    """Print the JSON Schema of the result file.

    \b
    bench schema -o docs/result-schema.json
    """
    from bench.schema.result import schema_text

    if output is None:
        click.echo(schema_text(), nl=False)
    else:
        output.write_text(schema_text(), encoding="utf-8")
        click.echo(f"Wrote {output}")


def _scores(results: "list[Result]", results_dir: Path, form: str) -> str:
    from bench.report.export import (
        SCORE_COLUMNS,
        SCORE_MARKDOWN,
        SCORE_WORDS,
        csv_text,
        json_text,
        markdown_text,
        score_rows,
    )
    from bench.store.reviews import reviews_of

    reviewed = [(result, reviews_of(results_dir, result.run.id)) for result in results]
    for refused in (one for _, reviews in reviewed for one in reviews.refused):
        click.echo(f"bench: left out {results_dir / refused.path}: {refused.reason}", err=True)
    rows = score_rows(reviewed)
    if form == "csv":
        return csv_text(SCORE_COLUMNS, rows)
    return json_text(rows) if form == "json" else markdown_text(SCORE_MARKDOWN, SCORE_WORDS, rows)
