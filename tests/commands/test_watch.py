"""Watching a folder of results."""

import threading
from pathlib import Path

from bench.commands.watch import watching
from bench.store.files import save
from tests.builders import result


def test_a_new_result_is_noticed_and_other_files_are_not(tmp_path: Path) -> None:
    called = threading.Event()

    with watching(tmp_path / "results", called.set):
        (tmp_path / "results" / "notes.txt").write_text("nothing")
        assert not called.wait(1.5)
        save(result(), tmp_path / "results")
        assert called.wait(20)


def test_a_new_review_is_noticed(tmp_path: Path) -> None:
    called = threading.Event()

    with watching(tmp_path, called.set):
        (tmp_path / "run.by-ann.yaml").write_text("schema_version: 1\n")
        assert called.wait(20)
