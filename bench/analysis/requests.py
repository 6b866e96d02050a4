"""What all requests of a model say together: loads, the first request, connections, stalls, shared reads."""

from statistics import median

from bench.analysis.timing import NANOSECONDS_PER_SECOND, good_samples, stalls
from bench.results.migrate import NOT_YET
from bench.runner.record import ModelRun
from bench.runner.sample import Sample


def measured_before_version_2(model: ModelRun) -> bool:
    """Return whether the model's record was written before there was a place for what version 2 measures."""
    return model.unmeasured.get("energy") == NOT_YET


def loads_s(model: ModelRun) -> tuple[float, ...]:
    """Return the seconds of each cold load of the run, in order; empty where none was measured."""
    first = () if model.cold_load_ns is None else (model.cold_load_ns,)
    return tuple(load_ns / NANOSECONDS_PER_SECOND for load_ns in (*first, *model.reloads_ns))


def cold_load_s(model: ModelRun) -> float | None:
    """Return the median of the cold loads in seconds."""
    loads = loads_s(model)
    return median(loads) if loads else None


def first_request(model: ModelRun) -> Sample | None:
    """Return the first request after the load, warm-up or not, if it went well."""
    for sample in (*model.warmup, *model.samples):
        if sample.position == 0:
            return sample if sample.failure is None else None
    return None


def first_request_s(model: ModelRun) -> float | None:
    """Return the latency of the first request after the load in seconds; None where it failed."""
    sample = first_request(model)
    return None if sample is None or sample.end_ns is None else sample.end_ns / NANOSECONDS_PER_SECOND


def connect_s(model: ModelRun) -> float | None:
    """Return the median seconds of setting up a connection, over the requests that needed one, warm-up included."""
    known = [one.connect_ns for one in (*model.warmup, *model.samples) if one.connect_ns is not None]
    return median(known) / NANOSECONDS_PER_SECOND if known else None


def stalls_in_all(model: ModelRun) -> int | None:
    """Return how many gaps of all good samples are longer than 200 ms; None where there is no gap."""
    known = [count for sample in good_samples(model) if (count := stalls(sample)) is not None]
    return sum(known) if known else None


def shared_reads(model: ModelRun) -> int | None:
    """Return how many chunks of all good samples came in one read with the one before; None where there is no gap."""
    if not _gaps(model) or measured_before_version_2(model):
        return None
    return sum(sample.shared_reads for sample in good_samples(model))


def shared_reads_share(model: ModelRun) -> float | None:
    """Return the share of the gaps that lie inside one read."""
    shared = shared_reads(model)
    return None if shared is None else shared / _gaps(model)


def _gaps(model: ModelRun) -> int:
    return sum(max(0, len(sample.chunk_ns) - 1) for sample in good_samples(model))
