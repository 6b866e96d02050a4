"""How steady a machine was, worked out by hand."""

from typing import Any

import pytest

from bench.analysis.trust import Reason, Steadiness, meanwhile, steadiness
from bench.report.reasons import reason_words
from bench.schema.machine import MachineWatch, Probe
from bench.schema.result import Result
from tests.builders import MILLISECOND_NS as MS
from tests.builders import failed_model, model_run, result


def probe(compute_ms: int = 200, memory_ms: int = 100, load_average: float | None = 0.5) -> Probe:
    return Probe(
        compute_ns=compute_ms * MS,
        memory_ns=memory_ms * MS,
        cpu_hz=None,
        temperature_c=None,
        load_average=load_average,
    )


def watch(before: Probe | None = None, after: Probe | None = None, **fields: Any) -> MachineWatch:
    defaults: dict[str, Any] = {
        "before": before or probe(),
        "after": after or probe(),
        "period_ns": 50 * MS,
        "late_ns": (MS // 10, MS // 5, MS),
        "steal_share": 0.0,
    }
    return MachineWatch(**(defaults | fields))


def run(*watches: MachineWatch | None) -> Result:
    return result([model_run(name=f"m{place}", machine_watch=one) for place, one in enumerate(watches)])


def words(found: Steadiness) -> tuple[str, ...]:
    return tuple(map(reason_words, found.reasons))


def test_a_quiet_machine_is_steady() -> None:
    # 220 ms are 10% more than 200, and than the median of 200, 220, 200 and 200.
    assert steadiness(run(watch(after=probe(220)), watch())) == Steadiness("steady", ())


def test_what_happened_meanwhile_by_hand() -> None:
    found = meanwhile(watch(probe(200, 100), probe(220, 80), late_ns=(MS, 3 * MS, 40 * MS)))

    assert found.compute_drift == pytest.approx(0.1)
    assert found.memory_drift == pytest.approx(-0.2)
    assert found.drift == found.memory_drift
    assert (found.late_median_s, found.late_worst_s) == (0.003, 0.04)


def test_a_machine_that_slows_down_during_a_model() -> None:
    # 250 is 25% above 200; the median of 200, 250, 250 and 250 is 250, and only the first is apart from it, by 20%.
    found = steadiness(run(watch(probe(200), probe(250)), watch(probe(250), probe(250))))

    assert found.verdict == "unsteady"
    assert words(found) == (
        "m0: arithmetic was 25.0 % slower after it than before",
        "m0: arithmetic was 20.0 % faster than in the run's middle",
    )


def test_a_machine_that_changes_between_models() -> None:
    # Probes of 100, 100, 100, 100, 120 and 120 ms: the median is 100, and the third model is 20% off.
    slow = watch(probe(memory_ms=120), probe(memory_ms=120))
    found = steadiness(run(watch(), watch(), slow))

    assert found.verdict == "unsteady"
    assert words(found) == ("m2: copying memory was 20.0 % slower than in the run's middle",)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"late_ns": (MS, 21 * MS, 70 * MS)}, "m0: a sleeper woke 21.0 ms late as a rule"),
        ({"late_ns": (MS, MS, 101 * MS)}, "m0: a sleeper woke 101 ms late at worst"),
        ({"steal_share": 0.034}, "m0: the hypervisor took 3.40 % of the time"),
        ({"before": probe(load_average=2.5)}, "2.50 processes on average wanted to run before it began, on 2 cores"),
    ],
)
def test_each_limit(fields: dict[str, Any], reason: str) -> None:
    found = steadiness(run(watch(**fields)))

    assert found.verdict == "unsteady"
    assert words(found) == (reason,)


def test_limits_themselves_are_allowed() -> None:
    at_the_limit = watch(probe(load_average=2.0), late_ns=(20 * MS, 20 * MS, 100 * MS), steal_share=0.02)

    assert steadiness(run(at_the_limit)).verdict == "steady"


def test_the_load_that_the_models_make_is_no_reason() -> None:
    assert steadiness(run(watch(), watch(probe(load_average=9.0)))).verdict == "steady"


def test_nobody_knows_where_nobody_looked() -> None:
    assert steadiness(run(watch(), None)) == Steadiness("unknown", (Reason("the machine was not watched during m1"),))
    assert steadiness(result([failed_model()])) == Steadiness("unknown", (Reason("no model was measured"),))


def test_a_model_that_was_never_asked_needs_no_watch() -> None:
    models = [model_run(machine_watch=watch()), failed_model()]

    assert steadiness(result(models)).verdict == "steady"


def test_unsteady_is_known_even_where_a_model_was_not_watched() -> None:
    assert steadiness(run(watch(steal_share=0.5), None)).verdict == "unsteady"


def test_an_older_file_says_that_it_could_not_know() -> None:
    not_yet = "not measured before schema version 2"

    assert steadiness(result([model_run(unmeasured={"energy": not_yet})])) == Steadiness("unknown", (Reason(not_yet),))


def test_a_watch_without_a_reading() -> None:
    found = meanwhile(watch(probe(0, 0), probe(0, 0), late_ns=()))

    assert (found.compute_drift, found.late_median_s, found.late_worst_s) == (0.0, None, None)
