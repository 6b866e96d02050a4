"""How to read this: each metric in words."""

from dataclasses import dataclass

from bench.analysis.changes import FALSE_CONFIRMED, FALSE_SUSPECTED, RUNS_TO_SUSPECT
from bench.analysis.changes import FLOOR as CHANGE_FLOOR
from bench.analysis.compare import STRETCHES
from bench.analysis.level_intervals import VALUES_NEEDED
from bench.analysis.outliers import INTERACTION_FLOOR
from bench.analysis.trust import DRIFT_LIMIT, LATE_MEDIAN_LIMIT_S, LATE_WORST_LIMIT_S, STEAL_LIMIT
from bench.metrics.client_error import TIMES_THE_ERROR
from bench.metrics.levels import LEVEL_METRICS
from bench.metrics.load import CLIENT_LIMIT
from bench.metrics.registry import METRICS
from bench.metrics.saturation import GROWTH_LIMIT, KEPT_SHARE, KNEE_LEVELS, KNEE_SHARE, REQUESTS_NEEDED
from bench.metrics.timing import NANOSECONDS_PER_SECOND, STALL_NS
from bench.report import format as form
from bench.schema.sample import FAILURE_KINDS
from bench.site.sections.badges import FEW_SAMPLES, SHARED_LIMIT
from bench.stats.change_points import RUNS_BEFORE, RUNS_TO_CONFIRM
from bench.stats.equivalence import FLOOR, SCORE_FLOOR

SCOPES = {"sample": "each request", "gap": "each gap between chunks", "model": "each model of a run"}
BETTER = {"lower": "lower is better ↓", "higher": "higher is better ↑"}
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


def level_lines() -> tuple[MetricLine, ...]:
    """Return every metric of a level of load as a page explains it."""
    return tuple(
        MetricLine(
            label=one.label,
            symbol="",
            anchor=f"level-{one.id.replace('_', '-')}",
            definition=one.definition,
            of="each measured request" if one.id.endswith("_s") and one.unit in ("s", "s/token") else "each level",
            unit=UNITS.get(one.unit, " or ".join(scale.unit for scale in form.SCALES.get(one.unit, ())) or one.unit),
            better=BETTER[one.better] if one.better is not None else "neither better nor worse",
            undefined=one.undefined,
        )
        for one in LEVEL_METRICS
    )


def failure_lines() -> dict[str, str]:
    """Return every kind of failure with its meaning."""
    return dict(FAILURE_KINDS)


def limits() -> dict[str, str]:
    """Return every limit that the page names, as it shows it."""
    return {
        "drift": form.share(DRIFT_LIMIT),
        "late_median": form.with_unit(LATE_MEDIAN_LIMIT_S, "s"),
        "late_worst": form.with_unit(LATE_WORST_LIMIT_S, "s"),
        "steal": form.share(STEAL_LIMIT),
        "stall": form.with_unit(STALL_NS / NANOSECONDS_PER_SECOND, "s"),
        "times": form.short(TIMES_THE_ERROR),
        "shared": form.share(SHARED_LIMIT),
        "few": form.short(FEW_SAMPLES),
        "knee": form.share(KNEE_SHARE),
        "knee_levels": form.short(KNEE_LEVELS),
        "kept": form.share(KEPT_SHARE),
        "lost": form.share(1 - KEPT_SHARE),
        "growth": form.with_unit(GROWTH_LIMIT, "s"),
        "due": form.short(REQUESTS_NEEDED),
        "client": form.share(CLIENT_LIMIT),
        "stretches": form.short(STRETCHES),
        **{f"level_{name}": form.short(needed) for name, needed in VALUES_NEEDED.items()},
        "floor": form.share(FLOOR),
        "score_floor": form.short(SCORE_FLOOR),
        "interaction": form.share(INTERACTION_FLOOR),
        "suspect": form.short(RUNS_TO_SUSPECT),
        "confirm": form.short(RUNS_TO_CONFIRM),
        "before": form.short(RUNS_BEFORE),
        "change": form.share(CHANGE_FLOOR),
        "false_confirmed": form.share(FALSE_CONFIRMED),
        "false_suspected": form.share(FALSE_SUSPECTED),
    }
