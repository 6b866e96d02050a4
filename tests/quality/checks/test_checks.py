"""Checks of answers: what passes, what does not, and the evidence."""

import re
from datetime import date
from typing import Any

import pytest

from bench.quality.checks.language import LANGUAGES
from bench.quality.checks.registry import CHECKS, EVIDENCE_LENGTH, grade_answer, parameter_mistakes
from bench.quality.grading import grades
from bench.schema.result import FacetGrade
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


def test_a_part_of_a_number_is_not_found() -> None:
    assert verdict("contains_any", "It is due on 15 May.", values=["5 May"]) == (0.0, "has none of '5 May'")
    assert graded("contains_any", "May 30", values=["May 3"]).credit == 0.0
    assert graded("contains_any", "12.5 or 2.75 kg", values=["2", "5"]).credit == 0.0
    assert graded("contains_any", "1,250 units", values=["250"]).credit == 0.0
    assert graded("contains_all", "May 3. Room 4, 5%", values=["May 3", "4", "5"]).credit == 1.0


def test_case_matters_where_it_is_asked_for() -> None:
    assert graded("contains_all", "in PARIS", values=["Paris"], match_case=True).credit == 0.0
    assert graded("contains_all", "in  Paris", values=["in Paris"], match_case=True).credit == 1.0
    assert graded("starts_with", "paris", values=["Paris"], match_case=True).credit == 0.0


@pytest.mark.parametrize("text", ["Paris", " paris.\n", '"Paris"', "**Paris**", "`PARIS`!"])
def test_equal_but_for_case_spacing_quotes_emphasis_and_the_end_mark(text: str) -> None:
    assert verdict("equals", text, values=["Lyon", "Paris"]) == (1.0, "is 'Paris'")


def test_equals() -> None:
    assert verdict("equals", "Paris, France", values=["Paris", "Lyon"]) == (
        0.0,
        "'Paris, France' is none of 'Paris', 'Lyon'",
    )
    assert graded("equals", "Paris.", values=["Paris"], normalise=False).credit == 0.0
    assert graded("equals", " Paris\n", values=["Paris"], normalise=False).credit == 1.0
    assert graded("equals", "3.5", values=["3.5."]).credit == 1.0


def test_starts_and_ends() -> None:
    assert verdict("starts_with", "Yes, it  is.", values=["no", "yes, it is"]) == (1.0, "begins with 'yes, it is'")
    assert verdict("starts_with", "It is.", values=["Yes", "No"]) == (0.0, "begins with 'it is.'; wanted 'Yes', 'No'")
    assert verdict("ends_with", "That is it.\n", values=["IS IT."]) == (1.0, "ends with 'IS IT.'")
    assert verdict("ends_with", "a" * 50 + "z", values=["b"]) == (0.0, f"ends with '\u2026{'a' * 38}z'; wanted 'b'")


def test_a_check_can_be_negated() -> None:
    assert verdict("regex", "Sorry!", pattern="Sorry", negate=True) == (0.0, "matches at 'Sorry'; wanted the opposite")
    assert verdict("regex", "Fine!", pattern="Sorry", negate=True) == (1.0, "no match for Sorry")
    assert verdict("valid_json", "{}", negate=True) == (0.0, "is JSON; wanted the opposite")
    assert graded("regex", " ", pattern="Sorry", negate=True).credit == 0.0
    assert graded("regex", "Fine!", pattern="Sorry", negate=False).credit == 0.0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"(a|a)*$", "a" * 60 + "b"),
        (r"(\w+\s?)+$", "word " * 4_000 + "!"),
    ],
)
def test_a_pattern_that_would_search_for_ever_is_not_evaluated(pattern: str, text: str) -> None:
    why = "not evaluated: the pattern took longer than 1 s"

    assert verdict("regex", text, pattern=pattern) == (None, why)
    assert verdict("json_schema", f'["{text}"]', schema={"items": {"pattern": pattern}}) == (None, why)


def test_nested_repetitions_do_not_hang() -> None:
    grade = graded("regex", "a" * 5_000 + "b", pattern="(a+)+$")

    assert (grade.credit, grade.why) in (
        (0.0, "no match for (a+)+$"),
        (None, "not evaluated: the pattern took longer than 1 s"),
    )


@pytest.mark.parametrize("pattern", ["x{e}", "x{s<=1}", "{e}", r"[{e}]+$", r"a{2}", "a{,2}$", r"\N{DIGIT ONE}", r"\{e"])
@pytest.mark.parametrize("text", ["xx", "x{e}", "x{s<=1}", "aa", "1"])
def test_patterns_mean_what_they_mean_in_python(pattern: str, text: str) -> None:
    match = re.search(pattern, text)

    assert graded("regex", text, pattern=pattern).why == (
        f"no match for {pattern}" if match is None else f"matches at '{match[0]}'"
    )


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
    assert graded("number_equals", "It is 7,200, as agreed", value=7_200).credit == 1.0
    assert verdict("number_equals", "3.2", value=3, tolerance=0.25) == (1.0, "last number is 3.2; wanted 3 \u00b1 0.25")
    assert graded("number_equals", "3.3", value=3, tolerance=0.25).credit == 0.0
    assert graded("number_equals", "pages 3-4", value=4).credit == 1.0
    assert graded("number_equals", "9" * 400, value=4).credit == 0.0
    assert graded("number_equals", "9" * 1_000_000, value=4).credit == 0.0
    assert graded("number_equals", "9007199254740990.5", value=2**53 - 1).credit == 0.0


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("One, two \u2013 three.", 3),
        ("It isn't e-mail: 1,250.50 euros", 5),
        ("- one\n- two three", 3),
        ("\u4f60\u597d", 2),
        ("... !", 0),
    ],
)
def test_words_are_counted(text: str, count: int) -> None:
    assert graded("word_count", text, max=count).why.startswith(f"{count} word")
    assert graded("word_count", text, min=count, max=count).credit == 1.0


def test_word_count_says_what_it_counted() -> None:
    assert verdict("word_count", "far too long", max=2) == (0.0, "3 words; wanted at most 2")


def test_credit_for_each_fact_that_is_covered() -> None:
    facts = [["Hana Rossi", "Rossi"], "sign-up form", "3 May", "1,250"]

    assert verdict("covers", "Rossi replaces the sign-up form by May 3rd: 1250 euros.", facts=facts) == (
        1.0,
        "4 of 4 facts",
    )
    assert verdict("covers", "Hana replaces the Sign-Up  form by 13 May.", facts=facts) == (
        0.25,
        "1 of 4 facts; lacks 'Hana Rossi', '3 May', '1,250'",
    )
    assert verdict("covers", "Nothing.", facts=["a fact"]) == (0.0, "0 of 1 fact; lacks 'a fact'")


@pytest.mark.parametrize(
    ("fact", "text"),
    [
        ("3 May", "2026-05-03"),
        ("3 May 2026", "on the 3rd of May"),
        ("19:30", "at 7:30 pm"),
        ("three", "3 people"),
        ("12", "twelve of them"),
        ("40,000", "40k"),
        ("1.4 million", "1,400,000"),
    ],
)
def test_a_fact_that_is_a_figure_is_found_in_any_spelling(fact: str, text: str) -> None:
    assert graded("covers", text, facts=[fact]).credit == 1.0


@pytest.mark.parametrize(
    ("fact", "text"),
    [
        ("3 May 2026", "3 May 2025"),
        ("3", "on 13 May"),
        ("room 3", "three rooms"),
        ("19:30", "19:31"),
        ("...", "no dots"),
    ],
)
def test_another_figure_is_not_the_fact(fact: str, text: str) -> None:
    assert graded("covers", text, facts=[fact]).credit == 0.0


def test_json_that_follows_a_schema() -> None:
    schema = {
        "type": "object",
        "required": ["room"],
        "properties": {"room": {"type": "integer"}, "day": {"type": "string", "pattern": "^2026"}},
    }

    assert verdict("json_schema", '```json\n{"room": 4, "day": "2026-05-03"}\n```', schema=schema) == (
        1.0,
        "follows the schema",
    )
    assert verdict("json_schema", '{"room": "4"}', schema=schema) == (0.0, "$.room: '4' is not of type 'integer'")
    assert verdict("json_schema", "{}", schema=schema) == (0.0, "$: 'room' is a required property")
    assert verdict("json_schema", '{"room": 4, "day": "3 May"}', schema=schema) == (
        0.0,
        "$.day: '3 May' does not match '^2026'",
    )
    assert verdict("json_schema", "room 4", schema=schema) == (0.0, "not JSON: Expecting value at character 1")


def test_a_schema_that_cannot_be_followed_is_not_evaluated() -> None:
    assert verdict("json_schema", "{}", schema={"$ref": "#/$defs/gone"}) == (
        None,
        "not evaluated: the schema refers to /$defs/gone, which it does not have",
    )


def test_json_within_a_longer_answer() -> None:
    text = 'Sure [1]! Here it is: {"room": 4}. Anything else?'

    assert verdict("valid_json", text) == (0.0, "not JSON: Expecting value at character 1")
    assert verdict("valid_json", text, anywhere=True) == (1.0, "is JSON")
    assert verdict("json_field_equals", 'It is {"room": 4}.', path="room", values=[4], anywhere=True) == (
        1.0,
        "room is 4",
    )
    assert verdict("valid_json", "[x " * 500, anywhere=True) == (0.0, "has no JSON object or list in it")


@pytest.mark.parametrize(
    ("path", "values", "credit", "why"),
    [
        ("owner.name", ["ADA  Byron"], 1.0, 'owner.name is "Ada Byron"'),
        ("owner.name", ["Bob"], 0.0, 'owner.name is "Ada Byron"; wanted "Bob"'),
        ("items[1].price", [2], 1.0, "items[1].price is 2.0"),
        ("items[1].price", ["2"], 0.0, 'items[1].price is 2.0; wanted "2"'),
        ("items[1].price", [3, 4], 0.0, "items[1].price is 2.0; wanted 3 or 4"),
        ("items[2].price", [2], 0.0, "is JSON, but has no items[2].price"),
        ("owner.age", [2], 0.0, "is JSON, but has no owner.age"),
        ("owner[0]", [2], 0.0, "is JSON, but has no owner[0]"),
        ("done", [True], 1.0, "done is true"),
        ("done", [1], 0.0, "done is true; wanted 1"),
        ("left", [None], 1.0, "left is null"),
        ("tags", [["A", "b"]], 1.0, 'tags is ["a", "b"]'),
        ("tags", [["b", "a"]], 0.0, 'tags is ["a", "b"]; wanted ["b", "a"]'),
    ],
)
def test_a_field_of_json(path: str, values: list[object], credit: float, why: str) -> None:
    text = (
        '{"owner": {"name": "Ada Byron"}, "items": [{"price": 1}, {"price": 2.0}], "done": true, "left": null, '
        '"tags": ["a", "b"]}'
    )

    assert verdict("json_field_equals", text, path=path, values=values) == (credit, why)


def test_repeated_runs_of_words() -> None:
    # 9 words make 6 runs of four words; the last two, 'on and on and' and 'and on and on', came before.
    assert verdict("no_repetition", "It goes on and on and on and on") == (
        0.0,
        "33% of the runs of 4 words came before; at most 20%; 'on and on and' 2 times",
    )
    assert verdict("no_repetition", "It goes on and on and on and on", most=0.34)[0] == 1.0
    assert verdict("no_repetition", "Hana will review the list. Tom will review the map.") == (
        1.0,
        "0% of the runs of 4 words came before; at most 20%",
    )
    assert verdict("no_repetition", "Paris.") == (1.0, "1 word: too few to repeat a run of 4")


def test_a_repeated_sentence() -> None:
    other = "They met in the old hall to speak of the budget, the roof, the heating, the cellar and much else."
    text = f"The team will replace the form. {other} The  team will replace the FORM."

    assert verdict("no_repetition", text) == (0.0, "says 2 times: 'the team will replace the form.'")
    assert graded("no_repetition", f"Due on 3 May. {other} Due on 3 May.").credit == 1.0


def test_runs_of_characters_in_chinese() -> None:
    assert graded("no_repetition", "\u6211\u4eec\u5f88\u597d" * 5).credit == 0.0


SAMPLES = {
    "en": "The team will replace the form, and it is due on the third of May.",
    "de": "Das Team wird das Formular ersetzen, und es ist am dritten Mai fällig.",
    "fr": "L'équipe va remplacer le formulaire, et il est prêt pour le trois mai.",
    "es": "El equipo va a cambiar el formulario, y debe estar listo para el tres de mayo.",
    "it": "La squadra sostituirà il modulo, e deve essere pronto per il tre di maggio.",
    "pt": "A equipa vai substituir o formulário, e ele deve estar pronto até ao dia três de maio.",
    "nl": "Het team zal het formulier vervangen, en dat moet voor drie mei klaar zijn.",
    "pl": "Zespół wymieni formularz, który musi być gotowy do trzeciego maja i nie później.",
    "zh": "团队决定在五月三日之前更换表格。",
    "ja": "チームは五月三日までに表を交換します。",
    "ko": "팀은 5월 3일까지 양식을 바꾼다.",
}


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize("said", LANGUAGES)
def test_the_language_of_an_answer(code: str, said: str) -> None:
    assert graded("language", SAMPLES[said], **{"is": code}).credit == float(code == said)


def test_a_language_is_told_with_its_evidence() -> None:
    assert verdict("language", "Das Team ist nicht da.", **{"is": "en"}) == (
        0.0,
        "3 of 5 words are common in German: 'das', 'ist', 'nicht'; 0 in English",
    )
    assert verdict("language", SAMPLES["zh"], **{"is": "en"}) == (
        0.0,
        "100% of the letters are Chinese; wanted Latin ones",
    )
    assert verdict("language", SAMPLES["en"], **{"is": "zh"}) == (0.0, "0% of the letters are Chinese")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("1,250", "too short to tell a language: 0 letters"),
        ("3 May", "too short to tell a language: 3 letters"),
        ("Hana Rossi, Berlin", "too short to tell a language: 3 words"),
        ("Hana Rossi, Tomas Keller, Dana Reed", "too few common words of any known language among 6"),
    ],
)
def test_a_language_that_cannot_be_told_is_no_verdict(text: str, why: str) -> None:
    assert verdict("language", text, **{"is": "en"}) == (None, why)


def test_what_only_a_judge_can_tell_has_no_credit() -> None:
    assert verdict("judged", "Anything.") == (None, "only a judge or a person can tell")
    assert verdict("judged", "") == (None, "only a judge or a person can tell")


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
            ["needs 'values'", "does not take 'vales'; it takes match_case, values; did you mean 'values'?"],
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
        ("covers", {"facts": []}, ["'facts' must be a list of at least one fact, found []"]),
        ("covers", {"facts": ["a", []]}, ["'facts' has a fact that must be a list of at least one text, found []"]),
        ("covers", {"facts": [["a", 5]]}, [
            "'facts' has a fact that must be a list of texts, found 5 in it; put it in quotes",
        ]),
        ("covers", {"facts": ["a", ["b", "c"]]}, []),
        ("equals", {"values": ["a"], "normalise": "no"}, ["'normalise' must be true or false, found \"no\""]),
        ("regex", {"pattern": "a", "negate": 1}, ["'negate' must be true or false, found 1"]),
        ("contains_any", {"values": ["a"], "negate": True}, [
            "does not take 'negate'; it takes match_case, values",
        ]),
        ("word_count", {}, ["needs 'min' or 'max'"]),
        ("json_schema", {"schema": "object"}, ["'schema' must be a JSON Schema, found \"object\""]),
        ("json_schema", {"schema": {"type": "objekt"}}, [
            "'schema' is not a JSON Schema: $.type: 'objekt' is not valid under any of the given schemas",
        ]),
        ("json_schema", {"schema": {"pattern": "("}}, [
            "'schema' has a pattern that is not a regular expression: "
            "missing ), unterminated subpattern at position 0",
        ]),
        ("json_schema", {"schema": {"items": {"$ref": "https://example.com/a.json"}}}, [
            "'schema' refers to \"https://example.com/a.json\"; "
            "a reference must begin with # and stay within the schema",
        ]),
        ("json_schema", {"schema": {"patternProperties": {"a": True}}}, [
            "'schema' has patternProperties, which is not supported; name the properties",
        ]),
        ("json_schema", {"schema": {"const": date(2026, 5, 3)}}, [
            "'schema' holds 2026-05-03, which is no JSON value; put it in quotes",
        ]),
        ("json_field_equals", {"path": "a..b", "values": [1]}, [
            "'path' must be the path of a field, such as owner.name or items[0].price, found \"a..b\"",
        ]),
        ("json_field_equals", {"path": "a", "values": []}, ["'values' must be a list of at least one value, found []"]),
        ("json_field_equals", {"path": "a", "values": [{5: 1}]}, [
            "'values' has the key 5, which is no text; put it in quotes",
        ]),
        ("json_field_equals", {"path": "[0].a[1]", "values": [None, False, []]}, []),
        ("faithful", {"source": "a", "after": "b"}, []),
        ("faithful", {"kinds": ["name"]}, [
            "'kinds' must be a list of some of numbers, dates, names, found [\"name\"]",
        ]),
        ("no_repetition", {"most": 2}, ["'most' must be a number from 0 to 1, found 2"]),
        ("language", {"is": "xx"}, ["'is' must be one of en, de, fr, es, it, pt, nl, pl, zh, ja, ko, found \"xx\""]),
        ("judged", {"by": "us"}, ["does not take 'by'; it takes none"]),
    ],
)  # fmt: skip
def test_mistakes_in_parameters(check: str, parameters: dict[str, object], mistakes: list[str]) -> None:
    assert parameter_mistakes(check, parameters) == mistakes


def test_a_prompt_must_have_the_source_that_a_facet_names() -> None:
    assert parameter_mistakes("faithful", {"after": "Notes:"}, "Summarise.\n\nNotes: They met.") == []
    assert parameter_mistakes("faithful", {"after": "Minutes:"}, "Summarise.\n\nNotes: They met.") == [
        "'after' names 'Minutes:', after which the prompt has no text"
    ]
    assert parameter_mistakes("faithful", {"after": "a", "source": "b"}, "a b") == [
        "takes 'source' or 'after', not both"
    ]


def test_an_unknown_check_names_the_known_ones() -> None:
    assert parameter_mistakes("contain_any", {}) == [
        f"unknown check 'contain_any'; known: {', '.join(CHECKS)}; did you mean 'contains_any'?"
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
