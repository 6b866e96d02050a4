"""Event streams and bodies, decoded: every form in use, and everything that can be wrong with one."""

import json
from typing import Any

import pytest

from bench.providers.openai.sse import decoded_body, decoded_stream
from bench.providers.protocol import Decoded, Piece
from tests.endpoint_server import chunk, events, usage

GOOD = events(chunk("Grüße, "), chunk("you."), chunk(finish="stop"), usage(9, 4))


def problem(decoded: Decoded) -> tuple[str, str]:
    assert decoded.problem is not None
    return decoded.problem.kind, decoded.problem.message


def text(decoded: Decoded) -> str:
    return "".join(piece.text for piece in decoded.pieces)


def cut(body: bytes, size: int) -> list[bytes]:
    return [body[start : start + size] for start in range(0, len(body), size)]


def event(document: object, end: str = "\n") -> bytes:
    return f"data: {json.dumps(document)}{end}{end}".encode()


def test_a_stream() -> None:
    assert decoded_stream([GOOD]) == Decoded(
        pieces=(Piece("Grüße, ", 0), Piece("you.", 0)),
        prompt_tokens=9,
        output_tokens=4,
        tokens_source="usage",
        finish_reason="stop",
        model="m-variant:2",
        whole=True,
    )


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_a_stream_cut_anywhere_says_the_same(size: int) -> None:
    # Escapes would keep the text in ASCII: half of a character is what is looked for.
    body = GOOD.replace(rb"\u00fc", "ü".encode()).replace(rb"\u00df", "ß".encode())
    assert "ü".encode() in body

    decoded = decoded_stream(cut(body, size))

    assert text(decoded) == "Grüße, you."
    assert (decoded.output_tokens, decoded.finish_reason, decoded.problem) == (4, "stop", None)


def test_a_piece_belongs_to_the_read_with_the_end_of_its_event() -> None:
    first, second = event(chunk("a")), event(chunk("b"))
    reads = [first[:10], first[10:-1], b"\n", second + first, b"", first[:-1] + b"\n"]

    assert decoded_stream(reads).pieces == (Piece("a", 2), Piece("b", 3), Piece("a", 3), Piece("a", 5))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_all_ends_of_lines(end: str) -> None:
    body = event(chunk("a"), end) + event(chunk("b"), end) + event(chunk(finish="stop"), end)

    for reads in ([body], cut(body, 1)):
        decoded = decoded_stream(reads)
        assert text(decoded) == "ab"
        assert (decoded.finish_reason, decoded.problem) == ("stop", None)


def test_an_event_ends_with_its_carriage_return() -> None:
    first = event(chunk("a"), "\r\n")

    assert decoded_stream([first[:-1], b"\n" + event(chunk("b"), "\r\n")]).pieces == (Piece("a", 0), Piece("b", 1))


def test_comments_names_and_other_fields_are_no_text() -> None:
    body = b": ping\n\nevent: message\nid: 7\nretry: 10\nunknown: x\n" + event(chunk("a")) + b":\n\ndata:\n\n"

    assert decoded_stream([body]).pieces == (Piece("a", 0),)


def test_data_of_several_lines_is_one_document() -> None:
    lines = json.dumps(chunk("a"), indent=2).split("\n")
    body = "".join(f"data: {line}\n" for line in lines) + "\n"

    assert decoded_stream([body.encode()]).pieces == (Piece("a", 0),)


def test_no_space_after_the_colon() -> None:
    body = GOOD.replace(b"data: ", b"data:")

    assert decoded_stream([body]) == decoded_stream([GOOD])


def test_a_byte_order_mark() -> None:
    assert decoded_stream([b"\xef", b"\xbb\xbf" + event(chunk("a"))]).pieces == (Piece("a", 1),)


def test_bytes_that_are_no_utf_8_become_replacement_characters() -> None:
    body = event(chunk("a?b")).replace(b"?", b"\xff")

    decoded = decoded_stream([body])

    assert decoded.pieces == (Piece("a�b", 0),)
    assert decoded.problem is None


def test_the_last_event_needs_no_empty_line() -> None:
    body = event(chunk("a")) + event(chunk(finish="stop")).rstrip()

    decoded = decoded_stream([body, b""])

    assert (text(decoded), decoded.finish_reason, decoded.problem) == ("a", "stop", None)


def test_half_an_event_at_the_end_is_an_answer_that_was_cut_off() -> None:
    decoded = decoded_stream([event(chunk("a")), event(chunk("b"))[:20]])

    assert (text(decoded), decoded.finish_reason, decoded.problem) == ("a", None, None)


def test_nothing_counts_after_the_end() -> None:
    decoded = decoded_stream([GOOD + event(chunk("more"))])

    assert text(decoded) == "Grüße, you."


@pytest.mark.parametrize(
    "delta",
    [
        {"reasoning_content": "Hm."},
        {"reasoning": "Hm."},
        {"reasoning": "Hm.", "reasoning_content": "Hm."},
        {"reasoning": "Hm.", "content": ""},
    ],
)
def test_both_names_of_reasoning(delta: dict[str, str]) -> None:
    assert decoded_stream([event(chunk(**delta))]).pieces == (Piece("Hm.", 0, reasoning=True),)


def test_the_end_of_reasoning_and_the_first_answer_in_one_event() -> None:
    body = event(chunk("Yes.", reasoning_content="well."))

    assert decoded_stream([body]).pieces == (Piece("well.", 0, reasoning=True), Piece("Yes.", 0))


@pytest.mark.parametrize(
    "odd",
    [
        chunk(),
        {"choices": []},
        {"choices": [{"delta": {"content": None}}]},
        {"choices": [{"delta": None}]},
        {"choices": [{}]},
        {"choices": ["x"]},
        {"choices": "x"},
        {"choices": [{"delta": "x", "finish_reason": 3}], "model": 4, "usage": [1]},
        {"id": "only"},
        {"error": None, "choices": [{"delta": {}}]},
    ],
)
def test_chunks_without_text_are_passed_over(odd: dict[str, Any]) -> None:
    decoded = decoded_stream([event(chunk("a")) + event(odd) + event(chunk("b", finish="stop")) + event(odd)])

    assert decoded.pieces == (Piece("a", 0), Piece("b", 0))
    assert (decoded.finish_reason, decoded.model, decoded.problem) == ("stop", "m-variant:2", None)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (
            {"id": "x"},
            'the answer has no choices, check that base_url serves chat: \'{"id": "x"}\'',
        ),
        (
            {"choices": []},
            "the answer has empty choices, check that base_url serves chat: '{\"choices\": []}'",
        ),
    ],
)
def test_no_choices_at_all(document: dict[str, Any], message: str) -> None:
    body = json.dumps(document).encode()

    assert problem(decoded_stream([event(document)])) == ("no-choices", message)
    assert problem(decoded_body(body)) == ("no-choices", message)


def test_no_text_at_all_is_left_to_who_measures() -> None:
    decoded = decoded_stream([events(chunk(finish="stop"))])

    assert (decoded.pieces, decoded.finish_reason, decoded.problem) == ((), "stop", None)
    assert decoded_stream([]) == decoded_stream([b""]) == Decoded((), None, None, "none", None)


def test_an_answer_that_its_limit_ended_is_good() -> None:
    assert decoded_stream([events(chunk("a"), chunk(finish="length"))]).problem is None


def test_a_filter() -> None:
    decoded = decoded_stream([events(chunk("a"), chunk(finish="content_filter"))])

    assert problem(decoded) == (
        "content-filter",
        "a filter of the endpoint stopped the answer; change the prompt, or the filter",
    )
    assert text(decoded) == "a"


TOOLS = {"choices": [{"delta": {"tool_calls": [{"index": 0}]}, "finish_reason": "tool_calls"}]}


def test_tools_and_no_text() -> None:
    assert problem(decoded_stream([events(chunk(reasoning="Hm."), TOOLS)])) == (
        "tool-calls",
        "the model called tools and gave no text; change the prompt, or serve it without tools",
    )
    assert decoded_stream([events(chunk("a"), TOOLS)]).problem is None


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"error": {"message": "it broke", "code": 500}}, "the endpoint sent an error: it broke"),
        ({"error": "it\nbroke"}, "the endpoint sent an error: it broke"),
        ({"object": "error", "message": "it broke"}, "the endpoint sent an error: it broke"),
        ({"error": {"code": 500}}, "the endpoint sent an error: it does not say which"),
        ({"error": "bad key sk-abc123"}, "the endpoint sent an error: bad key ***"),
    ],
)
def test_an_error_in_the_stream(document: dict[str, Any], message: str) -> None:
    decoded = decoded_stream([event(chunk("a")) + event(document) + event(chunk("b"))])

    assert problem(decoded) == ("endpoint-error", message)
    assert text(decoded) == "a"
    assert problem(decoded_stream([event(document).rstrip()])) == ("endpoint-error", message)
    assert problem(decoded_stream([json.dumps(document).encode()])) == ("endpoint-error", message)
    assert problem(decoded_body(json.dumps(document).encode())) == ("endpoint-error", message)


@pytest.mark.parametrize("data", ["it broke", '"it broke"', '{"message": "it broke"}', '{"detail": "it broke"}'])
def test_an_event_named_error(data: str) -> None:
    body = event(chunk("a")) + f"event: error\ndata: {data}\n\n".encode()

    assert problem(decoded_stream([body])) == ("endpoint-error", "the endpoint sent an error: it broke")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("{oops", "the endpoint sent what is no JSON: '{oops'"),
        ("x" * 1000, f"the endpoint sent what is no JSON: '{'x' * 80}'"),
        ("[1, 2]", "the endpoint sent JSON that is no object: '[1, 2]'"),
        ("[" * 100_000, f"the endpoint sent what is no JSON: '{'[' * 80}'"),
        ("1" * 10_000, f"the endpoint sent what is no JSON: '{'1' * 80}'"),
        ("\x1b[2J{", "the endpoint sent what is no JSON: '[2J{'"),
    ],
)
def test_what_is_no_json(data: str, message: str) -> None:
    decoded = decoded_stream([event(chunk("a")) + f"data: {data}\n\n".encode()])

    assert problem(decoded) == ("decode", message)
    assert text(decoded) == "a"
    assert problem(decoded_body(data.encode())) == ("decode", message)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            json.dumps({"choices": [{"message": {"content": "Hello."}}]}, indent=1).encode(),
            "the endpoint answered a streamed request with one JSON document; set stream: false to measure it whole",
        ),
        (
            b"<!DOCTYPE html><html><title>Log\nin &amp; go</title></html>",
            "the endpoint answered a streamed request with the page 'Log in & go'; check base_url: it usually ends in "
            "/v1",
        ),
        (
            b"<p>Hi</p>",
            "the endpoint answered a streamed request with a page; check base_url: it usually ends in /v1",
        ),
        (b"Hello\nyou", "the endpoint answered a streamed request with no event stream: 'Hello you'"),
    ],
)
def test_what_is_no_event_stream(body: bytes, message: str) -> None:
    assert problem(decoded_stream(cut(body, 10))) == ("not-sse", message)


def test_only_comments_are_an_event_stream_without_an_answer() -> None:
    assert decoded_stream([b": ping\n\n: ping\n\n"]).problem is None


def counted(*usages: object, said: str = "Hello you.") -> tuple[int | None, int | None, str]:
    decoded = decoded_stream([events(chunk(said, finish="stop"), *({"choices": [], "usage": each} for each in usages))])
    assert decoded.problem is None
    return decoded.prompt_tokens, decoded.output_tokens, decoded.tokens_source


def counts(prompt: object, completion: object, **details: int) -> dict[str, Any]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "completion_tokens_details": details}


def test_the_last_usage_counts() -> None:
    assert counted() == (None, None, "none")
    assert counted(None) == (None, None, "none")
    assert counted(counts(9, 1), counts(9, 3), None, {}) == (9, 3, "usage")


@pytest.mark.parametrize(
    "said",
    [
        counts(9, 0),
        counts(9, -3),
        counts(9, 1000),
        counts(9, 2.5),
        counts(9, True),
        counts(9, "3"),
        {"total_tokens": 9},
    ],
)
def test_a_usage_that_cannot_be_is_none(said: dict[str, Any]) -> None:
    assert counted(said) == (None, None, "none")


@pytest.mark.parametrize("prompt", [0, -1, None, "9", 10**400])
def test_a_prompt_that_nobody_counted(prompt: object) -> None:
    assert counted(counts(prompt, 3)) == (None, 3, "usage")


def test_reasoning_that_was_not_sent_is_in_the_count() -> None:
    assert counted(counts(9, 1000, reasoning_tokens=990)) == (9, 1000, "usage")


def test_too_few_tokens_for_the_text() -> None:
    assert counted(counts(9, 2), said="x" * 1024) == (9, 2, "usage")
    assert counted(counts(9, 2), said="x" * 1025) == (None, None, "none")


def test_an_empty_answer_may_have_no_tokens() -> None:
    decoded = decoded_stream([events(chunk(finish="stop"), usage(9, 0))])

    assert (decoded.prompt_tokens, decoded.output_tokens, decoded.tokens_source) == (9, 0, "usage")


def test_words_of_a_server_are_one_short_plain_line() -> None:
    decoded = decoded_stream([event({"model": "a\nb\ud83d" + "c" * 200, "choices": [{"finish_reason": "st\x00op"}]})])

    assert decoded.model == "a b " + "c" * 96
    assert decoded.finish_reason == "st op"


@pytest.mark.parametrize("size", [100_000_000, 64])
def test_ten_megabytes_in_one_event(size: int) -> None:
    # If each of 160,000 reads touched all that came before it, this would take minutes.
    said = "0123456789" * 1_000_000

    decoded = decoded_stream(cut(event(chunk(said)) + event(chunk(finish="stop")), size))

    assert text(decoded) == said
    assert decoded.finish_reason == "stop"


def test_a_body() -> None:
    message = {"role": "assistant", "content": "Hello.", "reasoning_content": "Hm."}
    document = {
        "model": "m",
        "choices": [{"message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2},
    }

    assert decoded_body(b"\xef\xbb\xbf" + json.dumps(document).encode() + b"\n") == Decoded(
        pieces=(Piece("Hm.", 0, reasoning=True), Piece("Hello.", 0)),
        prompt_tokens=9,
        output_tokens=2,
        tokens_source="usage",
        finish_reason="stop",
        model="m",
        whole=True,
    )


def test_a_stream_of_one_whole_message() -> None:
    body = event({"choices": [{"message": {"content": "Hello."}, "finish_reason": "stop"}]})

    assert decoded_stream([body]).pieces == (Piece("Hello.", 0),)
