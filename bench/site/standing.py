"""What a reader must know of a run before its numbers: partial, resumed, on an unsteady machine."""

from dataclasses import dataclass
from typing import Literal

from bench.analysis.summary import RunSummary
from bench.site import format as form
from bench.site.naming import joined


@dataclass(frozen=True)
class Standing:
    """One such thing: a word for a mark beside the run, and a sentence for its page."""

    kind: Literal["partial", "unsteady", "resumed"]
    word: str
    sentence: str


def standings(summary: RunSummary) -> tuple[Standing, ...]:
    """Return what must be known of a run, the gravest first; none for a whole run on a steady machine."""
    run = summary.result.run
    found = []
    if run.status == "partial":
        found.append(
            Standing(
                "partial",
                "partial run",
                "This run is partial: it was stopped before its end, and has what was measured until then.",
            )
        )
    if summary.steadiness.verdict == "unsteady":
        reasons = form.count(len(summary.steadiness.reasons), "reason")
        found.append(
            Standing(
                "unsteady",
                "unsteady machine",
                f"The machine was unsteady ({reasons} below): a difference from another run may be the machine’s.",
            )
        )
    if run.resumed_utc:
        times = joined([form.minute(moment) for moment in run.resumed_utc])
        found.append(
            Standing(
                "resumed",
                "resumed run",
                f"This run was interrupted and went on at {times}; no finished sample was taken twice.",
            )
        )
    return tuple(found)
