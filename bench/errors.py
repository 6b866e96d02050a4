"""The tree of errors that a person can be shown, and how a message shows a value that was found."""

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


class BenchError(Exception):
    """Anything that the command line shows as one line, without a traceback."""

    exit_code = 1


class UsageError(BenchError):
    """A mistake of the user's, with what to do next in its message."""

    exit_code = 2


@dataclass(frozen=True)
class Mistake:
    """One thing wrong in a file: where it is and what would be right.

    `line` counts from 1 and is None where the mistake is something missing from the whole file.
    """

    line: int | None
    key: str
    message: str


class ConfigError(UsageError):
    """A config or prompt set that cannot be used, with all of its mistakes."""

    def __init__(self, path: Path | str, mistakes: Sequence[Mistake]) -> None:
        self.path = str(path)
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(self._lines()))

    def _lines(self) -> list[str]:
        lines = []
        for mistake in self.mistakes:
            place = self.path if mistake.line is None else f"{self.path}:{mistake.line}"
            key = f"{mistake.key}: " if mistake.key else ""
            lines.append(f"{place}: {key}{mistake.message}")
        return lines


class ResultError(UsageError):
    """A result file that cannot be read, with its path and the reason."""

    def __init__(self, path: Path | str, reason: str) -> None:
        self.path = str(path)
        self.reason = reason
        super().__init__(f"{path}: {reason}")


class GgufError(UsageError):
    """A GGUF file that cannot be read, with its path and the reason."""

    def __init__(self, path: Path | str, reason: str) -> None:
        self.path = str(path)
        self.reason = reason
        super().__init__(f"{path}: {reason}")


class EmptyLedger(UsageError):
    """There is no result to work on."""


class CatalogueUnreachable(UsageError):
    """The catalogue of models cannot be read from here, for a reason, and what works without it."""

    def __init__(self, place: str, reason: str, works: str) -> None:
        self.reason = f"the catalogue {place} cannot be read ({reason})"
        super().__init__(f"{self.reason}; check the network. Without it work: {works}")


class ProviderError(BenchError):
    """A model or a request that failed, with the kind that the result file records."""

    def __init__(self, kind: str, message: str) -> None:
        self.kind = kind
        self.message = message
        super().__init__(message)


class DeviceMissing(ProviderError):
    """The device that the config asks for is not there: nothing failed, and nothing was tried."""

    def __init__(self, message: str) -> None:
        super().__init__("not-found", message)


class AllModelsFailed(BenchError):
    """A run in which no model gave one good answer."""


def shown(value: object) -> str:
    """Return a value, as JSON where it can be, cut to 60 characters."""
    try:
        text = value.isoformat() if isinstance(value, dt.date) else json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        try:
            text = repr(value)
        except ValueError:
            # Python writes no more than some thousand digits.
            text = "a number of thousands of digits"
    return text if len(text) <= 60 else text[:57] + "..."
