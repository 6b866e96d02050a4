"""What the requests of a model say together, worked out by hand."""

from bench.metrics.timing import (
    cold_load_s,
    connect_s,
    first_request,
    first_request_s,
    loads_s,
    shared_reads,
    shared_reads_share,
    stalls_in_all,
)
from tests.builders import MILLISECOND_NS as MS
from tests.builders import failed_sample, model_run, sample


def test_the_cold_load_is_the_median_of_all_loads() -> None:
    model = model_run(cold_load_ns=900 * MS, reloads_ns=(400 * MS, 500 * MS))

    assert loads_s(model) == (0.9, 0.4, 0.5)
    assert cold_load_s(model) == 0.5
    assert cold_load_s(model_run(cold_load_ns=900 * MS)) == 0.9
    assert cold_load_s(model_run(cold_load_ns=None)) is None


def test_the_first_request_is_the_one_after_the_load_warm_up_or_not() -> None:
    first = sample(position=0, round=0, chunk_ns=(400 * MS,), end_ns=410 * MS)
    later = sample(position=1, chunk_ns=(90 * MS,), end_ns=100 * MS)

    assert first_request_s(model_run(warmup=(first,), samples=(later,))) == 0.41
    assert first_request_s(model_run(samples=(first.model_copy(update={"round": 1}), later))) == 0.41


def test_a_first_request_that_failed_is_not_replaced_by_the_second() -> None:
    model = model_run(warmup=(failed_sample(position=0, round=0),), samples=(sample(position=1),))

    assert first_request(model) is None
    assert first_request_s(model) is None


def test_connections_count_whoever_needed_them() -> None:
    warmup = (sample(position=0, round=0, connect_ns=5 * MS),)
    again = sample(position=2, connect_ns=1 * MS)

    assert connect_s(model_run(warmup=warmup, samples=(sample(position=1), again))) == 0.003
    assert connect_s(model_run()) is None


def test_stalls_are_counted_over_the_good_samples() -> None:
    slow = sample(chunk_ns=(0, 300 * MS, 600 * MS, 610 * MS))
    broken = failed_sample(chunk_ns=(0, 900 * MS))

    assert stalls_in_all(model_run(samples=(slow, sample(position=1), broken))) == 2
    assert stalls_in_all(model_run(samples=(sample(chunk_ns=(100 * MS,)),))) is None


def test_shared_reads_are_a_share_of_the_gaps() -> None:
    # Four chunks make three gaps, three make two: 2 of 5.
    one = sample(chunk_ns=(10 * MS, 10 * MS, 10 * MS, 30 * MS), shared_reads=2)
    model = model_run(samples=(one, sample(position=1), failed_sample(position=2, shared_reads=9)))

    assert shared_reads(model) == 2
    assert shared_reads_share(model) == 2 / 5
    assert shared_reads_share(model_run(samples=(sample(chunk_ns=(100 * MS,)),))) is None
