"""One variant of a model: what a catalogue, or the cache on the disk, says of it."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bench.errors import UsageError

NEAREST = 3
"""How many names are told where one is not known."""


@dataclass(frozen=True)
class Variant:
    """A model in the form that one device runs. None is what nobody says, and where `directory` is, nothing is cached.

    `chosen` says that the alias alone stands for this variant. `size_bytes` is the download as the catalogue has it, to
    the mebibyte, or what lies on the disk.
    """

    alias: str
    id: str
    version: int | None = None
    title: str | None = None
    publisher: str | None = None
    device: str | None = None
    execution_provider: str | None = None
    size_bytes: int | None = None
    licence: str | None = None
    licence_text: str | None = None
    task: str | None = None
    context_length: int | None = None
    max_output_tokens: int | None = None
    tools: bool | None = None
    capabilities: tuple[str, ...] = ()
    inputs: str | None = None
    outputs: str | None = None
    created_utc: datetime | None = None
    uri: str | None = None
    chosen: bool = False
    directory: Path | None = None


@dataclass(frozen=True)
class Wanted:
    """Which variants are looked for. A limit on the size is met only where the size is known."""

    text: str | None = None
    device: str | None = None
    task: str | None = None
    licence: str | None = None
    max_size_bytes: float | None = None

    def fits(self, variant: Variant) -> bool:
        """Return whether a variant is what is looked for; letters of either case are the same."""
        names = (variant.alias, variant.id, variant.title, variant.publisher)
        return (
            (self.text is None or any(_has(name, self.text) for name in names))
            and (self.device is None or (variant.device or "").casefold() == self.device.casefold())
            and (self.task is None or _has(variant.task, self.task))
            and (self.licence is None or _has(variant.licence, self.licence))
            and (
                self.max_size_bytes is None
                or (variant.size_bytes is not None and variant.size_bytes <= self.max_size_bytes)
            )
        )


def _has(text: str | None, part: str) -> bool:
    return part.casefold() in (text or "").casefold()


def named(variants: Sequence[Variant], name: str, place: str) -> tuple[Variant, ...]:
    """Return the variants of an alias, or the one with an id; a name in other letters counts where none is the same.

    Raises UsageError with the nearest names; `place` is where was looked, for its message.
    """
    for same in (str, str.casefold):
        for key in ("alias", "id"):
            found = tuple(one for one in variants if same(getattr(one, key)) == same(name))
            if found:
                return found
    near = nearest(name, [one.alias for one in variants]) or nearest(name, [one.id for one in variants])
    told = f"; nearest: {', '.join(near)}" if near else ""
    raise UsageError(f"{place} has no model {name!r}{told}")


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """Return the known names that are nearest to one, at most three, the nearest first."""
    by_letters = {word.casefold(): word for word in known}
    wanted = name.casefold()
    parts = sorted((word for word in by_letters if wanted in word), key=len)
    near = difflib.get_close_matches(wanted, by_letters, n=NEAREST, cutoff=0.5)
    return [by_letters[word] for word in dict.fromkeys([*parts, *near])][:NEAREST]


def one_of(variants: Sequence[Variant], device: str | None, name: str) -> Variant:
    """Return the variant that a run would take for an alias: of a device where one is named, else the chosen one.

    Raises UsageError where there is none for the device.
    """
    if device is None:
        return next((one for one in variants if one.chosen), variants[0])
    for one in variants:
        if (one.device or "").casefold() == device.casefold():
            return one
    devices = ", ".join(sorted({one.device for one in variants if one.device is not None}))
    raise UsageError(f"{name} has no variant for the {device.upper()} of this machine; it has {devices or 'none'}")
