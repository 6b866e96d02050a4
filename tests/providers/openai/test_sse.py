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


TYPED = [
    ([{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo."}], "", "Hello."),
    (["Hel", {"type": "output_text", "text": "lo."}], "", "Hello."),
    ({"type": "text", "text": "Hello."}, "", "Hello."),
    ([{"type": "text", "text": {"value": "Hello.", "annotations": []}}], "", "Hello."),
    ([{"type": "refusal", "refusal": "No."}], "", "No."),
    (
        [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}, {"type": "text", "text": "Yes."}],
        "Hm.",
        "Yes.",
    ),
    ([{"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]}, "Yes."], "Hm.", "Yes."),
    ([{"type": "reasoning_text", "text": "Hm."}], "Hm.", ""),
    ([{"type": "image_url", "image_url": {"url": "x"}}, 3, None, {}, []], "", ""),
    ([[[[[[[[["too deep"]]]]]]]]], "", ""),
    ([], "", ""),
]


@pytest.mark.parametrize(("content", "thought", "answer"), TYPED)
def test_content_may_be_a_list_of_typed_parts(content: object, thought: str, answer: str) -> None:
    delta = {"choices": [{"delta": {"content": content}, "finish_reason": "stop"}]}
    message = {"choices": [{"message": {"content": content}, "finish_reason": "stop"}]}

    for decoded in (decoded_stream([event(delta)]), decoded_body(json.dumps(message).encode())):
        assert decoded.problem is None
        assert "".join(piece.text for piece in decoded.pieces if piece.reasoning) == thought
        assert "".join(piece.text for piece in decoded.pieces if not piece.reasoning) == answer


@pytest.mark.parametrize(
    ("body", "whole"),
    [
        (events(chunk("a")), True),
        (events(chunk("a"), usage(9, 1)), True),
        (events(chunk("a", finish="stop")), True),
        (events(chunk("a"), done=False), False),
        (events(chunk("a"), usage(9, 1), done=False), False),
        (events(chunk("a")).removesuffix(b"\n\n"), True),
        (events(chunk("a"), done=False) + b"data: [DO", False),
    ],
)
def test_done_says_that_an_answer_is_whole(body: bytes, whole: bool) -> None:
    for reads in ([body], cut(body, 1)):
        decoded = decoded_stream(reads)
        assert (text(decoded), decoded.whole) == ("a", whole)


@pytest.mark.parametrize(
    "document",
    [
        {"message": "it broke"},
        {"detail": "it broke"},
        {"detail": [{"msg": "it broke"}]},
        {"code": 500, "msg": "it broke"},
        {"choices": [], "message": "it broke"},
        {"choices": [{"error": {"code": 502, "message": "it broke"}}]},
        {"choices": [{"delta": {"content": ""}, "finish_reason": "error", "error": "it broke"}]},
        {"error": {"error": {"message": "it broke"}}},
        {"type": "error", "error": {"type": "overloaded", "message": "it broke"}},
    ],
)
def test_an_error_inside_a_good_status_is_an_error_in_every_form(document: dict[str, Any]) -> None:
    said = ("endpoint-error", "the endpoint sent an error: it broke")

    assert problem(decoded_stream([event(document)])) == said
    assert problem(decoded_stream([events(document)])) == said
    assert problem(decoded_body(json.dumps(document).encode())) == said


def test_an_error_may_be_all_that_a_finish_reason_says() -> None:
    decoded = decoded_stream([events(chunk("a"), chunk(finish="error"))])

    assert problem(decoded) == ("endpoint-error", "the endpoint ended the answer with an error; look into its log")
    assert text(decoded) == "a"


def test_an_address_that_nothing_answers_at_is_told_as_that() -> None:
    document = {"error": "Unexpected endpoint or method. (POST /chat/completions)"}

    assert problem(decoded_stream([json.dumps(document).encode()])) == (
        "endpoint-error",
        "the endpoint sent an error: Unexpected endpoint or method. (POST /chat/completions); "
        "check base_url: it usually ends in /v1",
    )


@pytest.mark.parametrize("said", ["CUDA error: out of memory", "model requires more system memory (5.6 GiB)"])
def test_want_of_memory_is_told_as_that(said: str) -> None:
    message = f"the endpoint sent an error: {said}; stop other models or take a smaller variant"
    for document in ({"error": {"message": said}}, {"choices": [{"error": said}]}, {"detail": said}):
        assert problem(decoded_stream([event(document)])) == ("out-of-memory", message)
        assert problem(decoded_body(json.dumps(document).encode())) == ("out-of-memory", message)


def first(texts: list[str], output: int | None, *more: dict[str, Any]) -> int | None:
    """Return the tokens of the first chunk; `more` is what the first events say beside their texts."""
    documents = [chunk(each) | extra for each, extra in zip(texts, [*more, *[{}] * len(texts)], strict=False)]
    last = [] if output is None else [usage(9, output)]
    return decoded_stream([events(*documents, chunk(finish="stop"), *last)]).first_chunk_tokens


ONE, TEN = "word ", "word " * 10


@pytest.mark.parametrize("tokens", [4, 5, 10, 40])
@pytest.mark.parametrize("later", [4, 20])
@pytest.mark.parametrize("ended", [0, 1])
def test_tokens_of_a_first_chunk_follow_from_the_later_ones(tokens: int, later: int, ended: int) -> None:
    # An end token without a text cannot be told from the others: it is one of the first chunk's.
    assert first([ONE * tokens, *[ONE] * later], tokens + later + ended) == tokens + ended


@pytest.mark.parametrize(
    ("texts", "output"),
    [
        ([ONE] * 20, 20),
        # An end token that was counted, and a character of three tokens.
        ([ONE] * 20, 21),
        ([*[ONE] * 19, "\N{PARTY POPPER}"], 22),
        # Every chunk has several, so the first one's share cannot be known.
        ([ONE * 3] * 10, 30),
        ([TEN, *[ONE * 2] * 20], 50),
        # What was thought and not sent is in the count.
        ([ONE] * 20, 500),
        # A long first word, and a count that leaves nothing for it.
        (["Unfortunately, ", *[ONE] * 20], 22),
        ([TEN, *[ONE] * 20], 21),
        ([TEN, *[ONE] * 20], None),
        # Too few to know how long a token's text is.
        ([TEN, *[ONE] * 3], 13),
        ([TEN], 10),
        ([], 0),
    ],
)
def test_what_cannot_be_known_of_a_first_chunk_is_not_guessed(texts: list[str], output: int | None) -> None:
    assert first(texts, output) is None


def test_a_server_that_counts_as_it_goes_is_believed() -> None:
    def usages(*counts: int) -> list[dict[str, Any]]:
        return [{"usage": {"prompt_tokens": 9, "completion_tokens": count}} for count in counts]

    texts = [ONE * 3, ONE, ONE]
    assert first(texts, 5, *usages(3, 4)) == 3
    assert first(texts, 5, *({"timings": {"predicted_n": count}} for count in (3, 4))) == 3
    # A single token, or the count of the whole answer with each event, says nothing more.
    assert first([ONE] * 3, 3, *usages(1, 2)) is None
    assert first([ONE] * 3, 3, *usages(3, 3)) is None
    assert first(texts, None, *usages(3, 4)) == 3


def test_tokens_that_are_listed_are_counted() -> None:
    def listed(text: str, tokens: int) -> dict[str, Any]:
        logprobs = {"content": [{"token": "x", "logprob": 0.0}] * tokens}
        return {"choices": [{"delta": {"content": text}, "finish_reason": None, "logprobs": logprobs}]}

    assert first([ONE] * 3, 5, listed(ONE * 3, 3), listed(ONE, 1)) == 3
    assert first([ONE] * 3, 3, listed(ONE, 1), listed(ONE, 1)) is None
