"""Several streams at once, each asking again and again, with what it cost; nothing is decoded meanwhile."""

import gc
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Asked:
    """One request: when it began, and what arrived of its answer, each with its stamp."""

    prompt: str
    start_ns: int
    stamps: list[int] = field(default_factory=list)
    events: list[object] = field(default_factory=list)


@dataclass(frozen=True)
class Load:
    """The requests of all streams after the first of each, the time from the first to the last, and the processor's.

    Processor time is of this process alone.
    """

    asked: tuple[Asked, ...]
    wall_s: float
    cpu_s: float


Ask = Callable[[str, int], Asked]
"""Sends one prompt and returns what arrived: the answer has so many chunks."""


def load(ask: Ask, streams: int, requests: int, chunks: int, *, spread_s: float = 0.0) -> Load:
    """Ask by `streams` threads, `requests` times each after one that is not measured.

    The measured requests begin when every stream had its first answer, spread evenly over `spread_s`.
    """
    asked: list[list[Asked]] = [[] for _ in range(streams)]
    failures: list[BaseException] = []
    began: list[float] = []
    together = threading.Barrier(streams, action=lambda: began.extend((time.perf_counter(), time.process_time())))

    def stream(place: int) -> None:
        try:
            ask(f"{place}-0", chunks)
            together.wait()
            time.sleep(spread_s * place / streams)
            for number in range(1, requests + 1):
                asked[place].append(ask(f"{place}-{number}", chunks))
        except BaseException as error:
            # Nothing may end a thread in silence: the others would wait for it. It is raised again below.
            failures.append(error)
            together.abort()

    # One stream is asked where a run asks it: in the main thread.
    threads = [threading.Thread(target=stream, args=(place,)) for place in range(1, streams)]
    gc.collect()
    gc.disable()
    try:
        for thread in threads:
            thread.start()
        stream(0)
        for thread in threads:
            thread.join()
        ended = time.perf_counter(), time.process_time()
    finally:
        gc.enable()
    # A stream that failed lets the others down: the first failure that is its own tells more.
    for error in sorted(failures, key=lambda error: isinstance(error, threading.BrokenBarrierError)):
        raise error
    return Load(tuple(each for stream in asked for each in stream), ended[0] - began[0], ended[1] - began[1])
