"""What speaks for or against a judge by itself: whether it repeats itself, minds the order, or likes length."""

from dataclasses import dataclass

from bench.analysis.guards import Consistency, PositionBias, VerbosityBias, guards
from bench.quality.review import Judgement
from bench.results.schema import Result
from bench.site import format as form
from bench.site.text import shortened
from bench.site.voices import NAME_LENGTH


@dataclass(frozen=True)
class Guard:
    """One thing that is known to mislead judges, as it was found and as it should be. `means` says it in words."""

    label: str
    found: str
    ideal: str
    means: str


@dataclass(frozen=True)
class Guarded:
    """A judge with its guards. `what` says who it is and how it was asked."""

    name: str
    what: str
    guards: tuple[Guard, ...]


def guarded(result: Result, judgement: Judgement) -> Guarded:
    """Return the guards of a judgement of a run."""
    header = judgement.header
    found = guards(result, judgement)
    resolved = header.variant_id or header.requested
    version = f", version {shortened(header.variant_version, 20)}" if header.variant_version else ""
    what = f"{shortened(resolved, 80)}{version}, begun on {form.day(header.started_utc)}"
    return Guarded(
        name=shortened(header.judge, NAME_LENGTH),
        what=f"{what}, asked with template {header.template_sha256[:12]}",
        guards=(_consistency(found.consistency), _position(found.position), _verbosity(found.verbosity)),
    )


def _consistency(found: Consistency) -> Guard:
    label, ideal = "Scores that stay", "100 %"
    if found.equal_share is None or found.mean_absolute_difference is None:
        return Guard(label, "not known", ideal, _why(found.why))
    means = (
        f"Of {form.count(found.facets, 'score')} of {form.count(found.answers, 'answer')} that were judged twice, the "
        f"second time with the rubric in reverse order. On average the two are "
        f"{form.coefficient(found.mean_absolute_difference)} apart."
    )
    return Guard(label, form.share(found.equal_share), ideal, means)


def _position(found: PositionBias) -> Guard:
    label, ideal = "Verdicts that flip with the order", "0 %"
    if found.flip_share is None:
        return Guard(label, "not known", ideal, _why(found.why))
    means = (
        f"Of {form.count(found.pairs, 'pair')} of answers that were compared in both orders: {found.first_both} for "
        f"the answer shown first both times, {found.second_both} for the one shown second."
    )
    return Guard(label, form.share(found.flip_share), ideal, means)


def _verbosity(found: VerbosityBias) -> Guard:
    label = "Score against length"
    ideal = "the program’s own" if found.program is None else f"{form.coefficient(found.program)}, the program’s own"
    if found.correlation is None:
        return Guard(label, "not known", ideal, _why(found.why))
    if found.program is None:
        means = "The program graded not all of them, so there is nothing to hold it against."
    elif found.correlation > found.program:
        means = "Longer answers gain more than by the program."
    else:
        means = "Longer answers gain no more than by the program."
    over = f"{form.count(found.answers, 'answer')} within {form.count(found.prompts, 'prompt')}"
    return Guard(label, form.coefficient(found.correlation), ideal, f"Rank correlation over {over}. {means}")


def _why(why: str | None) -> str:
    return form.sentence(why) if why else ""
