"""Condensed runs: everything but the samples, and loudly without them."""

import json

import pytest

from bench.analysis.condensed import NotCondensed, condensed, restored, to_bytes
from bench.analysis.history import histories, watched
from bench.analysis.summary import RunSummary, summarise
from tests.daily_runs import daily_runs
from tests.fixtures.desk_runs import desk_results


def whole_runs() -> list[RunSummary]:
    return [summarise(result) for result in (*daily_runs(range(3)), *desk_results())]


def test_a_condensed_run_has_every_number_of_the_whole_one() -> None:
    for whole in whole_runs():
        short = condensed(whole)

        assert short.steadiness == whole.steadiness
        assert short.result.run == whole.result.run
        assert [one.values for one in short.models] == [one.values for one in whole.models]
        assert [one.distributions for one in short.models] == [one.distributions for one in whole.models]
        assert [one.undefined for one in short.models] == [one.undefined for one in whole.models]
        assert [one.prompt_scores for one in short.models] == [one.prompt_scores for one in whole.models]
        assert [one.client_error for one in short.models] == [one.client_error for one in whole.models]


def test_whole_numbers_stay_whole() -> None:
    (short,) = (condensed(summarise(result)) for result in daily_runs(range(1)))

    assert isinstance(short.models[0].values["stalls_count"], int)


def test_the_samples_are_missing_and_not_empty() -> None:
    short = condensed(summarise(desk_results()[0]))

    with pytest.raises(AttributeError, match="samples"):
        _ = short.models[0].model.samples
    with pytest.raises(AttributeError, match="outputs"):
        _ = short.result.outputs
    with pytest.raises(AttributeError, match="samples"):
        _ = next(level for one in short.models for level in one.model.load).samples


def test_the_series_of_condensed_runs_are_those_of_whole_ones() -> None:
    whole = whole_runs()
    short = [condensed(one) for one in whole]

    of_whole = [(one.key, one.series) for history in histories(whole) for one in watched(history)]
    of_short = [(one.key, one.series) for history in histories(short) for one in watched(history)]

    assert of_short == of_whole


def test_equal_prompt_sets_are_kept_once() -> None:
    one, other = (condensed(summarise(result)) for result in daily_runs(range(2)))

    assert one.result.prompt_set is other.result.prompt_set


def test_a_prompt_set_that_claims_the_hash_of_another_is_kept_apart() -> None:
    first, other = daily_runs(range(2))
    forged = first.model_copy(update={"prompt_set": first.prompt_set.model_copy(update={"title": "Another"})})

    runs = [condensed(summarise(result)) for result in (forged, other)]

    assert [run.result.prompt_set.title for run in runs] == ["Another", other.prompt_set.title]


@pytest.mark.parametrize("damage", [b"", b"{}", b"not json"])
def test_what_is_no_condensed_run_is_refused(damage: bytes) -> None:
    with pytest.raises(NotCondensed):
        restored(damage)


def test_bytes_of_another_form_are_refused() -> None:
    *shared, last = to_bytes(whole_runs()[0]).split(b"\n")
    stored = json.loads(last)
    del stored["summaries"][0]["kept"]

    with pytest.raises(NotCondensed):
        restored(b"\n".join([*shared, json.dumps(stored).encode()]))
