"""How long it takes to find the level shifts of many series, by their length.

    python -m tests.benchmarks.series_speed
    python -m tests.benchmarks.series_speed --series 6450 --runs 133

Processor time of this process, the least of so many times. One series in ten has a step of 15% in its middle; noise is
independent, with heavy tails, autocorrelated and with spikes, in turn, of 3%.
"""

import time
from collections.abc import Sequence
from math import log1p
from typing import Final

import click
import numpy as np

from bench.analysis.changes import replay, series_shifts
from bench.analysis.history import Series
from tests.benchmarks.histories import LEVEL, NOISES

NOISE: Final = ("independent", "heavy tails", "autocorrelated 0.5", "spikes")
SIZE: Final = 0.03
STEP: Final = 0.15
STEPPED: Final = 10
"""One series in so many has a step."""

BY_RUN: Final = 20
"""Series that are read run by run, for comparison."""


def made(count: int, runs: int, seed: int) -> list[Series]:
    """Return so many series of that length."""
    random = np.random.default_rng([seed, runs])
    series = []
    for number in range(count):
        logs = NOISES[NOISE[number % len(NOISE)]](runs, SIZE, random)
        if number % STEPPED == 0:
            logs[runs // 2 :] += log1p(STEP)
        series.append(Series((LEVEL * np.exp(logs)).tolist()))
    return series


def at_once(series: Sequence[Series], times: int) -> float:
    """Return the processor seconds of reading all series, the least of so many times."""
    taken = []
    for _ in range(times):
        start = time.process_time()
        series_shifts(series)
        taken.append(time.process_time() - start)
    return min(taken)


def run_by_run(series: Sequence[Series]) -> float:
    """Return the processor seconds of reading series run by run, with what is known after each run."""
    start = time.process_time()
    for one in series:
        for _ in replay(one.values):
            pass
    return time.process_time() - start


@click.command()
@click.option("--series", "count", default=645, show_default=True, help="Series of a length.")
@click.option(
    "--runs", "lengths", multiple=True, type=int, default=(33, 50, 100, 133, 200, 333, 500), show_default=True
)
@click.option("--times", default=3, show_default=True, help="How often each is timed.")
@click.option("--seed", default=1, show_default=True, help="Seed of the series.")
def main(count: int, lengths: tuple[int, ...], times: int, seed: int) -> None:
    """Print a table: processor time by the number of runs a series."""
    at_once(made(STEPPED, 50, seed), 1)
    click.echo("| runs a series | all, s | a series, ms | a run, µs | run by run with each answer, a series, ms |")
    click.echo("| --- | --- | --- | --- | --- |")
    for runs in lengths:
        series = made(count, runs, seed)
        all_s = at_once(series, times)
        some = series[:BY_RUN]
        replayed_s = run_by_run(some) / len(some)
        each_s = all_s / count
        click.echo(
            f"| {runs} | {all_s:.2f} | {each_s * 1e3:.2f} | {each_s / runs * 1e6:.1f} | {replayed_s * 1e3:.0f} |"
        )


if __name__ == "__main__":
    main()
