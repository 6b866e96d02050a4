"""The metrics: a literal table of name, unit, which way is better, and how to get each from what was recorded.

Nothing is rounded or converted here: seconds, bytes, tokens/s. What is undefined is None.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

from bench.metrics.resources import energy_per_1000_tokens_j, energy_per_answer_j
from bench.metrics.timing import (
    NO_TPOT,
    STALL,
    cold_load_s,
    connect_s,
    decode_tokens_per_s,
    e2e_s,
    first_request_s,
    itl_s,
    longest_stall_s,
    output_tokens_per_s,
    prefill_tokens_per_s,
    sent_s,
    sent_share,
    shared_reads,
    shared_reads_share,
    stalls,
    stalls_in_all,
    tpot_s,
    ttfo_s,
    ttft_s,
)
from bench.quality.grading import SCALE_WORDS
from bench.schema.model_run import ModelRun
from bench.schema.sample import Sample


@dataclass(frozen=True)
class Metric:
    """What is measured, in words: how it is called, its unit, and which way is better.

    `symbol` is the short form for a table's header. `undefined` says when there is no value, for a reader. A unit of
    'money' stands for the currency of a run's config.
    `needs_stream` marks what only a streamed answer shows. A `scope` of 'sample' has one value for each request, 'gap'
    several for each request, 'model' one for each model of a run.
    """

    scope: ClassVar[Literal["sample", "gap", "model"]] = "model"

    id: str
    label: str
    symbol: str
    unit: Literal["s", "s/token", "tokens/s", "bytes", "score", "J", "count", "share", "money"]
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
    """A metric with one value for each model; `field` is a recorded field that it needs, whose null has a reason."""

    value: Callable[[ModelRun], float | None]
    field: str | None


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
        definition="(Last text chunk - first text chunk) / (output tokens - 1); tokens that came in one read with the "
        "first one are left out.",
        undefined=NO_TPOT,
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
        undefined=NO_TPOT,
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
    SampleMetric(
        id="longest_stall_s",
        label="Longest stall",
        symbol="Longest stall",
        unit="s",
        better="lower",
        definition="The longest gap between two successive text chunks of the request.",
        undefined="every answer came in a single chunk",
        needs_stream=True,
        value=longest_stall_s,
    ),
    SampleMetric(
        id="request_stalls_count",
        label="Stalls of a request",
        symbol="Stalls of a request",
        unit="count",
        better="lower",
        definition=f"Gaps between successive text chunks of the request that are {STALL}.",
        undefined="every answer came in a single chunk",
        needs_stream=True,
        value=stalls,
    ),
    SampleMetric(
        id="sent_s",
        label="Sending the request",
        symbol="Sent",
        unit="s",
        better="lower",
        definition="Request start to the whole request handed to the operating system: the client's own part of TTFT.",
        undefined="the client did not note when it had sent the request",
        needs_stream=False,
        value=sent_s,
    ),
    SampleMetric(
        id="sent_share",
        label="Share of TTFT spent in sending",
        symbol="Sent / TTFT",
        unit="share",
        better="lower",
        definition="Sending the request / TTFT.",
        undefined="the client did not note when it had sent the request",
        needs_stream=True,
        value=sent_share,
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
        definition="Asking for a model on disk but not in memory, to ready; the median of all loads of the run.",
        undefined="not measured",
        needs_stream=False,
        value=cold_load_s,
        field="cold_load_ns",
    ),
    ModelMetric(
        id="first_request_s",
        label="First request",
        symbol="First request",
        unit="s",
        better="lower",
        definition="Latency of the first request after the load, be it a warm-up or a measured one.",
        undefined="the first request after the load failed, or there was none",
        needs_stream=False,
        value=first_request_s,
        field=None,
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
        id="memory_unique_bytes",
        label="Unique memory",
        symbol="Memory unique",
        unit="bytes",
        better="lower",
        definition="Of the memory after the load, what the process shares with no other: what unloading would free.",
        undefined="not measured",
        needs_stream=False,
        value=lambda model: model.memory_unique_bytes,
        field="memory_unique_bytes",
    ),
    ModelMetric(
        id="gpu_memory_peak_bytes",
        label="Peak GPU memory",
        symbol="GPU memory",
        unit="bytes",
        better="lower",
        definition="The highest memory of the process that holds the model on all GPUs together.",
        undefined="not measured",
        needs_stream=False,
        value=lambda model: model.gpu_memory_peak_bytes,
        field="gpu_memory_peak_bytes",
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
    ModelMetric(
        id="connect_s",
        label="Connection set-up",
        symbol="Connect",
        unit="s",
        better="lower",
        definition="Setting up a connection to the endpoint, before the request's start and so in no latency: the "
        "median of the requests that needed one, warm-up included.",
        undefined="no connection was set up for a request",
        needs_stream=False,
        value=connect_s,
        field=None,
    ),
    ModelMetric(
        id="stalls_count",
        label="Stalls",
        symbol="Stalls",
        unit="count",
        better="lower",
        definition=f"Gaps between text chunks {STALL}, over all good samples.",
        undefined="no good sample has two chunks",
        needs_stream=True,
        value=stalls_in_all,
        field=None,
    ),
    ModelMetric(
        id="shared_reads_count",
        label="Shared reads",
        symbol="Shared reads",
        unit="count",
        better="lower",
        definition="Text chunks that came in one read with the chunk before them, over all good samples: when they "
        "came apart, nobody saw it, and their gap counts as zero.",
        undefined="no good sample has two chunks",
        needs_stream=True,
        value=shared_reads,
        field=None,
    ),
    ModelMetric(
        id="shared_reads_share",
        label="Share of gaps inside one read",
        symbol="Shared / gaps",
        unit="share",
        better="lower",
        definition="Shared reads / all gaps between text chunks.",
        undefined="no good sample has two chunks",
        needs_stream=True,
        value=shared_reads_share,
        field=None,
    ),
    ModelMetric(
        id="energy_per_answer_j",
        label="Energy per answer",
        symbol="Energy / answer",
        unit="J",
        better="lower",
        definition="Energy over all measured requests, failed ones included / good samples. An estimate is a stated "
        "wattage times the time, and says so.",
        undefined="no good sample",
        needs_stream=False,
        value=energy_per_answer_j,
        field="energy",
    ),
    ModelMetric(
        id="energy_per_1000_tokens_j",
        label="Energy per 1,000 output tokens",
        symbol="Energy / 1,000 tokens",
        unit="J",
        better="lower",
        definition="Energy over all measured requests, failed ones included / output tokens of good samples * 1,000.",
        undefined="no good sample, or nobody counted the output tokens",
        needs_stream=False,
        value=energy_per_1000_tokens_j,
        field="energy",
    ),
)


__all__ = [
    "COST",
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
    definition=f"Mean over the prompts of the rubric score of the answers, {SCALE_WORDS}.",
    undefined="no graded answer",
    needs_stream=False,
)

COST = Metric(
    id="cost_per_1000_answers",
    label="Cost of 1,000 answers",
    symbol="Cost / 1,000 answers",
    unit="money",
    better="lower",
    definition="Energy per answer at the config's price of a kWh, and where the config has it the device's price, "
    "spread over its life as if it answered all the time; times 1,000.",
    undefined="no energy, no good sample, or the config has no price of a kWh (energy.price_per_kwh)",
    needs_stream=False,
)

METRICS: tuple[Metric, ...] = (*SAMPLE_METRICS, ITL, *MODEL_METRICS, THROUGHPUT, SCORE, COST)
"""Every metric. THROUGHPUT, SCORE and COST need more than one record: `bench.analysis.summary` works them out."""


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
