"""A colour and a shape for each model: the same on every page, and told apart without seeing colour.

The colours descend from Okabe and Ito's palette (2008), moved in lightness until each stands out from its background
by 3:1 and any two stay apart for red-, green- and blue-blind readers. The style sheet has them for light and dark.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup

from bench.schema.result import Result

COLOURS = 8
SHAPES = ("circle", "square", "diamond", "triangle-up", "cross", "triangle-down", "triangle-right", "triangle-left")

_OUTLINES = {
    "circle": '<circle cx="6" cy="6" r="5"/>',
    "square": '<path d="M1.5 1.5h9v9h-9z"/>',
    "diamond": '<path d="M6 .3 11.2 6 6 11.7.8 6z"/>',
    "triangle-up": '<path d="M6 1 11.5 10.5H.5z"/>',
    "cross": '<path d="M4 .5h4V4h3.5v4H8v3.5H4V8H.5V4H4z"/>',
    "triangle-down": '<path d="M6 11 11.5 1.5H.5z"/>',
    "triangle-right": '<path d="M11 6 1.5 11.5V.5z"/>',
    "triangle-left": '<path d="M1 6 10.5 11.5V.5z"/>',
}


@dataclass(frozen=True)
class Mark:
    """How one model looks in every chart and table."""

    number: int
    shape: str

    @property
    def colour(self) -> str:
        """The colour as a chart names it."""
        return f"var(--bl-c{self.number})"

    @property
    def svg(self) -> Markup:
        """The mark as a small picture for a table or a legend."""
        return Markup(
            f'<svg class="bl-mark bl-c{self.number}" viewBox="0 0 12 12" width="12" height="12" aria-hidden="true">'
            f"{_OUTLINES[self.shape]}</svg>"
        )


def marks(results: Iterable[Result]) -> dict[str, Mark]:
    """Return the mark of each model, given the results oldest first.

    A model takes the next mark when it first appears, so a new model never changes the look of an older one.
    """
    found: dict[str, Mark] = {}
    for result in results:
        for model in result.models:
            if model.name not in found:
                found[model.name] = _mark(len(found))
    return found


def _mark(position: int) -> Mark:
    turn = position // COLOURS
    return Mark(number=position % COLOURS + 1, shape=SHAPES[(position + turn) % len(SHAPES)])
