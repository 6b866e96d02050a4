"""Load on a model, and the matrix of prompt and answer lengths, as a config asks for them."""

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from bench.schema.bounds import MOST_EXACT, MOST_LENGTH_TOKENS, MOST_RATE_PER_S, MOST_SECONDS, MOST_STREAMS
from bench.settings import Settings

Streams = Annotated[int, Field(ge=1, le=MOST_STREAMS)]
Rate = Annotated[float, Field(gt=0, le=MOST_RATE_PER_S)]
Tokens = Annotated[int, Field(ge=1, le=MOST_LENGTH_TOKENS)]


class SweepSettings(Settings):
    """Closed-loop levels of 1, 2, 4, ... streams, until one gives less than `growth` times the throughput before it."""

    max_streams: Streams = 64
    growth: float = Field(1.1, gt=1, le=2)


class GoodputSettings(Settings):
    """What an answer must keep to count as good, in seconds: to the first token, for each further token, in all."""

    ttft_s: float | None = Field(None, gt=0, le=MOST_SECONDS)
    tpot_s: float | None = Field(None, gt=0, le=MOST_SECONDS)
    e2e_s: float | None = Field(None, gt=0, le=MOST_SECONDS)

    @model_validator(mode="after")
    def _has_a_limit(self) -> Self:
        if self.ttft_s is None and self.tpot_s is None and self.e2e_s is None:
            raise ValueError("needs at least one of ttft_s, tpot_s and e2e_s")
        return self


class LoadSettings(Settings):
    """Levels of load, each with a warm-up of `warmup_s` that goes over into a window of `measure_s` without a pause.

    `streams` are closed-loop levels: so many ask at once, each again as soon as it has its answer. `rates_per_s` are
    open-loop levels: requests are due by a schedule, whether or not the model keeps up, with at most `max_streams`
    under way. `seed` is that of the schedule and of the order of prompts.
    """

    streams: Annotated[tuple[Streams, ...], Field(strict=False)] = ()
    rates_per_s: Annotated[tuple[Rate, ...], Field(strict=False)] = ()
    arrivals: Literal["poisson", "constant"] = "poisson"
    max_streams: Streams = 64
    sweep: SweepSettings | None = None
    warmup_s: float = Field(2.0, ge=0, le=3_600)
    measure_s: float = Field(10.0, gt=0, le=86_400)
    seed: int = Field(42, ge=0, le=MOST_EXACT)
    goodput: GoodputSettings | None = None

    @model_validator(mode="after")
    def _has_a_level(self) -> Self:
        if not self.streams and not self.rates_per_s and self.sweep is None:
            raise ValueError("needs at least one of streams, rates_per_s and sweep")
        for name, given in (("streams", self.streams), ("rates_per_s", self.rates_per_s)):
            _names_each_once(name, given)
        return self


class LengthSettings(Settings):
    """A matrix of prompt and answer lengths in tokens; each cell is asked `repeats` times after one warm-up."""

    prompt_tokens: Annotated[tuple[Tokens, ...], Field(strict=False, min_length=1)] = (128, 512, 2_048)
    output_tokens: Annotated[tuple[Tokens, ...], Field(strict=False, min_length=1)] = (16, 128)
    repeats: int = Field(3, ge=1, le=1_000)

    @model_validator(mode="after")
    def _names_no_length_twice(self) -> Self:
        for name, given in (("prompt_tokens", self.prompt_tokens), ("output_tokens", self.output_tokens)):
            _names_each_once(name, given)
        return self


def _names_each_once(name: str, given: Sequence[float]) -> None:
    for place, value in enumerate(given):
        if value in given[:place]:
            raise ValueError(f"{name} names {value:g} twice; name each once")
