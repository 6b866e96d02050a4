"""Two sides that are compared, and what is said of a metric in which they may differ."""

from collections.abc import Mapping
from dataclasses import dataclass

from bench.analysis.intervals import Estimate
from bench.analysis.matched import Scale
from bench.analysis.verdict import More, Verdict
from bench.results.schema import Result
from bench.runner.record import ModelRun


@dataclass(frozen=True)
class Difference:
    """One metric of one model before and after, in its base unit.

    `change` is after / before, or after - before on a `scale` of 'points', with its interval. It is taken prompt by
    prompt, as `bench.analysis.matched` says, so it may differ a little from the ratio of the two values. `p_value`
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
    """How differences are judged; see `bench.analysis.difference.compare`."""

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
