"""Two runs side by side: each compared metric with its verdict, at each level of load too, and a pipeline's gate."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, inf, log, log1p
from typing import Final

from bench.analysis.answers import AnswerChange, changed_answers
from bench.analysis.contexts import ConditionChange, Context, changed_conditions, context_key, differing
from bench.analysis.intervals import OF_STRETCHES, ONE_READING, Estimate, Interval
from bench.analysis.measurements import (
    REQUESTS_NEEDED,
    WHOLE,
    Measurement,
    Stratum,
    asked,
    compared,
    levels,
    measure,
    value,
    why_undefined,
)
from bench.analysis.paired_bootstrap import NO_RATIO, ChangeScale, PairedChange, change, scale_of
from bench.analysis.trust import Reason, steadiness
from bench.metrics.registry import Metric, split_metric_id
from bench.metrics.timing import good_samples
from bench.schema.model_run import ModelRun
from bench.schema.result import Result
from bench.schema.sample import Sample
from bench.stats.bootstrap import THESE, About, limits
from bench.stats.equivalence import (
    FLOOR,
    SCORE_FLOOR,
    SIGNIFICANT,
    ComparisonVerdict,
    FailedCounts,
    More,
    failure_test,
    judged,
    more_rounds,
    noisy,
)

FAILED_SHARE: Final = "failed_share"


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
    scale: ChangeScale
    verdict: ComparisonVerdict
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


NO_INTERVAL: Final = "an exact test takes the place of an interval"


def _by_prompt(was: Sequence[Sample], now: Sequence[Sample]) -> list[FailedCounts]:
    prompts = dict.fromkeys(sample.prompt for sample in (*was, *now))
    counted = []
    for prompt in prompts:
        before, after = ([one for one in side if one.prompt == prompt] for side in (was, now))
        counted.append(FailedCounts(_failed(before), len(before), _failed(after), len(after)))
    return counted


def _failed(samples: Sequence[Sample]) -> int:
    return sum(sample.failure is not None for sample in samples)


UNKNOWN_NOISE: Final = "how much a run differs from the next is not known, and not in the interval"
UNSTEADY: Final = "a machine was unsteady, so that this may be its own and confirms nothing"
TOGETHER: Final = "failures under load come together, and count here as if each came by itself"
ASSUMED_NOISE: Final = "how much a run differs from the next is assumed"
NOISE_ALONE: Final = "of the noise from run to run alone"
EXACT: Final = "it does not change from run to run by itself"
DISAGREE: Final = "prompt by prompt it went one way, over all requests together the other"


@dataclass(frozen=True, eq=False)
class _Drawn:
    """What can be drawn again of one metric on both sides; `no_interval` says why nothing can, if so."""

    stratum: Stratum
    was: Measurement
    now: Measurement
    no_interval: str | None


@dataclass(frozen=True)
class _Span:
    """A change and its interval, on the scale on which noise adds up."""

    value: float
    low: float
    high: float
    about: About
    why: str | None


def difference(sides: Sides, stratum: Stratum, metric_id: str, rules: Rules) -> Difference:
    """Return the difference of one metric of a model in a stratum, with its verdict."""
    was = measure(sides.before, sides.was, stratum, metric_id)
    now = measure(sides.after, sides.now, stratum, metric_id)
    before = value(sides.before, sides.was, stratum, metric_id)
    after = value(sides.after, sides.now, stratum, metric_id)
    scale = scale_of(now)
    reasons = []
    if before is None:
        reasons.append(f"before: {_why_missing(sides.before, sides.was, stratum, metric_id)}")
    if after is None:
        reasons.append(f"after: {_why_missing(sides.after, sides.now, stratum, metric_id)}")
    known = Difference(
        model=sides.now.name,
        metric_id=metric_id,
        before=before,
        after=after,
        change=Estimate(None, None, "; ".join(reasons)),
        scale=scale,
        verdict="missing",
        why="; ".join(reasons),
        level=stratum.words,
    )
    if before is None or after is None:
        return known
    if now.metric.id == FAILED_SHARE:
        return _failures(known, sides, stratum)
    published = _published(before, after, scale)
    told = None if published is None else _told(published, scale)
    if sides.differing:
        why = sides.why_not_comparable
        return replace(known, change=Estimate(told, None, why), verdict="not comparable", why=why)
    known = replace(known, change=Estimate(told, None, NO_RATIO), verdict="unresolved", why=NO_RATIO)
    if published is None:
        return replace(known, verdict="same", why="both are 0") if before == after else known
    drawn = _Drawn(stratum, was, now, _no_interval(stratum, was, now))
    found = _judged(known, sides, rules, drawn, published)
    return _of_stretches(found) if stratum.kind == "level" and drawn.no_interval is None else found


def _no_interval(stratum: Stratum, was: Measurement, now: Measurement) -> str | None:
    """Return why nothing can be drawn again: a level of load is cut into stretches, which needs requests enough."""
    if "reading" in (was.kind, now.kind):
        return ONE_READING
    fewest = min(sum(len(asked) for asked in side.by_prompt.values()) for side in (was, now))
    few = stratum.kind == "level" and fewest < REQUESTS_NEEDED
    return f"{fewest} requests; an interval needs {REQUESTS_NEEDED}" if few else None


def _failures(known: Difference, sides: Sides, stratum: Stratum) -> Difference:
    """Return the difference of the shares of failed requests, told apart by an exact test."""
    before, after = known.before or 0.0, known.after or 0.0
    known = replace(known, change=Estimate(after - before, None, NO_INTERVAL))
    if stratum.kind == "level":
        known = replace(known, caution=TOGETHER)
    if sides.differing:
        return replace(known, verdict="not comparable", why=sides.why_not_comparable)
    p_value = failure_test(_by_prompt(asked(sides.was, stratum), asked(sides.now, stratum)))
    known = replace(known, p_value=p_value)
    if p_value < SIGNIFICANT and before != after:
        verdict: ComparisonVerdict = "worse" if after > before else "better"
        return replace(known, verdict=verdict, why="an exact test by prompt tells them apart")
    if before == after:
        return replace(known, verdict="same", why="the same share failed")
    why = "so few failures may be chance"
    return replace(known, verdict="unresolved", why=why, more=More(None, why))


def _judged(known: Difference, sides: Sides, rules: Rules, drawn: _Drawn, published: float) -> Difference:
    was, now, row = drawn.was, drawn.now, drawn.now.metric
    found = drawn.no_interval or change(was, now, seed=rules.seed)
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
        more = _more(drawn, found, published, floor, noise, rules.seed)
        return replace(known, change=Estimate(known.change.value, None, span), why=span, more=more)
    outcome = judged(span.value, span.low, span.high, floor, row.direction)
    interval = Interval(_told(span.low, known.scale), _told(span.high, known.scale), span.about, span.why)
    known = replace(known, change=Estimate(_told(span.value, known.scale), interval, None))
    if outcome.verdict in ("better", "worse") and span.value * published < 0:
        return replace(known, why=DISAGREE, more=More(None, DISAGREE))
    if outcome.verdict == "unresolved":
        more = _more(drawn, found, span.value, floor, noise, rules.seed)
        return replace(known, why=outcome.why, more=more)
    return replace(known, verdict=outcome.verdict, why=outcome.why)


def noise_key(model: str, metric_id: str, level: str | None) -> tuple[str, ...]:
    """Return by what `Rules.run_noise` has the noise of a metric: its model, its id, and its level of load if any."""
    return (model, metric_id) if level is None else (model, metric_id, level)


def _span(found: PairedChange | str, published: float, row: Metric, noise: float | None) -> _Span | str:
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


def _more(drawn: _Drawn, found: PairedChange | str, value: float, floor: float, noise: float | None, seed: int) -> More:
    was, now = drawn.was, drawn.now
    if drawn.no_interval == ONE_READING:
        return More(None, "one reading a run: more runs tell, not more rounds")
    if was.kind == "loads":
        return More(None, "more loads tell, not more rounds")
    if was.kind == "scores":
        return More(None, "more prompts tell, not more rounds")
    if isinstance(found, str):
        return More(None, found)
    if drawn.stratum.kind == "level":
        return More(None, "more requests at this level tell, not more rounds")
    low, high = limits(found.resampled, found.drawn)
    of_rounds = change(was, now, seed=seed, about=THESE)
    within = None
    rounds = 0.0
    if isinstance(of_rounds, PairedChange):
        plan = of_rounds.drawn
        within = float(of_rounds.resampled.var()) * plan.units / (plan.units - plan.groups)
        rounds = plan.units / plan.groups
    return more_rounds(
        value, (high - low) / 2, floor, reach=found.drawn.reach(), within=within, rounds=rounds, run_noise=noise
    )


def _told(value: float, scale: ChangeScale) -> float:
    """Return a change as it is told: as a ratio where it is a logarithm."""
    return exp(value) if scale == "ratio" else value


def _published(before: float, after: float, scale: ChangeScale) -> float | None:
    """Return the change of the values themselves, on the scale on which noise adds up; None where there is none."""
    if scale == "points":
        return after - before
    return log(after / before) if before > 0 and after > 0 else None


def _why_missing(result: Result, model: ModelRun, stratum: Stratum, metric_id: str) -> str | None:
    failure = None if model.failure is None else f"{model.failure.kind}: {model.failure.message}"
    of_the_model = None if stratum.kind == "level" else model.skipped or failure
    return of_the_model or why_undefined(result, model, stratum, metric_id)


def _of_stretches(found: Difference) -> Difference:
    """Return a difference at a level whose interval says what was drawn again."""
    if found.change.interval is None:
        return found
    interval = replace(found.change.interval, about=THESE, why=OF_STRETCHES)
    return replace(found, change=replace(found.change, interval=interval))


def _level_differences(sides: Sides, rules: Rules) -> Iterator[Difference]:
    """Yield the same at each level of load that both runs have, in the order of the later run.

    What is missing on both sides is left out.
    """
    earlier = levels(sides.was)
    for stratum in (one for one in levels(sides.now) if one in earlier):
        for metric_id in compared(stratum):
            found = difference(sides, stratum, metric_id, rules)
            if found.before is not None or found.after is not None:
                yield found


def _levels_of_one_side(model: ModelRun, other: ModelRun) -> list[str]:
    """Return the levels of load of a model that it does not have in another run, as 'model, level'."""
    others = levels(other)
    return [f"{model.name}, {one.words}" for one in levels(model) if one not in others]


@dataclass(frozen=True)
class Comparison:
    """Two runs: their differences by model in the order of `after` and by metric in the order of the registry.

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

    `run_noise` has, by model and metric, and for a level of load by its words as well, the relative standard deviation
    of a run's level in the runs before: the difference of two runs has sqrt(2) times as much, and its interval is
    widened by it. Models go by their name in the config. A change is none below `floor`, up or down
    by the same ratio, or below `score_floor` points.
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
            *(difference(sides, WHOLE, metric_id, rules) for sides in both for metric_id in compared(WHOLE)),
            *(one for sides in both for one in _level_differences(sides, rules)),
        ),
        only_before=(
            *(name for name in earlier if name not in later),
            *(name for sides in both for name in _levels_of_one_side(sides.was, sides.now)),
        ),
        only_after=(
            *(model.name for model in after.models if model.name not in earlier),
            *(name for sides in both for name in _levels_of_one_side(sides.now, sides.was)),
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
    known = comparison.after.config.part("gate")
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
    selected, statistic = split_metric_id(difference.metric_id, "level")
    limited_as = selected.from_send or selected.id
    return f"{limited_as}.{statistic}" if selected.scope == "gap" else limited_as


def _size(difference: Difference) -> float:
    """Return how large a change is, without its direction: twice the time and half the speed are both 1."""
    value = difference.change.value
    if value is None:
        return inf
    if difference.scale == "points":
        return abs(value)
    return max(value, 1 / value) - 1 if value > 0 else inf
