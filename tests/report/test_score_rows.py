"""Exported scores: one row for each source, facet and distinct answer."""

import csv
import io
import json
from pathlib import Path

from click.testing import CliRunner

from bench.cli import main
from bench.report.export import SCORE_COLUMNS, score_rows
from bench.store.files import save
from bench.store.reviews import Reviews
from tests.review_builders import annotations, judgement, reviewed_result, verdict


def test_each_source_has_a_row_for_each_facet_that_it_was_asked_about() -> None:
    run = reviewed_result()
    judged = judgement(verdict("p1", "aa", {"right": 5, "short": None}))
    scored = annotations({("p1", "aa"): {"right": 4}})

    found = score_rows([(run, Reviews(judgements=(judged,), annotations=(scored,)))])

    of_answer = [row for row in found if row["output"] == "aa"]
    assert [(row["facet"], row["source"], row["by"], row["score"]) for row in of_answer] == [
        ("right", "program", "program", 5.0),
        ("right", "judge", judged.header.judge, 5),
        ("right", "person", "ann", 4),
        ("short", "program", "program", 5.0),
        ("short", "judge", judged.header.judge, None),
    ]
    assert of_answer[0]["models"] == "big; mid"
    assert of_answer[0]["weight"] == 3.0


def test_half_a_credit_is_a_score_of_3() -> None:
    found = score_rows([(reviewed_result(), Reviews())])

    (half,) = [row for row in found if (row["output"], row["facet"]) == ("bb", "short")]
    assert half["score"] == 3.0


def test_the_last_verdict_on_a_question_counts() -> None:
    run = reviewed_result()
    judged = judgement(verdict("p2", "dd", {"right": None}), verdict("p2", "dd", {"right": 2}))

    found = score_rows([(run, Reviews(judgements=(judged,)))])

    assert [row["score"] for row in found if row["source"] == "judge"] == [2]


def test_the_command_gives_csv_json_and_markdown(tmp_path: Path) -> None:
    save(reviewed_result(), tmp_path)

    texts = {
        form: CliRunner()
        .invoke(main, ["export", "--results", str(tmp_path), "--of", "scores", "--format", form])
        .output
        for form in ("csv", "json", "md")
    }

    rows = list(csv.DictReader(io.StringIO(texts["csv"])))
    assert tuple(rows[0]) == SCORE_COLUMNS
    assert len(rows) == len(json.loads(texts["json"])) == 8
    assert (
        texts["md"]
        .splitlines()[2]
        .startswith(f"| {reviewed_result().run.id} | p1 | big; mid | right | program | program | 5.00 |")
    )
