"""The matrix of lengths: prompts of so many tokens by the model's tokenizer, and answers of at most so many."""

import random
from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import dataclass, field
from itertools import islice

from bench.config.settings import Config, LengthSettings
from bench.errors import ProviderError
from bench.providers.protocol import Clock, Provider
from bench.runner.measure import MeasuredSample, measure
from bench.runner.messages import CellMeasured, Underway
from bench.runner.plan import Step, request_for
from bench.schema.load import LengthCell
from bench.schema.prompts import PromptRecord

TASK = "Go on with this story for as long as you can, and do not end it:"
"""What makes a model answer until it is stopped."""

FILLER = " on"
"""Comes nearer to a length than whole words of the story do: in most vocabularies it is one token."""

OPENINGS: tuple[tuple[str, ...], ...] = (
    ("Last", "This", "Some", "Next", "One", "That"),
    ("spring", "summer", "winter", "morning", "week", "night"),
    ("people", "friends", "men", "workers", "children", "women"),
)
"""The first words of a prompt, one of each list. The first of each are those with which lengths are counted."""

_WHO = ("the ferryman", "a young clerk", "the old gardener", "my neighbour", "the night nurse", "a travelling cook")
_DID = ("carried", "found", "repaired", "counted", "painted", "borrowed", "weighed", "returned")
_WHAT = ("a small lamp", "seven letters", "the blue ledger", "an iron key", "two loaves", "the harbour map")
_WHERE = ("by the river", "behind the mill", "at the station", "under the stairs", "near the market", "in the rain")

CountTokens = Callable[[str], int | None]
"""Returns the tokens of a prompt; None: more than the model takes."""

PromptOpening = tuple[str, ...]


@dataclass(frozen=True)
class Fitted:
    """A story whose prompt comes to `tokens`, with any of the openings that have as many tokens as the first one."""

    story: str
    tokens: int


def prompt(opening: PromptOpening, story: str) -> str:
    """Return the prompt that asks to go on with a story."""
    return f"{' '.join(opening)}: {TASK}{story}"


def openings(count: CountTokens) -> tuple[PromptOpening, ...]:
    """Return openings with as many tokens as the first one, in an order in which neighbours share no word.

    A server may keep what it has read and answer the same prompt sooner the next time; it can do so only as far as two
    prompts are alike from their first token on. Words are counted one by one, in short prompts, so that no opening is
    sent as a whole before it is measured.
    """
    first = tuple(words[0] for words in OPENINGS)
    tokens = count(prompt(first, ""))
    alike: list[list[str]] = []
    for place, words in enumerate(OPENINGS):
        others = [word for word in words[1:] if count(prompt(_with(first, place, word), "")) == tokens]
        alike.append(others or [words[0]])
    total = max(len(words) for words in alike) ** len(alike)
    # The first word changes each time, the others with each pass over the one before, and a step aside.
    found = []
    for number in range(total):
        chosen = []
        for place, known in enumerate(alike):
            passes = number
            for before in alike[:place]:
                passes //= len(before)
            chosen.append(known[(passes + (number if place else 0)) % len(known)])
        found.append(tuple(chosen))
    return tuple(dict.fromkeys(found))


def fitted(count: CountTokens, aimed_tokens: int, seed: int) -> Fitted | int | None:
    """Return a story whose prompt is as near to a length as it comes and never above it.

    Returns how many tokens the shortest prompt has where that is above it, and None where the count does not grow with
    the prompt as a count of tokens does. The number of words is found by interpolation between a story that is short
    enough and one that is too long; it takes some six counts.
    """
    first = tuple(words[0] for words in OPENINGS)

    def tokens_of(words: int, fillers: int = 0) -> int | None:
        return count(prompt(first, _story(seed, words, fillers)))

    low, high = 0, 0
    least = tokens_of(0)
    if least is None or least > aimed_tokens:
        return aimed_tokens + 1 if least is None else least
    low_tokens, high_tokens = least, None
    while low_tokens < aimed_tokens and (not high or high - low > 1):
        if not high:
            # In most vocabularies a word has between one token and two; in none has it an eighth of one.
            if low > 8 * aimed_tokens:
                return None
            words = 2 * low or max(1, (aimed_tokens - low_tokens) * 2 // 3)
        elif high_tokens is None:
            words = (low + high) // 2
        else:
            share = (aimed_tokens - low_tokens) / (high_tokens - low_tokens)
            words = min(high - 1, max(low + 1, low + int(share * (high - low))))
        tokens = tokens_of(words)
        if tokens is None or tokens > aimed_tokens:
            high, high_tokens = words, tokens
        else:
            low, low_tokens = words, tokens
    fillers = aimed_tokens - low_tokens
    for _ in range(2):
        tokens = tokens_of(low, fillers) if fillers else None
        if tokens is not None and low_tokens < tokens <= aimed_tokens:
            return Fitted(_story(seed, low, fillers), tokens)
        fillers = fillers * fillers // (tokens - low_tokens) if tokens is not None and tokens > low_tokens else 0
    return Fitted(_story(seed, low, 0), low_tokens)


def _with(opening: PromptOpening, place: int, word: str) -> PromptOpening:
    return (*opening[:place], word, *opening[place + 1 :])


def _story(seed: int, words: int, fillers: int) -> str:
    return "".join(f" {word}" for word in islice(_words(seed), words)) + FILLER * fillers


def _words(seed: int) -> Iterator[str]:
    chosen = random.Random(f"lengths-{seed}")
    while True:
        sentence = " ".join(chosen.choice(parts) for parts in (_WHO, _DID, _WHAT, _WHERE))
        yield from f"{sentence[0].upper()}{sentence[1:]}.".split()


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


@dataclass
class _Matrix:
    """The matrix under way."""

    provider: Provider
    config: Config
    settings: LengthSettings
    context_length: int | None
    clock: Clock
    origin_ns: int
    on_beat: Callable[[Underway], None]
    openings: tuple[PromptOpening, ...] = ()
    rows: dict[int, Fitted | str] = field(default_factory=dict)
    refusal: str | None = None

    def cell(self, place: int, prompt_tokens: int, output_tokens: int, done: Set[Repeat]) -> Iterator[CellMeasured]:
        """Measure the cell at a place of the matrix."""
        repeats = self.settings.repeats
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
            opening = self.openings[(place * (repeats + 1) + number) % len(self.openings)]
            measured = self._ask(place * repeats + number - 1, number, cell, prompt(opening, row.story))
            sample = measured.sample
            if number:
                texts = {} if sample.output is None or measured.text is None else {sample.output: measured.text}
                yield CellMeasured(cell.model_copy(update={"samples": (sample,)}), texts)
            elif sample.failure is not None and sample.failure.kind == "too-long":
                yield CellMeasured(cell.model_copy(update={"skipped": sample.failure.message}), {})
                return

    def _ask(self, position: int, number: int, cell: LengthCell, text: str) -> MeasuredSample:
        asked = _record(cell.prompt_tokens, cell.output_tokens, text)
        step = Step(max(0, position), number, asked)
        return measure(self.provider, step, request_for(asked, self.config), self.clock, self.origin_ns)

    def _tell(self, place: int, cell: LengthCell, done: int) -> None:
        repeats = self.settings.repeats
        total = len(self.settings.prompt_tokens) * len(self.settings.output_tokens) * repeats
        doing = f"lengths: {cell.prompt_tokens} x {cell.output_tokens}"
        so_far = place * repeats + done
        self.on_beat(Underway(doing, so_far, total, "requests", so_far, None))

    def _too_long(self, prompt_tokens: int, output_tokens: int) -> str | None:
        if self.context_length is None or prompt_tokens + output_tokens <= self.context_length:
            return None
        return f"{prompt_tokens} + {output_tokens} tokens do not fit the model's context of {self.context_length}"

    def _row(self, place: int, cell: LengthCell) -> Fitted | str:
        """Return the story for prompts of a length, or why there is none; both are kept for the cells of the row."""
        aimed = cell.prompt_tokens

        def count(text: str) -> int | None:
            # Each count can be a request, and the process must not fall silent.
            self._tell(place, cell, 0)
            return self._tokens(aimed, text)

        if aimed not in self.rows:
            self.refusal = None
            try:
                self.openings = self.openings or openings(count)
                found = fitted(count, aimed, self.config.order_seed)
            except _Uncounted:
                self.rows[aimed] = NOT_COUNTED
            except ProviderError as error:
                self.rows[aimed] = f"the tokens of a prompt could not be counted: {error.message}"
            else:
                self.rows[aimed] = _row_of(found, aimed, self.refusal)
        return self.rows[aimed]

    def _tokens(self, aimed_tokens: int, text: str) -> int | None:
        try:
            tokens = self.provider.count_prompt_tokens(request_for(_record(aimed_tokens, 1, text), self.config))
        except ProviderError as error:
            if error.kind == "too-long":
                self.refusal = error.message
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
        system=None,
        turns=(),
        text=text,
        max_output_tokens=output_tokens,
        facets=(),
    )
