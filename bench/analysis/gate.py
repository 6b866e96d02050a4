"""A gate for a pipeline: which of the differences between two runs are regressions beyond the limits of the config."""

from dataclasses import dataclass
from math import inf

from bench.analysis.compared import UNKNOWN_NOISE, UNSTEADY
from bench.analysis.difference import Comparison
from bench.analysis.level_series import SCHEDULED
from bench.analysis.metrics import ITL
from bench.analysis.sides import Difference


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
