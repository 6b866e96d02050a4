"""How the memory of a run grows with its samples: real runs of several sizes, their processes read from outside.

    python -m tests.benchmarks.memory
    python -m tests.benchmarks.memory --samples 1000 --samples 10000 --distinct

The model answers at once, with the same text each time it gets the same prompt, or never with the same if `--distinct`.
The runner's memory may grow by its samples and by nothing else: so beside the growth stands what the same samples take
in a process that holds nothing but them.
"""

import json
import pickle
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import click
import psutil
from rich.progress import Progress

from bench.runner.measure import MeasuredSample
from bench.schema.result import Result
from tests.interrupting import journal_of, only, start

PROMPTS = 20
PIECES = 20
PIECE = "fifty characters of an answer that says very little"
"""An answer has a thousand characters in twenty pieces, about what the default config gets."""

WEIGHED = 2000
"""How many samples are weighed."""

SHARES = (0.1, 0.25, 0.5, 0.75)
"""Where in a run its memory is told, as shares of its samples."""

LOOK_S = 0.05

CONFIG = """
prompts: prompts.yaml
rounds: {rounds}
warmup: 0
machine: kiosk
models:
  - {{provider: custom, name: instant, class: "tests.benchmarks.memory:{model}"}}
"""


class Instant:
    """Answers each prompt at once, always with the same text."""

    def load(self, weights_path: str | None) -> None:
        """Nothing to load."""

    def generate(self, prompt: str, **params: object) -> Iterator[str]:
        """Yield the pieces."""
        for number in range(PIECES):
            yield f"{PIECE} {prompt} {number} "


class Distinct(Instant):
    """Never gives the same text twice."""

    calls = 0

    def generate(self, prompt: str, **params: object) -> Iterator[str]:
        """Yield the pieces, the number of the call first."""
        self.calls += 1
        yield f"{self.calls} "
        yield from super().generate(prompt)


@dataclass(frozen=True)
class Reading:
    """Resident memory of the runner and of the process that held the model when there were so many samples."""

    samples: int
    runner_bytes: int
    child_bytes: int


@dataclass(frozen=True)
class Weighed:
    """What one sample takes as the runner gets it from the other process, its share of a text included; what a text
    takes, which samples share that have the same; and what a sample takes in the result file."""

    received_bytes: float
    text_bytes: float
    file_bytes: float


@dataclass(frozen=True)
class Grown:
    """One run: its readings at SHARES and before its model ended, the most its runner took, and how long it took."""

    readings: tuple[Reading, ...]
    peak_bytes: int
    wall_s: float
    weighed: Weighed

    @property
    def runner_bytes_per_sample(self) -> float:
        """How much the runner grew from the first reading to the last."""
        first, last = self.readings[0], self.readings[-1]
        return (last.runner_bytes - first.runner_bytes) / (last.samples - first.samples)

    @property
    def child_bytes_per_sample(self) -> float:
        """The same, of the process that held the model."""
        first, last = self.readings[0], self.readings[-1]
        return (last.child_bytes - first.child_bytes) / (last.samples - first.samples)


class Count:
    """Counts the samples of a journal while it is written."""

    def __init__(self, project: Path) -> None:
        self.samples = 0
        self._project = project
        self._read_bytes = 0

    def look(self) -> None:
        """Count those that came since the last look."""
        journal = journal_of(self._project)
        if journal is None:
            return
        with suppress(FileNotFoundError), open(journal, "rb") as file:
            file.seek(self._read_bytes)
            came = file.read()
            # The last line can be half there.
            whole = came[: came.rfind(b"\n") + 1]
            self._read_bytes += len(whole)
            self.samples += whole.count(b'{"sample": ')


def grown(samples: int, model: type[Instant], progress: Progress) -> Grown:
    """Run so many samples and return what they took."""
    task = progress.add_task(f"{samples:,} samples", total=samples)
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        project = write_project(Path(folder), samples, model)
        process = start(project, "--quiet")
        runner = psutil.Process(process.pid)
        count = Count(project)
        readings: list[Reading] = []
        peak_bytes = 0
        while process.poll() is None:
            count.look()
            with suppress(psutil.NoSuchProcess):
                reading = Reading(count.samples, runner.memory_info().rss, _child_bytes(runner))
                peak_bytes = max(peak_bytes, reading.runner_bytes)
                if reading.child_bytes and reading.samples:
                    readings.append(reading)
            progress.update(task, completed=count.samples)
            time.sleep(LOOK_S)
        _, errors = process.communicate()
        assert process.returncode == 0, errors
        result = only(project)
    assert [len(model.samples) for model in result.models] == [samples]
    chosen = [next(each for each in readings if each.samples >= share * samples) for share in SHARES]
    return Grown((*chosen, readings[-1]), peak_bytes, time.monotonic() - began_s, weighed(result))


def write_project(folder: Path, samples: int, model: type[Instant]) -> Path:
    """Write a config of so many samples, and return its folder."""
    (folder / "own.yaml").write_text(CONFIG.format(rounds=samples // PROMPTS, model=model.__name__))
    prompts = [{"id": f"p{number}", "title": "P", "text": f"prompt {number}"} for number in range(PROMPTS)]
    (folder / "prompts.yaml").write_text(json.dumps({"id": "own", "prompts": prompts}))
    return folder


def weighed(result: Result) -> Weighed:
    """Weigh samples of a result: sent from one process to another as they were, and nothing else held."""
    samples = result.models[0].samples[:WEIGHED]
    sent = [pickle.dumps(MeasuredSample(sample, result.outputs[sample.output or ""])) for sample in samples]
    tracemalloc.start()
    received = [pickle.loads(each) for each in sent]
    held_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return Weighed(
        received_bytes=held_bytes / len(received),
        text_bytes=sum(sys.getsizeof(each.text) for each in received) / len(received),
        file_bytes=sum(len(sample.model_dump_json()) for sample in samples) / len(samples),
    )


def _child_bytes(runner: psutil.Process) -> int:
    """Return the resident memory of the process that holds the model, 0 where it has ended."""
    for child in runner.children():
        with suppress(psutil.NoSuchProcess):
            # Python starts a process of its own beside it.
            if "spawn_main" in " ".join(child.cmdline()):
                return int(child.memory_info().rss)
    return 0


@click.command()
@click.option("--samples", type=click.IntRange(1000), multiple=True, default=(1000, 10_000, 100_000), show_default=True)
@click.option("--distinct", is_flag=True, help="No text comes twice.")
def main(samples: tuple[int, ...], distinct: bool) -> None:
    """Run so many samples and print what the processes of the run took."""
    found = {}
    with Progress() as progress:
        for number in samples:
            found[number] = grown(number, Distinct if distinct else Instant, progress)
    shares = [f"at {share:.0%}" for share in SHARES] + ["at the end"]
    click.echo(f"| samples | process, MB | {' | '.join(shares)} | most, while saving | bytes a sample | minutes |")
    click.echo(f"| {' | '.join(['---'] * (len(shares) + 5))} |")
    for number, each in found.items():
        runner = [f"{reading.runner_bytes / 1e6:.1f}" for reading in each.readings]
        child = [f"{reading.child_bytes / 1e6:.1f}" for reading in each.readings]
        most, minutes = f"{each.peak_bytes / 1e6:.1f}", f"{each.wall_s / 60:.1f}"
        for cells in (
            (f"{number:,}", "runner", *runner, most, f"{each.runner_bytes_per_sample:,.0f}", minutes),
            (f"{number:,}", "model", *child, "", f"{each.child_bytes_per_sample:,.0f}", ""),
        ):
            click.echo(f"| {' | '.join(cells)} |")
    sample = found[max(found)].weighed
    click.echo(
        f"\nA sample with its text, as the runner gets it: {sample.received_bytes:,.0f} bytes; a text, which samples "
        f"share: {sample.text_bytes:,.0f}; a sample in the result file: {sample.file_bytes:,.0f}."
    )


if __name__ == "__main__":
    main()
