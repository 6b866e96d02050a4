"""The evidence for one split, against the same worked out with whole covariance matrices."""

from collections.abc import Sequence
from math import exp, log, sqrt

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.stats.change_points import (
    CORRELATIONS,
    PRIOR_NOISE,
    PRIOR_RUNS,
    SHIFT_SCALE,
    background,
    held_in,
    middle,
    shift,
)


def log_likelihood(runs: NDArray[np.float64], level: NDArray[np.float64], covariance: NDArray[np.float64]) -> float:
    """Return the logarithm of the likelihood with the level and the noise integrated out, less what all share."""
    inverse = np.linalg.inv(covariance)
    of_level = level @ inverse @ level
    left = runs @ inverse @ runs - (level @ inverse @ runs) ** 2 / of_level
    half = (len(runs) - 1 + PRIOR_RUNS) / 2
    determinant = np.linalg.slogdet(covariance)[1]
    return float(-determinant / 2 - log(of_level) / 2 - half * log(left + PRIOR_RUNS * PRIOR_NOISE**2))


def evidence_by_matrices(runs: Sequence[float], level_from: int, split: int) -> float:
    """Return the evidence that `shift` should find: two levels without autocorrelation against one with any."""
    all_runs = np.array(runs)
    places = np.arange(len(runs))
    level = (places >= level_from).astype(float)
    new = (places >= split).astype(float)
    one = sum(
        belief * exp(log_likelihood(all_runs, level, covariance(len(runs), correlation)))
        for correlation, belief in CORRELATIONS
    )
    two = log_likelihood(all_runs, level, covariance(len(runs), 0.0) + SHIFT_SCALE**2 * np.outer(new, new))
    return two - log(one)


def covariance(count: int, correlation: float) -> NDArray[np.float64]:
    """Return the covariance of runs whose innovations have variance 1."""
    places = np.arange(count)
    distances = np.abs(places[:, None] - places[None, :])
    together: NDArray[np.float64] = np.power(correlation, distances) / (1 - correlation**2)
    return together


def test_the_middle_leaves_out_a_quarter_on_either_side() -> None:
    assert middle([3.0, 1.0, 2.0]) == 2.0
    assert middle([1.0, 2.0, 3.0, 100.0]) == 2.5
    assert middle([9.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, -50.0]) == 3.5


def test_a_background_by_hand() -> None:
    # The middle four of eight lie at 0. Squares 4 * 0.01² and the prior's 0.5 * 0.05², over 7 + 0.5 degrees.
    runs = [1.01, 0.99, 1.0, 1.0, 1.0, 1.0, 1.01, 0.99]

    known = background(runs)

    assert known.level == pytest.approx(1.0)
    assert known.spread == pytest.approx(sqrt((4 * 0.0001 + 0.5 * 0.0025) / 7.5))
    assert known.runs == 8


def test_a_spike_counts_as_no_farther_than_four_deviations() -> None:
    # The middle five of nine are two of -0.01 and three of 0.01: 0.002. The distances from it are 0.008 four times,
    # 0.012 four times and 0.498; their median 0.012 makes a deviation of 1.4826 * 0.012, and four of them 0.0711648.
    known = background([0.01, -0.01, 0.01, -0.01, 0.01, -0.01, 0.01, -0.01, 0.5])

    assert known.limit == pytest.approx(0.0711648)
    assert max(known.residuals) == known.limit


@pytest.mark.parametrize("seed", range(5))
def test_the_evidence_is_that_of_the_covariance_matrices(seed: int) -> None:
    random = np.random.default_rng(seed)
    runs = [float(run) for run in random.normal(0, 0.03, 20)]
    new = [float(run) for run in random.normal(0.08, 0.03, 4)]
    known = background(runs)

    away, _ = held_in(known, new)

    expected = evidence_by_matrices([*known.residuals, *away], 0, 20)
    assert shift(known, away).evidence == pytest.approx(expected)


def test_runs_at_older_levels_tell_of_the_noise_alone() -> None:
    random = np.random.default_rng(7)
    older = [float(run) for run in random.normal(0, 0.03, 15)]
    runs = [float(run) for run in random.normal(2, 0.03, 5)]
    known = background(runs, older)

    away, _ = held_in(known, [2.1, 2.12, 2.09])

    expected = evidence_by_matrices([*known.residuals, *away], 15, 20)
    assert shift(known, away).evidence == pytest.approx(expected)


def test_an_interval_without_autocorrelation_is_student_s() -> None:
    # 30 alternating runs speak against any positive autocorrelation. Squares 30 * 0.02² + 4 * 0 and the prior's
    # 0.5 * 0.05² over 34 - 2 + 0.5 = 32.5 degrees; Student's quantile is 2.0369 for 32 and 2.0345 for 33.
    known = background([0.02, -0.02] * 15)

    found = shift(known, [0.1, 0.1, 0.1, 0.1])

    error = sqrt((30 * 0.0004 + 0.00125) / 32.5 * (1 / 30 + 1 / 4))
    assert found.size == pytest.approx(0.1)
    assert found.error == pytest.approx(error, rel=0.02)
    assert found.reach / found.error == pytest.approx(2.0357, rel=1e-4)
    assert found.real


def test_runs_that_wander_are_less_evidence_than_runs_that_jump() -> None:
    jumping = background([0.03, -0.03, 0.02, -0.02] * 8)
    wandering = background([0.03, 0.03, 0.02, 0.01, -0.01, -0.02, -0.03, -0.03] * 4)
    away = [0.08, 0.08, 0.08, 0.08]

    assert shift(jumping, away).evidence > shift(wandering, away).evidence + 3
    assert shift(jumping, away).error < shift(wandering, away).error


def test_runs_agree_near_each_other_and_beyond_the_old_level() -> None:
    known = background([0.03, -0.03] * 15)

    assert held_in(known, [0.1, 0.12, 0.08])[1] == 3
    assert held_in(known, [-0.1, -0.12, -0.08])[1] == 3
    assert held_in(known, [0.3, 0.6, 0.01])[1] == 1
    assert held_in(known, [0.1, 0.12, 0.0, 0.1])[1] == 3
