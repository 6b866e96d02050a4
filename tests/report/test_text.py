"""Untrusted text: escaped for every language of a page at once, or made a safe name."""

import hashlib
import html

import markdown
import pytest

from bench.report.text import anchor, escape, finalise, key, relative, run_key, shortened, title, visible, web_address
from tests.site_project import HOSTILE_TEXTS


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_escaped_text_means_itself_and_nothing_else(text: str) -> None:
    escaped = escape(text)

    assert html.unescape(escaped) == visible(text)
    assert not set("<>\"'`*_{}[]#\n") & set(_without_entities(escaped))


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_escaped_text_survives_markdown_inside_a_block(text: str) -> None:
    block = f"<div>\n<p>{escape(text)}</p>\n</div>"

    made = markdown.markdown(block, extensions=["attr_list", "fenced_code", "tables"])

    assert html.unescape(made) == html.unescape(block)


def test_what_cannot_be_seen_is_made_visible() -> None:
    assert visible("a\x00b\x02c\u202ed\ud800e\r\nf\tg") == "a␀b␂c\ufffdd\ufffde\nf\tg"
    assert (
        visible("zero\u200bwidth\ufeff, \u0645\u06cc\u200c\u062e\u0648")
        == "zero\ufffdwidth\ufffd, \u0645\u06cc\u200c\u062e\u0648"
    )


def test_a_template_prints_markup_as_it_is_and_escapes_the_rest() -> None:
    assert finalise(escape("<b>")) == "&#60;b&#62;"
    assert finalise("<b>") == "&#60;b&#62;"
    assert finalise(3) == "3"


def test_a_template_must_not_print_none() -> None:
    with pytest.raises(TypeError, match="say why there is nothing"):
        finalise(None)


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_a_title_has_no_character_that_a_theme_could_read(text: str) -> None:
    assert not set("<>&\"'`{}[]*#\\\n") & set(title(text))


def test_a_title_keeps_words() -> None:
    assert title("qwen2.5-0.5b (int4)") == "qwen2.5-0.5b (int4)"
    assert title("<>") == "··"
    assert title(" ") == "untitled"


def test_a_safe_name_is_its_own_key() -> None:
    assert key("qwen2.5-0.5b") == "qwen2.5-0.5b"


def test_names_that_look_alike_have_different_keys() -> None:
    names = ["Mistral 7B", "mistral-7b", "mistral 7b", "mistral/7b", "MISTRAL-7B"]

    assert len({key(name) for name in names}) == len(names)


@pytest.mark.parametrize("name", [*HOSTILE_TEXTS, "", "index", "con", "..", "a" * 300, "Ω"])
def test_a_key_is_a_plain_file_name(name: str) -> None:
    made = key(name)

    assert made.isascii()
    assert made == made.lower()
    assert not set(made) - set("abcdefghijklmnopqrstuvwxyz0123456789._-")
    assert made[0] not in ".-_"
    assert ".." not in made
    assert made not in ("index", "con")
    assert len(made) <= 80


def test_a_run_key_is_the_run_id_where_that_is_a_path_of_two_plain_names() -> None:
    assert run_key("laptop/20260105T090000Z-0123456-default") == "laptop/20260105T090000Z-0123456-default"


@pytest.mark.parametrize(
    "run_id", ["../../x", "laptop/../x", "laptop", "a/b/c", "laptop/<script>", "laptop/.x", "/a/b"]
)
def test_a_run_key_never_leaves_its_folder(run_id: str) -> None:
    made = run_key(run_id)

    assert made.startswith("other/")
    assert ".." not in made


def test_links_are_relative_to_the_page() -> None:
    assert relative("index.html", "report/models/a.html") == "report/models/a.html"
    assert relative("report/models/a.html", "report/prompts/p.html#x") == "../prompts/p.html#x"
    assert relative("report/models/a.html", "index.html") == "../../index.html"
    assert relative("index.html", "report/run.html?run=laptop/x") == "report/run.html?run=laptop/x"


def test_only_web_addresses_become_links() -> None:
    assert web_address("https://example.org/licence") == "https://example.org/licence"
    for address in ("javascript:alert(1)", "https://example.org/'onclick=x", "http://a b", "ftp://x", None, "//x"):
        assert web_address(address) is None


def test_a_text_is_cut_with_an_ellipsis() -> None:
    assert shortened("abcdef", 6) == "abcdef"
    assert shortened("abcdefg", 6) == "abcde…"


def test_two_names_never_have_one_anchor() -> None:
    assert [anchor(name) for name in ("bert.local", "bert-local")] == ["bert.local", "bert-local"]
    assert anchor("bert local") == f"bert-local-{hashlib.sha256(b'bert local').hexdigest()[:8]}"


def _without_entities(text: str) -> str:
    parts = text.split("&")
    return parts[0] + "".join(part.partition(";")[2] for part in parts[1:])
