"""CONTRIBUTING.md says what is so: each rule is looked at here or in test_imports.py."""

import ast
import re
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from jinja2 import Environment, nodes

from bench.cli import main
from bench.metrics.registry import METRICS, Metric
from bench.schema.migrate import STEPS
from bench.schema.result import SCHEMA_VERSION
from tests.site_project import ROOT, TEMPLATES
from tests.test_imports import FLOW, MODULES, called, module_name

CONTRIBUTING = " ".join((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split())

BELOW = {"bench.errors", "bench.schema", "bench.stats"}
"""What CONTRIBUTING names beside the line of the flow, as lying below it."""

BESIDE = {"bench.models"}
"""What stands beside the runner."""

ABOVE = {"bench.benchmark", "bench.ab", "bench.cli", "bench.__main__"}
"""Single modules that put the rooms together."""


def test_the_flow_is_that_of_the_imports() -> None:
    line = re.search(r"\*\*(providers → .*?)\*\*", CONTRIBUTING)

    assert line is not None
    rooms = [part for parts in FLOW for part in parts if part not in BELOW | BESIDE | ABOVE]
    assert line[1].split(" → ") == [room.removeprefix("bench.") for room in rooms]
    assert "`errors`, `schema` and `stats` lie below all of it" in CONTRIBUTING
    assert "`models` stands beside the runner" in CONTRIBUTING


def calls(path: Path) -> Iterator[ast.Call]:
    return (node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call))


LOUD = ("print", "sys.exit", "exit", "click.echo", "click.secho", "os._exit", "os.abort", "sys.stdout.write", "Console")
"""Calls that print or exit; a Console of rich is made to print."""

LOUD_OUTSIDE = {
    "bench.report.terminal": "draws for the commands",
    "bench.runner.attached": "a process of our own ends with the one that started it",
    "bench.runner.calibration.server": "a process of its own",
}
"""Modules outside of the command line that print or exit, as CONTRIBUTING says."""


def test_only_the_named_modules_print_or_exit() -> None:
    found = {
        module_name(path)
        for path in MODULES
        if not module_name(path).startswith(("bench.cli", "bench.commands"))
        and any(name in LOUD or name.endswith(".exit") for name, _ in called(path))
    }

    assert found == set(LOUD_OUTSIDE)
    for name in LOUD_OUTSIDE:
        assert f"`{name.replace('.', '/')}.py`" in CONTRIBUTING


SHOWN_ROOMS = ("bench.metrics", "bench.analysis", "bench.report", "bench.site", "bench.commands")
"""Rooms that make what a reader sees."""

UNIT_FACTORS = {100, 1_000, 1_000_000, 1_000_000_000}


def rounding(path: Path) -> Iterator[str]:
    """Yield each expression of a module that rounds a number or converts a unit."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("round", "np.round"):
            yield ast.unparse(node)
        if isinstance(node, ast.FormattedValue) and node.format_spec is not None:
            spec = "".join(str(part.value) for part in ast.walk(node.format_spec) if isinstance(part, ast.Constant))
            if spec[-1:] in tuple("fge%"):
                yield ast.unparse(node)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
            sides = [side.value for side in (node.left, node.right) if isinstance(side, ast.Constant)]
            if any(isinstance(side, int | float) and side in UNIT_FACTORS for side in sides):
                yield ast.unparse(node)


ROUNDED_OUTSIDE = {
    "bench.analysis.intervals": {
        "100 * share": "the place of a percentile",
        "100 * end": "the place of a percentile",
        "int(statistic[1:]) / 100": "the place of a percentile",
    },
    "bench.analysis.ratings": {
        "np.round(np.asarray(values, dtype=np.float64), 9)": "what is equal but for the last digits is one",
    },
    "bench.commands.compare": {"floor / 100": "an option that is given in percent"},
    "bench.metrics.load": {"{self.rate_per_s:g}": "the name of a level, as the config has it"},
    "bench.metrics.resources": {
        "model.energy.joules / tokens * 1000": "the metric is of 1,000 tokens",
        "cost / answers * 1000": "the metric is of 1,000 answers",
    },
    "bench.site.charts.figures": dict.fromkeys(("{x:.1f}", "{y:.1f}", "{end_x:.1f}", "{end_y:.1f}"), "pixels"),
    "bench.site.charts.trade_off": {"round((abs(x2 - x1) + abs(y2 - y1)) / 4)": "pixels"},
}
"""Module -> expression -> why it is not a number for a reader."""


def test_only_the_report_s_format_rounds_and_converts() -> None:
    found = {
        module_name(path): expressions
        for path in MODULES
        if module_name(path).startswith(SHOWN_ROOMS) and module_name(path) != "bench.report.format"
        if (expressions := set(rounding(path)))
    }

    assert found == {name: set(expressions) for name, expressions in ROUNDED_OUTSIDE.items()}


@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("*.j2")), ids=lambda path: path.name)
def test_templates_do_no_arithmetic(path: Path) -> None:
    parsed = Environment().parse(path.read_text(encoding="utf-8"))
    reckoned = (nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Pow, nodes.Neg, nodes.Pos)
    filters = {one.name for one in parsed.find_all(nodes.Filter)}

    assert [node for kind in reckoned for node in parsed.find_all(kind)] == []
    # Joining the names of classes is none.
    assert filters <= {"length", "capitalize", "select", "join"}


PURE = ("bench.stats", "bench.metrics", "bench.analysis")

OUTER = {
    "os",
    "io",
    "sys",
    "subprocess",
    "socket",
    "time",
    "random",
    "pathlib",
    "shutil",
    "tempfile",
    "threading",
    "urllib",
}
"""Modules through which a function reads or changes what is not among its arguments."""


@pytest.mark.parametrize("path", [one for one in MODULES if module_name(one).startswith(PURE)], ids=module_name)
def test_numbers_are_made_by_pure_functions(path: Path) -> None:
    imported = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(str(node.module).partition(".")[0])
    names = {name for name, _ in called(path)}
    unseeded = [call for call in calls(path) if ast.unparse(call.func).endswith("default_rng") and not call.args]

    assert imported & OUTER == set()
    assert {one for one in names if one == "open" or one.endswith((".now", ".utcnow", ".today"))} == set()
    assert unseeded == []


UNITS = {"Nanoseconds": "_ns", "SomeNanoseconds": "_ns", "Bytes": "_bytes"}
"""Type of a field of a file -> what its name ends in."""


def test_a_field_of_a_file_ends_in_its_unit() -> None:
    wrong = []
    for path in sorted((ROOT / "bench" / "schema").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                types = {name.id for name in ast.walk(node.annotation) if isinstance(name, ast.Name)}
                ends = {end for kind, end in UNITS.items() if kind in types}
                if ends and not node.target.id.endswith(tuple(ends)):
                    wrong.append(f"{path.name}: {node.target.id}")

    assert wrong == []


@pytest.mark.parametrize("one", METRICS, ids=lambda one: one.id)
def test_a_metric_ends_in_its_unit(one: Metric) -> None:
    ends = {"s": "_s", "bytes": "_bytes", "tokens/s": "_tokens_per_s", "s/token": "_s", "J": "_j", "1/s": "_per_s"}

    assert one.id.endswith(ends.get(one.unit, ""))


@pytest.mark.parametrize(
    ("module", "table"),
    [
        ("quality/checks/registry.py", "CHECKS"),
        ("metrics/registry.py", "METRICS"),
        ("providers/registry.py", "KINDS"),
    ],
)
def test_a_registry_is_a_literal_table(module: str, table: str) -> None:
    assigned = {
        node.target.id: node.value
        for node in ast.parse((ROOT / "bench" / module).read_text(encoding="utf-8")).body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }

    assert isinstance(assigned[table], ast.Tuple | ast.Dict)


def commands(group: click.Group, before: str = "bench") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{before} {name}")
        else:
            yield f"{before} {name}", command


@pytest.mark.parametrize(("name", "command"), list(commands(main)), ids=lambda one: one if isinstance(one, str) else "")
def test_each_command_and_option_is_documented(name: str, command: click.Command) -> None:
    pages = {page.name: page.read_text(encoding="utf-8") for page in (ROOT / "docs").glob("*.md")}
    options = [one.opts for one in command.params if isinstance(one, click.Option)]

    assert f"## {name}\n" in pages["commands.md"]
    missing = [
        opts
        for opts in options
        if not any(re.search(rf"{opt}(?![\w-])", text) for opt in opts for text in pages.values())
    ]
    assert missing == []


def test_each_target_that_is_named_is_one_of_make_s() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    documented = {
        target
        for page in ("CONTRIBUTING.md", "docs/commands.md", "README.md")
        for target in re.findall(r"(?:^ {4}|`)make ([a-z-]+)", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
    }

    assert documented <= targets
    assert targets - documented <= {"clean"}


def test_each_marker_is_explained() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        markers = tomllib.load(file)["tool"]["pytest"]["ini_options"]["markers"]

    assert [one for one in markers if f"`{one.partition(':')[0]}`" not in CONTRIBUTING] == []


def test_versions_are_pinned_by_name_and_version_only() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()

    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[\w.!+]+", line)] == []
    assert "==" not in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_snapshots_are_of_pages_and_charts_alone() -> None:
    users = {
        path.relative_to(ROOT).parent.as_posix()
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.arg) and node.arg == "snapshot"
    }

    assert users == {"tests/site"}


def test_each_schema_version_has_a_step_and_a_fixture() -> None:
    older = range(1, SCHEMA_VERSION)

    assert list(STEPS) == list(older)
    assert {path.stem for path in (ROOT / "tests" / "fixtures" / "versions").glob("*.json")} == set(map(str, older))


def test_a_test_that_connects_to_another_machine_fails() -> None:
    with socket.socket() as one, pytest.raises(AssertionError, match="the tests need no network"):
        one.connect(("192.0.2.1", 80))


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "missing.yaml"],
        ["check", "missing.json"],
        ["run", "--rounds", "none"],
        ["recommend", "--max-memory", "x"],
    ],
)
def test_a_mistake_ends_with_one_line_and_code_2(arguments: list[str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", *arguments], cwd=tmp_path, check=False, capture_output=True, text=True
    )

    assert done.returncode == 2
    assert done.stderr.startswith(("bench: ", "Usage: "))
    assert "Traceback" not in done.stderr
