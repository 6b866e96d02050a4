"""From a config to a built site, through the command line alone."""

import html
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.site_project import ROOT, drawn_once

pytestmark = pytest.mark.slow

SMALLEST = ROOT / "bench" / "reference" / "models" / "ledger-xs-fp32"

REPLAY = """
prompts: prompts.yaml
rounds: 5
machine: kiosk
models:
  - {provider: custom, name: replay, class: "tests.replay_model:Replay", weights: answers.json}
  - {provider: custom, name: gone, class: "tests.replay_model:Nobody"}
"""

PROMPTS = """
id: own
prompts:
  - id: capital
    title: Capital
    text: Capital of France?
    facets: [{id: names-it, says: It names Paris., check: contains_any, values: [Paris]}]
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    shutil.copytree(ROOT / "docs", tmp_path / "docs", ignore=shutil.ignore_patterns("report", "index.md"))
    shutil.copytree(ROOT / "site_templates", tmp_path / "site_templates")
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    with drawn_once(tmp_path / ".cache" / "site"):
        yield tmp_path


def bench(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments], cwd=project, check=False, capture_output=True, text=True
    )


def page(project: Path, address: str) -> str:
    text = (project / "site" / address).read_text(encoding="utf-8")
    # Tags first, entities after: what is left is what a reader sees.
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", text)))


def test_a_replayed_model(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (project / "own.yaml").write_text(REPLAY)
    (project / "prompts.yaml").write_text(PROMPTS)
    (project / "answers.json").write_text(json.dumps({"Capital of France?": ["It is ", "<b>Paris</b>."]}))

    ran = bench(project, "run", "own.yaml")
    built = bench(project, "site")

    assert ran.returncode == 0, ran.stderr
    assert built.returncode == 0, built.stderr
    assert "1 run, " in built.stdout
    overview = page(project, "index.html")
    assert "kiosk" in overview
    assert "replay" in overview
    assert "5.0" in overview
    # The word that the check looked for is marked, and stands apart once the tags are gone.
    answer = "".join(page(project, "report/prompts/capital.html").split())
    assert "Itis<b>Paris</b>." in answer
    assert "has no class" in page(project, "report/models/gone.html")


@pytest.mark.runtime
def test_the_smallest_reference_model_in_the_real_runtime(project: Path) -> None:
    (project / "tiny.yaml").write_text(f"models: [{{path: {SMALLEST}}}]\nrounds: 5\nmachine: kiosk\n")

    ran = bench(project, "run", "tiny.yaml")
    built = bench(project, "site")

    assert ran.returncode == 0, ran.stderr
    assert built.returncode == 0, built.stderr
    (result,) = (project / "results").rglob("*.json")
    answers = json.loads(result.read_text(encoding="utf-8"))["outputs"]
    assert answers
    assert "ledger-xs-fp32" in page(project, "index.html")
    assert "80 good samples" in page(project, "report/models/ledger-xs-fp32.html")
    assert (project / "site" / "report" / "prompts" / "rag-two-sentences.html").is_file()


def test_no_results_at_all(project: Path) -> None:
    built = bench(project, "site")

    assert built.returncode == 0, built.stderr
    assert "0 runs, " in built.stdout
    assert "make bench" in page(project, "index.html")


def test_a_refused_file_is_told_and_the_site_built_from_the_others(project: Path) -> None:
    fixture = ROOT / "tests" / "fixtures" / "results"
    shutil.copytree(fixture, project / "results")
    whole = next((project / "results").rglob("*.json"))
    whole.with_name("half.json").write_text(whole.read_text(encoding="utf-8")[:500], encoding="utf-8")

    built = bench(project, "site")

    assert built.returncode == 0, built.stderr
    assert re.search(r"bench: left out results/\S+/half\.json: is not whole JSON \(line \d+", built.stderr)
    assert "half.json" in page(project, "index.html")
