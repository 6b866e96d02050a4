"""A small line of history inside a table cell, as a static picture."""

from collections.abc import Sequence

from markupsafe import Markup

WIDTH = 84
HEIGHT = 22
MARGIN = 3


def sparkline(values: Sequence[float], colour: int) -> Markup:
    """Return the values, oldest first, as a line that ends in a dot; at least two are needed.

    The line spans the values' own range, yet never less than a tenth of the largest, or noise would look like news.
    """
    low, high = min(values), max(values)
    spread = max(high - low, abs(high) * 0.1) or 1.0
    middle = (low + high) / 2
    step = (WIDTH - 2 * MARGIN) / (len(values) - 1)
    points = [
        (MARGIN + place * step, HEIGHT / 2 - (value - middle) / spread * (HEIGHT - 2 * MARGIN))
        for place, value in enumerate(values)
    ]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    end_x, end_y = points[-1]
    return Markup(
        f'<svg class="bl-spark bl-c{colour}" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'aria-hidden="true"><polyline points="{path}"/><circle cx="{end_x:.1f}" cy="{end_y:.1f}" r="2.5"/></svg>'
    )
