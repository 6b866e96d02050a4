"""Many series read at once, against each of them read run by run."""

import numpy as np
import pytest

from bench.stats.change_points import KnownLevels
from bench.stats.many_series import known_levels
from tests.benchmarks.histories import NOISES

FLOOR = 0.0488


def some_series(number: int, most: int = 120) -> list[float]:
    """Return the series of this number: any noise, on a grid or equal for long, with any steps, of any length."""
    random = np.random.default_rng([3, number])
    runs = int(random.integers(0, most))
    size = float(random.choice([0.0, 0.01, 0.03, 0.1, 0.3]))
    logs = NOISES[list(NOISES)[number % len(NOISES)]](runs, size, random)
    for _ in range(number % 5):
        logs[int(random.integers(0, runs + 1)) :] += random.normal(0, 0.2)
    if number % 6 == 0:
        logs[: runs // 2] = 0.1
    if number % 7 == 0:
        logs = np.round(logs, 1)
    if number % 50 == 0:
        logs[runs // 2 :] += 1_000.0
    return [float(run) for run in logs + 3.7]


def run_by_run(runs: list[float]) -> KnownLevels:
    known = KnownLevels(FLOOR)
    for run in runs:
        known.add(run)
    return known


@pytest.mark.slow
def test_all_that_is_known_is_the_same_to_the_last_digit() -> None:
    series = [some_series(number) for number in range(200)]

    found = dict(known_levels(series, FLOOR))

    assert sorted(found) == list(range(len(series)))
    confirmed = suspected = 0
    for number, runs in enumerate(series):
        one, other = found[number], run_by_run(runs)
        assert (one.runs, one.starts, one.confirmed_by, one.spike) == (
            runs,
            other.starts,
            other.confirmed_by,
            other.spike,
        )
        assert one.older == other.older
        levels = range(1, len(one.starts))
        assert [one.weighed(level) for level in levels] == [other.weighed(level) for level in levels]
        for late in ([], [3.9], [3.4, 3.5]):
            assert one.suspected(late) == other.suspected(late)
            suspected += one.suspected(late) is not None
        confirmed += len(levels)
    assert confirmed > 80
    assert suspected > 20


def test_a_series_longer_than_is_looked_at_in_one_go() -> None:
    random = np.random.default_rng(5)
    logs = random.normal(0.0, 0.03, 1_500)
    for start in range(0, 1_500, 290):
        logs[start:] += 0.2
    runs = [float(run) for run in logs]

    ((_, known),) = known_levels([runs], FLOOR)

    assert known.starts == run_by_run(runs).starts
    assert {290, 580, 870, 1160, 1450} <= set(known.starts)


def test_what_is_found_in_a_series_depends_on_no_other() -> None:
    series = [some_series(number) for number in range(40)]

    together = dict(known_levels(series, FLOOR))

    for number, runs in enumerate(series):
        ((_, alone),) = known_levels([runs], FLOOR)
        assert (alone.starts, alone.spike) == (together[number].starts, together[number].spike)


def test_no_series_and_an_empty_one() -> None:
    assert list(known_levels([], FLOOR)) == []
    ((place, known),) = known_levels([[]], FLOOR)
    assert (place, known.runs, known.starts) == (0, [], [0])
