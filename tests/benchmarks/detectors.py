"""What each method says of a history, run by run: ours, a ratio to the run before, asv, Apache Otava."""

import json
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from bench.analysis.changes import StepChange, replay
from bench.stats.change_points import RUNS_TO_CONFIRM
from tests.benchmarks.histories import Truth

LOOSER: Final = (1e-3, 3e-3)
"""Limits of p above ours, for a comparison at equal power."""

RATIOS: Final = (1.1, 2.0)
"""How far from the run before a run may be: what users set, and github-action-benchmark's own 200%."""

SEGMENTERS: Final = Path(__file__).with_name("segmenters.py")

FIRST: Final = 10
"""The first prefix that is looked at has so many runs: below that some methods report nearly anything."""

Reports = list[list[int]]
"""For each prefix of a history, shortest first, the indices at which a method sees a change."""


class Seen(NamedTuple):
    """A method's reports on a history."""

    truth: Truth
    reports: Reports


@dataclass(frozen=True)
class Project:
    """Another project, asked in an interpreter that has it."""

    name: str
    python: Path


def first_prefix(truth: Truth) -> int:
    """Return the number of runs in the first prefix that is looked at: of a step, the one with its first run."""
    return FIRST if truth.step is None else truth.step + 1


def our_changes(truth: Truth) -> list[tuple[StepChange, ...]]:
    """Return what ours says of each prefix."""
    return list(replay(truth.values))[first_prefix(truth) - 1 :]


def ours(truth: Truth) -> Reports:
    """Return where ours confirms a change."""
    return [[each.index for each in found if each.status == "confirmed"] for found in our_changes(truth)]


def within(found: Sequence[StepChange], p: float) -> list[int]:
    """Return where ours would confirm a change if so large a p were enough."""
    sure = RUNS_TO_CONFIRM
    return [each.index for each in found if each.status == "confirmed" or (each.runs >= sure and each.p <= p)]


def ours_by_limit(truths: Sequence[Truth]) -> dict[str, list[Seen]]:
    """Return our reports, and those of looser limits."""
    seen: dict[str, list[Seen]] = {}
    for truth in truths:
        said = our_changes(truth)
        seen.setdefault("ours", []).append(Seen(truth, [within(found, 0.0) for found in said]))
        for p in LOOSER:
            seen.setdefault(f"ours, p {p:.0e}", []).append(Seen(truth, [within(found, p) for found in said]))
    return seen


def ratio(truth: Truth, limit: float) -> Reports:
    """Return every run that differs from the one before by more than a ratio, up or down."""
    pairs = zip(truth.values, truth.values[1:], strict=False)
    far = [index for index, (a, b) in enumerate(pairs, start=1) if not 1 / limit <= b / a <= limit]
    return [[index for index in far if index < runs] for runs in range(first_prefix(truth), len(truth.values) + 1)]


def by_ratio(truths: Sequence[Truth]) -> dict[str, list[Seen]]:
    """Return the reports of the ratios to the run before."""
    return {
        f"{limit:.0%} of the run before": [Seen(truth, ratio(truth, limit)) for truth in truths] for limit in RATIOS
    }


@contextmanager
def asked(project: Project, *options: str) -> Iterator["Peer"]:
    """Start a project's interpreter; it ends with the block."""
    command = [str(project.python), "-W", "ignore", str(SEGMENTERS), project.name, *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Peer(process)
        assert process.stdin is not None
        process.stdin.close()


class Peer:
    """Another project's interpreter at work."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def answer(self, values: Sequence[float], first: int) -> dict[str, object]:
        """Return what its methods answer, by their names."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([values, first]) + "\n")
        self._process.stdin.flush()
        answer: dict[str, object] = json.loads(self._process.stdout.readline())
        return answer


def by_project(project: Project, truths: Iterable[Truth]) -> dict[str, list[Seen]]:
    """Return the reports of a project's methods."""
    seen: dict[str, list[Seen]] = {}
    with asked(project) as peer:
        for truth in truths:
            for name, reports in peer.answer(truth.values, first_prefix(truth)).items():
                assert isinstance(reports, list)
                seen.setdefault(name, []).append(Seen(truth, reports))
    return seen


def false_share(seen: Sequence[Seen]) -> float:
    """Return the share of steady histories of which some prefix is said to have a change."""
    return sum(any(reports) for _, reports in seen) / len(seen)


def found_share(seen: Sequence[Seen], further: int, astray: int = 1) -> float:
    """Return the share of steps seen by `further` runs after their first, at most `astray` runs from where it is."""
    return sum(found_after(each, astray) <= further for each in seen) / len(seen)


def found_after(seen: Seen, astray: int) -> float:
    """Return how many runs after its first a step is seen, infinite where it never is."""
    truth, reports = seen
    assert truth.step is not None
    for further, indices in enumerate(reports):
        if any(abs(index - truth.step) <= astray for index in indices):
            return further
    return float("inf")
