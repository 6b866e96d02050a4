"""Exports: the numbers, what is missing, and text that must stay text."""

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench.analysis.export import COLUMNS, MARKDOWN_COLUMNS, benchmark_report, rows, to_csv, to_json, to_markdown
from bench.results.store import dump, load_tree
from tests.builders import failed_model, failed_sample, grade, model_run, result, samples
from tests.fixtures.make_results import RESULTS_DIR, fixture_results


def parsed(text: str) -> list[dict[str, str]]:
    """Return the rows of a CSV text."""
    return list(csv.DictReader(io.StringIO(text)))


def test_one_row_for_each_run_and_model_oldest_first() -> None:
    new = result([model_run(name="a"), model_run(name="b")], started_utc=datetime(2026, 2, 1, tzinfo=UTC))
    old = result([model_run(name="b")])

    assert [(row["started_utc"], row["model"]) for row in rows([new, old])] == [
        ("2026-01-05T09:00:00+00:00", "b"),
        ("2026-02-01T00:00:00+00:00", "a"),
        ("2026-02-01T00:00:00+00:00", "b"),
    ]


def test_a_row_by_hand() -> None:
    # Latencies of 1, 2 and 6 s with 11 tokens each; text comes at a half and at the end of each.
    run = result([model_run(samples=(*samples([1, 2, 6]), failed_sample(start_ns=9_000_000_000)))], grades=(grade(),))

    assert rows([run]) == [
        {
            "run": "laptop/20260105T090000Z-1a2b3c4d5e-default",
            "started_utc": "2026-01-05T09:00:00+00:00",
            "commit": "1a2b3c4d5e",
            "dirty": False,
            "tool_version": "0.1.0",
            "machine": "laptop",
            "config": "default",
            "prompt_set": "test",
            "model": "tiny",
            "provider": "foundry",
            "variant": "tiny-generic-cpu:1",
            "device": "CPU",
            "execution_provider": "CPUExecutionProvider",
            "parameters": 940_000,
            "precision": "int8",
            "licence": "MIT",
            "commercial_use": "yes",
            "failure": None,
            "good_samples": 3,
            "failed_samples": 1,
            "ttft_p50_s": 1.0,
            "ttft_p95_s": None,
            "ttfo_p50_s": 1.0,
            "itl_p50_s": 1.0,
            "itl_p99_s": None,
            "tpot_p50_s": pytest.approx(0.1),
            "decode_p50_tokens_per_s": pytest.approx(10),
            "prefill_p50_tokens_per_s": 12.0,
            "latency_mean_s": 3.0,
            "latency_p50_s": 2.0,
            "latency_p95_s": None,
            "throughput_tokens_per_s": pytest.approx(33 / 9),
            "score": 5.0,
            "cold_load_s": 0.04,
            "memory_before_bytes": 60_000_000,
            "memory_loaded_bytes": 70_000_000,
            "memory_peak_bytes": 75_000_000,
            "footprint_bytes": 2_100_000,
            "undefined": (
                "ttft_p95_s: 3 samples; a p95 needs 20; itl_p99_s: 3 gaps; a p99 needs 100; "
                "latency_p95_s: 3 samples; a p95 needs 20"
            ),
        }
    ]


def test_csv_has_all_columns_and_empty_cells_for_what_is_undefined() -> None:
    text = to_csv([result([failed_model()])])
    row = parsed(text)[0]

    assert tuple(row) == COLUMNS
    assert text.endswith("\n")
    assert "\r" not in text
    assert row["failure"] == "load: the weights are truncated"
    assert row["latency_p50_s"] == row["score"] == row["memory_peak_bytes"] == ""
    assert row["footprint_bytes"] == "2100000"
    assert "latency_p50_s: no good sample" in row["undefined"]
    assert "cold_load_s: not measured" in row["undefined"]


def test_csv_without_results_is_its_header() -> None:
    assert to_csv([]) == ",".join(COLUMNS) + "\n"


def test_csv_numbers_are_not_rounded() -> None:
    row = parsed(to_csv([result([model_run(samples=samples([1.123456789]))])]))[0]

    assert float(row["latency_mean_s"]) == 1.123456789


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\n"])
def test_csv_text_is_no_formula(start: str) -> None:
    run = result([failed_model(name=f"{start}cmd|' /C calc'!A0", publisher=None)])

    assert parsed(to_csv([run]))[0]["model"] == f"'{start}cmd|' /C calc'!A0"


def test_csv_rows_survive_carriage_returns() -> None:
    found = parsed(to_csv([result([model_run(name="a\rb\r\nc"), model_run(name="\r=1")])]))

    assert [row["model"] for row in found] == ["a\nb\nc", "'\n=1"]


def test_csv_leaves_other_text_and_quotes_as_they_are() -> None:
    name = 'a, "b"\nc = d'

    assert parsed(to_csv([result([model_run(name=name)])]))[0]["model"] == name


def test_json_keeps_types_and_null() -> None:
    text = to_json([result([model_run(memory_peak_bytes=None)])])
    row = json.loads(text)[0]

    assert tuple(row) == COLUMNS
    assert text.endswith("]\n")
    assert row["memory_peak_bytes"] is None
    assert row["footprint_bytes"] == 2_100_000
    assert row["dirty"] is False
    assert json.loads(to_json([])) == []


def test_markdown_rounds_and_shows_what_is_undefined_as_a_dash() -> None:
    run = result([model_run(samples=samples([1.23456] * 3))], grades=(grade(),))

    assert to_markdown([run]) == (
        f"| {' | '.join(MARKDOWN_COLUMNS.values())} |\n"
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |\n"
        "| laptop/20260105T090000Z-1a2b3c4d5e-default | tiny | 3 | 0 | 0.617 | 16.2 | 1.23 | - | 8.91 | 5.00 "
        "| 75,000,000 | 2,100,000 | MIT |\n"
    )


HOSTILE = "a|b\n<script>alert(1)</script> [x](javascript:y) `c` **d** {{ 7*7 }} \u202eevil https://e.example &amp;"


def test_markdown_text_stays_text() -> None:
    table = to_markdown([result([model_run(name=HOSTILE, licence=HOSTILE)])])

    assert table.count("\n") == 3
    row = table.splitlines()[2]
    assert row.count("|") == len(MARKDOWN_COLUMNS) + 1
    for piece in ("<", ">", "`", "[", "]", "{", "}", "*", "\u202e", "://"):
        assert piece not in row


def test_the_fixture_results_are_what_their_script_makes() -> None:
    ledger = load_tree(RESULTS_DIR)

    assert ledger.refused == ()
    assert {result.run.id: dump(result) for result in fixture_results()} == {
        path.relative_to(RESULTS_DIR).with_suffix("").as_posix(): path.read_text(encoding="utf-8")
        for path in Path(RESULTS_DIR).rglob("*.json")
    }


def test_the_fixture_results_can_be_exported_and_reported() -> None:
    results = load_tree(RESULTS_DIR).results

    assert len(parsed(to_csv(results))) == len(json.loads(to_json(results))) == 10
    for run in results:
        assert benchmark_report(run).startswith("# Benchmark report\n")
