"""The registry of all metrics: one literal table, and every list of metrics as a query of it.

Nothing is rounded or converted here: seconds, bytes, tokens/s. What is undefined is None. A new metric is a row here
and the function that gets it; each list that its flags name has it then.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from bench.metrics import prompt_cache, resources, timing
from bench.metrics.sample_arrays import SampleArrays, SampleValues
from bench.metrics.scores import mean_score, prompt_scores, score_why
from bench.metrics.timing import NO_TPOT, REQUESTS_DUE_NEEDED, STALL
from bench.quality.grading import SCALE_WORDS
from bench.schema.model_run import ModelRun
from bench.schema.result import Result
from bench.schema.sample import Sample

if TYPE_CHECKING:
    from bench.metrics.load import Gaps, LevelSummary
    from bench.stats.distribution import Distribution

Scope = Literal["sample", "gap", "model", "level"]
StratumKind = Literal["whole", "prompt", "level", "cell"]
Unit = Literal["s", "s/token", "tokens/s", "1/s", "s/s", "bytes", "score", "J", "count", "streams", "share", "money"]
Better = Literal["lower", "higher"]

STATISTICS: Final[Mapping[StratumKind, tuple[str, ...]]] = {
    "whole": ("p50", "p90", "p95", "p99", "mean", "minimum", "maximum"),
    "prompt": ("p50", "p90", "p95", "p99", "mean", "minimum", "maximum"),
    "level": ("p50", "p95", "p99", "maximum"),
    "cell": ("p50", "minimum", "maximum"),
}
"""What may follow the dot of a metric's id, as in 'ttft_s.p95', by what it is measured in."""

STRATA: Final[Mapping[Scope, tuple[StratumKind, ...]]] = {
    "sample": ("whole", "prompt"),
    "gap": ("whole", "prompt"),
    "model": ("whole",),
    "level": ("level",),
}
"""What a metric is measured in where its row does not say."""

NOT_STREAMED: Final = "nothing was streamed"
NO_TEXT_INSIDE: Final = "no text of a good answer came inside the window, or nobody counted its tokens"

EVERYWHERE: Final[tuple[StratumKind, ...]] = ("whole", "prompt", "level", "cell")


@dataclass(frozen=True, eq=False, kw_only=True)
class Metric:
    """One metric: what it is called, where it is measured and how, and which lists have it.

    `symbol` is the short form for a table's header, the label where there is none. A unit of 'money' stands for the
    currency of a run's config. `better` is None for what is neither. What has one value (each request, each gap of a
    request, each model of a run, or each level of load alone) follows from the function that gives it, unless `per`
    says it. `strata` are what it is measured in: whole runs, single prompts, levels of load, cells of the matrix of
    lengths.

    `definition` and `undefined` (when there is no value) are for a reader, as are those of a level where they differ.
    `why_none` and `why_level` say it of a single model or level. `needs_stream` marks what only a streamed answer
    shows, `needs_schedule` what a closed loop cannot have, and `needs_good` what a level without a good answer cannot.
    `recorded` is a field whose null has a reason, `since_version` the first schema that records it.

    `of_sample`, `of_arrays` (of many good requests at once), `of_gaps` and `of_model` give values; `of_level` that of a
    level where it is not that of its samples, `of_prompts` that of each prompt where `of_model` is their mean.
    `windowed` marks a number a second of a level's window, which each part of the window has as well. `from_send` is
    the metric that it stands for where a schedule asks: the same, counted from the send.

    `of_prefill` marks what a prompt cache makes shorter, and nothing else. `withheld` says of a model why its requests
    have no value that could be shown, None where they have.
    `of_client` marks what only a client does, `from_energy` what is an estimate where the energy is one.
    `resolvable_from` is which error of the client limits it. `in_points` marks what changes by so much, and not by a
    share of itself. `varies` is whether the machine's state moves it from run to run; `assumed_noise` stands for that
    where no history tells it, as a relative standard deviation. `compared` and `watched` have its statistics by
    stratum ('' is its median, or its only value), `exported` its columns and the statistic in each.
    """

    id: str
    label: str
    symbol: str = ""
    unit: Unit
    better: Better | None = "lower"
    per: Scope | None = None
    strata: tuple[StratumKind, ...] = ()
    definition: str
    undefined: str = "not measured"
    level_label: str = ""
    level_definition: str = ""
    level_undefined: str = ""
    needs_stream: bool = False
    needs_schedule: bool = False
    needs_good: bool = True
    recorded: str | None = None
    since_version: int = 1
    of_sample: Callable[[Sample], float | None] | None = None
    of_arrays: timing.OfArrays | None = None
    of_gaps: Callable[[SampleArrays], SampleValues] | None = None
    of_model: Callable[[Result, ModelRun], float | None] | None = None
    of_prompts: Callable[[Result, ModelRun], Mapping[str, float | None]] | None = None
    of_level: Callable[["LevelSummary"], "Distribution | Gaps | float | None"] | None = None
    why_none: Callable[[Result, ModelRun], str | None] | None = None
    why_level: Callable[["LevelSummary"], str] | None = None
    windowed: bool = False
    from_send: str | None = None
    of_prefill: bool = False
    withheld: Callable[[ModelRun], str | None] | None = None
    of_client: bool = False
    from_energy: bool = False
    resolvable_from: Literal["ttft", "gap"] | None = None
    in_points: bool = False
    varies: bool = True
    assumed_noise: float | None = None
    compared: Mapping[StratumKind, tuple[str, ...]] = field(default_factory=dict)
    watched: Mapping[StratumKind, tuple[str, ...]] = field(default_factory=dict)
    exported: Mapping[StratumKind, Mapping[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.strata:
            object.__setattr__(self, "strata", STRATA[self.scope])

    @property
    def scope(self) -> Scope:
        """What has one value: a 'sample', a 'gap' of one, a 'model' of a run, or a 'level' of load alone."""
        if self.per is not None:
            return self.per
        return (
            "sample"
            if self.of_sample or self.of_arrays
            else "gap"
            if self.of_gaps
            else "model"
            if self.of_model
            else "level"
        )

    @property
    def name(self) -> str:
        """What a table's header calls it."""
        return self.symbol or self.label

    @property
    def direction(self) -> Better:
        """Which way is better; raises ValueError for what is neither better nor worse."""
        if self.better is None:
            raise ValueError(f"{self.id} is neither better nor worse")
        return self.better

    @property
    def of_samples(self) -> bool:
        """Whether it has values for each request, and so statistics over them."""
        return self.scope in ("sample", "gap")

    def value(self, sample: Sample) -> float | None:
        """Return the one value of a request; None for a failed one, where it is undefined, and for another scope."""
        return self.value_of_each((sample,))[0]

    def value_of_each(self, samples: tuple[Sample, ...]) -> Sequence[float | None]:
        """Return the one value of each of some requests, in their order, as `value` does."""
        if self.of_arrays is None:
            return [None if self.of_sample is None else self.of_sample(sample) for sample in samples]
        each = timing.value_of_each(samples, self.of_arrays)
        return [None if value is None else int(value) for value in each] if self.unit == "count" else each

    def all_values(self, samples: tuple[Sample, ...]) -> list[float]:
        """Return the values of requests, in their order; those that failed or have no value are left out."""
        values: list[float] = self.sample_values(samples).values.tolist()
        return values

    def sample_values(self, samples: tuple[Sample, ...]) -> SampleValues:
        """Return the values of the good ones of some requests, in their order, and how many each of these has."""
        if self.of_gaps is not None:
            return self.of_gaps(timing.good_arrays(samples))
        if self.of_arrays is not None:
            return timing.values_of(timing.good_arrays(samples), self.of_arrays)
        good = self.value_of_each(tuple(sample for sample in samples if sample.failure is None))
        values = np.array([value for value in good if value is not None], dtype=np.float64)
        return SampleValues(values, np.array([value is not None for value in good], dtype=np.int64))


METRICS: Final[tuple[Metric, ...]] = (
    Metric(
        id="ttft_s",
        label="Time to first token",
        symbol="TTFT",
        unit="s",
        strata=EVERYWHERE,
        definition="Request start to the first chunk that carries text; reasoning text counts.",
        undefined="no good sample",
        level_label="TTFT from the send",
        level_definition="Sending a measured request to the first chunk of its text.",
        level_undefined=NOT_STREAMED,
        needs_stream=True,
        of_prefill=True,
        of_arrays=timing.first_text_s,
        resolvable_from="ttft",
        compared={"whole": ("",), "level": ("", "p95")},
        watched={"whole": ("",), "level": ("", "p95")},
        exported={
            "whole": {"ttft_p50_s": "p50", "ttft_p95_s": "p95"},
            "level": {"ttft_p50_s": "p50", "ttft_p95_s": "p95", "ttft_p99_s": "p99"},
            "cell": {"ttft_p50_s": "p50", "ttft_min_s": "minimum", "ttft_max_s": "maximum"},
        },
    ),
    Metric(
        id="scheduled_ttft_s",
        label="TTFT from the schedule",
        symbol="TTFT",
        unit="s",
        strata=("level",),
        definition="The scheduled time of a request to the first chunk of its text: with the time that it waited "
        "until it was sent.",
        undefined=NOT_STREAMED,
        needs_stream=True,
        needs_schedule=True,
        of_sample=lambda sample: timing.from_schedule(timing.ttft_s(sample), sample),
        from_send="ttft_s",
        of_prefill=True,
        resolvable_from="ttft",
        exported={
            "level": {
                "scheduled_ttft_p50_s": "p50",
                "scheduled_ttft_p95_s": "p95",
                "scheduled_ttft_p99_s": "p99",
            }
        },
    ),
    Metric(
        id="ttfo_s",
        label="Time to first output",
        symbol="TTFO",
        unit="s",
        definition="Request start to the first chunk of the answer itself; reasoning text does not count.",
        undefined="no sample has answer text apart from reasoning",
        needs_stream=True,
        of_prefill=True,
        of_arrays=timing.first_output_s,
        resolvable_from="ttft",
        exported={"whole": {"ttfo_p50_s": "p50"}},
    ),
    Metric(
        id="tpot_s",
        label="Time per output token",
        symbol="TPOT",
        unit="s/token",
        strata=("whole", "prompt", "level"),
        definition="(Last text chunk - first text chunk) / (output tokens - tokens of the first chunk, 1 unless more "
        "are known); tokens that came in one read with the first chunk are left out.",
        undefined=NO_TPOT,
        level_label="TPOT of a level",
        level_definition="(Last text chunk - first text chunk) / (output tokens - tokens of the first chunk) of a "
        "measured request.",
        needs_stream=True,
        of_arrays=timing.token_s,
        exported={
            "whole": {"tpot_p50_s": "p50"},
            "level": {"tpot_p50_s": "p50", "tpot_p95_s": "p95", "tpot_p99_s": "p99"},
        },
    ),
    Metric(
        id="decode_tokens_per_s",
        label="Decode speed",
        symbol="Decode",
        unit="tokens/s",
        better="higher",
        strata=("whole", "prompt", "cell"),
        definition="1 / TPOT: output tokens per second once the answer has begun.",
        undefined=NO_TPOT,
        needs_stream=True,
        of_arrays=timing.decode_speed,
        compared={"whole": ("",)},
        watched={"whole": ("",)},
        exported={
            "whole": {"decode_p50_tokens_per_s": "p50"},
            "cell": {
                "decode_p50_tokens_per_s": "p50",
                "decode_min_tokens_per_s": "minimum",
                "decode_max_tokens_per_s": "maximum",
            },
        },
    ),
    Metric(
        id="first_chunk_tokens_count",
        label="Tokens of a first chunk of several",
        symbol="First chunk",
        unit="count",
        better=None,
        definition="Output tokens of the first text chunk where they are known to be several; no part of TPOT. Known "
        "where the server counts as it goes; else told from the text, if each later chunk is one token.",
        undefined="no first chunk is known to have several tokens",
        needs_stream=True,
        of_arrays=timing.first_chunk,
    ),
    Metric(
        id="itl_s",
        label="Inter-chunk gap",
        symbol="ITL",
        unit="s",
        strata=("whole", "prompt", "level"),
        definition="Gaps between successive text chunks of a request, all gaps together; a chunk is not always a "
        "token.",
        undefined="every answer came in a single chunk",
        level_label="Inter-chunk gap of a level",
        level_definition="Gaps between successive text chunks of a request, all gaps of the measured ones together.",
        needs_stream=True,
        of_gaps=timing.gaps_s,
        resolvable_from="gap",
        compared={"whole": ("p99",), "level": ("p99",)},
        watched={"whole": ("p99",), "level": ("p99",)},
        exported={
            "whole": {"itl_p50_s": "p50", "itl_p95_s": "p95", "itl_p99_s": "p99"},
            "level": {"itl_p50_s": "p50", "itl_p95_s": "p95", "itl_p99_s": "p99", "itl_longest_s": "maximum"},
        },
    ),
    Metric(
        id="e2e_s",
        label="Latency",
        unit="s",
        strata=EVERYWHERE,
        definition="Request start to the last byte of the answer.",
        undefined="no good sample",
        level_label="Latency from the send",
        level_definition="Sending a measured request to the last byte of its answer.",
        level_undefined="no good answer among the measured requests",
        of_arrays=timing.end_s,
        resolvable_from="ttft",
        compared={"whole": ("",), "level": ("", "p95")},
        watched={"whole": ("", "p95"), "prompt": ("",), "level": ("", "p95")},
        exported={
            "whole": {"latency_mean_s": "mean", "latency_p50_s": "p50", "latency_p95_s": "p95"},
            "level": {"latency_p50_s": "p50", "latency_p95_s": "p95", "latency_p99_s": "p99"},
            "cell": {"latency_p50_s": "p50", "latency_min_s": "minimum", "latency_max_s": "maximum"},
        },
    ),
    Metric(
        id="scheduled_e2e_s",
        label="Latency from the schedule",
        symbol="Latency",
        unit="s",
        strata=("level",),
        definition="The scheduled time of a request to the last byte of its answer: what a user waits who comes when "
        "the schedule says, whether or not the request could be sent at once.",
        undefined="no good answer among the measured requests",
        needs_schedule=True,
        of_sample=lambda sample: timing.from_schedule(timing.e2e_s(sample), sample),
        from_send="e2e_s",
        resolvable_from="ttft",
        exported={
            "level": {
                "scheduled_latency_p50_s": "p50",
                "scheduled_latency_p95_s": "p95",
                "scheduled_latency_p99_s": "p99",
            }
        },
    ),
    Metric(
        id="lateness_s",
        label="Lateness",
        unit="s",
        per="sample",
        strata=("level",),
        definition="Sending a request - its scheduled time: the client was late, or as many requests were under way as "
        "the config allows.",
        undefined="no request was measured",
        needs_schedule=True,
        of_level=lambda level: level.lateness,
        needs_good=False,
        exported={"level": {"lateness_p50_s": "p50", "lateness_p99_s": "p99", "lateness_worst_s": "maximum"}},
    ),
    Metric(
        id="latency_growth",
        label="Growth of latency",
        symbol="Growth",
        unit="s/s",
        definition="By how much the latency from the schedule grew over the window, per second of it: the slope "
        "between the medians of the first and the last third of the requests.",
        undefined=f"fewer than {REQUESTS_DUE_NEEDED} requests were due, or too many of them failed",
        needs_schedule=True,
        of_level=lambda level: None if level.verdict is None else level.verdict.growth,
        exported={"level": {"latency_growth": ""}},
    ),
    Metric(
        id="output_tokens_per_s",
        label="Output throughput of a request",
        symbol="Output",
        unit="tokens/s",
        better="higher",
        definition="Output tokens / latency of the request; the prompt's tokens never count.",
        undefined="nobody counted the output tokens",
        of_arrays=timing.output_speed,
    ),
    Metric(
        id="prefill_tokens_per_s",
        label="Prefill speed",
        symbol="Prefill",
        unit="tokens/s",
        better="higher",
        strata=("whole", "prompt", "cell"),
        definition="Prompt tokens / TTFT.",
        undefined="nobody counted the prompt tokens",
        needs_stream=True,
        of_prefill=True,
        withheld=prompt_cache.no_prefill,
        of_arrays=timing.prefill_speed,
        exported={
            "whole": {"prefill_p50_tokens_per_s": "p50"},
            "cell": {
                "prefill_p50_tokens_per_s": "p50",
                "prefill_min_tokens_per_s": "minimum",
                "prefill_max_tokens_per_s": "maximum",
            },
        },
    ),
    Metric(
        id="longest_stall_s",
        label="Longest stall",
        unit="s",
        definition="The longest gap between two successive text chunks of the request.",
        undefined="every answer came in a single chunk",
        needs_stream=True,
        of_arrays=timing.longest_stall_s,
        resolvable_from="gap",
        exported={"whole": {"longest_stall_s": "maximum"}},
    ),
    Metric(
        id="request_stalls_count",
        label="Stalls of a request",
        unit="count",
        definition=f"Gaps between successive text chunks of the request that are {STALL}.",
        undefined="every answer came in a single chunk",
        needs_stream=True,
        of_arrays=timing.stalls,
    ),
    Metric(
        id="sent_s",
        label="Sending the request",
        symbol="Sent",
        unit="s",
        definition="Request start to the whole request handed to the operating system: the client's own part of TTFT.",
        undefined="the client did not note when it had sent the request",
        of_arrays=timing.sent_s,
        of_client=True,
        since_version=2,
        exported={"whole": {"sent_p50_s": "p50"}},
    ),
    Metric(
        id="sent_share",
        label="Share of TTFT spent in sending",
        symbol="Sent / TTFT",
        unit="share",
        definition="Sending the request / TTFT.",
        undefined="the client did not note when it had sent the request",
        needs_stream=True,
        of_arrays=timing.sent_share,
        of_client=True,
        since_version=2,
        exported={"whole": {"sent_share": "p50"}},
    ),
    Metric(
        id="throughput_tokens_per_s",
        label="Output throughput",
        symbol="Throughput",
        unit="tokens/s",
        better="higher",
        strata=("whole", "prompt", "level"),
        definition="Output tokens of all good samples / wall time of all requests, failed ones included.",
        undefined="no good sample, or nobody counted the output tokens",
        level_label="Throughput of a level",
        level_definition="Output tokens of good answers that arrived inside the window / the window's length. An "
        "answer that lies partly inside counts by that part, whenever it was sent.",
        level_undefined=NO_TEXT_INSIDE,
        why_none=lambda _, model: None if timing.good_samples(model) else "no good sample",
        of_model=lambda result, model: timing.run_throughput(model, in_turns=result.run.pairing is not None),
        of_level=lambda level: level.throughput_tokens_per_s,
        windowed=True,
        why_level=lambda _: NO_TEXT_INSIDE,
        compared={"whole": ("",), "level": ("",)},
        watched={"whole": ("",), "level": ("",)},
        exported={"whole": {"throughput_tokens_per_s": ""}, "level": {"throughput_tokens_per_s": ""}},
    ),
    Metric(
        id="answers_per_s",
        label="Answers per second",
        symbol="Answers",
        unit="1/s",
        better="higher",
        definition="Good answers that ended inside the window / the window's length.",
        undefined="the level ended before its window began",
        of_level=lambda level: level.answers_per_s,
        windowed=True,
        needs_good=False,
        exported={"level": {"answers_per_s": ""}},
    ),
    Metric(
        id="due_per_s",
        label="Requests due per second",
        unit="1/s",
        better=None,
        definition="Requests that the schedule drew for the window / the window's length: of Poisson arrivals, not "
        "quite the rate that was asked for.",
        undefined="the level ended before its window began",
        needs_schedule=True,
        of_level=lambda level: level.due_per_s,
        needs_good=False,
        exported={"level": {"due_per_s": ""}},
    ),
    Metric(
        id="goodput_share",
        label="Goodput, share",
        symbol="Goodput",
        unit="share",
        better="higher",
        definition="Measured requests that were answered well and within the config's limits (load.goodput) / all "
        "measured requests, failed ones included. TTFT and latency count from the schedule where there is one.",
        undefined="the config sets no limits (load.goodput)",
        of_level=lambda level: getattr(level.goodput, "share", None),
        why_level=lambda level: getattr(level.goodput, "why", ""),
        watched={"level": ("",)},
        exported={"level": {"goodput_share": ""}},
    ),
    Metric(
        id="goodput_per_s",
        label="Goodput",
        unit="1/s",
        better="higher",
        definition="Measured requests that were answered well and within the config's limits / the window's length.",
        undefined="the config sets no limits (load.goodput)",
        of_level=lambda level: getattr(level.goodput, "per_s", None),
        why_level=lambda level: getattr(level.goodput, "why", ""),
        exported={"level": {"goodput_per_s": ""}},
    ),
    Metric(
        id="under_way",
        label="Under way on average",
        unit="streams",
        better=None,
        definition="Requests that were sent and had not ended, averaged over the window.",
        undefined="the level ended before its window began",
        of_level=lambda level: level.under_way,
        needs_good=False,
        exported={"level": {"under_way": ""}},
    ),
    Metric(
        id="under_way_by_little",
        label="Under way by Little's law",
        symbol="By Little’s law",
        unit="streams",
        better=None,
        definition="Answers per second * mean latency from the send. In a steady load it is what was under way on "
        "average; far from it, the window was too short or the load not steady.",
        undefined="no good answer among the measured requests",
        of_level=lambda level: level.by_little,
        exported={"level": {"under_way_by_little": ""}},
    ),
    Metric(
        id="client_share",
        label="Client's processor time",
        unit="share",
        definition="Processor time of the asking process in the window / the window's length, of one core.",
        undefined="the model runs in the asking process, or its processor time was not read",
        of_level=lambda level: level.client_share,
        needs_good=False,
        exported={"level": {"client_share": ""}},
    ),
    Metric(
        id="cold_load_s",
        label="Cold load",
        unit="s",
        definition="Asking for a model on disk but not in memory, to ready; the median of all loads of the run.",
        of_model=lambda _, model: timing.cold_load_s(model),
        recorded="cold_load_ns",
        compared={"whole": ("",)},
        watched={"whole": ("",)},
        exported={"whole": {"cold_load_s": ""}},
    ),
    Metric(
        id="cold_ttft_s",
        label="TTFT of prompts that are read",
        symbol="TTFT cold",
        unit="s",
        definition="The median TTFT of the requests whose prompt did not come out of a prompt cache.",
        undefined="no request is known to have had its prompt read",
        needs_stream=True,
        of_model=lambda _, model: prompt_cache.finding(model).cold_ttft_s,
        resolvable_from="ttft",
        exported={"whole": {"cold_ttft_p50_s": ""}},
    ),
    Metric(
        id="warm_ttft_s",
        label="TTFT of prompts that are kept",
        symbol="TTFT warm",
        unit="s",
        definition="The median TTFT of the requests whose prompt came out of a prompt cache.",
        undefined="no request is known to have had its prompt from a cache",
        needs_stream=True,
        of_model=lambda _, model: prompt_cache.finding(model).warm_ttft_s,
        resolvable_from="ttft",
        exported={"whole": {"warm_ttft_p50_s": ""}},
    ),
    Metric(
        id="cached_share",
        label="Prompt tokens out of a cache",
        symbol="Cached",
        unit="share",
        better=None,
        definition="Prompt tokens that came out of a prompt cache / prompt tokens, over the good samples of which the "
        "runtime says both.",
        undefined="the runtime does not say what came out of its prompt cache",
        of_model=lambda _, model: prompt_cache.finding(model).share,
        exported={"whole": {"cached_share": ""}},
    ),
    Metric(
        id="first_request_s",
        label="First request",
        unit="s",
        definition="Latency of the first request after the load, be it a warm-up or a measured one.",
        undefined="the first request after the load failed, or there was none",
        of_model=lambda _, model: timing.first_request_s(model),
        resolvable_from="ttft",
        exported={"whole": {"first_request_s": ""}},
    ),
    Metric(
        id="memory_before_bytes",
        label="Resident memory before load",
        symbol="Memory before",
        unit="bytes",
        definition="Resident memory of the process that holds the model, before the load.",
        of_model=lambda _, model: model.memory_before_bytes,
        recorded="memory_before_bytes",
        exported={"whole": {"memory_before_bytes": ""}},
    ),
    Metric(
        id="memory_loaded_bytes",
        label="Resident memory after load",
        symbol="Memory loaded",
        unit="bytes",
        definition="Resident memory of the process that holds the model, after the load.",
        of_model=lambda _, model: model.memory_loaded_bytes,
        recorded="memory_loaded_bytes",
        exported={"whole": {"memory_loaded_bytes": ""}},
    ),
    Metric(
        id="memory_peak_bytes",
        label="Peak resident memory",
        symbol="Memory peak",
        unit="bytes",
        strata=("whole", "level"),
        definition="The highest resident memory of the process that holds the model, while loading and answering.",
        level_label="Peak memory of a level",
        level_definition="The highest resident memory of the process that holds the model, during the level.",
        level_undefined="not read",
        of_model=lambda _, model: model.memory_peak_bytes,
        recorded="memory_peak_bytes",
        of_level=lambda level: level.record.memory_peak_bytes,
        needs_good=False,
        assumed_noise=0.01,
        compared={"whole": ("",)},
        watched={"whole": ("",), "level": ("",)},
        exported={"whole": {"memory_peak_bytes": ""}, "level": {"memory_peak_bytes": ""}},
    ),
    Metric(
        id="memory_unique_bytes",
        label="Unique memory",
        symbol="Memory unique",
        unit="bytes",
        definition="Of the memory after the load, what the process shares with no other: what unloading would free.",
        of_model=lambda _, model: model.memory_unique_bytes,
        recorded="memory_unique_bytes",
        exported={"whole": {"memory_unique_bytes": ""}},
    ),
    Metric(
        id="gpu_memory_peak_bytes",
        label="Peak GPU memory",
        symbol="GPU memory",
        unit="bytes",
        definition="The highest memory of the process that holds the model on all GPUs together.",
        of_model=lambda _, model: model.gpu_memory_peak_bytes,
        recorded="gpu_memory_peak_bytes",
        exported={"whole": {"gpu_memory_peak_bytes": ""}},
    ),
    Metric(
        id="footprint_bytes",
        label="Footprint",
        unit="bytes",
        definition="Bytes on disk of everything that the model needs to run.",
        of_model=lambda _, model: model.footprint_bytes,
        recorded="footprint_bytes",
        varies=False,
        compared={"whole": ("",)},
        watched={"whole": ("",)},
        exported={"whole": {"footprint_bytes": ""}},
    ),
    Metric(
        id="connect_s",
        label="Connection set-up",
        symbol="Connect",
        unit="s",
        definition="Setting up a connection to the endpoint, before the request's start and so in no latency: the "
        "median of the requests that needed one, warm-up included.",
        undefined="no connection was set up for a request",
        of_model=lambda _, model: timing.connect_s(model),
        of_client=True,
        since_version=2,
        exported={"whole": {"connect_s": ""}},
    ),
    Metric(
        id="stalls_count",
        label="Stalls",
        unit="count",
        strata=("whole", "level"),
        definition=f"Gaps between text chunks {STALL}, over all good samples.",
        undefined="no good sample has two chunks",
        level_label="Stalls of a level",
        level_definition=f"Gaps between text chunks {STALL}, over the measured requests.",
        level_undefined="every answer came in a single chunk",
        needs_stream=True,
        of_model=lambda _, model: timing.stalls_in_all(model),
        of_level=lambda level: None if level.gaps is None else level.gaps.stalls,
        exported={"whole": {"stalls_count": ""}, "level": {"stalls_count": ""}},
    ),
    Metric(
        id="shared_reads_count",
        label="Shared reads",
        unit="count",
        definition="Text chunks that came in one read with the chunk before them, over all good samples: when they "
        "came apart, nobody saw it, and their gap counts as zero.",
        undefined="no good sample has two chunks",
        needs_stream=True,
        of_model=lambda _, model: timing.shared_reads(model),
        since_version=2,
        exported={"whole": {"shared_reads_count": ""}},
    ),
    Metric(
        id="shared_reads_share",
        label="Share of gaps inside one read",
        symbol="Shared / gaps",
        unit="share",
        definition="Shared reads / all gaps between text chunks.",
        undefined="no good sample has two chunks",
        needs_stream=True,
        of_model=lambda _, model: timing.shared_reads_share(model),
        since_version=2,
        exported={"whole": {"shared_reads_share": ""}},
    ),
    Metric(
        id="energy_per_answer_j",
        label="Energy per answer",
        symbol="Energy / answer",
        unit="J",
        definition="Energy over all measured requests, failed ones included / good samples. An estimate is a stated "
        "wattage times the time, and says so.",
        undefined="no good sample",
        of_model=lambda _, model: resources.energy_per_answer_j(model),
        recorded="energy",
        from_energy=True,
        exported={"whole": {"energy_per_answer_j": ""}},
    ),
    Metric(
        id="energy_per_1000_tokens_j",
        label="Energy per 1,000 output tokens",
        symbol="Energy / 1,000 tokens",
        unit="J",
        definition="Energy over all measured requests, failed ones included / output tokens of good samples * 1,000.",
        undefined="no good sample, or nobody counted the output tokens",
        of_model=lambda _, model: resources.energy_per_1000_tokens_j(model),
        recorded="energy",
        from_energy=True,
        exported={"whole": {"energy_per_1000_tokens_j": ""}},
    ),
    Metric(
        id="score",
        label="Quality",
        unit="score",
        better="higher",
        strata=("whole", "prompt"),
        definition=f"Mean over the prompts of the rubric score of the answers, {SCALE_WORDS}.",
        undefined="no graded answer",
        of_model=lambda result, model: mean_score(prompt_scores(result, model)),
        of_prompts=prompt_scores,
        why_none=lambda result, model: score_why(result, model, prompt_scores(result, model)),
        in_points=True,
        varies=False,
        compared={"whole": ("",)},
        watched={"whole": ("",), "prompt": ("",)},
        exported={"whole": {"score": ""}},
    ),
    Metric(
        id="cost_per_1000_answers",
        label="Cost of 1,000 answers",
        symbol="Cost / 1,000 answers",
        unit="money",
        definition="Energy per answer at the config's price of a kWh, and where the config has it the device's price, "
        "spread over its life as if it answered all the time; times 1,000.",
        undefined="no energy, no good sample, or the config has no price of a kWh (energy.price_per_kwh)",
        of_model=resources.cost_per_1000_answers,
        why_none=resources.why_no_cost,
        from_energy=True,
        exported={"whole": {"cost_per_1000_answers": ""}},
    ),
    Metric(
        id="failed_share",
        label="Share of failed samples",
        symbol="Failed samples",
        unit="share",
        strata=("whole", "prompt", "level"),
        definition="Failed samples / samples.",
        undefined="nothing was asked",
        of_model=lambda _, model: timing.failed_share(model.samples),
        of_level=lambda level: timing.failed_share(level.asked),
        needs_good=False,
        in_points=True,
        varies=False,
        compared={"whole": ("",), "level": ("",)},
    ),
    Metric(
        id="good_share",
        label="Share of good samples",
        symbol="Good samples",
        unit="share",
        better="higher",
        strata=("whole", "prompt", "level"),
        definition="Good samples / samples of a run. Watched in place of the share that failed: a shift is a ratio, "
        "and most runs have no failed sample at all.",
        undefined="nothing was asked",
        of_model=lambda _, model: timing.good_share(model.samples),
        of_level=lambda level: timing.good_share(level.asked),
        needs_good=False,
        watched={"whole": ("",), "level": ("",)},
    ),
)
"""Every metric, in the order in which a reader meets them."""

_BY_ID: Final = {one.id: one for one in METRICS}


def metric(metric_id: str) -> Metric:
    """Return the metric of this id; raises KeyError with the known ids."""
    if metric_id not in _BY_ID:
        raise KeyError(f"unknown metric {metric_id!r}; known: {', '.join(_BY_ID)}")
    return _BY_ID[metric_id]


def measured_in(kind: StratumKind, *scopes: Scope) -> tuple[Metric, ...]:
    """Return the metrics that a stratum of this kind has, in order; those of some scopes where they are named."""
    return tuple(one for one in METRICS if kind in one.strata and (not scopes or one.scope in scopes))


def sample_metric(metric_id: str) -> Metric:
    """Return the metric of one value a request of this id; raises KeyError with the known ids."""
    known = {one.id: one for one in measured_in("whole", "sample")}
    if metric_id not in known:
        raise KeyError(f"unknown sample metric {metric_id!r}; known: {', '.join(known)}")
    return known[metric_id]


@cache
def split_metric_id(metric_id: str, kind: StratumKind = "whole") -> tuple[Metric, str]:
    """Return the metric of 'ttft_s' or 'ttft_s.p95' and the statistic, the median unless one is named.

    Raises KeyError for a metric that a stratum of this kind does not have, or a statistic that the metric does not.
    """
    name, dot, statistic = metric_id.partition(".")
    selected = _BY_ID.get(name)
    if selected is None or kind not in selected.strata:
        known = ", ".join(one.id for one in measured_in(kind))
        raise KeyError(f"unknown metric{_OF[kind]} {name!r}; known: {known}")
    if not dot:
        return selected, "p50"
    if not selected.of_samples:
        raise KeyError(f"unknown statistic in {metric_id!r}: {name} is a single number")
    if statistic not in STATISTICS[kind]:
        raise KeyError(f"unknown statistic in {metric_id!r}; metrics of samples have {', '.join(STATISTICS[kind])}")
    return selected, statistic


def header(metric_id: str) -> str:
    """Return what a table's header calls a metric with its statistic: 'TTFT p95'. Raises KeyError as `metric` does."""
    name, _, statistic = metric_id.partition(".")
    return f"{metric(name).name} {statistic}".strip()


def compared(kind: StratumKind) -> tuple[str, ...]:
    """Return every metric that is compared in a stratum of this kind, with its statistic where that is no median."""
    return tuple(_with(one, statistic) for one in METRICS for statistic in one.compared.get(kind, ()))


def watched(kind: StratumKind) -> tuple[str, ...]:
    """Return every metric that is watched in a stratum of this kind, with its statistic where that is no median."""
    return tuple(_with(one, statistic) for one in METRICS for statistic in one.watched.get(kind, ()))


def exported(kind: StratumKind) -> dict[str, str]:
    """Return the columns of a stratum of this kind in an export, in order, with the metric and statistic in each."""
    return {
        column: _with(one, statistic) for one in METRICS for column, statistic in one.exported.get(kind, {}).items()
    }


def on_schedule(metric_id: str) -> str:
    """Return which metric counts where a schedule asks: latencies count from it."""
    name, dot, statistic = metric_id.partition(".")
    return next((one.id for one in METRICS if one.from_send == name), name) + dot + statistic


_OF: Final[Mapping[StratumKind, str]] = {"whole": "", "prompt": "", "level": " of a level", "cell": " of a cell"}


def _with(one: Metric, statistic: str) -> str:
    return f"{one.id}.{statistic}" if statistic else one.id
