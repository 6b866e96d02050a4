"""Agreement: how far the program, judges and people give the same scores, in numbers and in plain words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bench.analysis.ratings import Source
from bench.site import format as form
from bench.site.agreement_tables import ByFacet, by_facet, group_table, in_words, judge_table, pair_table
from bench.site.basis import Basis, bases
from bench.site.disagreements import Disagreements, disagreements
from bench.site.guarding import Guarded, guarded
from bench.site.ledger import Board, Site, run_page
from bench.site.scored import AGREEMENT, Scored, VoiceLine, scored_run, voice_lines
from bench.site.slopes import Slopes, slopes
from bench.site.tables import Table
from bench.site.text import relative, shortened
from bench.site.voices import Hearing

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


def _sentence(hearing: Hearing, labels: Mapping[Source, str]) -> str:
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
