"""The drawing program of the charts, as one file that the pages load when they need it."""

import hashlib
import os
from pathlib import Path

import vl_convert

from bench.site.figures import DRAWN_BY, VEGA_LITE


def bundle(cache_dir: Path) -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script that leaves only `vegaEmbed` behind.

    Making it takes seconds, so it is kept in `cache_dir` under its versions.
    """
    path = cache_dir / f"vega-{DRAWN_BY}-{VEGA_LITE}.js"
    if not path.exists():
        cache_dir.mkdir(parents=True, exist_ok=True)
        script = vl_convert.javascript_bundle(snippet="window.vegaEmbed = vegaEmbed;", vl_version=VEGA_LITE)
        # Without a scope of its own it leaves globals behind, and fails when it is loaded twice.
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(f"(function () {{\n{script}\n}})();\n", encoding="utf-8")
        os.replace(temporary, path)
    return path.read_text(encoding="utf-8")


def bundle_name(script: str) -> str:
    """Return the file name of a bundle, which changes with its content: a browser may keep it for ever."""
    return f"vega-{hashlib.sha256(script.encode()).hexdigest()[:12]}.js"
