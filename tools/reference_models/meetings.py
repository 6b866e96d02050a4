"""Meeting notes with a known decision, owner and due date, and things beside them that tempt a model."""

from __future__ import annotations

from dataclasses import dataclass

from tools.reference_models.vocabulary import TEAMS, Words

OPENINGS = (
    "The {team} team met on {met}.",
    "Meeting of the {team} team on {met}.",
    "Notes of the {team} team, {met}.",
)
ATTENDANCE = ("{a}, {b} and {c} were there.", "Present were {a}, {b} and {c}.")
FILLERS = (
    "{a} showed the latest numbers for the {thing}.",
    "{a} asked whether the {thing} is ready.",
    "Nobody had news about the {thing}.",
    "Two customers had complained about the {thing}.",
    "They talked about the {thing} for ten minutes.",
    "{a} thanked everyone for the work on the {thing}.",
    "The costs of the {thing} are as planned.",
    "A new colleague will help with the {thing}.",
)
REJECTIONS = (
    "The idea to {task} was rejected.",
    "They chose not to {task}.",
    "Nobody wanted to {task}.",
)
DECISIONS = (
    "They decided to {task}.",
    "It was decided to {task}.",
    "After some debate they agreed to {task}.",
    "The team agreed to {task}.",
)
OWNERS = (
    "{owner} is responsible and has until {due}.",
    "{owner} will do it by {due}.",
    "{owner} owns this and the deadline is {due}.",
    "The owner is {owner} and it is due on {due}.",
)
CLOSINGS = ("The next meeting is on {next}.", "They meet again on {next}.")
ACTIONS = (
    "{owner} will {task} by {due}.",
    "{owner} promised to {task} by {due}.",
    "{owner} has to {task} by {due}.",
)


@dataclass(frozen=True)
class Action:
    """A task somebody took on."""

    owner: str
    task: str
    due: str


@dataclass(frozen=True)
class Note:
    """The text of a note and what is true in it."""

    text: str
    team: str
    action: Action


def write_note(words: Words, extra_sentences: int) -> Note:
    """Write a note with one decision and `extra_sentences` sentences that do not matter."""
    draw = words.draw
    people = words.people(4)
    met, due, following = words.dates(3)
    task, rejected = words.tasks(2)
    owner, team = people[draw.randrange(3)], draw.choice(TEAMS)
    optional = [draw.choice(REJECTIONS).format(task=rejected)]
    optional += [draw.choice(FILLERS).format(a=draw.choice(people), thing=words.thing()) for _ in range(6)]
    draw.shuffle(optional)
    extras = optional[:extra_sentences]
    attendance = draw.choice(ATTENDANCE).format(a=people[0], b=people[1], c=people[2])
    split = draw.randrange(len(extras) + 1)
    sentences = [draw.choice(OPENINGS).format(team=team, met=met)]
    if draw.random() < 0.6:
        sentences.append(attendance)
    sentences += extras[:split]
    sentences.append(draw.choice(DECISIONS).format(task=task))
    sentences.append(draw.choice(OWNERS).format(owner=owner, due=due))
    sentences += extras[split:]
    if draw.random() < 0.4:
        sentences.append(draw.choice(CLOSINGS).format(next=following))
    return Note(" ".join(sentences), team, Action(owner, task, due))


@dataclass(frozen=True)
class ActionNote:
    """A note with several actions, in the order of the text."""

    text: str
    actions: tuple[Action, ...]


def write_action_note(words: Words, actions: int, extra_sentences: int) -> ActionNote:
    """Write a note with `actions` actions and `extra_sentences` sentences that do not matter."""
    draw = words.draw
    people, dates, tasks = words.people(actions), words.dates(actions + 1), words.tasks(actions)
    found = tuple(Action(people[i], tasks[i], dates[i]) for i in range(actions))
    sentences = [draw.choice(ACTIONS).format(owner=a.owner, task=a.task, due=a.due) for a in found]
    for _ in range(extra_sentences):
        filler = draw.choice(FILLERS).format(a=words.person(), thing=words.thing())
        sentences.insert(draw.randrange(len(sentences) + 1), filler)
    opening = draw.choice(OPENINGS).format(team=draw.choice(TEAMS), met=dates[-1])
    return ActionNote(" ".join([opening, *sentences]), found)
