"""A blind session in the terminal: what is shown of an answer, and the keys that score it."""

import shutil
import sys
import textwrap
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import click

from bench.quality.annotate import BlindSession, Place, with_scores
from bench.quality.annotation_file import save_annotations
from bench.quality.answers import visible
from bench.quality.review import Annotations

KEYS = "1 not met at all ... 5 fully met, s skip, u undo, q quit"


def hold(session: BlindSession, known: Annotations, path: Path, now: Callable[[], datetime]) -> None:
    """Show one facet after the other and take a key for each; every score is in the file before the next is asked.

    Ends with the last facet, with q, with Ctrl-C, or with the end of the input.
    """
    click.echo(f"{session.facets - session.scored} of {session.facets} facets to score. {KEYS}")
    shown: Place | None = None
    while (place := session.current) is not None:
        _show(place, shown, session)
        shown = place
        key = _key()
        if key in "12345":
            session.score(int(key))
        elif key == "s":
            session.skip()
        elif key == "u":
            if not session.undo():
                click.echo("nothing to undo")
                continue
            shown = None
        else:
            return
        if key != "s":
            save_annotations(with_scores(known, session.scores, now().date()), path)


def _show(place: Place, before: Place | None, session: BlindSession) -> None:
    prompt = place.answer.prompt
    if before is None or before.answer != place.answer:
        click.echo(f"\n--- answer {place.answer_number} of {session.answers} ---")
        click.echo(_quoted("Prompt", prompt.text))
        click.echo(_quoted("Answer", place.answer.text))
    says = " ".join(visible(place.facet.says).split())
    click.echo(f"[{place.facet_number}/{len(prompt.facets)}] {says} ", nl=False)


def _quoted(title: str, text: str) -> str:
    # What a model wrote cannot pass for what this program says: each line of it has a bar before it.
    width = max(shutil.get_terminal_size().columns - 6, 20)
    lines = [piece for line in visible(text).split("\n") for piece in (_wrapped(line, width) or [""])]
    return f"{title}:\n" + "\n".join(f"  | {line}" for line in lines)


def _wrapped(line: str, width: int) -> list[str]:
    return textwrap.wrap(line, width, replace_whitespace=False, drop_whitespace=False)


def _key() -> str:
    """Return the next key that means something; q at the end of the input or for Ctrl-C."""
    while True:
        try:
            typed = click.getchar() if sys.stdin.isatty() else sys.stdin.read(1)
        except (KeyboardInterrupt, EOFError):
            typed = ""
        key = typed.lower() or "q"
        if len(key) == 1 and key in "12345suq":
            click.echo(key)
            return key
        if not key.isspace():
            click.echo(f"\n{KEYS}: ", nl=False)
