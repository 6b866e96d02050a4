"""A person's file beside a result: YAML that can be read, written by hand, and reviewed as a diff."""

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import yaml

from bench.errors import ConfigError, Mistake, UsageError
from bench.quality.answers import Answer, answers, visible
from bench.quality.judgement_file import name_slug
from bench.quality.review_record import Annotation, Annotations
from bench.results.schema import Result
from bench.source import Source, read_source, suggestion, validated


def annotations_path(result_path: Path, annotator: str) -> Path:
    """Return where the scores of a person lie. Raises UsageError for a name without a letter from a to z or a digit."""
    if not name_slug(annotator):
        raise UsageError(
            f"the annotator's name {annotator!r} has no letter from a to z and no digit for a file name; "
            "choose another with --annotator"
        )
    return result_path.with_name(f"{result_path.stem}.by-{name_slug(annotator)}.yaml")


def load_annotations(path: Path, result: Result | None = None) -> Annotations:
    """Read a person's file; with the run's result, prompts and facets must be the run's.

    A score of an answer that the run does not have is no mistake here: it does not count, and `uncounted` says so.
    Raises ConfigError with all mistakes, each with its line and key.
    """
    source = read_source(path)
    annotations = validated(source, Annotations)
    mistakes = [*_misplaced(source, annotations), *_repeated(source, annotations)]
    if result is not None:
        mistakes += _foreign(source, annotations, result)
    if mistakes:
        raise ConfigError(path, sorted(mistakes, key=lambda mistake: mistake.line or 0))
    return annotations


def uncounted(annotations: Annotations, result: Result) -> tuple[str, ...]:
    """Return a sentence for each entry that does not count, for its answer is not among the run's."""
    known = {(answer.prompt.id, answer.output) for answer in answers(result)}
    return tuple(
        f"{annotations.annotator}'s scores of answer {entry.output} to prompt {entry.prompt} do not count: "
        "the run has no such answer"
        for entry in annotations.entries
        if (entry.prompt, entry.output) not in known
    )


def save_annotations(annotations: Annotations, path: Path) -> None:
    """Write a person's file, whole or not at all. Raises UsageError where the folder cannot be written."""
    scored = [
        entry.model_copy(update={"facets": {name: score for name, score in entry.facets.items() if score is not None}})
        for entry in annotations.entries
    ]
    kept = tuple(entry for entry in scored if entry.facets or entry.note)
    _replace(path, "".join(_lines(annotations.model_copy(update={"entries": kept}))))


def save_stub(annotations: Annotations, result: Result, path: Path, command: str) -> None:
    """Write a file to be filled in with an editor: prompts and answers as comments, a place for each score.

    `command` is what reads it back. Raises UsageError if the file exists or cannot be written.
    """
    if path.exists():
        raise UsageError(f"{path}: exists already; name another file, or delete it")
    texts = {(answer.prompt.id, answer.output): answer for answer in answers(result)}
    total = len(annotations.entries)

    def comment(place: int, entry: Annotation) -> list[str]:
        return _shown_answer(texts[entry.prompt, entry.output], f"{place + 1} of {total}")

    says = {(prompt.id, facet.id): facet.says for prompt in result.prompt_set.prompts for facet in prompt.facets}
    head = (
        "# Give each facet a whole number from 1 (not met at all) to 5 (fully met), or leave it empty.\n"
        f"# Read it back with: {_one_line(command)}\n"
    )
    _replace(path, head + "".join(_lines(annotations, comment, says)))


def _shown_answer(answer: Answer, title: str) -> list[str]:
    lines = ["", f"--- {title} ---", f"Prompt: {answer.prompt.title}"]
    lines += [f"  | {line}" for line in visible(answer.prompt.text).split("\n")]
    lines += ["Answer:", *(f"  | {line}" for line in visible(answer.text).split("\n"))]
    return [line if line.startswith("  |") else _one_line(line) for line in lines]


def _lines(
    annotations: Annotations,
    comment: Callable[[int, Annotation], list[str]] | None = None,
    says: Mapping[tuple[str, str], str] | None = None,
) -> Iterator[str]:
    yield f"schema_version: {annotations.schema_version}\n"
    yield f"run: {_quoted(annotations.run)}\n"
    yield f"annotator: {_quoted(annotations.annotator)}\n"
    yield f"date: {annotations.date.isoformat()}\n"
    yield f"seed: {annotations.seed}\n"
    yield f"sample: {'null' if annotations.sample is None else annotations.sample}\n"
    yield "entries:\n" if annotations.entries else "entries: []\n"
    for place, entry in enumerate(annotations.entries):
        if comment is not None:
            yield from (f"  # {line}".rstrip() + "\n" for line in comment(place, entry))
        yield f"  - prompt: {_quoted(entry.prompt)}\n"
        yield f"    output: {_quoted(entry.output)}\n"
        if entry.date is not None:
            yield f"    date: {entry.date.isoformat()}\n"
        yield "    facets:\n" if entry.facets else "    facets: {}\n"
        for facet, score in entry.facets.items():
            if says is not None:
                yield f"      # {_one_line(says.get((entry.prompt, facet), ''))}\n"
            yield f"      {_quoted(facet)}:{'' if score is None else f' {score}'}\n"
        if entry.note or comment is not None:
            yield f"    note: {_quoted(entry.note)}\n"


def _one_line(text: str) -> str:
    return " ".join(visible(text).split())


def _quoted(text: str) -> str:
    # An output key such as 1234e567 would be a number; JSON's escapes are YAML's for everything that it can hold.
    if text.isascii() and text.isprintable():
        return json.dumps(text)
    return yaml.safe_dump(text, allow_unicode=True, default_style='"', width=2**31).strip()


def _replace(path: Path, text: str) -> None:
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=".tmp", dir=path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            # mkstemp makes a file that only its owner reads; a review is for everybody.
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        finally:
            Path(temporary).unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from error


def _misplaced(source: Source, annotations: Annotations) -> list[Mistake]:
    stem, found, name = source.path.stem.rpartition(".by-")
    if not found:
        return []
    mistakes = []
    if name_slug(annotations.annotator) != name:
        message = f"the file's name says {name!r}, found {annotations.annotator!r}; a file has one person's scores"
        mistakes.append(source.mistake(("annotator",), message))
    if annotations.run.rpartition("/")[2] != stem:
        mistakes.append(source.mistake(("run",), f"the file's name says {stem!r}, found {annotations.run!r}"))
    return mistakes


def _repeated(source: Source, annotations: Annotations) -> list[Mistake]:
    first: dict[tuple[str, str], int] = {}
    mistakes = []
    for index, entry in enumerate(annotations.entries):
        answer = (entry.prompt, entry.output)
        if answer in first:
            message = f"this answer is scored in entries[{first[answer]}] already; keep one of the two"
            mistakes.append(source.mistake(("entries", index), message))
        first.setdefault(answer, index)
    return mistakes


def _foreign(source: Source, annotations: Annotations, result: Result) -> list[Mistake]:
    mistakes = []
    if annotations.run != result.run.id:
        message = f"these are scores of another run: found {annotations.run!r}, not {result.run.id!r}"
        mistakes.append(source.mistake(("run",), message))
    facets = {prompt.id: [facet.id for facet in prompt.facets] for prompt in result.prompt_set.prompts}
    for index, entry in enumerate(annotations.entries):
        if entry.prompt not in facets:
            message = f"the run has no prompt {entry.prompt!r}{suggestion(entry.prompt, list(facets))}"
            mistakes.append(source.mistake(("entries", index, "prompt"), message))
            continue
        known = facets[entry.prompt]
        mistakes += [
            source.mistake(
                ("entries", index, "facets", name),
                f"prompt {entry.prompt!r} has no facet {name!r}{suggestion(name, known)} (it has: {', '.join(known)})",
            )
            for name in entry.facets
            if name not in known
        ]
    return mistakes
