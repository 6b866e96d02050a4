"""The site: what pages and files there are, and how they are written. The only place that composes."""

import contextlib
import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import CodeType
from typing import Any, Final

import vl_convert
from jinja2 import BytecodeCache, Environment, FileSystemLoader, StrictUndefined
from jinja2.bccache import Bucket
from markupsafe import Markup

from bench.report import format as form
from bench.report.export import (
    ALL_COLUMNS,
    SCORE_COLUMNS,
    csv_lines,
    csv_text,
    json_lines,
    score_rows,
)
from bench.report.text import anchor, finalise, relative, run_key, title
from bench.site.charts.figures import DRAWN_BY, FRAMED, VEGA_LITE, Artist
from bench.site.dataset import Site, arranged
from bench.site.feed import ADDRESS as FEED
from bench.site.feed import feed
from bench.site.limits import limits
from bench.site.machine_parts import KIND, Press
from bench.site.pages.agreement import agreement_page
from bench.site.pages.changes import changes_page
from bench.site.pages.glossary import failure_lines, level_lines, metric_lines
from bench.site.pages.licences import footprint
from bench.site.pages.load import load_page
from bench.site.pages.model import model_list, model_view
from bench.site.pages.overview import overview
from bench.site.pages.prompt import prompt_list, prompt_view, prompts_of
from bench.site.pages.quality import quality_page
from bench.site.pages.runs import run_lines
from bench.site.pages.verdicts import verdicts
from bench.site.run_files import run_later, runs_with_later
from bench.site.run_index import RunIndex, index_results, index_tree, write_if_new
from bench.site.sections.reviewed_runs import AGREEMENT, newest_reviewed
from bench.site.urls import DATA, REPORT, model_page, prompt_page
from bench.store.cache import Cache, code_version, key_of
from bench.store.files import Ledger, Refused
from bench.store.reviews import Reviews, all_reviews, review_paths, reviewed_run

PART_MAKERS: Final = ("altair", "jinja2", "markupsafe")
"""Packages that make parts of pages: another version of them may make other ones."""

CHARTS: Final = "charts"
"""Kind of the cache's entries: the program that draws charts in the browser."""


def bundle(cache: Cache) -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script that leaves only `vegaEmbed` behind.

    Making it takes seconds, so it is kept in the cache under its versions.
    """
    entry = f"vega-{DRAWN_BY}-{VEGA_LITE}"
    known = cache.get(CHARTS, entry)
    if known is not None:
        return known.decode() + FRAMED
    script = vl_convert.javascript_bundle(snippet="window.vegaEmbed = vegaEmbed;", vl_version=VEGA_LITE)
    # Without a scope of its own it leaves globals behind, and fails when it is loaded twice.
    script = f"(function () {{\n{script}\n}})();\n"
    cache.put(CHARTS, entry, script.encode())
    cache.keep_only(CHARTS, [entry])
    return script + FRAMED


def bundle_name(script: str) -> str:
    """Return the file name of a bundle, which changes with its content: a browser may keep it for ever."""
    return f"vega-{hashlib.sha256(script.encode()).hexdigest()[:12]}.js"


def score_files(site: Site) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of the files of every score of the runs on the page of agreement.

    These are, of each machine and prompt set, the newest run that a judge or a person scored; without one, the newest.
    """
    found = ((board, newest_reviewed(site, board)) for board in site.boards)
    shown = [(board.summary if one is None else one.summary).result for board, one in found]
    scores = score_rows((result, site.reviews.get(result.run.id, Reviews())) for result in shown)
    yield "scores.csv", csv_text(SCORE_COLUMNS, scores)
    yield "scores.json", json_lines(scores)


@dataclass(frozen=True)
class Page:
    """A page before it is written: its address from the site's root, its template, and what the template shows."""

    address: str
    template: str
    title: str
    view: object
    search: bool = False


@dataclass(frozen=True)
class WrittenSite:
    """What was written: the numbers of runs, pages and charts with a picture, and the files that were left out."""

    runs: int
    pages: int
    charts: int
    refused: tuple[Refused, ...]


def write_site(
    ledger: Ledger,
    docs_dir: Path,
    templates_dir: Path | Sequence[Path],
    cache_dir: Path | None = None,
    site_url: str | None = None,
    reviews: Mapping[str, Reviews] | None = None,
) -> WrittenSite:
    """Write every page and data file of runs in memory below `docs_dir`; see `write_tree`."""
    index = index_results(ledger.results, ledger.refused, docs_dir / DATA)
    return _written(index, reviews or {}, {}, docs_dir, templates_dir, cache_dir or _beside(docs_dir), site_url)


def write_tree(
    results_dir: Path,
    docs_dir: Path,
    templates_dir: Path | Sequence[Path],
    cache_dir: Path | None = None,
    site_url: str | None = None,
    on_read: Callable[[int, int], None] | None = None,
) -> WrittenSite:
    """Write every page and data file of a tree of results below `docs_dir`, and remove those of an earlier ledger.

    The same ledger gives the same bytes. Pictures, the charts' program, and what was computed from each file are kept
    in `cache_dir`, by default `.cache/site` beside `docs_dir`. Links of the feed start from `site_url`, else from the
    feed. `on_read` is called with the number of result files that were read and of those that must be.
    Of several `templates_dir`, each template is of the first that has it.
    """
    cache_dir = cache_dir or _beside(docs_dir)
    index = index_tree(results_dir, docs_dir / DATA, Cache(cache_dir), on_read)
    reviews = all_reviews(results_dir)
    keys = _machine_keys(results_dir, index)
    return _written(index, reviews, keys, docs_dir, templates_dir, cache_dir, site_url)


def _beside(docs_dir: Path) -> Path:
    return docs_dir.parent / ".cache" / "site"


def _written(
    index: RunIndex,
    reviews: Mapping[str, Reviews],
    machine_keys: Mapping[str, str],
    docs_dir: Path,
    templates_dir: Path | Sequence[Path],
    cache_dir: Path,
    site_url: str | None,
) -> WrittenSite:
    cache = Cache(cache_dir)
    site = arranged([one.summary for one in index.runs], index.read, index.refused, reviews, cache)
    artist = Artist(cache)
    script = bundle(cache)
    shared = key_of(*(f"{name} {mark}" for name, mark in site.marks.items()), *sorted(site.asked))
    makers = (f"{name} {version(name)}" for name in PART_MAKERS)
    press = Press(
        artist,
        cache,
        key_of(code_version(), *makers, _templates_version(templates_dir), bundle_name(script), shared),
        dict(machine_keys),
    )
    environment = _environment(templates_dir, artist, bundle_name(script))
    written = {write_if_new(docs_dir / REPORT / "assets" / bundle_name(script), script.encode())}
    pages = 0
    for page in pages_of(site):
        path = docs_dir / page.address
        written.add(write_if_new(path.with_name(f"{path.stem}.md"), _rendered(environment, press, page).encode()))
        pages += 1
        while press.files:
            name, content = press.files.popitem()
            written.add(write_if_new(docs_dir / name, content))
    for name, content in _data_files(site, index):
        written.add(write_if_new(docs_dir / DATA / name, content))
    written |= {docs_dir / DATA / name for one in index.runs for name in one.files}
    if site.summaries:
        written.add(write_if_new(docs_dir / FEED, feed(site, site_url).encode()))
    _remove_others(docs_dir / REPORT, written)
    artist.prune()
    press.cache.keep_only(KIND, press.used)
    site.series.keep()
    return WrittenSite(len(index.runs), pages, len(artist.drawn), site.refused)


def _machine_keys(results_dir: Path, index: RunIndex) -> dict[str, str]:
    """Return for each machine what identifies its runs and their reviews."""
    found: dict[str, list[str]] = {}
    machines = {}
    for one in index.runs:
        result = one.summary.result
        # The folder of a run need not be named after its machine.
        machines[result.run.id] = result.machine.name
        found.setdefault(result.machine.name, []).append(one.key)
    for path in review_paths(results_dir):
        machine = machines.get(reviewed_run(path, results_dir))
        if machine is not None:
            with contextlib.suppress(OSError):
                found[machine].append(key_of(path.relative_to(results_dir).as_posix(), path.read_bytes()))
    return {machine: key_of(*keys) for machine, keys in found.items()}


def _templates_version(templates_dir: Path | Sequence[Path]) -> str:
    folders = [templates_dir] if isinstance(templates_dir, Path) else templates_dir
    parts: list[str | bytes] = []
    for folder in folders:
        # A template may include a file of any name.
        for path in sorted(one for one in folder.rglob("*") if one.is_file()):
            parts += [path.relative_to(folder).as_posix(), path.read_bytes()]
    return key_of(*parts)


def pages_of(site: Site) -> Iterator[Page]:
    """Yield every page of the site."""
    yield Page("index.html", "overview.md.j2", "Overview", overview(site))
    yield Page(f"{REPORT}/models/index.html", "table.md.j2", "Models", model_list(site))
    for name in site.marks:
        yield Page(model_page(name), "model.md.j2", name, model_view(site, name))
    yield Page(f"{REPORT}/prompts/index.html", "prompts.md.j2", "Prompts", prompt_list(site))
    for prompt in prompts_of(site).values():
        yield Page(prompt_page(prompt.id), "prompt.md.j2", prompt.title, prompt_view(site, prompt))
    yield Page(f"{REPORT}/quality.html", "quality.md.j2", "Quality", quality_page(site))
    yield Page(AGREEMENT, "agreement.md.j2", "Agreement", agreement_page(site))
    yield Page(f"{REPORT}/load.html", "load.md.j2", "Load", load_page(site))
    yield Page(f"{REPORT}/changes.html", "changes.md.j2", "Changes", changes_page(site))
    yield Page(f"{REPORT}/licences.html", "licences.md.j2", "Licences and footprint", footprint(site))
    yield Page(f"{REPORT}/runs.html", "runs.md.j2", "Runs", {"lines": run_lines(site), "refused": site.refused})
    newest = run_key(site.results[-1].run.id) if site.results else ""
    yield Page(f"{REPORT}/run.html", "run.md.j2", "Run", {"newest": newest, "later": " ".join(runs_with_later(site))})
    reading = {
        "metrics": metric_lines(),
        "levels": level_lines(),
        "failures": failure_lines(),
    }
    yield Page(f"{REPORT}/how-to-read.html", "how-to-read.md.j2", "How to read this", reading, search=True)
    yield Page(f"{REPORT}/verdicts.html", "verdicts.md.j2", "How a verdict is reached", verdicts(), search=True)


class _Compiled(BytecodeCache):
    """Keeps in this process what each template was compiled to, for the next build: `bench serve` has many."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[str, CodeType | None]] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Give a bucket the code of its template, where that is as it was."""
        checksum, code = self._kept.get(bucket.key, ("", None))
        if checksum == bucket.checksum:
            bucket.code = code

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep the code of a bucket in place of an older one."""
        self._kept[bucket.key] = (bucket.checksum, bucket.code)


_COMPILED = _Compiled()


def _environment(templates_dir: Path | Sequence[Path], artist: Artist, program: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(templates_dir),
        autoescape=True,
        finalize=finalise,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        bytecode_cache=_COMPILED,
    )
    environment.globals.update(
        picture=artist.picture, program=f"{REPORT}/assets/{program}", count=form.count, anchor=anchor, limits=limits()
    )
    return environment


def _rendered(environment: Environment, press: Press, page: Page) -> str:
    context: Mapping[str, Any] = {
        "view": page.view,
        "title": page.title,
        # JSON is YAML too: quoted, and with nothing in it that a theme could take for markup.
        "front_title": Markup(json.dumps(title(page.title), ensure_ascii=False)),
        "in_search": page.search,
        "to": lambda address: relative(page.address, address),
        "part": partial(press.part, page.address),
    }
    text = environment.get_template(page.template).render(context)
    # Loops and conditions leave empty lines behind; one keeps paragraphs of Markdown apart, more say nothing.
    return re.sub(r"\n(?:[ ]*\n){2,}", "\n\n", text).strip("\n") + "\n"


def _data_files(site: Site, index: RunIndex) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the bytes of each data file that is of all runs, or of a run and what came after it."""
    if not site.summaries:
        return
    for of, columns in ALL_COLUMNS.items():
        name = {"models": "runs"}.get(of, of)
        yield f"{name}.csv", csv_lines([columns]).encode() + b"".join(one.exports[of][0] for one in index.runs)
        items = [one.exports[of][1] for one in index.runs if one.exports[of][1]]
        if items:
            items[0] = b"[\n" + items[0]
            items[-1] += b"\n]\n"
        yield f"{name}.json", b",\n".join(items) or b"[]\n"
    for name, text in score_files(site):
        yield name, text.encode()
    for summary in site.summaries:
        later = run_later(site, summary)
        if later is not None:
            yield later


def _remove_others(folder: Path, wanted: Collection[Path]) -> None:
    """Remove what an earlier ledger left in a folder."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif path not in wanted:
            path.unlink()
