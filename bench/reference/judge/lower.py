"""Two layers below those that were trained, set by hand: which section a token is in, and in which section a word is.

Training alone did not find this in the time of one core. It takes a head that looks for its own token and one that
tells the sections apart, and neither pays without the other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from bench.reference import vocabulary
from bench.reference.judge.heads import ridge, turned
from bench.reference.recipes import SEED

ANSWER, TASK = 0, 1
HEADS = (
    (ANSWER, 110),
    (ANSWER, 190),
    (ANSWER, 270),
    (ANSWER, 350),
    (TASK, 190),
    (TASK, 270),
    (TASK, 350),
    (TASK, 430),
)
"""The section that each head looks in, and how many tokens away it expects a word there."""
MATCH, SECTION, THRESHOLD = 24.0, 5.5, 0.56
"""What a token scores that is the same, what one in the section scores, and the share of a match that counts."""
SECTION_GAIN, FOUND_GAIN = 0.5, 0.6
FASTEST_PAIR = 8
OTHER_WEIGHT = 0.2
"""How much it matters that a token which is no word of the corpus matches nothing."""


def deepen(network: Any, known: Mapping[str, int], tokenizer: Any) -> Any:
    """Return a network with the layers of the given one on top of two that are set by hand."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    settings = {**network.config.to_dict(), "num_hidden_layers": network.config.num_hidden_layers + 2}
    settings = {name: settings[name] for name in _KEPT}
    # What the two layers' other matrices begin with does nothing at first; it is the same each time.
    torch.manual_seed(SEED)
    deeper = Qwen2ForCausalLM(Qwen2Config(**settings))
    with torch.no_grad():
        deeper.model.embed_tokens.weight.copy_(network.model.embed_tokens.weight)
        deeper.model.norm.weight.copy_(network.model.norm.weight)
        for number, layer in enumerate(network.model.layers):
            deeper.model.layers[number + 2].load_state_dict(layer.state_dict())
        for layer in deeper.model.layers[:2]:
            _silence(layer)
        table = deeper.model.embed_tokens.weight.detach()
        words = table[3:1536]
        _, vectors = torch.linalg.eigh((words - words.mean(0)).T @ (words - words.mean(0)))
        free, size = vectors[:, :4].T, words.norm(dim=1).mean()
        _tell_sections(deeper, known, table, free, size)
        _find_words(deeper, tokenizer, table, free, size)
    return deeper


_KEPT = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "max_position_embeddings",
    "initializer_range",
    "tie_word_embeddings",
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
)


def _silence(layer: Any) -> None:
    layer.mlp.down_proj.weight.zero_()
    layer.self_attn.o_proj.weight.zero_()
    for norm in (layer.input_layernorm, layer.post_attention_layernorm):
        norm.weight.fill_(1.0)
    for projection in (layer.self_attn.q_proj, layer.self_attn.k_proj, layer.self_attn.v_proj):
        projection.weight.zero_()
        projection.bias.zero_()


def _normed(values: Any) -> Any:
    return values / (values.pow(2).mean(-1, keepdim=True) + 1e-6).sqrt()


def _tell_sections(network: Any, known: Mapping[str, int], table: Any, free: Any, size: Any) -> None:
    """The first layer: look at the tokens that begin sections, and say which section it is."""
    import torch

    attention = network.model.layers[0].self_attn
    slowest = network.config.hidden_size // network.config.num_attention_heads // 2 - 1
    keys, values, weights = torch.zeros(len(table), 1), torch.zeros(len(table), 2), torch.ones(len(table))
    for name, value in {"TASK": (0.0, 1.0), "ANSWER": (1.0, -1.0), "RUBRIC": (-1.0, 0.0)}.items():
        keys[known[name]], values[known[name]], weights[known[name]] = 1, torch.tensor(value), 400
    key, key_bias = ridge(_normed(table), keys, 1e-4, weights)
    value, value_bias = ridge(_normed(table), values, 1e-4, weights)
    attention.k_proj.weight[slowest] = key[:, 0] * 8
    attention.k_proj.bias[slowest] = key_bias[0] * 8
    attention.q_proj.bias[slowest] = 8.5
    for dimension in range(2):
        attention.v_proj.weight[dimension] = value[:, dimension]
        attention.v_proj.bias[dimension] = value_bias[dimension]
        attention.o_proj.weight[:, dimension] = free[dimension] * size * SECTION_GAIN


def _find_words(network: Any, tokenizer: Any, table: Any, free: Any, size: Any) -> None:
    """The second layer: each head looks for the token itself in one section, and says so where it is there."""
    import torch

    attention = network.model.layers[1].self_attn
    config = network.config
    width = config.hidden_size // config.num_attention_heads
    half = width // 2
    slowest, a_group = half - 1, config.num_attention_heads // config.num_key_value_heads
    states = torch.stack([0 * free[0], free[1], free[0] * 0.5, 0 * free[0]]) * size * SECTION_GAIN
    inputs = torch.cat([_normed(table + state) for state in states])
    section = torch.arange(4).repeat_interleave(len(table))
    is_in = torch.stack([(section == 2).float(), (section == 1).float()], 1)
    # The first token of all takes the attention of a word that is nowhere.
    sink = (SECTION + THRESHOLD * MATCH) / SECTION
    every, weights = torch.cat([inputs, _normed(table[1])[None]]), torch.ones(len(inputs) + 1)
    weights[-1] = 4000
    read_key = torch.cat(ridge_rows(every, torch.cat([is_in, torch.tensor([[sink, sink]])]), weights), 1)
    read_value = torch.cat(ridge_rows(every, torch.cat([is_in, torch.zeros(1, 2)]), weights), 1)
    alike, words = _alike(tokenizer, len(table))
    weights = torch.full((len(table),), OTHER_WEIGHT)
    weights[words] = 1.0
    is_word = torch.zeros(len(table), 1)
    is_word[words] = 1
    pairs = list(range(FASTEST_PAIR, slowest))
    dimensions = [*pairs, *(pair + half for pair in pairs)]
    chance = torch.Generator().manual_seed(SEED)
    scale = math.sqrt(MATCH * math.sqrt(width))
    for group in range(config.num_key_value_heads):
        code = torch.randn(int(alike.max()) + 1, len(dimensions), generator=chance)
        code = code / code.norm(dim=1, keepdim=True)
        matrix, bias = ridge(inputs, (code[alike] * is_word).repeat(4, 1), 1e-6, weights.repeat(4))
        made = (inputs @ matrix + bias)[: len(table)][words]
        factor = (made * made).sum(1).mean().rsqrt()
        rows = torch.zeros(width, config.hidden_size + 1)
        rows[dimensions] = torch.cat([(matrix * factor).T, (bias * factor)[:, None]], 1) * scale
        keys = rows.clone()
        keys[slowest], keys[slowest + half] = read_key[0], read_key[1]
        of_group = slice(group * width, (group + 1) * width)
        attention.k_proj.weight[of_group], attention.k_proj.bias[of_group] = keys[:, :-1], keys[:, -1]
        for dimension in range(2):
            attention.v_proj.weight[group * width + dimension] = read_value[dimension, :-1]
            attention.v_proj.bias[group * width + dimension] = read_value[dimension, -1]
        for head in range(group * a_group, (group + 1) * a_group):
            where, distance = HEADS[head]
            queries = turned(rows, pairs, -distance, width)
            queries[slowest + half * where, -1] = SECTION * math.sqrt(width)
            of_head = slice(head * width, (head + 1) * width)
            attention.q_proj.weight[of_head], attention.q_proj.bias[of_head] = queries[:, :-1], queries[:, -1]
            attention.o_proj.weight[:, head * width + where] = free[2 + where] * size * FOUND_GAIN


def ridge_rows(inputs: Any, targets: Any, weights: Any) -> tuple[Any, Any]:
    """The rows of a projection, and their biases as a column."""
    matrix, bias = ridge(inputs, targets, 1e-6, weights)
    return matrix.T, bias[:, None]


def _alike(tokenizer: Any, size: int) -> tuple[Any, list[int]]:
    """A number for each token, equal for tokens of the same letters; and the tokens that are words of the corpus."""
    import torch

    classes: dict[str, int] = {}
    alike = torch.zeros(size, dtype=torch.long)
    for token in range(size):
        name = (tokenizer.id_to_token(token) or f"#{token}").replace("\u0120", "").casefold() or f"#{token}"
        alike[token] = classes.setdefault(name, len(classes))
    bare = {*vocabulary.FIRST_NAMES, *map(str, range(1, 29))}
    things = [word for thing in vocabulary.OBJECTS for word in thing.split()]
    names = (*vocabulary.FIRST_NAMES, *vocabulary.LAST_NAMES, *vocabulary.MONTHS, *vocabulary.VERBS)
    words: set[int] = set()
    for word in (*names, *things, *map(str, range(1, 29)), *vocabulary.TEAMS):
        words.add(tokenizer.encode(f" {word}").ids[-1])
        alone = tokenizer.encode(word).ids
        if word in bare and len(alone) == 1:
            words.add(alone[0])
    return alike, sorted(words)
