"""The metrics: a literal table of name, unit, which way is better, and how to get each from what was recorded.

Nothing is rounded or converted here: seconds, bytes, tokens/s. What is undefined is None.
"""

from bench.analysis.metric import GapMetric, Metric, ModelMetric, SampleMetric
from bench.analysis.model_metrics import MODEL_METRICS
from bench.analysis.sample_metrics import ITL, SAMPLE_METRICS
from bench.analysis.timing import (
    decode_tokens_per_s,
    e2e_s,
    itl_s,
    output_tokens_per_s,
    prefill_tokens_per_s,
    tpot_s,
    ttfo_s,
    ttft_s,
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
    definition="Mean over the prompts of the rubric score of the answers, from 1 (no facet met) to 5 (all met).",
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
