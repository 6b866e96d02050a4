"""Goodput: how many of the measured requests were answered well and within the limits that a config sets."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis.timing import NANOSECONDS_PER_SECOND, e2e_s, tpot_s, ttft_s
from bench.results.schema import Result
from bench.runner.load_record import LoadSample

NO_LIMITS = "the config sets no limits (load.goodput)"
NO_REQUEST = "no request was measured"
NO_TTFT = "the limit is one of TTFT, and the answers were not streamed"
NO_TPOT = "the limit is one of TPOT, and nobody counted the output tokens"
NO_WINDOW = "the level ended before its window began"


@dataclass(frozen=True)
class Limits:
    """What an answer must keep, in seconds (for each further token: tpot_s); None where the config sets no limit."""

    ttft_s: float | None
    tpot_s: float | None
    e2e_s: float | None


@dataclass(frozen=True)
class Goodput:
    """The measured requests that were good and kept every limit: their number, share of all, and rate in the window."""

    kept: int
    share: float
    per_s: float
    limits: Limits


@dataclass(frozen=True)
class NoGoodput:
    """Why nobody can tell the goodput."""

    why: str


def limits_of(result: Result) -> Limits | None:
    """Return the limits that a run's config sets, or None."""
    load = result.config.resolved.get("load")
    found = load.get("goodput") if isinstance(load, dict) else None
    if not isinstance(found, dict):
        return None
    limits = Limits(_limit(found.get("ttft_s")), _limit(found.get("tpot_s")), _limit(found.get("e2e_s")))
    return None if limits == Limits(None, None, None) else limits


def goodput(measured: Sequence[LoadSample], limits: Limits | None, window_s: float) -> Goodput | NoGoodput:
    """Return the goodput of a level's measured requests, or why there is none.

    A failed request never keeps the limits. TTFT and latency count from the schedule where there is one. An answer of
    one token has no further token, and so keeps any limit of TPOT.
    """
    if limits is None:
        return NoGoodput(NO_LIMITS)
    if not measured:
        return NoGoodput(NO_REQUEST)
    if window_s <= 0:
        return NoGoodput(NO_WINDOW)
    good = [sample for sample in measured if sample.failure is None]
    if limits.ttft_s is not None and any(not sample.chunk_ns for sample in good):
        return NoGoodput(NO_TTFT)
    if limits.tpot_s is not None and any(not sample.output_tokens for sample in good):
        return NoGoodput(NO_TPOT)
    kept = sum(_keeps(sample, limits) for sample in good)
    return Goodput(kept, kept / len(measured), kept / window_s, limits)


def waited_s(sample: LoadSample) -> float:
    """Return how long after its scheduled time a request was sent, in seconds; 0 where there is no schedule."""
    return 0.0 if sample.scheduled_ns is None else (sample.start_ns - sample.scheduled_ns) / NANOSECONDS_PER_SECOND


def _keeps(sample: LoadSample, limits: Limits) -> bool:
    waited = waited_s(sample)
    found = ((ttft_s(sample), waited, limits.ttft_s), (tpot_s(sample), 0.0, limits.tpot_s))
    return all(
        limit is None or value is None or value + added <= limit
        for value, added, limit in (*found, (e2e_s(sample), waited, limits.e2e_s))
    )


def _limit(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else None
