"""One measurement for whole runs, prompts, levels of load and cells of lengths, worked out by hand."""

import pytest

from bench.analysis.intervals import Estimate, estimate
from bench.analysis.measurements import WHOLE, Stratum, asked, levels, measure, value, why_undefined
from bench.metrics.load import LevelKey
from tests.builders import failed_sample, grade, model_run, result, samples
from tests.load_builders import cell, cell_sample, failed_load_sample, load_level, load_sample

FOUR = Stratum(level=LevelKey("closed", 4, None))
RATE = Stratum(level=LevelKey("poisson", 64, 2.0))
CELL = Stratum(cell=(128, 16))

RUN = result(
    [
        model_run(
            samples=(
                *samples([1, 3], prompt="p1", output="good"),
                *samples([10, 30], prompt="p2", output="good"),
                failed_sample(prompt="p2"),
            ),
            load=(
                load_level([load_sample(1, 0.5, 2.0), load_sample(2, 0.7, 4.0), failed_load_sample(5)], streams=4),
                load_level([load_sample(2, 0.5, 1.0, scheduled_s=1.5)], rate_per_s=2.0),
                load_level([load_sample(1, 0.9, 9.0)], streams=4),
            ),
            lengths=(cell([cell_sample(120, 16, 0.5, 0.01), cell_sample(120, 16, 1.0, 0.01)]),),
        )
    ],
    grades=(grade(prompt="p1", output="good"),),
    outputs={"good": "text of good", "out1": "text of out1"},
)
MODEL = RUN.models[0]


@pytest.mark.parametrize(
    ("stratum", "metric_id", "expected"),
    [
        (WHOLE, "e2e_s", 6.5),
        (WHOLE, "failed_share", 0.2),
        (Stratum(prompt="p1"), "e2e_s", 2.0),
        (Stratum(prompt="p2"), "e2e_s.maximum", 30.0),
        (Stratum(prompt="p2"), "failed_share", 1 / 3),
        (Stratum(prompt="p1"), "score", 5.0),
        # The second level of four streams is not the one that counts.
        (FOUR, "e2e_s", 3.0),
        (FOUR, "failed_share", 1 / 3),
        (FOUR, "good_share", 2 / 3),
        (RATE, "e2e_s", 1.0),
        (RATE, "scheduled_e2e_s", 1.5),
        (CELL, "ttft_s", 0.75),
        (CELL, "prefill_tokens_per_s.minimum", 120.0),
    ],
)
def test_a_number_is_asked_for_by_run_model_stratum_and_metric(
    stratum: Stratum, metric_id: str, expected: float
) -> None:
    assert value(RUN, MODEL, stratum, metric_id) == pytest.approx(expected)
    assert why_undefined(RUN, MODEL, stratum, metric_id) is None


def test_what_is_missing_says_why_in_its_stratum() -> None:
    assert (
        why_undefined(RUN, MODEL, Stratum(prompt="p2"), "score")
        == "0 of 2 prompts scored: no good answer to p1; no grade for p2"
    )
    assert why_undefined(RUN, MODEL, FOUR, "e2e_s.p95") == "2 requests; a p95 needs 20"
    assert why_undefined(RUN, MODEL, FOUR, "scheduled_e2e_s") == "a closed loop has no schedule"


def test_requests_of_a_stratum_are_those_that_were_measured() -> None:
    assert [one.prompt for one in asked(MODEL, Stratum(prompt="p2"))] == ["p2"] * 3
    assert len(asked(MODEL, WHOLE)) == 5
    assert len(asked(MODEL, FOUR)) == 3
    assert len(asked(MODEL, CELL)) == 2
    assert asked(MODEL, Stratum(cell=(1, 1))) == ()
    assert levels(MODEL) == (FOUR, RATE)


def test_what_can_be_drawn_again_is_by_prompt_and_at_a_level_by_stretch() -> None:
    of_prompt = measure(RUN, MODEL, Stratum(prompt="p2"), "e2e_s")
    at_level = measure(RUN, MODEL, FOUR, "e2e_s")

    assert {name: [one.values.tolist() for one in some] for name, some in of_prompt.by_prompt.items()} == {
        "p2": [[10.0], [30.0]]
    }
    # Two answers in ten stretches: the fifth and the tenth have one each.
    assert {name: [one.values.tolist() for one in some] for name, some in at_level.by_prompt.items()} == {
        "stretch 5": [[2.0]],
        "stretch 10": [[4.0]],
    }
    assert measure(RUN, MODEL, FOUR, "throughput_tokens_per_s").kind == "reading"


def test_a_metric_that_a_stratum_does_not_have_is_refused() -> None:
    with pytest.raises(KeyError, match="unknown metric 'answers_per_s'; known: ttft_s, ttfo_s, "):
        value(RUN, MODEL, WHOLE, "answers_per_s")
    with pytest.raises(KeyError, match="unknown metric of a level 'ttfo_s'"):
        value(RUN, MODEL, FOUR, "ttfo_s")
    with pytest.raises(KeyError, match=r"unknown statistic in 'ttft_s\.p95'; metrics of samples have p50, minimum"):
        value(RUN, MODEL, CELL, "ttft_s.p95")


def test_an_estimate_of_a_stratum_has_its_value_and_why_it_has_no_interval() -> None:
    few = estimate(RUN, MODEL, "e2e_s", seed=1, stratum=FOUR)
    of_prompt = estimate(RUN, MODEL, "e2e_s", seed=1, stratum=Stratum(prompt="p1"))
    absent = estimate(RUN, MODEL, "e2e_s", seed=1, stratum=Stratum(level=LevelKey("closed", 9, None)))

    assert (few.value, few.interval) == (3.0, None)
    assert few.why == "an interval needs 20 answers, that of a p95 100, that of a p99 400"
    assert of_prompt == Estimate(2.0, None, "1 repeated request; an interval needs 4")
    assert absent == Estimate(None, None, "the run does not have it")
