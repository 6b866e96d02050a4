"""The cache of what was computed: never wrong, at worst of no use."""

from pathlib import Path

import pytest

from bench.store.cache import Cache, code_version, key_of


def entry(folder: Path) -> Path:
    (path,) = (folder / "runs").iterdir()
    return path


def test_what_was_put_comes_back(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "new" / "cache")

    cache.put("runs", key_of("a"), b"one\ntwo")

    assert cache.get("runs", key_of("a")) == b"one\ntwo"
    assert cache.get("runs", key_of("b")) is None
    assert cache.get("pages", key_of("a")) is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data + b"x",
        lambda data: b"",
        lambda data: data[:20],
        lambda data: data.replace(b"two", b"two!"),
        lambda data: data.replace(b"cache 2", b"cache 1"),
        lambda data: b"\x00" * len(data),
    ],
    ids=["cut short", "longer", "empty", "head alone", "changed", "of another form", "zeros"],
)
def test_a_damaged_entry_counts_as_missing(tmp_path: Path, damage: object) -> None:
    assert callable(damage)
    cache = Cache(tmp_path)
    cache.put("runs", "key", b"one\ntwo")
    path = entry(tmp_path)
    path.write_bytes(damage(path.read_bytes()))

    assert cache.get("runs", "key") is None

    cache.put("runs", "key", b"again")
    assert cache.get("runs", "key") == b"again"


def test_an_entry_under_the_key_of_another_counts_as_missing(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.put("runs", "one", b"1")
    cache.put("runs", "two", b"2")
    (tmp_path / "parts").mkdir()
    one = (tmp_path / "runs" / "one.bin").read_bytes()
    for name in ("runs/two.bin", "parts/one.bin"):
        (tmp_path / name).write_bytes(one)

    assert [cache.get("runs", "one"), cache.get("runs", "two"), cache.get("parts", "one")] == [b"1", None, None]


def test_a_folder_in_the_place_of_an_entry_costs_no_more_than_that_entry(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    (tmp_path / "runs" / "key.bin").mkdir(parents=True)
    cache.put("runs", "old", b"1")

    cache.put("runs", "key", b"2")
    assert cache.get("runs", "key") is None

    cache.keep_only("runs", [])
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["key.bin"]


def test_a_folder_that_cannot_be_written_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = Cache(tmp_path / "file")

    cache.put("runs", "key", b"one")

    assert cache.get("runs", "key") is None
    cache.keep_only("runs", [])


def test_only_what_is_asked_for_is_kept(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    for key in ("a", "b", "c"):
        cache.put("runs", key, key.encode())

    cache.keep_only("runs", ["a", "c", "d"])

    assert [cache.get("runs", key) for key in ("a", "b", "c")] == [b"a", None, b"c"]


def test_parts_of_a_key_do_not_run_together() -> None:
    assert key_of("ab", "c") != key_of("a", "bc")
    assert key_of("ab") == key_of(b"ab")
    assert len(code_version()) == 64
