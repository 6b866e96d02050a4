"""From the requests of a level, as they were sent, to its record: here they are decoded."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from bench.providers.protocol import Provider, Request
from bench.rubric import PromptRecord
from bench.runner.gaps import condensed
from bench.runner.levels import Level
from bench.runner.load_record import LoadLevel, LoadSample
from bench.runner.measure import Timeline, sample_of
from bench.runner.plan import Step
from bench.runner.reports import LevelMeasured

_FIELDS = set(LoadSample.model_fields)


@dataclass(frozen=True)
class Window:
    """The measured window, as readings of the clock."""

    start_ns: int
    end_ns: int


@dataclass(frozen=True)
class Asked:
    """One request that has ended. `scheduled_ns` is the clock's reading at which it was due, None in a closed loop."""

    stream: int
    prompt: PromptRecord
    request: Request
    timeline: Timeline
    scheduled_ns: int | None

    @property
    def at_ns(self) -> int:
        """What decides whether it belongs to the window: when it was due, or in a closed loop sent."""
        return self.timeline.start_ns if self.scheduled_ns is None else self.scheduled_ns


@dataclass(frozen=True)
class Span:
    """When a level was, as readings of the clock; `origin_ns` is the start of the model's first request."""

    origin_ns: int
    start_ns: int
    window: Window


def level_of(
    provider: Provider,
    level: Level,
    seed: int,
    asked: Sequence[Asked],
    span: Span,
    *,
    client_cpu_ns: int | None,
    ended_early: str | None,
    on_decoded: Callable[[], None],
) -> LevelMeasured:
    """Decode what was asked and return the level; `on_decoded` is called after each request."""
    samples: list[LoadSample] = []
    texts: dict[str, str] = {}
    for position, one in enumerate(sorted(asked, key=lambda one: one.timeline.start_ns)):
        measured = sample_of(
            provider, Step(position, 1, one.prompt), one.request, one.timeline, origin_ns=span.start_ns
        )
        sample = measured.sample
        if sample.output is not None and measured.text is not None:
            texts.setdefault(sys.intern(sample.output), measured.text)
        scheduled_ns = None if one.scheduled_ns is None else one.scheduled_ns - span.start_ns
        # A request that failed while it was made ready has no start of its own.
        start_ns = max(sample.start_ns, scheduled_ns or 0)
        output = sys.intern(sample.output) if sample.output is not None else None
        more = {"phase": _phase(one, span.window), "stream": one.stream, "scheduled_ns": scheduled_ns, "output": output}
        samples.append(LoadSample(**{**dict(sample), "start_ns": start_ns, **more}))
        on_decoded()
    gaps, kept = condensed(sorted(samples, key=lambda sample: sample.start_ns))
    # Each sample would hold a set of the names of its fields, which is larger than all of its values.
    kept = tuple(LoadSample.model_construct(_FIELDS, **dict(sample)) for sample in kept)
    record = LoadLevel(
        arrivals=level.arrivals,
        streams=level.streams,
        rate_per_s=level.rate_per_s,
        seed=seed,
        swept=level.swept,
        start_ns=span.start_ns - span.origin_ns,
        window_start_ns=span.window.start_ns - span.start_ns,
        window_end_ns=span.window.end_ns - span.start_ns,
        client_cpu_ns=client_cpu_ns,
        memory_peak_bytes=None,
        ended_early=ended_early,
        gaps=gaps,
        samples=kept,
    )
    return LevelMeasured(record, texts)


def _phase(asked: Asked, window: Window) -> Literal["warm-up", "measured", "cool-down"]:
    if asked.at_ns < window.start_ns:
        return "warm-up"
    return "measured" if asked.at_ns < window.end_ns else "cool-down"
