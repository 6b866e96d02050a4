"""Environment variables that change a config."""

from pathlib import Path

import pytest

from bench.config.overrides import overridden
from bench.config.settings import Config
from bench.errors import ConfigError
from bench.providers.registry import EndpointModel, FoundryModel

CONFIG = Config.model_validate(
    {"models": ["gemma-2-2b", {"provider": "openai", "name": "remote", "model": "m"}], "rounds": 5}
)


def urls(config: Config) -> list[str | None]:
    return [model.base_url for model in config.models if isinstance(model, EndpointModel)]


def mistakes_of(**variables: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        overridden(CONFIG, variables)
    return str(caught.value).splitlines()


def test_nothing_set_changes_nothing_but_the_endpoint_default() -> None:
    changed = overridden(CONFIG, {"BENCH_ROUNDS": "", "HOME": "/home/x"})

    assert changed.applied == ()
    assert changed.prompt is None
    assert changed.config.models[0] == CONFIG.models[0]
    assert urls(changed.config) == ["http://localhost:5273/v1"]


def test_the_workshop_variables() -> None:
    changed = overridden(
        CONFIG,
        {
            "BENCH_MODELS": "gemma-2-2b, qwen2.5-0.5b",
            "BENCH_ROUNDS": "3",
            "BENCH_PROMPT": "Summarize retrieval augmented generation.",
            "BENCH_STREAM": "0",
        },
    )

    assert changed.config.models == (CONFIG.models[0], FoundryModel(name="qwen2.5-0.5b", alias="qwen2.5-0.5b"))
    assert changed.config.rounds == 3
    assert changed.config.stream is False
    assert changed.prompt == "Summarize retrieval augmented generation."
    assert changed.applied == ("BENCH_MODELS", "BENCH_ROUNDS", "BENCH_PROMPT", "BENCH_STREAM")


def test_another_prompt_set_is_one_that_ships_or_a_file_of_the_folder_of_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    shipped = overridden(CONFIG, {"BENCH_PROMPT_SET": "summarisation"})
    file = overridden(CONFIG, {"BENCH_PROMPT_SET": "ours.yaml"})

    assert shipped.config.prompts == "summarisation"
    assert shipped.applied == ("BENCH_PROMPT_SET",)
    assert file.config.prompts == str(tmp_path / "ours.yaml")
    assert mistakes_of(BENCH_PROMPT_SET="default", BENCH_PROMPT="2 + 3?") == [
        "environment: BENCH_PROMPT_SET: there is BENCH_PROMPT as well; give one of the two, found 'default'"
    ]


def test_the_endpoint_variable_is_for_models_without_a_url_of_their_own() -> None:
    own = EndpointModel(provider="openai", name="own", model="x", base_url="https://example.org/v1")
    config = CONFIG.model_copy(update={"models": (*CONFIG.models, own)})

    changed = overridden(config, {"FOUNDRY_LOCAL_ENDPOINT": "http://127.0.0.1:5273"})

    assert urls(changed.config) == ["http://127.0.0.1:5273/v1", "https://example.org/v1"]
    assert changed.applied == ("FOUNDRY_LOCAL_ENDPOINT",)


def test_models_named_beside_an_endpoint_are_asked_there() -> None:
    changed = overridden(CONFIG, {"BENCH_MODELS": "mistral-7b", "FOUNDRY_LOCAL_ENDPOINT": "http://127.0.0.1:5273/v1"})

    assert changed.config.models == (
        EndpointModel(provider="openai", name="mistral-7b", model="mistral-7b", base_url="http://127.0.0.1:5273/v1"),
    )


def test_all_mistakes_at_once() -> None:
    assert mistakes_of(
        BENCH_ROUNDS="many", BENCH_STREAM="perhaps", BENCH_MACHINE="My Laptop", FOUNDRY_LOCAL_ENDPOINT="nowhere"
    ) == [
        "environment: BENCH_ROUNDS: must be a whole number from 1 to 10000, found 'many'",
        "environment: BENCH_STREAM: must be 1 or 0, found 'perhaps'",
        "environment: BENCH_MACHINE: must be lower-case letters, digits, dots and dashes, found 'My Laptop'",
        "environment: FOUNDRY_LOCAL_ENDPOINT: must be an http or https URL such as http://localhost:5273/v1",
    ]


def test_models_named_twice_or_not_at_all() -> None:
    assert mistakes_of(BENCH_MODELS="a,a") == ["environment: BENCH_MODELS: names a model twice: 'a,a'"]
    assert mistakes_of(BENCH_MODELS="no good") == [
        "environment: BENCH_MODELS: 'no good' is neither a model of the config nor an alias"
    ]
    assert mistakes_of(BENCH_MODELS=",") == ["environment: BENCH_MODELS: must name at least one model, found ','"]


def test_a_key_that_is_not_set_is_told_before_the_run() -> None:
    keyed = EndpointModel(provider="openai", name="cloud", model="x", api_key_env="CLOUD_KEY")
    config = CONFIG.model_copy(update={"models": (keyed,)})

    with pytest.raises(ConfigError) as caught:
        overridden(config, {})

    assert str(caught.value) == (
        "environment: models.cloud.api_key_env: the environment variable CLOUD_KEY is not set; "
        "set it to the endpoint's key"
    )
    assert overridden(config, {"CLOUD_KEY": "secret"}).applied == ()


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        ("", "is not set; set it to {whose}"),
        (" ", "is not set; set it to {whose}"),
        ("k-4711\n", "has a line break, which no header can hold; take it out"),
        ("k-4711 ", "has a blank at its beginning or end, which no header can hold; take it out"),
        ("k-4711\x07", "has a character that is not plain ASCII, which no header can hold; take it out"),
    ],
)
def test_a_secret_that_cannot_be_sent_is_told_before_the_run(value: str, wrong: str) -> None:
    shape = {"headers_from": {"X-Key": "OUR_KEY"}}
    entry = {"provider": "openai", "name": "cloud", "model": "x"}
    keyed = EndpointModel.model_validate({**entry, "api_key_env": "OUR_KEY"})
    headed = EndpointModel.model_validate({**entry, "request": shape})

    for model, place, whose in (
        (keyed, "api_key_env", "the endpoint's key"),
        (headed, "request.headers_from.X-Key", "the header's value"),
    ):
        config = CONFIG.model_copy(update={"models": (model,)})
        with pytest.raises(ConfigError) as caught:
            overridden(config, {"OUR_KEY": value})
        assert str(caught.value) == (
            f"environment: models.cloud.{place}: the environment variable OUR_KEY {wrong.format(whose=whose)}"
        )
        assert overridden(config, {"OUR_KEY": "k-4711"}).config == config.model_copy(
            update={"models": (model.at("http://localhost:5273/v1"),)}
        )
