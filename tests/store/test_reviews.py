"""Review files beside a result: found, read, refused with the reason, and never mistaken for another run's."""

import re
from pathlib import Path

import pytest

from bench.errors import ConfigError, EmptyLedger, ResultError, UsageError
from bench.quality.review.annotate import stub
from bench.schema.review import Annotation
from bench.store.files import Refused, result_paths, save
from bench.store.reviews import (
    JudgementFile,
    annotations_path,
    find_run,
    judgement_path,
    judges_itself,
    load_annotations,
    load_judgement,
    review_mistakes,
    reviews_of,
    save_annotations,
    save_stub,
    uncounted,
)
from tests.builders import COMMIT, STARTED_UTC, model_run, result
from tests.review_builders import RUN, annotations, judge_lines, judgement, pair, reviewed_result, verdict

ENTRY = {("p1", "aa"): {"right": 5, "short": 4}}


@pytest.fixture
def run_path(tmp_path: Path) -> Path:
    return save(reviewed_result(), tmp_path)


def test_a_run_by_path_by_id_and_the_newest(tmp_path: Path) -> None:
    old = save(result(), tmp_path)
    new = save(result(machine_name="kiosk", started_utc=STARTED_UTC.replace(year=2027)), tmp_path)

    assert find_run(str(old), tmp_path).path == old
    assert find_run("latest", tmp_path).path == new
    found = find_run(f"kiosk/20270105T090000Z-{COMMIT}-default", tmp_path)
    assert found.path == new
    assert found.result.machine.name == "kiosk"


def test_a_run_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(EmptyLedger, match=re.escape(f"{tmp_path}: there is no result; make the first run")):
        find_run("latest", tmp_path)
    save(result(), tmp_path)

    with pytest.raises(UsageError) as caught:
        find_run("laptop/nonsense", tmp_path)

    assert str(caught.value) == (
        f"laptop/nonsense: no such run. Name a result file, a run of {tmp_path}, or latest; the newest: {RUN}"
    )


def test_a_result_in_another_place_than_its_id_says(tmp_path: Path) -> None:
    moved = save(result(), tmp_path).rename(tmp_path / "moved.json")

    with pytest.raises(ResultError, match=re.escape(f"its run id is '{RUN}': move it to {RUN}.json")):
        find_run(str(moved), tmp_path)


def test_reviews_lie_beside_the_result_and_are_no_results(run_path: Path, tmp_path: Path) -> None:
    path = judgement_path(run_path, "Judy 14.B")
    path.write_text(
        judge_lines(judgement(verdict("p1", "aa", {"right": 5, "short": 5}), pair("p1", "aa", "cc", "first")))
    )
    save_annotations(annotations(ENTRY), annotations_path(run_path, "Ann"))

    reviews = reviews_of(tmp_path, RUN)

    assert path.name == f"{run_path.stem}.judge-judy-14-b.jsonl"
    assert result_paths(tmp_path) == (run_path,)
    (judged,) = reviews.judgements
    assert [facet.score for facet in judged.verdicts[0].facets] == [5, 5]
    assert judged.pairs[0].better == "first"
    assert [one.annotator for one in reviews.annotations] == ["ann"]
    assert reviews.refused == ()
    assert reviews_of(tmp_path, "laptop/another").judgements == ()


def test_a_line_that_was_cut_off_is_left_out_and_the_next_begins_on_its_own(run_path: Path) -> None:
    path = judgement_path(run_path, "judy")
    text = judge_lines(judgement(verdict("p1", "aa", {"right": 5, "short": 5}), verdict("p2", "dd", {"right": 1})))
    path.write_text(text[:-30])

    assert [one.output for one in load_judgement(path).verdicts] == ["aa"]
    file = JudgementFile(path)
    file.append(verdict("p2", "ee", {"right": 2}))
    file.close()

    assert [one.output for one in load_judgement(path).verdicts] == ["aa", "ee"]


def test_the_last_verdict_on_a_question_counts(run_path: Path) -> None:
    path = judgement_path(run_path, "judy")
    path.write_text(judge_lines(judgement(verdict("p2", "dd", {"right": None}), verdict("p2", "dd", {"right": 4}))))

    (kept,) = load_judgement(path).verdicts

    assert kept.facets[0].score == 4


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda text: "", "has no header; delete it and judge again"),
        (lambda text: "{}\n", "line 1 is no header: schema_version: Field required; delete the file and judge again"),
        (lambda text: "nonsense\n", "line 1 is no header; delete the file and judge again"),
        (
            lambda text: text.replace('"schema_version": 1', '"schema_version": 2'),
            "has schema version 2; this program reads up to 1: upgrade benchledger",
        ),
        (lambda text: text.replace('"score": 5', '"score": 7'), "line 2 is damaged: answer.facets.0.score: "),
        (lambda text: text + "[]\n", "line 3 is damaged: "),
    ],
    ids=["empty", "no fields", "no JSON", "newer", "a score of 7", "a list"],
)
def test_a_damaged_judgement_is_refused_and_the_other_reviews_are_kept(
    run_path: Path, tmp_path: Path, damage: object, reason: str
) -> None:
    assert callable(damage)
    path = judgement_path(run_path, "judy")
    path.write_text(damage(judge_lines(judgement(verdict("p2", "dd", {"right": 5})))))
    save_annotations(annotations(ENTRY), annotations_path(run_path, "ann"))

    reviews = reviews_of(tmp_path, RUN)

    (refused,) = reviews.refused
    assert refused.path == f"laptop/{path.name}"
    assert refused.reason.startswith(reason)
    assert len(reviews.annotations) == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xff", "is not UTF-8 text (byte 0); save it as UTF-8"),
        (b"[" * 500, "line 1: has more than 100 levels of nesting; is a bracket left open?"),
        (b"", "line 1: must hold keys and values (see docs/configuration.md), found nothing"),
    ],
    ids=["latin-1", "deep", "empty"],
)
def test_a_persons_file_that_cannot_be_read_is_refused_with_the_reason(
    content: bytes, reason: str, run_path: Path, tmp_path: Path
) -> None:
    annotations_path(run_path, "ann").write_bytes(content)

    (refused,) = reviews_of(tmp_path, RUN).refused

    assert (refused.path, refused.reason) == (f"laptop/{run_path.stem}.by-ann.yaml", reason)


def test_a_review_of_another_run_is_refused(run_path: Path, tmp_path: Path) -> None:
    other = result(config_name="other")
    judgement_path(run_path, "judy").write_text(judge_lines(judgement(run=other)))

    (refused,) = reviews_of(tmp_path, RUN).refused

    assert refused.reason == f"it reviews the run {other.run.id!r}, and lies beside {RUN!r}"


def test_reviews_of_no_run_are_told(run_path: Path, tmp_path: Path) -> None:
    judgement_path(run_path, "judy").write_text(judge_lines(judgement()))
    assert review_mistakes(tmp_path) == ()
    run_path.unlink()

    assert review_mistakes(tmp_path) == (
        Refused(f"{RUN}.judge-judy.jsonl", f"there is no run {RUN!r} that it could review"),
    )


def test_a_persons_file_is_read_as_it_was_written(run_path: Path) -> None:
    path = annotations_path(run_path, "ann")
    written = annotations(
        ENTRY,
        sample=3,
        entries=(
            Annotation(
                prompt="p1", output="1234567890123456", facets={"right": 2, "short": None}, note="é: \x07 'x'\n"
            ),
            Annotation(prompt="p2", output="1234e567", facets={"right": None}),
        ),
    )

    save_annotations(written, path)

    first = Annotation(prompt="p1", output="1234567890123456", facets={"right": 2}, note="é: \x07 'x'\n")
    assert load_annotations(path) == written.model_copy(update={"entries": (first,)})


def annotation_text(entries: str, run: str = RUN, annotator: str = "ann") -> str:
    return f"schema_version: 1\nrun: {run}\nannotator: {annotator}\ndate: 2026-01-05\nentries:\n{entries}"


def test_every_mistake_of_a_persons_file_is_told_by_line_and_key(run_path: Path) -> None:
    path = annotations_path(run_path, "ann")
    path.write_text(
        annotation_text(
            "  - {prompt: p1, output: aa, facets: {right: 7, short: four}}\n"
            "  - {prompt: p2, output: dd, facets: {right: true}, score: 3}\n"
            "  - {prompt: p2, output: 12, facets: {right: 3.5}}\n"
        )
    )

    with pytest.raises(ConfigError) as caught:
        load_annotations(path)

    assert str(caught.value).splitlines() == [
        f"{path}:6: entries[0].facets.right: must be a whole number from 1 to 5, found 7",
        f'{path}:6: entries[0].facets.short: must be a whole number from 1 to 5, found "four"',
        f"{path}:7: entries[1].facets.right: must be a whole number from 1 to 5, found true",
        f"{path}:7: entries[1].score: is not a known key (known keys: date, facets, note, output, prompt)",
        f"{path}:8: entries[2].output: must be text, found 12",
        f"{path}:8: entries[2].facets.right: must be a whole number from 1 to 5, found 3.5",
    ]


def test_what_does_not_fit_the_run_is_told_by_line_and_key(run_path: Path) -> None:
    path = annotations_path(run_path, "ann")
    path.write_text(
        annotation_text(
            "  - {prompt: p1, output: aa, facets: {right: 5}}\n"
            "  - {prompt: p1, output: aa, facets: {short: 5}}\n"
            "  - {prompt: p1, output: cc, facets: {rihgt: 5}}\n"
            "  - {prompt: p12, output: cc, facets: {right: 5}}\n"
            "  - {prompt: p1, output: gone, facets: {right: 5}}\n",
            run="laptop/other",
            annotator="bob",
        )
    )

    with pytest.raises(ConfigError) as caught:
        load_annotations(path, reviewed_result())

    assert str(caught.value).splitlines() == [
        f"{path}:2: run: the file's name says {run_path.stem!r}, found 'laptop/other'",
        f"{path}:2: run: these are scores of another run: found 'laptop/other', not {RUN!r}",
        f"{path}:3: annotator: the file's name says 'ann', found 'bob'; a file has one person's scores",
        f"{path}:7: entries[1]: this answer is scored in entries[0] already; keep one of the two",
        f"{path}:8: entries[2].facets.rihgt: prompt 'p1' has no facet 'rihgt'; did you mean 'right'? "
        "(it has: right, short)",
        f"{path}:9: entries[3].prompt: the run has no prompt 'p12'; did you mean 'p2'?",
    ]


def test_scores_of_an_answer_that_is_no_longer_there_do_not_count() -> None:
    scored = annotations({("p1", "aa"): {"right": 5}, ("p1", "dd"): {"right": 5}, ("p2", "gone"): {"right": 1}})

    assert uncounted(scored, reviewed_result()) == (
        "ann's scores of answer dd to prompt p1 do not count: the run has no such answer",
        "ann's scores of answer gone to prompt p2 do not count: the run has no such answer",
    )


def test_a_name_that_gives_no_file_name(run_path: Path) -> None:
    with pytest.raises(UsageError, match="has no letter from a to z and no digit for a file name"):
        annotations_path(run_path, "李")
    assert annotations_path(run_path, "Ann-Marie O'Neill").name == f"{run_path.stem}.by-ann-marie-o-neill.yaml"


def test_hostile_text_stays_in_the_comments_of_a_form(tmp_path: Path) -> None:
    hostile = 'x\nentries: []\r# no\x85facets: {right: 5}\u2028note: "\x1b[2J'
    run = reviewed_result().model_copy(update={"outputs": {**reviewed_result().outputs, "aa": hostile}})
    path = tmp_path / "form.yaml"

    save_stub(stub(run, annotations({("p1", "aa"): {"right": 2}})), run, path, "bench\nannotate")

    read = load_annotations(path, run)
    assert len(read.entries) == 5
    assert {(entry.prompt, entry.output): entry.facets for entry in read.entries}["p1", "aa"] == {
        "right": 2,
        "short": None,
    }
    assert '  #   | entries: []\\r# no\\x85facets: {right: 5}\\u2028note: "\\x1b[2J\n' in path.read_text()


def test_a_form_has_the_whole_conversation(tmp_path: Path) -> None:
    run = reviewed_result()
    talk = [one.model_copy(update={"system": "Be brief."}) for one in run.prompt_set.prompts]
    run = run.model_copy(update={"prompt_set": run.prompt_set.model_copy(update={"prompts": tuple(talk)})})
    path = tmp_path / "form.yaml"

    save_stub(stub(run, annotations({("p1", "aa"): {"right": 2}})), run, path, "bench annotate")

    lines = path.read_text().splitlines()
    assert "  #   | System: Be brief." in lines
    assert "  #   | User: What is the capital of France?" in lines


def test_a_form_overwrites_nothing(tmp_path: Path) -> None:
    path = tmp_path / "form.yaml"
    path.write_text("mine")

    with pytest.raises(UsageError, match="exists already; name another file, or delete it"):
        save_stub(annotations(ENTRY), reviewed_result(), path, "bench annotate")
    assert path.read_text() == "mine"


def test_a_judge_that_judges_itself_is_known_by_what_was_asked_for_or_resolved() -> None:
    judge = judgement(judge="judy")

    assert judge.header.judges_itself == ()
    assert not judges_itself(judge, model_run(requested="big", variant_id=None))
    assert judges_itself(judge, model_run(requested="judy", variant_id="another"))
    assert judges_itself(judge.header, model_run(requested="alias", variant_id="judy-generic-cpu:3"))
    assert judgement(judge="mid-alias").header.judges_itself == ("mid",)
    assert judgement(judge="small").header.judges_itself == ("small",)
