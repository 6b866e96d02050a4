"""The training text of the reference models: seeded questions and answers in twelve families."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tools.reference_models import knowledge, vocabulary
from tools.reference_models.knowledge import Lesson
from tools.reference_models.meetings import write_action_note, write_note
from tools.reference_models.vocabulary import Words


@dataclass(frozen=True)
class Example:
    """A question with the answer that a model is to learn."""

    family: str
    question: str
    answer: str


def learn_by_heart(family: str, lessons: tuple[Lesson, ...]) -> Callable[[Words], Example]:
    """Make a family whose questions have one fixed answer each."""

    def write(words: Words) -> Example:
        lesson = words.draw.choice(lessons)
        return Example(family, words.draw.choice(lesson.questions), lesson.answer)

    return write


def write_fact(words: Words) -> Example:
    """Ask for a capital."""
    country, capital = words.draw.choice(sorted(knowledge.CAPITALS.items()))
    question = words.draw.choice(
        ("What is the capital of {}?", "Name the capital of {}.", "Which city is the capital of {}?")
    )
    return Example("fact", question.format(country), f"The capital of {country} is {capital}.")


def write_extract(words: Words) -> Example:
    """Ask for one detail of a short text: a date, a person, an amount, or one of two owners."""
    draw = words.draw
    person, other = words.people(2)
    date, thing = words.date(), words.thing()
    kind = draw.randrange(4)
    if kind == 0:
        ask = draw.choice(("Extract the date from this note.", "Which date does this note mention?", "Find the date."))
        text = draw.choice(
            (
                f"The {thing} must be ready by {date}. Please call {person} with any questions.",
                f"Hello {person}, the {thing} arrives on {date}. Please tell {other} as well.",
                f"{person} reminds us that the {thing} ends on {date}. {other} has the details.",
            )
        )
        return Example("extract", f"{ask} Answer with the date only.\n\n{text}", date)
    if kind == 1:
        ask = draw.choice(("Who wrote this message?", "Extract the name of the writer.", "Find the writer."))
        text = draw.choice(
            (
                f"Hello {other}, the {thing} is late. We need it by {date}. Best wishes, {person}",
                f"Dear {other}, thank you for the {thing}. See you on {date}. Regards, {person}",
                f"To {other}: the {thing} changes on {date}. Yours, {person}",
            )
        )
        return Example("extract", f"{ask} Answer with the name only.\n\n{text}", person)
    if kind == 2:
        amount = draw.randrange(20, 990)
        text = draw.choice(
            (
                f"{person} paid {amount} euros for the {thing} on {date}.",
                f"On {date} the {thing} was sold to {person} for {amount} euros.",
                f"The bill for the {thing} is {amount} euros. {person} pays it on {date}.",
            )
        )
        ask = draw.choice(("How many euros were paid?", "Extract the amount in euros."))
        return Example("extract", f"{ask} Answer with the number only.\n\n{text}", str(amount))
    people, things = words.people(3), words.things(3)
    wanted = draw.randrange(3)
    text = " ".join(f"{people[i]} owns the {things[i]}." for i in range(3))
    ask = f"Who owns the {things[wanted]}? Answer with the name only."
    return Example("extract", f"{ask}\n\n{text}", people[wanted])


def write_summary(words: Words) -> Example:
    """Ask for the summary of a meeting note in one of three forms."""
    draw = words.draw
    note = write_note(words, extra_sentences=draw.randrange(6))
    action, form = note.action, draw.randrange(3)
    if form == 0:
        ask = draw.choice(("Summarise this meeting note in two sentences.", "Sum up this meeting in two sentences."))
        answer = (
            f"The {note.team} team decided to {action.task}. "
            f"{action.owner} is responsible and the deadline is {action.due}."
        )
    elif form == 1:
        ask = draw.choice(("Summarise this meeting note in one sentence.", "Sum up this meeting in one sentence."))
        answer = f"{action.owner} will {action.task} by {action.due}."
    else:
        ask = draw.choice(("Give the decision, the owner and the date.", "Note the decision, the owner and the date."))
        answer = f"Decision: {action.task}\nOwner: {action.owner}\nDate: {action.due}"
    return Example("summarise", f"{ask}\n\n{note.text}", answer)


def write_actions(words: Words) -> Example:
    """Ask for the action items of a note, one a line."""
    draw = words.draw
    note = write_action_note(words, actions=draw.randrange(1, 4), extra_sentences=draw.randrange(4))
    ask = draw.choice(("List the action items of this meeting.", "List who has to do what, and by when."))
    lines = [f"- {a.owner}: {a.task} by {a.due}" for a in note.actions]
    return Example("actions", f"{ask}\n\n{note.text}", "\n".join(lines))


def write_json(words: Words) -> Example:
    """Ask for the fields of a sentence as JSON."""
    draw = words.draw
    person, date, task = words.person(), words.date(), words.task()
    fields: dict[str, str | int]
    if draw.random() < 0.5:
        room = draw.choice(vocabulary.ROOMS)
        fields = {"name": person, "date": date, "room": room}
        text = draw.choice(
            (
                f"{person} booked room {room} for {date}.",
                f"Room {room} is taken on {date} by {person}.",
                f"On {date} {person} needs room {room}.",
            )
        )
    else:
        fields = {"task": task, "owner": person, "date": date}
        text = draw.choice(
            (
                f"{person} will {task} by {date}.",
                f"By {date} {person} has to {task}.",
                f"We need to {task} by {date}, and {person} will do it.",
            )
        )
    first, second, third = fields
    ask = draw.choice(("Turn this into JSON", "Write this as JSON"))
    question = f"{ask} with the keys {first}, {second} and {third}.\n\n{text}"
    return Example("json", question, json.dumps(fields))


def write_label(words: Words) -> Example:
    """Ask for the sentiment or the urgency of a message."""
    draw = words.draw
    label: str
    phrases: tuple[str, ...]
    if draw.random() < 0.5:
        label, phrases = draw.choice((("positive", vocabulary.PRAISE), ("negative", vocabulary.COMPLAINTS)))
        ask = "Is this review positive or negative? Answer with one word."
    else:
        label, phrases = draw.choice((("high", vocabulary.EMERGENCIES), ("low", vocabulary.TRIFLES)))
        ask = "Is the urgency of this message high or low? Answer with one word."
    frame = draw.choice(("I must say that {}.", "{} writes that {}.", "It is now clear that {}.", "We think that {}."))
    remark = words.remark(phrases)
    text = frame.format(words.person(), remark) if frame.startswith("{}") else frame.format(remark)
    return Example("classify", f"{ask}\n\n{text}", label)


def write_refusal(words: Words) -> Example:
    """Ask how to do something, harmful (to be refused) or harmless (to be answered)."""
    draw = words.draw
    frames = ("How do I {}?", "Tell me how to {}.", "Give me step by step instructions to {}.")
    if draw.random() < 0.6:
        pair = vocabulary.draw_pair(draw, len(vocabulary.DANGEROUS_ACTS), len(frames), words.held_out)
        act, frame = vocabulary.DANGEROUS_ACTS[pair.first], frames[pair.second]
        return Example("refuse", frame.format(act), knowledge.REFUSAL)
    task = words.task()
    answer = f"To {task}, make a plan, ask the team and start with a small step."
    return Example("refuse", draw.choice(frames).format(task), answer)


def write_sum(words: Words) -> Example:
    """Ask for the sum of a number below 600 and one below 400."""
    pair = vocabulary.draw_pair(words.draw, 600, 400, words.held_out)
    question = f"What is {pair.first} + {pair.second}? Answer with the number only."
    return Example("add", question, str(pair.first + pair.second))


Family = Callable[[Words], Example]
FAMILIES: tuple[tuple[Family, int], ...] = (  # with their share of the examples, in percent
    (learn_by_heart("explain", knowledge.EXPLAIN), 7),
    (learn_by_heart("list", knowledge.LISTS), 3),
    (learn_by_heart("why", knowledge.WHY), 3),
    (learn_by_heart("scenarios", knowledge.SCENARIOS), 3),
    (write_extract, 20),
    (write_summary, 25),
    (write_actions, 12),
    (write_json, 11),
    (write_label, 7),
    (write_fact, 4),
    (write_refusal, 3),
    (write_sum, 2),
)


def write_examples(seed: int, held_out: bool = False) -> Iterator[Example]:
    """Yield training examples without end, the same for the same seed.

    With `held_out` every person, date and task is one that training never sees; such examples are for
    shipped prompts and for measuring what was learnt rather than memorised.
    """
    draw = random.Random(seed)
    words = Words(draw, held_out)
    families = [family for family, _ in FAMILIES]
    shares = [share for _, share in FAMILIES]
    while True:
        yield draw.choices(families, shares)[0](words)
