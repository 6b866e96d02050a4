"""The metrics: a literal table of name, unit, which way is better, and how to get each from what was recorded.

Nothing is rounded or converted here: seconds, bytes, tokens/s. What is undefined is None.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

from bench.analysis.timing import (
    NANOSECONDS_PER_SECOND,
    decode_tokens_per_s,
    e2e_s,
    itl_s,
    output_tokens_per_s,
    prefill_tokens_per_s,
    tpot_s,
    ttfo_s,
    ttft_s,
)
from bench.runner.record import ModelRun, Sample

__all__ = [
    "ITL",
    "METRICS",
    "MODEL_METRICS",
    "SAMPLE_METRICS",
    "SCORE",
    "THROUGHPUT",
    "GapMetric",
    "Metric",
    "ModelMetric",
    "SampleMetric",
    "decode_tokens_per_s",
    "e2e_s",
    "itl_s",
    "metric",
    "output_tokens_per_s",
    "prefill_tokens_per_s",
    "sample_metric",
    "tpot_s",
    "ttfo_s",
    "ttft_s",
]


@dataclass(frozen=True)
class Metric:
    """What is measured, in words: how it is called, its unit, and which way is better.

    `symbol` is the short form for a table's header. `undefined` says when there is no value, for a reader.
    `needs_stream` marks what only a streamed answer shows. A `scope` of 'sample' has one value for each request, 'gap'
    several for each request, 'model' one for each model of a run.
    """

    scope: ClassVar[Literal["sample", "gap", "model"]] = "model"

    id: str
    label: str
    symbol: str
    unit: Literal["s", "s/token", "tokens/s", "bytes", "score"]
    better: Literal["lower", "higher"]
    definition: str
    undefined: str
    needs_stream: bool


@dataclass(frozen=True)
class SampleMetric(Metric):
    """A metric with one value for each request; `value` is None for a failed sample and where it is undefined."""

    scope: ClassVar[Literal["sample", "gap", "model"]] = "sample"

    value: Callable[[Sample], float | None]


@dataclass(frozen=True)
class GapMetric(Metric):
    """A metric with several values for each request, in order of arrival; `values` is empty for a failed sample."""

    scope: ClassVar[Literal["sample", "gap", "model"]] = "gap"

    values: Callable[[Sample], tuple[float, ...]]


@dataclass(frozen=True)
class ModelMetric(Metric):
    """A metric with one value for each model; `field` is the recorded field, whose null has its reason there."""

    value: Callable[[ModelRun], float | None]
    field: str


def _cold_load_s(model: ModelRun) -> float | None:
    return None if model.cold_load_ns is None else model.cold_load_ns / NANOSECONDS_PER_SECOND


SAMPLE_METRICS: tuple[SampleMetric, ...] = (
    SampleMetric(
        id="ttft_s",
        label="Time to first token",
        symbol="TTFT",
        unit="s",
        better="lower",
        definition="Request start to the first chunk that carries text; reasoning text counts.",
        undefined="no good sample",
        needs_stream=True,
        value=ttft_s,
    ),
    SampleMetric(
        id="ttfo_s",
        label="Time to first output",
        symbol="TTFO",
        unit="s",
        better="lower",
        definition="Request start to the first chunk of the answer itself; reasoning text does not count.",
        undefined="no sample has answer text apart from reasoning",
        needs_stream=True,
        value=ttfo_s,
    ),
    SampleMetric(
        id="tpot_s",
        label="Time per output token",
        symbol="TPOT",
        unit="s/token",
        better="lower",
        definition="(Last text chunk - first text chunk) / (output tokens - 1).",
        undefined="needs at least 2 counted output tokens that came at different times",
        needs_stream=True,
        value=tpot_s,
    ),
    SampleMetric(
        id="decode_tokens_per_s",
        label="Decode speed",
        symbol="Decode",
        unit="tokens/s",
        better="higher",
        definition="1 / TPOT: output tokens per second once the answer has begun.",
        undefined="needs at least 2 counted output tokens that came at different times",
        needs_stream=True,
        value=decode_tokens_per_s,
    ),
    SampleMetric(
        id="e2e_s",
        label="Latency",
        symbol="Latency",
        unit="s",
        better="lower",
        definition="Request start to the last byte of the answer.",
        undefined="no good sample",
        needs_stream=False,
        value=e2e_s,
    ),
    SampleMetric(
        id="output_tokens_per_s",
        label="Output throughput of a request",
        symbol="Output",
        unit="tokens/s",
        better="higher",
        definition="Output tokens / latency of the request; the prompt's tokens never count.",
        undefined="nobody counted the output tokens",
        needs_stream=False,
        value=output_tokens_per_s,
    ),
    SampleMetric(
        id="prefill_tokens_per_s",
        label="Prefill speed",
        symbol="Prefill",
        unit="tokens/s",
        better="higher",
        definition="Prompt tokens / TTFT.",
        undefined="nobody counted the prompt tokens",
        needs_stream=True,
        value=prefill_tokens_per_s,
    ),
)

ITL = GapMetric(
    id="itl_s",
    label="Inter-chunk gap",
    symbol="ITL",
    unit="s",
    better="lower",
    definition="Gaps between successive text chunks of a request, all gaps together; a chunk is not always a token.",
    undefined="every answer came in a single chunk",
    needs_stream=True,
    values=itl_s,
)

MODEL_METRICS: tuple[ModelMetric, ...] = (
    ModelMetric(
        id="cold_load_s",
        label="Cold load",
        symbol="Cold load",
        unit="s",
        better="lower",
        definition="Asking for a model that is on disk but not in memory, to ready.",
        undefined="not measured",
        needs_stream=False,
        value=_cold_load_s,
        field="cold_load_ns",
    ),
    ModelMetric(
        id="memory_before_bytes",
        label="Resident memory before load",
        symbol="Memory before",
        unit="bytes",
        better="lower",
        definition="Resident memory of the process that holds the model, before the load.",
        undefined="not measured",
        needs_stream=False,
        value=lambda model: model.memory_before_bytes,
        field="memory_before_bytes",
    ),
    ModelMetric(
        id="memory_loaded_bytes",
        label="Resident memory after load",
        symbol="Memory loaded",
        unit="bytes",
        better="lower",
        definition="Resident memory of the process that holds the model, after the load.",
        undefined="not measured",
        needs_stream=False,
        value=lambda model: model.memory_loaded_bytes,
        field="memory_loaded_bytes",
    ),
    ModelMetric(
        id="memory_peak_bytes",
        label="Peak resident memory",
        symbol="Memory peak",
        unit="bytes",
        better="lower",
        definition="The highest resident memory of the process that holds the model, while loading and answering.",
        undefined="not measured",
        needs_stream=False,
        value=lambda model: model.memory_peak_bytes,
        field="memory_peak_bytes",
    ),
    ModelMetric(
        id="footprint_bytes",
        label="Footprint",
        symbol="Footprint",
        unit="bytes",
        better="lower",
        definition="Bytes on disk of everything that the model needs to run.",
        undefined="not measured",
        needs_stream=False,
        value=lambda model: model.footprint_bytes,
        field="footprint_bytes",
    ),
)

THROUGHPUT = Metric(
    id="throughput_tokens_per_s",
    label="Output throughput",
    symbol="Throughput",
    unit="tokens/s",
    better="higher",
    definition="Output tokens of all good samples / wall time of all requests, failed ones included.",
    undefined="no good sample, or nobody counted the output tokens",
    needs_stream=False,
)

SCORE = Metric(
    id="score",
    label="Quality",
    symbol="Quality",
    unit="score",
    better="higher",
    definition="Mean over the prompts of the rubric score of the answers, from 1 (no facet met) to 5 (all met).",
    undefined="no graded answer",
    needs_stream=False,
)

METRICS: tuple[Metric, ...] = (*SAMPLE_METRICS, ITL, *MODEL_METRICS, THROUGHPUT, SCORE)
"""Every metric. THROUGHPUT and SCORE need more than one record: `bench.analysis.summary` works them out."""


def metric(metric_id: str) -> Metric:
    """Return the metric of this id; raises KeyError with the known ids."""
    for candidate in METRICS:
        if candidate.id == metric_id:
            return candidate
    raise KeyError(f"unknown metric {metric_id!r}; known: {', '.join(known.id for known in METRICS)}")


def sample_metric(metric_id: str) -> SampleMetric:
    """Return the metric of one value a request of this id; raises KeyError with the known ids."""
    for candidate in SAMPLE_METRICS:
        if candidate.id == metric_id:
            return candidate
    raise KeyError(f"unknown sample metric {metric_id!r}; known: {', '.join(known.id for known in SAMPLE_METRICS)}")
