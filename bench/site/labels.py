"""Where the names in a chart of points go, such that few of them overlap."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

LETTER_WIDTH = 6.4
LINE_HEIGHT = 16.0
POINT_REACH = 9.0
"""Half of the square that a mark keeps free of other names, in pixels."""


@dataclass(frozen=True)
class Spot:
    """A point with its name: its place as shares of the plot's width and height, from the lower left."""

    x: float
    y: float
    label: str


@dataclass(frozen=True)
class Placing:
    """Where a name stands, seen from its point."""

    align: str
    dx: int
    dy: int


@dataclass(frozen=True)
class _Box:
    left: float
    top: float
    right: float
    bottom: float


_PLACES = (
    Placing("left", 15, 0),
    Placing("right", -15, 0),
    Placing("center", 0, -20),
    Placing("center", 0, 20),
    Placing("left", 11, -13),
    Placing("left", 11, 13),
    Placing("right", -11, -13),
    Placing("right", -11, 13),
)


def place(spots: Sequence[Spot], line: Sequence[Spot], width: float, height: float) -> list[Placing]:
    """Return the place of each name on a plot of this size in pixels, with a line drawn through some of the spots.

    Each name takes the place, of eight around its point, that covers the least of all points, of the names before it,
    of the line, and of what lies outside; the first of equal ones.
    """
    taken = [
        _Box(x - POINT_REACH, y - POINT_REACH, x + POINT_REACH, y + POINT_REACH)
        for x, y in (_pixels(spot, width, height) for spot in spots)
    ]
    taken += _along(line, width, height)
    chosen = []
    for spot in spots:
        boxes = [_box(spot, placing, width, height) for placing in _PLACES]
        costs = [sum(_overlap(box, other) for other in taken) + _outside(box, width, height) for box in boxes]
        best = costs.index(min(costs))
        taken.append(boxes[best])
        chosen.append(_PLACES[best])
    return chosen


def _pixels(spot: Spot, width: float, height: float) -> tuple[float, float]:
    return spot.x * width, (1 - spot.y) * height


def _along(line: Sequence[Spot], width: float, height: float) -> list[_Box]:
    """Return small boxes that cover a line from spot to spot."""
    boxes = []
    for start, end in pairwise(line):
        (x1, y1), (x2, y2) = _pixels(start, width, height), _pixels(end, width, height)
        steps = max(1, round((abs(x2 - x1) + abs(y2 - y1)) / 4))
        for step in range(steps + 1):
            x, y = x1 + (x2 - x1) * step / steps, y1 + (y2 - y1) * step / steps
            boxes.append(_Box(x - 2, y - 2, x + 2, y + 2))
    return boxes


def _box(spot: Spot, placing: Placing, width: float, height: float) -> _Box:
    x, y = _pixels(spot, width, height)
    length = LETTER_WIDTH * len(spot.label)
    left = x + placing.dx - {"left": 0.0, "right": length, "center": length / 2}[placing.align]
    middle = y + placing.dy
    return _Box(left, middle - LINE_HEIGHT / 2, left + length, middle + LINE_HEIGHT / 2)


def _overlap(one: _Box, other: _Box) -> float:
    wide = min(one.right, other.right) - max(one.left, other.left)
    high = min(one.bottom, other.bottom) - max(one.top, other.top)
    return wide * high if wide > 0 and high > 0 else 0.0


def _outside(box: _Box, width: float, height: float) -> float:
    over = max(0.0, -box.left) + max(0.0, box.right - width) + max(0.0, -box.top) + max(0.0, box.bottom - height)
    return over * LINE_HEIGHT
