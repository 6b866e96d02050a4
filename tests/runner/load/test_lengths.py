"""The matrix of lengths: prompts of so many tokens that nobody can have kept, and cells that do not fit."""

import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.config.settings import Config
from bench.runner.calibration.client_check import reference_server
from bench.runner.load.lengths import (
    OPENINGS,
    TASK,
    Fitted,
    Repeat,
    fitted,
    measure_lengths,
    openings,
    prompt,
    repeats_of,
)
from bench.runner.messages import CellMeasured, Underway
from tests.builders import prompt as prompt_record
from tests.builders import prompt_set, sample
from tests.counting_server import Counting, counting_server
from tests.load_builders import cell
from tests.runner.load.test_load import asking, custom
from tests.running import run_models
from tests.site_project import ROOT

FIRST = tuple(words[0] for words in OPENINGS)


def words(text: str) -> int:
    return len(text.split())


def pieces(text: str) -> int:
    """Count a token for each four letters of a word, begun ones included."""
    return sum((len(word) + 3) // 4 for word in text.split())


def config(**lengths: Any) -> Config:
    return Config.model_validate({"models": ["not-asked"], "lengths": {"repeats": 2, **lengths}})


def cells(
    url: str, settings: Config, context_length: int | None = None, done: frozenset[Repeat] = frozenset()
) -> list[CellMeasured]:
    with asking(url) as provider:
        return measured(provider, settings, context_length, done)


def measured(
    provider: Any,
    settings: Config,
    context_length: int | None = None,
    done: frozenset[Repeat] = frozenset(),
    on_beat: Callable[[Underway], None] = lambda _: None,
) -> list[CellMeasured]:
    clock = time.perf_counter_ns
    return list(measure_lengths(provider, settings, context_length, done, clock, clock(), on_beat))


@pytest.mark.parametrize("aimed", [40, 128, 512, 2048, 10_000])
@pytest.mark.parametrize("count", [words, pieces, len])
def test_a_prompt_comes_as_near_to_its_length_as_it_can(count: Callable[[str], int], aimed: int) -> None:
    asked: list[str] = []

    def counted(text: str) -> int:
        asked.append(text)
        return count(text)

    found = fitted(counted, aimed, seed=1)

    if count(prompt(FIRST, "")) > aimed:
        assert found == count(prompt(FIRST, ""))
        return
    assert isinstance(found, Fitted)
    assert count(prompt(FIRST, found.story)) == found.tokens <= aimed
    # A filler is one word or one piece, and three letters.
    assert aimed - found.tokens <= (2 if count is len else 0)
    assert len(asked) <= 20


def test_a_count_of_none_is_more_than_the_model_takes() -> None:
    found = fitted(lambda text: words(text) if words(text) <= 300 else None, 280, seed=1)

    assert isinstance(found, Fitted)
    assert found.tokens == 280


def test_the_shortest_prompt_is_longer_than_what_was_asked_for() -> None:
    assert fitted(words, 5, seed=1) == words(prompt(FIRST, ""))


def test_a_count_that_does_not_grow_is_no_count() -> None:
    asked: list[str] = []

    def counted(text: str) -> int:
        asked.append(text)
        return 1

    assert fitted(counted, 512, seed=1) is None
    assert len(asked) < 15


def test_fillers_that_add_nothing_are_left_out() -> None:
    def counted(text: str) -> int:
        return 3 * len([word for word in text.split() if word != "on"])

    found = fitted(counted, 100, seed=1)

    assert isinstance(found, Fitted)
    assert found.tokens == 99
    assert not found.story.endswith(" on")


def test_openings_have_as_many_tokens_and_neighbours_share_no_word() -> None:
    def counted(text: str) -> int:
        # Some words are two tokens in this vocabulary.
        return words(text) + sum(word in text.split() for word in ("That", "night", "morning", "children:"))

    found = openings(counted)

    assert len(set(found)) == len(found) >= 20
    assert {counted(prompt(opening, "")) for opening in found} == {counted(prompt(FIRST, ""))}
    for one, other in itertools.pairwise(found):
        assert one[0] != other[0]
    assert not {word for opening in found for word in opening} & {"That", "night", "morning", "children"}


def test_openings_of_a_vocabulary_in_which_no_two_are_alike() -> None:
    sizes: dict[str, int] = {}

    found = openings(lambda text: sizes.setdefault(text, len(sizes)))

    assert found == (FIRST,)


def test_the_matrix_goes_row_by_row_and_counts_with_the_endpoint() -> None:
    counting = Counting()
    with counting_server(counting) as url:
        told = cells(url, config(prompt_tokens=[64, 256], output_tokens=[2, 5]))

    assert [(one.cell.prompt_tokens, one.cell.output_tokens) for one in told] == [
        (64, 2), (64, 2), (64, 5), (64, 5), (256, 2), (256, 2), (256, 5), (256, 5),
    ]  # fmt: skip
    samples = [one.cell.samples[0] for one in told]
    assert [one.prompt for one in samples] == ["64-tokens"] * 4 + ["256-tokens"] * 4
    assert [one.round for one in samples] == [1, 2] * 4
    assert [one.position for one in samples] == list(range(8))
    assert [one.prompt_tokens for one in samples] == [64] * 4 + [256] * 4
    assert [one.output_tokens for one in samples] == [2, 2, 5, 5] * 2
    assert all(one.failure is None for one in samples)
    assert [one.start_ns for one in samples] == sorted(one.start_ns for one in samples)
    assert told[0].texts == {samples[0].output: "word word "}


def test_no_prompt_that_is_measured_was_sent_before_as_far_as_its_first_word() -> None:
    counting = Counting()
    with counting_server(counting) as url:
        cells(url, config(prompt_tokens=[64, 128], output_tokens=[2], repeats=3))

    sent = [request for request in counting.requests if request["max_tokens"] > 1]
    texts = [request["messages"][-1]["content"] for request in sent]
    counted = [request["messages"][-1]["content"] for request in counting.requests if request["max_tokens"] == 1]
    # A warm-up and three repeats for each of two cells.
    assert len(texts) == 8
    beginnings = [tuple(text.partition(":")[0].split()) for text in texts]
    assert len(set(beginnings)) == 8
    assert not {text.partition(":")[0] for text in counted} & {text.partition(":")[0] for text in texts}
    for one, other in itertools.pairwise(beginnings):
        assert one[0] != other[0]
    assert all(TASK in text for text in texts)


def test_counting_takes_few_requests_of_one_token() -> None:
    counting = Counting()
    with counting_server(counting) as url:
        cells(url, config(prompt_tokens=[64], output_tokens=[2], repeats=1))

    assert [request["max_tokens"] for request in counting.requests][-2:] == [2, 2]
    assert {request["max_tokens"] for request in counting.requests[:-2]} == {1}
    assert len(counting.requests) < 30


def test_a_server_whose_count_does_not_grow() -> None:
    with reference_server(0.0, 0.0) as server:
        (told,) = cells(server.base_url, config(prompt_tokens=[64], output_tokens=[2]))

    assert told.cell.skipped == "what counts this model's tokens tells no more of them for a longer prompt"


def test_a_cell_beyond_the_known_context_is_skipped_without_a_request() -> None:
    counting = Counting()
    with counting_server(counting) as url:
        told = cells(url, config(prompt_tokens=[900], output_tokens=[64, 128], repeats=1), context_length=1000)

    assert [(one.cell.skipped, len(one.cell.samples)) for one in told] == [
        (None, 1),
        ("900 + 128 tokens do not fit the model's context of 1000", 0),
    ]


def test_a_cell_that_the_endpoint_refuses_as_too_long_is_skipped() -> None:
    with counting_server(Counting(context=300)) as url:
        told = cells(url, config(prompt_tokens=[128, 299, 512], output_tokens=[8, 1], repeats=1))

    found = {(one.cell.prompt_tokens, one.cell.output_tokens): one.cell for one in told}
    assert [key for key, one in found.items() if one.skipped is None] == [(128, 8), (128, 1), (299, 1)]
    # Of 512 tokens there is no prompt at all, although a shorter one and its answer would fit.
    for key in ((299, 8), (512, 8), (512, 1)):
        assert "maximum context length is 300 tokens" in (found[key].skipped or "")
        assert found[key].samples == ()


def test_an_endpoint_that_counts_nothing() -> None:
    with counting_server(Counting(counts=False)) as url:
        told = cells(url, config(prompt_tokens=[64, 128], output_tokens=[2]))

    why = "nobody counts this model's tokens: no prompt of a given length can be made"
    assert [one.cell.skipped for one in told] == [why, why]


def test_an_endpoint_that_fails_while_tokens_are_counted() -> None:
    with counting_server(Counting(fails_from=0)) as url:
        (told,) = cells(url, config(prompt_tokens=[64], output_tokens=[2]))

    assert told.cell.skipped is not None
    assert told.cell.skipped.startswith("the tokens of a prompt could not be counted: http://127.0.0.1:")


def test_a_class_that_counts_nothing() -> None:
    provider = custom("Uncounting")

    (told,) = measured(provider, config(prompt_tokens=[64], output_tokens=[2]))

    assert told.cell.skipped == "nobody counts this model's tokens: no prompt of a given length can be made"


def test_a_request_that_fails_is_a_failed_sample_of_its_cell() -> None:
    # Sixteen counts of openings, some of the length, a warm-up: then it fails.
    counting = Counting()
    with counting_server(counting) as url:
        cells(url, config(prompt_tokens=[64], output_tokens=[2], repeats=1))
    before = len(counting.requests) - 1
    with counting_server(Counting(fails_from=before)) as url:
        told = cells(url, config(prompt_tokens=[64], output_tokens=[2], repeats=2))

    kinds = [one.cell.samples[0].failure.kind for one in told if one.cell.samples[0].failure is not None]
    assert kinds == ["unavailable", "unavailable"]


def test_what_is_there_already_is_not_asked_again() -> None:
    done = repeats_of(
        [
            cell([sample(round=1), sample(round=2)], prompt_tokens=64, output_tokens=2),
            cell([sample(round=1)], prompt_tokens=64, output_tokens=5),
            cell(prompt_tokens=128, output_tokens=2, skipped="too long"),
        ]
    )
    counting = Counting()
    with counting_server(counting) as url:
        told = cells(url, config(prompt_tokens=[64, 128], output_tokens=[2, 5]), done=done)

    assert [(one.cell.prompt_tokens, one.cell.output_tokens, one.cell.samples[0].round) for one in told] == [
        (64, 5, 2),
        (128, 5, 1),
        (128, 5, 2),
    ]
    assert [one.cell.samples[0].position for one in told] == [3, 6, 7]


def test_signs_of_life_name_the_cell() -> None:
    beats: list[Underway] = []
    with counting_server(Counting()) as url, asking(url) as provider:
        measured(provider, config(prompt_tokens=[64], output_tokens=[2, 5]), on_beat=beats.append)

    assert list(dict.fromkeys(beat.doing for beat in beats)) == ["lengths: 64 x 2", "lengths: 64 x 5"]
    assert {(beat.total, beat.unit) for beat in beats} == {(4, "requests")}
    assert beats[-1].done == 3


@pytest.mark.runtime
def test_the_runtime_s_own_count_makes_prompts_of_just_the_length(tmp_path: Path) -> None:
    path = ROOT / "bench" / "reference" / "models" / "ledger-xs-fp32"
    document = {
        "models": [{"path": str(path), "name": "xs"}],
        "rounds": 1,
        "probe": False,
        "lengths": {"prompt_tokens": [16, 64, 768, 1020], "output_tokens": [4, 16], "repeats": 1},
    }

    (model,) = run_models(Config.model_validate(document), prompt_set([prompt_record(id="p1")])).models

    assert model.failure is None
    found = {(one.prompt_tokens, one.output_tokens): one for one in model.lengths}
    assert [*found] == [(length, answer) for length in (16, 64, 768, 1020) for answer in (4, 16)]
    for length in (64, 768):
        for answer in (4, 16):
            (one,) = found[length, answer].samples
            assert one.failure is None
            assert one.prompt_tokens == length
    (full,) = found[1020, 4].samples
    assert full.prompt_tokens == 1020
    assert found[1020, 16].skipped == "1020 + 16 tokens do not fit the model's context of 1024"
    assert found[16, 4].skipped == "the shortest prompt has 40 tokens, with the model's chat template"
