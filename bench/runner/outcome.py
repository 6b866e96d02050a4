"""From what was heard of a model's process, and seen of it from outside, to the record of a model."""

from dataclasses import replace
from typing import Any

from bench.model_settings import CustomModel, EndpointModel, FoundryModel
from bench.providers.protocol import Identity
from bench.runner.journal import Recovered
from bench.runner.record import MEASURED_FIELDS, ModelRun
from bench.runner.seen import Seen
from bench.runner.supervise import Heard

NEVER_LOADED = "the model was never loaded"


def model_run(model: FoundryModel | EndpointModel | CustomModel, heard: Heard, seen: Seen, kept: Recovered) -> ModelRun:
    """Return the record of a model.

    `kept` has all of its samples, cells, levels and cold loads, those from before an interruption first.
    """
    loads_ns = kept.loads_ns.get(model.name, [])
    loaded = heard.loaded
    identity = _with_declared(
        heard.identity or Identity(unmeasured=dict.fromkeys(MEASURED_FIELDS, NEVER_LOADED)), model
    )
    remote = loaded.remote if loaded is not None else None
    values: dict[str, Any] = {
        "parameters": identity.parameters,
        "precision": identity.precision,
        "licence": identity.licence,
        "context_length": identity.context_length,
        "footprint_bytes": identity.footprint_bytes,
        "cold_load_ns": loads_ns[0] if loads_ns and remote is None else None,
        "memory_before_bytes": seen.memory_before_bytes,
        "memory_loaded_bytes": seen.memory_loaded_bytes,
        "memory_peak_bytes": seen.memory_peak_bytes,
        "memory_unique_bytes": seen.memory_unique_bytes,
        "gpu_memory_peak_bytes": seen.gpu_memory_peak_bytes,
        "energy": seen.energy,
    }
    why = NEVER_LOADED if loaded is None else remote or "not measured"
    reasons = dict.fromkeys(values, why) | dict(identity.unmeasured) | seen.unmeasured
    samples = [one.sample for one in kept.samples.get(model.name, [])]
    return ModelRun.model_validate(
        {
            "name": model.name,
            "provider": model.provider,
            "skipped": heard.skipped,
            "requested": model.requested,
            "variant_id": identity.variant_id,
            "variant_version": identity.variant_version,
            "device": identity.device,
            "execution_provider": identity.execution_provider,
            "transport": identity.transport if loaded is not None else None,
            "licence_url": identity.licence_url,
            "publisher": identity.publisher,
            "capabilities": identity.capabilities,
            "reloads_ns": tuple(loads_ns[1:]) if remote is None else (),
            "memory_watch": seen.memory_watch,
            "machine_watch": seen.machine_watch,
            "unmeasured": {name: reasons[name] for name, value in values.items() if value is None},
            "failure": heard.failure,
            "warmup": tuple(sample for sample in samples if sample.round == 0),
            "samples": tuple(sample for sample in samples if sample.round > 0),
            "load": tuple(kept.levels.get(model.name, [])),
            "lengths": tuple(kept.cells.get(model.name, [])),
            **values,
        }
    )


def _with_declared(identity: Identity, model: FoundryModel | EndpointModel | CustomModel) -> Identity:
    """Return the identity with its gaps filled from what the config declares."""
    declared = model.declared
    fields = ("parameters", "precision", "licence", "licence_url", "publisher", "context_length", "footprint_bytes")
    gaps = {name: getattr(declared, name) for name in fields if getattr(identity, name) is None}
    tags = identity.capabilities + tuple(tag for tag in declared.capabilities if tag not in identity.capabilities)
    return replace(identity, capabilities=tags, **gaps)
