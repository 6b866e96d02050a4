"""Whether the models of a config are ready: each look at them, its mark and the next step."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from bench.cli import main
from tests.endpoint_server import Script, chunk, endpoint, events
from tests.foundry_downloads import downloads
from tests.gguf_files import write_gguf
from tests.served_models import served

SMALLEST = Path(__file__).parents[2] / "bench" / "reference" / "models" / "ledger-xs-fp32"

Found = dict[str, list[tuple[str, str, str, str]]]


def verified(config: Path, **document: object) -> tuple[int, Found]:
    """Verify a config and return the exit code, and what was found of each model: check, mark, words and next step."""
    config.write_text(json.dumps(document))
    done = CliRunner().invoke(main, ["verify", str(config), "--json"])
    models: list[dict[str, Any]] = json.loads(done.stdout)
    keys = ("check", "mark", "found", "next")
    return done.exit_code, {
        model["model"]: [tuple(finding[key] for key in keys) for finding in model["findings"]] for model in models
    }


def counted(cached_tokens: int) -> dict[str, Any]:
    usage = {"prompt_tokens": 40, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": cached_tokens}}
    return {"choices": [], "usage": usage}


@pytest.mark.slow
def test_a_model_that_is_ready_has_a_mark_for_each_check(tmp_path: Path) -> None:
    body = events(chunk("They "), chunk("met."), chunk(finish="stop"), counted(0))
    with endpoint(Script(models=["m"], body=body)) as url:
        code, found = verified(tmp_path / "own.json", models=[{"provider": "openai", "model": "m", "base_url": url}])

    taken = ("parameters", "ok", "takes max_tokens, temperature, seed, stream_options", "")
    assert code == 0
    assert found["m"][:5] == [
        ("listed", "ok", f"{url} lists it", ""),
        ("answers", "ok", "to a test chat as m-variant:2", ""),
        ("streams", "ok", "2 pieces for 3 tokens", ""),
        ("usage", "ok", "40 tokens read, 3 written", ""),
        taken,
    ]
    assert [one[0] for one in found["m"]] == [*(one[0] for one in found["m"][:5]), "prompt cache"]


@pytest.mark.slow
def test_what_an_endpoint_refuses_is_tried_out_and_the_line_to_write_is_said(tmp_path: Path) -> None:
    script = Script(models=["m"], body=events(chunk("Yes."), chunk(finish="stop")), refuses=["seed", "max_tokens"])
    with endpoint(script) as url:
        code, found = verified(tmp_path / "own.json", models=[{"provider": "openai", "model": "m", "base_url": url}])

    listed, answers, parameters = found["m"]
    assert code == 1
    assert listed[1] == "ok"
    assert answers[:2] == ("answers", "fail")
    assert parameters == (
        "parameters",
        "note",
        "refuses max_tokens, seed",
        "request: {omit: [seed], rename: {max_tokens: max_completion_tokens}} for the model",
    )


@pytest.mark.slow
def test_a_model_is_verified_as_its_config_has_it_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUR_TENANT", "tenant-4711")
    body = events(chunk("They "), chunk("met."), chunk(finish="stop"), counted(0))
    script = Script(models=["M-instruct", "mm"], body=body, refuses=["seed", "max_tokens"])
    request = {
        "omit": ["seed"],
        "rename": {"max_tokens": "max_completion_tokens"},
        "body": {"ignore_eos": True},
        "headers_from": {"X-Tenant": "OUR_TENANT"},
    }
    with endpoint(script) as url:
        entry = {"provider": "openai", "model": "m", "base_url": url, "request": request}
        code, found = verified(tmp_path / "own.json", models=[entry])

    assert code == 0
    assert found["m"][0] == ("listed", "ok", f"{url} lists it as M-instruct", "")
    assert found["m"][4] == ("parameters", "ok", "takes max_tokens, temperature, stream_options", "")
    assert {one["model"] for one in script.requests} == {"M-instruct"}
    assert all(one["ignore_eos"] and "seed" not in one and "max_tokens" not in one for one in script.requests)
    assert {one["x-tenant"] for one in script.headers} == {"tenant-4711"}


def test_a_header_that_cannot_be_sent_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUR_TENANT", "tenant\n4711")
    request = {"headers_from": {"X-Tenant": "OUR_TENANT"}}
    entry = {"provider": "openai", "model": "m", "base_url": "http://127.0.0.1:9/v1", "request": request}

    config = tmp_path / "own.json"
    config.write_text(json.dumps({"models": [entry]}))
    done = CliRunner().invoke(main, ["verify", str(config), "--json"])

    assert done.exit_code == 2
    assert "the environment variable OUR_TENANT has a line break, which no header can hold" in done.stderr
    assert "4711" not in done.output


def test_an_endpoint_that_is_not_there_is_said_once(tmp_path: Path) -> None:
    entry = {"provider": "openai", "model": "m", "base_url": "http://127.0.0.1:9/v1"}

    code, found = verified(tmp_path / "own.json", models=[entry])

    assert code == 1
    (unreached, answers) = found["m"]
    assert unreached[:3] == ("endpoint", "fail", "http://127.0.0.1:9/v1 refuses the connection")
    assert answers == ("answers", "untried", "not asked: see above", "")


@pytest.mark.slow
def test_a_server_is_started_for_the_test_chat_once_its_model_s_file_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    whole = served(name="whole", model_file=str(write_gguf(tmp_path / "whole.gguf")))
    (tmp_path / "cut.gguf").write_bytes((tmp_path / "whole.gguf").read_bytes()[:-10])
    cut = served(name="cut", model_file=str(tmp_path / "cut.gguf"))

    code, found = verified(tmp_path / "own.json", models=[whole, cut])

    assert code == 1
    assert [finding[:3] for finding in found["whole"]] == [
        ("file", "ok", "there is whole.gguf"),
        ("memory", "ok", found["whole"][1][2]),
        ("answers", "ok", "to a test chat as whole.gguf"),
        ("streams", "ok", found["whole"][3][2]),
        ("usage", "ok", found["whole"][4][2]),
        ("prompt cache", "ok", "cache_prompt is false in each request"),
    ]
    assert found["cut"][0] == (
        "file",
        "fail",
        "the model file 'cut.gguf' is cut short: it has 950 of the 960 bytes that its header tells of",
        "fetch it again",
    )
    assert found["cut"][1][:2] == ("answers", "untried")


@pytest.mark.slow
def test_what_is_worth_knowing_stops_no_run(tmp_path: Path) -> None:
    script = Script(models=["gemma3"], body=events(chunk("They met.", "stop")))
    with endpoint(script) as url:
        entry = {"provider": "openai", "model": "gemma", "base_url": url, "unlisted": True}
        code, found = verified(tmp_path / "own.json", models=[entry])

    assert code == 0
    assert found["gemma"][0] == (
        "listed",
        "note",
        f"{url} does not list it; nearest: gemma3",
        "it answers all the same",
    )
    assert found["gemma"][2:4] == [
        (
            "streams",
            "note",
            "the whole answer in one piece",
            "its TTFT would be that of the whole answer: set stream: false",
        ),
        ("usage", "note", "nobody counts tokens: there will be no tokens/s", ""),
    ]


def test_weights_that_the_machine_has_no_memory_for_are_not_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(total=400_000, available=100_000))

    code, found = verified(tmp_path / "own.json", models=[{"path": str(SMALLEST)}, {"path": str(tmp_path / "none")}])

    assert code == 1
    assert found["ledger-xs-fp32"][1:] == [
        (
            "memory",
            "fail",
            "472\u00a0kB of weights, and the machine has 400\u00a0kB of memory",
            "take a smaller variant: bench models list",
        ),
        ("answers", "untried", "not asked: see above", ""),
    ]
    assert found["none"][0] == (
        "directory",
        "fail",
        "there is no model directory 'none'",
        "check the path in the config",
    )


@pytest.mark.runtime
def test_models_of_the_catalogue_are_looked_for_there_and_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with downloads(SMALLEST) as served:
        for name, value in served.environment.items():
            monkeypatch.setenv(name, value)
        code, found = verified(
            tmp_path / "own.json",
            models=["tiny", "tinny", {"path": str(SMALLEST)}],
            foundry={"catalogue_url": served.url, "cache_dir": str(tmp_path / "cache")},
        )

    assert code == 1
    assert found["tiny"] == [
        ("catalogue", "ok", "tiny-generic-cpu:1", ""),
        ("cache", "fail", "not there", "bench models download tiny-generic-cpu:1"),
        ("answers", "untried", "not asked: see above", ""),
    ]
    assert found["tinny"][0] == (
        "catalogue",
        "fail",
        "the catalogue has no model 'tinny'; nearest: tiny",
        "bench models list",
    )
    assert [(check, mark) for check, mark, _, _ in found["ledger-xs-fp32"]] == [
        (check, "ok") for check in ("directory", "memory", "answers", "streams", "usage", "prompt cache")
    ]
    assert not (tmp_path / "cache" / "Benchledger").exists()
