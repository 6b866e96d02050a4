"""Prompt sets: what ships, and what each mistake is told."""

import functools
import hashlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.config.settings import digest
from bench.errors import ConfigError
from bench.quality.checks.registry import CHECKS, grade_answer
from bench.quality.prompts.prompt_set import PROMPT_DIR, load_prompt_set, single_prompt
from bench.schema.prompts import PromptRecord, PromptSetRecord, Turn

ANSWERS: dict[str, dict[str, dict[str, Any]]] = yaml.safe_load(
    (Path(__file__).parents[2] / "fixtures" / "answers.yaml").read_text(encoding="utf-8")
)
"""By set and prompt: a good answer, a bad one, and the facets that the bad one fails."""

WORKSHOP = (
    "Explain the principle of retrieval augmented generation in 2 sentences.",
    "List 3 privacy benefits of local inference.",
    "Summarize why model size impacts latency on consumer hardware.",
    "Provide two scenarios where an SLM is preferable to an LLM.",
    "Explain when to choose an SLM over an LLM.",
    "Summarize retrieval augmented generation.",
)


@functools.cache
def shipped(name: str) -> PromptSetRecord:
    return load_prompt_set(name)


def shipped_prompt(name: str, prompt_id: str) -> PromptRecord:
    return next(prompt for prompt in shipped(name).prompts if prompt.id == prompt_id)


def mistakes_of(folder: Path, text: str) -> list[str]:
    path = folder / "prompts.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_prompt_set(str(path))
    return [line.removeprefix(str(path)) for line in str(caught.value).splitlines()]


@pytest.mark.parametrize("path", sorted(PROMPT_DIR.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_sets_load_and_have_a_rubric_for_each_prompt(path: Path) -> None:
    prompt_set = load_prompt_set(path.stem)

    assert prompt_set.id == path.stem
    assert all(prompt.facets for prompt in prompt_set.prompts)


@pytest.mark.parametrize("name", ["default", "workshop"])
def test_the_workshop_prompts_ship_in(name: str) -> None:
    assert set(WORKSHOP) <= {prompt.text for prompt in load_prompt_set(name).prompts}


@pytest.mark.parametrize(
    ("name", "sha256"),
    [
        ("default", "a8534a0f3ffa2c42e8ad8d890cc65ae61fa9a7a5478a41567f383361b4701246"),
        ("smoke", "d835757d8aad8aab9fafb1bfa2e14a2f6319f73011f3514797ada62b5214774b"),
    ],
)
def test_sets_that_a_history_hangs_on_stay_as_they_are(name: str, sha256: str) -> None:
    assert hashlib.sha256((PROMPT_DIR / f"{name}.yaml").read_bytes()).hexdigest() == sha256


def answered(key: str) -> list[Any]:
    return [
        pytest.param(name, prompt, answers[key], answers["fails"], id=f"{name} {prompt}")
        for name, prompts in ANSWERS.items()
        for prompt, answers in prompts.items()
    ]


def test_each_prompt_of_the_sets_has_its_example_answers() -> None:
    for name, prompts in ANSWERS.items():
        assert [prompt.id for prompt in shipped(name).prompts] == list(prompts)


@pytest.mark.parametrize(("name", "prompt_id", "text", "_fails"), answered("good"))
def test_a_good_answer_meets_every_facet(name: str, prompt_id: str, text: str, _fails: list[str]) -> None:
    prompt = shipped_prompt(name, prompt_id)
    judged = [facet.id for facet in prompt.facets if facet.check == "judged"]

    grades = grade_answer(prompt, text)

    assert [(grade.facet, grade.why) for grade in grades if grade.credit not in (1.0, None)] == []
    assert [grade.facet for grade in grades if grade.credit is None] == judged


@pytest.mark.parametrize(("name", "prompt_id", "text", "fails"), answered("bad"))
def test_a_bad_answer_fails_what_it_gets_wrong(name: str, prompt_id: str, text: str, fails: list[str]) -> None:
    prompt = shipped_prompt(name, prompt_id)

    grades = grade_answer(prompt, text)

    assert [grade.facet for grade in grades if grade.credit is not None and grade.credit < 1] == fails


def test_the_notes_to_summarise_have_facts_a_limit_and_are_checked_for_inventions() -> None:
    prompts = shipped("summarisation").prompts[8:]
    lengths = [len(prompt.text.split()) for prompt in prompts]

    assert len(prompts) >= 12
    assert min(lengths) >= 30
    assert max(lengths) <= 400
    assert sum(length <= 250 for length in lengths) >= 10
    for prompt in prompts:
        assert {"faithful", "word_count"} <= {facet.check for facet in prompt.facets}
        assert {"covers", "list_length"} & {facet.check for facet in prompt.facets}


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
        f":7: prompts[0].facets[0].check: must be one of {', '.join(CHECKS)}, found 'sentence_cuont'; "
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
        "(known keys: category, facets, id, max_output_tokens, messages, system, text, title)"
    ]


def test_a_rubric_without_a_facet_a_weight_of_nothing_and_a_prompt_that_is_too_long(tmp_path: Path) -> None:
    text = f"""id: own
prompts:
  - {{id: a, title: A, text: Hello, facets: []}}
  - id: b
    title: B
    text: Hello
    facets:
      - {{id: f, says: It is kind., check: judged, weight: 0}}
  - {{id: c, title: C, text: {"x" * 100_001}}}
"""
    assert mistakes_of(tmp_path, text) == [":8: prompts[1].facets[0].weight: must be above 0, found 0"]
    assert mistakes_of(tmp_path, text.replace("weight: 0", "weight: 1.0e+308")) == [
        ":8: prompts[1].facets[0].weight: must be at most 1000000, found 1e+308"
    ]
    assert mistakes_of(tmp_path, text.replace("weight: 0", "weight: 1")) == [
        ":3: prompts[0].facets: has no facet; add one, or take facets out to leave the answers without a score",
        ":9: prompts[2].text: has 100,001 characters; a prompt has at most 100,000",
    ]


def test_a_facet_that_stands_twice(tmp_path: Path) -> None:
    text = """id: own
prompts:
  - id: a
    title: A
    text: Hello
    facets:
      - {id: f, says: It is kind., check: judged}
      - {id: f, says: It is short., check: word_count, max: 3}
"""
    assert mistakes_of(tmp_path, text) == [
        ":8: prompts[0].facets[1].id: the id 'f' stands twice among this prompt's facets"
    ]


def test_a_date_that_yaml_reads_is_no_text(tmp_path: Path) -> None:
    text = """id: own
prompts:
  - id: a
    title: A
    text: Hello
    facets:
      - {id: f, says: It has the date., check: contains_any, values: [2026-05-03]}
      - {id: g, says: It has the date., check: json_field_equals, path: date, values: [2026-05-03]}
"""
    assert mistakes_of(tmp_path, text) == [
        ":7: prompts[0].facets[0]: contains_any 'values' must be a list of texts, found 2026-05-03 in it; "
        "put it in quotes",
        ":8: prompts[0].facets[1]: json_field_equals 'values' holds 2026-05-03, which is no JSON value; "
        "put it in quotes",
    ]


def test_a_source_that_the_prompt_does_not_have(tmp_path: Path) -> None:
    text = """id: own
prompts:
  - id: a
    title: A
    text: "Sum up. Notes: they met."
    facets:
      - {id: f, says: It invents nothing., check: faithful, after: "Minutes:"}
"""
    assert mistakes_of(tmp_path, text) == [
        ":7: prompts[0].facets[0]: faithful 'after' names 'Minutes:', after which the prompt has no text"
    ]


@pytest.mark.parametrize(
    ("content", "mistake"),
    [
        (b"", ": is empty; a prompt set has at least one prompt"),
        (b" \n", ": is empty; a prompt set has at least one prompt"),
        (b"id: own\nprompts: \xff", ": is not UTF-8 text (byte 17); save it as UTF-8"),
        (b"id: own\nprompts:\n  - a\x00b", ":3: has the control character U+0000; take it out"),
        (b"[" * 500, ":1: has more than 100 levels of nesting; is a bracket left open?"),
        (b"id: own\nprompts: [", ":2: is not YAML: expected the node content, but found '<stream end>'"),
        (b"x" * 20_000_001, ": has more than 20,000,000 bytes; divide it"),
    ],
    ids=["empty", "blank", "latin-1", "NUL", "deep", "cut off", "huge"],
)
def test_files_that_hold_no_prompt_set(content: bytes, mistake: str, tmp_path: Path) -> None:
    path = tmp_path / "prompts.yaml"
    path.write_bytes(content)

    with pytest.raises(ConfigError) as caught:
        load_prompt_set(str(path))

    assert str(caught.value) == f"{path}{mistake}"


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_prompt_set(str(tmp_path / "gone.yaml"))

    assert str(caught.value) == f"{tmp_path / 'gone.yaml'}: cannot be read: No such file or directory"


def test_a_set_that_does_not_ship() -> None:
    with pytest.raises(ConfigError) as caught:
        load_prompt_set("defualt")

    assert str(caught.value) == (
        "defualt: prompts: no such prompt set. Name a file, or one that ships: "
        "default, extraction, json, safety, smoke, summarisation, workshop"
    )


TALK = """id: own
system: Be brief.
prompts:
  - id: single
    title: Single
    text: Hello?
  - id: own
    title: Own
    system: Be kind.
    text: Hello?
  - id: none
    title: None
    system: null
    text: Hello?
  - id: talk
    title: Talk
    messages:
      - {role: user, content: "Hello. "}
      - {role: assistant, content: Hi.}
      - {role: user, content: "And now?"}
  - id: led
    title: Led
    messages:
      - {role: system, content: Be grave.}
      - {role: user, content: "And now?"}
"""


def loaded(folder: Path, text: str) -> PromptSetRecord:
    path = folder / "prompts.yaml"
    path.write_text(text, encoding="utf-8")
    return load_prompt_set(str(path))


def test_a_system_prompt_and_messages_of_several_turns(tmp_path: Path) -> None:
    prompts = loaded(tmp_path, TALK).prompts

    assert [(one.id, one.system, [*one.turns], one.text) for one in prompts] == [
        ("single", "Be brief.", [], "Hello?"),
        ("own", "Be kind.", [], "Hello?"),
        ("none", None, [], "Hello?"),
        ("talk", "Be brief.", [Turn(role="user", text="Hello."), Turn(role="assistant", text="Hi.")], "And now?"),
        ("led", "Be grave.", [], "And now?"),
    ]
    assert prompts[2].transcript == "Hello?"
    assert prompts[3].transcript == "System: Be brief.\n\nUser: Hello.\n\nAssistant: Hi.\n\nUser: And now?"


def test_one_message_is_the_same_set_however_it_is_written(tmp_path: Path) -> None:
    plain = loaded(tmp_path, "id: own\nprompts:\n  - {id: a, title: A, text: Hello.}\n")
    chat = "id: own\nprompts:\n  - {id: a, title: A, messages: [{role: user, content: Hello.}]}\n"

    assert loaded(tmp_path, chat) == plain
    # As a version that knew no other form had it.
    document: dict[str, Any] = {
        "id": "a",
        "title": "A",
        "category": "general",
        "text": "Hello.",
        "max_output_tokens": None,
        "facets": [],
    }
    assert plain.sha256 == digest([document])
    assert loaded(tmp_path, "system: Be brief.\n" + chat).sha256 != plain.sha256


@pytest.mark.parametrize(
    ("prompt", "mistake"),
    [
        ("{id: a, title: A}", "4: prompts[0]: needs text, or messages of a conversation"),
        (
            "{id: a, title: A, text: Hi, messages: [{role: user, content: Hi}]}",
            "4: prompts[0]: has both text and messages; keep one",
        ),
        ("{id: a, title: A, messages: []}", "4: prompts[0].messages: must have at least 1 entry, found []"),
        (
            "{id: a, title: A, messages: [{role: user, content: I}, {role: system, content: S}, "
            "{role: user, content: I}]}",
            "4: prompts[0].messages[1]: only the first message can be of role system",
        ),
        (
            "{id: a, title: A, system: S, messages: [{role: system, content: Hi}, {role: user, content: Ho}]}",
            "4: prompts[0].messages[0]: the prompt has a system prompt under system as well; keep one",
        ),
        (
            "{id: a, title: A, messages: [{role: user, content: Hi}, {role: assistant, content: Ho}]}",
            "4: prompts[0].messages[1].role: the last message is what is answered: of role user, found 'assistant'",
        ),
        (
            "{id: a, title: A, messages: [{role: human, content: Hi}]}",
            "4: prompts[0].messages[0].role: must be 'system', 'user' or 'assistant', found \"human\"",
        ),
        (
            "{id: a, title: A, messages: [{role: user, content: ' '}]}",
            "4: prompts[0].messages[0].content: must not be empty",
        ),
        ("{id: a, title: A, system: ' ', text: Hi}", "4: prompts[0].system: must not be empty"),
        ("{id: a, title: A, text: ' '}", "4: prompts[0].text: must not be empty"),
        (
            "{id: a, title: A, messages: [{role: user, content: Hi, name: x}]}",
            "4: prompts[0].messages[0].name: is not a known key (known keys: content, role)",
        ),
    ],
)
def test_a_conversation_that_is_none_is_a_mistake(tmp_path: Path, prompt: str, mistake: str) -> None:
    assert mistakes_of(tmp_path, f"id: own\ntitle: Own\nprompts:\n  - {prompt}\n") == [f":{mistake}"]


def test_all_of_a_conversation_is_what_an_answer_must_keep_to(tmp_path: Path) -> None:
    text = """id: own
system: The room is 12.
prompts:
  - id: talk
    title: Talk
    messages:
      - {role: user, content: "Ada comes on 21 May."}
      - {role: assistant, content: Good.}
      - {role: user, content: "Who comes?"}
    facets:
      - {id: f, says: It invents nothing., check: faithful}
      - {id: g, says: It keeps to what came after., check: faithful, after: "Good."}
"""
    (prompt,) = loaded(tmp_path, text).prompts

    kept, after = grade_answer(prompt, "On 21 May Ada comes to room 12.")

    assert (kept.credit, after.credit) == (1.0, 0.0)
    assert grade_answer(prompt, "On 22 May Ada comes.")[0].credit == 0.0
