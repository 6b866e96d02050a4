"""How far a run can be trusted: how steady the machine was, and how late a sleeper woke around a sample."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from statistics import median
from typing import Final, Literal

from bench.metrics.timing import NANOSECONDS_PER_SECOND, measured_before_version_2
from bench.runner.machine.steadiness import KEPT_READINGS
from bench.schema.machine import MachineWatch, Probe
from bench.schema.migrate import NOT_YET
from bench.schema.model_run import ModelRun
from bench.schema.result import Result
from bench.schema.sample import Sample

DRIFT_LIMIT: Final = 0.15
"""Relative change of a probe. Two probes of a quiet virtual machine differ by some 2% as a rule, and now and then by up
to 15%: what is smaller says nothing of the machine, and a mark that is always there is not read."""

LATE_MEDIAN_LIMIT_S: Final = 0.02
"""Median lateness of a sleeper. A model that takes every core by itself makes it wait for a few turns of the scheduler,
some 10 ms at worst in a second; a long run keeps such maxima, not each reading. Twice that as a rule is not the model
alone."""

LATE_WORST_LIMIT_S: Final = 0.1
"""Worst lateness of a sleeper: half of what counts as a stall. Beyond it a stall may be the machine's own."""

STEAL_LIMIT: Final = 0.02
"""Share of time that the hypervisor gave to others: at 2% a run of a minute lacks more than a second."""

SteadinessVerdict = Literal["steady", "unsteady", "unknown"]


@dataclass(frozen=True)
class Reason:
    """Why a machine was unsteady, or why nobody knows: for `bench.report.reasons` to word.

    `says` has {} in the place of `value`, which is in `unit`; None where it has no number. `model` is the name of the
    model that it is about, and None for a whole run.
    """

    says: str
    value: float | None = None
    unit: Literal["share", "s", "processes"] = "share"
    model: str | None = None


@dataclass(frozen=True)
class Steadiness:
    """Whether the machine was steady during a run; the reasons say what was not, or why nobody knows."""

    verdict: SteadinessVerdict
    reasons: tuple[Reason, ...]


@dataclass(frozen=True)
class Meanwhile:
    """What the machine did while one model was measured. A drift is after / before - 1: positive is slower."""

    compute_drift: float
    memory_drift: float
    late_median_s: float | None
    late_worst_s: float | None

    @property
    def drift(self) -> float:
        """The larger of the two drifts, by size."""
        return max(self.compute_drift, self.memory_drift, key=abs)


def meanwhile(watch: MachineWatch) -> Meanwhile:
    """Return what a machine did between two probes. A probe that took no time at all counts as unchanged."""
    late = watch.late_ns
    return Meanwhile(
        compute_drift=_change(watch.before.compute_ns, watch.after.compute_ns),
        memory_drift=_change(watch.before.memory_ns, watch.after.memory_ns),
        late_median_s=median(late) / NANOSECONDS_PER_SECOND if late else None,
        late_worst_s=max(late) / NANOSECONDS_PER_SECOND if late else None,
    )


def steadiness(result: Result) -> Steadiness:
    """Return how steady the machine was during a run.

    It is unsteady where a probe changed by more than DRIFT_LIMIT within a model or against the run's median probe,
    where a sleeper woke late (LATE_MEDIAN_LIMIT_S, LATE_WORST_LIMIT_S), where a hypervisor took more than STEAL_LIMIT,
    or where more processes than cores wanted to run before the first model. It is unknown where a model that was asked
    something was not watched, and nothing else speaks against the run.
    """
    asked = [model for model in result.models if model.samples]
    watched = [(model, model.machine_watch) for model in result.models if model.machine_watch is not None]
    reasons = list(_load_reasons([watch for _, watch in watched], result.machine.logical_cores))
    for model, watch in watched:
        reasons += _reasons(model, watch)
    reasons += _apart(watched)
    if reasons:
        return Steadiness("unsteady", tuple(reasons))
    unwatched = [model for model in asked if model.machine_watch is None]
    if unwatched or not watched:
        return Steadiness("unknown", (Reason(_why_unknown(result.models, unwatched)),))
    return Steadiness("steady", ())


def _reasons(model: ModelRun, watch: MachineWatch) -> list[Reason]:
    found = meanwhile(watch)
    reasons: list[Reason] = []
    for name, drift in (("arithmetic", found.compute_drift), ("copying memory", found.memory_drift)):
        if abs(drift) > DRIFT_LIMIT:
            reasons.append(
                Reason(f"{name} was {{}} {_slower(drift)} after it than before", abs(drift), "share", model.name)
            )
    if found.late_median_s is not None and found.late_median_s > LATE_MEDIAN_LIMIT_S:
        reasons.append(Reason("a sleeper woke {} late as a rule", found.late_median_s, "s", model.name))
    if found.late_worst_s is not None and found.late_worst_s > LATE_WORST_LIMIT_S:
        reasons.append(Reason("a sleeper woke {} late at worst", found.late_worst_s, "s", model.name))
    if watch.steal_share is not None and watch.steal_share > STEAL_LIMIT:
        reasons.append(Reason("the hypervisor took {} of the time", watch.steal_share, "share", model.name))
    return reasons


def _load_reasons(watches: Sequence[MachineWatch], cores: int) -> list[Reason]:
    load = watches[0].before.load_average if watches else None
    if load is None or load <= cores:
        return []
    return [Reason(f"{{}} processes on average wanted to run before it began, on {cores} cores", load, "processes")]


def _apart(watched: Sequence[tuple[ModelRun, MachineWatch]]) -> list[Reason]:
    """Return which models had probes far from the run's median probe, each with the farthest one."""
    reasons: list[Reason] = []
    for name, field in (("arithmetic", "compute_ns"), ("copying memory", "memory_ns")):
        probes = [(model, _timed(probe, field)) for model, watch in watched for probe in (watch.before, watch.after)]
        middle = median(value for _, value in probes) if probes else 0.0
        farthest: dict[str, float] = {}
        for model, value in probes:
            away = _change(middle, value)
            if abs(away) > max(DRIFT_LIMIT, abs(farthest.get(model.name, 0.0))):
                farthest[model.name] = away
        reasons += [
            Reason(f"{name} was {{}} {_slower(away)} than in the run's middle", abs(away), "share", model)
            for model, away in farthest.items()
        ]
    return reasons


def _why_unknown(models: Sequence[ModelRun], unwatched: Sequence[ModelRun]) -> str:
    if any(measured_before_version_2(model) for model in models):
        return NOT_YET
    if not unwatched:
        return "no model was measured"
    return f"the machine was not watched during {', '.join(model.name for model in unwatched)}"


def _timed(probe: Probe, field: str) -> int:
    value: int = getattr(probe, field)
    return value


def _change(before: float, after: float) -> float:
    return after / before - 1 if before else 0.0


def _slower(drift: float) -> str:
    return "slower" if drift > 0 else "faster"


ALL_KEPT: Final = KEPT_READINGS // 2
"""Below so many readings each is one by itself; from there on it may be the largest of several."""


@dataclass(frozen=True)
class Lateness:
    """The largest lateness of a sleeper over `span_s`, in which the sample lies; None is all the time of its model."""

    worst_s: float
    span_s: float | None


def lateness(result: Result, model: ModelRun, sample: Sample) -> Lateness | None:
    """Return how late a sleeper woke at worst around a sample of a model, in seconds; None where nobody looked.

    A watch begins before the model's load and ends after its last sample, and nobody notes when: it is as much longer
    than the samples and the load as the place of a sample in it is unknown. In a run that was interrupted, and
    where not each reading was kept, it can only be said of the model as a whole.
    """
    watch = model.machine_watch
    if watch is None or not watch.late_ns:
        return None
    whole = Lateness(max(watch.late_ns) / NANOSECONDS_PER_SECOND, None)
    if sample.end_ns is None or len(watch.late_ns) >= ALL_KEPT or result.run.resumed_utc:
        return whole
    woke_ns = list(accumulate(watch.period_ns + late for late in watch.late_ns))
    samples_ns = max(one.start_ns + one.end_ns for one in model.samples if one.end_ns is not None)
    before_ns = model.cold_load_ns or 0
    unknown_ns = woke_ns[-1] - samples_ns - before_ns
    if unknown_ns < 0:
        return whole
    first_ns = before_ns + sample.start_ns
    last_ns = first_ns + sample.end_ns + unknown_ns
    around = [
        late
        for late, woke in zip(watch.late_ns, woke_ns, strict=True)
        if woke >= first_ns and woke - late - watch.period_ns <= last_ns
    ]
    return Lateness(max(around) / NANOSECONDS_PER_SECOND, (last_ns - first_ns) / NANOSECONDS_PER_SECOND)
