"""Result files of older schema versions: one of each stays here for ever, and each is read."""

import json
from pathlib import Path

import pytest

from bench.errors import ResultError
from bench.schema.result import SCHEMA_VERSION
from bench.store.files import load

VERSIONS = Path(__file__).parents[1] / "fixtures" / "versions"


def test_there_is_a_file_of_each_older_version() -> None:
    assert sorted(path.stem for path in VERSIONS.iterdir()) == [str(number) for number in range(1, SCHEMA_VERSION)]


@pytest.mark.parametrize("path", sorted(VERSIONS.iterdir()), ids=lambda path: path.stem)
def test_an_older_file_is_read_with_all_that_it_measured(path: Path) -> None:
    old = json.loads(path.read_text(encoding="utf-8"))

    result = load(path)

    assert result.schema_version == SCHEMA_VERSION
    assert result.outputs == old["outputs"]
    assert [[list(sample.chunk_ns) for sample in model.samples] for model in result.models] == [
        [sample["chunk_ns"] for sample in model["samples"]] for model in old["models"]
    ]


def test_version_1_says_what_it_did_not_measure() -> None:
    result = load(VERSIONS / "1.json")

    assert result.run.status == "complete"
    assert result.client == ()
    for model in result.models:
        assert model.unmeasured["energy"] == "not measured before schema version 2"
        assert model.unmeasured["memory_unique_bytes"] == "not measured before schema version 2"


def test_an_older_file_of_another_form_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text('{"schema_version": 1, "run": {}}')

    with pytest.raises(ResultError) as caught:
        load(path)

    assert caught.value.reason == "does not have the form of schema version 1: KeyError('models')"


def test_version_3_marks_test_instruments_by_their_maker(tmp_path: Path) -> None:
    document = json.loads((VERSIONS / "3.json").read_text(encoding="utf-8"))
    document["models"][0] |= {"publisher": "Benchledger", "provider": "foundry"}
    path = tmp_path / "run.json"
    path.write_text(json.dumps(document))

    marked, as_it_was = load(path).models[0], load(VERSIONS / "3.json").models[0]

    assert (marked.instrument, marked.prompt_cache, marked.prompt_cache_by) == (
        True,
        "cold",
        "a session of its own for each request",
    )
    assert (as_it_was.instrument, as_it_was.prompt_cache) == (False, "as-is")
    assert {one.stamped_by for one in as_it_was.load[0].samples} == {"process"}
