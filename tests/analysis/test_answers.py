"""Equal answers folded, answers that waver, answers that changed since the last comparable run."""

from datetime import UTC, datetime
from typing import Any

import pytest

from bench.analysis.answers import (
    AnswerChange,
    AnswerChanges,
    AnswerConsistency,
    ChangedAnswer,
    OutputCount,
    PromptOutputs,
    WordSpan,
    answer_changes,
    changed_answers,
    consistency,
    prompt_outputs,
)
from bench.schema.result import Result
from tests import builders
from tests.builders import failed_sample, model_run, prompt, result, sample


def run_of(outputs: dict[str, str], day: int = 1, temperature: float | None = 0.0, **fields: Any) -> Result:
    """Return a run of January 2026 with a model's answers to each prompt, one output a letter, round by round."""
    samples = tuple(
        sample(prompt=prompt, output=output, round=number)
        for prompt, keys in outputs.items()
        for number, output in enumerate(keys, start=1)
    )
    generation = {} if temperature is None else {"generation": {"temperature": temperature}}
    defaults: dict[str, Any] = {
        "started_utc": datetime(2026, 1, day, tzinfo=UTC),
        "config": builders.config(resolved=generation),
    }
    return result([model_run(samples=samples, warmup=(sample(round=0, output="w"),))], **(defaults | fields))


def folded(key: str, count: int) -> OutputCount:
    return OutputCount(key, f"text of {key}", count)


def test_equal_answers_are_folded_with_a_count() -> None:
    run = run_of({"p1": "abab", "p2": "cbb"})

    assert prompt_outputs(run, run.models[0]) == (
        PromptOutputs("tiny", "p1", (folded("a", 2), folded("b", 2))),
        PromptOutputs("tiny", "p2", (folded("b", 2), folded("c", 1))),
    )


def test_failed_samples_say_nothing() -> None:
    run = result([model_run(samples=(failed_sample("cut-off", output="a", end_ns=1), sample(output="b", round=2)))])

    assert prompt_outputs(run, run.models[0]) == (PromptOutputs("tiny", "p1", (folded("b", 1),)),)


def test_one_answer_in_every_round_is_consistent() -> None:
    run = run_of({"p1": "aaa", "p2": "bb", "p3": "c"})

    assert consistency(run, run.models[0]) == AnswerConsistency("tiny", 2, (), None)


def test_two_answers_at_temperature_0_are_a_finding() -> None:
    run = run_of({"p1": "aba", "p2": "bb"})

    assert consistency(run, run.models[0]) == AnswerConsistency(
        "tiny", 2, (PromptOutputs("tiny", "p1", (folded("a", 2), folded("b", 1))),), None
    )


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (run_of({"p1": "ab"}, temperature=0.7),
         AnswerConsistency("tiny", 1, (), "answers are drawn at temperature 0.7")),
        (run_of({"p1": "ab"}, temperature=None),
         AnswerConsistency("tiny", 1, (), "the run does not say at which temperature it was")),
        (run_of({"p1": "a", "p2": "b"}), AnswerConsistency("tiny", 0, (), "no prompt has two good answers")),
    ],
    ids=["drawn", "unknown", "asked once"],
)  # fmt: skip
def test_where_one_answer_is_not_to_be_expected(run: Result, expected: AnswerConsistency) -> None:
    assert consistency(run, run.models[0]) == expected


def test_an_answer_that_was_not_said_in_the_run_before_changed() -> None:
    runs = [run_of({"p1": "aab", "p2": "c", "p3": "c"}, day) for day in (1, 2)]
    newest = run_of({"p1": "bbb", "p2": "a", "p4": "c"}, 3)

    assert answer_changes([newest, *runs], newest, newest.models[0]) == AnswerChanges(
        model="tiny",
        since=runs[1].run.id,
        prompts=2,
        changed=(
            ChangedAnswer(
                prompt="p2",
                before=folded("c", 1),
                after=folded("a", 1),
                spans=(WordSpan("same", "text of "), WordSpan("removed", "c"), WordSpan("added", "a")),
            ),
        ),
        why=None,
    )


@pytest.mark.parametrize(
    "earlier",
    [
        {"prompt_set": builders.prompt_set(sha256="6" * 64)},
        {"machine_name": "desk"},
        {"temperature": 0.5},
        {"day": 5},
        {"day": 2},
        {"outputs": {}},
    ],
    ids=["prompts", "machine", "temperature", "later", "itself", "no good answer"],
)
def test_a_run_that_cannot_be_compared_is_passed_over(earlier: dict[str, Any]) -> None:
    newest = run_of({"p1": "a"}, 2)
    fields: dict[str, Any] = {"outputs": {"p1": "b"}, "day": 1} | earlier
    other = run_of(**fields)

    assert answer_changes([other, newest], newest, newest.models[0]) == AnswerChanges(
        "tiny", None, 0, (), "no earlier run in the same context"
    )


def test_answers_that_are_drawn_are_not_compared() -> None:
    runs = [run_of({"p1": "a"}, 1, temperature=1.0), run_of({"p1": "b"}, 2, temperature=1.0)]

    assert answer_changes(runs, runs[1], runs[1].models[0]) == AnswerChanges(
        "tiny", None, 0, (), "answers are drawn at temperature 1.0"
    )


def test_answers_that_changed_between_two_runs() -> None:
    before = model_run(
        samples=(
            sample(prompt="p1", output="a"),
            sample(prompt="p1", output="b", round=2),
            sample(prompt="p2", output="a"),
            sample(prompt="p3", output="a"),
            sample(prompt="p4", output="a"),
        )
    )
    after = model_run(
        samples=(
            sample(prompt="p1", output="b"),
            sample(prompt="p1", output="a", round=2),
            sample(prompt="p2", output="c"),
            sample(prompt="p2", output="a", round=2),
            failed_sample(prompt="p3", output="a"),
            sample(prompt="p5", output="c"),
        )
    )
    names = [f"p{number}" for number in range(1, 6)]
    runs = [
        result([model], prompts=[prompt(id=name) for name in some])
        for model, some in ((before, names[:4]), (after, names))
    ]

    assert changed_answers(*runs) == (
        AnswerChange("tiny", "p2", ("text of a",), ("text of c", "text of a")),
        AnswerChange("tiny", "p3", ("text of a",), ()),
        AnswerChange("tiny", "p4", ("text of a",), ()),
    )


def test_equal_texts_under_other_keys_are_the_same_answer() -> None:
    before = result([model_run(samples=(sample(output="k1"),))], outputs={"k1": "Paris."})
    after = result([model_run(samples=(sample(output="k2"),))], outputs={"k2": "Paris."})

    assert changed_answers(before, after) == ()
    assert changed_answers(after, after) == ()


def test_models_of_one_run_alone_have_no_changed_answers() -> None:
    assert changed_answers(result([model_run(name="a")]), result([model_run(name="b")])) == ()
