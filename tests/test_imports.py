"""The house: data flows one way, and imports only point back along it."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "bench"

FLOW = (
    ("bench.errors",),
    ("bench.schema", "bench.stats"),
    ("bench.providers",),
    ("bench.config",),
    ("bench.runner", "bench.models"),
    ("bench.store",),
    ("bench.quality",),
    ("bench.metrics",),
    ("bench.analysis",),
    ("bench.report",),
    ("bench.site",),
    ("bench.benchmark", "bench.ab"),
    ("bench.commands",),
    ("bench.cli",),
    ("bench.__main__",),
)
"""Parts of the package, in the order in which data flows; a part imports from its own place and those before it."""


def place(module: str) -> int:
    for rank, parts in enumerate(FLOW):
        if any(module == part or module.startswith(f"{part}.") for part in parts):
            return rank
    raise AssertionError(f"{module} has no place in the house: name it in FLOW")


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            assert node.module is not None
            folder = PACKAGE.parent / node.module.replace(".", "/")
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names if (folder / f"{alias.name}.py").exists()}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.startswith("bench.")}


MODULES = [path for path in sorted(PACKAGE.rglob("*.py")) if module_name(path) != "bench"]


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_imports_point_back(path: Path) -> None:
    name = module_name(path)

    forward = sorted(other for other in imported(path) if place(other) > place(name))

    assert forward == []


def at_start(path: Path) -> set[str]:
    """Return what a module imports from the package when it is imported itself."""
    nodes = [node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.ImportFrom)]
    return {str(node.module) for node in nodes if str(node.module).startswith("bench.")}


@pytest.mark.parametrize("path", sorted((PACKAGE / "commands").glob("*.py")), ids=module_name)
def test_a_command_imports_what_it_needs_when_it_is_called(path: Path) -> None:
    dear = sorted(name for name in at_start(path) if not name.startswith(("bench.commands.", "bench.errors")))

    # The others, and `--help`, would wait for it.
    assert dear == []


@pytest.mark.parametrize("outside", ["tools", "tests"])
def test_the_package_imports_nothing_that_the_wheel_does_not_have(outside: str) -> None:
    told = [path for path in MODULES if re.search(rf"^\s*(from|import) {outside}\b", path.read_text(), re.MULTILINE)]

    assert told == []


def dotted(node: ast.expr) -> str:
    """Return a name with its dots, which begins with a dot where it is of no name but of a value."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


@cache
def called(path: Path) -> tuple[tuple[str, int], ...]:
    """Return what a module calls, each with its line."""
    calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    return tuple((dotted(call.func), call.lineno) for call in calls)


def loud_lines(path: Path) -> list[int]:
    return [line for name, line in called(path) if name in ("print", "sys.exit", "exit", "click.echo")]


def test_only_the_command_line_prints_or_exits() -> None:
    quiet = [path for path in MODULES if not module_name(path).startswith(("bench.cli", "bench.commands"))]

    assert {module_name(path): lines for path in quiet if (lines := loud_lines(path))} == {}


@pytest.mark.parametrize("word", ["utils", "common", "helpers", "manager", "misc"])
def test_no_module_is_named_after_nothing(word: str) -> None:
    assert [path for path in MODULES if word in path.stem] == []
