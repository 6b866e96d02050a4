"""The sections of the run viewer on what models said, and on what the program, judges and people say of it."""

from dataclasses import dataclass

from bench.analysis.ratings import prompt_scores_of
from bench.analysis.scores import mean_score
from bench.analysis.summary import ModelSummary, RunSummary
from bench.site import format as form
from bench.site.answers import Answer, FacetView, Opinion, answers, grades_of
from bench.site.evidence import Piece
from bench.site.scored import voice_lines
from bench.site.sections import Json, list_section, table_section
from bench.site.tables import Cell, name_column, table, text_column
from bench.site.text import shortened, visible
from bench.site.voices import Hearing, Voice


@dataclass(frozen=True)
class Said:
    """The prompts of a run with their rubrics, its distinct answers, and the rows of each model's section by name."""

    prompts: list[Json]
    answers: list[Json]
    rows: dict[str, list[list[int | str]]]


def source_sections(summary: RunSummary, hearing: Hearing) -> list[Json]:
    """Return what each source gives each model of a run, and what must be known of the judges; nothing without others.

    A score is the mean over the prompts that its source scored.
    """
    if not hearing.others:
        return []
    models = summary.models
    columns = [name_column("Model", [Cell(one.model.name) for one in models])]
    columns += [
        text_column(_headed(voice), [_mean(summary, one, voice) for one in models], numeric=True)
        for voice in hearing.voices
    ]
    says = "Each source scores the answers by itself, from 1 to 5; none is mixed into another."
    doubts = [f"{line.name} {line.text}" for line in voice_lines(hearing)]
    return [
        table_section("Quality by source", table("Quality by source", columns), says),
        list_section("What to know of the judges", doubts),
    ]


def said(summary: RunSummary, hearing: Hearing | None) -> Said:
    """Return what the models of a run said, facet by facet and source by source.

    Every text is as it was said: what shows it must set it as text.
    """
    result = summary.result
    grades, voices = grades_of(result), hearing.voices if hearing is not None else ()
    places: dict[tuple[str, str], int] = {}
    shown: list[Json] = []
    rows: dict[str, list[list[int | str]]] = {}
    for one in summary.models:
        given = rows.setdefault(one.model.name, [])
        for number, prompt in enumerate(result.prompt_set.prompts):
            for each in answers(one, prompt, grades, voices).distinct:
                place = places.setdefault((prompt.id, each.output), len(shown))
                if place == len(shown):
                    shown.append(_answer(each))
                given.append([number, place, each.times, visible(f"ended: {each.ended}")])
    prompts = [
        {"title": visible(prompt.title), "says": [visible(facet.says) for facet in prompt.facets]}
        for prompt in result.prompt_set.prompts
    ]
    return Said(prompts, shown, rows)


def answers_section(one: ModelSummary, found: Said) -> Json:
    """Return the answers of a model: for each the numbers of its prompt and of itself, how often it came and ended."""
    name = shortened(visible(one.model.name), 60)
    return {"heading": f"Answers of {name}", "kind": "answers", "fold": True, "rows": found.rows[one.model.name]}


def _answer(one: Answer) -> Json:
    by = " by the program" if one.others else ""
    shown: Json = {
        "score": f"{one.score}{by}",
        "text": [_piece(piece) for piece in one.pieces if piece.text],
        "hint": one.empty or one.cut,
        "facets": [_facet(facet) for facet in one.facets],
        "others": [_opinion(said) for said in one.others],
        "notes": [[visible(note.by), visible(note.why)] for note in one.notes],
    }
    # There are many answers, and of most nothing is said but by the program.
    return {name: value for name, value in shown.items() if value}


def _piece(one: Piece) -> str | list[str]:
    return [visible(one.text), one.kind, visible(one.title)] if one.kind else visible(one.text)


def _facet(one: FacetView) -> Json:
    shown: Json = {"state": one.state, "sign": one.sign, "why": visible(one.why)}
    return shown | ({"said": [_opinion(opinion) for opinion in one.opinions]} if one.opinions else {})


def _opinion(one: Opinion) -> Json:
    return {"by": visible(one.by), "score": one.score, "why": visible(one.why), "words": one.words}


def _mean(summary: RunSummary, one: ModelSummary, voice: Voice) -> Cell:
    scores = prompt_scores_of(summary.result, one.model, voice.scores)
    value = mean_score(scores)
    if value is None:
        return Cell("unscored", kind="none")
    known = sum(score is not None for score in scores.values())
    words = [] if known == len(scores) else [f"over {form.count(known, 'prompt')}"]
    words += ["doubted"] if voice.doubt else []
    return Cell(form.score(value), small=", ".join(words), kind="none" if voice.doubt else "value")


def _headed(voice: Voice) -> str:
    # A person's name stays as the person writes it.
    return voice.label if voice.source.kind == "person" else voice.label[:1].upper() + voice.label[1:]
