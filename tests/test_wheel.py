"""The wheel: what is in it, and that it builds a site in a folder that has results and nothing else."""

import json
import os
import shutil
import site
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

from bench.site.project import site_project
from tests.conftest import shared_folder
from tests.site_project import FIXTURES, ROOT, drawn_once

pytestmark = pytest.mark.slow

SCRIPTS = "Scripts" if os.name == "nt" else "bin"
SHIPPED = "bench/site/shipped"
NOTHING_OF_ITS_OWN = "mkdocs.yml: the one that comes with Benchledger; write your own to change title and address"
ALL_BUT_A_FEW = "mkdocs.yml and docs: your own, over those that come with Benchledger"


@dataclass(frozen=True)
class Installed:
    """A wheel of this checkout, and the command of an environment that has it."""

    wheel: Path
    bench: Path


@pytest.fixture(scope="session")
def installed() -> Installed:
    """Build the wheel, and install it beside the packages of this environment, once in a test run."""
    folder = shared_folder("wheel")
    environment = folder / "environment"
    with FileLock(folder / "lock"):
        if not (folder / "whole").exists():
            run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder), cwd=ROOT)
            run(sys.executable, "-m", "venv", "--without-pip", str(environment))
            python = next((environment / SCRIPTS).glob("python*"))
            (wheel,) = folder.glob("*.whl")
            pip = (sys.executable, "-m", "pip", "--python", str(python), "install")
            run(*pip, "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check", str(wheel))
            (packages,) = (path for path in environment.rglob("site-packages") if path.is_dir())
            # Lines of a .pth are folders; the .pth files in those, such as that of this checkout, are not read.
            (packages / "packages.pth").write_text("\n".join(site.getsitepackages()), encoding="utf-8")
            (folder / "whole").touch()
    (wheel,) = folder.glob("*.whl")
    return Installed(wheel, next((environment / SCRIPTS).glob("bench*")))


def run(*command: str, cwd: Path | None = None) -> None:
    done = subprocess.run(command, cwd=cwd, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def bench(installed: Installed, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [installed.bench, *arguments], cwd=folder, check=False, capture_output=True, text=True, env=variables
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one result and nothing else."""
    newest = max(FIXTURES.rglob("*.json"), key=lambda path: path.name)
    copy = tmp_path / "results" / newest.relative_to(FIXTURES)
    copy.parent.mkdir(parents=True)
    shutil.copy(newest, copy)
    return tmp_path


def test_it_has_all_that_a_run_and_a_site_need_and_nothing_else(installed: Installed) -> None:
    names = set(zipfile.ZipFile(installed.wheel).namelist())
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True)
    files = {name for name in listed.stdout.splitlines() if (ROOT / name).is_file()}
    package = {name for name in files if name.startswith("bench/")}
    site_parts = {name for name in files if name.startswith(("docs/", "site_templates/")) or name == "mkdocs.yml"}
    site_parts.discard("docs/.gitignore")

    assert {name for name in names if ".dist-info/" not in name} >= package
    assert {name for name in names if name.startswith(SHIPPED)} == {f"{SHIPPED}/{name}" for name in site_parts}
    assert {name.split("/")[0].split("-")[0] for name in names} == {"bench", "benchledger"}
    for one in ("site_templates/overview.md.j2", "docs/stylesheets/benchledger.css", "docs/commands.md", "mkdocs.yml"):
        assert f"{SHIPPED}/{one}" in names
    assert {"bench/configs/default.yaml", "bench/prompts/default.yaml"} <= names
    assert "bench/reference/models/ledger-xs-fp32/model.onnx" in names
    assert not [name for name in names if "train" in name or "/report/" in name.removeprefix("bench/report/")]


def test_a_folder_with_results_and_nothing_else(installed: Installed, folder: Path) -> None:
    with drawn_once(folder / ".cache" / "site"):
        built = bench(installed, folder, "site")

    assert built.returncode == 0, built.stderr
    assert built.stdout.splitlines()[0] == NOTHING_OF_ITS_OWN
    assert built.stdout.splitlines()[1].startswith("1 run, ")
    assert {path.name for path in folder.iterdir()} == {"results", ".cache", "site"}
    for page in ("index.html", "commands.html", "report/models/index.html", "report/how-to-read.html"):
        assert "<title>" in (folder / "site" / page).read_text(encoding="utf-8")
    shipped = (ROOT / "docs" / "stylesheets" / "benchledger.css").read_bytes()
    assert (folder / "site" / "stylesheets" / "benchledger.css").read_bytes() == shipped


def test_what_a_project_has_itself_wins(installed: Installed, folder: Path) -> None:
    (folder / "mkdocs.yml").write_text(
        "site_name: Kiosks\nsite_url: https://example.org/kiosks/\ntheme:\n  custom_dir: theme\nhooks: [hook.py]\n"
    )
    (folder / "theme").mkdir()
    (folder / "theme" / "own.txt").write_text("of the theme", encoding="utf-8")
    (folder / "hook.py").write_text("def on_page_content(html, **_):\n    return html + '<i>of the hook</i>'\n")
    (folder / "site_templates").mkdir()
    (folder / "site_templates" / "verdicts.md.j2").write_text("# Our verdicts\n", encoding="utf-8")
    (folder / "docs" / "stylesheets").mkdir(parents=True)
    (folder / "docs" / "stylesheets" / "benchledger.css").write_text("body { color: teal }\n", encoding="utf-8")
    (folder / "docs" / "privacy.md").write_text("# Our privacy\n", encoding="utf-8")

    with drawn_once(folder / ".cache" / "site"):
        built = bench(installed, folder, "site")

    assert built.returncode == 0, built.stderr
    assert built.stdout.splitlines()[0] == ALL_BUT_A_FEW
    made = folder / "site"
    overview = (made / "index.html").read_text(encoding="utf-8")
    assert "Kiosks" in overview
    assert 'rel="canonical" href="https://example.org/kiosks/' in overview
    assert "of the hook" in overview
    assert (made / "own.txt").is_file()
    assert "Our verdicts" in (made / "report" / "verdicts.html").read_text(encoding="utf-8")
    assert "Our privacy" in (made / "privacy.html").read_text(encoding="utf-8")
    assert (made / "stylesheets" / "benchledger.css").read_text(encoding="utf-8") == "body { color: teal }\n"
    # The rest is what came with the package.
    assert "How to read this" in (made / "report" / "how-to-read.html").read_text(encoding="utf-8")
    assert (made / "commands.html").is_file()


def test_an_empty_folder_of_results_and_none(installed: Installed, tmp_path: Path) -> None:
    without = bench(installed, tmp_path, "site")
    (tmp_path / "results").mkdir()
    with drawn_once(tmp_path / ".cache" / "site"):
        empty = bench(installed, tmp_path, "site", "--pages-only")

    assert (without.returncode, without.stdout) == (2, "")
    assert without.stderr == (
        "bench: results: no such folder, and mkdocs.yml: not found; run this in the folder with your results, "
        "or name them: --results, --project\n"
    )
    assert empty.returncode == 0, empty.stderr
    assert "0 runs, " in empty.stdout
    assert (tmp_path / ".cache" / "site" / "project" / "docs" / "index.md").is_file()


def test_commands_other_than_those_of_the_site_do_without_its_extra(installed: Installed) -> None:
    python = next(installed.bench.parent.glob("python*"))
    extra = ("altair", "jinja2", "mkdocs", "vl_convert", "watchdog")
    code = f"import json, sys, bench.cli; print(json.dumps([one for one in {extra} if one in sys.modules]))"

    done = subprocess.run([python, "-I", "-c", code], check=True, capture_output=True, text=True)

    assert json.loads(done.stdout) == []


def test_a_checkout_is_built_where_it_lies(tmp_path: Path) -> None:
    made = site_project(ROOT, tmp_path / "none")

    assert made.used is None
    assert (made.config, made.docs) == (ROOT / "mkdocs.yml", ROOT / "docs")
    assert (made.templates[0], made.cache, made.output) == (
        ROOT / "site_templates",
        ROOT / ".cache" / "site",
        ROOT / "site",
    )


def test_a_page_that_a_project_gives_up_is_the_shipped_one_again(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    own = tmp_path / "docs" / "privacy.md"
    extra = tmp_path / "docs" / "more" / "own.md"
    extra.parent.mkdir(parents=True)
    for page in (own, extra):
        page.write_text("# Ours\n", encoding="utf-8")

    made = site_project(tmp_path, tmp_path / "results")
    first = [(made.docs / name).read_text(encoding="utf-8") for name in ("privacy.md", "more/own.md")]
    for page in (own, extra):
        page.unlink()
    again = site_project(tmp_path, tmp_path / "results")

    assert first == ["# Ours\n", "# Ours\n"]
    assert (again.docs / "privacy.md").read_bytes() == (ROOT / "docs" / "privacy.md").read_bytes()
    assert not (again.docs / "more").exists()
