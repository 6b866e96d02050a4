"""The hooks before a commit are the commands of `make check` and `make validate`, no more and no less."""

import re

import yaml

from tests.site_project import ROOT

HOOKS = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def recipe(target: str) -> list[str]:
    """Return the commands of a target of the Makefile, without the folder that they are in."""
    (block,) = re.findall(rf"^{target}:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    return [line.strip().removeprefix("$(BIN)/") for line in block.splitlines()]


def test_the_hooks_are_what_make_checks() -> None:
    (local,) = HOOKS

    commands = [hook["entry"].removeprefix(".venv/bin/") for hook in local["hooks"]]
    assert commands == recipe("check") + recipe("validate")


def test_a_hook_downloads_nothing_and_runs_in_the_environment_of_the_project() -> None:
    (local,) = HOOKS

    assert local["repo"] == "local"
    assert {hook["language"] for hook in local["hooks"]} == {"system"}
    assert all(hook["entry"].startswith(".venv/bin/") for hook in local["hooks"])
    assert not any(hook["pass_filenames"] for hook in local["hooks"])


def test_the_files_of_a_hook_are_those_that_it_is_about() -> None:
    (local,) = HOOKS

    def run(path: str) -> list[str]:
        return [hook["id"] for hook in local["hooks"] if re.search(hook["files"], path)]

    assert run("bench/cli.py") == ["ruff-check", "ruff-format", "mypy"]
    assert run("bench/schema/result.py") == ["ruff-check", "ruff-format", "mypy", "bench-check"]
    assert run("results/kiosk/run.json") == ["bench-check"]
    assert run("docs/commands.md") == []
