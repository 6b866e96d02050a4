"""Agreement: how far the program, judges and people give the same scores, in numbers and in plain words.

Also what the program's scores rest on, where sources differ, and what speaks for or against a judge by itself.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bench.analysis.agreement import Disagreement, FacetAgreement, JudgeStanding
from bench.analysis.ratings import Item, JudgeConsistency, PositionBias, Rater, VerbosityBias, guards
from bench.quality.checks.registry import CHECKS, JUDGED
from bench.report import format as form
from bench.report.tables import Cell, Table, count_column, name_column, table, text_column
from bench.report.text import joined, relative, shortened
from bench.schema.prompts import FacetRecord, PromptRecord
from bench.schema.result import Result
from bench.site.charts.rank_slopegraph import Slopes, slopes
from bench.site.dataset import Board, Site
from bench.site.sections.raters import NAME_LENGTH, Hearing, Voice
from bench.site.sections.reviewed_runs import AGREEMENT, Scored, VoiceLine, page_of_prompt, scored_run, voice_lines
from bench.site.urls import run_file, run_page
from bench.stats.rater_agreement import ANSWERS_NEEDED, Coefficient
from bench.store.reviews import Judgement

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


def judge_table(standings: Sequence[JudgeStanding], labels: Mapping[Rater, str]) -> Table | None:
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


def pair_table(hearing: Hearing, labels: Mapping[Rater, str]) -> Table | None:
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


def group_table(hearing: Hearing, labels: Mapping[Rater, str]) -> Table | None:
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


def by_facet(hearing: Hearing, labels: Mapping[Rater, str]) -> tuple[ByFacet, ...]:
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


MOST_SHOWN: Final = 40
TEXT_LENGTH: Final = 2_000
START_LENGTH: Final = 60
REASON_LENGTH: Final = 200


@dataclass(frozen=True)
class SourceScore:
    """What one source says of the facet; no score is a reason alone."""

    score: str
    why: str
    doubted: bool


@dataclass(frozen=True)
class DisagreementRow:
    """A facet of an answer on which sources differ."""

    says: str
    title: str
    href: str
    start: str
    text: str
    cut: str
    models: str
    apart: str
    said: tuple[SourceScore, ...]


@dataclass(frozen=True)
class Disagreements:
    """The largest disagreements of a run, and how many there are in all."""

    sources: tuple[str, ...]
    rows: tuple[DisagreementRow, ...]
    in_all: int
    compared: int
    whole: str


def disagreements(site: Site, result: Result, hearing: Hearing) -> Disagreements:
    """Return where sources differ on a run. `compared` counts the facets of answers that two of them scored."""
    prompts = {prompt.id: prompt for prompt in result.prompt_set.prompts}
    facets = {(prompt.id, facet.id): facet for prompt in prompts.values() for facet in prompt.facets}
    found = hearing.agreement.disagreements
    times: dict[Item, int] = {}
    for voice in hearing.voices:
        for item in voice.scores:
            times[item] = times.get(item, 0) + 1
    return Disagreements(
        sources=tuple(voice.label for voice in hearing.voices),
        rows=tuple(
            _row(site, result, hearing, one, prompts[one.item.prompt], facets[one.item.prompt, one.item.facet])
            for one in found[:MOST_SHOWN]
        ),
        in_all=len(found),
        compared=sum(count > 1 for count in times.values()),
        whole=run_file(result, "json"),
    )


def _row(
    site: Site, result: Result, hearing: Hearing, one: Disagreement, prompt: PromptRecord, facet: FacetRecord
) -> DisagreementRow:
    text = result.outputs[one.item.output]
    start = " ".join(text[: 4 * START_LENGTH].split())
    return DisagreementRow(
        says=facet.says,
        title=shortened(prompt.title, 60),
        href=page_of_prompt(site, prompt.id, AGREEMENT),
        start=shortened(start, START_LENGTH) or "no text",
        text=text[:TEXT_LENGTH],
        cut=f"Cut here, after {TEXT_LENGTH:,} of {form.count(len(text), 'character')}."
        if len(text) > TEXT_LENGTH
        else "",
        models=joined([shortened(name, 40) for name in hearing.speakers.get((one.item.prompt, one.item.output), ())]),
        apart=form.short(one.distance),
        said=tuple(_said(voice, one.item) for voice in hearing.voices),
    )


def _said(voice: Voice, item: Item) -> SourceScore:
    given = voice.scores.get(item)
    note = voice.notes.get((item.prompt, item.output), "")
    why = voice.why_unscored(item) if given is None else voice.reasons.get(item, note)
    return SourceScore(
        "unscored" if given is None else form.short(given), shortened(why, REASON_LENGTH), bool(voice.doubt)
    )


@dataclass(frozen=True)
class Basis:
    """The checks of a prompt set, in the newest runs of the machines that asked it."""

    machines: str
    sentence: str
    table: Table | None
    context: str


def bases(boards: Sequence[Board]) -> tuple[Basis, ...]:
    """Return what the program's scores of the newest runs rest on, by prompt set in the order of the machines."""
    groups: dict[str, list[Board]] = {}
    for board in boards:
        groups.setdefault(board.result.prompt_set.sha256, []).append(board)
    return tuple(_basis(some) for some in groups.values())


def _basis(boards: Sequence[Board]) -> Basis:
    """Return the basis of runs of one prompt set, the most frequent check first."""
    prompts = boards[0].result.prompt_set.prompts
    facets = {(prompt.id, facet.id): facet.check for prompt in prompts for facet in prompt.facets}
    counted = Counter(facets.values())
    told: Counter[str] = Counter()
    untold: Counter[str] = Counter()
    for grade in (grade for board in boards for grade in board.result.grades):
        for one in grade.facets:
            check = facets.get((grade.prompt, one.facet))
            if check is not None:
                (untold if one.credit is None else told)[check] += 1
    checks = [check for check, _ in counted.most_common()]
    rows = [
        name_column("Check", [Cell(check) for check in checks]),
        text_column("What it tests", [_says(check) for check in checks]),
        count_column("Facets", [counted[check] for check in checks]),
        count_column("Graded", [told[check] for check in checks], unit="facets of answers"),
        count_column("Could not tell", [untold[check] for check in checks], unit="facets of answers"),
    ]
    return Basis(
        machines=joined([board.heading for board in boards]),
        sentence=_basis_sentence(counted, sum(bool(prompt.facets) for prompt in prompts), untold.total()),
        table=table(f"Checks of {boards[0].result.prompt_set.title}", rows) if checks else None,
        context="; ".join(f"{board.machine}, {form.minute(board.result.run.started_utc)}" for board in boards),
    )


def _says(check: str) -> str:
    if check == JUDGED:
        return "nothing: a program cannot tell, so it is left to judges and people"
    return CHECKS[check].says if check in CHECKS else "a check that this version does not know"


def _basis_sentence(counted: Counter[str], prompts: int, untold: int) -> str:
    if not counted:
        return "On nothing: no prompt of this run has a rubric."
    left = counted[JUDGED]
    others = f" {form.count(left, 'facet is', 'facets are')} left to judges and people." if left else ""
    not_told = f" Of the facets of answers, {untold} could not be told by a program." if untold else ""
    tested = counted.total() - left
    return (
        f"On {form.count(tested, 'facet')} of {form.count(prompts, 'prompt')}: each is one thing that a program can "
        f"count, find or compare.{others}{not_told}"
    )


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


def _consistency(found: JudgeConsistency) -> Guard:
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


LEFT_OUT_SHOWN: Final = 20


@dataclass(frozen=True)
class OnRun:
    """How far sources agree on the newest run of a prompt set that somebody scored on a machine."""

    machine: str
    prompt_set: str
    anchor: str
    sentence: str
    when: str
    run_href: str
    is_newest: bool
    voices: tuple[VoiceLine, ...]
    judges: Table | None
    pairs: Table | None
    groups: Table | None
    by_facet: tuple[ByFacet, ...]
    guards: tuple[Guarded, ...]
    disagreements: Disagreements
    slopes: Slopes
    left_out: tuple[str, ...]
    more_left_out: str


@dataclass(frozen=True)
class AgreementPage:
    """The whole page."""

    scored: tuple[OnRun, ...]
    unscored: tuple[Board, ...]
    basis: tuple[Basis, ...]


def agreement_page(site: Site) -> AgreementPage:
    """Return the page: machines with a scored run first, then what the program's scores rest on."""
    found = [(board, scored_run(site, board)) for board in site.boards]
    return AgreementPage(
        scored=tuple(_on_run(site, board, one) for board, one in found if one is not None),
        unscored=tuple(board for board, one in found if one is None),
        basis=bases(site.boards),
    )


def _on_run(site: Site, board: Board, one: Scored) -> OnRun:
    summary = one.summary
    hearing = site.hearings.of(summary.result)
    labels = {voice.source: voice.label for voice in hearing.voices}
    left_out = (*_unread(hearing), *hearing.agreement.left_out)
    more = len(left_out) - LEFT_OUT_SHOWN
    return OnRun(
        machine=board.machine,
        prompt_set=shortened(summary.result.prompt_set.title, 60),
        anchor=one.anchor,
        sentence=_sentence(hearing, labels),
        when=form.minute(summary.result.run.started_utc),
        run_href=relative(AGREEMENT, run_page(summary.result)),
        is_newest=one.is_newest,
        voices=voice_lines(hearing),
        judges=judge_table(hearing.agreement.judges, labels),
        pairs=pair_table(hearing, labels),
        groups=group_table(hearing, labels),
        by_facet=by_facet(hearing, labels),
        guards=tuple(guarded(summary.result, each) for each in hearing.reviews.judgements),
        disagreements=disagreements(site, summary.result, hearing),
        slopes=slopes(site, hearing),
        left_out=tuple(shortened(line, 300) for line in left_out[:LEFT_OUT_SHOWN]),
        more_left_out=f"{more} more are not shown." if more > 0 else "",
    )


def _sentence(hearing: Hearing, labels: Mapping[Rater, str]) -> str:
    told = [one for one in hearing.agreement.judges if one.agreement.value is not None]
    if told:
        return " ".join(f"{_capital(labels[one.judge])} and people: {in_words(one.agreement)}." for one in told)
    program = [
        f"The program and {labels[pair.other]}: {in_words(pair.overall)}."
        for pair in hearing.agreement.pairs
        if pair.one.kind == "program" and pair.overall.value is not None
    ]
    if program:
        return " ".join(program)
    return "Too few answers have scores of two sources: whether they agree cannot be told yet."


def _unread(hearing: Hearing) -> tuple[str, ...]:
    lines = []
    for one in hearing.reviews.judgements:
        facets = [facet for verdict in one.verdicts if verdict.reading == 1 for facet in verdict.facets]
        unread = sum(facet.score is None for facet in facets)
        if unread:
            lines.append(
                f"{one.header.judge} gave no score that can be read to {unread} of {form.count(len(facets), 'facet')}: "
                "they are unscored, not bad."
            )
    return tuple(lines)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
