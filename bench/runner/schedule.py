"""When the requests of an open loop are due, and which prompts a level of load asks: both from a seed."""

import random
from collections.abc import Iterator, Sequence
from typing import Literal

from bench.rubric import PromptRecord


def due_ns(arrivals: Literal["constant", "poisson"], rate_per_s: float, seed: int) -> Iterator[int]:
    """Yield when each request is due, in nanoseconds from the start, in order and without an end.

    Constant arrivals are 1/rate apart, the first at 0. Poisson arrivals have independent gaps of exponential length
    with the mean 1/rate, the first gap before the first request.
    """
    if arrivals == "constant":
        number = 0
        while True:
            yield round(number * 1e9 / rate_per_s)
            number += 1
    # A name in the seed: the times must not hang on other uses of the same seed.
    gaps = random.Random(f"arrivals-{seed}")
    due_s = 0.0
    while True:
        due_s += gaps.expovariate(rate_per_s)
        yield round(due_s * 1e9)


def order(prompts: Sequence[PromptRecord], seed: int) -> Iterator[PromptRecord]:
    """Yield prompts without an end: pass after pass over all of them, each in an order of its own."""
    shuffling = random.Random(f"load-{seed}")
    while True:
        shuffled = list(prompts)
        shuffling.shuffle(shuffled)
        yield from shuffled
