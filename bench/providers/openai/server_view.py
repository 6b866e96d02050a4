"""What a server says of one request beside its text: tokens out of its prompt cache, and its own timings."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from bench.schema.fields import MOST_EXACT, MOST_TOKENS
from bench.schema.sample import ServerTimings

Keys = tuple[str, ...]

CACHED: Final[tuple[Keys, ...]] = (
    ("usage", "prompt_tokens_details", "cached_tokens"),
    ("timings", "cache_n"),
    ("usage", "prompt_cache_hit_tokens"),
    ("usage", "cached_tokens"),
)
"""Where tokens of the prompt that came out of a cache are told; the first that is there counts."""

TIMINGS: Final[tuple[tuple[Keys, Keys, Keys, Keys, float], ...]] = (
    # llama.cpp, and what is built on it: milliseconds.
    (("timings", "prompt_n"), ("timings", "prompt_ms"), ("timings", "predicted_n"), ("timings", "predicted_ms"), 1e6),
    # Ollama: nanoseconds.
    (("prompt_eval_count",), ("prompt_eval_duration",), ("eval_count",), ("eval_duration",), 1),
    # LocalAI: milliseconds, with the usage's own counts.
    ((), ("usage", "timing_prompt_processing"), (), ("usage", "timing_token_generation"), 1e6),
)
"""Where tokens and time of prompt and output are told, and how many nanoseconds its unit has."""


def cached_tokens(told: Mapping[str, Any], prompt_tokens: int | None) -> int | None:
    """Return how many tokens of a prompt came out of a cache; None where the documents of an answer do not say it.

    A count above that of the prompt's tokens is not believed.
    """
    found = next((count for path in CACHED if (count := _count(_at(told, path))) is not None), None)
    worked_on = _count(_at(told, ("timings", "prompt_n")))
    if found is None and worked_on is not None and prompt_tokens is not None and worked_on <= prompt_tokens:
        # Before it counted them, llama.cpp told only of the others.
        found = prompt_tokens - worked_on
    return None if found is None or (prompt_tokens is not None and found > prompt_tokens) else found


def server_timings(told: Mapping[str, Any]) -> ServerTimings | None:
    """Return what a server says of its own time; None where it says nothing."""
    for prompt_tokens, prompt, output_tokens, output, factor in TIMINGS:
        prompt_ns, output_ns = _duration_ns(_at(told, prompt), factor), _duration_ns(_at(told, output), factor)
        if prompt_ns is not None or output_ns is not None:
            return ServerTimings(
                prompt_tokens=_count(_at(told, prompt_tokens)),
                prompt_ns=prompt_ns,
                output_tokens=_count(_at(told, output_tokens)),
                output_ns=output_ns,
            )
    return None


def _at(told: object, path: Sequence[str]) -> object:
    for key in path:
        told = told.get(key) if isinstance(told, dict) else None
    return told


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_TOKENS else None


def _duration_ns(value: object, factor: float) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    # Some say 0 or less of what they did not time.
    return round(value * factor) if 0 < value * factor <= MOST_EXACT else None
