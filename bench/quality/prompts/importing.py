"""Prompts in the forms in which others keep them: a JSON list, JSON Lines, CSV, promptfoo."""

import csv
import dataclasses
import hashlib
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.config.settings import slug
from bench.config.source import Place, SourceFile, read_source
from bench.errors import ConfigError, Mistake, shown

PROMPT_LENGTH = 100_000
"""Characters that a prompt has at most: some 25,000 tokens."""

FILE_BYTES = 20_000_000
"""Bytes that a file of prompts has at most."""

ID_LENGTH = 48
TITLE_LENGTH = 60

ENTRY_KEYS = ("prompt", "text", "messages", "system", "id", "title", "category", "max_output_tokens", "facets")
"""Keys of an object in JSON or JSON Lines; one of the first three says what is asked, and prompt and text are one."""

NO_COLUMNS = ("messages", "facets")
"""Those of them that a column of a CSV file cannot hold."""

ASKING_KEYS = ("prompt", "text", "messages")
KEPT_KEYS = ("system", "category", "max_output_tokens", "facets")

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")
_HALF = re.compile(r"[\ud800-\udfff]")
_DELIMITERS = (",", ";", "\t")


@dataclass(frozen=True)
class Imported:
    """Prompts of a file of another form, as a prompt set of our own.

    `lines` has the line of each place of `document` in the file, where it is known. `left_out` is what was not
    understood, and `set_aside` what is no part of a prompt set, such as the models of a promptfoo file.
    """

    document: dict[str, Any]
    lines: dict[Place, int]
    left_out: tuple[Mistake, ...]
    set_aside: tuple[Mistake, ...] = ()


def read_prompts(path: Path) -> SourceFile:
    """Read a YAML or JSON file of prompts.

    Raises ConfigError if it is missing, empty, not text, too large or does not parse.
    """
    text = read_text(path)
    try:
        source = read_source(path)
    except ConfigError:
        if path.suffix != ".json":
            raise
        source = SourceFile(path, None, {}, ())
    if path.suffix != ".json":
        return source
    # JSON is YAML but for tabs and pairs of escapes, as json.dumps writes them for an emoji.
    try:
        return dataclasses.replace(source, value=json.loads(text))
    except json.JSONDecodeError as error:
        raise ConfigError(path, [Mistake(error.lineno, "", f"is not JSON: {error.msg}")]) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(path, [Mistake(None, "", f"is not JSON that can be read: {error}")]) from error


def read_text(path: Path) -> str:
    """Return the text of a file of prompts.

    Raises ConfigError if it is missing, empty, not UTF-8, too large or has control characters.
    """
    try:
        if path.stat().st_size > FILE_BYTES:
            raise ConfigError(path, [Mistake(None, "", f"has more than {FILE_BYTES:,} bytes; divide it")])
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"is not UTF-8 text (byte {error.start}); save it as UTF-8"
        raise ConfigError(path, [Mistake(None, "", message)]) from error
    except OSError as error:
        raise ConfigError(path, [Mistake(None, "", f"cannot be read: {error.strerror}")]) from error
    if not text.strip():
        raise ConfigError(path, [Mistake(None, "", "is empty; a prompt set has at least one prompt")])
    if match := _CONTROL.search(text):
        line = text.count("\n", 0, match.start()) + 1
        message = f"has the control character U+{ord(match[0]):04X}; take it out"
        raise ConfigError(path, [Mistake(line, "", message)])
    return text


def import_list(source: SourceFile) -> Imported:
    """Import a list of texts, or of objects with `prompt` or `text`. Raises ConfigError with all mistakes."""
    entries = _Entries(source.path)
    for index, value in enumerate(source.value if isinstance(source.value, list) else []):
        entries.add(value, source.line((index,)), f"[{index}]")
    return entries.imported()


def import_lines(path: Path) -> Imported:
    """Import JSON Lines: on each line a text, or an object with `prompt` or `text`. Raises ConfigError."""
    entries = _Entries(path)
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            entries.add(json.loads(line), number, "")
        except (ValueError, RecursionError) as error:
            reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            entries.mistakes.append(Mistake(number, "", f"is not JSON: {reason}"))
    return entries.imported()


def import_table(path: Path) -> Imported:
    """Import CSV with a header that names a column `prompt` or `text`; tabs and semicolons divide as well.

    Raises ConfigError with all mistakes.
    """
    text = read_text(path)
    entries = _Entries(path)
    for delimiter in _DELIMITERS:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        header = [name.strip().casefold() for name in _row(reader, path, 1) or []]
        if "prompt" in header or "text" in header:
            break
    else:
        named = ", ".join(name for name in text.splitlines()[0].split(",") if name.strip())
        raise ConfigError(path, [Mistake(1, "", f"needs a column 'prompt'; the header has {shown(named)}")])
    if repeated := [name for name, times in Counter(filter(None, header)).items() if times > 1]:
        raise ConfigError(path, [Mistake(1, repeated[0], "names two columns; keep one of them")])
    entries.columns(header)
    line = reader.line_num + 1
    while (row := _row(reader, path, line)) is not None:
        if len(row) > len(header):
            message = f"has {len(row)} fields and the header {len(header)}; put a text with a {delimiter!r} in quotes"
            entries.mistakes.append(Mistake(line, "", message))
        elif any(field.strip() for field in row):
            entries.add(_fields(header, row), line, "")
        line = reader.line_num + 1
    return entries.imported()


def set_id(path: Path) -> str:
    """Return the id of an imported set: the file's name as an id."""
    return slug(path.stem).replace(".", "-")[:ID_LENGTH].strip("-") or "imported"


def title_of(text: str) -> str:
    """Return a title for a prompt: its first line, cut."""
    line = " ".join(text.strip().splitlines()[0].split()) if text.strip() else ""
    return line if len(line) <= TITLE_LENGTH else line[: TITLE_LENGTH - 1].rstrip() + "\u2026"


class Ids:
    """Makes ids that hang on what a prompt says and not on its place: its history is kept under its id."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def make(self, wording: str, text: str) -> str:
        """Return an id made of a wording. One that is cut or taken ends in six digits of the text's SHA-256."""
        whole = "-".join(word for word in slug(wording).replace(".", "-").split("-") if word)
        made = whole if len(whole) <= ID_LENGTH else whole[: ID_LENGTH + 1].rpartition("-")[0] or whole[:ID_LENGTH]
        if not made or made in self._taken or made != whole:
            made = f"{made or 'prompt'}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"
        self._taken.add(made)
        return made


class _Entries:
    """The prompts of a list, of lines or of a table, with what is wrong with them and what is not understood."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.prompts: list[dict[str, Any]] = []
        self.lines: dict[Place, int] = {}
        self.mistakes: list[Mistake] = []
        self._unknown: dict[str, tuple[int | None, int]] = {}
        self._ids = Ids()
        self._texts: dict[str, str] = {}

    def columns(self, header: Iterable[str]) -> None:
        """Note the columns of a table that are not understood."""
        for name in header:
            if name not in ENTRY_KEYS or name in NO_COLUMNS:
                self._unknown[name or "(no name)"] = (1, 1)

    def add(self, value: object, line: int | None, place: str) -> None:
        """Add one entry: a text, or an object with a text under `prompt` or `text`."""
        entry: Mapping[Any, Any] = {"prompt": value} if isinstance(value, str) else {}
        if isinstance(value, dict):
            entry = value
        elif not isinstance(value, str):
            self.mistakes.append(
                Mistake(line, place, f"must be a text, or an object with 'prompt', found {shown(value)}")
            )
            return
        given = [key for key in ASKING_KEYS if entry.get(key) is not None]
        if len(given) != 1:
            both = " and ".join(map(repr, given))
            message = f"has both {both}; keep one" if given else "has neither 'prompt' nor 'text'"
            self.mistakes.append(Mistake(line, place, message))
            return
        key = f"{place}.{given[0]}".strip(".") if isinstance(value, dict) else place
        text = entry[given[0]]
        if given == ["messages"] and (text := last_content(text)) is None:
            self.mistakes.append(Mistake(line, key, "must be a list of messages, each with role and content"))
            return
        if wrong := text_mistake(text):
            self.mistakes.append(Mistake(line, key, wrong))
            return
        for name in entry:
            if name not in ENTRY_KEYS:
                first, times = self._unknown.get(str(name), (line, 0))
                self._unknown[str(name)] = (first, times + 1)
        self._keep(entry, str(text).strip(), line, key)

    def imported(self) -> Imported:
        """Return what was read. Raises ConfigError with all mistakes, or where there is no prompt."""
        if not self.prompts and not self.mistakes:
            self.mistakes.append(Mistake(None, "", "has no prompt; a prompt set has at least one"))
        if self.mistakes:
            raise ConfigError(self.path, self.mistakes)
        left_out = tuple(
            Mistake(line, name, "is not understood" + (f" ({times} times)" if times > 1 else ""))
            for name, (line, times) in self._unknown.items()
        )
        name = set_id(self.path)
        return Imported({"id": name, "title": self.path.stem, "prompts": self.prompts}, self.lines, left_out)

    def _keep(self, entry: Mapping[Any, Any], text: str, line: int | None, key: str) -> None:
        given = entry.get("id")
        asked = json.dumps([entry.get("system"), entry.get("messages") or text], default=str)
        if given is None and asked in self._texts:
            message = f"is the same prompt as {self._texts[asked]}; take one of them out, or give each an id"
            self.mistakes.append(Mistake(line, key, message))
            return
        self._texts.setdefault(asked, key if line is None else f"that of line {line}")
        title = entry.get("title") or title_of(text)
        own = text if asked == json.dumps([None, text]) else asked
        made = self._ids.make(text, own) if given is None else slug(str(given)).replace(".", "-") or str(given)
        prompt: dict[str, Any] = {"id": made, "title": title}
        prompt |= {"messages": entry["messages"]} if entry.get("messages") is not None else {"text": text}
        prompt |= {name: entry[name] for name in KEPT_KEYS if entry.get(name) is not None}
        place: Place = ("prompts", len(self.prompts))
        if line is not None:
            self.lines[place] = line
        self.prompts.append(prompt)


def last_content(messages: object) -> object:
    """Return the content of the last message of a conversation; None where it has none."""
    last = messages[-1] if isinstance(messages, list) and messages else None
    return last.get("content") if isinstance(last, dict) else None


def text_mistake(text: object) -> str | None:
    """Return what is wrong with the text of a prompt, or None."""
    if not isinstance(text, str):
        return f"must be text, found {shown(text)}"
    if not text.strip():
        return "must not be empty"
    if match := _HALF.search(text):
        return f"has the escape {match[0]!a} without its other half: that is no character"
    if len(text) > PROMPT_LENGTH:
        return f"has {len(text):,} characters; a prompt has at most {PROMPT_LENGTH:,}"
    return None


def _row(reader: Any, path: Path, line: int) -> list[str] | None:
    try:
        row: list[str] | None = next(reader, None)
    except csv.Error as error:
        reason = "a quote is never closed" if "unexpected end" in str(error) else str(error)
        raise ConfigError(path, [Mistake(line, "", f"is not CSV: {reason}")]) from error
    return row


def _fields(header: list[str], row: list[str]) -> dict[str, object]:
    fields: dict[str, object] = {
        name: value for name, value in zip(header, row, strict=False) if name in ENTRY_KEYS and name not in NO_COLUMNS
    }
    for name, value in list(fields.items()):
        if name not in ("prompt", "text") and not str(value).strip():
            del fields[name]
    tokens = str(fields.get("max_output_tokens", "")).strip()
    if tokens.isdecimal():
        fields["max_output_tokens"] = int(tokens)
    return fields
