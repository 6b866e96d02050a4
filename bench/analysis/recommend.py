"""Which models meet a set of limits: those that do for certain, those that may, those that fail and on what."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from bench.analysis.contexts import context_key
from bench.analysis.intervals import Estimate, estimate
from bench.analysis.licences import LicenceClass, commercial_use
from bench.analysis.summary import model_value, oldest_first
from bench.metrics.prompt_cache import finding
from bench.metrics.registry import split_metric_id
from bench.metrics.timing import good_samples
from bench.schema.model_run import ModelRun
from bench.schema.result import Result
from bench.stats.equivalence import FLOOR

MARGIN: Final = FLOOR
"""Relative distance from a limit within which a value without an interval decides nothing, as large as
a difference must be to be one by default."""

EXACT: Final = ("footprint_bytes",)
"""Metrics that are facts and not measurements: they need neither interval nor margin."""

LimitVerdict = Literal["meets", "may", "fails"]
Use = Literal["commercial", "commercial-conditions"]

LICENCE_USES: dict[Use, dict[LicenceClass, LimitVerdict]] = {
    "commercial": {"yes": "meets", "conditions": "may", "unknown": "may", "no": "fails"},
    "commercial-conditions": {"yes": "meets", "conditions": "meets", "unknown": "may", "no": "fails"},
}
"""What is asked of a licence -> what each class of licences comes to."""

PREFERENCES: dict[str, str] = {
    "speed": "decode_tokens_per_s",
    "latency": "e2e_s",
    "quality": "score",
    "memory": "memory_peak_bytes",
    "size": "footprint_bytes",
}
"""What may be preferred -> the metric that the models are ordered by."""

FRONT: Final = ("score", "decode_tokens_per_s", "memory_peak_bytes")
"""Metrics of the Pareto front: a model is on it where no other is at least as good in all three and better in one."""


@dataclass(frozen=True)
class Limit:
    """A bound of a metric, in its base unit: the most where lower is better, else the least."""

    metric_id: str
    bound: float


@dataclass(frozen=True)
class LimitFinding:
    """How one model stands to one limit; `estimate` is None for the licence, `why` says what decided."""

    what: str
    verdict: LimitVerdict
    estimate: Estimate | None
    why: str | None


@dataclass(frozen=True)
class Choice:
    """One model: how it stands to each limit, and to all of them together.

    `verdict` is the worst of the findings; 'meets' where there is none. `preferred` is the value of the preferred
    metric. `on_front` says whether it is on the Pareto front of the models that do not fail.
    """

    result: Result
    model: ModelRun
    findings: tuple[LimitFinding, ...]
    verdict: LimitVerdict
    preferred: float | None
    on_front: bool


@dataclass(frozen=True)
class Candidates:
    """What can be chosen from: the newest run of each model, by model name.

    `prompts` is the id of the prompt set that all of them answered. `left_out` names the other models that have
    answered on the machine, with the ids of the prompt sets of their runs. `instruments` names the test instruments
    that were left out for being that.
    """

    entries: tuple[tuple[Result, ModelRun], ...]
    prompts: str
    left_out: dict[str, tuple[str, ...]]
    instruments: tuple[str, ...]


def candidates(
    results: Iterable[Result], machine: str, prompts: str | None = None, *, instruments: bool = False
) -> Candidates:
    """Return the newest run of each model on a machine that compares with the newest run there.

    That is the newest run of the prompt set of this id, or of any without one; runs with other prompts or generation
    parameters, or a warm prompt cache beside others, do not compare. Runs in turns with another config, and those of
    test instruments alone, only count where there is no other run. Test instruments are candidates only where
    `instruments` asks for them. Raises ValueError where there is no run at all.
    """
    here = [result for result in oldest_first(results) if result.machine.name == machine]
    asked = [result for result in here if prompts in (None, result.prompt_set.id)]
    if not asked:
        raise ValueError(f"no run on {machine} has the prompt set {prompts}")
    alone = [result for result in asked if result.run.pairing is None] or asked
    if not instruments:
        alone = [one for one in alone if not all(model.instrument for model in one.models)] or alone
    # Of a model that was measured with a warm cache and without, the newest run says which is meant.
    warm = {model.prompt_cache == "warm" for model in alone[-1].models}
    found = {
        model.name: (result, model)
        for result in alone
        for model in result.models
        if good_samples(model)
        and _conditions(result, model) == _conditions(alone[-1], model)
        and (model.prompt_cache == "warm") in warm
    }
    left = {name for name, (_, model) in found.items() if model.instrument and not instruments}
    others: dict[str, dict[str, None]] = {}
    for result in here:
        for model in result.models:
            if good_samples(model) and model.name not in found:
                others.setdefault(model.name, {})[result.prompt_set.id] = None
    return Candidates(
        entries=tuple(found[name] for name in sorted(found.keys() - left)),
        prompts=alone[-1].prompt_set.id,
        left_out={name: tuple(others[name]) for name in sorted(others)},
        instruments=tuple(sorted(left)),
    )


def choices(
    entries: Sequence[tuple[Result, ModelRun]],
    limits: Sequence[Limit],
    use: Use | None,
    prefer: str,
    seed: int = 0,
) -> tuple[Choice, ...]:
    """Return the models by how they stand: those that meet all limits, those that may, those that fail.

    Within each, the preferred metric's best come first; a model without a value of it comes last. A limit is met where
    the whole interval keeps it, failed where the whole interval breaks it, and else open. A value without an
    interval decides where it is 5% away from the limit, and exactly where it is a fact, as a size on disk. Raises
    KeyError for an unknown metric, statistic or preference.
    """
    judged = []
    for result, model in entries:
        findings = [_finding(result, model, limit, seed) for limit in limits]
        if use is not None:
            findings.append(_licence(model, use))
        judged.append((result, model, tuple(findings), _worst(findings)))
    running = [(result, model) for result, model, _, verdict in judged if verdict != "fails"]
    front = _front(running)
    metric_id = PREFERENCES[prefer]
    made = [
        Choice(result, model, findings, verdict, model_value(result, model, metric_id), model.name in front)
        for result, model, findings, verdict in judged
    ]
    return tuple(sorted(made, key=lambda one: (*_rank(one, metric_id), one.model.name)))


def _conditions(result: Result, model: ModelRun) -> tuple[str, str]:
    context = context_key(result, model)
    return context.prompt_set_sha256, context.generation


def _finding(result: Result, model: ModelRun, limit: Limit, seed: int) -> LimitFinding:
    selected, _ = split_metric_id(limit.metric_id)
    found = estimate(result, model, limit.metric_id, seed=seed)
    if found.value is None:
        return LimitFinding(limit.metric_id, "may", found, found.why)
    low, high = found.value, found.value
    why = finding(model).doubt if selected.of_prefill else None
    if why is not None:
        return LimitFinding(limit.metric_id, "may", found, why)
    if found.interval is not None:
        low, high = found.interval.low, found.interval.high
    elif limit.metric_id not in EXACT:
        low, high = found.value * (1 - MARGIN), found.value * (1 + MARGIN)
        why = found.why
    if selected.better == "higher":
        low, high, bound = -high, -low, -limit.bound
    else:
        bound = limit.bound
    verdict: LimitVerdict = "meets" if high <= bound else "fails" if low > bound else "may"
    return LimitFinding(limit.metric_id, verdict, found, why)


def _licence(model: ModelRun, use: Use) -> LimitFinding:
    licence = commercial_use(model.licence)
    return LimitFinding("licence", LICENCE_USES[use][licence.use], None, licence.why)


def _worst(findings: Sequence[LimitFinding]) -> LimitVerdict:
    verdicts = {finding.verdict for finding in findings}
    return "fails" if "fails" in verdicts else "may" if "may" in verdicts else "meets"


def _rank(choice: Choice, metric_id: str) -> tuple[int, int, float]:
    order = ("meets", "may", "fails").index(choice.verdict)
    if choice.preferred is None:
        return order, 1, 0.0
    selected, _ = split_metric_id(metric_id)
    return order, 0, -choice.preferred if selected.better == "higher" else choice.preferred


def _front(entries: Sequence[tuple[Result, ModelRun]]) -> frozenset[str]:
    """Return the names of the models on the front; one that lacks a metric of it is not on it."""
    places: dict[str, tuple[float, ...]] = {}
    for result, model in entries:
        values = []
        for metric_id in FRONT:
            value = model_value(result, model, metric_id)
            if value is not None:
                values.append(value if split_metric_id(metric_id)[0].better == "higher" else -value)
        if len(values) == len(FRONT):
            places[model.name] = tuple(values)
    return frozenset(
        name for name, place in places.items() if not any(_beats(other, place) for other in places.values())
    )


def _beats(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(mine >= its for mine, its in zip(one, other, strict=True))
