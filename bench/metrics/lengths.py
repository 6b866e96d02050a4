"""The matrix of prompt and answer lengths: how fast a model reads and writes, cell by cell."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median
from typing import Final

from bench.metrics.timing import NO_TPOT, decode_tokens_per_s, e2e_s, prefill_tokens_per_s, ttft_s
from bench.schema.load import LengthCell
from bench.schema.model_run import ModelRun
from bench.schema.sample import Sample

REMEMBERED_PROMPT: Final = 4.0
"""How many times longer the longest prompt must be than the shortest one before their TTFTs tell anything."""

REMEMBERED_TTFT: Final = 1.25
"""TTFT of the longest prompt / that of the shortest, up to which reading seems to cost nothing: a model that reads four
times as much takes longer, unless it has kept what it read before."""

NO_GOOD: Final = "no good sample"
NOT_STREAMED: Final = "the answers were not streamed"
NO_PROMPT_COUNT: Final = "nobody counted the prompt tokens"
NO_TPOT: Final = NO_TPOT


@dataclass(frozen=True)
class Spread:
    """The repeats of a cell: their number, median, least and most, in the unit of the values."""

    count: int
    median: float
    minimum: float
    maximum: float


@dataclass(frozen=True)
class CellSummary:
    """One cell in short. `prompt_tokens` and `output_tokens` are what was aimed at; `read` and `written` what came.

    `prefill` is prompt tokens / TTFT, `decode` 1 / TPOT, both in tokens/s over the good repeats; `ttft` and `e2e` are
    in seconds. `undefined` says why 'prefill', 'decode', 'ttft' or 'e2e' is None. A skipped cell has no samples.
    """

    record: LengthCell
    prompt_tokens: int
    output_tokens: int
    skipped: str | None
    good: int
    failure_kinds: dict[str, int]
    read: Spread | None
    written: Spread | None
    prefill: Spread | None
    decode: Spread | None
    ttft: Spread | None
    e2e: Spread | None
    undefined: dict[str, str]

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
        lengths = [(cell.read.median, cell.ttft.median) for cell in self.cells.values() if cell.read and cell.ttft]
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
    good = [sample for sample in cell.samples if sample.failure is None]
    kinds = Counter(sample.failure.kind for sample in cell.samples if sample.failure is not None)
    prefill, decode = _of(prefill_tokens_per_s, good), _of(decode_tokens_per_s, good)
    ttft, e2e = _of(ttft_s, good), _of(e2e_s, good)
    undefined = {}
    if prefill is None:
        undefined["prefill"] = NO_PROMPT_COUNT if ttft is not None else NOT_STREAMED
    if decode is None:
        undefined["decode"] = NO_TPOT if ttft is not None else NOT_STREAMED
    if ttft is None:
        undefined["ttft"] = NOT_STREAMED
    if not good:
        undefined = dict.fromkeys(("prefill", "decode", "ttft", "e2e"), cell.skipped or NO_GOOD)
    return CellSummary(
        record=cell,
        prompt_tokens=cell.prompt_tokens,
        output_tokens=cell.output_tokens,
        skipped=cell.skipped,
        good=len(good),
        failure_kinds=dict(kinds.most_common()),
        read=_spread(float(sample.prompt_tokens) for sample in good if sample.prompt_tokens),
        written=_spread(float(sample.output_tokens) for sample in good if sample.output_tokens),
        prefill=prefill,
        decode=decode,
        ttft=ttft,
        e2e=e2e,
        undefined=undefined,
    )


def _of(value: Callable[[Sample], float | None], samples: Iterable[Sample]) -> Spread | None:
    return _spread(found for sample in samples if (found := value(sample)) is not None)


def _spread(values: Iterable[float]) -> Spread | None:
    known = sorted(values)
    return Spread(len(known), median(known), known[0], known[-1]) if known else None
