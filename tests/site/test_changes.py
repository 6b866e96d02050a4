"""Changes on the site: the page, the feed, the marks on a model's history, and what is new since the last run."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension

from bench.analysis.changes import RUNS_FOR_CONFIRMED, RUNS_TO_SUSPECT
from bench.analysis.contexts import Differing
from bench.cli import main
from bench.report import format as form
from bench.report.palette import Mark
from bench.report.tables import Table
from bench.schema.result import Pairing, Result
from bench.site.build import write_site
from bench.site.charts import kinds as charts
from bench.site.dataset import Site, site
from bench.site.feed import feed, site_url
from bench.site.pages.changes import ChangesPage, changes_page, changes_section
from bench.site.pages.model import on_machine
from bench.site.pages.overview import Since, overview, since_last_run
from bench.site.pages.runs import run_data, run_data_later
from bench.site.sections.change_entries import Entry, entries, levels_text, shift_table, suspect_sentence
from bench.store.files import Ledger, save
from tests import builders
from tests import daily_runs as made_up
from tests.changing_ledger import Project
from tests.daily_runs import watched
from tests.site.test_pages import MarkdownExtension
from tests.site_project import HOSTILE_TEXTS, TEMPLATES, drawn_once, views, whole_ledger

ATOM = "{http://www.w3.org/2005/Atom}"
STEP = 12


@pytest.fixture
def drawn(tmp_path: Path) -> Iterator[Path]:
    """Give a folder in which pictures and the charts' program are kept."""
    with drawn_once(tmp_path / "drawn") as cache:
        yield cache


def daily_runs(days: Iterable[int], **fields: Any) -> tuple[Result, ...]:
    """Return runs of a quiet machine: what is shown of a change is tested here, and not how soon it is seen."""
    defaults: dict[str, Any] = {"noise": 0.005}
    return made_up.daily_runs(days, **(defaults | fields))


def slower(day: int, name: str) -> float:
    return 1.25 if day >= STEP else 1.0


def updated(day: int) -> dict[str, Any]:
    onnxruntime = "1.31.0" if day >= STEP else "1.30.0"
    return {"machine": builders.machine(versions={"python": "3.11.7", "onnxruntime": onnxruntime})}


def site_of(*results: Result) -> Site:
    return site(Ledger(tuple(sorted(results, key=lambda one: (one.run.started_utc, one.run.id))), ()))


@cache
def stepped(days: int = 20) -> Site:
    """Return a model that is slower from day 12 on, with a newer runtime."""
    return site_of(*daily_runs(range(days), slower=slower, run=updated))


def page_of(made: Site) -> ChangesPage:
    page = changes_page(made)
    assert page is not None
    return page


def entry_of(made: Site) -> Entry:
    (entry,) = entries(made.shifts.all)
    return entry


def texts(table: Table | None) -> list[list[str]]:
    assert table is not None
    return [[cell.text for cell in row] for row in table.rows]


def notes_of(page: ChangesPage) -> dict[str, tuple[str, ...]]:
    return {note.heading: note.lines for note in page.notes}


def test_what_shifts_at_one_run_is_one_entry_with_a_row_for_each_metric() -> None:
    page = page_of(stepped())

    (entry,) = page.confirmed
    assert page.suspected == ()
    assert page.sentence == "1 change is confirmed. Watched: 10 series of 1 model over 20 runs."
    assert (entry.model, entry.machine, entry.words) == ("tiny", "laptop", "▼ worse")
    assert entry.sentence.startswith("Since 2026-01-17 09:00 UTC 3 metrics are worse: Decode −")
    assert [row[0] for row in texts(entry.table)] == ["Decode", "Latency", "Throughput"]
    assert {(row[2], row[4]) for row in texts(entry.table)} == {("▼\u00a0worse", "8 runs")}
    assert entry.by_prompt is not None
    assert [row[0].small for row in entry.by_prompt.rows] == ["Capital of France"] * 2
    assert entry.suspects == "Changed with it: onnxruntime 1.30.0 → 1.31.0."
    assert entry.href == "models/tiny.html"
    assert entry.after.href == "run.html?run=laptop/20260117T090000Z-000000000c-default"
    assert entry.before.href == "run.html?run=laptop/20260116T090000Z-000000000b-default"
    assert entry.compare == (
        "bench compare laptop/20260116T090000Z-000000000b-default laptop/20260117T090000Z-000000000c-default"
    )


def test_a_change_is_suspected_before_it_is_confirmed() -> None:
    page = page_of(stepped(13))

    (entry,) = page.suspected
    assert page.confirmed == ()
    assert page.sentence.startswith("1 change is suspected. Watched:")
    assert {row[4] for row in texts(entry.table)} == {"1 run"}


def test_confirmed_changes_come_first_and_then_the_newest() -> None:
    def model(day: int, name: str) -> dict[str, Any]:
        return {"memory_peak_bytes": 60_000_000 + day} if day >= 17 else {}

    made = site_of(*daily_runs(range(22), slower=lambda day, name: 1.3 if day >= 21 else 1.0, model=model))
    again = site_of(
        *daily_runs(
            range(30), slower=lambda day, name: {0: 1.0, 1: 1.3, 2: 1.0}[(day >= 10) + (day >= 20)], model=model
        )
    )

    assert [one.direction for one in (*page_of(made).confirmed, *page_of(made).suspected)] == ["better", "worse"]
    assert [one.after.day[:10] for one in page_of(again).confirmed] == ["2026-01-25", "2026-01-22", "2026-01-15"]
    assert [one.direction for one in page_of(again).confirmed] == ["better", "better", "worse"]


def test_a_run_at_which_one_metric_is_better_and_another_worse() -> None:
    lighter = daily_runs(
        range(20),
        slower=slower,
        model=lambda day, name: {"memory_peak_bytes": 60_000_000 + day} if day >= STEP else {},
    )

    (entry,) = page_of(site_of(*lighter)).confirmed
    assert entry.words == "▲▼ better and worse"
    assert "3 metrics are worse and 1 metric is better" in entry.sentence


def test_a_row_that_is_less_sure_than_its_entry_says_so() -> None:
    first, *others = entry_of(stepped()).whole
    less_sure = replace(first, change=replace(first.change, status="suspected"))

    (found,) = entries([less_sure, *others])
    assert (found.status, found.leading) == ("confirmed", others[0])
    shown = shift_table("What shifted", found.whole, found)
    assert [row[2].small for row in shown.rows] == ["suspected", "", ""]


def test_shifts_at_neighbouring_runs_are_one_entry_of_the_run_with_most() -> None:
    made = stepped()
    first, *others = entry_of(made).whole
    runs = made.shifts.histories[0].runs
    early = replace(first, place=STEP - 1, after=runs[STEP - 1].result)
    earlier = replace(first, place=STEP - 2, after=runs[STEP - 2].result)

    (one,) = entries([early, *others])
    assert (one.leading, one.whole) == (others[0], (early, *others))
    shown = shift_table("What shifted", one.whole, one)
    assert [row[0].small for row in shown.rows] == ["from 2026-01-16 09:00 UTC on", "", ""]
    assert [len(each.whole) for each in entries([earlier, early, *others])] == [2, 2]
    assert [len(each.whole) for each in entries([earlier, *others])] == [2, 1]


def test_nothing_that_is_noted_changed() -> None:
    commit_alone = entry_of(site_of(*daily_runs(range(20), slower=slower)))
    nothing = entry_of(site_of(*daily_runs(range(20), slower=slower, run=lambda day: {"commit": None})))

    assert suspect_sentence(commit_alone.leading.suspects) == (
        "Nothing that is noted changed but the commit 000000000b → 000000000c."
    )
    assert suspect_sentence(nothing.leading.suspects) == "Nothing that is noted changed between the two runs."


def test_many_suspects_are_named_as_far_as_a_sentence_goes() -> None:
    many = [Differing(f"part-{number}", "1", "2") for number in range(8)]

    assert (
        suspect_sentence([*many[:2], Differing("commit", "a", "b")]) == "Changed with it: part-0 1 → 2; part-1 1 → 2."
    )
    assert suspect_sentence(many).endswith("; part-5 1 → 2; and 2 more.")
    assert len(suspect_sentence([Differing("x" * 500, "y" * 500, "z" * 500)])) < 210


def test_no_change_at_all_says_what_was_watched() -> None:
    page = page_of(site_of(*daily_runs(range(20), models=["one", "two"])))

    assert page.sentence == "Nothing has shifted. Watched: 20 series of 2 models over 20 runs."
    assert (page.confirmed, page.suspected, page.notes) == ((), (), ())


def test_samples_that_are_all_equal() -> None:
    assert page_of(site_of(*daily_runs(range(20), noise=0.0))).sentence.startswith("Nothing has shifted.")


def test_one_run_only() -> None:
    page = page_of(site_of(*daily_runs(range(1))))

    assert page.sentence == (
        f"There is one run so far, and a change takes a history. A change can be suspected from {RUNS_TO_SUSPECT} runs "
        f"in one context on, and confirmed from {RUNS_FOR_CONFIRMED} on."
    )
    assert page.notes == ()


def test_histories_that_are_too_short() -> None:
    page = page_of(site_of(*daily_runs(range(3))))

    assert page.sentence.startswith("No history is long enough yet: the longest has 3 runs. A change can be suspected")
    assert notes_of(page) == {"Too short to say": ("tiny on laptop (CPU): 3 runs",)}


def test_no_model_has_ever_answered() -> None:
    failed = [builders.result([builders.failed_model()], started_utc=moment(day)) for day in range(2)]

    assert page_of(site_of(*failed)).sentence.startswith("No history is long enough yet: the longest has 0 runs.")


def test_an_empty_ledger_has_no_changes() -> None:
    assert changes_page(site(Ledger((), ()))) is None


def test_a_series_with_gaps() -> None:
    peaks: dict[int, dict[str, Any]] = {3: {"memory_peak_bytes": None}, 7: {"memory_peak_bytes": None}}
    page = page_of(site_of(*daily_runs(range(20), model=lambda day, name: peaks.get(day, {}))))

    assert notes_of(page) == {"Series with gaps": ("tiny on laptop (CPU): Memory peak has no value in 2 of 20 runs",)}


def test_a_model_that_vanished_and_returned_and_one_that_failed() -> None:
    runs = list(daily_runs(range(12), models=["one", "two"]))
    for day in (4, 5):
        runs[day] = runs[day].model_copy(update={"models": runs[day].models[:1]})
    broken = builders.failed_model(name="two")
    runs[11] = runs[11].model_copy(update={"models": (runs[11].models[0], broken)})

    assert notes_of(page_of(site_of(*runs)))["Models that were missing"] == (
        "two on laptop gave no good answer in 1 run of default (2026-01-16), and has not come back",
        "two on laptop was not in 2 runs of default (2026-01-09 to 2026-01-10), and came back on 2026-01-11",
    )


def test_contexts_that_nobody_shares_say_which_field_made_them_so() -> None:
    gpu = daily_runs([8], model=lambda day, name: {"device": "GPU"})
    kiosk = daily_runs([9], run=lambda day: {"machine_name": "kiosk"})
    turned = daily_runs([10])[0]
    pairing = Pairing(side="A", other="laptop/other", blocks=("A", "B"))
    turned = turned.model_copy(update={"run": turned.run.model_copy(update={"pairing": pairing})})

    assert notes_of(page_of(site_of(*daily_runs(range(8)), *gpu, *kiosk, turned)))["Runs alone in their context"] == (
        "tiny on laptop (CPU), in turns, 2026-01-15 09:00 UTC: differs from its other runs in load one stream → one "
        "stream, in turns",
        "tiny on kiosk (CPU), 2026-01-14 09:00 UTC: the only run of this model on this machine",
        "tiny on laptop (GPU), 2026-01-13 09:00 UTC: differs from its other runs in device CPU → GPU",
    )


def test_runs_that_began_in_the_same_second_say_how_they_are_ordered() -> None:
    twice = daily_runs(range(6), run=lambda day: {"started_utc": moment(max(day, 1))})
    pairing = Pairing(side="A", other="laptop/other", blocks=("A", "B"))
    turned = [
        one.model_copy(update={"run": one.run.model_copy(update={"pairing": pairing})})
        for one in daily_runs([6, 7], run=lambda day: {"started_utc": moment(9)})
    ]

    notes = notes_of(page_of(site_of(*twice, *turned)))

    assert notes["Runs that began in the same second"] == ("laptop, 2026-01-06 09:00 UTC: 2 runs",)
    assert "Runs that began in the same second" not in notes_of(page_of(site_of(*turned)))


def test_more_notes_than_fit_are_counted() -> None:
    machines = [daily_runs([day], run=lambda day: {"machine_name": f"kiosk-{day}"})[0] for day in range(11)]

    (alone,) = page_of(site_of(*machines)).notes
    assert (len(alone.lines), alone.more) == (8, 3)


def test_a_change_beyond_all_measure_is_told_in_words() -> None:
    assert form.effect(0.12) == "+12.0 %"
    assert form.effect(1.4) == "×2.4"
    assert form.effect(999.0) == "×1,000"
    assert form.effect(1e300) == "over ×1,000"
    assert form.effect(float("inf")) == "over ×1,000"
    assert form.effect(-0.5) == "−50.0 %"
    assert form.effect(-1 + 1e-9) == "below −99.9 %"


def test_levels_stand_in_one_unit() -> None:
    made = site_of(
        *daily_runs(
            range(20),
            model=lambda day, name: {"memory_peak_bytes": (900_000_000 if day >= STEP else 1_100_000_000) + day},
        )
    )

    assert levels_text(entry_of(made).whole[0]) == "1.10 → 0.900\u00a0GB"


def test_a_run_on_an_unsteady_machine_agrees_with_nothing() -> None:
    made = site_of(
        *daily_runs(
            range(STEP + 2), slower=slower, model=lambda day, name: {"machine_watch": watched(steady=day < STEP)}
        )
    )

    (entry,) = page_of(made).suspected
    assert {row[4] for row in texts(entry.table)} == {"none on a steady machine"}


def test_the_viewer_shows_what_shifted_with_a_run() -> None:
    made = stepped()
    at, before = made.summaries[STEP], made.summaries[STEP - 1]

    (section,) = changes_section(made, at)
    assert section["says"] == (
        "It is the first run at the new level. Changed with it: onnxruntime 1.30.0 → 1.31.0. Prompt by prompt there "
        "are 2 more."
    )
    assert [row[0]["t"] for row in section["rows"]] == ["Decode", "Latency", "Throughput"]
    assert changes_section(made, before) == []
    assert run_data_later(at, [section], None) == {"sections": [section], "answers": []}
    data = run_data(made.whole.of(at.result.run.id))
    assert data["sections"][data["later_at"] - 1]["heading"] == "Models"


def moment(day: int) -> datetime:
    return builders.STARTED_UTC + timedelta(days=day)


def since(made: Site) -> Since:
    return since_last_run(made, made.boards[0], "index.html")


def test_since_the_last_run_nothing_changed() -> None:
    found = since(site_of(*daily_runs(range(20), models=["one", "two"])))

    assert found.sentence == (
        "Nothing changed. Compared: 11 metrics of 2 models against up to 19 runs before in the same context."
    )
    assert (found.news, found.before) == ((), "2026-01-23 09:00 UTC")
    assert found.before_href == "report/run.html?run=laptop/20260123T090000Z-0000000012-default"


def test_since_the_last_run_something_is_suspected_then_confirmed_then_known() -> None:
    made = stepped()
    day = (made.shifts.confirmed_by(entry_of(made).leading).run.started_utc - builders.STARTED_UTC).days
    states = {days: since(stepped(days)).news for days in (STEP, STEP + 1, day + 1, day + 2)}

    assert [[news.status for news in some] for some in states.values()] == [[], ["suspected"], ["confirmed"], []]
    (news,) = states[STEP + 1]
    assert news.names == "tiny"
    assert news.text.startswith("3 metrics are worse since 2026-01-17 09:00 UTC: Decode −")
    assert news.text.endswith("% and 1 more. Changed with it: onnxruntime 1.30.0 → 1.31.0.")
    assert news.href == f"report/changes.html#{entry_of(stepped(STEP + 1)).id}"


def test_since_the_last_run_of_a_new_machine_or_a_short_history() -> None:
    assert since(site_of(*daily_runs(range(1)))).sentence == (
        "The first run on this machine: there is nothing to compare it with yet."
    )
    assert since(site_of(*daily_runs(range(4)))).sentence == (
        "Too early to say what changed: there are 4 runs in this context, and a change can be suspected from 6 on."
    )


def test_since_the_last_run_a_run_in_another_context_says_in_what() -> None:
    runs = daily_runs(range(8), models=["one", "two"], model=lambda day, name: {"device": "GPU" if day == 7 else "CPU"})
    found = since(site_of(*runs))

    assert found.sentence == "No model of this run has run before in the same context: nothing can be compared."
    (news,) = found.news
    assert (news.status, news.names, news.href) == ("", "one and two", "")
    assert news.text == "first run in this context: it differs from the one before in device CPU → GPU."


def test_since_the_last_run_other_prompts_are_no_change_of_context_to_explain() -> None:
    *runs, last = daily_runs(range(3), models=["one", "two"])
    asked = last.prompt_set.model_copy(update={"id": "notes", "sha256": "6" * 64})
    found = since(site_of(*runs, last.model_copy(update={"prompt_set": asked})))

    (news,) = found.news
    assert (news.names, news.text) == ("one and two", "first run with these prompts on this machine.")


def test_since_the_last_run_models_came_and_went() -> None:
    runs = list(daily_runs(range(8), models=["one", "two", "three"]))
    runs = [run.model_copy(update={"models": run.models[:2]}) for run in runs]
    last = daily_runs([8], models=["one", "three"])[0]
    found = since(site_of(*runs, last))

    assert [(news.names, news.text) for news in found.news] == [
        ("two", "not in this run, after 8 runs on this machine."),
        ("three", "first run on this machine."),
    ]


def test_since_the_last_run_there_are_a_few_lines_at_most() -> None:
    names = [f"model-{number}" for number in range(9)]
    found = since(site_of(*daily_runs(range(STEP + 1), models=names, slower=slower)))

    assert (len(found.news), found.more) == (5, 4)


def test_the_overview_marks_a_model_that_changed() -> None:
    (section,) = views(overview(stepped()).sections)
    (suspected,) = views(overview(stepped(13)).sections)
    (steady,) = views(overview(site_of(*daily_runs(range(20)))).sections)

    history = [table.rows[0][-1].small for one in (section, suspected, steady) if (table := one.table) is not None]
    assert history == [
        "speed, 20 runs · ▼ worse since 2026-01-17",
        "speed, 13 runs · ▼ worse since 2026-01-17 (suspected)",
        "speed, 20 runs",
    ]


def test_a_history_has_a_mark_for_each_change_and_steps_between_the_confirmed_ones() -> None:
    page = on_machine(stepped(), "tiny", "laptop", "report/models/tiny.html")

    speed, ttft, *_ = page.histories
    (mark,) = speed.spec["datasets"]["shifts"]
    assert (mark["date"], mark["status"]) == ("2026-01-17T09:00:00Z", "confirmed")
    assert mark["suspects"] == "Changed with it: onnxruntime 1.30.0 → 1.31.0."
    before, after = speed.spec["datasets"]["levels"]
    assert (before["date"], before["until"]) == ("2026-01-05T09:00:00Z", "2026-01-17T09:00:00Z")
    assert (after["date"], after["until"]) == ("2026-01-17T09:00:00Z", "2026-01-24T09:00:00Z")
    assert after["value"] / before["value"] == pytest.approx(0.8, abs=0.02)
    assert "Confirmed on 2026-01-17: −" in speed.sentence
    assert speed.caption.endswith("Changed with it: onnxruntime 1.30.0 → 1.31.0.")
    assert set(ttft.spec["datasets"]) == {"runs"}


def test_a_suspected_change_is_marked_without_steps() -> None:
    speed = on_machine(stepped(13), "tiny", "laptop", "report/models/tiny.html").histories[0]

    assert [mark["status"] for mark in speed.spec["datasets"]["shifts"]] == ["suspected"]
    assert "levels" not in speed.spec["datasets"]
    assert "Dashed: a suspected change." in speed.caption


def test_the_chart_of_a_history_with_changes(snapshot: SnapshotAssertion) -> None:
    row: charts.Datum = {"run": "1a2b3c4", "machine": "steady"}
    dates = ["2026-01-05T09:00:00Z", "2026-01-06T09:00:00Z", "2026-01-07T09:00:00Z"]
    shift: charts.Datum = {"change": "+22.0 % (18.0 % to 26.0 %)", "suspects": "Changed with it: onnxruntime 1 → 2."}

    spec = charts.history(
        [row | {"date": date, "value": value} for date, value in zip(dates, [5.0, 6.1, 7.0], strict=True)],
        charts.axis("TTFT (ms)", [5.0, 7.0]),
        Mark(2, "square"),
        with_points=True,
        shifts=[
            shift | {"date": dates[1], "status": "confirmed"},
            shift | {"date": dates[2], "status": "suspected"},
        ],
        levels=[
            {"date": dates[0], "until": dates[1], "value": 5.0},
            {"date": dates[1], "until": dates[2], "value": 6.1},
        ],
    )

    assert spec == snapshot(extension_class=JSONSnapshotExtension)


def parsed(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text.encode())


def test_the_feed_is_atom_with_an_entry_for_each_confirmed_change() -> None:
    made = stepped()
    root = parsed(feed(made))

    assert root.tag == f"{ATOM}feed"
    assert root.findtext(f"{ATOM}id") == "tag:benchledger,2026:changes/laptop/20260105T090000Z-0000000000-default"
    assert root.findtext(f"{ATOM}title") == "Benchledger: confirmed changes"
    assert root.findtext(f"{ATOM}author/{ATOM}name") == "Benchledger"
    assert {link.get("rel"): link.get("href") for link in root.findall(f"{ATOM}link")} == {
        "self": "changes.xml",
        "alternate": "changes.html",
    }
    (entry,) = root.findall(f"{ATOM}entry")
    confirmed = form.stamp(made.shifts.confirmed_by(entry_of(made).leading).run.started_utc)
    assert entry.findtext(f"{ATOM}id") == (
        "tag:benchledger,2026:change/laptop/20260117T090000Z-000000000c-default/tiny"
    )
    assert entry.findtext(f"{ATOM}title") == "tiny on laptop: 3 metrics are worse"
    assert entry.findtext(f"{ATOM}updated") == entry.findtext(f"{ATOM}published") == confirmed
    assert root.findtext(f"{ATOM}updated") == confirmed
    (link,) = entry.findall(f"{ATOM}link")
    assert link.get("href") == f"changes.html#{entry_of(made).id}"
    summary = entry.findtext(f"{ATOM}summary") or ""
    assert summary.startswith("Since 2026-01-17 09:00 UTC.\nDecode: ")
    assert summary.endswith("Changed with it: onnxruntime 1.30.0 → 1.31.0.")


def test_the_id_of_an_entry_stays_when_runs_are_added() -> None:
    ids = [
        [entry.findtext(f"{ATOM}id") for entry in parsed(feed(stepped(days))).findall(f"{ATOM}entry")]
        for days in (20, 25)
    ]

    assert ids[0] == ids[1]


def test_links_of_the_feed_start_from_the_site_s_address_where_there_is_one() -> None:
    for address in ("https://example.org/bench", "https://example.org/bench/"):
        root = parsed(feed(stepped(), address))
        links = [link.get("href") or "" for link in root.iter(f"{ATOM}link")]

        assert links[:2] == [
            "https://example.org/bench/report/changes.xml",
            "https://example.org/bench/report/changes.html",
        ]
        assert links[2] == f"https://example.org/bench/report/changes.html#{entry_of(stepped()).id}"


def test_a_feed_without_a_confirmed_change_has_the_date_of_the_newest_run() -> None:
    root = parsed(feed(stepped(13)))

    assert root.findall(f"{ATOM}entry") == []
    assert root.findtext(f"{ATOM}updated") == "2026-01-17T09:00:00Z"


def test_a_feed_needs_a_run() -> None:
    with pytest.raises(ValueError, match=r"^a feed needs a date, and there is no run$"):
        feed(site(Ledger((), ())))


HOSTILE = (*HOSTILE_TEXTS, "]]><entry/>", "not a character \ufffe\uffff")


@pytest.mark.parametrize("name", HOSTILE)
def test_the_feed_is_well_formed_whatever_a_model_is_called(name: str) -> None:
    made = site_of(*daily_runs(range(20), models=[name], prompts=1, slower=slower))
    text = feed(made)

    (entry,) = parsed(text).findall(f"{ATOM}entry")
    (link,) = entry.findall(f"{ATOM}link")
    assert len(list(entry)) == 6
    assert (link.get("href") or "").startswith("changes.html#change-laptop-20260117t090000z-")
    assert not set(entry.findtext(f"{ATOM}id") or "") & set(" <>\"'`{}|\\^\n\t")


def hostile_runs() -> tuple[Result, ...]:
    """Return runs that change, in which every name and every noted value is hostile."""
    versions = {text: text for text in HOSTILE_TEXTS}
    return daily_runs(
        range(16),
        models=HOSTILE_TEXTS[:3],
        slower=slower,
        model=lambda day, name: {"device": HOSTILE_TEXTS[0], "execution_provider": HOSTILE_TEXTS[1]},
        run=lambda day: {
            "run": builders.run_info(started_utc=moment(day), id=f"laptop/{day}-{HOSTILE_TEXTS[1]}"),
            "machine": builders.machine(
                versions={name: f"{text} {'new' if day >= STEP else 'old'}" for name, text in versions.items()}
            ),
        },
    )


@pytest.mark.slow
def test_hostile_names_and_suspects_stay_text(tmp_path: Path, drawn: Path) -> None:
    made = site_of(*hostile_runs())
    write_site(whole_ledger(made), tmp_path, TEMPLATES, drawn)

    assert page_of(made).confirmed
    page = (tmp_path / "report" / "changes.md").read_text(encoding="utf-8")
    front, body = page.split("---\n", 2)[1:]
    assert "<" not in front
    for word in ("<script", "onerror=alert(1)>", "<h1>big", "```", "{{", "{%", "\x02", "\u202e"):
        assert word not in body, word
    assert len(parsed((tmp_path / "report" / "changes.xml").read_text(encoding="utf-8")).findall(f"{ATOM}entry")) == 3


def test_the_same_ledger_gives_the_same_feed(tmp_path: Path, drawn: Path) -> None:
    ledger = Ledger(daily_runs(range(16), slower=slower), ())
    for folder in ("one", "two"):
        write_site(ledger, tmp_path / folder, TEMPLATES, drawn)

    first, second = ((tmp_path / folder / "report" / "changes.xml").read_bytes() for folder in ("one", "two"))
    assert first == second


def test_the_page_of_a_change(tmp_path: Path, drawn: Path, snapshot: SnapshotAssertion) -> None:
    write_site(whole_ledger(stepped()), tmp_path, TEMPLATES, drawn)

    text = (tmp_path / "report" / "changes.md").read_text(encoding="utf-8")
    assert text == snapshot(extension_class=MarkdownExtension)


def test_an_empty_ledger_has_no_feed_and_the_page_offers_none(tmp_path: Path, drawn: Path) -> None:
    write_site(Ledger((), ()), tmp_path, TEMPLATES, drawn)

    assert not (tmp_path / "report" / "changes.xml").exists()
    assert "changes.xml" not in (tmp_path / "report" / "changes.md").read_text(encoding="utf-8")


def test_the_page_names_its_feed_for_readers_and_for_programs(tmp_path: Path, drawn: Path) -> None:
    write_site(Ledger(daily_runs(range(3)), ()), tmp_path, TEMPLATES, drawn)

    page = (tmp_path / "report" / "changes.md").read_text(encoding="utf-8")
    assert (
        '<link rel="feed alternate" type="application/atom+xml" title="Confirmed changes" href="changes.xml">' in page
    )
    assert '<a href="changes.xml">Atom</a>' in page


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("site_url: https://example.org/bench/", "https://example.org/bench/"),
        ("site_name: Benchledger", None),
        ("site_url:", None),
        ("site_url: !ENV BENCH_TEST_SITE_URL", "https://from.example/"),
        ("- a list", None),
        ("", None),
        ("site_url: [", None),
    ],
)
def test_the_site_s_address_is_that_of_mkdocs(
    config: str, expected: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_TEST_SITE_URL", "https://from.example/")
    path = tmp_path / "mkdocs.yml"
    path.write_text(config, encoding="utf-8")

    assert site_url(path) == expected


def test_the_command_takes_the_address_from_mkdocs(tmp_path: Path) -> None:
    Project.new(tmp_path)
    (tmp_path / "site_templates").symlink_to(TEMPLATES)
    with (tmp_path / "mkdocs.yml").open("a", encoding="utf-8") as config:
        config.write("\nsite_url: https://example.org/bench/\n")
    for result in daily_runs(range(2)):
        save(result, tmp_path / "results")

    arguments = ["site", "--pages-only", "--project", str(tmp_path), "--results", str(tmp_path / "results")]
    with drawn_once(tmp_path / ".cache" / "site"):
        done = CliRunner().invoke(main, arguments)

    assert done.exit_code == 0, done.output
    written = (tmp_path / "docs" / "report" / "changes.xml").read_text(encoding="utf-8")
    assert 'href="https://example.org/bench/report/changes.xml"' in written
