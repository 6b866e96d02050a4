"""One model before and after at the levels of load that both runs have.

Requests under load are alike where they are near in time: one that waits makes the next one wait. So what is drawn
again is no prompt and no request but a stretch of successive requests, a tenth of a level. Of 400 pairs of simulated
levels of 48 to 800 requests between which nothing changed, with an autocorrelation of the noise of 0, 0.5 and 0.9, the
interval of a median then told 1 to 4, 2 to 6, and 4 to 14% apart, and that of a p95 1 to 4, 1 to 5, and 3 to 8%; drawn
prompt by prompt it is 3 to 5, 22 to 24, and 64 to 71% for a median (python -m tests.benchmarks.levels).
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Final

import numpy as np

from bench.analysis.compared import Both, Compared, difference_of
from bench.analysis.failed_share import FAILED_SHARE, failures
from bench.analysis.goodput import waited_s
from bench.analysis.intervals import ONE_READING
from bench.analysis.level_metrics import level_value, why_undefined
from bench.analysis.level_series import SCHEDULED, at_level, without_load
from bench.analysis.load import LevelKey, LevelSummary, level_key, measured_samples, summarise_level
from bench.analysis.measured import Measured
from bench.analysis.resampling import THESE, Request
from bench.analysis.sides import Difference, Rules, Sides
from bench.analysis.timing import e2e_s, itl_s, ttft_s
from bench.runner.load_record import LoadLevel, LoadSample
from bench.runner.record import ModelRun

COMPARED_AT_LOAD: Final = (
    Compared("throughput_tokens_per_s", varies=True),
    Compared("ttft_s", varies=True),
    Compared("ttft_s.p95", varies=True),
    Compared("itl_s.p99", varies=True),
    Compared("e2e_s", varies=True),
    Compared("e2e_s.p95", varies=True),
    Compared(FAILED_SHARE, varies=False),
)
"""Every metric that is compared at a level of load, in order; `at_level` says which it is where there is a schedule."""

STRETCHES: Final = 10
"""Stretches of successive requests into which a level is cut."""

REQUESTS_NEEDED: Final = 2 * STRETCHES
"""Good requests with a value that a level needs for that."""

OF_STRETCHES: Final = f"of {STRETCHES} stretches of successive requests"
TOGETHER: Final = "failures under load come together, and count here as if each came by itself"

DRAWN: Final[dict[str, Callable[[LoadSample], tuple[float | None, ...]]]] = {
    "ttft_s": lambda sample: (ttft_s(sample),),
    "e2e_s": lambda sample: (e2e_s(sample),),
    "itl_s": itl_s,
}
"""Metric of a level -> its values in one request, counted from the send."""


def level_differences(sides: Sides, rules: Rules) -> Iterator[Difference]:
    """Yield the differences at each level of load that both runs have, by level in the order of the later run.

    Of equal levels in a run the first counts. What is missing on both sides is left out.
    """
    before, after = by_key(sides.was), by_key(sides.now)
    for key in [key for key in after if key in before]:
        was = summarise_level(sides.before, sides.was, before[key])
        now = summarise_level(sides.after, sides.now, after[key])
        for row in COMPARED_AT_LOAD:
            if row.metric_id == FAILED_SHARE:
                asked = measured_samples(was.record), measured_samples(now.record)
                if all(asked):
                    yield replace(failures(sides, *asked, key.words), caution=TOGETHER)
                continue
            both = _both(was, now, at_level(row.metric_id, key))
            if both.before is not None or both.after is not None:
                yield _of_stretches(difference_of(sides, both, row, rules), both)


def levels_of_one_side(model: ModelRun, other: ModelRun) -> list[str]:
    """Return the levels of load of a model that it does not have in another run, as 'model, level'."""
    return [f"{model.name}, {key.words}" for key in by_key(model) if key not in by_key(other)]


def by_key(model: ModelRun) -> dict[LevelKey, LoadLevel]:
    """Return the levels of load of a model by what identifies them; of equal ones the first."""
    found: dict[LevelKey, LoadLevel] = {}
    for level in model.load:
        found.setdefault(level_key(level), level)
    return found


def _both(was: LevelSummary, now: LevelSummary, metric_id: str) -> Both:
    reasons = [
        f"{side}: {why}"
        for side, level in (("before", was), ("after", now))
        if (why := why_undefined(level, metric_id)) is not None
    ]
    sides = _measured(was, metric_id), _measured(now, metric_id)
    fewest = min(sum(len(asked) for asked in side.by_prompt.values()) for side in sides)
    no_interval = f"{fewest} requests; an interval needs {REQUESTS_NEEDED}" if fewest < REQUESTS_NEEDED else None
    return Both(
        metric_id=metric_id,
        before=level_value(was, metric_id),
        after=level_value(now, metric_id),
        was=sides[0],
        now=sides[1],
        why_missing="; ".join(reasons),
        no_interval=ONE_READING if "reading" in (sides[0].kind, sides[1].kind) else no_interval,
        level=now.key.words,
    )


def _measured(level: LevelSummary, metric_id: str) -> Measured:
    """Return the requests of a latency, or of gaps that were kept one by one, with a stretch in place of a prompt."""
    metric = without_load(metric_id)
    statistic = metric_id.partition(".")[2] or "p50"
    values_of = DRAWN.get(metric.id)
    if values_of is None or (metric.id == "itl_s" and level.record.gaps is not None):
        return Measured(metric, statistic, "reading", {})
    requests = []
    for sample in measured_samples(level.record):
        late_s = waited_s(sample) if metric_id.startswith(SCHEDULED) else 0.0
        values = [value + late_s for value in values_of(sample) if value is not None]
        if values:
            requests.append(Request(np.asarray(values, dtype=np.float64)))
    ends = [len(requests) * place // STRETCHES for place in range(STRETCHES + 1)]
    stretches = {
        f"stretch {place}": tuple(requests[first:end]) for place, (first, end) in enumerate(pairwise(ends), start=1)
    }
    return Measured(metric, statistic, "requests", {name: asked for name, asked in stretches.items() if asked})


def _of_stretches(found: Difference, both: Both) -> Difference:
    """Return a difference whose interval says what was drawn again."""
    interval = found.change.interval
    if interval is None or both.no_interval is not None:
        return found
    return replace(found, change=replace(found.change, interval=replace(interval, about=THESE, why=OF_STRETCHES)))
