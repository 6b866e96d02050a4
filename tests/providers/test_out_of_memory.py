"""Want of memory among the failures of a runtime or a class."""

import pytest

from bench.providers.protocol import failed

ADVICE = "; stop other models or take a smaller variant"


@pytest.mark.parametrize(
    "said",
    [
        "MemoryError",
        "MemoryError: Unable to allocate 8.00 GiB for an array",
        # The runtime's own words, under a limit on its memory: at its start, and for an answer.
        "the Foundry Local runtime does not start: manager.cc:249 failed to create OrtEnv: std::bad_alloc",
        "failed to create generator: Could not allocate the key-value cache buffer of shape: [max_length (1024)]",
        "BFCArena::AllocateRawInternal Failed to allocate memory for requested buffer of size 1048576",
        "CUDA error: out of memory",
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.16 GiB",
        "vk::Device::allocateMemory: ErrorOutOfDeviceMemory",
        "CUDA_ERROR_OUT_OF_MEMORY",
        "model requires more system memory (5.6 GiB) than is available (3.1 GiB)",
        "insufficient system memory to load the model",
        "No available memory for the cache blocks",
        "the worker was stopped (OOM)",
    ],
)
def test_want_of_memory_is_a_kind_of_its_own_whatever_it_stopped(said: str) -> None:
    found = failed("too-long", said)

    assert (found.kind, found.message) == ("out-of-memory", said + ADVICE)


def test_anything_else_keeps_its_kind() -> None:
    said = "request requires 3141 total tokens, which exceeds the model's maximum context length of 1024 tokens"

    found = failed("too-long", said)

    assert (found.kind, found.message) == ("too-long", said)
