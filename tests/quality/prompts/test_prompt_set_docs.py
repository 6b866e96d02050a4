"""The page on prompt sets: every check and every set is on it, and its examples work."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.quality.checks.registry import CHECKS, parameter_mistakes
from bench.quality.prompts.prompt_set import PROMPT_DIR, load_prompt_set
from bench.quality.prompts.promptfoo import ASSERTIONS

PAGE = (Path(__file__).parents[3] / "docs" / "prompt-sets.md").read_text(encoding="utf-8")
BLOCKS = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
FACETS: list[dict[str, Any]] = [facet for block in BLOCKS if isinstance(block, list) for facet in block]
ROWS = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", PAGE, re.MULTILINE))


def test_the_sets_on_the_page_load(tmp_path: Path) -> None:
    sets = [block for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if block.startswith("id:")]
    found = []
    for number, text in enumerate(sets):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text, encoding="utf-8")
        found += [(one.id, len(one.messages)) for one in load_prompt_set(str(path)).prompts]

    assert found == [("refund-window", 1), ("opening-hours", 4)]


def test_every_check_has_an_example() -> None:
    assert {facet["check"] for facet in FACETS} == set(CHECKS)


@pytest.mark.parametrize("facet", FACETS, ids=lambda facet: facet["id"])
def test_the_examples_have_no_mistake(facet: dict[str, Any]) -> None:
    parameters = {name: value for name, value in facet.items() if name not in ("id", "says", "check", "weight")}

    assert parameter_mistakes(facet["check"], parameters) == []


@pytest.mark.parametrize("name", CHECKS)
def test_every_parameter_of_a_check_is_on_the_page(name: str) -> None:
    assert set(re.findall(r"`(\w+)`", ROWS[name])) == set(CHECKS[name].parameters)


@pytest.mark.parametrize("path", sorted(PROMPT_DIR.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_set_that_ships_is_on_the_page_with_its_size(path: Path) -> None:
    assert ROWS[path.stem] == str(len(load_prompt_set(path.stem).prompts))


def test_every_assertion_that_is_understood_is_on_the_page() -> None:
    positive = [name for name in ASSERTIONS if not name.startswith("not-")]

    assert [name for name in positive if f"`{name}`" not in PAGE] == []
