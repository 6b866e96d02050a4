"""The order of requests: every prompt once a round, in a seeded order of its own in each round."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from bench.config import Config
from bench.providers.protocol import Request
from bench.rubric import PromptRecord


@dataclass(frozen=True)
class Step:
    """One request to send. `round` counts from 1; 0 is a warm-up request. `position` counts from 0 over both."""

    position: int
    round: int
    prompt: PromptRecord


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
    )
