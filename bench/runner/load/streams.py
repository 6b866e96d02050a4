"""One level of load: its streams ask at once, in threads of their own, and nothing is decoded until it is over.

The gaps of very many samples are kept in bounded space: a histogram for all, and a few stamps of each sample.
"""

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from bench.config.settings import Config, LoadSettings
from bench.errors import ProviderError
from bench.providers.protocol import Clock, Provider, Request
from bench.runner.load.levels import PlannedLevel
from bench.runner.measure import Timeline, sample_of, timed, uncollected
from bench.runner.messages import LevelMeasured, Underway
from bench.runner.plan import Step, due_ns, order, request_for
from bench.schema.load import LONG_GAP_MS, GapHistogram, LoadLevel, LoadSample
from bench.schema.prompts import PromptRecord
from bench.schema.sample import Failure

RELATIVE_ERROR = 0.01
"""Half the width of a bin: the most by which a percentile from the histogram is off, as a share of it."""

FIRST_NS = 1_000
"""End of the first bin: a gap below a microsecond lies inside one read."""

MANY_SAMPLES = 2_000
"""Measured samples of a level from which its gaps are kept as a histogram."""


def condensed(
    samples: Sequence[LoadSample], many: int = MANY_SAMPLES
) -> tuple[GapHistogram | None, tuple[LoadSample, ...]]:
    """Return the samples of a level as they are kept: above `many` measured ones with a histogram, and few stamps each.

    The histogram has the gaps of the measured samples that are good.
    """
    measured = [sample for sample in samples if sample.phase == "measured"]
    if len(measured) <= many:
        return None, tuple(samples)
    gaps = [
        later - earlier for sample in measured if sample.failure is None for earlier, later in pairwise(sample.chunk_ns)
    ]
    return histogram(gaps), tuple(few_stamps(sample) for sample in samples)


def histogram(gaps_ns: Iterable[int]) -> GapHistogram:
    """Return gaps, in nanoseconds, as a histogram; see GapHistogram for its bins."""
    gaps = np.fromiter(gaps_ns, dtype=np.int64)
    above = gaps[gaps > FIRST_NS]
    width = 2 * np.log1p(RELATIVE_ERROR)
    bins = np.ceil(np.log(above / FIRST_NS) / width).astype(np.int64)
    # The logarithm can be off by its last digit where a gap is just a bin's end.
    bins -= above <= FIRST_NS * (1 + RELATIVE_ERROR) ** (2.0 * (bins - 1))
    bins += above > FIRST_NS * (1 + RELATIVE_ERROR) ** (2.0 * bins)
    numbers, counts = np.unique(np.concatenate([np.zeros(len(gaps) - len(above), np.int64), bins]), return_counts=True)
    return GapHistogram(
        relative_error=RELATIVE_ERROR,
        first_ns=FIRST_NS,
        counts={str(number): int(count) for number, count in zip(numbers.tolist(), counts.tolist(), strict=True)},
        longest_ns=int(gaps.max(initial=0)),
        over_200_ms=int((gaps > LONG_GAP_MS * 1_000_000).sum()),
    )


def few_stamps(sample: LoadSample) -> LoadSample:
    """Return a sample with the stamps of its first chunk, the first one of the answer and the last one, and no more."""
    if not sample.chunk_ns:
        return sample
    first_answer = sample.first_answer_chunk
    kept = sorted({0, len(sample.chunk_ns) - 1} | ({first_answer} if first_answer is not None else set()))
    return sample.model_copy(
        update={
            "chunk_ns": tuple(sample.chunk_ns[place] for place in kept),
            "first_answer_chunk": None if first_answer is None else kept.index(first_answer),
        }
    )


_FIELDS = set(LoadSample.model_fields)


@dataclass(frozen=True)
class Window:
    """The measured window, as readings of the clock."""

    start_ns: int
    end_ns: int


@dataclass(frozen=True)
class EndedRequest:
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
class LevelSpan:
    """When a level was, as readings of the clock; `origin_ns` is the start of the model's first request."""

    origin_ns: int
    start_ns: int
    window: Window


def level_of(
    provider: Provider,
    level: PlannedLevel,
    seed: int,
    asked: Sequence[EndedRequest],
    span: LevelSpan,
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


def _phase(asked: EndedRequest, window: Window) -> Literal["warm-up", "measured", "cool-down"]:
    if asked.at_ns < window.start_ns:
        return "warm-up"
    return "measured" if asked.at_ns < window.end_ns else "cool-down"


BEAT_S = 0.5
"""Time between two signs of life."""

READY_NS = 50_000_000
"""How long before its time a request is made ready: an idle connection held for longer could be closed meanwhile."""

PAUSE_S = 0.1
"""What a stream waits after a failure before it asks again: a refused connection must not make it spin."""

FAILED_IN_A_ROW = 50
"""Failures one after the other, over all streams, after which a level ends: there is nothing to measure."""

STUCK_S = 5.0
"""How long past its limit a request may go on: a provider that does not come back holds its stream for ever."""

RATE_BEATS = 5
"""Signs of life over which the current rate is taken."""


class StreamPool:
    """The streams of a level under way, and what they share. All times are readings of the clock."""

    def __init__(
        self,
        provider: Provider,
        level: PlannedLevel,
        config: Config,
        settings: LoadSettings,
        prompts: Sequence[PromptRecord],
        clock: Clock,
    ) -> None:
        self._provider = provider
        self._config = config
        self._clock = clock
        self._settings = settings
        self._streams = level.streams
        self._order = order(prompts, settings.seed)
        self._due = None
        self._next_due_ns = 0
        if level.arrivals != "closed" and level.rate_per_s is not None:
            self._due = due_ns(level.arrivals, level.rate_per_s, settings.seed)
            self._next_due_ns = next(self._due)
        self._told = threading.Condition()
        self._over = threading.Event()
        self._unanswered = set(range(level.streams))
        # Of what each stream has under way: its time in the schedule, or when it was sent; and since when it is busy.
        self._marks: list[int | None] = [None] * level.streams
        self._busy: list[int | None] = [None] * level.streams
        self._failed_in_a_row = 0
        self._errors: list[BaseException] = []
        self._ends: deque[tuple[int, int]] = deque(maxlen=RATE_BEATS)
        self.asked: list[EndedRequest] = []
        self.answers = 0
        self.start_ns = 0
        self.window: Window | None = None
        self.ended_early: str | None = None
        self.cpu_ns: int | None = None

    def run(self, on_beat: Callable[[float], None]) -> None:
        """Measure the level; `on_beat` is called now and then with the seconds since its start.

        Raises ProviderError of kind 'timeout' where a request does not end by itself.
        """
        threads = [
            threading.Thread(target=self._stream, args=(stream,), name=f"stream {stream}", daemon=True)
            for stream in range(self._streams)
        ]
        with uncollected():
            self.start_ns = self._clock()
            if self._due is not None:
                self._open_window(self.start_ns + int(self._settings.warmup_s * 1e9))
            for thread in threads:
                thread.start()
            try:
                self._watch(on_beat)
                # What is cool-down by now is left to end by itself, unless it never does.
                for thread in threads:
                    while thread.is_alive() and not self._stuck():
                        thread.join(BEAT_S)
                        self._beat(on_beat)
            finally:
                self._end()
        if self._errors:
            raise self._errors[0]

    def answers_per_s(self) -> float | None:
        """Return how many answers a second came of late; None before two signs of life."""
        if len(self._ends) < 2:
            return None
        (earlier_ns, before), (later_ns, after) = self._ends[0], self._ends[-1]
        return (after - before) / ((later_ns - earlier_ns) / 1e9)

    def _watch(self, on_beat: Callable[[float], None]) -> None:
        """Wait for the end, with a look at the processor's time at both ends of the window."""
        cpu_ns: int | None = None
        beat_ns = self.start_ns
        while not self._over.is_set():
            now_ns = self._clock()
            if now_ns >= beat_ns:
                beat_ns = now_ns + int(BEAT_S * 1e9)
                if self._stuck():
                    limit_s = self._config.timeouts.request_s
                    raise ProviderError("timeout", f"a request under load did not end within {limit_s:g} s")
                self._beat(on_beat)
            with self._told:
                self._settle(now_ns)
                window = self.window
                edge_ns = beat_ns
                if window is not None and self.cpu_ns is None:
                    edge_ns = window.end_ns
                    if cpu_ns is None and now_ns >= window.start_ns:
                        cpu_ns = time.process_time_ns()
                    elif cpu_ns is None:
                        edge_ns = window.start_ns
                    elif now_ns >= window.end_ns:
                        self.cpu_ns = time.process_time_ns() - cpu_ns
                        continue
                if not self._over.is_set():
                    self._told.wait(max(0.0, (min(edge_ns, beat_ns) - self._clock()) / 1e9))
        if cpu_ns is not None and self.cpu_ns is None:
            self.cpu_ns = time.process_time_ns() - cpu_ns

    def _beat(self, on_beat: Callable[[float], None]) -> None:
        now_ns = self._clock()
        self._ends.append((now_ns, self.answers))
        on_beat((now_ns - self.start_ns) / 1e9)

    def _stuck(self) -> bool:
        """Return whether a request is long past its limit, as where a runtime hangs."""
        limit_ns = int((self._config.timeouts.request_s + STUCK_S) * 1e9)
        now_ns = self._clock()
        return any(busy is not None and now_ns - busy > limit_ns for busy in self._busy)

    def _stream(self, stream: int) -> None:
        try:
            if self._due is None:
                self._ask_again_and_again(stream)
            else:
                self._ask_by_the_schedule(stream)
        except BaseException as error:
            # Nothing may end a thread in silence: the others would wait for it. It is raised again in the main one.
            self._errors.append(error)
            self._end()

    def _ask_again_and_again(self, stream: int) -> None:
        def goes_out() -> None:
            self._marks[stream] = self._clock()

        while not self._over.is_set():
            with self._told:
                prompt = next(self._order)
            self._busy[stream] = self._clock()
            request = request_for(prompt, self._config)
            timeline = timed(self._provider, request, self._clock, goes_out)
            trouble = self._trouble(timeline)
            self._take(stream, EndedRequest(stream, prompt, request, timeline, None), trouble)
            if trouble is not None:
                self._over.wait(PAUSE_S)

    def _ask_by_the_schedule(self, stream: int) -> None:
        assert self._due is not None
        limit_s = self._config.timeouts.request_s
        while True:
            with self._told:
                scheduled_ns = self.start_ns + self._next_due_ns
                self._next_due_ns = next(self._due)
                prompt = next(self._order)
                self._marks[stream] = scheduled_ns
            self._over.wait(max(0, scheduled_ns - READY_NS - self._clock()) / 1e9)
            if self._over.is_set():
                return
            request = request_for(prompt, self._config)
            now_ns = self._clock()
            if now_ns - scheduled_ns > limit_s * 1e9:
                timeline = _never_sent(now_ns, limit_s, self._streams)
            else:
                self._busy[stream] = now_ns
                timeline = timed(self._provider, request, self._clock, lambda: self._hold(scheduled_ns))  # noqa: B023
            self._take(stream, EndedRequest(stream, prompt, request, timeline, scheduled_ns), self._trouble(timeline))

    def _hold(self, scheduled_ns: int) -> None:
        """Wait for a request's time; an Event would wait in coarser steps on Windows."""
        left_ns = scheduled_ns - self._clock()
        if left_ns > 0:
            time.sleep(left_ns / 1e9)

    def _trouble(self, timeline: Timeline) -> str | None:
        """Return what is wrong with an answer, or None.

        That it is empty is known when it is decoded, which takes the time of the other streams: so it is only before
        the window, and in it from a failure to the next good answer.
        """
        if timeline.failure is not None:
            return timeline.failure.message
        window = self.window
        if window is not None and timeline.start_ns >= window.start_ns and not self._failed_in_a_row:
            return None
        decoded = self._provider.decode(timeline.events)
        if decoded.problem is not None:
            return decoded.problem.message
        return None if decoded.pieces else "the answer has no text"

    def _take(self, stream: int, asked: EndedRequest, trouble: str | None) -> None:
        """Note that a stream's request has ended, with what is wrong with it, and what follows from that."""
        with self._told:
            self._marks[stream] = self._busy[stream] = None
            if self._over.is_set() and self.window is not None and asked.at_ns >= self.window.end_ns:
                # Cool-down that was still under way.
                return
            self.asked.append(asked)
            self.answers += trouble is None
            now_ns = self._clock()
            self._unanswered.discard(stream)
            if self.window is None and not self._unanswered:
                self._open_window(max(now_ns, self.start_ns + int(self._settings.warmup_s * 1e9)))
            self._failed_in_a_row = 0 if trouble is None else self._failed_in_a_row + 1
            most = max(FAILED_IN_A_ROW, 2 * self._streams)
            if self._failed_in_a_row >= most and self.ended_early is None:
                self._break_off(f"{most} requests in a row failed, the last one: {trouble}")
            self._settle(now_ns)

    def _open_window(self, start_ns: int) -> None:
        self.window = Window(start_ns, start_ns + int(self._settings.measure_s * 1e9))
        with self._told:
            self._told.notify_all()

    def _break_off(self, why: str) -> None:
        now_ns = self._clock()
        if self.window is None or now_ns < self.window.end_ns:
            self.ended_early = why
            self.window = Window(min(self.window.start_ns, now_ns) if self.window is not None else now_ns, now_ns)

    def _settle(self, now_ns: int) -> None:
        """End the level when the last request that belongs to the window has ended; `_told` is held."""
        window = self.window
        if window is None or now_ns < window.end_ns:
            return
        waiting = self._due is not None and self.start_ns + self._next_due_ns < window.end_ns
        if waiting and self.ended_early is None:
            # All streams are busy, or one is just about to take it.
            return
        if all(mark is None or mark >= window.end_ns for mark in self._marks):
            self._end()

    def _end(self) -> None:
        self._over.set()
        with self._told:
            self._told.notify_all()


def _never_sent(now_ns: int, limit_s: float, streams: int) -> Timeline:
    busy = "the one stream was busy" if streams == 1 else f"all {streams} streams were busy"
    failure = Failure(kind="timeout", message=f"not sent within {limit_s:g} s of its time: {busy}")
    return Timeline(now_ns, (), None, (), failure)


def measure_level(
    provider: Provider,
    level: PlannedLevel,
    config: Config,
    prompts: Sequence[PromptRecord],
    clock: Clock,
    origin_ns: int,
    on_beat: Callable[[Underway], None],
    *,
    remote: bool,
) -> LevelMeasured:
    """Measure one level of load and return it.

    A provider that can be asked one request at a time gives an empty closed level that says so beyond one stream, and
    an open loop with one stream. `remote` says that another process holds the model. `origin_ns` is the clock's
    reading from which the level's `start_ns` counts. Raises ProviderError where a request never ends.
    """
    assert config.load is not None
    settings = config.load
    alone = provider.one_at_a_time
    if alone is not None and level.rate_per_s is not None:
        level = PlannedLevel(level.arrivals, 1, level.rate_per_s, level.swept)
    streams = StreamPool(provider, level, config, settings, prompts, clock)
    total_s = settings.warmup_s + settings.measure_s
    last_ns = clock()

    def beat(done_s: float) -> None:
        nonlocal last_ns
        last_ns = clock()
        on_beat(
            Underway(
                f"load: {level.text}", min(done_s, total_s), total_s, "s", streams.answers, streams.answers_per_s()
            )
        )

    def decoded() -> None:
        if clock() - last_ns > BEAT_S * 1e9:
            beat(total_s)

    # Whatever becomes of this process is this level's from now on.
    beat(0.0)
    if alone is not None and level.streams > 1:
        streams.start_ns = clock()
        streams.ended_early = alone
    else:
        streams.run(beat)
    return level_of(
        provider,
        level,
        settings.seed,
        streams.asked,
        LevelSpan(origin_ns, streams.start_ns, streams.window or Window(streams.start_ns, streams.start_ns)),
        # In-process the model's work is in it as well.
        client_cpu_ns=streams.cpu_ns if remote and streams.ended_early is None else None,
        ended_early=streams.ended_early,
        on_decoded=decoded,
    )
