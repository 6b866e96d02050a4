"""Kill runs at random moments and see that no finished sample is ever lost: `python -m tests.benchmarks.kills`.

Each run is killed, with all of its processes, at a random moment of what one takes undisturbed, gone on with and
killed again, a few times; then it goes on to its end, its file is checked, and the next run begins, until there were
enough kills.
"""

import random
import tempfile
import time
from pathlib import Path

import click
from rich.progress import Progress

from bench.runner.journal import read_journal, trim
from bench.store.files import load_tree
from tests.interrupting import bench, journal_of, kill, only, start, whole, write_project

ROUNDS = 12

KILLS_A_RUN = 4
"""The most kills of one run, so that many runs are gone on with to their end."""


@click.command()
@click.option("--kills", default=200, show_default=True, help="How many times a run is killed.")
@click.option("--seed", default=42, show_default=True, help="Seed of the moments.")
def main(kills: int, seed: int) -> None:
    """Kill runs at random moments; exits with an assertion at the first sample that is lost."""
    moments = random.Random(seed)
    at_work: list[int] = []
    finished = answered = 0
    takes_s = _undisturbed_s()
    with Progress() as progress:
        bar = progress.add_task("kills", total=kills)
        while len(at_work) < kills:
            with tempfile.TemporaryDirectory() as folder:
                project = write_project(Path(folder), ROUNDS)
                at_work += _run_until_done(project, moments, takes_s, min(KILLS_A_RUN, kills - len(at_work)))
                result = only(project)
                whole(result, ROUNDS)
            progress.update(bar, completed=len(at_work))
            answered += sum(len(model.samples) for model in result.models)
            finished += 1
    begun = sum(1 for samples in at_work if samples)
    click.echo(
        f"{len(at_work)} kills, {begun} of them after the first sample of a run; {finished} runs gone on with to their "
        f"end, {answered} samples, none lost; every file validates"
    )


def _undisturbed_s() -> float:
    with tempfile.TemporaryDirectory() as folder:
        project = write_project(Path(folder), ROUNDS)
        begin_s = time.monotonic()
        done = bench(project)
        assert done.returncode == 0, done.stderr
        return time.monotonic() - begin_s


def _run_until_done(project: Path, moments: random.Random, takes_s: float, most: int) -> list[int]:
    """Return how many samples were on the disk at each kill."""
    kept_at: list[int] = []
    while True:
        process = start(project, *(["--resume"] if journal_of(project) else []))
        deadline = time.monotonic() + moments.uniform(0.0, takes_s)
        while len(kept_at) < most and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.001)
        if len(kept_at) == most or process.poll() is not None:
            _, errors = process.communicate()
            assert process.returncode == 0, errors
            return kept_at
        kill(process)
        kept = kept_at[-1] if kept_at else 0
        journal = journal_of(project)
        if journal is None and load_tree(project / "results").results:
            # It was killed on its way out, with everything saved.
            return [*kept_at, kept]
        if journal is not None and b"\n" in journal.read_bytes():
            trim(journal)
            _, recovered = read_journal(journal)
            assert recovered.requests >= kept, f"{kept - recovered.requests} samples lost"
            kept = recovered.requests
        kept_at.append(kept)


if __name__ == "__main__":
    main()
