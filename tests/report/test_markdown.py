"""Text and numbers on their way into Markdown."""

import pytest

from bench.report.format import significant
from bench.report.markdown import escaped, table


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("qwen2.5-0.5b", "qwen2.5-0.5b"),
        ("a|b", "a&#124;b"),
        ("<b>&", "&lt;b&gt;&amp;"),
        ("two\n\tlines", "two lines"),
        ("`x` *y* _z_", "&#96;x&#96; &#42;y&#42; &#95;z&#95;"),
        ("[a](b)", "&#91;a&#93;(b)"),
        ("{{ 1 }}", "&#123;&#123; 1 &#125;&#125;"),
        ("http://a www.b", "http&#58;&#47;&#47;a www&#46;b"),
        ("\u202egnirts\x1b", "\ufffdgnirts\ufffd"),
        ("back\\slash", "back&#92;slash"),
    ],
)
def test_escaping_by_hand(text: str, markdown: str) -> None:
    assert escaped(text) == markdown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0.00"),
        (0.0012345, "0.00123"),
        (0.99951, "1.00"),
        (1.005, "1.00"),
        (9.996, "10.0"),
        (12.345, "12.3"),
        (999.6, "1,000"),
        (123_456_789, "123,000,000"),
        (1e-12, "0.00000000000100"),
    ],
)
def test_three_significant_digits(value: float, text: str) -> None:
    assert significant(value) == text


def test_a_table_by_hand() -> None:
    assert table(["Model", "Speed"], [False, True], [["a", "1"], ["b", "2"]]) == (
        "| Model | Speed |\n| --- | ---: |\n| a | 1 |\n| b | 2 |\n"
    )
