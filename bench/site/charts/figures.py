"""Figures: a chart with its sentence, caption and legend, as data for the browser and as a static picture."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Final

import vl_convert
from markupsafe import Markup

from bench.report.palette import Mark
from bench.report.text import visible
from bench.site.charts.kinds import FRAME, WIDTH, Spec
from bench.store.cache import Cache

VEGA_LITE = "6.4"
"""The version of Vega-Lite that draws, in the browser and here."""

DRAWN_BY = version("vl-convert-python")
"""The release of the program that draws: another may draw otherwise."""


PICTURES: Final = "pictures"
"""Kind of the cache's entries: one static picture."""

NAME_RESERVE = 32
"""Pixels left of a static picture's axis for names that come out wider than they were measured."""


@dataclass(frozen=True)
class Figure:
    """A chart on a page: `sentence` says what it shows, `caption` in which context."""

    id: str
    sentence: str
    caption: str
    spec: Spec
    legend: Mapping[str, Mark]

    @property
    def data(self) -> Markup:
        """The chart's own specification, as text that is safe inside a template element and untouched by Markdown.

        What every chart has comes with the program that draws: FRAMED.
        """
        own = {key: value for key, value in self.spec.items() if key != "$schema" and FRAME.get(key) != value}
        return Markup(embedded(own))


@dataclass
class Artist:
    """Draws static pictures and keeps them in a cache, by the hash of what they show."""

    cache: Cache
    drawn: set[str] = field(default_factory=set)
    rests: bool = False

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Draw nothing in this block: what comes of it is shown by a browser that draws by itself."""
        rested, self.rests = self.rests, True
        try:
            yield
        finally:
            self.rests = rested

    def picture(self, figure: Figure) -> Markup:
        """Return the figure as SVG that scales with its page; nothing while resting."""
        if self.rests:
            return Markup()
        spec = _still(figure.spec)
        text = json.dumps(spec, sort_keys=True)
        entry = hashlib.sha256(f"{DRAWN_BY} {VEGA_LITE} {text}".encode()).hexdigest()[:24]
        self.drawn.add(entry)
        known = self.cache.get(PICTURES, entry)
        if known is not None:
            return Markup(known.decode())
        svg = _drawn(spec)
        self.cache.put(PICTURES, entry, svg.encode())
        return Markup(svg)

    def prune(self) -> None:
        """Remove the pictures that nobody asked for: the cache never outgrows one site."""
        self.cache.keep_only(PICTURES, self.drawn)


def embedded(value: object) -> str:
    """Return JSON on one line that holds no character which HTML or Markdown could read."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    for character in "<>&`":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def plain(text: str) -> str:
    """Return text for a chart: on one line, with nothing invisible in it."""
    return " ".join(visible(text).split())


FRAMED = f"window.vegaEmbed.frame = {embedded(FRAME)};\n"
"""What tells the page's script of FRAME, after the program that draws."""


def _still(spec: Spec) -> Spec:
    # The reader's font may be wider than the one that measured the names beside an axis. Words for screen readers lie
    # beside the picture, and their like on each of its marks would be twice as long as the picture itself.
    config = spec["config"] | {"padding": spec["config"]["padding"] | {"left": NAME_RESERVE}, "aria": False}
    # A limit makes each label be measured once more, which is most of the time: names alone reach theirs.
    config["axis"] = config["axis"] | {"labelLimit": 0}
    if all(layer["encoding"].get("y", {}).get("type") != "nominal" for layer in spec["layer"]):
        del config["axisY"]
    return spec | {"width": WIDTH, "config": config}


def _drawn(spec: Spec) -> str:
    svg = vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE)
    # One line and no size of its own: Markdown leaves it alone, and it takes the width of its page.
    svg = " ".join(svg.split("\n")).replace(f' width="{WIDTH}"', "", 1)
    return svg.replace(' class="marks"', ' class="bl-static"', 1)


SPARK_WIDTH = 84
SPARK_HEIGHT = 22
SPARK_MARGIN = 3


def sparkline(values: Sequence[float], colour: int) -> Markup:
    """Return the values, oldest first, as a line that ends in a dot; at least two are needed.

    The line spans the values' own range, yet never less than a tenth of the largest, or noise would look like news.
    """
    low, high = min(values), max(values)
    spread = max(high - low, abs(high) * 0.1) or 1.0
    middle = (low + high) / 2
    step = (SPARK_WIDTH - 2 * SPARK_MARGIN) / (len(values) - 1)
    points = [
        (SPARK_MARGIN + place * step, SPARK_HEIGHT / 2 - (value - middle) / spread * (SPARK_HEIGHT - 2 * SPARK_MARGIN))
        for place, value in enumerate(values)
    ]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    end_x, end_y = points[-1]
    return Markup(
        f'<svg class="bl-spark bl-c{colour}" viewBox="0 0 {SPARK_WIDTH} {SPARK_HEIGHT}" '
        f'width="{SPARK_WIDTH}" height="{SPARK_HEIGHT}" '
        f'aria-hidden="true"><polyline points="{path}"/><circle cx="{end_x:.1f}" cy="{end_y:.1f}" r="2.5"/></svg>'
    )
