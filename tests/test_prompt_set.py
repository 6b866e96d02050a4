"""Prompt sets: what ships, and what each mistake is told."""

from pathlib import Path

import pytest

from bench.errors import ConfigError
from bench.quality.prompt_set import PROMPT_DIR, load_prompt_set, single_prompt

WORKSHOP = (
    "Explain the principle of retrieval augmented generation in 2 sentences.",
    "List 3 privacy benefits of local inference.",
    "Summarize why model size impacts latency on consumer hardware.",
    "Provide two scenarios where an SLM is preferable to an LLM.",
    "Explain when to choose an SLM over an LLM.",
    "Summarize retrieval augmented generation.",
)


def mistakes_of(folder: Path, text: str) -> list[str]:
    path = folder / "prompts.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_prompt_set(str(path))
    return [line.removeprefix(str(path)) for line in str(caught.value).splitlines()]


def test_the_workshop_prompts_ship_word_for_word() -> None:
    texts = {prompt.text for prompt in load_prompt_set("default").prompts}

    assert set(WORKSHOP) <= texts


@pytest.mark.parametrize("path", sorted(PROMPT_DIR.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_sets_load_and_have_a_rubric_for_each_prompt(path: Path) -> None:
    prompt_set = load_prompt_set(path.stem)

    assert prompt_set.id == path.stem
    assert all(prompt.facets for prompt in prompt_set.prompts)


def test_the_digest_follows_the_prompts_and_not_the_title(tmp_path: Path) -> None:
    text = "id: own\ntitle: {title}\nprompts:\n  - {{id: a, title: A, text: {text}}}\n"
    sets = []
    for number, (title, prompt) in enumerate([("One", "Hello"), ("Two", "Hello"), ("One", "Bye")]):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text.format(title=title, text=prompt), encoding="utf-8")
        sets.append(load_prompt_set(str(path)))

    assert sets[0].sha256 == sets[1].sha256
    assert sets[0].sha256 != sets[2].sha256


def test_one_prompt_of_the_environment_has_no_rubric() -> None:
    prompt_set = single_prompt("Say hello.")

    assert [prompt.text for prompt in prompt_set.prompts] == ["Say hello."]
    assert prompt_set.prompts[0].facets == ()


def test_a_missing_id(tmp_path: Path) -> None:
    text = "id: own\nprompts:\n  - title: A\n    text: Hello\n"

    assert mistakes_of(tmp_path, text) == [":3: prompts[0].id: is missing"]


def test_all_mistakes_of_a_set(tmp_path: Path) -> None:
    text = """id: own
prompts:
  - id: a
    title: A
    text: Hello
    facets:
      - {id: f, says: It is short., check: sentence_cuont, max: 2}
      - {id: g, says: It greets., check: contains_any}
      - {id: h, says: It matches., check: regex, pattern: "("}
  - id: a
    title: Again
    text: Bye
"""
    assert mistakes_of(tmp_path, text) == [
        ":7: prompts[0].facets[0].check: must be one of contains_any, contains_all, contains_none, regex, "
        "sentence_count, list_length, valid_json, number_equals, found 'sentence_cuont'; "
        "did you mean 'sentence_count'?",
        ":8: prompts[0].facets[1]: contains_any needs 'values'",
        ":9: prompts[0].facets[2]: regex 'pattern' is not a regular expression: "
        "missing ), unterminated subpattern at position 0",
        ":10: prompts[1].id: the id 'a' is taken by prompts[0]; ids are unique and stay stable",
    ]


def test_an_unknown_key_of_a_prompt(tmp_path: Path) -> None:
    text = "id: own\nprompts:\n  - {id: a, title: A, text: Hello, facet: []}\n"

    assert mistakes_of(tmp_path, text) == [
        ":3: prompts[0].facet: is not a known key; did you mean 'facets'? "
        "(known keys: category, facets, id, max_output_tokens, text, title)"
    ]


def test_a_set_that_does_not_ship() -> None:
    with pytest.raises(ConfigError) as caught:
        load_prompt_set("defualt")

    assert str(caught.value) == (
        "defualt: prompts: no such prompt set. Name a file, or one that ships: default, smoke, summarisation"
    )
