"""What `bench calibrate` tells of the client on this machine: its error and its highest load, by streams at once."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.calibration.check import check, sustained
from bench.providers.openai_endpoint import Transport

STREAMS = (1, 8, 64)
"""How many streams at once are tried."""

REQUESTS = 200
"""How many requests a check has at the least, over all streams."""

CHUNKS = 10
GAP_S = 0.005
"""The answers of a check: 64 streams at this pace do not ask too much of the server."""

LOAD_REQUESTS = 2000
LOAD_CHUNKS = 16
"""What is asked while the highest load is measured, over all streams."""


@dataclass(frozen=True)
class Row:
    """The client with so many streams at once. Errors are without their sign; load is of requests of LOAD_CHUNKS."""

    transport: Transport
    streams: int
    requests: int
    ttft_error_p50_s: float
    ttft_error_p99_s: float
    gap_error_p50_s: float
    gap_error_p99_s: float
    requests_per_s: float
    requests_per_cpu_s: float


def rows(transport: Transport = "direct", streams: Sequence[int] = STREAMS) -> Iterator[Row]:
    """Yield a row for each number of streams, as soon as it is measured: some ten seconds for the first."""
    for count in streams:
        checked = check(transport, count, max(5, math.ceil(REQUESTS / count)), CHUNKS, gap_s=GAP_S)
        highest = sustained(transport, count, max(5, math.ceil(LOAD_REQUESTS / count)), LOAD_CHUNKS)
        yield Row(
            transport=transport,
            streams=count,
            requests=len(checked.ttft_error_ns),
            ttft_error_p50_s=quantile_s(checked.ttft_error_ns, 0.5),
            ttft_error_p99_s=quantile_s(checked.ttft_error_ns, 0.99),
            gap_error_p50_s=quantile_s(checked.gap_error_ns, 0.5),
            gap_error_p99_s=quantile_s(checked.gap_error_ns, 0.99),
            requests_per_s=highest.requests_per_s,
            requests_per_cpu_s=highest.requests_per_cpu_s,
        )


def quantile_s(errors_ns: Sequence[int], share: float) -> float:
    """Return the smallest size that `share` of the errors do not exceed, in seconds."""
    sizes = sorted(abs(error) for error in errors_ns)
    return sizes[max(0, math.ceil(share * len(sizes)) - 1)] / 1e9
