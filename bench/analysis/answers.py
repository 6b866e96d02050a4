"""What models said: equal answers folded, answers that waver where they should not, and answers that changed.

At temperature 0 a model says the same to the same prompt in every round; where it does not, or where it says something
else than in the run before, a page can show it.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from bench.analysis.history import context_key
from bench.analysis.summary import oldest_first
from bench.analysis.timing import good_samples
from bench.analysis.word_diff import Span, word_diff
from bench.results.schema import Result
from bench.runner.record import ModelRun


@dataclass(frozen=True)
class FoldedAnswer:
    """One distinct answer: the key of its text in the run's outputs, the text, and how many good samples said it."""

    output: str
    text: str
    count: int


@dataclass(frozen=True)
class Said:
    """What a model said to a prompt in one run, the most frequent answer first, of equally frequent ones the first."""

    model: str
    prompt: str
    answers: tuple[FoldedAnswer, ...]


@dataclass(frozen=True)
class Consistency:
    """Whether a model said one thing to each prompt.

    `prompts` is the number of prompts with more than one good sample, and `wavering` are those with more than one
    distinct answer. `why` says why that is nothing to go by, or is None.
    """

    model: str
    prompts: int
    wavering: tuple[Said, ...]
    why: str | None


@dataclass(frozen=True)
class ChangedAnswer:
    """A prompt to which a model most often says something that it did not say in the run before."""

    prompt: str
    before: FoldedAnswer
    after: FoldedAnswer
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class AnswerChanges:
    """How a model's answers changed since `since`, the id of the last run in the same context.

    `prompts` is the number of prompts that both runs have a good answer to. `why` says why nothing was compared, or is
    None.
    """

    model: str
    since: str | None
    prompts: int
    changed: tuple[ChangedAnswer, ...]
    why: str | None


@dataclass(frozen=True)
class AnswerChange:
    """A prompt that a model answered differently in two runs: the distinct texts on each side, most frequent first.

    Empty where there was no good answer.
    """

    model: str
    prompt: str
    before: tuple[str, ...]
    after: tuple[str, ...]


def said(result: Result, model: ModelRun) -> tuple[Said, ...]:
    """Return what a model said to each prompt that it has a good answer to, in the order of the prompt set."""
    outputs: dict[str, list[str]] = {prompt.id: [] for prompt in result.prompt_set.prompts}
    for sample in good_samples(model):
        if sample.output is not None:
            outputs[sample.prompt].append(sample.output)
    return tuple(
        Said(
            model.name,
            prompt,
            tuple(
                FoldedAnswer(output, result.outputs[output], count) for output, count in Counter(found).most_common()
            ),
        )
        for prompt, found in outputs.items()
        if found
    )


def consistency(result: Result, model: ModelRun) -> Consistency:
    """Return which prompts a model answered in more than one way, where one way is to be expected."""
    asked_again = [one for one in said(result, model) if sum(answer.count for answer in one.answers) > 1]
    why = _drawn(result)
    if why is None and not asked_again:
        why = "no prompt has two good answers"
    wavering = tuple(one for one in asked_again if len(one.answers) > 1)
    return Consistency(model.name, len(asked_again), () if why else wavering, why)


def answer_changes(results: Iterable[Result], result: Result, model: ModelRun) -> AnswerChanges:
    """Return how a model's answers changed since the last run before `result` in the same context.

    That is the newest run among `results` that began earlier, on the same machine, and in which a model of that name
    gave a good answer under equal conditions (`context_key`). A prompt changed if its most frequent answer was not
    among its answers then.
    """
    if (why := _drawn(result)) is not None:
        return AnswerChanges(model.name, None, 0, (), why)
    context = context_key(result, model)
    for earlier in reversed(oldest_first(results)):
        if earlier.run.started_utc >= result.run.started_utc:
            continue
        for other in earlier.models:
            if other.name == model.name and context_key(earlier, other) == context and good_samples(other):
                before = {one.prompt: one for one in said(earlier, other)}
                both = [(before[one.prompt], one) for one in said(result, model) if one.prompt in before]
                changed = tuple(_changed(old, new) for old, new in both if not _was_said(old, new))
                return AnswerChanges(model.name, earlier.run.id, len(both), changed, None)
    return AnswerChanges(model.name, None, 0, (), "no earlier run in the same context")


def changed_answers(before: Result, after: Result) -> tuple[AnswerChange, ...]:
    """Return where the distinct answers to a prompt differ, for models and prompts of both runs.

    In the order of `after`. How often each was given does not matter, nor in which context or at which temperature.
    """
    models = {model.name: model for model in before.models}
    prompts = {prompt.id for prompt in before.prompt_set.prompts}
    found = []
    for model in after.models:
        if model.name not in models:
            continue
        was, now = _texts(before, models[model.name]), _texts(after, model)
        for prompt in after.prompt_set.prompts:
            texts = was.get(prompt.id, ()), now.get(prompt.id, ())
            if prompt.id in prompts and set(texts[0]) != set(texts[1]):
                found.append(AnswerChange(model.name, prompt.id, *texts))
    return tuple(found)


def _texts(result: Result, model: ModelRun) -> dict[str, tuple[str, ...]]:
    folded = {one.prompt: tuple(answer.text for answer in one.answers) for one in said(result, model)}
    # A file may keep one text under two keys.
    return {prompt: tuple(dict.fromkeys(texts)) for prompt, texts in folded.items()}


def _drawn(result: Result) -> str | None:
    generation = result.config.resolved.get("generation")
    temperature = generation.get("temperature") if isinstance(generation, dict) else None
    if temperature is None:
        return "the run does not say at which temperature it was"
    return None if temperature == 0 else f"answers are drawn at temperature {temperature}"


def _was_said(before: Said, after: Said) -> bool:
    return after.answers[0].text in {answer.text for answer in before.answers}


def _changed(before: Said, after: Said) -> ChangedAnswer:
    old, new = before.answers[0], after.answers[0]
    return ChangedAnswer(after.prompt, old, new, word_diff(old.text, new.text))
