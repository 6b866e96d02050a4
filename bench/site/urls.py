"""Every address of the site, from the site's root."""

from typing import Literal

from bench.report.text import key, run_key
from bench.schema.result import Result

REPORT = "report"
"""Folder of everything generated below the documentation, but for the first page."""

DATA = f"{REPORT}/data"
"""Folder of the data files."""

PARTS = f"{DATA}/parts"
"""Folder of the parts of pages that are loaded on demand."""

CACHES_PAGE = "prompt-caches.html"
"""The page of the guide on prompt caches and servers."""


def metric_page(metric_id: str) -> str:
    """Return the address of a metric's definition, from the site's root."""
    return f"report/how-to-read.html#{metric_id.replace('_', '-')}"


def level_metric_page(metric_id: str) -> str:
    """Return the address of the definition of a level's metric, from the site's root."""
    return f"report/how-to-read.html#level-{metric_id.replace('_', '-')}"


def model_page(name: str) -> str:
    """Return the address of a model's page, from the site's root."""
    return f"report/models/{key(name)}.html"


def prompt_page(prompt_id: str) -> str:
    """Return the address of a prompt's page, from the site's root."""
    return f"report/prompts/{key(prompt_id)}.html"


def run_page(result: Result) -> str:
    """Return the address of the viewer on a run, from the site's root, before its query."""
    return f"report/run.html?run={run_key(result.run.id)}"


def run_file(result: Result, kind: Literal["json", "csv"]) -> str:
    """Return the address of a run's result file, or of its samples as a table, from the site's root; both are gzip."""
    return f"{DATA}/runs/{run_key(result.run.id)}.{kind}.gz"
