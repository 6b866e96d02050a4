"""Levels of load and lengths in a terminal."""

import io

from rich.console import Console

from bench.report.terminal import level_tables
from bench.schema.result import Result
from tests.builders import result
from tests.site_project import fixture_ledger


def shown(run: Result) -> str:
    text = io.StringIO()
    console = Console(file=text, width=140)
    for table in level_tables(run):
        console.print(table)
    return text.getvalue()


def test_a_run_without_levels_has_no_table() -> None:
    assert shown(result()) == ""


def test_each_level_and_cell_has_a_row() -> None:
    run = next(one for one in fixture_ledger().results if any(model.load for model in one.models))

    text = shown(run)

    lines = text.splitlines()
    levels = sum(len(model.load) for model in run.models)
    cells = sum(len(model.lengths) for model in run.models)
    assert sum("closed loop" in line or "poisson" in line or "constant" in line for line in lines) == levels
    assert sum(" × " in line for line in lines) == cells
    assert text.count("(knee)") == 2
    assert "skipped: " in text
