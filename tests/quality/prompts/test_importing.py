"""Prompts in the forms of others: a JSON list, JSON Lines, CSV and promptfoo."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bench.commands.prompts import prompts as prompts_command
from bench.config.settings import load_config
from bench.errors import ConfigError, UsageError
from bench.quality.prompts.prompt_set import import_prompt_set, load_prompt_set
from bench.schema.prompts import PromptRecord

WORKSHOP = ["Summarize retrieval augmented generation.", "List 3 privacy benefits of local inference."]


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def loaded(folder: Path, name: str, content: str | bytes) -> tuple[PromptRecord, ...]:
    return load_prompt_set(str(written(folder, name, content))).prompts


def mistakes_of(folder: Path, name: str, content: str | bytes) -> list[str]:
    path = written(folder, name, content)
    with pytest.raises(ConfigError) as caught:
        load_prompt_set(str(path))
    return [line.removeprefix(str(path)) for line in str(caught.value).splitlines()]


def left_out(folder: Path, name: str, content: str) -> list[str]:
    imported = import_prompt_set(written(folder, name, content))
    return [f"{one.line}: {one.key}: {one.message}" for one in imported.left_out]


def facets_of(prompt: PromptRecord) -> list[tuple[str, str, dict[str, Any]]]:
    return [(facet.id, facet.check, facet.parameters) for facet in prompt.facets]


def test_a_json_list_of_texts(tmp_path: Path) -> None:
    path = written(tmp_path, "prompts.json", json.dumps(WORKSHOP, indent=1))

    prompt_set = load_prompt_set(str(path))

    assert (prompt_set.id, prompt_set.title) == ("prompts", "prompts")
    assert [(one.id, one.title, one.text, one.facets) for one in prompt_set.prompts] == [
        ("summarize-retrieval-augmented-generation", WORKSHOP[0], WORKSHOP[0], ()),
        ("list-3-privacy-benefits-of-local-inference", WORKSHOP[1], WORKSHOP[1], ()),
    ]


def test_ids_hang_on_the_wording_and_not_on_the_place(tmp_path: Path) -> None:
    begin = "Tell me in a few short words and without any lists"
    one, other = f"{begin} what a cat is", f"{begin} what a dog is"

    for texts in ([one, "Hi", other], [other, one, "Hi"]):
        prompts = loaded(tmp_path, "p.json", json.dumps(texts))
        assert {prompt.text: prompt.id for prompt in prompts} == {
            "Hi": "hi",
            one: "tell-me-in-a-few-short-words-and-without-any-5bd15b",
            other: "tell-me-in-a-few-short-words-and-without-any-c36c63",
        }


def test_a_prompt_without_latin_letters_has_an_id(tmp_path: Path) -> None:
    (prompt,) = loaded(tmp_path, "p.json", '["\u4f60\u597d"]')

    assert prompt.id == "prompt-670d97"


def test_escapes_and_tabs_of_json(tmp_path: Path) -> None:
    (prompt,) = loaded(tmp_path, "p.json", '[\n\t"an \\/ and \\ud83d\\ude00"\n]')

    assert prompt.text == "an / and \U0001f600"


def test_objects_with_an_id_and_a_rubric(tmp_path: Path) -> None:
    entry = {
        "id": "Sum_1",
        "prompt": "What is 1 + 1?",
        "category": "add",
        "max_output_tokens": 8,
        "facets": [{"id": "right", "says": "It is 2.", "check": "number_equals", "value": 2}],
    }
    (prompt,) = loaded(tmp_path, "p.jsonl", json.dumps(entry) + "\n\n")

    assert (prompt.id, prompt.title, prompt.category, prompt.max_output_tokens) == ("sum-1", "What is 1 + 1?", "add", 8)
    assert facets_of(prompt) == [("right", "number_equals", {"value": 2})]


def test_json_lines_of_texts_and_objects(tmp_path: Path) -> None:
    found = loaded(tmp_path, "p.jsonl", '"One"\n{"text": "Two", "title": "The second"}\n')

    assert [(one.id, one.title, one.text) for one in found] == [("one", "One", "One"), ("two", "The second", "Two")]


@pytest.mark.parametrize(
    "content",
    [
        'prompt,id\n"Say ""hi"",\nplease",first\n\nBye,\n',
        '\ufeffPrompt;ID\r\n"Say ""hi"",\nplease";first\r\nBye;\r\n',
        'id\tprompt\nfirst\t"Say ""hi"",\nplease"\n\tBye\n',
    ],
    ids=["commas", "semicolons and a byte order mark", "tabs"],
)
def test_csv(content: str, tmp_path: Path) -> None:
    found = loaded(tmp_path, "p.csv", content)

    assert [(one.id, one.text) for one in found] == [("first", 'Say "hi",\nplease'), ("bye", "Bye")]


def test_a_column_that_is_not_understood_is_told(tmp_path: Path) -> None:
    content = "prompt,expected,max_output_tokens\nHi,hello,5\n"

    assert left_out(tmp_path, "p.csv", content) == ["1: expected: is not understood"]
    assert mistakes_of(tmp_path, "p.csv", content) == [
        ":1: expected: is not understood",
        f": not all of it is understood; to go on without that: bench prompts import {tmp_path / 'p.csv'} -o set.yaml",
    ]


def test_a_key_that_is_not_understood_is_told_once(tmp_path: Path) -> None:
    content = '{"prompt": "One", "answer": 1}\n{"prompt": "Two", "answer": 2}\n'

    assert left_out(tmp_path, "p.jsonl", content) == ["1: answer: is not understood (2 times)"]


@pytest.mark.parametrize(
    ("name", "content", "mistakes"),
    [
        ("p.json", "[]", [": has no prompt; a prompt set has at least one"]),
        ("p.json", '["a"', [":1: is not JSON: Expecting ',' delimiter"]),
        ("p.json", '[1, "", {"id": "a"}, {"prompt": "a", "text": "b"}, {"text": 3}]', [
            ":1: [0]: must be a text, or an object with 'prompt', found 1",
            ":1: [1]: must not be empty",
            ":1: [2]: has neither 'prompt' nor 'text'",
            ":1: [3]: has both 'prompt' and 'text'; keep one",
            ":1: [4].text: must be text, found 3",
        ]),
        ("p.json", '["Hi",\n"Bye",\n" Hi"]', [
            ":3: [2]: is the same prompt as that of line 1; take one of them out, or give each an id",
        ]),
        ("p.json", json.dumps(["x" * 100_001]), [":1: [0]: has 100,001 characters; a prompt has at most 100,000"]),
        ("p.json", '["half \\ud83d of it"]', [
            ":1: [0]: has the escape '\\ud83d' without its other half: that is no character",
        ]),
        ("p.jsonl", '"One"\nTwo\n{"prompt": "Three"\n', [
            ":2: is not JSON: Expecting value",
            ":3: is not JSON: Expecting ',' delimiter",
        ]),
        ("p.jsonl", '{"id": "a", "prompt": "One"}\n{"id": "A", "prompt": "Two"}\n', [
            ":2: prompts[1].id: the id 'a' is taken by prompts[0]; ids are unique and stay stable",
        ]),
        ("p.jsonl", '{"prompt": "One", "facets": [{"id": "a", "says": "b", "check": "regexp", "pattern": "c"}]}', [
            ":1: prompts[0].facets[0].check: must be one of CHECKS, found 'regexp'; did you mean 'regex'?",
        ]),
        ("p.jsonl", b'"One"\n"\xe9"\n', [": is not UTF-8 text (byte 7); save it as UTF-8"]),
        ("p.csv", "", [": is empty; a prompt set has at least one prompt"]),
        ("p.csv", "prompt\n", [": has no prompt; a prompt set has at least one"]),
        ("p.csv", "question,answer\nHi,Ho\n", [
            ":1: needs a column 'prompt'; the header has \"question, answer\"",
        ]),
        ("p.csv", "prompt,prompt\nHi,Ho\n", [":1: prompt: names two columns; keep one of them"]),
        ("p.csv", 'prompt,id\nHi,a\n"Bye,b\nand on\n', [":3: is not CSV: a quote is never closed"]),
        ("p.csv", "prompt,id\nHi, there,a\n,b\n", [
            ":2: has 3 fields and the header 2; put a text with a ',' in quotes",
            ":3: prompt: must not be empty",
        ]),
        ("p.csv", "prompt,max_output_tokens\nHi,many\n", [
            ':2: prompts[0].max_output_tokens: must be a whole number, found "many"',
        ]),
        ("p.csv", "prompt\na\x00b\n", [":2: has the control character U+0000; take it out"]),
        ("p.csv", "prompt\n" + "x" * 140_000, [":2: is not CSV: field larger than field limit (131072)"]),
    ],
)  # fmt: skip
def test_mistakes(name: str, content: str | bytes, mistakes: list[str], tmp_path: Path) -> None:
    from bench.quality.checks.registry import CHECKS

    assert mistakes_of(tmp_path, name, content) == [line.replace("CHECKS", ", ".join(CHECKS)) for line in mistakes]


PROMPTFOO = """description: Support answers
prompts:
  - "In one sentence: {{question}}"
  - {raw: "Be kind. {{ question }}", label: kind}
providers: [openai:gpt-4o-mini]
defaultTest:
  vars: {place: Bonn}
  assert:
    - {type: not-icontains, value: as an AI}
tests:
  - description: Refunds
    vars: {question: "May I return it?"}
    assert:
      - {type: contains, value: "30", weight: 2}
      - {type: contains, value: 14}
      - {type: regex, value: '\\b30\\b', metric: It names the days.}
  - vars:
      question: ["Where are you?", "When are you there?"]
    assert:
      - {type: icontains-any, value: ["{{place}}", street]}
"""


def test_promptfoo_makes_a_prompt_of_each_test_and_variable(tmp_path: Path) -> None:
    prompt_set = load_prompt_set(str(written(tmp_path, "promptfooconfig.yaml", PROMPTFOO)))

    assert (prompt_set.id, prompt_set.title) == ("promptfooconfig", "Support answers")
    assert [(one.id, one.title, one.text) for one in prompt_set.prompts] == [
        ("refunds", "Refunds", "In one sentence: May I return it?"),
        ("refunds-6d9e4e", "Refunds", "Be kind. May I return it?"),
        ("in-one-sentence-where-are-you", "In one sentence: Where are you?", "In one sentence: Where are you?"),
        ("in-one-sentence-when-are-you-there", "In one sentence: When are you there?",
         "In one sentence: When are you there?"),
        ("be-kind-where-are-you", "Be kind. Where are you?", "Be kind. Where are you?"),
        ("be-kind-when-are-you-there", "Be kind. When are you there?", "Be kind. When are you there?"),
    ]  # fmt: skip
    first, last = prompt_set.prompts[0], prompt_set.prompts[-1]
    assert [(facet.id, facet.says, facet.weight, facet.check, facet.parameters) for facet in first.facets] == [
        ("not-icontains", "It has no 'as an AI'.", 1.0, "contains_none", {"values": ["as an AI"]}),
        ("contains", "It has '30'.", 2.0, "contains_all", {"values": ["30"], "match_case": True}),
        ("contains-2", "It has '14'.", 1.0, "contains_all", {"values": ["14"], "match_case": True}),
        ("regex", "It names the days.", 1.0, "regex", {"pattern": r"\b30\b"}),
    ]
    assert facets_of(last)[1] == ("icontains-any", "contains_any", {"values": ["Bonn", "street"]})


@pytest.mark.parametrize(
    ("assertion", "facet"),
    [
        ({"type": "equals", "value": "Yes"}, ("equals", {"values": ["Yes"], "normalise": False})),
        ({"type": "not-equals", "value": 5}, ("equals", {"values": ["5"], "normalise": False, "negate": True})),
        ({"type": "contains", "value": "a"}, ("contains_all", {"values": ["a"], "match_case": True})),
        ({"type": "icontains", "value": "a"}, ("contains_all", {"values": ["a"]})),
        ({"type": "contains-all", "value": "a, b"}, ("contains_all", {"values": ["a", "b"], "match_case": True})),
        ({"type": "icontains-all", "value": ["a", 1]}, ("contains_all", {"values": ["a", "1"]})),
        ({"type": "contains-any", "value": ["a"]}, ("contains_any", {"values": ["a"], "match_case": True})),
        ({"type": "not-contains", "value": "a"}, ("contains_none", {"values": ["a"], "match_case": True})),
        ({"type": "not-icontains-any", "value": ["a"]}, ("contains_none", {"values": ["a"]})),
        ({"type": "not-icontains-all", "value": ["a"]}, ("contains_all", {"values": ["a"], "negate": True})),
        ({"type": "starts-with", "value": "a"}, ("starts_with", {"values": ["a"], "match_case": True})),
        ({"type": "not-regex", "value": "a+"}, ("regex", {"pattern": "a+", "negate": True})),
        ({"type": "is-json"}, ("valid_json", {})),
        ({"type": "is-json", "value": {"type": "object"}}, ("json_schema", {"schema": {"type": "object"}})),
        ({"type": "contains-json", "value": {"type": "array"}},
         ("json_schema", {"schema": {"type": "array"}, "anywhere": True})),
        ({"type": "not-is-json"}, ("valid_json", {"negate": True})),
        ({"type": "word-count", "value": 5}, ("word_count", {"min": 5, "max": 5})),
        ({"type": "word-count", "value": {"max": 9}}, ("word_count", {"max": 9})),
        ({"type": "llm-rubric", "value": "Is it kind to {{who}}?"}, ("judged", {})),
    ],
)  # fmt: skip
def test_an_assertion_becomes_a_check(
    assertion: dict[str, Any], facet: tuple[str, dict[str, Any]], tmp_path: Path
) -> None:
    document = {"prompts": ["Hi {{who}}"], "tests": [{"vars": {"who": "Ada"}, "assert": [assertion]}]}

    (prompt,) = loaded(tmp_path, "p.yaml", json.dumps(document))

    assert [(one.check, one.parameters) for one in prompt.facets] == [facet]


def test_a_rubric_for_a_judge_is_what_the_facet_says(tmp_path: Path) -> None:
    content = 'prompts: ["Hi"]\ntests:\n  - assert: [{type: llm-rubric, value: It is kind.}]\n'

    assert [facet.says for facet in loaded(tmp_path, "p.yaml", content)[0].facets] == ["It is kind."]


def test_what_is_not_understood_is_told_with_its_place(tmp_path: Path) -> None:
    content = """prompts:
  - "Hi {{who}}"
  - file://prompt.txt
  - '[{"role": "user", "content": "Hi"}, {"role": "tool", "content": "Ho"}]'
  - "{% if who %}Hi{% endif %}"
  - 5
tests:
  - vars: {who: Ada}
    threshold: 0.5
    assert:
      - {type: javascript, value: output.length < 9}
      - {type: cost, threshold: 0.01}
      - {type: similar, value: Hello, threshold: 0.8}
      - {type: contains, value: "{{greeting}}"}
      - {type: contains, value: file://expected.txt}
      - {type: regex, value: "(?<year>a)"}
      - {type: icontains, value: hello, weight: 0}
      - {type: icontains, value: hello, transform: output.trim()}
      - {type: llm-rubric, value: Is kind, provider: openai:gpt-4o}
      - {type: contains-all, value: []}
      - just text
  - vars: {who: file://names.txt}
  - file://tests.csv
"""
    assert left_out(tmp_path, "p.yaml", content) == [
        '3: prompts[1]: "file://prompt.txt" names a file; put its text here',
        '4: prompts[2]: is a chat with a message of role "tool" in place 2; '
        "a conversation has user and assistant after one of role system at most",
        "6: prompts[4]: must be a text, or hold one under raw, found 5",
        '8: tests[0]: "{% if who %}" is more than a variable',
        "9: tests[0].threshold: is not understood",
        "11: tests[0].assert[0]: an assertion of type javascript is not understood",
        "12: tests[0].assert[1]: an assertion of type cost is not understood",
        "13: tests[0].assert[2]: an assertion of type similar is not understood",
        "14: tests[0].assert[3]: {{greeting}} has no value among vars",
        '15: tests[0].assert[4]: "file://expected.txt" names a file; put its text here',
        "16: tests[0].assert[5]: regex: 'pattern' is not a regular expression: unknown extension ?<y at position 1",
        "17: tests[0].assert[6]: a weight of 0 counts for nothing",
        "18: tests[0].assert[7]: an assertion of type icontains with a transform is not understood",
        "19: tests[0].assert[8].provider: is not understood; the assertion is taken without it",
        "20: tests[0].assert[9]: contains-all: 'values' must be a list of at least one text, found []",
        '21: tests[0].assert[10]: must have a type, found "just text"',
        '22: tests[1]: who names a file: "file://names.txt"; put its text here',
        '22: tests[1]: "{% if who %}" is more than a variable',
        '23: tests[2]: must hold vars and assert, found "file://tests.csv"; put the test here',
    ]


CHAT = """prompts:
  - '[{"role": "system", "content": "Speak {{tongue}}."},
      {"role": "user", "content": [{"type": "text", "text": "Hi."}]},
      {"role": "assistant", "content": "Hallo."}, {"role": "user", "content": "And {{what}}?"}]'
  - |
    - role: user
      content: Just {{what}}?
tests:
  - vars: {tongue: German, what: now}
    assert: [{type: icontains, value: jetzt}]
"""


def test_a_chat_of_promptfoo_is_a_conversation(tmp_path: Path) -> None:
    chat, single = loaded(tmp_path, "p.yaml", CHAT)

    assert (chat.system, chat.text) == ("Speak German.", "And now?")
    assert [(turn.role, turn.text) for turn in chat.turns] == [("user", "Hi."), ("assistant", "Hallo.")]
    assert facets_of(chat) == facets_of(single)
    assert (single.system, single.turns, single.text) == (None, (), "Just now?")


@pytest.mark.parametrize(
    ("chat", "reason"),
    [
        (
            [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}],
            "is a chat whose last message is not the user's: nothing is to be answered",
        ),
        (
            [{"role": "user", "content": "Hi"}, {"role": "system", "content": "Ho"}],
            'is a chat with a message of role "system" in place 2; '
            "a conversation has user and assistant after one of role system at most",
        ),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}],
            "is a chat whose message in place 1 is no text",
        ),
    ],
)
def test_a_chat_that_is_no_conversation_is_told(chat: object, reason: str, tmp_path: Path) -> None:
    content = json.dumps({"prompts": ["Hi", json.dumps(chat)], "tests": [{}]})

    assert left_out(tmp_path, "p.json", content) == [f"1: prompts[1]: {reason}"]


def test_json_may_hold_conversations(tmp_path: Path) -> None:
    said = [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hallo."}]
    entries = [
        {"messages": [{"role": "system", "content": "Be brief."}, *said, {"role": "user", "content": "And now?"}]},
        {"messages": [{"role": "user", "content": "And now?"}]},
        {"prompt": "And now?", "system": "Be brief."},
        {"prompt": "And now?"},
    ]

    found = loaded(tmp_path, "p.jsonl", "\n".join(map(json.dumps, entries)))

    assert [(one.system, len(one.turns), one.text) for one in found] == [
        ("Be brief.", 2, "And now?"),
        (None, 0, "And now?"),
        ("Be brief.", 0, "And now?"),
        (None, 0, "And now?"),
    ]
    assert len({one.id for one in found}) == 4
    # An id of one message hangs on its wording alone.
    assert found[3].id == "and-now" or found[3].id.startswith("and-now-")
    assert loaded(tmp_path, "q.jsonl", '{"prompt": "And now?"}')[0].id == "and-now"


def test_csv_may_hold_system_prompts_and_no_messages(tmp_path: Path) -> None:
    (one,) = loaded(tmp_path, "p.csv", "prompt,system\nHi.,Be brief.\n")

    assert (one.system, one.text) == ("Be brief.", "Hi.")
    assert left_out(tmp_path, "q.csv", "prompt,messages\nHi.,x\n") == ["1: messages: is not understood"]


@pytest.mark.parametrize(
    ("entry", "mistake"),
    [
        ({"messages": "Hi."}, "[0].messages: must be a list of messages, each with role and content"),
        ({"messages": []}, "[0].messages: must be a list of messages, each with role and content"),
        (
            {"messages": [{"role": "user", "content": "Hi"}], "text": "Hi"},
            "[0]: has both 'text' and 'messages'; keep one",
        ),
        (
            {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]},
            "prompts[0].messages[1].role: the last message is what is answered: of role user, found 'assistant'",
        ),
        (
            {"messages": [{"role": "tool", "content": "Hi"}]},
            "prompts[0].messages[0].role: must be 'system', 'user' or 'assistant', found \"tool\"",
        ),
    ],
)
def test_a_conversation_that_is_none_is_a_mistake(entry: object, mistake: str, tmp_path: Path) -> None:
    assert mistakes_of(tmp_path, "p.json", json.dumps([entry])) == [f":1: {mistake}"]


def test_promptfoo_without_tests_is_its_prompts(tmp_path: Path) -> None:
    found = loaded(tmp_path, "p.yaml", "prompts: [Hi, Bye]\nproviders: [echo]\n")

    assert [(one.id, one.text, one.facets) for one in found] == [("hi", "Hi", ()), ("bye", "Bye", ())]


@pytest.mark.parametrize(
    ("content", "mistakes"),
    [
        ("prompts: [file://a.txt]\n", [
            ': prompts: not one prompt is understood: prompts[0]: "file://a.txt" names a file; put its text here',
        ]),
        ("tests: []\n", [": prompts: not one prompt is understood: there is none"]),
        (f"prompts: ['{'x' * 100_001}']\n", [
            ":1: prompts[0]: has 100,001 characters; a prompt has at most 100,000",
        ]),
        ("prompts: ['{{a}} {{b}} {{c}}']\ntests:\n  - vars: {a: &n ["
         + ",".join(map(str, range(25))) + "], b: *n, c: *n}\n", [
            ": tests: make more than 10,000 prompts; divide the file",
        ]),
    ],
    ids=["no prompt", "nothing", "too long", "too many"],
)  # fmt: skip
def test_mistakes_of_promptfoo(content: str, mistakes: list[str], tmp_path: Path) -> None:
    assert mistakes_of(tmp_path, "p.yaml", content) == mistakes


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.yaml", PROMPTFOO),
        ("p.yaml", CHAT),
        ("p.csv", 'prompt,title\n"Two\nlines: #1","It\'s: ""quoted"""\n- dash,\n'),
        ("p.json", json.dumps(["yes", "2026-05-03", "a\n\n  b ", "\U0001f600", " x: y", "*a", "&b", "12"])),
    ],
)
def test_an_imported_set_is_the_same_from_its_text(name: str, content: str, tmp_path: Path) -> None:
    imported = import_prompt_set(written(tmp_path, name, content))

    again = load_prompt_set(str(written(tmp_path, "set.yaml", imported.text)))

    assert again == imported.prompt_set


def test_our_own_set_needs_no_import(tmp_path: Path) -> None:
    path = written(tmp_path, "own.yaml", "id: own\nprompts: [{id: a, title: A, text: Hello}]\n")

    with pytest.raises(UsageError) as caught:
        import_prompt_set(path)

    assert str(caught.value) == (
        f"{path}: is a prompt set already, or a form that is not known; name it in a config: prompts"
    )


def test_what_is_neither_a_test_nor_a_setting_is_told_from_settings(tmp_path: Path) -> None:
    text = PROMPTFOO + "scenarios: [{config: [], tests: []}]\nevaluateOptions: {maxConcurrency: 1}\ntest: []\n"

    imported = import_prompt_set(written(tmp_path, "p.yaml", text))

    assert [(one.key, one.message) for one in imported.left_out] == [
        ("scenarios", "is not understood"),
        ("test", "is not understood"),
    ]
    assert [one.key for one in imported.set_aside] == ["providers", "evaluateOptions"]


def test_the_command_writes_a_set_and_lists_what_it_leaves_out(tmp_path: Path) -> None:
    source = written(tmp_path, "p.yaml", PROMPTFOO + "      - {type: latency, threshold: 200}\n")
    target = tmp_path / "set.yaml"

    done = CliRunner().invoke(prompts_command, ["import", str(source), "-o", str(target)])

    assert done.exit_code == 0
    assert done.stdout == f"Wrote {target} (6 prompts, 16 facets)\n"
    assert done.stderr.splitlines() == [
        f"bench: not understood: {source}:21: tests[1].assert[1]: an assertion of type latency is not understood",
        f"bench: set aside: {source}:5: providers: is no part of a prompt set; models and settings stand in a config",
    ]
    assert target.read_text(encoding="utf-8").startswith(
        "# Not understood, and left out:\n"
        "# - line 21, tests[1].assert[1]: an assertion of type latency is not understood\n"
        "id: p\ntitle: Support answers\n"
    )
    assert len(load_prompt_set(str(target)).prompts) == 6


def test_the_command_prints_the_set_and_overwrites_none(tmp_path: Path) -> None:
    source = written(tmp_path, "p.json", '["Hi"]')
    target = written(tmp_path, "set.yaml", "edited")

    printed = CliRunner().invoke(prompts_command, ["import", str(source)])
    refused = CliRunner().invoke(prompts_command, ["import", str(source), "-o", str(target)])

    assert printed.stdout == "id: p\ntitle: p\nprompts:\n- id: hi\n  title: Hi\n  text: Hi\n"
    assert str(refused.exception) == f"{target}: is there already, and may have been edited; name another file"
    assert target.read_text(encoding="utf-8") == "edited"


def test_a_config_can_name_such_a_file(tmp_path: Path) -> None:
    written(tmp_path, "prompts.json", json.dumps(WORKSHOP))
    config = written(tmp_path, "config.yaml", "models: [{path: nowhere}]\nprompts: prompts.json\n")

    prompt_set = load_prompt_set(load_config(config).prompts)

    assert [prompt.text for prompt in prompt_set.prompts] == WORKSHOP
