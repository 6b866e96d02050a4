"""How to read this: each metric in words."""

from dataclasses import dataclass

from bench.analysis.metrics import METRICS
from bench.runner.record import FAILURE_KINDS
from bench.site import format as form

SCOPES = {"sample": "each request", "gap": "each gap between chunks", "model": "each model of a run"}
BETTER = {"lower": "lower is better ↓", "higher": "higher is better ↑"}
UNITS = {"score": "1–5"}


@dataclass(frozen=True)
class MetricLine:
    """A metric for a reader."""

    label: str
    symbol: str
    anchor: str
    definition: str
    of: str
    unit: str
    better: str
    undefined: str


def metric_lines() -> tuple[MetricLine, ...]:
    """Return every metric as a page explains it."""
    return tuple(
        MetricLine(
            label=one.label,
            symbol=one.symbol if one.symbol != one.label else "",
            anchor=one.id.replace("_", "-"),
            definition=one.definition,
            of=SCOPES[one.scope],
            unit=UNITS.get(one.unit, " or ".join(scale.unit for scale in form.SCALES.get(one.unit, ()))),
            better=BETTER[one.better],
            undefined=one.undefined,
        )
        for one in METRICS
    )


def failure_lines() -> dict[str, str]:
    """Return every kind of failure with its meaning."""
    return dict(FAILURE_KINDS)
