"""GGUF files made by hand: a header of any values, and tensors of zeros."""

import math
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

F32, Q4_1 = 0, 3
BYTES = {F32: (1, 4), Q4_1: (32, 20)}
"""Type of a tensor -> the weights of a block and the bytes of one."""

CHAT: Mapping[str, object] = {
    "general.architecture": "llama",
    "general.name": "Tiny Chat",
    "general.organization": "The Makers",
    "general.license": "apache-2.0",
    "general.file_type": 3,
    "llama.context_length": 512,
    "llama.block_count": 2,
    "tokenizer.ggml.tokens": ["<s>", "a", "b"],
    "tokenizer.chat_template": "{{ messages[0]['content'] }}",
}
"""What a file of a chat model says."""

TENSORS = (("token_embd.weight", (64, 3), Q4_1), ("output_norm.weight", (64,), F32))
"""192 weights in 6 blocks of 20 bytes, and 64 of 4 bytes."""


def packed(value: object) -> bytes:
    """Return a value with its type before it."""
    if isinstance(value, str):
        return struct.pack("<I", 8) + text(value)
    if isinstance(value, bool):
        return struct.pack("<I?", 7, value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    assert isinstance(value, list)
    if isinstance(value[0], str):
        return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(text(one) for one in value)
    return struct.pack("<IIQ", 9, 5, len(value)) + struct.pack(f"<{len(value)}i", *value)


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def gguf(
    values: Mapping[str, object] = CHAT,
    tensors: Sequence[tuple[str, Sequence[int], int]] = TENSORS,
    version: int = 3,
    weights: Callable[[int], bytes] = bytes,
) -> bytes:
    """Return the bytes of a file; a tensor is its name, its dimensions and its type, `weights` gives it its bytes."""
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(values))
    head += b"".join(text(key) + packed(value) for key, value in values.items())
    data = b""
    for name, dimensions, kind in tensors:
        head += text(name) + struct.pack(f"<I{len(dimensions)}Q", len(dimensions), *dimensions)
        head += struct.pack("<IQ", kind, len(data))
        block, block_bytes = BYTES.get(kind, (1, 0))
        data += weights(-(-math.prod(dimensions) // block) * block_bytes)
        data += bytes(-len(data) % 32)
    return head + bytes(-len(head) % 32) + data


def write_gguf(
    path: Path, drop: str = "", tensors: Sequence[tuple[str, Sequence[int], int]] = TENSORS, **values: object
) -> Path:
    """Write the file of a chat model, without one key, and with others ('__' in a key stands for its dot)."""
    said = {key: value for key, value in CHAT.items() if key != drop}
    said |= {key.replace("__", "."): value for key, value in values.items()}
    path.write_bytes(gguf(said, tensors))
    return path
