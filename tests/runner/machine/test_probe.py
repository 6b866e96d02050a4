"""The fixed work that tells what the machine can do, and its sensors."""

from itertools import accumulate
from typing import NamedTuple

from bench.runner.machine.steadiness import REPETITIONS, hottest_c, probe


class Reading(NamedTuple):
    current: float | None


def test_each_time_is_the_median_without_the_first() -> None:
    # The first turn is far off; then arithmetic takes 100, 101, ... and copying 500, 510, ...
    turns = [(9_000, 90_000)] + [(100 + turn, 500 + 10 * turn) for turn in range(REPETITIONS)]
    steps = [step for compute_ns, memory_ns in turns for step in (7, compute_ns, memory_ns)]
    stamps = iter(list(accumulate(steps)))

    found = probe(clock=lambda: next(stamps))

    assert REPETITIONS == 21
    assert (found.compute_ns, found.memory_ns) == (110, 600)
    assert next(stamps, None) is None


def test_a_probe_times_both_kinds_of_work() -> None:
    found = probe()

    assert found.compute_ns > 0
    assert found.memory_ns > 0
    assert found.cpu_hz is None or found.cpu_hz > 10**7
    assert found.load_average is None or found.load_average >= 0


def test_the_hottest_sensor_of_the_processor_counts() -> None:
    sensors = {
        "nvme": (Reading(81.0),),
        "coretemp": (Reading(55.0), Reading(None), Reading(61.5)),
        "iwlwifi_1": (Reading(70.0),),
    }

    assert hottest_c(sensors) == 61.5


def test_sensors_of_other_parts_are_no_temperature_of_the_processor() -> None:
    assert hottest_c({"nvme": (Reading(81.0),), "BAT0": (Reading(30.0),)}) is None
    assert hottest_c({}) is None


def test_a_sensor_that_says_nothing_is_no_temperature() -> None:
    assert hottest_c({"cpu_thermal": (Reading(0.0), Reading(None))}) is None
