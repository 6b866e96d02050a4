"""Where a model has enough: the knee of closed-loop levels, and why a sweep ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from bench.metrics.load import LevelSummary
from bench.schema.model_run import ModelRun
from bench.schema.result import Result

KNEE_SHARE: Final = 0.9
"""Share of the highest throughput that the knee has at least: more streams than that add little to it."""

KNEE_LEVELS: Final = 3
"""Closed-loop levels that a knee needs: two points make a line, and a line has no knee."""


@dataclass(frozen=True)
class Knee:
    """The level at the knee, the one with the highest throughput, and the share of it that the knee has.

    `unit` says what the throughput counts. `still_growing`: the knee is the last level, so that it may lie beyond.
    """

    level: LevelSummary
    best: LevelSummary
    share: float
    unit: Literal["tokens/s", "answers/s"]
    still_growing: bool


@dataclass(frozen=True)
class NoKnee:
    """Why there is no knee."""

    why: str


@dataclass(frozen=True)
class SweepEnd:
    """Why a sweep ended: throughput no longer grew, the most streams were reached, or the run or level was cut short.

    `growth` is the throughput of its last level / that of the one before; None where one of them has none.
    """

    kind: Literal["saturated", "most-streams", "cut-short"]
    streams: int
    growth: float | None


def knee(levels: Sequence[LevelSummary]) -> Knee | NoKnee:
    """Return the knee of the closed-loop levels: the fewest streams with at least 90% of the highest throughput.

    Throughput is in tokens per second, or in answers where nobody counted tokens. Of two levels with as many streams
    the first counts. The rule is plain on purpose. Kneedle (Satopää, Albrecht, Irwin and Raghavan, Finding a 'Kneedle'
    in a Haystack, 2011) finds the point of highest curvature, but of a smoothed curve scaled to its own end: on the
    four to seven levels of a sweep that doubles, its answer moves with the last level that was tried, and this one only
    with the highest throughput.
    """
    known, unit = _throughputs(levels)
    if len(known) < KNEE_LEVELS:
        noun = "level has" if len(known) == 1 else "levels have"
        return NoKnee(f"{len(known)} closed-loop {noun} a throughput; a knee needs {KNEE_LEVELS}")
    best, highest = max(known, key=lambda one: one[1])
    level, throughput = next(one for one in known if one[1] >= KNEE_SHARE * highest)
    return Knee(level, best, throughput / highest, unit, still_growing=level is known[-1][0])


def sweep_end(result: Result, model: ModelRun, levels: Sequence[LevelSummary]) -> SweepEnd | None:
    """Return why the sweep of a model ended, given its levels; None where there was no sweep.

    A level that the config names as well is one of the sweep's, whoever asked for it.
    """
    sweep = _sweep_settings(result)
    if sweep is None:
        return None
    growth_needed, most = sweep
    swept = _chain(levels, most)
    if not swept:
        return None
    last = swept[-1]
    known, _ = _throughputs(swept)
    growth = known[-1][1] / known[-2][1] if len(known) > 1 and known[-1][0] is last else None
    if growth is not None and growth < growth_needed:
        return SweepEnd("saturated", last.key.streams, growth)
    if last.key.streams == most:
        return SweepEnd("most-streams", last.key.streams, growth)
    cut = last.record.ended_early is not None or model.failure is not None or result.run.status == "partial"
    return SweepEnd("cut-short" if cut or growth is None else "saturated", last.key.streams, growth)


def _throughputs(
    levels: Sequence[LevelSummary],
) -> tuple[list[tuple[LevelSummary, float]], Literal["tokens/s", "answers/s"]]:
    """Return the closed-loop levels that gave good answers with their throughput, by streams, and its unit."""
    first: dict[int, LevelSummary] = {}
    for one in levels:
        if one.closed and one.good:
            first.setdefault(one.key.streams, one)
    ordered = [first[streams] for streams in sorted(first)]
    tokens = [(one, one.throughput_tokens_per_s) for one in ordered]
    known = [(one, value) for one, value in tokens if value is not None]
    if len(known) == len(ordered):
        return known, "tokens/s"
    return [(one, value) for one in ordered if (value := one.answers_per_s)], "answers/s"


def _chain(levels: Sequence[LevelSummary], most: int) -> list[LevelSummary]:
    """Return the closed-loop levels of 1, 2, 4, ... and at last `most` streams, up to the first that is not there."""
    closed = {one.key.streams: one for one in reversed(levels) if one.closed}
    found = []
    streams = 1
    while streams in closed:
        found.append(closed[streams])
        if streams == most:
            break
        streams = min(2 * streams, most)
    return found


def _sweep_settings(result: Result) -> tuple[float, int] | None:
    """Return `growth` and `max_streams` of the sweep, as the config has them; None where it has no sweep."""
    sweep = result.config.part("load", "sweep")
    growth, most = sweep.get("growth"), sweep.get("max_streams")
    if not isinstance(growth, int | float) or not isinstance(most, int):
        return None
    return float(growth), most
