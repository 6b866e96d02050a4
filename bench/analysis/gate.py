"""A gate for a pipeline: which of the differences between two runs are regressions beyond the limits of the config."""

from dataclasses import dataclass
from math import inf

from bench.analysis.compared import UNKNOWN_NOISE, Difference
from bench.analysis.difference import Comparison


@dataclass(frozen=True)
class Regression:
    """A real change for the worse, and the limit of the config that it is beyond; None where the config has none."""

    difference: Difference
    limit: float | None


def regressions(comparison: Comparison) -> tuple[Regression, ...]:
    """Return the differences that are worse for certain and beyond their limit, in the comparison's order.

    Limits are those of `gate` in the config of the later run: by metric, the relative change, or the points of a score
    or of a share, up to which worse is let through. A metric without a limit has none: worse is worse, where the
    noise from run to run is known; else a gate would close on every other run.
    """
    limits = comparison.after.config.resolved.get("gate")
    known = limits if isinstance(limits, dict) else {}
    found = []
    for difference in comparison.differences:
        limit = known.get(difference.metric_id)
        bound = float(limit) if isinstance(limit, int | float) else None
        if difference.verdict != "worse":
            continue
        if difference.caution != UNKNOWN_NOISE if bound is None else _size(difference) > bound:
            found.append(Regression(difference, bound))
    return tuple(found)


def _size(difference: Difference) -> float:
    """Return how large a change is, without its direction: twice the time and half the speed are both 1."""
    value = difference.change.value
    if value is None:
        return inf
    if difference.scale == "points":
        return abs(value)
    return max(value, 1 / value) - 1 if value > 0 else inf
