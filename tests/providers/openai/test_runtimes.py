"""What serves an endpoint, told from what it says of itself to a real server's clients."""

import re
import time
from typing import Any

import pytest

from bench.errors import ProviderError
from bench.providers.openai.endpoint import EndpointProvider, Transport
from bench.providers.openai.runtimes import RUNTIMES, asker, recognised
from bench.providers.protocol import Identity
from bench.providers.registry import EndpointModel
from bench.schema.model_run import PromptCacheMode, Runtime
from tests.endpoint_server import Script, chunk, endpoint, events
from tests.providers.openai.test_endpoint import request

ANSWER = events(chunk("Hi."), chunk(finish="stop"))
LLAMA = {"/props": {"default_generation_settings": {"n_ctx": 2048}, "build_info": "b9993-1a2b3c4d"}}
OLLAMA = {"/api/version": {"version": "0.12.3"}}
VLLM = {"/version": {"version": "0.11.0"}}
LM_STUDIO = {"/lmstudio-greeting": {"lmstudio": True}}


@pytest.mark.parametrize(
    ("script", "runtime"),
    [
        (Script(server="llama.cpp", owner="llamacpp", pages=LLAMA), ("llama.cpp", "b9993-1a2b3c4d")),
        # A key of its own may keep its page shut; what stands beside the list is enough for the name.
        (Script(server="llama.cpp", owner="llamacpp"), ("llama.cpp", None)),
        (Script(owner="library", pages=OLLAMA), ("Ollama", "0.12.3")),
        (Script(owner="organization_owner", pages=LM_STUDIO), ("LM Studio", None)),
        (Script(owner="vllm", server="uvicorn", pages=VLLM), ("vLLM", "0.11.0")),
        (Script(pages={"/version": {"version": "v3.4.0 (1a2b3c)"}}), ("LocalAI", "v3.4.0 (1a2b3c)")),
        (Script(pages={"/system": {"backends": ["llama-cpp"], "loaded_models": [{"id": "m"}]}}), ("LocalAI", None)),
        (
            Script(pages={"/info": {"model_id": "x/y", "max_concurrent_requests": 128, "version": "3.3.5"}}),
            ("TGI", "3.3.5"),
        ),
        (
            Script(
                server="oatpp/1.3.0",
                owner="Microsoft",
                pages={"/status": {"endpoints": [], "modelCachePath": "x", "pid": 3}},
            ),
            ("Foundry Local", None),
        ),
        (Script(pages={"/openai/status": {"Endpoints": ["x"], "ModelDirPath": "y"}}), ("Foundry Local", None)),
        (Script(server="nginx", owner="somebody"), ("unknown", None)),
        (Script(pages={"/version": {"version": "of nobody we know"}, "/props": b"<html>"}), ("unknown", None)),
        # One that has an answer to every path, as some do: none of them has the keys.
        (Script(pages={sign.path: {"error": "?"} for known in RUNTIMES for sign in known.signs}), ("unknown", None)),
    ],
)
def test_a_runtime_is_recognised_with_its_version(script: Script, runtime: tuple[str, str | None]) -> None:
    with endpoint(script) as url:
        found = recognised(url, asker({}))

    assert (found.name, found.version) == runtime


def test_of_a_runtime_that_its_list_tells_only_its_own_page_is_asked_for() -> None:
    script = Script(owner="vllm", pages=VLLM)

    with endpoint(script) as url:
        recognised(url, asker({}))

    assert script.paths == ["/v1/models", "/version"]


def test_where_nobody_answers_the_runtime_is_unknown() -> None:
    assert recognised("http://127.0.0.1:9/v1", asker({})) == Runtime(name="unknown", version=None)


def test_the_runtime_is_told_by_an_answer_where_no_page_tells_it() -> None:
    stamp = {"system_fingerprint": "b9993-1a2b3c4"}
    script = Script(events(chunk("Hi.") | stamp, chunk(finish="stop") | stamp))

    identity, _ = asked(script, "as-is")

    assert identity.runtime == Runtime(name="llama.cpp", version="b9993-1a2b3c4")


def asked(
    script: Script, mode: PromptCacheMode | None, transport: Transport = "direct", times: int = 1
) -> tuple[Identity, list[dict[str, Any]]]:
    with endpoint(script) as url:
        settings = EndpointModel(provider="openai", name="m", model="m", base_url=url, prompt_cache=mode)
        provider = EndpointProvider(settings, transport)
        provider.prepare(lambda _: None)
        for _ in range(times):
            provider.decode([one.event for one in provider.stream(request(), time.perf_counter_ns)])  # type: ignore[attr-defined]
        identity = provider.identity()
        provider.close()
    return identity, script.requests


@pytest.mark.parametrize("transport", ["direct", "package"])
@pytest.mark.parametrize(
    ("mode", "said", "by"),
    [
        (None, False, "cache_prompt is false in each request"),
        ("cold", False, "cache_prompt is false in each request"),
        ("warm", True, "each prompt was sent once before it was measured"),
        ("as-is", None, None),
    ],
)
def test_llama_cpp_is_told_to_leave_its_prompt_cache_aside_or_to_use_it(
    transport: Transport, mode: PromptCacheMode | None, said: bool | None, by: str | None
) -> None:
    identity, (sent,) = asked(Script(ANSWER, owner="llamacpp", pages=LLAMA), mode, transport)

    assert sent.get("cache_prompt") is said
    assert (identity.prompt_cache, identity.prompt_cache_by) == (mode or "cold", by)


@pytest.mark.parametrize("transport", ["direct", "package"])
def test_vllm_gets_another_salt_in_each_request(transport: Transport) -> None:
    identity, sent = asked(Script(ANSWER, owner="vllm", pages=VLLM), "cold", transport, times=3)

    salts = [one["cache_salt"] for one in sent]
    assert len(set(salts)) == 3
    assert all(re.fullmatch(r"[0-9a-f]{32}", salt) for salt in salts)
    assert (identity.prompt_cache, identity.prompt_cache_by) == ("cold", "cache_salt is another one in each request")


def test_a_config_s_own_key_of_a_request_comes_before_ours_and_the_file_says_so() -> None:
    script = Script(ANSWER, owner="llamacpp", pages=LLAMA)
    with endpoint(script) as url:
        document = {"provider": "openai", "model": "m", "base_url": url, "request": {"body": {"cache_prompt": True}}}
        provider = EndpointProvider(EndpointModel.model_validate(document))
        provider.prepare(lambda _: None)
        list(provider.stream(request(), time.perf_counter_ns))
        identity = provider.identity()
        provider.close()

    assert script.requests[0]["cache_prompt"] is True
    assert (identity.prompt_cache, identity.prompt_cache_by) == (
        "as-is",
        "request.body in the config says cache_prompt",
    )


def test_a_server_that_refuses_what_is_said_of_its_cache_gets_a_line_to_write() -> None:
    script = Script(ANSWER, owner="vllm", pages=VLLM, refuses=["cache_salt"])
    with endpoint(script) as url:
        settings = EndpointModel(provider="openai", name="m", model="m", base_url=url)
        provider = EndpointProvider(settings)
        provider.prepare(lambda _: None)
        with pytest.raises(ProviderError) as caught:
            list(provider.stream(request(), time.perf_counter_ns))
        provider.close()

    assert caught.value.message.endswith("; write prompt_cache: as-is under this model in the config")


def test_the_key_and_the_headers_of_a_model_go_with_the_questions_of_what_serves_it() -> None:
    script = Script(owner="vllm", pages=VLLM)

    with endpoint(script) as url:
        recognised(url, asker({"Authorization": "Bearer k", "X-Team": "t"}))

    assert [(asked["authorization"], asked["x-team"]) for asked in script.asked] == [("Bearer k", "t")] * 2


@pytest.mark.parametrize(
    ("script", "by"),
    [
        (Script(ANSWER, owner="library", pages=OLLAMA), "Ollama has no way to leave its prompt cache aside"),
        (
            Script(ANSWER),
            "what serves the endpoint is not known: nobody can tell it to leave its prompt cache aside",
        ),
    ],
)
def test_a_runtime_that_cannot_be_told_is_left_as_it_is_with_the_reason(script: Script, by: str) -> None:
    identity, (sent,) = asked(script, "cold")

    assert set(sent) == {"model", "messages", "temperature", "max_tokens", "seed", "stream", "stream_options"}
    assert (identity.prompt_cache, identity.prompt_cache_by) == ("as-is", by)
