"""The streams of a level of load: they ask at once, in threads of their own, and nothing is decoded until it is over.

In a closed loop a stream asks again as soon as it has its answer. In an open loop requests are due by a schedule; a
free stream takes the next one and waits for its time.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from bench.config import Config
from bench.errors import ProviderError
from bench.load_settings import LoadSettings
from bench.providers.protocol import Clock, Provider
from bench.rubric import PromptRecord
from bench.runner.levels import Level
from bench.runner.load_level import Asked, Window
from bench.runner.measure import Timeline, timed, uncollected
from bench.runner.plan import request_for
from bench.runner.sample import Failure
from bench.runner.schedule import due_ns, order

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


class Streams:
    """The streams of a level under way, and what they share. All times are readings of the clock."""

    def __init__(
        self,
        provider: Provider,
        level: Level,
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
        self.asked: list[Asked] = []
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
            self._take(stream, Asked(stream, prompt, request, timeline, None), trouble)
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
            self._take(stream, Asked(stream, prompt, request, timeline, scheduled_ns), self._trouble(timeline))

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

    def _take(self, stream: int, asked: Asked, trouble: str | None) -> None:
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
