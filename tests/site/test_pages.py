"""The pages as they are written: Markdown that a person can review, from the results that ship with the tests."""

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from bench.schema.prompts import Turn
from bench.site.build import pages_of, write_site, write_tree
from bench.site.dataset import site
from bench.store.files import Ledger
from tests import builders
from tests.site_project import FIXTURES, HOSTILE_TEXTS, TEMPLATES, drawn_once, fixture_ledger, hostile_ledger

PICTURE = re.compile(r'<svg [^>]*class="bl-static".*?</svg>')
SPEC = re.compile(r'<template class="bl-spec">(.*?)</template>')
PROGRAM = re.compile(r"vega-[0-9a-f]{12}\.js")
FRONT_MATTER = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)


class MarkdownExtension(SingleFileSnapshotExtension):
    """One file a page, with the ending that editors know."""

    file_extension = "md"
    _write_mode = WriteMode.TEXT


@pytest.fixture
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with drawn_once(tmp_path_factory.mktemp("cache")) as cache:
        yield cache


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    docs = tmp_path_factory.mktemp("docs")
    with drawn_once(tmp_path_factory.mktemp("cache")) as cache:
        write_site(fixture_ledger(), docs, TEMPLATES, cache)
    return docs


PAGES = sorted(page.address.removesuffix(".html") for page in pages_of(site(fixture_ledger())))


@pytest.mark.parametrize("name", PAGES, ids=lambda name: name.replace("/", "-"))
def test_page(name: str, written: Path, snapshot: SnapshotAssertion) -> None:
    text = (written / f"{name}.md").read_text(encoding="utf-8")

    assert reviewable(text) == snapshot(extension_class=MarkdownExtension)


def test_every_number_of_pages_is_told(tmp_path: Path, cache: Path) -> None:
    made = write_site(fixture_ledger(), tmp_path, TEMPLATES, cache)

    assert made.pages == len(PAGES) == len(list(tmp_path.rglob("*.md")))
    assert made.charts > 0


def test_the_number_of_pages_does_not_grow_with_runs() -> None:
    models = [builders.model_run(samples=builders.samples([0.1]))]
    one, many = (
        Ledger(
            tuple(
                builders.result(models, started_utc=builders.STARTED_UTC.replace(day=day)) for day in range(1, days + 1)
            ),
            (),
        )
        for days in (1, 20)
    )

    assert len(list(pages_of(site(one)))) == len(list(pages_of(site(many))))


def test_the_same_ledger_gives_the_same_bytes(tmp_path: Path, written: Path, cache: Path) -> None:
    write_site(fixture_ledger(), tmp_path, TEMPLATES, cache)

    assert _contents(tmp_path) == _contents(written)


def test_files_of_an_earlier_ledger_are_removed_and_others_stay(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "hand-written.md").write_text("# Stays\n", encoding="utf-8")
    write_site(fixture_ledger(), tmp_path, TEMPLATES, cache)
    write_site(Ledger((), ()), tmp_path, TEMPLATES, cache)

    assert (tmp_path / "hand-written.md").exists()
    assert not (tmp_path / "report" / "models" / "gemma-2-2b.md").exists()
    assert not (tmp_path / "report" / "data").exists()


def test_an_unchanged_file_is_not_written_again(tmp_path: Path, cache: Path) -> None:
    write_site(fixture_ledger(), tmp_path, TEMPLATES, cache)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}

    write_site(fixture_ledger(), tmp_path, TEMPLATES, cache)

    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == before


def test_without_results_every_page_says_how_to_make_the_first_run(tmp_path: Path, cache: Path) -> None:
    written = write_site(Ledger((), ()), tmp_path, TEMPLATES, cache)

    pages = list(tmp_path.rglob("*.md"))
    assert len(pages) == written.pages
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert "make bench" in text or page.name in ("how-to-read.md", "verdicts.md")


def test_a_ledger_of_refused_files_alone_lists_them(tmp_path: Path, cache: Path) -> None:
    write_site(Ledger((), fixture_ledger().refused), tmp_path, TEMPLATES, cache)

    for page in ("index.md", "report/runs.md"):
        assert "schema version 9" in (tmp_path / page).read_text(encoding="utf-8").replace("&#32;", " ")


def test_a_run_can_be_downloaded_as_it_was(tmp_path: Path, cache: Path) -> None:
    write_tree(FIXTURES, tmp_path, TEMPLATES, cache)

    runs = tmp_path / "report" / "data" / "runs"
    for result in fixture_ledger().results:
        path = runs / f"{result.run.id}.json.gz"
        assert gzip.decompress(path.read_bytes()) == (FIXTURES / f"{result.run.id}.json").read_bytes()
        table = gzip.decompress((runs / f"{result.run.id}.csv.gz").read_bytes()).decode()
        header, *lines = table.splitlines()
        assert header.startswith("model,prompt,round,position,ttft_s,")
        assert len(lines) == sum(len(model.samples) for model in result.models)


def test_a_spreadsheet_never_runs_a_cell(tmp_path: Path, cache: Path) -> None:
    model = builders.model_run(name="=1+1", samples=(builders.sample(finish_reason="@SUM(A1)"),))
    write_site(Ledger((builders.result([model]),), ()), tmp_path, TEMPLATES, cache)

    (data,) = (tmp_path / "report" / "data" / "runs").rglob("*.csv.gz")

    table = gzip.decompress(data.read_bytes()).decode()
    assert "'=1+1" in table
    assert "'@SUM(A1)" in table


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder that holds nothing but, in `a/b/docs`, the pages of a ledger full of hostile texts and names."""
    folder = tmp_path_factory.mktemp("hostile")
    with drawn_once(tmp_path_factory.mktemp("cache")) as cache:
        write_site(hostile_ledger(), folder / "a" / "b" / "docs", TEMPLATES, cache)
    return folder


@pytest.mark.slow
def test_hostile_text_stays_text(hostile: Path) -> None:
    pages = list(hostile.rglob("*.md"))

    assert pages
    for page in pages:
        text = page.read_text(encoding="utf-8")
        front = FRONT_MATTER.match(text)
        assert front is not None, page
        assert "<" not in front[1], page
        body = PICTURE.sub("", SPEC.sub("", text[front.end() :]))
        for word in ("<script", "onerror=alert(1)>", "<h1>big", "<b>", "```", "{{", "{%", "--8<--", "\x02", "\u202e"):
            assert word not in body, (page, word)


@pytest.mark.slow
def test_hostile_text_in_a_chart_cannot_end_its_template(hostile: Path) -> None:
    specs = SPEC.findall((hostile / "a" / "b" / "docs" / "index.md").read_text(encoding="utf-8"))

    assert len(specs) == 2
    for spec in specs:
        assert not set("<>&`\n") & set(spec)
        names = {row["model"] for row in json.loads(spec)["datasets"]["models"]}
        assert HOSTILE_TEXTS[0] in names


@pytest.mark.slow
def test_hostile_names_stay_below_their_folder(hostile: Path) -> None:
    docs = hostile / "a" / "b" / "docs"

    assert [path for path in hostile.rglob("*") if path.is_file() and docs not in path.parents] == []


def reviewable(text: str) -> str:
    """Return a page with each picture and specification replaced by the data that it draws."""
    text = PROGRAM.sub("vega.js", PICTURE.sub("[picture]", text))
    return SPEC.sub(lambda found: "\n" + json.dumps(json.loads(found[1])["datasets"], indent=1) + "\n", text)


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_page_shows_the_whole_conversation(tmp_path: Path, cache: Path) -> None:
    said = builders.prompt(
        id="talk", system="Be {{ 7 * 7 }} brief.", turns=(Turn(role="assistant", text="<b>Hi.</b>"),), text="And now?"
    )
    several = builders.sample(prompt="talk", output_tokens=12, first_chunk_tokens=10)
    runs = [
        builders.result([builders.model_run(samples=(several,))], prompts=[prompt], machine_name=machine)
        for machine, prompt in (("laptop", said), ("kiosk", said.model_copy(update={"system": None})))
    ]

    write_site(Ledger(tuple(runs), ()), tmp_path, TEMPLATES, cache)

    page = (tmp_path / "report" / "prompts" / "talk.md").read_text(encoding="utf-8")
    blocks = re.findall(r'<p class="bl-says">(.*?:)</p>\s*<div class="bl-text bl-prompt">(.*?)</div>', page)
    conversation = [
        ("System prompt:", "Be &#123;&#123; 7 &#42; 7 &#125;&#125; brief."),
        ("Assistant:", "&#60;b&#62;Hi.&#60;/b&#62;"),
        ("User, to be answered:", "And now?"),
    ]
    assert blocks == [*conversation, *conversation[1:]]
    assert "Asked here in other words" in page
    model = (tmp_path / "report" / "models" / "tiny.md").read_text(encoding="utf-8")
    assert "Tokens of the first chunk</a></dt><dd" in model
    assert "median, in 1 answer; no part of TPOT" in model
