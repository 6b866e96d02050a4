"""The matrix of prompt and answer lengths: how fast a model reads and writes, cell by cell."""

from collections import Counter
from dataclasses import dataclass
from typing import Final

from bench.metrics.registry import NOT_STREAMED, measured_in, split_metric_id
from bench.schema.load import LengthCell
from bench.schema.model_run import ModelRun
from bench.stats.distribution import Distribution, distribution

REMEMBERED_PROMPT: Final = 4.0
"""How many times longer the longest prompt must be than the shortest one before their TTFTs tell anything."""

REMEMBERED_TTFT: Final = 1.25
"""TTFT of the longest prompt / that of the shortest, up to which reading seems to cost nothing: a model that reads four
times as much takes longer, unless it has kept what it read before."""

NO_GOOD: Final = "no good sample"


@dataclass(frozen=True)
class CellSummary:
    """One cell in short. `prompt_tokens` and `output_tokens` are what was aimed at; `read` and `written` what came.

    `spreads` has each metric of a cell over the good repeats, by id in its base unit; None where none has a value, for
    which `undefined` says why. A skipped cell has no samples.
    """

    record: LengthCell
    prompt_tokens: int
    output_tokens: int
    skipped: str | None
    good: int
    failure_kinds: dict[str, int]
    read: Distribution | None
    written: Distribution | None
    spreads: dict[str, Distribution | None]
    undefined: dict[str, str]

    def value(self, metric_id: str) -> float | None:
        """Return one number in its base unit: the median, or a statistic as in 'ttft_s.maximum'.

        Raises KeyError for a metric or statistic that a cell does not have.
        """
        selected, statistic = split_metric_id(metric_id, "cell")
        spread = self.spreads[selected.id]
        value: float | None = None if spread is None else getattr(spread, statistic)
        return value

    def why_undefined(self, metric_id: str) -> str | None:
        """Return why `value` has nothing for this metric, or None where it has something."""
        return self.undefined.get(split_metric_id(metric_id, "cell")[0].id)

    @property
    def failed(self) -> int:
        """The number of repeats that failed."""
        return sum(self.failure_kinds.values())

    @property
    def ended_short(self) -> bool:
        """Whether every answer ended before it had the tokens that were asked for: its decode speed is of fewer."""
        return self.written is not None and self.written.maximum < self.output_tokens


@dataclass(frozen=True)
class LengthMatrix:
    """The cells by what was aimed at, (prompt tokens, output tokens), and both lengths in rising order."""

    prompt_tokens: tuple[int, ...]
    output_tokens: tuple[int, ...]
    cells: dict[tuple[int, int], CellSummary]

    @property
    def good(self) -> int:
        """The number of good samples of all cells."""
        return sum(cell.good for cell in self.cells.values())

    @property
    def remembered(self) -> bool:
        """Whether TTFT hardly grows with the prompt, as where a runtime keeps the prompts that it has read.

        Prefill speed then says how fast a prompt is found again, not how fast one is read.
        """
        lengths = [
            (cell.read.p50, ttft)
            for cell in self.cells.values()
            if cell.read and (ttft := cell.value("ttft_s")) is not None
        ]
        if not lengths:
            return False
        shortest, longest = min(lengths), max(lengths)
        grown = longest[0] >= REMEMBERED_PROMPT * shortest[0]
        return grown and longest[1] <= REMEMBERED_TTFT * shortest[1]


def length_matrix(model: ModelRun) -> LengthMatrix | None:
    """Return the matrix of a model, or None where none was asked for. Of two equal cells the first counts."""
    if not model.lengths:
        return None
    cells: dict[tuple[int, int], CellSummary] = {}
    for cell in model.lengths:
        cells.setdefault((cell.prompt_tokens, cell.output_tokens), summarise_cell(cell))
    return LengthMatrix(
        prompt_tokens=tuple(sorted({prompt for prompt, _ in cells})),
        output_tokens=tuple(sorted({output for _, output in cells})),
        cells=cells,
    )


def summarise_cell(cell: LengthCell) -> CellSummary:
    """Return the summary of one cell; failed repeats are counted and in nothing else."""
    good = tuple(sample for sample in cell.samples if sample.failure is None)
    kinds = Counter(sample.failure.kind for sample in cell.samples if sample.failure is not None)
    streamed = any(sample.chunk_ns for sample in good)
    metrics = measured_in("cell", "sample")
    spreads = {one.id: distribution(one.all_values(good)) for one in metrics}
    undefined = {
        one.id: NOT_STREAMED if one.needs_stream and not streamed else one.undefined
        for one in metrics
        if spreads[one.id] is None
    }
    return CellSummary(
        record=cell,
        prompt_tokens=cell.prompt_tokens,
        output_tokens=cell.output_tokens,
        skipped=cell.skipped,
        good=len(good),
        failure_kinds=dict(kinds.most_common()),
        read=distribution([float(sample.prompt_tokens) for sample in good if sample.prompt_tokens]),
        written=distribution([float(sample.output_tokens) for sample in good if sample.output_tokens]),
        spreads=spreads,
        undefined=undefined if good else dict.fromkeys(undefined, cell.skipped or NO_GOOD),
    )
