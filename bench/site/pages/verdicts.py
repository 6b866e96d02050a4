"""How a verdict is reached: a figure for each idea, of a simulated model whose truth is known, never measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import expm1
from typing import Final

import numpy as np

from bench.analysis.changes import FLOOR, LevelStretch, levels, replay
from bench.analysis.intervals import Interval, intervals
from bench.analysis.pairwise import Crossed, crossed
from bench.report import format as form
from bench.report.palette import Mark
from bench.report.text import joined
from bench.site.charts import kinds as charts
from bench.site.charts.figures import Figure
from bench.site.charts.strips import strip_chart
from bench.site.estimates import SEED
from bench.stats.bootstrap import THESE, About, Prompts, RequestValues
from bench.stats.distribution import Floats

TRUTH_S: Final = 1.0
"""Median latency of the made-up model over all prompts that there could be."""

PROMPTS: Final = (
    "A yes or no",
    "A name",
    "A date",
    "A fact",
    "A reason",
    "A list of three",
    "A short summary",
    "A long summary",
)
ROUNDS: Final = 5
BETWEEN_PROMPTS: Final = 0.35
BETWEEN_ROUNDS: Final = 0.06
"""By how much latencies differ, as standard deviations of their logarithm."""

RUN_SEED: Final = 1
TRIALS: Final = 100
"""Runs that are made up to see how often an interval holds the truth."""

RUNS: Final = 10
BETWEEN_RUNS: Final = 0.04
RUNS_SEED: Final = 0
RATIO: Final = 0.05
"""Change from the run before at which a rule with a fixed ratio cries."""

HISTORY: Final = 30
STEP_AT: Final = 17
STEP: Final = 0.13
UNSTEADY_AT: Final = 19
SPIKE_AT: Final = 8
SPIKE: Final = 0.14
HISTORY_NOISE: Final = 0.015
HISTORY_SEED: Final = 1

PAIRS: Final = 10
WARMING: Final = 0.18
SLOWER: Final = 0.05
PAIRS_SEED: Final = 2


@dataclass(frozen=True)
class OneRun:
    """The samples of one run by prompt, in seconds, and the interval of their median if prompts or requests are drawn.

    `held` and `held_by_requests` count in how many of `TRIALS` such runs either interval held the truth.
    """

    samples: tuple[tuple[float, ...], ...]
    median: float
    by_prompts: Interval
    by_requests: Interval
    held: int
    held_by_requests: int


@dataclass(frozen=True)
class RunAgain:
    """A run of a series in which nothing changed: its median with its interval in seconds, against the run before."""

    median: float
    interval: Interval
    against_before: float | None


@dataclass(frozen=True)
class SimulatedHistory:
    """Medians of runs in seconds, oldest first, and what was said of them as they came.

    `alarms` are the places of the runs before the step after which a change was suspected, `suspected` and `confirmed`
    those after which the step first was. `effect` is the size of the step, as a share.
    """

    medians: tuple[float, ...]
    drifted: tuple[bool, ...]
    alarms: tuple[int, ...]
    suspected: int
    confirmed: int
    effect: float
    levels: tuple[LevelStretch, ...]


@dataclass(frozen=True)
class Turns:
    """A and B in turns: median latencies in seconds in the order of the blocks, the ratio beside neighbours (on the
    logarithm), and what the same machine would have said of all of A first and all of B then."""

    blocks: tuple[tuple[str, float], ...]
    beside: Crossed
    one_after_the_other: float


@cache
def one_run() -> OneRun:
    """Return one run, and how often such a run's intervals hold the truth."""
    rng = np.random.default_rng(RUN_SEED)
    table = np.array(sorted(_drawn(rng), key=np.median))
    by_prompts, by_requests = _by_prompts(table), _by_requests(table)
    again = [_drawn(rng) for _ in range(TRIALS)]
    return OneRun(
        samples=tuple(tuple(row) for row in table.tolist()),
        median=float(np.median(table)),
        by_prompts=by_prompts,
        by_requests=by_requests,
        held=sum(_holds(_by_prompts(one)) for one in again),
        held_by_requests=sum(_holds(_by_requests(one)) for one in again),
    )


@cache
def runs_again() -> tuple[RunAgain, ...]:
    """Return runs with the same prompts between which nothing changed but the machine's mood."""
    rng = np.random.default_rng(RUNS_SEED)
    prompts = rng.normal(0, BETWEEN_PROMPTS, (len(PROMPTS), 1))
    found: list[RunAgain] = []
    for mood in rng.normal(0, BETWEEN_RUNS, RUNS):
        table = TRUTH_S * np.exp(prompts + mood + rng.normal(0, BETWEEN_ROUNDS, (len(PROMPTS), ROUNDS)))
        median = float(np.median(table))
        before = found[-1].median if found else None
        against = None if before is None else median / before - 1
        found.append(RunAgain(median, _interval(_asked(table), THESE), against))
    return tuple(found)


@cache
def history() -> SimulatedHistory:
    """Return a history with a spike, a step and an unsteady run, and what was said at each run."""
    rng = np.random.default_rng(HISTORY_SEED)
    logs = rng.normal(0, HISTORY_NOISE, HISTORY)
    logs[SPIKE_AT] += SPIKE
    logs[STEP_AT:] += STEP
    values = [float(value) for value in TRUTH_S * np.exp(logs)]
    drifted = [place == UNSTEADY_AT for place in range(HISTORY)]
    said = list(replay(values, drifted))
    return SimulatedHistory(
        medians=tuple(values),
        drifted=tuple(drifted),
        alarms=tuple(place for place, found in enumerate(said[:STEP_AT]) if found),
        suspected=next(place for place, found in enumerate(said) if found and place >= STEP_AT),
        confirmed=next(place for place, found in enumerate(said) for one in found if one.status == "confirmed"),
        effect=said[-1][-1].effect,
        levels=levels(values, said[-1], drifted),
    )


@cache
def turns() -> Turns:
    """Return A and B in turns on a machine that gets slower, as A B, B A, A B and so on."""
    rng = np.random.default_rng(PAIRS_SEED)
    mood = WARMING * (1 - np.exp(-np.arange(2 * PAIRS) / 8)) + rng.normal(0, 0.006, 2 * PAIRS)
    noise = rng.normal(0, 0.02, (2, PAIRS, len(PROMPTS)))
    sides = ["A" if (place // 2 + place) % 2 == 0 else "B" for place in range(2 * PAIRS)]
    logs = {"A": np.zeros((PAIRS, len(PROMPTS))), "B": np.zeros((PAIRS, len(PROMPTS)))}
    for place, side in enumerate(sides):
        slower = np.log1p(SLOWER) if side == "B" else 0.0
        logs[side][place // 2] = mood[place] + slower + noise[0 if side == "A" else 1, place // 2]
    beside = crossed(logs["B"] - logs["A"])
    assert isinstance(beside, Crossed)
    blocks = [(side, float(np.exp(logs[side][place // 2].mean()))) for place, side in enumerate(sides)]
    first, then = float(mood[:PAIRS].mean()), float(mood[PAIRS:].mean())
    return Turns(tuple(blocks), beside, float(np.exp(then - first)) * (1 + SLOWER) - 1)


def _drawn(rng: np.random.Generator) -> Floats:
    """Return latencies by prompt and round, of prompts drawn anew."""
    prompts = rng.normal(0, BETWEEN_PROMPTS, (len(PROMPTS), 1))
    latencies: Floats = TRUTH_S * np.exp(prompts + rng.normal(0, BETWEEN_ROUNDS, (len(PROMPTS), ROUNDS)))
    return latencies


def _by_prompts(table: Floats) -> Interval:
    return _interval(_asked(table), None)


def _by_requests(table: Floats) -> Interval:
    """Return the interval as if each request had been of a prompt of its own."""
    return _interval([[RequestValues(np.array([value]))] for value in table.ravel()], None)


def _asked(table: Floats) -> Prompts:
    return [[RequestValues(np.array([value])) for value in row] for row in table]


def _interval(prompts: Prompts, about: About | None) -> Interval:
    found = intervals(prompts, ("p50",), seed=SEED, about=about)["p50"]
    assert isinstance(found, Interval)
    return found


def _holds(found: Interval) -> bool:
    return found.low <= TRUTH_S <= found.high


MARK: Final = Mark(1, "circle")
SIDES: Final = {"A": MARK, "B": Mark(2, "square")}
MADE_UP: Final = "Made up, not measured"
MODEL: Final = "made-up model"
SCALE: Final = form.scale("s", [TRUTH_S])
LATENCY: Final = f"Latency ({SCALE.unit})"
BY_PROMPTS: Final = "By prompts"
BY_REQUESTS: Final = "By requests"


@dataclass(frozen=True)
class Verdicts:
    """The page: its figures, and the numbers that its text names, as it shows them."""

    one_run: Figure
    runs_again: Figure
    history: Figure
    turns: Figure


def verdicts() -> Verdicts:
    """Return the page; it does not depend on any result."""
    return Verdicts(
        one_run=_one_run(),
        runs_again=_runs_again(),
        history=_history(),
        turns=_turns(),
    )


def _one_run() -> Figure:
    made = one_run()
    samples: list[charts.Datum] = [
        {"category": prompt, "model": MODEL, "x": form.plotted(value, SCALE), "detail": f"round {number}"}
        for prompt, values in zip(PROMPTS, made.samples, strict=True)
        for number, value in enumerate(values, start=1)
    ]
    medians: list[charts.Datum] = []
    bars: list[charts.Datum] = []
    for label, one in {BY_PROMPTS: made.by_prompts, BY_REQUESTS: made.by_requests}.items():
        row: charts.Datum = {"category": label, "model": MODEL}
        words = form.interval(one.low, one.high, made.median, SCALE)
        medians.append(row | {"x": form.plotted(made.median, SCALE), "interval": words})
        bars.append(row | {"low": form.plotted(one.low, SCALE), "high": form.plotted(one.high, SCALE)})
    median = form.with_unit(made.median, "s")
    wide = form.interval(made.by_prompts.low, made.by_prompts.high, made.median, SCALE)
    return Figure(
        id="one-run",
        sentence=f"One run: its median is {median}, and its interval says how far off that may be: {wide} s.",
        caption=f"{MADE_UP}: {len(PROMPTS)} prompts, {ROUNDS} rounds, each dot a sample, each tick the median of all. "
        f"Dashed: the truth, {form.with_unit(TRUTH_S, 's')} over all prompts like these. Of {TRIALS} runs made up in "
        f"this way the interval by prompts held the truth in {made.held}, the one by requests in "
        f"{made.held_by_requests}.",
        spec=strip_chart(
            samples,
            medians,
            (*PROMPTS, BY_PROMPTS, BY_REQUESTS),
            charts.axis(LATENCY, [float(row["x"]) for row in samples]),
            {MODEL: MARK},
            bars,
            [{"x": form.plotted(TRUTH_S, SCALE), "label": "truth"}],
        ),
        legend={},
    )


def _runs_again() -> Figure:
    made = runs_again()
    rows: list[charts.Datum] = [
        {
            "number": number,
            "value": form.plotted(one.median, SCALE),
            "interval": form.interval(one.interval.low, one.interval.high, one.median, SCALE),
            "label": _cry(one.against_before),
        }
        for number, one in enumerate(made, start=1)
    ]
    bars: list[charts.Datum] = [
        {
            "number": number,
            "low": form.plotted(one.interval.low, SCALE),
            "high": form.plotted(one.interval.high, SCALE),
        }
        for number, one in enumerate(made, start=1)
    ]
    cries = sum(row["label"] != "" for row in rows)
    ends = [float(row[end]) for row in bars for end in ("low", "high")]
    level = sorted(one.median for one in made)[len(made) // 2]
    return Figure(
        id="runs-again",
        sentence=f"{len(made)} runs between which nothing changed: a rule that compares each with the one before would "
        f"have cried {form.count(cries, 'time')}.",
        caption=f"{MADE_UP}: medians of the same prompts, lines their {form.confidence()} intervals. In words: more "
        f"than {form.share(RATIO)} from the run before. Dashed: the level, which stays.",
        spec=charts.history(
            rows,
            charts.axis(LATENCY, ends, from_zero=False),
            MARK,
            intervals=bars,
            numbers=charts.Axis("Run", 0.5, len(rows) + 0.9),
            rules=[{"value": form.plotted(level, SCALE)}],
        ),
        legend={},
    )


def _history() -> Figure:
    made = history()
    rows: list[charts.Datum] = [
        {"number": number, "value": form.plotted(value, SCALE), "machine": "unsteady" if drifted else "steady"}
        for number, (value, drifted) in enumerate(zip(made.medians, made.drifted, strict=True), start=1)
    ]
    levels: list[charts.Datum] = [
        {"number": one.first + 0.6, "until": one.last + 1.4, "value": form.plotted(one.value, SCALE)}
        for one in made.levels
    ]
    old = made.levels[0].value
    floor: charts.Datum = {"number": 0.5, "until": len(rows) + 0.5}
    floor |= {"low": form.plotted(old / (1 + FLOOR), SCALE), "high": form.plotted(old * (1 + FLOOR), SCALE)}
    statuses = [(place, "suspected") for place in made.alarms]
    statuses += [(made.suspected, "suspected"), (made.confirmed, "confirmed")]
    values = [float(row["value"]) for row in rows]
    alarm = f"Run {joined([str(place + 1) for place in made.alarms])} is a suspicion that the next run takes back. "
    return Figure(
        id="history",
        sentence=f"A step at run {STEP_AT + 1}: suspected at run {made.suspected + 1}, confirmed at run "
        f"{made.confirmed + 1}, {form.change(made.effect)} in size.",
        caption=f"{MADE_UP}. {alarm if made.alarms else ''}Hollow: run {UNSTEADY_AT + 1}, on an unsteady machine, "
        f"confirms nothing. Lines: the levels. Grey: less than {form.share(FLOOR)} from the first one.",
        spec=charts.history(
            rows,
            charts.axis(LATENCY, [*values, float(floor["low"])], from_zero=False),
            MARK,
            joined=False,
            levels=levels,
            numbers=charts.Axis("Run", 0.5, len(rows) + 0.5),
            bands=[floor],
            notes=_notes(statuses),
        ),
        legend={},
    )


def _turns() -> Figure:
    made = turns()
    rows: list[charts.Datum] = [
        {"block": place + 1, "value": form.plotted(value, SCALE), "side": side, "pair": place // 2 + 1}
        for place, (side, value) in enumerate(made.blocks)
    ]
    low, high = (form.change(expm1(end)) for end in (made.beside.low, made.beside.high))
    return Figure(
        id="turns",
        sentence=f"A and B in turns on a machine that gets slower: beside its neighbour B takes "
        f"{form.percent(expm1(made.beside.value))} longer.",
        caption=f"{MADE_UP}: {PAIRS} pairs, B in truth {form.share(SLOWER)} slower; a line joins each pair. The "
        f"{form.confidence()} interval is {low} to {high}. All of A first and then all of B would have said "
        f"{form.change(made.one_after_the_other)}.",
        spec=charts.blocks(
            rows,
            charts.Axis("Block, in the order of measuring", 0.5, len(rows) + 0.5),
            charts.axis(LATENCY, [float(row["value"]) for row in rows], from_zero=False),
            SIDES,
        ),
        legend=SIDES,
    )


def _cry(against_before: float | None) -> str:
    """Return what a rule with a fixed ratio would say of a run; nothing of the first one."""
    if against_before is None or abs(against_before) <= RATIO:
        return ""
    return f"{'−' if against_before < 0 else '+'}{form.share(abs(against_before))}"


def _notes(statuses: Sequence[tuple[int, str]]) -> list[charts.Datum]:
    """Return a note for each status of the change, beside its line: a suspicion before it, what confirms it behind."""
    before: charts.Datum = {"align": "right", "dx": -5}
    behind: charts.Datum = {"align": "left", "dx": 5}
    rows: list[charts.Datum] = []
    for place, status in statuses:
        row: charts.Datum = {"number": place + 1, "label": status}
        rows.append(row | (before if status == "suspected" else behind))
    return rows
