"""A build with the real packages, where they are installed, and the model that it makes in the real runtime."""

import json
import random
import struct
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.cli import main
from bench.models.build import EXTRA, build
from bench.models.checkpoint import ARCHITECTURES, GGUF_ARCHITECTURES
from bench.providers.model_directory import read_card
from bench.store.files import load
from tests.gguf_files import F32, gguf

MISSING = [package for module, package in EXTRA.items() if find_spec(module) is None]

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"the extra 'build' is not installed: no {', '.join(MISSING)}")

TOKENIZER = Path(__file__).parents[2] / "bench" / "reference" / "models" / "ledger-xs-fp32" / "tokenizer.json"

WIDTH, HALF, INNER = 64, 32, 96
"""Of the hidden state, of a head (two for queries, one for keys and values), of the feed-forward."""

DRAWN = random.Random(1)


def write_llama(path: Path) -> Path:
    """Write a Llama of one layer with weights drawn by chance, and the tokenizer of a reference model."""
    tokenizer = json.loads(TOKENIZER.read_text())["model"]
    tokens = sorted(tokenizer["vocab"], key=tokenizer["vocab"].get)
    merges = [one if isinstance(one, str) else " ".join(one) for one in tokenizer["merges"]]
    values: dict[str, object] = {
        "general.architecture": "llama",
        "general.name": "Tiny Llama",
        "general.license": "mit",
        "general.file_type": 0,
        "llama.block_count": 1,
        "llama.context_length": 256,
        "llama.embedding_length": WIDTH,
        "llama.feed_forward_length": INNER,
        "llama.attention.head_count": 2,
        "llama.attention.head_count_kv": 1,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.rope.freq_base": 10_000.0,
        "llama.rope.dimension_count": HALF,
        "llama.vocab_size": len(tokens),
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [1] * len(tokens),
        "tokenizer.ggml.merges": merges,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.padding_token_id": 0,
        "tokenizer.chat_template": "{% for message in messages %}{{ message['content'] }}{% endfor %}",
    }
    shapes = {
        "token_embd": (WIDTH, len(tokens)),
        "blk.0.attn_norm": (WIDTH,),
        "blk.0.attn_q": (WIDTH, WIDTH),
        "blk.0.attn_k": (WIDTH, HALF),
        "blk.0.attn_v": (WIDTH, HALF),
        "blk.0.attn_output": (WIDTH, WIDTH),
        "blk.0.ffn_norm": (WIDTH,),
        "blk.0.ffn_gate": (WIDTH, INNER),
        "blk.0.ffn_up": (WIDTH, INNER),
        "blk.0.ffn_down": (INNER, WIDTH),
        "output_norm": (WIDTH,),
    }
    tensors = [(f"{name}.weight", shape, F32) for name, shape in shapes.items()]
    path.write_bytes(gguf(values, tensors, weights=drawn))
    return path


def drawn(size_bytes: int) -> bytes:
    return struct.pack(f"<{size_bytes // 4}f", *(DRAWN.gauss(0, 0.2) for _ in range(size_bytes // 4)))


@pytest.mark.runtime
@pytest.mark.slow
def test_a_gguf_file_becomes_models_that_the_runtime_answers_with(tmp_path: Path) -> None:
    source, out = write_llama(tmp_path / "tiny.gguf"), tmp_path / "made"

    made = build(str(source), out, ["int4", "int8", "fp32"], lambda step: None)

    for directory in made:
        card = read_card(directory)
        # Embeddings of 1,536 tokens; q and o, k and v; three of the feed-forward; three norms.
        assert card.parameters == 1_536 * 64 + 2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 96 + 3 * 64
        assert {"torch", "onnxruntime-genai", "builder"} <= set(card.made_with)
    config = tmp_path / "built.yaml"
    models = [{"name": path.name, "path": str(path)} for path in made]
    settings = {"prompts": str(tmp_path / "prompts.yaml"), "rounds": 1, "warmup": 0, "probe": False, "models": models}
    (tmp_path / "prompts.yaml").write_text("{id: own, prompts: [{id: greet, title: Greet, text: Hello there.}]}")
    config.write_text(json.dumps({**settings, "generation": {"max_output_tokens": 8}}))

    done = CliRunner().invoke(main, ["run", str(config), "--results", str(tmp_path / "results"), "--quiet"])

    assert done.exit_code == 0, done.output
    result = load(Path(done.stdout.strip()))
    assert [(model.name, model.failure, model.precision) for model in result.models] == [
        (name, None, name) for name in ("int4", "int8", "fp32")
    ]
    assert all(sample.output_tokens for model in result.models for sample in model.samples)


def test_the_tables_of_architectures_are_those_of_the_packages() -> None:
    from transformers.integrations import GGUF_CONFIG_MAPPING

    (folder,) = find_spec("onnxruntime_genai").submodule_search_locations  # type: ignore[union-attr, misc]
    builder = (Path(folder) / "models" / "builder.py").read_text(encoding="utf-8")

    assert [name for name in ARCHITECTURES if f'architectures[0] == "{name}"' not in builder] == []
    assert [name for name in GGUF_ARCHITECTURES if name not in GGUF_CONFIG_MAPPING] == []
