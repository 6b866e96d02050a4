"""Result files: what is written, what is read, what is refused."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench.errors import ResultError
from bench.store.files import check_writable, dump, load, load_tree, save
from tests.builders import model_run, result, sample


def write(folder: Path, value: object) -> Path:
    path = folder / "run.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return path


def reason(path: Path) -> str:
    with pytest.raises(ResultError) as caught:
        load(path)
    assert str(caught.value) == f"{path}: {caught.value.reason}"
    return caught.value.reason


def test_what_is_saved_is_read_back(tmp_path: Path) -> None:
    made = result()

    path = save(made, tmp_path)

    assert path == tmp_path / f"{made.run.id}.json"
    assert load(path) == made
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_file_is_made_to_be_read_in_a_diff() -> None:
    samples = tuple(sample(round=number, position=number) for number in (1, 2, 3))

    lines = dump(result(models=(model_run(samples=samples),))).split("\n")

    assert lines[0] == "{"
    assert lines[1] == '  "schema_version": 4,'
    assert lines[-1] == ""
    assert sum('"chunk_ns"' in line for line in lines) == 3
    assert not any(line.endswith(" ") for line in lines)


def test_the_same_result_gives_the_same_bytes() -> None:
    assert dump(result()) == dump(result())


def test_a_result_is_never_overwritten(tmp_path: Path) -> None:
    path = save(result(), tmp_path)
    before = path.read_bytes()

    with pytest.raises(ResultError) as caught:
        save(result(), tmp_path)

    assert str(caught.value) == f"{path}: exists already; a result file is never overwritten"
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("")

    for attempt in (lambda: save(result(), tmp_path / "results"), lambda: check_writable(tmp_path / "results")):
        with pytest.raises(ResultError) as caught:
            attempt()
        assert caught.value.reason.startswith("cannot be written: ")
        assert caught.value.reason.endswith("; choose another folder with --results")


def test_a_file_cut_in_half(tmp_path: Path) -> None:
    text = dump(result())
    found = reason(write(tmp_path, text[: len(text) // 2]))

    assert found.startswith("is not whole JSON (line ")
    assert found.endswith("; restore it with git")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", "is not whole JSON (line 1: Expecting value); restore it with git"),
        ("[]", "does not hold a JSON object; is it a result file?"),
        ("{}", "schema_version is null, not a whole number from 1; is it a result file?"),
        ('{"schema_version": "1"}', 'schema_version is "1", not a whole number from 1; is it a result file?'),
        ('{"schema_version": true}', "schema_version is true, not a whole number from 1; is it a result file?"),
        ('{"schema_version": 99}', "has schema version 99; this program reads up to 4: upgrade benchledger"),
        ('{"schema_version": NaN}', "schema_version is NaN, not a whole number from 1; is it a result file?"),
        ("[" * 100_000, "is nested too deeply to be a result file"),
    ],
)
def test_what_is_no_result_file(tmp_path: Path, value: str, expected: str) -> None:
    assert reason(write(tmp_path, value)) == expected


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(b'{"a": "\xff"}')

    assert reason(path) == "is not UTF-8 text (byte 7); restore it with git"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert reason(tmp_path / "none.json") == "cannot be read: No such file or directory"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {"chunk_ns": [-5]},
            "models[0].samples[0].chunk_ns[0]: must be a whole number from 0 to 9,007,199,254,740,991, found -5",
        ),
        ({"chunk_ns": [20, 10]}, "models[0].samples[0]: chunk_ns goes back in time, from 20 to 10"),
        ({"end_ns": 1}, "models[0].samples[0]: end_ns is 1, before the last chunk at 140000000"),
        ({"output": "0000"}, "the file: model tiny has a sample with the unknown output '0000'"),
        ({"prompt": "p9"}, "the file: model tiny has a sample of the unknown prompt 'p9'"),
        (
            {"output": None},
            "models[0].samples[0]: a good sample has an end and an output; this one has no failure either",
        ),
        ({"first_answer_chunk": 3}, "models[0].samples[0]: first_answer_chunk is 3, but chunk_ns has 3"),
        ({"speed": 3}, "models[0].samples[0].speed: Extra inputs are not permitted, found 3"),
        ({"round": "1"}, 'models[0].samples[0].round: must be a whole number from 0 to 1,000,000,000,000, found "1"'),
    ],
)
def test_numbers_that_cannot_be(tmp_path: Path, change: dict[str, object], expected: str) -> None:
    made = json.loads(dump(result()))
    made["models"][0]["samples"][0] |= change

    assert reason(write(tmp_path, made)) == expected


def test_nothing_is_null_without_a_reason(tmp_path: Path) -> None:
    made = json.loads(dump(result()))
    made["models"][0]["cold_load_ns"] = None

    assert reason(write(tmp_path, made)) == "models[0]: cold_load_ns is null, and unmeasured does not say why"


def test_a_tree_is_read_oldest_first_and_the_rest_is_refused(tmp_path: Path) -> None:
    for name, month in (("m1", 3), ("m2", 1)):
        save(result(machine_name=name, started_utc=datetime(2026, month, 1, tzinfo=UTC), commit="c"), tmp_path)
    (tmp_path / "m1" / "broken.json").write_text("{")
    (tmp_path / "m1" / "new.json").write_text('{"schema_version": 99}')
    (tmp_path / "m1" / "copy.json").write_text((tmp_path / "m2" / "20260101T000000Z-c-default.json").read_text())
    (tmp_path / "m1" / ".half-written.json").write_text("{")
    (tmp_path / "m1" / "notes.txt").write_text("hello")

    ledger = load_tree(tmp_path)

    assert [entry.run.id for entry in ledger.results] == [
        "m2/20260101T000000Z-c-default",
        "m1/20260301T000000Z-c-default",
    ]
    assert [(refused.path, refused.reason) for refused in ledger.refused] == [
        (
            "m1/broken.json",
            "is not whole JSON (line 1: Expecting property name enclosed in double quotes); restore it with git",
        ),
        (
            "m1/copy.json",
            "its run id is 'm2/20260101T000000Z-c-default': move it to m2/20260101T000000Z-c-default.json",
        ),
        ("m1/new.json", "has schema version 99; this program reads up to 4: upgrade benchledger"),
    ]


def test_a_tree_that_is_not_there_is_empty(tmp_path: Path) -> None:
    ledger = load_tree(tmp_path / "none")

    assert ledger.results == ()
    assert ledger.refused == ()
