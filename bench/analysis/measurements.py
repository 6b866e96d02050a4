"""What was measured: (run, model, stratum, metric) -> a number, why there is none, and what can be drawn again."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final, Literal, TypeVar

import numpy as np

from bench.analysis.summary import model_value, summarise_model
from bench.metrics import registry
from bench.metrics.lengths import CellSummary, summarise_cell
from bench.metrics.load import LevelKey, LevelSummary, level_key
from bench.metrics.registry import Metric, StratumKind, on_schedule, split_metric_id
from bench.metrics.sample_arrays import SampleArrays, SampleValues
from bench.metrics.timing import NANOSECONDS_PER_SECOND, loads_s, run_throughput, sample_arrays
from bench.schema.model_run import ModelRun
from bench.schema.result import Result
from bench.schema.sample import Sample
from bench.stats.bootstrap import RequestValues

Element = TypeVar("Element")

LOADS = "loads"
"""Stands for the prompt where a model was loaded and not asked."""

REQUESTS_KEPT: Final = 256
"""Metrics of models whose values are kept: an interval, and each comparison with another model, start from the same."""

STRETCHES: Final = 10
"""Stretches of successive requests into which a level is cut."""

REQUESTS_NEEDED: Final = 2 * STRETCHES
"""Good requests with a value that a level needs for that."""


@dataclass(frozen=True)
class Stratum:
    """What of a run is measured: one prompt, one level of load, one cell of lengths, or (none of them) the whole run.

    A cell goes by what was aimed at: prompt tokens, output tokens.
    """

    prompt: str | None = None
    level: LevelKey | None = None
    cell: tuple[int, int] | None = None

    @property
    def kind(self) -> StratumKind:
        """Which of the four it is."""
        return "level" if self.level else "cell" if self.cell else "whole" if self.prompt is None else "prompt"

    @property
    def words(self) -> str | None:
        """The level of load in words; None for requests one after the other."""
        return None if self.level is None else self.level.words


WHOLE: Final = Stratum()

NOT_IN_THE_RUN: Final = "the run does not have it"


@dataclass(frozen=True, eq=False)
class Measurement:
    """A metric of a model. `statistic` of all `by_prompt` together is its value, in the metric's base unit.

    `kind` says what the requests are: 'requests', the 'loads' of the model, the mean 'scores' of the prompts, or a
    single 'reading', of which there is nothing by prompt. Prompts are in the order of the prompt set; one without a
    value is left out. At a level of load, stretches of successive requests stand for the prompts.
    """

    metric: Metric
    statistic: str
    kind: Literal["requests", "loads", "scores", "reading"]
    by_prompt: dict[str, tuple[RequestValues, ...]]


def levels(model: ModelRun) -> tuple[Stratum, ...]:
    """Return the levels of load of a model, in the order of the run; of equal ones the first counts."""
    return tuple(dict.fromkeys(Stratum(level=level_key(level)) for level in model.load))


def compared(stratum: Stratum) -> tuple[str, ...]:
    """Return every metric that is compared in a stratum, in order: latencies count from a schedule if there is one."""
    return _as_asked(registry.compared(stratum.kind), stratum)


def watched(stratum: Stratum) -> tuple[str, ...]:
    """Return every metric that is watched in a stratum, in order: latencies count from a schedule if there is one."""
    return _as_asked(registry.watched(stratum.kind), stratum)


def value(result: Result, model: ModelRun, stratum: Stratum, metric_id: str) -> float | None:
    """Return one number of a stratum in its base unit: a statistic as in 'ttft_s.p95', else the median.

    None where it is undefined, and where the run does not have the stratum. Raises KeyError for a metric or statistic
    that such a stratum does not have.
    """
    if stratum.level is None and stratum.cell is None:
        split_metric_id(metric_id, stratum.kind)
        return model_value(result, narrowed(model, stratum), metric_id)
    found = part(result, model, stratum)
    return None if found is None else found.value(metric_id)


def why_undefined(result: Result, model: ModelRun, stratum: Stratum, metric_id: str) -> str | None:
    """Return why `value` has nothing for this metric, or None where it has something."""
    if stratum.level is None and stratum.cell is None:
        return summarise_model(result, narrowed(model, stratum)).why_undefined(metric_id)
    found = part(result, model, stratum)
    return NOT_IN_THE_RUN if found is None else found.why_undefined(metric_id)


def asked(model: ModelRun, stratum: Stratum) -> Sequence[Sample]:
    """Return the requests of a stratum that were measured, failed ones included, in the order of sending."""
    if stratum.level is not None:
        level = next((one for one in model.load if level_key(one) == stratum.level), None)
        return () if level is None else tuple(one for one in level.samples if one.phase == "measured")
    return narrowed(model, stratum).samples


def measure(result: Result, model: ModelRun, stratum: Stratum, metric_id: str) -> Measurement:
    """Return what was measured of 'ttft_s', 'ttft_s.p95', 'score' and so on; the median unless a statistic is named.

    Throughput is the mean of tokens / time over the requests, where the time of one is from its start to that of the
    next, failed ones included; at a level it is a single reading, as are gaps that were counted in bins. Raises
    KeyError for a metric or statistic that such a stratum does not have.
    """
    metric, statistic = split_metric_id(metric_id, stratum.kind)
    if stratum.level is not None:
        return _at_level(model, stratum, metric, statistic)
    model = narrowed(model, stratum)
    if metric.withheld is not None and metric.withheld(model) is not None:
        return Measurement(metric, statistic, "requests", {})
    if metric.of_samples:
        return Measurement(metric, statistic, "requests", _requests(result, model, metric))
    if metric.id == "throughput_tokens_per_s":
        return Measurement(metric, "mean", "requests", _rates(result, model))
    if metric.of_prompts is not None:
        scores = metric.of_prompts(result, model).items()
        known: dict[str, tuple[RequestValues, ...]] = {
            prompt: (_one(score),) for prompt, score in scores if score is not None
        }
        return Measurement(metric, "mean", "scores", known)
    if metric.id == "cold_load_s":
        loads = tuple(_one(load_s) for load_s in loads_s(model))
        return Measurement(metric, "p50", "loads", {LOADS: loads} if loads else {})
    return Measurement(metric, "p50", "reading", {})


def narrowed(model: ModelRun, stratum: Stratum) -> ModelRun:
    """Return a model as if it had been asked a stratum's prompt, or for its cell of lengths, alone."""
    if stratum.cell is not None:
        cells = [one.samples for one in model.lengths if (one.prompt_tokens, one.output_tokens) == stratum.cell]
        return model.model_copy(update={"samples": cells[0] if cells else ()})
    if stratum.prompt is None:
        return model
    samples = tuple(one for one in model.samples if one.prompt == stratum.prompt)
    return model.model_copy(update={"samples": samples})


def part(result: Result, model: ModelRun, stratum: Stratum) -> LevelSummary | CellSummary | None:
    """Return the level or cell of a stratum, the first of equal ones; None where the run does not have it."""
    if stratum.level is not None:
        levels = (level for level in model.load if level_key(level) == stratum.level)
        return next((LevelSummary(result, model, level) for level in levels), None)
    cells = (cell for cell in model.lengths if (cell.prompt_tokens, cell.output_tokens) == stratum.cell)
    return next((summarise_cell(cell) for cell in cells), None)


def in_stretches(items: Sequence[Element]) -> list[Sequence[Element]]:
    """Cut what came one after the other into STRETCHES parts, as near to equal as can be."""
    edges = [len(items) * place // STRETCHES for place in range(STRETCHES + 1)]
    return [items[start:end] for start, end in pairwise(edges)]


def _as_asked(metric_ids: Iterable[str], stratum: Stratum) -> tuple[str, ...]:
    scheduled = stratum.level is not None and stratum.level.rate_per_s is not None
    return tuple(on_schedule(metric_id) if scheduled else metric_id for metric_id in metric_ids)


def _at_level(model: ModelRun, stratum: Stratum, metric: Metric, statistic: str) -> Measurement:
    binned = any(one.gaps is not None for one in model.load if level_key(one) == stratum.level)
    if not metric.of_samples or metric.of_level is not None or (metric.scope == "gap" and binned):
        return Measurement(metric, statistic, "reading", {})
    of_each = metric.sample_values(tuple(asked(model, stratum))).by_sample()
    requests = [RequestValues(values) for values in of_each if len(values)]
    stretches = enumerate(in_stretches(requests), start=1)
    return Measurement(
        metric, statistic, "requests", {f"stretch {place}": tuple(some) for place, some in stretches if some}
    )


def _requests(result: Result, model: ModelRun, metric: Metric) -> dict[str, tuple[RequestValues, ...]]:
    by_prompt = _by_prompt(sample_arrays(model), metric.sample_values(model.samples))
    prompts = dict.fromkeys([*(prompt.id for prompt in result.prompt_set.prompts), *by_prompt])
    return {prompt: by_prompt[prompt] for prompt in prompts if prompt in by_prompt}


@lru_cache(maxsize=REQUESTS_KEPT)
def _by_prompt(arrays: SampleArrays, known: SampleValues) -> dict[str, tuple[RequestValues, ...]]:
    found: dict[str, list[RequestValues]] = {}
    for prompt, values in zip(arrays.prompts, known.by_sample(), strict=True):
        if len(values):
            found.setdefault(prompt, []).append(RequestValues(values))
    return {prompt: tuple(requests) for prompt, requests in found.items()}


def _rates(result: Result, model: ModelRun) -> dict[str, tuple[RequestValues, ...]]:
    """Return the output tokens of each request per second until the next one; nothing where requests overlap wholly."""
    throughput = run_throughput(model)
    if throughput is None:
        return {}
    samples = sorted(model.samples, key=lambda sample: sample.start_ns)
    tokens = [(sample.output_tokens or 0) if sample.failure is None else 0 for sample in samples]
    shares_s = [(later.start_ns - sample.start_ns) / NANOSECONDS_PER_SECOND for sample, later in pairwise(samples)]
    shares_s.append(max(0.0, sum(tokens) / throughput - sum(shares_s)))
    found: dict[str, list[RequestValues]] = {prompt.id: [] for prompt in result.prompt_set.prompts}
    for sample, count, share_s in zip(samples, tokens, shares_s, strict=True):
        found[sample.prompt].append(RequestValues(np.array([float(count)]), np.array([share_s])))
    spent_s = {
        prompt: sum(float(one.per.sum()) for one in asked if one.per is not None) for prompt, asked in found.items()
    }
    if any(spent_s[prompt] == 0 and any(one.values.any() for one in asked) for prompt, asked in found.items()):
        return {}
    return {prompt: tuple(requests) for prompt, requests in found.items() if spent_s[prompt] > 0}


def _one(value: float) -> RequestValues:
    return RequestValues(np.array([value], dtype=np.float64))
