"""The power of a Mac's chip, as Apple's powermetrics estimates it."""

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

INTERVAL_MS = 500
"""Time over which powermetrics takes each mean; a reading lacks what came after the last one."""

ELAPSED = re.compile(r"^\*\*\* Sampled system activity .*\(([\d.]+)ms elapsed\)")

POWER = re.compile(
    # The first is said by Apple's chips since macOS 13, the second before, the third by Intel's.
    r"^(?:Combined Power \(CPU \+ GPU \+ ANE\)|Package Power|Intel energy model derived package power.*?)"
    r":\s*([\d.]+)\s*(m?)W"
)

COMMAND = ("powermetrics", "--samplers", "cpu_power", "--sample-rate", str(INTERVAL_MS), "--buffer-size", "1")

START_S = 5.0
"""Most time until the program's first figure."""

END_S = 5.0
"""Most time that the program gets to end."""

NO_RIGHT = "powermetrics is for root alone: run as root, or let this user run it by sudo without a password"


class Powermetrics:
    """Adds up what a running powermetrics prints."""

    def __init__(self, command: Sequence[str]) -> None:
        self._joules = 0.0
        self._elapsed_s = 0.0
        self._over = False
        self._first = threading.Event()
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            errors="replace",
        )
        self._thread = threading.Thread(target=self._follow, name="powermetrics", daemon=True)
        self._thread.start()

    def wait(self, seconds: float) -> bool:
        """Wait until there is a first figure, and tell whether one came."""
        self._first.wait(seconds)
        return self.joules() is not None and self._joules > 0

    def joules(self) -> float | None:
        """Return the energy of the intervals that have ended, or None if the program has ended as well."""
        return self._joules if self._process.poll() is None else None

    def close(self) -> None:
        """End the program. One that belongs to root cannot be ended: it stops when nobody reads it any more."""
        self._over = True
        with suppress(PermissionError):
            self._process.terminate()
        self._thread.join(END_S)

    def _follow(self) -> None:
        output = self._process.stdout
        assert output is not None
        with output:
            for line in output:
                self._take(line)
                if self._over:
                    break
        # Whoever waits for a figure must find the program ended, not just silent.
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(END_S)
        self._first.set()

    def _take(self, line: str) -> None:
        if found := ELAPSED.match(line):
            self._elapsed_s = float(found.group(1)) / 1e3
        elif found := POWER.match(line):
            watts = float(found.group(1)) / (1e3 if found.group(2) else 1.0)
            self._joules += watts * self._elapsed_s
            self._first.set()


@dataclass(frozen=True)
class FoundPowermetrics:
    """The running program, or None and the reason, which is None as well where there is no such program."""

    powermetrics: Powermetrics | None
    reason: str | None


def find_powermetrics() -> FoundPowermetrics:
    """Start powermetrics on a Mac, where that needs no password."""
    if sys.platform != "darwin" or shutil.which(COMMAND[0]) is None:
        return FoundPowermetrics(None, None)
    # With -n sudo gives up where it would ask.
    return start_powermetrics(COMMAND if os.geteuid() == 0 else ("sudo", "-n", *COMMAND))


def start_powermetrics(command: Sequence[str], start_s: float = START_S) -> FoundPowermetrics:
    """Start a program that prints what powermetrics does, and wait for its first figure."""
    try:
        started = Powermetrics(command)
    except OSError as error:
        return FoundPowermetrics(None, f"powermetrics cannot be started: {error}")
    if started.wait(start_s):
        return FoundPowermetrics(started, None)
    ended = started.joules() is None
    started.close()
    return FoundPowermetrics(None, NO_RIGHT if ended else "powermetrics tells no power on this machine")
