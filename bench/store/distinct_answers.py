"""The distinct answers of a run that can be judged, and seeded samples of them."""

import random
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from bench.schema.prompts import PromptRecord
from bench.schema.result import Result


@dataclass(frozen=True)
class DistinctAnswer:
    """A distinct answer to a prompt: its key in the result's outputs, its text, and the models that gave it."""

    prompt: PromptRecord
    output: str
    text: str
    models: tuple[str, ...]


def answers(result: Result) -> tuple[DistinctAnswer, ...]:
    """Return each distinct answer to each prompt that has a rubric, by prompt in its order, then by output key.

    Only answers of good measured samples count, as they do for the program's grades. Models are in the run's order.
    """
    models: dict[tuple[str, str], dict[str, None]] = {}
    for model in result.models:
        for sample in model.samples:
            if sample.failure is None and sample.output is not None:
                models.setdefault((sample.prompt, sample.output), {})[model.name] = None
    return tuple(
        DistinctAnswer(prompt, output, result.outputs[output], tuple(models[name, output]))
        for prompt in result.prompt_set.prompts
        if prompt.facets
        for name, output in sorted(models)
        if name == prompt.id
    )


def shuffled(found: Sequence[DistinctAnswer], seed: int) -> tuple[DistinctAnswer, ...]:
    """Return the answers in a seeded order that tells nothing of who gave them."""
    order = list(found)
    # A name in the seed: the order must not hang on other uses of the same seed.
    random.Random(f"answers-{seed}").shuffle(order)
    return tuple(order)


def spread(found: Sequence[DistinctAnswer], number: int | None, seed: int) -> tuple[DistinctAnswer, ...]:
    """Return a seeded sample of so many answers, spread over prompts and models, in a seeded order; None takes all.

    Each next answer is one of the prompt, then of the models, with the fewest so far: a larger sample has the smaller
    one at its beginning.
    """
    left = list(shuffled(found, seed))
    if number is None or number >= len(left):
        return tuple(left)
    of_prompt: dict[str, int] = {}
    of_model: dict[str, int] = {}
    chosen = []
    for _ in range(number):
        rarest = min(
            left,
            key=lambda one: (of_prompt.get(one.prompt.id, 0), min(of_model.get(name, 0) for name in one.models)),
        )
        left.remove(rarest)
        chosen.append(rarest)
        of_prompt[rarest.prompt.id] = of_prompt.get(rarest.prompt.id, 0) + 1
        for name in rarest.models:
            of_model[name] = of_model.get(name, 0) + 1
    return tuple(chosen)


def pairs(found: Sequence[DistinctAnswer], number: int, seed: int) -> tuple[tuple[DistinctAnswer, DistinctAnswer], ...]:
    """Return a seeded sample of so many pairs of answers to one prompt, spread over the prompts.

    Which answer of a pair comes first is by chance; a larger sample has the smaller one at its beginning.
    """
    order = random.Random(f"pairs-{seed}")
    by_prompt: dict[str, list[DistinctAnswer]] = {}
    for answer in found:
        by_prompt.setdefault(answer.prompt.id, []).append(answer)
    stacks = []
    for group in by_prompt.values():
        stack = [pair if order.random() < 0.5 else (pair[1], pair[0]) for pair in combinations(group, 2)]
        order.shuffle(stack)
        stacks.append(stack)
    order.shuffle(stacks)
    chosen: list[tuple[DistinctAnswer, DistinctAnswer]] = []
    while len(chosen) < number and any(stacks):
        for stack in stacks:
            if stack and len(chosen) < number:
                chosen.append(stack.pop())
    return tuple(chosen)


def visible(text: str) -> str:
    """Return text that a terminal and a comment show and do not obey.

    Line breaks stay and tabs become spaces; every other control, formatting or separating character is written as its
    escape, such as \\x1b.
    """
    return "".join(
        letter
        if letter == "\n" or unicodedata.category(letter) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
        else letter.encode("unicode_escape").decode("ascii")
        for letter in text.replace("\r\n", "\n").replace("\t", "    ")
    )
