"""What several commands share: how they look, and where the results are."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

CONTEXT: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 120}
SEED: Final = click.IntRange(0, 2**53 - 1)
"""A seed as files keep it (bench.schema.fields.Seed), without the time that it takes to import the types of files."""

Command = TypeVar("Command", bound=Callable[..., Any])


def results_option(command: Command) -> Command:
    """Give a command the option --results."""
    return click.option(
        "--results",
        "results_dir",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path("results"),
        show_default=True,
        help="Folder of the result files.",
    )(command)
