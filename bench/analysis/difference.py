"""Two runs side by side: which numbers really differ, which do not, and where nobody can tell.

Each metric of a model is judged by itself at 95%, as `bench.analysis.verdict` says. Of a hundred metrics that did not
change some five have an interval that excludes no change; few of these are beyond the floor as well, and a second run
confirms or refutes them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from bench.analysis.compared import COMPARED, Difference, Rules, Sides, difference
from bench.analysis.conditions import AnswerChange, ConditionChange, changed_answers, changed_conditions
from bench.analysis.history import Context, context_key
from bench.analysis.steadiness import steadiness
from bench.analysis.timing import good_samples
from bench.analysis.verdict import FLOOR, SCORE_FLOOR
from bench.results.schema import Result
from bench.runner.record import ModelRun


@dataclass(frozen=True)
class Comparison:
    """Two runs: their differences by model in the order of `after` and by metric in the order of COMPARED.

    `only_before` and `only_after` name models of one run alone. `cautions` say what was not right with a run as a
    whole. `conditions` and `answers` are what else differs.
    """

    before: Result
    after: Result
    differences: tuple[Difference, ...]
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]
    cautions: tuple[str, ...]
    conditions: tuple[ConditionChange, ...]
    answers: tuple[AnswerChange, ...]


def compare(
    before: Result,
    after: Result,
    *,
    seed: int,
    floor: float = FLOOR,
    score_floor: float = SCORE_FLOOR,
    run_noise: Mapping[tuple[str, str], float] | None = None,
) -> Comparison:
    """Return what differs between two runs.

    `run_noise` has, by model and id in COMPARED, the relative standard deviation of a run's level in the runs before:
    the difference of two runs has sqrt(2) times as much, and its interval is widened by it. Models go by their name in
    the config. A change is none below `floor`, a ratio between 1.05 and 1 / 1.05, or below `score_floor` points.
    """
    rules = Rules(seed, floor, score_floor, run_noise or {})
    earlier = {model.name: model for model in before.models}
    both = [_sides(before, earlier[model.name], after, model) for model in after.models if model.name in earlier]
    later = {model.name for model in after.models}
    return Comparison(
        before=before,
        after=after,
        differences=tuple(difference(sides, row, rules) for sides in both for row in COMPARED),
        only_before=tuple(name for name in earlier if name not in later),
        only_after=tuple(model.name for model in after.models if model.name not in earlier),
        cautions=(*_cautions("before", before), *_cautions("after", after)),
        conditions=changed_conditions(before, after),
        answers=changed_answers(before, after),
    )


def _sides(before: Result, was: ModelRun, after: Result, now: ModelRun) -> Sides:
    contexts = context_key(before, was), context_key(after, now)
    answered = bool(good_samples(was)) and bool(good_samples(now))
    differing = (
        field
        for field in Context._fields
        if (values := [getattr(context, field) for context in contexts])[0] != values[1]
        # A model that never answered may not have come as far as a device.
        and (answered or None not in values)
    )
    return Sides(before, was, after, now, tuple(differing))


def _cautions(side: str, result: Result) -> list[str]:
    found = []
    if result.run.status == "partial":
        found.append(f"{side}: the run was stopped before its end")
    machine = steadiness(result)
    if machine.verdict != "steady":
        found += [f"{side}: {reason}" for reason in machine.reasons]
    return found
