"""Samples far from their own (model, prompt) peers, by a robust distance."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import exp, log, pi, sqrt
from statistics import fmean, median

from bench.analysis.metrics import SampleMetric, sample_metric
from bench.analysis.timing import good_samples
from bench.results.schema import Result
from bench.runner.record import ModelRun
from bench.runner.sample import Sample

THRESHOLD = 3.5
"""Modified z-score beyond which a sample stands out: Iglewicz and Hoaglin, How to Detect and Handle Outliers, 1993."""

MAD_TO_DEVIATION = 0.6745
"""Median absolute deviation of a normal distribution, in standard deviations (same source)."""

MEAN_AD_TO_DEVIATION = sqrt(2 / pi)
"""Mean absolute deviation of a normal distribution, in standard deviations."""

FLOOR = 0.1
"""Relative distance from the median below which nothing is an outlier: timer noise of very steady peers is none."""

MINIMUM_PEERS = 5
"""Good samples that a (model, prompt) pair needs before one of them can stand out."""


@dataclass(frozen=True)
class Outlier:
    """A sample beyond the limits of its peers.

    `value`, `median`, `low` and `high` are in the metric's base unit; a value above `high` or below `low` is an
    outlier. `score` is the modified z-score of the logarithm: positive above the median, negative below.
    """

    model: str
    prompt: str
    round: int
    position: int
    metric_id: str
    value: float
    median: float
    low: float
    high: float
    score: float


@dataclass(frozen=True)
class TooFewPeers:
    """A model and prompt with too few good samples to tell an outlier."""

    model: str
    prompt: str
    peers: int
    needed: int


@dataclass(frozen=True)
class _Group:
    model: str
    prompt: str
    samples: tuple[Sample, ...]
    values: tuple[float, ...]


def outliers(result: Result, metric_id: str = "e2e_s") -> tuple[Outlier, ...]:
    """Return the outliers of a run for one sample metric, in order of model, prompt and sending.

    The distance is the modified z-score 0.6745 * (x - median) / MAD of x = log(value), against the good samples of the
    same model and prompt, the sample itself included. Where more than half of the peers are equal the MAD is 0, and the
    mean absolute deviation takes its place, scaled likewise to a normal distribution; where all are equal there is
    no outlier. A sample within 10% of its median never is one. Raises KeyError for a metric that samples do not have.
    """
    selected = sample_metric(metric_id)
    found: list[Outlier] = []
    for group in _groups(result, selected):
        if len(group.values) >= MINIMUM_PEERS:
            found.extend(_outliers_of(group, metric_id))
    return tuple(found)


def too_few(result: Result, metric_id: str = "e2e_s") -> tuple[TooFewPeers, ...]:
    """Return each model and prompt with fewer than 5 good samples that have the metric, in order of model and prompt.

    Raises KeyError for a metric that samples do not have.
    """
    return tuple(
        TooFewPeers(group.model, group.prompt, len(group.values), MINIMUM_PEERS)
        for group in _groups(result, sample_metric(metric_id))
        if len(group.values) < MINIMUM_PEERS
    )


def deviation(distances: Sequence[float]) -> float:
    """Return the standard deviation of a normal distribution with these distances from its centre, robustly.

    From their median, or where that is 0 from their mean; 0 where all are. Raises StatisticsError without a distance.
    """
    spread = median(distances)
    if spread > 0:
        return spread / MAD_TO_DEVIATION
    return fmean(distances) / MEAN_AD_TO_DEVIATION


def _groups(result: Result, selected: SampleMetric) -> Iterator[_Group]:
    for model in result.models:
        for prompt in result.prompt_set.prompts:
            yield _group(model, prompt.id, selected)


def _group(model: ModelRun, prompt_id: str, selected: SampleMetric) -> _Group:
    samples = []
    values = []
    for sample in good_samples(model):
        value = selected.value(sample) if sample.prompt == prompt_id else None
        # A value of 0 has no logarithm: a clock that saw no time pass says nothing about the sample.
        if value:
            samples.append(sample)
            values.append(value)
    return _Group(model.name, prompt_id, tuple(samples), tuple(values))


def _outliers_of(group: _Group, metric_id: str) -> Iterator[Outlier]:
    logs = [log(value) for value in group.values]
    centre = median(logs)
    spread = deviation([abs(x - centre) for x in logs])
    if spread == 0:
        return
    reach = THRESHOLD * spread
    low = min(exp(centre - reach), exp(centre) * (1 - FLOOR))
    high = max(exp(centre + reach), exp(centre) * (1 + FLOOR))
    for sample, value in zip(group.samples, group.values, strict=True):
        if low <= value <= high:
            continue
        yield Outlier(
            model=group.model,
            prompt=group.prompt,
            round=sample.round,
            position=sample.position,
            metric_id=metric_id,
            value=value,
            median=exp(centre),
            low=low,
            high=high,
            score=(log(value) - centre) / spread,
        )
