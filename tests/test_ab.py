import json
import os
import signal
from pathlib import Path

import pytest

from bench.ab import SIDES, BlockProgress, Session, order, take_turns
from bench.errors import UsageError
from bench.store.files import load

pytestmark = pytest.mark.slow

pytestmark = pytest.mark.slow

CONFIG = """
prompts: prompts.yaml
rounds: {rounds}
warmup: 1
machine: kiosk
probe: false
models:
  - {{provider: custom, name: tiny, class: "tests.replay_model:Replay", weights: {weights}.json}}
{more}
"""


def write_side(folder: Path, name: str, answer: str, rounds: int = 3, more: str = "") -> str:
    (folder / "prompts.yaml").write_text("id: own\nprompts:\n  - {id: a, title: A, text: Hello}\n")
    (folder / f"{name}.json").write_text(json.dumps({"Hello": [answer, " indeed"]}))
    path = folder / f"{name}.yaml"
    path.write_text(CONFIG.format(rounds=rounds, weights=name, more=more))
    return str(path)


def turns_of(folder: Path, a: str, b: str, seen: list[BlockProgress] | None = None) -> Session:
    return take_turns(a, b, folder / "results", {}, wait=True, on_turn=(seen if seen is not None else []).append)


def test_who_goes_first_changes_with_every_pair() -> None:
    assert order(1) == ("A", "B")
    assert order(4) == ("A", "B", "B", "A", "A", "B", "B", "A")


def test_each_side_has_a_file_with_a_round_for_each_of_its_turns(tmp_path: Path) -> None:
    a, b = write_side(tmp_path, "old", "fine"), write_side(tmp_path, "new", "better")
    seen: list[BlockProgress] = []

    session = turns_of(tmp_path, a, b, seen)

    assert load(session.a_path) == session.a
    assert load(session.b_path) == session.b
    for result, answer in ((session.a, "fine indeed"), (session.b, "better indeed")):
        (model,) = result.models
        assert [one.round for one in model.samples] == [1, 2, 3]
        assert len(model.warmup) == 3
        assert len(model.reloads_ns) == 2
        assert set(result.outputs.values()) == {answer}
        assert result.run.status == "complete"
        assert result.config.resolved["rounds"] == 3
    assert list(dict.fromkeys((turn.block, turn.side) for turn in seen)) == list(enumerate(order(3), start=1))


def test_the_files_name_each_other_and_the_order(tmp_path: Path) -> None:
    a, b = write_side(tmp_path, "old", "fine"), write_side(tmp_path, "new", "better")

    session = turns_of(tmp_path, a, b)

    assert session.a.run.pairing is not None
    assert session.b.run.pairing is not None
    assert session.a.run.id.endswith("-old-ab-a")
    assert session.b.run.id.endswith("-new-ab-b")
    assert (session.a.run.pairing.side, session.a.run.pairing.other) == ("A", session.b.run.id)
    assert (session.b.run.pairing.side, session.b.run.pairing.other) == ("B", session.a.run.id)
    assert session.a.run.pairing.blocks == ("A", "B", "B", "A", "A", "B")
    assert session.b.run.pairing.blocks == session.a.run.pairing.blocks


def test_turns_do_not_overlap(tmp_path: Path) -> None:
    a, b = write_side(tmp_path, "old", "fine"), write_side(tmp_path, "new", "better")

    session = turns_of(tmp_path, a, b)

    begun = {
        (side, sample.round): sample.start_ns
        for side, result in zip(SIDES, (session.a, session.b), strict=True)
        for sample in result.models[0].samples
    }
    in_time = sorted(begun, key=lambda key: begun[key])
    assert in_time == [("A", 1), ("B", 1), ("B", 2), ("A", 2), ("A", 3), ("B", 3)]


def test_a_stop_keeps_the_pairs_that_were_whole(tmp_path: Path) -> None:
    a, b = write_side(tmp_path, "old", "fine"), write_side(tmp_path, "new", "better")

    def stop_in_the_fourth(turn: BlockProgress) -> None:
        if turn.block == 4:
            os.kill(os.getpid(), signal.SIGINT)

    session = take_turns(a, b, tmp_path / "results", {}, wait=True, on_turn=stop_in_the_fourth)

    assert session.a.run.status == "partial"
    assert [one.round for one in session.a.models[0].samples] == [1]
    assert [one.round for one in session.b.models[0].samples] == [1]
    assert session.a.run.pairing is not None
    assert session.a.run.pairing.blocks == ("A", "B")


def test_a_config_can_be_compared_with_itself(tmp_path: Path) -> None:
    a = write_side(tmp_path, "same", "fine", rounds=1)

    session = turns_of(tmp_path, a, a)

    assert session.a_path != session.b_path


def test_other_rounds_are_refused(tmp_path: Path) -> None:
    a, b = write_side(tmp_path, "old", "fine"), write_side(tmp_path, "new", "better", rounds=5)

    with pytest.raises(UsageError) as caught:
        turns_of(tmp_path, a, b)

    assert str(caught.value) == f"{a} and {b}: rounds differ (3 and 5); set the same in both, or give --rounds"


def test_other_prompts_are_refused(tmp_path: Path) -> None:
    a, b = write_side(tmp_path, "old", "fine"), write_side(tmp_path, "new", "better")
    Path(b).write_text(Path(b).read_text().replace("prompts.yaml", "smoke"))

    with pytest.raises(UsageError) as caught:
        turns_of(tmp_path, a, b)

    assert str(caught.value) == f"{a} and {b}: prompts differ (own and smoke); name the same prompt set in both"


def test_load_is_not_measured_in_turns(tmp_path: Path) -> None:
    a, b = write_side(tmp_path, "old", "fine"), write_side(tmp_path, "new", "better", more="load: {streams: [2]}")

    with pytest.raises(UsageError) as caught:
        turns_of(tmp_path, a, b)

    assert str(caught.value) == f"{b}: load: is not measured in turns; take it out, or use bench run"
