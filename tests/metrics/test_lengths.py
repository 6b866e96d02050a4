"""The matrix of lengths, worked out by hand."""

import pytest

from bench.metrics.lengths import length_matrix, summarise_cell
from bench.stats.distribution import Distribution
from tests.builders import failed_sample, model_run
from tests.load_builders import SECOND_NS, cell, cell_sample

IDS = ("ttft_s", "decode_tokens_per_s", "e2e_s", "prefill_tokens_per_s")


def numbers(spread: Distribution | None) -> list[float]:
    """Return the numbers of a spread, for a comparison within rounding."""
    assert spread is not None
    return [spread.count, spread.p50, spread.minimum, spread.maximum]


def test_a_cell_has_the_median_of_its_repeats_and_their_range() -> None:
    # 120 tokens in 0.5, 1 and 2 s: 240, 120 and 60 a second. Tokens 10, 20 and 40 ms apart: 100, 50 and 25 a second.
    found = summarise_cell(
        cell([cell_sample(120, 16, 0.5, 0.01), cell_sample(120, 16, 1.0, 0.02), cell_sample(120, 16, 2.0, 0.04)])
    )

    assert numbers(found.spreads["prefill_tokens_per_s"]) == [3, 120, 60, 240]
    assert numbers(found.spreads["decode_tokens_per_s"]) == pytest.approx([3, 50, 25, 100])
    assert numbers(found.spreads["ttft_s"]) == [3, 1.0, 0.5, 2.0]
    # 15 further tokens each: 0.15, 0.3 and 0.6 s more.
    assert numbers(found.spreads["e2e_s"]) == pytest.approx([3, 1.3, 0.65, 2.6])
    assert found.undefined == {}


def test_what_was_aimed_at_is_not_what_came() -> None:
    samples = [cell_sample(130, 16, 1, 0.01), cell_sample(131, 11, 1, 0.01), cell_sample(131, 12, 1, 0.01)]
    found = summarise_cell(cell(samples, prompt_tokens=128, output_tokens=16))
    short = summarise_cell(cell(samples[1:], prompt_tokens=128, output_tokens=16))

    assert (found.prompt_tokens, found.output_tokens) == (128, 16)
    assert numbers(found.read) == [3, 131, 130, 131]
    assert numbers(found.written) == [3, 12, 11, 16]
    assert (found.ended_short, short.ended_short) == (False, True)


def test_failed_repeats_are_counted_and_in_nothing_else() -> None:
    failed = [failed_sample("timeout"), failed_sample("too-long"), failed_sample("too-long")]
    found = summarise_cell(cell([*failed, cell_sample(120, 16, 0.5, 0.01)]))

    assert (found.good, found.failed, found.failure_kinds) == (1, 3, {"too-long": 2, "timeout": 1})
    assert numbers(found.spreads["prefill_tokens_per_s"]) == [1, 240, 240, 240]


def test_a_cell_without_a_good_repeat_says_so() -> None:
    found = summarise_cell(cell([failed_sample()]))

    assert found.spreads == dict.fromkeys(IDS)
    assert found.read is None
    assert found.undefined == dict.fromkeys(IDS, "no good sample")
    assert not found.ended_short


def test_a_skipped_cell_has_its_reason() -> None:
    found = summarise_cell(cell(skipped="longer than the context"))

    assert found.undefined == dict.fromkeys(IDS, "longer than the context")


def test_answers_that_were_not_streamed_or_not_counted_say_so() -> None:
    whole = cell_sample(120, 16, 1, 0.01, chunk_ns=(), first_answer_chunk=None, end_ns=SECOND_NS)
    uncounted = cell_sample(120, 16, 1, 0.01).model_copy(update={"prompt_tokens": None, "output_tokens": None})

    assert summarise_cell(cell([whole])).undefined == dict.fromkeys(
        ("ttft_s", "decode_tokens_per_s", "prefill_tokens_per_s"), "nothing was streamed"
    )
    assert summarise_cell(cell([uncounted])).undefined == {
        "prefill_tokens_per_s": "nobody counted the prompt tokens",
        "decode_tokens_per_s": "needs at least 2 counted output tokens that came at different times",
    }


def test_the_matrix_is_in_order_whatever_the_order_of_its_cells() -> None:
    cells = [cell(prompt_tokens=prompt, output_tokens=output) for prompt in (512, 128) for output in (64, 16)]
    again = cell([cell_sample(120, 16, 1, 0.01)], prompt_tokens=512, output_tokens=64)
    found = length_matrix(model_run(lengths=(*cells, again)))

    assert found is not None
    assert found.prompt_tokens == (128, 512)
    assert found.output_tokens == (16, 64)
    assert set(found.cells) == {(128, 16), (128, 64), (512, 16), (512, 64)}
    assert found.good == 0


def test_no_cells_no_matrix() -> None:
    assert length_matrix(model_run()) is None


@pytest.mark.parametrize(
    ("shortest", "longest", "remembered"),
    [((128, 0.1), (512, 0.12), True), ((128, 0.1), (512, 0.13), False), ((128, 0.1), (511, 0.1), False)],
    ids=["kept", "read", "too near"],
)
def test_a_ttft_that_does_not_grow_with_the_prompt_is_told(
    shortest: tuple[int, float], longest: tuple[int, float], remembered: bool
) -> None:
    cells = tuple(
        cell([cell_sample(tokens, 16, ttft_s, 0.01)], prompt_tokens=tokens) for tokens, ttft_s in (longest, shortest)
    )
    found = length_matrix(model_run(lengths=cells))

    assert found is not None
    assert found.remembered is remembered


def test_without_good_repeats_nothing_is_said_of_kept_prompts() -> None:
    found = length_matrix(model_run(lengths=(cell([failed_sample()]),)))

    assert found is not None
    assert found.remembered is False
