"""What a check says of an answer: how far the answer meets it, and what shows that."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

CheckParameters = Mapping[str, Any]


@dataclass(frozen=True)
class CheckedAnswer:
    """An answer, and the text of the prompt that it answers."""

    text: str
    prompt: str


@dataclass(frozen=True)
class Evidence:
    """How far an answer meets a check, from 0 to 1, and what shows it; None where it is not known, and why."""

    credit: float | None
    why: str


CheckFunction = Callable[[CheckedAnswer, CheckParameters], Evidence]


def verdict(passed: bool, why: str) -> Evidence:
    """Return full credit or none."""
    return Evidence(1.0 if passed else 0.0, why)


def unscored(why: str) -> Evidence:
    """Return no verdict: the answer is neither good nor bad by this check."""
    return Evidence(None, why)


def quoted(values: Iterable[str]) -> str:
    """Return texts in quotes, with commas between them."""
    return ", ".join(f"'{value}'" for value in values)
