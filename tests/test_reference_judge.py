"""The reference judge: what it was taught with, what is held out of that, and what it says in the real runtime."""

import hashlib
import itertools
import json
import random
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.cli import main
from bench.quality.judge_reply import read_preference, read_scores
from bench.quality.judgement_file import judgement_path, load_judgement
from bench.quality.questions import PAIR_TEMPLATE, TEMPLATE
from bench.reference import vocabulary
from bench.reference.judge.corpus import Judged, write_judged, write_reply
from bench.reference.judge.details import SHIPPED_COUNTRIES, extract
from bench.reference.judge.families import summary
from bench.reference.judge.tokens import BAD, GOOD, fixed_pieces
from bench.reference.vocabulary import Words

MODELS = Path(__file__).parent.parent / "bench" / "reference" / "models"


def take(count: int, seed: int = 7, held_out: bool = False) -> list[Judged]:
    return list(itertools.islice(write_judged(seed, held_out), count))


def facets_of(judged: Judged) -> list[str]:
    return re.findall(r'"([\w-]+)": \{"why": "one short sentence"', judged.question)


def test_same_seed_same_text() -> None:
    assert take(60) == take(60)
    assert take(60) != take(60, seed=8)


def test_training_text_is_the_one_that_the_shipped_judge_was_trained_on() -> None:
    text = "\n".join(f"{one.family}|{one.question}|{one.reply}" for one in take(600, seed=31))

    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "347bf0a4b09ba205"


def test_every_reply_reads_as_a_whole_verdict() -> None:
    for judged in take(400):
        if judged.family == "pair":
            assert read_preference(judged.reply).problem is None
        else:
            assert read_scores(judged.reply, facets_of(judged)).problem is None


def test_a_bad_mark_and_a_full_score_never_stand_together() -> None:
    for judged in take(400):
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
def test_the_judge_that_ships_gives_verdicts_in_the_real_runtime(tmp_path: Path) -> None:
    asked = tmp_path / "asked.yaml"
    asked.write_text(
        f"prompts: default\nrounds: 1\nwarmup: 0\nprobe: false\nmodels: [{{path: {MODELS / 'ledger-l-int8'}}}]\n"
    )
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
    assert len(scores) > 50
    assert sum(score is not None for score in scores) / len(scores) > 0.8
    assert {1, 5} <= set(scores)
