"""Two runs side by side."""

from collections.abc import Mapping, Sequence
from math import exp, log
from typing import Any

import numpy as np
import pytest

from bench.analysis.compare import ASSUMED_NOISE, COMPARED, UNKNOWN_NOISE, UNSTEADY, Difference, compare, regressions
from bench.report.reasons import caution_words
from bench.schema.result import Grade, Result
from bench.schema.sample import Sample
from bench.stats.equivalence import More
from tests import builders
from tests.builders import MILLISECOND_NS as MS
from tests.builders import failed_model, failed_sample, grade, model_run, prompt, result, sample
from tests.daily_runs import watched

PROMPTS = tuple(f"p{number}" for number in range(8))


def run_of(factor: float, *, noise: float = 0.01, seed: int = 1, rounds: int = 5, **fields: Any) -> Result:
    """Return a run whose requests take `factor` times 1 to 8 s, by prompt, give or take some noise.

    Half of each goes by before the first text; 41 chunks follow, of a token each.
    """
    rng = np.random.default_rng(seed)
    made: list[Sample] = []
    start_ns = 0
    for number in range(rounds):
        for place, name in enumerate(PROMPTS):
            length_ns = round(factor * (1 + place) * 1e9 * np.exp(rng.normal(0, noise)))
            chunk_ns = tuple(length_ns // 2 + length_ns * step // 80 for step in range(41))
            made.append(
                sample(
                    prompt=name,
                    round=number + 1,
                    position=len(made),
                    start_ns=start_ns,
                    chunk_ns=chunk_ns,
                    end_ns=chunk_ns[-1],
                    output_tokens=41,
                )
            )
            start_ns += chunk_ns[-1]
    return result([model_run(samples=tuple(made), **fields.pop("model", {}))], **fields)


def differences(before: Result, after: Result, **rules: Any) -> dict[str, Difference]:
    return {one.metric_id: one for one in compare(before, after, seed=1, **rules).differences}


def verdicts(before: Result, after: Result, **rules: Any) -> dict[str, str]:
    return {metric_id: one.verdict for metric_id, one in differences(before, after, **rules).items()}


TIMED = ("ttft_s", "decode_tokens_per_s", "itl_s.p99", "e2e_s", "throughput_tokens_per_s")


def test_every_compared_metric_is_there_in_order() -> None:
    assert list(differences(run_of(1), run_of(1))) == [row.metric_id for row in COMPARED]


def test_a_run_against_its_like_is_the_same() -> None:
    found = verdicts(run_of(1.0), run_of(1.0, seed=2))

    assert {found[metric_id] for metric_id in (*TIMED, "footprint_bytes", "memory_peak_bytes", "failed_share")} == {
        "same"
    }


def test_a_run_that_takes_a_fifth_longer() -> None:
    found = differences(run_of(1.0), run_of(1.2, seed=2))

    assert {found[metric_id].verdict for metric_id in TIMED} == {"worse"}
    for metric_id in TIMED:
        change = found[metric_id].change
        expected = 1 / 1.2 if metric_id.endswith("tokens_per_s") else 1.2
        assert change.value == pytest.approx(expected, rel=0.02)
        assert change.interval is not None
        assert change.interval.low < expected < change.interval.high
        assert change.interval.about == "prompts like these"
    assert found["e2e_s"].before == pytest.approx(4.5, rel=0.1)
    assert found["e2e_s"].after == pytest.approx(5.4, rel=0.1)
    assert verdicts(run_of(1.2), run_of(1.0))["decode_tokens_per_s"] == "better"


def test_a_change_below_the_floor_is_none() -> None:
    assert verdicts(run_of(1.0, noise=0.001), run_of(1.03, noise=0.001))["e2e_s"] == "same"
    assert verdicts(run_of(1.0, noise=0.001), run_of(1.03, noise=0.001), floor=0.01)["e2e_s"] == "worse"


def test_noise_leaves_it_open_and_says_how_many_more_rounds_would_tell() -> None:
    # Rounds that vary by 40%, two each: a change of a fifth is lost in them. The median of two has half the variance of
    # one, so the mean change of eight prompts has 2 * 0.08 / 8. Student's t of 7 degrees makes that sqrt(8 / 7) * 2.365
    # standard errors, which must become the change itself.
    found = differences(run_of(1.0, noise=0.4, rounds=2, seed=11), run_of(1.2, noise=0.4, rounds=2, seed=21))["e2e_s"]

    assert found.verdict == "unresolved"
    assert found.change.value is not None
    assert found.more is not None
    needed = (8 / 7) * 2.365**2 * 0.02 * 2 / log(found.change.value) ** 2
    assert found.more.rounds == pytest.approx(needed - 2, rel=0.2)


def test_noise_from_run_to_run_widens_an_interval() -> None:
    before, after = run_of(1.0), run_of(1.2, seed=2)
    alone = differences(before, after)["e2e_s"]
    steady = differences(before, after, run_noise={("tiny", "e2e_s"): 0.01})["e2e_s"]
    moody = differences(before, after, run_noise={("tiny", "e2e_s"): 0.1})["e2e_s"]

    assert (alone.verdict, alone.caution) == ("worse", UNKNOWN_NOISE)
    assert (steady.verdict, steady.caution) == ("worse", None)
    assert (moody.verdict, moody.caution) == ("unresolved", None)
    assert moody.more == More(None, "more rounds do not help against what changes from run to run: more runs do")
    # On the logarithm 1.96 * sqrt(2) * 0.1 on either side, and a little for the samples.
    assert moody.change.interval is not None
    assert moody.change.interval.low == pytest.approx(1.2 * exp(-0.2772), rel=0.02)
    assert moody.change.interval.high == pytest.approx(1.2 * exp(0.2772), rel=0.02)


def test_an_unsteady_machine_is_a_caution_of_what_it_may_have_done_itself() -> None:
    noise: dict[tuple[str, ...], float] = {("tiny", "e2e_s"): 0.01, ("tiny", "memory_peak_bytes"): 0.01}
    before = run_of(1.0, model={"machine_watch": watched(steady=True)})
    after = run_of(1.2, seed=2, model={"machine_watch": watched(steady=False), "footprint_bytes": 9_000_000})

    found = differences(before, after, run_noise=noise)

    assert (found["e2e_s"].verdict, found["e2e_s"].caution) == ("worse", UNSTEADY)
    assert (found["footprint_bytes"].verdict, found["footprint_bytes"].caution) == ("worse", None)
    assert [one.difference.metric_id for one in regressions(compare(before, after, seed=1, run_noise=noise))] == [
        "footprint_bytes"
    ]


def test_what_is_read_once_goes_by_the_noise_from_run_to_run() -> None:
    before, after = (run_of(1, model={"memory_peak_bytes": size}) for size in (100_000_000, 110_000_000))
    assumed = differences(before, after)["memory_peak_bytes"]
    known = differences(before, after, run_noise={("tiny", "memory_peak_bytes"): 0.05})["memory_peak_bytes"]

    assert (assumed.verdict, assumed.caution) == ("worse", ASSUMED_NOISE)
    assert assumed.change.interval is not None
    # 1.1 * exp(-1.96 * sqrt(2) * 0.01)
    assert assumed.change.interval.low == pytest.approx(1.1 * exp(-0.02772), rel=1e-4)
    assert assumed.change.interval.why == "of the noise from run to run alone"
    assert (known.verdict, known.caution) == ("unresolved", None)
    assert known.more == More(None, "one reading a run: more runs tell, not more rounds")


def test_a_footprint_is_exact() -> None:
    before, after = (run_of(1, model={"footprint_bytes": size}) for size in (1_000, 1_100))
    found = differences(before, after)["footprint_bytes"]

    assert (found.verdict, found.caution) == ("worse", None)
    assert found.change.interval is not None
    assert (found.change.interval.low, found.change.interval.high) == pytest.approx((1.1, 1.1))


def test_a_single_load_decides_nothing_and_five_do() -> None:
    def loaded(cold_ms: int, loads: int) -> Result:
        return run_of(1, model={"cold_load_ns": cold_ms * MS, "reloads_ns": (cold_ms * MS,) * (loads - 1)})

    one = differences(loaded(40, 1), loaded(90, 1))["cold_load_s"]
    five = differences(loaded(40, 5), loaded(90, 5))["cold_load_s"]
    known = differences(loaded(40, 1), loaded(90, 1), run_noise={("tiny", "cold_load_s"): 0.1})["cold_load_s"]
    assert (one.verdict, one.change.interval) == ("unresolved", None)
    assert one.change.value == pytest.approx(2.25)
    assert one.why == "1 and 1 loads; an interval needs 5 on each side"
    assert one.more == More(None, "more loads tell, not more rounds")
    assert five.verdict == "worse"
    assert known.verdict == "worse"


def scored(credit: float) -> dict[str, Any]:
    grades: tuple[Grade, ...] = tuple(grade({"f1": credit}, prompt=name, output="out1") for name in PROMPTS)
    return {"grades": grades}


def test_scores_are_compared_in_points() -> None:
    lower, little, higher = (run_of(1, **scored(credit)) for credit in (0.5, 0.51, 0.6))
    found = differences(lower, higher)["score"]

    assert (found.verdict, found.scale, found.caution) == ("better", "points", None)
    assert found.change.value == pytest.approx(0.4)
    assert verdicts(lower, little)["score"] == "same"
    assert verdicts(lower, little, score_floor=0.01)["score"] == "better"


def test_a_score_that_two_prompts_of_eight_lost_is_not_real() -> None:
    def graded(lost: int) -> Result:
        grades = tuple(
            grade({"f1": 0.0 if place < lost else 1.0}, prompt=name, output="out1")
            for place, name in enumerate(PROMPTS)
        )
        return run_of(1, grades=grades)

    found = differences(graded(0), graded(2))["score"]

    # Two of eight scores fall from 5 to 1; some draws of eight prompts have neither of them.
    assert found.change.value == pytest.approx(-1.0)
    assert found.change.interval is not None
    assert found.change.interval.high == 0.0
    assert found.verdict == "unresolved"
    assert found.more == More(None, "more prompts tell, not more rounds")


def test_prompt_by_prompt_and_all_together_may_disagree() -> None:
    # The four short prompts take twice as long, of the long ones two a little less: over all, the median is lower.
    def by_level(levels_ms: Sequence[int]) -> Result:
        samples = tuple(
            sample(prompt=name, round=number, chunk_ns=(level * MS // 2, level * MS), output_tokens=11)
            for number in range(1, 6)
            for name, level in zip(PROMPTS, levels_ms, strict=True)
        )
        return result([model_run(samples=samples)])

    found = differences(
        by_level([100, 100, 100, 1000, 1010, 1020, 1030, 1040]), by_level([180, 180, 180, 960, 970, 1640, 1650, 1660])
    )["ttft_s"]
    assert found.before is not None
    assert found.after is not None
    assert found.after < found.before
    assert found.change.value is not None
    assert found.change.value > 1.3
    assert found.verdict == "unresolved"
    assert found.why == "prompt by prompt it went one way, over all requests together the other"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"model": {"execution_provider": "CUDAExecutionProvider"}}, "execution provider"),
        ({"machine_name": "desk"}, "machine"),
        (
            {"prompt_set": builders.prompt_set([prompt(id=name) for name in PROMPTS], sha256="6" * 64)},
            "prompts",
        ),
        ({"config": builders.config(resolved=builders.config().resolved | {"stream": False})}, "streaming"),
        (
            {"config": builders.config(resolved=builders.config().resolved | {"generation": {"seed": 1}})},
            "generation max_output_tokens, generation seed, generation temperature",
        ),
    ],
)
def test_numbers_of_different_contexts_are_not_compared(fields: Mapping[str, Any], field: str) -> None:
    found = differences(run_of(1.0), run_of(2.0, **fields))

    assert {one.verdict for one in found.values()} <= {"not comparable", "missing"}
    assert found["e2e_s"].why == f"the runs differ in {field}"
    assert found["e2e_s"].change.value == pytest.approx(2, rel=0.05)
    assert found["e2e_s"].change.interval is None


def test_what_is_missing_says_on_which_side_and_why() -> None:
    broken = result([failed_model(name="tiny", device=None)], prompts=[prompt(id=name) for name in PROMPTS])
    found = differences(run_of(1, model={"memory_peak_bytes": None}), broken)

    assert found["e2e_s"].verdict == "missing"
    assert found["e2e_s"].why == "after: load: the weights are truncated"
    assert found["memory_peak_bytes"].why == "before: not measured; after: load: the weights are truncated"
    assert found["failed_share"].why == "after: load: the weights are truncated"
    assert found["footprint_bytes"].verdict == "same"
    assert found["e2e_s"].before is not None
    assert found["e2e_s"].change.value is None


def test_too_few_gaps_have_no_percentile() -> None:
    assert differences(result(), result())["itl_s.p99"].why == (
        "before: 2 gaps; a p99 needs 100; after: 2 gaps; a p99 needs 100"
    )


def failing(failed: int) -> Result:
    good = run_of(1).models[0].samples
    kept = tuple(
        failed_sample(prompt=one.prompt, round=one.round, start_ns=one.start_ns) if number < failed else one
        for number, one in enumerate(sorted(good, key=lambda one: one.prompt))
    )
    return result([model_run(samples=kept)], prompts=[prompt(id=name) for name in PROMPTS])


def test_failures_are_compared_by_an_exact_test() -> None:
    # All five requests of one prompt, of forty in all.
    found = differences(failing(0), failing(5))["failed_share"]

    assert (found.before, found.after, found.verdict) == (0, 0.125, "worse")
    assert found.p_value == pytest.approx(2 / 252)
    assert found.change.value == 0.125
    assert differences(failing(5), failing(0))["failed_share"].verdict == "better"
    assert differences(failing(0), failing(2))["failed_share"].verdict == "unresolved"
    assert differences(failing(5), failing(5))["failed_share"].verdict == "same"


def test_a_prompt_that_only_one_side_answered_is_left_out() -> None:
    assert differences(failing(0), failing(5))["e2e_s"].left_out == ("p0",)
    assert differences(failing(0), failing(5))["e2e_s"].verdict == "same"


def test_a_value_of_nothing_has_no_ratio() -> None:
    before, after = (run_of(1, model={"memory_peak_bytes": size}) for size in (0, 100))

    found = differences(before, after)["memory_peak_bytes"]
    assert (found.change.value, found.change.why, found.verdict) == (None, "a value of 0 has no ratio", "unresolved")
    assert differences(before, before)["memory_peak_bytes"].verdict == "same"


def test_models_of_one_run_alone_are_named() -> None:
    before = result([model_run(name="a"), model_run(name="b")])
    after = result([model_run(name="c"), model_run(name="b")])
    found = compare(before, after, seed=1)

    assert (found.only_before, found.only_after) == (("a",), ("c",))
    assert {one.model for one in found.differences} == {"b"}


def test_a_run_that_was_stopped_or_unwatched_is_a_caution() -> None:
    stopped = result(run=builders.run_info(status="partial"))

    assert caution_words(compare(stopped, result(), seed=1)) == (
        "before: the run was stopped before its end",
        "before: the machine was not watched during tiny",
        "after: the machine was not watched during tiny",
    )


def test_what_else_changed_goes_with_it() -> None:
    after = result([model_run(samples=(sample(output="other"),))], commit="ffffffffff")
    found = compare(result(), after, seed=1)

    assert [change.field for change in found.conditions] == ["commit"]
    assert [(change.before, change.after) for change in found.answers] == [(("text of out1",), ("text of other",))]


def test_the_seed_fixes_the_comparison() -> None:
    before, after = run_of(1.0, noise=0.2), run_of(1.1, noise=0.2, seed=2)

    assert compare(before, after, seed=1).differences == compare(before, after, seed=1).differences
    assert compare(before, after, seed=1).differences != compare(before, after, seed=2).differences
