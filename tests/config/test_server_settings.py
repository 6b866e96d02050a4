"""Servers that a config starts, and how prompt caches are kept: what is read, and what each mistake is told."""

import json
from pathlib import Path

import pytest

from bench.config.settings import load_config, resolved
from bench.errors import ConfigError
from bench.providers.registry import EndpointModel, FoundryModel, remote_of
from bench.runner.plan import warmup_requests


def write(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


SERVED = """
models:
  - provider: openai
    name: smollm2
    model_file: models/smollm2.gguf
    server:
      command: [./bin/llama-server, -m, "{model}", --port, "{port}", -c, 2048, --grammar-file, /etc/grammar]
      ready: /health
      env: {LLAMA_ARG_THREADS: 2, HOST: "127.0.0.1:{port}"}
      timeout_s: 60
"""


def test_a_server_and_the_file_that_it_serves(tmp_path: Path) -> None:
    (model,) = load_config(write(tmp_path, SERVED)).models

    assert isinstance(model, EndpointModel)
    assert model.server is not None
    assert (model.name, model.model, model.requested) == ("smollm2", "smollm2.gguf", "smollm2.gguf")
    assert model.model_file == tmp_path / "models" / "smollm2.gguf"
    assert model.server.command[0] == str(tmp_path / "bin" / "llama-server")
    filled = model.server.filled(str(model.model_file), 8123)
    assert filled.command[1:7] == ("-m", str(tmp_path / "models" / "smollm2.gguf"), "--port", "8123", "-c", "2048")
    assert filled.env == {"LLAMA_ARG_THREADS": "2", "HOST": "127.0.0.1:8123"}
    # It is this machine's to measure, and no endpoint of the environment's.
    assert remote_of(model) is None
    assert model.at("http://localhost:5273/v1") == model


def test_a_program_without_a_folder_is_one_of_the_path(tmp_path: Path) -> None:
    (model,) = load_config(write(tmp_path, SERVED.replace("./bin/", ""))).models

    assert isinstance(model, EndpointModel)
    assert model.server is not None
    assert model.server.command[0] == "llama-server"


def test_no_folder_of_this_machine_reaches_the_result_file(tmp_path: Path) -> None:
    document = resolved(load_config(write(tmp_path, SERVED)))

    assert str(tmp_path) not in json.dumps(document)
    assert document["models"][0]["model_file"] == "smollm2.gguf"
    assert document["models"][0]["server"]["command"] == [
        *("llama-server", "-m", "{model}", "--port", "{port}", "-c", "2048", "--grammar-file", "grammar")
    ]


def one_model(server: str, more: str = "") -> str:
    return f"models:\n  - provider: openai\n    model: m\n    server: {server}\n{more}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (one_model("{command: []}"), ":4: models[0].server.command: must have at least 1 entry, found []"),
        (one_model("{ready: /health}"), ":4: models[0].server.command: is missing"),
        (
            one_model("{command: [serve, --port, {port}]}"),
            ':4: models[0].server.command: must be texts; write "{port}" in quotes',
        ),
        (
            one_model('{command: [serve, "{port}", yes]}'),
            ":4: models[0].server.command: must be texts; write true in quotes",
        ),
        (
            one_model("{command: [serve, --port, 8080]}"),
            ':4: models[0].server: must have "{port}" in command or env: the free port at which it is to listen',
        ),
        (
            one_model('{command: [serve, "{modle}", "{port}"]}'),
            ":4: models[0].server.command: {modle} stands for nothing; there are {model} and {port}",
        ),
        (
            one_model('{command: [serve, "{port}", --api-key, x]}'),
            ":4: models[0].server.command: --api-key would stand in each result file; "
            "give it in a variable of the environment",
        ),
        (
            one_model('{command: [serve, "{port}"], env: {HF_TOKEN: x}}'),
            ":4: models[0].server.env: HF_TOKEN would stand in each result file; "
            "set it in the environment of bench instead",
        ),
        (
            one_model('{command: [serve, "{port}"], env: {A-B: x}}'),
            ":4: models[0].server.env: 'A-B' is no name of a variable",
        ),
        (
            one_model('{command: [serve, "{port}"], ready: health}'),
            ':4: models[0].server.ready: must match ^/[!-~]*$, found "health"',
        ),
        (
            one_model('{command: [serve, "{port}"], timeout: 5}'),
            ":4: models[0].server.timeout: is not a known key; did you mean 'timeout_s'? "
            "(known keys: command, env, ready, timeout_s)",
        ),
        (
            one_model('{command: [serve, "{port}"], timeout_s: 0}'),
            ":4: models[0].server.timeout_s: must be above 0, found 0",
        ),
        (
            one_model('{command: [serve, "{port}"], timeout_s: 90}', "timeouts: {load_s: 60}\n"),
            ":4: models[0].server.timeout_s: must be at most timeouts.load_s, which is 60, found 90; "
            "raise that as well",
        ),
        (
            one_model('{command: [serve, "{port}"]}', "    base_url: http://localhost:1/v1\n"),
            ":2: models[0]: server is started at an address of its own; take base_url out, or server",
        ),
        (
            "models:\n  - {provider: openai, model_file: m.gguf}\n",
            ":2: models[0]: model_file is for a server that is started; give server as well, or take model_file out",
        ),
        (
            "models: [a]\nprompt_cache: hot\n",
            ":2: prompt_cache: must be 'cold', 'warm' or 'as-is', found \"hot\"",
        ),
    ],
)
def test_one_mistake(tmp_path: Path, text: str, expected: str) -> None:
    path = write(tmp_path, text)

    with pytest.raises(ConfigError) as caught:
        load_config(path)

    assert str(caught.value).splitlines() == [f"{path}{expected}"]


def test_options_that_are_no_secrets_are_taken(tmp_path: Path) -> None:
    command = '[serve, "{port}", --max-tokens, 5, --tokenizer, x, --api-key-file, keys, "{\\"a\\": 1}"]'

    config = load_config(
        write(tmp_path, one_model(f"{{command: {command}, env: {{TOKENIZERS_PARALLELISM: 'false'}}}}"))
    )
    (model,) = config.models

    assert isinstance(model, EndpointModel)
    assert model.server is not None
    assert model.server.command[2:] == ("--max-tokens", "5", "--tokenizer", "x", "--api-key-file", "keys", '{"a": 1}')
    assert model.server.env == {"TOKENIZERS_PARALLELISM": "false"}


def test_prompt_caches_are_cold_unless_the_config_or_the_model_says_otherwise(tmp_path: Path) -> None:
    text = """
models:
  - phi-4
  - {provider: openai, model: a}
  - {provider: openai, model: b, prompt_cache: warm}
"""
    config = load_config(write(tmp_path, text))
    here, one, other = config.models

    assert config.prompt_cache == "cold"
    assert [model.prompt_cache_in(config.prompt_cache) for model in (here, one, other)] == [None, "cold", "warm"]
    assert isinstance(here, FoundryModel)
    # Each prompt is sent before it is measured where its cache is to be warm.
    assert [warmup_requests(config, model, 16) for model in (here, one, other)] == [1, 1, 16]
    assert warmup_requests(config.model_copy(update={"warmup": 20}), other, 16) == 20
