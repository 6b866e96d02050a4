"""The share of requests that failed, before and after: judged by an exact test, prompt by prompt."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from bench.analysis.exact_tests import SIGNIFICANT, Failed, failure_test
from bench.analysis.intervals import Estimate
from bench.analysis.sides import Difference, Sides
from bench.analysis.verdict import More, Verdict
from bench.runner.record import ModelRun
from bench.runner.sample import Sample

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


def _by_prompt(was: Sequence[Sample], now: Sequence[Sample]) -> list[Failed]:
    prompts = dict.fromkeys(sample.prompt for sample in (*was, *now))
    counted = []
    for prompt in prompts:
        before, after = ([one for one in side if one.prompt == prompt] for side in (was, now))
        counted.append(Failed(_failed(before), len(before), _failed(after), len(after)))
    return counted


def _share(samples: Sequence[Sample]) -> float:
    return _failed(samples) / len(samples)


def _failed(samples: Sequence[Sample]) -> int:
    return sum(sample.failure is not None for sample in samples)


def _why_not_asked(model: ModelRun) -> str:
    failure = None if model.failure is None else f"{model.failure.kind}: {model.failure.message}"
    return model.skipped or failure or "nothing was asked"
