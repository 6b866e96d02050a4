"""Runs in short, worked out by hand."""

import pytest

from bench.analysis.summary import (
    model_value,
    prompt_distributions,
    summarise,
    summarise_model,
)
from bench.metrics.registry import measured_in
from bench.metrics.timing import run_throughput
from bench.schema.model_run import ModelRun
from bench.stats.distribution import Distribution
from tests import builders
from tests.builders import MILLISECOND_NS as MS
from tests.builders import failed_sample, grade, model_run, prompt, result, sample, samples


def test_a_run_by_hand() -> None:
    # Latencies of 1, 2 and 6 s; text from a half of each on, 11 tokens: TPOT is a twentieth of the latency.
    model = model_run(samples=samples([1, 2, 6]))
    summary = summarise(result([model])).models[0]

    assert summary.distributions["e2e_s"] == Distribution(
        count=3,
        mean=3,
        minimum=1,
        maximum=6,
        p50=2,
        p90=None,
        p95=None,
        p99=None,
        few="3 samples; a p95 needs 20",
        variation=7**0.5 / 3,
    )
    assert summary.value("ttft_s") == 1
    assert summary.value("tpot_s") == pytest.approx(0.1)
    assert summary.value("decode_tokens_per_s") == pytest.approx(10)
    assert summary.value("itl_s") == 1
    assert summary.value("e2e_s.mean") == 3
    assert summary.value("e2e_s.maximum") == 6
    assert summary.value("cold_load_s") == 0.04
    assert (summary.good_samples, summary.failed_samples, summary.failure_kinds) == (3, 0, {})


def test_failed_samples_and_warm_up_are_in_no_distribution() -> None:
    model = model_run(
        warmup=(sample(round=0, chunk_ns=(9_000 * MS,)),),
        samples=(
            *samples([1, 2]),
            failed_sample("cut-off", "the stream ended", chunk_ns=(1 * MS, 2 * MS), end_ns=3 * MS, round=3),
            failed_sample("timeout", "too slow", round=4),
            failed_sample("timeout", "too slow", round=5),
        ),
    )
    summary = summarise(result([model])).models[0]

    latencies = summary.distributions["e2e_s"]
    assert latencies is not None
    assert (latencies.count, latencies.minimum, latencies.maximum) == (2, 1, 2)
    assert (summary.good_samples, summary.failed_samples) == (2, 3)
    assert list(summary.failure_kinds.items()) == [("timeout", 2), ("cut-off", 1)]


def test_gaps_of_all_samples_are_one_distribution() -> None:
    # 30 samples with gaps of 10 and 20 ms each: 60 gaps, half of them 10 and half 20 ms.
    one = sample(chunk_ns=(100 * MS, 110 * MS, 130 * MS))
    gaps = summarise(result([model_run(samples=(one,) * 30)])).models[0].distributions["itl_s"]

    assert gaps is not None
    assert (gaps.count, gaps.minimum, gaps.p50, gaps.maximum) == (60, 0.01, 0.015, 0.02)
    assert gaps.p95 == 0.02


def test_every_missing_value_has_its_reason() -> None:
    model = model_run(
        samples=samples([1, 2], output_tokens=None, prompt_tokens=None, first_answer_chunk=None),
        memory_peak_bytes=None,
        unmeasured={"memory_peak_bytes": "the endpoint runs on another machine"},
    )
    summary = summarise(result([model])).models[0]
    reasons = {metric.id: summary.why_undefined(metric.id) for metric in measured_in("whole")}

    expected = {
        "ttfo_s": "no sample has answer text apart from reasoning",
        "tpot_s": "needs at least 2 counted output tokens that came at different times",
        "decode_tokens_per_s": "needs at least 2 counted output tokens that came at different times",
        "output_tokens_per_s": "nobody counted the output tokens",
        "prefill_tokens_per_s": "nobody counted the prompt tokens",
        "memory_peak_bytes": "the endpoint runs on another machine",
        "gpu_memory_peak_bytes": "not measured",
        "sent_s": "no client stands before a model in the same process",
        "sent_share": "no client stands before a model in the same process",
        "connect_s": "no client stands before a model in the same process",
        "energy_per_answer_j": "not measured",
        "energy_per_1000_tokens_j": "not measured",
        "cost_per_1000_answers": "the config has no price of a kWh (energy.price_per_kwh)",
        "throughput_tokens_per_s": "no good sample, or nobody counted the output tokens",
        "score": "0 of 1 prompts scored: no grade for p1",
    }
    assert {metric_id: reasons[metric_id] for metric_id in expected} == expected
    assert summary.why_undefined("ttft_s.p95") == "2 samples; a p95 needs 20"
    assert summary.why_undefined("itl_s.p99") == "2 gaps; a p99 needs 100"
    assert summary.why_undefined("ttft_s.p50") is None


def test_what_an_older_file_could_not_hold_says_so() -> None:
    # A record of version 1, as the migration leaves it: it has no place for what the client did.
    not_yet = "not measured before schema version 2"
    fields = {"unmeasured": {"energy": not_yet, "memory_unique_bytes": not_yet}, "memory_unique_bytes": None}
    over_http, in_process = summarise(
        result(
            [
                model_run(name="a", provider="openai", transport="package", **fields),
                model_run(name="b", transport="in-process", **fields),
            ]
        )
    ).models

    for metric_id in ("sent_s", "connect_s", "shared_reads_count", "energy_per_answer_j", "memory_unique_bytes"):
        assert over_http.why_undefined(metric_id) == not_yet
    assert in_process.why_undefined("sent_s") == "no client stands before a model in the same process"
    assert in_process.why_undefined("shared_reads_share") == not_yet


def test_a_model_without_a_good_sample() -> None:
    summary = summarise(result([builders.failed_model()])).models[0]

    assert all(summary.value(metric_id) is None for metric_id in summary.distributions)
    assert summary.why_undefined("ttft_s") == "no good sample"
    assert summary.why_undefined("itl_s.p95") == "no good sample"
    assert summary.why_undefined("throughput_tokens_per_s") == "no good sample"
    assert summary.why_undefined("cold_load_s") == "not measured"
    assert summary.score is None
    assert summary.score_why == "0 of 1 prompts scored: no good answer to p1"
    assert summary.prompt_scores == {"p1": None}


def test_answers_that_were_not_streamed() -> None:
    summary = summarise(result([model_run(samples=(sample(chunk_ns=()),))])).models[0]

    assert summary.value("e2e_s") == 0.15
    assert summary.why_undefined("ttft_s") == "nothing was streamed"
    assert summary.why_undefined("itl_s") == "nothing was streamed"


@pytest.mark.parametrize("metric_id", ["ttft", "ttft_s.p42", "score.p50", "ttft_s.", "cold_load_s.mean"])
def test_an_unknown_metric_or_statistic_is_refused(metric_id: str) -> None:
    summary = summarise(result()).models[0]

    with pytest.raises(KeyError):
        summary.value(metric_id)
    with pytest.raises(KeyError):
        model_value(summary.result, summary.model, metric_id)


def test_one_value_alone_is_the_summary_s_value() -> None:
    run = result([model_run(samples=samples([1, 2, 6]))], grades=(grade(),))
    summary = summarise(run).models[0]

    for metric in measured_in("whole"):
        assert model_value(run, run.models[0], metric.id) == summary.value(metric.id)
    assert model_value(run, run.models[0], "e2e_s.mean") == 3


def scored_model() -> ModelRun:
    return model_run(
        samples=(
            sample(prompt="p1", output="good"),
            sample(prompt="p1", output="good", round=2),
            sample(prompt="p1", output="bad", round=3),
            sample(prompt="p2", output="good"),
            failed_sample(prompt="p3"),
        )
    )


def test_the_score_is_the_mean_over_prompts_of_the_mean_over_their_samples() -> None:
    # p1: 5, 5 and 1 give 11/3; p2: 3; p3 failed. The mean of 11/3 and 3 is 10/3.
    two = (builders.facet(id="f1"), builders.facet(id="f2"))
    run = result(
        [scored_model()],
        prompts=[prompt(id="p1"), prompt(id="p2", facets=two), prompt(id="p3")],
        grades=(
            grade({"f1": 1.0}, prompt="p1", output="good"),
            grade({"f1": 0.0}, prompt="p1", output="bad"),
            grade({"f1": 1.0, "f2": 0.0}, prompt="p2", output="good"),
        ),
    )
    summary = summarise(run).models[0]

    assert summary.prompt_scores == {"p1": pytest.approx(11 / 3), "p2": 3, "p3": None}
    assert summary.score == pytest.approx(10 / 3)
    assert summary.score_why == "2 of 3 prompts scored: no good answer to p3"


def test_a_score_that_has_all_prompts_needs_no_explanation() -> None:
    summary = summarise(result(grades=(grade(),))).models[0]

    assert (summary.score, summary.score_why) == (5, None)


def test_a_score_says_what_it_leaves_out() -> None:
    names = [f"p{number}" for number in range(1, 7)]
    prompts = [prompt(id=name, facets=() if name == "p6" else (builders.facet(),)) for name in names]
    summary = summarise(result(prompts=prompts, grades=(grade(),))).models[0]

    assert summary.score == 5
    assert summary.score_why == ("1 of 6 prompts scored: no rubric for p6; no good answer to p2, p3, p4 and 1 more")


def test_throughput_is_tokens_over_wall_time_and_no_mean_of_rates() -> None:
    # 11 tokens in 1 s and 11 in 9 s: 22 tokens in 10 s. The mean of the rates would be 6.1.
    assert run_throughput(model_run(samples=samples([1, 9]))) == pytest.approx(2.2)


def test_throughput_counts_pauses_and_failed_requests_but_no_warm_up() -> None:
    model = model_run(
        warmup=(sample(round=0, output_tokens=1_000),),
        samples=(
            sample(start_ns=5_000 * MS, end_ns=1_000 * MS, output_tokens=30),
            failed_sample(start_ns=7_000 * MS, chunk_ns=(1_000 * MS, 3_000 * MS), first_answer_chunk=0),
        ),
    )

    # From 5 s to the last thing known of the failed request, at 7 + 3 s.
    assert run_throughput(model) == pytest.approx(30 / 5)


def test_throughput_is_undefined_where_a_count_is_missing() -> None:
    counted, uncounted = sample(), sample(output_tokens=None)

    assert run_throughput(model_run(samples=(counted, uncounted))) is None
    assert run_throughput(model_run(samples=(failed_sample(),))) is None
    assert run_throughput(model_run(samples=())) is None


def test_prompts_have_distributions_of_their_own() -> None:
    model = model_run(samples=(*samples([1, 3]), *samples([10], prompt="p2")))
    run = result([model], prompts=[prompt(id="p2"), prompt(id="p1"), prompt(id="p3")])
    by_prompt = prompt_distributions(run, model, "e2e_s")

    assert list(by_prompt) == ["p2", "p1", "p3"]
    assert by_prompt["p1"] is not None
    assert (by_prompt["p1"].count, by_prompt["p1"].p50) == (2, 2)
    assert by_prompt["p3"] is None
    with pytest.raises(KeyError, match="'score' is not a metric of samples"):
        prompt_distributions(run, model, "score")


def test_models_keep_the_order_of_the_run() -> None:
    run = result([model_run(name="b"), model_run(name="a")])

    assert [summary.model.name for summary in summarise(run).models] == ["b", "a"]
    assert summarise_model(run, run.models[1]) == summarise(run).models[1]


def test_throughput_in_turns_leaves_out_the_other_sides_turns() -> None:
    # Two turns of 2 s with 20 s between their starts, 11 tokens each: 22 tokens / 4 s, not 22 / 22 s.
    first, second = samples([2.0, 2.0])
    model = model_run(samples=(first, second.model_copy(update={"start_ns": 20_000_000_000})))

    assert run_throughput(model, in_turns=True) == pytest.approx(5.5)
    assert run_throughput(model) == pytest.approx(1.0)


def test_a_score_tells_what_is_left_to_people_from_what_could_not_be_told() -> None:
    left, told = builders.facet(id="kind", check="judged", parameters={}), builders.facet(id="f1")
    prompts = [prompt(id="p1", facets=(left, left)), prompt(id="p2", facets=(left, told)), prompt(id="p3")]
    model = model_run(samples=tuple(sample(prompt=f"p{number}") for number in (1, 2, 3)))
    grades = (grade({"kind": None}, prompt="p1"), grade({"kind": None, "f1": None}, prompt="p2"))

    summary = summarise(result([model], prompts=prompts, grades=grades)).models[0]

    assert summary.score is None
    assert summary.score_why == (
        "0 of 3 prompts scored: only a judge or a person can score p1; no facet could be told of p2; no grade for p3"
    )
