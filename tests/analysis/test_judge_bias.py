"""What speaks for or against a judge, worked out by hand."""

import math

import pytest

from bench.analysis.ratings import judge_bias
from bench.schema.result import Result
from tests.builders import facet, grade, model_run, prompt, result, sample
from tests.review_builders import judgement, pair, reviewed_result, verdict


def test_consistency_compares_what_has_both_scores() -> None:
    found = judge_bias(
        reviewed_result(),
        judgement(
            verdict("p1", "aa", {"right": 5, "short": 2}),
            verdict("p1", "cc", {"right": 1, "short": None}),
            verdict("p2", "dd", {"right": 3}),
            verdict("p1", "aa", {"right": 5, "short": 4}, reading=2),
            verdict("p1", "cc", {"right": 2, "short": 3}, reading=2),
        ),
    ).consistency

    # Equal: right of aa. Apart: short of aa by 2, right of cc by 1.
    assert (found.answers, found.facets, found.why) == (2, 3, None)
    assert found.equal_share == pytest.approx(1 / 3)
    assert found.mean_absolute_difference == pytest.approx(1)


def test_consistency_that_cannot_be_told() -> None:
    once = judge_bias(reviewed_result(), judgement(verdict("p2", "dd", {"right": 3}))).consistency
    unread = judge_bias(reviewed_result(), judgement(verdict("p2", "dd", {"right": None}, reading=2))).consistency

    assert (once.equal_share, once.why) == (None, "no answer was judged twice")
    assert (unread.equal_share, unread.why) == (None, "no facet has a score of both readings")


def test_a_verdict_flips_where_it_goes_with_the_order() -> None:
    found = judge_bias(
        reviewed_result(),
        judgement(
            pair("p1", "aa", "bb", "first"),
            pair("p1", "bb", "aa", "second"),  # aa both times
            pair("p1", "cc", "aa", "first"),
            pair("p1", "aa", "cc", "first"),  # the first both times
            pair("p1", "bb", "cc", "second"),
            pair("p1", "cc", "bb", "second"),  # the second both times
            pair("p2", "dd", "ee", "neither"),
            pair("p2", "ee", "dd", "first"),  # neither, then ee
            pair("p3", "x", "y", "neither"),
            pair("p3", "y", "x", "neither"),
            pair("p3", "x", "z", "first"),  # never asked in the other order
            pair("p4", "v", "w", "first"),
            pair("p4", "w", "v", None),
        ),
    ).position

    assert (found.pairs, found.flips, found.first_both, found.second_both) == (5, 3, 1, 1)
    assert found.flip_share == pytest.approx(3 / 5)


def test_position_bias_that_cannot_be_told() -> None:
    none = judge_bias(reviewed_result(), judgement()).position
    half = judge_bias(reviewed_result(), judgement(pair("p1", "aa", "bb", "first"))).position

    assert (none.flip_share, none.why) == (None, "no pair of answers was compared")
    assert (half.flip_share, half.why) == (None, "no pair has a verdict in both orders")


def three_lengths(prompts: int) -> Result:
    """Return a run of three models that answer each prompt with 1, 2 and 3 letters; the program likes them short."""
    names = [f"p{number}" for number in range(prompts)]
    models = [
        model_run(name=f"m{length}", samples=tuple(sample(prompt=name, output=f"{name}-{length}") for name in names))
        for length in (1, 2, 3)
    ]
    outputs = {f"{name}-{length}": "x" * length for name in names for length in (1, 2, 3)}
    grades = tuple(
        grade({"f": 1 - length / 4}, prompt=name, output=f"{name}-{length}") for name in names for length in (1, 2, 3)
    )
    return result(
        models, prompts=[prompt(id=name, facets=(facet(id="f"),)) for name in names], outputs=outputs, grades=grades
    )


def test_score_against_length_is_a_rank_correlation_within_prompts() -> None:
    # Ranks of length are -1, 0, 1 around their middle. Scores 3, 1, 5 have 0, -1, 1; the tied 3, 3, 5 have -.5, -.5, 1.
    said = {"p0": (3, 1, 5), "p1": (3, 1, 5), "p2": (3, 3, 5), "p3": (1, 1, 2)}
    verdicts = [
        verdict(name, f"{name}-{length}", {"f": scores[length - 1]})
        for name, scores in said.items()
        for length in (1, 2, 3)
    ]

    found = judge_bias(three_lengths(4), judgement(*verdicts)).verbosity

    assert (found.answers, found.prompts, found.why) == (12, 4, None)
    assert found.correlation == pytest.approx((2 * 1 + 2 * 1.5) / math.sqrt(8 * (2 * 2 + 2 * 1.5)))
    assert found.program == pytest.approx(-1)


def test_an_answer_that_nobody_stands_beside_says_nothing_of_length() -> None:
    verdicts = [verdict(f"p{number}", f"p{number}-1", {"f": 3}) for number in range(12)]

    found = judge_bias(three_lengths(12), judgement(*verdicts)).verbosity

    assert (found.correlation, found.why) == (None, "0 judged answers beside another of their prompt; needs 10")


def test_scores_without_any_spread_say_nothing_of_length() -> None:
    verdicts = [verdict(f"p{n}", f"p{n}-{length}", {"f": 5}) for n in range(4) for length in (1, 2, 3)]

    found = judge_bias(three_lengths(4), judgement(*verdicts)).verbosity

    assert (found.correlation, found.why) == (None, "within each prompt all scores or all lengths are the same")
