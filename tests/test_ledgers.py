"""Ledgers made out of one real run, and what is measured of a command."""

import sys
from pathlib import Path

from click.testing import CliRunner

from bench.store.files import load, load_tree
from tests.benchmarks.asv_projects import SERIES, write_asv_project
from tests.benchmarks.ledgers import Maker, newest_run, write_runs
from tests.benchmarks.site import built, cost_of, main

FIXTURES = Path(__file__).parent / "fixtures" / "results"
RUNS = 5


def maker(seed: int = 1, machines: int = 2) -> Maker:
    """Return a maker that begins with the run that ships with the tests."""
    return Maker(newest_run(FIXTURES), seed, machines)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.json")}


def test_every_run_is_a_valid_result_file(tmp_path: Path) -> None:
    paths = write_runs(maker(), tmp_path, RUNS, jobs=1)

    ledger = load_tree(tmp_path)

    assert ledger.refused == ()
    assert [tmp_path / f"{result.run.id}.json" for result in ledger.results] == list(paths)
    assert [result.machine.name for result in ledger.results] == ["edge-01", "edge-02", "edge-01", "edge-02", "edge-01"]
    assert len({result.run.commit for result in ledger.results}) == RUNS


def test_the_same_seed_gives_the_same_files_and_another_seed_others(tmp_path: Path) -> None:
    for folder, seed in (("one", 1), ("same", 1), ("other", 2)):
        write_runs(maker(seed), tmp_path / folder, RUNS, jobs=1)

    assert contents(tmp_path / "one") == contents(tmp_path / "same")
    assert not contents(tmp_path / "one").keys() & contents(tmp_path / "other").keys()


def test_a_short_ledger_is_the_beginning_of_a_long_one(tmp_path: Path) -> None:
    short = write_runs(maker(), tmp_path / "short", RUNS, jobs=1)
    long = write_runs(maker(), tmp_path / "long", 45, jobs=2)

    assert [path.read_bytes() for path in short] == [path.read_bytes() for path in long[:RUNS]]


def test_times_change_and_what_was_said_does_not() -> None:
    source = load(newest_run(FIXTURES))

    made = maker().result(0)

    assert (made.outputs, made.grades, made.prompt_set) == (source.outputs, source.grades, source.prompt_set)
    for before, after in zip(source.models, made.models, strict=True):
        for one, other in zip(before.samples, after.samples, strict=True):
            assert (one.prompt, one.output, len(one.chunk_ns)) == (other.prompt, other.output, len(other.chunk_ns))
            assert one.end_ns is None or one.end_ns != other.end_ns


def test_machines_differ_in_speed_and_histories_have_levels() -> None:
    one = maker()
    models = [[one.result(number).models[0].cold_load_ns for number in range(first, 60, 2)] for first in (0, 1)]
    medians = [sorted(filter(None, values))[len(values) // 2] for values in models]

    assert max(medians) / min(medians) > 1.05


def test_runs_that_are_there_are_not_written_again(tmp_path: Path) -> None:
    (first, *_) = write_runs(maker(), tmp_path, 1, jobs=1)
    first.write_text("kept")
    told: list[int] = []

    write_runs(maker(), tmp_path, 2, jobs=1, written=told.append)

    assert first.read_text() == "kept"
    assert told == [1, 1]


def test_a_command_costs_what_its_children_take_too(tmp_path: Path) -> None:
    busy = "import time\nwhile time.process_time() < 0.3: pass"
    parent = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {busy!r}], check=True)"

    cost = cost_of([sys.executable, "-c", parent], tmp_path, {})

    assert 0.3 <= cost.cpu_s < 3
    assert cost.mkdocs_cpu_s is None
    assert cost.memory_together_bytes >= cost.memory_peak_bytes > 1_000_000


def test_a_built_site_is_told_by_its_files(tmp_path: Path) -> None:
    (tmp_path / "report").mkdir()
    for name, size in (("index.html", 10), ("report/models.html", 30), ("report/data.js", 100)):
        (tmp_path / name).write_bytes(b"x" * size)

    found = built(tmp_path)

    assert (found.site_bytes, found.pages, found.largest_page, found.largest_page_bytes) == (
        140,
        2,
        "report/models.html",
        30,
    )


def test_a_project_of_asv_has_a_result_of_each_commit(tmp_path: Path) -> None:
    size_bytes = write_asv_project(tmp_path, 3, seed=1)

    results = list((tmp_path / "results" / "edge-01").glob("*-existing-py3.json"))
    assert len(results) == 3
    assert sum(path.stat().st_size for path in results) == size_bytes
    assert results[0].read_text().count("time_") == SERIES


def test_a_cell_that_is_none_is_told() -> None:
    done = CliRunner().invoke(main, ["--cells", "3x30"])

    assert done.exit_code == 2
    assert "found '3x30'; a cell is RUNSxMACHINES, as in 300x30, with a run a machine" in done.output


def test_a_step_that_is_none_is_told() -> None:
    done = CliRunner().invoke(main, ["--steps", "warm"])

    assert done.exit_code == 2
    assert "found 'warm'; allowed are cold, again, one" in done.output
