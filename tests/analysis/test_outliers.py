"""Outliers, worked out by hand."""

from collections.abc import Sequence
from dataclasses import asdict
from math import exp, log

import pytest

from bench.analysis.outliers import TooFewPeers, outliers, too_few
from bench.schema.result import Result
from tests.builders import failed_sample, model_run, prompt, result, sample, samples


def run_with(latencies_s: Sequence[float]) -> Result:
    return result([model_run(samples=samples(latencies_s))])


def test_an_outlier_by_hand() -> None:
    # Powers of e make whole logarithms: 0, 1, 2, 3, 4 and 14. The median is 2.5, the distances to it are 2.5, 1.5, 0.5,
    # 0.5, 1.5 and 11.5, their median 1.5. The score of 14 is 0.6745 * 11.5 / 1.5 = 5.171.
    found = outliers(run_with([exp(0), exp(1), exp(2), exp(3), exp(4), exp(14)]))

    assert len(found) == 1
    reach = 3.5 * 1.5 / 0.6745
    assert asdict(found[0]) == {
        "model": "tiny",
        "prompt": "p1",
        "round": 6,
        "position": 5,
        "metric_id": "e2e_s",
        "value": pytest.approx(exp(14)),
        "median": pytest.approx(exp(2.5)),
        "low": pytest.approx(exp(2.5 - reach)),
        "high": pytest.approx(exp(2.5 + reach)),
        "score": pytest.approx(0.6745 * 11.5 / 1.5),
    }


def test_too_fast_is_an_outlier_as_well() -> None:
    found = outliers(run_with([1.0, 1.1, 0.9, 1.05, 0.95, 0.01]))

    assert [outlier.round for outlier in found] == [6]
    assert found[0].score < -3.5
    assert found[0].value < found[0].low


def test_noise_is_no_outlier() -> None:
    assert outliers(run_with([1.0, 1.1, 0.9, 1.05, 0.95, 1.2])) == ()


def test_all_equal_has_no_outlier_and_divides_by_nothing() -> None:
    assert outliers(run_with([0.5] * 8)) == ()


def test_where_most_are_equal_the_mean_distance_takes_the_place_of_the_median_one() -> None:
    # The median absolute deviation is 0. The mean one is log(2) / 8, which is sqrt(2 / pi) = 0.79788 deviations of a
    # normal distribution: the score is 8 * 0.79788.
    found = outliers(run_with([0.5] * 7 + [1.0]))

    assert [outlier.round for outlier in found] == [8]
    assert found[0].score == pytest.approx(8 * 0.797885, rel=1e-5)
    assert found[0].median == pytest.approx(0.5)


def test_within_a_tenth_of_the_median_nothing_is_an_outlier() -> None:
    # 9% off, at a score of thousands; then 11% off.
    steady = [1.0, 1.00001, 0.99999, 1.00002, 0.99998]

    assert outliers(run_with([*steady, 1.09])) == ()
    assert [outlier.value for outlier in outliers(run_with([*steady, 1.11]))] == [1.11]


def test_the_limits_say_what_is_an_outlier() -> None:
    steady = [1.0, 1.00001, 0.99999, 1.00002, 0.99998, 1.5]
    found = outliers(run_with(steady))[0]

    assert found.median == pytest.approx(exp((log(1.0) + log(1.00001)) / 2))
    assert found.low == pytest.approx(0.9 * found.median)
    assert found.high == pytest.approx(1.1 * found.median)


def test_failed_samples_are_no_peers() -> None:
    model = model_run(samples=(*samples([1, 1.01, 0.99, 1]), failed_sample(), failed_sample(), failed_sample()))
    run = result([model])

    assert outliers(run) == ()
    assert too_few(run) == (TooFewPeers(model="tiny", prompt="p1", peers=4, needed=5),)


def test_five_peers_are_enough() -> None:
    run = run_with([1, 1.01, 0.99, 1, 30])

    assert [outlier.value for outlier in outliers(run)] == [30]
    assert too_few(run) == ()


def test_each_model_and_prompt_has_its_own_peers() -> None:
    # What is slow for one prompt is usual for another.
    quick = samples([1, 1.01, 0.99, 1, 1.02])
    slow = samples([9, 9.01, 8.99, 9, 9.02], prompt="p2")
    run = result(
        [model_run(name="a", samples=(*quick, *slow)), model_run(name="b", samples=quick[:2])],
        prompts=[prompt(id="p1"), prompt(id="p2")],
    )

    assert outliers(run) == ()
    assert too_few(run) == (TooFewPeers("b", "p1", 2, 5), TooFewPeers("b", "p2", 0, 5))


def test_other_metrics_have_outliers_too() -> None:
    usual = [sample(round=number, output_tokens=3) for number in range(1, 6)]
    odd = sample(round=6, chunk_ns=(1_000_000_000, 1_020_000_000, 1_040_000_000))
    run = result([model_run(samples=(*usual, odd))])

    assert [outlier.round for outlier in outliers(run, "ttft_s")] == [6]
    assert outliers(run, "tpot_s") == ()
    assert [few.peers for few in too_few(run, "tpot_s")] == []


def test_a_metric_that_samples_do_not_have_is_refused() -> None:
    with pytest.raises(KeyError, match="unknown sample metric 'score'"):
        outliers(result(), "score")
    with pytest.raises(KeyError, match="unknown sample metric 'itl_s'"):
        too_few(result(), "itl_s")


def test_a_latency_of_zero_is_passed_over() -> None:
    model = model_run(samples=(*samples([1, 1, 1, 1, 1]), sample(chunk_ns=(), end_ns=0)))

    assert outliers(result([model])) == ()
