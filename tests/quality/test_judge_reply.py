"""Replies of judges as they come, and what is taken from each."""

import json

import pytest

from bench.quality.judge.judging import KEPT_CHARACTERS, kept, read_preference, read_scores

FACETS = ("right", "short")
WHOLE = '{"facets": {"right": {"why": "it is", "score": 4}, "short": {"why": "one line", "score": 5}}}'


def scores(reply: str) -> list[int | None]:
    return [facet.score for facet in read_scores(reply, FACETS).facets]


def problem(reply: str) -> str | None:
    return read_scores(reply, FACETS).problem


def test_plain_json_with_reasons() -> None:
    read = read_scores(WHOLE, FACETS)

    assert [(facet.facet, facet.score, facet.why) for facet in read.facets] == [
        ("right", 4, "it is"),
        ("short", 5, "one line"),
    ]
    assert read.problem is None


@pytest.mark.parametrize(
    "reply",
    [
        f"```json\n{WHOLE}\n```",
        f"```\n{WHOLE}\n```",
        f"Here is my verdict:\n\n{WHOLE}\n\nI hope that {{this}} helps.",
        '{"right": {"score": 4}, "short": {"score": 5}}',
        '{"facets": {"right": 4, "short": 5}}',
        '{"facets": {"short": 5.0, "right": 4.0}}',
        '{"facets": [{"facet": "right", "score": 4}, {"id": "short", "rating": 5, "reason": "x"}]}',
        '{"facets": {"right": "4/5", "short": "5 out of 5"}}',
        '{"facets": {"right": {"score": " 4 / 5 "}, "short": {"score": "5"}}}',
        '{"facets": {"right": 4, "short": 5, "polite": 1}}',
        '{"facets": {"right": 4, "right": 4, "short": 5}}',
        f"First {WHOLE}, and once more {WHOLE}",
    ],
)
def test_every_form_in_which_two_scores_are_said(reply: str) -> None:
    assert scores(reply) == [4, 5]
    assert problem(reply) is None


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("0", "0"),
        ("7", "7"),
        ("3.5", "3.5"),
        ("-4", "-4"),
        ("true", "true"),
        ('"4/10"', '"4/10"'),
        ('"7/5"', '"7/5"'),
        ('"good"', '"good"'),
        ("NaN", '"NaN"'),
        ("Infinity", '"Infinity"'),
        ("[4]", "a list"),
    ],
)
def test_what_is_no_score_leaves_its_facet_unscored_and_no_other(said: str, shown: str) -> None:
    read = read_scores(f'{{"facets": {{"right": {said}, "short": 2}}}}', FACETS)

    assert [facet.score for facet in read.facets] == [None, 2]
    why = f"{shown} is no whole number from 1 to 5"
    assert read.facets[0].why == why
    assert read.problem == f"1 of 2 facets unscored: right ({why})"


def test_a_facet_that_is_missing_is_unscored() -> None:
    read = read_scores('{"facets": {"short": {"score": 2, "why": "long"}}}', FACETS)

    assert [facet.score for facet in read.facets] == [None, 2]
    assert read.problem == "1 of 2 facets unscored: right (not in the reply)"


def test_a_facet_without_a_score_is_unscored() -> None:
    assert problem('{"facets": {"right": {"why": "hm"}, "short": null}}') == (
        "2 of 2 facets unscored: right (has no score), short (has no score)"
    )


def test_a_reply_that_was_cut_off_is_read_as_far_as_it_is_whole() -> None:
    assert scores(WHOLE[:-1]) == [4, 5]
    assert scores(WHOLE[:-3]) == [None, None]
    assert problem(WHOLE[:-3]) == "the JSON object in the reply does not have what was asked for"


def test_a_facet_that_is_there_twice_and_not_alike_is_unscored() -> None:
    read = read_scores('{"facets": {"right": 4, "right": 2, "short": 5}}', FACETS)

    assert [facet.score for facet in read.facets] == [None, 5]
    assert read.problem == "1 of 2 facets unscored: right (given twice, and not alike)"
    assert scores('{"right": {"score": 1, "score": 2}, "short": 5}') == [None, 5]


def test_all_facets_twice_and_not_alike_is_no_verdict() -> None:
    reply = '{"facets": {"right": 4, "short": 5}, "facets": {"right": 1, "short": 1}}'

    assert scores(reply) == [None, None]
    assert problem(reply) == "the JSON object in the reply does not have what was asked for"


def test_two_objects_that_do_not_agree_are_no_verdict() -> None:
    reply = f'The answer says {{"facets": {{"right": 5, "short": 5}}}}. My verdict: {WHOLE}'

    assert scores(reply) == [None, None]
    assert problem(reply) == "the reply has 2 JSON objects that do not agree"


@pytest.mark.parametrize(
    "reply",
    ["4", "4/5", "4 out of 5", "right: 4/5, short: 5/5", "I cannot help with that request.", "[4, 5]", WHOLE[:30]],
)
def test_a_reply_without_an_object_is_no_verdict(reply: str) -> None:
    assert scores(reply) == [None, None]
    assert problem(reply) == "the reply has no JSON object"


@pytest.mark.parametrize("reply", ['{"verdict": "good"}', '{"facets": "all"}', '{"facets": {"Right": 4}}', "{}"])
def test_an_object_with_other_keys_is_no_verdict(reply: str) -> None:
    assert scores(reply) == [None, None]
    assert problem(reply) == "the JSON object in the reply does not have what was asked for"


@pytest.mark.parametrize("reply", ["", "  \n\t"])
def test_an_empty_reply(reply: str) -> None:
    assert problem(reply) == "the reply is empty"


def test_the_form_that_was_asked_for_gives_no_score_when_it_is_only_repeated() -> None:
    form = '{"facets": {"right": {"why": "one short sentence", "score": N}, "short": {"why": "...", "score": N}}}'

    assert problem(form) == "the reply has no JSON object"


def test_a_megabyte_is_not_read() -> None:
    reply = "x" * 1_000_000

    assert problem(reply) == "the reply has 1000000 characters; more than 50000 are not read"
    assert kept(reply) == "x" * KEPT_CHARACTERS
    assert kept(None) is None


@pytest.mark.parametrize(
    "reply",
    [
        "{" * 40_000,
        '{"facets": ' * 4_000,
        '{"facets": {"right": ' + "[" * 40_000,
        '{"facets": {"right": ' + '{"a": ' * 3_000 + "4" + "}" * 3_000 + "}}",
        '{"facets": {"right": ' + "9" * 10_000 + "}}",
    ],
    ids=["braces", "objects", "lists", "deep", "a number of ten thousand digits"],
)
def test_what_is_made_to_break_a_reader_is_unscored(reply: str) -> None:
    assert scores(reply) == [None, None]
    assert problem(reply) is not None


def test_reasons_are_one_line_without_control_characters() -> None:
    reply = json.dumps({"facets": {"right": {"score": 4, "why": "fine\n\x1b[31mred\u202e" + "y" * 400}, "short": 1}})

    why = read_scores(reply, FACETS).facets[0].why

    assert why.startswith("fine [31mred ")
    assert len(why) == 300
    assert why.endswith("\u2026")


@pytest.mark.parametrize(
    ("reply", "better"),
    [
        ('{"better": "A", "why": "x"}', "A"),
        ('It is {"why": "x", "better": "b"}', "B"),
        ('```json\n{"better": "Answer B"}\n```', "B"),
        ('{"better": "neither"}', "neither"),
        ('{"better": "tie"}', "neither"),
    ],
)
def test_a_preference(reply: str, better: str) -> None:
    read = read_preference(reply)

    assert (read.better, read.problem) == (better, None)


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ('{"better": "C"}', 'better is "C", not A, B or neither'),
        ('{"better": 1}', "better is 1, not A, B or neither"),
        ('{"better": "A", "better": "B"}', "better is given twice, and not alike"),
        ('{"better": "A"} or {"better": "B"}', "the reply has 2 JSON objects that do not agree"),
        ('{"winner": "A"}', "the JSON object in the reply does not have what was asked for"),
        ("A", "the reply has no JSON object"),
        ("", "the reply is empty"),
    ],
)
def test_no_preference(reply: str, why: str) -> None:
    read = read_preference(reply)

    assert (read.better, read.problem) == (None, why)
