"""Checks of answers: what passes, what does not, and the evidence."""

from typing import Any

import pytest

from bench.quality.checks import CHECKS, EVIDENCE_LENGTH, grade_answer, parameter_mistakes
from bench.quality.grading import grades
from bench.results.schema import FacetGrade
from tests.builders import MILLISECOND_NS as MS
from tests.builders import facet, failed_sample, model_run, prompt, prompt_set, sample


def graded(check: str, text: str, **parameters: Any) -> FacetGrade:
    """Return the grade of a text by one check."""
    return grade_answer(prompt(facets=(facet(check=check, parameters=parameters),)), text)[0]


def verdict(check: str, text: str, **parameters: Any) -> tuple[float | None, str]:
    """Return the credit and the evidence of one check."""
    grade = graded(check, text, **parameters)
    return grade.credit, grade.why


@pytest.mark.parametrize(
    ("check", "text", "credit", "why"),
    [
        ("contains_any", "It is PARIS.", 1.0, "has 'Paris'"),
        ("contains_any", "It is Rome.", 0.0, "has none of 'Paris', 'Lyon'"),
        ("contains_all", "Lyon, then Paris", 1.0, "has 'Paris', 'Lyon'"),
        ("contains_all", "Only Lyon", 0.0, "lacks 'Paris'"),
        ("contains_none", "It is Rome.", 1.0, "has none of 'Paris', 'Lyon'"),
        ("contains_none", "It is lyon.", 0.0, "has 'Lyon'"),
    ],
)
def test_contains(check: str, text: str, credit: float, why: str) -> None:
    assert verdict(check, text, values=["Paris", "Lyon"]) == (credit, why)


@pytest.mark.parametrize(
    "text", ["don't\n  know", "I DON\u2019T KNOW", "don't\tknow", "\uff44\uff4f\uff4e't know", "don't know\u00a0it"]
)
def test_case_spacing_quotes_and_width_do_not_matter(text: str) -> None:
    assert graded("contains_all", text, values=["don't know"]).credit == 1.0


def test_a_part_of_a_word_is_found() -> None:
    assert graded("contains_any", "It retrieves documents.", values=["retriev"]).credit == 1.0


def test_regex() -> None:
    assert verdict("regex", "Room 17, please", pattern=r"\b17\b") == (1.0, "matches at '17'")
    assert verdict("regex", "Room 170", pattern=r"\b17\b") == (0.0, r"no match for \b17\b")
    assert graded("regex", "PARIS", pattern="paris").credit == 0.0
    assert graded("regex", "PARIS", pattern="(?i)paris").credit == 1.0


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("One. Two! Three?", 3),
        ("One sentence without an end", 1),
        ("It takes 3.5 seconds. Version 1.2.3 is out.", 2),
        ("Use it, e.g. offline. Dr. Lee agrees.", 2),
        ('He said "Stop." Then he left.', 2),
        ("**Bold.** Then more.", 2),
        ("Wait... what?", 2),
        ("1. First item\n2. Second item.\n- third", 3),
        ("A line\nanother line", 2),
        ("Paris.\n\n\n", 1),
        ("\u4f60\u597d\u3002\u8c22\u8c22\u3002", 2),
        ("!!! ... ???", 0),
    ],
)
def test_sentences_are_counted_as_a_person_would(text: str, count: int) -> None:
    assert graded("sentence_count", text, min=count, max=count).why.startswith(f"{count} sentence")
    assert graded("sentence_count", text, min=count, max=count).credit == 1.0


def test_counts_and_their_limits() -> None:
    text = "One. Two."

    assert verdict("sentence_count", text, min=2, max=2) == (1.0, "2 sentences; wanted exactly 2")
    assert verdict("sentence_count", text, min=3) == (0.0, "2 sentences; wanted at least 3")
    assert verdict("sentence_count", text, max=1) == (0.0, "2 sentences; wanted at most 1")
    assert verdict("sentence_count", text, min=1, max=4) == (1.0, "2 sentences; wanted 1 to 4")
    assert verdict("sentence_count", "One.", max=1) == (1.0, "1 sentence; wanted at most 1")


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("1. One\n2. Two\n3. Three", 3),
        ("1) One\n2) Two", 2),
        ("a) One\nb) Two", 2),
        ("Here it is:\n- One\n* Two\n\u2022 Three\n+ Four", 4),
        ("- One\n  - part of one\n  - another\n- Two", 2),
        ("  - One\n  - Two", 2),
        ("**1. One**\n**2. Two**", 2),
        ("One, two and three", 0),
        ("3.5 is a number\n-5 is too", 0),
        ("1. One\n2.", 1),
        ("**Bold** is no item", 0),
    ],
)
def test_list_items_are_counted_on_the_outermost_level(text: str, count: int) -> None:
    assert graded("list_length", text, min=count, max=count).credit == 1.0


def test_list_length_says_what_it_counted() -> None:
    assert verdict("list_length", "- One", min=3, max=3) == (0.0, "1 list item; wanted exactly 3")


@pytest.mark.parametrize(
    ("text", "credit", "why"),
    [
        ('{"name": "Ada", "room": 4}', 1.0, "is JSON with 'name', 'room'"),
        ('```json\n{"name": "Ada", "room": 4}\n```', 1.0, "is JSON with 'name', 'room'"),
        ('{"name": "Ada"}', 0.0, "is JSON, but lacks 'room'"),
        ('[{"name": "Ada", "room": 4}]', 0.0, "a JSON list, which has no keys"),
        ('"Ada"', 0.0, "a single JSON value, neither object nor list"),
        ('{"name": "Ada"', 0.0, "not JSON: Expecting ',' delimiter at character 15"),
        ('Here: {"name": "Ada"}', 0.0, "not JSON: Expecting value at character 1"),
        ('{"name": NaN}', 0.0, "not JSON: NaN is no JSON"),
        ("[" * 100_000, 0.0, "not JSON that can be read: nested too deeply"),
    ],
    ids=["object", "fenced", "key missing", "list", "text", "cut off", "prose", "NaN", "deep"],
)
def test_valid_json(text: str, credit: float, why: str) -> None:
    assert verdict("valid_json", text, keys=["name", "room"]) == (credit, why)


def test_json_without_keys_may_be_a_list() -> None:
    assert verdict("valid_json", "[1, 2]") == (1.0, "is JSON")
    assert graded("valid_json", "[" + "9" * 5_000 + "]").credit == 0.0


@pytest.mark.parametrize(
    ("text", "credit", "why"),
    [
        ("42", 1.0, "last number is 42; wanted 42"),
        ("The answer is 42.", 1.0, "last number is 42; wanted 42"),
        ("17 + 25 = 42", 1.0, "last number is 42; wanted 42"),
        ("42.0", 1.0, "last number is 42.0; wanted 42"),
        ("It is 41", 0.0, "last number is 41; wanted 42"),
        ("It is -42", 0.0, "last number is -42; wanted 42"),
        ("It is \u221242", 0.0, "last number is -42; wanted 42"),
        ("forty-two", 0.0, "no number; wanted 42"),
        ("Room A42", 0.0, "no number; wanted 42"),
    ],
)
def test_number_equals(text: str, credit: float, why: str) -> None:
    assert verdict("number_equals", text, value=42) == (credit, why)


def test_numbers_with_separators_fractions_and_a_tolerance() -> None:
    assert graded("number_equals", "1,250,000 euros", value=1_250_000).credit == 1.0
    assert graded("number_equals", "It was 0.3", value=0.3).credit == 1.0
    assert verdict("number_equals", "3.2", value=3, tolerance=0.25) == (1.0, "last number is 3.2; wanted 3 \u00b1 0.25")
    assert graded("number_equals", "3.3", value=3, tolerance=0.25).credit == 0.0
    assert graded("number_equals", "pages 3-4", value=4).credit == 1.0
    assert graded("number_equals", "9" * 400, value=4).credit == 0.0


def test_an_empty_answer_meets_nothing() -> None:
    for check, parameters in (
        ("contains_none", {"values": ["x"]}),
        ("sentence_count", {"max": 3}),
        ("regex", {"pattern": ".*"}),
    ):
        assert verdict(check, " \n", **parameters) == (0.0, "the answer is empty")


def test_what_cannot_be_evaluated_has_no_credit_and_says_why() -> None:
    assert verdict("regex", "text", pattern="(") == (
        None,
        "not evaluated: 'pattern' is not a regular expression: missing ), unterminated subpattern at position 0",
    )
    grade = graded("vibes", "text")
    assert grade.credit is None
    assert grade.why.startswith("not evaluated: unknown check 'vibes'; known: contains_any, ")
    assert len(grade.why) == EVIDENCE_LENGTH


def test_evidence_is_one_short_visible_line() -> None:
    why = graded("regex", "a\n\u202eb\x1b[31m\ud800" + "c" * 500, pattern="(?s).*").why

    assert why.startswith("matches at 'a b [31m ccc")
    assert why.endswith("c\u2026")
    assert len(why) == EVIDENCE_LENGTH


def test_grades_are_in_the_order_of_the_facets() -> None:
    facets = (facet(id="z"), facet(id="a", check="sentence_count", parameters={"max": 1}))

    assert grade_answer(prompt(facets=facets), "Paris. Or Lyon.") == (
        FacetGrade(facet="z", credit=1.0, why="has 'Paris'"),
        FacetGrade(facet="a", credit=0.0, why="2 sentences; wanted at most 1"),
    )
    assert grade_answer(prompt(facets=()), "Paris") == ()


@pytest.mark.parametrize(
    ("check", "parameters", "mistakes"),
    [
        ("contains_any", {}, ["needs 'values'"]),
        ("contains_any", {"values": "Paris"}, ["'values' must be a list of at least one text, found \"Paris\""]),
        ("contains_any", {"values": []}, ["'values' must be a list of at least one text, found []"]),
        ("contains_any", {"values": ["a", 42]}, ["'values' must be a list of texts, found 42 in it; put it in quotes"]),
        ("contains_any", {"values": [" "]}, ["'values' holds an empty text, which every answer has; take it out"]),
        (
            "contains_any",
            {"vales": ["a"]},
            ["needs 'values'", "does not take 'vales'; it takes values; did you mean 'values'?"],
        ),
        ("regex", {"pattern": 3}, ["'pattern' must be a text, found 3"]),
        (
            "regex",
            {"pattern": "[a"},
            ["'pattern' is not a regular expression: unterminated character set at position 0"],
        ),
        ("sentence_count", {}, ["needs 'min' or 'max'"]),
        ("list_length", {"min": 3, "max": 2}, ["min is above max (3 > 2)"]),
        ("list_length", {"min": -1}, ["'min' must be a whole number from 0, found -1"]),
        ("list_length", {"min": True}, ["'min' must be a whole number from 0, found true"]),
        ("list_length", {"min": 1.5, "max": "2"}, [
            "'min' must be a whole number from 0, found 1.5",
            "'max' must be a whole number from 0, found \"2\"",
        ]),
        ("valid_json", {}, []),
        ("valid_json", {"keys": ["a"]}, []),
        ("number_equals", {"tolerance": 1}, ["needs 'value'"]),
        ("number_equals", {"value": "42"}, ["'value' must be a number, found \"42\""]),
        ("number_equals", {"value": float("nan")}, ["'value' must be a number, found NaN"]),
        ("number_equals", {"value": 42, "tolerance": -1}, ["'tolerance' must be a number from 0, found -1"]),
        ("number_equals", {"value": 42, "tolerance": 0.5}, []),
    ],
)  # fmt: skip
def test_mistakes_in_parameters(check: str, parameters: dict[str, object], mistakes: list[str]) -> None:
    assert parameter_mistakes(check, parameters) == mistakes


def test_an_unknown_check_names_the_known_ones() -> None:
    assert parameter_mistakes("contain_any", {}) == [
        "unknown check 'contain_any'; known: contains_any, contains_all, contains_none, regex, sentence_count, "
        "list_length, valid_json, number_equals; did you mean 'contains_any'?"
    ]


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_is_named_after_its_function_and_says_what_passes(name: str) -> None:
    assert CHECKS[name].function.__name__ == name
    assert CHECKS[name].says


def test_each_distinct_answer_of_a_run_is_graded_once() -> None:
    prompts = prompt_set([prompt(id="p2"), prompt(id="p1"), prompt(id="p3", facets=())])
    models = [
        model_run(
            warmup=(sample(round=0, output="warm"),),
            samples=(
                sample(prompt="p1", output="b"),
                sample(prompt="p1", output="a", round=2),
                sample(prompt="p2", output="b"),
                sample(prompt="p3", output="a"),
                failed_sample("cut-off", "the stream ended", prompt="p1", output="cut", end_ns=5 * MS),
            ),
        ),
        model_run(name="other", samples=(sample(prompt="p1", output="b"),)),
    ]
    found = grades(prompts, models, {"a": "Paris", "b": "Rome", "cut": "Pa", "warm": "Paris"})

    assert [(grade.prompt, grade.output, grade.source) for grade in found] == [
        ("p2", "b", "program"),
        ("p1", "a", "program"),
        ("p1", "b", "program"),
    ]
    assert [grade.facets[0].credit for grade in found] == [0.0, 1.0, 0.0]
