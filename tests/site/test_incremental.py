"""What is kept between builds never shows: after every change the pages are those of a build from nothing.

A cache may be old, cut short, mixed up or read-only; files may be replaced, damaged or gone; builds may meet or be
killed.
"""

import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from bench.cli import main
from bench.store.cache import FORM
from tests.changing_ledger import (
    MACHINES,
    OF_ALL,
    REWORDED,
    Project,
    bench,
    differences,
    replace_in_place,
    started,
    write_review,
    write_run,
)
from tests.site_project import TEMPLATES, drawn_once, keep_drawn

BUILT = "Built "

Step = Callable[[Project, np.random.Generator], None]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project with two runs of each of six machines, built once; nobody changes it."""
    made = Project.new(tmp_path_factory.mktemp("built") / "project")
    for machine in MACHINES:
        for day in range(2):
            write_run(made.results, machine, day, seed=1)
    with drawn_once(made.cache):
        made.build()
    return made


@pytest.fixture
def project(built: Project, tmp_path: Path) -> Project:
    """Return a copy of the built project, to be changed."""
    shutil.copytree(built.root, tmp_path / "project")
    return Project(tmp_path / "project")


def _one(rng: np.random.Generator, paths: list[Path]) -> Path:
    return paths[int(rng.integers(len(paths)))]


def _number(rng: np.random.Generator) -> int:
    return int(rng.integers(10, 10_000))


def new_run(project: Project, rng: np.random.Generator) -> None:
    """A new run on an old machine, the newest of all."""
    write_run(project.results, MACHINES[int(rng.integers(len(MACHINES)))], _number(rng), _number(rng))


def new_machine(project: Project, rng: np.random.Generator) -> None:
    """A machine that was never seen."""
    write_run(project.results, f"new-{_number(rng)}", _number(rng), _number(rng))


def other_wording(project: Project, rng: np.random.Generator) -> None:
    """The newest wording of a prompt is another machine's now, and boards of all others say that theirs differs."""
    write_run(project.results, REWORDED, 10_000 + _number(rng), _number(rng))


def renamed_folder(project: Project, rng: np.random.Generator) -> None:
    """The runs of a machine lie in a folder of another name, and a person scores one of them."""
    for path in project.runs():
        if path.parent.name == "anna":
            text = path.read_text(encoding="utf-8").replace('"id": "anna/', '"id": "lab/')
            (project.results / "lab").mkdir(exist_ok=True)
            (project.results / "lab" / path.name).write_text(text, encoding="utf-8")
            path.unlink()
    project.build()
    paths = sorted((project.results / "lab").glob("*.json"))
    write_review(paths[-1], project.results, int(rng.integers(1, 6)))


def old_machine_comes_late(project: Project, rng: np.random.Generator) -> None:
    """A run that is older than all others: models appear in another order."""
    write_run(project.results, "ancient", -(_number(rng) % 2_000), _number(rng), (f"old-{_number(rng)}", *OF_ALL[::-1]))


def new_model(project: Project, rng: np.random.Generator) -> None:
    """A model that nobody ran before, on one machine."""
    write_run(project.results, "emil", _number(rng), _number(rng), (*OF_ALL, f"new-{_number(rng)}"))


def run_removed(project: Project, rng: np.random.Generator) -> None:
    """A result file is gone."""
    _one(rng, project.runs()).unlink()


def review_written(project: Project, rng: np.random.Generator) -> None:
    """A person scores a run, or changes what was said before."""
    write_review(_one(rng, project.runs()), project.results, int(rng.integers(1, 6)))


def review_removed(project: Project, rng: np.random.Generator) -> None:
    """A person's file is gone."""
    found = sorted(project.results.rglob("*.yaml"))
    if found:
        _one(rng, found).unlink()


def replaced_in_place(project: Project, rng: np.random.Generator) -> None:
    """Another file of the same name, size and time."""
    replace_in_place(_one(rng, [path for path in project.runs() if "memory_peak_bytes" in path.read_text()]))


def damaged(project: Project, rng: np.random.Generator) -> None:
    """A result file that is cut short."""
    path = _one(rng, project.runs())
    data = path.read_bytes()
    path.write_bytes(data[: int(rng.integers(len(data)))])


def mended(project: Project, rng: np.random.Generator) -> None:
    """Damaged files are whole again, with other numbers."""
    for path in project.runs():
        if not path.read_bytes().endswith(b"}\n"):
            machine, day = path.parent.name, int(path.stem.split("-")[1], 16)
            path.unlink()
            write_run(project.results, machine, day, _number(rng))


def pages_tampered(project: Project, rng: np.random.Generator) -> None:
    """Generated files are edited, gone, or something else."""
    report = project.docs / "report"
    files = sorted(path for path in report.rglob("*") if path.is_file())
    for path in (_one(rng, files) for _ in range(6)):
        if path.exists():
            path.write_bytes(path.read_bytes() + b" ")
    for path in (_one(rng, files) for _ in range(6)):
        path.unlink(missing_ok=True)
    for pattern in ("data/runs/*/*.js", "data/parts/*/*.js", "data/parts/index-*/*.js", "*.md"):
        path = _one(rng, sorted(one for one in report.glob(pattern) if one.is_file()))
        path.unlink()
        if rng.random() < 0.5:
            path.mkdir()
            (path / "in the way").touch()
    (report / "data" / "left.js").write_text("left", encoding="utf-8")


def cache_deleted(project: Project, rng: np.random.Generator) -> None:
    """All that was kept is gone."""
    shutil.rmtree(project.root / ".cache")


def cache_spoiled(project: Project, rng: np.random.Generator) -> None:
    """Each kept file is as it was, cut short, empty, garbage, gone, a folder, another one, or of another version."""
    files = sorted(path for path in project.cache.rglob("*") if path.is_file() and path.name != "lock")
    for path in files:
        data = path.read_bytes()
        match int(rng.integers(8)):
            case 0:
                path.write_bytes(data[: int(rng.integers(len(data) + 1))])
            case 1:
                path.write_bytes(b"")
            case 2:
                path.write_bytes(rng.bytes(100))
            case 3:
                path.unlink()
            case 4:
                path.unlink()
                path.mkdir()
            case 5:
                path.write_bytes(_one(rng, [one for one in files if one.is_file()]).read_bytes())
            case 6:
                path.write_bytes(data.replace(FORM.encode(), b"benchledger cache 0", 1))


def cache_mixed_up(project: Project, rng: np.random.Generator) -> None:
    """Whole entries lie under the keys of others."""
    for folder in sorted(path for path in project.cache.iterdir() if path.is_dir()):
        files = sorted(path for path in folder.iterdir() if path.is_file())
        contents = [path.read_bytes() for path in files]
        for path, content in zip(files, contents[1:] + contents[:1], strict=True):
            path.write_bytes(content)


def template_changed(project: Project, rng: np.random.Generator) -> None:
    """The project has a template of its own, another one, or none any more."""
    project.templates.mkdir(exist_ok=True)
    for path in project.templates.iterdir():
        path.unlink()
    name = ("prompt.md.j2", "_parts.j2", "overview.md.j2")[int(rng.integers(3))]
    if rng.random() < 0.8:
        text = (TEMPLATES / name).read_text(encoding="utf-8")
        text = text.replace("How to read this", f"How to read {_number(rng)}").replace("the whole run", "all of it")
        (project.templates / name).write_text(text, encoding="utf-8")


def other_version(project: Project, rng: np.random.Generator) -> None:
    """What is kept was written by another version of the program."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.store.cache.FORM", "benchledger cache 0")
        project.build()


STEPS: tuple[Step, ...] = (
    new_run,
    new_machine,
    old_machine_comes_late,
    new_model,
    run_removed,
    review_written,
    review_removed,
    replaced_in_place,
    damaged,
    mended,
    pages_tampered,
    other_wording,
    renamed_folder,
    cache_deleted,
    cache_spoiled,
    cache_mixed_up,
    template_changed,
    other_version,
)


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
def test_each_change_gives_the_pages_of_a_build_from_nothing(step: Step, project: Project, tmp_path: Path) -> None:
    rng = np.random.default_rng(7)

    step(project, rng)
    project.build()
    # What a step spoiled of them was there before, and is kept since then.
    keep_drawn(project.cache)

    assert differences(project.pages(), project.cold(tmp_path / "cold")) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_changes_one_after_the_other_leave_no_trace(seed: int, project: Project, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)

    for number in rng.integers(len(STEPS), size=5):
        STEPS[number](project, rng)
        project.build()

    assert differences(project.pages(), project.cold(tmp_path / "cold")) == []


@pytest.mark.slow
@pytest.mark.parametrize("own_docs", [True, False], ids=["own docs", "shipped docs"])
def test_a_cache_that_cannot_be_written_makes_no_difference(own_docs: bool, project: Project, tmp_path: Path) -> None:
    wanted = project.cold(tmp_path / "cold")
    shutil.rmtree(project.root / ".cache")
    (project.root / ".cache").touch()
    if not own_docs:
        shutil.rmtree(project.docs)
        (project.root / "mkdocs.yml").unlink()

    output = project.build().output if own_docs else bench(project, "site").stdout

    assert any(line.startswith("12 runs, ") for line in output.splitlines())
    assert (project.root / ".cache").read_bytes() == b""
    if own_docs:
        assert differences(project.pages(), wanted) == []
    else:
        assert (project.root / "site" / "report" / "data" / "runs.csv").read_bytes() == wanted["report/data/runs.csv"]


@pytest.mark.slow
@pytest.mark.parametrize("attempt", range(2))
def test_two_builds_at_once_give_what_one_gives(attempt: int, project: Project, tmp_path: Path) -> None:
    write_run(project.results, "anna", 30 + attempt, seed=1)
    shutil.rmtree(project.cache / "parts")

    both = [started(project, "site", "--pages-only") for _ in range(2)]
    outputs = [one.communicate(timeout=120) for one in both]

    assert [one.returncode for one in both] == [0, 0], outputs
    assert differences(project.pages(), project.cold(tmp_path / "cold")) == []


@pytest.mark.slow
@pytest.mark.parametrize("written", ["data/runs/new", "models/index.md", "runs.md"])
def test_a_build_that_was_killed_leaves_nothing_wrong(written: str, project: Project, tmp_path: Path) -> None:
    write_run(project.results, "new", 50, seed=1, models=("new", *OF_ALL))
    place = project.docs / "report" / written
    before = place.read_bytes() if place.is_file() else None

    build = started(project, "site", "--pages-only")
    while build.poll() is None and (not place.exists() or (place.is_file() and place.read_bytes() == before)):
        time.sleep(0.002)
    build.kill()
    build.communicate()
    assert build.returncode == -signal.SIGKILL
    project.build()

    assert differences(project.pages(), project.cold(tmp_path / "cold")) == []


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    project = Project.new(tmp_path)
    write_run(project.results, "anna", 0, seed=1)
    (project.docs / "report").touch()

    done = CliRunner().invoke(main, project.arguments("site", "--pages-only"))

    assert done.exit_code == 1
    assert f"{project.docs / 'report'}" in done.output
    assert "Traceback" not in done.output


@pytest.mark.slow
def test_a_build_is_made_where_something_of_it_changed_and_only_there(tmp_path: Path) -> None:
    project = Project.new(tmp_path / "project")
    for page in [*project.docs.glob("*.md"), *project.docs.glob("decisions/*.md")]:
        # What is in them is not asked here, and each build makes all of them.
        page.write_text("# Short\n", encoding="utf-8")
    shutil.copytree(TEMPLATES, project.templates)
    first, second = (write_run(project.results, "anna", day, seed=1, models=("tiny",)) for day in range(2))
    bad = project.results / "bad.json"
    bad.write_text("{", encoding="utf-8")
    left_out = f"bench: left out {bad}: is not whole JSON"
    with drawn_once(project.cache):
        assert BUILT in project.build(whole=True).stdout
    index = project.root / "site" / "index.html"
    samples = project.root / "site" / "report" / "data" / "runs" / "anna" / f"{first.stem}.csv.gz"
    of_pages = project.docs / samples.relative_to(project.root / "site")

    again = bench(project, "site")
    assert again.stdout.startswith("Nothing has changed since ")
    assert again.stderr.startswith(left_out)

    changes: tuple[Callable[[], object], ...] = (
        lambda: replace_in_place(first),
        lambda: (project.docs / "commands.md").write_text("# Commands\n\nNone.\n", encoding="utf-8"),
        lambda: _appended(project.templates / "runs.md.j2", "{# nothing #}"),
        lambda: _appended(project.root / "mkdocs.yml", "\ncopyright: nobody\n"),
        lambda: _appended(index, "by hand"),
        lambda: _appended(samples, "by hand"),
        index.unlink,
        (project.docs / "report" / "runs.md").unlink,
        second.unlink,
    )
    for change in changes:
        change()
        made = project.build(whole=True)
        assert BUILT in made.stdout
        assert made.stderr.startswith(left_out)
        assert "by hand" not in index.read_text(encoding="utf-8")
        assert b"by hand" not in samples.read_bytes()
        assert samples.read_bytes() == of_pages.read_bytes()
    assert bench(project, "site").stdout.startswith("Nothing has changed since ")


def _appended(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)
