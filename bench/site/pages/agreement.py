"""Agreement: how far the program, judges and people give the same scores, in numbers and in plain words.

Also what the program's scores rest on, where sources differ, and what speaks for or against a judge by itself.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bench.analysis.agreement import Disagreement, FacetAgreement, JudgeReliability
from bench.analysis.ratings import Item, JudgeConsistency, PositionBias, Ranking, Rater, VerbosityBias, judge_bias
from bench.quality.checks.registry import CHECKS, JUDGED
from bench.report import format as form
from bench.report.palette import Mark
from bench.report.tables import Cell, Table, count_column, name_column, table, text_column
from bench.report.text import joined, relative, shortened
from bench.schema.prompts import FacetRecord, PromptRecord
from bench.schema.result import Result
from bench.schema.review import Judgement
from bench.site.dataset import Board, Site
from bench.site.sections.raters import NAME_LENGTH, RaterScores, RunRaters
from bench.site.sections.reviewed_runs import (
    AGREEMENT,
    RaterNote,
    ReviewedRun,
    newest_reviewed,
    page_of_prompt,
    rater_notes,
)
from bench.site.urls import model_page, run_file, run_page
from bench.stats.rater_agreement import ANSWERS_NEEDED, Coefficient

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


def judge_table(judges: Sequence[JudgeReliability], labels: Mapping[Rater, str]) -> Table | None:
    """Return each judge against people; None without a judge."""
    if not judges:
        return None
    return table(
        "Judges against people",
        [
            name_column("Judge", [Cell(labels[one.judge]) for one in judges]),
            text_column("Kappa with people", [_value_cell(one.agreement) for one in judges], numeric=True),
            text_column("In words", [_kappa_cell(one.agreement) for one in judges]),
            text_column("Standing", [_standing_cell(one) for one in judges]),
            count_column("Facets", [one.agreement.scored for one in judges], unit="of answers"),
            count_column("Answers", [one.agreement.answers for one in judges]),
        ],
    )


def _standing_cell(one: JudgeReliability) -> Cell:
    if one.below is None:
        return Cell("not known", kind="none")
    needed = form.short(one.needed)
    return Cell(f"below {needed}: doubted", kind="few") if one.below else Cell(f"{needed} or above")


def pair_table(raters: RunRaters, labels: Mapping[Rater, str]) -> Table | None:
    """Return the agreement of each two sources over all facets; None for a single source."""
    pairs = raters.agreement.pairs
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


def group_table(raters: RunRaters, labels: Mapping[Rater, str]) -> Table | None:
    """Return the agreement of people, of judges, and of all sources, where that is more than a pair; None without."""
    groups = [one for one in raters.agreement.groups if len(one.sources) > 2 or one.group != "all sources"]
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


def by_facet(raters: RunRaters, labels: Mapping[Rater, str]) -> tuple[ByFacet, ...]:
    """Return the agreement facet by facet, of each two sources and then of each group."""
    pairs = [
        _facets(f"{labels[one.one]} and {labels[one.other]}", "Kappa", one.facets) for one in raters.agreement.pairs
    ]
    groups = [
        _facets(GROUPS[one.group], "Alpha", one.facets)
        for one in raters.agreement.groups
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
    scores: tuple[SourceScore, ...]


@dataclass(frozen=True)
class Disagreements:
    """The largest disagreements of a run, and how many there are in all."""

    sources: tuple[str, ...]
    rows: tuple[DisagreementRow, ...]
    in_all: int
    compared: int
    whole: str


def disagreements(site: Site, result: Result, raters: RunRaters) -> Disagreements:
    """Return where sources differ on a run. `compared` counts the facets of answers that two of them scored."""
    prompts = {prompt.id: prompt for prompt in result.prompt_set.prompts}
    facets = {(prompt.id, facet.id): facet for prompt in prompts.values() for facet in prompt.facets}
    found = raters.agreement.disagreements
    times: dict[Item, int] = {}
    for rater in raters.all:
        for item in rater.scores:
            times[item] = times.get(item, 0) + 1
    return Disagreements(
        sources=tuple(rater.label for rater in raters.all),
        rows=tuple(
            _row(site, result, raters, one, prompts[one.item.prompt], facets[one.item.prompt, one.item.facet])
            for one in found[:MOST_SHOWN]
        ),
        in_all=len(found),
        compared=sum(count > 1 for count in times.values()),
        whole=run_file(result, "json"),
    )


def _row(
    site: Site, result: Result, raters: RunRaters, one: Disagreement, prompt: PromptRecord, facet: FacetRecord
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
        models=joined(
            [shortened(name, 40) for name in raters.models_by_answer.get((one.item.prompt, one.item.output), ())]
        ),
        apart=form.short(one.distance),
        scores=tuple(_score_by(rater, one.item) for rater in raters.all),
    )


def _score_by(rater: RaterScores, item: Item) -> SourceScore:
    given = rater.scores.get(item)
    note = rater.notes.get((item.prompt, item.output), "")
    why = rater.why_unscored(item) if given is None else rater.reasons.get(item, note)
    return SourceScore(
        "unscored" if given is None else form.short(given), shortened(why, REASON_LENGTH), bool(rater.doubt)
    )


@dataclass(frozen=True)
class ScoreBasis:
    """The checks of a prompt set, in the newest runs of the machines that asked it."""

    machines: str
    sentence: str
    table: Table | None
    context: str


def score_bases(boards: Sequence[Board]) -> tuple[ScoreBasis, ...]:
    """Return what the program's scores of the newest runs rest on, by prompt set in the order of the machines."""
    groups: dict[str, list[Board]] = {}
    for board in boards:
        groups.setdefault(board.result.prompt_set.sha256, []).append(board)
    return tuple(_basis(some) for some in groups.values())


def _basis(boards: Sequence[Board]) -> ScoreBasis:
    """Return the basis of runs of one prompt set, the most frequent check first."""
    prompts = boards[0].result.prompt_set.prompts
    facets = {(prompt.id, facet.id): facet.check for prompt in prompts for facet in prompt.facets}
    counted = Counter(facets.values())
    graded: Counter[str] = Counter()
    ungraded: Counter[str] = Counter()
    for grade in (grade for board in boards for grade in board.result.grades):
        for one in grade.facets:
            check = facets.get((grade.prompt, one.facet))
            if check is not None:
                (ungraded if one.credit is None else graded)[check] += 1
    checks = [check for check, _ in counted.most_common()]
    rows = [
        name_column("Check", [Cell(check) for check in checks]),
        text_column("What it tests", [_says(check) for check in checks]),
        count_column("Facets", [counted[check] for check in checks]),
        count_column("Graded", [graded[check] for check in checks], unit="facets of answers"),
        count_column("Could not tell", [ungraded[check] for check in checks], unit="facets of answers"),
    ]
    return ScoreBasis(
        machines=joined([board.heading for board in boards]),
        sentence=_basis_sentence(counted, sum(bool(prompt.facets) for prompt in prompts), ungraded.total()),
        table=table(f"Checks of {boards[0].result.prompt_set.title}", rows) if checks else None,
        context="; ".join(f"{board.machine}, {form.minute(board.result.run.started_utc)}" for board in boards),
    )


def _says(check: str) -> str:
    if check == JUDGED:
        return "nothing: a program cannot tell, so it is left to judges and people"
    return CHECKS[check].says if check in CHECKS else "a check that this version does not know"


def _basis_sentence(counted: Counter[str], prompts: int, ungraded: int) -> str:
    if not counted:
        return "On nothing: no prompt of this run has a rubric."
    left = counted[JUDGED]
    others = f" {form.count(left, 'facet is', 'facets are')} left to judges and people." if left else ""
    not_told = f" Of the facets of answers, {ungraded} could not be told by a program." if ungraded else ""
    tested = counted.total() - left
    return (
        f"On {form.count(tested, 'facet')} of {form.count(prompts, 'prompt')}: each is one thing that a program can "
        f"count, find or compare.{others}{not_told}"
    )


@dataclass(frozen=True)
class BiasMeasure:
    """One thing that is known to mislead judges, as it was found and as it should be. `means` says it in words."""

    label: str
    found: str
    ideal: str
    means: str


@dataclass(frozen=True)
class JudgeBiasView:
    """A judge with the measures of its bias. `what` names its model and its template."""

    name: str
    what: str
    judge_bias: tuple[BiasMeasure, ...]


def judge_bias_view(result: Result, judgement: Judgement) -> JudgeBiasView:
    """Return the bias of a judge, measured on its judgement of a run."""
    header = judgement.header
    found = judge_bias(result, judgement)
    resolved = header.variant_id or header.requested
    version = f", version {shortened(header.variant_version, 20)}" if header.variant_version else ""
    what = f"{shortened(resolved, 80)}{version}, begun on {form.day(header.started_utc)}"
    return JudgeBiasView(
        name=shortened(header.judge, NAME_LENGTH),
        what=f"{what}, asked with template {header.template_sha256[:12]}",
        judge_bias=(_consistency(found.consistency), _position(found.position), _verbosity(found.verbosity)),
    )


def _consistency(found: JudgeConsistency) -> BiasMeasure:
    label, ideal = "Scores that stay", "100 %"
    if found.equal_share is None or found.mean_absolute_difference is None:
        return BiasMeasure(label, "not known", ideal, _why(found.why))
    means = (
        f"Of {form.count(found.facets, 'score')} of {form.count(found.answers, 'answer')} that were judged twice, the "
        f"second time with the rubric in reverse order. On average the two are "
        f"{form.coefficient(found.mean_absolute_difference)} apart."
    )
    return BiasMeasure(label, form.share(found.equal_share), ideal, means)


def _position(found: PositionBias) -> BiasMeasure:
    label, ideal = "Verdicts that flip with the order", "0 %"
    if found.flip_share is None:
        return BiasMeasure(label, "not known", ideal, _why(found.why))
    means = (
        f"Of {form.count(found.pairs, 'pair')} of answers that were compared in both orders: {found.first_both} for "
        f"the answer shown first both times, {found.second_both} for the one shown second."
    )
    return BiasMeasure(label, form.share(found.flip_share), ideal, means)


def _verbosity(found: VerbosityBias) -> BiasMeasure:
    label = "Score against length"
    ideal = "the program’s own" if found.program is None else f"{form.coefficient(found.program)}, the program’s own"
    if found.correlation is None:
        return BiasMeasure(label, "not known", ideal, _why(found.why))
    if found.program is None:
        means = "The program graded not all of them, so there is nothing to hold it against."
    elif found.correlation > found.program:
        means = "Longer answers gain more than by the program."
    else:
        means = "Longer answers gain no more than by the program."
    over = f"{form.count(found.answers, 'answer')} within {form.count(found.prompts, 'prompt')}"
    return BiasMeasure(label, form.coefficient(found.correlation), ideal, f"Rank correlation over {over}. {means}")


def _why(why: str | None) -> str:
    return form.sentence(why) if why else ""


@dataclass(frozen=True)
class SlopeHead:
    """A source that ranks models."""

    label: str
    over: str
    doubted: bool


@dataclass(frozen=True)
class SlopePlace:
    """A model in the order of a source; `moved` says how far it is from its rank by the first source."""

    rank: str
    name: str
    href: str
    mark: Mark
    score: str
    moved: str
    doubted: bool


@dataclass(frozen=True)
class Slopes:
    """Rows of places, one column for each source that ranks models; None where a source ranks fewer of them."""

    sentence: str
    heads: tuple[SlopeHead, ...]
    rows: tuple[tuple[SlopePlace | None, ...], ...]
    notes: tuple[str, ...]


def slopes(site: Site, raters: RunRaters) -> Slopes:
    """Return the rankings of a run side by side, the program's first."""
    by_source = {rater.source: rater for rater in raters.all}
    shown = [one for one in raters.agreement.rankings if one.ranks]
    columns = [_ranks_of(site, one, shown[0], bool(by_source[one.source].doubt)) for one in shown]
    length = max((len(column) for column in columns), default=0)
    return Slopes(
        sentence=_order_sentence(shown),
        heads=tuple(
            SlopeHead(
                by_source[one.source].label,
                f"over {form.count(one.prompts, 'prompt')}",
                bool(by_source[one.source].doubt),
            )
            for one in shown
        ),
        rows=tuple(
            tuple(column[place] if place < len(column) else None for column in columns) for place in range(length)
        ),
        notes=tuple(note for one in raters.agreement.rankings if (note := _unranked(one, by_source[one.source].label))),
    )


def _ranks_of(site: Site, one: Ranking, first: Ranking, doubted: bool) -> list[SlopePlace]:
    before = {place.model: place.rank for place in first.ranks}
    shared = [place.rank for place in one.ranks]
    return [
        SlopePlace(
            rank=f"={place.rank}" if shared.count(place.rank) > 1 else str(place.rank),
            name=shortened(place.model, 40),
            href=relative(AGREEMENT, model_page(place.model)),
            mark=site.marks[place.model],
            score=form.score(place.score),
            moved="" if one is first else _moved(before.get(place.model), place.rank),
            doubted=doubted,
        )
        for place in one.ranks
    ]


def _moved(before: int | None, now: int) -> str:
    if before is None or before == now:
        return ""
    return f"↑ {before - now} up" if now < before else f"↓ {now - before} down"


def _order_sentence(shown: list[Ranking]) -> str:
    if not shown:
        return "No source scored answers of all models to one prompt: there is no order of models."
    if len({place.model for one in shown for place in one.ranks}) == 1:
        return "One model alone has answers that were scored: there is no order."
    if len(shown) == 1:
        return "One source alone orders the models."
    orders = {tuple(sorted((place.model, place.rank) for place in one.ranks)) for one in shown}
    if len(orders) == 1:
        return "All sources rank the models alike."
    firsts = {tuple(place.model for place in one.ranks if place.rank == 1) for one in shown}
    same_first = "All sources agree on the first place, not on the others" if len(firsts) == 1 else "Sources differ"
    return f"{same_first}; arrows tell how far a model is from its rank in the first column."


def _unranked(one: Ranking, label: str) -> str:
    if one.why is not None:
        return f"{label} orders no models: {one.why}."
    if one.unranked:
        names = joined([shortened(name, 40) for name in one.unranked])
        return f"{label} scored no answer of {names}."
    return ""


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
    rater_notes: tuple[RaterNote, ...]
    judges: Table | None
    pairs: Table | None
    groups: Table | None
    by_facet: tuple[ByFacet, ...]
    judge_bias: tuple[JudgeBiasView, ...]
    disagreements: Disagreements
    slopes: Slopes
    left_out: tuple[str, ...]
    more_left_out: str


@dataclass(frozen=True)
class AgreementPage:
    """The whole page."""

    scored: tuple[OnRun, ...]
    unscored: tuple[Board, ...]
    basis: tuple[ScoreBasis, ...]


def agreement_page(site: Site) -> AgreementPage:
    """Return the page: machines with a scored run first, then what the program's scores rest on."""
    found = [(board, newest_reviewed(site, board)) for board in site.boards]
    return AgreementPage(
        scored=tuple(_on_run(site, board, one) for board, one in found if one is not None),
        unscored=tuple(board for board, one in found if one is None),
        basis=score_bases(site.boards),
    )


def _on_run(site: Site, board: Board, one: ReviewedRun) -> OnRun:
    summary = one.summary
    raters = site.raters.of(summary.result)
    labels = {rater.source: rater.label for rater in raters.all}
    left_out = (*_unread(raters), *raters.agreement.left_out)
    more = len(left_out) - LEFT_OUT_SHOWN
    return OnRun(
        machine=board.machine,
        prompt_set=shortened(summary.result.prompt_set.title, 60),
        anchor=one.anchor,
        sentence=_sentence(raters, labels),
        when=form.minute(summary.result.run.started_utc),
        run_href=relative(AGREEMENT, run_page(summary.result)),
        is_newest=one.is_newest,
        rater_notes=rater_notes(raters),
        judges=judge_table(raters.agreement.judges, labels),
        pairs=pair_table(raters, labels),
        groups=group_table(raters, labels),
        by_facet=by_facet(raters, labels),
        judge_bias=tuple(judge_bias_view(summary.result, each) for each in raters.reviews.judgements),
        disagreements=disagreements(site, summary.result, raters),
        slopes=slopes(site, raters),
        left_out=tuple(shortened(line, 300) for line in left_out[:LEFT_OUT_SHOWN]),
        more_left_out=f"{more} more are not shown." if more > 0 else "",
    )


def _sentence(raters: RunRaters, labels: Mapping[Rater, str]) -> str:
    known = [one for one in raters.agreement.judges if one.agreement.value is not None]
    if known:
        return " ".join(f"{_capital(labels[one.judge])} and people: {in_words(one.agreement)}." for one in known)
    program = [
        f"The program and {labels[pair.other]}: {in_words(pair.overall)}."
        for pair in raters.agreement.pairs
        if pair.one.kind == "program" and pair.overall.value is not None
    ]
    if program:
        return " ".join(program)
    return "Too few answers have scores of two sources: whether they agree cannot be told yet."


def _unread(raters: RunRaters) -> tuple[str, ...]:
    lines = []
    for one in raters.reviews.judgements:
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
