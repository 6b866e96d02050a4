"""How every chart looks: colours by CSS variables, so that light and dark need no second drawing."""

from typing import Any

FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'

CONFIG: dict[str, Any] = {
    "background": None,
    "font": FONT,
    "view": {"stroke": None},
    "padding": {"left": 2, "right": 8, "top": 8, "bottom": 2},
    "axis": {
        "labelColor": "var(--bl-ink-soft)",
        "titleColor": "var(--bl-ink-soft)",
        "gridColor": "var(--bl-grid)",
        "domainColor": "var(--bl-axis)",
        "tickColor": "var(--bl-axis)",
        "labelFontSize": 11,
        "titleFontSize": 11.5,
        "titleFontWeight": 500,
        "titlePadding": 8,
        "labelPadding": 4,
        "tickSize": 4,
        "labelOverlap": True,
        "labelFlush": False,
    },
    "axisY": {"labelLimit": 220},
    "rule": {"color": "var(--bl-axis)"},
    "line": {"color": "var(--bl-axis)"},
    "text": {"color": "var(--bl-ink)", "fontSize": 11.5},
}
"""The Vega-Lite config of every chart."""

WIDTH = 720
"""Width of a static picture, in pixels; a drawn chart takes the width of its page."""

PHONE_WIDTH = 480
"""A chart narrower than this leaves out its direct labels: the legend above it has them."""
