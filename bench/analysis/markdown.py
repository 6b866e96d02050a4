"""Plain Markdown out of untrusted text and numbers: nothing that a text holds is read as Markdown or HTML."""

import html
import re
import unicodedata
from collections.abc import Sequence

_SPECIAL = str.maketrans({character: f"&#{ord(character)};" for character in "\\`*_[]{}|~#@$!^"})
_BARE_LINK = re.compile(r"://|(?<=www)\.", re.IGNORECASE)
_UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")


def escaped(text: str) -> str:
    """Return untrusted text as one line of Markdown that shows as it is, in a sentence or in the cell of a table.

    Markup becomes entities, a line break a space; control characters and marks that change the direction of writing
    become U+FFFD, so that a name cannot pass for another one.
    """
    one_line = " ".join(text.split())
    visible = "".join("\ufffd" if unicodedata.category(letter) in _UNSEEN else letter for letter in one_line)
    entities = html.escape(visible, quote=False).translate(_SPECIAL)
    return _BARE_LINK.sub(lambda match: "".join(f"&#{ord(letter)};" for letter in match[0]), entities)


def rounded(value: float) -> str:
    """Return a number to three significant digits, with thousands separators and without an exponent."""
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{float(f'{mantissa}e{exponent}'):,.{max(0, 2 - int(exponent))}f}"


def table(headers: Sequence[str], numeric: Sequence[bool], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table of cells that are Markdown already; numeric columns are set to the right."""
    lines = [headers, ["---:" if right else "---" for right in numeric], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
