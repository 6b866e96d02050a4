"""Searching with a pattern that somebody wrote: it has a time limit, which Python's own `re` cannot have."""

import re

import regex

TIME_LIMIT_S = 1.0
"""Seconds of work that a search may take."""

_BRACES = re.compile(r"\\N\{[^}]*\}|\\.|\{(?!(?:\d+|\d*,\d*)\})", re.DOTALL)


class TooSlow(Exception):
    """A pattern that was still searching when its time was over."""


def search(pattern: str, text: str) -> str | None:
    """Return the first match of a Python regular expression, or None. Raises TooSlow."""
    try:
        match = regex.search(_as_in_re(pattern), text, timeout=TIME_LIMIT_S)
    except TimeoutError as error:
        raise TooSlow(pattern) from error
    return None if match is None else match[0]


def _as_in_re(pattern: str) -> str:
    """Return a pattern in which a brace that is no repetition stands for itself, as {e} does in `re`.

    To the package `regex` it would ask for a fuzzy match.
    """
    return _BRACES.sub(lambda found: rf"\{found[0]}" if found[0] == "{" else found[0], pattern)
