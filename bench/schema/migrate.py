"""Steps that bring a result file of an older schema version up to the present one."""

from collections.abc import Callable
from typing import Any

from bench.schema.model_run import OWN_SESSION
from bench.schema.result import SCHEMA_VERSION

Document = dict[str, Any]

NOT_YET = "not measured before schema version 2"
INSTRUMENT_MAKER = "Benchledger"
"""Who publishes the test instruments: before version 4 no file marks them."""


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


def _from_3(document: Document) -> Document:
    """Add what version 4 reads of servers and caches: null, or as the provider's kind always did."""
    sample = {
        "stamped_by": "process",
        "first_chunk_tokens": None,
        "cached_prompt_tokens": None,
        "server": None,
    }

    def with_new(part: Document) -> Document:
        return part | {"samples": [one | sample for one in part["samples"]]}

    models = []
    for model in document["models"]:
        own_session = model["provider"] == "foundry"
        added = {
            "runtime": None,
            "prompt_cache": "cold" if own_session else "as-is",
            "prompt_cache_by": OWN_SESSION if own_session else "nobody looked before schema version 4",
            "stamp_clock": None,
            "instrument": model["publisher"] == INSTRUMENT_MAKER,
            "origin": None,
            "warmup": [one | sample for one in model["warmup"]],
            "load": [with_new(level) for level in model["load"]],
            "lengths": [with_new(cell) for cell in model["lengths"]],
        }
        models.append(with_new(model) | added)
    prompt_set = document["prompt_set"]
    prompts = [prompt | {"system": None, "turns": []} for prompt in prompt_set["prompts"]]
    return document | {
        "schema_version": 4,
        "prompt_set": prompt_set | {"prompts": prompts},
        "client": [check | {"stamped_by": "process"} for check in document["client"]],
        "models": models,
    }


STEPS: dict[int, Callable[[Document], Document]] = {1: _from_1, 2: _from_2, 3: _from_3}
"""From version -> the step that leads to the next one."""


def migrated(document: Document) -> Document:
    """Return the document at the present schema version, taking one step after the other.

    The document has a `schema_version` between 1 and the present one. Raises KeyError, TypeError or AttributeError
    for one that does not have the form of its version.
    """
    for version in range(document["schema_version"], SCHEMA_VERSION):
        document = STEPS[version](document)
    return document
