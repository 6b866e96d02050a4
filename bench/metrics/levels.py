"""The metrics of a level of load: a literal table, and how to get one by its name.

Seconds, tokens/s, shares of one, bytes. What is undefined is None.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from bench.metrics.load import Gaps, Goodput, LevelSummary, NoGoodput
from bench.metrics.saturation import REQUESTS_NEEDED, rate_verdict
from bench.metrics.timing import NO_TPOT, STALL
from bench.stats.distribution import VALUES_NEEDED, Distribution, too_few

CLOSED: Final = "a closed loop has no schedule"
NO_GOOD: Final = "no good answer among the measured requests"


@dataclass(frozen=True)
class LevelMetric:
    """What is measured of a level: its name, unit and definition, and when there is no value, for a reader.

    `found` gives a number, or a distribution of which a statistic can be asked for. `needs_schedule` marks what a
    closed loop cannot have. `better` is None for what is neither.
    """

    id: str
    label: str
    unit: Literal["s", "s/token", "tokens/s", "1/s", "share", "streams", "count", "bytes", "s/s"]
    better: Literal["lower", "higher"] | None
    definition: str
    undefined: str
    needs_schedule: bool
    found: Callable[[LevelSummary], Distribution | Gaps | float | None]


LEVEL_METRICS: tuple[LevelMetric, ...] = (
    LevelMetric(
        id="throughput_tokens_per_s",
        label="Throughput of a level",
        unit="tokens/s",
        better="higher",
        definition="Output tokens of good answers that arrived inside the window / the window's length. An answer that "
        "lies partly inside counts by that part, whenever it was sent.",
        undefined="no text of a good answer came inside the window, or nobody counted its tokens",
        needs_schedule=False,
        found=lambda level: level.throughput_tokens_per_s,
    ),
    LevelMetric(
        id="answers_per_s",
        label="Answers per second",
        unit="1/s",
        better="higher",
        definition="Good answers that ended inside the window / the window's length.",
        undefined="the level ended before its window began",
        needs_schedule=False,
        found=lambda level: level.answers_per_s,
    ),
    LevelMetric(
        id="due_per_s",
        label="Requests due per second",
        unit="1/s",
        better=None,
        definition="Requests that the schedule drew for the window / the window's length: of Poisson arrivals, not "
        "quite the rate that was asked for.",
        undefined="the level ended before its window began",
        needs_schedule=True,
        found=lambda level: level.due_per_s,
    ),
    LevelMetric(
        id="ttft_s",
        label="TTFT from the send",
        unit="s",
        better="lower",
        definition="Sending a measured request to the first chunk of its text.",
        undefined="the answers were not streamed",
        needs_schedule=False,
        found=lambda level: level.ttft,
    ),
    LevelMetric(
        id="scheduled_ttft_s",
        label="TTFT from the schedule",
        unit="s",
        better="lower",
        definition="The scheduled time of a request to the first chunk of its text: with the time that it waited "
        "until it was sent.",
        undefined="the answers were not streamed",
        needs_schedule=True,
        found=lambda level: level.scheduled_ttft,
    ),
    LevelMetric(
        id="tpot_s",
        label="TPOT of a level",
        unit="s/token",
        better="lower",
        definition="(Last text chunk - first text chunk) / (output tokens - 1) of a measured request.",
        undefined=NO_TPOT,
        needs_schedule=False,
        found=lambda level: level.tpot,
    ),
    LevelMetric(
        id="e2e_s",
        label="Latency from the send",
        unit="s",
        better="lower",
        definition="Sending a measured request to the last byte of its answer.",
        undefined=NO_GOOD,
        needs_schedule=False,
        found=lambda level: level.e2e,
    ),
    LevelMetric(
        id="scheduled_e2e_s",
        label="Latency from the schedule",
        unit="s",
        better="lower",
        definition="The scheduled time of a request to the last byte of its answer: what a user waits who comes when "
        "the schedule says, whether or not the request could be sent at once.",
        undefined=NO_GOOD,
        needs_schedule=True,
        found=lambda level: level.scheduled_e2e,
    ),
    LevelMetric(
        id="lateness_s",
        label="Lateness",
        unit="s",
        better="lower",
        definition="Sending a request - its scheduled time: the client was late, or as many requests were under way as "
        "the config allows.",
        undefined="no request was measured",
        needs_schedule=True,
        found=lambda level: level.lateness,
    ),
    LevelMetric(
        id="latency_growth",
        label="Growth of latency",
        unit="s/s",
        better="lower",
        definition="By how much the latency from the schedule grew over the window, per second of it: the slope "
        "between the medians of the first and the last third of the requests.",
        undefined=f"fewer than {REQUESTS_NEEDED} requests were due, or too many of them failed",
        needs_schedule=True,
        found=lambda level: _growth(level),
    ),
    LevelMetric(
        id="itl_s",
        label="Inter-chunk gap of a level",
        unit="s",
        better="lower",
        definition="Gaps between successive text chunks of a request, all gaps of the measured ones together.",
        undefined="every answer came in a single chunk",
        needs_schedule=False,
        found=lambda level: level.gaps,
    ),
    LevelMetric(
        id="stalls_count",
        label="Stalls of a level",
        unit="count",
        better="lower",
        definition=f"Gaps between text chunks {STALL}, over the measured requests.",
        undefined="every answer came in a single chunk",
        needs_schedule=False,
        found=lambda level: None if level.gaps is None else level.gaps.stalls,
    ),
    LevelMetric(
        id="goodput_share",
        label="Goodput, share",
        unit="share",
        better="higher",
        definition="Measured requests that were answered well and within the config's limits (load.goodput) / all "
        "measured requests, failed ones included. TTFT and latency count from the schedule where there is one.",
        undefined="the config sets no limits (load.goodput)",
        needs_schedule=False,
        found=lambda level: level.goodput.share if isinstance(level.goodput, Goodput) else None,
    ),
    LevelMetric(
        id="goodput_per_s",
        label="Goodput",
        unit="1/s",
        better="higher",
        definition="Measured requests that were answered well and within the config's limits / the window's length.",
        undefined="the config sets no limits (load.goodput)",
        needs_schedule=False,
        found=lambda level: level.goodput.per_s if isinstance(level.goodput, Goodput) else None,
    ),
    LevelMetric(
        id="under_way",
        label="Under way on average",
        unit="streams",
        better=None,
        definition="Requests that were sent and had not ended, averaged over the window.",
        undefined="the level ended before its window began",
        needs_schedule=False,
        found=lambda level: level.under_way,
    ),
    LevelMetric(
        id="under_way_by_little",
        label="Under way by Little's law",
        unit="streams",
        better=None,
        definition="Answers per second * mean latency from the send. In a steady load it is what was under way on "
        "average; far from it, the window was too short or the load not steady.",
        undefined=NO_GOOD,
        needs_schedule=False,
        found=lambda level: level.by_little,
    ),
    LevelMetric(
        id="client_share",
        label="Client's processor time",
        unit="share",
        better="lower",
        definition="Processor time of the asking process in the window / the window's length, of one core.",
        undefined="the model runs in the asking process, or its processor time was not read",
        needs_schedule=False,
        found=lambda level: level.client_share,
    ),
    LevelMetric(
        id="memory_peak_bytes",
        label="Peak memory of a level",
        unit="bytes",
        better="lower",
        definition="The highest resident memory of the process that holds the model, during the level.",
        undefined="not read",
        needs_schedule=False,
        found=lambda level: level.record.memory_peak_bytes,
    ),
)
"""Every metric of a level, in the order in which a reader meets them."""


def level_metric(metric_id: str) -> LevelMetric:
    """Return the metric of a level of this id; raises KeyError with the known ids."""
    for candidate in LEVEL_METRICS:
        if candidate.id == metric_id:
            return candidate
    raise KeyError(f"unknown metric of a level {metric_id!r}; known: {', '.join(one.id for one in LEVEL_METRICS)}")


def level_value(level: LevelSummary, metric_id: str) -> float | None:
    """Return one number of a level in its base unit: 'under_way', or a statistic of a distribution as in 'ttft_s.p95'.

    Without a statistic a distribution gives its median. Raises KeyError for an unknown metric or statistic.
    """
    name, statistic = _split(metric_id)
    found = level_metric(name).found(level)
    if found is None or isinstance(found, int | float):
        if statistic and found is not None:
            raise KeyError(f"{name!r} is a single number, and has no {statistic!r}")
        return found
    value: float | None = getattr(found, statistic or "p50")
    return value


def why_undefined(level: LevelSummary, metric_id: str) -> str | None:
    """Return why `level_value` has nothing for this metric, or None where it has something."""
    if level_value(level, metric_id) is not None:
        return None
    name, statistic = _split(metric_id)
    chosen = level_metric(name)
    if chosen.needs_schedule and level.closed:
        return CLOSED
    found = chosen.found(level)
    if statistic in VALUES_NEEDED and isinstance(found, Distribution | Gaps):
        return too_few(found.count, statistic, "gap" if isinstance(found, Gaps) else "request")
    if name.startswith("goodput") and isinstance(level.goodput, NoGoodput):
        return level.goodput.why
    if name not in ("throughput_tokens_per_s", "client_share", "memory_peak_bytes") and not level.good:
        return NO_GOOD if level.measured else "no request was measured"
    return chosen.undefined


def _split(metric_id: str) -> tuple[str, str]:
    name, _, statistic = metric_id.partition(".")
    if statistic not in ("", "p50", "p95", "p99", "maximum"):
        raise KeyError(f"unknown statistic in {metric_id!r}; a level has p50, p95, p99 and maximum")
    return name, statistic


def _growth(level: LevelSummary) -> float | None:
    found = rate_verdict(level.record)
    return None if found is None else found.growth
