"""How steady a machine is while a model is measured."""

import sys
import threading
import time

import pytest

from bench.runner.machine.steadiness import KEPT_READINGS, Maxima, Watch, steal_share, watching
from bench.schema.machine import Probe

PROBE = Probe(compute_ns=10, memory_ns=20, cpu_hz=None, temperature_c=None, load_average=0.5)


def late_ns(watch: Watch) -> tuple[int, ...]:
    return watch.result(PROBE, PROBE).late_ns


def maxima(limit: int, *readings: int) -> tuple[int, ...]:
    kept = Maxima(limit)
    for reading in readings:
        kept.add(reading)
    return kept.values()


def test_a_short_series_is_kept_as_it_is() -> None:
    assert maxima(4, 3, 1, 2) == (3, 1, 2)


def test_a_full_series_keeps_the_larger_of_two_neighbours() -> None:
    assert maxima(4, 3, 1, 2, 9) == (3, 9)


def test_later_stretches_are_as_long_as_the_joined_ones() -> None:
    assert maxima(4, 3, 1, 2, 9, 5, 6) == (3, 9, 6)
    assert maxima(4, 3, 1, 2, 9, 5, 6, 8) == (3, 9, 6, 8)
    assert maxima(4, 3, 1, 2, 9, 5, 6, 8, 7) == (9, 8)


def test_a_stall_at_the_very_end_is_kept() -> None:
    assert maxima(4, 0, 0, 0, 0, 0, 0, 0, 0, 77) == (0, 0, 77)


def test_a_long_series_stays_small_and_loses_no_peak() -> None:
    kept = Maxima()
    for position in range(100_000):
        kept.add(1_000 if position == 54_321 else position % 7)

    values = kept.values()

    # 100,000 readings in stretches of 256, the last of 160.
    assert len(values) == 391 <= KEPT_READINGS
    assert max(values) == 1_000
    assert values.index(1_000) == 54_321 // 256


def test_the_hypervisors_share_is_of_all_time_that_passed() -> None:
    before = {"user": 100.0, "system": 10.0, "idle": 200.0, "steal": 5.0, "guest": 40.0}
    after = {"user": 106.0, "system": 11.0, "idle": 202.0, "steal": 6.0, "guest": 44.0}

    # 6 + 1 + 2 + 1 seconds passed; a guest's are in the user's.
    assert steal_share(before, after) == pytest.approx(0.1)


def test_without_such_a_counter_the_share_is_unknown() -> None:
    assert steal_share({"user": 1.0, "idle": 1.0}, {"user": 2.0, "idle": 2.0}) is None


def test_without_time_the_share_is_unknown() -> None:
    times = {"user": 1.0, "steal": 1.0}

    assert steal_share(times, times) is None


def test_a_counter_that_steps_back_took_nothing() -> None:
    assert steal_share({"user": 1.0, "steal": 5.0}, {"user": 3.0, "steal": 4.0}) == 0.0


def test_a_watch_notes_a_stall() -> None:
    with watching() as watch:
        while not late_ns(watch):
            time.sleep(0.001)
        start_ns = time.perf_counter_ns()
        # One call that keeps the interpreter to itself: no other thread of this process runs meanwhile.
        sum(range(20_000_000))
        stall_ns = time.perf_counter_ns() - start_ns
        readings = len(late_ns(watch))
        while len(late_ns(watch)) == readings:
            time.sleep(0.001)
    found = watch.result(PROBE, PROBE)

    assert found.period_ns == 10_000_000
    assert (found.before, found.after) == (PROBE, PROBE)
    assert max(found.late_ns) >= stall_ns - 2 * found.period_ns


def test_a_watch_leaves_nothing_behind() -> None:
    switch_s = sys.getswitchinterval()
    with watching(1_000_000) as watch:
        during = {thread.name for thread in threading.enumerate()}
    after = {thread.name for thread in threading.enumerate()}
    readings = len(late_ns(watch))

    assert "machine watch" in during
    assert "machine watch" not in after
    assert sys.getswitchinterval() == switch_s
    assert len(late_ns(watch)) == readings > 0
