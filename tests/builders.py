"""Valid records for tests, built with few words: each function takes the fields of its record as keywords."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from bench.benchmark import run_id
from bench.schema.machine import Machine
from bench.schema.model_run import MEASURED_FIELDS, ModelRun
from bench.schema.prompts import FacetRecord, PromptRecord, PromptSetRecord
from bench.schema.result import SCHEMA_VERSION, ConfigRecord, FacetGrade, Grade, Result, RunInfo
from bench.schema.sample import Failure, Sample

MILLISECOND_NS = 1_000_000
STARTED_UTC = datetime(2026, 1, 5, 9, 0, 0, tzinfo=UTC)
COMMIT = "1a2b3c4d5e"


def sample(**fields: Any) -> Sample:
    """Return a good sample: TTFT 100 ms, three chunks 20 ms apart, 3 output tokens, end 10 ms after the last chunk."""
    chunk_ns = fields.get("chunk_ns", (100 * MILLISECOND_NS, 120 * MILLISECOND_NS, 140 * MILLISECOND_NS))
    defaults: dict[str, Any] = {
        "prompt": "p1",
        "round": 1,
        "position": 0,
        "start_ns": 0,
        "connect_ns": None,
        "sent_ns": None,
        "stamped_by": "process",
        "chunk_ns": chunk_ns,
        "first_chunk_tokens": None,
        "shared_reads": 0,
        "first_answer_chunk": 0 if chunk_ns else None,
        "end_ns": max(chunk_ns, default=140 * MILLISECOND_NS) + 10 * MILLISECOND_NS,
        "prompt_tokens": 12,
        "cached_prompt_tokens": None,
        "output_tokens": 3,
        "tokens_source": "usage",
        "finish_reason": "stop",
        "server": None,
        "output": "out1",
        "failure": None,
    }
    return Sample(**(defaults | fields))


def failed_sample(kind: str = "timeout", message: str = "no answer within 60 s", **fields: Any) -> Sample:
    """Return a failed sample of which nothing came."""
    defaults: dict[str, Any] = {
        "chunk_ns": (),
        "first_answer_chunk": None,
        "end_ns": None,
        "prompt_tokens": None,
        "output_tokens": None,
        "tokens_source": "none",
        "finish_reason": None,
        "output": None,
        "failure": Failure(kind=kind, message=message),
    }
    return sample(**(defaults | fields))


def samples(latencies_s: Iterable[float], **fields: Any) -> tuple[Sample, ...]:
    """Return good samples of one prompt with these latencies, one a round, sent one after the other.

    Each has its first text at a half of its latency and its last text at the end, with 11 output tokens in between.
    """
    made = []
    start_ns = 0
    for position, latency_s in enumerate(latencies_s):
        end_ns = round(latency_s * 1e9)
        defaults: dict[str, Any] = {
            "round": position + 1,
            "position": position,
            "start_ns": start_ns,
            "chunk_ns": (end_ns // 2, end_ns),
            "end_ns": end_ns,
            "output_tokens": 11,
        }
        made.append(sample(**(defaults | fields)))
        start_ns += end_ns
    return tuple(made)


def model_run(**fields: Any) -> ModelRun:
    """Return a model that went through, with one good sample; a quantity set to None gets a reason by itself."""
    defaults: dict[str, Any] = {
        "name": "tiny",
        "provider": "foundry",
        "skipped": None,
        "requested": "tiny-generic-cpu:1",
        "runtime": None,
        "transport": "in-process",
        "prompt_cache": "cold",
        "prompt_cache_by": "a session of its own for each request",
        "stamp_clock": None,
        "instrument": False,
        "origin": None,
        "reloads_ns": (),
        "memory_unique_bytes": 8_000_000,
        "gpu_memory_peak_bytes": None,
        "memory_watch": None,
        "machine_watch": None,
        "energy": None,
        "variant_id": "tiny-generic-cpu:1",
        "variant_version": "1",
        "device": "CPU",
        "execution_provider": "CPUExecutionProvider",
        "parameters": 940_000,
        "precision": "int8",
        "licence": "MIT",
        "licence_url": None,
        "publisher": "Benchledger",
        "context_length": 1_024,
        "capabilities": ("chat",),
        "footprint_bytes": 2_100_000,
        "cold_load_ns": 40 * MILLISECOND_NS,
        "memory_before_bytes": 60_000_000,
        "memory_loaded_bytes": 70_000_000,
        "memory_peak_bytes": 75_000_000,
        "failure": None,
        "warmup": (),
        "samples": (sample(),),
        "load": (),
        "lengths": (),
    }
    values = defaults | fields
    nulls = [name for name in (*MEASURED_FIELDS, "energy") if values[name] is None]
    values["unmeasured"] = dict.fromkeys(nulls, "not measured") | values.get("unmeasured", {})
    return ModelRun(**values)


def failed_model(kind: str = "load", message: str = "the weights are truncated", **fields: Any) -> ModelRun:
    """Return a model that gave up before its first sample."""
    defaults: dict[str, Any] = {
        "name": "broken",
        "cold_load_ns": None,
        "memory_loaded_bytes": None,
        "memory_peak_bytes": None,
        "failure": Failure(kind=kind, message=message),
        "samples": (),
    }
    return model_run(**(defaults | fields))


def facet(**fields: Any) -> FacetRecord:
    """Return a facet that asks for the word 'Paris'."""
    defaults: dict[str, Any] = {
        "id": "f1",
        "says": "names Paris",
        "weight": 1.0,
        "check": "contains_all",
        "parameters": {"values": ["Paris"]},
    }
    return FacetRecord(**(defaults | fields))


def prompt(**fields: Any) -> PromptRecord:
    """Return a prompt with one facet."""
    defaults: dict[str, Any] = {
        "id": "p1",
        "title": "Capital of France",
        "category": "facts",
        "system": None,
        "turns": (),
        "text": "What is the capital of France?",
        "max_output_tokens": None,
        "facets": (facet(),),
    }
    return PromptRecord(**(defaults | fields))


def prompt_set(prompts: Sequence[PromptRecord] | None = None, **fields: Any) -> PromptSetRecord:
    """Return a prompt set, of one prompt unless others are given."""
    defaults: dict[str, Any] = {
        "id": "test",
        "title": "Test prompts",
        "sha256": "5" * 64,
        "prompts": (prompt(),) if prompts is None else tuple(prompts),
    }
    return PromptSetRecord(**(defaults | fields))


def grade(credit_of: Mapping[str, float | None] | None = None, **fields: Any) -> Grade:
    """Return the grade of one output; `credit_of` has the credit of each facet, by id."""
    defaults: dict[str, Any] = {
        "prompt": "p1",
        "output": "out1",
        "source": "program",
        "facets": tuple(
            FacetGrade(facet=name, credit=credit, why="as the test says")
            for name, credit in ({"f1": 1.0} if credit_of is None else credit_of).items()
        ),
    }
    return Grade(**(defaults | fields))


def machine(**fields: Any) -> Machine:
    """Return a laptop without an accelerator."""
    defaults: dict[str, Any] = {
        "name": "laptop",
        "os": "Debian 12",
        "arch": "x86_64",
        "cpu": "Test CPU",
        "physical_cores": 2,
        "logical_cores": 2,
        "memory_bytes": 8_000_000_000,
        "accelerators": (),
        "power_source": "mains",
        "versions": {"python": "3.11.7", "foundry-local-sdk": "2.2.1"},
    }
    return Machine(**(defaults | fields))


def config(**fields: Any) -> ConfigRecord:
    """Return a configuration named 'default'."""
    defaults: dict[str, Any] = {
        "name": "default",
        "sha256": "c" * 64,
        "overrides": (),
        "resolved": {
            "rounds": 1,
            "stream": True,
            "generation": {"temperature": 0.0, "top_p": None, "seed": 42, "max_output_tokens": 64},
        },
    }
    return ConfigRecord(**(defaults | fields))


def run_info(
    machine_name: str = "laptop",
    config_name: str = "default",
    started_utc: datetime = STARTED_UTC,
    commit: str | None = COMMIT,
    **fields: Any,
) -> RunInfo:
    """Return who ran it and when; the id follows from machine, time, commit and config."""
    defaults: dict[str, Any] = {
        "id": run_id(machine_name, started_utc, commit, config_name),
        "started_utc": started_utc,
        "finished_utc": started_utc + timedelta(minutes=2),
        "resumed_utc": (),
        "status": "complete",
        "tool_version": "0.1.0",
        "commit": commit,
        "dirty": False,
        "pairing": None,
    }
    return RunInfo(**(defaults | fields))


def result(
    models: Sequence[ModelRun] | None = None,
    *,
    machine_name: str = "laptop",
    config_name: str = "default",
    started_utc: datetime = STARTED_UTC,
    commit: str | None = COMMIT,
    prompts: Sequence[PromptRecord] | None = None,
    outputs: Mapping[str, str] | None = None,
    **fields: Any,
) -> Result:
    """Return a run, of one model and one prompt unless others are given.

    A prompt or output that a sample names and that is not given is made up: outputs read 'text of KEY'.
    """
    runs = (model_run(),) if models is None else tuple(models)
    used = [one for run in runs for one in (*run.warmup, *run.samples)]
    if prompts is None:
        names = sorted({one.prompt for one in used} | {"p1"})
        prompts = [prompt(id=name) for name in names]
    texts = {one.output: f"text of {one.output}" for one in used if one.output is not None}
    texts |= {one.output: f"text of {one.output}" for one in fields.get("grades", ())}
    defaults: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "run": run_info(machine_name, config_name, started_utc, commit),
        "machine": machine(name=machine_name),
        "config": config(name=config_name),
        "prompt_set": prompt_set(prompts),
        "client": (),
        "models": runs,
        "grades": (),
        "outputs": dict(sorted((texts | dict(outputs or {})).items())),
    }
    return Result(**(defaults | fields))
