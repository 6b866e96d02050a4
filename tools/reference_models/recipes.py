"""How each reference model is shaped and trained; a change here makes other weights."""

from __future__ import annotations

from dataclasses import dataclass

VOCABULARY_TOKENS = 1536
CONTEXT_TOKENS = 1024
SEED = 20260101
START, END = "<|im_start|>", "<|im_end|>"
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


@dataclass(frozen=True)
class Recipe:
    """The shape of a Qwen2 network, how long it is trained, and in which precisions it ships.

    The number of steps is fixed, never the time, so that the weights can be made again.
    """

    size: str
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    feed_forward: int
    steps: int
    batch_tokens: int
    learning_rate: float
    precisions: tuple[str, ...]


RECIPES = {
    recipe.size: recipe
    for recipe in (
        Recipe("xs", 32, 2, 2, 1, 96, 350, 2048, 6e-3, ("fp32",)),
        Recipe("s", 64, 4, 4, 2, 160, 900, 2048, 5e-3, ("fp32",)),
        Recipe("m", 128, 4, 4, 2, 352, 2500, 2048, 3e-3, ("fp32", "int4")),
        Recipe("l", 256, 5, 8, 4, 512, 3200, 2048, 1e-3, ("int8",)),
    )
}


def write_prompt(question: str) -> str:
    """The text that the chat template makes of one question."""
    return f"{START}user\n{question}{END}\n{START}assistant\n"
