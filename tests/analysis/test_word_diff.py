from bench.analysis.answers import LONGEST, WordSpan, word_diff


def test_words_that_went_come_before_those_that_came_in_their_place() -> None:
    spans = word_diff("Paris is the old capital.", "Paris is a capital.")

    assert spans == (
        WordSpan("same", "Paris is "),
        WordSpan("removed", "the old "),
        WordSpan("added", "a "),
        WordSpan("same", "capital."),
    )


def test_white_space_makes_no_other_word() -> None:
    assert word_diff("one two", "one\n\ntwo") == (WordSpan("same", "one\n\ntwo"),)


def test_an_empty_text_has_no_words() -> None:
    assert word_diff("", "") == ()
    assert word_diff("", "new") == (WordSpan("added", "new"),)
    assert word_diff("old", "") == (WordSpan("removed", "old"),)


def test_what_is_too_long_is_not_compared() -> None:
    text = "word " * (LONGEST // 5)

    assert word_diff(f"{text}was", f"{text}now") == (
        WordSpan("same", text),
        WordSpan("removed", "was"),
        WordSpan("added", "now"),
    )
    assert word_diff(f"{text}end", f"{text}end") == (WordSpan("same", text), WordSpan("same", "end"))


def test_a_long_text_that_has_nothing_in_common_is_done_at_once() -> None:
    spans = word_diff(" ".join(f"a{n}" for n in range(1_000)), " ".join(f"b{n}" for n in range(1_000)))

    assert [span.kind for span in spans] == ["removed", "added"]


def test_a_loop_of_one_word_is_compared_at_once() -> None:
    spans = word_diff("on and " * 500, "off and " + "on and " * 400)

    assert [span.kind for span in spans] == ["removed", "added", "same"]
    assert spans[1] == WordSpan("added", "off ")
