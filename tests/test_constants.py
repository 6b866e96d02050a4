"""A number in a sentence comes from the constant that the program uses: changed there, it changes on the page.

A copy of the package has another value for every constant of the table, and pages are made with it. A constant that a
sentence repeats would stay as it was; one that is worded when a module is imported changes as well.
"""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock
from jinja2 import Environment, nodes

from bench.site.limits import limits
from tests.conftest import shared_folder
from tests.site_project import FIXTURES, ROOT, TEMPLATES, drawn_once

HOW = "report/how-to-read.md"
VERDICTS = "report/verdicts.md"
MODEL = "report/models/gemma-2-2b.md"
LOAD = "report/load.md"
CHANGES = "report/changes.md"
AGREEMENT = "report/agreement.md"
REVIEWED = "reviewed/report/agreement.md"
QUALITY = "report/quality.md"
PROMPT = "report/prompts/capital.md"
RUN = "report/data/runs/desk-9/20260210T080000Z-5e6f708192-full.js"


@dataclass(frozen=True)
class Quoted:
    """A constant, another value for it, and a sentence of a page with {} in the place of its old and new words."""

    module: str
    constant: str
    value: str
    page: str
    sentence: str
    old: str
    new: str


QUOTED = (
    Quoted("analysis/changes", "FALSE_CONFIRMED", "0.03", HOW, "{} of the confirmed and", "5 %", "3 %"),
    Quoted("analysis/changes", "FALSE_SUSPECTED", "0.25", HOW, "{} of the suspected are false", "20 %", "25 %"),
    Quoted("analysis/changes", "FLOOR", "0.04", HOW, "and the change reaches {}.", "5 %", "4 %"),
    Quoted("analysis/changes", "FLOOR", "0.04", VERDICTS, "a change below {} is of no interest", "5 %", "4 %"),
    Quoted("analysis/compare", "STRETCHES", "11", HOW, "how {} stretches of successive requests", "10", "11"),
    Quoted("analysis/compare", "STRETCHES", "11", LOAD, "by how {} stretches of a level differ", "10", "11"),
    Quoted("analysis/compare", "REQUESTS_NEEDED", "24", HOW, "A median needs {} good answers", "20", "24"),
    Quoted(
        "analysis/level_intervals",
        "VALUES_NEEDED",
        '{"p50": REQUESTS_NEEDED, "p95": 110, "p99": 450}',
        HOW,
        "good answers for it, a p95 {}.",
        "100, a p99 400",
        "110, a p99 450",
    ),
    Quoted("analysis/outliers", "THRESHOLD", "4.5", HOW, "a modified z-score above {} on the logarithm", "3.5", "4.5"),
    Quoted("analysis/outliers", "OUTLIER_FLOOR", "0.2", HOW, "and at least {} off the median", "10 %", "20 %"),
    Quoted("analysis/outliers", "MINIMUM_PEERS", "4", HOW, "It takes {} samples to tell", "five", "four"),
    Quoted("analysis/outliers", "INTERACTION_FLOOR", "0.3", HOW, "and at least {}, stands out", "25 %", "30 %"),
    Quoted("analysis/outliers", "MODELS_NEEDED", "13", HOW, "It takes {} models and", "three", "13"),
    Quoted("analysis/outliers", "PROMPTS_NEEDED", "20", HOW, "models and {} prompts.", "four", "twenty"),
    Quoted("analysis/ranking", "LEVEL", "0.96", VERDICTS, "are held to {} together", "95 %", "96 %"),
    Quoted("analysis/run_noise", "RUNS_NEEDED", "6", VERDICTS, "once there are {},", "five", "six"),
    Quoted("analysis/trust", "DRIFT_LIMIT", "0.16", HOW, "changed by more than {} within a model", "15 %", "16 %"),
    Quoted("analysis/trust", "LATE_MEDIAN_LIMIT_S", "0.03", HOW, "more than {} late as a rule", "20 ms", "30 ms"),
    Quoted("analysis/trust", "LATE_WORST_LIMIT_S", "0.2", HOW, "once more than {} late", "100 ms", "200 ms"),
    Quoted("analysis/trust", "STEAL_LIMIT", "0.03", HOW, "gave more than {} of the time", "2 %", "3 %"),
    Quoted("metrics/client_error", "TIMES_THE_ERROR", "4", HOW, "below {} times that error", "3", "4"),
    Quoted("metrics/client_error", "TIMES_THE_ERROR", "4", MODEL, "is {} times the client’s own", "three", "four"),
    Quoted("metrics/client_error", "TIMES_THE_ERROR", "4", RUN, "is resolvable from {} times that", "three", "four"),
    Quoted("metrics/load", "CLIENT_LIMIT", "0.7", HOW, "Where it took {} of a core", "80 %", "70 %"),
    Quoted("metrics/saturation", "KNEE_SHARE", "0.8", HOW, "with at least {} of the highest", "90 %", "80 %"),
    Quoted("metrics/saturation", "KNEE_SHARE", "0.8", HOW, "add less than {}, and", "a tenth", "a fifth"),
    Quoted("metrics/saturation", "KNEE_LEVELS", "4", HOW, "It takes {} levels.", "3", "4"),
    Quoted("metrics/saturation", "KEPT_SHARE", "0.96", HOW, "fewer than {} as many good answers", "97 %", "96 %"),
    Quoted("metrics/saturation", "KEPT_SHARE", "0.96", HOW, "more than {} of the requests failed", "3 %", "4 %"),
    Quoted("metrics/saturation", "GROWTH_LIMIT", "0.05", HOW, "grew by more than {} a second", "30 ms", "50 ms"),
    Quoted("metrics/saturation", "REQUESTS_NEEDED", "21", HOW, "With fewer than {} requests due", "20", "21"),
    Quoted("metrics/saturation", "REQUESTS_NEEDED", "21", HOW, "No value: fewer than {} requests", "20", "21"),
    Quoted("metrics/timing", "MINIMUM_TPOT_TOKENS", "3", HOW, "needs at least {} counted output tokens", "2", "3"),
    Quoted("schema/load", "LONG_GAP_MS", "300", HOW, "a *stall* is a gap over {},", "200 ms", "300 ms"),
    Quoted("schema/load", "LONG_GAP_MS", "300", HOW, "of the request that are longer than {}.", "200 ms", "300 ms"),
    Quoted("schema/load", "LONG_GAP_MS", "300", HOW, "longer than {}, over all good", "200 ms", "300 ms"),
    Quoted("schema/load", "LONG_GAP_MS", "300", HOW, "longer than {}, over the measured", "200 ms", "300 ms"),
    Quoted("schema/load", "LONG_GAP_MS", "300", MODEL, "Stalls over {}", "200 ms", "300 ms"),
    Quoted(
        "schema/migrate",
        "NOT_YET",
        '"not looked at yet"',
        HOW,
        "| {} | the run's file",
        "not measured before schema version 2",
        "not looked at yet",
    ),
    Quoted("schema/review", "SCORES", "(1, 2, 3, 4, 5, 6)", HOW, "from 1 (none met) to {} (all met)", "5", "6"),
    Quoted("schema/review", "SCORES", "(1, 2, 3, 4, 5, 6)", HOW, "from 1 (no facet met) to {} (all met)", "5", "6"),
    Quoted("schema/review", "SCORES", "(1, 2, 3, 4, 5, 6)", HOW, "<small>1–{} · higher", "5", "6"),
    Quoted("schema/review", "SCORES", "(1, 2, 3, 4, 5, 6)", QUALITY, "<small>score 1–{}</small>", "5", "6"),
    Quoted("site/charts/kinds", "LOG_FROM_RATIO", "14", HOW, "more than a factor of {}.", "twelve", "14"),
    Quoted("site/pages/verdicts", "PROMPTS", 'tuple("abcdefghi")', VERDICTS, "takes {} prompts for", "8", "9"),
    Quoted("site/pages/verdicts", "ROUNDS", "6", VERDICTS, "{} answers to one prompt", "Five", "Six"),
    Quoted("site/pages/verdicts", "ROUNDS", "6", VERDICTS, "prompts for {}, and", "40", "54"),
    Quoted("site/pages/verdicts", "RUNS", "11", VERDICTS, "{} runs: what changes when", "Ten", "Eleven"),
    Quoted("site/sections/badges", "FEW_SAMPLES", "25", HOW, "fewer than {} good samples", "20", "25"),
    Quoted("site/sections/badges", "SHARED_LIMIT", "0.2", HOW, "Above {} of the gaps this is", "10 %", "20 %"),
    Quoted("site/sections/badges", "SHARED_LIMIT", "0.2", HOW, "when more than {} of the gaps lie", "10 %", "20 %"),
    Quoted("stats/bootstrap", "RESAMPLES", "1_000", VERDICTS, "some not at all, {} times,", "2,000", "1,000"),
    Quoted("stats/change_points", "RUNS_BEFORE", "7", VERDICTS, "The first {} runs</strong>", "5", "7"),
    Quoted("stats/change_points", "RUNS_BEFORE", "7", HOW, "One run may do, from {} runs on", "6", "8"),
    Quoted("stats/change_points", "RUNS_TO_CONFIRM", "4", HOW, "at least {} runs agree", "3", "4"),
    Quoted("stats/change_points", "RUNS_TO_CONFIRM", "4", CHANGES, "confirmed once {} runs or more", "3", "4"),
    Quoted("stats/distribution", "CONFIDENCE", "0.9", HOW, "is its *{} interval*", "95 %", "90 %"),
    Quoted("stats/distribution", "CONFIDENCE", "0.9", HOW, "their {} interval excludes no change", "95 %", "90 %"),
    Quoted("stats/distribution", "CONFIDENCE", "0.9", VERDICTS, "The interval holds the middle {}", "95 %", "90 %"),
    Quoted("stats/distribution", "CONFIDENCE", "0.9", VERDICTS, "lines their {} intervals", "95 %", "90 %"),
    Quoted("stats/distribution", "CONFIDENCE", "0.9", VERDICTS, "joins each pair. The {} interval", "95 %", "90 %"),
    Quoted("stats/distribution", "CONFIDENCE", "0.9", MODEL, "In small type: {} intervals", "95 %", "90 %"),
    Quoted("stats/distribution", "CONFIDENCE", "0.9", LOAD, "In small type: {} intervals", "95 %", "90 %"),
    Quoted("stats/distribution", "CONFIDENCE", "0.9", CHANGES, "Intervals are of {}.", "95 %", "90 %"),
    Quoted("stats/distribution", "CONFIDENCE", "0.9", PROMPT, "each line its {} interval", "95 %", "90 %"),
    Quoted("stats/distribution", "CONFIDENCE", "0.9", "index.md", "Thin bars: {} intervals", "95 %", "90 %"),
    Quoted(
        "stats/distribution",
        "VALUES_NEEDED",
        '{"p90": 22, "p95": 30, "p99": 150}',
        HOW,
        "It takes {} for a p99",
        "20 samples before there is one, and 100",
        "30 samples before there is one, and 150",
    ),
    Quoted(
        "stats/distribution",
        "VALUES_NEEDED",
        '{"p90": 22, "p95": 30, "p99": 150}',
        HOW,
        "largest where there are fewer than {})",
        "100",
        "150",
    ),
    Quoted("stats/equivalence", "FLOOR", "0.07", HOW, "is no chance and larger than {} (a score", "5 %", "7 %"),
    Quoted("stats/equivalence", "SCORE_FLOOR", "0.2", HOW, "than {} points)", "0.1", "0.2"),
    Quoted("stats/rater_agreement", "ANSWERS_NEEDED", "6", AGREEMENT, "{} by hand", "Twenty answers", "Twelve answers"),
    Quoted("stats/rater_agreement", "ANSWERS_NEEDED", "6", AGREEMENT, "figure; {} are the least", "ten", "six"),
    Quoted(
        "site/pages/agreement",
        "KAPPA_WORDS",
        '((0.7, "very good"), (0.0, "slight"))',
        REVIEWED,
        "a convention: above {}.",
        "0.8 almost perfect, 0.6 substantial, 0.4 moderate, 0.2 fair, 0 slight",
        "0.7 very good, 0 slight",
    ),
    Quoted(
        "site/pages/agreement",
        "ALPHA_WORDS",
        '((0.9, "reliable"), (0.7, "enough for tentative conclusions"))',
        REVIEWED,
        "From {} on enough",
        "0.8 on scores are reliable, from 0.667",
        "0.9 on scores are reliable, from 0.7",
    ),
    Quoted("schema/review", "SCORES", "(1, 2, 3, 4, 5, 6)", REVIEWED, "the steps from 1 to {} as equal", "5", "6"),
    Quoted("stats/distribution", "CONFIDENCE", "0.9", REVIEWED, "small type the {} interval", "95 %", "90 %"),
)
"""Each constant that pages quote; a page below 'reviewed' is of a ledger with judges and people."""

PAGES = """
import sys
from pathlib import Path
from bench.site.build import write_site
from bench.store.files import load_tree
from tests.reviewed_ledger import reviewed_ledger
fixtures, templates, cache, out = map(Path, sys.argv[1:])
write_site(load_tree(fixtures), out, templates, cache)
ledger, reviews = reviewed_ledger()
write_site(ledger, out / "reviewed", templates, cache, reviews=reviews)
"""


def with_value(source: str, constant: str, value: str) -> str:
    """Return the text of a module in which a constant has another value."""
    for node in ast.parse(source).body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        if any(isinstance(one, ast.Name) and one.id == constant for one in targets):
            assert isinstance(node, ast.Assign | ast.AnnAssign)
            assert node.value is not None
            lines = source.splitlines(keepends=True)
            first, last = node.value.lineno - 1, (node.value.end_lineno or node.value.lineno) - 1
            begin = lines[first].encode()[: node.value.col_offset].decode()
            end = lines[last].encode()[node.value.end_col_offset :].decode()
            return "".join([*lines[:first], f"{begin}{value}{end}", *lines[last + 1 :]])
    raise AssertionError(f"there is no constant {constant}")


def changed_package(folder: Path) -> Path:
    """Copy the package with the other value of each constant of the table, and return the folder that it lies in."""
    shutil.copytree(ROOT / "bench", folder / "bench", ignore=shutil.ignore_patterns("reference", "__pycache__"))
    for module, constant, value in sorted({(one.module, one.constant, one.value) for one in QUOTED}):
        path = folder / "bench" / f"{module}.py"
        path.write_text(with_value(path.read_text(encoding="utf-8"), constant, value), encoding="utf-8")
    return folder


def run_changed(folder: Path, program: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def changed() -> Path:
    """Return a folder with the changed package, and in `pages` what it makes of two ledgers; made once."""
    root = shared_folder("constants")
    with FileLock(root / "lock"):
        if not (root / "whole").exists():
            changed_package(root)
            with drawn_once(root / "cache") as cache:
                run_changed(root, PAGES, str(FIXTURES), str(TEMPLATES), str(cache), str(root / "pages"))
            (root / "whole").touch()
    return root


def words_of(path: Path) -> str:
    return " ".join(path.read_text(encoding="utf-8").split())


@pytest.mark.slow
@pytest.mark.parametrize("one", QUOTED, ids=lambda one: f"{one.constant}-{one.page}-{one.sentence[:30]}")
def test_a_changed_constant_changes_the_page(changed: Path, one: Quoted) -> None:
    page = words_of(changed / "pages" / one.page)

    assert one.sentence.format(one.new) in page
    assert one.sentence.format(one.old) not in page


@pytest.mark.slow
def test_every_limit_of_the_pages_is_in_the_table(changed: Path) -> None:
    program = "import json; from bench.site.limits import limits; print(json.dumps(limits()))"
    with_others = json.loads(run_changed(changed, program))

    unchanged = {name for name, words in limits().items() if with_others[name] == words}

    # The scale of scores begins at 1 with the other scores too.
    assert unchanged == {"lowest_score"}


def template_texts() -> Iterator[tuple[str, str]]:
    """Yield the words of each template that stand in it, without tags, addresses, code and expressions."""
    for path in sorted(TEMPLATES.glob("*.j2")):
        parsed = Environment().parse(path.read_text(encoding="utf-8"))
        data = "\ufffc".join(node.data for node in parsed.find_all(nodes.TemplateData))
        data += "".join(f"\n{node.value}" for node in parsed.find_all(nodes.Const) if " " in str(node.value))
        code = re.compile(r"<pre.*?</pre>|<svg.*?</svg>|<[^>]*>|`[^`]*`|\]\([^)]*\)", re.DOTALL)
        for line in code.sub(" ", data).splitlines():
            yield path.name, line


NUMBER = re.compile(
    r"(?i)(?<![\w.])[0-9][0-9.,]*[0-9]?(?!\w)"
    r"|\b(?:three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|hundred|half|third|quarter|tenth)\b"
)

PLAIN = {
    ("_agreement.j2", "1"): "the largest kappa",
    ("_agreement.j2", "0"): "a kappa by chance",
    ("_agreement.j2", "1968"): "Cohen",
    ("_agreement.j2", "1977"): "Landis and Koch",
    ("_agreement.j2", "2004"): "Krippendorff",
    ("how-to-read.md.j2", "8"): "how a level is named",
    ("how-to-read.md.j2", "4"): "how a rate is named",
    ("how-to-read.md.j2", "1"): "a formula",
    ("how-to-read.md.j2", "half"): "what a median is",
    ("how-to-read.md.j2", "95"): "what a p95 is",
    ("how-to-read.md.j2", "100"): "what a p95 is",
    ("how-to-read.md.j2", "ten"): "an example of few samples",
    ("how-to-read.md.j2", "1993"): "Iglewicz and Hoaglin",
    ("how-to-read.md.j2", "1977"): "Tukey",
    ("verdicts.md.j2", "Four"): "its pictures",
}
"""Numbers that stand in a template, and why they are no constant of the program."""


def test_no_other_number_stands_in_a_template() -> None:
    found = {(name, match[0].rstrip(".,")) for name, line in template_texts() for match in NUMBER.finditer(line)}

    assert found == set(PLAIN)


def test_every_limit_is_used_by_a_template() -> None:
    used = set()
    for path in TEMPLATES.glob("*.j2"):
        for node in Environment().parse(path.read_text(encoding="utf-8")).find_all(nodes.Getattr):
            if isinstance(node.node, nodes.Name) and node.node.name == "limits":
                used.add(node.attr)

    assert used == set(limits())
