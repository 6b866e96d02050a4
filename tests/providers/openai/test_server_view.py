"""What a server says of a request beside its text, from the documents of its answer."""

import json

import pytest

from bench.providers.openai.sse import decoded_body, decoded_stream
from bench.schema.sample import ServerTimings
from tests.endpoint_server import chunk, events, usage

LLAMA_TIMINGS = {"cache_n": 38, "prompt_n": 1, "prompt_ms": 12.5, "predicted_n": 16, "predicted_ms": 240.0}


def test_the_last_event_of_llama_cpp_has_its_own_view() -> None:
    end = usage(39, 16) | {"timings": LLAMA_TIMINGS}

    decoded = decoded_stream([events(chunk("Hello."), chunk(finish="stop"), end)])

    assert decoded.cached_prompt_tokens == 38
    assert decoded.server == ServerTimings(
        prompt_tokens=1, prompt_ns=12_500_000, output_tokens=16, output_ns=240_000_000
    )


@pytest.mark.parametrize(
    ("more", "cached"),
    [
        ({"prompt_tokens_details": {"cached_tokens": 0}}, 0),
        ({"prompt_tokens_details": {"cached_tokens": 8}}, 8),
        ({"prompt_tokens_details": None}, None),
        ({"prompt_tokens_details": {"cached_tokens": None}}, None),
        ({"prompt_cache_hit_tokens": 6, "prompt_cache_miss_tokens": 3}, 6),
        ({"cached_tokens": 5}, 5),
        # More than there are, a yes, and a part of one are no counts.
        ({"prompt_tokens_details": {"cached_tokens": 10}}, None),
        ({"prompt_tokens_details": {"cached_tokens": True}}, None),
        ({"prompt_tokens_details": {"cached_tokens": 1.5}}, None),
        ({"prompt_tokens_details": "none"}, None),
        ({}, None),
    ],
)
def test_tokens_out_of_a_prompt_cache(more: dict[str, object], cached: int | None) -> None:
    end = usage(9, 2)
    end["usage"] |= more

    assert decoded_stream([events(chunk("Hi."), chunk(finish="stop"), end)]).cached_prompt_tokens == cached


def test_an_older_llama_cpp_tells_only_of_the_tokens_that_it_worked_on() -> None:
    end = usage(39, 16) | {"timings": {"prompt_n": 4, "prompt_ms": 20.0}}

    assert decoded_stream([events(chunk("Hi."), chunk(finish="stop"), end)]).cached_prompt_tokens == 35


@pytest.mark.parametrize(
    ("more", "timings"),
    [
        (
            {"prompt_eval_count": 26, "prompt_eval_duration": 130_079_000, "eval_count": 9, "eval_duration": 259_000},
            ServerTimings(prompt_tokens=26, prompt_ns=130_079_000, output_tokens=9, output_ns=259_000),
        ),
        (
            {"timings": {"prompt_n": 1, "prompt_ms": 0.0, "predicted_n": 2, "predicted_ms": 4}},
            ServerTimings(prompt_tokens=1, prompt_ns=None, output_tokens=2, output_ns=4_000_000),
        ),
        ({"timings": {"prompt_ms": -1, "predicted_ms": 1e300}}, None),
        ({"timings": {"prompt_ms": "soon"}}, None),
        ({"timings": []}, None),
        ({}, None),
    ],
)
def test_a_servers_own_timings_of_a_whole_answer(more: dict[str, object], timings: ServerTimings | None) -> None:
    answer = {"model": "m", "choices": [{"message": {"content": "Hi."}, "finish_reason": "stop"}]}

    assert decoded_body(json.dumps(answer | more).encode()).server == timings
