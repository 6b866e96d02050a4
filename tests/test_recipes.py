"""The recipes of docs/architecture.md, done to the letter in a copy of the repository, and what they add in use."""

import csv
import html
import io
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.site_project import FIXTURES, ROOT, drawn_once

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")

FENCE = re.compile(r"(?P<before>(?:^[^\n]+\n)+)\n```\w+\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
CODE = r"(?:`` ?(?P<{0}_ticked>.+?) ?``|`(?P<{0}>[^`]+)`)"
INSTRUCTION = re.compile(
    r"(?:^|[.;] |\*\* )"
    rf"(?:Make `(?P<new>[^`]+)`|At the end of `(?P<ended>[^`]+)`, add"
    rf"|(?:In `(?P<file>[^`]+)`|There), (?P<side>above|below|above the row of) {CODE.format('line')}, add):$"
)


@dataclass(frozen=True)
class Step:
    """One block of a recipe: the file that it changes, and where the text goes.

    `side` says on which side of the only line that begins with `line`, or that it is above the row of a table whose
    name is `line`; a new file has neither, and the end of a file has the side 'end'.
    """

    file: str
    side: str
    line: str
    text: str


def recipe(title: str) -> str:
    """Return the text of a recipe."""
    (_, after) = PAGE.split(f"\n### {title}\n")
    return re.split(r"\n###? ", after)[0]


def steps(text: str) -> list[Step]:
    """Return the steps of a recipe; each block must be introduced by one of the forms that a reader can follow."""
    found: list[Step] = []
    for block in FENCE.finditer(text):
        said = " ".join(block["before"].split())
        match = INSTRUCTION.search(said)
        assert match is not None, f"nobody can tell where this goes: {said}"
        if match["new"]:
            found.append(Step(match["new"], "new", "", block["text"]))
        elif match["ended"]:
            found.append(Step(match["ended"], "end", "", block["text"]))
        else:
            file = match["file"] or found[-1].file
            found.append(Step(file, match["side"], match["line"] or match["line_ticked"], block["text"]))
    assert len(found) == text.count("```") // 2
    return found


def follow(title: str, root: Path) -> list[str]:
    """Do a recipe in a copy of the repository, and return the files that it touched, each once."""
    touched = steps(recipe(title))
    for step in touched:
        path = root / step.file
        if step.side == "new":
            assert not path.exists(), f"{step.file} is there already"
            assert path.parent.is_dir(), f"{step.file} needs a folder that the recipe does not make"
            path.write_text(step.text, encoding="utf-8")
            continue
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        if step.side == "end":
            place = len(lines)
        else:
            of_row = step.side == "above the row of"
            wanted = (f'id="{step.line}",', f'name="{step.line}",') if of_row else (step.line,)
            places = [number for number, line in enumerate(lines) if line.strip().startswith(wanted)]
            assert len(places) == 1, f"{step.file} has {len(places)} lines that begin with {step.line!r}"
            # A row begins on the line above its name.
            place = places[0] + {"below": 1, "above": 0}.get(step.side, -1)
        path.write_text("".join([*lines[:place], step.text, *lines[place:]]), encoding="utf-8")
    return list(dict.fromkeys(step.file for step in touched))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of what a change of the program can touch."""
    root = tmp_path / "copy"
    for folder in ("bench", "tests", "docs", "site_templates"):
        # `report` is a room in `bench`, and what was generated in `docs`.
        left_out = ("__pycache__", "report", "index.md") if folder == "docs" else ("__pycache__",)
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns(*left_out))
    for name in ("mkdocs.yml", "pyproject.toml"):
        shutil.copy(ROOT / name, root)
    return root


def in_copy(root: Path, *arguments: str) -> str:
    """Run a Python module in the copy, with the copy's own package, and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=root,
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def check_copy(title: str, root: Path) -> None:
    """Follow a recipe, and find as many files as it states, and nothing in them that the linter objects to."""
    touched = follow(title, root)
    stated = re.search(r"\*\*Files to touch: (\d+)\.\*\*", recipe(title))

    assert stated is not None
    assert len(touched) == int(stated[1])
    code = [file for file in touched if file.endswith(".py")]
    in_copy(root, "ruff", "format", *code)
    in_copy(root, "ruff", "check", *code)


RUN = """
prompts: prompts.yaml
rounds: 2
machine: kiosk
models:
  - {provider: custom, name: replay, class: "tests.replay_model:Replay", weights: answers.json}
"""


def test_a_metric(copy: Path) -> None:
    check_copy("Add a metric", copy)
    shutil.copytree(FIXTURES, copy / "results")
    old, new = sorted(path.relative_to(copy).as_posix() for path in (copy / "results" / "desk-9").glob("*.json"))

    whole = list(csv.DictReader(io.StringIO(in_copy(copy, "bench", "export"))))
    levels = list(csv.DictReader(io.StringIO(in_copy(copy, "bench", "export", "--of", "load"))))
    comparison = in_copy(copy, "bench", "compare", old, new, "--format", "json")
    in_copy(copy, "bench", "site", "--pages-only")

    assert any(float(row["answer_p50_tokens"] or 0) > 0 for row in whole)
    assert any(float(row["answer_p50_tokens"] or 0) > 0 for row in levels)
    assert comparison.count('"answer_tokens_count"') > 1
    explained = (copy / "docs" / "report" / "how-to-read.md").read_text(encoding="utf-8")
    assert 'id="answer-tokens-count"' in explained
    assert "Output tokens of the answer." in explained
    # No test has a list of all metrics by heart.
    of_metrics = ("compare", "level_compared", "shifts", "summary")
    tests = ("tests/metrics", "tests/report/test_export.py", *(f"tests/analysis/test_{name}.py" for name in of_metrics))
    in_copy(copy, "pytest", "-q", *tests)


def test_a_provider(copy: Path) -> None:
    check_copy("Add a provider", copy)
    (copy / "own.yaml").write_text(
        """
prompts: prompts.yaml
rounds: 2
machine: kiosk
models:
  - {provider: replay, name: parrot, answers: answers.json}
  - {provider: replay, name: gone, answers: nowhere.json}
"""
    )
    (copy / "prompts.yaml").write_text(
        """
id: own
prompts:
  - id: capital
    title: Capital
    text: Capital of France?
    facets: [{id: names-it, says: It names Paris., check: contains_any, values: [Paris]}]
"""
    )
    (copy / "answers.json").write_text(json.dumps({"Capital of France?": "It is Paris."}))

    in_copy(copy, "bench", "run", "own.yaml")

    (path,) = (copy / "results").rglob("*.json")
    parrot, gone = json.loads(path.read_text(encoding="utf-8"))["models"]
    assert (parrot["provider"], parrot["variant_id"]) == ("replay", "answers.json")
    assert [sample["output_tokens"] for sample in parrot["samples"]] == [3, 3]
    assert gone["failure"] == {"kind": "not-found", "message": "there is no file nowhere.json"}
    rows = list(csv.DictReader(io.StringIO(in_copy(copy, "bench", "export"))))
    assert [(row["model"], row["score"]) for row in rows] == [("parrot", "5.0"), ("gone", "")]
    tests = ("tests/providers/test_replay.py", "tests/providers/test_registry.py", "tests/config/test_config.py")
    in_copy(copy, "pytest", "-q", "-m", "not slow", *tests)


def test_a_check(copy: Path) -> None:
    check_copy("Add a check", copy)
    (copy / "own.yaml").write_text(RUN)
    (copy / "prompts.yaml").write_text(
        """
id: own
prompts:
  - id: help
    title: Help
    text: Can you help me?
    facets:
      - {id: asks, says: It asks back., check: question_count, min: 1}
      - {id: once, says: It asks no more than once., check: question_count, max: 1}
"""
    )
    (copy / "answers.json").write_text(json.dumps({"Can you help me?": ["What for? ", "And when?"]}))

    in_copy(copy, "bench", "run", "own.yaml")
    rows = list(csv.DictReader(io.StringIO(in_copy(copy, "bench", "export", "--of", "scores"))))

    assert {row["facet"]: (row["score"], row["why"]) for row in rows} == {
        "asks": ("5.0", "2 questions; wanted at least 1"),
        "once": ("1.0", "2 questions; wanted at most 1"),
    }
    in_copy(
        copy, "pytest", "-q", "tests/quality/checks/test_checks.py", "tests/quality/prompts/test_prompt_set_docs.py"
    )


def test_a_page(copy: Path) -> None:
    check_copy("Add a page", copy)
    shutil.copytree(FIXTURES, copy / "results")

    with drawn_once(copy / ".cache" / "site"):
        in_copy(copy, "bench", "site")

    text = (copy / "site" / "report" / "publishers.html").read_text(encoding="utf-8")
    words = re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", text)))
    assert re.search(r"\d+ models of \d+ publishers\.", words)
    assert 'href="report/publishers.html"' in (copy / "site" / "index.html").read_text(encoding="utf-8")
