"""Steps that bring a result file of an older schema version up to the present one."""

from collections.abc import Callable
from typing import Any

from bench.schema.result import SCHEMA_VERSION

Document = dict[str, Any]

NOT_YET = "not measured before schema version 2"


def _from_1(document: Document) -> Document:
    """Add what version 2 measures: null with a reason, or empty."""
    sample = {"connect_ns": None, "sent_ns": None, "shared_reads": 0}
    unmeasured = dict.fromkeys(("memory_unique_bytes", "gpu_memory_peak_bytes", "energy"), NOT_YET)
    run = dict(document["run"]) | {"resumed_utc": [], "status": "complete"}
    models = []
    for model in document["models"]:
        added = {
            "skipped": None,
            "transport": {"foundry": "in-process", "custom": "in-process"}.get(model["provider"], "package"),
            "reloads_ns": [],
            "memory_unique_bytes": None,
            "gpu_memory_peak_bytes": None,
            "memory_watch": None,
            "machine_watch": None,
            "energy": None,
            "unmeasured": model["unmeasured"] | unmeasured,
            "warmup": [one | sample for one in model["warmup"]],
            "samples": [one | sample for one in model["samples"]],
        }
        models.append(model | added)
    return document | {"schema_version": 2, "run": run, "client": [], "models": models}


def _from_2(document: Document) -> Document:
    """Add what version 3 has room for, all of it empty."""
    models = [model | {"load": [], "lengths": []} for model in document["models"]]
    return document | {"schema_version": 3, "run": document["run"] | {"pairing": None}, "models": models}


STEPS: dict[int, Callable[[Document], Document]] = {1: _from_1, 2: _from_2}
"""From version -> the step that leads to the next one."""


def migrated(document: Document) -> Document:
    """Return the document at the present schema version, taking one step after the other.

    The document has a `schema_version` between 1 and the present one. Raises KeyError, TypeError or AttributeError
    for one that does not have the form of its version.
    """
    for version in range(document["schema_version"], SCHEMA_VERSION):
        document = STEPS[version](document)
    return document
