"""The body of a request as a config shapes it, and which line helps where an endpoint does not take it."""

from dataclasses import replace
from typing import Any

import pytest

from bench.providers.openai.request import body, line_to_write
from bench.providers.protocol import Request
from bench.providers.registry import SENT, RequestSettings
from bench.schema.prompts import Turn

ASKED = Request(
    text="And now?",
    max_output_tokens=32,
    temperature=0.0,
    top_p=0.9,
    seed=42,
    stream=True,
    connect_s=1.0,
    first_text_s=1.0,
    gap_s=1.0,
    request_s=1.0,
)
USUAL = {
    "model": "m",
    "messages": [{"role": "user", "content": "And now?"}],
    "stream": True,
    "temperature": 0.0,
    "max_tokens": 32,
    "seed": 42,
    "top_p": 0.9,
    "stream_options": {"include_usage": True},
}


def shaped(request: Request = ASKED, more: dict[str, object] | None = None, **settings: Any) -> dict[str, Any]:
    return body("m", request, RequestSettings.model_validate(settings), more)


def test_what_is_sent_where_nothing_is_said() -> None:
    assert shaped() == USUAL
    assert shaped(replace(ASKED, top_p=None, stream=False)) == {
        key: value for key, value in (USUAL | {"stream": False}).items() if key not in ("top_p", "stream_options")
    }


@pytest.mark.parametrize("key", SENT)
def test_each_key_can_be_left_out_or_renamed(key: str) -> None:
    without = {name: value for name, value in USUAL.items() if name != key}

    assert shaped(omit=[key]) == without
    assert shaped(rename={key: "other"}) == without | {"other": USUAL[key]}


def test_keys_are_added_and_two_can_change_places() -> None:
    extra = {"chat_template_kwargs": {"enable_thinking": False}, "ignore_eos": True}

    assert shaped(body=extra) == USUAL | extra
    assert shaped(omit=["seed"], body={"seed": 7}) == USUAL | {"seed": 7}
    assert shaped(rename={"seed": "top_p", "top_p": "seed"}) == USUAL | {"seed": 0.9, "top_p": 42}


def test_what_a_config_adds_comes_before_what_the_program_adds() -> None:
    more: dict[str, object] = {"cache_prompt": False, "slot": 1}

    assert shaped(more=more, body={"cache_prompt": True}) == USUAL | {"cache_prompt": True, "slot": 1}


def test_a_conversation_is_sent_in_order() -> None:
    turns = (Turn(role="user", text="Hello."), Turn(role="assistant", text="Hi."))

    assert shaped(replace(ASKED, system="Be brief.", turns=turns))["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello."},
        {"role": "assistant", "content": "Hi."},
        {"role": "user", "content": "And now?"},
    ]


def line(said: str, **settings: Any) -> str | None:
    return line_to_write(said, RequestSettings.model_validate(settings))


def write(request: str) -> str:
    return f"write request: {{{request}}} under this model in the config"


@pytest.mark.parametrize(
    ("said", "request_"),
    [
        (
            "Unsupported parameter: 'max_tokens' is not supported here. Use 'max_completion_tokens' instead.",
            "rename: {max_tokens: max_completion_tokens}",
        ),
        ("Unsupported value: 'temperature' does not support 0 with this model.", "omit: [temperature]"),
        ("property 'stream_options' is unsupported", "omit: [stream_options]"),
        ("body.seed: Extra inputs are not permitted", "omit: [seed]"),
        (
            "body.seed: extra fields not permitted; body.stream_options: extra fields not permitted",
            "omit: [seed, stream_options]",
        ),
        # What is allowed is listed after what is not.
        ("unknown field `stream_options`, expected one of `messages`, `seed`, `temperature`", "omit: [stream_options]"),
        ("[{'type': 'extra_forbidden', 'loc': ('body', 'top_p'), 'msg': 'Extra inputs'}]", "omit: [top_p]"),
        ("this model does not support the parameter seed when stream is true", "omit: [seed]"),
    ],
)
def test_a_key_that_is_refused_is_a_line_to_write(said: str, request_: str) -> None:
    assert line(said) == write(request_)


@pytest.mark.parametrize(
    ("said", "key", "setting"),
    [
        ("`temperature` must be strictly positive", "temperature", "temperature"),
        ("max_tokens: 32 is above 16", "max_tokens", "max_output_tokens"),
    ],
)
def test_a_value_that_is_refused_may_be_changed_instead(said: str, key: str, setting: str) -> None:
    assert line(said) == f"change generation.{setting}, or {write(f'omit: [{key}]')}"


def test_the_line_has_what_stands_there_already() -> None:
    assert line("unknown field seed", omit=["top_p"]) == write("omit: [top_p, seed]")
    assert line("unsupported max_tokens, use max_completion_tokens", rename={"seed": "random_seed"}) == write(
        "rename: {seed: random_seed, max_tokens: max_completion_tokens}"
    )


def test_what_a_config_added_or_renamed_is_to_be_taken_out() -> None:
    template = {"chat_template_kwargs": {"enable_thinking": False}}

    assert line("unknown field chat_template_kwargs", body=template) == (
        "take chat_template_kwargs out of request.body of this model"
    )
    assert line("unknown field max_completion_tokens", rename={"max_tokens": "max_completion_tokens"}) == (
        "take max_tokens out of request.rename of this model"
    )


@pytest.mark.parametrize(
    "said",
    [
        "",
        "no",
        "messages: field required",
        "the model m is unknown",
        "stream must be true",
        "temperatures rise",
        "seeds",
    ],
)
def test_where_no_key_is_named_nothing_is_advised(said: str) -> None:
    assert line(said) is None


def test_a_key_that_is_not_sent_is_not_what_was_refused() -> None:
    assert line("unknown field seed", omit=["seed"]) is None
