"""Which levels of load are measured, where a sweep ends, and what is kept of a level with very many samples."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from bench.config.settings import LoadSettings
from bench.metrics.load import gaps_of_histogram
from bench.runner.load.levels import PlannedLevel, Reached, next_level, reached, throughput_per_s
from bench.runner.load.streams import FIRST_NS, condensed, few_stamps, histogram
from tests.load_builders import failed_load_sample, load_level, load_sample, steady_level

MILLISECOND_NS = 1_000_000


def settings(**fields: Any) -> LoadSettings:
    return LoadSettings.model_validate(fields)


def levels(asked: LoadSettings, throughputs: dict[int | float, float | None]) -> list[PlannedLevel]:
    """Return all levels, in order, where each gives the throughput of its streams or rate."""
    found: list[Reached] = []
    while (level := next_level(asked, found)) is not None:
        found.append(Reached(level, throughputs[level.rate_per_s or level.streams]))
    return [one.level for one in found]


def test_streams_come_first_then_rates_each_in_the_order_of_the_config() -> None:
    asked = settings(streams=[4, 1], rates_per_s=[20.0, 5.0], arrivals="constant", max_streams=16)

    assert levels(asked, {4: 9.0, 1: 5.0, 20.0: 1.0, 5.0: 1.0}) == [
        PlannedLevel("closed", 4, None),
        PlannedLevel("closed", 1, None),
        PlannedLevel("constant", 16, 20.0),
        PlannedLevel("constant", 16, 5.0),
    ]


def test_a_sweep_doubles_until_throughput_no_longer_grows() -> None:
    asked = settings(sweep={"max_streams": 64, "growth": 1.1})

    # 100 -> 190 -> 300 grow by more than a tenth; 320 is less than 330.
    found = levels(asked, {1: 100.0, 2: 190.0, 4: 300.0, 8: 320.0})

    assert [(level.streams, level.swept) for level in found] == [(1, True), (2, True), (4, True), (8, True)]


def test_a_sweep_ends_at_its_most_streams_even_between_two_powers() -> None:
    asked = settings(sweep={"max_streams": 6})

    found = levels(asked, {1: 1.0, 2: 2.0, 4: 4.0, 6: 6.0})

    assert [level.streams for level in found] == [1, 2, 4, 6]


def test_a_sweep_takes_levels_of_the_config_for_its_own() -> None:
    asked = settings(streams=[1, 4], sweep={"max_streams": 8})

    found = levels(asked, {1: 1.0, 2: 2.0, 4: 4.0, 8: 8.0})

    assert [(level.streams, level.swept) for level in found] == [(1, False), (4, False), (2, True), (8, True)]


def test_a_sweep_ends_at_a_level_that_ended_before_its_time() -> None:
    asked = settings(sweep={"max_streams": 8}, rates_per_s=[2.5])

    found = levels(asked, {1: 1.0, 2: None, 2.5: 1.0})

    assert [level.text for level in found] == ["1 stream", "2 streams", "2.5 requests/s"]


def test_a_record_says_which_level_it_was() -> None:
    level = steady_level(4, 100.0, swept=True)

    assert reached(level).level == PlannedLevel("closed", 4, None, swept=True)
    assert reached(level).throughput_per_s == pytest.approx(100.0)
    assert reached(level.model_copy(update={"ended_early": "nobody answers"})).throughput_per_s is None


def test_tokens_count_where_they_came_inside_the_window() -> None:
    # First text after 1 s, last after 3 s: half of 10 tokens before the window, all of 20 inside, a quarter of 8.
    samples = [
        load_sample(-0.0, 1.0, 3.0, output_tokens=10, phase="warm-up"),
        load_sample(2.0, 1.0, 3.0, output_tokens=20),
        load_sample(8.5, 1.0, 3.0, output_tokens=8),
        failed_load_sample(4.0),
    ]

    level = load_level(samples, window_s=(2.0, 10.0))

    assert throughput_per_s(level) == pytest.approx((5 + 20 + 2) / 8)


def test_answers_count_where_nobody_counts_tokens() -> None:
    samples = [load_sample(at, 0.5, 1.0, output_tokens=None, tokens_source="none") for at in (0.5, 2.0, 5.0, 9.5)]

    level = load_level(samples, window_s=(2.0, 10.0))

    # The first ended before the window, and the last one after it.
    assert throughput_per_s(level) == pytest.approx(2 / 8)


def test_a_bin_of_the_histogram_ends_where_its_record_says() -> None:
    end_ns = FIRST_NS * 1.01**2

    found = histogram([0, FIRST_NS, FIRST_NS + 1, int(end_ns), int(end_ns) + 1, 200_000_000, 200_000_001])

    assert found.counts["0"] == 2
    assert found.counts["1"] == 2
    assert found.counts["2"] == 1
    assert sum(found.counts.values()) == 7
    assert found.longest_ns == 200_000_001
    assert found.over_200_ms == 1


def test_every_gap_is_within_half_a_bin_of_its_bin_s_centre() -> None:
    gaps = np.unique(np.geomspace(FIRST_NS + 1, 10**11, 5_000).astype(np.int64)).tolist()

    for gap in gaps:
        (number,) = histogram([gap]).counts
        centre = FIRST_NS * 1.01 ** (2 * int(number) - 1)
        assert 1 / 1.01 - 1e-9 <= centre / gap <= 1.01 + 1e-9


@pytest.mark.parametrize("seed", range(3))
def test_percentiles_of_the_histogram_are_within_its_error(seed: int) -> None:
    random = np.random.default_rng(seed)
    gaps = np.concatenate([random.gamma(4.0, 5e6, 20_000), random.uniform(2e8, 9e8, 200)]).astype(np.int64)

    found = gaps_of_histogram(histogram(gaps.tolist()))

    assert found is not None
    for share, value in ((50, found.p50), (95, found.p95), (99, found.p99)):
        assert value == pytest.approx(np.percentile(gaps, share) / 1e9, rel=0.0101)
    assert found.maximum == gaps.max() / 1e9
    assert found.stalls == 200 + int((gaps[:20_000] > 200_000_000).sum())


def test_no_gap_at_all() -> None:
    assert histogram([]).counts == {}
    assert histogram([]).longest_ns == 0


def test_few_stamps_are_the_first_the_first_of_the_answer_and_the_last() -> None:
    stamps = tuple(number * MILLISECOND_NS for number in (5, 6, 7, 8, 9))

    thinking = few_stamps(load_sample(chunk_ns=stamps, first_answer_chunk=2, end_ns=stamps[-1]))
    plain = few_stamps(load_sample(chunk_ns=stamps, first_answer_chunk=0, end_ns=stamps[-1]))
    last = few_stamps(load_sample(chunk_ns=stamps, first_answer_chunk=4, end_ns=stamps[-1]))
    single = few_stamps(load_sample(chunk_ns=stamps[:1], first_answer_chunk=0))
    none = few_stamps(load_sample(chunk_ns=stamps, first_answer_chunk=None))

    assert (thinking.chunk_ns, thinking.first_answer_chunk) == ((stamps[0], stamps[2], stamps[4]), 1)
    assert (plain.chunk_ns, plain.first_answer_chunk) == ((stamps[0], stamps[4]), 0)
    assert (last.chunk_ns, last.first_answer_chunk) == ((stamps[0], stamps[4]), 1)
    assert (single.chunk_ns, single.first_answer_chunk) == (stamps[:1], 0)
    assert (none.chunk_ns, none.first_answer_chunk) == ((stamps[0], stamps[4]), None)


def test_a_level_of_many_samples_has_its_gaps_in_a_histogram() -> None:
    stamps = tuple(number * 10 * MILLISECOND_NS for number in range(1, 12))
    good = [load_sample(number / 10, chunk_ns=stamps, end_ns=stamps[-1]) for number in range(5)]
    others = [load_sample(0.5, chunk_ns=stamps, end_ns=stamps[-1], phase="cool-down"), failed_load_sample(0.6)]

    few, kept = condensed([*good, *others], many=6)
    many, short = condensed([*good, *others], many=5)

    assert few is None
    assert kept == (*good, *others)
    # Five good measured samples of ten gaps; the failed one is the sixth that was measured.
    assert many is not None
    assert sum(many.counts.values()) == 50
    assert {len(sample.chunk_ns) for sample in short} == {2, 0}
    for before, after in zip([*good, *others], short, strict=True):
        assert before.model_copy(update={"chunk_ns": after.chunk_ns}) == after
    assert all(later > earlier for one in short for earlier, later in pairwise(one.chunk_ns))
