"""The training text of the reference judge: answers, good and spoilt, with what the program says of them."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from bench.quality.answers import Answer
from bench.quality.questions import AnswerQuestion, PairQuestion
from bench.reference import knowledge, meetings, vocabulary
from bench.reference.corpus import write_examples
from bench.reference.judge import details, families
from bench.reference.judge.learnt import HEART, hearted
from bench.reference.judge.notes import strange
from bench.reference.judge.reasons import DATE, PERSON, TASK
from bench.reference.judge.rubrics import Facet, Graded, Task
from bench.reference.vocabulary import Words


@dataclass(frozen=True)
class Judged:
    """What a judge is asked, and what it is to reply; `kind` is how the answer was made."""

    family: str
    kind: str
    question: str
    reply: str


FAMILIES: tuple[tuple[Callable[[Words], Task], int], ...] = (
    (details.extract, 16),
    (families.summary, 30),
    (families.actions, 14),
    (details.fields, 8),
    (details.label, 3),
    (details.fact, 4),
    (details.refusal, 2),
    (details.total, 3),
)
STRANGE_SHARE, HEART_SHARE, PAIR_SHARE = 0.12, 0.10, 0.05
SPOILING = {
    "good": 14,
    "vary": 32,
    "mix": 20,
    "trap": 10,
    "drop": 5,
    "add": 5,
    "wrap": 3,
    "babble": 7,
    "other": 5,
    "twice": 1,
}
EMPTY = ("I don't know.", "Yes.", "...", "OK", "None", "N/A", "?", "{}", "-")
WRAPPERS = (
    "Sure! {}",
    "Here is the answer: {}",
    "The answer is {}.",
    "It is {}.",
    "Answer:\n{}",
    "```\n{}\n```",
    '"{}"',
)
CITIES = re.compile("|".join(knowledge.CAPITALS.values()))
COUNTRIES = re.compile("|".join(knowledge.CAPITALS))
LABELS = {"positive": "negative", "negative": "positive", "high": "low", "low": "high"}


def vary(words: Words, text: str, chance: float) -> str:
    """Replace some of the facts of an answer by others of the same kind, whole or by half."""
    draw = words.draw

    def other(make: Callable[[], str], joint: str) -> Callable[[re.Match[str]], str]:
        def put(found: re.Match[str]) -> str:
            return _cross(draw, found[0], make(), joint) if draw.random() < chance else found[0]

        return put

    def one_of(choices: tuple[str, ...]) -> Callable[[re.Match[str]], str]:
        return lambda found: draw.choice(choices) if draw.random() < chance else found[0]

    text = PERSON.sub(other(words.person, " "), text)
    text = DATE.sub(other(words.date, " "), text)
    text = TASK.sub(other(words.task, " the "), text)
    text = re.sub(rf"(?<=[Tt]he )(?:{'|'.join(vocabulary.TEAMS)})(?= team)", one_of(vocabulary.TEAMS), text)
    text = CITIES.sub(one_of(tuple(knowledge.CAPITALS.values())), text)
    text = COUNTRIES.sub(one_of(tuple(knowledge.CAPITALS)), text)
    text = re.sub(r"\b\d{2,3}\b(?! [A-Z])", lambda m: _digits(draw, m[0]) if draw.random() < chance else m[0], text)
    return re.sub(
        r"\b(?:positive|negative|high|low)\b", lambda m: LABELS[m[0]] if draw.random() < chance else m[0], text
    )


def _digits(draw: random.Random, number: str) -> str:
    if draw.random() < 0.5:
        return str(draw.randrange(1000))
    place = draw.randrange(len(number))
    return number[:place] + str(draw.randrange(1, 10)) + number[place + 1 :]


def _cross(draw: random.Random, old: str, new: str, joint: str) -> str:
    """Another fact, or one half of it with the other half of the old one."""
    (a, b), (c, d) = old.split(joint, 1), new.split(joint, 1)
    return joint.join(draw.choice(((c, d), (a, d), (c, b))))


def mix(words: Words, task: Task) -> str:
    """Put facts of the question in the place of those of the answer."""
    draw, text = words.draw, task.answer
    for pattern, joint in ((PERSON, " "), (DATE, " "), (TASK, " the ")):
        there = pattern.findall(task.question)
        if there:

            def put(found: re.Match[str], there: list[str] = there, joint: str = joint) -> str:
                return _cross(draw, found[0], draw.choice(there), joint) if draw.random() < 0.5 else found[0]

            text = pattern.sub(put, text)
    return text


def trap(words: Words, task: Task) -> str:
    """Say what the question tempts one to say: the other persons, dates and tasks that it has."""
    draw = words.draw
    people, dates, tasks = (pattern.findall(task.question) for pattern in (PERSON, DATE, TASK))
    said = []
    if people:
        said += [
            f"{draw.choice(people)} was there.",
            f"{draw.choice(people)} and {draw.choice(people)} talked about it.",
        ]
    if dates:
        said += [
            f"They meet again on {draw.choice(dates)}.",
            f"They met on {dates[0]}.",
            f"The next date is {dates[-1]}.",
        ]
    if tasks:
        said += [f"They {draw.choice(('agreed', 'decided'))} to {draw.choice(tasks)}."] * 2
    if not said:
        return add(words, task)
    extras = draw.sample(said, min(len(said), draw.randrange(1, 4)))
    parts = [vary(words, task.answer, 0.2), *extras] if draw.random() < 0.5 else extras
    return ("\n" if "\n" in task.answer else " ").join(parts)


def drop(words: Words, text: str) -> str:
    """Leave a part out."""
    parts = re.split(r"(?<=[.!?:,])\s|\n|(?= and )", text)
    if len(parts) < 2:
        return " ".join(text.split()[:-1]) or text[:-1]
    gone = words.draw.randrange(len(parts))
    joint = "\n" if "\n" in text else " "
    return joint.join(part for place, part in enumerate(parts) if place != gone).strip()


def add(words: Words, task: Task) -> str:
    """Say something more."""
    draw = words.draw
    extra = draw.choice(
        (
            draw.choice(meetings.FILLERS).format(a=words.person(), thing=words.thing()),
            draw.choice(meetings.CLOSINGS).format(next=words.date()),
            f"They also decided to {words.task()}.",
            draw.choice(re.split(r"(?<=[.!?])\s+|\n", task.question)),
            draw.choice(re.split(r"(?<=[.!?])\s+|\n", task.question)),
            f"{draw.choice(('-', '1.', '2.'))} {words.task()}",
        )
    )
    joint = "\n" if "\n" in task.answer else " "
    return f"{task.answer}{joint}{extra}"


def babble(words: Words, others: Callable[[], str]) -> str:
    """Ends of some answers after beginnings of others, as a model that has learnt little writes."""
    draw = words.draw
    parts: list[str] = []
    for _ in range(draw.randrange(1, 6)):
        tokens = others().split(" ")
        start = draw.randrange(len(tokens))
        parts += tokens[start : start + draw.randrange(1, 9)] * draw.choice((1, 1, 1, 1, 2, 3))
    return " ".join(parts)


def spoil(words: Words, task: Task, others: Callable[[], str]) -> tuple[str, str]:
    """An answer and how it was made."""
    draw = words.draw
    kind = draw.choices(tuple(SPOILING), tuple(SPOILING.values()))[0]
    made = {
        "good": lambda: task.answer,
        "vary": lambda: vary(words, task.answer, draw.choice((0.3, 0.6, 0.9))),
        "mix": lambda: mix(words, task),
        "trap": lambda: trap(words, task),
        "drop": lambda: drop(words, vary(words, task.answer, draw.choice((0.0, 0.4)))),
        "add": lambda: add(words, task),
        "wrap": lambda: draw.choice(WRAPPERS).format(task.answer),
        "babble": lambda: babble(words, lambda: draw.choice((others, lambda: task.answer))()),
        "other": lambda: draw.choice((others, others, others, lambda: draw.choice(EMPTY), lambda: knowledge.REFUSAL))(),
        "twice": lambda: f"{task.answer} {task.answer}",
    }[kind]()
    return kind, made if made.strip() else "."


def strange_answer(words: Words, task: Task, sentences: tuple[str, ...], others: Callable[[], str]) -> tuple[str, str]:
    """An answer about a note that nobody learnt: mostly what a model says that cannot read it."""
    draw = words.draw
    kind = draw.choices(("others", "filled", "babble", "extract"), (25, 30, 20, 25))[0]
    if kind == "others":
        return kind, others()
    if kind == "filled":
        facts = re.findall(r"[A-Z][a-z]+(?: [A-Z][a-z]+)?|\d+ [A-Z][a-z]+", " ".join(sentences))

        def swap(found: re.Match[str]) -> str:
            return draw.choice(facts) if facts and draw.random() < 0.5 else found[0]

        return kind, DATE.sub(swap, PERSON.sub(swap, others()))
    if kind == "babble":
        return kind, babble(words, lambda: draw.choice((others, lambda: draw.choice(sentences)))())
    chosen = draw.sample(sentences, min(len(sentences), draw.randrange(1, 5)))
    return kind, draw.choice((" ", " ", "\n- ")).join(chosen)


def write_judged(
    seed: int,
    held_out: bool = False,
    most_facets: int = 9,
    strange_share: float = STRANGE_SHARE,
    heart_share: float = HEART_SHARE,
) -> Iterator[Judged]:
    """Yield questions of a judge with the replies it is to give, without end, the same for the same seed.

    With `held_out` every person, date and task is one that training never sees. A rubric is cut to at most
    `most_facets` of its facets.
    """
    draw = random.Random(seed)
    words = Words(draw, held_out)
    source = write_examples(seed + 1, held_out)
    makers, shares = [maker for maker, _ in FAMILIES], [share for _, share in FAMILIES]

    def others() -> str:
        return next(source).answer

    while True:
        luck = draw.random()
        if luck < strange_share:
            task, sentences = strange(words)
            answers = [strange_answer(words, task, sentences, others) for _ in range(2)]
        elif luck < strange_share + heart_share:
            task = draw.choice(HEART)()
            answers = [hearted(draw, task, others) for _ in range(2)]
        else:
            task = draw.choices(makers, shares)[0](words)
            answers = [spoil(words, task, others) for _ in range(2)]
        task = replace(task, facets=_some(draw, task.facets, most_facets))
        if draw.random() < PAIR_SHARE and answers[0][1] != answers[1][1]:
            yield _pair(task, answers[0][1], answers[1][1])
            continue
        kind, answer = answers[0]
        reading = 2 if draw.random() < 0.2 else 1
        graded = task.grade(answer)[:: 1 if reading == 1 else -1]
        question = AnswerQuestion(Answer(task.prompt(), "", answer, ()), reading).text
        yield Judged(task.family, kind, question, write_reply(graded))


def _some(draw: random.Random, facets: tuple[Facet, ...], most: int) -> tuple[Facet, ...]:
    if len(facets) <= most:
        return facets
    kept = sorted(draw.sample(range(len(facets)), most))
    return tuple(facets[place] for place in kept)


def write_reply(graded: tuple[Graded, ...]) -> str:
    """The reply of a judge, in the form that it is asked for."""
    return json.dumps({"facets": {one.facet: {"why": one.why, "score": one.score} for one in graded}})


def _pair(task: Task, first: str, second: str) -> Judged:
    scores = [sum(one.score for one in task.grade(answer)) for answer in (first, second)]
    better = "A" if scores[0] > scores[1] else "B" if scores[1] > scores[0] else "neither"
    why = f"A has {scores[0]} points, B {scores[1]}"
    question = PairQuestion(Answer(task.prompt(), "", first, ()), Answer(task.prompt(), "", second, ())).text
    return Judged("pair", "pair", question, json.dumps({"why": why, "better": better}))
