"""The cache folder as the runtime leaves it, read and emptied without the runtime."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bench.cli import main
from bench.errors import UsageError
from bench.models.cache_folder import allocated_bytes, cached, check_writable, unfinished
from bench.models.download import NoRoom, check_disk
from bench.models.variant import Variant
from bench.providers.registry import FoundryRuntime

REMEMBERED = {
    "alias": "phi-4-mini",
    "id": "Phi-4-mini-instruct-generic-cpu:5",
    "displayName": "Phi 4 mini",
    "publisher": "Microsoft",
    "license": "MIT",
    "task": "chat-completion",
    "createdAt": 1767225600,
    "maxOutputTokens": 2048,
    "runtime": {"deviceType": "CPU", "executionProvider": "CPUExecutionProvider"},
    "intProperties": {"context_length": 131072, "supports_tool_calling": 1},
    "stringProperties": {"capabilities": "reasoning,tools"},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a cache with a model in a folder of its version, one that no catalogue knows, and half a one."""
    folder = tmp_path / "models"
    whole = folder / "Microsoft" / "Phi-4-mini-instruct-generic-cpu-5"
    bare = folder / "Own" / "house-cpu-1"
    half = folder / "Microsoft" / "mistral-7b-cpu-2"
    for directory in (whole / "v5", bare, half / "v2"):
        directory.mkdir(parents=True)
        (directory / "model.onnx").write_bytes(b"x" * 1_155)
    (whole / "v5" / "inference_model.json").write_text(json.dumps({"Name": REMEMBERED["id"]}))
    (bare / "inference_model.json").write_text("not JSON")
    (bare / "genai_config.json").write_text(json.dumps({"model": {"context_length": 1024}}))
    (half / "download.tmp").touch()
    half_known = {"alias": "mistral-7b", "id": "mistral-7b-cpu:2"}
    (folder / "foundry.modelinfo.json").write_text(json.dumps({"models": [REMEMBERED, half_known]}))
    return folder


def models(folder: Path, *arguments: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(main, ["models", *arguments, "--cache-dir", str(folder)], input=answer)


def test_what_is_cached_is_known_from_what_was_last_read_or_from_its_directory(folder: Path) -> None:
    bare, phi = cached(folder)

    assert (bare.alias, bare.id, bare.version, bare.context_length, bare.licence) == (
        "house-cpu",
        "house-cpu:1",
        1,
        1024,
        None,
    )
    assert (phi.alias, phi.licence, phi.device, phi.context_length, phi.tools) == (
        "phi-4-mini",
        "MIT",
        "CPU",
        131072,
        True,
    )
    assert phi.capabilities == ("reasoning", "tools")
    assert phi.directory == folder / "Microsoft" / "Phi-4-mini-instruct-generic-cpu-5" / "v5"
    assert phi.size_bytes == 1_200


def test_a_download_that_was_cut_short_is_not_cached(folder: Path) -> None:
    (half,) = unfinished(folder)

    assert (half.alias, half.id) == ("mistral-7b", "mistral-7b-cpu:2")
    assert half.size_bytes == allocated_bytes(half.directory)
    assert half.id not in [one.id for one in cached(folder)]


def test_the_cache_is_listed_without_a_network(folder: Path) -> None:
    done = models(folder, "list", "--cached", "--licence", "mit", "--max-size", "1MB")

    assert done.exit_code == 0, done.output
    assert [line.split() for line in done.stdout.splitlines() if "Phi" in line] == [
        ["phi-4-mini", "Phi-4-mini-instruct-generic-cpu:5", "CPU", "1.20", "MIT", "chat-completion", "131,072", "yes"]
    ]
    assert "house" not in done.stdout
    assert "bench: the download of mistral-7b-cpu:2 was cut short (" in done.stderr
    assert done.stderr.endswith(
        "bench models download mistral-7b-cpu:2 goes on with it, bench models remove mistral-7b-cpu:2 lets it go\n"
    )


def test_what_does_not_match_and_what_is_not_there_are_told_apart(folder: Path, tmp_path: Path) -> None:
    assert models(folder, "list", "gemma", "--cached").stdout == f"None of 2 variants in {folder} is as asked.\n"
    assert models(tmp_path / "none", "list", "--cached").stdout == f"There is no model in {tmp_path / 'none'}.\n"


def test_a_model_is_removed_after_a_question_and_its_disk_is_told(folder: Path) -> None:
    kept = models(folder, "remove", "PHI-4-mini", answer="n\n")
    removed = models(folder, "remove", "phi-4-mini", "mistral-7b", "--yes")

    assert f"Remove {REMEMBERED['id']} (" in kept.stderr
    assert kept.stdout == "Freed 0\u00a0kB.\n"
    assert removed.stdout.splitlines()[:2] == [f"Removed {REMEMBERED['id']}", "Removed mistral-7b-cpu:2"]
    assert [path.name for path in (folder / "Microsoft").iterdir()] == []
    assert [one.id for one in cached(folder)] == ["house-cpu:1"]


def test_a_name_that_is_not_in_the_cache_gets_the_nearest_ones(folder: Path) -> None:
    done = models(folder, "remove", "phi-4")

    assert done.exit_code == 2
    assert done.stderr == (f"bench: the cache {folder} has no model 'phi-4'; nearest: phi-4-mini\n")


def test_a_file_in_the_place_of_the_cache_is_refused(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("")

    with pytest.raises(UsageError) as refused:
        check_writable(tmp_path / "models" / "deep")

    assert str(refused.value) == (
        f"{tmp_path / 'models'}: the cache needs a folder, and this is a file; name another one with --cache-dir"
    )


def test_a_cache_without_permission_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Tests can be run by a user who may write everywhere.
    monkeypatch.setattr("os.access", lambda path, mode: False)

    with pytest.raises(UsageError) as refused:
        check_writable(tmp_path / "not" / "there")

    assert str(refused.value) == (
        f"{tmp_path}: the cache cannot be written there; have it made writable, or name another one with --cache-dir"
    )


def test_what_has_come_already_is_not_counted_as_needed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = FoundryRuntime(cache_dir=folder)
    monkeypatch.setattr("bench.models.download.free_bytes", lambda place: 10_000_000)
    half = Variant("mistral-7b", "mistral-7b-cpu:2", publisher="Microsoft", size_bytes=10_000_000)
    new = Variant("new", "new-cpu:1", publisher="Microsoft", size_bytes=10_000_000)
    unknown = Variant("unknown", "unknown-cpu:1")
    came_bytes = unfinished(folder)[0].size_bytes

    check_disk(runtime, [half, unknown])
    with pytest.raises(NoRoom) as short:
        check_disk(runtime, [half, new])

    assert came_bytes >= 1_155
    assert (short.value.needed_bytes, short.value.free_bytes) == (20_000_000 - came_bytes, 10_000_000)
