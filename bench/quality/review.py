"""The reviews of a run: what judges and people said of its answers, in files of their own beside the result.

results/<machine>/<run>.json
results/<machine>/<run>.judge-<judge>.jsonl
results/<machine>/<run>.by-<annotator>.yaml
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bench.errors import ConfigError, Mistake, ResultError, UsageError
from bench.quality.annotation_file import load_annotations
from bench.quality.judgement_file import load_judgement
from bench.quality.review_record import (
    Annotation,
    Annotations,
    FacetScore,
    JudgeHeader,
    Judgement,
    PairVerdict,
    Reviews,
    Sitting,
    Verdict,
)
from bench.results.revisions import run_path
from bench.results.schema import Result
from bench.results.store import Refused, load, result_paths
from bench.runner.record import ModelRun

__all__ = [
    "Annotation",
    "Annotations",
    "FacetScore",
    "JudgeHeader",
    "Judgement",
    "PairVerdict",
    "Reviewed",
    "Reviews",
    "Sitting",
    "Verdict",
    "all_reviews",
    "find_run",
    "judges_itself",
    "load_annotations",
    "load_judgement",
    "review_mistakes",
    "reviews_beside",
    "reviews_of",
]

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
            refused.append(Refused(place, "; ".join(map(_told, error.mistakes))))
            continue
        told = review.header.run if isinstance(review, Judgement) else review.run
        if told != run_id:
            refused.append(Refused(place, f"it reviews the run {told!r}, and lies beside {run_id!r}"))
        elif isinstance(review, Judgement):
            judgements.append(review)
        else:
            annotations.append(review)
    return Reviews(tuple(judgements), tuple(annotations), tuple(refused))


def all_reviews(results_dir: Path) -> dict[str, Reviews]:
    """Return the reviews anywhere below a folder, by the id of their run; those of no run are refused."""
    folders = {path.parent for path in results_dir.rglob("*.*") if _REVIEW.fullmatch(path.name)}
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


def _told(mistake: Mistake) -> str:
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
