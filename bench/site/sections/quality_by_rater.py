"""Quality by source: what the program, judges and people gave each model on each prompt, side by side."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from bench.analysis.intervals import Interval
from bench.analysis.ratings import Item, prompt_scores_of
from bench.analysis.summary import ModelSummary
from bench.metrics.scores import mean_score
from bench.metrics.timing import good_samples
from bench.report import format as form
from bench.report.palette import Mark
from bench.report.text import joined, relative, shortened
from bench.schema.prompts import PromptRecord
from bench.site.dataset import Board, Site
from bench.site.sections.raters import Hearing, Voice, mean_interval
from bench.site.sections.reviewed_runs import Scored, VoiceLine, page_of_prompt, scored_run, voice_lines
from bench.site.urls import model_page, run_page

REASONS_NAMED: Final = 3

MOST_FACET_CELLS: Final = 6_000
"""Cells of facets beyond which a page would take a phone too long: the pages of the prompts have them all."""

SCALE: Final = form.scale("score", [])


@dataclass(frozen=True)
class RaterHead:
    """A model at the head of as many columns as there are sources."""

    name: str
    href: str
    mark: Mark


@dataclass(frozen=True)
class SourceHead:
    """A source at the head of one column of a model. `words` say what is special about it there."""

    name: str
    kind: str
    doubted: bool
    words: str


@dataclass(frozen=True)
class RaterScore:
    """A score by one source: its shade is a step from 1 to 5, or none; `letter` is that of the note that says why.

    `small` has its interval, `over` how many prompts it is of where that is not all.
    """

    text: str
    shade: str
    small: str = ""
    over: str = ""
    letter: str = ""
    doubted: bool = False


@dataclass(frozen=True)
class RaterRow:
    """One prompt, or one facet of it, across models and sources."""

    title: str
    href: str
    squares: tuple[RaterScore, ...]
    facets: tuple["RaterRow", ...] = ()


@dataclass(frozen=True)
class SourceMatrix:
    """The rubric matrix of a run by source."""

    machine: str
    prompt_set: str
    anchor: str
    sentence: str
    when: str
    run_href: str
    is_newest: bool
    heads: tuple[RaterHead, ...]
    sources: tuple[SourceHead, ...]
    per_model: int
    means: tuple[RaterScore, ...]
    rows: tuple[RaterRow, ...]
    has_facets: bool
    notes: tuple[tuple[str, str], ...]
    voices: tuple[VoiceLine, ...]


@dataclass
class _Notes:
    """Reasons by letter, in the order of reading."""

    letters: dict[str, str] = field(default_factory=dict)

    def letter(self, why: str) -> str:
        place = len(self.letters)
        return self.letters.setdefault(why, chr(ord("a") + place) if place < 26 else str(place - 25))


def source_matrices(site: Site, here: str) -> tuple[SourceMatrix, ...]:
    """Return a matrix for each machine and prompt set with a run that a judge or a person scored: the newest one."""
    found = ((board, scored_run(site, board)) for board in site.boards)
    return tuple(_matrix(site, board, one, here) for board, one in found if one is not None)


def _matrix(site: Site, board: Board, scored: Scored, here: str) -> SourceMatrix:
    summary = scored.summary
    result = summary.result
    hearing = site.hearings.of(result)
    scores = {
        (one.model.name, voice.source): prompt_scores_of(result, one.model, voice.scores)
        for one in summary.models
        for voice in hearing.voices
    }
    columns = [(one, voice) for one in summary.models for voice in hearing.voices]
    notes = _Notes()
    cells = len(columns) * sum(len(prompt.facets) for prompt in result.prompt_set.prompts)
    means = tuple(_mean(scores[one.model.name, voice.source], one, voice, notes) for one, voice in columns)
    rows = []
    for prompt in result.prompt_set.prompts:
        found = [(one, voice, scores[one.model.name, voice.source][prompt.id]) for one, voice in columns]
        squares = tuple(_square(one, voice, prompt, value, notes) for one, voice, value in found)
        facets = _facet_rows(columns, prompt, notes) if cells <= MOST_FACET_CELLS else ()
        rows.append(RaterRow(shortened(prompt.title, 80), page_of_prompt(site, prompt.id, here), squares, facets))
    return SourceMatrix(
        machine=board.machine,
        prompt_set=shortened(result.prompt_set.title, 60),
        anchor=f"sources-{scored.anchor}",
        sentence=_sentence(hearing),
        when=form.minute(result.run.started_utc),
        run_href=relative(here, run_page(result)),
        is_newest=scored.is_newest,
        heads=tuple(
            RaterHead(
                shortened(one.model.name, 40),
                relative(here, model_page(one.model.name)),
                site.marks[one.model.name],
            )
            for one in summary.models
        ),
        sources=tuple(_source_head(one, voice) for one, voice in columns),
        per_model=len(hearing.voices),
        means=means,
        rows=tuple(rows),
        has_facets=cells <= MOST_FACET_CELLS,
        notes=tuple((letter, why) for why, letter in notes.letters.items()),
        voices=voice_lines(hearing),
    )


def _source_head(one: ModelSummary, voice: Voice) -> SourceHead:
    words = ["doubted"] if voice.doubt else []
    words += ["itself"] if one.model.name in voice.itself else []
    return SourceHead(voice.name, voice.source.kind, bool(voice.doubt), ", ".join(words))


def _mean(scores: Mapping[str, float | None], one: ModelSummary, voice: Voice, notes: _Notes) -> RaterScore:
    value = mean_score(scores)
    if value is None:
        return _missing(_why_no_mean(one, voice), voice, notes)
    known = sum(score is not None for score in scores.values())
    interval = mean_interval(scores)
    has_interval = isinstance(interval, Interval)
    return RaterScore(
        text=form.score(value),
        shade="mean",
        small=form.interval(interval.low, interval.high, value, SCALE) if isinstance(interval, Interval) else "",
        over="" if known == len(scores) else form.count(known, "prompt"),
        letter="" if has_interval else notes.letter(f"no interval: {interval}"),
        doubted=bool(voice.doubt),
    )


def _why_no_mean(one: ModelSummary, voice: Voice) -> str:
    if one.model.skipped is not None:
        return "the model was skipped"
    if not one.good_samples:
        return "the model gave no good answer"
    return f"{voice.label} scored no answer of this model"


def _square(one: ModelSummary, voice: Voice, prompt: PromptRecord, value: float | None, notes: _Notes) -> RaterScore:
    if value is not None:
        return _scored(value, voice)
    return _missing(_why(one, voice, prompt, [facet.id for facet in prompt.facets]), voice, notes)


def _facet_rows(
    columns: Sequence[tuple[ModelSummary, Voice]], prompt: PromptRecord, notes: _Notes
) -> tuple[RaterRow, ...]:
    rows = []
    for facet in prompt.facets:
        squares = []
        for one, voice in columns:
            items = [Item(prompt.id, output, facet.id) for output in _outputs(one, prompt)]
            known = [voice.scores[item] for item in items if item in voice.scores]
            if known:
                squares.append(_scored(sum(known) / len(known), voice))
            else:
                squares.append(_missing(_why(one, voice, prompt, [facet.id]), voice, notes))
        rows.append(RaterRow(facet.says, "", tuple(squares)))
    return tuple(rows)


def _scored(value: float, voice: Voice) -> RaterScore:
    return RaterScore(form.score(value), str(form.nearest_score(value)), doubted=bool(voice.doubt))


def _missing(why: str, voice: Voice, notes: _Notes) -> RaterScore:
    return RaterScore("unscored", "unscored", letter=notes.letter(why), doubted=bool(voice.doubt))


def _why(one: ModelSummary, voice: Voice, prompt: PromptRecord, facet_ids: Iterable[str]) -> str:
    if one.model.skipped is not None:
        return "the model was skipped"
    outputs = dict.fromkeys(_outputs(one, prompt))
    if not outputs:
        return "the model gave no good answer to this prompt"
    if not prompt.facets:
        return "the prompt has no rubric"
    items = [Item(prompt.id, output, facet) for output in outputs for facet in facet_ids]
    reasons = list(dict.fromkeys(shortened(voice.why_unscored(item), 120) for item in items))
    rest = f" and {len(reasons) - REASONS_NAMED} more reasons" if len(reasons) > REASONS_NAMED else ""
    return f"{voice.label}: {'; '.join(reasons[:REASONS_NAMED])}{rest}"


def _outputs(one: ModelSummary, prompt: PromptRecord) -> list[str]:
    return [
        sample.output for sample in good_samples(one.model) if sample.prompt == prompt.id and sample.output is not None
    ]


def _sentence(hearing: Hearing) -> str:
    first: dict[tuple[str, ...], list[str]] = {}
    scores: list[str] = []
    names = {voice.source: voice.label for voice in hearing.voices}
    for ranking in hearing.agreement.rankings:
        best = tuple(shortened(one.model, 40) for one in ranking.ranks if one.rank == 1)
        if best:
            by = "the program" if ranking.source.kind == "program" else names.get(ranking.source, "")
            first.setdefault(best, []).append(by)
            scores.append(f"{form.score(ranking.ranks[0].score)} by {by}")
    ranked = {one.model for ranking in hearing.agreement.rankings for one in ranking.ranks}
    if len(ranked) == 1:
        return (
            f"{joined([shortened(name, 40) for name in ranked])} alone has answers that were scored: {joined(scores)}."
        )
    if not first:
        return "No source scored answers of all models to one prompt, so none can say which model is best."
    parts = [
        f"{joined(models)} {'is' if len(models) == 1 else 'are'} first by {joined(by)}" for models, by in first.items()
    ]
    return f"{'; '.join(parts)}."
