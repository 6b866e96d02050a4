"""Energy: counters that are read from files as Linux lays them out, and what is made of them."""

import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.runner.machine.energy import (
    LOST,
    NO_COUNTER,
    NO_RAPL_RIGHT,
    NOT_RESOLVED,
    CounterReading,
    Meter,
    Source,
    find_rapl,
    following,
    metering,
    passed_uj,
)
from bench.schema.machine import Energy

S = 1_000_000_000


class Shown:
    """A counter that shows one value after the other, and then the last one; None is one that it cannot read."""

    def __init__(self, *values: float | None) -> None:
        self._values = list(values)

    def joules(self) -> float | None:
        return self._values.pop(0) if len(self._values) > 1 else self._values[0]


class Broken:
    """A counter whose file is gone."""

    def joules(self) -> float | None:
        raise FileNotFoundError


def zone(root: Path, folder: str, name: str, energy_uj: int, range_uj: int = 262_143_328_850) -> Path:
    path = root / folder
    path.mkdir(parents=True)
    (path / "name").write_text(f"{name}\n", encoding="ascii")
    (path / "max_energy_range_uj").write_text(f"{range_uj}\n", encoding="ascii")
    show(path, energy_uj)
    return path


def show(path: Path, energy_uj: int) -> None:
    (path / "energy_uj").write_text(f"{energy_uj}\n", encoding="ascii")


@contextmanager
def without_rights() -> Iterator[None]:
    """Let root be an ordinary user while the block runs."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize(
    ("before", "after", "passed"),
    [(100, 350, 250), (100, 100, 0), (900, 50, 150), (999, 0, 1)],
)
def test_a_counter_may_start_again_in_between(before: int, after: int, passed: int) -> None:
    assert passed_uj(before, after, range_uj=1_000) == passed


def test_packages_are_summed_and_their_parts_left_out(tmp_path: Path) -> None:
    first = zone(tmp_path, "intel-rapl:0", "package-0", 5_000_000)
    second = zone(tmp_path, "intel-rapl:1", "package-1", 900_000, range_uj=1_000_000)
    others = [
        zone(tmp_path, "intel-rapl:0:0", "core", 1),
        zone(tmp_path, "intel-rapl:2", "psys", 1),
        zone(tmp_path, "intel-rapl-mmio:0", "package-0", 1),
    ]
    (tmp_path / "intel-rapl").mkdir()

    rapl = find_rapl(tmp_path).rapl
    assert rapl is not None
    assert rapl.joules() == 0.0
    show(first, 7_500_000)
    show(second, 100_000)
    for other in others:
        show(other, 99_000_000)

    # 2.5 J, and 0.1 J up to where the second starts again plus 0.1 J from there.
    assert rapl.joules() == pytest.approx(2.7)
    # Each time a counter starts again adds up.
    show(second, 50_000)
    assert rapl.joules() == pytest.approx(3.65)


def test_a_machine_without_such_counters_has_none_and_no_complaint(tmp_path: Path) -> None:
    for found in (find_rapl(tmp_path), find_rapl(tmp_path / "no such folder")):
        assert (found.rapl, found.reason) == (None, None)


def test_a_counter_that_is_no_number_is_told(tmp_path: Path) -> None:
    (zone(tmp_path, "intel-rapl:0", "package-0", 1) / "energy_uj").write_text("many\n", encoding="ascii")

    found = find_rapl(tmp_path)

    assert found.rapl is None
    assert found.reason == (
        "the processor's energy counter cannot be read: invalid literal for int() with base 10: 'many'"
    )


@pytest.mark.skipif(sys.platform == "win32", reason="rights are not kept in the mode of a file there")
def test_a_counter_for_root_alone_is_told() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)
        (zone(root, "intel-rapl:0", "package-0", 1) / "energy_uj").chmod(0o000)
        with without_rights():
            found = find_rapl(root)

    assert (found.rapl, found.reason) == (None, NO_RAPL_RIGHT)


def meter(watts: float | None = None, **counters: Shown | Broken) -> Meter:
    ticks = iter(range(0, 100 * S, 2 * S))
    named: dict[Source, Shown | Broken] = {source: counters[source] for source in SOURCES if source in counters}
    return Meter(named, watts, NO_COUNTER, "no GPU found", clock=lambda: next(ticks), sleep=lambda seconds: None)


SOURCES: tuple[Source, ...] = ("rapl", "nvml", "powermetrics")


def test_the_idle_machines_share_is_taken_off() -> None:
    counting = meter(rapl=Shown(100.0, 110.0, 120.0, 170.0))

    # 10 J in 2 s, then 50 J in 2 s.
    idle = counting.idle_watts(2)
    start, end = counting.read(), counting.read()
    found = counting.energy(start, end, idle, on_gpu=False, answering_ns=S)

    assert idle == {"rapl": 5.0}
    assert start == CounterReading(4 * S, {"rapl": 120.0})
    assert found.reason is None
    assert found.energy == Energy(source="rapl", joules=40.0, idle_watts=5.0, duration_ns=2 * S)


def test_without_a_baseline_nothing_is_taken_off() -> None:
    counting = meter(rapl=Shown(100.0, 150.0))

    found = counting.energy(counting.read(), counting.read(), counting.idle_watts(0), on_gpu=False, answering_ns=S)

    assert found.energy == Energy(source="rapl", joules=50.0, idle_watts=None, duration_ns=2 * S)


def test_less_than_idle_is_no_energy_and_never_negative() -> None:
    counting = meter(rapl=Shown(100.0, 108.0))

    found = counting.energy(counting.read(), counting.read(), {"rapl": 5.0}, on_gpu=False, answering_ns=S)

    assert (found.energy, found.reason) == (None, NOT_RESOLVED)


def test_a_counter_that_stands_still_is_no_energy() -> None:
    counting = meter(rapl=Shown(100.0))

    found = counting.energy(counting.read(), counting.read(), {}, on_gpu=False, answering_ns=S)

    assert (found.energy, found.reason) == (None, "the energy counter stood still")


@pytest.mark.parametrize(("on_gpu", "source", "joules"), [(True, "nvml", 7.0), (False, "rapl", 50.0)])
def test_the_counter_is_that_of_the_device(on_gpu: bool, source: Source, joules: float) -> None:
    counting = meter(rapl=Shown(100.0, 150.0), nvml=Shown(1.0, 8.0))

    found = counting.energy(counting.read(), counting.read(), {}, on_gpu=on_gpu, answering_ns=S)

    assert found.energy == Energy(source=source, joules=joules, idle_watts=None, duration_ns=2 * S)


def test_the_processors_counter_does_not_stand_for_a_gpu() -> None:
    counting = meter(rapl=Shown(100.0, 150.0))

    found = counting.energy(counting.read(), counting.read(), {}, on_gpu=True, answering_ns=S)

    assert found.energy is None
    assert found.reason == (
        "no energy counter for the GPU: no GPU found; state watts in the config under energy for an estimate"
    )


def test_a_stated_wattage_is_an_estimate() -> None:
    counting = meter(watts=15.0)

    found = counting.energy(counting.read(), counting.read(), counting.idle_watts(5), on_gpu=False, answering_ns=S)

    # 15 W for the second in which it answered; the other one was between two requests.
    assert found.energy == Energy(source="estimate", joules=15.0, idle_watts=None, duration_ns=S)


def test_a_counter_goes_before_a_stated_wattage() -> None:
    counting = meter(watts=15.0, rapl=Shown(100.0, 150.0))

    found = counting.energy(counting.read(), counting.read(), {}, on_gpu=False, answering_ns=S)

    assert found.energy is not None
    assert found.energy.source == "rapl"


@pytest.mark.parametrize("lost", [Broken(), Shown(1.0, None)])
def test_a_counter_that_was_lost_gives_nothing(lost: Shown | Broken) -> None:
    counting = meter(rapl=lost)

    found = counting.energy(counting.read(), counting.read(), {}, on_gpu=False, answering_ns=S)

    assert (found.energy, found.reason) == (None, LOST)


def test_a_run_reads_the_files_of_this_machine(tmp_path: Path) -> None:
    package = zone(tmp_path, "intel-rapl:0", "package-0", 999_000_000, range_uj=1_000_000_000)
    with metering(powercap=tmp_path) as counting:
        start = counting.read()
        show(package, 2_000_000)
        end = counting.read()
        found = counting.energy(start, end, {}, on_gpu=False, answering_ns=S)

    assert found.energy is not None
    assert found.energy.joules == pytest.approx(3.0)
    assert found.energy.duration_ns == end.at_ns - start.at_ns > 0


@pytest.mark.skipif(sys.platform == "darwin", reason="powermetrics may be there")
def test_a_machine_without_a_counter_says_what_to_do(tmp_path: Path) -> None:
    with metering(powercap=tmp_path) as counting:
        found = counting.energy(counting.read(), counting.read(), counting.idle_watts(60), on_gpu=False, answering_ns=S)

    assert found.energy is None
    assert found.reason == ("no energy counter on this machine; state watts in the config under energy for an estimate")


def test_a_meter_is_read_by_itself_while_it_is_followed() -> None:
    enough = threading.Event()
    reads = 0

    class Counting:
        def joules(self) -> float:
            nonlocal reads
            reads += 1
            if reads == 3:
                enough.set()
            return 0.0

    with following(Meter({"rapl": Counting()}, None, NO_COUNTER, "no GPU found"), period_s=0.001):
        assert enough.wait(60)
    after = reads
    assert "energy meter" not in {thread.name for thread in threading.enumerate()}
    assert reads == after >= 3
