"""Servers that a config starts, as real processes: their start, what they do wrong, and that nothing stays behind."""

import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.errors import ProviderError
from bench.providers.openai import server_process
from bench.providers.openai.served import NO_PROCESS, ModelFile, ServedProvider, model_file
from bench.runner.measure import measure
from bench.schema.model_run import Runtime
from tests.gguf_files import gguf, write_gguf
from tests.providers.openai.test_endpoint import STEP, request
from tests.served_models import await_end, children_of, failed_load, provider, running, served


@pytest.fixture(autouse=True)
def _logs_lie_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@contextmanager
def ready(pids: list[int], *options: object, **fields: object) -> Iterator[ServedProvider]:
    made = provider(served(*options, **fields), pids)  # type: ignore[arg-type]
    try:
        made.prepare(lambda _: None)
        made.load()
        yield made
    finally:
        made.close()


def answer(asked: ServedProvider) -> tuple[str, str] | None:
    """Return how an answer failed, or None."""
    failure = measure(asked, STEP, request(), time.perf_counter_ns, 0).sample.failure
    return None if failure is None else (failure.kind, failure.message)


def test_a_server_is_started_asked_and_stopped_and_its_log_goes_with_it() -> None:
    pids: list[int] = []

    with ready(pids) as asked:
        identity = asked.identity()
        assert running(pids) == pids
        assert answer(asked) is None

    assert running(pids) == []
    assert list(Path(".cache", "servers").glob("*.log")) == []
    assert identity.runtime == Runtime(name="llama.cpp", version="b1-abcdef0")
    assert (identity.prompt_cache, identity.transport) == ("cold", "direct")
    assert identity.unmeasured["memory_before_bytes"] == NO_PROCESS


def test_a_load_lasts_until_the_server_is_ready() -> None:
    start_s = time.monotonic()

    with ready([], "--load-s", 0.2):
        assert time.monotonic() - start_s > 0.2


def test_the_load_of_a_runtime_that_loads_when_it_is_asked_has_a_first_token_in_it() -> None:
    start_s = time.monotonic()

    with ready([], "--lazy", "--load-s", 0.2, ready="/api/version", model="tiny.gguf") as asked:
        assert time.monotonic() - start_s > 0.2
        identity = asked.identity()

    assert identity.runtime == Runtime(name="Ollama", version="0.12.3")
    assert identity.prompt_cache_by == "Ollama has no way to leave its prompt cache aside"


def test_the_model_s_file_tells_what_the_model_is(tmp_path: Path) -> None:
    file = write_gguf(tmp_path / "small.gguf")

    with ready([], model="another", model_file=str(file)) as asked:
        identity = asked.identity()

    # The server lists a single model, by the name of its file: that it is, whatever the config calls it.
    assert identity.variant_id == "small.gguf"
    assert (identity.parameters, identity.precision, identity.context_length) == (256, "Q4_1", 512)
    assert (identity.licence, identity.publisher) == ("apache-2.0", "The Makers")
    assert identity.footprint_bytes == file.stat().st_size


def test_the_footprint_of_a_model_in_several_files_is_that_of_all(tmp_path: Path) -> None:
    first = write_gguf(tmp_path / "small-00001-of-00002.gguf", split__count=2)
    (tmp_path / "small-00002-of-00002.gguf").write_bytes(b"12345")
    (tmp_path / "other-00002-of-00002.gguf").write_bytes(b"1234567")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "weights").write_bytes(b"123")

    found = model_file(first)

    assert found.footprint_bytes == first.stat().st_size + 5
    assert found.gguf is not None
    assert found.gguf.parameters is None
    assert model_file(tmp_path / "folder") == ModelFile(3, None)


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        (
            ["--mode", "dies"],
            "died",
            "python ended with code 1 while it loaded its model; it last said: error: failed to load the model tiny; "
            "correct server.command, or look into ",
        ),
        (
            ["--mode", "no-memory"],
            "out-of-memory",
            "python ended with code 1 while it loaded its model; it last said: ggml: failed to allocate 4096 MB: "
            "out of memory; stop other models or take a smaller one, or look into ",
        ),
        (
            ["--mode", "never"],
            "timeout",
            "python was not ready at /health within 0.5 s: it answered 503; raise server.timeout_s, or look into ",
        ),
        (
            ["--mode", "deaf"],
            "timeout",
            "python was not ready at /health within 0.5 s: nobody listened at its port; raise server.timeout_s, or ",
        ),
    ],
)
def test_a_server_that_does_not_come_to_be_ready(options: list[str], kind: str, message: str) -> None:
    timeout_s = 0.5 if kind == "timeout" else 30.0

    found = failed_load(served(*options, timeout_s=timeout_s, name="tiny/one"))

    assert found[0] == kind
    assert found[1].replace(Path(sys.executable).name, "python").startswith(message)
    (log,) = Path(".cache", "servers").glob("tiny-one-*.log")
    assert found[1].endswith(f"look into {log}")


def test_a_server_that_listens_elsewhere_is_told_where_its_port_goes() -> None:
    kind, message = failed_load(served("--mode", "other-port", timeout_s=1.0))

    assert kind == "timeout"
    assert "was not ready at /health within 1 s: it listened at port " in message
    assert '; give it "{port}" in server.command, or look into .cache/servers/tiny-' in message


def test_a_path_that_the_server_does_not_have() -> None:
    kind, message = failed_load(served(ready="/healthy", timeout_s=1.0))

    assert kind == "timeout"
    assert "it answered 404; correct server.ready, or look into " in message


def test_there_is_no_such_program() -> None:
    document = served()
    document["server"]["command"] = ["no-such-server", "{port}"]

    assert failed_load(document) == (
        "not-found",
        "there is no program 'no-such-server' here; install it, or give its path in server.command",
    )


def test_a_program_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "server").write_text("no program")
    document = served()
    document["server"]["command"] = [str(tmp_path / "server"), "{port}"]

    assert failed_load(document) == (
        "load",
        "server cannot be started: Permission denied; correct server.command",
    )


@pytest.mark.parametrize(
    ("content", "kind", "message"),
    [
        (None, "not-found", "there is no model file 'm.gguf'; check model_file in the config"),
        (
            b"PK\3\4",
            "load",
            "the model file 'm.gguf' is no GGUF file: it does not begin with 'GGUF'; check model_file in the config",
        ),
        (
            gguf()[:-10],
            "load",
            "the model file 'm.gguf' is cut short: it has 950 of the 960 bytes that its header tells of; "
            "fetch it again",
        ),
    ],
)
def test_a_model_s_file_that_is_not_whole_starts_no_server(
    tmp_path: Path, content: bytes | None, kind: str, message: str
) -> None:
    if content is not None:
        (tmp_path / "m.gguf").write_bytes(content)

    assert failed_load(served(model_file=str(tmp_path / "m.gguf"))) == (kind, message)


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        (
            "dies-answering",
            " ended with code 3 while it answered; it last said: assertion failed: the slot is gone; look into ",
        ),
        (
            "killed-answering",
            " was killed by SIGKILL while it answered, often for want of memory; stop other models or take a smaller "
            "one, or look into ",
        ),
    ],
)
def test_a_server_that_dies_in_the_middle(mode: str, message: str) -> None:
    with ready([], "--mode", mode) as asked:
        assert answer(asked) is None
        second, third = answer(asked), answer(asked)

    assert second == third
    assert second is not None
    assert second[0] == "died"
    assert second[1].startswith(f"{Path(sys.executable).name}{message}.cache/servers/tiny-")


def test_a_port_that_was_taken_in_the_meantime_is_changed_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = iter([taken.getsockname()[1], server_process.free_port()])
        monkeypatch.setattr(server_process, "free_port", lambda: next(ports))
        pids: list[int] = []
        with ready(pids) as asked:
            assert answer(asked) is None

    assert len(pids) == 2
    assert running(pids) == []


def test_two_configs_can_start_the_same_server_at_once() -> None:
    pids: list[int] = []

    with ready(pids) as one, ready(pids) as other:
        assert (answer(one), answer(other)) == (None, None)
        assert len(set(running(pids))) == 2

    assert running(pids) == []


def test_what_a_server_started_ends_with_it(tmp_path: Path) -> None:
    with ready([], "--children", tmp_path / "children"):
        children = children_of(tmp_path / "children")
        assert running(children) == children

    await_end(children)


def test_the_limits_of_one_load_hold_for_the_whole_of_it() -> None:
    with pytest.raises(ProviderError) as caught, ready([], "--load-s", 60, timeout_s=0.3):
        raise AssertionError("it was ready too soon")

    assert caught.value.kind == "timeout"
