"""Valid levels of load and cells of the matrix of lengths for tests, in seconds from the level's start."""

from collections.abc import Sequence
from typing import Any

from bench.schema.load import LengthCell, LoadLevel, LoadSample
from bench.schema.sample import Failure
from tests import builders

SECOND_NS = 1_000_000_000


def load_sample(sent_s: float = 0.0, ttft_s: float = 0.5, took_s: float = 1.0, **fields: Any) -> LoadSample:
    """Return a good measured request: first text after `ttft_s`, last text and end after `took_s`, 11 tokens.

    `scheduled_s` is when it was due.
    """
    scheduled_s = fields.pop("scheduled_s", None)
    chunk_ns = (round(ttft_s * SECOND_NS), round(took_s * SECOND_NS))
    defaults: dict[str, Any] = {
        "start_ns": round(sent_s * SECOND_NS),
        "chunk_ns": chunk_ns,
        "end_ns": chunk_ns[-1],
        "output_tokens": 11,
        "phase": "measured",
        "stream": 0,
        "scheduled_ns": None if scheduled_s is None else round(scheduled_s * SECOND_NS),
    }
    return LoadSample(**{**builders.sample().model_dump(), **defaults, **fields})


def failed_load_sample(sent_s: float = 0.0, kind: str = "timeout", **fields: Any) -> LoadSample:
    """Return a measured request that failed with nothing to show for it."""
    failed = builders.failed_sample(kind)
    failure = {"failure": Failure(kind=kind, message="no answer within 60 s")}
    return load_sample(
        sent_s,
        **{name: getattr(failed, name) for name in ("chunk_ns", "first_answer_chunk", "end_ns")}
        | {"output_tokens": None, "output": None, "finish_reason": None}
        | failure
        | fields,
    )


def load_level(
    samples: Sequence[LoadSample] = (), window_s: tuple[float, float] = (0.0, 10.0), **fields: Any
) -> LoadLevel:
    """Return a closed-loop level of one stream with a window from 0 to 10 s; samples are put in order of sending."""
    rate = fields.get("rate_per_s")
    defaults: dict[str, Any] = {
        "arrivals": "closed" if rate is None else "poisson",
        "streams": 1 if rate is None else 64,
        "rate_per_s": rate,
        "seed": 42,
        "swept": False,
        "start_ns": 0,
        "window_start_ns": round(window_s[0] * SECOND_NS),
        "window_end_ns": round(window_s[1] * SECOND_NS),
        "client_cpu_ns": None,
        "memory_peak_bytes": None,
        "ended_early": None,
        "gaps": None,
        "samples": tuple(sorted(samples, key=lambda one: one.start_ns)),
    }
    return LoadLevel(**(defaults | fields))


def steady_level(streams: int, tokens_per_s: float, answers: int = 20, **fields: Any) -> LoadLevel:
    """Return a closed-loop level of 10 s that gives so many tokens a second, in answers one after the other."""
    took_s = 10 / answers
    # All text of an answer comes at its end, so that its tokens are wholly inside the window.
    samples = [
        load_sample(place * took_s, took_s, took_s, output_tokens=round(tokens_per_s * took_s))
        for place in range(answers)
    ]
    return load_level(samples, streams=streams, **fields)


def cell(samples: Sequence[Any] = (), **fields: Any) -> LengthCell:
    """Return a cell of 128 prompt tokens and 16 output tokens."""
    defaults: dict[str, Any] = {"prompt_tokens": 128, "output_tokens": 16, "skipped": None, "samples": tuple(samples)}
    return LengthCell(**(defaults | fields))


def cell_sample(prompt_tokens: int, output_tokens: int, ttft_s: float, tpot_s: float, **fields: Any) -> Any:
    """Return a good repeat of a cell that read and wrote so many tokens at these speeds."""
    first_ns = round(ttft_s * SECOND_NS)
    last_ns = first_ns + round((output_tokens - 1) * tpot_s * SECOND_NS)
    return builders.sample(
        **{"prompt": "128-tokens", "chunk_ns": (first_ns, last_ns), "end_ns": last_ns}
        | {"prompt_tokens": prompt_tokens, "output_tokens": output_tokens}
        | fields
    )
