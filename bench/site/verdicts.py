"""How a verdict is reached: a figure for each idea, of a made-up model whose truth is known."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import expm1
from typing import Final

from bench.analysis.changes import FLOOR
from bench.analysis.ranking import LEVEL
from bench.analysis.resampling import RESAMPLES
from bench.analysis.segments import RUNS_BEFORE, RUNS_TO_CONFIRM
from bench.site import charts, verdict_charts
from bench.site import format as form
from bench.site.figures import Figure
from bench.site.made_up import (
    PAIRS,
    PROMPTS,
    RATIO,
    ROUNDS,
    SLOWER,
    STEP_AT,
    TRIALS,
    TRUTH_S,
    UNSTEADY_AT,
    history,
    one_run,
    runs_again,
    turns,
)
from bench.site.naming import joined
from bench.site.palette import Mark

MARK: Final = Mark(1, "circle")
SIDES: Final = {"A": MARK, "B": Mark(2, "square")}
MADE_UP: Final = "Made up, not measured"
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
    limits: dict[str, str]


def verdicts() -> Verdicts:
    """Return the page; it does not depend on any result."""
    return Verdicts(
        one_run=_one_run(),
        runs_again=_runs_again(),
        history=_history(),
        turns=_turns(),
        limits={
            "floor": form.share(FLOOR),
            "resamples": f"{RESAMPLES:,}",
            "level": form.share(LEVEL),
            "before": str(RUNS_BEFORE),
            "confirm": str(RUNS_TO_CONFIRM),
            "ratio": form.share(RATIO),
        },
    )


def _one_run() -> Figure:
    made = one_run()
    samples: list[charts.Row] = [
        {"category": prompt, "x": form.plotted(value, SCALE), "detail": f"round {number}"}
        for prompt, values in zip(PROMPTS, made.samples, strict=True)
        for number, value in enumerate(values, start=1)
    ]
    found = {BY_PROMPTS: made.by_prompts, BY_REQUESTS: made.by_requests}
    rows: list[charts.Row] = [
        {
            "category": label,
            "x": form.plotted(made.median, SCALE),
            "low": form.plotted(one.low, SCALE),
            "high": form.plotted(one.high, SCALE),
            "interval": form.interval(one.low, one.high, made.median, SCALE),
        }
        for label, one in found.items()
    ]
    median = form.with_unit(made.median, "s")
    wide = form.interval(made.by_prompts.low, made.by_prompts.high, made.median, SCALE)
    return Figure(
        id="one-run",
        sentence=f"One run: its median is {median}, and its interval says how far off that may be: {wide} s.",
        caption=f"{MADE_UP}: {len(PROMPTS)} prompts, {ROUNDS} rounds, each dot a sample, each tick the median of all. "
        f"Dashed: the truth, {form.with_unit(TRUTH_S, 's')} over all prompts like these. Of {TRIALS} runs made up in "
        f"this way the interval by prompts held the truth in {made.held}, the one by requests in "
        f"{made.held_by_requests}.",
        spec=verdict_charts.one_run(
            samples,
            rows,
            {"x": form.plotted(TRUTH_S, SCALE), "label": "truth"},
            (*PROMPTS, BY_PROMPTS, BY_REQUESTS),
            charts.axis(LATENCY, [float(row["x"]) for row in samples]),
            MARK,
        ),
        legend={},
    )


def _runs_again() -> Figure:
    made = runs_again()
    rows: list[charts.Row] = [
        {
            "run": number,
            "value": form.plotted(one.median, SCALE),
            "low": form.plotted(one.interval.low, SCALE),
            "high": form.plotted(one.interval.high, SCALE),
            "interval": form.interval(one.interval.low, one.interval.high, one.median, SCALE),
            "label": _cry(one.against_before),
        }
        for number, one in enumerate(made, start=1)
    ]
    cries = sum(row["label"] != "" for row in rows)
    ends = [float(row[end]) for row in rows for end in ("low", "high")]
    level = sorted(one.median for one in made)[len(made) // 2]
    return Figure(
        id="runs-again",
        sentence=f"{len(made)} runs between which nothing changed: a rule that compares each with the one before would "
        f"have cried {form.count(cries, 'time')}.",
        caption=f"{MADE_UP}: medians of the same prompts, lines their 95 % intervals. In words: more than "
        f"{form.share(RATIO)} from the run before. Dashed: the level, which stays.",
        spec=verdict_charts.runs_again(
            rows,
            form.plotted(level, SCALE),
            charts.Axis("Run", 0.5, len(rows) + 0.9),
            charts.axis(LATENCY, ends, from_zero=False),
            MARK,
        ),
        legend={},
    )


def _history() -> Figure:
    made = history()
    rows: list[charts.Row] = [
        {"run": number, "value": form.plotted(value, SCALE), "machine": "unsteady" if drifted else "steady"}
        for number, (value, drifted) in enumerate(zip(made.medians, made.drifted, strict=True), start=1)
    ]
    levels: list[charts.Row] = [
        {"first": one.first + 0.6, "last": one.last + 1.4, "value": form.plotted(one.value, SCALE)}
        for one in made.levels
    ]
    old = made.levels[0].value
    floor: charts.Row = {"first": 0.5, "last": len(rows) + 0.5}
    floor |= {"low": form.plotted(old / (1 + FLOOR), SCALE), "high": form.plotted(old * (1 + FLOOR), SCALE)}
    said = [(place, "suspected") for place in made.alarms]
    said += [(made.suspected, "suspected"), (made.confirmed, "confirmed")]
    values = [float(row["value"]) for row in rows]
    alarm = f"Run {joined([str(place + 1) for place in made.alarms])} is a suspicion that the next run takes back. "
    return Figure(
        id="history",
        sentence=f"A step at run {STEP_AT + 1}: suspected at run {made.suspected + 1}, confirmed at run "
        f"{made.confirmed + 1}, {form.change(made.effect)} in size.",
        caption=f"{MADE_UP}. {alarm if made.alarms else ''}Hollow: run {UNSTEADY_AT + 1}, on an unsteady machine, "
        f"confirms nothing. Lines: the levels. Grey: less than {form.share(FLOOR)} from the first one.",
        spec=verdict_charts.history(
            rows,
            levels,
            [floor],
            _labelled(said),
            charts.Axis("Run", 0.5, len(rows) + 0.5),
            charts.axis(LATENCY, [*values, float(floor["low"])], from_zero=False),
            MARK,
        ),
        legend={},
    )


def _turns() -> Figure:
    made = turns()
    rows: list[charts.Row] = [
        {"block": place + 1, "value": form.plotted(value, SCALE), "side": side, "pair": place // 2 + 1}
        for place, (side, value) in enumerate(made.blocks)
    ]
    low, high = (form.change(expm1(end)) for end in (made.beside.low, made.beside.high))
    return Figure(
        id="turns",
        sentence=f"A and B in turns on a machine that gets slower: beside its neighbour B takes "
        f"{form.percent(expm1(made.beside.value))} longer.",
        caption=f"{MADE_UP}: {PAIRS} pairs, B in truth {form.share(SLOWER)} slower; a line joins each pair. The 95 % "
        f"interval is {low} to {high}. All of A first and then all of B would have said "
        f"{form.change(made.one_after_the_other)}.",
        spec=verdict_charts.turns(
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


def _labelled(said: Sequence[tuple[int, str]]) -> list[charts.Row]:
    """Return the rows of what was said, each beside its line: a suspicion before it, what confirms it behind."""
    before: charts.Row = {"align": "right", "dx": -5}
    behind: charts.Row = {"align": "left", "dx": 5}
    rows: list[charts.Row] = []
    for place, word in said:
        row: charts.Row = {"run": place + 1, "label": word}
        rows.append(row | (before if word == "suspected" else behind))
    return rows
