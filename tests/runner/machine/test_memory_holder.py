"""The process behind an endpoint on this machine."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.runner.machine.memory import Holder, holder_of

LISTEN = (
    "import socket, sys; server = socket.create_server(('127.0.0.1', 0)); "
    "print(server.getsockname()[1], flush=True); sys.stdin.read()"
)
"""A process that listens at a port, says which, and ends with its input."""


@contextmanager
def listening(program: str) -> Iterator[tuple[int, int]]:
    """Yield the process and the port."""
    process = subprocess.Popen([program, "-c", LISTEN], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield process.pid, int(process.stdout.readline())
    finally:
        process.communicate()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
def test_a_server_on_this_machine_is_found_by_its_port(host: str) -> None:
    with listening(sys.executable) as (pid, port):
        assert holder_of(f"http://{host}:{port}/v1") == Holder(pid, None)


def test_a_server_at_all_addresses_is_found() -> None:
    with socket.create_server(("", 0)) as server:
        port = server.getsockname()[1]

        assert holder_of(f"http://127.0.0.1:{port}/v1") == Holder(os.getpid(), None)


def test_a_server_elsewhere_is_remote() -> None:
    # An address that is set aside for documentation.
    assert holder_of("http://192.0.2.7:8080/v1") == Holder(None, "remote")


def test_a_host_that_no_one_knows_is_remote() -> None:
    assert holder_of("http://no-such-host.invalid/v1") == Holder(None, "remote")


def test_a_port_at_which_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    found = holder_of(f"http://127.0.0.1:{port}/v1")

    assert found == Holder(None, f"no process is seen to listen on port {port}: another user's may need more rights")


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999/v1", "127.0.0.1/v1"])
def test_a_url_without_a_port(url: str) -> None:
    assert holder_of(url) == Holder(None, "the URL names no port")


@pytest.mark.skipif(sys.platform != "linux", reason="a link gives a process its name on Linux alone")
def test_a_program_that_forwards_holds_no_model(tmp_path: Path) -> None:
    program = tmp_path / "docker-proxy"
    program.symlink_to(Path(sys.executable).resolve())
    with listening(str(program)) as (_, port):
        found = holder_of(f"http://127.0.0.1:{port}/v1")

    assert found == Holder(None, f"port {port} is forwarded by docker-proxy: the model is held elsewhere")
