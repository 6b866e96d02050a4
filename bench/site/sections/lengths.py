"""A model by the length of prompt and answer on one machine: how fast it reads and writes, cell by cell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from statistics import median

from bench.analysis.summary import ModelSummary
from bench.metrics.lengths import CellSummary, LengthMatrix, length_matrix
from bench.metrics.timing import ttft_s
from bench.report import format as form
from bench.report.palette import Mark
from bench.report.tables import WORDS
from bench.report.text import anchor, relative, shortened
from bench.site.charts import kinds as charts
from bench.site.charts.figures import Figure, plain
from bench.site.charts.lines import DASH_WORDS, SIZE, over_steps, steps
from bench.site.dataset import Site, placed
from bench.site.sections.rubric_matrix import MatrixCell
from bench.site.urls import run_page

SHADES = 5
SPEEDS = {"prefill_tokens_per_s": "prefill", "decode_tokens_per_s": "decode"}


@dataclass(frozen=True)
class HeatMap:
    """A speed by prompt length, row by row, and answer length."""

    label: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[MatrixCell, ...]], ...]


@dataclass(frozen=True)
class ByLength:
    """What the page of a model says of it by length on one machine, from its newest run with a matrix of lengths."""

    anchor: str
    sentence: str
    maps: tuple[HeatMap, ...]
    notes: tuple[str, ...]
    figures: tuple[Figure, ...]
    hints: tuple[str, ...]
    context: str
    run_href: str


def by_length(site: Site, name: str, machine: str, here: str) -> ByLength | None:
    """Return the section of a model on a machine; None where no run of it there has a matrix of lengths."""
    found = next((one for one in reversed(site.runs[name][machine]) if one.model.lengths), None)
    if found is None:
        return None
    newest = site.whole_model(found)
    matrix = length_matrix(newest.model)
    if matrix is None:
        return None
    place = f"lengths-{anchor(machine)}"
    caption = f"{shortened(plain(name), 40)}, {lengths_context(newest, matrix)}"
    marks = {plain(name): site.marks[name]}
    figures = (
        _ttft_figure(f"{place}-ttft", name, matrix, marks, caption),
        _decode_figure(f"{place}-decode", name, matrix, marks, caption),
    )
    return ByLength(
        anchor=place,
        sentence=lengths_sentence(matrix),
        maps=(
            heat_map("Prefill speed (tokens/s)", matrix, "prefill_tokens_per_s"),
            heat_map("Decode speed (tokens/s)", matrix, "decode_tokens_per_s"),
        ),
        notes=tuple(dict.fromkeys(note for cell in _cells(matrix) for note in _notes(cell))),
        figures=tuple(figure for figure in figures if figure is not None),
        hints=_hints(matrix),
        context=lengths_context(newest, matrix),
        run_href=relative(here, run_page(newest.result)),
    )


def lengths_context(summary: ModelSummary, matrix: LengthMatrix) -> str:
    """Return where, how and when a matrix was measured, in one line."""
    repeats = max((len(cell.record.samples) for cell in matrix.cells.values()), default=0)
    how = f"{form.count(repeats, 'repeat')} of each cell"
    return placed(summary.result, [summary.model.device], how)


def lengths_sentence(matrix: LengthMatrix) -> str:
    """Return in a sentence how reading and writing change from the shortest prompt to the longest."""
    parts = []
    for verb, metric_id in (("reads", "prefill_tokens_per_s"), ("writes", "decode_tokens_per_s")):
        by_prompt: dict[int, list[float]] = {}
        for cell in _telling(matrix, metric_id):
            spread = cell.spreads[metric_id]
            if spread is not None:
                by_prompt.setdefault(cell.prompt_tokens, []).append(spread.p50)
        if not by_prompt:
            continue
        short, long = min(by_prompt), max(by_prompt)
        before = form.with_unit(median(by_prompt[short]), "tokens/s")
        after = form.with_unit(median(by_prompt[long]), "tokens/s")
        if short == long:
            parts.append(f"{verb} {before}")
        elif before == after:
            parts.append(f"{verb} {before} with prompts of {short:,} to {long:,} tokens")
        else:
            parts.append(f"{verb} {before} with a prompt of {short:,} tokens and {after} with one of {long:,}")
    return f"It {'; it '.join(parts)}." if parts else "No cell of the matrix gave a good answer."


def heat_map(label: str, matrix: LengthMatrix, metric_id: str) -> HeatMap:
    """Return one speed of every cell, that of prefill or of decoding, shaded by its share of the fastest.

    The decode speed of answers that ended short has no shade where others did not: a handful of tokens says little.
    """
    telling = _telling(matrix, metric_id)
    fastest = max((spread.p50 for cell in telling if (spread := cell.spreads[metric_id])), default=0.0)
    rows = []
    for prompt_tokens in matrix.prompt_tokens:
        cells = []
        came: list[float] = []
        for output_tokens in matrix.output_tokens:
            cell = matrix.cells.get((prompt_tokens, output_tokens))
            cells.append(_heat_cell(cell, metric_id, fastest if cell in telling else None))
            if cell is not None and cell.read is not None:
                came.append(cell.read.p50)
        small = f"{form.whole(median(came))} came" if came and median(came) != prompt_tokens else ""
        rows.append((f"{prompt_tokens:,}", small, tuple(cells)))
    return HeatMap(label, tuple(f"{tokens:,}" for tokens in matrix.output_tokens), tuple(rows))


def _heat_cell(cell: CellSummary | None, metric_id: str, fastest: float | None) -> MatrixCell:
    if cell is None:
        return MatrixCell(WORDS["none"], "skipped")
    if cell.skipped is not None:
        return MatrixCell(WORDS["skipped"], "skipped")
    failed = f"{cell.failed} of {cell.failed + cell.good} failed" if cell.failed else ""
    spread = cell.spreads[metric_id]
    if spread is None:
        return MatrixCell(WORDS["none"] if cell.good else WORDS["failed"], "none", small=failed)
    reach = "" if spread.count == 1 else f"{form.number(spread.minimum)}–{form.number(spread.maximum)}"
    ended = f"up to {form.whole(cell.written.maximum)} tokens" if fastest is None and cell.written is not None else ""
    small = " · ".join(words for words in (reach, ended, failed) if words)
    shade = "few" if fastest is None else str(ceil(SHADES * spread.p50 / fastest))
    return MatrixCell(form.number(spread.p50), shade, small=small)


def _notes(cell: CellSummary) -> list[str]:
    place = f"{cell.prompt_tokens:,} × {cell.output_tokens:,}"
    if cell.skipped is not None:
        return [f"{place}: skipped, {cell.skipped}"]
    notes = []
    if cell.failed:
        kinds = ", ".join(f"{kind} ({count})" for kind, count in cell.failure_kinds.items())
        notes.append(f"{place}: failed, {kinds}")
    if cell.good:
        notes += [
            f"{place}, no {speed} speed: {cell.undefined[metric_id]}"
            for metric_id, speed in SPEEDS.items()
            if metric_id in cell.undefined
        ]
    if cell.ended_short and cell.written is not None:
        notes.append(f"{place}: the answers ended after {form.whole(cell.written.maximum)} tokens at most")
    return notes


def _ttft_figure(
    figure_id: str, name: str, matrix: LengthMatrix, marks: Mapping[str, Mark], caption: str
) -> Figure | None:
    points = []
    for prompt_tokens in matrix.prompt_tokens:
        cells = [cell for cell in _cells(matrix) if cell.prompt_tokens == prompt_tokens]
        good = [one for cell in cells for one in cell.record.samples if one.failure is None]
        values = [value for one in good if (value := ttft_s(one)) is not None]
        if values:
            points.append((prompt_tokens, median(values), len(values)))
    if len(points) < 2:
        return None
    scale = form.scale("s", [value for _, value, _ in points])
    rows: list[charts.Datum] = [
        {
            "model": plain(name),
            "line": "TTFT",
            "x": float(tokens),
            "y": form.plotted(value, scale),
            "detail": form.count(count, "good answer"),
            "size": SIZE,
        }
        for tokens, value, count in points
    ]
    (short, first, _), (long, last, _) = points[0], points[-1]
    return Figure(
        id=figure_id,
        sentence=f"Time to first token: {form.with_unit(first, 's')} after {short:,} tokens, "
        f"{form.with_unit(last, 's')} after {long:,}.",
        caption=f"{caption}. Median of all answers to prompts of that length, whatever was asked for.",
        spec=_spec(rows, ["TTFT"], f"TTFT ({scale.unit})", marks),
        legend={},
    )


def _decode_figure(
    figure_id: str, name: str, matrix: LengthMatrix, marks: Mapping[str, Mark], caption: str
) -> Figure | None:
    lines = [f"{tokens:,} tokens" for tokens in matrix.output_tokens]
    rows: list[charts.Datum] = [
        {
            "model": plain(name),
            "line": line,
            "x": float(cell.prompt_tokens),
            "y": form.plotted(decode.p50, form.scale("tokens/s", [])),
            "detail": form.count(decode.count, "good answer"),
            "size": SIZE,
        }
        for line, output_tokens in zip(lines, matrix.output_tokens, strict=True)
        for cell in _cells(matrix)
        if cell.output_tokens == output_tokens
        and (decode := cell.spreads["decode_tokens_per_s"]) is not None
        and not cell.ended_short
    ]
    if len({row["x"] for row in rows}) < 2:
        return None
    fastest, slowest = max(rows, key=lambda row: row["y"]), min(rows, key=lambda row: row["y"])
    drawn = [line for line in lines if any(row["line"] == line for row in rows)]
    told_apart = ", ".join(f"{dash}: {line} asked for" for dash, line in zip(DASH_WORDS, drawn, strict=False))
    high, low = form.short(float(fastest["y"])), form.short(float(slowest["y"]))
    span = (
        f"{high} tokens/s, whatever was read"
        if high == low
        else f"from {high} down to {low} tokens/s, by what was read"
    )
    return Figure(
        id=figure_id,
        sentence=f"Decode speed: {span} before.",
        caption=f"{caption}. {told_apart}. Answers that ended short are left out.",
        spec=_spec(rows, drawn, "Decode speed (tokens/s)", marks),
        legend={},
    )


def _spec(rows: Sequence[charts.Datum], lines: Sequence[str], title: str, marks: Mapping[str, Mark]) -> charts.Spec:
    values = [float(row["y"]) for row in rows]
    x = steps([float(row["x"]) for row in rows], "Prompt (tokens aimed at)")
    return over_steps(rows, lines, x, charts.axis(title, values), marks)


def _hints(matrix: LengthMatrix) -> tuple[str, ...]:
    if not matrix.remembered:
        return ()
    return (
        "The time to first token hardly grows with the prompt: the runtime may keep prompts that it has read. The "
        "prefill speed is then how fast it finds one again.",
    )


def _cells(matrix: LengthMatrix) -> list[CellSummary]:
    return [matrix.cells[place] for place in sorted(matrix.cells)]


def _telling(matrix: LengthMatrix, metric_id: str) -> list[CellSummary]:
    """Return the cells whose speed is of the length that was asked for; all of them where none is."""
    cells = _cells(matrix)
    whole = [cell for cell in cells if metric_id == "prefill_tokens_per_s" or not cell.ended_short]
    return whole if any(cell.spreads[metric_id] is not None for cell in whole) else cells
