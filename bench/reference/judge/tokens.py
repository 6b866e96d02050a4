"""What the reference judge's tokenizer has besides that of ledger-l: a token for each fixed piece of text."""

from __future__ import annotations

import re
from typing import Final

from bench.quality.questions import PAIR_TEMPLATE, TEMPLATE

VOCABULARY_TOKENS: Final = 1600
PIECE_CHARACTERS = 10
SCORES = (1, 2, 3, 4, 5)
GOOD: Final = (" (there)", " (absent)", " (known)")
BAD: Final = (" (missing)", " (present)", " (invented)")
REPLY: Final = (
    '{"facets": {"',
    '": {"why": "',
    'one short sentence", "score": N}',
    *(f'", "score": {score}}}' for score in SCORES),
    '{"why": "',
    *(f'", "better": "{better}"}}' for better in ("A", "B", "neither")),
)


def fixed_pieces() -> tuple[str, ...]:
    """The texts that get a token of their own, each once."""
    pieces = [piece for template in (TEMPLATE, PAIR_TEMPLATE) for piece in re.split(r"\$\w+", template)]
    # What the rubric's form begins with begins the reply, too.
    pieces = [piece.strip().removesuffix('{"facets": {').rstrip() if '"facets"' in piece else piece for piece in pieces]
    long = [piece for piece in pieces if len(piece) >= PIECE_CHARACTERS]
    return tuple(dict.fromkeys((*long, *REPLY, *GOOD, *BAD, "text-")))
