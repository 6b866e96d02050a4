"""Want of memory, told apart from whatever else a runtime or a class can fail with."""

import re

from bench.errors import ProviderError

SAID = re.compile(
    r"\bMemoryError\b|bad.alloc"
    r"|(?:could not|cannot|failed to|unable to) allocate"
    r"|(?:out of|not enough|insufficient) memory",
    re.IGNORECASE,
)
"""What Python, C++, ONNX Runtime and CUDA say where there is no memory left."""


def failed(kind: str, said: str) -> ProviderError:
    """Return a failure of this kind, or of the kind 'out-of-memory' where that is what was said."""
    if SAID.search(said) is None:
        return ProviderError(kind, said)
    return ProviderError("out-of-memory", f"{said.rstrip(' .:')}; stop other models or take a smaller variant")
