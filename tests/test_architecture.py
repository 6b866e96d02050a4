"""The page on the architecture: its picture and its text have the rooms that there are, in the order of the flow."""

import re
from xml.etree import ElementTree

from tests.test_imports import FLOW, PACKAGE

ROOT = PACKAGE.parent
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PICTURE = ROOT / "docs" / "images" / "architecture.svg"
SVG = "{http://www.w3.org/2000/svg}"

WITHOUT_CODE = {"configs", "prompts", "reference"}
"""Folders of the package that have no place in the flow: they ship data."""

ROOMS = [
    name
    for parts in FLOW
    for name in (part.removeprefix("bench.") for part in parts)
    if (PACKAGE / name).is_dir() or name == "errors"
]
"""The folders of the flow in its order, and the errors, which are one module."""

PARAGRAPHS = dict(re.findall(r"^### (\w+)\n\n(.+?)\n\n", PAGE.split("## Recipes")[0], re.MULTILINE | re.DOTALL))


def test_every_folder_of_the_package_is_a_room_or_data() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}

    assert folders == {*ROOMS, *WITHOUT_CODE} - {"errors"}
    assert [name for name in WITHOUT_CODE if f"`{name}`" not in PAGE] == []


def test_the_picture_has_each_room_once_in_the_order_of_the_flow() -> None:
    named = [text.text for text in ElementTree.parse(PICTURE).iter(f"{SVG}text") if text.get("class") == "room"]

    assert named == ROOMS


def test_the_picture_says_what_it_shows_to_who_does_not_see_it() -> None:
    root = ElementTree.parse(PICTURE).getroot()
    said = root.findtext(f"{SVG}desc", "")
    (shown,) = re.findall(r"!\[(.+?)\]\(images/architecture\.svg\)", PAGE)

    assert root.get("aria-labelledby") == "title desc"
    assert root.findtext(f"{SVG}title")
    assert [name for name in ROOMS if name not in said] == []
    assert [name for name in ROOMS if name not in shown] == []


def test_each_room_has_a_paragraph_in_the_order_of_the_flow() -> None:
    assert list(PARAGRAPHS) == ROOMS


def test_a_paragraph_says_what_is_never_there_and_where_to_begin() -> None:
    assert {name for name, text in PARAGRAPHS.items() if not re.search(r"\b[Nn]ever\b", text)} == set()
    assert {name for name, text in PARAGRAPHS.items() if "Begin" not in text} == set()


def test_every_file_that_the_page_names_in_a_paragraph_is_there() -> None:
    named = [
        path for text in PARAGRAPHS.values() for path in re.findall(r"`((?:bench|site_templates|docs)/[^`]*)`", text)
    ]

    assert len(named) >= len(ROOMS)
    assert [path for path in named if not (ROOT / path).exists() and path != "docs/report/"] == []


def test_the_picture_draws_nothing_beyond_its_edge() -> None:
    root = ElementTree.parse(PICTURE).getroot()
    width, height = (float(size) for size in str(root.get("viewBox")).split()[2:])

    for box in root.iter(f"{SVG}rect"):
        x, y, wide, high = (float(box.get(name, 0)) for name in ("x", "y", "width", "height"))
        assert x >= 0
        assert x + wide <= width
        assert y >= 0
        assert y + high <= height
