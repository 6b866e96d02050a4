"""The pages of decisions: numbered without a gap, all of one form, short, and named in the index."""

import re

import pytest

from tests.site_project import ROOT

FOLDER = ROOT / "docs" / "decisions"
PAGES = sorted(path for path in FOLDER.glob("*.md") if path.name != "README.md")
MOST_WORDS = 400
"""About a page."""


def test_they_are_numbered_without_a_gap() -> None:
    assert [int(page.name[:4]) for page in PAGES] == list(range(1, len(PAGES) + 1))


def test_the_index_names_each_once_with_its_title() -> None:
    named = re.findall(r"^\| (\d+) \| .+ \| \[(.+)\]\((.+)\) \|$", (FOLDER / "README.md").read_text(), re.MULTILINE)

    titles = [page.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ") for page in PAGES]
    assert named == [(str(int(page.name[:4])), title, page.name) for page, title in zip(PAGES, titles, strict=True)]


@pytest.mark.parametrize("name", [page.name for page in PAGES])
def test_each_says_what_would_change_our_mind_and_fits_on_a_page(name: str) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")

    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings == ["Context", "Choice", "Consequences", "What would change our mind"]
    assert len(text.split()) <= MOST_WORDS


@pytest.mark.parametrize("name", [page.name for page in PAGES])
def test_the_code_that_a_decision_names_is_there(name: str) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")

    assert [path for path in re.findall(r"`(bench/[\w./]+)`", text) if not (ROOT / path).exists()] == []
