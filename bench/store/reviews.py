"""Reviews of a run, beside its result: a judge's verdicts (JSON Lines) and a person's scores (YAML).

A judge's file has a header line, then a verdict a line, each on the disk before the next is asked for. A person's file
can be read, written by hand, and reviewed as a diff.
"""

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

import yaml
from pydantic import Field, TypeAdapter, ValidationError

from bench.config.settings import slug
from bench.config.source import SourceFile, read_source, suggestion, validated
from bench.errors import BenchError, ConfigError, Mistake, ResultError, UsageError, shown
from bench.schema.fields import OUT_OF_RANGE, parse_json, validate_json
from bench.schema.model_run import ModelRun
from bench.schema.result import Result
from bench.schema.review import (
    REVIEW_SCHEMA_VERSION,
    SCORES,
    Annotation,
    Annotations,
    JudgeHeader,
    Judgement,
    PairVerdict,
    Sitting,
    Verdict,
)
from bench.store.distinct_answers import DistinctAnswer, answers, visible
from bench.store.files import Refused, load, result_paths, write_whole
from bench.store.revisions import run_path


@dataclass(frozen=True)
class Reviews:
    """All scores by judges and people of one run, each sorted by file name, and the files that were refused."""

    judgements: tuple[Judgement, ...] = ()
    annotations: tuple[Annotations, ...] = ()
    refused: tuple[Refused, ...] = ()


JudgementRecord = Verdict | PairVerdict | Sitting
_ENTRY: TypeAdapter[JudgementRecord] = TypeAdapter(Annotated[JudgementRecord, Field(discriminator="kind")])
_HEADER = TypeAdapter(JudgeHeader)


def name_slug(name: str) -> str:
    """Return the part of a review's file name that stands for a judge or a person: letters, digits and dashes."""
    return slug(name).replace(".", "-")[:60].strip("-")


def judgement_path(result_path: Path, judge: str) -> Path:
    """Return where the judgement of a result by a judge of this name lies."""
    return result_path.with_name(f"{result_path.stem}.judge-{name_slug(judge)}.jsonl")


def load_judgement(path: Path) -> Judgement:
    """Read a judge's file; a line that was cut off at its end is left out.

    Raises ResultError, with the path, the line and the reason, for a file that is damaged or newer than this program.
    """
    try:
        # After the last line break there is nothing, or what was being written when the end came.
        lines = path.read_bytes().split(b"\n")[:-1]
    except OSError as error:
        raise ResultError(path, f"cannot be read: {error.strerror}") from error
    if not lines:
        raise ResultError(path, "has no header; delete it and judge again")
    header = _header(path, lines[0])
    verdicts: dict[tuple[object, ...], Verdict] = {}
    pairs: dict[tuple[object, ...], PairVerdict] = {}
    sittings = []
    for number, line in enumerate(lines[1:], start=2):
        try:
            entry = validate_json(_ENTRY, line)
        except ValidationError as error:
            raise ResultError(path, f"line {number} is damaged: {_first(error)}; take the line out") from error
        match entry:
            case Verdict():
                verdicts[key(entry)] = entry
            case PairVerdict():
                pairs[key(entry)] = entry
            case Sitting():
                sittings.append(entry)
    return Judgement(header, tuple(verdicts.values()), tuple(pairs.values()), tuple(sittings))


def key(entry: Verdict | PairVerdict) -> tuple[object, ...]:
    """Return what a verdict answers: two with one key answer the same question."""
    if isinstance(entry, Verdict):
        return ("answer", entry.prompt, entry.output, entry.reading)
    return ("pair", entry.prompt, entry.first, entry.second)


class JudgementFile:
    """A judgement that is being written. Raises BenchError, naming the file, where the disk takes no more."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            content = path.read_bytes() if path.exists() else b""
            # Open for as long as the judge is asked; `close` ends it.
            self._file = open(path, "ab", buffering=0)  # noqa: SIM115
            # A line that a crash left unfinished would spoil the next one.
            self._file.truncate(content.rfind(b"\n") + 1)
        except OSError as error:
            raise BenchError(f"{path}: cannot be written: {error.strerror}") from error

    def append(self, record: JudgeHeader | JudgementRecord) -> None:
        """Write one line; when this returns, it is on the disk."""
        document = record.model_dump(mode="json")
        line = json.dumps(document, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace") + b"\n"
        try:
            while line:
                line = line[self._file.write(line) :]
            os.fsync(self._file.fileno())
        except OSError as error:
            message = f"{self.path}: cannot be written: {error.strerror}. What was judged until here is in it: "
            raise BenchError(message + "make room, then give the same command again") from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def has_header(path: Path) -> bool:
    """Return whether there is a file with a whole first line."""
    return path.is_file() and b"\n" in path.read_bytes()


def _header(path: Path, line: bytes) -> JudgeHeader:
    version: Any = None
    try:
        document = parse_json(line)
        version = document.get("schema_version") if isinstance(document, dict) else None
    except (ValueError, RecursionError) as error:
        raise ResultError(path, "line 1 is no header; delete the file and judge again") from error
    if isinstance(version, int) and version > REVIEW_SCHEMA_VERSION:
        newer = f"has schema version {shown(version)}; this program reads up to {REVIEW_SCHEMA_VERSION}"
        raise ResultError(path, f"{newer}: upgrade benchledger")
    try:
        return validate_json(_HEADER, line)
    except ValidationError as error:
        raise ResultError(path, f"line 1 is no header: {_first(error)}; delete the file and judge again") from error


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == OUT_OF_RANGE:
        message += f", found {shown(first['input'])}"
    return f"{place}: {message}" if place else message


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
        f"# Give each facet a whole number from {SCORES[0]} (not met at all) to {SCORES[-1]} (fully met), "
        "or leave it empty.\n"
        f"# Read it back with: {_one_line(command)}\n"
    )
    _replace(path, head + "".join(_lines(annotations, comment, says)))


def _shown_answer(answer: DistinctAnswer, title: str) -> list[str]:
    lines = ["", f"--- {title} ---", f"Prompt: {answer.prompt.title}"]
    lines += [f"  | {line}" for line in visible(answer.prompt.transcript).split("\n")]
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
        write_whole(path, text, overwrite=True)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from error


def _misplaced(source: SourceFile, annotations: Annotations) -> list[Mistake]:
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


def _repeated(source: SourceFile, annotations: Annotations) -> list[Mistake]:
    first: dict[tuple[str, str], int] = {}
    mistakes = []
    for index, entry in enumerate(annotations.entries):
        answer = (entry.prompt, entry.output)
        if answer in first:
            message = f"this answer is scored in entries[{first[answer]}] already; keep one of the two"
            mistakes.append(source.mistake(("entries", index), message))
        first.setdefault(answer, index)
    return mistakes


def _foreign(source: SourceFile, annotations: Annotations, result: Result) -> list[Mistake]:
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


RUNS_NAMED = 3
"""Newest runs that a message names."""

_REVIEW = re.compile(r"(?P<run>.+)\.(?P<kind>judge|by)-(?P<name>[a-z0-9-]+)\.(?P<form>jsonl|yaml)")


@dataclass(frozen=True)
class Reviewed:
    """A run that is to be reviewed, and where its result file lies: reviews lie beside it."""

    path: Path
    result: Result


def find_run(run: str, results_dir: Path) -> Reviewed:
    """Return a run by the path of its file, by its id or the beginning of that, or the newest one for 'latest'.

    Raises EmptyLedger where there is none at all, UsageError where there is none of this name, and ResultError where
    it cannot be read or lies in another place than its id says.
    """
    path = run_path(run, results_dir)
    if path is None:
        newest = sorted(result_paths(results_dir), key=lambda path: (path.stem, path), reverse=True)
        named = [one.relative_to(results_dir).with_suffix("").as_posix() for one in newest[:RUNS_NAMED]]
        there = f"; the newest: {', '.join(named)}" if named else ""
        raise UsageError(f"{run}: no such run. Name a result file, a run of {results_dir}, or latest{there}")
    result = load(path)
    if path.stem != result.run.id.rpartition("/")[2]:
        raise ResultError(path, f"its run id is {result.run.id!r}: move it to {result.run.id}.json")
    return Reviewed(path, result)


def reviews_of(results_dir: Path, run_id: str) -> Reviews:
    """Return all reviews of a run; a file that cannot be used is refused with the reason, and the rest is kept."""
    return reviews_beside(results_dir / f"{run_id}.json", run_id)


def reviews_beside(result_path: Path, run_id: str) -> Reviews:
    """Return all reviews that lie beside the result file of a run, as `reviews_of` does."""
    judgements: list[Judgement] = []
    annotations: list[Annotations] = []
    refused: list[Refused] = []
    for path, kind in _review_files(result_path.parent, run_id.rpartition("/")[2]):
        place = (PurePosixPath(run_id).parent / path.name).as_posix()
        try:
            review: Judgement | Annotations
            review = load_judgement(path) if kind == "judge" else load_annotations(path)
        except ResultError as error:
            refused.append(Refused(place, error.reason))
            continue
        except ConfigError as error:
            refused.append(Refused(place, "; ".join(map(_in_words, error.mistakes))))
            continue
        run = review.header.run if isinstance(review, Judgement) else review.run
        if run != run_id:
            refused.append(Refused(place, f"it reviews the run {run!r}, and lies beside {run_id!r}"))
        elif isinstance(review, Judgement):
            judgements.append(review)
        else:
            annotations.append(review)
    return Reviews(tuple(judgements), tuple(annotations), tuple(refused))


def review_paths(results_dir: Path) -> tuple[Path, ...]:
    """Return every review file anywhere below a folder, sorted by path."""
    return tuple(sorted(path for path in results_dir.rglob("*.*") if _REVIEW.fullmatch(path.name)))


def reviewed_run(path: Path, results_dir: Path) -> str:
    """Return the id of the run that a review file below a folder lies beside; ValueError for any other file."""
    match = _REVIEW.fullmatch(path.name)
    if match is None:
        raise ValueError(f"{path} is no review")
    return path.with_name(match["run"]).relative_to(results_dir).as_posix()


def all_reviews(results_dir: Path) -> dict[str, Reviews]:
    """Return the reviews anywhere below a folder, by the id of their run; those of no run are refused."""
    folders = {path.parent for path in review_paths(results_dir)}
    found: dict[str, Reviews] = {}
    for folder in sorted(folders):
        runs = {match["run"] for path in folder.iterdir() if (match := _REVIEW.fullmatch(path.name))}
        for stem in sorted(runs):
            place = (folder / stem).relative_to(results_dir).as_posix()
            if (folder / f"{stem}.json").is_file():
                found[place] = reviews_of(results_dir, place)
                continue
            reason = f"there is no run {place!r} that it could review"
            paths = (path.relative_to(results_dir).as_posix() for path, _ in _review_files(folder, stem))
            found[place] = Reviews(refused=tuple(Refused(path, reason) for path in paths))
    return found


def review_mistakes(results_dir: Path) -> tuple[Refused, ...]:
    """Return what is wrong with review files anywhere below a folder, by path: damaged ones, and those of no run."""
    found = (refused for reviews in all_reviews(results_dir).values() for refused in reviews.refused)
    return tuple(sorted(found, key=lambda refused: refused.path))


def judges_itself(judge: JudgeHeader | Judgement, model: ModelRun) -> bool:
    """Return whether a judge and a judged model are the same, in whatever version.

    They are where what was asked for, or what that turned out to be, is the same.
    """
    header = judge.header if isinstance(judge, Judgement) else judge
    ids = {header.requested, header.variant_id}
    if isinstance(judge, Judgement):
        ids |= {sitting.variant_id for sitting in judge.sittings}
    return not _names(ids).isdisjoint(_names({model.requested, model.variant_id}))


def _in_words(mistake: Mistake) -> str:
    parts = (f"line {mistake.line}" if mistake.line else "", mistake.key, mistake.message)
    return ": ".join(part for part in parts if part)


def _names(ids: Iterable[str | None]) -> set[str]:
    """Return ids without the version at their end, as qwen2.5-0.5b-generic-cpu of qwen2.5-0.5b-generic-cpu:4."""
    return {re.sub(r":\d+$", "", one) for one in ids if one is not None}


def _review_files(folder: Path, stem: str) -> Iterator[tuple[Path, str]]:
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        match = _REVIEW.fullmatch(path.name) if path.name.startswith(f"{stem}.") else None
        if match and match["run"] == stem and (match["kind"] == "judge") == (match["form"] == "jsonl"):
            yield path, match["kind"]
