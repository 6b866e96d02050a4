"""How often two levels of load between which nothing changed are told apart, by what is drawn again.

    python -m tests.benchmarks.levels

Each level has requests of 16 prompts that differ by 50%, in an order of their own, and noise of 20% that is alike in
neighbours. What is printed is the share of pairs of levels whose interval excludes no change: with a stretch of
successive requests as what is drawn again, and with a prompt.
"""

import sys
from collections.abc import Sequence

import numpy as np

from bench.analysis.measurements import STRETCHES, Measurement
from bench.analysis.paired_bootstrap import PairedChange, change
from bench.metrics.registry import metric
from bench.stats.bootstrap import RequestValues, limits
from bench.stats.distribution import Floats

PAIRS = 400
PROMPTS = 16
LENGTHS = (48, 200, 800)
CORRELATIONS = (0.0, 0.5, 0.9)
NOISE = 0.2
PROMPTS_DIFFER = 0.5


def level(
    rng: np.random.Generator, requests: int, correlation: float, lengths: Floats
) -> tuple[list[int], list[float]]:
    """Return the prompts and the latencies of a level's requests, in order of sending."""
    noise = [float(rng.normal(0, NOISE))]
    for innovation in rng.normal(0, NOISE * np.sqrt(1 - correlation**2), requests - 1):
        noise.append(correlation * noise[-1] + float(innovation))
    order = np.concatenate([rng.permutation(PROMPTS) for _ in range(requests // PROMPTS + 1)])[:requests]
    return order.tolist(), np.exp(lengths[order] + np.array(noise)).tolist()


def grouped(groups: Sequence[int], latencies: Sequence[float], statistic: str) -> Measurement:
    """Return the requests by what is drawn again."""
    found: dict[str, list[RequestValues]] = {}
    for group, latency in zip(groups, latencies, strict=True):
        found.setdefault(str(group), []).append(RequestValues(np.array([latency])))
    return Measurement(metric("ttft_s"), statistic, "requests", {name: tuple(asked) for name, asked in found.items()})


def excludes_no_change(before: Measurement, after: Measurement) -> bool:
    """Return whether two levels would be told apart."""
    found = change(before, after, seed=1)
    assert isinstance(found, PairedChange)
    low, high = limits(found.resampled, found.drawn)
    return not low <= 0 <= high


def main() -> None:
    sys.stdout.write("requests  correlation  stretches: p50    p95   prompts: p50    p95\n")
    for requests in LENGTHS:
        stretches = [place * STRETCHES // requests for place in range(requests)]
        for correlation in CORRELATIONS:
            told = np.zeros(4)
            for number in range(PAIRS):
                rng = np.random.default_rng([number, requests, round(10 * correlation)])
                lengths = rng.normal(0, PROMPTS_DIFFER, PROMPTS)
                sides = [level(rng, requests, correlation, lengths) for _ in range(2)]
                for place, statistic in enumerate(("p50", "p95")):
                    told[place] += excludes_no_change(*(grouped(stretches, one, statistic) for _, one in sides))
                    told[place + 2] += excludes_no_change(*(grouped(order, one, statistic) for order, one in sides))
            first, second, third, fourth = told / PAIRS
            line = f"{requests:8} {correlation:12} {first:15.1%} {second:6.1%} {third:14.1%} {fourth:6.1%}"
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
