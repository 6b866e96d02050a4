"""Models under load side by side: what each has at each level that one of them has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.analysis.level_metrics import level_metric, level_value
from bench.analysis.load import LevelKey, LevelSummary
from bench.site import format as form
from bench.site.levels import key_name, measured_level
from bench.site.tables import Cell, Measured, Table, name_column, number_column, table
from bench.site.text import shortened

AT_EACH_LEVEL = (
    ("TTFT p95", "ttft_s.p95", "scheduled_ttft_s.p95"),
    ("Latency p95", "e2e_s.p95", "scheduled_e2e_s.p95"),
    ("Goodput", "goodput_share", "goodput_share"),
)
"""What is compared at each level: its name, the metric in a closed loop, and the one with a schedule."""


@dataclass(frozen=True)
class Compared:
    """A table of one metric: a row for each level, a column for each model."""

    sentence: str
    table: Table


def at_each_level(by_model: Mapping[str, Sequence[LevelSummary]]) -> tuple[Compared, ...]:
    """Return a table for each metric that one of several models has; none of a single model."""
    if len(by_model) < 2:
        return ()
    return tuple(one for label, *ids in AT_EACH_LEVEL if (one := _compared(label, ids, by_model)) is not None)


def _compared(label: str, ids: Sequence[str], by_model: Mapping[str, Sequence[LevelSummary]]) -> Compared | None:
    keys = sorted({level.key for levels in by_model.values() for level in levels}, key=lambda key: key.place)
    of = {name: {level.key: level for level in reversed(levels)} for name, levels in by_model.items()}
    if not any(
        level_value(level, _id(ids, level.key)) is not None for levels in of.values() for level in levels.values()
    ):
        return None
    columns = [name_column("Load", [Cell(key_name(key)) for key in keys])]
    chosen = level_metric(ids[0].partition(".")[0])
    values = {name: [_value(levels.get(key), _id(ids, key)) for key in keys] for name, levels in of.items()}
    scale = form.scale(chosen.unit, [value.value for column in values.values() for value in column])
    columns += [number_column(shortened(name, 24), chosen.unit, column, scale=scale) for name, column in values.items()]
    return Compared(_compared_words(label, chosen.better), table(f"{label} at each level", columns))


def _value(level: LevelSummary | None, metric_id: str) -> Measured:
    if level is None:
        return Measured(None, "none", "not among this model’s levels")
    return measured_level(level, metric_id)


def _compared_words(label: str, better: str | None) -> str:
    words = {"lower": "lower is better", "higher": "higher is better"}.get(better or "", "")
    return f"{label} at each level; {words}. With a rate it counts from the schedule."


def _id(ids: Sequence[str], key: LevelKey) -> str:
    return ids[0] if key.rate_per_s is None else ids[1]
