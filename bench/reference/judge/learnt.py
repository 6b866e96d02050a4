"""Questions whose answers the reference models know by heart, with the rubrics of the shipped sets."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from bench.quality.prompt_set import load_prompt_set
from bench.reference import knowledge
from bench.reference.judge import reasons as because
from bench.reference.judge.reasons import Reason
from bench.reference.judge.rubrics import Facet, Task
from bench.rubric import FacetRecord

IDS = (
    "rag-two-sentences",
    "privacy-benefits",
    "model-size-latency",
    "slm-scenarios",
    "slm-or-llm",
    "rag-summary",
    "smoke-token",
)
LESSONS = (*knowledge.EXPLAIN, *knowledge.LISTS, *knowledge.WHY, *knowledge.SCENARIOS)


def _reason(record: FacetRecord) -> Reason:
    if record.check == "sentence_count":
        return because.count_sentences
    if record.check == "list_length":
        return because.count_items

    def reason(answer: str, met: bool) -> str:
        if not met:
            return "says nothing of this"
        if record.check == "regex":
            found = re.search(str(record.parameters["pattern"]), answer)
            said = found[0] if found else ""
        else:
            values = record.parameters["values"]
            assert isinstance(values, list)
            said = next(value for value in map(str, values) if value.casefold() in answer.casefold())
        return f"says {said.split()[0].lower()}"

    return reason


def _tasks() -> tuple[Callable[[], Task], ...]:
    prompts = {prompt.id: prompt for name in ("default", "smoke") for prompt in load_prompt_set(name).prompts}
    made = []
    for name in IDS:
        prompt = prompts[name]
        answer = next(lesson.answer for lesson in LESSONS if prompt.text in lesson.questions)
        facets = tuple(Facet(record, _reason(record)) for record in prompt.facets)
        made.append(Task("heart", prompt.text, facets, answer))
    return tuple(lambda task=task: task for task in made)


HEART = _tasks()


def hearted(draw: random.Random, task: Task, others: Callable[[], str]) -> tuple[str, str]:
    """Pieces of the learnt answer with pieces of other answers, never the learnt answer itself."""
    if draw.random() < 0.15:
        return "other", others()
    own = _pieces(task.answer)
    share = draw.choice((0.2, 0.5, 0.8))
    parts = [part for part in own if draw.random() < share]
    for _ in range(draw.randrange(4)):
        other = draw.choice(_pieces(draw.choice(LESSONS).answer) if draw.random() < 0.6 else _pieces(others()))
        parts.insert(draw.randrange(len(parts) + 1), other)
    if not parts or parts == own:
        parts = [draw.choice(_pieces(others()))]
    if draw.random() < (0.8 if "\n" in task.answer else 0.1):
        return "list", "\n".join(f"{place}. {part}" for place, part in enumerate(parts, start=1))
    return "pieces", " ".join(parts)


def _pieces(answer: str) -> list[str]:
    plain = re.sub(r"(?m)^(\d\.|-) ", "", answer)
    return [piece for piece in re.split(r"(?<=[.,])\s|\n| (?=and |or |so |that |from |on |in )", plain) if piece]
