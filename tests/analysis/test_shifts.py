"""The level shifts of a ledger: which are found, between which runs, and what is suspected."""

from datetime import timedelta
from typing import Any

import pytest

from bench.analysis.changes import LevelShift, Shifts, shifts, suspects
from bench.analysis.contexts import Differing
from bench.analysis.history import PROMPT_RUNS
from bench.analysis.missing_models import missing
from bench.analysis.summary import oldest_first, summarise
from bench.metrics import registry
from bench.schema.result import Pairing, Result
from bench.store.files import load
from tests import builders
from tests.daily_runs import CHUNKS, GAP_MS, daily_runs, watched
from tests.site_project import ROOT

OLD_VERSIONS = {"python": "3.11.7", "onnxruntime": "1.30.0"}
NEW_VERSIONS = {"python": "3.11.7", "onnxruntime": "1.31.0"}


def found(*results: Result) -> Shifts:
    return shifts([summarise(result) for result in oldest_first(results)])


def slow_from(day: int, by: float = 1.25) -> Any:
    return lambda today, name: by if today >= day else 1.0


def of_metric(some: Shifts, metric_id: str, prompt: str | None = None) -> list[LevelShift]:
    return [one for one in some.all if (one.key.metric_id, one.key.prompt) == (metric_id, prompt)]


def day_of(result: Result) -> int:
    return (result.run.started_utc - builders.STARTED_UTC).days


def updated_on(day: int) -> Any:
    return lambda today: {"machine": builders.machine(versions=NEW_VERSIONS if today >= day else OLD_VERSIONS)}


def test_a_step_is_found_with_its_runs_its_size_and_its_suspect() -> None:
    some = found(*daily_runs(range(20), slower=slow_from(12), run=updated_on(12)))

    (decode,) = of_metric(some, "decode_tokens_per_s")
    assert (day_of(decode.before), day_of(decode.after)) == (11, 12)
    assert (decode.change.status, decode.change.runs, decode.verdict) == ("confirmed", 8, "worse")
    # A token takes 20 ms, then 25 ms: 50 tokens/s become 40.
    assert decode.change.before == pytest.approx(1_000 / GAP_MS, rel=0.03)
    assert decode.change.effect == pytest.approx(-0.2, abs=0.02)
    assert decode.change.low < -0.2 < decode.change.high
    assert decode.suspects == (
        Differing("onnxruntime", "1.30.0", "1.31.0"),
        Differing("commit", "000000000b", "000000000c"),
    )


def test_every_metric_of_the_step_is_found_and_no_other() -> None:
    some = found(*daily_runs(range(20), slower=slow_from(12)))

    assert [one.key.metric_id for one in some.all if one.key.prompt is None] == [
        "decode_tokens_per_s",
        "e2e_s",
        "throughput_tokens_per_s",
    ]
    # A whole run has 8 samples of 8 gaps: too few for an ITL p99 or a latency p95.
    assert {one.key.prompt for one in some.all} == {None, "p1", "p2"}
    assert {one.after.run.id for one in some.all} == {some.all[0].after.run.id}


def test_a_metric_where_more_is_better_and_one_where_less_is() -> None:
    lighter = found(
        *daily_runs(range(20), model=lambda day, name: {} if day < 12 else {"memory_peak_bytes": 60_000_000})
    )
    faster = found(*daily_runs(range(20), slower=slow_from(12, 0.8)))

    assert [(one.key.metric_id, one.verdict) for one in lighter.all] == [("memory_peak_bytes", "better")]
    assert {one.verdict for one in faster.all} == {"better"}
    assert of_metric(faster, "decode_tokens_per_s")[0].change.effect > 0
    assert of_metric(faster, "e2e_s")[0].change.effect < 0


def test_a_step_is_suspected_first_and_confirmed_by_a_later_run() -> None:
    runs = daily_runs(range(20), slower=slow_from(12))
    (early,) = of_metric(found(*runs[:13]), "decode_tokens_per_s")
    late = found(*runs)
    (confirmed,) = of_metric(late, "decode_tokens_per_s")

    assert (early.change.status, early.change.runs) == ("suspected", 1)
    by = day_of(late.confirmed_by(confirmed))
    assert by >= 14
    judged = [of_metric(found(*runs[: last + 1]), "decode_tokens_per_s")[0].change.status for last in (by - 1, by)]
    assert judged == ["suspected", "confirmed"]
    with pytest.raises(ValueError, match=r"a change of decode_tokens_per_s of tiny was never confirmed"):
        found(*runs[:13]).confirmed_by(early)


def test_the_levels_between_confirmed_changes() -> None:
    some = found(*daily_runs(range(20), slower=slow_from(12)))
    key = of_metric(some, "decode_tokens_per_s")[0].key

    first, second = some.levels(key)
    assert (first.first, first.last, second.first, second.last) == (0, 11, 12, 19)
    assert second.value / first.value == pytest.approx(0.8, abs=0.02)
    assert some.levels(key._replace(metric_id="ttft_s")) == ()


SERIES = len(registry.watched("whole")) - 3 + 2
"""Of the metrics that are watched a daily run lacks ITL p99, latency p95 and the score; of 2 prompts the scores."""


def test_runs_without_a_change_have_none() -> None:
    some = found(*daily_runs(range(30)))

    assert some.all == ()
    assert (some.watched, some.waiting) == (SERIES, 0)


def test_samples_that_are_all_equal_shift_nothing() -> None:
    some = found(*daily_runs(range(20), noise=0.0))

    assert (some.all, some.watched) == ((), SERIES)


def test_equal_samples_before_and_after_a_step() -> None:
    some = found(*daily_runs(range(20), noise=0.0, slower=slow_from(12)))

    (decode,) = of_metric(some, "decode_tokens_per_s")
    assert decode.change.effect == pytest.approx(-0.2)
    assert decode.change.status == "confirmed"
    # 100 ms, 8 gaps of 20 or 25 ms, and 1 ms to the end.
    assert of_metric(some, "e2e_s")[0].change.before == pytest.approx(0.1 + (CHUNKS - 1) * GAP_MS / 1_000 + 0.001)


def test_one_run_and_no_run() -> None:
    one = found(*daily_runs(range(1)))
    none = found()

    assert (one.all, one.watched, one.waiting) == ((), 0, SERIES)
    assert (none.all, none.histories, none.watched, none.waiting) == ((), (), 0, 0)


def test_a_history_counts_from_its_sixth_run_on() -> None:
    five, six = (found(*daily_runs(range(count))) for count in (5, 6))

    assert (five.watched, five.waiting) == (0, SERIES)
    assert (six.watched, six.waiting) == (SERIES, 0)


def test_a_single_prompt_is_watched_like_several() -> None:
    some = found(*daily_runs(range(20), prompts=1, slower=slow_from(12)))

    (whole,), (alone,) = of_metric(some, "e2e_s"), of_metric(some, "e2e_s", "p1")
    assert whole.change.effect == alone.change.effect
    assert alone.after == whole.after


def test_a_prompt_can_shift_alone() -> None:
    def one_prompt_slower(result: Result) -> Result:
        if day_of(result) < 12:
            return result
        (model,) = result.models
        slower = tuple(
            sample.model_copy(update={"end_ns": (sample.end_ns or 0) * 2}) if sample.prompt == "p3" else sample
            for sample in model.samples
        )
        return result.model_copy(update={"models": (model.model_copy(update={"samples": slower}),)})

    some = found(*(one_prompt_slower(result) for result in daily_runs(range(20), prompts=5)))

    assert [one.key.prompt for one in some.all if one.key.metric_id == "e2e_s"] == ["p3"]
    assert of_metric(some, "e2e_s", "p3")[0].change.effect == pytest.approx(1.0, abs=0.05)


def test_a_prompt_is_watched_over_the_newest_runs_only() -> None:
    days = PROMPT_RUNS + 20
    runs = daily_runs(range(days), prompts=1, rounds=2, slower=slow_from(days - 8))
    some = found(*runs)

    (whole,), (alone,) = of_metric(some, "e2e_s"), of_metric(some, "e2e_s", "p1")
    assert (alone.before, alone.after) == (whole.before, whole.after)
    assert some.confirmed_by(alone) == some.confirmed_by(whole)
    # An old step is no news for a prompt.
    old = found(*daily_runs(range(days), prompts=1, rounds=2, slower=slow_from(12)))
    assert [one.key.prompt for one in old.all if one.key.metric_id == "e2e_s"] == [None]


def test_a_run_on_an_unsteady_machine_makes_a_change_suspected_and_never_confirms_it() -> None:
    unsteady = {12, 13, 14, 15}
    some = found(
        *daily_runs(
            range(16),
            slower=slow_from(12),
            model=lambda day, name: {"machine_watch": watched(steady=day not in unsteady)},
        )
    )

    assert {(one.change.status, one.change.runs) for one in some.all} == {("suspected", 0)}


def test_the_run_before_a_change_is_one_that_did_not_drift() -> None:
    some = found(
        *daily_runs(
            range(20),
            slower=slow_from(12),
            model=lambda day, name: {"machine_watch": watched(steady=day != 11)},
            run=updated_on(11),
        )
    )

    # The unsteady run has the new version already: the bracket must hold the update.
    (decode,) = of_metric(some, "decode_tokens_per_s")
    assert (day_of(decode.before), day_of(decode.after)) == (10, 12)
    assert decode.suspects[0].words == "onnxruntime"


def test_runs_that_failed_in_between_are_passed_over() -> None:
    runs = list(daily_runs(range(20), slower=slow_from(12)))
    for day in (5, 11, 12):
        broken = builders.failed_model(name="tiny", device=None, execution_provider=None)
        runs[day] = runs[day].model_copy(update={"models": (broken,)})
    some = found(*runs)

    (decode,) = of_metric(some, "decode_tokens_per_s")
    assert (day_of(decode.before), day_of(decode.after), decode.change.runs) == (10, 13, 7)
    # It has no device, and is no context of its own.
    assert len(some.histories) == 1


def test_a_run_without_a_value_is_a_gap_in_this_series_alone() -> None:
    memory: Any = {4: None, 12: None}

    def model(day: int, name: str) -> dict[str, Any]:
        return {"memory_peak_bytes": memory.get(day, 75_000_000 + day if day < 12 else 90_000_000 + day)}

    some = found(*daily_runs(range(20), model=model))

    (peak,) = of_metric(some, "memory_peak_bytes")
    assert (day_of(peak.before), day_of(peak.after), peak.change.runs) == (11, 13, 7)
    assert some.histories[0].values("memory_peak_bytes").count(None) == 2


def test_partial_runs_count_if_they_have_samples() -> None:
    runs = [
        result.model_copy(update={"run": result.run.model_copy(update={"status": "partial"})})
        for result in daily_runs(range(20), slower=slow_from(12))
    ]

    assert of_metric(found(*runs), "decode_tokens_per_s")[0].change.status == "confirmed"


def test_more_failed_samples_are_a_lower_share_of_good_ones() -> None:
    def some_failing(result: Result) -> Result:
        if day_of(result) < 12:
            return result
        (model,) = result.models
        samples = (*model.samples[:6], *(builders.failed_sample(position=position) for position in (6, 7)))
        return result.model_copy(update={"models": (model.model_copy(update={"samples": samples}),)})

    some = found(*(some_failing(result) for result in daily_runs(range(20), prompts=1, rounds=8)))

    (share,) = of_metric(some, "good_share")
    assert share.verdict == "worse"
    assert share.change.before == pytest.approx(1.0)
    assert share.change.after == pytest.approx(0.75)


def test_another_context_is_another_series() -> None:
    runs = daily_runs(
        range(20), slower=slow_from(12), model=lambda day, name: {"device": "GPU" if day >= 12 else "CPU"}
    )
    some = found(*runs)

    assert some.all == ()
    assert [len(one.runs) for one in some.histories] == [12, 8]


def test_a_run_that_took_turns_is_none_of_the_series() -> None:
    runs = list(daily_runs(range(20)))
    pairing = Pairing(side="A", other="laptop/other", blocks=("A", "B"))
    turned = daily_runs([20], slower=slow_from(0, 3.0))[0]
    some = found(*runs, turned.model_copy(update={"run": turned.run.model_copy(update={"pairing": pairing})}))

    assert some.all == ()
    assert [one.context.load for one in some.histories] == ["one stream", "one stream, in turns"]


def test_two_runs_at_the_same_second_are_in_the_order_of_their_ids() -> None:
    twice = daily_runs(
        range(24),
        slower=slow_from(12),
        run=lambda day: {"started_utc": builders.STARTED_UTC + timedelta(days=day // 2)},
    )
    some = found(*reversed(twice))

    (decode,) = of_metric(some, "decode_tokens_per_s")
    assert (decode.before.run.commit, decode.after.run.commit) == ("000000000b", "000000000c")
    assert decode.before.run.id < decode.after.run.id


def test_models_and_machines_are_kept_apart() -> None:
    laptop = daily_runs(
        range(20), models=["one", "two"], slower=lambda day, name: 1.25 if name == "two" and day > 11 else 1
    )
    kiosk = daily_runs(range(20), seed=2, models=["two"], run=lambda day: {"machine_name": "kiosk"})
    some = found(*laptop, *kiosk)

    assert {(one.key.context.machine, one.key.model) for one in some.all} == {("laptop", "two")}
    assert len(some.histories) == 3


def test_what_is_known_of_a_run_stays_when_another_machine_runs() -> None:
    # Each machine's newest run has a family of its own.
    laptop = daily_runs(range(14), slower=slow_from(12))
    kiosk = daily_runs(range(20), seed=2, run=lambda day: {"machine_name": "kiosk"})

    assert found(*laptop).all == found(*laptop, *kiosk).all


def test_suspects_are_those_of_the_model_in_order() -> None:
    before = builders.result([builders.model_run(), builders.model_run(name="other")])
    after = builders.result(
        [builders.model_run(variant_version="2"), builders.model_run(name="other", variant_version="9")],
        machine=builders.machine(os="Debian 13"),
        run=builders.run_info(tool_version="0.2.0"),
    )

    assert suspects(before, after, "tiny") == (
        Differing("model version", "1", "2"),
        Differing("operating system", "Debian 12", "Debian 13"),
        Differing("Benchledger", "0.1.0", "0.2.0"),
    )
    assert suspects(before, before, "tiny") == ()


def test_what_an_older_run_did_not_record_is_no_suspect() -> None:
    old = load(ROOT / "tests" / "fixtures" / "versions" / "1.json")
    # It ran before power sources, variants and most settings were recorded.
    now = old.model_copy(
        update={
            "config": old.config.model_copy(update={"resolved": old.config.resolved | {"loads": 3, "warmup": 2}}),
            "machine": old.machine.model_copy(
                update={"versions": old.machine.versions | {"onnxruntime": "1.31.0"}, "power_source": "mains"}
            ),
        }
    )
    before = old.model_copy(update={"machine": old.machine.model_copy(update={"power_source": None})})

    assert "loads" not in old.config.resolved
    assert suspects(before, now, old.models[0].name) == ()


def test_a_model_that_vanishes_and_returns_goes_on_with_its_history() -> None:
    def without(result: Result, name: str) -> Result:
        return result.model_copy(update={"models": tuple(one for one in result.models if one.name != name)})

    runs = [
        without(result, "two") if day_of(result) < 2 or 8 <= day_of(result) < 11 else result
        for result in daily_runs(range(20), models=["one", "two"], slower=slow_from(14))
    ]
    some = found(*runs)

    (away,) = missing([summarise(result) for result in runs])
    assert (away.model, away.machine, away.config, away.state) == ("two", "laptop", "default", "absent")
    assert [day_of(result) for result in away.runs] == [8, 9, 10]
    assert away.returned == runs[11]
    assert [len(one.runs) for one in some.histories] == [20, 15]
    assert {day_of(one.after) for one in some.all if one.key.model == "two"} == {14}


def test_a_model_that_is_missing_still() -> None:
    runs = list(daily_runs(range(6), models=["one", "two"]))
    broken = builders.failed_model(name="two")
    skipped = builders.model_run(name="two", skipped="no GPU", samples=())
    for day, instead in ((3, broken), (4, broken), (5, skipped)):
        runs[day] = runs[day].model_copy(update={"models": (runs[day].models[0], instead)})

    known = missing([summarise(result) for result in runs])

    assert [(one.state, len(one.runs), one.returned) for one in known] == [("failed", 2, None), ("skipped", 1, None)]


def test_a_config_that_never_had_a_model_does_not_miss_it() -> None:
    both = daily_runs([0, 2], models=["one", "two"])
    one = daily_runs([1, 3], models=["one"], run=lambda day: {"config_name": "quick"})

    assert missing([summarise(result) for result in oldest_first([*both, *one])]) == ()
