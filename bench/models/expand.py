"""Run as a process of its own: turns a GGUF file into a Hugging Face checkpoint of 32-bit weights.

    python -P expand.py FILE.gguf DIRECTORY

It needs the packages of the extra 'build' and imports nothing of ours, so it runs in whatever way we are installed.
Transformers itself shows the progress, on standard error.
"""

import sys
from pathlib import Path


def expand(gguf: Path, directory: Path) -> None:
    """Write the model and the tokenizer of a GGUF file as a checkpoint, which the model builder can read."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    where = {"pretrained_model_name_or_path": gguf.parent, "gguf_file": gguf.name, "local_files_only": True}
    model = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
    # The weights are quantised no more; with this left in place the checkpoint would not be written.
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.is_quantized = False
    model.hf_quantizer = None
    model.save_pretrained(directory)
    AutoTokenizer.from_pretrained(**where).save_pretrained(directory)


if __name__ == "__main__":
    expand(Path(sys.argv[1]), Path(sys.argv[2]))
