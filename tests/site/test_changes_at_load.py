"""Changes at levels of load on the site."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from syrupy.assertion import SnapshotAssertion

from bench.schema.result import Result
from bench.site.build import write_site
from bench.site.dataset import Site, site
from bench.site.feed import feed
from bench.site.pages.changes import changes_section
from bench.site.pages.overview import since_last_run
from bench.site.sections.change_entries import full_label
from bench.site.sections.load_levels import under_load
from bench.store.files import Ledger
from tests.analysis.test_level_series import STEP, asked, stepping
from tests.daily_runs import daily_runs
from tests.site.test_changes import ATOM, entry_of, notes_of, page_of, site_of, slower, texts, updated
from tests.site.test_pages import MarkdownExtension
from tests.site_project import TEMPLATES, drawn_once, whole_ledger

LEVELS = stepping(
    (asked(0.1, streams=4), asked(0.4, streams=16)),
    (asked(0.1, streams=4), asked(0.5, streams=16)),
)


@pytest.fixture
def drawn(tmp_path: Path) -> Iterator[Path]:
    """Give a folder in which pictures and the charts' program are kept."""
    with drawn_once(tmp_path / "drawn") as cache:
        yield cache


def runs(days: int = 20, **fields: Any) -> tuple[Result, ...]:
    defaults: dict[str, Any] = {"model": LEVELS, "run": updated, "noise": 0.005}
    return daily_runs(range(days), **(defaults | fields))


@cache
def stepped(days: int = 20) -> Site:
    """Return a model whose TTFT is longer with 16 streams from day 12 on, with a newer runtime."""
    return site_of(*runs(days))


def test_a_change_at_a_level_is_named_by_it_in_words() -> None:
    (entry,) = page_of(stepped()).confirmed

    assert entry.sentence == (
        "Since 2026-01-17 09:00 UTC 2 metrics are worse: TTFT (closed loop, 16 streams) +25.0 % and TTFT p95 (closed "
        "loop, 16 streams) +25.0 %."
    )
    assert entry.table is not None
    assert [(row[0].text, row[0].small) for row in entry.table.rows] == [
        ("TTFT", "closed loop, 16 streams"),
        ("TTFT p95", "closed loop, 16 streams"),
    ]
    assert [row[3] for row in texts(entry.table)] == ["400 → 500\u00a0ms"] * 2
    assert entry.context == "CPU · CPUExecutionProvider"
    assert entry.suspects == "Changed with it: onnxruntime 1.30.0 → 1.31.0."


def test_what_shifts_at_a_run_with_and_without_load_is_one_entry() -> None:
    made = site_of(*runs(slower=slower))

    entry = entry_of(made)
    assert [full_label(one.key) for one in entry.whole] == [
        "Decode",
        "Latency",
        "Throughput",
        "TTFT (closed loop, 16 streams)",
        "TTFT p95 (closed loop, 16 streams)",
    ]
    assert entry.after.run.id == made.results[STEP].run.id


def test_a_level_that_shifted_leads_to_its_change() -> None:
    made = stepped()
    found = under_load(made, entry_of(made).model, entry_of(made).machine, "report/models/x.html")

    assert found is not None
    names = [(row[0].text, row[0].small, row[0].href) for row in found.sorts[0].table.rows]
    assert names == [
        ("4 streams", "", ""),
        ("16 streams", "changed 2026-01-17", f"../changes.html#{entry_of(made).id}"),
    ]


def test_the_feed_names_the_level() -> None:
    root = ElementTree.fromstring(feed(stepped()).encode())

    (summary,) = (entry.findtext(f"{ATOM}summary") or "" for entry in root.findall(f"{ATOM}entry"))
    assert "TTFT p95 (closed loop, 16 streams): 400 → 500\u00a0ms, +25.0 %" in summary


def test_since_the_last_run_counts_levels_apart_from_models() -> None:
    found = since_last_run(stepped(STEP + 1), stepped(STEP + 1).boards[0], "index.html")
    quiet = since_last_run(stepped(STEP), stepped(STEP).boards[0], "index.html")

    assert quiet.sentence == (
        "Nothing changed. Compared: 11 metrics of 1 model and 2 levels of load against up to 11 runs before in the "
        "same context."
    )
    (news,) = found.news
    assert news.status == "suspected"
    assert news.text.startswith(
        "2 metrics are worse since 2026-01-17 09:00 UTC: TTFT (closed loop, 16 streams) +25.0 %"
    )


def test_a_level_that_the_newest_run_does_not_have_is_no_news() -> None:
    made = site_of(*runs(20, model=lambda day, name: {} if day == 19 else LEVELS(day, name)))

    found = since_last_run(made, made.boards[0], "index.html")
    assert "11 metrics of 1 model against up to 19 runs" in found.sentence


def test_the_viewer_names_the_level() -> None:
    made = stepped()

    (section,) = changes_section(made, made.summaries[STEP])
    assert [row[0]["s"] for row in section["rows"]] == ["tiny · closed loop, 16 streams"] * 2


def test_levels_that_are_short_or_alone_are_told_together() -> None:
    def load(day: int, name: str) -> dict[str, Any]:
        rare = tuple(asked(0.4, streams=streams) for streams in (32, 64))
        return {"load": (asked(0.4, streams=4), *(rare if day == 7 else ()))}

    short = site_of(*runs(3))
    alone = site_of(*runs(8, model=load))

    assert notes_of(page_of(short))["Too short to say"] == (
        "tiny on laptop (CPU), 2 levels of load: 3 runs",
        "tiny on laptop (CPU): 3 runs",
    )
    assert notes_of(page_of(alone))["Runs alone in their context"] == (
        "tiny on laptop (CPU), 2 levels of load, 2026-01-12 09:00 UTC: the only run of the level on this machine",
    )


def test_a_gap_in_a_series_of_a_level_names_it() -> None:
    few = asked(0.4, streams=16)
    few = few.model_copy(update={"samples": few.samples[:10]})
    made = site_of(*runs(8, model=lambda day, name: {"load": (few if day == 3 else asked(0.4, streams=16),)}))

    assert notes_of(page_of(made))["Series with gaps"] == (
        "tiny on laptop (CPU), closed loop, 16 streams: TTFT p95 has no value in 1 of 8 runs",
        "tiny on laptop (CPU), closed loop, 16 streams: Latency p95 has no value in 1 of 8 runs",
    )


def test_the_page_of_a_change_at_a_level(tmp_path: Path, drawn: Path, snapshot: SnapshotAssertion) -> None:
    write_site(whole_ledger(stepped()), tmp_path, TEMPLATES, drawn)

    text = (tmp_path / "report" / "changes.md").read_text(encoding="utf-8")
    assert text == snapshot(extension_class=MarkdownExtension)


def test_the_same_series_are_watched_whoever_asks() -> None:
    # 11 metrics of the model less three without a value, 2 prompts; at each of 2 levels 6 of 9 metrics have a value.
    assert stepped().shifts.watched == 8 + 2 + 2 * 6
    assert site(Ledger((), ())).shifts.watched == 0
