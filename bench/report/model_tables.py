"""Models of a catalogue or a cache for the terminal: a row for each, all of one, and how far a download is."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from bench.models.build import BuildStep
from bench.models.download import DownloadProgress
from bench.models.variant import Variant
from bench.providers.model_directory import read_card
from bench.report.format import NO_VALUE, day, duration, parameters, quantity, scale, whole, with_unit
from bench.report.text import visible

if TYPE_CHECKING:
    # It needs the runner, and a list of models does not.
    from bench.models.verify import Finding, Mark, VerifiedModel

PLAIN_EVERY_S = 5.0
"""How often a line is printed where the output is no terminal."""

SILENCE_S = 5.0
"""From how many seconds on is said that nothing comes."""


def variant_table(variants: Sequence[Variant], title: str) -> Table:
    """Return a table with a row for each variant; the size is in one unit for all."""
    unit = scale("bytes", [one.size_bytes for one in variants])
    table = Table(title=Text(title), title_justify="left", box=box.SIMPLE_HEAD)
    for label in ("alias", "variant"):
        table.add_column(label, overflow="fold")
    table.add_column("device", no_wrap=True)
    table.add_column(f"size\n{unit.unit}", justify="right", no_wrap=True)
    for label in ("licence", "task"):
        table.add_column(label, overflow="fold")
    table.add_column("context\ntokens", justify="right", no_wrap=True)
    table.add_column("cached", no_wrap=True)
    for one in variants:
        table.add_row(
            _text(one.alias),
            _text(one.id),
            _text(one.device),
            quantity(one.size_bytes, unit),
            _text(one.licence),
            _text(one.task),
            NO_VALUE if one.context_length is None else whole(one.context_length),
            "yes" if one.directory is not None else "",
        )
    return table


def variant_facts(variant: Variant) -> Table:
    """Return all that is known of a variant, a line for each thing that is; what nobody says is left out."""
    card = read_card(variant.directory) if variant.directory is not None else None
    tools = {True: "yes", False: "no", None: None}[variant.tools]
    size = None if variant.size_bytes is None else with_unit(variant.size_bytes, "bytes")
    lengths = [
        None if tokens is None else whole(tokens) for tokens in (variant.context_length, variant.max_output_tokens)
    ]
    facts = {
        "variant": variant.id + (" (what the alias stands for)" if variant.chosen else ""),
        "name": variant.title,
        "publisher": variant.publisher,
        "device": variant.device,
        "execution provider": variant.execution_provider,
        "size": size,
        "parameters": parameters(card.parameters) if card is not None and card.parameters is not None else None,
        "precision": card.precision if card is not None else None,
        "licence": variant.licence,
        "licence text": variant.licence_text,
        "task": variant.task,
        "context": None if lengths[0] is None else f"{lengths[0]} tokens",
        "longest answer": None if lengths[1] is None else f"{lengths[1]} tokens",
        "calls tools": tools,
        "capabilities": ", ".join(variant.capabilities) or None,
        "input": variant.inputs,
        "output": variant.outputs,
        "published": None if variant.created_utc is None else day(variant.created_utc),
        "source": variant.uri,
        "in the cache": "no" if variant.directory is None else str(variant.directory),
    }
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for label, text in facts.items():
        if text is not None:
            table.add_row(label, _text(text))
    return table


@contextmanager
def downloading(variant: Variant, console: Console) -> Iterator[Callable[[DownloadProgress], None]]:
    """Show a download while the block runs: a bar in a terminal, a line now and then elsewhere."""
    if console.is_terminal:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TextColumn("{task.fields[pace]}", markup=False),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=console) as bar:
            task = bar.add_task(visible(variant.id), total=100, pace="starting")
            yield lambda progress: bar.update(task, completed=progress.percent, pace=_pace(progress))
        return
    last_s = 0.0

    def line(progress: DownloadProgress) -> None:
        nonlocal last_s
        now_s = time.monotonic()
        if progress.pause_s is not None or progress.percent >= 100 or now_s - last_s >= PLAIN_EVERY_S:
            last_s = now_s
            parts = [f"{visible(variant.id)}: {whole(progress.percent)} %", _pace(progress)]
            console.print(Text(", ".join(part for part in parts if part)), soft_wrap=True)

    yield line


@contextmanager
def building(console: Console) -> Iterator[Callable[[BuildStep], None]]:
    """Show the steps of a build while the block runs: a bar in a terminal, a line for each elsewhere."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(bar_width=24), TimeElapsedColumn())
    shown = ""
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)

        def show(step: BuildStep) -> None:
            nonlocal shown
            if shown != (shown := visible(f"{step.part}: {step.doing}")) and not console.is_terminal:
                console.print(Text(shown), soft_wrap=True)
            # Where no share is known the bar only tells that something goes on; update() cannot say so.
            bar.tasks[0].total = None if step.share is None else 1
            bar.update(task, description=shown, completed=step.share or 0)

        yield show


def _pace(progress: DownloadProgress) -> str:
    if progress.pause_s is not None:
        return f"{progress.problem}; retry {progress.retry} in {duration(progress.pause_s)}"
    parts = [f"nothing for {duration(progress.silent_s)}"] if progress.silent_s >= SILENCE_S else []
    if progress.rate_bytes_per_s is not None:
        parts.append(f"{with_unit(progress.rate_bytes_per_s, 'bytes')}/s")
    if progress.left_s is not None and progress.percent < 100:
        parts.append(f"about {duration(progress.left_s)} left")
    return ", ".join(parts)


def _text(text: str | None) -> Text:
    """Return what a catalogue says as plain text: it is not ours, and a terminal obeys some characters."""
    return Text(NO_VALUE if text is None else visible(text))


MARKS: "dict[Mark, str]" = {"ok": "✓", "note": "!", "fail": "✗", "untried": "–"}
COLOURS: "dict[Mark, str]" = {"ok": "green", "note": "yellow", "fail": "red", "untried": "dim"}


def verified_table(verified: "Sequence[VerifiedModel]") -> Table:
    """Return the checklist of each model: a mark, what was found, and what to do next."""
    table = Table(box=box.SIMPLE_HEAD)
    for label in ("model", "check"):
        table.add_column(label, overflow="fold")
    table.add_column("", no_wrap=True)
    for label in ("found", "next"):
        table.add_column(label, overflow="fold")
    for model in verified:
        for place, one in enumerate(model.findings):
            mark = Text(MARKS[one.mark], style=COLOURS[one.mark])
            name = "" if place else model.name
            table.add_row(Text(visible(name)), one.check, mark, Text(found_words(one)), Text(visible(one.next)))
        table.add_section()
    return table


def found_words(finding: "Finding") -> str:
    """Return what a finding says, with its amounts in the units that suit them."""
    if not finding.amounts:
        return visible(finding.found)
    return finding.found.format(**{name: with_unit(*amount) for name, amount in finding.amounts.items()})
