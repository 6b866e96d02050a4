"""Kill runs at random moments and see that no finished sample is ever lost: `python -m tests.benchmarks.kills`.

Each run is killed, with all of its processes, after a random time, gone on with and killed again, until it ends; then
its file is checked and the next run begins, until there were enough kills.
"""

import random
import tempfile
import time
from pathlib import Path

import click
from rich.progress import track

from bench.results.store import load_tree
from bench.runner.journal import read_journal, trim
from tests.interrupting import journal_of, kill, only, start, whole, write_project

ROUNDS = 20


@click.command()
@click.option("--kills", default=200, show_default=True, help="How many times a run is killed.")
@click.option("--seed", default=42, show_default=True, help="Seed of the moments.")
def main(kills: int, seed: int) -> None:
    """Kill runs at random moments; exits with an assertion at the first sample that is lost."""
    moments = random.Random(seed)
    killed = finished = answered = 0
    progress = iter(track(range(kills), description="kills"))
    next(progress)
    while killed < kills:
        with tempfile.TemporaryDirectory() as folder:
            project = write_project(Path(folder), ROUNDS)
            died = _run_until_done(project, moments, kills - killed)
            for _ in range(died):
                next(progress, None)
            killed += died
            result = only(project)
            whole(result, ROUNDS)
            answered += sum(len(model.samples) for model in result.models)
            finished += 1
    click.echo(f"{killed} kills, {finished} runs finished, {answered} samples, none lost; every file validates")


def _run_until_done(project: Path, moments: random.Random, most: int) -> int:
    died = kept_before = 0
    while True:
        process = start(project, *(["--resume"] if journal_of(project) else []))
        deadline = time.monotonic() + moments.uniform(0.05, 1.5)
        while died < most and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.001)
        if died < most and process.poll() is None:
            kill(process)
            died += 1
        else:
            _, errors = process.communicate()
            assert process.returncode == 0, errors
            return died
        journal = journal_of(project)
        if journal is None and load_tree(project / "results").results:
            # It was killed on its way out, with everything saved.
            return died
        if journal is not None and b"\n" in journal.read_bytes():
            trim(journal)
            _, kept = read_journal(journal)
            assert kept.requests >= kept_before, f"{kept_before - kept.requests} samples lost"
            kept_before = kept.requests


if __name__ == "__main__":
    main()
