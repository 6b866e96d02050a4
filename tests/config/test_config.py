"""Configurations: what is read, and what each mistake is told."""

import json
import re
from pathlib import Path

import pytest

from bench.config import settings
from bench.config.settings import (
    CONFIG_DIR,
    find_config,
    load_config,
    resolved,
)
from bench.errors import ConfigError
from bench.providers.registry import EndpointModel, FoundryModel, endpoint_url


def write(folder: Path, text: str, name: str = "config.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def mistakes_of(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    return str(caught.value).splitlines()


def test_defaults_are_deterministic_and_streamed(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, "models: [qwen2.5-0.5b]\n"))

    assert config.generation.temperature == 0.0
    assert config.generation.seed == 42
    assert config.stream is True
    assert config.rounds == 5
    assert config.warmup == 1
    assert config.foundry.telemetry is False
    assert config.models == (FoundryModel(name="qwen2.5-0.5b", alias="qwen2.5-0.5b"),)


def test_json_is_read_like_yaml(tmp_path: Path) -> None:
    text = json.dumps({"models": [{"alias": "gemma-2-2b", "device": "gpu"}], "rounds": 3})

    config = load_config(write(tmp_path, text, "config.json"))

    assert config.rounds == 3
    assert config.models == (FoundryModel(name="gemma-2-2b", alias="gemma-2-2b", device="gpu"),)


def test_paths_are_relative_to_the_config(tmp_path: Path) -> None:
    text = "models: [{path: ../models/tiny}]\nprompts: own/prompts.yaml\nfoundry: {cache_dir: cache}\n"
    (tmp_path / "configs").mkdir()

    config = load_config(write(tmp_path / "configs", text))

    assert config.models == (FoundryModel(name="tiny", path=tmp_path / "models" / "tiny"),)
    assert config.prompts == str(tmp_path / "configs" / "own" / "prompts.yaml")
    assert config.foundry.cache_dir == tmp_path / "configs" / "cache"


def test_no_path_of_this_machine_reaches_the_result_file(tmp_path: Path) -> None:
    text = """
models:
  - path: models/tiny
  - {provider: custom, name: own, class: "mine:Model", weights: secret/weights.bin}
prompts: own/prompts.yaml
foundry: {cache_dir: cache}
"""
    document = resolved(load_config(write(tmp_path, text)))

    assert str(tmp_path) not in json.dumps(document)
    assert document["models"][0]["path"] == "tiny"
    assert document["models"][1]["weights"] == "weights.bin"
    assert document["prompts"] == "prompts.yaml"


def test_a_list_of_devices_is_a_model_for_each(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, "models: [{alias: gemma-2-2b, device: [cpu, gpu]}]\n"))

    assert config.models == (
        FoundryModel(name="gemma-2-2b-cpu", alias="gemma-2-2b", device="cpu"),
        FoundryModel(name="gemma-2-2b-gpu", alias="gemma-2-2b", device="gpu"),
    )


@pytest.mark.parametrize("path", sorted(CONFIG_DIR.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_configs_load(path: Path) -> None:
    assert load_config(path).title


def test_shipped_configs_name_the_models_they_promise() -> None:
    cpu = load_config(find_config("foundry-cpu"))
    assert [model.name for model in cpu.models] == ["qwen2.5-0.5b", "gemma-2-2b", "mistral-7b"]
    endpoint = load_config(find_config("endpoint"))
    assert all(isinstance(model, EndpointModel) for model in endpoint.models)
    judges = {name: load_config(find_config(name)).models for name in ("judge", "judge-endpoint")}
    assert judges["judge"] == (FoundryModel(name="phi-4", alias="phi-4"),)
    assert judges["judge-endpoint"] == (EndpointModel(provider="openai", name="qwen2.5-14b", model="qwen2.5-14b"),)
    assert load_config(find_config("summarisation")).prompts == "summarisation"
    reference = load_config(find_config("default"))
    assert 3 <= len(reference.models) <= 5
    for model in reference.models:
        assert isinstance(model, FoundryModel)
        assert model.path is not None
        assert (model.path / "genai_config.json").is_file()


def test_every_mistake_is_told_with_its_line_and_key(tmp_path: Path) -> None:
    text = """models:
  - alias: qwen2.5-0.5b
    devise: cpu
  - {alias: a, path: b}
  - {provider: ollama, model: x}
roundz: 3
rounds: three
warmup: -1
generation:
  temperature: .nan
  max_output_tokens: 0
timeouts: fast
"""
    path = write(tmp_path, text)

    assert mistakes_of(path) == [
        f"{path}:3: models[0].devise: is not a known key; did you mean 'device'? "
        "(known keys: alias, declared, device, name, path, provider, variant)",
        f"{path}:4: models[1]: a foundry model needs exactly one of alias, variant and path, found alias and path",
        f'{path}:5: models[2]: provider must be one of {", ".join(settings.PROVIDERS)}, found "ollama"',
        f"{path}:6: roundz: is not a known key; did you mean 'rounds'? (known keys: energy, foundry, gate, generation, "
        "lengths, load, loads, machine, models, order_seed, probe, prompt_cache, prompts, rounds, stream, timeouts, "
        "title, warmup)",
        f'{path}:7: rounds: must be a whole number, found "three"',
        f"{path}:8: warmup: must be at least 0, found -1",
        f"{path}:10: generation.temperature: must be a finite number, found NaN",
        f"{path}:11: generation.max_output_tokens: must be at least 1, found 0",
        f'{path}:12: timeouts: must hold keys and values, found "fast"',
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("models: []\n", ":1: models: must have at least 1 entry, found []"),
        ("rounds: 3\n", ": models: is missing"),
        ("", ":1: must hold keys and values (see docs/configuration.md), found nothing"),
        ("- a\n- b\n", ':1: must hold keys and values (see docs/configuration.md), found list ["a", "b"]'),
        ("models: [a\n", ":2: is not YAML: expected ',' or ']', but got '<stream end>'"),
        (
            "models: [a]\nrounds: 1\nrounds: 2\n",
            ":3: rounds: is written twice, first on line 2; keep one of them",
        ),
        (
            "models:\n  - gemma-2-2b\n  - alias: gemma-2-2b\n",
            ":3: models[1]: the name 'gemma-2-2b' is taken by models[0]; give each model its own name",
        ),
        (
            "models:\n  - {path: models/tiny, device: gpu}\n",
            ":2: models[0]: device chooses among the variants of an alias; path names one already",
        ),
        ("models:\n  - {alias: a, device: []}\n", ":2: models[0]: device must name at least one of cpu, gpu and npu"),
        (
            "models:\n  - {provider: openai, model: m, base_url: 'http://user:pass@host/v1'}\n",
            ":2: models[0].base_url: must hold no user, password or query; name the key's variable in api_key_env",
        ),
        (
            "models:\n  - {provider: openai, model: m, base_url: localhost}\n",
            ":2: models[0].base_url: must be an http or https URL such as http://localhost:5273/v1",
        ),
        (
            "models: [a]\nenergy: {device_price: 400, price_per_kwh: 0.3}\n",
            ":2: energy: device_price and device_life_years need each other; give both or neither",
        ),
        (
            "models: [a]\nenergy: {device_price: 400, device_life_years: 4}\n",
            ":2: energy: device_price counts only beside price_per_kwh; give the price of a kWh",
        ),
        ("models: [a]\nmachine: My Laptop\n", ':2: machine: must match ^[a-z0-9][a-z0-9._-]*$, found "My Laptop"'),
    ],
)
def test_one_mistake(tmp_path: Path, text: str, expected: str) -> None:
    path = write(tmp_path, text)

    assert mistakes_of(path) == [f"{path}{expected}"]


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(b"models: \xff\n")

    assert mistakes_of(path) == [f"{path}: is not UTF-8 text (byte 8); save it as UTF-8"]


@pytest.mark.parametrize("name", ["nonsense", "nonsense.yaml"])
def test_a_config_that_is_not_there(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        find_config(name)

    assert str(caught.value) == (
        f"{name}: no such config. "
        "Name a file, or one that ships: default, endpoint, foundry-cpu, judge, judge-endpoint, load, smollm2, "
        "summarisation"
    )


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://localhost:5273", "http://localhost:5273/v1"),
        ("http://localhost:5273/v1/", "http://localhost:5273/v1"),
        ("https://example.org/openai/v1", "https://example.org/openai/v1"),
    ],
)
def test_endpoint_url_ends_in_its_path(url: str, expected: str) -> None:
    assert endpoint_url(url) == expected


HTTP_URL = "must be an http or https URL such as http://localhost:5273/v1"


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        *[
            (
                f"http://host:1{base}{call}{end}",
                f"must end before {call}, which is added to it; write http://host:1{root}",
            )
            for call in ("/chat/completions", "/completions", "/responses", "/embeddings", "/Chat/Completions")
            for base, root in (("/v1", "/v1"), ("", "/v1"), ("/openai/v1", "/openai/v1"))
            for end in ("", "/")
        ],
        ("http://host/v1/models", "must end before /models, which is added to it; write http://host/v1"),
        ("localhost:5273/v1", HTTP_URL),
        ("host", HTTP_URL),
        ("http://", HTTP_URL),
        ("http://host:port/v1", HTTP_URL),
        ("http://host/v 1", HTTP_URL),
        ("http://host/v1\n", HTTP_URL),
        ("http://[::1/v1", HTTP_URL),
        ("http://me:k@host/v1", "must hold no user, password or query; name the key's variable in api_key_env"),
        ("http://host/v1?key=k", "must hold no user, password or query; name the key's variable in api_key_env"),
    ],
)
def test_a_base_url_that_is_none_is_told_what_is_wrong(tmp_path: Path, url: str, wrong: str) -> None:
    document = {"models": [{"provider": "openai", "model": "m", "base_url": url}]}
    path = write(tmp_path, json.dumps(document), "config.json")

    assert mistakes_of(path) == [f"{path}:1: models[0].base_url: {wrong}"]


def test_some_base_urls_do_end_in_models() -> None:
    assert endpoint_url("https://host.example/models") == "https://host.example/models"


REQUEST = """models:
  - provider: openai
    model: m
    request:
      {request}
"""


@pytest.mark.parametrize(
    ("request_", "mistakes"),
    [
        (
            "omit: [seed, sead]",
            [
                "omit[1]: 'sead' is never sent; what can be left out is temperature, top_p, max_tokens, seed, "
                "stream_options"
            ],
        ),
        ("omit: [messages]", ["omit[0]: messages cannot be left out: no request goes without it"]),
        (
            "omit: [stream]",
            [
                "omit[0]: stream cannot be left out; stream: false at the head of the config waits for whole answers",
            ],
        ),
        (
            "rename: {max_token: x}",
            [
                "rename.max_token: 'max_token' is never sent; what can be renamed is temperature, top_p, max_tokens, "
                "seed, stream_options"
            ],
        ),
        ("rename: {model: x}", ["rename.model: model cannot be renamed: no request goes without it"]),
        (
            "rename: {max_tokens: seed}",
            ["rename.max_tokens: puts it in the place of 'seed', which is sent as well; choose another name"],
        ),
        (
            "rename: {max_tokens: model}",
            ["rename.max_tokens: puts it in the place of 'model', which is sent as well; choose another name"],
        ),
        (
            "rename: {max_tokens: n}\n      body: {n: 1}",
            ["rename.max_tokens: puts it in the place of 'n', which stands in body; choose another name"],
        ),
        (
            "rename: {max_tokens: n, seed: n}",
            ["rename.seed: puts it in the place of 'n', which max_tokens becomes; choose another name"],
        ),
        ("rename: {seed: ''}", ["rename.seed: must be the name that the endpoint knows it by, and not empty"]),
        (
            "rename: {seed: s}\n      omit: [seed]",
            ["rename.seed: is left out by omit; keep one of the two"],
        ),
        (
            "body: {temperature: 1}",
            ["body.temperature: is sent already; set generation.temperature, or name it in omit as well"],
        ),
        ("body: {stream_options: {}}", ["body.stream_options: is sent already; name it in omit as well"]),
        ("body: {stream: false}", ["body.stream: is sent already, and cannot be another"]),
        (
            "body: {api_key: k}",
            ["body.api_key: would be written into result files; send it as a header: headers_from"],
        ),
        (
            "headers_from: {'X Key': OUR_KEY}",
            ["headers_from.X Key: is no name of a header: letters, digits and dashes, such as X-Key"],
        ),
        (
            "headers_from: {Host: OUR_KEY}",
            ["headers_from.Host: is a header that every request has already; take it out"],
        ),
        (
            "headers_from: {X-Key: 'sk-123 456'}",
            [
                "headers_from.X-Key: must name a variable of the environment, such as OUR_KEY, and not hold the value "
                "itself"
            ],
        ),
        (
            "omits: [seed]",
            ["omits: is not a known key; did you mean 'omit'? (known keys: body, headers_from, omit, rename)"],
        ),
        ("omit: seed", ['omit: must be a list, found "seed"']),
        (
            "omit: [sead, model]",
            [
                "omit[0]: 'sead' is never sent; what can be left out is temperature, top_p, max_tokens, seed, "
                "stream_options",
                "omit[1]: model cannot be left out: no request goes without it",
            ],
        ),
    ],
)
def test_a_mistake_in_a_request_is_told_with_its_line_and_key(
    tmp_path: Path, request_: str, mistakes: list[str]
) -> None:
    path = write(tmp_path, REQUEST.format(request=request_))

    found = mistakes_of(path)

    assert [one.partition(": ")[2].removeprefix("models[0].request.") for one in found] == mistakes
    assert all(one.startswith((f"{path}:5: ", f"{path}:6: ")) for one in found)


def test_a_request_that_fits_is_in_the_result_with_the_names_of_variables_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUR_KEY", "k-4711")
    text = REQUEST.format(
        request="{omit: [seed], rename: {max_tokens: n}, body: {ignore_eos: true}, headers_from: {X-Key: OUR_KEY}}"
    )
    config = load_config(write(tmp_path, text))

    assert resolved(config)["models"][0]["request"] == {
        "omit": ["seed"],
        "rename": {"max_tokens": "n"},
        "body": {"ignore_eos": True},
        "headers_from": {"X-Key": "OUR_KEY"},
    }
    assert "4711" not in json.dumps(resolved(config))


def test_the_request_on_the_page_is_one(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
    (text,) = [block for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if "headers_from" in block]

    (model,) = load_config(write(tmp_path, text)).models

    assert isinstance(model, EndpointModel)
    assert (model.name, model.request.omit) == ("gpt-oss-20b", ("seed", "stream_options"))


def test_one_header_has_one_source(tmp_path: Path) -> None:
    text = "models: [{provider: openai, model: m, api_key_env: A, request: {headers_from: {authorization: B}}}]\n"
    path = write(tmp_path, text)

    assert mistakes_of(path) == [
        f"{path}:1: models[0]: api_key_env and request.headers_from both give the header Authorization; keep one"
    ]


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("qwen2.5-0.5b", "qwen2.5-0.5b"),
        ("org/Model-7B:2", "org/Model-7B:2"),
        ("My Model 7B", "My-Model-7B"),
        ("C:\\models\\m.gguf", "C:-models-m.gguf"),
        ("/models/m.gguf", "models/m.gguf"),
        ("größe", "gr-e"),
        ("模型", "model"),
        ("m" * 120, "m" * 100),
    ],
)
def test_a_model_at_an_endpoint_has_a_name_whatever_its_id(tmp_path: Path, model: str, name: str) -> None:
    text = json.dumps({"models": [{"provider": "openai", "model": model}]})

    (found,) = load_config(write(tmp_path, text, "config.json")).models

    assert isinstance(found, EndpointModel)
    assert (found.model, found.name) == (model, name)


@pytest.mark.parametrize(
    ("model", "wrong"),
    [
        ("m ", "has a blank at its beginning or end; take it out"),
        (" m", "has a blank at its beginning or end; take it out"),
        ("m\n", "has a line break or another character that cannot be seen; take it out"),
        ("m\u200b", "has a line break or another character that cannot be seen; take it out"),
    ],
)
def test_an_id_that_cannot_be_meant_is_a_mistake(tmp_path: Path, model: str, wrong: str) -> None:
    path = write(tmp_path, json.dumps({"models": [{"provider": "openai", "model": model}]}), "config.json")

    assert mistakes_of(path) == [f"{path}:1: models[0].model: {wrong}"]
