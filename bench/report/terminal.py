"""What a run looks like in a terminal: a progress bar while it runs, tables at its end."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate, product
from pathlib import Path
from typing import TextIO

from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, Task, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column, Table
from rich.text import Text

from bench.analysis.cross_check import cross_checks
from bench.analysis.summary import ModelSummary, summarise
from bench.config.settings import Config
from bench.metrics.lengths import CellSummary, length_matrix
from bench.metrics.load import LevelSummary, level_summaries
from bench.metrics.registry import metric
from bench.metrics.saturation import Knee, knee
from bench.metrics.timing import NANOSECONDS_PER_SECOND
from bench.providers.openai.endpoint import Transport
from bench.report.format import count, duration, number, quantity, scale, whole, with_unit
from bench.runner.calibration.client_check import check, sustained
from bench.runner.messages import Underway
from bench.runner.plan import warmup_requests
from bench.runner.run import RunProgress as Standing
from bench.schema.fields import StampedBy
from bench.schema.model_run import INSTRUMENT
from bench.schema.prompts import PromptSetRecord
from bench.schema.result import Result
from bench.store.files import LARGE_FILE_BYTES

STREAMS = (1, 8, 64)
"""How many streams at once are tried."""

REQUESTS = 200
"""How many requests a check has at the least, over all streams."""

CHUNKS = 10
GAP_S = 0.005
"""The answers of a check: 64 streams at this pace do not ask too much of the server."""

LOAD_REQUESTS = 2000
LOAD_CHUNKS = 16
"""What is asked while the highest load is measured, over all streams."""


@dataclass(frozen=True)
class ClientErrorRow:
    """The client with so many streams at once. Errors are without their sign; load is of requests of LOAD_CHUNKS."""

    transport: Transport
    stamped_by: StampedBy
    streams: int
    requests: int
    ttft_error_p50_s: float
    ttft_error_p99_s: float
    gap_error_p50_s: float
    gap_error_p99_s: float
    requests_per_s: float
    requests_per_cpu_s: float


def rows(transport: Transport = "direct", streams: Sequence[int] = STREAMS) -> Iterator[ClientErrorRow]:
    """Yield a row for each number of streams and who stamps, as soon as it is measured: some ten seconds for the first.

    The process's follow the kernel's, which are left out where it gives none.
    """
    for at_once, by_kernel in product(streams, (True, False)):
        requests, most = (max(5, math.ceil(count / at_once)) for count in (REQUESTS, LOAD_REQUESTS))
        checked = check(transport, at_once, requests, CHUNKS, gap_s=GAP_S, kernel_stamps=by_kernel)
        if by_kernel and checked.stamped_by != "kernel":
            continue
        highest = sustained(transport, at_once, most, LOAD_CHUNKS, kernel_stamps=by_kernel)
        yield ClientErrorRow(
            transport=transport,
            stamped_by=checked.stamped_by,
            streams=at_once,
            requests=len(checked.ttft_error_ns),
            ttft_error_p50_s=quantile_s(checked.ttft_error_ns, 0.5),
            ttft_error_p99_s=quantile_s(checked.ttft_error_ns, 0.99),
            gap_error_p50_s=quantile_s(checked.gap_error_ns, 0.5),
            gap_error_p99_s=quantile_s(checked.gap_error_ns, 0.99),
            requests_per_s=highest.requests_per_s,
            requests_per_cpu_s=highest.requests_per_cpu_s,
        )


def quantile_s(errors_ns: Sequence[int], share: float) -> float:
    """Return the smallest size that `share` of the errors do not exceed, in seconds."""
    sizes = sorted(abs(error) for error in errors_ns)
    return sizes[max(0, math.ceil(share * len(sizes)) - 1)] / NANOSECONDS_PER_SECOND


LEVEL_COLUMNS = {
    "throughput_tokens_per_s": "throughput",
    "ttft_s.p50": "TTFT p50",
    "ttft_s.p95": "TTFT p95",
    "e2e_s.p95": "lat. p95",
    "scheduled_e2e_s.p95": "from schedule",
    "goodput_share": "goodput",
}
"""Metrics of a level, in order, with their headers."""


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
    values = {name: [one.value(name) for one in levels] for name in LEVEL_COLUMNS}
    # A column of a schedule has nothing to say of closed loops.
    shown = [name for name in LEVEL_COLUMNS if any(value is not None for value in values[name])]
    units = {name: scale(metric(name.partition(".")[0]).unit, values[name]) for name in shown}
    for name in shown:
        table.add_column(f"{LEVEL_COLUMNS[name]}\n{units[name].unit}", justify="right", no_wrap=True)
    table.add_column("good\nof all", justify="right", no_wrap=True)
    knees = {model.name: knee(level_summaries(result, model)) for model in result.models}
    for place, one in enumerate(levels):
        found = knees[one.model.name]
        mark = " (knee)" if isinstance(found, Knee) and found.level.key == one.key else ""
        cells = [quantity(values[name][place], units[name]) for name in shown]
        table.add_row(Text(one.model.name), f"{one.key.words}{mark}", *cells, f"{one.good}/{one.measured}")
    return table


def _lengths(cells: list[tuple[str, CellSummary]]) -> Table:
    table = _table("By length, in tokens")
    for label in ("asked", "read", "written", "prefill\ntokens/s", "decode\ntokens/s"):
        table.add_column(label, justify="right", no_wrap=True)
    table.add_column("")
    for name, cell in cells:
        read, written = (None if spread is None else spread.p50 for spread in (cell.read, cell.written))
        speeds = (cell.value("prefill_tokens_per_s"), cell.value("decode_tokens_per_s"))
        texts = ["–" if value is None else number(value) for value in (read, written, *speeds)]
        why = f"skipped: {cell.skipped}" if cell.skipped is not None else ""
        table.add_row(Text(name), f"{cell.prompt_tokens:,} × {cell.output_tokens:,}", *texts, why)
    return table


def _table(title: str) -> Table:
    table = Table(title=Text(title), title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("model", overflow="fold")
    return table


PLAIN_EVERY_S = 5.0
"""How often a line is printed where the output is no terminal."""

ENDS = ("done", "failed", "skipped")
"""Stages after which nothing more comes of a model."""

WIDE = 110
"""Characters in a line from which the table has all of its columns."""

COLUMNS = (
    ("score", "quality", True),
    ("decode_tokens_per_s", "decode", True),
    ("ttft_s.p50", "TTFT p50", True),
    ("e2e_s.p50", "latency", False),
    ("e2e_s.p95", "lat. p95", True),
    ("cold_load_s", "load", False),
    ("memory_peak_bytes", "memory", True),
    ("footprint_bytes", "disk", True),
)
"""Metrics of the summary table, in order, with their headers, and whether a narrow terminal shows them too."""


class RunDisplay:
    """The terminal of one run: progress goes to `progress`, the summary to `output`."""

    def __init__(self, progress: TextIO, output: TextIO, quiet: bool = False) -> None:
        self._progress = _console(progress, quiet)
        self._output = _console(output, quiet)

    @contextmanager
    def running(self, config: Config, prompt_set: PromptSetRecord) -> Iterator[Callable[[Standing], None]]:
        """Show progress while the block runs: a bar in a terminal, a line now and then elsewhere."""
        prompts = len(prompt_set.prompts)
        of_each = [warmup_requests(config, model, prompts) + config.rounds * prompts for model in config.models]
        names = [model.name for model in config.models]
        # How many requests are over when a model begins, and when it ends.
        before = dict(zip(names, accumulate(of_each, initial=0), strict=False))
        after = dict(zip(names, accumulate(of_each), strict=True))
        total = sum(of_each)
        parts = (
            count(len(names), "model"),
            count(prompts, "prompt"),
            count(config.rounds, "round"),
            count(config.warmup, "warm-up request"),
            *_beyond(config),
        )
        self._progress.print(Text(", ".join(parts)))
        if self._progress.is_terminal:
            with self._bar() as bar:
                task = bar.add_task("starting", total=total, unit="")
                # A level goes by seconds, a matrix by requests of another kind: each has a bar, and a time left, of
                # its own.
                part = bar.add_task("", total=None, visible=False, unit="")
                shown = ""

                def update(standing: Standing) -> None:
                    nonlocal shown
                    done = before[standing.model] + standing.done
                    if standing.stage in ENDS:
                        done = after[standing.model]
                    bar.update(task, completed=done, description=_doing(standing, config))
                    under_way = standing.under_way if standing.stage not in ENDS else None
                    if under_way is None:
                        bar.update(part, visible=False)
                        return
                    if shown != (shown := _part(standing.model, under_way)):
                        bar.reset(part, total=under_way.total, unit=f" {under_way.unit}")
                    bar.update(part, completed=under_way.done, description=_pace(under_way), visible=True)

                yield update
            return
        last_s = 0.0
        began: tuple[float, int] | None = None

        def line(standing: Standing) -> None:
            nonlocal last_s, began
            now_s = time.monotonic()
            done = before[standing.model] + standing.done
            if began is None and standing.stage == "answering":
                # What an interrupted run had done before says nothing of the pace.
                began = now_s, done
            if standing.stage in ENDS or now_s - last_s >= PLAIN_EVERY_S:
                last_s = now_s
                parts = [_doing(standing, config), _done(standing)]
                if began is not None and standing.stage == "answering" and done > began[1]:
                    left_s = (now_s - began[0]) / (done - began[1]) * (total - done)
                    parts.append(f"about {duration(left_s)} left")
                self._progress.print(Text(", ".join(parts)))

        yield line

    def summary(self, result: Result) -> None:
        """Print a row for each model, and below it what failed."""
        summaries = summarise(result).models
        table = Table(title=Text(result.run.id), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
        table.add_column("model", overflow="fold")
        columns = [column for column in COLUMNS if column[2] or self._output.width >= WIDE]
        scales = {}
        for metric_id, label, _ in columns:
            unit = scale(metric(metric_id.partition(".")[0]).unit, [one.value(metric_id) for one in summaries])
            scales[metric_id] = unit
            table.add_column(f"{label}\n{unit.unit}", justify="right", no_wrap=True)
        table.add_column("good\nof all", justify="right", no_wrap=True)
        for one in summaries:
            cells = [quantity(one.value(metric_id), unit) for metric_id, unit in scales.items()]
            asked = one.good_samples + one.failed_samples
            table.add_row(Text(one.model.name), *cells, f"{one.good_samples}/{asked}")
        self._output.print(table)
        self._instruments(result)
        for one in summaries:
            for line in _doubts(one):
                self._output.print(Text(line, style="yellow"))
        for more in level_tables(result):
            self._output.print(more)
        for one in summaries:
            for line in _failures(one):
                self._output.print(Text(line, style="red"))

    def _instruments(self, result: Result) -> None:
        marked = [model.name for model in result.models if model.instrument]
        if len(marked) == len(result.models) > 1:
            self._output.print(Text(f"All of these are marked: {INSTRUMENT}.", style="yellow"))
        elif marked:
            self._output.print(Text(f"{', '.join(marked)}: {INSTRUMENT}.", style="yellow"))

    def _bar(self) -> Progress:
        return Progress(
            _Cut("{task.description}", markup=False, table_column=Column()),
            BarColumn(bar_width=16),
            TextColumn("{task.completed:.0f}/{task.total:.0f}{task.fields[unit]}", markup=False),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._progress,
        )


class _Cut(TextColumn):
    """A text that gives way where the line is too narrow: how much is done, and the time left, stay."""

    def render(self, task: Task) -> Text:
        text = super().render(task)
        text.no_wrap, text.overflow = True, "ellipsis"
        return text


def _doing(standing: Standing, config: Config) -> str:
    names = [model.name for model in config.models]
    which = f" ({names.index(standing.model) + 1} of {len(names)})" if len(names) > 1 else ""
    warm_up = " for warm-up" if standing.round == 0 else ""
    turn = f", round {standing.round} of {config.rounds}" if standing.round else warm_up
    speed = f", {number(standing.tokens_per_s)} tokens/s" if standing.tokens_per_s is not None else ""
    return f"{standing.model}{which}: {standing.stage}{turn}{speed}"


def _beyond(config: Config) -> list[str]:
    """Return in words what comes after the prompts; how many levels a sweep has is not known before."""
    found = []
    if config.lengths is not None:
        cells = len(config.lengths.prompt_tokens) * len(config.lengths.output_tokens)
        found.append(f"{count(cells, 'cell')} of lengths")
    if config.load is not None:
        levels = len(config.load.streams) + len(config.load.rates_per_s)
        parts = [f"{count(levels, 'level')} of load"] if levels else []
        found.append(" and ".join([*parts, *(["a sweep"] if config.load.sweep is not None else [])]))
    return found


def _part(model: str, under_way: Underway) -> str:
    """Return what a bar is of: a level, or the whole matrix of lengths."""
    return f"{model} {under_way.doing if under_way.unit == 's' else 'lengths'}"


def _pace(under_way: Underway) -> str:
    if under_way.unit == "s" and under_way.done >= under_way.total:
        return f"{under_way.doing}, waiting for the last answers"
    if under_way.answers_per_s is None:
        return under_way.doing
    return f"{under_way.doing}, {number(under_way.answers_per_s)} answers/s"


def _done(standing: Standing) -> str:
    under_way = standing.under_way
    if under_way is None or standing.stage in ENDS:
        return f"{standing.done}/{standing.total}"
    if under_way.unit != "s":
        return f"{whole(under_way.done)}/{whole(under_way.total)}"
    pace = "" if under_way.answers_per_s is None else f", {number(under_way.answers_per_s)}/s"
    return f"{count(under_way.answers, 'good answer')}{pace}, {whole(under_way.done)} of {whole(under_way.total)} s"


def _doubts(summary: ModelSummary) -> list[str]:
    """Return what must be known of a model's TTFT, and where its server's own timings are apart from ours."""
    name, doubt = summary.model.name, summary.prompt_cache.doubt
    lines = []
    if doubt is not None:
        both = (("read", summary.value("cold_ttft_s")), ("kept", summary.value("warm_ttft_s")))
        known = ", ".join(f"{words} {with_unit(value, 's')}" for words, value in both if value is not None)
        lines.append(f"{name}: {doubt}; TTFT p50 {known}" if known else f"{name}: {doubt}")
    for one in cross_checks(summary.model):
        if one.differs:
            part = "reading the prompt" if one.part == "prompt" else "writing the answer"
            ours, theirs = with_unit(one.ours_s, "s"), with_unit(one.theirs_s, "s")
            lines.append(f"{name}: {part} took {theirs} as the server says, {ours} as we saw it")
    return lines


def _failures(summary: ModelSummary) -> list[str]:
    failure = summary.model.failure
    if summary.model.skipped is not None:
        return [f"{summary.model.name} skipped: {summary.model.skipped}"]
    lines = [f"{summary.model.name} failed ({failure.kind}): {failure.message}"] if failure is not None else []
    if summary.failed_samples and failure is None:
        first = next(sample.failure for sample in summary.model.samples if sample.failure is not None)
        lines.append(
            f"{summary.model.name}: {summary.failed_samples} failed samples, the first ({first.kind}): {first.message}"
        )
    return lines


CALIBRATION_COLUMNS = (
    ("ttft_error_p50_s", "TTFT\np50"),
    ("ttft_error_p99_s", "TTFT\np99"),
    ("gap_error_p50_s", "gap\np50"),
    ("gap_error_p99_s", "gap\np99"),
)


def show_calibration(rows: Iterable[ClientErrorRow], quiet: bool) -> tuple[ClientErrorRow, ...]:
    """Show the client's error and highest load, and return the rows; a note says which one is being measured."""
    progress = Console(stderr=True, quiet=quiet)
    measured = []
    with progress.status("measuring the client ..."):
        for row in rows:
            progress.print(Text(f"{count(row.streams, 'stream')} measured, stamped by the {row.stamped_by}"))
            measured.append(row)
    unit = scale("s", [0.001])
    title = f"Error of this program's client on this machine, in {unit.unit}"
    table = Table(box=box.SIMPLE_HEAD, title=Text(title), title_justify="left")
    table.add_column("streams", justify="right", no_wrap=True)
    table.add_column("stamped\nby", no_wrap=True)
    for _, label in CALIBRATION_COLUMNS:
        table.add_column(label, justify="right", no_wrap=True)
    table.add_column("requests\nper s", justify="right", no_wrap=True)
    table.add_column("per s\nof CPU", justify="right", no_wrap=True)
    for row in measured:
        errors = [quantity(getattr(row, name), unit) for name, _ in CALIBRATION_COLUMNS]
        table.add_row(
            str(row.streams), row.stamped_by, *errors, number(row.requests_per_s), number(row.requests_per_cpu_s)
        )
    Console(quiet=quiet).print(table)
    return tuple(measured)


def large_file_warning(path: Path) -> str | None:
    """Return a sentence about a result file that is too large for git, or None."""
    if path.stat().st_size <= LARGE_FILE_BYTES:
        return None
    return f"{path} is above {LARGE_FILE_BYTES // 1_000_000} MB: git is the wrong place for it"


def _console(file: TextIO, quiet: bool) -> Console:
    # Where there is no terminal, in a log say, nothing is gained by folding lines.
    return Console(file=file, quiet=quiet) if file.isatty() else Console(file=file, width=140, quiet=quiet)
