"""Which levels of load are measured, in which order, and where a sweep ends."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.config.settings import LoadSettings, SweepSettings
from bench.schema.load import Arrivals, LoadLevel


@dataclass(frozen=True)
class PlannedLevel:
    """A level to be measured. With a rate, `streams` is the most that may be under way."""

    arrivals: Arrivals
    streams: int
    rate_per_s: float | None
    swept: bool = False

    @property
    def text(self) -> str:
        """The level in words: '1 stream', '20 requests/s'."""
        if self.rate_per_s is not None:
            return f"{self.rate_per_s:g} requests/s"
        return "1 stream" if self.streams == 1 else f"{self.streams} streams"


@dataclass(frozen=True)
class Reached:
    """A level that was measured, and its throughput, or None where it ended before its time."""

    level: PlannedLevel
    throughput_per_s: float | None


def next_level(settings: LoadSettings, reached: Sequence[Reached]) -> PlannedLevel | None:
    """Return the level to measure after those that were, or None after the last.

    First the `streams` in their order, then the sweep, which takes a level of `streams` for its own where both have it,
    then the rates. An open loop that was measured with fewer streams than asked for was measured.
    """
    closed = {one.level.streams: one for one in reached if one.level.arrivals == "closed"}
    for streams in settings.streams:
        if streams not in closed:
            return PlannedLevel("closed", streams, None)
    swept = _sweep(settings.sweep, closed) if settings.sweep is not None else None
    if swept is not None:
        return PlannedLevel("closed", swept, None, swept=True)
    rates = {one.level.rate_per_s for one in reached}
    for rate_per_s in settings.rates_per_s:
        if rate_per_s not in rates:
            return PlannedLevel(settings.arrivals, settings.max_streams, rate_per_s)
    return None


def reached(level: LoadLevel) -> Reached:
    """Return which level a record is of, and what it came to."""
    which = PlannedLevel(level.arrivals, level.streams, level.rate_per_s, level.swept)
    return Reached(which, None if level.ended_early is not None else throughput_per_s(level))


def throughput_per_s(level: LoadLevel) -> float:
    """Return the output tokens a second in the window, or answers a second where nobody counted the tokens of one.

    Tokens are taken to come evenly from an answer's first text to its last, and those that came inside the window
    count, whenever the request was sent; of answers, those that ended inside it. `bench.metrics.load` has to say the
    same of a level, or a sweep would end where its page shows no reason for it.
    """
    good = [sample for sample in level.samples if sample.failure is None]
    window_s = (level.window_end_ns - level.window_start_ns) / 1e9
    if not window_s:
        return 0.0
    shares = [
        (sample.output_tokens, share)
        for sample in good
        if (share := sample.share_inside(level.window_start_ns, level.window_end_ns))
    ]
    if all(tokens is not None for tokens, _ in shares):
        return sum((tokens or 0) * share for tokens, share in shares) / window_s
    ends = (sample.start_ns + (sample.end_ns or 0) for sample in good)
    return sum(level.window_start_ns < end <= level.window_end_ns for end in ends) / window_s


def _sweep(sweep: SweepSettings, closed: dict[int, Reached]) -> int | None:
    """Return the streams of the sweep's next level; None where it is over."""
    before: float | None = None
    streams = 1
    while streams in closed:
        now = closed[streams].throughput_per_s
        if now is None or (before is not None and now < sweep.growth * before) or streams == sweep.max_streams:
            return None
        before = now
        streams = min(2 * streams, sweep.max_streams)
    return streams
