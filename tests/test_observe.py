"""What is seen from outside: of a model in a child process, and of one behind an endpoint on this machine."""

import sys
from pathlib import Path

import pytest

from bench.config import Config
from bench.runner.record import ModelRun
from tests.builders import prompt, prompt_set
from tests.endpoint_server import Script, chunk, endpoint, events
from tests.foundry_catalogue import VARIANT, catalogue
from tests.foundry_service import service
from tests.running import run_models
from tests.site_project import ROOT

pytestmark = pytest.mark.slow

PROMPTS = prompt_set([prompt(id="p1", text="List 3 privacy benefits of local inference.")])


def only(document: dict[str, object]) -> ModelRun:
    (model,) = run_models(Config.model_validate({"rounds": 2, "warmup": 1} | document), PROMPTS).models
    return model


def test_the_machine_is_probed_before_and_after_each_model() -> None:
    model = only({"models": [{"provider": "custom", "name": "own", "class": "tests.replay_model:Paced"}]})

    watch = model.machine_watch
    assert watch is not None
    assert watch.before.compute_ns > 0
    assert watch.before.memory_ns > 0
    assert watch.after.compute_ns > 0
    assert len(watch.late_ns) > 5


def test_the_probe_can_be_left_out() -> None:
    model = only(
        {"models": [{"provider": "custom", "name": "own", "class": "tests.replay_model:Plain"}], "probe": False}
    )

    assert model.machine_watch is None
    assert model.memory_watch is not None


def test_a_stated_wattage_is_an_estimate() -> None:
    entry = {"provider": "custom", "name": "own", "class": "tests.replay_model:Paced"}

    model = only({"models": [entry], "probe": False, "energy": {"watts": 10.0}})

    assert model.energy is not None
    assert model.energy.joules == pytest.approx(10.0 * model.energy.duration_ns / 1e9)
    assert model.energy.source in ("estimate", "rapl", "powermetrics")


@pytest.mark.runtime
@pytest.mark.skipif(sys.platform != "linux", reason="finding another process's port needs rights elsewhere")
def test_the_memory_of_a_service_on_this_machine_is_read(tmp_path: Path) -> None:
    with (
        catalogue(ROOT / "bench" / "reference" / "models" / "ledger-xs-fp32", tmp_path) as served,
        service(served) as url,
    ):
        model = only({"models": [{"provider": "openai", "model": VARIANT, "base_url": url}], "probe": False})

    assert model.failure is None
    assert model.memory_peak_bytes is not None
    assert model.memory_peak_bytes > 20_000_000
    assert model.memory_loaded_bytes is not None
    assert 20_000_000 < model.memory_loaded_bytes <= model.memory_peak_bytes
    assert model.memory_unique_bytes is not None
    assert 0 < model.memory_unique_bytes <= model.memory_loaded_bytes
    assert model.cold_load_ns is None
    assert model.unmeasured["cold_load_ns"] == "the model is behind an endpoint: another process holds it"


def test_a_model_behind_an_endpoint_has_no_load_of_ours() -> None:
    with endpoint(Script(events(chunk("Hi."), chunk(finish="stop")))) as url:
        model = only({"models": [{"provider": "openai", "model": "m", "base_url": url}], "probe": False})

    assert model.cold_load_ns is None
    assert model.reloads_ns == ()
    assert model.memory_before_bytes is None
    assert model.unmeasured["memory_before_bytes"] == "the model is behind an endpoint: another process holds it"


def test_a_model_on_another_machine_has_no_memory_here(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script(events(chunk("Hi."), chunk(finish="stop")))
    with endpoint(script) as url:
        monkeypatch.setenv("HTTP_PROXY", url.removesuffix("/v1"))
        monkeypatch.delenv("NO_PROXY", raising=False)
        # An address that is set aside for documentation: the proxy stands for the machine that has it.
        model = only({"models": [{"provider": "openai", "model": "m", "base_url": "http://192.0.2.7/v1"}]})

    assert model.failure is None
    assert len(model.samples) == 2
    for name in ("memory_loaded_bytes", "memory_peak_bytes", "memory_unique_bytes", "gpu_memory_peak_bytes"):
        assert getattr(model, name) is None
        assert model.unmeasured[name] == "remote"
