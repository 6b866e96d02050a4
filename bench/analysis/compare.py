"""Two runs side by side: each compared metric with its verdict, at each level of load too, and a pipeline's gate."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import exp, inf, log, log1p
from typing import Final

import numpy as np

from bench.analysis.answers import AnswerChange, changed_answers
from bench.analysis.contexts import ConditionChange, Context, changed_conditions, context_key, differing
from bench.analysis.history import SCHEDULED, at_level, without_load
from bench.analysis.intervals import ONE_READING, Estimate, Interval
from bench.analysis.measurements import Measurement, measured
from bench.analysis.paired_bootstrap import NO_RATIO, PairedChange, Scale, change, scale_of
from bench.analysis.summary import model_value, summarise_model
from bench.analysis.trust import Reason, steadiness
from bench.metrics.levels import level_value, why_undefined
from bench.metrics.load import LevelKey, LevelSummary, level_key, measured_samples, summarise_level, waited_s
from bench.metrics.registry import ITL
from bench.metrics.timing import e2e_s, good_samples, itl_s, ttft_s
from bench.schema.load import LoadLevel, LoadSample
from bench.schema.model_run import ModelRun
from bench.schema.result import Result
from bench.schema.sample import Sample
from bench.stats.bootstrap import THESE, About, RequestValues, limits
from bench.stats.equivalence import FLOOR, SCORE_FLOOR, More, Verdict, judged, more_rounds, noisy
from bench.stats.exact_tests import SIGNIFICANT, FailedCounts, failure_test


@dataclass(frozen=True)
class Difference:
    """One metric of one model before and after, in its base unit.

    `change` is after / before, or after - before on a `scale` of 'points', with its interval. It is taken prompt by
    prompt (`bench.analysis.paired_bootstrap`), so it may differ a little from the ratio of the two values. `p_value`
    stands where an exact test takes the place of an interval. `why` gives the reason for the verdict, `caution` what
    weakens it, and `more` the rounds that would resolve it, for an unresolved one. `left_out` are prompts without a
    value on one side. `level` is the level of load in words, and None for requests one after the other.
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
    level: str | None = None


@dataclass(frozen=True)
class Rules:
    """How differences are judged; see `bench.analysis.compare.compare`."""

    seed: int
    floor: float
    score_floor: float
    run_noise: Mapping[tuple[str, ...], float]


@dataclass(frozen=True)
class Sides:
    """A model in two runs, what their contexts differ in, in words, and whether a machine was unsteady in one."""

    before: Result
    was: ModelRun
    after: Result
    now: ModelRun
    differing: tuple[str, ...]
    unsteady: bool

    @property
    def why_not_comparable(self) -> str:
        """Why no number of the two can be compared; only of use where something differs."""
        return f"the runs differ in {', '.join(self.differing)}"


FAILED_SHARE: Final = "failed_share"
"""Failed samples / samples: compared here, though no metric of a model."""

NO_INTERVAL: Final = "an exact test takes the place of an interval"


def failures_of(sides: Sides) -> Difference:
    """Return the difference of the shares of a model's failed samples."""
    empty = [
        f"{side}: {_why_not_asked(model)}"
        for side, model in (("before", sides.was), ("after", sides.now))
        if not model.samples
    ]
    if not empty:
        return failures(sides, sides.was.samples, sides.now.samples)
    before, after = (_share(model.samples) if model.samples else None for model in (sides.was, sides.now))
    why = "; ".join(empty)
    return Difference(sides.now.name, FAILED_SHARE, before, after, Estimate(None, None, why), "points", "missing", why)


def failures(sides: Sides, was: Sequence[Sample], now: Sequence[Sample], level: str | None = None) -> Difference:
    """Return the difference of the shares of failed requests, of which there is one at least on each side."""
    before, after = _share(was), _share(now)
    known = Difference(
        model=sides.now.name,
        metric_id=FAILED_SHARE,
        before=before,
        after=after,
        change=Estimate(after - before, None, NO_INTERVAL),
        scale="points",
        verdict="not comparable",
        why=sides.why_not_comparable,
        level=level,
    )
    if sides.differing:
        return known
    p_value = failure_test(_by_prompt(was, now))
    known = replace(known, p_value=p_value)
    if p_value < SIGNIFICANT and before != after:
        verdict: Verdict = "worse" if after > before else "better"
        return replace(known, verdict=verdict, why="an exact test by prompt tells them apart")
    if before == after:
        return replace(known, verdict="same", why="the same share failed")
    why = "so few failures may be chance"
    return replace(known, verdict="unresolved", why=why, more=More(None, why))


def _by_prompt(was: Sequence[Sample], now: Sequence[Sample]) -> list[FailedCounts]:
    prompts = dict.fromkeys(sample.prompt for sample in (*was, *now))
    counted = []
    for prompt in prompts:
        before, after = ([one for one in side if one.prompt == prompt] for side in (was, now))
        counted.append(FailedCounts(_failed(before), len(before), _failed(after), len(after)))
    return counted


def _share(samples: Sequence[Sample]) -> float:
    return _failed(samples) / len(samples)


def _failed(samples: Sequence[Sample]) -> int:
    return sum(sample.failure is not None for sample in samples)


def _why_not_asked(model: ModelRun) -> str:
    failure = None if model.failure is None else f"{model.failure.kind}: {model.failure.message}"
    return model.skipped or failure or "nothing was asked"


UNKNOWN_NOISE: Final = "how much a run differs from the next is not known, and not in the interval"
UNSTEADY: Final = "a machine was unsteady, so that this may be its own and confirms nothing"
ASSUMED_NOISE: Final = "how much a run differs from the next is assumed"
NOISE_ALONE: Final = "of the noise from run to run alone"
EXACT: Final = "it does not change from run to run by itself"
DISAGREE: Final = "prompt by prompt it went one way, over all requests together the other"


@dataclass(frozen=True)
class ComparedMetric:
    """A metric that is compared. `varies` is whether the machine's state moves it from run to run.

    `assumed_noise` stands for the noise from run to run where no history tells it, as a relative standard deviation.
    Peak memory has it: 8 runs of three reference models varied by 0.1% to 0.6%.
    """

    metric_id: str
    varies: bool
    assumed_noise: float | None = None


COMPARED: Final = (
    ComparedMetric("ttft_s", varies=True),
    ComparedMetric("decode_tokens_per_s", varies=True),
    ComparedMetric("itl_s.p99", varies=True),
    ComparedMetric("e2e_s", varies=True),
    ComparedMetric("throughput_tokens_per_s", varies=True),
    ComparedMetric("cold_load_s", varies=True),
    ComparedMetric("memory_peak_bytes", varies=True, assumed_noise=0.01),
    ComparedMetric("footprint_bytes", varies=False),
    ComparedMetric("score", varies=False),
    ComparedMetric(FAILED_SHARE, varies=False),
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
    was: Measurement
    now: Measurement
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


def difference(sides: Sides, row: ComparedMetric, rules: Rules) -> Difference:
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


def difference_of(sides: Sides, both: Both, row: ComparedMetric, rules: Rules) -> Difference:
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


def _judged(
    known: Difference, sides: Sides, row: ComparedMetric, rules: Rules, both: Both, published: float
) -> Difference:
    was, now = both.was, both.now
    found = both.no_interval or change(was, now, seed=rules.seed)
    history = rules.run_noise.get(noise_key(known.model, known.metric_id, known.level)) if row.varies else None
    noise = row.assumed_noise if history is None else history
    if row.varies and history is None:
        known = replace(known, caution=UNKNOWN_NOISE if noise is None else ASSUMED_NOISE)
    elif row.varies and sides.unsteady:
        known = replace(known, caution=UNSTEADY)
    if isinstance(found, PairedChange):
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


def _span(found: PairedChange | str, published: float, row: ComparedMetric, noise: float | None) -> _Span | str:
    """Return the change with its interval, or why nobody knows how wide it is."""
    if isinstance(found, PairedChange):
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


def _more(both: Both, found: PairedChange | str, value: float, floor: float, noise: float | None, seed: int) -> More:
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
    if isinstance(of_rounds, PairedChange):
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


COMPARED_AT_LOAD: Final = (
    ComparedMetric("throughput_tokens_per_s", varies=True),
    ComparedMetric("ttft_s", varies=True),
    ComparedMetric("ttft_s.p95", varies=True),
    ComparedMetric("itl_s.p99", varies=True),
    ComparedMetric("e2e_s", varies=True),
    ComparedMetric("e2e_s.p95", varies=True),
    ComparedMetric(FAILED_SHARE, varies=False),
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


def _measured(level: LevelSummary, metric_id: str) -> Measurement:
    """Return the requests of a latency, or of gaps that were kept one by one, with a stretch in place of a prompt."""
    metric = without_load(metric_id)
    statistic = metric_id.partition(".")[2] or "p50"
    values_of = DRAWN.get(metric.id)
    if values_of is None or (metric.id == "itl_s" and level.record.gaps is not None):
        return Measurement(metric, statistic, "reading", {})
    requests = []
    for sample in measured_samples(level.record):
        late_s = waited_s(sample) if metric_id.startswith(SCHEDULED) else 0.0
        values = [value + late_s for value in values_of(sample) if value is not None]
        if values:
            requests.append(RequestValues(np.asarray(values, dtype=np.float64)))
    ends = [len(requests) * place // STRETCHES for place in range(STRETCHES + 1)]
    stretches = {
        f"stretch {place}": tuple(requests[first:end]) for place, (first, end) in enumerate(pairwise(ends), start=1)
    }
    return Measurement(metric, statistic, "requests", {name: asked for name, asked in stretches.items() if asked})


def _of_stretches(found: Difference, both: Both) -> Difference:
    """Return a difference whose interval says what was drawn again."""
    interval = found.change.interval
    if interval is None or both.no_interval is not None:
        return found
    return replace(found, change=replace(found.change, interval=replace(interval, about=THESE, why=OF_STRETCHES)))


@dataclass(frozen=True)
class Comparison:
    """Two runs: their differences by model in the order of `after` and by metric in the order of COMPARED.

    After those of all models come those of the levels of load that both runs have. `only_before` and `only_after` name
    models of one run alone, and levels of load of a model that is in both. `cautions` say what was not right with a run
    as a whole, each after the side. `conditions` and `answers` are what else differs.
    """

    before: Result
    after: Result
    differences: tuple[Difference, ...]
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]
    cautions: tuple[tuple[str, Reason], ...]
    conditions: tuple[ConditionChange, ...]
    answers: tuple[AnswerChange, ...]


def compare(
    before: Result,
    after: Result,
    *,
    seed: int,
    floor: float = FLOOR,
    score_floor: float = SCORE_FLOOR,
    run_noise: Mapping[tuple[str, ...], float] | None = None,
) -> Comparison:
    """Return what differs between two runs.

    `run_noise` has, by model and id in COMPARED, and for a level of load by its words as well, the relative standard
    deviation of a run's level in the runs before: the difference of two runs has sqrt(2) times as much, and its
    interval is widened by it. Models go by their name in
    the config. A change is none below `floor`, up or down by the same ratio, or below `score_floor` points.
    """
    rules = Rules(seed, floor, score_floor, run_noise or {})
    earlier = {model.name: model for model in before.models}
    unsteady = "unsteady" in (steadiness(before).verdict, steadiness(after).verdict)
    both = [
        _sides(before, earlier[model.name], after, model, unsteady) for model in after.models if model.name in earlier
    ]
    later = {model.name for model in after.models}
    return Comparison(
        before=before,
        after=after,
        differences=(
            *(difference(sides, row, rules) for sides in both for row in COMPARED),
            *(one for sides in both for one in level_differences(sides, rules)),
        ),
        only_before=(
            *(name for name in earlier if name not in later),
            *(name for sides in both for name in levels_of_one_side(sides.was, sides.now)),
        ),
        only_after=(
            *(model.name for model in after.models if model.name not in earlier),
            *(name for sides in both for name in levels_of_one_side(sides.now, sides.was)),
        ),
        cautions=(*_cautions("before", before), *_cautions("after", after)),
        conditions=changed_conditions(before, after),
        answers=changed_answers(before, after),
    )


def _sides(before: Result, was: ModelRun, after: Result, now: ModelRun, unsteady: bool) -> Sides:
    earlier, later = context_key(before, was), context_key(after, now)
    if not (good_samples(was) and good_samples(now)):
        # A model that never answered may not have come as far as a device.
        earlier, later = _as_far_as_known(earlier, later), _as_far_as_known(later, earlier)
    words = tuple(one.words for one in differing(earlier, later))
    return Sides(before, was, after, now, words, unsteady)


def _as_far_as_known(context: Context, other: Context) -> Context:
    """Return a context with the device and execution provider of the other one where it has none itself."""
    return context._replace(
        device=context.device or other.device,
        execution_provider=context.execution_provider or other.execution_provider,
    )


def _cautions(side: str, result: Result) -> list[tuple[str, Reason]]:
    found = []
    if result.run.status == "partial":
        found.append((side, Reason("the run was stopped before its end")))
    machine = steadiness(result)
    if machine.verdict != "steady":
        found += [(side, reason) for reason in machine.reasons]
    return found


@dataclass(frozen=True)
class Regression:
    """A real change for the worse, and the limit of the config that it is beyond; None where the config has none."""

    difference: Difference
    limit: float | None


def regressions(comparison: Comparison) -> tuple[Regression, ...]:
    """Return the differences that are worse for certain and beyond their limit, in the comparison's order.

    Limits are those of `gate` in the config of the later run: by metric, the relative change, or the points of a score
    or of a share, up to which worse is let through. A metric without a limit has none: worse is worse, where the noise
    from run to run is known and neither machine was unsteady; else a gate would close on every other run. At a level of
    load each percentile of a metric goes by the metric's own limit.
    """
    limits = comparison.after.config.resolved.get("gate")
    known = limits if isinstance(limits, dict) else {}
    found = []
    for difference in comparison.differences:
        limit = known.get(_limited_as(difference))
        bound = float(limit) if isinstance(limit, int | float) else None
        if difference.verdict != "worse":
            continue
        sure = difference.caution not in (UNKNOWN_NOISE, UNSTEADY)
        if sure if bound is None else _size(difference) > bound:
            found.append(Regression(difference, bound))
    return tuple(found)


def _limited_as(difference: Difference) -> str:
    """Return the key of the limit that a difference is held to."""
    if difference.level is None:
        return difference.metric_id
    name, _, statistic = difference.metric_id.removeprefix(SCHEDULED).partition(".")
    return f"{name}.{statistic}" if name == ITL.id else name


def _size(difference: Difference) -> float:
    """Return how large a change is, without its direction: twice the time and half the speed are both 1."""
    value = difference.change.value
    if value is None:
        return inf
    if difference.scale == "points":
        return abs(value)
    return max(value, 1 / value) - 1 if value > 0 else inf
