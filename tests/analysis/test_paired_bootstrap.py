"""Two sides matched by prompt, worked out by hand."""

from collections.abc import Sequence
from math import exp, log

import numpy as np
import pytest

from bench.analysis.measurements import WHOLE, Measurement, measure
from bench.analysis.paired_bootstrap import PairedChange, change
from bench.metrics.registry import metric
from bench.schema.result import Result
from bench.stats.bootstrap import LIKE_THESE, THESE, Plan, RequestValues, limits
from bench.stats.distribution import Floats
from tests.builders import MILLISECOND_NS as MS
from tests.builders import failed_sample, grade, model_run, result, sample, samples


def timed(*latencies_s: Sequence[float]) -> Result:
    """Return a run of one model in which the prompts p0, p1, ... took so long."""
    asked = [samples(latencies, prompt=f"p{number}") for number, latencies in enumerate(latencies_s)]
    return result([model_run(samples=tuple(one for some in asked for one in some))])


def of(run: Result, metric_id: str = "e2e_s") -> Measurement:
    return measure(run, run.models[0], WHOLE, metric_id)


def changed(before: Result, after: Result, metric_id: str = "e2e_s", seed: int = 1) -> PairedChange:
    found = change(of(before, metric_id), of(after, metric_id), seed=seed)
    assert isinstance(found, PairedChange)
    return found


def test_a_change_is_the_geometric_mean_of_the_prompts_own_ratios() -> None:
    # Medians of 1 and 10 become 4 and 10: ratios of 4 and 1, so 2. The median over all requests goes from 5.5 to 7.
    before, after = timed([1] * 3, [10] * 3), timed([4] * 3, [10] * 3)
    found = changed(before, after)

    assert exp(found.value) == pytest.approx(2)
    assert found.drawn == Plan(THESE, 12, 4, "2 prompts; a change of prompts like these needs 5")
    assert np.exp(found.resampled) == pytest.approx(2)


def test_a_change_that_is_the_same_for_all_prompts_is_known_exactly() -> None:
    # The prompts are far apart, and each takes 1.1 times as long as before.
    levels = [0.1 * 2**number for number in range(10)]
    found = changed(timed(*([level] * 2 for level in levels)), timed(*([1.1 * level] * 2 for level in levels)))

    assert found.drawn == Plan(LIKE_THESE, 10, 1, None)
    assert np.exp(limits(found.resampled, found.drawn)) == pytest.approx(1.1)


def test_a_change_that_differs_between_prompts_is_in_doubt() -> None:
    before, after = timed(*[[1.0] * 3] * 8), timed(*[[1.0] * 3] * 4, *[[2.0] * 3] * 4)
    found = changed(before, after)
    low, high = (exp(end) for end in limits(found.resampled, found.drawn))

    assert exp(found.value) == pytest.approx(2**0.5)
    assert low < 1.15
    assert high > 1.75


def test_a_percentile_far_out_is_of_all_requests_together() -> None:
    # The slowest of six prompts takes 1.5 times as long: so does the p95 of all, and the medians of five are equal.
    levels = [1.0, 1.1, 1.2, 1.3, 1.4, 9.0]
    before = timed(*([level] * 10 for level in levels))
    after = timed(*([level] * 10 for level in [*levels[:-1], 13.5]))

    assert exp(changed(before, after, "e2e_s.p95").value) == pytest.approx(1.5)
    assert changed(before, after, "e2e_s.p95").drawn.about == LIKE_THESE
    assert exp(changed(before, after).value) == pytest.approx(1.5 ** (1 / 6))


def test_prompts_without_a_value_on_one_side_are_left_out() -> None:
    before = timed([1, 1, 1], [2, 2, 2], [3, 3, 3])
    answered = before.models[0].samples
    failed = tuple(failed_sample(prompt="p1", round=number) for number in (1, 2, 3))
    after = result([model_run(samples=(*answered[:3], *failed, *answered[6:]))])
    found = changed(before, after)

    assert found.left_out == ("p1",)
    assert found.value == 0


def test_throughput_changes_prompt_by_prompt() -> None:
    def one_after_the_other(factor: float) -> Result:
        start_ns = 0
        placed = []
        for one in timed(*([factor * (1 + number)] * 2 for number in range(6))).models[0].samples:
            placed.append(one.model_copy(update={"start_ns": start_ns}))
            start_ns += one.end_ns or 0
        return result([model_run(samples=tuple(placed))])

    found = changed(one_after_the_other(1.0), one_after_the_other(2.0), "throughput_tokens_per_s")
    assert exp(found.value) == pytest.approx(0.5)
    assert np.exp(found.resampled) == pytest.approx(0.5)


def test_a_prompt_that_always_failed_has_no_throughput() -> None:
    before = timed(*[[1.0]] * 6)
    *others, last = before.models[0].samples
    failed = failed_sample(prompt=last.prompt, start_ns=last.start_ns)
    spread = [one.model_copy(update={"start_ns": number * 10**9}) for number, one in enumerate([*others, last])]
    after = [*spread[:-1], failed.model_copy(update={"start_ns": 5 * 10**9})]
    found = changed(
        result([model_run(samples=tuple(spread))]),
        result([model_run(samples=tuple(after))]),
        "throughput_tokens_per_s",
    )

    assert found.left_out == ("p5",)


def test_scores_change_in_points() -> None:
    def scored(credits_: Sequence[float]) -> Result:
        names = [f"p{number}" for number in range(len(credits_))]
        answers = tuple(sample(prompt=name, output=f"out{name}") for name in names)
        earned = zip(names, credits_, strict=True)
        grades = tuple(grade({"f1": credit}, prompt=name, output=f"out{name}") for name, credit in earned)
        return result([model_run(samples=answers)], grades=grades)

    # Scores of 3 and 5 become 4 and 5 in half of the prompts each.
    found = changed(scored([0.5, 1.0] * 4), scored([0.75, 1.0] * 4), "score")
    assert found.value == pytest.approx(0.5)
    assert 0 <= found.resampled.min() <= found.resampled.max() <= 1


@pytest.mark.parametrize(
    ("before", "after", "metric_id", "why"),
    [
        (timed([1, 1]), timed([1, 1]), "e2e_s", "2 repeated requests; an interval needs 8"),
        (result(), result(), "cold_load_s", "1 and 1 loads; an interval needs 5 on each side"),
        (
            timed([1] * 6),
            result([model_run(samples=tuple(sample(prompt="other") for _ in range(6)))]),
            "e2e_s",
            "no prompt has a value on both sides",
        ),
        (
            result([model_run(samples=tuple(sample(chunk_ns=(MS, MS)) for _ in range(6)))]),
            result([model_run(samples=tuple(sample(chunk_ns=(MS, 2 * MS)) for _ in range(6)))]),
            "itl_s",
            "a value of 0 has no ratio",
        ),
    ],
)
def test_what_cannot_be_drawn_again_says_why(before: Result, after: Result, metric_id: str, why: str) -> None:
    assert change(of(before, metric_id), of(after, metric_id), seed=1) == why


def test_loads_change_as_one() -> None:
    loads = {"cold_load_ns": 40 * MS, "reloads_ns": (40 * MS,) * 4}
    twice = {"cold_load_ns": 80 * MS, "reloads_ns": (80 * MS,) * 4}
    found = changed(result([model_run(**loads)]), result([model_run(**twice)]), "cold_load_s")

    assert exp(found.value) == pytest.approx(2)
    assert found.left_out == ()


REPEATS = 200


def latencies(values: Floats) -> Measurement:
    """Return what was measured where a row of values is a prompt."""
    asked = {
        f"p{number}": tuple(RequestValues(row[place : place + 1]) for place in range(len(row)))
        for number, row in enumerate(values)
    }
    return Measurement(metric("e2e_s"), "p50", "requests", asked)


@pytest.mark.parametrize(
    ("prompts", "rounds", "between", "effect"),
    [(14, 5, 0.5, 0.0), (14, 1, 0.5, 0.0), (20, 5, 0.2, 0.05), (5, 5, 0.5, 0.0), (3, 5, 0.5, 0.0)],
)
def test_the_interval_of_a_change_holds_the_truth(prompts: int, rounds: int, between: float, effect: float) -> None:
    # Rounds vary by 5%, prompts among themselves by `between`, and what a change does to them by `effect`.
    rng = np.random.default_rng(20260105)
    held = 0
    for repeat in range(REPEATS):
        levels = rng.normal(0, between, prompts)
        effects = rng.normal(log(1.1), effect, prompts)
        was, now = (
            latencies(np.exp(level[:, np.newaxis] + rng.normal(0, 0.05, (prompts, rounds))))
            for level in (levels, levels + effects)
        )
        found = change(was, now, seed=repeat)
        assert isinstance(found, PairedChange)
        low, high = limits(found.resampled, found.drawn)
        held += low <= log(1.1) <= high

    # A median drawn from five rounds takes few values: about three prompts the interval is on the wide side.
    assert 0.90 <= held / REPEATS <= (1.0 if prompts < 5 else 0.98)
