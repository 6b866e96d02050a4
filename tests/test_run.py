"""Runs in real child processes: what is recorded when a model answers, fails, dies or hangs."""

import json
import sys
from pathlib import Path

import pytest

from bench.config import Config
from bench.runner import supervise
from bench.runner.record import ModelRun
from bench.runner.run import Progress, Ran
from tests.builders import prompt, prompt_set
from tests.running import run_models

pytestmark = pytest.mark.slow

PROMPTS = prompt_set([prompt(id="p1", text="One?"), prompt(id="p2", text="Two?")])


def ran(*models: dict[str, object], **settings: object) -> Ran:
    entries = [{"provider": "custom", **model} for model in models]
    document = {"models": entries, "rounds": 2, "warmup": 1, "probe": False, **settings}
    return run_models(Config.model_validate(document), PROMPTS)


def only(outcome: Ran) -> ModelRun:
    (model,) = outcome.models
    return model


def kinds(model: ModelRun) -> list[str | None]:
    return [sample.failure.kind if sample.failure else None for sample in model.samples]


def test_a_model_that_answers(tmp_path: Path) -> None:
    weights = tmp_path / "answers.json"
    weights.write_text(json.dumps({"One?": ["The ", "first."], "Two?": ["The ", "second ", "one."]}))

    outcome = ran({"name": "own", "class": "tests.replay_model:Replay", "weights": str(weights)})

    model = only(outcome)
    assert model.failure is None
    assert model.requested == "tests.replay_model:Replay"
    assert model.footprint_bytes == weights.stat().st_size
    assert [sample.round for sample in model.warmup] == [0]
    assert [sample.round for sample in model.samples] == [1, 1, 2, 2]
    assert sorted(outcome.outputs.values()) == ["The first.", "The second one."]
    for sample in model.samples:
        assert sample.failure is None
        assert (len(sample.chunk_ns), sample.output_tokens) == ((2, 2) if sample.prompt == "p1" else (3, 3))
        assert sample.prompt_tokens == 1
        assert sample.tokens_source == "tokenizer"
    assert model.cold_load_ns is not None
    assert model.memory_before_bytes is not None
    assert model.memory_loaded_bytes is not None
    assert model.memory_peak_bytes is not None
    assert model.memory_peak_bytes >= model.memory_loaded_bytes
    for name in ("parameters", "precision", "licence", "context_length"):
        assert model.unmeasured[name] == "a custom class does not say it; declare it in the config under declared"


def test_what_a_custom_model_is_asked_with() -> None:
    outcome = ran(
        {"name": "own", "class": "tests.replay_model:Plain"},
        generation={"temperature": 0.5, "top_p": 0.9, "seed": 7, "max_output_tokens": 11},
        rounds=1,
    )

    assert 'One? {"max_output_tokens": 11, "seed": 7, "temperature": 0.5, "top_p": 0.9}' in outcome.outputs.values()
    assert {sample.tokens_source for sample in only(outcome).samples} == {"none"}


def test_what_the_config_declares_fills_the_gaps() -> None:
    declared = {"parameters": 5, "licence": "Apache-2.0", "capabilities": ["chat"], "context_length": 64}

    model = only(ran({"name": "own", "class": "tests.replay_model:Plain", "declared": declared}, rounds=1))

    assert (model.parameters, model.licence, model.capabilities, model.context_length) == (
        5,
        "Apache-2.0",
        ("chat",),
        64,
    )
    assert {"precision", "footprint_bytes"} <= set(model.unmeasured)
    assert not {"parameters", "licence", "context_length"} & set(model.unmeasured)


def test_a_model_that_cannot_be_loaded_leaves_the_others_alone() -> None:
    outcome = ran(
        {"name": "big", "class": "tests.replay_model:FailsToLoad"},
        {"name": "own", "class": "tests.replay_model:Plain"},
        {"name": "gone", "class": "tests.replay_model:Nobody"},
        {"name": "lost", "class": "tests.no_such_module:Model"},
    )

    big, own, gone, lost = outcome.models
    assert big.failure is not None
    assert (big.failure.kind, big.failure.message) == (
        "out-of-memory",
        "MemoryError: not enough memory; stop other models or take a smaller variant",
    )
    assert big.samples == ()
    assert big.unmeasured["cold_load_ns"] == "the model was never loaded"
    assert own.failure is None
    assert kinds(own) == [None] * 4
    assert gone.failure is not None
    assert gone.failure.message == "module 'tests.replay_model' has no class 'Nobody'"
    assert lost.failure is not None
    assert lost.failure.message == "no module 'tests.no_such_module' in this folder or installed"


def test_a_prompt_that_fails_is_skipped(tmp_path: Path) -> None:
    weights = tmp_path / "answers.json"
    weights.write_text(json.dumps({"One?": ["Yes."], "Two?": []}))

    model = only(ran({"name": "own", "class": "tests.replay_model:Replay", "weights": str(weights)}))

    assert model.failure is None
    assert {(sample.prompt, sample.failure.kind if sample.failure else None) for sample in model.samples} == {
        ("p1", None),
        ("p2", "empty"),
    }


def test_a_child_that_is_killed_keeps_what_it_measured() -> None:
    outcome = ran(
        {"name": "dies", "class": "tests.replay_model:DiesAtTheThird"},
        {"name": "own", "class": "tests.replay_model:Plain"},
    )

    dies, own = outcome.models
    assert dies.failure is not None
    assert dies.failure.kind == "died"
    assert dies.failure.message == (
        "the process that held the model was killed by SIGKILL while answering, often for want of memory: "
        "stop other models or take a smaller variant"
    )
    assert len(dies.warmup) == 1
    assert kinds(dies) == [None, "died"]
    assert dies.memory_loaded_bytes is not None
    assert dies.memory_peak_bytes is not None
    assert dies.memory_watch is not None
    assert kinds(own) == [None] * 4


@pytest.mark.skipif(sys.platform != "linux", reason="other systems keep no such limit on a process's memory")
def test_a_child_that_is_out_of_memory_fails_with_that_and_goes_on() -> None:
    model = only(ran({"name": "greedy", "class": "tests.replay_model:RunsOutOfMemory"}))

    assert model.failure is None
    assert kinds(model) == ["out-of-memory", None, None, None]
    failure = model.samples[0].failure
    assert failure is not None
    assert failure.message == "MemoryError; stop other models or take a smaller variant"


def test_a_slow_answer_is_cut_off_and_the_next_one_is_asked() -> None:
    model = only(ran({"name": "slow", "class": "tests.replay_model:Slow"}, timeouts={"request_s": 0.5}, rounds=1))

    assert model.failure is None
    assert kinds(model) == ["timeout", "timeout"]
    assert len(model.samples[0].chunk_ns) == 2


def test_an_answer_that_never_comes_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervise, "GRACE_S", 0.5)

    model = only(
        ran({"name": "hangs", "class": "tests.replay_model:HangsAtTheSecond"}, timeouts={"request_s": 0.5}, rounds=1)
    )

    assert model.failure is not None
    assert (model.failure.kind, model.failure.message) == ("timeout", "answering: nothing for 0.5 s")
    assert kinds(model) == ["timeout"]


def test_repeated_loads_are_in_fresh_processes() -> None:
    model = only(ran({"name": "own", "class": "tests.replay_model:Plain"}, rounds=1, loads=3))

    assert model.cold_load_ns is not None
    assert len(model.reloads_ns) == 2
    assert kinds(model) == [None, None]


def test_a_further_load_that_fails_is_the_model_s_failure(tmp_path: Path) -> None:
    entry: dict[str, object] = {
        "name": "own",
        "class": "tests.replay_model:LoadsOnce",
        "weights": str(tmp_path / "weights"),
    }

    model = only(ran(entry, rounds=1, loads=3))

    assert model.cold_load_ns is not None
    assert model.reloads_ns == ()
    assert kinds(model) == [None, None]
    assert model.failure is not None
    assert model.failure.kind == "load"
    assert model.failure.message.startswith("load 2 of 3: FileExistsError: ")


def test_progress_counts_the_requests_of_each_model() -> None:
    seen: list[Progress] = []
    config = Config.model_validate(
        {
            "models": [{"provider": "custom", "name": "own", "class": "tests.replay_model:Plain"}],
            "rounds": 2,
            "probe": False,
        }
    )

    run_models(config, PROMPTS, seen.append)

    assert [(progress.stage, progress.done) for progress in seen] == [
        ("preparing", 0),
        ("loading", 0),
        *[("answering", done) for done in range(6)],
        ("done", 5),
    ]
    assert {progress.total for progress in seen} == {5}
    assert [progress.round for progress in seen] == [None, None, 0, 1, 1, 2, 2, None, None]
