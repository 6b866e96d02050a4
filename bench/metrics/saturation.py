"""Where a model has enough: the knee of closed-loop levels, why a sweep ended, and which rates it sustains."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final, Literal

from bench.metrics.load import LevelSummary, answered, measured_samples, waited_s
from bench.metrics.timing import NANOSECONDS_PER_SECOND, e2e_s
from bench.schema.load import LoadLevel
from bench.schema.model_run import ModelRun
from bench.schema.result import Result

KNEE_SHARE: Final = 0.9
"""Share of the highest throughput that the knee has at least: more streams than that add little to it."""

KNEE_LEVELS: Final = 3
"""Closed-loop levels that a knee needs: two points make a line, and a line has no knee."""

KEPT_SHARE: Final = 0.97
"""Share of the requests due that a sustained rate answers. Three in a hundred is the finest step that a window of some
30 requests can show at all, and more is felt within minutes: at 3% too little a queue grows by 2 s a minute."""

GROWTH_LIMIT: Final = 0.03
"""Seconds that the latency from the schedule may grow in a second. A model that answers 97 of 100 requests due falls
behind by 1/0.97 - 1 = 0.03 s a second: the same limit, seen from the latencies."""

REQUESTS_NEEDED: Final = 20
"""Requests that must be due inside the window: with fewer, each third of them has no median to speak of."""

VerdictWord = Literal["sustained", "overloaded", "failing", "unknown"]


@dataclass(frozen=True)
class Knee:
    """The level at the knee, the one with the highest throughput, and the share of it that the knee has.

    `unit` says what the throughput counts. `still_growing`: the knee is the last level, so that it may lie beyond.
    """

    level: LevelSummary
    best: LevelSummary
    share: float
    unit: Literal["tokens/s", "answers/s"]
    still_growing: bool


@dataclass(frozen=True)
class NoKnee:
    """Why there is no knee."""

    why: str


@dataclass(frozen=True)
class SweepEnd:
    """Why a sweep ended: throughput no longer grew, the most streams were reached, or the run or level was cut short.

    `growth` is the throughput of its last level / that of the one before; None where one of them has none.
    """

    kind: Literal["saturated", "most-streams", "cut-short"]
    streams: int
    growth: float | None


@dataclass(frozen=True)
class RateVerdict:
    """Whether a model keeps up with a rate; `why` says so in words.

    `answered_share` is the good answers that ended inside the window / the requests due in it, `growth` by how many
    seconds the latency from the schedule grew in a second.
    """

    word: VerdictWord
    why: str
    answered_share: float | None
    growth: float | None


def knee(levels: Sequence[LevelSummary]) -> Knee | NoKnee:
    """Return the knee of the closed-loop levels: the fewest streams with at least 90% of the highest throughput.

    Throughput is in tokens per second, or in answers where nobody counted tokens. Of two levels with as many streams
    the first counts. The rule is plain on purpose. Kneedle (Satopää, Albrecht, Irwin and Raghavan, Finding a 'Kneedle'
    in a Haystack, 2011) finds the point of highest curvature, but of a smoothed curve scaled to its own end: on the
    four to seven levels of a sweep that doubles, its answer moves with the last level that was tried, and this one only
    with the highest throughput.
    """
    known, unit = _throughputs(levels)
    if len(known) < KNEE_LEVELS:
        noun = "level has" if len(known) == 1 else "levels have"
        return NoKnee(f"{len(known)} closed-loop {noun} a throughput; a knee needs {KNEE_LEVELS}")
    best, highest = max(known, key=lambda one: one[1])
    level, throughput = next(one for one in known if one[1] >= KNEE_SHARE * highest)
    return Knee(level, best, throughput / highest, unit, still_growing=level is known[-1][0])


def sweep_end(result: Result, model: ModelRun, levels: Sequence[LevelSummary]) -> SweepEnd | None:
    """Return why the sweep of a model ended, given its levels; None where there was no sweep.

    A level that the config names as well is one of the sweep's, whoever asked for it.
    """
    sweep = _sweep_settings(result)
    if sweep is None:
        return None
    growth_needed, most = sweep
    swept = _chain(levels, most)
    if not swept:
        return None
    last = swept[-1]
    known, _ = _throughputs(swept)
    growth = known[-1][1] / known[-2][1] if len(known) > 1 and known[-1][0] is last else None
    if growth is not None and growth < growth_needed:
        return SweepEnd("saturated", last.key.streams, growth)
    if last.key.streams == most:
        return SweepEnd("most-streams", last.key.streams, growth)
    cut = last.record.ended_early is not None or model.failure is not None or result.run.status == "partial"
    return SweepEnd("cut-short" if cut or growth is None else "saturated", last.key.streams, growth)


def rate_verdict(level: LoadLevel) -> RateVerdict | None:
    """Return whether a model keeps up with the rate of an open-loop level; None for a closed loop.

    A rate is *failing* where more than 3% of the requests due in the window failed. It is *overloaded* where the model
    falls behind, of which there are two signs: fewer than 97% as many good answers ended in the window as requests were
    due in it, and latency from the schedule grew by more than 0.03 s a second. It takes both, for each alone is often
    chance: a few requests more under way at the window's end than at its start, or a few long answers late in it. In a
    simulated queue at 70% of its capacity, with 100 requests due at random times, one of the signs or the other came up
    in a fifth of the windows and both in one or two of a hundred; at 125%, both in 91 to 95. Otherwise it is
    *sustained*.

    The growth is the slope of a resistant line (Tukey, Exploratory Data Analysis, 1977): between the medians of the
    first and of the last third of the requests, by their scheduled times.
    """
    if level.arrivals == "closed":
        return None
    due = measured_samples(level)
    if len(due) < REQUESTS_NEEDED:
        noun = "request was" if len(due) == 1 else "requests were"
        return RateVerdict("unknown", f"{len(due)} {noun} due; it takes {REQUESTS_NEEDED} to tell", None, None)
    good = [sample for sample in due if sample.failure is None]
    share = answered(level) / len(due)
    if len(good) < KEPT_SHARE * len(due):
        return RateVerdict("failing", f"{len(due) - len(good)} of {len(due)} requests failed", share, None)
    points = [
        (sample.scheduled_ns / NANOSECONDS_PER_SECOND, latency + waited_s(sample))
        for sample in good
        if sample.scheduled_ns is not None and (latency := e2e_s(sample)) is not None
    ]
    growth = resistant_slope(points)
    why = f"{answered(level)} answers for {len(due)} requests due"
    if share < KEPT_SHARE and growth is not None and growth > GROWTH_LIMIT:
        return RateVerdict("overloaded", why, share, growth)
    return RateVerdict("sustained", why, share, growth)


def resistant_slope(points: Sequence[tuple[float, float]]) -> float | None:
    """Return the slope between the medians of the outer thirds of (x, y) points; None where x does not move."""
    third = len(points) // 3
    if not third:
        return None
    ordered = sorted(points)
    first, last = ordered[:third], ordered[-third:]
    run = median(x for x, _ in last) - median(x for x, _ in first)
    rise = median(y for _, y in last) - median(y for _, y in first)
    return rise / run if run > 0 else None


def _throughputs(
    levels: Sequence[LevelSummary],
) -> tuple[list[tuple[LevelSummary, float]], Literal["tokens/s", "answers/s"]]:
    """Return the closed-loop levels that gave good answers with their throughput, by streams, and its unit."""
    first: dict[int, LevelSummary] = {}
    for one in levels:
        if one.closed and one.good:
            first.setdefault(one.key.streams, one)
    ordered = [first[streams] for streams in sorted(first)]
    tokens = [(one, one.throughput_tokens_per_s) for one in ordered]
    known = [(one, value) for one, value in tokens if value is not None]
    if len(known) == len(ordered):
        return known, "tokens/s"
    return [(one, value) for one in ordered if (value := one.answers_per_s)], "answers/s"


def _chain(levels: Sequence[LevelSummary], most: int) -> list[LevelSummary]:
    """Return the closed-loop levels of 1, 2, 4, ... and at last `most` streams, up to the first that is not there."""
    closed = {one.key.streams: one for one in reversed(levels) if one.closed}
    found = []
    streams = 1
    while streams in closed:
        found.append(closed[streams])
        if streams == most:
            break
        streams = min(2 * streams, most)
    return found


def _sweep_settings(result: Result) -> tuple[float, int] | None:
    """Return `growth` and `max_streams` of the sweep, as the config has them; None where it has no sweep."""
    load = result.config.resolved.get("load")
    sweep = load.get("sweep") if isinstance(load, dict) else None
    if not isinstance(sweep, dict):
        return None
    growth, most = sweep.get("growth"), sweep.get("max_streams")
    if not isinstance(growth, int | float) or not isinstance(most, int):
        return None
    return float(growth), most
