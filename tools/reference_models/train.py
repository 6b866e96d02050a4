"""Trains a reference model: a byte-level tokenizer, then a small Qwen2 network, on one thread."""

from __future__ import annotations

import itertools
import json
import math
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.reference_models.corpus import write_examples
from tools.reference_models.recipes import (
    CHAT_TEMPLATE,
    CONTEXT_TOKENS,
    END,
    SEED,
    START,
    VOCABULARY_TOKENS,
    Recipe,
    write_prompt,
)

TOKENIZER_EXAMPLES = 20_000
POOL_EXAMPLES = 2_000  # sorted by length together, so that little of a batch is padding
PROMPT_WEIGHT = 0.1  # of a question's tokens in the loss; an answer's tokens weigh 1
WARM_UP_STEPS = 100
IGNORED_LABEL = -100


@dataclass(frozen=True)
class Progress:
    """One line of progress: `loss` is the mean over the answers' tokens since the last line."""

    step: int
    steps: int
    loss: float


def train_tokenizer(directory: Path) -> Any:
    """Train the byte-level tokenizer on the corpus and write its files into `directory`."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY_TOKENS,
        special_tokens=["<|endoftext|>", START, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    examples = itertools.islice(write_examples(SEED), TOKENIZER_EXAMPLES)
    texts = (text for example in examples for text in (example.question, example.answer))
    tokenizer.train_from_iterator(texts, trainer)
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(directory / "tokenizer.json"))
    settings = {
        "tokenizer_class": "GPT2Tokenizer",
        "model_max_length": CONTEXT_TOKENS,
        "bos_token": None,
        "eos_token": END,
        "pad_token": "<|endoftext|>",
        "unk_token": None,
        "add_prefix_space": False,
        "add_bos_token": False,
        "clean_up_tokenization_spaces": False,
        "chat_template": CHAT_TEMPLATE,
    }
    (directory / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")
    return tokenizer


@dataclass(frozen=True)
class Sequence:
    """The tokens of one example, of which the first `prompt_tokens` are the question."""

    tokens: list[int]
    prompt_tokens: int


def encode_examples(tokenizer: Any, seed: int) -> Iterator[Sequence]:
    """Yield the encoded training examples without end."""
    examples = write_examples(seed)
    while True:
        pool = list(itertools.islice(examples, POOL_EXAMPLES))
        prompts = tokenizer.encode_batch([write_prompt(example.question) for example in pool])
        answers = tokenizer.encode_batch([f"{example.answer}{END}" for example in pool])
        for prompt, answer in zip(prompts, answers, strict=True):
            yield Sequence(prompt.ids + answer.ids, len(prompt.ids))


def gather_batches(tokenizer: Any, seed: int, batch_tokens: int) -> Iterator[list[Sequence]]:
    """Yield batches of sequences of like length, each of at most `batch_tokens` with its padding."""
    sequences = encode_examples(tokenizer, seed)
    shuffle = random.Random(seed)
    while True:
        pool = sorted(itertools.islice(sequences, POOL_EXAMPLES), key=lambda s: len(s.tokens))
        batches: list[list[Sequence]] = [[]]
        for sequence in pool:
            if (len(batches[-1]) + 1) * len(sequence.tokens) > batch_tokens:
                batches.append([])
            batches[-1].append(sequence)
        shuffle.shuffle(batches)
        yield from batches


def pace(step: int, steps: int) -> float:
    """The share of the full learning rate at `step`: a warm-up, then a cosine down to a twentieth."""
    if step < WARM_UP_STEPS:
        return (step + 1) / WARM_UP_STEPS
    done = (step - WARM_UP_STEPS) / max(1, steps - WARM_UP_STEPS)
    return 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * done))


def make_network(recipe: Recipe) -> Any:
    """Make an untrained network; the same recipe always gives the same weights."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(SEED)
    return Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=VOCABULARY_TOKENS,
            hidden_size=recipe.hidden,
            intermediate_size=recipe.feed_forward,
            num_hidden_layers=recipe.layers,
            num_attention_heads=recipe.heads,
            num_key_value_heads=recipe.kv_heads,
            max_position_embeddings=CONTEXT_TOKENS,
            initializer_range=recipe.hidden**-0.5,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=2,
            pad_token_id=0,
        )
    )


def train(recipe: Recipe, directory: Path, report: Callable[[Progress], None]) -> None:
    """Train one model and write it, with its tokenizer, into `directory` in the layout of transformers."""
    import torch

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    tokenizer = train_tokenizer(directory)
    network = make_network(recipe)
    network.train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.98), weight_decay=0.01)
    batches = gather_batches(tokenizer, SEED + 1, recipe.batch_tokens)
    answer_loss, reported = 0.0, 0
    for step, batch in enumerate(itertools.islice(batches, recipe.steps)):
        longest = max(len(sequence.tokens) for sequence in batch)
        tokens = torch.zeros((len(batch), longest), dtype=torch.long)
        labels = torch.full((len(batch), longest), IGNORED_LABEL)
        weights = torch.zeros((len(batch), longest))
        for row, sequence in enumerate(batch):
            length = len(sequence.tokens)
            tokens[row, :length] = torch.tensor(sequence.tokens)
            labels[row, :length] = tokens[row, :length]
            weights[row, : sequence.prompt_tokens] = PROMPT_WEIGHT
            weights[row, sequence.prompt_tokens : length] = 1.0
        # Padding stands right of everything that counts, so the causal mask is all that is needed.
        logits = network(input_ids=tokens, use_cache=False).logits[:, :-1]
        losses = torch.nn.functional.cross_entropy(
            logits.reshape(-1, VOCABULARY_TOKENS),
            labels[:, 1:].reshape(-1),
            ignore_index=IGNORED_LABEL,
            reduction="none",
        )
        token_weights = weights[:, 1:].reshape(-1)
        loss = (losses * token_weights).sum() / token_weights.sum()
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * pace(step, recipe.steps)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        answer_loss += losses.detach()[token_weights == 1.0].mean().item()
        reported += 1
        if (step + 1) % 25 == 0 or step + 1 == recipe.steps:
            report(Progress(step + 1, recipe.steps, answer_loss / reported))
            answer_loss, reported = 0.0, 0
    network.eval()
    network.generation_config.eos_token_id = 2
    network.save_pretrained(directory)
