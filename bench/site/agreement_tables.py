"""Agreement as tables and in words: each judge, each two sources, several together, facet by facet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bench.analysis.agreement import FacetAgreement, JudgeStanding
from bench.analysis.coefficients import ANSWERS_NEEDED, Coefficient
from bench.analysis.ratings import Source
from bench.site import format as form
from bench.site.naming import joined
from bench.site.tables import Cell, Table, count_column, name_column, table, text_column
from bench.site.voices import Hearing

KAPPA_WORDS: Final = (
    (0.8, "almost perfect"),
    (0.6, "substantial"),
    (0.4, "moderate"),
    (0.2, "fair"),
    (0.0, "slight"),
)
"""Kappa above which agreement is called so: Landis and Koch, The Measurement of Observer Agreement for Categorical
Data, 1977."""

NO_BETTER_THAN_CHANCE: Final = "poor"

ALPHA_WORDS: Final = ((0.8, "reliable"), (0.667, "enough for tentative conclusions"))
"""Alpha from which scores are called so: Krippendorff, Content Analysis, 2004, chapter 11."""

NOT_RELIABLE: Final = "not reliable"

GROUPS: Final = {"people": "People among themselves", "judges": "Judges among themselves", "all sources": "All sources"}


@dataclass(frozen=True)
class ByFacet:
    """The agreement of two sources, or more, facet by facet; `rest` says which facets have no figure, and why."""

    label: str
    table: Table | None
    rest: str


def kappa_words(value: float) -> str:
    """Return what a kappa is called."""
    return next((word for bound, word in KAPPA_WORDS if value > bound), NO_BETTER_THAN_CHANCE)


def alpha_words(value: float) -> str:
    """Return what an alpha is called."""
    return next((word for bound, word in ALPHA_WORDS if value >= bound), NOT_RELIABLE)


def in_words(found: Coefficient) -> str:
    """Return a kappa in words, with its interval and what it is of; why there is none."""
    if found.value is None:
        return found.why or ""
    return (
        f"{kappa_words(found.value)} agreement, kappa {form.coefficient(found.value)}{_between(found)} over "
        f"{form.count(found.scored, 'facet')} of {form.count(found.answers, 'answer')}"
    )


def _between(found: Coefficient) -> str:
    return "" if found.low is None or found.high is None else f" ({_interval(found)})"


def _interval(found: Coefficient) -> str:
    if found.low is None or found.high is None:
        return ""
    return f"{form.coefficient(found.low)} to {form.coefficient(found.high)}"


def _value_cell(found: Coefficient) -> Cell:
    if found.value is None:
        return Cell("no figure", kind="few", note=found.why or "")
    return Cell(form.coefficient(found.value), interval=_interval(found), interval_note=found.why or "")


def _kappa_cell(found: Coefficient) -> Cell:
    if found.value is None:
        return Cell(form.NO_VALUE, kind="none")
    if found.low is None or found.high is None:
        return Cell(kappa_words(found.value))
    words = dict.fromkeys((kappa_words(found.low), kappa_words(found.high)))
    return Cell(" to ".join(words))


def judge_table(standings: Sequence[JudgeStanding], labels: Mapping[Source, str]) -> Table | None:
    """Return each judge against people; None without a judge."""
    if not standings:
        return None
    return table(
        "Judges against people",
        [
            name_column("Judge", [Cell(labels[one.judge]) for one in standings]),
            text_column("Kappa with people", [_value_cell(one.agreement) for one in standings], numeric=True),
            text_column("In words", [_kappa_cell(one.agreement) for one in standings]),
            text_column("Standing", [_standing_cell(one) for one in standings]),
            count_column("Facets", [one.agreement.scored for one in standings], unit="of answers"),
            count_column("Answers", [one.agreement.answers for one in standings]),
        ],
    )


def _standing_cell(one: JudgeStanding) -> Cell:
    if one.below is None:
        return Cell("not known", kind="none")
    needed = form.short(one.needed)
    return Cell(f"below {needed}: doubted", kind="few") if one.below else Cell(f"{needed} or above")


def pair_table(hearing: Hearing, labels: Mapping[Source, str]) -> Table | None:
    """Return the agreement of each two sources over all facets; None for a single source."""
    pairs = hearing.agreement.pairs
    if not pairs:
        return None
    return table(
        "Agreement of each two sources",
        [
            name_column("Sources", [Cell(f"{labels[one.one]} and {labels[one.other]}") for one in pairs]),
            text_column("Kappa", [_value_cell(one.overall) for one in pairs], numeric=True),
            text_column("In words", [_kappa_cell(one.overall) for one in pairs]),
            count_column("Facets", [one.overall.scored for one in pairs], unit="of answers"),
            count_column("Answers", [one.overall.answers for one in pairs]),
        ],
    )


def group_table(hearing: Hearing, labels: Mapping[Source, str]) -> Table | None:
    """Return the agreement of people, of judges, and of all sources, where that is more than a pair; None without."""
    groups = [one for one in hearing.agreement.groups if len(one.sources) > 2 or one.group != "all sources"]
    if not groups:
        return None
    names = [Cell(GROUPS[one.group], small=joined([labels[source] for source in one.sources])) for one in groups]
    words = [
        Cell(form.NO_VALUE, kind="none") if one.overall.value is None else Cell(alpha_words(one.overall.value))
        for one in groups
    ]
    return table(
        "Agreement of several sources",
        [
            name_column("Sources", names),
            text_column("Alpha", [_value_cell(one.overall) for one in groups], numeric=True),
            text_column("In words", words),
            text_column("Ordinal alpha", [_value_cell(one.ordinal) for one in groups], numeric=True),
            count_column("Facets", [one.overall.scored for one in groups], unit="of answers"),
            count_column("Answers", [one.overall.answers for one in groups]),
        ],
    )


def by_facet(hearing: Hearing, labels: Mapping[Source, str]) -> tuple[ByFacet, ...]:
    """Return the agreement facet by facet, of each two sources and then of each group."""
    pairs = [
        _facets(f"{labels[one.one]} and {labels[one.other]}", "Kappa", one.facets) for one in hearing.agreement.pairs
    ]
    groups = [
        _facets(GROUPS[one.group], "Alpha", one.facets)
        for one in hearing.agreement.groups
        if len(one.sources) > 2 or one.group != "all sources"
    ]
    return tuple(one for one in (*pairs, *groups) if one.table is not None or one.rest)


def _facets(label: str, name: str, facets: Sequence[FacetAgreement]) -> ByFacet:
    known = [one for one in facets if one.agreement.value is not None]
    few = sum(one.agreement.value is None and one.agreement.answers < ANSWERS_NEEDED for one in facets)
    flat = len(facets) - len(known) - few
    reasons = []
    if few:
        has = form.count(few, "facet has", "facets have")
        reasons.append(f"{has} fewer than {ANSWERS_NEEDED} answers in common: no figure.")
    if flat:
        has = form.count(flat, "facet has", "facets have")
        reasons.append(f"{has} the same score everywhere: agreement cannot be told from chance.")
    if not known:
        return ByFacet(label, None, " ".join(reasons))
    values = [one.agreement for one in known]
    shown = table(
        f"Agreement of {label} by facet",
        [
            name_column("Facet", [Cell(one.facet, small=form.count(one.prompts, "prompt")) for one in known]),
            text_column(name, [_value_cell(one) for one in values], numeric=True),
            count_column("Answers", [one.answers for one in values]),
        ],
    )
    return ByFacet(label, shown, " ".join(reasons))
