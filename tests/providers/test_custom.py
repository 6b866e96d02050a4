"""Classes of a user's own: what they return whole is no stream, and what reaches them of a conversation."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import count

import pytest

from bench.analysis.summary import summarise_model
from bench.providers.custom import CustomProvider
from bench.providers.protocol import Request
from bench.providers.registry import CustomModel
from bench.runner.measure import MeasuredSample, measure
from bench.runner.plan import Step
from bench.schema.prompts import Turn
from tests.builders import model_run, prompt, result

STEP = Step(position=0, round=1, prompt=prompt(id="p1"))
ASKED = Request(
    text="And now?",
    max_output_tokens=8,
    temperature=0.0,
    top_p=None,
    seed=1,
    stream=True,
    connect_s=1.0,
    first_text_s=1.0,
    gap_s=1.0,
    request_s=1.0,
)
TURNS = (Turn(role="user", text="Hello."), Turn(role="assistant", text="Hi."))


class Whole:
    """Returns a text."""

    answer: Iterable[str] = "one two three"

    def load(self, weights_path: str | None) -> None:
        """Load nothing."""

    def generate(self, prompt: str, **params: object) -> Iterable[str]:
        """Return the whole answer."""
        return self.answer

    def count_tokens(self, text: str) -> int:
        """Count words."""
        return len(text.split())


class Listed(Whole):
    """Returns its pieces together: all were there before the first was handed over."""

    answer = ("one ", "two ", "three")


class Streamed(Whole):
    """Hands over one piece after the other."""

    def generate(self, prompt: str, **params: object) -> Iterator[str]:
        """Yield the answer."""
        yield from ("one ", "two ", "three")


class Once(Whole):
    """Streams an answer of a single piece."""

    def generate(self, prompt: str, **params: object) -> Iterator[str]:
        """Yield the answer."""
        yield "one two three"


class Thinking(Whole):
    """Thinks in its text."""

    answer = "<think>one</think>two"


class Nothing(Whole):
    """Has no answer."""

    answer: Iterable[str] = ()


class Talking(Whole):
    """Takes conversations, and says what it got."""

    conversations = True

    def generate(self, prompt: str, **params: object) -> str:
        """Return the roles and contents."""
        messages = params.get("messages", [])
        assert isinstance(messages, list)
        return f"{prompt} | " + " ".join(f"{one['role']}={one['content']}" for one in messages)


def ask(kind: type, request: Request = ASKED) -> MeasuredSample:
    provider = CustomProvider(
        CustomModel.model_validate({"provider": "custom", "name": "own", "class": f"{__name__}:{kind.__name__}"})
    )
    provider.prepare(lambda _: None)
    provider.load()
    return measure(provider, STEP, request, count(0, 1000).__next__, 0)


@pytest.mark.parametrize("kind", [Whole, Listed])
def test_a_text_that_was_returned_has_no_ttft(kind: type) -> None:
    answer = ask(kind)

    assert answer.text == "one two three"
    assert answer.sample.failure is None
    assert (answer.sample.chunk_ns, answer.sample.first_answer_chunk) == ((), None)
    assert (answer.sample.end_ns, answer.sample.output_tokens) == (2000, 3)
    model = model_run(samples=(answer.sample,))
    summary = summarise_model(result([model]), model)
    for metric in ("ttft_s", "tpot_s", "decode_tokens_per_s", "itl_s"):
        assert summary.value(metric) is None
        assert summary.why_undefined(metric) == "nothing was streamed"
    assert summary.value("e2e_s") == 2e-6


@pytest.mark.parametrize(("kind", "chunks"), [(Streamed, 3), (Once, 1)])
def test_what_a_class_yields_is_a_stream(kind: type, chunks: int) -> None:
    answer = ask(kind)

    assert answer.text == "one two three"
    assert len(answer.sample.chunk_ns) == chunks


def test_thoughts_in_the_text_are_no_answer() -> None:
    assert ask(Thinking).text == "two"


def test_a_class_without_an_answer_has_failed() -> None:
    failure = ask(Nothing).sample.failure

    assert failure is not None
    assert (failure.kind, failure.message) == ("empty", "the answer has no text (finish reason stop)")


@pytest.mark.parametrize("changes", [{"system": "Be brief."}, {"turns": TURNS}], ids=["system", "turns"])
def test_a_class_that_takes_one_message_is_not_asked_a_conversation(changes: dict[str, object]) -> None:
    failure = ask(Whole, replace(ASKED, **changes)).sample.failure  # type: ignore[arg-type]

    assert failure is not None
    assert (failure.kind, failure.message) == (
        "generate",
        f"{__name__}:Whole takes one message, and this prompt has several; if it takes them as "
        "messages=[{role, content}, ...], give the class the attribute conversations = True",
    )


def test_a_class_that_says_so_gets_the_conversation() -> None:
    answer = ask(Talking, replace(ASKED, system="Be brief.", turns=TURNS))

    assert answer.text == "And now? | system=Be brief. user=Hello. assistant=Hi. user=And now?"
    # Words of all messages: two, one, one and two.
    assert answer.sample.prompt_tokens == 6
    assert ask(Talking).text == "And now? | "
