"""What the runner asks of a provider: load a model, get text out of it, and nothing else."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from bench.errors import ProviderError
from bench.schema.fields import StampedBy
from bench.schema.machine import StampClock
from bench.schema.model_run import PromptCacheMode, Runtime
from bench.schema.prompts import Turn
from bench.schema.sample import ServerTimings

Clock = Callable[[], int]
"""Returns nanoseconds of a monotonic clock."""


class Arrived(NamedTuple):
    """An event that came before it could be handed over, and when."""

    at_ns: int
    event: object


@dataclass(frozen=True)
class Request:
    """One prompt and how to answer it: `text` comes after the `system` prompt and the `turns` of a conversation.

    The limits, in seconds: `connect_s` for a connection, `first_text_s` from the start to the first text, `gap_s`
    between two pieces, `request_s` for the whole.
    """

    text: str
    max_output_tokens: int
    temperature: float
    top_p: float | None
    seed: int
    stream: bool
    connect_s: float
    first_text_s: float
    gap_s: float
    request_s: float
    system: str | None = None
    turns: tuple[Turn, ...] = ()


def messages(request: Request) -> list[dict[str, str]]:
    """Return a request as roles and contents: its system prompt, what was said before, and what is asked."""
    system = [] if request.system is None else [{"role": "system", "content": request.system}]
    before = [{"role": turn.role, "content": turn.text} for turn in request.turns]
    return [*system, *before, {"role": "user", "content": request.text}]


@dataclass(frozen=True)
class Piece:
    """A piece of text, and the index of the event with which it was complete. Several can come with one event."""

    text: str
    event: int
    reasoning: bool = False


@dataclass(frozen=True)
class Wire:
    """What a connection took: its set-up in nanoseconds, None for one that was there, and the clock's reading when
    the request was handed to the system, None where nobody knows; and who stamped what arrived on it."""

    connect_ns: int | None
    sent_at_ns: int | None
    stamped_by: StampedBy = "process"


@dataclass(frozen=True)
class Decoded:
    """The events of one answer, decoded: its pieces of text in order, none of them empty, and what was counted.

    `problem` is what was wrong with the answer, if something was; the pieces before it are kept. `model` is who
    answered, where an endpoint says it, `fingerprint` what it says of the software. `whole` says that nothing is
    missing though no reason tells why it ended, and `streamed` is False for an answer that came as one, whatever was
    asked for. `cached_prompt_tokens`,
    `first_chunk_tokens` and `server` are as in a sample.
    """

    pieces: tuple[Piece, ...]
    prompt_tokens: int | None
    output_tokens: int | None
    tokens_source: Literal["usage", "tokenizer", "none"]
    finish_reason: str | None
    problem: ProviderError | None = None
    model: str | None = None
    wire: Wire = Wire(None, None)
    cached_prompt_tokens: int | None = None
    first_chunk_tokens: int | None = None
    server: ServerTimings | None = None
    whole: bool = False
    streamed: bool = True
    fingerprint: str | None = None


@dataclass(frozen=True)
class Identity:
    """What a loaded model is. A field that is None has its reason in `unmeasured` where a page would show it."""

    variant_id: str | None = None
    variant_version: str | None = None
    device: str | None = None
    execution_provider: str | None = None
    runtime: Runtime | None = None
    transport: Literal["in-process", "direct", "package"] = "in-process"
    prompt_cache: PromptCacheMode = "as-is"
    prompt_cache_by: str | None = None
    stamp_clock: StampClock | None = None
    instrument: bool = False
    origin: str | None = None
    parameters: int | None = None
    precision: str | None = None
    licence: str | None = None
    licence_url: str | None = None
    publisher: str | None = None
    context_length: int | None = None
    capabilities: tuple[str, ...] = ()
    footprint_bytes: int | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    unmeasured: Mapping[str, str] = field(default_factory=dict)


class Provider(Protocol):
    """A way to one model. Every method may raise ProviderError; nothing else is expected of it."""

    @property
    def one_at_a_time(self) -> str | None:
        """Why several threads cannot ask it at once, or None: then they can."""

    def prepare(self, on_download: Callable[[float], None]) -> None:
        """Do all that comes before the model is asked for: import and start the runtime, find, download.

        `on_download` is called with the percentage of a download whenever it has grown.
        """

    def load(self) -> None:
        """Bring the model from the disk into memory. This is what a cold load times."""

    def identity(self) -> Identity:
        """Return what the loaded model is."""

    def stream(self, request: Request, clock: Clock) -> Iterator[object]:
        """Make everything ready, then return raw events as they arrive, parsing nothing. Not streamed: one event.

        The request goes out when the first event is asked for, so that getting ready is in no measured time. A
        provider that learns of its text elsewhere yields Arrived, with the clock's reading there, and keeps the
        request's limits itself; those of other events the runner keeps.
        """

    def decode(self, events: Sequence[object]) -> Decoded:
        """Turn the events of one answer into text and counts, after it has ended; it raises nothing."""

    def count_prompt_tokens(self, request: Request) -> int | None:
        """Return how many tokens a request's text has for the model, its chat template included; None: nobody counts.

        It may cost a request with an answer of one token.
        """

    def close(self) -> None:
        """Let go of the model and of the runtime."""


SAID = re.compile(
    r"\bMemoryError\b|bad.alloc|\bOOM\b"
    r"|(?:could not|cannot|failed to|unable to) allocate"
    r"|out.?of.?(?:(?:device|host|gpu|video|system).?)?memory"
    r"|(?:not enough|insufficient|no available) (?:\w+ )?memory|requires more (?:\w+ )?memory",
    re.IGNORECASE,
)
"""What Python, C++, ONNX Runtime, CUDA, Vulkan and servers of models say where there is no memory left."""

SMALLER = "stop other models or take a smaller variant"
"""What to do where there is no memory left."""


def failed(kind: str, said: str) -> ProviderError:
    """Return a failure of this kind, or of the kind 'out-of-memory' where that is what was said."""
    if SAID.search(said) is None:
        return ProviderError(kind, said)
    return ProviderError("out-of-memory", f"{said.rstrip(' .:')}; {SMALLER}")
