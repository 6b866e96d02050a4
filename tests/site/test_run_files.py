"""The files of a run below the site's data: their size, what they go by, and what a reader takes along."""

import gzip
import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from bench.analysis.summary import summarise
from bench.site.dataset import site
from bench.site.pages.runs import run_data
from bench.site.run_files import packed, run_files, run_later, runs_with_later, samples_csv
from bench.store.files import Ledger, dump, load, result_paths
from tests import builders
from tests.daily_runs import daily_runs
from tests.hostile_answers import hostile_ledger
from tests.site_project import FIXTURES, ROOT

FILES = [*result_paths(ROOT / "results"), *result_paths(FIXTURES)]
"""Default runs and one of summaries, and runs with and without levels of load."""


def called(script: bytes) -> tuple[str, Any]:
    """Return the function that a data file calls, and what it hands over."""
    function, _, rest = script.decode().partition("(")
    return function.removeprefix("benchledger."), json.loads(rest.removesuffix(");\n"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_files_of_a_run_are_no_larger_than_its_result_file(path: Path) -> None:
    content = path.read_bytes()

    files = dict(run_files(summarise(load(path)), content))

    assert sum(len(one) for one in files.values()) <= len(content)


def test_the_files_of_a_long_run_are_less_than_two_thirds_of_its_result_file() -> None:
    path = max(FILES, key=lambda one: one.stat().st_size)
    content = path.read_bytes()

    files = dict(run_files(summarise(load(path)), content))

    assert sum(len(one) for one in files.values()) < len(content) * 2 / 3


def test_the_result_file_is_taken_along_byte_for_byte() -> None:
    path = ROOT / "tests" / "fixtures" / "versions" / "1.json"
    summary = summarise(load(path))
    name = f"runs/{summary.result.run.id}"

    files = dict(run_files(summary, path.read_bytes()))

    assert list(files) == [f"{name}.js", f"{name}.json.gz", f"{name}.csv.gz"]
    assert gzip.decompress(files[f"{name}.json.gz"]) == path.read_bytes()
    assert gzip.decompress(files[f"{name}.csv.gz"]).decode() == samples_csv(summary.result)


def test_without_a_file_the_result_is_taken_along_as_it_would_be_saved() -> None:
    summary = summarise(builders.result())

    files = dict(run_files(summary))

    assert gzip.decompress(files[f"runs/{summary.result.run.id}.json.gz"]).decode() == dump(summary.result)


def test_a_worker_gets_the_result_alone_and_gives_the_same_bytes() -> None:
    summary = summarise(load(FILES[0]))

    assert list(run_files(pickle.loads(pickle.dumps(summary)))) == list(run_files(summary))


def test_each_text_of_a_table_is_held_once() -> None:
    summary = summarise(load(FILES[0]))
    data = run_data(summary)

    found = packed(data)

    texts = found["texts"]
    assert len(set(texts)) == len(texts)
    plain = next(section for section in data["sections"] if section["heading"].startswith("Samples of"))
    short = next(section for section in found["sections"] if section["heading"] == plain["heading"])
    assert [[texts[place] for place in row] for row in short["rows"]] == plain["rows"]
    rich = next(section for section in data["sections"] if section["heading"] == "Models")
    cells = next(section for section in found["sections"] if section["heading"] == "Models")["rows"]
    for row, packed_row in zip(rich["rows"], cells, strict=True):
        for cell, (text, kind, *rest) in zip(row, packed_row, strict=True):
            small, letter, best = [*(texts[place] for place in rest[:2]), *rest[2:]] if rest else ["", "", 0]
            assert {"t": texts[text], "k": texts[kind], "s": small, "n": letter, "b": best} == cell


def test_what_is_known_later_is_a_file_only_where_there_is_something() -> None:
    made = site(Ledger(daily_runs(range(3)), ()))

    assert [run_later(made, summary) for summary in made.summaries] == [None] * 3
    assert runs_with_later(made) == ()


def test_reviews_and_shifts_change_nothing_but_the_file_of_what_is_known_later() -> None:
    ledger, reviews = hostile_ledger()
    without, reviewed = site(ledger), site(ledger, reviews)

    for before, after in zip(without.summaries, reviewed.summaries, strict=True):
        assert list(run_files(before)) == list(run_files(after))
    assert [run_later(without, one) for one in without.summaries] == [None, None]
    old, new = reviewed.summaries
    assert run_later(reviewed, old) is None
    assert runs_with_later(reviewed) == (new.result.run.id,)
    found = run_later(reviewed, new)
    assert found is not None
    name, script = found
    assert name == f"later/{new.result.run.id}.js"
    function, data = called(script)
    assert function == "later"
    assert [section["heading"] for section in data["sections"]] == ["Quality by source", "What to know of the judges"]
    answers = called(next(run_files(new))[1])[1]["answers"]
    assert len(data["answers"]) == len(answers)


def test_no_text_of_a_data_file_is_markup_or_ends_its_call() -> None:
    ledger, reviews = hostile_ledger()
    made = site(ledger, reviews)

    for summary in made.summaries:
        later = run_later(made, summary)
        scripts = [next(run_files(summary))[1], *([] if later is None else [later[1]])]
        for script in scripts:
            assert b"<" not in script
            assert script.count(b"\n") == 1
            assert called(script)[0] in ("show", "later")
