"""The built site in a real browser: served below a path and opened from the disk, in light and dark."""

import gzip
import os
import shutil
import threading
from collections.abc import Iterator
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from bench.report.text import key
from bench.site.machine_parts import MOST_ON_PAGE
from bench.site.run_files import samples_csv
from bench.store.files import dump
from tests.hostile_answers import ATTACKS, whole_answer
from tests.hostile_answers import hostile_ledger as attacking_ledger
from tests.site_project import HOSTILE_TEXTS, built_once, fixture_ledger, hostile_ledger, many_machines_ledger

pytestmark = pytest.mark.browser

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
BELOW = "/some/where/"
PHONE = {"width": 390, "height": 800}
DESK = {"width": 1280, "height": 900}

SCROLL_THROUGH = """async () => {
  for (const figure of document.querySelectorAll('figure.bl-figure')) {
    figure.scrollIntoView();
    while (!figure.dataset.drawn) { await new Promise(resolve => setTimeout(resolve, 20)); }
  }
}"""
DRAWN = """() => [...document.querySelectorAll('figure.bl-figure')].map(figure => {
  const svg = figure.querySelector('.vega-embed svg');
  const marks = svg ? [...svg.querySelectorAll('.mark-symbol path, .mark-line path')] : [];
  const visible = marks.filter(mark => mark.getBoundingClientRect().width > 0);
  const box = svg ? svg.getBoundingClientRect() : {width: 0};
  return {id: figure.id, drawn: figure.dataset.drawn, marks: visible.length, width: box.width,
          room: figure.getBoundingClientRect().width};
})"""
OPEN_ALL = "() => document.querySelectorAll('details').forEach(one => { one.open = true; })"
OVERLAPPING = """() => [...document.querySelectorAll('table')].flatMap(table => {
  const rows = [...table.rows].filter(row => row.getBoundingClientRect().height > 0);
  return rows.slice(1).filter((row, place) =>
    row.getBoundingClientRect().top < rows[place].getBoundingClientRect().bottom - 1).map(row => row.innerText);
})"""
OUTSIDE_CARDS = """() => [...document.querySelectorAll('.bl-card')].flatMap(card => {
  const box = card.getBoundingClientRect();
  return [...card.querySelectorAll('*')].filter(one => {
    const own = one.getBoundingClientRect();
    const inText = one.closest('.bl-text') && !one.matches('.bl-text');
    return !inText && own.width > 0 && (own.left < box.left - 1 || own.right > box.right + 1
      || own.bottom > box.bottom + 1 || own.top < box.top - 1);
  }).map(one => one.outerHTML.slice(0, 200));
})"""
TWICE = """() => {
  const ids = [...document.querySelectorAll('[id]:not(svg *)')].map(one => one.id);
  return ids.filter((id, place) => ids.indexOf(id) !== place);
}"""
WITH_PARTS = (
    "index.html",
    "report/models/{model}.html",
    "report/prompts/index.html",
    "report/prompts/p1.html",
    "report/quality.html",
    "report/load.html",
)
OVERFLOW = "() => document.documentElement.scrollWidth - window.innerWidth"


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder below a path, and answers everything else with 404."""

    def translate_path(self, path: str) -> str:
        below = path.removeprefix(BELOW) if path.startswith(BELOW) else "nothing/here"
        return super().translate_path(f"/{below}")

    def log_message(self, *message: object) -> None:
        """Say nothing: a test's output is its own."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    missing = "chromium on the PATH" if path is None else ""
    try:
        from playwright import sync_api
    except ImportError:
        missing = "playwright; pip install 'benchledger[test]'"
    if missing and os.environ.get("BENCH_REQUIRE_BROWSER") == "1":
        pytest.fail(f"BENCH_REQUIRE_BROWSER is 1, and there is no {missing}")
    if missing:
        pytest.skip(f"there is no {missing} (set BENCH_REQUIRE_BROWSER=1 to fail instead)")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def built() -> Path:
    return built_once("fixtures", lambda: (fixture_ledger(), {}))


@pytest.fixture(scope="session")
def hostile() -> Path:
    return built_once("hostile", lambda: (hostile_ledger(), {}))


@pytest.fixture(scope="session")
def many() -> Path:
    return built_once("many", lambda: (many_machines_ledger(), {}))


@pytest.fixture(scope="session")
def many_address(many: Path) -> Iterator[str]:
    yield from _served(many)


@pytest.fixture(scope="session")
def attacked() -> Path:
    return built_once("attacked", attacking_ledger)


@pytest.fixture(scope="session")
def attacked_address(attacked: Path) -> Iterator[str]:
    yield from _served(attacked)


@pytest.fixture(scope="session")
def address(built: Path) -> Iterator[str]:
    yield from _served(built)


@pytest.fixture(scope="session")
def hostile_address(hostile: Path) -> Iterator[str]:
    yield from _served(hostile)


def test_every_page_opens_without_an_error_and_draws_its_charts(browser: Any, built: Path, address: str) -> None:
    context = browser.new_context(color_scheme="light", viewport=DESK)
    page, problems = _watched(context)
    names = _names(built)
    for name in names:
        page.goto(address + name)
        _check_drawn(page, problems, name)
        if name not in _with_figures(built):
            # A chart measures its room when it is drawn: the other test opens those pages anew. Here text flows.
            page.emulate_media(color_scheme="dark")
            page.set_viewport_size(PHONE)
            assert page.evaluate(OVERFLOW) <= 0, f"{name} is wider than the screen"
            assert problems == [], name
            page.emulate_media(color_scheme="light")
            page.set_viewport_size(DESK)
    context.close()

    assert 0 < len(_with_figures(built)) < len(names)


@pytest.mark.parametrize(("scheme", "viewport"), [("dark", DESK), ("light", PHONE)], ids=["dark desk", "light phone"])
def test_charts_and_the_viewer_are_drawn_in_the_dark_and_on_a_phone(
    browser: Any, built: Path, address: str, scheme: str, viewport: dict[str, int]
) -> None:
    context = browser.new_context(color_scheme=scheme, viewport=viewport)
    page, problems = _watched(context)
    names = [*_with_figures(built), "report/run.html"]
    for name in names:
        page.goto(address + name)
        _check_drawn(page, problems, name)
    context.close()

    assert len(names) > 1
    assert problems == []


def test_a_table_fades_where_it_goes_on(browser: Any, address: str) -> None:
    context = browser.new_context(viewport=PHONE)
    page, problems = _watched(context)
    for name in ("index.html", "report/run.html"):
        page.goto(address + name)
        page.locator(".bl-scroll.bl-more").first.wait_for()
        mask = "box => getComputedStyle(box).maskImage"

        box = page.locator(".bl-scroll.bl-more").first.element_handle()
        assert box.evaluate(mask).startswith("linear-gradient"), name
        box.evaluate("box => box.scrollTo(box.scrollWidth, 0)")
        page.wait_for_function("box => !box.classList.contains('bl-more')", arg=box)
        assert box.evaluate(mask) == "none", name
    assert problems == []
    context.close()

    context = browser.new_context(viewport={"width": 1600, "height": 900})
    page = context.new_page()
    page.goto(f"{address}report/prompts/index.html")
    page.wait_for_load_state("networkidle")
    assert page.locator(".bl-scroll").count() > page.locator(".bl-scroll.bl-more").count() == 0
    context.close()


def test_the_background_follows_the_system(browser: Any, address: str) -> None:
    backgrounds = []
    for scheme in ("light", "dark"):
        context = browser.new_context(color_scheme=scheme)
        page = context.new_page()
        page.goto(address)
        backgrounds.append(page.evaluate("() => getComputedStyle(document.body).backgroundColor"))
        context.close()

    assert backgrounds[0] == "rgb(255, 255, 255)"
    assert backgrounds[1] != backgrounds[0]


def test_the_viewer_shows_any_run(browser: Any, address: str) -> None:
    context = browser.new_context(viewport=DESK)
    page, problems = _watched(context)
    for result in fixture_ledger().results:
        page.goto(f"{address}report/run.html?run={result.run.id}")
        page.wait_for_selector("#bl-run h2")

        text = page.inner_text("#bl-run")
        assert result.run.id in text
        for model in result.models:
            assert model.name in text
        page.click("#bl-run details summary")
        page.wait_for_selector("#bl-run details[open] dl, #bl-run details[open] table")
        # Nothing of it may be under way when the next one is opened.
        page.wait_for_load_state("networkidle")
        assert problems == []
    context.close()


def test_the_viewer_says_what_weakens_a_run_before_its_numbers(browser: Any, address: str) -> None:
    context = browser.new_context(viewport=DESK)
    page, problems = _watched(context)
    page.goto(f"{address}report/run.html?run=desk-9/20260210T080000Z-5e6f708192-full")
    page.wait_for_selector("#bl-run table")

    first, second = page.locator("#bl-run > p.bl-callout").all_inner_texts()
    assert first.startswith("This run is partial")
    assert second.startswith("The machine was unsteady")
    best = page.locator("td.bl-number", has=page.locator(".bl-best")).filter(has_text="estimate")
    assert best.count() == 3, "the best of several estimates says that it is one"
    assert page.locator("td.bl-skipped").count() > 0
    assert page.locator("td.bl-coarse").count() > 0
    assert problems == []
    context.close()


@pytest.mark.parametrize("where", ["report/runs.html", "report/run.html"])
def test_a_run_s_files_are_unpacked_on_their_way(browser: Any, address: str, where: str) -> None:
    result = fixture_ledger().results[-1]
    name = result.run.id.partition("/")[2]
    context = browser.new_context()
    page, problems = _watched(context)
    page.goto(address + where)

    taken = {ending: _taken(page, f"{name}.{ending}.gz") for ending in ("json", "csv")}

    assert [one.suggested_filename for one in taken.values()] == [f"{name}.json", f"{name}.csv"]
    assert Path(taken["json"].path()).read_bytes() == dump(result).encode()
    assert Path(taken["csv"].path()).read_text(encoding="utf-8") == samples_csv(result)
    assert problems == []
    context.close()


def test_a_file_that_the_server_says_is_compressed_is_not_unpacked_twice(browser: Any, address: str) -> None:
    result = fixture_ledger().results[-1]
    context = browser.new_context()
    page, problems = _watched(context)
    page.route("**/*.json.gz", lambda route: _encoded(route, dump(result)))
    page.goto(f"{address}report/run.html")

    taken = _taken(page, ".json.gz")

    assert Path(taken.path()).read_bytes() == dump(result).encode()
    assert problems == []
    context.close()


@pytest.mark.parametrize(
    "script",
    ["delete window.DecompressionStream", "window.fetch = () => Promise.reject(new Error('no'))"],
    ids=["an old browser", "no way to the file"],
)
def test_a_file_that_cannot_be_unpacked_is_taken_as_it_is(browser: Any, address: str, script: str) -> None:
    result = fixture_ledger().results[-1]
    context = browser.new_context()
    context.add_init_script(script)
    page = context.new_page()
    page.goto(f"{address}report/run.html")

    taken = _taken(page, ".json.gz")

    assert taken.suggested_filename.endswith(".json.gz")
    assert gzip.decompress(Path(taken.path()).read_bytes()) == dump(result).encode()
    context.close()


def test_a_run_opened_from_the_disk_has_its_files_as_they_are(browser: Any, attacked: Path) -> None:
    context = browser.new_context()
    page, problems = _watched(context)
    page.goto((attacked / "report" / "run.html").as_uri())
    page.wait_for_selector("#bl-run h2")

    assert "Quality by source" in page.locator("#bl-run h2").all_inner_texts()
    links = page.locator("#bl-run .bl-downloads a")
    addresses = links.evaluate_all("all => all.map(a => a.href)")
    assert [Path(unquote(urlsplit(one).path)).is_file() for one in addresses] == [True, True]
    # A browser lets no page read a search index from the disk: the one thing that needs a server.
    assert [problem for problem in problems if "/search/search_index.js" not in problem] == []
    with page.expect_download() as taken:
        links.first.click()
    assert taken.value.suggested_filename.endswith(".json.gz")
    context.close()


def test_what_became_known_later_is_loaded_only_where_there_is_something(browser: Any, attacked_address: str) -> None:
    context = browser.new_context()
    page, problems = _watched(context)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    old, new = attacking_ledger()[0].results

    page.goto(f"{attacked_address}report/run.html?run={old.run.id}")
    page.wait_for_selector("#bl-run h2")
    headings = page.locator("#bl-run h2").all_inner_texts()

    assert [url for url in asked if "/later/" in url] == []
    assert "Quality by source" not in headings
    page.goto(f"{attacked_address}report/run.html?run={new.run.id}")
    page.wait_for_selector("#bl-run h2")
    headings = page.locator("#bl-run h2").all_inner_texts()
    assert headings[headings.index("Models") + 1] == "Quality by source"
    assert len([url for url in asked if "/later/" in url]) == 1
    assert problems == []
    page.route("**/later/**", lambda route: route.abort())
    page.reload()
    page.wait_for_selector("#bl-run h2")
    assert page.inner_text("#bl-run .bl-hint") == "What became known after this run cannot be loaded."
    context.close()


@pytest.mark.parametrize(
    "run", ["../../../x", "https://example.org/x", "laptop/../../x", "javascript:alert(1)", "laptop/x?y"]
)
def test_the_viewer_loads_no_other_script(browser: Any, address: str, run: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    page.goto(f"{address}report/run.html?run={run}")
    page.wait_for_selector("#bl-run .bl-hint")

    assert "There is no run" in page.inner_text("#bl-run")
    assert [url for url in asked if "/data/" in url or not url.startswith(address)] == []
    context.close()


def test_hostile_text_runs_nowhere(browser: Any, hostile: Path, hostile_address: str) -> None:
    context = browser.new_context(viewport=DESK)
    page, problems = _watched(context)
    dialogs = _dialogs(page)
    # The other pages are the same in every site: what was written by hand.
    for name in ["index.html", *(f"report/{name}" for name in _names(hostile / "report"))]:
        page.goto(hostile_address + name)
        page.wait_for_load_state("networkidle")
        page.evaluate(SCROLL_THROUGH)

        assert page.title() != "owned", name
        assert dialogs == [], name
        assert problems == [], name
        assert page.query_selector("img[src=x], article h1 ~ h1, article script") is None, name
        if name == "index.html":
            assert HOSTILE_TEXTS[0] in page.inner_text("article")
    context.close()


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_hostile_answers_and_reviews_run_nowhere_and_break_no_row_and_no_card(
    browser: Any, attacked: Path, attacked_address: str, viewport: dict[str, int]
) -> None:
    context = browser.new_context(viewport=viewport)
    page, problems = _watched(context)
    dialogs = _dialogs(page)
    attacks = {f"prompts/p{place:02}.html": attack for place, attack in enumerate(ATTACKS)}
    names = _names(attacked / "report")
    assert set(attacks) < set(names)
    for name in names:
        page.goto(f"{attacked_address}report/{name}")
        page.wait_for_load_state("networkidle")
        page.evaluate(OPEN_ALL)
        page.evaluate(SCROLL_THROUGH)

        assert page.title() != "owned", name
        assert dialogs == [], name
        assert problems == [], name
        assert page.query_selector("img[src=x], article iframe, article style, article h1 ~ h1, article script") is None
        assert page.is_visible("article h1"), name
        assert page.evaluate(OVERFLOW) <= 0, f"{name} is wider than the screen"
        assert page.evaluate(OVERLAPPING) == [], name
        if name in attacks:
            _check_cards(page, attacks[name])
    context.close()


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_the_viewer_shows_hostile_answers_and_reviews_as_text(
    browser: Any, attacked_address: str, viewport: dict[str, int]
) -> None:
    context = browser.new_context(viewport=viewport)
    page, problems = _watched(context)
    page.goto(f"{attacked_address}report/run.html")
    page.wait_for_selector("#bl-run h2")
    page.evaluate(OPEN_ALL)
    page.wait_for_selector("#bl-run .bl-card")

    # Three models, two of which say one thing to each prompt and one two.
    answers = page.locator("#bl-run .bl-card")
    assert answers.count() == 4 * len(ATTACKS)
    script = page.locator("#bl-run .bl-card", has_text=ATTACKS["script"]).first
    assert script.locator(".bl-text").inner_text() == f"{ATTACKS['script']} 01"
    assert script.locator("ul.bl-facets > li").count() == 2
    # A judge, and two people, each of a facet and of the whole answer.
    assert script.locator(".bl-voice").count() == 6
    assert script.locator("ul.bl-others > li").count() == 3
    assert page.query_selector("img[src=x], article iframe, article style, article h1 ~ h1, article script") is None
    assert page.title() != "owned"
    assert page.evaluate(OUTSIDE_CARDS) == []
    assert page.evaluate(OVERFLOW) <= 0
    assert problems == []
    context.close()


def test_a_million_letters_are_cut_with_a_note_and_can_be_taken_along(browser: Any, attacked_address: str) -> None:
    place = list(ATTACKS).index("long word")
    context = browser.new_context(viewport=PHONE)
    page = context.new_page()
    page.goto(f"{attacked_address}report/prompts/p{place:02}.html")

    assert "Cut here, after 6,000 of 1,000,003 characters." in page.locator(".bl-card").first.inner_text()
    with page.expect_download() as taken:
        page.locator(".bl-card").first.get_by_text("The run’s file").click()

    data = Path(taken.value.path()).read_text(encoding="utf-8")
    assert whole_answer(data, f"p{place:02}-0") == f"{ATTACKS['long word']} 01"
    context.close()


def test_an_answer_without_text_says_so(browser: Any, attacked_address: str) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{attacked_address}report/models/steady.html")

    page.evaluate(OPEN_ALL)

    assert "The answer has no text." in page.inner_text("article")
    assert "The answer is white space alone." in page.inner_text("article")
    context.close()


@pytest.mark.parametrize("place", WITH_PARTS)
@pytest.mark.parametrize(
    ("opened_from", "viewport"), [("a server", DESK), ("the disk", PHONE)], ids=["server desk", "disk phone"]
)
def test_a_part_is_loaded_when_it_is_opened_and_hostile_text_in_it_runs_nowhere(
    browser: Any, many: Path, many_address: str, place: str, opened_from: str, viewport: dict[str, int]
) -> None:
    name = place.format(model=key(HOSTILE_TEXTS[0]))
    context = browser.new_context(viewport=viewport)
    page, problems = _watched(context)
    dialogs = _dialogs(page)
    page.goto((many_address if opened_from == "a server" else f"{many.as_uri()}/") + name)
    page.wait_for_load_state("networkidle")
    folded = page.locator("details.bl-part")
    assert folded.count() >= MOST_ON_PAGE
    assert folded.locator("figure, table").count() == 0

    for number in range(folded.count()):
        part = folded.nth(number)
        line = part.locator(":scope > summary")
        heading = line.locator(":scope > :first-child").inner_text()
        line.click()
        if not part.evaluate("part => part.open"):
            # Charts that were drawn meanwhile moved the line from under the pointer.
            line.click()
        part.locator(":scope > div").wait_for()
        assert line.locator(":scope > :first-child").inner_text().removesuffix("#") == heading
    page.evaluate(SCROLL_THROUGH)

    assert folded.locator("figure, table").count() >= folded.count()
    assert all(figure["drawn"] == "yes" and figure["marks"] > 0 for figure in page.evaluate(DRAWN))
    assert page.evaluate(TWICE) == []
    assert page.title() != "owned"
    assert dialogs == []
    assert page.query_selector("img[src=x], article h1 ~ h1, article script") is None
    assert page.evaluate(OVERFLOW) <= 0
    assert [problem for problem in problems if "/search/search_index.js" not in problem] == []
    folded.first.locator(":scope > summary").click()
    assert not folded.first.locator(":scope > div").is_visible()
    context.close()


def test_an_address_opens_the_part_that_it_names(browser: Any, many_address: str) -> None:
    context = browser.new_context(viewport=DESK)
    page, problems = _watched(context)
    page.goto(f"{many_address}#machine-edge-1")
    part = page.locator("details.bl-part", has_text="edge-1")

    part.locator(":scope > div").wait_for()
    assert 0 <= _top(part) < DESK["height"] / 2
    assert page.locator("details.bl-part[open]").count() == 1

    other = page.locator("details.bl-part", has_text="edge-2")
    for _ in range(2):
        page.locator(".bl-jump a", has_text="edge-2").click()
        other.locator(":scope > div").wait_for()
        page.wait_for_function("place => Math.abs(place.getBoundingClientRect().top) < 450", arg=other.element_handle())
        # Closed again, the link to it opens it again.
        other.locator("summary").click()
        assert not other.locator(":scope > div").is_visible()
    assert problems == []
    context.close()


def test_a_part_opens_by_keyboard_and_shows_where_the_focus_is(browser: Any, many_address: str) -> None:
    context = browser.new_context(viewport=DESK)
    page, problems = _watched(context)
    page.goto(many_address)
    line = page.locator("details.bl-part summary").first
    page.locator("details.bl-part").first.evaluate("place => { place.tabIndex = -1; place.focus(); }")

    page.keyboard.press("Tab")
    assert line.evaluate("line => line === document.activeElement && getComputedStyle(line).outlineStyle") == "solid"
    page.keyboard.press("Enter")

    page.locator("details.bl-part > div").first.wait_for()
    assert line.evaluate("line => line === document.activeElement")
    assert problems == []
    context.close()


def test_a_part_that_cannot_be_loaded_says_so_and_is_tried_again(browser: Any, many_address: str) -> None:
    context = browser.new_context(viewport=DESK)
    page = context.new_page()
    page.route("**/data/parts/**", lambda route: route.abort())
    page.goto(many_address)
    part = page.locator("details.bl-part").first
    hint = part.locator(".bl-hint")

    part.locator("summary").click()
    hint.get_by_text("This part cannot be loaded from report/data/parts/").wait_for()
    assert hint.inner_text().endswith("close and open it to try again, or see the list of runs.")
    page.unroute("**/data/parts/**")
    part.locator("summary").click()
    part.locator("summary").click()

    part.locator(":scope > div").wait_for()
    context.close()


def test_a_browser_that_cannot_unpack_a_part_says_so(browser: Any, many_address: str) -> None:
    context = browser.new_context()
    context.add_init_script("delete window.DecompressionStream")
    page = context.new_page()
    page.goto(many_address)
    part = page.locator("details.bl-part").first

    part.locator("summary").click()

    part.get_by_text("This browser is too old to unpack this part; see the list of runs.").wait_for()
    assert part.locator("figure, table").count() == 0
    context.close()


def test_without_javascript_a_part_leads_to_the_runs(browser: Any, many_address: str) -> None:
    context = browser.new_context(java_script_enabled=False, viewport=PHONE)
    page = context.new_page()
    page.goto(f"{many_address}report/prompts/index.html")
    part = page.locator("details.bl-part").first

    part.locator("summary").click()

    assert part.locator(".bl-hint").inner_text() == (
        "To open this part takes JavaScript; without it, see the list of runs."
    )
    part.locator("a").click()
    assert page.url == f"{many_address}report/runs.html"
    context.close()


def test_without_javascript_charts_are_pictures(browser: Any, address: str) -> None:
    context = browser.new_context(java_script_enabled=False, viewport=DESK)
    page = context.new_page()
    page.goto(address)

    figures = page.locator("figure.bl-figure")
    pictures = page.locator("figure.bl-figure svg.bl-static .mark-symbol path")

    assert figures.count() > 0
    assert pictures.count() >= figures.count()
    context.close()


def test_a_page_opens_from_the_disk(browser: Any, built: Path) -> None:
    context = browser.new_context(viewport=DESK)
    page, problems = _watched(context)
    page.goto((built / "index.html").as_uri())
    page.wait_for_load_state("networkidle")
    page.evaluate(SCROLL_THROUGH)

    assert all(figure["drawn"] == "yes" and figure["marks"] > 0 for figure in page.evaluate(DRAWN))
    # A browser lets no page read a search index from the disk: the one thing that needs a server.
    assert [problem for problem in problems if "/search/search_index.js" not in problem] == []

    page.goto((built / "report" / "run.html").as_uri())
    page.wait_for_selector("#bl-run h2")
    context.close()


def _served(folder: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}{BELOW}"
    server.shutdown()
    thread.join()
    server.server_close()


def _check_drawn(page: Any, problems: list[str], name: str) -> None:
    """Assert that a page that was opened has all of its charts, in their room, no problem, and no need to be wider."""
    page.wait_for_load_state("networkidle")
    page.evaluate(SCROLL_THROUGH)
    for figure in page.evaluate(DRAWN):
        assert figure["drawn"] == "yes", (name, figure)
        assert figure["marks"] > 0, (name, figure)
        assert figure["width"] >= figure["room"] * 0.9, (name, figure)
    assert page.evaluate(OVERFLOW) <= 0, f"{name} is wider than the screen"
    assert problems == [], name


def _check_cards(page: Any, attack: str) -> None:
    """Assert that a page of answers to a prompt shows each within its card."""
    text = ATTACKS[attack]
    # The answer of the first day, which two models gave in both rounds and one in one, and another of that one.
    cards = page.locator(".bl-card")
    assert cards.count() == 2, attack
    assert cards.nth(0).locator("h4").count() == 3, attack
    assert cards.nth(0).locator("ul.bl-facets > li").count() == 2, attack
    assert cards.nth(1).locator("ul.bl-facets > li").count() == 2, attack
    assert page.evaluate(OUTSIDE_CARDS) == [], attack
    assert len(page.content()) < 300_000, f"{attack}: the page has all of it"
    if len(text) < 1_000 and text.isprintable() and text.strip():
        assert cards.nth(0).locator(".bl-text").inner_text().strip() == f"{text} 01".strip(), attack


def _dialogs(page: Any) -> list[str]:
    """Return the list in which the messages of a page's dialogs collect."""
    found: list[str] = []

    def note(dialog: Any) -> None:
        found.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", note)
    return found


@cache
def _with_figures(folder: Path) -> list[str]:
    """Return the names of the pages with a chart."""
    return [name for name in _names(folder) if 'class="bl-figure' in (folder / name).read_text(encoding="utf-8")]


def _names(folder: Path) -> list[str]:
    return [page.relative_to(folder).as_posix() for page in sorted(folder.rglob("*.html")) if page.name != "404.html"]


def _top(place: Any) -> float:
    """Return how far below the top of the window something begins, in pixels."""
    top: float = place.bounding_box()["y"]
    return top


def _taken(page: Any, ending: str) -> Any:
    """Return the download that a click on a link to a file starts."""
    with page.expect_download() as taken:
        page.locator(f"a[download][href$='{ending}']").first.click()
    return taken.value


def _encoded(route: Any, text: str) -> None:
    """Answer as a server does that says what a file is compressed with."""
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    route.fulfill(body=gzip.compress(text.encode()), headers=headers)


def _told(said: Any) -> str:
    return f"{said.type}: {said.text} {said.location.get('url', '')}"


def _watched(context: Any) -> tuple[Any, list[str]]:
    """Return a new page, and the list in which its errors, warnings and failed requests collect."""
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(f"error: {error}"))
    page.on(
        "console",
        lambda said: problems.append(_told(said)) if said.type in ("error", "warning") else None,
    )
    page.on("requestfailed", lambda request: problems.append(f"failed: {request.url}"))
    page.on("response", lambda got: problems.append(f"{got.status}: {got.url}") if got.status >= 400 else None)
    return page, problems
