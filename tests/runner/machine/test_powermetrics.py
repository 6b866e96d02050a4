"""The figures of Apple's powermetrics, printed here by a program of our own."""

import sys
import time

import pytest

from bench.runner.machine.energy import NO_POWERMETRICS_RIGHT, Powermetrics, start_powermetrics

APPLE = """\
*** Sampled system activity (Fri Sep 11 13:41:47 2026 -0700) (500.00ms elapsed) ***

**** Processor usage ****

CPU 4 frequency: 2039 MHz

CPU Power: 823 mW
GPU Power: 26 mW
ANE Power: 323 mW
Combined Power (CPU + GPU + ANE): 1172 mW

*** Sampled system activity (Fri Sep 11 13:41:48 2026 -0700) (250.00ms elapsed) ***

CPU Power: 4000 mW
Combined Power (CPU + GPU + ANE): 4000 mW
"""

INTEL = """\
*** Sampled system activity (Fri Sep  4 17:15:14 2015 +1000) (2000.00ms elapsed) ***

Intel energy model derived package power (CPUs+GT+SA): 3.07W
"""

SILENT = "*** Sampled system activity (Fri Sep 11 13:41:47 2026 -0700) (500.00ms elapsed) ***\n"


def printing(text: str) -> list[str]:
    """Return the command of a program that prints a text and goes on."""
    return [sys.executable, "-c", f"import time; print({text!r}, flush=True); time.sleep(600)"]


def wait_for(meter: Powermetrics, joules: float) -> None:
    while meter.joules() != pytest.approx(joules):
        time.sleep(0.001)


@pytest.mark.parametrize(
    ("text", "joules"),
    [
        # 1.172 W for half a second and 4 W for a quarter.
        (APPLE, 1.586),
        (INTEL, 6.14),
    ],
)
def test_power_is_added_up_over_the_intervals(text: str, joules: float) -> None:
    found = start_powermetrics(printing(text), start_s=60)

    assert found.reason is None
    assert found.powermetrics is not None
    wait_for(found.powermetrics, joules)
    found.powermetrics.close()
    assert found.powermetrics.joules() is None


def test_a_program_that_gives_up_at_once_has_no_right() -> None:
    found = start_powermetrics([sys.executable, "-c", "raise SystemExit(1)"], start_s=60)

    assert (found.powermetrics, found.reason) == (None, NO_POWERMETRICS_RIGHT)


def test_a_program_that_tells_no_power_is_ended() -> None:
    found = start_powermetrics(printing(SILENT), start_s=0.01)

    assert (found.powermetrics, found.reason) == (None, "powermetrics tells no power on this machine")


def test_a_program_that_is_not_there() -> None:
    found = start_powermetrics(["/no/such/program"])

    assert found.powermetrics is None
    assert found.reason is not None
    assert found.reason.startswith("powermetrics cannot be started: ")
