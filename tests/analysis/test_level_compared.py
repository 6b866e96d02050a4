"""Two runs side by side at the levels of load that both have."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bench.analysis.compare import Comparison, Difference, compare, regressions
from bench.analysis.run_noise import run_noise
from bench.report.comparison import told
from bench.schema.load import GapHistogram, LoadLevel
from bench.schema.result import Result
from bench.stats.equivalence import More
from bench.store.files import save
from tests import builders
from tests.commands.test_compare import bench, said
from tests.load_builders import failed_load_sample, load_level, load_sample

PROMPTS = tuple(f"p{number}" for number in range(8))
SIXTEEN = "closed loop, 16 streams"


def asked(ttft_s: float, late_s: float | None = None, **fields: Any) -> LoadLevel:
    """Return 40 requests of 1 s, 0.2 s apart, over 8 prompts, with two chunks each; with a schedule each is so late."""
    samples = [
        load_sample(1 + place * 0.2, ttft_s, 1.0, prompt=PROMPTS[place % 8], scheduled_s=_due(place, late_s))
        for place in range(40)
    ]
    return load_level(samples, **({"streams": 16} | fields))


def _due(place: int, late_s: float | None) -> float | None:
    return None if late_s is None else 1 + place * 0.2 - late_s


def run_of(*levels: LoadLevel, day: int = 0, **fields: Any) -> Result:
    """Return a run with the same samples every day, and these levels of load."""
    samples = tuple(builders.sample(prompt=name, round=number) for number in range(1, 6) for name in PROMPTS)
    resolved = builders.config().resolved | fields.pop("config", {})
    return builders.result(
        [builders.model_run(samples=samples, load=levels, **fields)],
        prompts=[builders.prompt(id=name) for name in PROMPTS],
        started_utc=builders.STARTED_UTC + timedelta(days=day),
        config=builders.config(resolved=resolved),
    )


def compared(before: Result, after: Result, **rules: Any) -> Comparison:
    return compare(before, after, seed=1, **rules)


def at_levels(made: Comparison) -> dict[str, Difference]:
    return {one.metric_id: one for one in made.differences if one.level is not None}


def test_a_level_that_both_runs_have_is_compared_by_its_own_metrics() -> None:
    made = compared(run_of(asked(0.4)), run_of(asked(0.5)))
    about = ("ttft_s", "itl_s", "e2e_s", "throughput_tokens_per_s", "failed_share")
    found = {metric: one for metric, one in at_levels(made).items() if metric.partition(".")[0] in about}

    # 80 chunks make 40 gaps: too few for a p99 on either side, so that it is left out.
    assert list(found) == ["ttft_s", "ttft_s.p95", "e2e_s", "e2e_s.p95", "throughput_tokens_per_s", "failed_share"]
    assert {one.level for one in found.values()} == {SIXTEEN}
    p95 = found["ttft_s.p95"]
    assert [p95.before, p95.after] == pytest.approx([0.4, 0.5])
    assert p95.verdict == "worse"
    assert p95.change.value == pytest.approx(1.25)
    assert p95.change.interval is not None
    assert [p95.change.interval.low, p95.change.interval.high] == pytest.approx([1.25, 1.25])
    assert (p95.change.interval.about, p95.change.interval.why) == (
        "these prompts",
        "of 10 stretches of successive requests",
    )
    assert (found["e2e_s"].verdict, found["failed_share"].verdict) == ("same", "same")
    alone = {one.metric_id: one.verdict for one in made.differences if one.level is None}
    assert (alone["ttft_s"], alone["e2e_s"], alone["failed_share"]) == ("same", "same", "same")


def test_latencies_from_a_schedule_have_the_waiting_in_them() -> None:
    rate: dict[str, Any] = {"rate_per_s": 4.0, "streams": 64}
    found = at_levels(compared(run_of(asked(0.4, late_s=0.0, **rate)), run_of(asked(0.4, late_s=0.1, **rate))))

    # The send is 0.1 s late: 0.4 s become 0.5 s to the first text, 1.0 s become 1.1 s to the end.
    assert found["scheduled_ttft_s.p95"].change.value == pytest.approx(1.25)
    assert found["scheduled_e2e_s"].change.value == pytest.approx(1.1)
    assert found["scheduled_e2e_s"].level == "poisson, 4/s, up to 64 streams"
    assert "ttft_s" not in found


def test_levels_of_one_run_alone_are_named_and_not_compared() -> None:
    made = compared(run_of(asked(0.4), asked(0.2, streams=4)), run_of(asked(0.4), asked(0.9, streams=32)))

    assert (made.only_before, made.only_after) == (
        ("tiny, closed loop, 4 streams",),
        ("tiny, closed loop, 32 streams",),
    )
    assert {one.level for one in made.differences} == {None, SIXTEEN}


def test_failures_at_a_level_are_compared_by_an_exact_test() -> None:
    # All five requests of one prompt fail, of forty in all.
    good = asked(0.4)
    broken = [
        failed_load_sample(one.start_ns / 1e9, prompt="p0") if one.prompt == "p0" else one for one in good.samples
    ]
    found = at_levels(compared(run_of(good), run_of(load_level(broken, streams=16))))

    share = found["failed_share"]
    assert (share.before, share.after, share.verdict) == (0, 0.125, "worse")
    assert share.p_value == pytest.approx(2 / 252)
    assert share.caution == "failures under load come together, and count here as if each came by itself"
    assert found["ttft_s.p95"].left_out == ()


def test_what_waits_together_is_drawn_together() -> None:
    # The last two tenths of a level wait twice as long: drawn request by request that would be a real change.
    crowded = [
        load_sample(1 + place * 0.2, 0.4 if place < 32 else 0.8, 1.0, prompt=PROMPTS[place % 8]) for place in range(40)
    ]
    found = at_levels(compared(run_of(asked(0.4)), run_of(load_level(crowded, streams=16))))["ttft_s"]

    # The mean over ten stretches of the logarithm of their ratios: two of them are 2.
    assert found.change.value == pytest.approx(2**0.2)
    assert found.change.interval is not None
    assert found.change.interval.low == pytest.approx(1.0)
    assert found.verdict == "unresolved"
    assert found.more == More(None, "more requests at this level tell, not more rounds")


def test_few_requests_have_a_median_and_no_interval() -> None:
    few = load_level(asked(0.5).samples[:19], streams=16)
    found = at_levels(compared(run_of(asked(0.4)), run_of(few)))["ttft_s"]

    assert (found.verdict, found.why) == ("unresolved", "19 requests; an interval needs 20")
    assert found.change.value == pytest.approx(1.25)


def test_what_only_one_side_has_says_which_and_why() -> None:
    few = load_level(asked(0.4).samples[:10], streams=16)
    found = at_levels(compared(run_of(asked(0.4)), run_of(few)))

    assert (found["ttft_s.p95"].verdict, found["ttft_s.p95"].why) == (
        "missing",
        "after: 10 requests; a p95 needs 20",
    )


def test_a_throughput_is_one_reading_and_goes_by_the_noise_from_run_to_run() -> None:
    before, after = run_of(asked(0.4)), run_of(load_level(asked(0.4).samples[:20], streams=16))
    unknown = at_levels(compared(before, after))["throughput_tokens_per_s"]
    noise = {("tiny", "throughput_tokens_per_s", SIXTEEN): 0.1}
    known = at_levels(compared(before, after, run_noise=noise))["throughput_tokens_per_s"]

    # 40 answers of 11 tokens in 10 s, then 20 of them.
    assert [unknown.before, unknown.after] == pytest.approx([44.0, 22.0])
    assert (unknown.verdict, unknown.why) == ("unresolved", "one reading a run")
    assert known.verdict == "worse"


def test_gaps_that_were_counted_in_bins_are_one_reading() -> None:
    def binned(first_ns: int) -> LoadLevel:
        gaps = GapHistogram(
            relative_error=0.01, first_ns=first_ns, counts={"1": 200}, longest_ns=2 * first_ns, over_200_ms=0
        )
        return asked(0.4, gaps=gaps)

    found = at_levels(compared(run_of(binned(10_000_000)), run_of(binned(20_000_000))))["itl_s.p99"]

    # Every gap is in bin 1, whose centre is first_ns * 1.01.
    assert found.change.value == pytest.approx(2.0)
    assert (found.verdict, found.why) == ("unresolved", "one reading a run")


def test_the_noise_of_a_level_is_that_of_the_same_level_in_earlier_runs() -> None:
    history = [run_of(asked(0.4 * 1.1 ** (day % 2)), asked(0.3, streams=4), day=day) for day in range(5)]
    before, after = run_of(asked(0.4), day=10), run_of(asked(0.4), day=11)

    found = run_noise([*history, before, after], before, after)

    # Neighbours differ by log(1.1) each time: 0.0953 / (0.6745 * 1.4142) = 0.0999.
    assert found["tiny", "ttft_s.p95", SIXTEEN] == pytest.approx(0.0999, abs=1e-4)
    assert found["tiny", "e2e_s.p95", SIXTEEN] == 0.0
    assert not any("closed loop, 4 streams" in key for key in found)


def test_contexts_that_differ_keep_levels_apart_as_well() -> None:
    found = at_levels(compared(run_of(asked(0.4)), run_of(asked(0.5), device="GPU")))

    assert {one.verdict for one in found.values()} == {"not comparable"}
    assert {one.why for one in found.values()} == {"the runs differ in device"}


def test_a_gate_holds_each_percentile_at_a_level_to_the_limit_of_its_metric() -> None:
    loose, strict = ({"gate": {"ttft_s": limit}} for limit in (0.3, 0.2))
    before = run_of(asked(0.4))

    let_through = regressions(compared(before, run_of(asked(0.5), config=loose)))
    closed = regressions(compared(before, run_of(asked(0.5), config=strict)))

    assert let_through == ()
    assert [(one.difference.metric_id, one.difference.level, one.limit) for one in closed] == [
        ("ttft_s", SIXTEEN, 0.2),
        ("ttft_s.p95", SIXTEEN, 0.2),
    ]


def test_a_comparison_names_the_level_in_words() -> None:
    (real, *_) = told(compared(run_of(asked(0.4)), run_of(asked(0.5)))).grids

    assert [row[:2] for row in real.rows] == [
        ("tiny", "TTFT (closed loop, 16 streams)"),
        ("tiny", "TTFT p95 (closed loop, 16 streams)"),
    ]


def test_the_command_says_at_which_level_a_gate_closed(tmp_path: Path) -> None:
    limits = {"gate": {"ttft_s": 0.1}}
    before = save(run_of(asked(0.4), config=limits), tmp_path)
    after = save(run_of(asked(0.5), day=1, config=limits), tmp_path)

    done = bench("compare", before, after, "--results", tmp_path, "--fail-on", "regression")

    assert done.exit_code == 1
    assert "tiny TTFT p95 (closed loop, 16 streams) 400 ms 500 ms +25.0 % ▼ worse" in said(done)
    run_id = "laptop/20260106T090000Z-1a2b3c4d5e-default"
    assert (
        f"bench: regression in {run_id}: tiny, closed loop, 16 streams, ttft_s.p95: +25.0 %, limit 0.1" in done.stderr
    )
