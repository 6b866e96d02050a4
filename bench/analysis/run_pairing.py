"""Which runs of two sides stand against each other: the newest of each machine and config."""

from collections.abc import Iterable
from dataclasses import dataclass

from bench.analysis.summary import oldest_first
from bench.schema.result import Result
from bench.store.revisions import Named


@dataclass(frozen=True)
class Opposite:
    """Two runs to compare."""

    before: Result
    after: Result

    @property
    def same(self) -> bool:
        """Whether both sides have the same newest run, so that there is nothing to compare."""
        return self.before.run.id == self.after.run.id


@dataclass(frozen=True)
class Opposites:
    """The pairs by machine and config, and the names of what only one side has, as 'machine config'."""

    pairs: tuple[Opposite, ...]
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]


def opposites(before: Named, after: Named) -> Opposites:
    """Return the runs of two sides that stand against each other.

    Two runs do so whatever they are. A run and a revision: the newest run of its machine and config there.
    """
    if before.run is not None and after.run is not None:
        return Opposites((Opposite(before.run, after.run),), (), ())
    sides = _newest(before), _newest(after)
    both = sorted(sides[0].keys() & sides[1].keys())
    # One run against a revision asks of that run alone.
    alone = [_words(sides[place].keys() - set(both)) if sides_are_many(before, after) else () for place in (0, 1)]
    return Opposites(tuple(Opposite(sides[0][key], sides[1][key]) for key in both), alone[0], alone[1])


def sides_are_many(before: Named, after: Named) -> bool:
    """Return whether both sides are all the runs of a revision."""
    return before.run is None and after.run is None


def _newest(side: Named) -> dict[tuple[str, str], Result]:
    if side.run is not None:
        return {_key(side.run): side.run}
    results: Iterable[Result] = () if side.ledger is None else side.ledger.results
    return {_key(result): result for result in oldest_first(results)}


def _key(result: Result) -> tuple[str, str]:
    return result.machine.name, result.config.name


def _words(keys: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    return tuple(" ".join(key) for key in sorted(keys))
