"""A comparison of two runs in words and tables, for a terminal and for Markdown alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bench.analysis.answers import AnswerChange, word_diff
from bench.analysis.compare import FAILED_SHARE, Comparison, Difference
from bench.analysis.history import without_load
from bench.analysis.pairwise import Paired, paired
from bench.metrics.registry import sample_metric
from bench.quality.checks.tokenise import one_line
from bench.report import format as form
from bench.report.markdown import escaped, table
from bench.report.reasons import caution_words
from bench.schema.model_run import ModelRun
from bench.schema.result import Result

ARROWS: Final = {"better": "▲ better", "worse": "▼ worse"}
DIFF_LENGTH: Final = 300
"""Characters of an answer's difference that are shown."""

ANSWERS_SHOWN: Final = 10


@dataclass(frozen=True)
class Grid:
    """A table of texts, with a heading and a sentence above it; `numeric` marks the columns set to the right."""

    heading: str
    says: str
    columns: tuple[str, ...]
    numeric: tuple[bool, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class ComparisonText:
    """A comparison, told: a title, the answer in a sentence, notes, and tables that are not empty."""

    title: str
    answer: str
    notes: tuple[str, ...]
    grids: tuple[Grid, ...]


def told(comparison: Comparison) -> ComparisonText:
    """Return a comparison in words and tables."""
    by_verdict: dict[str, list[Difference]] = {}
    for one in comparison.differences:
        by_verdict.setdefault(one.verdict, []).append(one)
    real = [one for one in comparison.differences if one.verdict in ARROWS]
    grids = (
        _real(real),
        _unresolved(by_verdict.get("unresolved", [])),
        _conditions(comparison),
        _answers(comparison.answers),
    )
    return ComparisonText(
        title=f"{comparison.before.run.id} → {comparison.after.run.id}",
        answer=_answer(real, by_verdict),
        notes=(*caution_words(comparison), *_notes(comparison, by_verdict)),
        grids=tuple(grid for grid in grids if grid.rows),
    )


def to_markdown(one: ComparisonText) -> str:
    """Return a comparison as Markdown for a pull request; every text of the runs is escaped."""
    lines = [f"### {escaped(one.title)}", "", escaped(one.answer), ""]
    lines += [f"- {escaped(note)}" for note in one.notes]
    text = "\n".join(lines).rstrip() + "\n"
    for grid in one.grids:
        rows = [[escaped(cell) for cell in row] for row in grid.rows]
        text += f"\n**{grid.heading}.** {escaped(grid.says)}\n\n{table(grid.columns, grid.numeric, rows)}"
    return text


def change_text(one: Difference) -> str:
    """Return a change with its interval: '+12.0 % (8.0 to 16.0)', or in points."""
    value, interval = one.change.value, one.change.interval
    if value is None:
        return form.NO_VALUE
    if one.scale == "points":
        shown = form.points(value)
        return shown if interval is None else f"{shown} ({form.points(interval.low)} to {form.points(interval.high)})"
    shown = form.change(value - 1)
    if interval is None or interval.low == interval.high:
        return shown
    return f"{shown} ({form.change(interval.low - 1)} to {form.change(interval.high - 1)})"


def _answer(real: Sequence[Difference], by_verdict: dict[str, list[Difference]]) -> str:
    counted = []
    for verdict, words in (("worse", "worse"), ("better", "better")):
        some = [one for one in real if one.verdict == verdict]
        if some:
            counted.append(f"{form.count(len(some), 'number')} {'is' if len(some) == 1 else 'are'} {words}")
    rest = [
        f"{len(by_verdict[verdict])} {words}"
        for verdict, words in (
            ("same", "the same within the floor"),
            ("unresolved", "unresolved"),
            ("not comparable", "not comparable"),
            ("missing", "missing on a side"),
        )
        if verdict in by_verdict
    ]
    first = " and ".join(counted) if counted else "Nothing changed that can be told"
    return form.sentence(f"{first}; of the others {', '.join(rest)}" if rest else first)


def _notes(comparison: Comparison, by_verdict: dict[str, list[Difference]]) -> list[str]:
    notes = []
    if comparison.only_before:
        notes.append(f"only before: {', '.join(comparison.only_before)}")
    if comparison.only_after:
        notes.append(f"only after: {', '.join(comparison.only_after)}")
    reasons: dict[str, list[str]] = {}
    for one in by_verdict.get("not comparable", []):
        reasons.setdefault(one.why, []).append(one.model)
    for why, models in reasons.items():
        notes.append(f"not comparable: {', '.join(dict.fromkeys(models))}: {why}")
    notes += [f"missing: {one.model}, {_label(one)}: {one.why}" for one in by_verdict.get("missing", [])]
    cautions = {one.caution for one in comparison.differences if one.caution and one.verdict in ARROWS}
    return notes + sorted(cautions)


def _real(real: Sequence[Difference]) -> Grid:
    return Grid(
        heading="Real differences",
        says="The interval excludes no change, and the change is larger than the floor.",
        columns=("Model", "Metric", "Before", "After", f"Change ({form.confidence()})", ""),
        numeric=(False, False, True, True, True, False),
        rows=tuple((*_row(one), ARROWS[one.verdict]) for one in real),
    )


def _unresolved(some: Sequence[Difference]) -> Grid:
    return Grid(
        heading="Unresolved",
        says="Nobody can tell yet; rounds are how many more, in each run, would settle it.",
        columns=("Model", "Metric", "Before", "After", f"Change ({form.confidence()})", "More rounds"),
        numeric=(False, False, True, True, True, False),
        rows=tuple((*_row(one), _more(one)) for one in some),
    )


def _row(one: Difference) -> tuple[str, str, str, str, str]:
    unit = "share" if one.metric_id == FAILED_SHARE else without_load(one.metric_id).unit
    before, after = (form.with_unit(value, unit) for value in (one.before, one.after))
    return one.model, _label(one), before, after, change_text(one)


def _label(one: Difference) -> str:
    load = "" if one.level is None else f" ({one.level})"
    if one.metric_id == FAILED_SHARE:
        return f"Failed samples{load}"
    symbol, statistic = without_load(one.metric_id).symbol, one.metric_id.partition(".")[2]
    return f"{symbol} {statistic}".strip() + load


def _more(one: Difference) -> str:
    if one.more is None:
        return one.why
    return str(one.more.rounds) if one.more.rounds is not None else one.more.why or one.why


def _conditions(comparison: Comparison) -> Grid:
    changed = [one for one in comparison.conditions if {one.before, one.after} != {None, "null"}]
    return Grid(
        heading="What else differs",
        says="The suspects where a number changed.",
        columns=("Field", "Before", "After"),
        numeric=(False, False, False),
        rows=tuple((one.field, _shown(one.before), _shown(one.after)) for one in changed),
    )


def _shown(value: str | None) -> str:
    return "not there" if value is None else one_line(value, 80)


def _answers(changed: Sequence[AnswerChange]) -> Grid:
    more = f", of {len(changed)} the first {ANSWERS_SHOWN}" if len(changed) > ANSWERS_SHOWN else ""
    return Grid(
        heading="Answers that changed",
        says=f"Words that went are in [-...-], words that came in {{+...+}}{more}.",
        columns=("Model", "Prompt", "Answer"),
        numeric=(False, False, False),
        rows=tuple((one.model, one.prompt, _difference(one)) for one in changed[:ANSWERS_SHOWN]),
    )


def _difference(one: AnswerChange) -> str:
    if not one.before or not one.after:
        return "no good answer before" if not one.before else "no good answer after"
    marks = {"same": "{}", "removed": "[-{}-]", "added": "{{+{}+}}"}
    spans = word_diff(one.before[0], one.after[0])
    text = " ".join(marks[span.kind].format(span.text) for span in spans)
    more = len(one.before) + len(one.after) - 2
    return one_line(text, DIFF_LENGTH) + (f" ({form.count(more, 'further text')})" if more else "")


PAIRED: Final = ("ttft_s", "decode_tokens_per_s", "e2e_s")
"""Metrics that are compared turn by turn."""


def told_in_turns(a: Result, b: Result) -> ComparisonText:
    """Return B against A, model by model, in words and a table."""
    matched = _matched(a, b)
    found = [(name, one) for name, left, right in matched for one in (paired(left, right, each) for each in PAIRED)]
    real = [one for _, one in found if one.verdict in ARROWS]
    pairs = max((one.pairs for _, one in found), default=0)
    answer = f"{form.count(len(real), 'number')} of {len(found)} really differ" if real else "Nothing really differs"
    notes = []
    if not matched:
        notes.append("no model of the two sides goes together: give them one name, or each side one model")
    return ComparisonText(
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
        columns=("Model", "Metric", f"B / A − 1 ({form.confidence()})", "Signs", "", "Why"),
        numeric=(False, False, True, True, False, False),
        rows=tuple(_paired_row(name, one) for name, one in found),
    )


def _paired_row(name: str, one: Paired) -> tuple[str, ...]:
    value, interval = one.ratio.value, one.ratio.interval
    shown = form.NO_VALUE if value is None else form.change(value - 1)
    if interval is not None:
        shown += f" ({form.change(interval.low - 1)} to {form.change(interval.high - 1)})"
    why = one.why
    if one.more is not None:
        why = f"{why}; {one.more.rounds} more rounds would tell" if one.more.rounds else one.more.why or why
    signs = f"{one.above} above, {one.below} below"
    return name, sample_metric(one.metric_id).symbol, shown, signs, ARROWS.get(one.verdict, one.verdict), why
