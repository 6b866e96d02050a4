"""Intervals and ranks on pages: what a reader sees of them, and what is said where there is none."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.analysis.intervals import Interval
from bench.report import format as form
from bench.report.tables import Cell, CellValue, Column, Table, name_column, number_column, table
from bench.schema.machine import ClientCheck
from bench.schema.model_run import ModelRun
from bench.schema.result import Result
from bench.site.dataset import Site, site
from bench.site.estimates import of_median
from bench.site.pages.model import model_list
from bench.site.pages.overview import overview
from bench.site.pages.prompt import prompt_list, prompt_view
from bench.site.pages.quality import quality_page
from bench.site.sections.leaderboard import estimated, first, rank_cell, rank_column, ranked
from bench.stats.bootstrap import LIKE_THESE
from bench.store.files import Ledger
from tests import builders
from tests.site_project import views

PROMPTS = tuple(builders.prompt(id=f"p{number}") for number in range(6))


def timed(name: str, level_s: float, noise: float = 0.01, seed: int = 1, rounds: int = 5, **fields: Any) -> ModelRun:
    """Return a model that takes about so many seconds for the first prompt, and a tenth more for each other one."""
    rng = np.random.default_rng(seed)
    asked = [
        builders.samples(
            level_s * (1 + place / 10) * np.exp(rng.normal(0, noise, rounds)),
            prompt=prompt.id,
            output=f"{name}-{place}",
        )
        for place, prompt in enumerate(PROMPTS)
    ]
    return builders.model_run(name=name, samples=tuple(one for some in asked for one in some), **fields)


def made(models: Sequence[ModelRun], scores: Sequence[Sequence[float]] = (), **fields: Any) -> Result:
    """Return a run of these models; `scores` has what each earned on each prompt."""
    grades = [
        builders.grade({"f1": credit}, prompt=PROMPTS[place].id, output=f"{model.name}-{place}")
        for model, earned in zip(models, scores, strict=False)
        for place, credit in enumerate(earned)
    ]
    outputs = {f"{model.name}-{place}": f"{model.name} {place}" for model in models for place in range(len(PROMPTS))}
    return builders.result(models, prompts=PROMPTS, grades=tuple(grades), outputs=outputs, **fields)


def arranged(result: Result) -> Site:
    return site(Ledger((result,), ()))


def column(shown: Table | None, label: str) -> Column:
    assert shown is not None
    return next(one for one in shown.columns if one.label == label)


def cells(shown: Table | None, label: str) -> list[Cell]:
    assert shown is not None
    place = [one.label for one in shown.columns].index(label)
    return [row[place] for row in shown.rows]


def texts(found: Iterable[Cell]) -> list[str]:
    return [one.text for one in found]


THREE = (timed("slow", 2.0), timed("fast", 1.0, seed=2), timed("alike", 1.02, seed=3))
CREDITS = ([1.0] * 6, [0.0] * 5 + [0.5], [1.0] * 5 + [0.9])


def test_an_interval_has_the_digits_of_its_value() -> None:
    seconds, milliseconds = form.scale("s", [3.0]), form.scale("s", [0.05])

    assert form.interval(3.6412, 3.7388, 3.69, seconds) == "3.64–3.74"
    assert form.interval(0.0091, 0.0113, 0.00998, milliseconds) == "9.10–11.30"
    assert form.interval(5112.0, 5391.0, 5230.0, form.scale("tokens/s", [5230.0])) == "5,110–5,390"
    assert form.interval(3.849, 4.151, 4.0, form.scale("score", [])) == "3.8–4.2"
    assert form.interval(11.6, 14.2, 13.0, form.scale("tokens", [])) == "12–14"
    assert form.interval(0.0, 0.2, 0.0, seconds) == "0–0.200"


def test_several_values_share_a_unit() -> None:
    assert form.span([1.24, 1.306], "s") == "1.24 to 1.31\u00a0s"
    assert form.span([0.9, 1.1], "s") == "0.9 to 1.1\u00a0s"
    assert form.span([4.31, 4.29], "score") == "4.3\u00a0of\u00a05"
    assert form.span([3.7, 4.6], "score") == "3.7 to 4.6\u00a0of\u00a05"


def test_all_that_have_the_first_rank_are_the_best() -> None:
    values = [CellValue(1.0, rank=1), CellValue(1.2, rank=1), CellValue(2.0, rank=3)]

    assert [cell.best for cell in number_column("Latency", "s", values, "lower").cells] == [True, True, False]


def test_where_all_have_the_first_rank_none_is_the_best() -> None:
    values = [CellValue(1.0, rank=1), CellValue(1.2, rank=1), CellValue(None, "failed", "load")]

    assert not any(cell.best for cell in number_column("Latency", "s", values, "lower").cells)


def test_a_note_that_all_intervals_of_a_column_share_is_said_once() -> None:
    known = Interval(0.9, 1.1, LIKE_THESE, None)
    values = [
        CellValue(1.0, interval=known, interval_why="about these"),
        CellValue(1.2, interval=known, interval_why="about these"),
        CellValue(None, "failed", "load"),
    ]
    some = [CellValue(1.0, interval=known), CellValue(1.2, interval_why="no interval: one load"), CellValue(1.0)]
    shown = table(
        "Models",
        [
            name_column("Model", [Cell("a"), Cell("b"), Cell("c")]),
            number_column("TTFT", "s", values),
            number_column("Load", "s", some),
        ],
    )

    assert [(note.letter, note.text) for note in shown.notes] == [
        ("a", "about these"),
        ("b", "no interval: one load"),
        ("c", "load"),
    ]
    assert [one.note_letter for one in shown.columns] == ["", "a", ""]
    assert [one.interval_letter for one in cells(shown, "Load")] == ["", "b", ""]
    assert [one.interval for one in cells(shown, "TTFT")] == ["0.90–1.10", "0.90–1.10", ""]


def test_a_value_has_the_interval_of_its_estimate() -> None:
    shown = arranged(made(THREE, CREDITS))
    summary = shown.boards[0].summary.models[0]

    speed, tail = estimated(shown, summary, "e2e_s"), estimated(shown, summary, "e2e_s.p95")

    assert speed.value == summary.value("e2e_s")
    assert speed.interval is not None
    assert speed.value is not None
    assert speed.interval.low < speed.value < speed.interval.high
    assert speed.interval_why == ""
    assert tail.interval_why == "interval about these prompts alone: 6 prompts; a p95 of prompts like these needs 60"
    assert estimated(shown, summary, "memory_peak_bytes").interval_why == "no interval: one reading a run"
    assert estimated(shown, summary, "footprint_bytes") == CellValue(2_100_000, unit="bytes")


def test_what_is_not_there_has_no_interval_either() -> None:
    shown = arranged(made([builders.failed_model()]))

    found = estimated(shown, shown.boards[0].summary.models[0], "ttft_s")

    assert (found.value, found.kind, found.interval, found.interval_why) == (None, "failed", None, "")


def test_estimates_are_worked_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = arranged(made(THREE, CREDITS))
    summary = shown.boards[0].summary.models[0]
    again = shown.estimates.of(summary, "ttft_s")

    monkeypatch.setattr("bench.site.estimates.estimates", None)

    assert shown.estimates.of(summary, "ttft_s") is again
    # A percentile of the same metric shares its resamples.
    assert shown.estimates.of(summary, "ttft_s.p95").value == summary.value("ttft_s.p95")


def test_ranks_admit_ties() -> None:
    shown = arranged(made(THREE, CREDITS))
    board = shown.boards[0]
    ranks = ranked(shown, board, "e2e_s")

    found = rank_column(["slow", "fast", "alike"], ranks, "latency")

    assert texts(found.cells) == ["3", "=1", "=1"]
    assert [one.interval for one in found.cells] == ["", "1–2", "1–2"]
    assert found.unit == "by latency"
    assert [one.model for one in first(ranks)] == ["fast", "alike"]


def test_without_a_value_there_is_no_rank() -> None:
    shown = arranged(made([*THREE, builders.failed_model()], CREDITS))
    ranks = ranked(shown, shown.boards[0], "score")

    assert rank_cell(None, ranks).text == "no rank"
    assert "broken" not in [one.model for one in ranks]


def test_what_the_client_cannot_resolve_has_no_rank() -> None:
    # An error of 1 s: what takes less than 3 s is not resolvable.
    check = ClientCheck(transport="direct", stamped_by="process", streams=1, ttft_error_ns=(10**9,), gap_error_ns=(0,))
    models = [timed("coarse", 1.0, transport="direct"), timed("big", 9.0, transport="direct"), timed("huge", 18.0)]
    shown = arranged(made(models, client=(check,)))

    assert [one.model for one in ranked(shown, shown.boards[0], "ttft_s")] == ["big", "huge"]
    assert first(ranked(shown, shown.boards[0], "ttft_s"))[0].model == "big"


def test_a_rank_of_a_single_model_is_no_first_place() -> None:
    shown = arranged(made([timed("alone", 1.0)]))

    assert first(ranked(shown, shown.boards[0], "e2e_s")) == ()


def test_the_overview_is_in_order_of_rank_and_marks_all_that_share_the_first() -> None:
    (section,) = views(overview(arranged(made(THREE, CREDITS))).sections)

    assert texts(cells(section.table, "Model")) == ["slow", "alike", "fast"]
    assert texts(cells(section.table, "Rank")) == ["=1", "=1", "3"]
    assert [one.best for one in cells(section.table, "Quality")] == [True, True, False]
    assert [one.best for one in cells(section.table, "TTFT p50")] == [False, True, True]
    assert all(one.interval for one in cells(section.table, "Decode speed"))
    assert column(section.table, "TTFT p95").note_letter != ""


def test_the_answer_names_no_winner_where_nobody_can_tell() -> None:
    (section,) = views(overview(arranged(made(THREE, CREDITS))).sections)

    assert section.answer == (
        "slow and alike cannot be told apart: they answer best (4.9 to 5.0\u00a0of\u00a05); "
        "fast and alike cannot be told apart: they write fastest (15.7 to 16\u00a0tokens/s) and finish first "
        "(1.25 to 1.27\u00a0s); slow, fast and alike cannot be told apart in peak memory."
    )


def test_the_answer_names_a_winner_where_the_difference_is_real() -> None:
    models = [timed("slow", 2.0), timed("fast", 1.0, seed=2, memory_peak_bytes=50_000_000)]
    (section,) = views(overview(arranged(made(models, CREDITS))).sections)

    assert section.answer == (
        "slow answers best (5.0\u00a0of\u00a05); fast writes fastest (16\u00a0tokens/s), "
        "finishes first (1.25\u00a0s) and needs the least memory (50\u00a0MB)."
    )


def test_many_models_that_are_alike_are_counted() -> None:
    models = [timed(f"m{number}", 1.0, seed=number) for number in range(5)]
    (section,) = views(overview(arranged(made(models, [[1.0] * 6] * 5))).sections)

    assert section.answer == "5 models cannot be told apart in quality, speed of writing, latency and peak memory."


def test_a_trade_off_draws_the_intervals_that_there_are() -> None:
    (section,) = views(overview(arranged(made(THREE, CREDITS))).sections)
    by_speed, by_size = (figure.spec["datasets"] for figure in section.figures)

    assert {row["model"] for row in by_speed["across"]} == {"slow", "fast", "alike"}
    assert all(row["low"] < row["high"] for row in by_speed["across"])
    assert {row["x_interval"] == "none" for row in by_speed["models"]} == {False}
    # A footprint is a fact and has no interval; quality has one, unless all prompts earned the same.
    assert by_size["across"] == []
    assert {row["x_interval"] for row in by_size["models"]} == {"none"}
    assert len(by_size["upright"]) == 3


def test_the_quality_page_names_no_winner_where_nobody_can_tell() -> None:
    view = quality_page(arranged(made(THREE, CREDITS)))
    (matrix,) = views(view.matrices)

    assert matrix.sentence.startswith(
        "slow and alike answer best, 4.9 to 5.0\u00a0of\u00a05 over all prompts, and cannot be told apart."
    )
    assert [(cell.text, cell.small) for cell in matrix.matrix.ranks] == [("=1", "1–2"), ("3", ""), ("=1", "1–2")]
    assert [bool(cell.small) for cell in matrix.matrix.means] == [True, True, True]


def test_the_list_of_models_has_the_rank_in_the_newest_run() -> None:
    shown = model_list(arranged(made([*THREE, builders.failed_model()], CREDITS))).table

    assert [(one.text, one.interval) for one in cells(shown, "Rank")] == [
        ("=1", "1–2 of 3"),
        ("3", "of 3"),
        ("=1", "1–2 of 3"),
        ("no rank", ""),
    ]
    assert not any(one.best for one in cells(shown, "Quality"))


def test_a_prompt_names_all_that_may_be_first_to_finish() -> None:
    shown = arranged(made(THREE, CREDITS))
    (listed,) = views(prompt_list(shown))
    (board,) = views(prompt_view(shown, PROMPTS[0]).boards)

    assert texts(cells(listed.table, "First to finish"))[0] == "fast and alike"
    assert [one.best for one in cells(board.table, "Latency p50")] == [False, True, True]
    assert all(one.interval and not one.interval_note for one in cells(board.table, "Latency p50"))


def test_models_that_take_as_long_for_a_prompt_are_not_told_apart() -> None:
    shown = arranged(made([timed("a", 1.0, 0.5, rounds=2), timed("b", 1.1, 0.5, seed=2, rounds=2)], CREDITS))
    (listed,) = views(prompt_list(shown))
    (board,) = views(prompt_view(shown, PROMPTS[0]).boards)

    assert set(texts(cells(listed.table, "First to finish"))) == {"not told apart"}
    assert column(board.table, "Latency p50").note_letter != ""
    assert "no interval: 1 repeated request; an interval needs 4" in [note.text for note in board.table.notes]


def test_the_median_of_a_strip_has_an_interval_from_five_samples_on() -> None:
    found = of_median((1.0, 1.1, 0.9, 1.05, 0.95))

    assert not isinstance(found, str)
    assert 0.9 <= found.low < 1.0 < found.high <= 1.1
    assert of_median((1.0, 1.1)) == "1 repeated request; an interval needs 4"
    assert of_median((1.0,)) == "no prompt was asked twice, so nobody knows how much a repetition differs"


def test_the_same_ledger_gives_the_same_intervals(tmp_path: Path) -> None:
    one, other = (views(overview(arranged(made(THREE, CREDITS))).sections)[0].table for _ in range(2))

    assert one == other


def test_a_test_instrument_has_no_rank_and_no_mark_of_the_best() -> None:
    models = [timed("probe", 0.1, instrument=True), timed("slow", 1.0), timed("fast", 0.5)]
    here = arranged(made(models, scores=[[1.0] * 6, [0.25] * 6, [0.75] * 6]))

    board = here.boards[0]
    section = overview(here).sections[0].view()
    latency = column(section.table, "Latency p95")
    footprint = column(section.table, "Footprint")

    assert [one.model for one in ranked(here, board, "e2e_s")] == ["fast", "slow"]
    assert [cell.text for cell in column(section.table, "Model").cells] == ["fast", "slow", "probe"]
    assert [cell.best for cell in latency.cells] == [True, False, False]
    assert not any(cell.best for cell in footprint.cells)
    assert column(section.table, "Model").cells[2].small.startswith("test instrument, do not ship")
    assert section.answer.startswith("fast answers best")


def test_where_all_are_test_instruments_none_is_praised() -> None:
    models = [timed("one", 0.1, instrument=True), timed("two", 1.0, instrument=True)]
    here = arranged(made(models, scores=[[1.0] * 6, [0.25] * 6]))

    section = overview(here).sections[0].view()
    on_prompt = prompt_view(here, PROMPTS[0]).boards[0].view()

    assert section.answer.startswith("All models that answered here are test instruments")
    assert section.table is not None
    assert not any(cell.best for one in section.table.columns for cell in one.cells)
    assert [cell.text for cell in column(prompt_list(here)[0].view().table, "Best answer").cells] == [
        "test instruments alone"
    ] * 6
    assert on_prompt.sentence == (
        "Answered by test instruments alone: none of them is a choice, so none is called the best."
    )
    assert "test instruments" in quality_page(here).matrices[0].view().sentence


def test_a_run_of_test_instruments_alone_stands_after_older_runs_of_real_models() -> None:
    real = made([timed("real", 1.0)])
    later = builders.STARTED_UTC + timedelta(days=1)
    probes = made([timed("probe", 0.1, instrument=True)], started_utc=later)
    elsewhere = made([timed("probe", 0.1, instrument=True)], machine_name="desk", started_utc=later)

    here = site(Ledger((real, probes, elsewhere), ()))

    assert [(board.machine, board.result.run.id) for board in here.boards] == [
        ("laptop", real.run.id),
        ("desk", elsewhere.run.id),
    ]
