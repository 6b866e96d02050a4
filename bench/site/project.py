"""What a site is made of: a project's own files first, those that come with Benchledger for the rest."""

import atexit
import json
import os
import re
import shutil
import tempfile
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.errors import UsageError
from bench.site.urls import DATA

GENERATED: Final = ("report", "index.md")
"""What `bench site` writes into a folder of documentation."""

WORKING: Final = Path(".cache", "site", "project")
"""Where the site of a project is put together that has not all of its parts itself."""

SHIPPED_CONFIG: Final = "shipped.yml"
OWN_CONFIG: Final = "own.yml"
"""Names in there of the mkdocs.yml that comes with Benchledger, and of the project's own, which inherits it."""


@dataclass(frozen=True)
class SiteProject:
    """Where the parts of one project's site are.

    `config` is the mkdocs.yml to build with, pages are written to `docs`, and the site to `output`. Each template is of
    the first folder of `templates` that has it. `used` is one line on what is not the project's own, None where all is.
    """

    config: Path
    docs: Path
    templates: tuple[Path, ...]
    cache: Path
    output: Path
    used: str | None


def shipped_folder() -> Path:
    """Return the folder with the mkdocs.yml, docs and site_templates that come with Benchledger.

    A wheel has them in the package; beside a checkout's package they are at its top.
    """
    inside = Path(__file__).parent / "shipped"
    return inside if inside.is_dir() else Path(__file__).parents[2]


def site_project(folder: Path, results_dir: Path, shipped: Path | None = None) -> SiteProject:
    """Return the parts of the site of a project's folder, and put them together where they are not all its own.

    A project with a mkdocs.yml and with all of the shipped documentation is built where it lies. Any other is put
    together in `.cache/site/project`, or in a temporary folder where that cannot be written: its own mkdocs.yml then
    needs to say only what differs from the shipped one.
    Raises UsageError where there is neither a mkdocs.yml nor a folder of results.
    """
    base = shipped or shipped_folder()
    own_config, own_docs = folder / "mkdocs.yml", folder / "docs"
    has_config = own_config.is_file()
    if not has_config and not results_dir.is_dir():
        raise UsageError(
            f"{results_dir}: no such folder, and {own_config}: not found; run this in the folder with your results, "
            "or name them: --results, --project"
        )
    templates = (folder / "site_templates", base / "site_templates")
    cache, output = folder / ".cache" / "site", (folder / "site").resolve()
    ours, theirs = _pages(base / "docs"), _pages(own_docs)
    if has_config and ours.keys() <= theirs.keys():
        return SiteProject(own_config, own_docs, templates, cache, output, None)
    working = folder / WORKING
    try:
        _copy(ours | theirs, working / "docs")
    except OSError:
        # A folder for caches that cannot be written costs time, not the site.
        working = Path(tempfile.mkdtemp(prefix="bench-site-"))
        atexit.register(shutil.rmtree, working, ignore_errors=True)
        _copy(ours | theirs, working / "docs")
    if has_config:
        _inheriting(working, own_config, base / "mkdocs.yml")
        used = "mkdocs.yml and docs: your own, over those that come with Benchledger"
    else:
        _write(working / "mkdocs.yml", (base / "mkdocs.yml").read_bytes())
        used = "mkdocs.yml: the one that comes with Benchledger; write your own to change title and address"
    return SiteProject(working / "mkdocs.yml", working / "docs", templates, cache, output, used)


def place_data(docs: Path, output: Path) -> None:
    """Put the data files of pages into a built site, as links where the disk allows it, unless they are there."""
    if (docs / DATA).is_dir():
        shutil.copytree(docs / DATA, output / DATA, copy_function=_linked, dirs_exist_ok=True)


def _linked(source: str, target: str) -> None:
    if not os.path.exists(target):
        try:
            os.link(source, target)
        except OSError:
            shutil.copyfile(source, target)


def _pages(docs: Path) -> dict[Path, Path]:
    """Return the hand-written files of a folder of documentation by their place in it, without hidden ones."""
    files = (path for path in sorted(docs.rglob("*")) if path.is_file())
    places = ((path.relative_to(docs), path) for path in files)
    return {
        place: path
        for place, path in places
        if place.parts[0] not in GENERATED and not any(part.startswith(".") for part in place.parts)
    }


def _copy(pages: Mapping[Path, Path], docs: Path) -> None:
    """Make a folder of documentation hold these files, besides what is generated in it."""
    _remove_others(docs, {docs / place for place in pages})
    for place, path in pages.items():
        _write(docs / place, path.read_bytes())


def _remove_others(docs: Path, wanted: Collection[Path]) -> None:
    for path in sorted(_pages(docs).values(), reverse=True):
        if path not in wanted:
            path.unlink()
    for folder in sorted((path for path in docs.rglob("*") if path.is_dir()), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()


def _write(path: Path, content: bytes) -> None:
    """Write a file, unless it holds this already: an unchanged file keeps its date."""
    if path.is_dir():
        shutil.rmtree(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or path.read_bytes() != content:
        path.write_bytes(content)


def _inheriting(working: Path, own: Path, shipped: Path) -> None:
    """Write a mkdocs.yml of a working folder that is a project's own over the shipped one, its paths made whole.

    One that MkDocs cannot read, or that inherits another already, is taken as it stands.
    """
    from mkdocs.exceptions import ConfigurationError
    from mkdocs.utils.yaml import yaml_load

    content = own.read_bytes()
    settings: object = None
    with suppress(ConfigurationError), own.open("rb") as source:
        settings = yaml_load(source)
    given: dict[str, Any] = settings if isinstance(settings, dict) else {}
    inherited = str(own.resolve())
    if given and re.search(rb"^INHERIT\b", content, re.MULTILINE) is None:
        _write(working / SHIPPED_CONFIG, shipped.read_bytes())
        _write(working / OWN_CONFIG, content + f"\nINHERIT: {SHIPPED_CONFIG}\n".encode())
        inherited = OWN_CONFIG
    made: dict[str, Any] = {"INHERIT": inherited, "docs_dir": "docs"}
    folder = own.parent.resolve()
    theme = given.get("theme")
    if isinstance(theme, dict) and isinstance(theme.get("custom_dir"), str):
        made["theme"] = {"custom_dir": str(folder / theme["custom_dir"])}
    if isinstance(given.get("hooks"), list):
        made["hooks"] = [str(folder / str(hook)) for hook in given["hooks"]]
    # JSON is YAML too.
    _write(working / "mkdocs.yml", f"{json.dumps(made, indent=2)}\n".encode())
