"""The answers of models: equal ones folded, those that vary where one is expected, and those that changed."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final, Literal

from bench.analysis.contexts import context_key
from bench.analysis.summary import ModelSummary, RunSummary, oldest_first
from bench.metrics.scores import outputs_by_prompt
from bench.metrics.timing import good_samples
from bench.schema.model_run import ModelRun
from bench.schema.result import Result

LONGEST: Final = 8_000
"""Characters of a text that are compared: what is beyond stands as it is, removed and added."""

PartKind = Literal["same", "removed", "added"]


@dataclass(frozen=True)
class WordSpan:
    """Words that follow each other, with the white space between them, that both texts have, or one of them."""

    kind: PartKind
    text: str


def word_diff(before: str, after: str) -> tuple[WordSpan, ...]:
    """Return the words of both texts in order; what was removed comes before what was added in its place.

    The white space after a word belongs to it, but does not make it another word.
    """
    was, now = _words(before), _words(after)
    old, new = [word.strip() for word in was], [word.strip() for word in now]
    # A model that loops repeats a word a thousand times: to match each with each takes a while.
    head = next((place for place, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1]), None)
    head = min(len(old), len(new)) if head is None else head
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    spans = [WordSpan("same", "".join(now[:head]))]
    spans += _middle(was[head : len(was) - tail], now[head : len(now) - tail])
    spans.append(WordSpan("same", "".join(now[len(now) - tail :])))
    return (*(span for span in spans if span.text), *_rests(before, after))


def _middle(was: list[str], now: list[str]) -> list[WordSpan]:
    matcher = SequenceMatcher(None, [word.strip() for word in was], [word.strip() for word in now], autojunk=False)
    spans = []
    for tag, first, last, start, end in matcher.get_opcodes():
        if tag == "equal":
            spans.append(WordSpan("same", "".join(now[start:end])))
        else:
            spans.append(WordSpan("removed", "".join(was[first:last])))
            spans.append(WordSpan("added", "".join(now[start:end])))
    return spans


def _words(text: str) -> list[str]:
    return re.findall(r"\s*\S+\s*|\s+", text[:LONGEST])


def _rests(before: str, after: str) -> tuple[WordSpan, ...]:
    was, now = before[LONGEST:], after[LONGEST:]
    if was == now:
        return (WordSpan("same", now),) if now else ()
    kinds: tuple[tuple[PartKind, str], ...] = (("removed", was), ("added", now))
    return tuple(WordSpan(kind, text) for kind, text in kinds if text)


@dataclass(frozen=True)
class OutputCount:
    """One distinct answer: the key of its text in the run's outputs, the text, and how many good samples gave it."""

    output: str
    text: str
    count: int


@dataclass(frozen=True)
class PromptOutputs:
    """The answers of a model to a prompt in one run, the most frequent first, of equally frequent ones the first."""

    model: str
    prompt: str
    answers: tuple[OutputCount, ...]


@dataclass(frozen=True)
class AnswerConsistency:
    """Whether a model gave one answer to each prompt.

    `prompts` is the number of prompts with more than one good sample, and `varying` are those with more than one
    distinct answer. `why` says why that is nothing to go by, or is None.
    """

    model: str
    prompts: int
    varying: tuple[PromptOutputs, ...]
    why: str | None


@dataclass(frozen=True)
class ChangedAnswer:
    """A prompt to which a model most often says something that it did not say in the run before."""

    prompt: str
    before: OutputCount
    after: OutputCount
    spans: tuple[WordSpan, ...]


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


def prompt_outputs(result: Result, model: ModelRun) -> tuple[PromptOutputs, ...]:
    """Return the answers of a model to each prompt with a good one, in the order of the prompt set."""
    outputs = outputs_by_prompt(result, model)
    return tuple(
        PromptOutputs(
            model.name,
            prompt,
            tuple(OutputCount(output, result.outputs[output], count) for output, count in Counter(found).most_common()),
        )
        for prompt, found in outputs.items()
        if found
    )


def consistency(result: Result, model: ModelRun) -> AnswerConsistency:
    """Return which prompts a model answered in more than one way, where one way is to be expected."""
    asked_again = [one for one in prompt_outputs(result, model) if sum(answer.count for answer in one.answers) > 1]
    why = _drawn(result)
    if why is None and not asked_again:
        why = "no prompt has two good answers"
    varying = tuple(one for one in asked_again if len(one.answers) > 1)
    return AnswerConsistency(model.name, len(asked_again), () if why else varying, why)


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
                before = {one.prompt: one for one in prompt_outputs(earlier, other)}
                both = [(before[one.prompt], one) for one in prompt_outputs(result, model) if one.prompt in before]
                changed = tuple(
                    _changed(old, new)
                    for old, new in both
                    if new.answers[0].text not in {answer.text for answer in old.answers}
                )
                return AnswerChanges(model.name, earlier.run.id, len(both), changed, None)
    return AnswerChanges(model.name, None, 0, (), "no earlier run in the same context")


def earlier_run(runs: Sequence[RunSummary], of: ModelSummary) -> ModelSummary | None:
    """Return the run that `answer_changes` holds a model's answers against, or None.

    `runs` are oldest first, and may be condensed.
    """
    context = context_key(of.result, of.model)
    for run in reversed(runs):
        if run.result.run.started_utc >= of.result.run.started_utc:
            continue
        for one in run.models:
            if one.model.name == of.model.name and one.good_samples and context_key(one.result, one.model) == context:
                return one
    return None


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
    folded = {one.prompt: tuple(answer.text for answer in one.answers) for one in prompt_outputs(result, model)}
    # A file may keep one text under two keys.
    return {prompt: tuple(dict.fromkeys(texts)) for prompt, texts in folded.items()}


def _drawn(result: Result) -> str | None:
    temperature = result.config.part("generation").get("temperature")
    if temperature is None:
        return "the run does not say at which temperature it was"
    return None if temperature == 0 else f"answers are drawn at temperature {temperature}"


def _changed(before: PromptOutputs, after: PromptOutputs) -> ChangedAnswer:
    old, new = before.answers[0], after.answers[0]
    return ChangedAnswer(after.prompt, old, new, word_diff(old.text, new.text))
