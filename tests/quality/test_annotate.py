"""Scores by a person: the blind session step by step, the keys in the terminal, and the form for an editor."""

import datetime as dt
import os
import re
import select
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bench.cli import main
from bench.quality.review.annotate import BlindSession, chosen, empty_annotations, given, with_scores
from bench.store.distinct_answers import answers
from bench.store.files import save
from bench.store.reviews import annotations_path, load_annotations, save_annotations
from tests.builders import STARTED_UTC
from tests.review_builders import RUN, annotations, reviewed_result

TODAY = STARTED_UTC.date()


@pytest.fixture
def run_path(tmp_path: Path) -> Path:
    return save(reviewed_result(), tmp_path)


def annotate(tmp_path: Path, *arguments: object, keys: str = "", name: str | None = "ann") -> Result:
    by = () if name is None else ("--annotator", name)
    words = ("annotate", RUN, "--results", tmp_path, *by, *arguments)
    return CliRunner().invoke(main, [str(word) for word in words], input=keys)


def scored(run_path: Path, name: str = "ann") -> dict[tuple[str, str, str], int]:
    return given(load_annotations(annotations_path(run_path, name), reviewed_result()))


def steps(session: BlindSession) -> list[tuple[str, str, str]]:
    found = []
    while session.current is not None:
        found.append(session.current.key)
        session.skip()
    return found


def test_each_facet_of_each_answer_comes_once_and_the_facets_of_one_together() -> None:
    run = reviewed_result()
    order = steps(BlindSession(chosen(run, empty_annotations(run, "ann", 42, None, TODAY)), {}))

    assert sorted(order) == sorted(
        (answer.prompt.id, answer.output, facet.id) for answer in answers(run) for facet in answer.prompt.facets
    )
    of_one = [key[2] for key in order if key[:2] == ("p1", "aa")]
    assert of_one == ["right", "short"]
    assert order.index(("p1", "aa", "short")) - order.index(("p1", "aa", "right")) == 1


def test_the_order_is_seeded_and_tells_nothing_of_the_models() -> None:
    run = reviewed_result()

    def order(seed: int) -> list[tuple[str, str, str]]:
        return steps(BlindSession(chosen(run, empty_annotations(run, "ann", seed, None, TODAY)), {}))

    assert order(1) == order(1)
    assert len({tuple(order(seed)) for seed in range(20)}) > 10


def test_scores_skips_and_undos() -> None:
    session = BlindSession(answers(reviewed_result())[:2], {})
    first = session.current
    assert first is not None

    assert not session.undo()
    session.score(5)
    session.skip()
    session.score(2)
    assert session.scores == {("p1", "aa", "right"): 5, ("p1", "bb", "right"): 2}
    assert session.undo()
    assert session.undo()
    assert session.current is not None
    assert session.current.key == ("p1", "aa", "short")
    session.score(1)
    session.undo()
    session.undo()

    assert session.current == first
    assert session.scores == {}
    assert (session.scored, session.facets, session.answers) == (0, 4, 2)


def test_what_has_a_score_is_not_asked_again() -> None:
    session = BlindSession(answers(reviewed_result())[:1], {("p1", "aa", "right"): 3})

    assert session.scored == 1
    assert steps(session) == [("p1", "aa", "short")]


def test_a_later_score_replaces_an_earlier_one_and_entries_are_sorted() -> None:
    before = annotations({("p2", "dd"): {"right": 1}, ("p1", "cc"): {"right": 2}})

    after = with_scores(before, {("p2", "dd", "right"): 5, ("p1", "aa", "short"): 4}, TODAY)

    assert [(entry.prompt, entry.output, entry.facets) for entry in after.entries] == [
        ("p1", "aa", {"short": 4}),
        ("p1", "cc", {"right": 2}),
        ("p2", "dd", {"right": 5}),
    ]


def test_an_entry_has_the_date_of_its_last_score() -> None:
    then, later = dt.date(2026, 1, 5), dt.date(2026, 1, 6)
    before = with_scores(annotations({}), {("p1", "aa", "right"): 5, ("p1", "cc", "right"): 2}, then)

    after = with_scores(before, {("p1", "aa", "right"): 5, ("p1", "cc", "right"): 3, ("p2", "dd", "right"): 1}, later)

    # A score that is given again is none that was given later.
    assert [(entry.output, entry.date) for entry in after.entries] == [("aa", then), ("cc", later), ("dd", later)]
    assert after.date == later


def test_a_whole_session_through_a_pipe(tmp_path: Path, run_path: Path) -> None:
    done = annotate(tmp_path, keys="12345123")

    assert done.exit_code == 0, done.output
    assert list(scored(run_path).values()).count(1) == 2
    assert sorted(scored(run_path).values()) == [1, 1, 2, 2, 3, 3, 4, 5]
    assert done.stdout.splitlines()[-2:] == [
        "8 of 8 facets scored by ann.",
        f"The scores are in {annotations_path(run_path, 'ann')}; commit it beside the result.",
    ]


def test_no_name_of_a_model_is_shown(tmp_path: Path, run_path: Path) -> None:
    done = annotate(tmp_path, keys="5" * 8)

    for word in ("big", "mid", "small", "tiny"):
        assert word not in done.stdout.replace(str(tmp_path), "")


def test_quitting_and_going_on(tmp_path: Path, run_path: Path) -> None:
    first = annotate(tmp_path, keys="5s3q")
    kept = scored(run_path)
    second = annotate(tmp_path, keys="1" * 6)

    assert "2 of 8 facets scored by ann.\nThe same command goes on with the others.\n" in first.stdout
    assert sorted(kept.values()) == [3, 5]
    assert second.stdout.startswith("6 of 8 facets to score. ")
    assert sorted(scored(run_path).values()) == [1, 1, 1, 1, 1, 1, 3, 5]
    assert kept.items() <= scored(run_path).items()


def test_undo_takes_a_score_out_of_the_file(tmp_path: Path, run_path: Path) -> None:
    done = annotate(tmp_path, keys="u5u4u")

    assert "nothing to undo" in done.stdout
    assert scored(run_path) == {}


def test_the_end_of_the_input_and_other_keys(tmp_path: Path, run_path: Path) -> None:
    done = annotate(tmp_path, keys="x7\n\n 5")

    assert done.exit_code == 0
    assert done.stdout.count("1 not met at all ... 5 fully met, s skip, u undo, q quit: ") == 2
    assert list(scored(run_path).values()) == [5]


def test_text_of_a_model_does_nothing_in_the_terminal(tmp_path: Path) -> None:
    run = reviewed_result()
    hostile = "\x1b[2J\x1b]0;title\x07[bold]five[/bold]\r--- answer 9 of 9 ---\n" + "w" * 200
    path = save(run.model_copy(update={"outputs": {**run.outputs, "dd": hostile}}), tmp_path)

    done = annotate(tmp_path, keys="3" * 8)

    assert "\x1b" not in done.stdout
    assert "\x07" not in done.stdout
    assert "  | \\x1b[2J\\x1b]0;title\\x07[bold]five[/bold]\\r--- answer 9 of 9 ---\n" in done.stdout
    long_lines = [line for line in done.stdout.splitlines() if "www" in line]
    assert len(long_lines) > 1
    assert all(line.startswith("  | ") for line in long_lines)
    assert len(scored(path)) == 8


def test_a_sample_is_kept_for_the_next_session(tmp_path: Path, run_path: Path) -> None:
    annotate(tmp_path, "--sample", 2, "--seed", 7, keys="5q")

    again = annotate(tmp_path, keys="q")
    file = load_annotations(annotations_path(run_path, "ann"))

    assert (file.sample, file.seed) == (2, 7)
    # One answer of each prompt: two facets and one.
    assert again.stdout.startswith("2 of 3 facets to score. ")


def press(keys: Sequence[str], command: Sequence[str]) -> tuple[str, int]:
    """Run a command in a terminal, with a key each time that it waits for one; return what it showed, and its exit."""
    why = "Windows has no terminals of this kind"
    pty, termios = pytest.importorskip("pty", reason=why), pytest.importorskip("termios", reason=why)
    terminal, inside = pty.openpty()
    process = subprocess.Popen(command, stdin=inside, stdout=inside, stderr=inside)
    os.close(inside)
    shown, waiting, before = b"", list(keys), 0
    while True:
        if select.select([terminal], [], [], 0.05)[0]:
            try:
                read = os.read(terminal, 65_536)
            except OSError:
                # That the other side was closed.
                break
            if not read:
                break
            shown += read
        asked = re.search(rb"(\[\d+/\d+\] [^\r\n]*|quit: )$", shown[before:]) is not None
        # Keys that come before the terminal gives them one by one are thrown away.
        if waiting and asked and not termios.tcgetattr(terminal)[3] & termios.ICANON:
            before = len(shown)
            os.write(terminal, waiting.pop(0).encode())
    os.close(terminal)
    return shown.decode(), process.wait()


def test_a_session_in_a_terminal_until_ctrl_c(tmp_path: Path, run_path: Path) -> None:
    command = [sys.executable, "-m", "bench", "annotate", RUN, "--results", str(tmp_path), "--annotator", "ann"]

    shown, code = press(["5", "u", "x", "4", "s", "\x03"], command)

    assert code == 0
    assert "1 not met at all ... 5 fully met, s skip, u undo, q quit: " in shown, (
        "x means nothing, and the keys are told"
    )
    assert "1 of 8 facets scored by ann.\r\n" in shown
    assert list(scored(run_path).values()) == [4]


def test_a_form_for_an_editor_there_and_back(tmp_path: Path, run_path: Path) -> None:
    form = tmp_path / "form.yaml"
    annotate(tmp_path, keys="5q")

    wrote = annotate(tmp_path, "--stub", form)
    text = form.read_text()
    assert "#   | What is the capital of France?\n" in text
    assert "# is one sentence\n" in text
    form.write_text(text.replace('"short":\n', '"short": 2\n', 1).replace('note: ""', 'note: "too long"', 1))
    read = annotate(tmp_path, "--import", form, name=None)

    command = f"bench annotate {RUN} --results {tmp_path} --annotator 'ann' --import {form}"
    assert wrote.stdout == f"Wrote {form}, with 5 answers. Fill it in, then: {command}\n"
    path = annotations_path(run_path, "ann")
    assert read.stdout == f"Read 2 scores from {form}, 0 in place of others. Wrote {path}\n"
    assert sorted(scored(run_path).values()) == [2, 5]
    assert "too long" in {entry.note for entry in load_annotations(path).entries}


def test_a_form_is_read_over_what_is_there(tmp_path: Path, run_path: Path) -> None:
    save_annotations(
        annotations({("p1", "aa"): {"right": 1, "short": 1}, ("p2", "dd"): {"right": 1}}),
        annotations_path(run_path, "ann"),
    )
    form = tmp_path / "form.yaml"
    save_annotations(annotations({("p1", "aa"): {"right": 5, "short": 1}}), form)

    done = annotate(tmp_path, "--import", form)

    assert "Read 2 scores" in done.stdout
    assert "1 in place of others" in done.stdout
    assert scored(run_path) == {("p1", "aa", "right"): 5, ("p1", "aa", "short"): 1, ("p2", "dd", "right"): 1}


def test_a_form_with_mistakes_changes_nothing(tmp_path: Path, run_path: Path) -> None:
    form = tmp_path / "form.yaml"
    annotate(tmp_path, "--stub", form)
    text = form.read_text().replace('"short":\n', '"short": 7\n', 1)
    form.write_text(text)
    line = text[: text.index('"short": 7')].count("\n") + 1
    index = text[: text.index('"short": 7')].count("- prompt:") - 1

    done = annotate(tmp_path, "--import", form)

    assert done.exit_code == 2
    assert done.stderr == (
        f"bench: {form}:{line}: entries[{index}].facets.short: must be a whole number from 1 to 5, found 7\n"
    )
    assert not annotations_path(run_path, "ann").exists()


def test_two_people_whose_names_make_one_file_name(tmp_path: Path, run_path: Path) -> None:
    annotate(tmp_path, keys="5q", name="Zoë")

    same = annotate(tmp_path, keys="4q", name="ZOË")
    other = annotate(tmp_path, keys="1q", name="Zoé")

    path = annotations_path(run_path, "Zoë")
    assert same.exit_code == 0
    assert other.exit_code == 2
    assert other.stderr == (
        f"bench: {path}: has the scores of 'Zoë', and 'Zoé' would be written to the same file; "
        "choose another name with --annotator\n"
    )
    assert sorted(score for entry in load_annotations(path).entries for score in entry.facets.values() if score) == [
        4,
        5,
    ]


def test_a_form_of_another_person(tmp_path: Path, run_path: Path) -> None:
    form = tmp_path / "form.yaml"
    annotate(tmp_path, "--stub", form)

    done = annotate(tmp_path, "--import", form, name="bob")

    assert done.exit_code == 2
    assert done.stderr == (
        f"bench: {form}: annotator: the form is of 'ann', and --annotator says 'bob'; a file has one person's scores\n"
    )


def test_scores_of_answers_that_are_gone_are_kept_and_told(tmp_path: Path, run_path: Path) -> None:
    save_annotations(annotations({("p1", "gone"): {"right": 1}}), annotations_path(run_path, "ann"))

    done = annotate(tmp_path, keys="5q")

    assert done.stderr == ("bench: ann's scores of answer gone to prompt p1 do not count: the run has no such answer\n")
    assert ("p1", "gone", "right") in scored(run_path)
    assert "1 of 8 facets scored by ann." in done.stdout


def test_a_run_that_is_not_there(tmp_path: Path, run_path: Path) -> None:
    done = CliRunner().invoke(main, ["annotate", "nonsense", "--results", str(tmp_path)])

    assert done.exit_code == 2
    assert done.stderr.startswith("bench: nonsense: no such run. Name a result file, a run of ")


def test_a_form_is_either_written_or_read(tmp_path: Path, run_path: Path) -> None:
    done = annotate(tmp_path, "--stub", tmp_path / "a", "--import", tmp_path / "b")

    assert done.exit_code == 2
    assert done.stderr == "bench: --stub writes a form and --import reads one: give one of the two\n"
