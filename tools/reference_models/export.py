"""Turns a trained network into a directory that an ONNX Runtime based server loads, and checks it."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.reference_models.corpus import write_examples
from tools.reference_models.recipes import SEED, write_prompt

RUNTIME_FILES = (
    "genai_config.json",
    "model.onnx",
    "model.onnx.data",
    "tokenizer.json",
    "tokenizer_config.json",
)
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")
CHECKED_EXAMPLES = 40
CHECKED_OUTPUT_TOKENS = 96


class ExportError(Exception):
    """The exported model is not the trained one."""


@dataclass(frozen=True)
class Check:
    """How an exported model did on examples that it never saw.

    `same_as_trained` counts the answers equal to those of the network before its export, `exact` those
    equal to the expected answer.
    """

    examples: int
    same_as_trained: int
    exact: int


def export(trained: Path, precision: str, directory: Path) -> None:
    """Convert the network in `trained` to `precision` and write its run-time files into `directory`.

    Raises ExportError if the converter fails.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        command = [sys.executable, "-m", "onnxruntime_genai.models.builder"]
        command += ["-m", str(trained), "-i", str(trained), "-o", f"{work}/out", "-c", f"{work}/cache"]
        command += ["-p", precision, "-e", "cpu"]
        environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ExportError(f"the converter failed on {trained}:\n{done.stderr[-2000:]}")
        for name in RUNTIME_FILES:
            # The converter swaps in another pre-tokenizer for this architecture: keep the trained one.
            source = trained if name in TOKENIZER_FILES else Path(work, "out")
            shutil.copyfile(source / name, directory / name)
    config = directory / "genai_config.json"
    config.write_text(config.read_text().rstrip() + "\n")


def check(trained: Path, directory: Path, precision: str) -> Check:
    """Ask the trained and the exported model the same questions, whose names, dates and tasks are held out.

    Raises ExportError if the tokens differ, or if an fp32 model answers otherwise than the trained one.
    """
    import onnxruntime_genai
    import torch
    from tokenizers import Tokenizer
    from transformers import Qwen2ForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.set_num_threads(1)
    tokenizer = Tokenizer.from_file(str(trained / "tokenizer.json"))
    network = Qwen2ForCausalLM.from_pretrained(trained)
    model = onnxruntime_genai.Model(str(directory))
    model_tokenizer = onnxruntime_genai.Tokenizer(model)
    same = exact = 0
    for example in itertools.islice(write_examples(SEED + 2, held_out=True), CHECKED_EXAMPLES):
        prompt = write_prompt(example.question)
        tokens = tokenizer.encode(prompt).ids
        if tokens != list(model_tokenizer.encode(prompt)):
            raise ExportError(f"{directory.name} reads other tokens than were trained in: {prompt!r}")
        answer = answer_exported(model, tokens)
        same += answer == answer_trained(network, tokens)
        exact += tokenizer.decode(answer) == example.answer
    if precision == "fp32" and same < CHECKED_EXAMPLES:
        raise ExportError(
            f"{directory.name} answers {CHECKED_EXAMPLES - same} of {CHECKED_EXAMPLES} questions "
            "otherwise than the network it was made from"
        )
    return Check(CHECKED_EXAMPLES, same, exact)


def answer_exported(model: Any, tokens: list[int]) -> list[int]:
    """The tokens that the exported model answers with, greedily and without the end token."""
    import onnxruntime_genai

    parameters = onnxruntime_genai.GeneratorParams(model)
    parameters.set_search_options(max_length=len(tokens) + CHECKED_OUTPUT_TOKENS, do_sample=False)
    generator = onnxruntime_genai.Generator(model, parameters)
    generator.append_tokens(tokens)
    answer: list[int] = []
    while not generator.is_done():
        generator.generate_next_token()
        answer.append(int(generator.get_next_tokens()[0]))
    return without_end(answer)


def answer_trained(network: Any, tokens: list[int]) -> list[int]:
    """The tokens that the trained network answers with, greedily and without the end token."""
    import torch

    prompt = torch.tensor([tokens])
    with torch.no_grad():
        output = network.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=CHECKED_OUTPUT_TOKENS,
            do_sample=False,
        )
    return without_end(output[0, len(tokens) :].tolist())


def without_end(tokens: list[int]) -> list[int]:
    """The tokens before the first end token."""
    end = 2
    return tokens[: tokens.index(end)] if end in tokens else tokens
