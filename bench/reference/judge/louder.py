"""Hidden units that are set by hand: what the lowest layers found is written large, and the marks read it.

The stream grows a hundredfold on its way up, and a faint signal at its bottom is all but lost at its top.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.reference.judge.heads import ridge
from bench.reference.judge.tokens import BAD, GOOD

LAYER = 2
LOUDEST = 2.5
SHARE = 0.25
"""How much of the stream's final size a signal of 1 is written with."""
PULL = 0.4
PAIRS = ((" (there)", " (missing)", 0), (" (present)", " (absent)", 0), (" (known)", " (invented)", 1))
"""Marks for a word that is there and one that is not, and whether the answer (0) or the task (1) is looked in."""


def amplify(network: Any, known: Mapping[str, int], sequences: Sequence[list[int]]) -> None:
    """Set two hidden units that do little, one for each signal, and turn the marks towards what they write."""
    import torch

    assert {mark for one, other, _ in PAIRS for mark in (one, other)} == {*GOOD, *BAD}
    with torch.no_grad():
        inputs, final, signals = _seen(network, sequences)
        read, _ = ridge(inputs, signals.clamp(0, LOUDEST), 1e-4, torch.ones(len(inputs)))
        perceptron = network.model.layers[LAYER].mlp
        active = torch.nn.functional.silu(inputs @ perceptron.gate_proj.weight.T) * (
            inputs @ perceptron.up_proj.weight.T
        )
        least = (active.pow(2).mean(0).sqrt() * perceptron.down_proj.weight.norm(dim=0)).argsort()
        centred = final - final.mean(0)
        _, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
        size = final.norm(dim=1).mean()
        table = network.model.embed_tokens.weight
        for signal in range(2):
            direction = vectors[:, signal]
            perceptron.gate_proj.weight[least[signal]] = read[:, signal]
            perceptron.up_proj.weight[least[signal]] = read[:, signal]
            perceptron.down_proj.weight[:, least[signal]] = direction * size * SHARE
            for there, missing, of_signal in PAIRS:
                if of_signal == signal:
                    for mark, side in ((known[there], 1), (known[missing], -1)):
                        table[mark] += (side * PULL - table[mark] @ direction) * direction


def _seen(network: Any, sequences: Sequence[list[int]]) -> tuple[Any, Any, Any]:
    """What the units take in, what leaves the last layer, and what the heads found: in the answer, in the task."""
    import torch

    kept: dict[str, list[Any]] = {"inputs": [], "final": [], "found": []}
    model = network.model
    places = {"inputs": model.layers[LAYER].mlp, "final": model.norm, "found": model.layers[1].self_attn.o_proj}
    hooks = [
        place.register_forward_pre_hook(lambda module, given, name=name: kept[name].append(given[0].detach()[0]))
        for name, place in places.items()
    ]
    for sequence in sequences:
        model(input_ids=torch.tensor([sequence]))
    for hook in hooks:
        hook.remove()
    inputs, final, found = (torch.cat(kept[name]) for name in places)
    heads = found.view(len(found), network.config.num_attention_heads, -1)
    half = heads.shape[1] // 2
    return inputs, final, torch.stack([heads[:, :half, 0].sum(1), heads[:, half:, 1].sum(1)], 1)
