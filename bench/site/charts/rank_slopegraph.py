"""The models in the order of each source, side by side: who moves up or down from one source to another."""

from dataclasses import dataclass

from bench.analysis.ratings import Ranking
from bench.report import format as form
from bench.report.palette import Mark
from bench.report.text import joined, relative, shortened
from bench.site.dataset import Site
from bench.site.sections.raters import Hearing
from bench.site.sections.reviewed_runs import AGREEMENT
from bench.site.urls import model_page


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


def slopes(site: Site, hearing: Hearing) -> Slopes:
    """Return the rankings of a run side by side, the program's first."""
    voices = {voice.source: voice for voice in hearing.voices}
    shown = [one for one in hearing.agreement.rankings if one.ranks]
    columns = [_column(site, one, shown[0], bool(voices[one.source].doubt)) for one in shown]
    length = max((len(column) for column in columns), default=0)
    return Slopes(
        sentence=_sentence(shown),
        heads=tuple(
            SlopeHead(
                voices[one.source].label,
                f"over {form.count(one.prompts, 'prompt')}",
                bool(voices[one.source].doubt),
            )
            for one in shown
        ),
        rows=tuple(
            tuple(column[place] if place < len(column) else None for column in columns) for place in range(length)
        ),
        notes=tuple(note for one in hearing.agreement.rankings if (note := _note(one, voices[one.source].label))),
    )


def _column(site: Site, one: Ranking, first: Ranking, doubted: bool) -> list[SlopePlace]:
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


def _sentence(shown: list[Ranking]) -> str:
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


def _note(one: Ranking, label: str) -> str:
    if one.why is not None:
        return f"{label} orders no models: {one.why}."
    if one.unranked:
        names = joined([shortened(name, 40) for name in one.unranked])
        return f"{label} scored no answer of {names}."
    return ""
