"""How to read this: each metric in words."""

from dataclasses import dataclass

from bench.metrics.registry import Unit, measured_in
from bench.report import format as form
from bench.schema.sample import FAILURE_KINDS

SCOPES = {"sample": "each request", "gap": "each gap between chunks", "model": "each model of a run"}
BETTER = {"lower": "lower is better ↓", "higher": "higher is better ↑", None: "neither better nor worse"}
UNITS = {"count": "number", "money": "the config’s currency"}


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
    """Return every metric of a run as a page explains it."""
    return tuple(
        MetricLine(
            label=one.label,
            symbol=one.symbol,
            anchor=one.id.replace("_", "-"),
            definition=one.definition,
            of=SCOPES[one.scope],
            unit=_unit(one.unit),
            better=BETTER[one.better],
            undefined=one.undefined,
        )
        for one in measured_in("whole")
    )


def level_lines() -> tuple[MetricLine, ...]:
    """Return every metric of a level of load that is another thing there than in a run, as a page explains it."""
    return tuple(
        MetricLine(
            label=one.level_label or one.label,
            symbol="",
            anchor=f"level-{one.id.replace('_', '-')}",
            definition=one.level_definition or one.definition,
            of="each measured request" if one.of_samples else "each level",
            unit=_unit(one.unit),
            better=BETTER[one.better],
            undefined=one.level_undefined or one.undefined,
        )
        for one in measured_in("level")
        if one.level_definition or "whole" not in one.strata
    )


def _unit(unit: Unit) -> str:
    return UNITS.get(unit) or " or ".join(scale.unit for scale in form.SCALES.get(unit, ())) or unit


def failure_lines() -> dict[str, str]:
    """Return every kind of failure with its meaning."""
    return dict(FAILURE_KINDS)
