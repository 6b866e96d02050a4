"""Models that are missing from some runs of their config: gone, skipped or without a good answer, and back again."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from bench.analysis.summary import RunSummary
from bench.schema.result import Result

ModelState = Literal["good", "failed", "skipped", "absent"]


@dataclass(frozen=True)
class Missing:
    """Runs of a config in a row, oldest first, without a good answer of a model that gave one before.

    `returned` is the next run in which it gave one again; None where there is none yet.
    """

    model: str
    machine: str
    config: str
    state: ModelState
    runs: tuple[Result, ...]
    returned: Result | None


def missing(summaries: Sequence[RunSummary]) -> tuple[Missing, ...]:
    """Return where models are missing, given all runs, oldest first; by the first run without the model.

    Runs of one machine and one name of a config are one row: a model that the config never had is not missing. Runs in
    turns are left out.
    """
    rows: dict[tuple[str, str], list[RunSummary]] = {}
    for summary in summaries:
        if summary.result.run.pairing is None:
            rows.setdefault((summary.result.machine.name, summary.result.config.name), []).append(summary)
    found = [
        one
        for (machine, config), runs in rows.items()
        for model in dict.fromkeys(one.model.name for run in runs for one in run.models if one.good_samples)
        for one in _of_model(runs, machine, config, model)
    ]
    return tuple(sorted(found, key=lambda one: (one.runs[0].run.started_utc, one.runs[0].run.id)))


def _of_model(runs: Sequence[RunSummary], machine: str, config: str, model: str) -> list[Missing]:
    stretches = [(state, [run.result for run in some]) for state, some in groupby(runs, lambda run: _state(run, model))]
    start = next(place for place, (state, _) in enumerate(stretches) if state == "good")
    found = []
    for place, (state, some) in enumerate(stretches):
        if place > start and state != "good":
            back = next((later[0] for after, later in stretches[place:] if after == "good"), None)
            found.append(Missing(model, machine, config, state, tuple(some), back))
    return found


def _state(run: RunSummary, model: str) -> ModelState:
    one = next((one for one in run.models if one.model.name == model), None)
    if one is None:
        return "absent"
    if one.good_samples:
        return "good"
    return "failed" if one.model.skipped is None else "skipped"
