"""Every list of metrics against the registry: what a row's flags name, a reader finds; what a list names is a row."""

from collections.abc import Iterable
from typing import Any

import pytest

from bench.analysis.compare import compare
from bench.analysis.history import histories, watched
from bench.analysis.measurements import WHOLE, Stratum, levels, measure, value, why_undefined
from bench.analysis.recommend import FRONT, PREFERENCES
from bench.analysis.summary import summarise
from bench.metrics.registry import (
    METRICS,
    STATISTICS,
    StratumKind,
    compared,
    exported,
    measured_in,
    metric,
    on_schedule,
    split_metric_id,
)
from bench.metrics.registry import watched as to_watch
from bench.report.comparison import PAIRED
from bench.report.export import Of, rows, to_csv
from bench.report.markdown import HIGHLIGHTS, REPORT_COLUMNS
from bench.report.terminal import COLUMNS, LEVEL_COLUMNS
from bench.schema.load import LoadLevel
from bench.site.estimates import TOGETHER
from bench.site.pages.glossary import level_lines, metric_lines
from bench.site.pages.load import AT_EACH_LEVEL
from bench.site.pages.model import HISTORY, NUMBERS
from bench.site.pages.overview import ESTIMATED, STRENGTHS
from bench.site.pages.prompt import PERCENTILES
from bench.site.pages.runs import SAMPLE_COLUMNS
from bench.site.sections.level_tables import CLOSED_VIEWER_COLUMNS, OPEN_VIEWER_COLUMNS
from bench.site.sections.run_viewer import CELL_COLUMNS
from tests import builders
from tests.load_builders import cell, cell_sample, load_level, load_sample

KINDS: tuple[StratumKind, ...] = ("whole", "prompt", "level", "cell")


def asked(**fields: Any) -> LoadLevel:
    """Return 120 requests of a level, three chunks each."""
    ends: dict[str, Any] = {"chunk_ns": (400_000_000, 700_000_000, 1_000_000_000), "end_ns": 1_000_000_000}
    samples = [
        load_sample(place * 0.05 + 1, scheduled_s=place * 0.05 if "rate_per_s" in fields else None, **ends)
        for place in range(120)
    ]
    return load_level(samples, memory_peak_bytes=70_000_000, **fields)


LOADED = builders.result(
    [
        builders.model_run(
            samples=builders.samples([1.0, 2.0] * 60),
            load=(asked(streams=16), asked(rate_per_s=4.0)),
            lengths=(cell([cell_sample(120, 16, 0.5, 0.01)]),),
        )
    ],
    grades=(builders.grade(),),
    config=builders.config(
        resolved=builders.config().resolved | {"load": {"goodput": {"ttft_s": 0.5}}},
    ),
)
MODEL = LOADED.models[0]


@pytest.mark.parametrize(
    ("kind", "of"), [("whole", "models"), ("level", "load"), ("cell", "lengths")], ids=["whole", "level", "cell"]
)
def test_every_exported_metric_has_its_columns(kind: StratumKind, of: Of) -> None:
    flagged = [column for one in METRICS for column in one.exported.get(kind, ())]
    header = to_csv([LOADED], of).splitlines()[0].split(",")

    assert flagged
    assert [column for column in header if column in flagged] == flagged
    assert list(exported(kind)) == flagged
    assert all(flagged_column in rows([LOADED], of)[0] for flagged_column in flagged)


def test_every_compared_metric_is_in_a_comparison() -> None:
    found = compare(LOADED, LOADED, seed=1).differences

    assert [one.metric_id for one in found if one.level is None] == list(compared("whole"))
    for stratum in levels(MODEL):
        # 240 gaps have a p99, 120 requests a p95: nothing is left out.
        at = [one.metric_id for one in found if one.level == stratum.words]
        scheduled = stratum.level is not None and stratum.level.rate_per_s is not None
        assert at == [on_schedule(one) if scheduled else one for one in compared("level")]


def test_every_watched_metric_is_a_series() -> None:
    whole, closed, scheduled = histories([summarise(LOADED)])

    assert [one.key.metric_id for one in watched(whole)] == [*to_watch("whole"), *to_watch("prompt")]
    assert [one.key.metric_id for one in watched(closed)] == list(to_watch("level"))
    assert [one.key.metric_id for one in watched(scheduled)] == [on_schedule(one) for one in to_watch("level")]
    for history in (whole, closed, scheduled):
        for one in watched(history):
            assert one.key.metric.direction in ("lower", "higher")
            assert one.series.values != (None,), one.key.metric_id


def test_every_metric_is_explained() -> None:
    anchors = {one.anchor for one in (*metric_lines(), *level_lines())}

    for one in METRICS:
        address = one.id.replace("_", "-")
        assert address in anchors or f"level-{address}" in anchors, one.id
    assert all(one.definition.endswith(".") and one.undefined for one in METRICS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_flag_names_statistics_that_there_are(kind: StratumKind) -> None:
    for metric_id in (*compared(kind), *to_watch(kind), *exported(kind).values()):
        selected, statistic = split_metric_id(metric_id, kind)
        assert statistic in STATISTICS[kind]
        assert kind in selected.strata


def test_everything_that_is_measured_has_a_value_or_a_reason_in_each_stratum() -> None:
    strata = (WHOLE, Stratum(prompt="p1"), *levels(MODEL), Stratum(cell=(128, 16)))

    for stratum in strata:
        for one in measured_in(stratum.kind):
            known = value(LOADED, MODEL, stratum, one.id)
            why = why_undefined(LOADED, MODEL, stratum, one.id)
            assert (known is None) == (why is not None), (stratum, one.id)
            assert measure(LOADED, MODEL, stratum, one.id).metric is one


def test_what_a_run_does_not_have_says_so() -> None:
    other = levels(builders.model_run(load=(load_level([load_sample()], streams=3),)))[0]

    for stratum in (other, Stratum(cell=(1, 1))):
        assert value(LOADED, MODEL, stratum, "ttft_s") is None
        assert why_undefined(LOADED, MODEL, stratum, "ttft_s") == "the run does not have it"


def test_only_durations_are_limited_by_the_client() -> None:
    assert {one.unit for one in METRICS if one.resolvable_from} == {"s"}
    assert {one.id for one in METRICS if one.from_send} == {"scheduled_ttft_s", "scheduled_e2e_s"}
    assert on_schedule("ttft_s.p95") == "scheduled_ttft_s.p95"
    assert on_schedule("tpot_s.p95") == "tpot_s.p95"


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ("whole", [metric_id for metric_id, *_ in COLUMNS]),
        ("whole", [one.metric_id for one in (*REPORT_COLUMNS, *HIGHLIGHTS)]),
        ("whole", [*HISTORY, *(one.id for one in NUMBERS), *SAMPLE_COLUMNS]),
        ("whole", [*ESTIMATED, *(one.metric_id for one in STRENGTHS)]),
        ("whole", [*PREFERENCES.values(), *FRONT, *PAIRED, *TOGETHER]),
        ("prompt", list(PERCENTILES)),
        ("level", [*LEVEL_COLUMNS, *AT_EACH_LEVEL, *map(on_schedule, AT_EACH_LEVEL)]),
        ("level", [*CLOSED_VIEWER_COLUMNS, *OPEN_VIEWER_COLUMNS]),
        ("cell", list(CELL_COLUMNS)),
    ],
)
def test_every_list_of_a_page_names_metrics_that_there_are(kind: StratumKind, shown: Iterable[str]) -> None:
    for metric_id in shown:
        assert split_metric_id(metric_id, kind)[0] is metric(metric_id.partition(".")[0])
