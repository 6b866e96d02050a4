"""Where a run takes place: the machine, and the commit of the repository that keeps its results."""

import platform
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.config.settings import slug
from bench.schema.machine import Accelerator, Machine

COMMAND_LIMIT_S = 10.0
"""Nothing that is asked here may take longer."""


@dataclass(frozen=True)
class Checkout:
    """The state of a git repository: a commit, or None outside of one, and whether files differ from it."""

    commit: str | None
    dirty: bool


def machine(name: str | None, versions: Mapping[str, str]) -> Machine:
    """Return what can be found out about this machine.

    Without a name it gets one from its hardware, not from its host name: that would carry a person's name into a
    public repository, and be another one in each container.
    """
    cpu = _cpu()
    logical = psutil.cpu_count() or 1
    memory_bytes = int(psutil.virtual_memory().total)
    default = slug(f"{platform.system()}-{platform.machine()}-{_short(cpu)}-{logical}c-{round(memory_bytes / 2**30)}g")
    return Machine(
        name=name or default,
        os=_os(),
        arch=platform.machine(),
        cpu=cpu,
        physical_cores=psutil.cpu_count(logical=False),
        logical_cores=logical,
        memory_bytes=memory_bytes,
        accelerators=_nvidia(),
        power_source=_power_source(),
        versions={"python": platform.python_version(), **versions},
    )


def checkout(results_dir: Path) -> Checkout:
    """Return the commit of the repository around a results folder; its own changes do not make it dirty."""
    folder = results_dir.resolve()
    while not folder.exists():
        folder = folder.parent
    commit = _said("git", "-C", str(folder), "rev-parse", "--short=10", "HEAD")
    if not commit:
        return Checkout(None, False)
    top = _said("git", "-C", str(folder), "rev-parse", "--show-toplevel")
    # Every run leaves a new result behind: it says nothing of the code that was measured.
    excluded = f":(exclude,top){results_dir.resolve().relative_to(Path(top).resolve()).as_posix()}"
    status = _said("git", "-C", top, "status", "--porcelain", "--", ":/", excluded)
    return Checkout(commit, bool(status))


def _cpu() -> str:
    if sys.platform == "linux":
        found = re.search(r"^(?:model name|Model)\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        if found:
            return found.group(1).strip()
    if sys.platform == "darwin":
        return _said("sysctl", "-n", "machdep.cpu.brand_string") or platform.processor()
    return platform.processor() or platform.machine()


def _short(cpu: str) -> str:
    words = re.sub(r"\((?:R|TM|C)\)|@.*$|\b(?:CPU|Processor|with)\b", " ", cpu, flags=re.IGNORECASE).split()
    return " ".join(words[:5])


def _os() -> str:
    if sys.platform == "linux":
        try:
            return platform.freedesktop_os_release()["PRETTY_NAME"]
        except (OSError, KeyError):
            return f"Linux {platform.release()}"
    if sys.platform == "darwin":
        return f"macOS {platform.mac_ver()[0]}"
    return f"{platform.system()} {platform.version()}"


def _power_source() -> str | None:
    sensors = getattr(psutil, "sensors_battery", None)
    battery = sensors() if sensors is not None else None
    if battery is None:
        return None
    return "mains" if battery.power_plugged else "battery"


def _nvidia() -> tuple[Accelerator, ...]:
    said = _said("nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits")
    found = []
    for line in said.splitlines():
        fields = [field.strip() for field in line.split(",")]
        if len(fields) == 3:
            memory_bytes = int(fields[1]) * 2**20 if fields[1].isdecimal() else None
            found.append(Accelerator(name=fields[0], memory_bytes=memory_bytes, driver=fields[2]))
    return tuple(found)


def _said(*command: str) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=COMMAND_LIMIT_S, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
