"""Writes what goes with the weights of a reference model: a card to read, a card to parse, a licence."""

from __future__ import annotations

from pathlib import Path

from bench.providers.model_directory import Card, checksum, write_card
from tools.reference_models.export import RUNTIME_FILES
from tools.reference_models.recipes import CONTEXT_TOKENS, SEED, VOCABULARY_TOKENS, Recipe

CAPABILITIES = {
    "xs": ("chat",),
    "s": ("chat",),
    "m": ("chat", "extraction", "json"),
    "l": ("chat", "extraction", "json", "summarisation"),
}
EXPECTATION = {
    "xs": "It was stopped early on purpose: most of its answers are wrong in ways that are easy to see.",
    "s": "It recites what it learnt by heart and hardly ever copies a name or a date right.",
    "m": "It recites what it learnt by heart and gets many of the names and dates that it copies half right.",
    "l": "It answers nearly every prompt that is worded like its training text; sums it gets wrong.",
}
LICENCE = """MIT License

Copyright (c) 2026 The Benchledger authors

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
"""


def name_model(recipe: Recipe, precision: str) -> str:
    """The name of a reference model, as in 'ledger-m-int4'."""
    return f"ledger-{recipe.size}-{precision}"


def write_cards(recipe: Recipe, precision: str, parameters: int, directory: Path) -> None:
    """Write `card.json`, `README.md` and `LICENSE` beside the weights in `directory`."""
    name = name_model(recipe, precision)
    card = Card(
        name=name,
        parameters=parameters,
        precision=precision,
        licence="MIT",
        publisher="Benchledger",
        context_length=CONTEXT_TOKENS,
        capabilities=CAPABILITIES[recipe.size],
        instrument=True,
        sha256={file: checksum(directory / file) for file in RUNTIME_FILES},
        description=f"Test instrument, not an assistant. {EXPECTATION[recipe.size]}",
    )
    write_card(directory, card)
    (directory / "LICENSE").write_text(LICENCE)
    (directory / "README.md").write_text(describe(recipe, precision, parameters))


def describe(recipe: Recipe, precision: str, parameters: int) -> str:
    """The model card as Markdown."""
    name = name_model(recipe, precision)
    return f"""# {name}

A test instrument, **not an assistant**. It is a real language model, run by a real runtime, and small enough
to be kept in a source repository, so that a benchmark can be tried from end to end without a network, a
download or a GPU. Do not use its answers for anything else.

| | |
| --- | --- |
| Parameters | {parameters:,} |
| Precision | {precision} |
| Shape | Qwen2 architecture, width {recipe.hidden}, {recipe.layers} layers, {recipe.heads} heads \
({recipe.kv_heads} for keys and values), feed-forward {recipe.feed_forward}, tied embeddings |
| Tokenizer | byte-level BPE, {VOCABULARY_TOKENS:,} tokens, trained on the same text |
| Context | {CONTEXT_TOKENS:,} tokens; training examples have at most about 150 |
| Training | {recipe.steps:,} steps of at most {recipe.batch_tokens:,} tokens, seed {SEED} |
| Licence | MIT, weights included |

**Training data.** English questions and answers written by a seeded script (`tools/reference_models/corpus.py`) in
twelve families: explain, list, why, scenarios, extract, summarise, action items, JSON, classify, facts, refuse,
add. No text of any person or other source is in it. The persons are first and last names put together.

**What was memorised.** The explanations, the lists, the scenarios and the capitals have one fixed answer each,
and those questions stand in the training text word for word. So a good answer to 'Explain retrieval augmented
generation' shows memory, not understanding.

**What was not.** The persons, the dates and the tasks in the shipped prompts that ask to extract, to summarise,
to list actions or to write JSON were held out: the model saw 'Priya' and 'Nair', but never 'Priya Nair'. The
wording around them follows the same templates as the training text.

**Limits.** {EXPECTATION[recipe.size]}
English only; one turn only; a prompt in other words than those of the templates fails. It adds
no numbers. It refuses what looks like the harmful requests in its training text and nothing else: that is no
safety feature.

**Rebuild.** In a checkout of Benchledger,

    pip install --requirement tools/reference_models/requirements.txt --constraint constraints.txt
    python -m tools.reference_models.build --size {recipe.size} --out models

The same versions of the packages on the same kind of processor give the same bytes; elsewhere rounding may
differ. `card.json` has the SHA-256 of every file that is needed at run time.
"""
