"""Seeded histories: a run a day of made-up models, whose speed, memory and circumstances a test chooses day by day."""

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any

import numpy as np

from bench.schema.machine import MachineWatch, Probe
from bench.schema.model_run import ModelRun
from bench.schema.result import Result
from tests import builders
from tests.builders import MILLISECOND_NS as MS

CHUNKS = 9
TTFT_MS = 100
GAP_MS = 20

Fields = Mapping[str, Any]


def daily_runs(
    days: Iterable[int],
    *,
    seed: int = 4,
    noise: float = 0.02,
    models: Iterable[str] = ("tiny",),
    prompts: int = 2,
    rounds: int = 4,
    slower: Callable[[int, str], float] = lambda day, name: 1.0,
    model: Callable[[int, str], Fields] = lambda day, name: {},
    run: Callable[[int], Fields] = lambda day: {},
) -> tuple[Result, ...]:
    """Return a run for each day, numbered from 0, whose requests take TTFT_MS and CHUNKS - 1 gaps of GAP_MS each.

    `noise` is the relative standard deviation of a model's level from run to run; requests of a run vary by half of it.
    `slower` multiplies the gaps, not the TTFT, of a model on a day; `model` and `run` give more fields of a ModelRun
    and of a Result.
    """
    made = []
    for day in days:
        rng = np.random.default_rng([seed, day])
        asked = [_model(rng, noise, day, name, prompts, rounds, slower(day, name), model(day, name)) for name in models]
        started_utc = builders.STARTED_UTC + timedelta(days=day)
        fields: dict[str, Any] = {"started_utc": started_utc, "commit": f"{day:010x}", **run(day)}
        made.append(builders.result(asked, **fields))
    return tuple(made)


def watched(*, steady: bool) -> MachineWatch:
    """Return what a machine noted that kept its speed, or that became a half slower."""
    before, after = _probe(250), _probe(250 if steady else 375)
    return MachineWatch(before=before, after=after, period_ns=10 * MS, late_ns=(100_000,), steal_share=0.0)


def _model(
    rng: np.random.Generator,
    noise: float,
    day: int,
    name: str,
    prompts: int,
    rounds: int,
    slower: float,
    fields: Fields,
) -> ModelRun:
    level = float(np.exp(rng.normal(0, noise)))
    samples = []
    start_ns = 0
    for position in range(prompts * rounds):
        ttft, gap = level * np.exp(rng.normal(0, noise / 2, 2))
        first_ns, gap_ns = round(TTFT_MS * MS * ttft), round(GAP_MS * MS * gap * slower)
        chunk_ns = tuple(first_ns + gap_ns * number for number in range(CHUNKS))
        samples.append(
            builders.sample(
                prompt=f"p{position % prompts + 1}",
                round=position // prompts + 1,
                position=position,
                start_ns=start_ns,
                chunk_ns=chunk_ns,
                end_ns=chunk_ns[-1] + MS,
                output_tokens=CHUNKS,
            )
        )
        start_ns += chunk_ns[-1] + 2 * MS
    more = {
        "name": name,
        "machine_watch": watched(steady=True),
        "memory_peak_bytes": round(75_000_000 * float(np.exp(rng.normal(0, noise / 4)))),
        "cold_load_ns": round(40 * MS * float(np.exp(rng.normal(0, noise)))),
        "samples": tuple(samples),
    }
    return builders.model_run(**(more | dict(fields)))


def _probe(compute_ms: int) -> Probe:
    return Probe(compute_ns=compute_ms * MS, memory_ns=100 * MS, cpu_hz=None, temperature_c=None, load_average=0.5)
