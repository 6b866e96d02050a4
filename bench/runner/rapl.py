"""The energy counters of a processor's packages under Linux (RAPL, for Intel and AMD)."""

from dataclasses import dataclass
from pathlib import Path

POWERCAP = Path("/sys/class/powercap")

NO_RIGHT = "no right to read the processor's energy counter (intel-rapl, energy_uj): let this user read it"


@dataclass
class Package:
    """One package's counter in microjoules, which starts again from 0 after `range_uj`."""

    path: Path
    range_uj: int
    last_uj: int
    passed_uj: int = 0

    def read(self) -> int:
        """Return the energy since the first reading. The counter may have started again once since the last."""
        now_uj = _number(self.path / "energy_uj")
        self.passed_uj += passed_uj(self.last_uj, now_uj, self.range_uj)
        self.last_uj = now_uj
        return self.passed_uj


@dataclass(frozen=True)
class Rapl:
    """All packages of a machine; memory modules and discrete GPUs are in none of them."""

    packages: tuple[Package, ...]

    def joules(self) -> float:
        """Return the energy of all packages since the first reading."""
        return sum(package.read() for package in self.packages) / 1e6


@dataclass(frozen=True)
class FoundRapl:
    """The counters, or None and the reason, which is None as well on a machine without any."""

    rapl: Rapl | None
    reason: str | None


def find_rapl(root: Path = POWERCAP) -> FoundRapl:
    """Return the counters of the packages below a folder laid out as Linux does."""
    try:
        # intel-rapl:0:1 is a part of intel-rapl:0, and intel-rapl-mmio:0 counts the same package once more.
        zones = [path for path in sorted(root.glob("intel-rapl:*")) if path.name.count(":") == 1]
        packages = [_package(path) for path in zones if _text(path / "name").startswith("package")]
    except PermissionError:
        return FoundRapl(None, NO_RIGHT)
    except (OSError, ValueError) as error:
        return FoundRapl(None, f"the processor's energy counter cannot be read: {error}")
    return FoundRapl(Rapl(tuple(packages)) if packages else None, None)


def passed_uj(before_uj: int, after_uj: int, range_uj: int) -> int:
    """Return what a counter has counted between two readings, if it started again at most once."""
    return after_uj - before_uj if after_uj >= before_uj else after_uj + range_uj - before_uj


def _package(path: Path) -> Package:
    return Package(path, _number(path / "max_energy_range_uj"), _number(path / "energy_uj"))


def _text(path: Path) -> str:
    return path.read_text(encoding="ascii").strip()


def _number(path: Path) -> int:
    return int(_text(path))
