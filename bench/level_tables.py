"""Levels of load and the matrix of lengths in a terminal, below a run's own table."""

from collections.abc import Iterator

from rich import box
from rich.table import Table
from rich.text import Text

from bench.analysis.lengths import CellSummary, length_matrix
from bench.analysis.level_metrics import level_value
from bench.analysis.load import LevelSummary, level_summaries
from bench.analysis.saturation import Knee, knee
from bench.results.schema import Result
from bench.site.format import number, quantity, scale

LEVEL_COLUMNS = (
    ("throughput_tokens_per_s", "throughput", "tokens/s"),
    ("ttft_s.p50", "TTFT p50", "s"),
    ("ttft_s.p95", "TTFT p95", "s"),
    ("e2e_s.p95", "lat. p95", "s"),
    ("scheduled_e2e_s.p95", "from schedule", "s"),
    ("goodput_share", "goodput", "share"),
)
"""Metrics of a level, in order, with their headers and base units."""


def level_tables(result: Result) -> Iterator[Table]:
    """Yield a table of the levels of all models, and one of the lengths of all, where there are any."""
    levels = [one for model in result.models for one in level_summaries(result, model)]
    if levels:
        yield _levels(result, levels)
    cells = [
        (model.name, matrix.cells[prompt, output])
        for model in result.models
        if (matrix := length_matrix(model)) is not None
        for prompt in matrix.prompt_tokens
        for output in matrix.output_tokens
        if (prompt, output) in matrix.cells
    ]
    if cells:
        yield _lengths(cells)


def _levels(result: Result, levels: list[LevelSummary]) -> Table:
    table = _table("Under load")
    table.add_column("level")
    values = {name: [level_value(one, name) for one in levels] for name, _, _ in LEVEL_COLUMNS}
    # A column of a schedule has nothing to say of closed loops.
    shown = [column for column in LEVEL_COLUMNS if any(value is not None for value in values[column[0]])]
    units = {name: scale(unit, values[name]) for name, _, unit in shown}
    for name, label, _ in shown:
        table.add_column(f"{label}\n{units[name].unit}", justify="right", no_wrap=True)
    table.add_column("good\nof all", justify="right", no_wrap=True)
    knees = {model.name: knee(level_summaries(result, model)) for model in result.models}
    for place, one in enumerate(levels):
        found = knees[one.model.name]
        mark = " (knee)" if isinstance(found, Knee) and found.level.key == one.key else ""
        cells = [quantity(values[name][place], units[name]) for name, _, _ in shown]
        table.add_row(Text(one.model.name), f"{one.key.words}{mark}", *cells, f"{one.good}/{one.measured}")
    return table


def _lengths(cells: list[tuple[str, CellSummary]]) -> Table:
    table = _table("By length, in tokens")
    for label in ("asked", "read", "written", "prefill\ntokens/s", "decode\ntokens/s"):
        table.add_column(label, justify="right", no_wrap=True)
    table.add_column("")
    for name, cell in cells:
        read, written, prefill, decode = (
            "–" if spread is None else number(spread.median)
            for spread in (cell.read, cell.written, cell.prefill, cell.decode)
        )
        why = f"skipped: {cell.skipped}" if cell.skipped is not None else ""
        table.add_row(
            Text(name), f"{cell.prompt_tokens:,} × {cell.output_tokens:,}", read, written, prefill, decode, why
        )
    return table


def _table(title: str) -> Table:
    table = Table(title=Text(title), title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("model", overflow="fold")
    return table
