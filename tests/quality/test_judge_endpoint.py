"""A judge behind an endpoint on loopback, asked by the command line, that replies in each form in which judges do."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner
from click.testing import Result as Done

from bench.cli import main
from bench.quality.judge.judging import KEPT_CHARACTERS, READ_CHARACTERS
from bench.schema.review import Verdict
from bench.store.files import save
from bench.store.reviews import judgement_path, load_judgement
from tests.builders import facet, model_run, prompt, result, sample
from tests.endpoint_server import Script, chunk, endpoint, events
from tests.review_builders import RUN

WHOLE = '{"facets": {"right": {"why": "it is", "score": 4}, "short": {"why": "one line", "score": 5}}}'
WHY = ("it is", "one line")
NO_OBJECT = "the reply has no JSON object"
OTHER_KEYS = "the JSON object in the reply does not have what was asked for"
CUT_OFF = "cut off after 512 tokens (generation.max_output_tokens)"
ASKED_FOR = '{"facets": {"right": {"why": "one short sentence", "score": N}}}'


@dataclass(frozen=True)
class Form:
    """A reply and what is taken from it: the scores of the facets right and short, their reasons, what was wrong.

    `reply` is the text of a whole answer, or the body of a stream. `kept` is whether the file keeps its text.
    """

    reply: str | bytes
    scores: tuple[int | None, int | None]
    why: tuple[str, str]
    problem: str | None = None
    kept: bool = True


def unread(reply: str | bytes, problem: str, kept: bool = True) -> Form:
    return Form(reply, (None, None), ("no verdict", "no verdict"), problem, kept)


def half(right: str, why: str) -> Form:
    """Return a reply of which the facet right has no score, and why, and short a 2."""
    reply = f'{{"facets": {{{right}"short": 2}}}}'
    return Form(reply, (None, 2), (why, ""), f"1 of 2 facets unscored: right ({why})")


def streamed(*pieces: str, finish: str | None = "stop", reasoning: tuple[str, ...] = (), done: bool = True) -> bytes:
    """Return the body of a stream: what was thought, what was said, and how it ended."""
    thought = [chunk(reasoning_content=piece) for piece in reasoning]
    return events(*thought, *map(chunk, pieces), chunk(finish=finish), done=done)


FORMS = {
    "plain JSON": Form(WHOLE, (4, 5), WHY),
    "JSON in pieces": Form(streamed(*WHOLE), (4, 5), WHY),
    "fenced JSON": Form(f"```json\n{WHOLE}\n```", (4, 5), WHY),
    "a fence without a language": Form(f"```\n{json.dumps(json.loads(WHOLE), indent=2)}\n```\n", (4, 5), WHY),
    "prose around JSON": Form(f"Here is my verdict:\n\n{WHOLE}\n\nI hope that {{this}} helps.", (4, 5), WHY),
    "said twice, alike": Form(f"{WHOLE}\n\nTo repeat: {WHOLE}", (4, 5), WHY),
    "bare scores": Form('{"right": 4, "short": 5.0}', (4, 5), ("", "")),
    "a list of facets": Form(
        '{"facets": [{"id": "short", "grade": 5}, {"facet": "right", "rating": "4", "reason": "yes"}]}',
        (4, 5),
        ("yes", ""),
    ),
    "scores out of five": Form('{"facets": {"right": "4/5", "short": {"score": "5 out of 5"}}}', (4, 5), ("", "")),
    "a facet that nobody asked for": Form('{"right": 4, "polite": 1, "short": 5}', (4, 5), ("", "")),
    "a reason of two lines": Form(
        '{"right": {"why": "yes,\\n\\u001b[31mred", "score": 4}, "short": 5}', (4, 5), ("yes, [31mred", "")
    ),
    "reasoning of its own": Form(
        streamed(WHOLE, reasoning=("The answer is short. ", 'So {"right": 1, "short": 1}?')), (4, 5), WHY
    ),
    "reasoning in the text": Form(f"<think>\nIt names the city {{Paris}}.\n</think>\n\n{WHOLE}", (4, 5), WHY),
    "a draft in the reasoning": Form(f'<think>Perhaps {{"right": 1, "short": 1}}? No.</think>{WHOLE}', (4, 5), WHY),
    "a draft in the text": unread(
        f'Perhaps {{"right": 1, "short": 1}}? No. {WHOLE}',
        "the reply has 2 JSON objects that do not agree",
    ),
    "nothing but reasoning": unread(
        streamed(reasoning=(WHOLE,)),
        "empty: the model thought, and then gave no answer (finish reason stop)",
        kept=False,
    ),
    "zero": half('"right": 0, ', "0 is no whole number from 1 to 5"),
    "six": half('"right": {"why": "superb", "score": 6}, ', "6 is no whole number from 1 to 5"),
    "minus one": half('"right": -1, ', "-1 is no whole number from 1 to 5"),
    "a broken number": half('"right": 3.5, ', "3.5 is no whole number from 1 to 5"),
    "of ten": half('"right": "8/10", ', '"8/10" is no whole number from 1 to 5'),
    "a word for a score": half('"right": "good", ', '"good" is no whole number from 1 to 5'),
    "a reason alone": half('"right": {"why": "hm"}, ', "has no score"),
    "one facet left out": half("", "not in the reply"),
    "one facet twice": half('"right": 4, "right": 2, ', "given twice, and not alike"),
    "prose with the score": unread("Right: 4/5. Short: 5/5.", NO_OBJECT),
    "a bare number": unread("4", NO_OBJECT),
    "a list of numbers": unread("[4, 5]", NO_OBJECT),
    "Python for JSON": unread("{'right': 4, 'short': 5}", NO_OBJECT),
    "a comma too many": unread('{"right": 4, "short": 5,}', NO_OBJECT),
    "the form repeated": unread(ASKED_FOR, NO_OBJECT),
    "facets in other letters": unread('{"facets": {"Right": 4, "Short": 5}}', OTHER_KEYS),
    "one score for all": unread('{"score": 4, "why": "fine"}', OTHER_KEYS),
    "a refusal": unread("I cannot help with that request.", NO_OBJECT),
    "a refusal in its own field": unread(
        events(chunk(refusal="I cannot help with that."), chunk(finish="stop")),
        "empty: the answer has no text (finish reason stop)",
        kept=False,
    ),
    "a filter": unread(
        streamed(finish="content_filter"),
        "content-filter: a filter of the endpoint stopped the answer; change the prompt, or the filter",
        kept=False,
    ),
    "a tool call": unread(
        events({"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0}]}, "finish_reason": "tool_calls"}]}),
        "tool-calls: the model called tools and gave no text; change the prompt, or serve it without tools",
        kept=False,
    ),
    "nothing": unread(streamed(), "empty: the answer has no text (finish reason stop)", kept=False),
    "white space": unread(" \n", "the reply is empty"),
    "cut off in the middle": unread(streamed(WHOLE[:40], finish="length"), f"{NO_OBJECT}; {CUT_OFF}"),
    "cut off after the verdict": Form(streamed(WHOLE, " Beyond that", finish="length"), (4, 5), WHY),
    "cut off within a facet": unread(streamed(WHOLE[:-3], finish="length"), f"{OTHER_KEYS}; {CUT_OFF}"),
    "a stream that just ends": unread(
        streamed(WHOLE[:40], finish=None, done=False),
        f"{NO_OBJECT}; cut-off: the stream ended without a finish reason",
    ),
    "a stream that says no more than that it is over": Form(streamed(WHOLE, finish=None), (4, 5), WHY),
    "a flood": unread("x" * 60_000, f"the reply has 60000 characters; more than {READ_CHARACTERS} are not read"),
}
PAIR_FORMS: tuple[tuple[str, str | None, str, str | None], ...] = (
    ('{"why": "it is right", "better": "A"}', "first", "it is right", None),
    ('```json\n{"better": "Answer B", "reason": "short"}\n```', "second", "short", None),
    ('They are alike: {"better": "tie"}', "neither", "", None),
    ('<think>A or B?</think>{"better": "b"}', "second", "", None),
    ('{"better": "C", "why": "x"}', None, "x", 'better is "C", not A, B or neither'),
    ("A", None, "", NO_OBJECT),
    ('{"winner": "A"}', None, "", OTHER_KEYS),
    ('{"better": "A"} or {"better": "B"}', None, "", "the reply has 2 JSON objects that do not agree"),
)
"""What is replied to a pair; then which answer is better, why, and what was wrong."""


@pytest.fixture
def run_path(tmp_path: Path) -> Path:
    """Save a run of one model with an answer for each form, which asks for that form."""
    rubric = (facet(id="right", says="is right"), facet(id="short", says="is one sentence"))
    outputs = {f"o{place:02}": f"Reply with {name}." for place, name in enumerate(FORMS)}
    samples = [sample(output=key, round=number) for number, key in enumerate(outputs, start=1)]
    run = result([model_run(samples=tuple(samples))], prompts=[prompt(facets=rubric)], outputs=outputs, grades=())
    return save(run, tmp_path / "results")


def asked_about(question: str) -> list[str]:
    return re.findall(r"\nReply with (.*)\.\n</", question)


def body(reply: str | bytes) -> bytes:
    return reply if isinstance(reply, bytes) else streamed(reply)


def judge_of_forms() -> Callable[[str], bytes]:
    """Return a judge that gives each answer the reply that it asks for, and to pairs one reply after the other."""
    pairs = iter(PAIR_FORMS)

    def reply(question: str) -> bytes:
        names = asked_about(question)
        return body(FORMS[names[0]].reply if len(names) == 1 else next(pairs)[0])

    return reply


def text_of(reply: str | bytes) -> str:
    """Return the text of a reply, without what was only thought."""
    if isinstance(reply, str):
        return reply
    lines = [line.removeprefix("data: ") for line in reply.decode().splitlines() if line.startswith("data: {")]
    return "".join(json.loads(line)["choices"][0]["delta"].get("content", "") for line in lines)


def bench_judge(tmp_path: Path, url: str, *arguments: object) -> Done:
    given = ["judge", RUN, "--results", tmp_path / "results", "--wait", *arguments]
    return CliRunner().invoke(main, [str(one) for one in given], env={"FOUNDRY_LOCAL_ENDPOINT": url})


@pytest.mark.slow
def test_each_form_of_a_reply(tmp_path: Path, run_path: Path) -> None:
    script = Script(models=("qwen2.5-14b",), answer=judge_of_forms())

    with endpoint(script) as url:
        done = bench_judge(tmp_path, url, "--judge", "judge-endpoint", "--repeat", 0, "--pairs", len(PAIR_FORMS) // 2)

    assert done.exit_code == 0, done.output
    path = judgement_path(run_path, "qwen2.5-14b")
    judgement = load_judgement(path)
    taken = {name: judgement.verdicts[place] for place, name in enumerate(FORMS)}
    assert {name: as_form(name, verdict) for name, verdict in taken.items()} == FORMS
    assert [(one.better, one.why, one.problem) for one in judgement.pairs] == [form[1:] for form in PAIR_FORMS]
    assert [one.reply for one in judgement.pairs] == [
        None if problem is None else reply for reply, _, _, problem in PAIR_FORMS
    ]
    whole = sum(form.problem is None for form in FORMS.values())
    assert (len(FORMS), whole) == (45, 16)
    told = [line for line in done.stdout.splitlines() if "score against length" not in line]
    # Of the two pairs that have a verdict in both orders one goes from neither to the answer shown second.
    assert told == [
        f"qwen2.5-14b on {RUN}: 45 answers judged, 16 with a score for each facet, 29 unscored in part or in whole",
        "  judged twice: no answer was judged twice",
        "  both orders: 50 % of 2 pairs flip, 0 for the answer shown first, 0 for the other",
        "  agreement with people: no person has scored answers of this run",
        f"Wrote {path}; commit it beside the result.",
    ]
    assert "qwen2.5-14b: answering, 53/53, 33 not read in full" in done.stderr


def as_form(name: str, verdict: Verdict) -> Form:
    """Return a verdict as the form that it came from."""
    reply = FORMS[name].reply
    right, short = verdict.facets
    assert (right.facet, short.facet) == ("right", "short")
    kept = verdict.reply is not None or verdict.problem is None
    assert verdict.reply in (None, text_of(reply)[:KEPT_CHARACTERS])
    return Form(reply, (right.score, short.score), (right.why, short.why), verdict.problem, kept)


@pytest.mark.slow
def test_what_the_judge_is_sent(tmp_path: Path, run_path: Path) -> None:
    script = Script(models=("qwen2.5-14b",), answer=judge_of_forms())

    with endpoint(script) as url:
        bench_judge(tmp_path, url, "--judge", "judge-endpoint", "--repeat", 0, "--pairs", 0)

    assert len(script.requests) == len(FORMS)
    sent = script.requests[0]
    (message,) = sent["messages"]
    assert (sent["model"], sent["temperature"], sent["max_tokens"]) == ("qwen2.5-14b", 0.0, 512)
    assert message["role"] == "user"
    assert "right: is right\nshort: is one sentence\n" in message["content"]
    assert sorted(name for one in script.requests for name in asked_about(one["messages"][0]["content"])) == sorted(
        FORMS
    )


@pytest.mark.slow
def test_replies_that_are_not_streamed(tmp_path: Path, run_path: Path) -> None:
    def reply(question: str) -> bytes:
        (name,) = asked_about(question)
        message = {"role": "assistant", "content": text_of(FORMS[name].reply), "reasoning_content": "Let me see."}
        return json.dumps({"model": "m", "choices": [{"message": message, "finish_reason": "stop"}]}).encode()

    path = tmp_path / "judge.yaml"
    path.write_text("stream: false\nmodels: [{provider: openai, name: whole, model: m}]\n")
    with endpoint(Script(content_type="application/json", answer=reply)) as url:
        done = bench_judge(tmp_path, url, "--judge", path, "--repeat", 0, "--pairs", 0)

    assert done.exit_code == 0, done.output
    verdicts = load_judgement(judgement_path(run_path, "whole")).verdicts
    scores = {name: tuple(one.score for one in verdicts[place].facets) for place, name in enumerate(FORMS)}
    assert scores == {name: form.scores for name, form in FORMS.items()}


@pytest.mark.slow
def test_an_endpoint_without_the_model(tmp_path: Path, run_path: Path) -> None:
    body = b'{"error": {"message": "no model qwen2.5-14b"}}'
    script = Script(body, "application/json", status=404, models=("qwen2.5-14b",))

    with endpoint(Script()) as url:
        done = bench_judge(tmp_path, url, "--judge", "judge-endpoint")
    assert done.exit_code == 1
    assert done.stderr.splitlines()[-1] == (
        f"bench: the judge qwen2.5-14b cannot be asked (not-found): {url} lists no model 'qwen2.5-14b'; it has m; "
        "set model to one of them, or unlisted: true if it takes other names as well"
    )
    assert not judgement_path(run_path, "qwen2.5-14b").exists()
    with endpoint(script) as url:
        done = bench_judge(tmp_path, url, "--judge", "judge-endpoint")

    assert done.exit_code == 1
    assert done.stderr.splitlines()[-1] == (
        f"bench: the judge qwen2.5-14b is down (not-found): {url} answered 404: no model qwen2.5-14b; "
        "set model to one that the endpoint has; it gave no verdict"
    )
    assert load_judgement(judgement_path(run_path, "qwen2.5-14b")).verdicts == ()
