"""The data files of one run: what its viewer shows, the result itself, and its samples as CSV."""

import csv
import io
from collections.abc import Iterator

from bench.analysis.summary import RunSummary
from bench.metrics.registry import measured_in
from bench.report.export import FORMULA_STARTS
from bench.report.text import run_key
from bench.schema.result import Result
from bench.site.charts.figures import embedded
from bench.site.pages.runs import run_data
from bench.site.sections.run_viewer import Json
from bench.store.files import dump


def run_files(summary: RunSummary) -> Iterator[tuple[str, bytes]]:
    """Yield the name below the data folder and the bytes of each file of a whole run's viewer."""
    name = f"runs/{run_key(summary.result.run.id)}"
    yield f"{name}.js", shown_text(run_data(summary))
    yield f"{name}.json", dump(summary.result).encode()
    yield f"{name}.csv", samples_csv(summary.result).encode()


def shown_text(data: Json) -> bytes:
    """Return the script that hands a run to the viewer."""
    return f"benchledger.show({embedded(data)});\n".encode()


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


def _text(text: str) -> str:
    # A spreadsheet runs a cell that starts like a formula; an apostrophe makes it text.
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
