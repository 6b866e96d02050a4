"""What the metrics are, worked out by hand from stamps."""

import pytest

from bench.analysis.summary import summarise_model
from bench.metrics import registry as metrics
from bench.metrics.registry import METRICS, Metric, measured_in
from bench.schema.model_run import MEASURED_FIELDS
from bench.schema.sample import Sample
from tests.builders import MILLISECOND_NS as MS
from tests.builders import failed_sample, model_run, result, sample

decode_tokens_per_s = metrics.metric("decode_tokens_per_s").value
e2e_s = metrics.metric("e2e_s").value
longest_stall_s = metrics.metric("longest_stall_s").value
output_tokens_per_s = metrics.metric("output_tokens_per_s").value
prefill_tokens_per_s = metrics.metric("prefill_tokens_per_s").value
sent_s = metrics.metric("sent_s").value
sent_share = metrics.metric("sent_share").value
tpot_s = metrics.metric("tpot_s").value
ttfo_s = metrics.metric("ttfo_s").value
ttft_s = metrics.metric("ttft_s").value
stalls = metrics.metric("request_stalls_count").value


def itl_s(one: Sample) -> tuple[float, ...]:
    return tuple(metrics.metric("itl_s").all_values((one,)))


def test_a_request_by_hand() -> None:
    # Text at 200, 250, 350 and 600 ms, the last byte at 650 ms, 5 output tokens for a prompt of 40.
    one = sample(chunk_ns=(200 * MS, 250 * MS, 350 * MS, 600 * MS), end_ns=650 * MS, output_tokens=5, prompt_tokens=40)

    assert ttft_s(one) == 0.2
    assert ttfo_s(one) == 0.2
    assert itl_s(one) == (0.05, 0.1, 0.25)
    assert tpot_s(one) == pytest.approx(0.1)  # (0.6 - 0.2) / (5 - 1)
    assert decode_tokens_per_s(one) == pytest.approx(10)
    assert e2e_s(one) == 0.65
    assert output_tokens_per_s(one) == pytest.approx(5 / 0.65)
    assert prefill_tokens_per_s(one) == pytest.approx(200)  # 40 / 0.2


def test_reasoning_counts_for_the_first_token_but_not_for_the_first_output() -> None:
    one = sample(chunk_ns=(100 * MS, 200 * MS, 300 * MS), first_answer_chunk=2)

    assert ttft_s(one) == 0.1
    assert ttfo_s(one) == 0.3


def test_no_answer_text_no_first_output() -> None:
    assert ttfo_s(sample(first_answer_chunk=None)) is None


def test_tpot_takes_tokens_and_not_chunks() -> None:
    # Two chunks 300 ms apart that carry 4 tokens: 300 / 3, not 300 / 1.
    assert tpot_s(sample(chunk_ns=(100 * MS, 400 * MS), end_ns=400 * MS, output_tokens=4)) == pytest.approx(0.1)


@pytest.mark.parametrize("tokens", [None, 0, 1])
def test_tpot_needs_two_counted_tokens(tokens: int | None) -> None:
    one = sample(output_tokens=tokens)

    assert tpot_s(one) is None
    assert decode_tokens_per_s(one) is None


def test_tokens_that_came_with_the_first_took_no_part_of_the_time() -> None:
    stamps = tuple(at * MS for at in (100, 100, 100, 200, 300, 400))

    # Three of six chunks came after the first read, in 0.3 s.
    assert tpot_s(sample(chunk_ns=stamps, end_ns=400 * MS, output_tokens=6)) == pytest.approx(0.1)
    # Of eleven tokens one is the first; ten are spread over five chunks, and six of them came later.
    assert tpot_s(sample(chunk_ns=stamps, end_ns=400 * MS, output_tokens=11)) == pytest.approx(0.05)


def test_tokens_of_the_first_chunk_took_no_part_of_the_time() -> None:
    stamps = tuple(at * MS for at in (100, 200, 300, 400))

    # Of 13 tokens ten came at once; three came in the 0.3 s after them.
    one = sample(chunk_ns=stamps, end_ns=400 * MS, output_tokens=13, first_chunk_tokens=10)
    assert tpot_s(one) == pytest.approx(0.1)
    assert decode_tokens_per_s(one) == pytest.approx(10)
    assert metrics.metric("first_chunk_tokens_count").value(one) == 10
    # As if each chunk were alike, it would be 12 tokens in that time.
    assert tpot_s(sample(chunk_ns=stamps, end_ns=400 * MS, output_tokens=13)) == pytest.approx(0.025)
    # A second chunk that came in one read with the first one took no part either: two of three later ones did.
    shared = sample(chunk_ns=(stamps[0], *stamps[:3]), end_ns=400 * MS, output_tokens=13, first_chunk_tokens=10)
    assert tpot_s(shared) == pytest.approx(0.1)
    assert tpot_s(sample(chunk_ns=stamps, end_ns=400 * MS, output_tokens=10, first_chunk_tokens=10)) is None


def test_text_that_comes_at_one_instant_has_no_tpot_and_no_infinite_speed() -> None:
    one = sample(chunk_ns=(100 * MS,), end_ns=110 * MS, output_tokens=40)

    assert tpot_s(one) is None
    assert decode_tokens_per_s(one) is None
    assert itl_s(one) == ()
    assert ttft_s(one) == 0.1


def test_chunks_of_one_read_have_a_gap_of_zero() -> None:
    one = sample(chunk_ns=(100 * MS, 100 * MS, 130 * MS), end_ns=130 * MS, output_tokens=4)

    assert itl_s(one) == (0.0, 0.03)
    assert tpot_s(one) == pytest.approx(0.01)


def test_a_count_of_zero_beside_a_text_is_no_speed_of_zero() -> None:
    one = sample(output_tokens=0, prompt_tokens=0)

    assert output_tokens_per_s(one) is None
    assert prefill_tokens_per_s(one) is None


def test_without_counts_there_are_times_but_no_speeds() -> None:
    one = sample(output_tokens=None, prompt_tokens=None, tokens_source="none")

    assert e2e_s(one) == 0.15
    assert output_tokens_per_s(one) is None
    assert prefill_tokens_per_s(one) is None


def test_an_answer_that_was_not_streamed_has_only_a_latency() -> None:
    one = sample(chunk_ns=(), first_answer_chunk=None, end_ns=500 * MS, output_tokens=10)

    assert {metric.id: metric.value(one) for metric in measured_in("whole", "sample")} == {
        "ttft_s": None,
        "ttfo_s": None,
        "tpot_s": None,
        "decode_tokens_per_s": None,
        "first_chunk_tokens_count": None,
        "e2e_s": 0.5,
        "output_tokens_per_s": 20.0,
        "prefill_tokens_per_s": None,
        "longest_stall_s": None,
        "request_stalls_count": None,
        "sent_s": None,
        "sent_share": None,
    }
    assert itl_s(one) == ()


@pytest.mark.parametrize("metric", measured_in("whole", "sample", "gap"), ids=lambda metric: metric.id)
def test_a_failed_sample_has_no_value_whatever_was_measured(metric: Metric) -> None:
    broken_off = failed_sample(
        "cut-off",
        "the stream ended",
        chunk_ns=(100 * MS, 200 * MS),
        first_answer_chunk=0,
        end_ns=210 * MS,
        output_tokens=2,
    )

    assert metric.all_values((broken_off,)) == []


def test_stalls_by_hand() -> None:
    # Gaps of 50, 200, 201 and 700 ms: two are longer than 200 ms.
    one = sample(chunk_ns=(100 * MS, 150 * MS, 350 * MS, 551 * MS, 1_251 * MS))

    assert longest_stall_s(one) == 0.7
    assert stalls(one) == 2
    assert stalls(sample()) == 0
    assert stalls(sample(chunk_ns=(100 * MS,))) is None
    assert stalls(failed_sample(chunk_ns=(0, 900 * MS))) is None


def test_sending_is_the_client_s_own_part_of_the_first_token() -> None:
    one = sample(sent_ns=3 * MS, chunk_ns=(60 * MS, 80 * MS))

    assert sent_s(one) == 0.003
    assert sent_share(one) == pytest.approx(0.05)
    assert sent_share(sample(sent_ns=3 * MS, chunk_ns=())) is None
    assert sent_s(sample()) is None


def test_stamps_of_zero_do_not_divide() -> None:
    one = sample(chunk_ns=(0, 0), end_ns=0)

    assert ttft_s(one) == 0
    assert output_tokens_per_s(one) is None
    assert prefill_tokens_per_s(one) is None


def test_model_metrics_in_base_units() -> None:
    model = model_run(cold_load_ns=1_500 * MS, memory_peak_bytes=75_000_000, footprint_bytes=None)
    values = summarise_model(result([model]), model).values

    expected = {
        "cold_load_s": 1.5,
        "memory_before_bytes": 60_000_000,
        "memory_loaded_bytes": 70_000_000,
        "memory_peak_bytes": 75_000_000,
        "memory_unique_bytes": 8_000_000,
        "gpu_memory_peak_bytes": None,
        "footprint_bytes": None,
        "first_request_s": 0.15,
        "connect_s": None,
        "stalls_count": 0,
        "shared_reads_count": 0,
        "shared_reads_share": 0,
        "energy_per_answer_j": None,
        "energy_per_1000_tokens_j": None,
        "throughput_tokens_per_s": 20.0,
        "score": None,
        "cost_per_1000_answers": None,
        "failed_share": 0.0,
        "good_share": 1.0,
    }
    assert {metric_id: values[metric_id] for metric_id in expected} == expected


def test_model_metrics_name_a_field_that_has_a_reason() -> None:
    assert {metric.recorded for metric in METRICS if metric.recorded} <= {*MEASURED_FIELDS, "energy"}


def test_ids_are_unique_and_found() -> None:
    ids = [metric.id for metric in METRICS]

    assert len(set(ids)) == len(ids)
    assert [metrics.metric(metric_id) for metric_id in ids] == list(METRICS)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.id)
def test_a_metric_id_ends_in_its_unit(metric: Metric) -> None:
    endings: dict[str, str | tuple[str, ...]] = {
        "s": "_s",
        "s/token": "_s",
        "tokens/s": "_tokens_per_s",
        "bytes": "_bytes",
        "score": "score",
        "J": "_j",
        "count": "_count",
        "share": "_share",
        "money": "cost_per_1000_answers",
        "1/s": "_per_s",
        "s/s": "_growth",
        "streams": ("under_way", "under_way_by_little"),
    }

    assert metric.id.endswith(endings[metric.unit])
    assert metric.definition.endswith(".")


def test_speeds_and_scores_are_better_when_higher() -> None:
    assert {metric.id for metric in METRICS if metric.better == "higher"} == {
        "decode_tokens_per_s",
        "output_tokens_per_s",
        "prefill_tokens_per_s",
        "throughput_tokens_per_s",
        "answers_per_s",
        "goodput_share",
        "goodput_per_s",
        "score",
        "good_share",
    }


def test_an_unknown_metric_names_the_known_ones() -> None:
    with pytest.raises(KeyError, match=r"unknown metric 'ttft'; known: ttft_s, scheduled_ttft_s, ttfo_s, tpot_s, "):
        metrics.metric("ttft")
    with pytest.raises(KeyError, match=r"unknown sample metric 'itl_s'; known: ttft_s, ttfo_s, "):
        metrics.sample_metric("itl_s")
