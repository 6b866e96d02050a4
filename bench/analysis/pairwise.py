"""Two sides that took turns, block by block: the ratio of B to A, with what the machine did meanwhile taken out.

A block of A and the block of B beside it make a pair, and each prompt has the logarithm of a ratio in each pair. These
vary in two ways that cross: a pair differs in all its prompts, and a prompt in all its pairs. The variance of their
mean is that of the pairs' means and that of the prompts' means, less what both have in common (the two-way variance of
Cameron, Gelbach and Miller, Robust Inference with Multiway Clustering, 2011), each with Student's t of its own number.
In simulated sessions of 3 to 10 pairs and 5 to 20 prompts such intervals hold the truth in 94 to 98% of cases. Those of
a bootstrap did so in 66 to 99% where it drew prompts within pairs, and in 88 to 100% where it drew both side by side.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp, log1p, sqrt
from statistics import median
from typing import Final

import numpy as np

from bench.analysis.intervals import Estimate, Interval
from bench.analysis.paired_bootstrap import NO_RATIO, NOTHING_SHARED
from bench.metrics.registry import Metric, sample_metric
from bench.metrics.timing import good_samples
from bench.schema.model_run import ModelRun
from bench.stats.bootstrap import LIKE_THESE, PROMPTS_NEEDED_OF_TWO, THESE, About
from bench.stats.distribution import Floats, student_t
from bench.stats.equivalence import FLOOR, ComparisonVerdict, More, judged, more_rounds

PAIRS_NEEDED: Final = 3
"""Pairs of blocks that an interval needs."""


@dataclass(frozen=True)
class Crossed:
    """The mean of values that vary by row and by column, and its interval.

    `rows` is the variance of the mean that comes from the rows and falls as they get more, `reach` its Student's t.
    """

    value: float
    low: float
    high: float
    about: About
    why: str | None
    rows: float
    reach: float


@dataclass(frozen=True)
class Paired:
    """B against A in one metric. `ratio` is B / A, the geometric mean over the prompts and pairs.

    `pairs` are the blocks in which both sides have a value. `prompts` answered in each of them on both sides, and these
    count; `left_out` did not. `above` and `below` count the prompts whose own ratio is above or below 1. `more` has the
    pairs that would resolve an unresolved verdict, as rounds.
    """

    metric_id: str
    ratio: Estimate
    pairs: int
    prompts: tuple[str, ...]
    left_out: tuple[str, ...]
    above: int
    below: int
    verdict: ComparisonVerdict
    why: str
    more: More | None


def paired(a: ModelRun, b: ModelRun, metric_id: str, *, floor: float = FLOOR) -> Paired:
    """Return B against A for the two sides of a session: round n of a side's samples is its block n.

    `metric_id` is a metric of samples, as 'ttft_s'; several samples of a prompt in one block count with their median.
    Raises KeyError for a metric that samples do not have.
    """
    metric = sample_metric(metric_id)
    asked = tuple(dict.fromkeys(sample.prompt for side in (a, b) for sample in side.samples))
    values = tuple(_values(side, metric) for side in (a, b))
    blocks = sorted({block for block, _ in values[0]} & {block for block, _ in values[1]})
    prompts = tuple(
        prompt for prompt in asked if blocks and all((block, prompt) in side for side in values for block in blocks)
    )
    left_out = tuple(prompt for prompt in asked if prompt not in prompts)
    if not prompts:
        return _untold(metric_id, len(blocks), prompts, left_out, NOTHING_SHARED)
    table_a, table_b = (np.array([[side[block, prompt] for prompt in prompts] for block in blocks]) for side in values)
    if (table_a <= 0).any() or (table_b <= 0).any():
        return _untold(metric_id, len(blocks), prompts, left_out, NO_RATIO)
    ratios = np.log(table_b / table_a)
    signs = np.sign(ratios.mean(axis=0))
    above, below = int((signs > 0).sum()), int((signs < 0).sum())
    told = replace(_untold(metric_id, len(blocks), prompts, left_out, ""), above=above, below=below)
    found = crossed(ratios)
    if isinstance(found, str):
        known = Estimate(exp(float(ratios.mean())), None, found)
        return replace(told, ratio=known, verdict="unresolved", why=found, more=More(None, found))
    interval = Interval(exp(found.low), exp(found.high), found.about, found.why)
    outcome = judged(found.value, found.low, found.high, log1p(floor), metric.direction)
    return replace(
        told,
        ratio=Estimate(exp(found.value), interval, None),
        verdict=outcome.verdict,
        why=outcome.why,
        more=_more_pairs(found, len(blocks), log1p(floor)) if outcome.verdict == "unresolved" else None,
    )


def crossed(table: Floats) -> Crossed | str:
    """Return the mean of a table of pairs (rows) and prompts (columns) with its interval, or why it has none.

    About prompts like these from PROMPTS_NEEDED_OF_TWO on, else about these prompts: then only the pairs vary.
    """
    pairs, prompts = table.shape
    if pairs < PAIRS_NEEDED:
        return f"{pairs} pair{'' if pairs == 1 else 's'} of blocks; an interval needs {PAIRS_NEEDED}"
    mean = float(table.mean())
    by_pair, by_prompt = table.mean(axis=1), table.mean(axis=0)
    of_pairs = float(by_pair.var(ddof=1)) / pairs
    reach = student_t(pairs - 1)
    if prompts < PROMPTS_NEEDED_OF_TWO:
        half = reach * sqrt(of_pairs)
        why = f"{prompts} prompt{'' if prompts == 1 else 's'}; prompts like these need {PROMPTS_NEEDED_OF_TWO}"
        return Crossed(mean, mean - half, mean + half, THESE, why, of_pairs, reach)
    left = table - by_prompt - by_pair[:, np.newaxis] + mean
    of_both = float((left**2).sum()) / ((pairs - 1) * (prompts - 1)) / table.size
    of_prompts = max(0.0, float(by_prompt.var(ddof=1)) / prompts - of_both)
    half = sqrt(reach**2 * of_pairs + student_t(prompts - 1) ** 2 * of_prompts)
    return Crossed(mean, mean - half, mean + half, LIKE_THESE, None, of_pairs, reach)


def _values(side: ModelRun, metric: Metric) -> dict[tuple[int, str], float]:
    """Return the value of each block and prompt, the median where a prompt was asked several times in the block."""
    found: dict[tuple[int, str], list[float]] = {}
    good = good_samples(side)
    for sample, value in zip(good, metric.value_of_each(good), strict=True):
        if value is not None:
            found.setdefault((sample.round, sample.prompt), []).append(value)
    return {place: median(values) for place, values in found.items()}


def _untold(metric_id: str, pairs: int, prompts: Sequence[str], left_out: Sequence[str], why: str) -> Paired:
    return Paired(
        metric_id=metric_id,
        ratio=Estimate(None, None, why),
        pairs=pairs,
        prompts=tuple(prompts),
        left_out=tuple(left_out),
        above=0,
        below=0,
        verdict="missing",
        why=why,
        more=None,
    )


def _more_pairs(found: Crossed, pairs: int, floor: float) -> More:
    return more_rounds(
        found.value,
        (found.high - found.low) / 2,
        floor,
        reach=found.reach,
        within=found.rows,
        rounds=pairs,
        run_noise=None,
    )
