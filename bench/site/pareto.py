"""The models that no other model beats in both of two ways: the Pareto front."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Better = Literal["lower", "higher"]


@dataclass(frozen=True)
class Candidate:
    """A model's place: a cost or gain along x, and its quality, of which more is better."""

    name: str
    x: float
    quality: float


def front(candidates: Sequence[Candidate], better_x: Better) -> tuple[Candidate, ...]:
    """Return the candidates on the front, by x; of two in the same place both are on it."""
    sign = 1.0 if better_x == "higher" else -1.0
    kept = [one for one in candidates if not any(_beats(other, one, sign) for other in candidates)]
    return tuple(sorted(kept, key=lambda one: (one.x, one.quality, one.name)))


def _beats(one: Candidate, other: Candidate, sign: float) -> bool:
    gain = sign * (one.x - other.x)
    return gain >= 0 and one.quality >= other.quality and (gain > 0 or one.quality > other.quality)
