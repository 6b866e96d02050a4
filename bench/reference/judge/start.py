"""Takes the network out of a shipped model, to go on training it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.reference.recipes import SEED, Recipe


def load_shipped(directory: Path, recipe: Recipe, vocabulary_tokens: int, context_tokens: int) -> Any:
    """Return the network of an int8 model that ships, in fp32, with room for further tokens in its vocabulary."""
    import numpy as np
    import onnx
    import torch
    from onnx import numpy_helper
    from transformers import Qwen2Config, Qwen2ForCausalLM

    found = {w.name: numpy_helper.to_array(w) for w in onnx.load(str(directory / "model.onnx")).graph.initializer}

    def matrix(name: str) -> Any:
        if f"{name}.MatMul.weight" in found:
            return found[f"{name}.MatMul.weight"].T
        whole = found[f"{name}.MatMul.weight_Q8"].astype(np.float32) - 128
        scales = found[f"{name}.MatMul.weight_scales"].reshape(*whole.shape[:2], 1)
        return (whole * scales).reshape(whole.shape[0], -1)

    torch.manual_seed(SEED)
    network = Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=vocabulary_tokens,
            hidden_size=recipe.hidden,
            intermediate_size=recipe.feed_forward,
            num_hidden_layers=recipe.layers,
            num_attention_heads=recipe.heads,
            num_key_value_heads=recipe.kv_heads,
            max_position_embeddings=context_tokens,
            initializer_range=recipe.hidden**-0.5,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=2,
            pad_token_id=0,
        )
    )
    width = recipe.hidden // recipe.heads
    queries, keys = recipe.heads * width, recipe.kv_heads * width
    parts = {"q": (0, queries), "k": (queries, queries + keys), "v": (queries + keys, queries + 2 * keys)}
    weights = {"model.norm.weight": found[f"model.layers.{recipe.layers}.final_norm_layernorm.weight"]}
    for layer in range(recipe.layers):
        prefix = f"model.layers.{layer}."
        joint, bias = matrix(f"{prefix}attn.qkv_proj"), found[f"{prefix}attn.qkv_proj.Add.bias"]
        for part, (start, end) in parts.items():
            weights[f"{prefix}self_attn.{part}_proj.weight"] = joint[start:end]
            weights[f"{prefix}self_attn.{part}_proj.bias"] = bias[start:end]
        weights[f"{prefix}self_attn.o_proj.weight"] = matrix(f"{prefix}attn.o_proj")
        for part in ("gate", "up", "down"):
            weights[f"{prefix}mlp.{part}_proj.weight"] = matrix(f"{prefix}mlp.{part}_proj")
        for part in ("input_layernorm", "post_attention_layernorm"):
            weights[f"{prefix}{part}.weight"] = found[f"{prefix}{part}.weight"]
    embedding = found.get("model.embed_tokens.weight")
    if embedding is None:
        embedding = found["lm_head.MatMul.weight"].T
    state = network.state_dict()
    for name, values in weights.items():
        assert state[name].shape == values.shape, name
        state[name] = torch.tensor(np.array(values))
    rows = torch.tensor(np.array(embedding))
    whole = state["model.embed_tokens.weight"].clone()
    whole *= rows.std() / whole.std()
    whole[: len(rows)] = rows
    state["model.embed_tokens.weight"] = state["lm_head.weight"] = whole
    network.load_state_dict(state)
    network.tie_weights()
    return network
