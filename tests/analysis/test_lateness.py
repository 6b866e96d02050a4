"""How late a sleeper woke around a sample, worked out by hand."""

from collections.abc import Sequence
from typing import Any

import pytest

from bench.analysis.trust import Lateness, lateness
from bench.schema.machine import MachineWatch, Probe
from bench.schema.result import Result
from tests.builders import MILLISECOND_NS as MS
from tests.builders import STARTED_UTC, failed_sample, model_run, result, run_info, samples

PROBE = Probe(compute_ns=1, memory_ns=1, cpu_hz=None, temperature_c=None, load_average=None)


def about(value: float) -> Any:
    """Return what equals a number that is off by rounding alone."""
    return pytest.approx(value)


def watched(late_ms: Sequence[int], period_ms: int = 10, **fields: Any) -> Result:
    """Return a run of four samples of 100 ms each, watched with these readings."""
    watch = MachineWatch(
        before=PROBE,
        after=PROBE,
        period_ns=period_ms * MS,
        late_ns=tuple(late * MS for late in late_ms),
        steal_share=None,
    )
    defaults: dict[str, Any] = {"machine_watch": watch, "samples": samples([0.1] * 4), "cold_load_ns": 50 * MS}
    return result([model_run(**(defaults | fields))])


def late(run: Result, number: int) -> Lateness | None:
    return lateness(run, run.models[0], run.models[0].samples[number])


def test_the_readings_around_a_sample_count() -> None:
    # The watch takes 8 * 50 + 30 + 50 + 70 = 550 ms, of which 50 are the load and 400 the samples: where the other 100
    # lie nobody knows. The first sample ran within 50 and 250 ms; readings end at 50, 100, 180, 230, 330, ... ms.
    run = watched([0, 0, 30, 0, 50, 0, 0, 70], period_ms=50)

    assert late(run, 0) == Lateness(0.05, about(0.2))
    assert late(run, 3) == Lateness(0.07, about(0.2))


def test_what_was_late_at_another_time_does_not() -> None:
    # 20 readings of 25 ms and one that was 30 ms late: 530 ms, 80 more than load and samples. The late one ended at
    # 530 ms: after the first three samples, the third of which ended by 430 ms.
    run = watched([0] * 19 + [30], period_ms=25)

    assert late(run, 0) == Lateness(0.0, about(0.18))
    assert late(run, 2) == Lateness(0.0, about(0.18))
    assert late(run, 3) == Lateness(0.03, about(0.18))


def test_without_each_reading_only_the_whole_can_be_told() -> None:
    assert late(watched([0] * 298 + [7]), 0) == Lateness(0.0, about(2.647))
    assert late(watched([0] * 299 + [7]), 0) == Lateness(0.007, None)


def test_a_watch_that_is_shorter_than_its_samples_says_nothing_of_one() -> None:
    assert late(watched([0, 3]), 0) == Lateness(0.003, None)


def test_an_interrupted_run_has_several_watches() -> None:
    run = watched([0] * 60 + [9])
    info = run_info(started_utc=STARTED_UTC, resumed_utc=(STARTED_UTC,))

    assert late(run.model_copy(update={"run": info}), 0) == Lateness(0.009, None)


def test_a_sample_without_an_end_is_somewhere_in_its_model() -> None:
    run = watched([0] * 60 + [9], samples=(*samples([0.1]), failed_sample(position=1)))

    assert late(run, 1) == Lateness(0.009, None)


def test_nobody_looked() -> None:
    assert late(watched([]), 0) is None
    assert late(watched([1], machine_watch=None), 0) is None
