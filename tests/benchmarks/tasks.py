"""Work on many histories in processes of its own, and what the tables of the change points share."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress

from tests.benchmarks.detectors import Project
from tests.benchmarks.histories import Kind, Truth, histories

T = TypeVar("T")
W = TypeVar("W")
Row = Sequence[str]


def percent(share: float) -> str:
    """Return a share in percent."""
    return f"{share:.1%}"


@dataclass(frozen=True)
class Task:
    """Histories of one kind, to be made and looked at in a process of its own; `belief` in autocorrelated noise."""

    kind: Kind
    count: int
    seed: int
    belief: float | None = None
    project: Project | None = None

    def truths(self) -> list[Truth]:
        """Make the histories."""
        return histories(self.kind, self.count, self.seed)


@dataclass(frozen=True)
class Bench:
    """How many histories are made, with which seed, on how many processors, and who is asked beside ours."""

    count: int
    peer_count: int
    seed: int
    jobs: int
    projects: tuple[Project, ...]

    def tasks(self, kinds: Sequence[Kind], belief: float | None = None) -> list[Task]:
        """Return the tasks for some kinds of history."""
        return [Task(kind, self.count, self.seed, belief) for kind in kinds]

    def all(self, work: Callable[[W], T], tasks: Sequence[W], name: str) -> Iterator[T]:
        """Yield what the work makes of each task, in order, and show how far it is."""
        with Progress(console=Console(stderr=True)) as progress, ProcessPoolExecutor(self.jobs) as pool:
            yield from progress.track(pool.map(work, tasks), total=len(tasks), description=name)
