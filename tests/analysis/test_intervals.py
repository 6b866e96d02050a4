"""Numbers with their uncertainty: what an interval is about, when there is none, and how often it holds the truth."""

from collections.abc import Callable, Sequence
from itertools import accumulate
from math import exp

import numpy as np
import pytest

from bench.analysis.intervals import Estimate, Interval, estimate, estimates, intervals
from bench.analysis.summary import summarise
from bench.metrics.registry import measured_in
from bench.schema.result import Result
from bench.stats.bootstrap import About, RequestValues
from bench.stats.distribution import Floats
from tests.builders import MILLISECOND_NS as MS
from tests.builders import failed_sample, grade, model_run, prompt, result, sample, samples


def run_of(*latencies_s: Sequence[float]) -> Result:
    """Return a run of one model in which the prompts p0, p1, ... took so long, round after round."""
    of_prompts = [samples(latencies, prompt=f"p{number}") for number, latencies in enumerate(latencies_s)]
    in_order = sorted((one for asked in of_prompts for one in asked), key=lambda one: one.round)
    *starts_ns, _ = accumulate((one.end_ns or 0 for one in in_order), initial=0)
    placed = (one.model_copy(update={"start_ns": at}) for one, at in zip(in_order, starts_ns, strict=True))
    return result([model_run(samples=tuple(placed))])


def of(run: Result, metric_id: str, about: About | None = None) -> Estimate:
    return estimate(run, run.models[0], metric_id, seed=1, about=about)


def interval_of(run: Result, metric_id: str, about: About | None = None) -> Interval:
    found = of(run, metric_id, about).interval
    assert found is not None
    return found


def test_the_value_is_that_of_the_summary() -> None:
    run = result([model_run(samples=samples([1, 2, 6] * 10))], grades=(grade(),))
    summary = summarise(run).models[0]
    ids = [
        *(metric.id for metric in measured_in("whole")),
        "e2e_s.mean",
        "e2e_s.p95",
        "e2e_s.p99",
        "e2e_s.maximum",
        "itl_s.p95",
    ]
    found = estimates(run, run.models[0], ids, seed=1)

    assert list(found) == ids
    for metric_id in ids:
        assert found[metric_id].value == summary.value(metric_id)
        if found[metric_id].value is None:
            assert found[metric_id] == Estimate(None, None, summary.why_undefined(metric_id))


def test_prompts_that_differ_make_a_wide_interval_about_prompts_like_these() -> None:
    # Each prompt takes as long every time: about these prompts there is nothing to doubt.
    run = run_of(*([float(number)] * 5 for number in range(1, 11)))

    like_these = interval_of(run, "e2e_s.mean")
    these = interval_of(run, "e2e_s.mean", "these prompts")
    assert (like_these.about, like_these.why) == ("prompts like these", None)
    assert 2.5 < like_these.low < 4.5
    assert 6.5 < like_these.high < 8.5
    assert these == Interval(5.5, 5.5, "these prompts", "as asked")


def test_one_prompt_stands_for_itself_alone() -> None:
    run = run_of([1, 2, 3, 4, 5, 6, 7, 8, 9])
    found = interval_of(run, "e2e_s")

    assert (found.about, found.why) == ("these prompts", "1 prompt; a p50 of prompts like these needs 5")
    assert 1 <= found.low < 5 < found.high <= 9


def test_one_round_of_few_prompts_has_no_interval() -> None:
    why = "no prompt was asked twice, so nobody knows how much a repetition differs"

    assert of(run_of([1], [2], [3]), "e2e_s") == Estimate(2, None, why)
    assert of(run_of([1]), "e2e_s") == Estimate(1, None, why)
    assert of(run_of([1, 2]), "e2e_s") == Estimate(1.5, None, "1 repeated request; an interval needs 4")


def test_one_round_of_many_prompts_has_an_interval_about_prompts_like_these() -> None:
    run = run_of(*([float(number)] for number in range(1, 10)))

    assert interval_of(run, "e2e_s").about == "prompts like these"
    assert of(run, "e2e_s", "these prompts").interval is None


def test_equal_values_have_an_interval_of_no_width() -> None:
    run = run_of(*([0.3] * 4 for _ in range(6)))

    for metric_id in ("e2e_s", "e2e_s.mean", "e2e_s.p95", "decode_tokens_per_s", "itl_s.p95"):
        found = of(run, metric_id)
        assert found.value is not None
        assert found.interval is not None
        assert (found.interval.low, found.interval.high) == (found.value, found.value)


def test_a_percentile_without_a_value_has_no_interval() -> None:
    nineteen, twenty = run_of([1.0] * 19), run_of([1.0] * 20)

    assert of(nineteen, "e2e_s.p95") == Estimate(None, None, "19 samples; a p95 needs 20")
    assert interval_of(twenty, "e2e_s.p95").why == "1 prompt; a p95 of prompts like these needs 60"


def test_failed_requests_leave_prompts_with_fewer_values() -> None:
    good = run_of([1, 1.1, 0.9, 1.2], [2, 2.1, 1.9, 2.2]).models[0].samples
    missing = failed_sample(prompt="p1", round=2), failed_sample(prompt="p2")
    few = result([model_run(samples=(*good[:3], *good[4:], *missing))])

    found = interval_of(few, "e2e_s.mean")
    assert found.why == "2 prompts; a mean of prompts like these needs 5"
    assert 1.3 < found.low < (4.2 + 6.1) / 7 < found.high < 1.65


def test_gaps_are_drawn_with_their_request() -> None:
    # Half of the requests have gaps of 10 ms, the others of 30: the mean of ten such requests is known to some 3 ms.
    quick, slow = ((100 * MS, *(100 * MS + gap * MS * (place + 1) for place in range(50))) for gap in (10, 30))
    run = result([model_run(samples=tuple(sample(chunk_ns=one, round=n) for n, one in enumerate([quick, slow] * 5)))])
    found = interval_of(run, "itl_s.mean")

    # sqrt(10 / 9) * 2.262 standard errors of sqrt(100 / 10) ms, on either side.
    assert (found.low, found.high) == pytest.approx((0.0125, 0.0275), abs=0.002)


def test_throughput_is_drawn_as_tokens_and_time() -> None:
    # 11 tokens each, one request after the other. All at 1 s: 11 tokens/s whatever is drawn. Twice 1 to 6 s: 132 tokens
    # in 42 s.
    level = interval_of(run_of(*([1.0] * 3 for _ in range(5))), "throughput_tokens_per_s")
    mixed = run_of(*([float(number)] * 2 for number in range(1, 7)))

    assert (level.low, level.high) == pytest.approx((11, 11))
    assert of(mixed, "throughput_tokens_per_s").value == pytest.approx(132 / 42)
    assert 1.9 < interval_of(mixed, "throughput_tokens_per_s").low < 2.6
    assert 4.0 < interval_of(mixed, "throughput_tokens_per_s").high < 7.4


def test_requests_that_all_start_at_once_have_no_time_of_their_own() -> None:
    model = model_run(samples=(*(sample() for _ in range(5)), *(sample(prompt="p2") for _ in range(5))))

    found = of(result([model]), "throughput_tokens_per_s")
    assert found == Estimate(200, None, "requests overlap, so that none has a time of its own")


def test_a_score_is_of_its_prompts() -> None:
    # Six prompts, three of them fully met and three not at all.
    names = [f"p{number}" for number in range(6)]
    model = model_run(samples=tuple(sample(prompt=name, output=f"out{name}") for name in names))
    grades = [grade({"f1": float(place % 2)}, prompt=name, output=f"out{name}") for place, name in enumerate(names)]
    six, four = (
        result([model], prompts=[prompt(id=name) for name in names], grades=tuple(some))
        for some in (grades, grades[:4])
    )

    found = of(six, "score")
    assert (found.value, found.why) == (3, None)
    assert found.interval is not None
    assert found.interval.low < 2
    assert found.interval.high > 4
    assert of(four, "score") == Estimate(3, None, "4 prompts; a mean of prompts like these needs 5")


def test_loads_are_drawn_again_where_there_are_five() -> None:
    five = result([model_run(cold_load_ns=40 * MS, reloads_ns=(50 * MS, 42 * MS, 38 * MS, 41 * MS))])
    four = result([model_run(cold_load_ns=40 * MS, reloads_ns=(50 * MS, 42 * MS, 38 * MS))])

    found = interval_of(five, "cold_load_s")
    assert (found.low, found.high, found.why) == (0.038, 0.05, "about the loads of the model: no prompt is asked")
    assert of(four, "cold_load_s") == Estimate(0.041, None, "4 loads; an interval needs 5")
    assert of(result(), "cold_load_s") == Estimate(0.04, None, "1 load; an interval needs 5")


def test_what_is_read_once_has_no_interval() -> None:
    assert of(result(), "memory_peak_bytes") == Estimate(75_000_000, None, "one reading a run")
    assert of(result(), "e2e_s.maximum").why == (
        "a smallest or largest value has no interval: what is drawn again never goes beyond it"
    )


def test_the_seed_fixes_the_interval() -> None:
    run = run_of(*([number, number + 1.5] for number in range(1, 9)))
    one, same, other = (estimate(run, run.models[0], "e2e_s.mean", seed=seed) for seed in (1, 1, 2))

    assert one == same
    assert one != other


def test_an_unknown_metric_is_refused() -> None:
    with pytest.raises(KeyError):
        of(result(), "ttft")


REPEATS = 200
"""Simulated runs: a share of 95% of them is known to 1.5% (one standard error)."""


def coverage(
    prompts: int,
    rounds: int,
    between: float,
    within: float,
    statistic: str,
    truth: Callable[[Floats], float],
    about: About = "prompts like these",
) -> float:
    """Return how often an interval holds the truth, for log-normal latencies of prompts that differ among themselves.

    `between` and `within` are the deviations of the logarithm of a prompt's level and of a round. `truth` is told the
    levels of the prompts.
    """
    rng = np.random.default_rng(20260105)
    held = 0
    for repeat in range(REPEATS):
        levels = rng.normal(0, between, prompts)
        values = np.exp(levels[:, np.newaxis] + rng.normal(0, within, (prompts, rounds)))
        asked = [[RequestValues(np.array([value])) for value in of_prompt] for of_prompt in values]
        found = intervals(asked, (statistic,), seed=repeat, about=about)[statistic]
        assert isinstance(found, Interval)
        held += found.low <= truth(levels) <= found.high
    return held / REPEATS


@pytest.mark.parametrize(
    ("prompts", "rounds", "between", "within"),
    [(14, 5, 0.5, 0.05), (20, 4, 0.0, 0.1), (14, 1, 0.3, 0.1), (5, 5, 0.1, 0.1)],
)
def test_a_median_about_prompts_like_these_holds_the_truth(
    prompts: int, rounds: int, between: float, within: float
) -> None:
    held = coverage(prompts, rounds, between, within, "p50", truth=lambda levels: 1.0)

    assert 0.90 <= held <= 0.98


@pytest.mark.parametrize(("prompts", "rounds", "between", "within"), [(14, 5, 0.1, 0.1), (20, 4, 0.3, 0.05)])
def test_a_mean_about_prompts_like_these_holds_the_truth(
    prompts: int, rounds: int, between: float, within: float
) -> None:
    expected = exp((between**2 + within**2) / 2)

    assert 0.90 <= coverage(prompts, rounds, between, within, "mean", truth=lambda levels: expected) <= 0.98


@pytest.mark.parametrize(("prompts", "rounds"), [(14, 5), (3, 5), (1, 10)])
def test_a_mean_about_these_prompts_holds_the_truth(prompts: int, rounds: int) -> None:
    def truth(levels: Floats) -> float:
        return float(np.exp(levels + 0.1**2 / 2).mean())

    assert 0.90 <= coverage(prompts, rounds, 0.5, 0.1, "mean", truth, about="these prompts") <= 0.98


def test_a_percentile_far_out_is_too_narrow_as_its_description_says() -> None:
    # One prompt, so that the p95 of its rounds is exp(1.645 * 0.1).
    held = coverage(1, 20, 0.0, 0.1, "p95", lambda levels: exp(1.6449 * 0.1), about="these prompts")

    assert 0.50 <= held <= 0.85
