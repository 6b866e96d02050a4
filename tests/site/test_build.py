"""The site as MkDocs builds it: without a warning, and with no link that leads nowhere."""

from collections.abc import Callable, Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from mkdocs.utils.yaml import yaml_load

from bench.store.files import Ledger
from bench.store.reviews import Reviews
from tests.daily_runs import daily_runs
from tests.hostile_answers import hostile_ledger as attacking_ledger
from tests.reviewed_ledger import reviewed_ledger
from tests.site_project import ROOT, built_once, fixture_ledger, hostile_ledger

pytestmark = pytest.mark.slow

HAND_WRITTEN_HOSTS = frozenset({"vega.github.io", "squidfunk.github.io"})
"""Other sites that pages link to: a link is followed by a reader, never loaded by a page."""

LOADED = {("script", "src"), ("img", "src"), ("link", "href"), ("iframe", "src"), ("source", "src")}


class Reader(HTMLParser):
    """Collects the ids of a page, the addresses that it links to, and those that it loads."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.handlers: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name.startswith("on"):
                self.handlers.append(name)
            if value is None:
                continue
            if name == "id":
                self.ids.add(value)
            if (tag, name) in LOADED and not (tag == "link" and ("rel", "canonical") in attrs):
                self.loads.append(value)
            elif name in ("href", "src", "data-program"):
                self.links.append(value)


def changed_ledger() -> Ledger:
    return Ledger(daily_runs(range(13), slower=lambda day, name: 1.5 if day == 12 else 1.0), ())


LEDGERS: dict[str, Callable[[], tuple[Ledger, Mapping[str, Reviews]]]] = {
    "fixtures": lambda: (fixture_ledger(), {}),
    "hostile": lambda: (hostile_ledger(), {}),
    "empty": lambda: (Ledger((), ()), {}),
    "changed": lambda: (changed_ledger(), {}),
    "reviewed": reviewed_ledger,
    "attacked": attacking_ledger,
}
"""Ledgers, each with the reviews of its runs."""


@pytest.fixture(scope="module", params=LEDGERS)
def built(request: pytest.FixtureRequest) -> Path:
    return built_once(request.param, LEDGERS[request.param])


def test_no_link_leads_nowhere(built: Path) -> None:
    read = {page: _read(page) for page in _pages(built)}
    broken = []
    for page, reader in read.items():
        for address in (*reader.links, *reader.loads):
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = page if not parts.path else (page.parent / unquote(parts.path)).resolve()
            if not target.is_file() or (parts.fragment and parts.fragment not in read[target].ids):
                broken.append(f"{page.relative_to(built)} -> {address}")

    assert broken == []


def test_no_page_loads_anything_from_elsewhere(built: Path) -> None:
    for page in _pages(built):
        for address in _read(page).loads:
            assert not urlsplit(address).netloc, page
    for style in built.rglob("*.css"):
        assert "fonts.googleapis" not in style.read_text(encoding="utf-8"), style


def test_pages_link_to_no_other_site_but_those_named_here(built: Path) -> None:
    for page in _pages(built):
        for address in _read(page).links:
            parts = urlsplit(address)
            assert parts.scheme in ("", "https"), page
            assert not parts.netloc or parts.netloc in HAND_WRITTEN_HOSTS or parts.netloc.startswith("ai.google"), page


def test_no_page_has_a_handler_in_its_markup(built: Path) -> None:
    assert [page for page in _pages(built) if _read(page).handlers] == []


def test_every_run_that_a_page_links_to_has_its_data(built: Path) -> None:
    for page in _pages(built):
        for address in _read(page).links:
            parts = urlsplit(address)
            if parts.path.endswith("run.html") and parts.query:
                key = parts.query.removeprefix("run=")
                for ending in ("js", "json.gz", "csv.gz"):
                    assert (built / "report" / "data" / "runs" / f"{key}.{ending}").is_file(), address


def test_every_hand_written_page_is_in_the_navigation() -> None:
    config = yaml_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))

    named = {page for entry in config["nav"] for page in _named(entry)}
    hand_written = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}

    assert {page for page in hand_written if page != "index.md" and not page.startswith("report/")} <= named


def _named(entry: object) -> Iterator[str]:
    if isinstance(entry, str):
        yield entry
    elif isinstance(entry, dict):
        for value in entry.values():
            yield from _named(value)
    elif isinstance(entry, list):
        for value in entry:
            yield from _named(value)


def _pages(folder: Path) -> list[Path]:
    # The page of a missing address is served anywhere, so its links start from the root of the host.
    return [page for page in sorted(folder.rglob("*.html")) if page.name != "404.html"]


def _read(page: Path) -> Reader:
    reader = Reader()
    reader.feed(page.read_text(encoding="utf-8"))
    return reader
