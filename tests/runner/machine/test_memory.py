"""Memory of a process, read from outside."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from bench.runner.machine.memory import Sampler, resident_bytes_of, sampling, unique_bytes

MIB = 2**20

HOLD = "import sys; held = bytearray(b'1') * (80 * 2**20); print('held', flush=True); sys.stdin.read()"
"""A process that writes to 80 MiB and keeps them until its input ends."""

PARENT_OF_HOLD = (
    "import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', sys.argv[1]]); sys.exit(child.wait())"
)
"""A process that leaves this to one of its own."""


@contextmanager
def holding(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        assert process.stdout.readline().strip() == b"held"
        yield process
    finally:
        process.communicate()


def wait_for_readings(sampler: Sampler, more: int) -> None:
    wanted = sampler.watch().readings + more
    while sampler.watch().readings < wanted:
        time.sleep(0.001)


def test_the_peak_saw_what_the_process_held() -> None:
    with holding(HOLD) as process, sampling(process.pid, period_ns=1_000_000) as sampler:
        wait_for_readings(sampler, 3)
        process.communicate()

    peak_bytes = sampler.peak_bytes()
    assert peak_bytes is not None
    assert 80 * MIB <= peak_bytes < 200 * MIB
    assert sampler.trouble is None
    assert sampler.watch().period_ns == 1_000_000
    assert sampler.watch().readings >= 3
    assert sampler.watch().cost_ns > 0


def test_the_peak_outlives_a_process_that_is_killed() -> None:
    with holding(HOLD) as process, sampling(process.pid, period_ns=1_000_000) as sampler:
        wait_for_readings(sampler, 1)
        process.kill()
        process.wait()

    peak_bytes = sampler.peak_bytes()
    assert peak_bytes is not None
    assert peak_bytes >= 80 * MIB


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have none, or tell of them in another way")
def test_a_zombie_is_not_read() -> None:
    with holding(HOLD) as process:
        process.kill()
        while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.001)
        with sampling(process.pid) as sampler:
            pass
        assert resident_bytes_of(process.pid) is None

    assert sampler.peak_bytes() is None
    assert sampler.watch().readings == 0
    assert sampler.trouble == "the process ended before it could be read"


def test_a_process_that_is_gone_has_no_memory() -> None:
    with holding(HOLD) as process:
        pass
    with sampling(process.pid) as sampler:
        pass

    assert sampler.peak_bytes() is None
    assert sampler.trouble == "the process ended before it could be read"
    assert sampler.gpu_peak().bytes is None
    assert resident_bytes_of(process.pid) is None
    assert unique_bytes(process.pid) is None


def test_a_family_has_the_memory_of_those_it_started() -> None:
    with holding(PARENT_OF_HOLD, HOLD) as process:
        with sampling(process.pid) as alone:
            pass
        with sampling(process.pid, family=True) as together:
            pass
        unique = unique_bytes(process.pid, family=True)

    alone_bytes, together_bytes = alone.peak_bytes(), together.peak_bytes()
    assert alone_bytes is not None
    assert together_bytes is not None
    assert together_bytes - alone_bytes >= 80 * MIB
    assert unique is not None
    assert unique >= 80 * MIB


def test_unique_memory_is_a_part_of_the_resident() -> None:
    with holding(HOLD) as process:
        unique, resident = unique_bytes(process.pid), resident_bytes_of(process.pid)

    assert unique is not None
    assert resident is not None
    assert 80 * MIB <= unique <= resident
