"""The kinds of chart: each specification is a file that a person can review."""

import json

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension

from bench.site import charts, level_charts
from bench.site.palette import Mark

MARKS = {"fast": Mark(1, "circle"), "good": Mark(2, "square")}


@pytest.fixture
def snapshot_json(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(JSONSnapshotExtension)


def test_trade_off(snapshot_json: SnapshotAssertion) -> None:
    row: charts.Row = {"align": "left", "dx": 15, "dy": 0, "memory": "96 MB", "size": 96.0}
    rows = [
        row | {"model": "fast", "label": "fast", "x": 5000.0, "quality": 2.6},
        row | {"model": "good", "label": "good", "x": 300.0, "quality": 4.4},
    ]
    front: list[charts.Row] = [{"x": 300.0, "quality": 4.4}, {"x": 5000.0, "quality": 2.6}]

    spec = charts.trade_off(
        rows, front, charts.axis("Decode speed (tokens/s)", [300.0, 5000.0]), charts.Axis("Peak memory", 90, 130), MARKS
    )

    assert spec == snapshot_json


def test_history(snapshot_json: SnapshotAssertion) -> None:
    rows: list[charts.Row] = [
        {"date": "2026-01-05T09:00:00Z", "value": 6.3, "run": "1a2b3c4", "machine": "unsteady"},
        {"date": "2026-02-02T09:00:00Z", "value": 6.1, "run": "2b3c4d5", "machine": "steady"},
    ]

    spec = charts.history(rows, charts.axis("TTFT (ms)", [6.3, 6.1]), MARKS["good"], with_points=True)

    assert spec == snapshot_json


def test_strips(snapshot_json: SnapshotAssertion) -> None:
    rows: list[charts.Row] = [{"category": "Capital", "model": "fast", "x": 12.0, "detail": "round 1"}]
    medians: list[charts.Row] = [{"category": "Capital", "model": "fast", "x": 12.0}]

    spec = charts.strips(rows, medians, ["Capital"], charts.axis("Latency (ms)", [12.0]), MARKS)

    assert spec == snapshot_json


def test_over_steps(snapshot_json: SnapshotAssertion) -> None:
    row: charts.Row = {"model": "fast", "detail": "20 good answers", "size": level_charts.SIZE}
    rows = [row | {"line": line, "x": x, "y": y * x} for line, y in (("p50", 40.0), ("p95", 60.0)) for x in (1.0, 4.0)]

    spec = level_charts.over_steps(
        rows,
        ["p50", "p95"],
        level_charts.steps([1.0, 4.0], "Streams at once"),
        charts.axis("TTFT (ms)", [40.0, 240.0]),
        {"fast": MARKS["fast"]},
        upright=[{"x": 4.0, "label": "knee: 4 streams"}],
        level=[{"y": 200.0, "label": "limit 200 ms"}],
    )

    assert spec == snapshot_json


def test_steps_are_logarithmic_from_a_factor_of_four() -> None:
    assert level_charts.steps([1.0, 4.0], "x").type == "log"
    assert level_charts.steps([1.0, 3.0], "x").type == "linear"
    for values in ([1.0, 4.0], [1.0, 3.0], [2.0]):
        axis = level_charts.steps(values, "x")
        assert axis.low < min(values)
        assert axis.high > max(values)


def test_a_kind_is_not_changed_by_its_use() -> None:
    rows: list[charts.Row] = [{"date": "2026-01-05T09:00:00Z", "value": 6.3, "run": "1a2b3c4", "machine": "steady"}]
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
