"""Prompts that take one model longer than the others would have it, worked out by hand."""

from dataclasses import asdict
from math import exp, log

import pytest

from bench.analysis.outliers import interactions, polished
from bench.schema.result import Result
from tests.builders import failed_sample, model_run, prompt, result, sample, samples

MODELS = {"a": 0.0, "b": 1.0, "c": 2.0}
PROMPTS = {"p1": 0.0, "p2": 0.5, "p3": 1.0, "p4": 2.0, "p5": 3.0}


def run_with(rests: dict[tuple[str, str], float], left_out: tuple[tuple[str, str], ...] = ()) -> Result:
    """Return a run whose latencies are exp(model + prompt + rest) seconds."""
    models = [
        model_run(
            name=model,
            samples=tuple(
                one
                for asked, of_prompt in PROMPTS.items()
                if (model, asked) not in left_out
                for one in samples([exp(of_model + of_prompt + rests.get((model, asked), 0.0))], prompt=asked)
            ),
        )
        for model, of_model in MODELS.items()
    ]
    return result(models, prompts=[prompt(id=one) for one in PROMPTS])


def places(run: Result) -> list[tuple[str, str]]:
    found = interactions(run)
    assert not isinstance(found, str)
    return [(one.model, one.prompt) for one in found]


SMALL = {("a", "p1"): -0.1, ("a", "p4"): 0.1, ("b", "p1"): 0.1, ("b", "p4"): -0.1}


def test_an_interaction_by_hand() -> None:
    # Less their medians (1, 2 and 4) the rows are a: -1.1 -0.5 0 1.1 2, b: -0.9 -0.5 0 0.9 2, c: -2 0.5 -1 0 1; the
    # columns' medians are -1.1 -0.5 0 0.9 2. That leaves a: 0 0 0 0.2 0, b: 0.2 0 0 0 0, c: -0.9 1 -1 -0.9 -1, whose
    # median is -0.9: c: 0 1.9 -0.1 0 -0.1, and all medians are 0. Without the 3 + 5 - 1 smallest rests 0 0 0 0.1 0.1
    # 0.2 0.2 1.9 are left: their median is 0.1, and the score of 1.9 is 0.6745 * 1.9 / 0.1.
    found = interactions(run_with(SMALL | {("c", "p2"): 2.0}))

    assert not isinstance(found, str)
    assert len(found) == 1
    reach = 3.5 * 0.1 / 0.6745
    assert asdict(found[0]) == {
        "model": "c",
        "prompt": "p2",
        "metric_id": "e2e_s",
        "value": pytest.approx(exp(4.5)),
        "expected": pytest.approx(exp(2.6)),
        "low": pytest.approx(exp(2.6 - reach)),
        "high": pytest.approx(exp(2.6 + reach)),
        "score": pytest.approx(0.6745 * 1.9 / 0.1),
        "tokens": 11,
        "tokens_of_others": 11,
    }


def test_quicker_than_expected_is_an_interaction_as_well() -> None:
    found = interactions(run_with(SMALL | {("c", "p3"): -1.5}))

    assert not isinstance(found, str)
    assert [(one.model, one.prompt) for one in found] == [("c", "p3")]
    assert found[0].score < -3.5
    assert found[0].value < found[0].low


def test_a_slow_model_and_a_long_prompt_are_none() -> None:
    assert places(run_with(SMALL)) == []


def test_a_table_that_adds_up_has_none_and_divides_by_nothing() -> None:
    rests = polished(
        {(model, asked): row + column for model, row in MODELS.items() for asked, column in PROMPTS.items()}
    )

    assert all(abs(rest) < 1e-12 for rest in rests.values())
    assert places(run_with({})) == []


def test_where_most_add_up_the_mean_distance_takes_the_place_of_the_median_one() -> None:
    # Of the 15 rests one is log(3), and 8 count: their mean is log(3) / 8, and the score 8 * 0.79788.
    found = interactions(run_with({("c", "p2"): log(3)}))

    assert not isinstance(found, str)
    assert [one.score for one in found] == [pytest.approx(8 * 0.797885, rel=1e-5)]


def test_within_a_quarter_of_what_is_expected_nothing_is_an_interaction() -> None:
    steady = {place: rest / 1_000 for place, rest in SMALL.items()}

    assert places(run_with(steady | {("c", "p2"): log(1.24)})) == []
    assert places(run_with(steady | {("c", "p2"): log(1.26)})) == [("c", "p2")]


def test_the_median_of_a_prompt_s_rounds_counts() -> None:
    run = run_with(SMALL | {("c", "p2"): 2.0})
    slow = run.models[2]
    usual = samples([exp(2.5)] * 2, prompt="p2")
    models = (*run.models[:2], slow.model_copy(update={"samples": (*slow.samples, *usual)}))

    assert places(run.model_copy(update={"models": models})) == []


def test_tokens_say_how_long_the_answers_are() -> None:
    run = run_with(SMALL | {("c", "p2"): 2.0})
    counts = {"a": 20, "b": None, "c": 300}
    models = tuple(
        one.model_copy(
            update={
                "samples": tuple(each.model_copy(update={"output_tokens": counts[one.name]}) for each in one.samples)
            }
        )
        for one in run.models
    )
    found = interactions(run.model_copy(update={"models": models}))

    assert not isinstance(found, str)
    assert (found[0].tokens, found[0].tokens_of_others) == (300, 20)


def test_it_takes_three_models_and_four_prompts() -> None:
    needed = "it takes 3 models with good answers to the same 4 prompts"
    run = run_with(SMALL)

    assert interactions(run.model_copy(update={"models": run.models[:2]})) == needed
    # Without an answer of c to p4 and of b to p5 only three prompts have three models.
    assert interactions(run_with(SMALL, left_out=(("c", "p4"), ("b", "p5")))) == needed
    assert interactions(result([])) == needed


def test_a_model_of_too_few_prompts_is_left_out_of_the_table() -> None:
    run = run_with(SMALL | {("c", "p2"): 2.0})
    few = model_run(name="d", samples=(sample(prompt="p1"), failed_sample(prompt="p2")))

    assert places(run.model_copy(update={"models": (*run.models, few)})) == [("c", "p2")]


def test_a_metric_that_samples_do_not_have_is_refused() -> None:
    with pytest.raises(KeyError, match="unknown sample metric 'score'"):
        interactions(result(), "score")


def test_a_polish_takes_cells_that_are_missing() -> None:
    # The rows' medians are 1, 3 and 2, and what is left adds up: -1 0 1, -1 - 1, - 0 - . No column has anything more.
    cells = {("a", "x"): 0.0, ("a", "y"): 1.0, ("a", "z"): 2.0, ("b", "x"): 2.0, ("b", "z"): 4.0, ("c", "y"): 2.0}

    assert set(polished(cells).values()) == {0.0}
