"""The process of a server that a config starts: spawned, waited for, watched over, stopped, its log kept."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import IO, Final

import psutil

from bench.errors import ProviderError
from bench.providers.openai.failures import failure, plain, status_failure
from bench.providers.openai.runtimes import ASK_S, Said, asker
from bench.providers.openai.server_guard import MARK, end_all
from bench.providers.protocol import SAID
from bench.providers.server_settings import ServerSettings

LOGS: Final = Path(".cache", "servers")
"""Folder of the logs of servers that failed."""

SHORTEST_WAIT_S: Final = 0.002
WAIT_SHARE: Final = 0.01
"""Time between two looks whether a server is ready, as a share of what it took until then: the error of its load."""

NOTICED_S: Final = 0.5
"""How long after its connections broke the end of a server may be seen."""

STOP_S: Final = 5.0
"""How long a server may take to end when it is asked to."""

LAST_LINES: Final = 3
LINE_CHARACTERS: Final = 160
"""How many lines of a log a message has, and how much of each."""

CORRECT: Final = "correct server.command"
SMALLER: Final = "stop other models or take a smaller one"

COLOURS: Final = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")

TRIES: Final = 3
"""How often another port is tried where somebody took the one that was free."""


class ServerProcess:
    """A server's process, from its start to its end. What guards it is there first, and ends it when this process ends.

    Raises ProviderError of kind 'not-found' where there is no such program.
    """

    def __init__(self, settings: ServerSettings, name: str, model: str) -> None:
        self.port = 0
        self._settings = settings
        self._model = model
        self._process: subprocess.Popen[bytes] | None = None
        self._mark = uuid.uuid4().hex
        self._log = _log_path(name)
        self._keeps_log = False
        self._file: IO[bytes] = open(self._log, "ab")  # noqa: SIM115 - closed when the server is stopped
        self._guard = subprocess.Popen(
            [sys.executable, "-m", "bench.providers.openai.server_guard", self._mark],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def start(self, on_started: Callable[[int], None]) -> Said:
        """Start it on a free port and return what it says once it is ready; `on_started` gets the process's id.

        Raises ProviderError of kind 'not-found', 'died', 'out-of-memory' or 'timeout'.
        """
        for attempt in range(1, TRIES + 1):
            self.port = free_port()
            self._spawn(self._settings.filled(self._model, self.port))
            on_started(self.pid)
            ready = self._ready()
            if ready is not None:
                return ready
            # Between the choice of a port and its use another program may have taken it.
            if attempt == TRIES or is_free(self.port):
                raise self._death_while_loading()
        raise AssertionError("the last try returns or raises")

    @property
    def pid(self) -> int:
        """The id of the server's process; only of one that was started."""
        assert self._process is not None
        return self._process.pid

    def has_ended(self, within_s: float = NOTICED_S) -> bool:
        """Return whether it ends by itself within some seconds: a broken connection can come before its end is seen."""
        assert self._process is not None
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(within_s)
        return self._process.returncode is not None

    def ask_for_a_token(self, model: str, headers: Mapping[str, str]) -> None:
        """Ask for an answer of one token, for which it must bring the model into memory. Raises ProviderError."""
        document = {"model": model, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
        where = f"http://127.0.0.1:{self.port}/v1"
        connection = HTTPConnection("127.0.0.1", self.port, timeout=self._settings.timeout_s)
        with closing(connection):
            try:
                connection.request(
                    "POST",
                    "/v1/chat/completions",
                    json.dumps(document),
                    {"Content-Type": "application/json", **headers},
                )
                said = connection.getresponse()
                body = said.read()
            except (OSError, HTTPException) as error:
                if self.has_ended():
                    raise self._death_while_loading() from error
                raise failure(error, where, stage="first-text") from error
        if said.status != 200:
            raise status_failure(said.status, dict(said.headers), body, where)

    def death(self, when: str, advice: str = "") -> ProviderError:
        """Return how it ended, as a failure of kind 'died', with what it said last and where the rest of that is."""
        assert self._process is not None
        code = self._process.wait()
        if code >= 0:
            return self._failure("died", f"{self._program} ended with code {code} {when}", advice)
        killer = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        ended = f"{self._program} was killed by {killer} {when}"
        if killer == "SIGKILL":
            return self._failure("died", f"{ended}, often for want of memory", SMALLER)
        return self._failure("died", ended, advice)

    def stop(self) -> None:
        """Stop it, and whatever it started, and what guards it."""
        process = self._process
        if process is not None:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_S)
            end_all((process.pid,), self._mark)
            process.wait()
        assert self._guard.stdin is not None
        # There is nothing left to guard, and nothing to wait for.
        self._guard.kill()
        with suppress(OSError):
            self._guard.stdin.close()
        self._guard.wait()
        self._file.close()
        if not self._keeps_log:
            self._log.unlink(missing_ok=True)

    @property
    def _program(self) -> str:
        return self._settings.program

    def _spawn(self, filled: ServerSettings) -> None:
        try:
            self._process = subprocess.Popen(
                filled.command,
                stdin=subprocess.DEVNULL,
                stdout=self._file,
                stderr=self._file,
                env={**os.environ, **filled.env, MARK: self._mark},
                # A group of its own: a Ctrl-C is not for it, and it can be ended as one.
                start_new_session=True,
            )
        except FileNotFoundError as error:
            advice = "install it, or give its path in server.command"
            raise ProviderError("not-found", f"there is no program {self._program!r} here; {advice}") from error
        except OSError as error:
            advice = "correct server.command"
            raise ProviderError("load", f"{self._program} cannot be started: {error.strerror}; {advice}") from error
        assert self._guard.stdin is not None
        try:
            self._guard.stdin.write(b"%d\n" % self._process.pid)
            self._guard.stdin.flush()
        except OSError as error:
            message = f"the process that guards {self._program} has ended: it could be left behind; run again"
            raise ProviderError("load", message) from error

    def _ready(self) -> Said | None:
        """Wait until it is ready and return what it says then; None where it has ended before."""
        ask = asker({}, environment=False)
        url = f"http://127.0.0.1:{self.port}{self._settings.ready}"
        start_s = time.monotonic()
        said: Said | None = None
        while (spent_s := time.monotonic() - start_s) < self._settings.timeout_s:
            if self.has_ended(0):
                return None
            said = ask(url) or said
            if said is not None and 200 <= said.status < 300:
                return said
            time.sleep(max(SHORTEST_WAIT_S, WAIT_SHARE * spent_s))
        answered = "nobody listened at its port" if said is None else f"it answered {said.status}"
        advice = "raise server.timeout_s"
        if said is None and (elsewhere := self._listening()):
            answered = f"it listened at port {', '.join(map(str, elsewhere))} and not at {self.port}"
            advice = 'give it "{port}" in server.command'
        elif said is not None and said.status == 404:
            advice = "correct server.ready"
        late = f"was not ready at {self._settings.ready} within {self._settings.timeout_s:g} s: {answered}"
        raise self._failure("timeout", f"{self._program} {late}", advice)

    def _listening(self) -> list[int]:
        """Return the ports at which it listens, and what it started, as far as the system tells."""
        try:
            root = psutil.Process(self.pid)
            connections = [
                one for each in (root, *root.children(recursive=True)) for one in each.net_connections(kind="tcp")
            ]
        except psutil.Error:
            return []
        return sorted({one.laddr.port for one in connections if one.status == psutil.CONN_LISTEN})

    def _death_while_loading(self) -> ProviderError:
        died = self.death("while it loaded its model", CORRECT)
        if SAID.search(last_lines(self._log)) is None:
            return died
        return ProviderError("out-of-memory", died.message.replace(CORRECT, SMALLER))

    def _failure(self, kind: str, message: str, advice: str) -> ProviderError:
        self._keeps_log = True
        said = last_lines(self._log).replace(f"{Path(self._model).parent}{os.sep}", "")
        told = f"; it last said: {said}" if said else ""
        next_step = f"{advice}, or look into {self._log}" if advice else f"look into {self._log}"
        return ProviderError(kind, f"{message}{told}; {next_step}")


def free_port() -> int:
    """Return a port of this machine that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def is_free(port: int) -> bool:
    """Return whether nobody listens at a port of this machine."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=ASK_S):
        return False
    return True


def last_lines(path: Path) -> str:
    """Return the last few lines of a log that say something, as one plain line."""
    with open(path, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - 16 * 1024))
        text = file.read().decode("utf-8", "replace")
    lines = [plain(COLOURS.sub("", line))[:LINE_CHARACTERS] for line in re.split(r"[\r\n]+", text)]
    return " | ".join([line for line in lines if line][-LAST_LINES:])


def _log_path(name: str) -> Path:
    prefix = re.sub(r"[^A-Za-z0-9._-]+", "-", name) + "-"
    folder = LOGS
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".gitignore").write_text("*\n", encoding="utf-8")
        handle, path = tempfile.mkstemp(".log", prefix, folder)
    except OSError:
        folder = Path(tempfile.gettempdir())
        handle, path = tempfile.mkstemp(".log", prefix, folder)
    os.close(handle)
    # Without the folders of this machine: the path stands in a message, and that in a result file.
    return folder / Path(path).name
