"""Quality on the site: evidence in the answers, sources side by side, agreement, answers that do not repeat."""

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from markupsafe import Markup
from syrupy.assertion import SnapshotAssertion

from bench.cli import main
from bench.schema.result import FacetGrade
from bench.site.build import pages_of, write_site
from bench.site.dataset import Site, site
from bench.site.pages.agreement import TEXT_LENGTH, agreement_page, alpha_words, kappa_words
from bench.site.pages.quality import quality_over_time, quality_page
from bench.site.pages.runs import run_data, run_data_later
from bench.site.sections.answer_cards import LONGEST_ANSWER, MOST_MARKS, cards, marked
from bench.site.sections.repeats import model_repeats, prompt_findings
from bench.site.sections.rubric_matrix import RaterMatrix, rater_matrices
from bench.site.urls import prompt_page
from bench.store.files import Ledger, Refused, save
from bench.store.reviews import Reviews, annotations_path, judgement_path, save_annotations
from tests import builders
from tests.review_builders import annotations, judge_lines
from tests.reviewed_ledger import PROMPTS, judged, output, reviewed_ledger, reviewed_run, reviews
from tests.site.test_pages import MarkdownExtension, reviewable
from tests.site_project import TEMPLATES, drawn_once, fixture_ledger, views

HERE = "report/quality.html"
LATER = builders.STARTED_UTC + timedelta(days=3)


@pytest.fixture
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with drawn_once(tmp_path_factory.mktemp("cache")) as cache:
        yield cache


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    docs = tmp_path_factory.mktemp("docs")
    ledger, found = reviewed_ledger()
    with drawn_once(tmp_path_factory.mktemp("cache")) as cache:
        write_site(ledger, docs, TEMPLATES, cache, reviews=found)
    return docs


def of(*results: Any, reviewed: Mapping[str, Reviews] | None = None) -> Site:
    return site(Ledger(tuple(results), ()), reviewed)


def marks(text: str, check: str, parameters: dict[str, Any], credit: float, why: str, cut: bool = False) -> list[str]:
    """Return the marked words of an answer, each with what it speaks for."""
    prompt = builders.prompt(facets=(builders.facet(check=check, parameters=parameters),))
    made = marked(text, prompt, [FacetGrade(facet="f1", credit=credit, why=why)], cut=cut)
    assert unescape(re.sub(r"<[^>]*>", "", made)) == text
    found = re.findall(r'<mark class="bl-(for|against)" title="[^"<>]*">([^<]*)</mark>', made)
    return [f"{kind}: {unescape(words)}" for kind, words in found]


@pytest.mark.parametrize(
    ("check", "parameters", "credit", "why", "text", "expected"),
    [
        (
            "contains_any",
            {"values": ["weight", "memory"]},
            1.0,
            "has 'weight', 'memory'",
            "Weights fill the\nMemory.",
            ["for: Weight", "for: Memory"],
        ),
        ("contains_any", {"values": ["2", "may"]}, 1.0, "has '2'", "2.5 and 12 and 2,000, but 2.", ["for: 2"]),
        ("contains_all", {"values": ["don't"]}, 1.0, "has 'don't'", "I don’t.", ["for: don’t"]),
        ("contains_all", {"values": ["a b"]}, 0.0, "lacks 'a b'", "a c", []),
        (
            "contains_all",
            {"values": ["Keller"]},
            0.0,
            "has 'Keller'; wanted the opposite",
            "Keller",
            ["against: Keller"],
        ),
        ("contains_all", {"values": ["Rom"], "match_case": True}, 1.0, "has 'Rom'", "rom Rom", ["for: Rom"]),
        ("contains_none", {"values": ["Reed"]}, 0.0, "has 'Reed'", "Hana Reed", ["against: Reed"]),
        ("contains_none", {"values": ["Reed"]}, 1.0, "has none of 'Reed'", "Hana Reed", []),
        ("regex", {"pattern": "."}, 1.0, "matches at 'can't'", "I can't.", ["for: can't"]),
        ("regex", {"pattern": "."}, 1.0, "matches at 'high'", "higher than high", ["for: high"]),
        ("regex", {"pattern": "."}, 1.0, "matches at 'leav'", "leaves and leaving", []),
        ("regex", {"pattern": "."}, 1.0, "matches at 'two lines'", "two\nlines", ["for: two\nlines"]),
        ("regex", {"pattern": "."}, 0.0, "matches at 'x'; wanted the opposite", "x", ["against: x"]),
        ("regex", {"pattern": "."}, 0.0, "no match for has 'x'", "has 'x'", []),
        ("regex", {"pattern": "."}, 1.0, "matches at 'a long begin…", "a long beginning", ["for: a long begin"]),
        ("equals", {"values": ["Paris"]}, 1.0, "is 'Paris'", "“paris”.", ["for: paris"]),
        ("equals", {"values": ["Paris"]}, 0.0, "'Rome' is none of 'Paris'", "Rome", []),
        ("starts_with", {"values": ["yes"]}, 1.0, "begins with 'yes'", " Yes, yes", ["for:  Yes"]),
        ("ends_with", {"values": ["yes"]}, 1.0, "ends with 'yes'", "Yes, yes", ["for: yes"]),
        ("number_equals", {"value": 842}, 0.0, "last number is 1250; wanted 842", "3, 1,250", ["against: 1,250"]),
        ("number_equals", {"value": 842}, 0.0, "last number is 545; wanted 842", "545 of 1", []),
        (
            "faithful",
            {},
            0.0,
            "not in the source: '5', 'O'Brien'",
            "2.5, 5 and O'Brien",
            ["against: 5", "against: O'Brien"],
        ),
        ("faithful", {}, 1.0, "numbers, dates and names: 3, all in the source", "3", []),
        ("covers", {"facts": ["May", ["Ann", "Anna"]]}, 0.5, "1 of 2 facts; lacks 'May'", "Anna", ["for: Anna"]),
        ("covers", {"facts": ["May"]}, 0.0, "0 of 1 fact; lacks 'May'", "Maybe", []),
        ("no_repetition", {}, 0.0, "says 2 times: 'it is so.'", "It is so. It is so.", ["against: It is so."] * 2),
        ("no_repetition", {}, 0.0, "50% came before; 'a b c d' 2 times", "a, b c d", ["against: a, b c d"]),
        ("no_repetition", {}, 1.0, "9% came before; 'a b c d' 2 times", "a b c d", []),
        ("valid_json", {}, 1.0, "is JSON with 'task'", '{"task": 1}', []),
        ("unheard-of", {}, 1.0, "has 'task'", "task", []),
    ],
)
def test_words_that_the_evidence_names_are_marked(
    check: str, parameters: dict[str, Any], credit: float, why: str, text: str, expected: list[str]
) -> None:
    assert marks(text, check, parameters, credit, why) == expected


def test_a_facet_that_could_not_be_told_marks_nothing() -> None:
    prompt = builders.prompt(facets=(builders.facet(check="contains_any", parameters={"values": ["x"]}),))

    assert marked("x", prompt, [FacetGrade(facet="f1", credit=None, why="has 'x'")]) == "x"
    assert marked("x", prompt, [FacetGrade(facet="gone", credit=1.0, why="has 'x'")]) == "x"


def test_of_an_answer_that_was_cut_nothing_is_said_of_its_end() -> None:
    assert marks("1 and 2", "number_equals", {"value": 2}, 1.0, "last number is 2; wanted 2") == ["for: 2"]
    assert marks("1 and 2", "number_equals", {"value": 2}, 1.0, "last number is 2; wanted 2", cut=True) == []


def test_words_for_one_facet_and_against_another_speak_against() -> None:
    prompt = builders.prompt(
        facets=(
            builders.facet(id="a", says="names somebody", check="contains_any", parameters={"values": ["Hana Reed"]}),
            builders.facet(id="b", says="no Reed", check="contains_none", parameters={"values": ["Reed"]}),
        )
    )
    grades = [
        FacetGrade(facet="a", credit=1.0, why="has 'Hana Reed'"),
        FacetGrade(facet="b", credit=0.0, why="has 'Reed'"),
    ]

    assert marked("Hana Reed.", prompt, grades) == (
        '<mark class="bl-for" title="speaks for: names somebody">Hana </mark>'
        '<mark class="bl-against" title="speaks for: names somebody; speaks against: no Reed">Reed</mark>.'
    )


def test_an_answer_has_so_many_marks_at_most() -> None:
    assert len(marks("a " * 9_000, "contains_any", {"values": ["a"]}, 1.0, "has 'a'")) == MOST_MARKS


def test_marks_are_the_only_markup_of_an_answer() -> None:
    text = "<mark>yes</mark> <script>yes</script> {{ yes }}"
    prompt = builders.prompt(
        facets=(builders.facet(says='"><script>', check="contains_any", parameters={"values": ["yes"]}),)
    )

    made = marked(text, prompt, [FacetGrade(facet="f1", credit=1.0, why="has 'yes'")])

    assert set(re.findall(r"<[^>]*>", made)) == {
        '<mark class="bl-for" title="speaks for: &#34;&#62;&#60;script&#62;">',
        "</mark>",
    }
    assert "{{" not in made


def test_one_card_for_each_distinct_answer_with_the_models_that_gave_it() -> None:
    models = [
        builders.model_run(
            name=name, samples=tuple(builders.sample(round=turn + 1, output=key) for turn, key in enumerate(keys))
        )
        for name, keys in {"a": "xx", "b": "xy", "c": ""}.items()
    ]
    models.append(builders.model_run(name="d", skipped="no GPU", samples=()))
    models.append(builders.model_run(name="e", samples=(builders.failed_sample(), builders.failed_sample(round=2))))
    shown = of(builders.result(models, outputs={"x": "X", "y": ""}))

    found = cards(shown, shown.boards[0], shown.results[0].prompt_set.prompts[0], prompt_page("p1"))

    assert [
        ([(one.name, one.times) for one in card.models], card.answer.text if card.answer else card.state)
        for card in found.cards
    ] == [
        ([("a", "in every round"), ("b", "1 of 2 samples")], "X"),
        ([("b", "1 of 2 samples")], ""),
        ([("e", "2 of 2 samples")], ""),
        ([("c", "")], "not asked"),
        ([("d", "")], "skipped"),
    ]
    assert found.cards[1].answer is not None
    assert found.cards[1].answer.empty == "The answer has no text."
    assert found.cards[2].failure is not None
    assert found.sentence == "2 models gave 2 different answers."


def test_a_card_has_what_each_source_says_of_each_facet() -> None:
    run = reviewed_run()
    shown = of(run, reviewed={run.run.id: reviews(run)})

    found = cards(shown, shown.boards[0], run.prompt_set.prompts[0], prompt_page("p01"))

    steady, other = (card.answer for card in found.cards if card.answer is not None)
    assert [(one.by, one.score, one.words) for one in steady.others] == [
        ("judge other-alias", "1.0\u00a0of\u00a05", "doubted"),
        ("judge right", "5.0\u00a0of\u00a05", ""),
        ("ann", "5.0\u00a0of\u00a05", ""),
    ]
    assert other.others[0].words == "doubted, on an answer of its own"
    assert [(one.by, one.score, one.why) for one in steady.facets[1].opinions] == [
        ("judge other-alias", "unscored", "the reply has no score for it"),
        ("judge right", "unscored", "the reply has no score for it"),
        ("ann", "5 of 5", ""),
    ]
    assert steady.facets[1].why == "only a judge or a person can tell"
    assert '<mark class="bl-for"' in steady.shown


def test_a_source_that_was_never_asked_about_an_answer_says_so_once() -> None:
    run = reviewed_run()
    shown = of(run, reviewed={run.run.id: reviews(run)})

    found = cards(shown, shown.boards[0], run.prompt_set.prompts[11], prompt_page("p12"))

    answer = found.cards[0].answer
    assert answer is not None
    assert (answer.others[2].score, answer.others[2].why) == ("unscored", "this person did not score it")
    assert [one.by for one in answer.facets[0].opinions] == ["judge other-alias", "judge right"]


def viewed(shown: Site) -> dict[str, Any]:
    """Return the data of the newest run in the viewer, its sections by heading."""
    run = shown.whole.of(shown.summaries[-1].result.run.id)
    data = run_data(run)
    return data | {"sections": {section["heading"]: section for section in data["sections"]}}


def viewed_later(shown: Site) -> dict[str, Any]:
    """Return what became known of the newest run after it, its sections by heading."""
    run = shown.whole.of(shown.summaries[-1].result.run.id)
    data = run_data_later(run, (), shown.raters.of(run.result))
    return data | {"sections": {section["heading"]: section for section in data["sections"]}}


def test_the_viewer_has_what_each_source_says_of_each_facet_and_the_words_that_decided() -> None:
    run = reviewed_run()

    shown = of(run, reviewed={run.run.id: reviews(run)})
    found, later = viewed(shown), viewed_later(shown)

    assert [prompt["title"] for prompt in found["prompts"]] == [f"Question {name}" for name in PROMPTS]
    assert found["prompts"][0]["says"] == ["It says yes.", "It is clear."]
    # Twelve answers of each of two models: the first one of the second model is the thirteenth.
    assert found["sections"]["Answers of steady"]["rows"][0] == [0, 0, "in every round", "ended: stop"]
    assert found["sections"]["Answers of other"]["rows"][0] == [0, 12, "in every round", "ended: stop"]
    answer, opinions = found["answers"][0], later["answers"][0]
    assert len(later["answers"]) == len(found["answers"])
    assert answer["score"] == "5.0\u00a0of\u00a05"
    assert opinions["score"] == "5.0\u00a0of\u00a05 by the program"
    assert answer["text"] == [["yes", "for", "speaks for: It says yes."], ", p01, by 5 May"]
    assert [(one["by"], one["score"], one["words"]) for one in opinions["others"]] == [
        ("judge other-alias", "1.0\u00a0of\u00a05", "doubted"),
        ("judge right", "5.0\u00a0of\u00a05", ""),
        ("ann", "5.0\u00a0of\u00a05", ""),
    ]
    first, second = answer["facets"]
    assert (first["state"], first["why"]) == ("passed", "has 'yes'")
    of_first, of_second = opinions["facets"]
    assert [(one["by"], one["score"], one["why"]) for one in of_first] == [
        ("judge other-alias", "1 of 5", "it says nothing of it"),
        ("judge right", "5 of 5", "it says so"),
        ("ann", "5 of 5", ""),
    ]
    assert (second["state"], of_second[2]["score"]) == ("unknown", "5 of 5")


def test_the_viewer_has_the_mean_of_each_source_and_says_which_judge_is_doubted() -> None:
    run = reviewed_run()

    found = viewed_later(of(run, reviewed={run.run.id: reviews(run)}))["sections"]

    sources = found["Quality by source"]
    assert [column["label"] for column in sources["columns"]] == [
        "Model",
        "Program",
        "Judge other-alias",
        "Judge right",
        "ann",
    ]
    assert [[(cell["t"], cell["s"]) for cell in row] for row in sources["rows"]] == [
        [("steady", ""), ("5.0", ""), ("1.0", "doubted"), ("5.0", ""), ("5.0", "over 6 prompts")],
        [("other", ""), ("1.0", ""), ("5.0", "doubted"), ("1.0", ""), ("1.0", "over 6 prompts")],
    ]
    assert found["What to know of the judges"]["rows"][0].startswith("judge other-alias is greyed and doubted: ")


def test_the_viewer_has_an_answer_that_two_models_gave_once() -> None:
    models = [
        builders.model_run(name=name, samples=tuple(builders.sample(round=turn, output=key) for turn, key in said))
        for name, said in {"a": ((1, "x"), (2, "x")), "b": ((1, "y"), (2, "x"))}.items()
    ]

    found = viewed(of(builders.result(models, outputs={"x": "X", "y": ""})))

    assert found["sections"]["Answers of a"]["rows"] == [[0, 0, "in every round", "ended: stop"]]
    assert [row[1:3] for row in found["sections"]["Answers of b"]["rows"]] == [
        [1, "1 of 2 samples"],
        [0, "1 of 2 samples"],
    ]
    assert (found["answers"][0]["text"], found["answers"][1]["hint"]) == (["X"], "The answer has no text.")


def test_a_run_that_nobody_reviewed_has_the_program_s_evidence_alone() -> None:
    found = viewed(of(reviewed_run()))

    assert "Quality by source" not in found["sections"]
    assert found["answers"][12] == {
        "score": "1.0\u00a0of\u00a05",
        "hint": "",
        "text": ["no, not p01"],
        "facets": [
            {"state": "failed", "sign": "✗", "why": "has none of 'yes'"},
            {"state": "unknown", "sign": "?", "why": "only a judge or a person can tell"},
        ],
    }


def test_a_long_answer_is_cut_and_says_where_all_of_it_is() -> None:
    run = reviewed_run(outputs={output("steady", "p01"): "y" * 1_000_000})
    shown = of(run)

    found = cards(shown, shown.boards[0], run.prompt_set.prompts[0], prompt_page("p01"))

    answer = found.cards[0].answer
    assert answer is not None
    assert len(answer.text) == LONGEST_ANSWER
    assert answer.cut == "Cut here, after 6,000 of 1,000,000 characters."
    assert found.whole == f"report/data/runs/{run.run.id}.json.gz"


def matrix(shown: Site) -> RaterMatrix:
    (found,) = rater_matrices(shown, HERE)
    return found


def test_each_source_has_a_column_of_each_model() -> None:
    run = reviewed_run()
    found = matrix(of(run, reviewed={run.run.id: reviews(run)}))

    assert [(one.name, one.kind, one.words) for one in found.matrix.raters] == [
        ("program", "program", ""),
        ("other-alias", "judge", "doubted"),
        ("right", "judge", ""),
        ("ann", "person", ""),
        ("program", "program", ""),
        ("other-alias", "judge", "doubted, itself"),
        ("right", "judge", ""),
        ("ann", "person", ""),
    ]
    assert [(one.text, one.shade) for one in found.matrix.rows[0].cells] == [
        ("5.0", "5"),
        ("1.0", "1"),
        ("5.0", "5"),
        ("5.0", "5"),
        ("1.0", "1"),
        ("5.0", "5"),
        ("1.0", "1"),
        ("1.0", "1"),
    ]
    assert [one.doubted for one in found.matrix.rows[0].cells[:3]] == [False, True, False]


def test_each_set_of_prompts_that_somebody_scored_is_shown_though_another_was_asked_since() -> None:
    scored, newer = reviewed_run(), reviewed_run(day=1)
    other_set = newer.prompt_set.model_copy(update={"id": "notes", "title": "Notes"})
    notes = newer.model_copy(update={"prompt_set": other_set})
    shown = of(scored, notes, reviewed={one.run.id: reviews(one) for one in (scored, notes)})

    page = agreement_page(shown)

    assert [(one.prompt_set, one.when, one.is_newest) for one in page.scored] == [
        ("Notes", "2026-01-06 09:00 UTC", True),
        ("Test prompts", "2026-01-05 09:00 UTC", True),
    ]
    assert [one.anchor for one in page.scored] == ["machine-laptop", "machine-laptop..test"]
    assert [one.prompt_set for one in rater_matrices(shown, HERE)] == ["Notes", "Test prompts"]


def test_a_facet_that_no_program_can_tell_is_left_to_others() -> None:
    row = views(quality_page(of(reviewed_run())).matrices)[0].matrix.rows[0]

    assert [[cell.text for cell in facet.cells] for facet in row.facets] == [
        ["met", "not met"],
        ["left to judges and people", "left to judges and people"],
    ]


def test_a_single_model_is_first_of_nothing() -> None:
    run = reviewed_run()
    alone = run.model_copy(update={"models": run.models[:1]})
    shown = of(alone, reviewed={alone.run.id: reviews(alone)})

    assert matrix(shown).sentence == (
        "steady alone has answers that were scored: 5.0 by the program, 1.0 by judge other-alias, "
        "5.0 by judge right and 5.0 by ann."
    )
    assert agreement_page(shown).scored[0].slopes.sentence == (
        "One model alone has answers that were scored: there is no order."
    )


def test_a_prompt_that_no_newest_run_asks_has_no_page_to_lead_to() -> None:
    scored = reviewed_run()
    newer = builders.result([builders.model_run(samples=(builders.sample(prompt="p01"),))], started_utc=LATER)
    shown = of(scored, newer, reviewed={scored.run.id: reviews(scored)})

    (found,) = rater_matrices(shown, HERE)

    assert [row.href for row in found.matrix.rows[:2]] == ["prompts/p01.html", ""]
    hrefs = {row.title: row.href for row in agreement_page(shown).scored[0].disagreements.rows}
    assert (hrefs["Question p01"], hrefs["Question p02"]) == ("prompts/p01.html", "")


def test_what_has_no_score_is_unscored_and_says_why() -> None:
    run = reviewed_run()
    found = matrix(of(run, reviewed={run.run.id: reviews(run)}))
    notes = dict(found.matrix.notes)

    unscored = found.matrix.rows[11].cells[3]
    assert (unscored.text, unscored.shade, notes[unscored.letter]) == (
        "unscored",
        "unscored",
        "ann: this person did not score it",
    )
    program, judge, _, person = found.matrix.rows[0].facets[1].cells[:4]
    assert notes[program.letter] == "program: only a judge or a person can tell"
    assert notes[judge.letter] == "judge other-alias: the reply has no score for it"
    assert person.text == "5.0"


def test_the_mean_of_a_source_says_over_how_many_prompts_and_how_sure_it_is() -> None:
    run = reviewed_run()
    found = matrix(of(run, reviewed={run.run.id: reviews(run)}))

    # All of a source's scores of a model are the same, so nothing is left to chance.
    assert [(one.text, one.small, one.over) for one in found.matrix.means[:4]] == [
        ("5.0", "5.0–5.0", ""),
        ("1.0", "1.0–1.0", ""),
        ("5.0", "5.0–5.0", ""),
        ("5.0", "5.0–5.0", "6 prompts"),
    ]


def test_too_few_prompts_have_a_mean_and_no_interval() -> None:
    run = reviewed_run()
    few = {(name, output(model, name)): {"says-yes": 4} for name in PROMPTS[:2] for model in ("steady", "other")}
    found = matrix(of(run, reviewed={run.run.id: Reviews(annotations=(annotations(few, run=run.run.id),))}))

    mean = found.matrix.means[1]
    assert (mean.text, mean.small, mean.over) == ("4.0", "", "2 prompts")
    assert dict(found.matrix.notes)[mean.letter].startswith("no interval: ")


def test_a_judge_below_the_stated_agreement_is_doubted_in_words() -> None:
    run = reviewed_run()
    found = matrix(of(run, reviewed={run.run.id: reviews(run)}))

    # The wrong judge is 4 away on each of 12 answers, half of them 5 and half 1: 1 - 16 / 8.
    assert [(one.kind, one.name, one.text) for one in found.rater_notes] == [
        (
            "doubted",
            "judge other-alias",
            "is greyed and doubted: it agrees with people by kappa −1.00, below the 0.6 that is asked for.",
        ),
        ("itself", "judge other-alias", "judges itself: it is the model other of this run."),
    ]
    assert found.sentence == (
        "steady is first by the program, judge right and ann; other is first by judge other-alias."
    )


def test_a_judge_without_people_is_neither_doubted_nor_trusted() -> None:
    run = reviewed_run()
    alone = Reviews(judgements=reviews(run).judgements[:1])
    found = matrix(of(run, reviewed={run.run.id: alone}))

    assert [(one.kind, one.text) for one in found.rater_notes] == [
        ("untold", "was not held against people: no person has scored answers of this run.")
    ]
    assert not any(one.doubted for one in found.matrix.raters)


def test_the_newest_run_that_somebody_scored_is_shown_and_dated() -> None:
    old, new = reviewed_run(), reviewed_run(day=1)
    shown = of(old, new, reviewed={old.run.id: reviews(old)})

    found = matrix(shown)
    assert (found.when, found.is_newest) == ("2026-01-05 09:00 UTC", False)
    side_by_side = cards(shown, shown.boards[0], new.prompt_set.prompts[0], prompt_page("p01"))
    assert side_by_side.earlier_review is not None
    assert side_by_side.earlier_review.by == "judge other-alias, judge right and ann"
    assert side_by_side.earlier_review.when == "2026-01-05 09:00 UTC"
    assert side_by_side.earlier_review.href == "../agreement.html#machine-laptop"
    assert not side_by_side.reviewed


def test_with_a_person_alone_no_page_says_that_a_judge_did_anything(tmp_path: Path, cache: Path) -> None:
    old, new = reviewed_run(), reviewed_run(day=1)
    by_hand = Reviews(annotations=reviews(old).annotations)
    write_site(Ledger((old, new), ()), tmp_path, TEMPLATES, cache, reviews={old.run.id: by_hand})

    pages = {path.stem: path.read_text() for path in tmp_path.rglob("*.md")}
    sentences = re.findall(r">([^<>]*judge[^<>]*)<", pages["agreement"], re.IGNORECASE)
    assert [sentence.split(":")[0] for sentence in sentences] == [
        "Can the scores be trusted? The program gives them by rule. A judge (a second model) and people can score the "
        "same answers, each without the others",
        "On 12 facets of 12 prompts",  # ... 12 facets are left to judges and people
        "judged",
        "nothing",  # a program cannot tell, so it is left to judges and people
    ]
    assert "The program and ann: " in pages["agreement"]
    scored = "The run of 2026-01-05 09:00 UTC on this machine was scored by ann, this one was not: "
    assert scored in pages["p01"]
    assert scored in pages["steady"]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (1.0, "almost perfect"),
        (0.8, "substantial"),
        (0.61, "substantial"),
        (0.6, "moderate"),
        (0.21, "fair"),
        (0.1, "slight"),
        (0.0, "poor"),
        (-1.0, "poor"),
    ],
)
def test_a_kappa_in_words(value: float, words: str) -> None:
    assert kappa_words(value) == words


def test_an_alpha_in_words() -> None:
    assert [alpha_words(value) for value in (0.8, 0.79, 0.667, 0.66)] == [
        "reliable",
        "enough for tentative conclusions",
        "enough for tentative conclusions",
        "not reliable",
    ]


def cell_texts(table: Any, label: str) -> list[str]:
    place = [column.label for column in table.columns].index(label)
    return [" ".join(part for part in (row[place].text, row[place].interval) if part) for row in table.rows]


def test_agreement_in_numbers_and_in_words() -> None:
    run = reviewed_run()
    (found,) = agreement_page(of(run, reviewed={run.run.id: reviews(run)})).scored

    poor, perfect = found.sentence.split(". ")
    assert poor.startswith("Judge other-alias and people: poor agreement, kappa −1.00 (−1.")
    assert poor.endswith(") over 12 facets of 12 answers")
    assert perfect == (
        "Judge right and people: almost perfect agreement, kappa 1.00 (1.00 to 1.00) over 12 facets of 12 answers."
    )
    assert found.judges is not None
    assert cell_texts(found.judges, "Standing") == ["below 0.6: doubted", "0.6 or above"]
    assert found.pairs is not None
    assert cell_texts(found.pairs, "Sources") == [
        "program and judge other-alias",
        "program and judge right",
        "program and ann",
        "judge other-alias and judge right",
        "judge other-alias and ann",
        "judge right and ann",
    ]
    assert cell_texts(found.pairs, "Answers") == ["24", "24", "12", "24", "12", "12"]
    assert cell_texts(found.pairs, "In words")[1] == "almost perfect"


def test_what_sources_differ_on_comes_with_what_each_says() -> None:
    run = reviewed_run(outputs={output("steady", "p01"): "yes " * 1_000})
    (found,) = agreement_page(of(run, reviewed={run.run.id: reviews(run)})).scored

    differ = found.disagreements
    # The facet 'clear' has scores of the person alone.
    assert (differ.in_all, differ.compared, len(differ.rows)) == (24, 24, 24)
    first = differ.rows[0]
    assert (first.apart, first.says, first.models) == ("4", "It says yes.", "other")
    assert [(one.score, one.why, one.doubted) for one in first.scores] == [
        ("1", "has none of 'yes'", False),
        ("5", "it says so", True),
        ("1", "it says nothing of it", False),
        ("1", "", False),
    ]
    long = next(row for row in differ.rows if row.cut)
    assert len(long.text) == TEXT_LENGTH
    assert long.cut == "Cut here, after 2,000 of 4,000 characters."


def test_the_models_in_the_order_of_each_source() -> None:
    run = reviewed_run()
    (found,) = agreement_page(of(run, reviewed={run.run.id: reviews(run)})).scored

    assert [(head.label, head.over, head.doubted) for head in found.slopes.heads] == [
        ("program", "over 12 prompts", False),
        ("judge other-alias", "over 12 prompts", True),
        ("judge right", "over 12 prompts", False),
        ("ann", "over 6 prompts", False),
    ]
    assert [
        [place and f"{place.rank} {place.name} {place.moved}".strip() for place in row] for row in found.slopes.rows
    ] == [
        ["1 steady", "1 other ↑ 1 up", "1 steady", "1 steady"],
        ["2 other", "2 steady ↓ 1 down", "2 other", "2 other"],
    ]


def test_the_guards_of_a_judge_say_what_was_not_measured() -> None:
    run = reviewed_run()
    (found,) = agreement_page(of(run, reviewed={run.run.id: reviews(run)})).scored

    right = found.judge_bias[0]
    assert right.name == "right"
    assert [(one.found, one.means) for one in right.judge_bias[:2]] == [
        ("not known", "No answer was judged twice."),
        ("not known", "No pair has a verdict in both orders."),
    ]


def test_what_was_left_out_is_listed() -> None:
    run = reviewed_run()
    strange = annotations({("p01", "gone"): {"says-yes": 3}}, run=run.run.id, annotator="bob")
    known = reviews(run)
    (found,) = agreement_page(
        of(run, reviewed={run.run.id: Reviews(known.judgements, (*known.annotations, strange))})
    ).scored

    assert found.left_out == (
        "right gave no score that can be read to 24 of 48 facets: they are unscored, not bad.",
        "other-alias gave no score that can be read to 24 of 48 facets: they are unscored, not bad.",
        "bob's score of facet says-yes of answer gone to prompt p01 does not count: "
        "the run has no such answer or facet",
    )


def test_a_machine_that_nobody_scored_is_named_beside_one_that_somebody_did() -> None:
    run, elsewhere = reviewed_run(), reviewed_run(machine="kiosk")
    found = agreement_page(of(run, elsewhere, reviewed={run.run.id: reviews(run)}))

    assert [one.machine for one in found.scored] == ["laptop"]
    assert [one.machine for one in found.unscored] == ["kiosk"]


def test_what_the_scores_of_the_program_rest_on() -> None:
    (found,) = agreement_page(of(reviewed_run())).basis

    assert found.sentence == (
        "On 12 facets of 12 prompts: each is one thing that a program can count, find or compare. 12 facets are left "
        "to judges and people. Of the facets of answers, 24 could not be told by a program."
    )
    assert found.table is not None
    assert [[cell.text for cell in row] for row in found.table.rows] == [
        ["contains_any", "has at least one of the values", "12", "24", "0"],
        ["judged", "nothing: a program cannot tell, so it is left to judges and people", "12", "0", "24"],
    ]


def test_machines_that_asked_the_same_prompts_rest_on_the_same_checks() -> None:
    (found,) = agreement_page(of(reviewed_run(), reviewed_run(machine="kiosk"))).basis

    assert found.machines == "laptop and kiosk"
    assert found.table is not None
    # 24 answers of each machine.
    assert [cell.text for cell in found.table.rows[0]] == [
        "contains_any",
        "has at least one of the values",
        "12",
        "48",
        "0",
    ]


def test_prompts_without_a_rubric_rest_on_nothing() -> None:
    prompts = [builders.prompt(facets=())]
    (found,) = agreement_page(of(builders.result(prompts=prompts))).basis

    assert (found.sentence, found.table) == ("On nothing: no prompt of this run has a rubric.", None)


def test_several_answers_at_temperature_0_are_a_finding() -> None:
    samples = [builders.sample(round=turn, output=key) for turn, key in enumerate(("x", "x", "y"), start=1)]
    run = builders.result(
        [builders.model_run(samples=tuple(samples))], outputs={"x": "It is Paris.", "y": "It is Rome."}
    )
    shown = of(run)

    found = model_repeats(shown, shown.newest("tiny"), "report/models/tiny.html")

    assert found.is_finding
    assert found.sentence == "At temperature 0 it gave several answers to 1 of 1 prompt, where one is expected."
    assert found.changes_sentence == "Not compared with an earlier run: no earlier run in the same context."
    (varying,) = found.varying
    assert varying.found == "2 different answers in 3 good samples"
    assert varying.others[0].label == "1 of 3 times, against 2 of 3"
    assert varying.others[0].diff == Markup(
        "It is <del><small>was</small>Paris.</del><ins><small>now</small>Rome.</ins>"
    )
    (finding,) = prompt_findings(shown, shown.boards[0], "p1", prompt_page("p1"))
    assert finding.text == "gave 2 different answers in 3 good samples at temperature 0, where one answer is expected."
    assert finding.href == "../models/tiny.html#repeats"


def test_one_answer_in_every_round_is_expected() -> None:
    shown = of(reviewed_run())

    found = model_repeats(shown, shown.newest("steady"), "report/models/steady.html")

    assert not found.is_finding
    assert found.sentence == "At temperature 0 it said one thing to each of 12 prompts that it answered more than once."
    assert prompt_findings(shown, shown.boards[0], "p01", prompt_page("p01")) == ()


def test_answers_that_changed_since_the_run_before_are_shown_word_by_word() -> None:
    old, new = reviewed_run(), reviewed_run(day=1, outputs={output("steady", "p02"): "yes, p02, by 6 <b>June</b>"})
    shown = of(old, new)

    found = model_repeats(shown, shown.newest("steady"), "report/models/steady.html")

    assert (found.changes_sentence, found.before) == ("1 of 12 answers changed.", "2026-01-05 09:00 UTC")
    (changed,) = found.changed
    assert changed.other.diff == Markup(
        "yes, p02, by <del><small>was</small>5 May</del><ins><small>now</small>6 &#60;b&#62;June&#60;/b&#62;</ins>"
    )
    (finding,) = prompt_findings(shown, shown.boards[0], "p02", prompt_page("p02"))
    assert finding.text == (
        "says something else than in the run of 2026-01-05 09:00 UTC: its page shows the words that differ."
    )


def test_a_difference_of_long_answers_is_cut() -> None:
    key = output("steady", "p02")
    old, new = reviewed_run(outputs={key: "a" * 500_000}), reviewed_run(day=1, outputs={key: "b" * 500_000})
    shown = of(old, new)

    (changed,) = model_repeats(shown, shown.newest("steady"), "report/models/steady.html").changed

    assert len(re.sub(r"<[^>]*>", "", changed.other.diff)) == LONGEST_ANSWER + len("was")
    assert changed.other.cut == "Cut here: 994,000 characters of both answers follow."


def test_quality_over_time_has_the_interval_of_each_run() -> None:
    shown = of(reviewed_run(), reviewed_run(day=1))

    (found,) = views(quality_over_time(shown))

    assert found.no_history == ""
    steady = found.figures[0]
    assert steady.sentence == "steady: 5.0\u00a0of\u00a05 in the first and in the newest of 2 runs."
    assert steady.spec["datasets"]["runs"] == [
        {"date": f"2026-01-0{day}T09:00:00Z", "value": 5.0, "interval": "5.0–5.0", "run": "1a2b3c4"} for day in (5, 6)
    ]
    assert [(one["low"], one["high"]) for one in steady.spec["datasets"]["intervals"]] == [(5.0, 5.0)] * 2


def test_a_history_without_intervals_says_why() -> None:
    shown = of(
        *(
            builders.result(grades=(builders.grade(),), started_utc=builders.STARTED_UTC.replace(day=5 + day))
            for day in (0, 1)
        )
    )

    (figure,) = views(quality_over_time(shown))[0].figures

    assert list(figure.spec["datasets"]) == ["runs"]
    assert len(figure.spec["layer"]) == 2
    assert figure.caption.startswith("laptop, by the program, higher is better. No intervals: 1 prompt")


def test_one_run_is_no_history() -> None:
    (found,) = views(quality_over_time(of(reviewed_run())))

    assert (found.figures, found.no_history) == (
        (),
        "No model has a score in two runs of one context: there is no history to draw.",
    )


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("report/agreement", "---"),
        ("report/quality", '<h2 id="sources"'),
        ("report/prompts/p01", "<h3>Answers side by side"),
        ("report/models/other", '<h2 id="answers"'),
    ],
    ids=["agreement", "quality", "prompt", "model"],
)
def test_page(name: str, begins: str, written: Path, snapshot: SnapshotAssertion) -> None:
    text = (written / f"{name}.md").read_text(encoding="utf-8")

    assert reviewable(text[text.index(begins) :]) == snapshot(extension_class=MarkdownExtension)


def test_reviews_that_were_refused_are_listed_with_the_results_that_were(written: Path) -> None:
    for page in ("index.md", "report/runs.md"):
        text = unescape((written / page).read_text(encoding="utf-8"))
        assert "1 file was refused" in text
        assert ".by-bob.yaml" in text
        assert "line 3: entries: must be a list" in text


def test_the_command_reads_reviews_beside_their_run_and_tells_of_those_that_it_refuses(tmp_path: Path) -> None:
    run = reviewed_run()
    path = save(run, tmp_path / "results")
    known = reviews(run)
    judgement_path(path, "right").write_text(judge_lines(known.judgements[0]), encoding="utf-8")
    save_annotations(known.annotations[0], annotations_path(path, "ann"))
    path.with_name(f"{path.stem}.by-bob.yaml").write_text("schema_version: 9\n", encoding="utf-8")
    path.with_name("20200101T000000Z-none-default.by-eve.yaml").write_text("", encoding="utf-8")
    (tmp_path / "mkdocs.yml").write_text("site_name: x\n", encoding="utf-8")
    (tmp_path / "site_templates").symlink_to(TEMPLATES)

    with drawn_once(tmp_path / ".cache" / "site"):
        done = CliRunner().invoke(
            main, ["site", "--pages-only", "--project", str(tmp_path), "--results", str(tmp_path / "results")]
        )

    assert done.exit_code == 0, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(
        f"bench: left out {tmp_path / 'results' / 'laptop'}/20200101T000000Z-none-default.by-eve"
    )
    assert lines[0].endswith("there is no run 'laptop/20200101T000000Z-none-default' that it could review")
    assert ".by-bob.yaml: " in lines[1]
    report = tmp_path / ".cache" / "site" / "project" / "docs" / "report"
    page = unescape((report / "agreement.md").read_text(encoding="utf-8"))
    assert "Judge right and people: almost perfect agreement, kappa 1.00" in page
    refused = unescape((report / "runs.md").read_text(encoding="utf-8"))
    assert "2 files were refused" in refused


def test_every_score_can_be_taken_along_with_who_gave_it(written: Path) -> None:
    header, *lines = (written / "report" / "data" / "scores.csv").read_text(encoding="utf-8").splitlines()

    assert header.startswith(
        "run,started_utc,machine,config,prompt_set,prompt,output,models,facet,says,weight,source,by,"
    )
    # 24 answers of two facets by the program and two judges, 12 of them by a person.
    assert len(lines) == 24 * 2 * 3 + 12 * 2


def test_without_a_review_the_page_of_agreement_says_how_to_make_one(tmp_path: Path, cache: Path) -> None:
    write_site(fixture_ledger(), tmp_path, TEMPLATES, cache)

    text = unescape((tmp_path / "report" / "agreement.md").read_text(encoding="utf-8"))
    assert "Only the program has scored answers so far" in text
    assert "bench judge latest --judge my-judge.yaml" in text
    assert "bench annotate latest --sample 40" in text
    assert "What the program’s scores rest on" in text


def test_a_judge_that_is_no_model_of_the_run_does_not_judge_itself() -> None:
    run = reviewed_run()
    scores = {(name, output("steady", name)): 5 for name in PROMPTS}
    of_no_model, of_steady = judged(run, "another", scores), judged(run, "steady", scores)
    found = of(run, reviewed={run.run.id: Reviews(judgements=(of_no_model, of_steady))})

    raters = found.raters.of(run).reviewers
    assert [rater.same_models for rater in raters] == [frozenset(), {"steady"}]


def test_refused_files_of_reviews_come_after_those_of_results() -> None:
    run = reviewed_run()
    ledger = Ledger((run,), (Refused("laptop/x.json", "is damaged"),))

    found = site(ledger, {run.run.id: reviews(run)})

    assert [one.path for one in found.refused] == ["laptop/x.json", f"{run.run.id}.by-bob.yaml"]


def test_every_page_of_a_reviewed_ledger_has_a_title_and_a_template() -> None:
    ledger, found = reviewed_ledger()

    pages = {page.address: page.title for page in pages_of(site(ledger, found))}

    assert pages["report/agreement.html"] == "Agreement"
