"""Reasons with their numbers in words: why a machine was unsteady, and why a rate is sustained or not."""

from bench.analysis.compare import Comparison
from bench.analysis.trust import Reason
from bench.metrics.saturation import RateVerdict
from bench.report import format as form


def reason_words(reason: Reason) -> str:
    """Return a reason in words, after the name of the model that it is about."""
    about = "" if reason.model is None else f"{reason.model}: "
    return about + reason.says.replace("{}", _number(reason))


def caution_words(comparison: Comparison) -> tuple[str, ...]:
    """Return what was not right with either run of a comparison as a whole, each after the side that it is about."""
    return tuple(f"{side}: {reason_words(reason)}" for side, reason in comparison.cautions)


def rate_words(verdict: RateVerdict) -> str:
    """Return why a rate is sustained or not."""
    if verdict.word != "overloaded" or verdict.growth is None:
        return verdict.why
    return f"{verdict.why}, and latency grew by {form.short(verdict.growth, 2)} s a second"


def _number(reason: Reason) -> str:
    if reason.value is None:
        return ""
    if reason.unit == "share":
        return form.significant_percent(reason.value)
    if reason.unit == "s":
        return form.significant_ms(reason.value)
    return form.significant(reason.value)
