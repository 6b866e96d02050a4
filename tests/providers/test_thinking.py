"""Thoughts inside the content of an answer: told apart wherever the stream was cut."""

import json
from itertools import accumulate

import pytest

from bench.providers.openai.sse import decoded_body, decoded_stream
from bench.providers.protocol import Decoded
from bench.providers.thinking import MARKS
from tests.endpoint_server import chunk, events

THOUGHT = "<think>\nA < b, so...\n</think>\n\nYes </b>."


def thought(decoded: Decoded) -> str:
    return "".join(piece.text for piece in decoded.pieces if piece.reasoning)


def answer(decoded: Decoded) -> str:
    return "".join(piece.text for piece in decoded.pieces if not piece.reasoning)


def cut(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


@pytest.mark.parametrize("size", range(1, len(THOUGHT) + 1))
def test_a_thought_is_told_apart_however_the_stream_was_cut(size: int) -> None:
    parts = cut(THOUGHT, size)

    decoded = decoded_stream([events(chunk(part), done=False) for part in parts] + [events(chunk(finish="stop"))])

    assert (thought(decoded), answer(decoded)) == (THOUGHT[:-9], "Yes </b>.")
    # Each piece keeps the event that brought it, and a piece with both becomes two.
    brought = ["".join(piece.text for piece in decoded.pieces if piece.event == place) for place in range(len(parts))]
    assert brought == parts
    inside = len(THOUGHT) - 9
    assert len(decoded.pieces) == len(parts) + (inside not in accumulate(map(len, parts)))


@pytest.mark.parametrize(("opening", "closing"), MARKS)
@pytest.mark.parametrize("before", ["", "\n "])
def test_every_mark_in_use(opening: str, closing: str, before: str) -> None:
    for parts in ([f"{before}{opening}hm{closing} Yes."], cut(f"{before}{opening}hm{closing} Yes.", 3)):
        decoded = decoded_stream([events(*map(chunk, parts), chunk(finish="stop"))])

        assert answer(decoded) == "Yes."
        assert thought(decoded) == f"{before}{opening}hm{closing} "


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("Yes.", "Yes."),
        ("", ""),
        ("<think></think>Yes.", "Yes."),
        ("<think>a</think><think>b</think>Yes.", "Yes."),
        ("<think>a</think>\n[THINK]b[/THINK]\nYes.", "Yes."),
        # Some templates have the beginning in the prompt.
        ("so it is\n</think>\n\nYes.", "Yes."),
        ("<think>it never ends", ""),
        ("<think", "<think"),
        # What an answer says of the marks is answer.
        ("Yes. <think> begins a thought.", "Yes. <think> begins a thought."),
        ("<b>Yes</b>", "<b>Yes</b>"),
        ("Write <think>so</think>.", "Write <think>so</think>."),
        ("<think>a</think>Write <think>so</think>.", "Write <think>so</think>."),
        ("<thinker>Yes.", "<thinker>Yes."),
    ],
)
def test_where_the_answer_begins(content: str, said: str) -> None:
    for parts in ([content], list(content)):
        streamed = decoded_stream([events(*map(chunk, parts), chunk(finish="stop"))])
        assert answer(streamed) == said
        assert thought(streamed) + said == content
    message = {"choices": [{"message": {"content": content}, "finish_reason": "stop"}]}
    assert answer(decoded_body(json.dumps(message).encode())) == said


def test_thoughts_that_the_server_told_apart_stay_so() -> None:
    decoded = decoded_stream(
        [events(chunk(reasoning_content="Hm."), chunk("Yes", reasoning_content="!"), chunk(".", finish="stop"))]
    )

    assert (thought(decoded), answer(decoded)) == ("Hm.!", "Yes.")
