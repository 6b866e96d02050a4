"""The reference models: their training text, what is held out of it, and the files that ship."""

import hashlib
import itertools
import json
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
import yaml

from tools.reference_models import vocabulary
from tools.reference_models.cards import LICENCE, describe
from tools.reference_models.corpus import FAMILIES, Example, write_examples
from tools.reference_models.recipes import CHAT_TEMPLATE, CONTEXT_TOKENS, RECIPES, SEED, write_prompt
from tools.reference_models.vocabulary import Pair

BENCH = Path(__file__).parents[2] / "bench"
MODELS = BENCH / "reference" / "models"
NAMES = (
    "ledger-xs-fp32",
    "ledger-s-fp32",
    "ledger-m-fp32",
    "ledger-m-int4",
    "ledger-l-int8",
)
RUNTIME_FILES = {"genai_config.json", "model.onnx", "model.onnx.data", "tokenizer.json", "tokenizer_config.json"}
PROMPT_SETS = ("default", "summarisation", "smoke")
WORKSHOP_PROMPTS = (
    "Explain the principle of retrieval augmented generation in 2 sentences.",
    "List 3 privacy benefits of local inference.",
    "Summarize why model size impacts latency on consumer hardware.",
    "Provide two scenarios where an SLM is preferable to an LLM.",
    "Explain when to choose an SLM over an LLM.",
    "Summarize retrieval augmented generation.",
)


def take(count: int, seed: int = SEED, held_out: bool = False) -> list[Example]:
    return list(itertools.islice(write_examples(seed, held_out), count))


@cache
def taken(count: int) -> list[Example]:
    """Return the first examples of the training text, written once."""
    return take(count)


def shipped_prompts() -> list[dict[str, object]]:
    sets = [yaml.safe_load((BENCH / "prompts" / f"{name}.yaml").read_text()) for name in PROMPT_SETS]
    return [prompt for prompt_set in sets for prompt in prompt_set["prompts"]]


FIRST_OF_REAL_NOTES = "standup"
"""From this prompt of the summarisation set on, notes are worded as nobody trained a model on them."""


def copying_texts() -> list[str]:
    """The shipped prompts in the training text's words that quote a text, which stands after an empty line."""
    summarising = [str(p["id"]) for p in yaml.safe_load((BENCH / "prompts/summarisation.yaml").read_text())["prompts"]]
    real = summarising[summarising.index(FIRST_OF_REAL_NOTES) :]
    return [str(p["text"]) for p in shipped_prompts() if "\n\n" in str(p["text"]) and p["id"] not in real]


def people_in(text: str) -> set[str]:
    first, last = "|".join(vocabulary.FIRST_NAMES), "|".join(vocabulary.LAST_NAMES)
    return set(re.findall(rf"\b(?:{first}) (?:{last})\b", text))


def dates_in(text: str) -> set[str]:
    return set(re.findall(rf"\b\d+ (?:{'|'.join(vocabulary.MONTHS)})\b", text))


def tasks_in(text: str) -> set[str]:
    verbs, objects = "|".join(vocabulary.VERBS), "|".join(vocabulary.OBJECTS)
    return set(re.findall(rf"\b(?:{verbs}) the (?:{objects})\b", text))


def test_same_seed_same_text() -> None:
    assert take(300, seed=7) == take(300, seed=7)
    assert take(300, seed=7) != take(300, seed=8)


def test_training_text_is_the_one_that_the_shipped_weights_were_trained_on() -> None:
    text = "\n".join(f"{e.family}|{e.question}|{e.answer}" for e in taken(2000))
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "3df5ca7763979e89"


def test_twelve_families_whose_shares_make_a_hundred_percent() -> None:
    assert len(FAMILIES) == 12
    assert sum(share for _, share in FAMILIES) == 100
    assert len(Counter(example.family for example in taken(2000))) == 12


@pytest.mark.parametrize(
    ("pair", "held_out"),
    [(Pair(0, 0), True), (Pair(3, 7), True), (Pair(1, 1), False), (Pair(5, 1), True), (Pair(7, 0), False)],
)
def test_hold_out_rule(pair: Pair, held_out: bool) -> None:
    # (0 + 0) = 0, (3 + 21) = 24 and (5 + 3) = 8 are multiples of 8; (1 + 3) = 4 and 7 are not.
    assert pair.held_out is held_out


def test_one_eighth_of_people_and_dates_is_held_out() -> None:
    assert len(vocabulary.held_out_people()) == 40 * 40 // 8
    assert len(vocabulary.held_out_dates()) == 28 * 12 // 8
    assert "Priya Nair" in vocabulary.held_out_people()
    assert "Tomas Berg" not in vocabulary.held_out_people()
    assert "1 January" in vocabulary.held_out_dates()
    assert "2 January" not in vocabulary.held_out_dates()


def test_training_text_names_no_one_and_no_date_that_is_held_out() -> None:
    text = "\n".join(f"{e.question}\n{e.answer}" for e in taken(5000))
    assert not people_in(text) & vocabulary.held_out_people()
    assert not dates_in(text) & vocabulary.held_out_dates()
    assert len(people_in(text)) > 1000
    assert len(dates_in(text)) == 28 * 12 - 42


def test_held_out_text_names_only_what_is_held_out() -> None:
    text = "\n".join(e.question for e in take(1000, held_out=True))
    assert people_in(text) <= vocabulary.held_out_people()
    assert dates_in(text) <= vocabulary.held_out_dates()


def test_shipped_copying_prompts_are_unseen() -> None:
    texts = copying_texts()
    assert len(texts) == 7 + 8 + 1  # default and urgency, summarisation, smoke
    seen = {example.question for example in taken(20_000)}
    trained_tasks = set().union(*(tasks_in(e.question) for e in taken(20_000)))
    for text in texts:
        assert text not in seen
        assert len(people_in(text)) >= 1, text
        assert people_in(text) <= vocabulary.held_out_people(), text
        assert dates_in(text) <= vocabulary.held_out_dates(), text
        assert not tasks_in(text) & trained_tasks, text


def test_workshop_prompts_ship_word_for_word_and_are_known_to_be_memorised() -> None:
    default = yaml.safe_load((BENCH / "prompts" / "default.yaml").read_text())
    texts = {prompt["text"] for prompt in default["prompts"]}
    assert set(WORKSHOP_PROMPTS) <= texts
    assert set(WORKSHOP_PROMPTS) <= {example.question for example in taken(5000)}


def test_prompt_ids_are_unique() -> None:
    prompts = shipped_prompts()
    ids = Counter(prompt["id"] for prompt in prompts)
    assert [name for name, count in ids.items() if count > 1] == []
    for prompt in prompts:
        facets = prompt["facets"]
        assert isinstance(facets, list)
        assert 2 <= len(facets) <= 7, prompt["id"]
        assert len({facet["id"] for facet in facets}) == len(facets), prompt["id"]


def test_the_models_that_ship_are_the_ones_in_the_recipes() -> None:
    made = {f"ledger-{r.size}-{precision}" for r in RECIPES.values() for precision in r.precisions}
    assert made == set(NAMES)
    assert {path.name for path in MODELS.iterdir() if path.is_dir()} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_model_directory_is_complete_and_undamaged(name: str) -> None:
    directory = MODELS / name
    assert {path.name for path in directory.iterdir()} == RUNTIME_FILES | {"README.md", "LICENSE", "card.json"}
    card = json.loads((directory / "card.json").read_text())
    assert list(card) == [
        "name",
        "parameters",
        "precision",
        "licence",
        "publisher",
        "context_length",
        "capabilities",
        "instrument",
        "sha256",
        "description",
    ]
    assert card["name"] == name == f"ledger-{name.split('-')[1]}-{card['precision']}"
    assert (card["licence"], card["publisher"]) == ("MIT", "Benchledger")
    assert card["instrument"] is True
    assert card["context_length"] == CONTEXT_TOKENS
    assert set(card["sha256"]) == RUNTIME_FILES
    for file, expected in card["sha256"].items():
        assert hashlib.sha256((directory / file).read_bytes()).hexdigest() == expected, file


@pytest.mark.parametrize("name", NAMES)
def test_model_stops_at_the_end_token_and_knows_the_chat_template(name: str) -> None:
    config = json.loads((MODELS / name / "genai_config.json").read_text())
    tokenizer = json.loads((MODELS / name / "tokenizer.json").read_text())
    settings = json.loads((MODELS / name / "tokenizer_config.json").read_text())
    assert config["model"]["eos_token_id"] == 2
    assert config["model"]["context_length"] == CONTEXT_TOKENS
    assert {token["id"]: token["content"] for token in tokenizer["added_tokens"]}[2] == "<|im_end|>"
    assert len(tokenizer["model"]["vocab"]) == 1536
    assert settings["chat_template"] == CHAT_TEMPLATE
    assert write_prompt("Hi") == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"


@pytest.mark.parametrize("name", NAMES)
def test_model_card_is_the_one_that_the_recipe_writes(name: str) -> None:
    _, size, precision = name.split("-")
    parameters = json.loads((MODELS / name / "card.json").read_text())["parameters"]

    assert (MODELS / name / "README.md").read_text() == describe(RECIPES[size], precision, parameters)
    assert (MODELS / name / "LICENSE").read_text() == LICENCE


def test_models_stay_small_enough_for_a_source_repository() -> None:
    assert sum(path.stat().st_size for path in MODELS.rglob("*") if path.is_file()) < 15_000_000
