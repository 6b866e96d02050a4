"""How often the interval of a number at one level of load holds the truth.

    python -m tests.benchmarks.level_intervals

Latencies are those of tests.benchmarks.levels: 16 prompts that differ by 50%, and noise of 20% that is alike in
neighbours. The truth of a percentile is that of these prompts. A throughput is that of eight streams, one answer of
about a second after the other, on a machine whose pace differs by 20% and is alike for so many seconds; its truth is
the mean of all windows.
"""

import sys
from statistics import NormalDist, fmean

import numpy as np

from bench.analysis.intervals import VALUES_NEEDED_AT_LOAD, level_estimate
from bench.metrics.load import LevelSummary
from bench.schema.load import LoadLevel
from bench.stats.distribution import Floats
from tests import builders
from tests.benchmarks.levels import CORRELATIONS, NOISE, PROMPTS, PROMPTS_DIFFER, level
from tests.load_builders import load_level, load_sample

LEVELS = 400
LENGTHS = (20, 100, 400, 800)
WINDOWS = 120
WINDOW_S = 30.0
STREAMS = 8
ALIKE_S = (0.1, 1.0, 5.0)
STEP_S = 0.05
BEYOND_S = 5.0


def summary(made: LoadLevel) -> LevelSummary:
    """Return the summary of a level."""
    run = builders.result([builders.model_run(load=(made,))])
    return LevelSummary(run, run.models[0], made)


def true_percentile(lengths: Floats, share: float) -> float:
    """Return a percentile of all requests that could be sent to prompts of these lengths, as the logarithm."""
    low, high = float(lengths.min()) - 5 * NOISE, float(lengths.max()) + 5 * NOISE
    for _ in range(50):
        middle = (low + high) / 2
        below = fmean(NormalDist(length, NOISE).cdf(middle) for length in lengths.tolist())
        low, high = (middle, high) if below < share else (low, middle)
    return low


def held(requests: int, correlation: float) -> dict[str, float]:
    """Return in what share of levels the interval of each percentile holds the truth."""
    known = [name for name, needed in VALUES_NEEDED_AT_LOAD.items() if requests >= needed]
    counted = dict.fromkeys(known, 0)
    for number in range(LEVELS):
        rng = np.random.default_rng([number, requests, round(10 * correlation)])
        lengths = rng.normal(0, PROMPTS_DIFFER, PROMPTS)
        _, latencies = level(rng, requests, correlation, lengths)
        samples = [load_sample(1 + place * 0.001, 0.01, took_s) for place, took_s in enumerate(latencies)]
        made = summary(load_level(samples))
        for name in known:
            interval = level_estimate(made, f"e2e_s.{name}").interval
            truth = np.exp(true_percentile(lengths, int(name[1:]) / 100))
            counted[name] += interval is not None and bool(interval.low <= truth <= interval.high)
    return {name: count / LEVELS for name, count in counted.items()}


def window(rng: np.random.Generator, alike_s: float) -> LoadLevel:
    """Return a closed loop whose answers take longer where the machine is slow."""
    steps = round((WINDOW_S + 2 * BEYOND_S) / STEP_S)
    kept = np.exp(-STEP_S / alike_s)
    pace = [float(rng.normal(0, NOISE))]
    for innovation in rng.normal(0, NOISE * np.sqrt(1 - kept**2), steps - 1):
        pace.append(kept * pace[-1] + float(innovation))
    done = np.concatenate([[0.0], np.cumsum(np.exp(pace)) * STEP_S])
    moments = np.arange(steps + 1) * STEP_S
    samples = []
    for stream in range(STREAMS):
        work = float(rng.uniform(0, 1))
        while work < done[-1] - 4:
            took = float(np.exp(rng.normal(-(PROMPTS_DIFFER**2) / 2, PROMPTS_DIFFER)))
            sent_s, first_s, last_s = (
                float(one) for one in np.interp([work, work + 0.3 * took, work + took], done, moments)
            )
            tokens = max(2, round(50 * took))
            samples.append(load_sample(sent_s, first_s - sent_s, last_s - sent_s, output_tokens=tokens, stream=stream))
            work += took
    return load_level(samples, (BEYOND_S, BEYOND_S + WINDOW_S), streams=STREAMS)


def held_throughput(alike_s: float) -> float:
    """Return in what share of windows the interval of the throughput holds the mean of all."""
    windows = [window(np.random.default_rng([number, round(10 * alike_s)]), alike_s) for number in range(WINDOWS)]
    made = [level_estimate(summary(one), "throughput_tokens_per_s") for one in windows]
    truth = fmean(one.value for one in made if one.value is not None)
    return fmean(one.interval is not None and one.interval.low <= truth <= one.interval.high for one in made)


def main() -> None:
    sys.stdout.write("requests  correlation  held\n")
    for requests in LENGTHS:
        for correlation in CORRELATIONS:
            shares = "  ".join(f"{name} {share:.0%}" for name, share in held(requests, correlation).items())
            sys.stdout.write(f"{requests:8} {correlation:12}  {shares}\n")
            sys.stdout.flush()
    sys.stdout.write("pace alike for  throughput held\n")
    for alike_s in ALIKE_S:
        sys.stdout.write(f"{alike_s:12} s  {held_throughput(alike_s):.0%}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
