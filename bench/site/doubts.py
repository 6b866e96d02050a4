"""Why the numbers of a run deserve less trust than they seem to: one sentence each."""

from bench.analysis.summary import RunSummary
from bench.site import format as form


def doubts(summary: RunSummary) -> tuple[str, ...]:
    """Return every reason to doubt a run, the gravest first; none for a sound one."""
    result = summary.result
    found = []
    for one in summary.models:
        if one.model.failure is not None:
            found.append(f"{one.model.name} gave up ({one.model.failure.kind}): {one.model.failure.message}")
        elif not one.good_samples:
            found.append(f"{one.model.name} gave no good answer")
    found += _failed_samples(summary)
    if result.run.commit is None:
        found.append("it was made outside git, so nobody can say from which state of the project")
    elif result.run.dirty:
        found.append("the project had uncommitted changes, so its commit does not say what was measured")
    if result.machine.power_source not in (None, "mains"):
        found.append(f"the machine ran on {result.machine.power_source}, which may slow it down")
    few = [one for one in summary.models if one.good_samples and _is_small(one.good_samples)]
    if few:
        least = min(one.good_samples for one in few)
        found.append(f"{_names(len(few), len(summary.models))} fewer than 20 good samples (down to {least})")
    return tuple(found)


def _failed_samples(summary: RunSummary) -> list[str]:
    some = [one for one in summary.models if one.good_samples and one.failed_samples]
    if not some:
        return []
    failed = sum(one.failed_samples for one in some)
    total = sum(one.failed_samples + one.good_samples for one in summary.models)
    named = ", ".join(f"{one.failed_samples} of {one.model.name}" for one in some)
    return [f"{failed} of {form.count(total, 'sample')} failed: {named}"]


def _is_small(samples: int) -> bool:
    return samples < 20


def _names(some: int, total: int) -> str:
    if some == total:
        return "its models have" if total > 1 else "its model has"
    return f"{form.count(some, 'model')} of {total} {'has' if some == 1 else 'have'}"
