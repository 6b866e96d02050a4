"""How a model starts, where it stalls and what it takes: what a table of latencies does not show."""

from dataclasses import dataclass
from statistics import median

from bench.analysis.consumption import ENERGY_SOURCES
from bench.analysis.metrics import e2e_s, ttft_s
from bench.analysis.requests import first_request, loads_s
from bench.analysis.summary import ModelSummary
from bench.analysis.timing import good_samples
from bench.site import format as form
from bench.site.ledger import measured, metric_page
from bench.site.tables import WORDS, Kind
from bench.site.text import relative


@dataclass(frozen=True)
class Reading:
    """One number with its name and what belongs to it in small type; `kind` as in a table's cell."""

    label: str
    text: str
    small: str
    kind: Kind
    explained: str


@dataclass(frozen=True)
class Readings:
    """Numbers that are read side by side, with a sentence that says what they show."""

    heading: str
    sentence: str
    rows: tuple[Reading, ...]


def at_work(summary: ModelSummary, here: str) -> tuple[Readings, ...]:
    """Return what the page of a model, `here`, says of one run beside its latencies."""
    return (_starting(summary, here), _stalling(summary, here), _taking(summary, here))


def _starting(summary: ModelSummary, here: str) -> Readings:
    loads = loads_s(summary.model)
    first = first_request(summary.model)
    small_first = ""
    if first is not None:
        to_text = ttft_s(first)
        text_after = "" if to_text is None else f", text after {form.with_unit(to_text, 's')}"
        small_first = f"“{_title(summary, first.prompt)}”{text_after}"
    each = f"median of {form.listed(loads, 's')}" if len(loads) > 1 else "one load"
    rows = (
        _reading(summary, here, "cold_load_s", "Cold load", each),
        _reading(summary, here, "first_request_s", "First request", small_first),
        _steady(summary, here),
    )
    return Readings("From cold to steady", _start_sentence(summary), rows)


def _start_sentence(summary: ModelSummary) -> str:
    load, first = summary.value("cold_load_s"), summary.value("first_request_s")
    if load is None or first is None:
        return "What it takes before a first answer is there, and what the same prompt takes later."
    return f"From the disk to the end of a first answer: {form.with_unit(load + first, 's')}."


def _steady(summary: ModelSummary, here: str) -> Reading:
    """Return what later requests with the first one's prompt take: anything else would compare two prompts."""
    explained = relative(here, metric_page("e2e_s"))
    first = first_request(summary.model)
    if first is None:
        return Reading("Steady", WORDS["none"], "there is no first request to compare with", "none", explained)
    later = [one for one in good_samples(summary.model) if one.prompt == first.prompt and one.position != 0]
    values = [value for one in later if (value := e2e_s(one)) is not None]
    if not values:
        return Reading("Steady", WORDS["none"], "no later good sample of the same prompt", "none", explained)
    small = f"median latency of the same prompt, {form.count(len(values), 'sample')}"
    return Reading("Steady", form.with_unit(median(values), "s"), small, "value", explained)


def _stalling(summary: ModelSummary, here: str) -> Readings:
    gaps = summary.distributions["itl_s"]
    total = "" if gaps is None else f"of {form.count(gaps.count, 'gap')}"
    rows = [
        _reading(summary, here, "itl_s", "Gap p50", ""),
        _reading(summary, here, "itl_s.p99", "Gap p99", ""),
        _reading(summary, here, "longest_stall_s.maximum", "Longest stall", "of all requests"),
        _reading(summary, here, "stalls_count", "Stalls over 200 ms", total),
        _reading(summary, here, "shared_reads_count", "Shared reads", _shared(summary)),
    ]
    if summary.model.transport != "in-process":
        rows += [
            _reading(summary, here, "connect_s", "Connection set-up", "before the request’s start"),
            _reading(summary, here, "sent_s", "Sending the request", _sent(summary)),
        ]
    return Readings("The flow of text", _stall_sentence(summary), tuple(rows))


def _stall_sentence(summary: ModelSummary) -> str:
    count, longest = summary.value("stalls_count"), summary.value("longest_stall_s.maximum")
    if count is None or longest is None:
        return "Whether the text comes in one flow."
    if not count:
        return "The text came in one flow: no gap was longer than 200 ms."
    times = form.count(int(count), "time")
    return f"The text stood still for more than 200 ms {times}, at most for {form.with_unit(longest, 's')}."


def _taking(summary: ModelSummary, here: str) -> Readings:
    energy = summary.model.energy
    source = "" if energy is None else ENERGY_SOURCES[energy.source]
    rows = [
        _reading(summary, here, "memory_loaded_bytes", "Memory loaded", ""),
        _reading(summary, here, "memory_unique_bytes", "Unique memory", "shared with no other process"),
        _reading(summary, here, "memory_peak_bytes", "Memory peak", ""),
        _reading(summary, here, "gpu_memory_peak_bytes", "GPU memory peak", ""),
        _reading(summary, here, "energy_per_answer_j", "Energy of an answer", source),
        _reading(summary, here, "energy_per_1000_tokens_j", "Energy of 1,000 tokens", source),
        _reading(summary, here, "cost_per_1000_answers", "Cost of 1,000 answers", ""),
    ]
    return Readings("Memory, energy, cost", "What it takes from the machine while it is loaded.", tuple(rows))


def _reading(summary: ModelSummary, here: str, metric_id: str, label: str, small: str) -> Reading:
    found = measured(summary, metric_id)
    explained = relative(here, metric_page(metric_id.partition(".")[0]))
    if found.value is None:
        said = WORDS[found.kind]
        if found.why.startswith(said):
            return Reading(label, found.why, "", found.kind, explained)
        return Reading(label, said, found.why, found.kind, explained)
    words = [found.small if found.small not in small else "", small, found.why if found.kind == "coarse" else ""]
    text = form.with_unit(found.value, found.unit)
    return Reading(label, text, " · ".join(word for word in words if word), found.kind, explained)


def _shared(summary: ModelSummary) -> str:
    share = summary.value("shared_reads_share")
    return "" if share is None else f"{form.share(share)} of the gaps"


def _sent(summary: ModelSummary) -> str:
    share = summary.value("sent_share")
    return "" if share is None else f"{form.with_unit(share, 'share')} of the time to first token"


def _title(summary: ModelSummary, prompt_id: str) -> str:
    return next(one.title for one in summary.result.prompt_set.prompts if one.id == prompt_id)
