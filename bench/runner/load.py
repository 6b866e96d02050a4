"""One level of load, from what the config asks for to its record."""

from collections.abc import Callable, Sequence

from bench.config import Config
from bench.providers.protocol import Clock, Provider
from bench.rubric import PromptRecord
from bench.runner.levels import Level
from bench.runner.load_level import Span, Window, level_of
from bench.runner.reports import LevelMeasured, Underway
from bench.runner.streams import BEAT_S, Streams


def measure_level(
    provider: Provider,
    level: Level,
    config: Config,
    prompts: Sequence[PromptRecord],
    clock: Clock,
    origin_ns: int,
    on_beat: Callable[[Underway], None],
) -> LevelMeasured:
    """Measure one level of load and return it.

    A provider that can be asked one request at a time gives an empty closed level that says so beyond one stream, and
    an open loop with one stream. `origin_ns` is the clock's reading from which the level's `start_ns` counts. Raises
    ProviderError where a request never ends.
    """
    assert config.load is not None
    settings = config.load
    alone = provider.one_at_a_time
    if alone is not None and level.rate_per_s is not None:
        level = Level(level.arrivals, 1, level.rate_per_s, level.swept)
    streams = Streams(provider, level, config, settings, prompts, clock)
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
        Span(origin_ns, streams.start_ns, streams.window or Window(streams.start_ns, streams.start_ns)),
        # In-process the model's work is in it as well.
        client_cpu_ns=streams.cpu_ns if provider.remote is not None and streams.ended_early is None else None,
        ended_early=streams.ended_early,
        on_decoded=decoded,
    )
