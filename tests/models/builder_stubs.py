"""Stand-ins for the packages of the extra 'build', for processes that are real: each writes what the real one would."""

import json
import struct
from pathlib import Path

import pytest

TRANSFORMERS = """
import json, pathlib, sys

class _Loaded:
    class config: quantization_config = {"quant_method": "gguf"}
    is_quantized, hf_quantizer = True, object()
    def save_pretrained(self, directory):
        if hasattr(self, "tokens"):
            (pathlib.Path(directory) / "tokenizer.json").write_text("{}")
            return
        assert not hasattr(self.config, "quantization_config") and not self.is_quantized and self.hf_quantizer is None
        pathlib.Path(directory).mkdir()
        (pathlib.Path(directory) / "config.json").write_text(json.dumps({"from": self.file}))

class AutoModelForCausalLM:
    @staticmethod
    def from_pretrained(pretrained_model_name_or_path, gguf_file, local_files_only, dtype):
        sys.stderr.write("\\rConverting and de-quantizing GGUF tensors...:  50%|#####     | 1/2\\r\\n")
        loaded = _Loaded()
        loaded.file = gguf_file
        assert (pretrained_model_name_or_path / gguf_file).read_bytes()[:4] == b"GGUF"
        return loaded

class AutoTokenizer:
    @staticmethod
    def from_pretrained(pretrained_model_name_or_path, gguf_file, local_files_only):
        loaded = _Loaded()
        loaded.tokens = True
        return loaded
"""

BUILDER = """
import errno, json, os, pathlib, sys, time
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
source, out, precision = pathlib.Path(given["-i"]), pathlib.Path(given["-o"]), given["-p"]
assert os.environ["HF_HUB_OFFLINE"] == "1" and given["-e"] == "cpu"
plan = json.loads(os.environ["STUB_PLAN"]).get(precision)
out.mkdir()
print("Reading layer 0")
if plan == "full":
    (out / "model.onnx.data").write_bytes(b"half")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
if plan == "memory":
    os.kill(os.getpid(), 9)
if plan == "fails":
    print("a warning of no weight")
    raise NotImplementedError("the model has a layer that nobody knows")
if plan == "waits":
    (pathlib.Path(os.environ["STUB_PID"])).write_text(str(os.getpid()))
    print("Reading layer 1")
    time.sleep(600)
if plan != "nothing":
    (out / "model.onnx").write_text(f"{precision} of {json.loads((source / 'config.json').read_text())}")
    (out / "genai_config.json").write_text("{}")
print("Saving ONNX model in nowhere")
sys.stderr.write("\\rSaving w (f32, [1,2]):  25%|##  | 1/4 [00:00]\\r")
"""


@pytest.fixture
def stubs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put stand-ins for the packages in front of all others, here and in the processes that are started."""
    folder = tmp_path / "stubs"
    (folder / "onnxruntime_genai" / "models").mkdir(parents=True)
    for name in (
        "onnx",
        "onnx_ir",
        "gguf",
        "accelerate",
        "onnxruntime_genai/__init__",
        "onnxruntime_genai/models/__init__",
    ):
        (folder / f"{name}.py").write_text("")
    (folder / "torch.py").write_text("float32 = 'float32'\n")
    (folder / "transformers.py").write_text(TRANSFORMERS)
    (folder / "onnxruntime_genai" / "models" / "builder.py").write_text(BUILDER)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setenv("STUB_PLAN", "{}")
    return folder


def write_checkpoint(folder: Path, drop: str = "", **config: object) -> Path:
    """Write a Hugging Face directory of 12 weights, without one of its files."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "architectures": ["Qwen2ForCausalLM"],
        "num_hidden_layers": 2,
        "max_position_embeddings": 256,
        **config,
    }
    head = json.dumps(
        {"__metadata__": {"format": "pt"}, "w": {"dtype": "F32", "shape": [3, 4], "data_offsets": [0, 48]}}
    )
    files = {
        "config.json": json.dumps(settings).encode(),
        "tokenizer.json": b"{}",
        "tokenizer_config.json": json.dumps({"chat_template": "{{ messages }}"}).encode(),
        "model.safetensors": struct.pack("<Q", len(head)) + head.encode() + bytes(48),
        "README.md": b"---\nlanguage: en\nlicense: apache-2.0\n---\n\n# Tiny\n",
        "LICENSE": b"Do as you like.\n",
    }
    for name, content in files.items():
        if name != drop:
            (folder / name).write_bytes(content)
    return folder
