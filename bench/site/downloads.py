"""Files that a reader takes away: a run's samples as CSV."""

import csv
import io

from bench.analysis.metrics import SAMPLE_METRICS
from bench.analysis.tabular import FORMULA_STARTS
from bench.results.schema import Result


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


def _text(text: str) -> str:
    # A spreadsheet runs a cell that starts like a formula; an apostrophe makes it text.
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
