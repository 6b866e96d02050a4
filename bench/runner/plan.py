"""The order of requests, from a seed: every prompt once a round; when those of an open loop are due."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from bench.config.settings import Config
from bench.providers.protocol import Request
from bench.providers.registry import ModelSettings
from bench.schema.prompts import PromptRecord


@dataclass(frozen=True)
class Step:
    """One request to send. `round` counts from 1; 0 is a warm-up request. `position` counts from 0 over both."""

    position: int
    round: int
    prompt: PromptRecord


def warmup_requests(config: Config, model: ModelSettings, prompts: int) -> int:
    """Return how many requests come before a model is measured: each prompt at least once for a warm prompt cache."""
    return max(config.warmup, prompts) if model.prompt_cache_in(config.prompt_cache) == "warm" else config.warmup


def plan(prompts: Sequence[PromptRecord], rounds: int, warmup: int, seed: int) -> tuple[Step, ...]:
    """Return the steps of one model: `warmup` requests, then `rounds` passes over the prompts.

    The order is the same for each model of a run, so that drift of the machine is spread and charged to no prompt.
    """
    # A name in the seed: the order must not hang on other uses of the same seed.
    order = random.Random(f"order-{seed}")
    chosen = [(0, prompts[index % len(prompts)]) for index in range(warmup)]
    for number in range(1, rounds + 1):
        shuffled = list(prompts)
        order.shuffle(shuffled)
        chosen += [(number, prompt) for prompt in shuffled]
    return tuple(Step(position, number, prompt) for position, (number, prompt) in enumerate(chosen))


def request_for(prompt: PromptRecord, config: Config) -> Request:
    """Return the request with which a prompt is asked."""
    generation = config.generation
    return Request(
        text=prompt.text,
        max_output_tokens=prompt.max_output_tokens or generation.max_output_tokens,
        temperature=generation.temperature,
        top_p=generation.top_p,
        seed=generation.seed,
        stream=config.stream,
        connect_s=config.timeouts.connect_s,
        first_text_s=config.timeouts.first_text_s,
        gap_s=config.timeouts.gap_s,
        request_s=config.timeouts.request_s,
        system=prompt.system,
        turns=prompt.turns,
    )


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
