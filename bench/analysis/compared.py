"""One model before and after: each compared metric with its verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, log, log1p
from typing import Final

from bench.analysis.exact_tests import SIGNIFICANT, Failed, failure_test
from bench.analysis.intervals import ONE_READING, Estimate, Interval
from bench.analysis.matched import NO_RATIO, Change, Scale, change, scale_of
from bench.analysis.measured import Measured, measured
from bench.analysis.resampling import THESE, About, limits
from bench.analysis.summary import model_value, summarise_model
from bench.analysis.verdict import More, Verdict, judged, more_rounds, noisy
from bench.results.schema import Result
from bench.runner.record import ModelRun
from bench.runner.sample import Sample

FAILED_SHARE: Final = "failed_share"
"""Failed samples / samples: compared here, though no metric of a model."""

UNKNOWN_NOISE: Final = "how much a run differs from the next is not known, and not in the interval"
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


@dataclass(frozen=True)
class Difference:
    """One metric of one model before and after, in its base unit.

    `change` is after / before, or after - before on a `scale` of 'points', with its interval. It is taken prompt by
    prompt, as `bench.analysis.matched` says, so it may differ a little from the ratio of the two values. `p_value`
    stands where an exact test takes the place of an interval. `why` gives the reason for the verdict, `caution` what
    weakens it, and `more` the rounds that would resolve it, for an unresolved one. `left_out` are prompts without a
    value on one side.
    """

    model: str
    metric_id: str
    before: float | None
    after: float | None
    change: Estimate
    scale: Scale
    verdict: Verdict
    why: str
    p_value: float | None = None
    caution: str | None = None
    more: More | None = None
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rules:
    """How differences are judged; see `bench.analysis.difference.compare`."""

    seed: int
    floor: float
    score_floor: float
    run_noise: Mapping[tuple[str, str], float]


@dataclass(frozen=True)
class Sides:
    """A model in two runs, and the fields of the context in which these differ."""

    before: Result
    was: ModelRun
    after: Result
    now: ModelRun
    differing: tuple[str, ...]


@dataclass(frozen=True)
class _Span:
    """A change and its interval, on the scale on which noise adds up."""

    value: float
    low: float
    high: float
    about: About
    why: str | None


def difference(sides: Sides, row: Compared, rules: Rules) -> Difference:
    """Return the difference of one compared metric, with its verdict."""
    if row.metric_id == FAILED_SHARE:
        return _of_failures(sides)
    before = model_value(sides.before, sides.was, row.metric_id)
    after = model_value(sides.after, sides.now, row.metric_id)
    if before is None or after is None:
        return _missing(sides, row.metric_id, before, after, _why_missing(sides, row.metric_id, before, after))
    was, now = measured(sides.before, sides.was, row.metric_id), measured(sides.after, sides.now, row.metric_id)
    scale = scale_of(was)
    published = _published(before, after, scale)
    told = None if published is None else _told(published, scale)
    known = Difference(
        model=sides.now.name,
        metric_id=row.metric_id,
        before=before,
        after=after,
        change=Estimate(told, None, NO_RATIO),
        scale=scale,
        verdict="unresolved",
        why=NO_RATIO,
    )
    if sides.differing:
        why = _why_not_comparable(sides)
        return replace(known, change=Estimate(told, None, why), verdict="not comparable", why=why)
    if published is None:
        return replace(known, verdict="same", why="both are 0") if before == after else known
    return _judged(known, row, rules, was, now, published)


def _judged(
    known: Difference, row: Compared, rules: Rules, was: Measured, now: Measured, published: float
) -> Difference:
    found = ONE_READING if was.kind == "reading" else change(was, now, seed=rules.seed)
    history = rules.run_noise.get((known.model, row.metric_id)) if row.varies else None
    noise = row.assumed_noise if history is None else history
    if row.varies and history is None:
        known = replace(known, caution=UNKNOWN_NOISE if noise is None else ASSUMED_NOISE)
    if isinstance(found, Change):
        known = replace(known, left_out=found.left_out)
    floor = rules.score_floor if known.scale == "points" else log1p(rules.floor)
    span = _span(found, published, row, noise)
    if isinstance(span, str):
        more = _more(was, now, found, published, floor, noise, rules.seed)
        return replace(known, change=Estimate(known.change.value, None, span), why=span, more=more)
    outcome = judged(span.value, span.low, span.high, floor, was.metric.better)
    interval = Interval(_told(span.low, known.scale), _told(span.high, known.scale), span.about, span.why)
    known = replace(known, change=Estimate(_told(span.value, known.scale), interval, None))
    if outcome.verdict in ("better", "worse") and span.value * published < 0:
        return replace(known, why=DISAGREE, more=More(None, DISAGREE))
    if outcome.verdict == "unresolved":
        more = _more(was, now, found, span.value, floor, noise, rules.seed)
        return replace(known, why=outcome.why, more=more)
    return replace(known, verdict=outcome.verdict, why=outcome.why)


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


def _more(
    was: Measured, now: Measured, found: Change | str, value: float, floor: float, noise: float | None, seed: int
) -> More:
    if was.kind == "reading":
        return More(None, "one reading a run: more runs tell, not more rounds")
    if was.kind == "loads":
        return More(None, "more loads tell, not more rounds")
    if was.kind == "scores":
        return More(None, "more prompts tell, not more rounds")
    if isinstance(found, str):
        return More(None, found)
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


def _missing(sides: Sides, metric_id: str, before: float | None, after: float | None, why: str) -> Difference:
    scale: Scale = "points" if metric_id in ("score", FAILED_SHARE) else "ratio"
    return Difference(sides.now.name, metric_id, before, after, Estimate(None, None, why), scale, "missing", why)


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


def _why_not_comparable(sides: Sides) -> str:
    return f"the runs differ in {', '.join(sides.differing)}"


def _of_failures(sides: Sides) -> Difference:
    """Return the difference of the shares of failed samples, judged by an exact test prompt by prompt."""
    shares = [
        _failed(model.samples) / len(model.samples) if model.samples else None for model in (sides.was, sides.now)
    ]
    before, after = shares
    if before is None or after is None:
        empty = (("before", before, sides.was), ("after", after, sides.now))
        why = "; ".join(f"{side}: {_why_not_asked(model)}" for side, share, model in empty if share is None)
        return _missing(sides, FAILED_SHARE, before, after, why)
    known = Difference(
        model=sides.now.name,
        metric_id=FAILED_SHARE,
        before=before,
        after=after,
        change=Estimate(after - before, None, "an exact test takes the place of an interval"),
        scale="points",
        verdict="not comparable",
        why=_why_not_comparable(sides),
    )
    if sides.differing:
        return known
    p_value = failure_test(_failed_by_prompt(sides))
    known = replace(known, p_value=p_value)
    if p_value < SIGNIFICANT and before != after:
        verdict: Verdict = "worse" if after > before else "better"
        return replace(known, verdict=verdict, why="an exact test by prompt tells them apart")
    if before == after:
        return replace(known, verdict="same", why="the same share failed")
    why = "so few failures may be chance"
    return replace(known, verdict="unresolved", why=why, more=More(None, why))


def _failed_by_prompt(sides: Sides) -> list[Failed]:
    prompts = dict.fromkeys(sample.prompt for sample in (*sides.was.samples, *sides.now.samples))
    counted = []
    for prompt in prompts:
        was, now = ([one for one in model.samples if one.prompt == prompt] for model in (sides.was, sides.now))
        counted.append(Failed(_failed(was), len(was), _failed(now), len(now)))
    return counted


def _failed(samples: Sequence[Sample]) -> int:
    return sum(sample.failure is not None for sample in samples)


def _why_not_asked(model: ModelRun) -> str:
    failure = None if model.failure is None else f"{model.failure.kind}: {model.failure.message}"
    return model.skipped or failure or "nothing was asked"
