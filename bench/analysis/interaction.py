"""Prompts that take one model longer, or less long, than the other models and its other prompts would have it.

The medians of a run make a table of models by prompts. On the logarithm each is an overall level, plus what its model
and what its prompt add, plus a rest: a model that is twice as slow is so on every prompt. The levels are taken out by
median polish (Tukey, Exploratory Data Analysis, 1977, chapters 10 and 11), which a few odd cells do not move; a cell
whose rest is far from 0 is an interaction of its model with its prompt. Often the answer is longer: its tokens say so.

The rests are no sample of their noise: with m models and p prompts some m + p - 1 of them are 0, since each median goes
through a cell. These are left out of their spread, as in robust regression (DuMouchel and O'Brien, Integrating a robust
option into a multiple regression computing environment, 1989). In 2,000 simulated tables of normal noise alone, of 3
models by 4 prompts to 5 by 16, 8 to 14% had a cell beyond the threshold; with all rests counted it was 65 to 94%
(python -m tests.benchmarks.interactions).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import exp, log, log1p
from statistics import median
from typing import Final

from bench.analysis.metrics import sample_metric
from bench.analysis.outliers import THRESHOLD, deviation
from bench.analysis.summary import prompt_distributions
from bench.analysis.timing import good_samples
from bench.results.schema import Result
from bench.runner.record import ModelRun

MODELS_NEEDED: Final = 3
PROMPTS_NEEDED: Final = 4
"""The smallest table in which one cell can be told from its row and its column."""

FLOOR: Final = 0.25
"""Relative distance from what is expected below which a cell is no interaction: models share their prompts' lengths and
not their speeds of reading and writing, so that such a table is never quite additive."""

PASSES: Final = 10
SETTLED: Final = 1e-9
"""Median polish ends after so many passes, or where the last one moved nothing by more than this."""

ROUNDING: Final = 1e-6
"""Rests below this are none: a latency of a millisecond has a stamp of whole nanoseconds."""

Place = tuple[str, str]
"""A model and a prompt."""


@dataclass(frozen=True)
class Interaction:
    """A model and prompt whose median is beyond its limits.

    `value`, `expected`, `low` and `high` are in the metric's base unit. `score` is the modified z-score of the rest on
    the logarithm: positive where the prompt takes the model longer than expected. `tokens` is the median number of
    output tokens of its answers, `tokens_of_others` the median of those of the other models; None where not counted.
    """

    model: str
    prompt: str
    metric_id: str
    value: float
    expected: float
    low: float
    high: float
    score: float
    tokens: float | None
    tokens_of_others: float | None


def interactions(result: Result, metric_id: str = "e2e_s") -> tuple[Interaction, ...] | str:
    """Return the interactions of a run in one sample metric, in order of model and prompt; or why nobody can tell.

    The distance is 0.6745 * rest / MAD, beyond 3.5 as for samples, and at least a quarter of what is expected. A model
    needs 4 prompts with a value and a prompt 3 such models. Raises KeyError for a metric that samples do not have.
    """
    sample_metric(metric_id)
    cells = _enough(
        {
            (model.name, prompt): log(found.p50)
            for model in result.models
            for prompt, found in prompt_distributions(result, model, metric_id).items()
            if found is not None and found.p50 > 0
        }
    )
    if not cells:
        return f"it takes {MODELS_NEEDED} models with good answers to the same {PROMPTS_NEEDED} prompts"
    rests = polished(cells)
    fitted = len(_grouped(cells, 0)) + len(_grouped(cells, 1)) - 1
    distances = sorted(abs(rest) if abs(rest) > ROUNDING else 0.0 for rest in rests.values())
    spread = deviation(distances[fitted:])
    if spread == 0:
        return ()
    reach = max(THRESHOLD * spread, log1p(FLOOR))
    tokens = {model.name: _tokens(model) for model in result.models}
    return tuple(
        Interaction(
            model=model,
            prompt=prompt,
            metric_id=metric_id,
            value=exp(cells[model, prompt]),
            expected=exp(cells[model, prompt] - rest),
            low=exp(cells[model, prompt] - rest - reach),
            high=exp(cells[model, prompt] - rest + reach),
            score=rest / spread,
            tokens=tokens[model].get(prompt),
            tokens_of_others=_middle(
                of_model[prompt] for other, of_model in tokens.items() if other != model and prompt in of_model
            ),
        )
        for (model, prompt), rest in rests.items()
        if abs(rest) > reach
    )


def polished(cells: Mapping[Place, float]) -> dict[Place, float]:
    """Return what is left of a table after median polish, rows (the first part of a place) before columns.

    Cells may be missing. Each row and each column needs one; the unit is that of the cells.
    """
    rests = dict(cells)
    for _ in range(PASSES):
        moved = 0.0
        for side in (0, 1):
            for line in _grouped(rests, side).values():
                level = median(rests[place] for place in line)
                moved = max(moved, abs(level))
                rests |= {place: rests[place] - level for place in line}
        if moved <= SETTLED:
            break
    return rests


def _enough(cells: Mapping[Place, float]) -> dict[Place, float]:
    """Return the cells without models of too few prompts and prompts of too few models; there may be none left."""
    kept = dict(cells)
    while True:
        thin = {
            place
            for side, needed in ((0, PROMPTS_NEEDED), (1, MODELS_NEEDED))
            for line in _grouped(kept, side).values()
            if len(line) < needed
            for place in line
        }
        if not thin:
            return kept
        kept = {place: value for place, value in kept.items() if place not in thin}


def _grouped(places: Iterable[Place], side: int) -> dict[str, list[Place]]:
    lines: dict[str, list[Place]] = {}
    for place in places:
        lines.setdefault(place[side], []).append(place)
    return lines


def _tokens(model: ModelRun) -> dict[str, float]:
    """Return the median number of output tokens of the good answers to each prompt for which it was counted."""
    counted: dict[str, list[int]] = {}
    for sample in good_samples(model):
        if sample.output_tokens is not None:
            counted.setdefault(sample.prompt, []).append(sample.output_tokens)
    return {prompt: median(counts) for prompt, counts in counted.items()}


def _middle(values: Iterable[float]) -> float | None:
    known = list(values)
    return median(known) if known else None
