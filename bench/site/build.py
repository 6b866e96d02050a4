"""The site: what pages and files there are, and how they are written. The only place that composes."""

import csv
import hashlib
import io
import json
import os
import re
import shutil
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import vl_convert
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from bench.metrics.registry import measured_in
from bench.report import format as form
from bench.report.export import FORMULA_STARTS, SCORE_COLUMNS, csv_text, json_text, score_rows, to_csv, to_json
from bench.report.text import anchor, finalise, relative, run_key, title
from bench.schema.result import Result
from bench.site.charts.figures import DRAWN_BY, VEGA_LITE, Artist, embedded
from bench.site.dataset import Site
from bench.site.dataset import site as arranged
from bench.site.feed import ADDRESS as FEED
from bench.site.feed import feed
from bench.site.pages.agreement import agreement_page
from bench.site.pages.changes import changes_page, changes_section
from bench.site.pages.glossary import failure_lines, level_lines, limits, metric_lines
from bench.site.pages.licences import footprint
from bench.site.pages.load import load_page
from bench.site.pages.model import model_list, model_view
from bench.site.pages.overview import overview
from bench.site.pages.prompt import prompt_list, prompt_view, prompts_of
from bench.site.pages.quality import quality_page
from bench.site.pages.runs import run_data, run_lines
from bench.site.pages.verdicts import verdicts
from bench.site.sections.reviewed_runs import AGREEMENT, scored_run
from bench.site.urls import model_page, prompt_page
from bench.store.files import Ledger, dump
from bench.store.reviews import Reviews


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


def samples_csv(result: Result) -> str:
    """Return every measured sample of a run, one a row, unrounded and in base units; empty where undefined."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    metrics = measured_in("whole", "sample")
    names = [one.id for one in metrics]
    writer.writerow(["model", "prompt", "round", "position", *names, "output_tokens", "finish_reason", "failure"])
    for model in result.models:
        for sample in model.samples:
            values = [one.value(sample) for one in metrics]
            writer.writerow(
                [
                    _text(model.name),
                    _text(sample.prompt),
                    sample.round,
                    sample.position,
                    *("" if value is None else repr(value) for value in values),
                    "" if sample.output_tokens is None else sample.output_tokens,
                    _text(sample.finish_reason or ""),
                    "" if sample.failure is None else _text(f"{sample.failure.kind}: {sample.failure.message}"),
                ]
            )
    return file.getvalue()


def score_files(site: Site) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of the files of every score of the runs on the page of agreement.

    These are, of each machine and prompt set, the newest run that a judge or a person scored; without one, the newest.
    """
    found = ((board, scored_run(site, board)) for board in site.boards)
    shown = [(board.summary if one is None else one.summary).result for board, one in found]
    rows = score_rows((result, site.reviews.get(result.run.id, Reviews())) for result in shown)
    yield "scores.csv", csv_text(SCORE_COLUMNS, rows)
    yield "scores.json", json_text(rows)


def _text(text: str) -> str:
    # A spreadsheet runs a cell that starts like a formula; an apostrophe makes it text.
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


REPORT = "report"
"""Folder of everything generated below the documentation, but for the first page."""


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
    """What was written: the number of pages and of charts."""

    pages: int
    charts: int


def write_site(
    ledger: Ledger,
    docs_dir: Path,
    templates_dir: Path,
    cache_dir: Path | None = None,
    site_url: str | None = None,
    reviews: Mapping[str, Reviews] | None = None,
) -> WrittenSite:
    """Write every page and data file below `docs_dir`, and remove those of an earlier ledger.

    The same ledger gives the same bytes. Pictures and the charts' program are kept in `cache_dir`, by default
    `.cache/site` beside `docs_dir`. Links of the feed start from `site_url`, else from the feed. `reviews` has what
    judges and people said, by run id.
    """
    cache = cache_dir or docs_dir.parent / ".cache" / "site"
    site = arranged(ledger, reviews)
    artist = Artist(cache / "pictures")
    script = bundle(cache)
    environment = _environment(templates_dir, artist, bundle_name(script))
    written = {_write(docs_dir / REPORT / "assets" / bundle_name(script), script)}
    pages = 0
    for page in pages_of(site):
        path = docs_dir / page.address
        written.add(_write(path.with_name(f"{path.stem}.md"), _rendered(environment, page)))
        pages += 1
    for name, text in _data_files(site):
        written.add(_write(docs_dir / REPORT / "data" / name, text))
    if site.results:
        written.add(_write(docs_dir / FEED, feed(site, site_url)))
    _remove_others(docs_dir / REPORT, written)
    artist.prune()
    return WrittenSite(pages=pages, charts=len(artist.drawn))


def pages_of(site: Site) -> Iterator[Page]:
    """Yield every page of the site."""
    yield Page("index.html", "overview.md.j2", "Overview", overview(site))
    yield Page(f"{REPORT}/models/index.html", "models.md.j2", "Models", model_list(site))
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
    yield Page(f"{REPORT}/run.html", "run.md.j2", "Run", {"newest": newest})
    reading = {
        "metrics": metric_lines(),
        "levels": level_lines(),
        "failures": failure_lines(),
        "limits": limits(),
    }
    yield Page(f"{REPORT}/how-to-read.html", "how-to-read.md.j2", "How to read this", reading, search=True)
    yield Page(f"{REPORT}/verdicts.html", "verdicts.md.j2", "How a verdict is reached", verdicts(), search=True)


def _environment(templates_dir: Path, artist: Artist, program: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(templates_dir),
        autoescape=True,
        finalize=finalise,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals.update(
        picture=artist.picture, program=f"{REPORT}/assets/{program}", count=form.count, anchor=anchor
    )
    return environment


def _rendered(environment: Environment, page: Page) -> str:
    context: Mapping[str, Any] = {
        "view": page.view,
        "title": page.title,
        # JSON is YAML too: quoted, and with nothing in it that a theme could take for markup.
        "front_title": Markup(json.dumps(title(page.title), ensure_ascii=False)),
        "in_search": page.search,
        "to": lambda address: relative(page.address, address),
    }
    text = environment.get_template(page.template).render(context)
    # Loops and conditions leave empty lines behind; one keeps paragraphs of Markdown apart, more say nothing.
    return re.sub(r"\n(?:[ ]*\n){2,}", "\n\n", text).strip("\n") + "\n"


def _data_files(site: Site) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each data file, one at a time: together they can be larger than all pages."""
    if not site.results:
        return
    yield "runs.csv", to_csv(site.summaries)
    yield "runs.json", to_json(site.summaries)
    yield "load.csv", to_csv(site.summaries, "load")
    yield "load.json", to_json(site.summaries, "load")
    yield "lengths.csv", to_csv(site.summaries, "lengths")
    yield "lengths.json", to_json(site.summaries, "lengths")
    yield from score_files(site)
    for summary in site.summaries:
        name = f"runs/{run_key(summary.result.run.id)}"
        hearing = site.hearings.of(summary.result) if site.hearings.has(summary.result) else None
        shown = run_data(summary, changes_section(site, summary), hearing)
        yield f"{name}.js", f"benchledger.show({embedded(shown)});\n"
        yield f"{name}.json", dump(summary.result)
        yield f"{name}.csv", samples_csv(summary.result)


def _write(path: Path, text: str) -> Path:
    """Write a file, unless it holds this text already: an unchanged file keeps its date."""
    content = text.encode()
    if path.is_dir():
        shutil.rmtree(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or path.read_bytes() != content:
        path.write_bytes(content)
    return path


def _remove_others(folder: Path, wanted: Collection[Path]) -> None:
    """Remove what an earlier ledger left in a folder."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif path not in wanted:
            path.unlink()
