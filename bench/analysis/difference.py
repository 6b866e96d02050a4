"""Two runs side by side: which numbers really differ, which do not, and where nobody can tell.

Each metric of a model is judged by itself at 95%, as `bench.analysis.verdict` says. Of a hundred metrics that did not
change some five have an interval that excludes no change; few of these are beyond the floor as well, and a second run
confirms or refutes them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from bench.analysis.answers import AnswerChange, changed_answers
from bench.analysis.compared import COMPARED, difference
from bench.analysis.conditions import ConditionChange, changed_conditions
from bench.analysis.history import Context, context_key, differing
from bench.analysis.level_compared import level_differences, levels_of_one_side
from bench.analysis.sides import Difference, Rules, Sides
from bench.analysis.steadiness import steadiness
from bench.analysis.timing import good_samples
from bench.analysis.verdict import FLOOR, SCORE_FLOOR
from bench.results.schema import Result
from bench.runner.record import ModelRun


@dataclass(frozen=True)
class Comparison:
    """Two runs: their differences by model in the order of `after` and by metric in the order of COMPARED.

    After those of all models come those of the levels of load that both runs have. `only_before` and `only_after` name
    models of one run alone, and levels of load of a model that is in both. `cautions` say what was not right with a run
    as a whole. `conditions` and `answers` are what else differs.
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
    run_noise: Mapping[tuple[str, ...], float] | None = None,
) -> Comparison:
    """Return what differs between two runs.

    `run_noise` has, by model and id in COMPARED, and for a level of load by its words as well, the relative standard
    deviation of a run's level in the runs before: the difference of two runs has sqrt(2) times as much, and its
    interval is widened by it. Models go by their name in
    the config. A change is none below `floor`, a ratio between 1.05 and 1 / 1.05, or below `score_floor` points.
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


def _cautions(side: str, result: Result) -> list[str]:
    found = []
    if result.run.status == "partial":
        found.append(f"{side}: the run was stopped before its end")
    machine = steadiness(result)
    if machine.verdict != "steady":
        found += [f"{side}: {reason}" for reason in machine.reasons]
    return found
