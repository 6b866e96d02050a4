"""Samples far from their own (model, prompt) peers, and prompts unlike the others, by robust distances.

A prompt stands out where it takes one model longer, or less long, than the other models and its other prompts predict.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import exp, log, log1p, pi, sqrt
from statistics import fmean, median
from typing import Final

from bench.analysis.summary import prompt_distributions
from bench.metrics.registry import Metric, sample_metric
from bench.metrics.timing import good_samples
from bench.schema.model_run import ModelRun
from bench.schema.result import Result
from bench.schema.sample import Sample

THRESHOLD = 3.5
"""Modified z-score beyond which a sample stands out: Iglewicz and Hoaglin, How to Detect and Handle Outliers, 1993."""

MAD_TO_DEVIATION = 0.6745
"""Median absolute deviation of a normal distribution, in standard deviations (same source)."""

MEAN_AD_TO_DEVIATION = sqrt(2 / pi)
"""Mean absolute deviation of a normal distribution, in standard deviations."""

OUTLIER_FLOOR = 0.1
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

    The distance is the modified z-score MAD_TO_DEVIATION * (x - median) / MAD of x = log(value), against the good
    samples of the same model and prompt, the sample itself included. Where more than half of the peers are equal the
    MAD is 0, and the mean absolute deviation takes its place, scaled likewise to a normal distribution; where all are
    equal there is no outlier. A sample within OUTLIER_FLOOR of its median never is one. Raises KeyError for a metric
    that samples do not have.
    """
    selected = sample_metric(metric_id)
    found: list[Outlier] = []
    for group in _groups(result, selected):
        if len(group.values) >= MINIMUM_PEERS:
            found.extend(_outliers_of(group, metric_id))
    return tuple(found)


def too_few(result: Result, metric_id: str = "e2e_s") -> tuple[TooFewPeers, ...]:
    """Return each model and prompt with fewer than MINIMUM_PEERS good samples that have the metric, in their order.

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


def _groups(result: Result, selected: Metric) -> Iterator[_Group]:
    for model in result.models:
        good = good_samples(model)
        # A value of 0 has no logarithm: a clock that saw no time pass says nothing about the sample.
        known = [(sample, value) for sample, value in zip(good, selected.value_of_each(good), strict=True) if value]
        for prompt in result.prompt_set.prompts:
            own = [(sample, value) for sample, value in known if sample.prompt == prompt.id]
            yield _Group(model.name, prompt.id, tuple(sample for sample, _ in own), tuple(value for _, value in own))


def _outliers_of(group: _Group, metric_id: str) -> Iterator[Outlier]:
    logs = [log(value) for value in group.values]
    centre = median(logs)
    spread = deviation([abs(x - centre) for x in logs])
    if spread == 0:
        return
    reach = THRESHOLD * spread
    low = min(exp(centre - reach), exp(centre) * (1 - OUTLIER_FLOOR))
    high = max(exp(centre + reach), exp(centre) * (1 + OUTLIER_FLOOR))
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


MODELS_NEEDED: Final = 3
PROMPTS_NEEDED: Final = 4
"""The smallest table in which one cell can be told from its row and its column."""

INTERACTION_FLOOR: Final = 0.25
"""Relative distance from what is expected below which a cell is no interaction: models share their prompts' lengths and
not their speeds of reading and writing, so that such a table is never quite additive."""

PASSES: Final = 10
SETTLED: Final = 1e-9
"""Median polish ends after so many passes, or where the last one moved nothing by more than this."""

ROUNDING: Final = 1e-6
"""Rests below this are none: a latency of a millisecond has a stamp of whole nanoseconds."""

ModelAndPrompt = tuple[str, str]
"""A model and a prompt."""


@dataclass(frozen=True)
class Interaction:
    """A model and prompt whose median is beyond its limits.

    `value`, `expected`, `low` and `high` are in the metric's base unit. `score` is the modified z-score of the rest on
    the logarithm: positive where the prompt takes the model longer than expected. `tokens` is the median number of
    output tokens of its answers, `tokens_of_others` the median of those of the other models; None where not counted.
    """

    model: str
    prompt: str
    metric_id: str
    value: float
    expected: float
    low: float
    high: float
    score: float
    tokens: float | None
    tokens_of_others: float | None


def interactions(result: Result, metric_id: str = "e2e_s") -> tuple[Interaction, ...] | str:
    """Return the interactions of a run in one sample metric, in order of model and prompt; or why nobody can tell.

    The distance is MAD_TO_DEVIATION * rest / MAD, beyond THRESHOLD as for samples, and at least INTERACTION_FLOOR of
    what is expected. A model needs PROMPTS_NEEDED with a value and a prompt MODELS_NEEDED. Raises KeyError for a metric
    that samples do not have.
    """
    sample_metric(metric_id)
    cells = _enough(
        {
            (model.name, prompt): log(found.p50)
            for model in result.models
            for prompt, found in prompt_distributions(result, model, metric_id).items()
            if found is not None and found.p50 > 0
        }
    )
    if not cells:
        return f"it takes {MODELS_NEEDED} models with good answers to the same {PROMPTS_NEEDED} prompts"
    rests = polished(cells)
    fitted = len(_grouped(cells, 0)) + len(_grouped(cells, 1)) - 1
    distances = sorted(abs(rest) if abs(rest) > ROUNDING else 0.0 for rest in rests.values())
    spread = deviation(distances[fitted:])
    if spread == 0:
        return ()
    reach = max(THRESHOLD * spread, log1p(INTERACTION_FLOOR))
    tokens = {model.name: _tokens(model) for model in result.models}
    return tuple(
        Interaction(
            model=model,
            prompt=prompt,
            metric_id=metric_id,
            value=exp(cells[model, prompt]),
            expected=exp(cells[model, prompt] - rest),
            low=exp(cells[model, prompt] - rest - reach),
            high=exp(cells[model, prompt] - rest + reach),
            score=rest / spread,
            tokens=tokens[model].get(prompt),
            tokens_of_others=_middle(
                of_model[prompt] for other, of_model in tokens.items() if other != model and prompt in of_model
            ),
        )
        for (model, prompt), rest in rests.items()
        if abs(rest) > reach
    )


def polished(cells: Mapping[ModelAndPrompt, float]) -> dict[ModelAndPrompt, float]:
    """Return what is left of a table after median polish, rows (the first part of a place) before columns.

    Cells may be missing. Each row and each column needs one; the unit is that of the cells.
    """
    rests = dict(cells)
    for _ in range(PASSES):
        moved = 0.0
        for side in (0, 1):
            for line in _grouped(rests, side).values():
                level = median(rests[place] for place in line)
                moved = max(moved, abs(level))
                rests |= {place: rests[place] - level for place in line}
        if moved <= SETTLED:
            break
    return rests


def _enough(cells: Mapping[ModelAndPrompt, float]) -> dict[ModelAndPrompt, float]:
    """Return the cells without models of too few prompts and prompts of too few models; there may be none left."""
    kept = dict(cells)
    while True:
        thin = {
            place
            for side, needed in ((0, PROMPTS_NEEDED), (1, MODELS_NEEDED))
            for line in _grouped(kept, side).values()
            if len(line) < needed
            for place in line
        }
        if not thin:
            return kept
        kept = {place: value for place, value in kept.items() if place not in thin}


def _grouped(places: Iterable[ModelAndPrompt], side: int) -> dict[str, list[ModelAndPrompt]]:
    lines: dict[str, list[ModelAndPrompt]] = {}
    for place in places:
        lines.setdefault(place[side], []).append(place)
    return lines


def _tokens(model: ModelRun) -> dict[str, float]:
    """Return the median number of output tokens of the good answers to each prompt for which it was counted."""
    counted: dict[str, list[int]] = {}
    for sample in good_samples(model):
        if sample.output_tokens is not None:
            counted.setdefault(sample.prompt, []).append(sample.output_tokens)
    return {prompt: median(counts) for prompt, counts in counted.items()}


def _middle(values: Iterable[float]) -> float | None:
    known = list(values)
    return median(known) if known else None
