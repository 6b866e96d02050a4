"""The command `python -m tools.reference_models.build`: trains, exports and checks reference models."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import click

from tools.reference_models.cards import name_model, write_cards
from tools.reference_models.export import ExportError, check, export
from tools.reference_models.recipes import RECIPES, Recipe
from tools.reference_models.train import Progress, train

INSTALL = "pip install --requirement tools/reference_models/requirements.txt --constraint constraints.txt"


def train_once(recipe: Recipe, directory: Path) -> None:
    """Train into `directory`, unless a finished network is there."""
    if (directory / "model.safetensors").is_file():
        click.echo(f"{recipe.size}: using the trained network in {directory}")
        return
    started_s = time.perf_counter()

    def report(progress: Progress) -> None:
        took_s = time.perf_counter() - started_s
        left_s = took_s / progress.step * (progress.steps - progress.step)
        click.echo(
            f"\r{recipe.size}: step {progress.step}/{progress.steps}, loss {progress.loss:.3f}, "
            f"{took_s:.0f} s, about {left_s:.0f} s left   ",
            nl=progress.step == progress.steps,
        )

    train(recipe, directory, report)


def count_parameters(trained: Path) -> int:
    """Count the weights in a trained network; shared ones count once."""
    from transformers import Qwen2ForCausalLM

    return sum(weight.numel() for weight in Qwen2ForCausalLM.from_pretrained(trained).parameters())


def build(recipe: Recipe, trained: Path, out: Path) -> None:
    """Make every shipped precision of one size. Raises ExportError if a check fails."""
    train_once(recipe, trained)
    for precision in recipe.precisions:
        directory = out / name_model(recipe, precision)
        export(trained, precision, directory)
        result = check(trained, directory, precision)
        write_cards(recipe, precision, count_parameters(trained), directory)
        click.echo(
            f"{directory}: {result.exact} of {result.examples} unseen questions answered exactly, "
            f"{result.same_as_trained} as before the export"
        )


@click.command(
    epilog="Example: python -m tools.reference_models.build --size xs --out models. That takes about a minute; "
    f"l takes half an hour. It runs in a checkout, after: {INSTALL}"
)
@click.option("--size", required=True, type=click.Choice([*RECIPES]), help="Which model to make.")
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Where to make one directory a model, as in DIR/ledger-xs-fp32.",
)
@click.option(
    "--trained",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Keep the trained network in DIR/SIZE; one that is there already is not trained again.",
)
def main(size: str, out: Path, trained: Path | None) -> None:
    """Train a reference model on one core, export it in its precisions and check it."""
    recipe = RECIPES[size]
    try:
        with tempfile.TemporaryDirectory() as scratch:
            build(recipe, (trained or Path(scratch)) / size, out)
    except ImportError as error:
        raise click.ClickException(f"{error.name} is missing; {INSTALL}") from error
    except ExportError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main(prog_name="python -m tools.reference_models.build")
