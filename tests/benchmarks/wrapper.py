"""What our way into the Foundry Local runtime costs per token, beside the SDK's own. One process a model.

    python -m tests.benchmarks.wrapper
    python -m tests.benchmarks.wrapper --model ledger-xs-fp32 --rounds 20

All ask the same loaded model for the same answers, prompt after prompt, in turn: the runtime whole, without a stream;
the SDK's stream, with a loop that only counts; and our provider, with its stamps. A session is ready before the clock
starts, for each of them. The smaller the model, the more a wrapper weighs.
"""

import gc
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.progress import track

from bench.providers.foundry import Arrivals, FoundryProvider
from bench.providers.protocol import Arrived, Request
from bench.providers.registry import FoundryModel, FoundryRuntime
from bench.quality.prompts.prompt_set import load_prompt_set

MODELS = Path(__file__).parents[2] / "bench" / "reference" / "models"

PROMPTS = 10
"""How many prompts of the default set are asked in a round: their answers have from a few tokens to some dozens."""

LIMIT_S = 60.0

TAKEN = 2000
"""How many items are taken to tell what taking one costs."""


@dataclass(frozen=True)
class Spent:
    """What one answer took: the time until it was complete, and processor time of the process until all was let go."""

    tokens: int
    wall_ns: int
    cpu_ns: int


@dataclass(frozen=True)
class Stamped:
    """What it takes to keep an item with its stamp, and to call a method that does nothing: the least of some tries."""

    take_ns: float
    nothing_ns: float


@dataclass(frozen=True)
class Found:
    """What was found with one model: the answers of each way in order of asking, the same in each."""

    spent: dict[str, list[Spent]]
    stamped: Stamped


Ask = Callable[[FoundryProvider, Request], Spent]


def whole(provider: FoundryProvider, request: Request) -> Spent:
    """Ask the runtime for the whole answer."""
    session, native = sdk_session(provider, request, streaming=False)
    with spending() as spent:
        with session, native, session.process_request(native) as response:
            ended_ns = time.perf_counter_ns()
            tokens = response.get_usage().completion_tokens
        return spent.on(tokens, ended_ns)


def sdk_stream(provider: FoundryProvider, request: Request) -> Spent:
    """Take the answer as the SDK streams it, and only count."""
    session, native = sdk_session(provider, request, streaming=True)
    with spending() as spent:
        items = 0
        with session, native, session.process_streaming_request(native) as stream:
            for _ in stream:
                items += 1
            ended_ns = time.perf_counter_ns()
            with stream.final_response as final:
                tokens = final.get_usage().completion_tokens
        return spent.on(tokens, ended_ns)


def ours(provider: FoundryProvider, request: Request) -> Spent:
    """Take the answer from our provider as the runner does."""
    events: list[object] = []
    stamps: list[int] = []
    stream = provider.stream(request, time.perf_counter_ns)
    with spending() as spent:
        for event in stream:
            assert isinstance(event, Arrived)
            stamps.append(event.at_ns)
            events.append(event.event)
        tokens = provider.decode(events[-1:]).output_tokens
        assert tokens is not None
        return spent.on(tokens, stamps[-1])


WAYS: dict[str, Ask] = {"the runtime, whole": whole, "the SDK's stream": sdk_stream, "ours, with stamps": ours}


class Spending:
    """What is spent from its making on."""

    def __init__(self) -> None:
        self._wall_ns, self._cpu_ns = time.perf_counter_ns(), time.process_time_ns()

    def on(self, tokens: int, ended_ns: int) -> Spent:
        """Return what was spent on so many tokens; `ended_ns` is the clock's reading when the last was there."""
        return Spent(tokens, ended_ns - self._wall_ns, time.process_time_ns() - self._cpu_ns)


@contextmanager
def spending() -> Iterator[Spending]:
    """Run the block without garbage collection."""
    gc.collect()
    gc.disable()
    try:
        yield Spending()
    finally:
        gc.enable()


def sdk_session(provider: FoundryProvider, request: Request, *, streaming: bool) -> tuple[Any, Any]:
    """Return a session of the SDK on the provider's model, and the request."""
    from foundry_local_sdk import ChatSession, MessageItem, MessageRole, RequestOptions, SearchOptions
    from foundry_local_sdk import Request as NativeRequest

    # The same loaded model: another one would have its own memory.
    session = ChatSession(provider._model)
    search = SearchOptions(temperature=0.0, max_output_tokens=request.max_output_tokens, seed=request.seed)
    session.set_options(RequestOptions(search=search))
    session.set_streaming(streaming)
    native = NativeRequest()
    native.add_item(MessageItem(MessageRole.USER, request.text))
    return session, native


def stamped(request: Request) -> Stamped:
    """Return what keeping an item takes, of those that one queue after the other hands over."""
    from foundry_local_sdk import TextItem
    from foundry_local_sdk._native import ffi
    from foundry_local_sdk.item_queue import ItemQueue

    class Nothing:
        def take(self, data: object) -> int:
            return 0

    def each_ns(take: Callable[[Any], int]) -> float:
        queues = [ItemQueue() for _ in range(TAKEN)]
        handed = [ffi.new("flStreamingCallbackData*") for _ in queues]
        for queue, data in zip(queues, handed, strict=True):
            queue.push(TextItem("word "))
            data.item_queue = ffi.cast("flItemQueue*", queue._ptr)
        start_ns = time.perf_counter_ns()
        for data in handed:
            take(data)
        return (time.perf_counter_ns() - start_ns) / TAKEN

    take_ns, nothing_ns = [], []
    for _ in range(9):
        arrivals = Arrivals(time.perf_counter_ns, request)
        take_ns.append(each_ns(arrivals.take))
        assert len(arrivals.items) == TAKEN
        nothing_ns.append(each_ns(Nothing().take))
    return Stamped(min(take_ns), min(nothing_ns))


def measured(path: Path, rounds: int) -> Found:
    """Load a model and ask it in each way; a process can do this once."""
    provider = FoundryProvider(FoundryModel(provider="foundry", name=path.name, path=path), FoundryRuntime())
    provider.prepare(lambda _: None)
    provider.load()
    try:
        requests = [asked(prompt.text) for prompt in load_prompt_set("default").prompts[:PROMPTS]]
        for ask in WAYS.values():
            ask(provider, requests[0])
        gc.freeze()
        spent: dict[str, list[Spent]] = {name: [] for name in WAYS}
        names = list(WAYS)
        for number in track(range(rounds), description=path.name):
            for place, request in enumerate(requests):
                # Every way is first, second and last equally often.
                turn = (number + place) % len(names)
                for name in names[turn:] + names[:turn]:
                    spent[name].append(WAYS[name](provider, request))
        counts = {name: [each.tokens for each in found] for name, found in spent.items()}
        assert len({tuple(count) for count in counts.values()}) == 1, "the answers differ"
        return Found(spent, stamped(requests[0]))
    finally:
        provider.close()


def asked(text: str) -> Request:
    """Return the request for a prompt, with limits that are far away."""
    return Request(
        text=text,
        max_output_tokens=256,
        temperature=0.0,
        top_p=None,
        seed=0,
        stream=True,
        connect_s=LIMIT_S,
        first_text_s=LIMIT_S,
        gap_s=LIMIT_S,
        request_s=LIMIT_S,
    )


def rows(model: str, found: Found) -> Iterator[str]:
    """Yield the rows of a model: of the time, then of the processor time."""
    base = found.spent["the runtime, whole"]
    for name, spent in found.spent.items():
        cells = [model, name]
        for each_ns, base_ns in (
            ([each.wall_ns for each in spent], [each.wall_ns for each in base]),
            ([each.cpu_ns for each in spent], [each.cpu_ns for each in base]),
        ):
            cells += compared(each_ns, base_ns, [each.tokens for each in base])
        yield f"| {' | '.join(cells)} |"


def compared(took_ns: Sequence[int], base_ns: Sequence[int], tokens: Sequence[int]) -> list[str]:
    """Return three cells: time per token, and what is more of it than the base per token and per answer.

    The difference is a line over the number of tokens, through each prompt's median.
    """
    each_ns = statistics.median(took / count for took, count in zip(took_ns, tokens, strict=True))
    ratio = statistics.median(took / base for took, base in zip(took_ns, base_ns, strict=True))
    more_ns = [took - base for took, base in zip(took_ns, base_ns, strict=True)]
    medians_ns = [statistics.median(more_ns[place::PROMPTS]) for place in range(PROMPTS)]
    line = statistics.linear_regression(tokens[:PROMPTS], medians_ns)
    return [f"{each_ns / 1e3:.1f} ({ratio:.2f}x)", f"{line.slope / 1e3:+.1f}", f"{line.intercept / 1e3:+,.0f}"]


@click.command()
@click.option("--model", "models", multiple=True, default=("ledger-xs-fp32", "ledger-m-fp32"), show_default=True)
@click.option("--rounds", default=20, show_default=True, help="How often each prompt is asked in each way.")
def main(models: tuple[str, ...], rounds: int) -> None:
    """Print what each way to ask costs per token."""
    found = {}
    for model in models:
        # The runtime is one in a process, and stays as it was set up.
        with multiprocessing.get_context("spawn").Pool(1) as process:
            found[model] = process.apply(measured, (MODELS / model, rounds))
    click.echo("In µs; medians, with their ratio to the same answer asked for whole, and what is more than that.\n")
    heads = [f"{what}{of}" for what in ("time", "CPU") for of in (" a token", ": more a token", ": more an answer")]
    click.echo(f"| model | asked | {' | '.join(heads)} |")
    click.echo(f"| {' | '.join(['---'] * (len(heads) + 2))} |")
    for model, each in found.items():
        for row in rows(model, each):
            click.echo(row)
    for model, each in found.items():
        took = each.stamped
        click.echo(
            f"\n{model}: keeping an item with its stamp takes {took.take_ns:.0f} ns, "
            f"a call that does nothing {took.nothing_ns:.0f} ns."
        )


if __name__ == "__main__":
    main()
