"""The kinds of chart: each specification is a file that a person can review."""

import json

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension

from bench.report.palette import Mark
from bench.site.charts import kinds as charts
from bench.site.charts import lines as level_charts
from bench.site.charts import strips as strip_charts

MARKS = {"fast": Mark(1, "circle"), "good": Mark(2, "square")}


@pytest.fixture
def snapshot_json(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(JSONSnapshotExtension)


def test_trade_off(snapshot_json: SnapshotAssertion) -> None:
    row: charts.Datum = {"align": "left", "dx": 15, "dy": 0, "memory": "96 MB", "size": 96.0, "x_interval": "none"}
    row["quality_interval"] = "none"
    rows = [
        row | {"model": "fast", "label": "fast", "x": 5000.0, "quality": 2.6},
        row | {"model": "good", "label": "good", "x": 300.0, "quality": 4.4},
    ]
    front: list[charts.Datum] = [{"x": 300.0, "quality": 4.4}, {"x": 5000.0, "quality": 2.6}]

    spec = charts.trade_off(
        rows,
        front,
        charts.axis("Decode speed (tokens/s)", [300.0, 5000.0]),
        charts.Axis("Peak memory", 90, 130),
        MARKS,
        across=[{"model": "fast", "quality": 2.6, "low": 4800.0, "high": 5200.0}],
        upright=[{"model": "good", "x": 300.0, "low": 4.0, "high": 4.7}],
    )

    assert spec == snapshot_json


def test_history(snapshot_json: SnapshotAssertion) -> None:
    rows: list[charts.Datum] = [
        {"date": "2026-01-05T09:00:00Z", "value": 6.3, "run": "1a2b3c4", "machine": "unsteady"},
        {"date": "2026-02-02T09:00:00Z", "value": 6.1, "run": "2b3c4d5", "machine": "steady"},
    ]

    spec = charts.history(rows, charts.axis("TTFT (ms)", [6.3, 6.1]), MARKS["good"], with_points=True)

    assert spec == snapshot_json


def test_strips(snapshot_json: SnapshotAssertion) -> None:
    rows: list[charts.Datum] = [{"category": "Capital", "model": "fast", "x": 12.0, "detail": "round 1"}]
    medians: list[charts.Datum] = [{"category": "Capital", "model": "fast", "x": 12.0, "interval": "11.2–12.9"}]
    intervals: list[charts.Datum] = [{"category": "Capital", "model": "fast", "low": 11.2, "high": 12.9}]

    spec = strip_charts.strip_chart(rows, medians, ["Capital"], charts.axis("Latency (ms)", [12.0]), MARKS, intervals)

    assert spec == snapshot_json


def test_over_steps(snapshot_json: SnapshotAssertion) -> None:
    row: charts.Datum = {"model": "fast", "detail": "20 good answers", "size": level_charts.SIZE}
    rows = [row | {"line": line, "x": x, "y": y * x} for line, y in (("p50", 40.0), ("p95", 60.0)) for x in (1.0, 4.0)]

    spec = level_charts.over_steps(
        rows,
        ["p50", "p95"],
        level_charts.steps([1.0, 4.0], "Streams at once"),
        charts.axis("TTFT (ms)", [40.0, 240.0]),
        {"fast": MARKS["fast"]},
        upright=[{"x": 4.0, "label": "knee: 4 streams"}],
        level=[{"y": 200.0, "label": "limit 200 ms"}],
        intervals=[{"model": "fast", "x": 4.0, "low": 140.0, "high": 190.0}],
    )

    assert spec == snapshot_json


def test_strips_with_a_rule(snapshot_json: SnapshotAssertion) -> None:
    rows: list[charts.Datum] = [{"category": "A fact", "model": "fast", "x": 1.1, "detail": "round 1"}]
    medians: list[charts.Datum] = [{"category": "Of all", "model": "fast", "x": 1.1, "interval": "0.90–1.30"}]
    intervals: list[charts.Datum] = [{"category": "Of all", "model": "fast", "low": 0.9, "high": 1.3}]
    marks = {"fast": MARKS["fast"]}
    x = charts.axis("Latency (s)", [1.1])

    spec = strip_charts.strip_chart(
        rows, medians, ["A fact", "Of all"], x, marks, intervals, [{"x": 1.0, "label": "truth"}]
    )

    assert spec == snapshot_json


def test_a_history_by_number_with_labels_and_intervals(snapshot_json: SnapshotAssertion) -> None:
    row: charts.Datum = {"interval": "0.90–1.20"}
    rows = [row | {"number": 1, "value": 1.0, "label": ""}, row | {"number": 2, "value": 1.1, "label": "+10 %"}]
    intervals: list[charts.Datum] = [{"number": number, "low": 0.9, "high": 1.2} for number in (1, 2)]
    x, y = charts.Axis("Run", 0.5, 2.5), charts.Axis("Latency (s)", 0.8, 1.3)

    spec = charts.history(rows, y, MARKS["fast"], intervals=intervals, numbers=x, rules=[{"value": 1.0}])

    assert spec == snapshot_json


def test_a_history_by_number_with_levels_and_notes(snapshot_json: SnapshotAssertion) -> None:
    rows: list[charts.Datum] = [
        {"number": 1, "value": 1.0, "machine": "steady"},
        {"number": 2, "value": 1.2, "machine": "unsteady"},
    ]
    levels: list[charts.Datum] = [{"number": 0.6, "until": 2.4, "value": 1.0}]
    bands: list[charts.Datum] = [{"number": 0.5, "until": 2.5, "low": 0.95, "high": 1.05}]
    notes: list[charts.Datum] = [{"number": 2, "label": "suspected", "align": "right", "dx": -5}]
    x, y = charts.Axis("Run", 0.5, 2.5), charts.Axis("Latency (s)", 0.8, 1.3)

    spec = charts.history(rows, y, MARKS["fast"], joined=False, levels=levels, numbers=x, bands=bands, notes=notes)

    assert spec == snapshot_json


def test_a_history_of_scores_has_the_steps_of_the_scale_and_the_intervals(snapshot_json: SnapshotAssertion) -> None:
    rows: list[charts.Datum] = [
        {"date": "2026-01-05T09:00:00Z", "value": 3.1, "interval": "2.8–3.4", "run": "1a2b3c4"},
    ]
    intervals: list[charts.Datum] = [{"date": "2026-01-05T09:00:00Z", "low": 2.8, "high": 3.4}]

    assert charts.history(rows, charts.QUALITY, MARKS["good"], intervals=intervals) == snapshot_json


def test_blocks(snapshot_json: SnapshotAssertion) -> None:
    rows: list[charts.Datum] = [
        {"block": 1, "value": 1.0, "side": "fast", "pair": 1},
        {"block": 2, "value": 1.1, "side": "good", "pair": 1},
    ]
    x, y = charts.Axis("Block", 0.5, 2.5), charts.Axis("Latency (s)", 0.8, 1.3)

    assert charts.blocks(rows, x, y, MARKS) == snapshot_json


def test_steps_are_logarithmic_from_a_factor_of_four() -> None:
    assert level_charts.steps([1.0, 4.0], "x").type == "log"
    assert level_charts.steps([1.0, 3.0], "x").type == "linear"
    for values in ([1.0, 4.0], [1.0, 3.0], [2.0]):
        axis = level_charts.steps(values, "x")
        assert axis.low < min(values)
        assert axis.high > max(values)


def test_a_kind_is_not_changed_by_its_use() -> None:
    rows: list[charts.Datum] = [{"date": "2026-01-05T09:00:00Z", "value": 6.3, "run": "1a2b3c4", "machine": "steady"}]
    axis = charts.axis("TTFT (ms)", [6.3])
    first = json.dumps(charts.history(rows, axis, MARKS["good"], with_points=True))

    charts.history([], charts.Axis("other", 1.0, 2.0), MARKS["fast"], with_points=False)

    assert json.dumps(charts.history(rows, axis, MARKS["good"], with_points=True)) == first


def test_an_axis_is_logarithmic_where_values_span_orders_of_magnitude() -> None:
    assert charts.axis("x", [1.0, 11.0]).type == "linear"
    assert charts.axis("x", [1.0, 12.0]).type == "log"
    assert charts.axis("x", [0.0, 100.0]).type == "linear"


def test_an_axis_starts_at_zero_and_leaves_room() -> None:
    axis = charts.axis("x", [50.0, 100.0])

    assert axis.low == 0
    assert axis.high > 100


def test_a_position_on_an_axis_is_a_share_of_its_length() -> None:
    assert charts.position(5.0, charts.Axis("x", 0.0, 10.0)) == 0.5
    assert charts.position(10.0, charts.Axis("x", 1.0, 100.0, "log")) == pytest.approx(0.5)
