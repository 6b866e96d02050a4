"""The matrix of lengths: prompts of so many tokens, and answers of at most so many, one request after the other.

A server that keeps the prompts it has read would answer the same one sooner the second time: so each request, the
warm-up's included, begins with words of its own, of as many tokens.
"""

from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import dataclass

from bench.config import Config
from bench.errors import ProviderError
from bench.load_settings import LengthSettings
from bench.providers.protocol import Clock, Provider
from bench.rubric import PromptRecord
from bench.runner.length_text import Fitted, Opening, fitted, openings, prompt
from bench.runner.load_record import LengthCell
from bench.runner.measure import Measured, measure
from bench.runner.plan import Step, request_for
from bench.runner.reports import CellMeasured, Underway

NOT_COUNTED = "nobody counts this model's tokens: no prompt of a given length can be made"

NEAR = 0.95
"""Share of the length aimed at below which the longest prompt that the model takes is not of that length."""


@dataclass(frozen=True)
class Repeat:
    """One request of the matrix. `number` counts from 1; 0 is the whole cell, where it was skipped."""

    prompt_tokens: int
    output_tokens: int
    number: int


def repeats_of(cells: Iterable[LengthCell]) -> frozenset[Repeat]:
    """Return the requests that a matrix has already."""
    return frozenset(
        Repeat(cell.prompt_tokens, cell.output_tokens, number)
        for cell in cells
        for number in ([0] if cell.skipped is not None else [sample.round for sample in cell.samples])
    )


def measure_lengths(
    provider: Provider,
    config: Config,
    context_length: int | None,
    done: Set[Repeat],
    clock: Clock,
    origin_ns: int,
    on_beat: Callable[[Underway], None],
) -> Iterator[CellMeasured]:
    """Measure the matrix row by row, without what is `done`, and yield each sample as soon as it is there.

    A cell that does not fit the model's context, or for which no prompt can be made, is yielded as skipped with the
    reason. A warm-up request comes before each cell, and is not kept.
    """
    assert config.lengths is not None
    matrix = _Matrix(provider, config, config.lengths, context_length, clock, origin_ns, on_beat)
    for row, prompt_tokens in enumerate(config.lengths.prompt_tokens):
        for column, output_tokens in enumerate(config.lengths.output_tokens):
            place = row * len(config.lengths.output_tokens) + column
            if Repeat(prompt_tokens, output_tokens, 0) not in done:
                yield from matrix.cell(place, prompt_tokens, output_tokens, done)


class _Uncounted(Exception):
    """Nobody counts the model's tokens."""


class _Matrix:
    """The matrix under way."""

    def __init__(
        self,
        provider: Provider,
        config: Config,
        settings: LengthSettings,
        context_length: int | None,
        clock: Clock,
        origin_ns: int,
        on_beat: Callable[[Underway], None],
    ) -> None:
        self._provider = provider
        self._config = config
        self._settings = settings
        self._context_length = context_length
        self._clock = clock
        self._origin_ns = origin_ns
        self._on_beat = on_beat
        self._openings: tuple[Opening, ...] = ()
        self._rows: dict[int, Fitted | str] = {}
        self._refusal: str | None = None

    def cell(self, place: int, prompt_tokens: int, output_tokens: int, done: Set[Repeat]) -> Iterator[CellMeasured]:
        """Measure the cell at a place of the matrix."""
        repeats = self._settings.repeats
        numbers = range(1, repeats + 1)
        left = [number for number in numbers if Repeat(prompt_tokens, output_tokens, number) not in done]
        if not left:
            return
        cell = LengthCell(prompt_tokens=prompt_tokens, output_tokens=output_tokens, skipped=None, samples=())
        row = self._too_long(prompt_tokens, output_tokens) or self._row(place, cell)
        if isinstance(row, str):
            yield CellMeasured(cell.model_copy(update={"skipped": row}), {})
            return
        for number in (0, *left):
            self._tell(place, cell, max(0, number - 1))
            opening = self._openings[(place * (repeats + 1) + number) % len(self._openings)]
            measured = self._ask(place * repeats + number - 1, number, cell, prompt(opening, row.story))
            sample = measured.sample
            if number:
                texts = {} if sample.output is None or measured.text is None else {sample.output: measured.text}
                yield CellMeasured(cell.model_copy(update={"samples": (sample,)}), texts)
            elif sample.failure is not None and sample.failure.kind == "too-long":
                yield CellMeasured(cell.model_copy(update={"skipped": sample.failure.message}), {})
                return

    def _ask(self, position: int, number: int, cell: LengthCell, text: str) -> Measured:
        asked = _record(cell.prompt_tokens, cell.output_tokens, text)
        step = Step(max(0, position), number, asked)
        return measure(self._provider, step, request_for(asked, self._config), self._clock, self._origin_ns)

    def _tell(self, place: int, cell: LengthCell, done: int) -> None:
        repeats = self._settings.repeats
        total = len(self._settings.prompt_tokens) * len(self._settings.output_tokens) * repeats
        doing = f"lengths: {cell.prompt_tokens} x {cell.output_tokens}"
        so_far = place * repeats + done
        self._on_beat(Underway(doing, so_far, total, "requests", so_far, None))

    def _too_long(self, prompt_tokens: int, output_tokens: int) -> str | None:
        if self._context_length is None or prompt_tokens + output_tokens <= self._context_length:
            return None
        return f"{prompt_tokens} + {output_tokens} tokens do not fit the model's context of {self._context_length}"

    def _row(self, place: int, cell: LengthCell) -> Fitted | str:
        """Return the story for prompts of a length, or why there is none; both are kept for the cells of the row."""
        aimed = cell.prompt_tokens

        def count(text: str) -> int | None:
            # Each count can be a request, and the process must not fall silent.
            self._tell(place, cell, 0)
            return self._tokens(aimed, text)

        if aimed not in self._rows:
            self._refusal = None
            try:
                self._openings = self._openings or openings(count)
                found = fitted(count, aimed, self._config.order_seed)
            except _Uncounted:
                self._rows[aimed] = NOT_COUNTED
            except ProviderError as error:
                self._rows[aimed] = f"the tokens of a prompt could not be counted: {error.message}"
            else:
                self._rows[aimed] = _row_of(found, aimed, self._refusal)
        return self._rows[aimed]

    def _tokens(self, aimed_tokens: int, text: str) -> int | None:
        try:
            tokens = self._provider.count_prompt_tokens(request_for(_record(aimed_tokens, 1, text), self._config))
        except ProviderError as error:
            if error.kind == "too-long":
                self._refusal = error.message
                return None
            raise
        if tokens is None:
            raise _Uncounted
        return tokens


def _row_of(found: Fitted | int | None, aimed_tokens: int, refusal: str | None) -> Fitted | str:
    if found is None:
        return "what counts this model's tokens tells no more of them for a longer prompt"
    tokens = found.tokens if isinstance(found, Fitted) else 0
    if refusal is not None and tokens < NEAR * aimed_tokens:
        return refusal
    if isinstance(found, int):
        return f"the shortest prompt has {found} tokens, with the model's chat template"
    return found


def _record(prompt_tokens: int, output_tokens: int, text: str) -> PromptRecord:
    return PromptRecord(
        id=f"{prompt_tokens}-tokens",
        title=f"{prompt_tokens} tokens",
        category="lengths",
        text=text,
        max_output_tokens=output_tokens,
        facets=(),
    )
