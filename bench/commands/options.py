"""What several commands share: how they look, where the results are, and quantities as people type them."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

CONTEXT: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 120}
SEED: Final = click.IntRange(0, 2**53 - 1)
"""A seed as files keep it (bench.schema.fields.Seed), without the time that it takes to import the types of files."""

BYTES: Final = {
    "B": 1.0,
    "kB": 1e3,
    "KB": 1e3,
    "MB": 1e6,
    "GB": 1e9,
    "TB": 1e12,
    "KiB": 2.0**10,
    "MiB": 2.0**20,
    "GiB": 2.0**30,
    "TiB": 2.0**40,
}
SECONDS: Final = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0}
PLAIN: Final = {"": 1.0}

_QUANTITY = re.compile(r"^\s*([0-9]+(?:\.[0-9]+)?|\.[0-9]+)\s*([A-Za-zµ]*)\s*$")


class Quantity(click.ParamType[float]):
    """A number with one of these units, as a float in the base unit."""

    def __init__(self, name: str, units: dict[str, float], example: str) -> None:
        self.name = name
        self._units = units
        self._example = example

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the quantity in its base unit; a mistake says which units there are."""
        if isinstance(value, float):
            return value
        match = _QUANTITY.match(value)
        if match is None or match[2] not in self._units:
            units = ", ".join(unit for unit in self._units if unit)
            wanted = f"a number with one of the units {units}" if units else "a number"
            self.fail(f"must be {wanted}, such as {self._example}; found {value!r}", param, ctx)
        return float(match[1]) * self._units[match[2]]


MEMORY: Final = Quantity("size", BYTES, "2GiB")
DURATION: Final = Quantity("time", SECONDS, "250ms")
NUMBER: Final = Quantity("number", PLAIN, "3.5")

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
