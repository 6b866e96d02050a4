"""How far raters agree beyond chance: quadratic-weighted kappa for two, Krippendorff's alpha for any number.

Scores are numbers on one scale with equal steps. Intervals are percentile bootstraps (Efron and Tibshirani, 1993) that
resample whole answers: the facets of one answer are not independent of each other.
"""

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from bench.stats.distribution import UPPER_QUANTILE, Floats

ANSWERS_NEEDED: Final = 10
"""Answers that raters must have in common: with fewer, an interval spans most of what is possible."""

RESAMPLES: Final = 2_000

DEFINED_SHARE: Final = 0.95
"""Share of resamples in which a coefficient must be defined to have an interval."""

_BATCH_CELLS = 2_000_000
_NOTHING = 1e-9
_MIDDLE = 3.0

AlphaMetric = Literal["interval", "ordinal"]


@dataclass(frozen=True)
class Coefficient:
    """An agreement from 1 (perfect) over 0 (as by chance) to below, with its interval of CONFIDENCE.

    `scored` counts the facets of answers that went in, `answers` the distinct answers. Where a value or its interval
    is None, `why` has the reason.
    """

    value: float | None
    low: float | None
    high: float | None
    scored: int
    answers: int
    why: str | None


def quadratic_kappa(
    one: Sequence[float], other: Sequence[float], answers: Sequence[Hashable], seed: int
) -> Coefficient:
    """Return the quadratic-weighted kappa of two raters; `answers` says to which answer each pair of scores belongs.

    1 - mean((x - y)²) / mean((x - y)²) over all pairings by chance: Cohen (1968) with weights (x - y)². In this form it
    needs no categories, so that a program's partial credit keeps its value.
    """
    x = np.asarray(one, dtype=np.float64) - _MIDDLE
    y = np.asarray(other, dtype=np.float64) - _MIDDLE
    columns = np.column_stack((np.ones_like(x), x, y, x * x + y * y, x * y))
    return _estimated(columns, answers, _kappa, len(x), seed)


def krippendorff_alpha(
    units: Sequence[Sequence[float]],
    answers: Sequence[Hashable],
    seed: int,
    needed: int = ANSWERS_NEEDED,
    metric: AlphaMetric = "interval",
) -> Coefficient:
    """Return Krippendorff's alpha of any number of raters of whom some may have missed a unit.

    A unit is what one facet of one answer got, in any order; `answers` says to which answer it belongs. Units with
    fewer than two scores say nothing and are left out. 1 - observed / expected squared difference: Krippendorff,
    Content Analysis (2004), chapter 11. The interval metric takes the steps from 1 to 5 as equal; the ordinal one
    knows their order alone, and takes two scores to be as far apart as there are scores between them.
    """
    # A partial credit may be reckoned in two ways, and is one score all the same.
    kept = [(np.round(np.asarray(unit, float), 9), answer) for unit, answer in zip(units, answers, strict=True)]
    kept = [(unit, answer) for unit, answer in kept if len(unit) > 1]
    scored = [unit for unit, _ in kept]
    of = [answer for _, answer in kept]
    if metric == "ordinal":
        return _estimated(_coincidences(scored), of, _ordinal_alpha, len(kept), seed, needed)
    rows = np.empty((len(kept), 4))
    for place, unit in enumerate(scored):
        values = unit - _MIDDLE
        total, squares = float(values.sum()), float((values * values).sum())
        differences = 2 * (len(unit) * squares - total * total)
        rows[place] = (len(unit), total, squares, differences / (len(unit) - 1))
    return _estimated(rows, of, _alpha, len(kept), seed, needed)


def _kappa(totals: Floats) -> tuple[Floats, Floats]:
    """Return the observed and the expected squared difference, from totals of n, x, y, x² + y², xy a row."""
    n, x, y, squares, product = totals.T
    return (squares - 2 * product) / n, squares / n - 2 * (x / n) * (y / n)


def _alpha(totals: Floats) -> tuple[Floats, Floats]:
    """Return the observed and the expected squared difference, from totals of n, x, x² and differences a row."""
    n, x, squares, differences = totals.T
    return differences / n, 2 * (n * squares - x * x) / (n * (n - 1))


def _coincidences(units: Sequence[Floats]) -> Floats:
    """Return how often each two values stand in each unit together, a row of all pairs of values for each unit.

    A unit of m scores has m (m - 1) pairs, each weighted with 1 / (m - 1), so that a row sums to m.
    """
    values = np.unique(np.concatenate(units)) if units else np.empty(0)
    rows = np.empty((len(units), len(values) ** 2))
    for place, unit in enumerate(units):
        counts = (unit[:, None] == values[None, :]).sum(axis=0).astype(np.float64)
        pairs = np.outer(counts, counts) - np.diag(counts)
        rows[place] = pairs.ravel() / (len(unit) - 1)
    return rows


def _ordinal_alpha(totals: Floats) -> tuple[Floats, Floats]:
    """Return the observed and the expected squared difference of ranks, from totals of coincidences a row."""
    size = math.isqrt(totals.shape[1])
    together = totals.reshape(-1, size, size)
    counts = together.sum(axis=2)
    n = counts.sum(axis=1)
    # The rank of a value is the middle of the ranks of all scores that have it.
    ranks = np.cumsum(counts, axis=1) - counts / 2
    squared = (ranks[:, :, None] - ranks[:, None, :]) ** 2
    observed = (together * squared).sum(axis=(1, 2)) / n
    expected = (counts[:, :, None] * counts[:, None, :] * squared).sum(axis=(1, 2)) / (n * (n - 1))
    return observed, expected


def _estimated(
    rows: Floats,
    answers: Sequence[Hashable],
    differences: Callable[[Floats], tuple[Floats, Floats]],
    scored: int,
    seed: int,
    needed: int = ANSWERS_NEEDED,
) -> Coefficient:
    places = {answer: place for place, answer in enumerate(dict.fromkeys(answers))}
    count = len(places)
    if count < needed:
        noun = "answer" if count == 1 else "answers"
        return Coefficient(None, None, None, scored, count, f"{count} {noun} in common; needs {needed}")
    sums = np.zeros((count, rows.shape[1]))
    np.add.at(sums, [places[answer] for answer in answers], rows)
    (value,) = _beyond_chance(*differences(sums.sum(axis=0, keepdims=True)))
    if np.isnan(value):
        why = "every score is the same: agreement cannot be told from chance"
        return Coefficient(None, None, None, scored, count, why)
    resampled = _resampled(sums, differences, seed)
    defined = resampled[~np.isnan(resampled)]
    if len(defined) < DEFINED_SHARE * RESAMPLES:
        why = "no interval: too often, a resample has the same score everywhere"
        return Coefficient(float(value), None, None, scored, count, why)
    low, high = np.quantile(defined, (1 - UPPER_QUANTILE, UPPER_QUANTILE), method="linear")
    return Coefficient(float(value), float(low), float(high), scored, count, None)


def _resampled(sums: Floats, differences: Callable[[Floats], tuple[Floats, Floats]], seed: int) -> Floats:
    count = len(sums)
    random = np.random.default_rng(seed)
    batch = max(1, min(RESAMPLES, _BATCH_CELLS // max(sums.shape)))
    parts = []
    for start in range(0, RESAMPLES, batch):
        size = min(batch, RESAMPLES - start)
        # How often each answer is drawn when as many are drawn as there are.
        drawn = random.multinomial(count, np.full(count, 1 / count), size=size)
        parts.append(_beyond_chance(*differences(drawn @ sums)))
    return np.concatenate(parts)


def _beyond_chance(observed: Floats, expected: Floats) -> Floats:
    """Return 1 - observed / expected, NaN where nothing differs at all."""
    share = np.full_like(observed, np.nan)
    np.divide(observed, expected, out=share, where=expected > _NOTHING)
    return 1 - share
