"""Running models in tests, with a journal of their own."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.config.settings import Config
from bench.runner.journal import Header, Journal, Recovered, journal_path
from bench.runner.run import Ran, RunProgress, run
from bench.schema.prompts import PromptSetRecord
from tests import builders


def header(prompt_set: PromptSetRecord | None = None, **fields: object) -> Header:
    """Return the header of a journal."""
    defaults: dict[str, object] = {
        "run_id": "laptop/20260105T090000Z-1a2b3c4d5e-default",
        "started_utc": builders.STARTED_UTC,
        "resumed_utc": (),
        "tool_version": "0.1.0",
        "commit": builders.COMMIT,
        "dirty": False,
        "config_name": "default",
        "config_sha256": "0" * 64,
        "config": {},
        "overrides": (),
        "prompt_set": prompt_set or builders.prompt_set([builders.prompt(id="p1")]),
        "machine": builders.machine(),
        "client": (),
    }
    return Header.model_validate(defaults | fields)


def run_models(
    config: Config, prompt_set: PromptSetRecord, on_progress: Callable[[RunProgress], None] = lambda _: None
) -> Ran:
    """Run a config in real child processes, from its beginning."""
    with tempfile.TemporaryDirectory() as folder:
        head = header(prompt_set)
        journal = Journal(journal_path(Path(folder), head.run_id), head)
        try:
            return run(config, prompt_set, journal, Recovered(), on_progress, time.monotonic_ns)
        finally:
            journal.close()
