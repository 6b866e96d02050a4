"""How late a sleeper woke around one sample: whether the machine held the model up at that moment."""

from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from bench.analysis.timing import NANOSECONDS_PER_SECOND
from bench.results.schema import Result
from bench.runner.record import ModelRun
from bench.runner.sample import Sample
from bench.runner.watch import KEPT_READINGS

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
