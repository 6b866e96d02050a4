"""What a licence allows: expressions, names as publishers write them, and what is not known."""

import random
from functools import cache

import pytest
from license_expression import get_spdx_licensing

from bench.analysis.licences import NAMES, SPDX, Licence, commercial_use

PERMISSIVE = "permissive: keep the copyright notice"


@pytest.mark.parametrize(
    ("licence", "use"),
    [
        ("MIT", "yes"),
        ("mit", "yes"),
        ("Apache-2.0", "yes"),
        ("apache-2.0", "yes"),
        ("BSD-3-Clause", "yes"),
        ("CC-BY-4.0", "yes"),
        ("CC-BY-SA-4.0", "conditions"),
        ("CC-BY-NC-4.0", "no"),
        ("cc-by-nc-sa-4.0", "no"),
        ("GPL-3.0", "conditions"),
        ("GPL-3.0+", "conditions"),
        ("AGPL-3.0-or-later", "conditions"),
    ],
)
def test_spdx_identifiers_in_any_case(licence: str, use: str) -> None:
    assert commercial_use(licence).use == use


@pytest.mark.parametrize(
    ("licence", "use"),
    [
        ("MIT License", "yes"),
        ("The MIT License", "yes"),
        ("Apache License, Version 2.0", "yes"),
        ("Apache 2.0", "yes"),
        ("gemma", "conditions"),
        ("Gemma Terms of Use", "conditions"),
        ("llama3.2", "conditions"),
        ("Llama 3.2 Community License Agreement", "conditions"),
        ("LicenseRef-scancode-llama-3.2-license-2024", "conditions"),
        ("qwen", "conditions"),
        ("Tongyi Qianwen LICENSE AGREEMENT", "conditions"),
        ("qwen-research", "no"),
        ("Qwen RESEARCH LICENSE AGREEMENT", "no"),
        ("Mistral AI Research License", "no"),
        ("Mistral AI Non-Production License", "no"),
        ("CC BY-NC 2.5", "no"),
        ("exaone-ai-model-1.1-nc", "no"),
        ("bigscience-openrail-m", "conditions"),
        ("deepseek", "conditions"),
        ("other", "unknown"),
        ("proprietary", "unknown"),
        ("not licensed", "unknown"),
    ],
)
def test_names_as_publishers_write_them(licence: str, use: str) -> None:
    assert commercial_use(licence).use == use


@pytest.mark.parametrize(
    ("licence", "use"),
    [
        ("MIT OR CC-BY-NC-4.0", "yes"),
        ("MIT AND CC-BY-NC-4.0", "no"),
        ("GPL-3.0-only OR CC-BY-NC-4.0", "conditions"),
        ("(MIT OR GPL-3.0-only) AND CC-BY-SA-4.0", "conditions"),
        ("MIT AND gemma", "conditions"),
        ("MIT AND something-else", "unknown"),
        ("MIT OR something-else", "yes"),
        ("CC-BY-NC-4.0 OR something-else", "unknown"),
        ("CC-BY-NC-4.0 AND something-else", "no"),
        ("GPL-2.0-only WITH Classpath-exception-2.0", "conditions"),
        ("Apache-2.0 WITH LLVM-exception", "yes"),
        ("MIT WITH Commons-Clause", "unknown"),
    ],
)
def test_alternatives_take_the_best_and_what_applies_together_the_worst(licence: str, use: str) -> None:
    assert commercial_use(licence).use == use


def test_the_reason_is_the_licence_s_own() -> None:
    assert commercial_use("MIT") == Licence("yes", PERMISSIVE)
    assert commercial_use("MIT AND CC-BY-4.0") == Licence("yes", f"{PERMISSIVE}; permissive: name the author")
    assert commercial_use("MIT OR CC-BY-4.0") == Licence("yes", PERMISSIVE)
    assert commercial_use("MIT AND CC-BY-NC-4.0") == Licence("no", "commercial use is not allowed")
    assert commercial_use("MIT WITH Foo") == Licence("unknown", "'Foo' is no known exception: read it")


@pytest.mark.parametrize("licence", [None, "", " \n"])
def test_no_licence_is_unknown_and_never_allowed(licence: str | None) -> None:
    assert commercial_use(licence) == Licence("unknown", "no licence is recorded")


def test_what_is_not_in_the_tables_is_no_guess() -> None:
    assert commercial_use("my own") == Licence("unknown", "'my own' is not in the table of licences: read it")
    assert commercial_use("x" * 201) == Licence("unknown", "the licence is given as a text, not as a name: read it")


@pytest.mark.parametrize("licence", ["MIT OR", "AND", "()", "( AND :", "((((", "MIT/Apache-2.0", "<script>", "\x00"])
def test_what_is_no_expression_does_not_raise(licence: str) -> None:
    assert commercial_use(licence).use == "unknown"


def test_any_text_has_an_answer() -> None:
    draw = random.Random(1)
    pieces = ["MIT", "(", ")", " OR ", " AND ", " WITH ", "gemma", "+", "/", ":", "\u00e9", "'", " "]
    for _ in range(2_000):
        text = "".join(draw.choices(pieces, k=draw.randrange(1, 9)))
        assert commercial_use(text).use in ("yes", "conditions", "no", "unknown")


spdx = cache(get_spdx_licensing)


@pytest.mark.parametrize("identifier", SPDX)
def test_the_table_has_identifiers_that_spdx_knows(identifier: str) -> None:
    assert str(spdx().parse(identifier, validate=True, strict=True)) == identifier
    assert commercial_use(identifier) == Licence(*SPDX[identifier])


def test_every_reason_says_something() -> None:
    assert all(why for _, _, why in NAMES)
    assert all(why for _, why in SPDX.values())
