"""A level of load from run to run: which of its metrics are watched and compared, and what they are called."""

from collections.abc import Sequence
from typing import Final

from bench.analysis.goodput import limits_of
from bench.analysis.level_metrics import LEVEL_METRICS, level_value
from bench.analysis.load import LevelKey, LevelSummary
from bench.analysis.metrics import Metric, metric

GOODPUT: Final = Metric(
    id="goodput_share",
    label="Goodput, share",
    symbol="Goodput",
    unit="share",
    better="higher",
    definition="Measured requests of a level that were answered well and within the config's limits / all of them.",
    undefined="the config sets no limits (load.goodput)",
    needs_stream=False,
)

AT_LOAD: Final = (
    "throughput_tokens_per_s",
    "ttft_s",
    "ttft_s.p95",
    "itl_s.p99",
    "e2e_s",
    "e2e_s.p95",
    "memory_peak_bytes",
    GOODPUT.id,
)
"""Every metric of a level that is watched, in order; `at_level` says which it is where there is a schedule."""

SCHEDULED: Final = "scheduled_"
"""How a metric that counts from the schedule begins; the rest of it is the same metric from the send."""


def at_level(metric_id: str, key: LevelKey) -> str:
    """Return which metric counts at a level: latencies count from the schedule where there is one."""
    scheduled = f"{SCHEDULED}{metric_id}"
    known = {one.id for one in LEVEL_METRICS}
    return scheduled if key.rate_per_s is not None and scheduled.partition(".")[0] in known else metric_id


def without_load(metric_id: str) -> Metric:
    """Return what a metric of a level is without load: its name, its unit, and which way is better.

    'scheduled_ttft_s.p95' is a TTFT. Raises KeyError for a metric that there is under load alone, goodput excepted.
    """
    name = metric_id.partition(".")[0].removeprefix(SCHEDULED)
    return GOODPUT if name == GOODPUT.id else metric(name)


def level_values(levels: Sequence[LevelSummary], metric_id: str) -> tuple[float | None, ...]:
    """Return a metric of one level in several runs, oldest first, in its base unit.

    Goodput is a matter of the limits as well: a run with others than the newest one's has none. Raises KeyError for an
    unknown metric.
    """
    values = tuple(level_value(level, metric_id) for level in levels)
    if metric_id != GOODPUT.id:
        return values
    newest = limits_of(levels[-1].result)
    return tuple(
        value if limits_of(level.result) == newest else None for level, value in zip(levels, values, strict=True)
    )
