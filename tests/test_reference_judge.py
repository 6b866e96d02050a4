"""The reference judge: what it was taught with, what is held out of that, and what it says in the real runtime."""

import hashlib
import itertools
import json
import random
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.analysis.agreement import agreement
from bench.cli import main
from bench.quality.judge_reply import read_preference, read_scores
from bench.quality.judgement_file import judgement_path, load_judgement
from bench.quality.questions import PAIR_TEMPLATE, TEMPLATE
from bench.quality.review import reviews_beside
from bench.reference import vocabulary
from bench.reference.judge.attempts import Attempts
from bench.reference.judge.corpus import Judged, write_judged, write_reply
from bench.reference.judge.details import SHIPPED_COUNTRIES, extract
from bench.reference.judge.families import summary
from bench.reference.judge.shipped import Shipped, literals, load_shipped_prompts
from bench.reference.judge.tokens import BAD, GOOD, fixed_pieces
from bench.reference.judge.train import STAGES
from bench.reference.recipes import JUDGE, RECIPES
from bench.reference.vocabulary import Words
from bench.results.store import load
from tests.benchmarks.judge import ANSWERS, load_answers

MODELS = Path(__file__).parent.parent / "bench" / "reference" / "models"


def take(count: int, seed: int = 7, held_out: bool = False) -> list[Judged]:
    return list(itertools.islice(write_judged(seed, held_out), count))


def take_shipped(count: int, seed: int = 7) -> list[Judged]:
    return list(itertools.islice(Attempts(load_shipped_prompts(), seed), count))


def shipped(name: str) -> Shipped:
    return next(one for one in load_shipped_prompts() if one.name == name)


def facets_of(judged: Judged) -> list[str]:
    return re.findall(r'"([\w-]+)": \{"why": "one short sentence"', judged.question)


def test_same_seed_same_text() -> None:
    assert take(60) == take(60)
    assert take(60) != take(60, seed=8)


def test_training_text_is_the_one_that_the_shipped_judge_was_trained_on() -> None:
    text = "\n".join(f"{one.family}|{one.question}|{one.reply}" for one in take(600, seed=31))

    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "347bf0a4b09ba205"


def test_shipped_prompts_are_asked_about_as_when_the_judge_was_trained() -> None:
    text = "\n".join(f"{one.kind}|{one.question}|{one.reply}" for one in take_shipped(300, seed=81))

    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "f477269aa447f298"


def test_the_stages_of_the_training_are_all_of_its_steps() -> None:
    assert sum(stage.steps for stage in STAGES) == RECIPES[JUDGE].steps


def test_every_shipped_prompt_with_a_rubric_is_taught_with_answers_good_and_bad() -> None:
    for one in load_shipped_prompts():
        best, worst = (one.grade(answer) for answer in (one.written[0], one.written[4]))
        assert all(facet.score == 5 for facet in best if facet.told), one.name
        assert any(facet.score == 1 for facet in worst if facet.told), one.name


def test_no_answer_that_tests_the_judge_was_written_to_teach_it() -> None:
    taught = {"".join(answer.split()).casefold() for one in load_shipped_prompts() for answer in one.written}
    tested = {"".join(answer.text.split()).casefold() for _, _, answer in load_answers(ANSWERS)}

    assert len(tested) > 200
    assert not tested & taught


def test_a_regular_expression_is_told_by_the_first_text_of_each_choice() -> None:
    assert literals(r"(?i)review.*price list.*(3 March|March 3)") == ("review", "price list", "3 March")
    assert literals(r"(?i)\b17(th)?( of)? September|September 17\b") == ("17 September",)
    assert literals(r"\A\s*\d{1,2}(st|nd|rd|th)? \w+\.?\s*\Z") == ()


def test_a_fact_of_many_is_marked_by_itself() -> None:
    graded = shipped("summarisation/launch-plan").grade("The launch moves to 23 May. Henrik tests.")

    facts = next(one for one in graded if one.facet == "facts")
    assert facts.score == 3
    assert facts.why == (
        "wants 23 May (there) accessib (missing) slider (missing) Henrik Dahl (there) Chipo Moyo (missing) test (there)"
    )


def test_a_facet_that_no_program_can_tell_gets_the_mean_of_the_others() -> None:
    graded = shipped("workshop/model-size-latency").grade("Each token needs all weights from memory.")

    assert [(one.facet, one.score) for one in graded] == [
        ("facts", 3),
        ("short", 5),
        ("no-repetition", 5),
        ("sound", 4),
    ]
    assert graded[-1].why == "as the others"


def test_every_reply_reads_as_a_whole_verdict() -> None:
    for judged in (*take(400), *take_shipped(300)):
        if "pair" in (judged.family, judged.kind):
            assert read_preference(judged.reply).problem is None
        else:
            assert read_scores(judged.reply, facets_of(judged)).problem is None


def test_a_bad_mark_and_a_full_score_never_stand_together() -> None:
    for judged in (*take(400), *take_shipped(300)):
        facets = json.loads(judged.reply).get("facets", {})
        marked = [facet for facet in facets.values() if any(mark in facet["why"] for mark in (*GOOD, *BAD))]
        for facet in marked:
            assert any(mark in facet["why"] for mark in BAD) == (facet["score"] < 5), facet


def test_training_names_no_person_and_no_date_that_is_held_out() -> None:
    first, last = "|".join(vocabulary.FIRST_NAMES), "|".join(vocabulary.LAST_NAMES)
    texts = [one.question.partition("The answer:")[0] for one in take(1500) if one.family not in ("strange", "pair")]

    people = set(re.findall(rf"\b(?:{first}) (?:{last})\b", "\n".join(texts)))

    assert len(people) > 800
    assert not people & vocabulary.held_out_people()


def test_training_asks_for_no_capital_that_a_shipped_prompt_asks_for() -> None:
    questions = "\n".join(one.question for one in take(2000) if one.family == "fact")

    assert "capital of Japan" in questions
    assert not any(f"capital of {country}?" in questions for country in SHIPPED_COUNTRIES)


def test_a_right_answer_gets_full_marks_with_its_words_marked_as_there() -> None:
    task = summary(Words(random.Random(3)))

    reply = write_reply(task.grade(task.answer))

    graded = {name: facet["score"] for name, facet in json.loads(reply)["facets"].items()}
    assert (graded["decision"], graded["owner"], graded["deadline"]) == (5, 5, 5)
    assert " (there)" in reply
    assert " (missing)" not in reply


def test_a_half_right_name_has_one_word_missing() -> None:
    draw = random.Random(5)
    tasks = (extract(Words(draw)) for _ in range(200))
    task = next(one for one in tasks if one.facets[0].record.id == "first-name")
    first, _ = task.answer.split()

    graded = task.grade(f"{first} Nobody")

    assert [one.score for one in graded] == [5, 1, 5]
    assert [one.why for one in graded][:2] == [f"wants {first} (there)", f"wants {task.answer.split()[1]} (missing)"]


def test_fixed_pieces_are_those_of_the_templates() -> None:
    pieces = fixed_pieces()

    assert len(set(pieces)) == len(pieces)
    assert sum(piece in TEMPLATE for piece in pieces) >= 5
    assert sum(piece in PAIR_TEMPLATE for piece in pieces) >= 5


@pytest.mark.runtime
def test_the_judge_that_ships_agrees_with_the_program_in_the_real_runtime(tmp_path: Path) -> None:
    asked = tmp_path / "asked.yaml"
    models = "".join(f"  - path: {MODELS / name}\n" for name in ("ledger-l-int8", "ledger-xs-fp32"))
    asked.write_text(f"prompts: default\nrounds: 1\nwarmup: 0\nprobe: false\nmodels:\n{models}")
    folder = str(tmp_path / "results")
    ran = CliRunner().invoke(main, ["run", str(asked), "--results", folder, "--quiet"], catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    (run,) = (tmp_path / "results").glob("*/*.json")

    done = CliRunner().invoke(
        main, ["judge", str(run), "--judge", "judge", "--repeat", "2", "--pairs", "2"], catch_exceptions=False
    )

    assert done.exit_code == 0, done.output
    judgement = load_judgement(judgement_path(run, "ledger-judge-int8"))
    scores = [facet.score for verdict in judgement.verdicts for facet in verdict.facets]
    assert sum(score is not None for score in scores) / len(scores) > 0.95
    result = load(run)
    (pair,) = agreement(result, reviews_beside(run, result.run.id)).pairs
    assert pair.overall.scored > 90
    assert pair.overall.value is not None
    assert pair.overall.value > 0.5
