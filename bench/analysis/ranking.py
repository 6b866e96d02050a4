"""Leaderboards that admit ties: who is really better than whom, and which ranks follow from it.

A model's rank is 1 + the number of models that are really better; its last possible place is the number of models less
those that are really worse. 'Not really different' does not carry over from pair to pair: with A at 1.00 s and B at
1.10 s, both known to 1%, and C at 1.12 s known to 30%, A is really better than B while C is different from neither. A
and C have rank 1, B has rank 2; A can end up 1st or 2nd, B 2nd or 3rd, C anywhere. So a noisy model may have a better
rank than a steady one before it: its last place says at what price.

Many pairs are looked at, so some would differ by chance alone. All of them together are held to LEVEL: each of n pairs
is told apart only where an interval of 1 - (1 - LEVEL) / n excludes no change (Bonferroni's correction), with Student's
t for few prompts. In simulated leaderboards of 3 to 10 models that are alike, on 6 to 40 prompts, 3 to 6% told some
pair apart; without the correction it was 10 to 74%.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import log, log1p
from typing import Final

from bench.analysis.intervals import Estimate, estimate
from bench.analysis.measurements import WHOLE, Measurement, measure
from bench.analysis.paired_bootstrap import NO_RATIO, PairedChange, change, scale_of
from bench.metrics.prompt_cache import PromptCacheFinding, finding
from bench.metrics.registry import split_metric_id
from bench.schema.model_run import ModelRun
from bench.schema.result import Result
from bench.stats.equivalence import FLOOR, SCORE_FLOOR

LEVEL: Final = 0.95
"""Share of leaderboards of models that are alike in which no pair is told apart."""

WARM_AMONG_COLD: Final = "its prompts came out of a prompt cache, and those of the others were read"


@dataclass(frozen=True)
class Ranked:
    """A model's place. `tied_with` names the models from which it is not really different, best value first.

    `rank` is the best and `last` the worst place that it can have; both are None without a value, and `why` says why
    there is none. Where there is a value, `why` says why the model is not told apart from others by an interval, if so.
    """

    model: str
    estimate: Estimate
    rank: int | None
    last: int | None
    tied_with: tuple[str, ...]
    why: str | None


@dataclass(frozen=True, eq=False)
class _Entrant:
    name: str
    value: float
    estimate: Estimate
    measured: Measurement


def ranks(
    results: Iterable[Result],
    metric_id: str,
    *,
    seed: int,
    floor: float = FLOOR,
    score_floor: float = SCORE_FLOOR,
) -> tuple[Ranked, ...]:
    """Return the models of some runs by rank in one metric, then by value; those without a value come last.

    Two models are compared prompt by prompt (`bench.analysis.paired_bootstrap`). One is really better where the
    difference is no chance, larger than `floor` (a score: than `score_floor` points), and their values over all prompts
    differ the same way. Without an interval models are tied, except in a metric with one reading a run: there the floor
    decides alone. A TTFT that a prompt cache spoilt has no rank, nor has a warm one beside cold ones. Raises ValueError
    for runs of different prompt sets or with a model twice, KeyError for an unknown metric.
    """
    metric, _ = split_metric_id(metric_id)
    models = [(result, model) for result in results for model in result.models]
    _check(models)
    estimated = [(result, model, estimate(result, model, metric_id, seed=seed)) for result, model in models]
    entrants = [
        _Entrant(model.name, found.value, found, measure(result, model, WHOLE, metric_id))
        for result, model, found in estimated
        if found.value is not None
    ]
    known = {model.name: finding(model) for _, model, found in estimated if found.value is not None}
    told_apart = told_apart_by_cache(metric_id, known)
    entrants = [one for one in entrants if one.name not in told_apart]
    entrants.sort(key=lambda one: one.value if metric.better == "lower" else -one.value)
    pairs = [_pair(first, second, seed) for first, second in combinations(entrants, 2)]
    apart = _apart(pairs, score_floor if metric.in_points else log1p(floor))
    ranked = [_ranked(one, entrants, apart, pairs) for one in entrants]
    ranked.sort(key=lambda one: one.rank or 0)
    unranked = [
        Ranked(model.name, found, None, None, (), model.skipped or found.why)
        for _, model, found in estimated
        if found.value is None
    ]
    unranked += [
        Ranked(model.name, found, None, None, (), told_apart[model.name])
        for _, model, found in estimated
        if found.value is not None and model.name in told_apart
    ]
    return (*ranked, *unranked)


def told_apart_by_cache(metric_id: str, findings: Mapping[str, PromptCacheFinding]) -> dict[str, str]:
    """Return why models do not stand beside the others in a metric that a prompt cache makes shorter, by name.

    `findings` has those that have a value. With a warm prompt cache they only stand beside each other.
    """
    if not split_metric_id(metric_id)[0].of_prefill:
        return {}
    why = {name: found.doubt for name, found in findings.items() if found.doubt is not None}
    warm = [name for name, found in findings.items() if found.state == "warm" and name not in why]
    if len(warm) < len(findings) - len(why):
        why |= dict.fromkeys(warm, WARM_AMONG_COLD)
    return why


@dataclass(frozen=True, eq=False)
class _Pair:
    """Two models, the one with the better value first; `published` is how far the second value lies above the first.

    `change` is None in a metric with one reading a run; `why` says why two models cannot be told apart at all.
    """

    first: str
    second: str
    published: float
    change: PairedChange | None
    why: str | None


def _check(models: Sequence[tuple[Result, ModelRun]]) -> None:
    if len({result.prompt_set.sha256 for result, _ in models}) > 1:
        raise ValueError("models that answered different prompt sets have no ranks")
    names = [model.name for _, model in models]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"model {twice!r} is there twice")


def _pair(first: _Entrant, second: _Entrant, seed: int) -> _Pair:
    ratio = scale_of(first.measured) == "ratio"
    if ratio and (first.value <= 0 or second.value <= 0):
        return _Pair(first.name, second.name, 0.0, None, NO_RATIO)
    published = log(second.value / first.value) if ratio else second.value - first.value
    if first.measured.kind == "reading":
        return _Pair(first.name, second.name, published, None, None)
    found = change(first.measured, second.measured, seed=seed)
    if isinstance(found, str):
        return _Pair(first.name, second.name, published, None, found)
    return _Pair(first.name, second.name, published, found, None)


def _apart(pairs: Sequence[_Pair], floor: float) -> set[tuple[str, str]]:
    """Return the pairs that are really different, the better one first."""
    drawn = sum(pair.change is not None for pair in pairs)
    return {(pair.first, pair.second) for pair in pairs if pair.why is None and _is_real(pair, floor, drawn)}


def _is_real(pair: _Pair, floor: float, drawn: int) -> bool:
    if pair.change is None:
        return abs(pair.published) > floor
    if pair.published * pair.change.value <= 0 or abs(pair.change.value) <= floor:
        return False
    reach = pair.change.drawn.reach(1 - (1 - LEVEL) / 2 / drawn)
    return abs(pair.change.value) > reach * float(pair.change.resampled.std())


def _ranked(
    entrant: _Entrant, entrants: Sequence[_Entrant], apart: set[tuple[str, str]], pairs: Sequence[_Pair]
) -> Ranked:
    name = entrant.name
    better = sum(second == name for _, second in apart)
    worse = sum(first == name for first, _ in apart)
    others = [other.name for other in entrants if other.name != name]
    untold = [pair.why for pair in pairs if pair.why is not None and name in (pair.first, pair.second)]
    return Ranked(
        model=name,
        estimate=entrant.estimate,
        rank=1 + better,
        last=len(entrants) - worse,
        tied_with=tuple(other for other in others if (name, other) not in apart and (other, name) not in apart),
        why=untold[0] if untold else None,
    )
