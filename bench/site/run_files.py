"""The files of a run below the site's data: what the viewer reads, and what a reader takes along."""

import csv
import gzip
import io
import json
from collections.abc import Iterator
from typing import Any, Final

from bench.analysis.summary import RunSummary
from bench.metrics.registry import measured_in
from bench.report.export import FORMULA_STARTS
from bench.report.text import run_key
from bench.schema.result import Result
from bench.site.dataset import Site
from bench.site.pages.changes import changes_section
from bench.site.pages.runs import run_data, run_data_later
from bench.site.sections.run_viewer import Json
from bench.site.urls import DATA, run_file
from bench.store.files import dump

COMPRESSION: Final = 1
"""Level of gzip: the highest takes eight times as long, and saves a seventh of the size."""


def run_files(summary: RunSummary, content: bytes | None = None) -> Iterator[tuple[str, bytes]]:
    """Yield the name, below the site's data, and the content of each file of a run.

    They go by the result alone, so one that was written once is never written again. `content` is that of the result
    file, to be taken along byte for byte; None where there is no file yet: it is what would be saved then.
    """
    result = summary.result
    yield f"runs/{run_key(result.run.id)}.js", _call("show", packed(run_data(summary)))
    yield _name(run_file(result, "json")), _compressed(dump(result).encode() if content is None else content)
    yield _name(run_file(result, "csv")), _compressed(samples_csv(result).encode())


def run_later(site: Site, summary: RunSummary) -> tuple[str, bytes] | None:
    """Return the name and the content of the file with what became known of a run after it; None where nothing did.

    The run may be condensed.

    That is what shifted with it, and what judges and people said of its answers.
    """
    if not _known_later(site, summary):
        return None
    result = summary.result
    hearing = site.raters.of(result) if site.raters.has(result) else None
    whole = summary if hearing is None else site.whole.of(result.run.id)
    shown = run_data_later(whole, changes_section(site, summary), hearing)
    return f"later/{run_key(result.run.id)}.js", _call("later", packed(shown))


def runs_with_later(site: Site) -> tuple[str, ...]:
    """Return the key of each run that has a file of `run_later`, oldest first."""
    return tuple(run_key(one.result.run.id) for one in site.summaries if _known_later(site, one))


def _known_later(site: Site, summary: RunSummary) -> bool:
    return bool(site.shifts.by_run.get(summary.result.run.id)) or site.raters.has(summary.result)


def samples_csv(result: Result) -> str:
    """Return every measured sample of a run, one a row, unrounded and in base units; empty where undefined."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    metrics = measured_in("whole", "sample")
    names = [one.id for one in metrics]
    writer.writerow(["model", "prompt", "round", "position", *names, "output_tokens", "finish_reason", "failure"])
    for model in result.models:
        name = _text(model.name)
        values = zip(*(one.value_of_each(model.samples) for one in metrics), strict=True)
        writer.writerows(
            [
                name,
                _text(sample.prompt),
                sample.round,
                sample.position,
                *of_sample,
                sample.output_tokens,
                _text(sample.finish_reason or ""),
                "" if sample.failure is None else _text(f"{sample.failure.kind}: {sample.failure.message}"),
            ]
            for sample, of_sample in zip(model.samples, values, strict=True)
        )
    return file.getvalue()


def packed(data: Json) -> Json:
    """Return what the viewer shows with each text of a table or an answer held once, in `texts`.

    In their place stands a number, its place among `texts`. A column is [label, unit, is numeric]. A cell is its text,
    or [text, kind, small type, letter of its footnote, whether it is the best], an answer
    [score, hint, [[state, sign, why] of each facet], [piece of its text or [words, kind, title], ...]], and an opinion
    [by, score, why, words]; what is empty at the end of a cell is left out.
    """
    texts = _Texts()
    shown = {key: value for key, value in data.items() if key not in ("sections", "answers")}
    shown["sections"] = [_section(section, texts) for section in data["sections"]]
    pack = _answer if "prompts" in data else _opinions
    shown["answers"] = [pack(one, texts) for one in data["answers"]]
    return shown | {"texts": list(texts)}


class _Texts(dict[str, int]):
    """Texts with their places, in the order in which they were asked for."""

    def __missing__(self, text: str) -> int:
        self[text] = place = len(self)
        return place


def _section(section: Json, texts: _Texts) -> Json:
    rows = section["rows"]
    if section["kind"] == "answers":
        return section | {
            "rows": [[prompt, answer, texts[times], texts[ended]] for prompt, answer, times, ended in rows]
        }
    if section["kind"] != "table":
        return section
    columns = [[texts[one["label"]], texts[one["unit"]], int(one["numeric"])] for one in section["columns"]]
    packed_rows = [[texts[cell] if isinstance(cell, str) else _cell(cell, texts) for cell in row] for row in rows]
    return section | {"columns": columns, "rows": packed_rows}


def _cell(cell: Json, texts: _Texts) -> list[int]:
    found = [texts[cell["t"]], texts[cell["k"]]]
    if cell["s"] or cell["n"] or cell["b"]:
        found += [texts[cell["s"]], texts[cell["n"]], cell["b"]]
    return found


def _answer(one: Json, texts: _Texts) -> list[Any]:
    facets = [[texts[facet["state"]], texts[facet["sign"]], texts[facet["why"]]] for facet in one["facets"]]
    pieces = [piece if isinstance(piece, str) else [texts[part] for part in piece] for piece in one["text"]]
    return [texts[one["score"]], texts[one["hint"]], facets, pieces]


def _opinions(one: Json, texts: _Texts) -> list[Any]:
    notes = [[texts[by], texts[why]] for by, why in one["notes"]]
    facets = [[_opinion(said, texts) for said in facet] for facet in one["facets"]]
    return [texts[one["score"]], [_opinion(said, texts) for said in one["others"]], notes, facets]


def _opinion(one: Json, texts: _Texts) -> list[int]:
    return [texts[one["by"]], texts[one["score"]], texts[one["why"]], texts[one["words"]]]


def _call(function: str, value: object) -> bytes:
    """Return a script that hands data to a function of the site's own: a page from a disk can load nothing else."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return f"benchledger.{function}({text});\n".encode()


def _compressed(content: bytes) -> bytes:
    # Without the time of writing: the same result gives the same bytes.
    return gzip.compress(content, COMPRESSION, mtime=0)


def _name(address: str) -> str:
    return address.removeprefix(f"{DATA}/")


def _text(text: str) -> str:
    # A spreadsheet runs a cell that starts like a formula; an apostrophe makes it text.
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
