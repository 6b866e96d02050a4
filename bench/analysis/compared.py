"""One model before and after: each compared metric with its verdict."""

from dataclasses import dataclass, replace
from math import exp, log, log1p
from typing import Final

from bench.analysis.failed_share import FAILED_SHARE, failures_of
from bench.analysis.intervals import ONE_READING, Estimate, Interval
from bench.analysis.matched import NO_RATIO, Change, Scale, change, scale_of
from bench.analysis.measured import Measured, measured
from bench.analysis.resampling import THESE, About, limits
from bench.analysis.sides import Difference, Rules, Sides
from bench.analysis.summary import model_value, summarise_model
from bench.analysis.verdict import More, judged, more_rounds, noisy

UNKNOWN_NOISE: Final = "how much a run differs from the next is not known, and not in the interval"
UNSTEADY: Final = "a machine was unsteady, so that this may be its own and confirms nothing"
ASSUMED_NOISE: Final = "how much a run differs from the next is assumed"
NOISE_ALONE: Final = "of the noise from run to run alone"
EXACT: Final = "it does not change from run to run by itself"
DISAGREE: Final = "prompt by prompt it went one way, over all requests together the other"


@dataclass(frozen=True)
class Compared:
    """A metric that is compared. `varies` is whether the machine's state moves it from run to run.

    `assumed_noise` stands for the noise from run to run where no history tells it, as a relative standard deviation.
    Peak memory has it: 8 runs of three reference models varied by 0.1% to 0.6%.
    """

    metric_id: str
    varies: bool
    assumed_noise: float | None = None


COMPARED: Final = (
    Compared("ttft_s", varies=True),
    Compared("decode_tokens_per_s", varies=True),
    Compared("itl_s.p99", varies=True),
    Compared("e2e_s", varies=True),
    Compared("throughput_tokens_per_s", varies=True),
    Compared("cold_load_s", varies=True),
    Compared("memory_peak_bytes", varies=True, assumed_noise=0.01),
    Compared("footprint_bytes", varies=False),
    Compared("score", varies=False),
    Compared(FAILED_SHARE, varies=False),
)
"""Every metric that is compared, in order."""


@dataclass(frozen=True, eq=False)
class Both:
    """One metric on both sides: its values in its base unit, what can be drawn again, and why one has no value.

    `no_interval` says why nothing can be drawn again, if so. `level` is the level of load in words, where it is of one.
    """

    metric_id: str
    before: float | None
    after: float | None
    was: Measured
    now: Measured
    why_missing: str
    no_interval: str | None = None
    level: str | None = None


@dataclass(frozen=True)
class _Span:
    """A change and its interval, on the scale on which noise adds up."""

    value: float
    low: float
    high: float
    about: About
    why: str | None


def difference(sides: Sides, row: Compared, rules: Rules) -> Difference:
    """Return the difference of one compared metric of a model, with its verdict."""
    if row.metric_id == FAILED_SHARE:
        return failures_of(sides)
    before = model_value(sides.before, sides.was, row.metric_id)
    after = model_value(sides.after, sides.now, row.metric_id)
    was = measured(sides.before, sides.was, row.metric_id)
    both = Both(
        metric_id=row.metric_id,
        before=before,
        after=after,
        was=was,
        now=measured(sides.after, sides.now, row.metric_id),
        why_missing=_why_missing(sides, row.metric_id, before, after),
        no_interval=ONE_READING if was.kind == "reading" else None,
    )
    return difference_of(sides, both, row, rules)


def difference_of(sides: Sides, both: Both, row: Compared, rules: Rules) -> Difference:
    """Return the difference of a metric, given what was measured of it on both sides."""
    scale = scale_of(both.now)
    known = Difference(
        model=sides.now.name,
        metric_id=both.metric_id,
        before=both.before,
        after=both.after,
        change=Estimate(None, None, both.why_missing),
        scale=scale,
        verdict="missing",
        why=both.why_missing,
        level=both.level,
    )
    if both.before is None or both.after is None:
        return known
    published = _published(both.before, both.after, scale)
    told = None if published is None else _told(published, scale)
    if sides.differing:
        why = sides.why_not_comparable
        return replace(known, change=Estimate(told, None, why), verdict="not comparable", why=why)
    known = replace(known, change=Estimate(told, None, NO_RATIO), verdict="unresolved", why=NO_RATIO)
    if published is None:
        return replace(known, verdict="same", why="both are 0") if both.before == both.after else known
    return _judged(known, sides, row, rules, both, published)


def _judged(known: Difference, sides: Sides, row: Compared, rules: Rules, both: Both, published: float) -> Difference:
    was, now = both.was, both.now
    found = both.no_interval or change(was, now, seed=rules.seed)
    history = rules.run_noise.get(noise_key(known.model, known.metric_id, known.level)) if row.varies else None
    noise = row.assumed_noise if history is None else history
    if row.varies and history is None:
        known = replace(known, caution=UNKNOWN_NOISE if noise is None else ASSUMED_NOISE)
    elif row.varies and sides.unsteady:
        known = replace(known, caution=UNSTEADY)
    if isinstance(found, Change):
        known = replace(known, left_out=found.left_out)
    floor = rules.score_floor if known.scale == "points" else log1p(rules.floor)
    span = _span(found, published, row, noise)
    if isinstance(span, str):
        more = _more(both, found, published, floor, noise, rules.seed)
        return replace(known, change=Estimate(known.change.value, None, span), why=span, more=more)
    outcome = judged(span.value, span.low, span.high, floor, was.metric.better)
    interval = Interval(_told(span.low, known.scale), _told(span.high, known.scale), span.about, span.why)
    known = replace(known, change=Estimate(_told(span.value, known.scale), interval, None))
    if outcome.verdict in ("better", "worse") and span.value * published < 0:
        return replace(known, why=DISAGREE, more=More(None, DISAGREE))
    if outcome.verdict == "unresolved":
        more = _more(both, found, span.value, floor, noise, rules.seed)
        return replace(known, why=outcome.why, more=more)
    return replace(known, verdict=outcome.verdict, why=outcome.why)


def noise_key(model: str, metric_id: str, level: str | None) -> tuple[str, ...]:
    """Return by what `Rules.run_noise` has the noise of a metric: its model, its id, and its level of load if any."""
    return (model, metric_id) if level is None else (model, metric_id, level)


def _span(found: Change | str, published: float, row: Compared, noise: float | None) -> _Span | str:
    """Return the change with its interval, or why nobody knows how wide it is."""
    if isinstance(found, Change):
        low, high = limits(found.resampled, found.drawn)
        if noise is not None:
            low, high = noisy(found.value, low, high, noise)
        return _Span(found.value, low, high, found.drawn.about, found.drawn.why)
    if found == ONE_READING and not row.varies:
        return _Span(published, published, published, THESE, EXACT)
    if noise is None:
        return found
    # What a history of runs varies by has in it what changes within a run.
    return _Span(published, *noisy(published, published, published, noise), THESE, NOISE_ALONE)


def _more(both: Both, found: Change | str, value: float, floor: float, noise: float | None, seed: int) -> More:
    was, now = both.was, both.now
    if both.no_interval == ONE_READING:
        return More(None, "one reading a run: more runs tell, not more rounds")
    if was.kind == "loads":
        return More(None, "more loads tell, not more rounds")
    if was.kind == "scores":
        return More(None, "more prompts tell, not more rounds")
    if isinstance(found, str):
        return More(None, found)
    if both.level is not None:
        return More(None, "more requests at this level tell, not more rounds")
    low, high = limits(found.resampled, found.drawn)
    of_rounds = change(was, now, seed=seed, about=THESE)
    within = None
    rounds = 0.0
    if isinstance(of_rounds, Change):
        drawn = of_rounds.drawn
        within = float(of_rounds.resampled.var()) * drawn.units / (drawn.units - drawn.groups)
        rounds = drawn.units / drawn.groups
    return more_rounds(
        value, (high - low) / 2, floor, reach=found.drawn.reach(), within=within, rounds=rounds, run_noise=noise
    )


def _told(value: float, scale: Scale) -> float:
    """Return a change as it is told: as a ratio where it is a logarithm."""
    return exp(value) if scale == "ratio" else value


def _published(before: float, after: float, scale: Scale) -> float | None:
    """Return the change of the values themselves, on the scale on which noise adds up; None where there is none."""
    if scale == "points":
        return after - before
    return log(after / before) if before > 0 and after > 0 else None


def _why_missing(sides: Sides, metric_id: str, before: float | None, after: float | None) -> str:
    reasons = []
    for side, value, result, model in (
        ("before", before, sides.before, sides.was),
        ("after", after, sides.after, sides.now),
    ):
        if value is None:
            undefined = summarise_model(result, model).why_undefined(metric_id)
            failure = None if model.failure is None else f"{model.failure.kind}: {model.failure.message}"
            reasons.append(f"{side}: {model.skipped or failure or undefined}")
    return "; ".join(reasons)
