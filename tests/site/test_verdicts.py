"""The page that explains verdicts: what its made-up examples show is so, and is said to be made up."""

import json
import re
from math import log1p
from pathlib import Path

import pytest

from bench.analysis.changes import changes
from bench.site.build import write_site
from bench.site.pages.verdicts import (
    RATIO,
    SLOWER,
    STEP_AT,
    TRIALS,
    TRUTH_S,
    UNSTEADY_AT,
    Verdicts,
    history,
    one_run,
    runs_again,
    turns,
    verdicts,
)
from bench.store.files import Ledger
from tests.site_project import TEMPLATES, built_once, drawn_once, fixture_ledger


def figures(page: Verdicts) -> tuple[str, ...]:
    return tuple(one.caption for one in (page.one_run, page.runs_again, page.history, page.turns))


def test_prompts_drawn_again_hold_the_truth_and_requests_do_not() -> None:
    made = one_run()

    assert made.by_prompts.low <= TRUTH_S <= made.by_prompts.high
    assert not made.by_requests.low <= TRUTH_S <= made.by_requests.high
    assert made.held >= 0.9 * TRIALS
    assert made.held_by_requests <= 0.75 * TRIALS


def test_between_ten_runs_a_fixed_ratio_cries_and_no_change_is_found() -> None:
    made = runs_again()
    against = [one.against_before for one in made if one.against_before is not None]

    assert changes([one.median for one in made]) == ()
    assert len(against) == len(made) - 1
    assert sum(abs(one) > RATIO for one in against) >= 3


def test_the_step_is_suspected_and_then_confirmed_without_the_unsteady_run() -> None:
    made = history()
    steady = [place for place in range(STEP_AT, made.confirmed + 1) if not made.drifted[place]]

    assert STEP_AT <= made.suspected < UNSTEADY_AT < made.confirmed
    assert len(steady) == 3
    assert len(made.alarms) == 1
    assert len(made.levels) == 2


def test_beside_its_neighbour_b_takes_what_it_takes() -> None:
    made = turns()

    assert made.beside.low <= log1p(SLOWER) <= made.beside.high
    assert log1p(made.one_after_the_other) > made.beside.high
    assert [side for side, _ in made.blocks[:4]] == ["A", "B", "B", "A"]


def test_each_figure_says_that_it_is_made_up_and_what_it_shows() -> None:
    page = verdicts()

    assert all(caption.startswith("Made up, not measured") for caption in figures(page))
    assert page.one_run.sentence.startswith("One run: its median is ")
    assert page.runs_again.sentence.endswith("would have cried 4 times.")
    assert page.history.sentence.startswith("A step at run 18: suspected at run 19, confirmed at run 21, +13.")
    assert "All of A first and then all of B would have said +1" in page.turns.caption


@pytest.mark.slow
def test_the_page_is_in_the_search_and_its_figures_are_not() -> None:
    # The page is the same for every ledger.
    built = built_once("fixtures", lambda: (fixture_ledger(), {}))
    index = json.loads((built / "search" / "search_index.json").read_text(encoding="utf-8"))

    said = " ".join(entry["text"] for entry in index["docs"] if entry["location"].startswith("report/verdicts.html"))
    assert "Why prompts and not requests?" in said
    assert "A long summary" not in said
    assert "datasets" not in said


def test_the_page_is_the_same_for_every_ledger(tmp_path: Path) -> None:
    with drawn_once(tmp_path / "cache") as cache:
        write_site(Ledger((), ()), tmp_path, TEMPLATES, cache)
    text = (tmp_path / "report" / "verdicts.md").read_text(encoding="utf-8")

    assert len(re.findall("<figure ", text)) == 4
    assert "search:" not in text
