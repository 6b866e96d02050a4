"""What the viewer shows of a run, from the results that ship with the tests."""

import json
from typing import Any

import pytest

from bench.analysis.summary import summarise
from bench.site.dataset import measured
from bench.site.pages.model import at_work
from bench.site.pages.runs import run_data
from bench.site.sections.run_viewer import TRANSPORTS
from bench.store.files import load
from tests import builders
from tests.fixtures.desk_runs import desk_results
from tests.site_project import ROOT

STEADY, UNSTEADY = (summarise(result) for result in desk_results())
OLD = summarise(load(ROOT / "tests" / "fixtures" / "versions" / "1.json"))


def sections(data: dict[str, Any]) -> dict[str, Any]:
    """Return the sections of a run by heading; the one without a heading is the table of probes."""
    return {section["heading"]: section for section in data["sections"]}


def texts(section: dict[str, Any], label: str) -> list[str]:
    """Return a column of a table, each cell with its small type."""
    place = [column["label"] for column in section["columns"]].index(label)
    return [" ".join(part for part in (row[place]["t"], row[place]["s"]) if part) for row in section["rows"]]


def test_a_partial_run_on_an_unsteady_machine_says_so_first() -> None:
    data = run_data(UNSTEADY)

    assert [one["kind"] for one in data["standings"]] == ["partial", "unsteady"]
    assert ["State", "partial: stopped before its end"] in sections(data)["Run"]["rows"]
    assert "The machine’s steadiness: unsteady" in sections(data)


def test_a_resumed_run_says_when_it_went_on() -> None:
    data = run_data(STEADY)

    assert [one["kind"] for one in data["standings"]] == ["resumed"]
    assert ["Resumed", "2026-02-09 08:01 UTC"] in sections(data)["Run"]["rows"]
    assert "The machine’s steadiness: steady" in sections(data)


def test_the_probes_before_and_after_each_model() -> None:
    probes = sections(run_data(UNSTEADY))[""]

    assert texts(probes, "Model") == ["qwen2.5-0.5b", "gemma-2-2b"]
    # 252 to 291 ms is 15.5 % more.
    assert texts(probes, "Arithmetic") == ["252 → 291\u00a0ms +15.5 %", "289 → 288\u00a0ms −0.3 %"]
    assert texts(probes, "Woke late")[0].endswith("at worst 130\u00a0ms")
    assert texts(probes, "Hypervisor took") == ["0\u00a0%", "3.4\u00a0%"]
    assert texts(probes, "Temperature")[0] == "58 °C → 96 °C"


def test_the_client_s_error_of_each_check() -> None:
    client = sections(run_data(STEADY))["The client’s own error"]

    assert texts(client, "Streams") == ["1", "16"]
    # 420 µs and nine steps of 21 more: the p99 of a hundred is the largest, 0.609 ms, three times that 1.83.
    assert texts(client, "TTFT p99")[0] == "0.609"
    assert texts(client, "TTFT from")[0] == "1.83"
    few = sections(run_data(UNSTEADY))["The client’s own error"]
    assert texts(few, "TTFT p99") == ["1.89 largest of 24"]


def test_loads_transport_and_what_there_is_not() -> None:
    starts = sections(run_data(UNSTEADY))["Loads and requests"]

    assert texts(starts, "Requests carried by") == [TRANSPORTS["in-process"], TRANSPORTS["direct"]]
    assert texts(starts, "Cold load")[0] == "1.12 each: 1.24, 1.10, 1.12\u00a0s"
    assert texts(starts, "Connect") == ["none", "1.90"]
    assert texts(starts, "Stalls") == ["2", "0"]


def test_an_estimate_is_marked_wherever_it_is_shown() -> None:
    energy = sections(run_data(UNSTEADY))["Energy"]

    for label in ("An answer", "1,000 tokens", "1,000 answers cost"):
        assert all("estimate" in text for text in texts(energy, label)), label
    rows = [row for found in at_work(UNSTEADY.models[0], "report/models/x.html") for row in found.rows]
    for row in rows:
        if "Energy" in row.label or "Cost" in row.label:
            assert "estimate" in row.small, row.label
    measured_energy = sections(run_data(STEADY))["Energy"]
    assert not any("estimate" in text for text in texts(measured_energy, "An answer"))


def test_the_sampler_of_the_memory_and_its_cost() -> None:
    memory = sections(run_data(STEADY))["Memory"]

    assert texts(memory, "Read every") == ["25.0", "25.0"]
    assert texts(memory, "Readings") == ["412", "412"]
    assert texts(memory, "Reading took") == ["19.0", "19.0"]


def test_a_skipped_model_is_not_a_failed_one() -> None:
    skipped = UNSTEADY.models[2]
    failed = summarise(builders.result([builders.failed_model()])).models[0]

    for metric_id in ("ttft_s", "score", "footprint_bytes", "cold_load_s"):
        assert (measured(skipped, metric_id).kind, measured(skipped, metric_id).why) == (
            "skipped",
            "no GPU on this machine",
        )
    assert measured(failed, "ttft_s").kind == "failed"
    models = sections(run_data(UNSTEADY))["Models"]
    assert texts(models, "Model")[2] == "phi-4-mini-gpu skipped: no GPU on this machine"


def test_a_latency_below_the_client_s_error_is_not_resolvable() -> None:
    remote = UNSTEADY.models[1]

    assert measured(remote, "ttft_s").kind == "coarse"
    assert measured(remote, "e2e_s").kind == "value"
    assert measured(UNSTEADY.models[0], "ttft_s").kind == "value"


@pytest.mark.parametrize("heading", ["The machine’s steadiness: not known", "Energy"])
def test_an_older_run_says_that_it_could_not_measure(heading: str) -> None:
    rows = sections(run_data(OLD))[heading]["rows"]

    assert [row.lower().rstrip(".") for row in rows] == ["not measured before schema version 2"]


def test_what_is_shown_is_data_and_ready_to_read() -> None:
    for summary in (STEADY, UNSTEADY, OLD):
        assert json.loads(json.dumps(run_data(summary))) == run_data(summary)


def test_a_model_from_cold_to_steady() -> None:
    starting, flow, _ = at_work(STEADY.models[0], "report/models/x.html")

    assert [(row.label, row.text) for row in starting.rows] == [
        ("Cold load", "1.12\u00a0s"),
        ("First request", "224\u00a0ms"),
        ("Steady", "132\u00a0ms"),
    ]
    assert starting.sentence == "From the disk to the end of a first answer: 1.35\u00a0s."
    assert flow.sentence == "The text came in one flow: no gap was longer than 200 ms."
    assert at_work(UNSTEADY.models[0], "report/models/x.html")[1].sentence == (
        "The text stood still for more than 200 ms 2 times, at most for 651\u00a0ms."
    )
