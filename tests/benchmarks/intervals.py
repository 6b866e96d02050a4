"""What intervals cost: those of ten models, each asked 20 prompts 10 times, beside a plain loop that does the same.

    python -m tests.benchmarks.intervals

The loop draws as many resamples of one metric of one model, with the random module and the statistics module, and its
time is scaled to the work of all. A ratio of 100 says that the loop would take a hundred times as long.
"""

import random
import sys
import time
from collections.abc import Callable, Sequence
from statistics import fmean, quantiles

import numpy as np

from bench.analysis.intervals import estimates
from bench.schema.model_run import ModelRun
from bench.schema.result import Result
from bench.schema.sample import Sample
from bench.stats.bootstrap import RESAMPLES
from tests.builders import model_run, prompt, result, sample

MODELS = 10
PROMPTS = 20
ROUNDS = 10
CHUNKS = 100
LATENCIES = ("ttft_s", "ttfo_s", "tpot_s", "decode_tokens_per_s", "e2e_s")
GAPS = "itl_s"
STATISTICS = ("mean", "p50", "p90", "p95", "p99")
LOOPED = 50
"""Resamples that the loop draws: its time grows with them."""


def model(name: str, rng: np.random.Generator) -> ModelRun:
    """Return a model with all of its samples."""
    made: list[Sample] = []
    start_ns = 0
    for number in range(ROUNDS):
        for place in range(PROMPTS):
            gaps_ns = rng.lognormal(0, 0.2, CHUNKS) * 10_000_000
            chunk_ns = tuple(int(at_ns) for at_ns in 50_000_000 * (1 + place / PROMPTS) + np.cumsum(gaps_ns))
            made.append(
                sample(
                    prompt=f"p{place}",
                    round=number + 1,
                    position=len(made),
                    start_ns=start_ns,
                    chunk_ns=chunk_ns,
                    end_ns=chunk_ns[-1],
                    output_tokens=CHUNKS,
                )
            )
            start_ns += chunk_ns[-1]
    return model_run(name=name, samples=tuple(made))


def looped(values: Sequence[Sequence[Sequence[float]]], resamples: int, seed: int) -> list[list[float]]:
    """Return resampled statistics of the values by prompt and request: prompts and rounds are both drawn one by one."""
    drawer = random.Random(seed)
    found = []
    for _ in range(resamples):
        like_these = [value for asked in drawer.choices(values, k=len(values)) for one in asked for value in one]
        these = [value for asked in values for one in drawer.choices(asked, k=len(asked)) for value in one]
        middle, far = quantiles(like_these, n=100, method="inclusive"), quantiles(these, n=100, method="inclusive")
        found.append([fmean(like_these), middle[49], far[89], far[94], far[98]])
    return found


def spent_s(work: Callable[[], object]) -> float:
    """Return the processor time of the shortest of three goes."""
    times = []
    for _ in range(3):
        start_s = time.process_time()
        work()
        times.append(time.process_time() - start_s)
    return min(times)


def by_prompt(run: Result, values_of: Callable[[Sample], Sequence[float]]) -> list[list[Sequence[float]]]:
    """Return the values of the first model's requests by prompt."""
    return [
        [values_of(one) for one in run.models[0].samples if one.prompt == asked.id] for asked in run.prompt_set.prompts
    ]


def main() -> None:
    rng = np.random.default_rng(1)
    prompts = [prompt(id=f"p{place}") for place in range(PROMPTS)]
    run = result([model(f"m{number}", rng) for number in range(MODELS)], prompts=prompts)
    ids = [f"{metric}.{statistic}" for metric in (*LATENCIES, GAPS) for statistic in STATISTICS]
    of_latencies = [f"{metric}.{statistic}" for metric in LATENCIES for statistic in STATISTICS]
    ours_s = spent_s(lambda: [estimates(run, one, ids, seed=1) for one in run.models])
    latencies_s = spent_s(lambda: [estimates(run, one, of_latencies, seed=1) for one in run.models])
    latencies = by_prompt(run, lambda one: (one.chunk_ns[-1] / 1e9,))
    gaps = by_prompt(run, lambda one: [float(gap) for gap in np.diff(one.chunk_ns) / 1e9])
    one_latency_s = spent_s(lambda: looped(latencies, LOOPED, 1)) * RESAMPLES / LOOPED
    one_gap_s = spent_s(lambda: looped(gaps, LOOPED // 10, 1)) * RESAMPLES / (LOOPED // 10)
    loop_s = MODELS * (len(LATENCIES) * one_latency_s + one_gap_s)
    write = sys.stdout.write
    write(f"{MODELS} models x {PROMPTS} prompts x {ROUNDS} rounds, {len(ids)} intervals each, {RESAMPLES} resamples\n")
    write(f"ours {ours_s:.2f} s, the loop {loop_s:.0f} s: ratio {loop_s / ours_s:.0f}\n")
    write(f"ours without the gaps, {len(of_latencies)} intervals each, {latencies_s:.2f} s\n")
    write(f"of the loop, one latency of one model in the loop {one_latency_s:.2f} s, its gaps {one_gap_s:.0f} s\n")


if __name__ == "__main__":
    main()
