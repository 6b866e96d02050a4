"""Runs that start a server for their model: every column is measured, and nothing of it outlives them."""

import json
import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from bench.config.settings import Config
from bench.runner.run import RunProgress, Stopped
from bench.schema.model_run import ModelRun, Runtime
from tests.builders import prompt, prompt_set
from tests.gguf_files import write_gguf
from tests.interrupting import PROMPTS, start
from tests.running import run_models
from tests.served_models import await_end, running, served, servers_of

pytestmark = pytest.mark.slow

TWO = prompt_set([prompt(id="p1", text="One and one is?"), prompt(id="p2", text="Two and two is?")])


def ran(document: dict[str, object], **settings: object) -> ModelRun:
    config = Config.model_validate({"models": [document], "rounds": 2, "warmup": 1, "probe": False, **settings})
    (model,) = run_models(config, TWO).models
    return model


def test_a_served_model_has_every_column_of_one_in_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = write_gguf(tmp_path / "tiny.gguf")
    load = {"streams": [2], "warmup_s": 0, "measure_s": 0.1}

    model = ran(served("--memory-mb", 64, "--load-s", 0.1, model_file=str(file)), loads=2, load=load)

    assert model.failure is None
    assert model.runtime == Runtime(name="llama.cpp", version="b1-abcdef0")
    assert (model.prompt_cache, model.transport, model.requested) == ("cold", "direct", "tiny")
    assert (model.parameters, model.precision, model.licence) == (256, "Q4_1", "apache-2.0")
    assert model.footprint_bytes == file.stat().st_size
    assert model.cold_load_ns is not None
    assert model.cold_load_ns > 100_000_000
    assert len(model.reloads_ns) == 1
    for read_bytes in (model.memory_loaded_bytes, model.memory_unique_bytes, model.memory_peak_bytes):
        assert read_bytes is not None
        assert 64 * 2**20 < read_bytes < 200 * 2**20
    assert "before that there was no process" in model.unmeasured["memory_before_bytes"]
    assert [sample.cached_prompt_tokens for sample in model.samples] == [0] * 4
    assert all(sample.server is not None for sample in model.samples)
    (level,) = model.load
    # The client is not the model: what it took can be told.
    assert level.client_cpu_ns is not None
    assert level.memory_peak_bytes is not None


def test_a_warm_prompt_cache_has_seen_each_prompt_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    model = ran(served(), prompt_cache="warm")

    assert (model.prompt_cache, model.prompt_cache_by) == ("warm", "each prompt was sent once before it was measured")
    assert [(sample.prompt, sample.cached_prompt_tokens) for sample in model.warmup] == [("p1", 0), ("p2", 0)]
    assert [sample.cached_prompt_tokens for sample in model.samples] == [3] * 4


def test_a_server_that_dies_in_the_middle_ends_its_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    model = ran(served("--mode", "dies-answering"))

    assert model.failure is not None
    assert model.failure.kind == "died"
    assert " ended with code 3 while it answered; it last said: assertion failed" in model.failure.message
    # The warm-up went well, the next request did not, and no other was sent.
    assert [sample.failure for sample in model.samples] == [model.failure]


def test_a_run_that_is_stopped_leaves_no_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    servers: list[int] = []

    def stop(standing: RunProgress) -> None:
        if standing.done:
            servers.extend(servers_of(os.getpid()))
            raise Stopped

    config = Config.model_validate({"models": [served()], "rounds": 2, "probe": False})
    outcome = run_models(config, TWO, stop)

    assert outcome.stopped
    assert len(servers) == 1
    assert not psutil.pid_exists(servers[0]) or psutil.Process(servers[0]).status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("whom", ["the runner", "the model's process"])
def test_a_process_that_is_killed_leaves_no_server_and_none_of_its_children(tmp_path: Path, whom: str) -> None:
    document = served("--children", tmp_path / "children", name="first")
    (tmp_path / "own.yaml").write_text(
        json.dumps({"prompts": "prompts.yaml", "rounds": 500, "probe": False, "machine": "kiosk", "models": [document]})
    )
    (tmp_path / "prompts.yaml").write_text(PROMPTS)
    runner = start(tmp_path)
    try:
        while not (servers := servers_of(runner.pid)) or not (tmp_path / "children").exists():
            time.sleep(0.02)
        family = [*servers, *map(int, (tmp_path / "children").read_text().split())]
        (child,) = [one for one in psutil.Process(runner.pid).children() if "spawn_main" in " ".join(one.cmdline())]
        os.kill(runner.pid if whom == "the runner" else child.pid, signal.SIGKILL)

        await_end(family)
    finally:
        runner.kill()
        runner.communicate()

    assert len(family) > 1
    assert not running(family)
