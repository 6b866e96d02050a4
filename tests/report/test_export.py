"""Exports: the numbers, what is missing, and text that must stay text."""

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench.analysis.summary import summarise
from bench.report.export import (
    ALL_COLUMNS,
    MARKDOWN_COLUMNS,
    Of,
    benchmark_report,
    rows,
    to_csv,
    to_json,
    to_markdown,
)
from bench.schema.machine import ClientCheck, Energy
from bench.store.files import dump, load_tree
from tests.builders import config, failed_model, failed_sample, grade, model_run, result, run_info, samples
from tests.fixtures.make_results import RESULTS_DIR, fixture_results
from tests.load_builders import cell, cell_sample, failed_load_sample, load_level, load_sample, steady_level


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

    expected = {
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
        "transport": "in-process",
        "runtime": None,
        "runtime_version": None,
        "prompt_cache": "cold",
        "prompt_cache_doubt": None,
        "cold_ttft_p50_s": 1.0,
        "warm_ttft_p50_s": None,
        "cached_share": None,
        "run_status": "complete",
        "resumed": 0,
        "steadiness": "unknown",
        "skipped": None,
        "failure": None,
        "good_samples": 3,
        "failed_samples": 1,
        "ttft_p50_s": 1.0,
        "ttft_p95_s": None,
        "ttfo_p50_s": 1.0,
        "first_request_s": 1.0,
        "itl_p50_s": 1.0,
        "itl_p95_s": None,
        "itl_p99_s": None,
        "longest_stall_s": 3.0,
        "stalls_count": 3,
        "connect_s": None,
        "sent_p50_s": None,
        "sent_share": None,
        "shared_reads_count": 0,
        "shared_reads_share": 0,
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
        "memory_unique_bytes": 8_000_000,
        "gpu_memory_peak_bytes": None,
        "footprint_bytes": 2_100_000,
        "energy_per_answer_j": None,
        "energy_per_1000_tokens_j": None,
        "cost_per_1000_answers": None,
        "energy_source": None,
        "currency": None,
        "resolvable_from_s": None,
        "gaps_resolvable_from_s": None,
        "undefined": (
            "ttft_p95_s: 3 samples; a p95 needs 20; "
            "itl_p95_s: 3 gaps; a p95 needs 20; itl_p99_s: 3 gaps; a p99 needs 100; "
            "latency_p95_s: 3 samples; a p95 needs 20; "
            "sent_p50_s: no client stands before a model in the same process; "
            "sent_share: no client stands before a model in the same process; "
            "warm_ttft_p50_s: no request is known to have had its prompt from a cache; "
            "cached_share: the runtime does not say what came out of its prompt cache; "
            "gpu_memory_peak_bytes: not measured; "
            "connect_s: no client stands before a model in the same process; "
            "energy_per_answer_j: not measured; energy_per_1000_tokens_j: not measured; "
            "cost_per_1000_answers: the config has no price of a kWh (energy.price_per_kwh)"
        ),
    }
    (row,) = rows([run])
    assert {column: row[column] for column in expected} == expected


def test_a_run_that_is_summarised_already_gives_the_same_rows() -> None:
    runs = [result([model_run(name="a")])]

    assert rows([summarise(run) for run in runs]) == rows(runs)


def test_how_far_to_believe_a_row() -> None:
    # 90 J for 3 answers, 0.000025 kWh at 0.3 a kWh: 0.0000075 for 3 answers. Errors of 2 and 1 ms, times three.
    energy = Energy(source="estimate", joules=90, idle_watts=None, duration_ns=9_000_000_000)
    check = ClientCheck(
        transport="direct", stamped_by="process", streams=1, ttft_error_ns=(2_000_000,), gap_error_ns=(-1_000_000,)
    )
    model = model_run(transport="direct", energy=energy, samples=samples([1, 2, 6]))
    prices = {"energy": {"price_per_kwh": 0.3, "currency": "EUR"}}
    (row,) = rows([result([model], client=(check,), config=config(resolved=prices))])

    assert row["energy_source"] == "estimate"
    assert row["energy_per_answer_j"] == 30
    assert row["cost_per_1000_answers"] == pytest.approx(0.0025)
    assert row["currency"] == "EUR"
    assert row["resolvable_from_s"] == pytest.approx(0.006)
    assert row["gaps_resolvable_from_s"] == pytest.approx(0.003)


def test_a_stopped_run_and_a_skipped_model_say_so() -> None:
    info = run_info(status="partial", resumed_utc=(datetime(2026, 1, 5, 10, tzinfo=UTC),))
    (row,) = rows([result([model_run(skipped="no GPU on this machine", samples=())], run=info)])

    assert (row["run_status"], row["resumed"], row["skipped"]) == ("partial", 1, "no GPU on this machine")


def test_csv_has_all_columns_and_empty_cells_for_what_is_undefined() -> None:
    text = to_csv([result([failed_model()])])
    row = parsed(text)[0]

    assert tuple(row) == ALL_COLUMNS["models"]
    assert text.endswith("\n")
    assert "\r" not in text
    assert row["failure"] == "load: the weights are truncated"
    assert row["latency_p50_s"] == row["score"] == row["memory_peak_bytes"] == ""
    assert row["footprint_bytes"] == "2100000"
    assert "latency_p50_s: no good sample" in row["undefined"]
    assert "cold_load_s: not measured" in row["undefined"]


def test_csv_without_results_is_its_header() -> None:
    assert to_csv([]) == ",".join(ALL_COLUMNS["models"]) + "\n"


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

    assert tuple(row) == ALL_COLUMNS["models"]
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


def test_levels_of_load_have_rows_of_their_own() -> None:
    levels = (steady_level(2, 100), load_level([load_sample(1, scheduled_s=0.5)], rate_per_s=0.1))
    run = result([model_run(name="a", load=levels), model_run(name="b")])

    assert [row["model"] for row in rows([run])] == ["a", "b"]
    assert [(row["model"], row["load"]) for row in rows([run], "load")] == [
        ("a", "closed loop, 2 streams"),
        ("a", "poisson, 0.1/s, up to 64 streams"),
    ]


def test_a_row_of_a_level_by_hand() -> None:
    # Sent 0.5 s late; first text 0.5 s and end 1 s after the send; a second one that failed; in 10 s.
    samples = [load_sample(1, scheduled_s=0.5), failed_load_sample(4, scheduled_s=4)]
    level = load_level(samples, rate_per_s=0.2, client_cpu_ns=1_000_000_000, memory_peak_bytes=80_000_000)
    limits = config(resolved={"load": {"goodput": {"ttft_s": 1.0, "tpot_s": None, "e2e_s": 1.2}}})
    (row,) = rows([result([model_run(load=(level,))], config=limits)], "load")

    assert tuple(row) == ALL_COLUMNS["load"]
    expected = {
        "load": "poisson, 0.2/s, up to 64 streams",
        "arrivals": "poisson",
        "streams": 64,
        "rate_per_s": 0.2,
        "swept": False,
        "keeps_up": "unknown",
        "window_s": 10.0,
        "good_samples": 1,
        "failed_samples": 1,
        "failure_kinds": "timeout 1",
        "throughput_tokens_per_s": pytest.approx(1.1),
        "answers_per_s": 0.1,
        "due_per_s": 0.2,
        "ttft_p50_s": 0.5,
        "scheduled_ttft_p50_s": 1.0,
        "tpot_p50_s": 0.05,
        "latency_p50_s": 1.0,
        "scheduled_latency_p50_s": 1.5,
        "lateness_p50_s": 0.25,
        "lateness_worst_s": 0.5,
        "itl_p50_s": 0.5,
        "itl_longest_s": 0.5,
        "stalls_count": 1,
        # The latency from the schedule is above 1.2 s.
        "goodput_share": 0.0,
        "goodput_per_s": 0.0,
        "under_way": pytest.approx(0.1),
        "under_way_by_little": pytest.approx(0.1),
        "client_share": 0.1,
        "memory_peak_bytes": 80_000_000,
        "itl_relative_error": 0.0,
        "goodput_ttft_limit_s": 1.0,
        "goodput_latency_limit_s": 1.2,
    }
    assert {column: row[column] for column in expected} == expected
    assert row["at_knee"] is row["ended_early"] is row["goodput_tpot_limit_s"] is None
    assert "latency_p95_s: 1 request; a p95 needs 20" in str(row["undefined"])
    assert "lateness_p99_s: 2 requests; a p99 needs 100" in str(row["undefined"])


def test_the_level_at_the_knee_says_so() -> None:
    levels = tuple(steady_level(*one) for one in ((1, 100), (2, 190), (4, 200)))

    assert [row["at_knee"] for row in rows([result([model_run(load=levels)])], "load")] == [False, True, False]
    assert [row["at_knee"] for row in rows([result([model_run(load=levels[:2])])], "load")] == [None, None]


def test_cells_of_the_matrix_of_lengths_have_rows_of_their_own() -> None:
    # 120 prompt tokens in 0.5 and 1 s, then 15 tokens 20 and 10 ms apart.
    measured = cell([cell_sample(120, 16, 0.5, 0.02), cell_sample(120, 16, 1.0, 0.01)])
    skipped = cell(prompt_tokens=4_096, skipped="longer than the model's context of 1,024 tokens")
    first, second = rows([result([model_run(lengths=(measured, skipped))])], "lengths")

    assert tuple(first) == tuple(second) == ALL_COLUMNS["lengths"]
    assert (first["prompt_tokens_aimed"], first["prompt_tokens"], first["output_tokens"]) == (128, 120, 16)
    assert [first[f"prefill_{part}_tokens_per_s"] for part in ("p50", "min", "max")] == [180, 120, 240]
    assert [first[f"decode_{part}_tokens_per_s"] for part in ("p50", "min", "max")] == pytest.approx([75, 50, 100])
    assert (second["ttft_p50_s"], second["skipped"]) == (None, "longer than the model's context of 1,024 tokens")
    assert "ttft_p50_s: longer than the model's context of 1,024 tokens" in str(second["undefined"])


@pytest.mark.parametrize("of", ["load", "lengths"])
def test_other_rows_are_exported_in_every_form(of: Of) -> None:
    run = result([model_run(name="=1|2", load=(steady_level(2, 100),), lengths=(cell([cell_sample(120, 16, 1, 1)]),))])
    columns = ALL_COLUMNS[of]

    assert to_csv([], of) == ",".join(columns) + "\n"
    assert parsed(to_csv([run], of))[0]["model"] == "'=1|2"
    assert tuple(json.loads(to_json([run], of))[0]) == columns
    assert "=1&#124;2" in to_markdown([run], of)


def test_the_fixture_results_are_what_their_script_makes() -> None:
    ledger = load_tree(RESULTS_DIR)

    assert ledger.refused == ()
    assert {result.run.id: dump(result) for result in fixture_results()} == {
        path.relative_to(RESULTS_DIR).with_suffix("").as_posix(): path.read_text(encoding="utf-8")
        for path in Path(RESULTS_DIR).rglob("*.json")
    }


def test_the_fixture_results_can_be_exported_and_reported() -> None:
    results = load_tree(RESULTS_DIR).results

    assert len(parsed(to_csv(results))) == len(json.loads(to_json(results))) == 15
    for run in results:
        assert benchmark_report(run).startswith("# Benchmark report\n")
