"""Numbers and dates as a page shows them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from bench.report import format as form


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.00312, "0.00312"),
        (0.5, "0.500"),
        (5.6, "5.60"),
        (41.04, "41.0"),
        (999.6, "1,000"),
        (1234, "1,230"),
        (5_570_321, "5,570,000"),
        (-3.926, "-3.93"),
    ],
)
def test_numbers_have_three_significant_digits(value: float, text: str) -> None:
    assert form.number(value) == text


@pytest.mark.parametrize(
    ("unit", "values", "chosen"),
    [
        ("s", [0.003, 0.9], "ms"),
        ("s", [0.003, 1.2], "s"),
        ("s", [None, None], "ms"),
        ("bytes", [9.6e7, 4.7e5], "MB"),
        ("bytes", [2.3e9, 4.7e5], "GB"),
        ("bytes", [900], "kB"),
        ("tokens/s", [0.1], "tokens/s"),
        ("score", [4.2], "1–5"),
    ],
)
def test_a_column_takes_the_unit_of_its_largest_value(unit: str, values: list[float | None], chosen: str) -> None:
    assert form.scale(unit, values).unit == chosen


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0079, "s", "7.9 ms"),
        (2.0, "s", "2 s"),
        (96_000_000, "bytes", "96 MB"),
        (4.25, "score", "4.2 of 5"),
        (5570.4, "tokens/s", "5,570 tokens/s"),
        (None, "s", "–"),
    ],
)
def test_a_single_value_takes_the_unit_that_suits_it(value: float | None, unit: str, text: str) -> None:
    assert form.with_unit(value, unit).replace(form.NO_BREAK, " ") == text


def test_scores_have_one_decimal_and_tokens_are_whole() -> None:
    assert form.quantity(4.0, form.scale("score", [4.0])) == "4.0"
    assert form.quantity(1024, form.scale("tokens", [1024])) == "1,024"
    assert form.quantity(None, form.scale("s", [])) == "–"


@pytest.mark.parametrize(
    ("value", "text"), [(74_000, "74k"), (940_000, "940k"), (3_350_000, "3.35M"), (7.24e9, "7.24B")]
)
def test_parameters_are_said_as_people_say_them(value: int, text: str) -> None:
    assert form.parameters(int(value)) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(2.0, "2 s"), (59.4, "59 s"), (130, "2 min 10 s"), (120, "2 min"), (11_100, "3 h 5 min"), (7_200, "2 h")],
)
def test_durations_are_in_words(seconds: float, text: str) -> None:
    assert form.duration(seconds) == text


def test_dates_are_utc() -> None:
    moment = datetime(2026, 1, 5, 1, 30, tzinfo=timezone(timedelta(hours=2)))

    assert form.day(moment) == "2026-01-04"
    assert form.minute(moment) == "2026-01-04 23:30 UTC"
    assert form.stamp(moment.astimezone(UTC)) == "2026-01-04T23:30:00Z"


def test_things_are_counted_in_the_right_form() -> None:
    assert form.count(1, "run") == "1 run"
    assert form.count(1_200, "run") == "1,200 runs"
    assert form.count(0, "run has", "runs have") == "0 runs have"


def test_a_change_has_its_sign() -> None:
    assert form.change(0.1547) == "+15.5 %"
    assert form.change(-0.0034) == "−0.3 %"


def test_several_values_share_one_unit() -> None:
    assert form.pair(0.252, 0.291, "s") == "252 → 291\u00a0ms"
    assert form.listed([1.24, 0.98], "s") == "1.24, 0.980\u00a0s"


def test_counts_are_whole_and_have_no_unit() -> None:
    assert form.with_unit(12, "count") == "12"
    assert form.quantity(12.0, form.scale("count", [12.0])) == "12"
    assert form.with_unit(0.0621, "share") == "6.21\u00a0%"


def test_a_unit_without_a_value_is_not_the_smallest() -> None:
    assert form.scale("bytes", [None]).unit == "MB"


def test_a_clause_becomes_a_sentence() -> None:
    assert form.sentence("not measured") == "Not measured."
    assert form.sentence("Is it?") == "Is it?"
