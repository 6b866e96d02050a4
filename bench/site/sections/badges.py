"""What a reader must know of a run before its numbers: partial, resumed, unsteady, and each reason for doubt."""

from dataclasses import dataclass
from typing import Final, Literal

from bench.analysis.summary import ModelSummary, RunSummary
from bench.metrics.client_error import resolvable, smallest_resolvable_s
from bench.metrics.load import level_summaries
from bench.report import format as form
from bench.report.reasons import reason_words
from bench.report.text import joined
from bench.site.sections.level_tables import key_name
from bench.stats.distribution import VALUES_NEEDED


@dataclass(frozen=True)
class Badge:
    """One such thing: a word for a mark beside the run, and a sentence for its page."""

    kind: Literal["partial", "unsteady", "resumed"]
    word: str
    sentence: str


def badges(summary: RunSummary) -> tuple[Badge, ...]:
    """Return what must be known of a run, the gravest first; none for a whole run on a steady machine."""
    run = summary.result.run
    found = []
    if run.status == "partial":
        found.append(
            Badge(
                "partial",
                "partial run",
                "This run is partial: it was stopped before its end, and has what was measured until then.",
            )
        )
    if summary.steadiness.verdict == "unsteady":
        reasons = form.count(len(summary.steadiness.reasons), "reason")
        found.append(
            Badge(
                "unsteady",
                "unsteady machine",
                f"The machine was unsteady ({reasons} below): a difference from another run may be the machine’s.",
            )
        )
    if run.resumed_utc:
        times = joined([form.minute(moment) for moment in run.resumed_utc])
        found.append(
            Badge(
                "resumed",
                "resumed run",
                f"This run was interrupted and went on at {times}; no finished sample was taken twice.",
            )
        )
    return tuple(found)


FEW_SAMPLES: Final = VALUES_NEEDED["p95"]
"""Good samples below which a model's numbers are weak: there is no p95."""

SHARED_LIMIT: Final = 0.1
"""Share of the gaps inside one read above which the gaps that are left say little about the model."""


def caveats(summary: RunSummary) -> tuple[str, ...]:
    """Return every reason to doubt a run, the gravest first; none for a sound one."""
    result = summary.result
    tried = [one for one in summary.models if one.model.skipped is None]
    found = []
    if result.run.status == "partial":
        found.append("it was stopped before its end, and has what was measured until then")
    for one in tried:
        if one.model.failure is not None:
            found.append(f"{one.model.name} gave up ({one.model.failure.kind}): {one.model.failure.message}")
        elif not one.good_samples:
            found.append(f"{one.model.name} gave no good answer")
    found += _failed_samples(summary)
    if summary.steadiness.verdict == "unsteady":
        found += [f"the machine was unsteady ({reason_words(reason)})" for reason in summary.steadiness.reasons]
    for one in tried:
        found += _prompt_cache(one)
        found += _not_resolvable(one)
        found += _shared_reads(one)
        found += _busy_client(one)
    if result.run.commit is None:
        found.append("it was made outside git, so nobody can say from which state of the project")
    elif result.run.dirty:
        found.append("the project had uncommitted changes, so its commit does not say what was measured")
    if result.machine.power_source not in (None, "mains"):
        found.append(f"the machine ran on {result.machine.power_source}, which may slow it down")
    few = [one for one in tried if one.good_samples and one.good_samples < FEW_SAMPLES]
    if few:
        least = min(one.good_samples for one in few)
        found.append(f"{_names(len(few), len(tried))} fewer than {FEW_SAMPLES} good samples (down to {least})")
    return tuple(found)


def _failed_samples(summary: RunSummary) -> list[str]:
    some = [one for one in summary.models if one.good_samples and one.failed_samples]
    if not some:
        return []
    failed = sum(one.failed_samples for one in some)
    total = sum(one.failed_samples + one.good_samples for one in summary.models)
    named = ", ".join(f"{one.failed_samples} of {one.model.name}" for one in some)
    return [f"{failed} of {form.count(total, 'sample')} failed: {named}"]


def _not_resolvable(one: ModelSummary) -> list[str]:
    names = {"ttft_s": "time to first token", "e2e_s": "latency", "itl_s": "gap between chunks"}
    found = []
    for metric_id, name in names.items():
        value = one.value(metric_id)
        if value is not None and not resolvable(metric_id, value, one.client_error):
            limit = form.with_unit(smallest_resolvable_s(metric_id, one.client_error), "s")
            shown = form.with_unit(value, "s")
            found.append(f"{one.model.name}: the median {name} ({shown}) is not resolvable below {limit}")
    return found


def _prompt_cache(one: ModelSummary) -> list[str]:
    if one.prompt_cache.doubt is not None:
        return [f"{one.model.name}: {one.prompt_cache.doubt}; its time to first token is not that of reading them"]
    if one.prompt_cache.state == "unknown" and one.good_samples and one.model.transport != "in-process":
        why = one.model.prompt_cache_by or "the config leaves it to the runtime"
        return [f"{one.model.name}: nobody can tell whether its prompts came out of a cache ({why})"]
    return []


def _shared_reads(one: ModelSummary) -> list[str]:
    share = one.value("shared_reads_share")
    if share is None or share <= SHARED_LIMIT:
        return []
    return [f"{one.model.name}: {form.share(share)} of the gaps lie inside one read, and so count as zero"]


def _busy_client(one: ModelSummary) -> list[str]:
    bound = [level for level in level_summaries(one.result, one.model) if level.client_bound]
    if not bound:
        return []
    at = joined([key_name(level.key) for level in bound])
    most = form.share(max(level.client_share or 0.0 for level in bound))
    return [f"{one.model.name}: with {at} the client took up to {most} of a core, and may be what limits"]


def _names(some: int, total: int) -> str:
    if some == total:
        return "its models have" if total > 1 else "its model has"
    return f"{form.count(some, 'model')} of {total} {'has' if some == 1 else 'have'}"
