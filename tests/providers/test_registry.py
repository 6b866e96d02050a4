"""The table of kinds: what a row promises, and that a new kind is one module and one row."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.providers.registry import KINDS, Kind, kind_of, named_model
from tests.site_project import ROOT

MODULE = '''
"""Models that answer from a file, whole."""

import json

from bench.providers.protocol import Decoded, Identity, Piece


class ReplayProvider:
    """One model whose answers stand in a file, in words."""

    one_at_a_time = None

    def __init__(self, model):
        self._path = model.answers

    def prepare(self, on_download):
        """There is nothing to do."""

    def load(self):
        """Read the answers."""
        self._answers = json.loads(self._path.read_text(encoding="utf-8"))

    def identity(self):
        """Return what the file is."""
        return Identity(variant_id=self._path.name, footprint_bytes=self._path.stat().st_size)

    def stream(self, request, clock):
        """Yield the whole answer; being asked for a stream is an error."""
        assert not request.stream
        yield self._answers[request.text]

    def decode(self, events):
        """Return the text as one piece."""
        (text,) = events
        return Decoded((Piece(text, 0),), None, len(text.split()), "tokenizer", "stop")

    def count_prompt_tokens(self, request):
        """Nobody counts."""
        return None

    def close(self):
        """There is nothing to let go of."""
'''

SETTINGS = '''
class ReplayModel(ModelSettings):
    """A model whose answers stand in a file."""

    provider: Literal["replay"]
    answers: Path = Field(strict=False)
    secret: str | None = None

    @property
    def requested(self) -> str:
        """The file's name."""
        return self.answers.name


def _replay(model: ReplayModel, runtime: FoundryRuntime, connect_s: float) -> Provider:
    from bench.providers.replay import ReplayProvider

    return ReplayProvider(model)


'''

ROW = """
    Kind(
        name="replay",
        settings=ReplayModel,
        provider=_replay,
        remote=None,
        process="child",
        streams=False,
        calibratable=False,
        key="secret",
        by_name=None,
    ),
"""

CONFIG = """
prompts: prompts.yaml
rounds: 2
machine: kiosk
models:
  - {provider: replay, name: parrot, answers: files/answers.json, declared: {licence: MIT}}
"""

PROMPTS = """
id: own
prompts:
  - id: capital
    title: Capital
    text: Capital of France?
    facets: [{id: names-it, says: It names Paris., check: contains_any, values: [Paris]}]
"""


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_row_names_settings_that_its_kind_has(kind: Kind[Any]) -> None:
    fields = kind.settings.model_fields

    assert fields["provider"].annotation.__args__ == (kind.name,)
    assert {name for name in (kind.key, kind.by_name) if name is not None} <= set(fields)


def test_a_mere_name_is_of_the_first_kind_that_takes_one_here_or_elsewhere() -> None:
    here, elsewhere = named_model("phi-4", remote=False), named_model("phi-4", remote=True)

    assert (here.provider, here.requested, here.address) == ("foundry", "phi-4", None)
    assert (elsewhere.provider, elsewhere.requested) == ("openai", "phi-4")
    assert elsewhere.address == "http://localhost:5273/v1"
    assert kind_of(elsewhere).remote == "the model is behind an endpoint: another process holds it"


def inserted(text: str, piece: str, before: str) -> str:
    assert text.count(before) == 1
    return text.replace(before, piece.lstrip("\n") + before)


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the package that has one module and one row more, and a folder to run it in."""
    ignored = shutil.ignore_patterns("__pycache__", "*.onnx", "*.onnx.data")
    shutil.copytree(ROOT / "bench", tmp_path / "house" / "bench", ignore=ignored)
    providers = tmp_path / "house" / "bench" / "providers"
    (providers / "replay.py").write_text(MODULE.lstrip("\n"), encoding="utf-8")
    registry = providers / "registry.py"
    text = inserted(registry.read_text(encoding="utf-8"), SETTINGS, "KINDS: tuple[Kind[Any], ...] = (")
    registry.write_text(inserted(text, ROW, ')\n"""Every kind, a row each'), encoding="utf-8")
    (tmp_path / "own.yaml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "prompts.yaml").write_text(PROMPTS, encoding="utf-8")
    (tmp_path / "files").mkdir()
    answers = json.dumps({"Capital of France?": "It is Paris."})
    (tmp_path / "files" / "answers.json").write_text(answers, encoding="utf-8")
    return tmp_path


def bench(house: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments],
        cwd=house,
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(house / "house"), **variables},
    )


@pytest.mark.slow
def test_a_new_kind_is_one_module_and_one_row(house: Path) -> None:
    ran = bench(house, "run", "own.yaml", "--quiet")

    assert ran.returncode == 0, ran.stderr
    result = json.loads((house / ran.stdout.strip()).read_text(encoding="utf-8"))
    (model,) = result["models"]
    assert (model["provider"], model["requested"], model["licence"]) == ("replay", "answers.json", "MIT")
    assert model["footprint_bytes"] == 38
    # Its capabilities: it is here, so that its load and its process are measured; it was asked for whole answers.
    assert model["cold_load_ns"] > 0
    assert model["memory_peak_bytes"] > 0
    assert [sample["chunk_ns"] for sample in model["samples"]] == [[], []]
    assert [sample["output_tokens"] for sample in model["samples"]] == [3, 3]
    assert [grade["facets"] for grade in result["grades"]] != []
    # A path of this machine is not in the file, and what is declared stands last.
    (settings,) = result["config"]["resolved"]["models"]
    assert list(settings) == ["provider", "name", "answers", "secret", "declared"]
    assert settings["answers"] == "answers.json"


@pytest.mark.slow
def test_the_mistakes_of_a_new_kind_are_told_like_those_of_the_others(house: Path) -> None:
    (house / "typo.yaml").write_text(CONFIG.replace("answers:", "anwsers:"), encoding="utf-8")
    (house / "other.yaml").write_text(CONFIG.replace("provider: replay", "provider: replai"), encoding="utf-8")
    (house / "keyed.yaml").write_text(CONFIG.replace("name: parrot", "name: parrot, secret: OWN_KEY"), encoding="utf-8")

    typo, other, keyed = (bench(house, "run", f"{name}.yaml") for name in ("typo", "other", "keyed"))

    assert typo.returncode == other.returncode == keyed.returncode == 2
    assert "models[0].anwsers: is not a known key; did you mean 'answers'?" in typo.stderr
    assert 'provider must be one of foundry, openai, custom, replay, found "replai"' in other.stderr
    assert keyed.stderr == (
        "bench: environment: models.parrot.secret: the environment variable OWN_KEY is not set; "
        "set it to the endpoint's key\n"
    )
