"""Files that a reader takes away: a run's samples as CSV, and who gave which score."""

import csv
import io
from collections.abc import Iterator

from bench.analysis.metrics import SAMPLE_METRICS
from bench.analysis.score_rows import SCORE_COLUMNS, score_rows
from bench.analysis.tabular import FORMULA_STARTS, csv_text, json_text
from bench.quality.review import Reviews
from bench.results.schema import Result
from bench.site.ledger import Site
from bench.site.scored import scored_run


def samples_csv(result: Result) -> str:
    """Return every measured sample of a run, one a row, unrounded and in base units; empty where undefined."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    names = [one.id for one in SAMPLE_METRICS]
    writer.writerow(["model", "prompt", "round", "position", *names, "output_tokens", "finish_reason", "failure"])
    for model in result.models:
        for sample in model.samples:
            values = [one.value(sample) for one in SAMPLE_METRICS]
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
