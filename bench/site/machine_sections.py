"""How far a run can be trusted, for the run viewer: steadiness, the client's error, loads, memory, energy."""

from collections.abc import Callable, Sequence

from bench.analysis.consumption import ENERGY_SOURCES
from bench.analysis.requests import loads_s, measured_before_version_2
from bench.analysis.resolution import ErrorSize, error_of
from bench.analysis.steadiness import meanwhile
from bench.analysis.summary import ModelSummary, RunSummary
from bench.analysis.timing import NANOSECONDS_PER_SECOND
from bench.results.migrate import NOT_YET
from bench.runner.machine_record import MachineWatch, Probe
from bench.site import format as form
from bench.site.ledger import measured, metric_column
from bench.site.sections import Json, list_section, table_section
from bench.site.tables import Cell, Column, Measured, name_column, number_column, table, text_column
from bench.site.text import shortened

TRANSPORTS = {
    "in-process": "in this program’s process",
    "direct": "our own HTTP client",
    "package": "the openai package’s HTTP client",
}
"""Every transport, in words."""

VERDICTS = {"steady": "Steady", "unsteady": "Unsteady", "unknown": "Not known"}


def machine_sections(summary: RunSummary) -> list[Json]:
    """Return the sections that say how a run was measured and what it took."""
    tried = [one for one in summary.models if one.model.skipped is None]
    return [
        *_steadiness(summary, tried),
        _client(summary),
        _starts(tried),
        _memory(tried),
        _energy(tried),
    ]


def transport_words(transport: str | None) -> str:
    """Return in words what carried the requests to a model."""
    return TRANSPORTS.get(transport or "", "not stated")


def _steadiness(summary: RunSummary, tried: Sequence[ModelSummary]) -> list[Json]:
    found = summary.steadiness
    heading = f"The machine’s steadiness: {VERDICTS[found.verdict].lower()}"
    # Not made a sentence: a reason may begin with the name of a model.
    reasons = found.reasons or ("No probe, sleeper, hypervisor or load was beyond its limit.",)
    watched = [(one, one.model.machine_watch) for one in tried if one.model.machine_watch is not None]
    sections = [list_section(heading, reasons)]
    if watched:
        watches = [watch for _, watch in watched]
        shown = table(
            "Machine",
            [
                _names([one for one, _ in watched]),
                text_column("Arithmetic", [_probes(one, lambda probe: probe.compute_ns) for one in watches], True),
                text_column("Copying memory", [_probes(one, lambda probe: probe.memory_ns) for one in watches], True),
                text_column("Woke late", [_late(one) for one in watches], True),
                text_column("Hypervisor took", [_share(one.steal_share) for one in watches], True),
                text_column("Clock", [_both(one, _clock) for one in watches], True),
                text_column("Temperature", [_both(one, _temperature) for one in watches], True),
                text_column("Load", [_both(one, _load) for one in watches], True),
            ],
        )
        says = "A fixed piece of work, timed before → after each model, and how late a sleeper woke in between."
        sections.append(table_section("", shown, says))
    return sections


def _client(summary: RunSummary) -> Json:
    heading = "The client’s own error"
    errors = [error_of(check) for check in summary.result.client]
    if not errors:
        return list_section(heading, [_why_no_client(summary)])
    starts, gaps = [one.ttft for one in errors], [one.gap for one in errors]
    shown = table(
        "Client",
        [
            name_column("Transport", [Cell(transport_words(one.transport)) for one in errors]),
            text_column("Streams", [f"{one.streams:,}" for one in errors], True),
            number_column("TTFT p50", "s", [_error(one, lambda size: size.p50_s) for one in starts]),
            _tail_column("TTFT p99", starts),
            number_column("TTFT from", "s", [_error(one, lambda size: size.resolvable_s) for one in starts]),
            number_column("Gap p50", "s", [_error(one, lambda size: size.p50_s) for one in gaps]),
            _tail_column("Gap p99", gaps),
            number_column("Gaps from", "s", [_error(one, lambda size: size.resolvable_s) for one in gaps]),
        ],
    )
    says = (
        "How far the client was off, early or late, against a server that logged when it wrote; "
        "a latency or gap is resolvable from three times that on."
    )
    if all(one.model.transport == "in-process" for one in summary.models if one.model.skipped is None):
        says += " No client stands before these models: it says how well the machine kept time."
    return table_section(heading, shown, says)


def _why_no_client(summary: RunSummary) -> str:
    models = [one.model for one in summary.models]
    if all(model.transport == "in-process" for model in models if model.skipped is None):
        return "No client stands before these models: they run in this program’s process."
    if any(measured_before_version_2(model) for model in models):
        return form.sentence(NOT_YET)
    return "Not checked in this run: nobody can say which latencies are too small for the client."


def _starts(tried: Sequence[ModelSummary]) -> Json:
    shown = table(
        "Loads and requests",
        [
            _names(tried),
            text_column("Requests carried by", [transport_words(one.model.transport) for one in tried]),
            number_column("Cold load", "s", [measured(one, "cold_load_s") for one in tried], small=_loads(tried)),
            metric_column(tried, "first_request_s", "First request", compared=False),
            metric_column(tried, "e2e_s", "Latency p50", compared=False),
            metric_column(tried, "connect_s", "Connect", compared=False),
            metric_column(tried, "sent_s", "Sent p50", compared=False),
            metric_column(tried, "sent_share", "Sent / TTFT", compared=False),
            metric_column(tried, "longest_stall_s.maximum", "Longest stall", compared=False),
            metric_column(tried, "stalls_count", "Stalls", compared=False),
            metric_column(tried, "shared_reads_count", "Shared reads", compared=False),
        ],
    )
    return table_section("Loads and requests", shown)


def _memory(tried: Sequence[ModelSummary]) -> Json:
    watches = [one.model.memory_watch for one in tried]
    shown = table(
        "Memory",
        [
            _names(tried),
            metric_column(tried, "memory_before_bytes", "Before", compared=False),
            metric_column(tried, "memory_loaded_bytes", "Loaded", compared=False),
            metric_column(tried, "memory_unique_bytes", "Unique", compared=False),
            metric_column(tried, "memory_peak_bytes", "Peak", compared=False),
            metric_column(tried, "gpu_memory_peak_bytes", "GPU peak", compared=False),
            _seconds("Read every", [None if one is None else one.period_ns for one in watches]),
            text_column(
                "Readings", [_not_watched() if one is None else Cell(f"{one.readings:,}") for one in watches], True
            ),
            _seconds("Reading took", [None if one is None else one.cost_ns for one in watches]),
        ],
    )
    says = "Memory of the process that holds the model, read from outside; the last column is the reader’s own cost."
    return table_section("Memory", shown, says)


def _energy(tried: Sequence[ModelSummary]) -> Json:
    reasons = {one.model.unmeasured["energy"] for one in tried if one.model.energy is None}
    if len(reasons) == 1 and all(one.model.energy is None for one in tried):
        return list_section("Energy", [form.sentence(reason) for reason in reasons])
    known = [one.model.energy for one in tried]
    whys = [one.model.unmeasured.get("energy", "") for one in tried]
    missing = [Measured(None, "none", why) for why in whys]
    shown = table(
        "Energy",
        [
            _names(tried),
            text_column(
                "Source",
                [
                    Cell("not measured", kind="none", note=why) if one is None else Cell(ENERGY_SOURCES[one.source])
                    for one, why in zip(known, whys, strict=True)
                ],
            ),
            number_column(
                "In all",
                "J",
                [no if one is None else Measured(one.joules) for one, no in zip(known, missing, strict=True)],
            ),
            number_column(
                "Idle, taken off",
                "W",
                [
                    Measured(None, "none", "no idle power is known to take off" if one else no.why)
                    if one is None or one.idle_watts is None
                    else Measured(one.idle_watts)
                    for one, no in zip(known, missing, strict=True)
                ],
            ),
            _seconds("Over", [None if one is None else one.duration_ns for one in known], whys),
            metric_column(tried, "energy_per_answer_j", "An answer"),
            metric_column(tried, "energy_per_1000_tokens_j", "1,000 tokens"),
            metric_column(tried, "cost_per_1000_answers", "1,000 answers cost"),
        ],
    )
    return table_section("Energy", shown)


def _names(rows: Sequence[ModelSummary]) -> Column:
    return name_column("Model", [Cell(shortened(one.model.name, 60)) for one in rows])


def _loads(tried: Sequence[ModelSummary]) -> list[str]:
    each = [loads_s(one.model) for one in tried]
    return [f"each: {form.listed(loads, 's')}" if len(loads) > 1 else "" for loads in each]


def _probes(watch: MachineWatch, part: Callable[[Probe], int]) -> Cell:
    before, after = part(watch.before), part(watch.after)
    text = form.pair(before / NANOSECONDS_PER_SECOND, after / NANOSECONDS_PER_SECOND, "s")
    return Cell(text, small=form.change(after / before - 1) if before else "")


def _late(watch: MachineWatch) -> Cell:
    found = meanwhile(watch)
    if found.late_worst_s is None:
        return _not_watched()
    return Cell(form.with_unit(found.late_median_s, "s"), small=f"at worst {form.with_unit(found.late_worst_s, 's')}")


def _share(value: float | None) -> Cell:
    return Cell("not told", kind="none") if value is None else Cell(form.with_unit(value, "share"))


def _both(watch: MachineWatch, part: Callable[[Probe], str | None]) -> Cell:
    before, after = part(watch.before), part(watch.after)
    if before is None and after is None:
        return Cell("not told", kind="none")
    return Cell(f"{before or 'not told'} → {after or 'not told'}")


def _clock(probe: Probe) -> str | None:
    return None if probe.cpu_hz is None else form.with_unit(probe.cpu_hz, "Hz")


def _temperature(probe: Probe) -> str | None:
    return None if probe.temperature_c is None else f"{form.short(probe.temperature_c)} °C"


def _load(probe: Probe) -> str | None:
    return None if probe.load_average is None else form.short(probe.load_average)


def _error(size: ErrorSize | None, part: Callable[[ErrorSize], float]) -> Measured:
    return Measured(None, "none", "not checked") if size is None else Measured(part(size))


def _tail_column(label: str, sizes: Sequence[ErrorSize | None]) -> Column:
    few = ["" if one is None or one.p99_s is not None else f"largest of {one.count}" for one in sizes]
    return number_column(label, "s", [_error(one, lambda size: size.bound_s) for one in sizes], small=few)


def _seconds(label: str, durations_ns: Sequence[int | None], whys: Sequence[str] = ()) -> Column:
    reasons = whys or [""] * len(durations_ns)
    values = [
        Measured(None, "none", why) if one is None else Measured(one / NANOSECONDS_PER_SECOND)
        for one, why in zip(durations_ns, reasons, strict=True)
    ]
    return number_column(label, "s", values)


def _not_watched() -> Cell:
    return Cell("not watched", kind="none")
