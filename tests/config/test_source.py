"""YAML that is made to break its reader, and the values that PyYAML lets through."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.cli import main
from bench.config.source import read_source
from bench.errors import ConfigError

BOMB = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGED = "a: &a {x: 1}\n" + "".join(
    f"{name}: &{name} {{<<: [{', '.join([f'*{before}'] * 10)}]}}\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
TOO_DEEP = "has more than 100 levels of nesting; is a bracket left open?"


def written(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("[" * 101, f":1: {TOO_DEEP}"),
        ("{a: " * 100_000, f":1: {TOO_DEEP}"),
        ("- " * 5_000 + "a", f":1: {TOO_DEEP}"),
        ("".join(f"{' ' * level}a:\n" for level in range(102)), f":101: {TOO_DEEP}"),
        (BOMB, ":5: the aliases up to *d repeat more than 100,000 values; write less of them"),
        (MERGED, ":6: the aliases up to *e repeat more than 100,000 values; write less of them"),
        ("a: 1\nb: &b\n  c: [*b]\n", ":3: the alias *b stands within what it names; take it out"),
        ("a: *b\n", ":1: is not YAML: found undefined alias 'b'"),
        ("a: 2026-02-31\n", ": is not YAML: a value cannot be read (day is out of range for month)"),
        ("a: !!int ''\n", ": is not YAML: a value cannot be read (string index out of range)"),
        ("a: !!bool often\n", ": is not YAML: a value cannot be read ('often')"),
        (
            "a: !!timestamp soon\n",
            ": is not YAML: a value cannot be read ('NoneType' object has no attribute 'groupdict')",
        ),
    ],
    ids=[
        "deep list",
        "deep mapping",
        "deep items",
        "deep lines",
        "aliases of aliases",
        "merges of merges",
        "of itself",
        "of nothing",
        "no such day",
        "no number",
        "no flag",
        "no time",
    ],
)
def test_what_would_break_the_reader_is_a_mistake_at_its_line(text: str, mistake: str, tmp_path: Path) -> None:
    path = written(tmp_path, text)

    with pytest.raises(ConfigError) as caught:
        read_source(path)

    assert str(caught.value) == f"{path}{mistake}"


def test_aliases_that_share_a_rubric_are_read(tmp_path: Path) -> None:
    path = written(tmp_path, "a: &facets [{id: x}, {id: y}]\nb: [*facets, *facets]\nc: {<<: {d: 1}, e: 2}\n")

    source = read_source(path)

    rubric = [{"id": "x"}, {"id": "y"}]
    assert source.value == {"a": rubric, "b": [rubric, rubric], "c": {"d": 1, "e": 2}}
    assert source.line(("c", "e")) == 3


def test_a_hundred_levels_are_read(tmp_path: Path) -> None:
    source = read_source(written(tmp_path, "[" * 100 + "]" * 100))

    depth, value = 0, source.value
    while isinstance(value, list):
        depth, value = depth + 1, value[0] if value else None
    assert depth == 100


@pytest.mark.parametrize("text", ["models: " + "[" * 2_000, f"models: [a]\n{BOMB}"], ids=["deep", "aliases"])
def test_the_command_exits_with_2_and_one_line(text: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["run", str(written(tmp_path, text)), "--results", str(tmp_path)])

    assert done.exit_code == 2
    assert len(done.output.splitlines()) == 1
