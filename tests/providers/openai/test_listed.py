"""Which listed model a name means: the same one under another spelling, and never a neighbour."""

import pytest

from bench.errors import ProviderError
from bench.providers.openai.listed import resolved

URL = "http://127.0.0.1:5273/v1"


def found(asked: str, *ids: str, unlisted: bool = False) -> str:
    return resolved(asked, ids, URL, unlisted=unlisted)


@pytest.mark.parametrize(
    ("asked", "listed"),
    [
        ("phi-3.5-mini", "Phi-3.5-mini-instruct-generic-cpu"),
        ("phi-3.5-mini", "Phi-3.5-mini-instruct-generic-cpu:1"),
        ("phi-4-mini", "Phi-4-mini-instruct-cuda-gpu:5"),
        ("qwen2.5-0.5b", "qwen2.5-0.5b-instruct-qnn-npu:2"),
        ("llama-3.2-1b", "meta-llama/Llama-3.2-1B-Instruct"),
        ("meta-llama/Llama-3.2-1B-Instruct", "llama-3.2-1b-instruct"),
        ("microsoft/phi-3.5-mini", "Phi-3.5-mini-instruct"),
        ("gemma-2-2b", "gemma-2-2b-it"),
        ("llama3", "llama3:latest"),
        ("llama3", "LLAMA3"),
        ("smollm2-135m-instruct", "/models/SmolLM2-135M-Instruct-Q4_1.gguf"),
        ("smollm2-135m-instruct", r"C:\models\SmolLM2-135M-Instruct.Q4_K_M.gguf"),
        ("mistral-7b", "mistral-7b-chat-AWQ"),
        ("qwen3-8b", "qwen3-8b-fp16"),
        ("qwen3-8b", "qwen3-8b@4bit"),
        ("a b", "A B"),
    ],
)
def test_a_name_of_another_case_publisher_or_suffix_is_found(asked: str, listed: str) -> None:
    assert found(asked, "other", listed, "another-instruct") == listed


@pytest.mark.parametrize(
    ("asked", "listed"),
    [
        ("llama3", "llama3-coder"),
        ("llama3", "llama3.1"),
        ("llama3", "llama3:8b"),
        ("llama3", "llama3-8b-instruct"),
        ("llama3", "llama3-instruct-v2"),
        ("phi-4", "Phi-4-mini-instruct-generic-gpu:5"),
        ("phi-4-mini", "Phi-4-mini-reasoning-generic-cpu:3"),
        ("qwen2.5-0.5b", "qwen2.5-coder-0.5b-instruct-generic-cpu:4"),
        ("m", "mm-generic-cpu:1"),
        ("meta/llama3", "other/llama3"),
        ("qwen2.5-0.5b-instruct", "qwen2.5-0.5b"),
        ("m-generic-cpu:1", "m-generic-cpu:2"),
        ("m", "m-"),
    ],
)
def test_a_neighbour_is_never_taken_for_it(asked: str, listed: str) -> None:
    with pytest.raises(ProviderError) as caught:
        found(asked, listed)

    assert caught.value.kind == "not-found"
    assert caught.value.message == (
        f"{URL} lists no model {asked!r}; it has {listed}; "
        "set model to one of them, or unlisted: true if it takes other names as well"
    )


@pytest.mark.parametrize("ids", [("m-instruct", "M", "m"), ("pub/m", "m"), ("m:1", "m", "m-generic-cpu:1")])
def test_the_very_name_comes_first(ids: tuple[str, ...]) -> None:
    assert found("m", *ids) == "m"


@pytest.mark.parametrize(
    ("ids", "nearest"),
    [
        (("M", "m-instruct"), "M"),
        (("pub/m", "m-instruct"), "pub/m"),
        (("m:latest", "m-instruct"), "m:latest"),
        (("m-instruct", "m-instruct"), "m-instruct"),
    ],
)
def test_the_nearest_spelling_comes_before_a_variant(ids: tuple[str, ...], nearest: str) -> None:
    assert found("m", *ids) == nearest


@pytest.mark.parametrize("ids", [("m-cpu", "m-gpu"), ("M", "pub/m", "other/m", "M-it")[1:], ("m:1", "m:2")])
def test_several_that_fit_as_well_must_be_told_apart(ids: tuple[str, ...]) -> None:
    with pytest.raises(ProviderError) as caught:
        found("m", *ids)

    assert caught.value.kind == "not-found"
    assert caught.value.message.startswith(f"{URL} lists several variants of 'm': {ids[0]}, {ids[1]}")
    assert caught.value.message.endswith("; set model to one of them")


def test_an_endpoint_that_lists_nothing_is_asked_for_the_name_as_it_is() -> None:
    assert found("Any-Name") == "Any-Name"


def test_a_config_may_ask_for_what_is_not_listed() -> None:
    assert found("llama3", "llama3-coder", unlisted=True) == "llama3"
    assert found("llama3", "llama3-it", unlisted=True) == "llama3-it"


def test_a_long_list_is_told_by_its_nearest_names() -> None:
    with pytest.raises(ProviderError) as caught:
        found("llama3", "q1", "q2", "q4", "q5", "llama-3", "q6", "llama3-coder")

    assert "it has llama-3, llama3-coder, q1, q2, q4 and 2 more; " in caught.value.message
