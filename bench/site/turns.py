"""The comparison of two sides that took turns, in words and tables."""

from typing import Final

from bench.analysis.metrics import sample_metric
from bench.analysis.pairs import Paired, paired
from bench.results.schema import Result
from bench.runner.record import ModelRun
from bench.site import format as form
from bench.site.comparison import ARROWS, Grid, Told

PAIRED: Final = ("ttft_s", "decode_tokens_per_s", "e2e_s")
"""Metrics that are compared turn by turn."""


def told(a: Result, b: Result) -> Told:
    """Return B against A, model by model, in words and a table."""
    matched = _matched(a, b)
    found = [(name, one) for name, left, right in matched for one in (paired(left, right, each) for each in PAIRED)]
    real = [one for _, one in found if one.verdict in ARROWS]
    pairs = max((one.pairs for _, one in found), default=0)
    answer = f"{form.count(len(real), 'number')} of {len(found)} really differ" if real else "Nothing really differs"
    notes = []
    if not matched:
        notes.append("no model of the two sides goes together: give them one name, or each side one model")
    return Told(
        title=f"A {a.run.id} against B {b.run.id}",
        answer=form.sentence(f"{answer}, over {form.count(pairs, 'pair')} of turns"),
        notes=tuple(notes),
        grids=(_grid(found),) if found else (),
    )


def _matched(a: Result, b: Result) -> list[tuple[str, ModelRun, ModelRun]]:
    if len(a.models) == len(b.models) == 1 and a.models[0].name != b.models[0].name:
        return [(f"{a.models[0].name} → {b.models[0].name}", a.models[0], b.models[0])]
    others = {model.name: model for model in b.models}
    return [(model.name, model, others[model.name]) for model in a.models if model.name in others]


def _grid(found: list[tuple[str, Paired]]) -> Grid:
    return Grid(
        heading="B against A",
        says="Each ratio is of neighbouring turns; signs are the prompts in which B is above or below A.",
        columns=("Model", "Metric", "B / A − 1 (95 %)", "Signs", "", "Why"),
        numeric=(False, False, True, True, False, False),
        rows=tuple(_row(name, one) for name, one in found),
    )


def _row(name: str, one: Paired) -> tuple[str, ...]:
    value, interval = one.ratio.value, one.ratio.interval
    shown = form.NO_VALUE if value is None else form.change(value - 1)
    if interval is not None:
        shown += f" ({form.change(interval.low - 1)} to {form.change(interval.high - 1)})"
    why = one.why
    if one.more is not None:
        why = f"{why}; {one.more.rounds} more rounds would tell" if one.more.rounds else one.more.why or why
    signs = f"{one.above} above, {one.below} below"
    return name, sample_metric(one.metric_id).symbol, shown, signs, ARROWS.get(one.verdict, one.verdict), why
