"""What can be read out of an answer: its sentences, list items and numbers, as a person would count them."""

import re
import unicodedata
from decimal import Decimal

_QUOTES = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2212": "-"})
_MARKER = re.compile(r"^(\s*)(?:\*\*)?(?:[-*+\u2022\u2013\u2014\u25aa\u25e6]|\(?\d{1,3}[.)]|\(?[a-z]\))\s+(?=\S)")
_ABBREVIATION = re.compile(r"\b(e\.g|i\.e|Dr|Mr|Mrs|Ms|Prof|vs|approx)\.")
_SENTENCE_END = re.compile(r"(?<=[.!?\u2026])[\"'\u2019\u201d)\]*_]*\s+|(?<=[\u3002\uff01\uff1f])\s*")
_NUMBER = re.compile(r"(?<!\w)(?<!\d[.,])[-+]?(?:\d{1,3}(?:,\d{3})+(?!,?\d)|\d+)(?:\.\d+)?")
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_]+(?:['\u2019.,\-][^\W_]+)*")
_FENCE = re.compile(r"```[\w+-]*[ \t]*\n(.*?)\n?[ \t]*```", re.DOTALL)


def plain(text: str, match_case: bool = False) -> str:
    """Return text for comparing words: one kind of quotes and width of letters, single spaces, and one case."""
    even = unicodedata.normalize("NFKC", text.translate(_QUOTES))
    return " ".join((even if match_case else even.casefold()).split())


def bare(text: str) -> str:
    """Return text for comparing whole answers: plain, without quotes or emphasis around it and without an end mark."""
    return plain(text).strip("\"'`*_ ").rstrip(".!?\u3002").rstrip("\"'`*_ ")


def occurs(wanted: str, text: str) -> bool:
    """Return whether `wanted` is in `text`, both made `plain` before; a part of a word counts, a part of a number not.

    So '5 May' is not in '15 May', and '2' is not in '2.5'.
    """
    before = r"(?<!\d)(?<!\d[.,])" if wanted[:1].isdigit() else ""
    after = r"(?!\d|[.,]\d)" if wanted[-1:].isdigit() else ""
    return re.search(f"{before}{re.escape(wanted)}{after}", text) is not None


def words(text: str) -> tuple[str, ...]:
    """Return the words and numbers in order; each Chinese, Japanese or Korean character is a word of its own."""
    return tuple(_WORD.findall(text))


def without_marks(text: str) -> str:
    """Return text without the marks of its list items."""
    return "\n".join(_MARKER.sub("", line) for line in text.splitlines())


def sentences(text: str) -> tuple[str, ...]:
    """Return the sentences in order; each line break ends one, and the mark of a list item belongs to none.

    A sentence ends at . ! ? or the like before white space, has at least one letter or digit, and goes on after
    a few common abbreviations (e.g., i.e., Dr., Mr., vs.).
    """
    found: list[str] = []
    for line in text.splitlines():
        joined = _ABBREVIATION.sub(r"\1", _MARKER.sub("", line))
        found.extend(piece.strip() for piece in _SENTENCE_END.split(joined) if any(map(str.isalnum, piece)))
    return tuple(found)


def list_items(text: str) -> tuple[str, ...]:
    """Return the items of a list in order, without their marks: lines that begin with a bullet, 1. or 1) or a).

    Only the outermost level counts: an item that is indented deeper than the least indented one is a part of it.
    """
    marked = [(match, line) for line in text.splitlines() if (match := _MARKER.match(line.expandtabs(4)))]
    outermost = min((len(match[1]) for match, _ in marked), default=0)
    return tuple(line.expandtabs(4)[match.end() :].strip() for match, line in marked if len(match[1]) == outermost)


def numbers(text: str) -> tuple[Decimal, ...]:
    """Return the numbers in order, such as 12, -3.5 and 1,250; digits within a word or an identifier are none."""
    found = _NUMBER.findall(unicodedata.normalize("NFKC", text.translate(_QUOTES)))
    return tuple(Decimal(number.replace(",", "")) for number in found)


def unfenced(text: str) -> str:
    """Return the inside of a Markdown code fence that is the whole answer, or else the answer; stripped."""
    stripped = text.strip()
    match = _FENCE.fullmatch(stripped)
    return match[1].strip() if match else stripped


def one_line(text: str, length: int) -> str:
    """Return text as one line of at most so many characters, without control and formatting characters."""
    visible = "".join(
        " " if unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Zl", "Zp") else letter for letter in text
    )
    line = " ".join(visible.split())
    return line if len(line) <= length else line[: length - 1].rstrip() + "\u2026"
