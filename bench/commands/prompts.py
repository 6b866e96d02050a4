"""Commands on prompt sets: prompts import."""

from pathlib import Path

import click

from bench.commands.options import CONTEXT
from bench.errors import Mistake, UsageError


@click.group(context_settings=CONTEXT)
def prompts() -> None:
    """Work on prompt sets.

    \b
    bench prompts import prompts.json -o prompts.yaml
    """


@prompts.command("import", context_settings=CONTEXT)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="File to write, else the terminal."
)
def import_(file: Path, output: Path | None) -> None:
    """Turn FILE into a prompt set: a JSON list, JSON Lines, CSV with a column 'prompt', or a promptfoo file.

    What is not understood is left out, listed on standard error with its place, and noted in the set.

    \b
    bench prompts import prompts.json -o prompts.yaml
    bench prompts import promptfooconfig.yaml -o support.yaml
    """
    from bench.quality.prompts.prompt_set import import_prompt_set

    imported = import_prompt_set(file)
    for mistake in imported.left_out:
        click.echo(f"bench: not understood: {_told(file, mistake)}", err=True)
    for mistake in imported.set_aside:
        click.echo(f"bench: set aside: {_told(file, mistake)}", err=True)
    if output is None:
        click.echo(imported.text, nl=False)
        return
    found = imported.prompt_set.prompts
    size = f"{_counted(len(found), 'prompt')}, {_counted(sum(len(prompt.facets) for prompt in found), 'facet')}"
    try:
        with output.open("x", encoding="utf-8", newline="") as written:
            written.write(imported.text)
    except FileExistsError as error:
        raise UsageError(f"{output}: is there already, and may have been edited; name another file") from error
    except OSError as error:
        raise UsageError(f"{output}: cannot be written: {error.strerror}") from error
    click.echo(f"Wrote {output} ({size})")


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _told(file: Path, mistake: Mistake) -> str:
    place = str(file) if mistake.line is None else f"{file}:{mistake.line}"
    return f"{place}: {mistake.key}: {mistake.message}" if mistake.key else f"{place}: {mistake.message}"
