"""Notes to be summarised or searched for actions, with rubrics worded as those that ship."""

from __future__ import annotations

import re

from bench.quality.reading import sentences
from bench.reference import corpus
from bench.reference.judge import reasons as because
from bench.reference.judge.reasons import DATE, PERSON, TASK, TEAM, either, wants, wants_none, wants_on_a_line
from bench.reference.judge.rubrics import (
    COUNTS,
    ORDINALS,
    Facet,
    Task,
    date_pattern,
    faithful_facet,
    length_facet,
    make,
    sentence_facet,
)
from bench.reference.vocabulary import Words


def summary(words: Words) -> Task:
    """A summary of a note."""
    draw = words.draw
    example = corpus.write_summary(words)
    question, answer = example.question, example.answer
    note = question.split("\n\n", 1)[1]
    owner, due, task = PERSON.findall(answer)[0], DATE.findall(answer)[0], TASK.findall(answer)[0]
    form = "fields" if answer.startswith("Decision: ") else "two" if len(sentences(answer)) == 2 else "one"
    verb, thing = task.split(" the ")
    facets: list[Facet] = []
    if form == "fields":
        if draw.random() < 0.5:
            three = either("three fields", "not three fields")
            facets.append(
                make(
                    "three-lines",
                    "It gives three labelled fields.",
                    three,
                    "regex",
                    pattern=r"(?i)decision: .*\n+.*owner: .*\n+.*date: ",
                )
            )
    elif draw.random() < 0.6:
        facets.append(sentence_facet(words, 2 if form == "two" else 1))
    facets.append(
        make("decision", "It states the decision.", wants(task), "contains_all", values=[because.stem(verb), thing])
    )
    says = "It names the owner." if draw.random() < 0.75 else "It names the person who is responsible."
    facets.append(make("owner", says, wants(owner), "contains_any", values=[owner]))
    says = "It states the date." if form == "fields" else "It states the deadline."
    facets.append(make("deadline", says, wants(due), "regex", pattern=date_pattern(due)))
    optional = _traps(words, note, form, owner, due, task)
    draw.shuffle(optional)
    facets += optional[: draw.randrange(1, 4)]
    if draw.random() < 0.5:
        facets += [faithful_facet(question), length_facet(words, len(answer.split()))]
    return Task("summarise", question, tuple(facets), answer)


def _traps(words: Words, note: str, form: str, owner: str, due: str, task: str) -> list[Facet]:
    """The facets on what a summary is not to say, as far as the note has it."""
    found: list[Facet] = []
    team = TEAM.search(note)
    if form == "two" and team:
        found.append(make("right-team", "It names the team.", wants(team[0]), "contains_any", values=[team[0]]))
    dates = DATE.findall(note)
    following = dates[-1] if re.search(r"(next meeting is|meet again) on", note) else None
    others = [date for date in dict.fromkeys((dates[0], following or dates[0])) if date != due]
    if form == "fields" and others:
        found.append(
            make("no-other-date", "It gives no other date.", wants_none(others), "contains_none", values=[*others])
        )
    elif following and following != due:
        day, month = following.split()
        says = "It does not take the next meeting for the deadline."
        found.append(
            make(
                "no-next-meeting", says, wants_none([following]), "contains_none", values=[following, f"{month} {day}"]
            )
        )
    elif dates[0].split()[1] != due.split()[1]:
        month = dates[0].split()[1]
        says = "It takes no other date for the deadline."
        found.append(make("no-other-date", says, wants_none([month]), "contains_none", values=[month]))
    present = [person for person in dict.fromkeys(PERSON.findall(note)) if person != owner]
    lasts = [person.split()[1] for person in present]
    if present and form != "fields" and owner.split()[1] not in lasts and words.draw.random() < 0.5:
        says = "It names nobody who has no part in the decision."
        found.append(make("no-other-person", says, wants_none(lasts[:3]), "contains_none", values=lasts[:3]))
    elif present:
        says = "It names nobody else." if form == "fields" else "It names nobody who only attended."
        found.append(make("no-other-person", says, wants_none(present[:3]), "contains_none", values=present[:3]))
    rejected = [one for one in TASK.findall(note) if one != task]
    if rejected:
        verb = rejected[0].split()[0]
        says = "It does not report the rejected idea as decided."
        if form != "fields":
            values = [f"decided to {verb}", f"agreed to {verb}"]
            found.append(make("no-rejected-idea", says, wants_none([verb]), "contains_none", values=[*values]))
        elif verb != task.split()[0]:
            found.append(make("no-rejected-idea", says, wants_none([verb]), "contains_none", values=[verb]))
    return found


def actions(words: Words) -> Task:
    """The action items of a note."""
    example = corpus.write_actions(words)
    items = [line.removeprefix("- ") for line in example.answer.splitlines()]
    many = f"{COUNTS[len(items) - 1]} item{'s' if len(items) > 1 else ''}"
    facets = [
        make(
            many.replace(" ", "-"),
            f"The answer is a list of {many}.",
            because.count_items,
            "list_length",
            min=len(items),
            max=len(items),
        )
    ]
    whole = words.draw.random() < 0.5
    for ordinal, item in zip(ORDINALS, items, strict=False):
        owner, task, due = PERSON.findall(item)[0], TASK.findall(item)[0], DATE.findall(item)[0]
        verb, thing = task.split(" the ")
        day, month = due.split()
        ending = f"{because.stem(verb)}.*{thing}.*({due}|{month} {day})"
        if whole:
            reason = wants_on_a_line(item)
            facets.append(
                make(
                    f"{ordinal}-item",
                    f"It has the {ordinal} owner, task and date.",
                    reason,
                    "regex",
                    pattern=f"(?i){owner}.*{ending}",
                )
            )
        else:
            facets.append(
                make(f"{ordinal}-owner", f"It has the {ordinal} owner.", wants(owner), "contains_any", values=[owner])
            )
            reason = wants_on_a_line(f"{task} {due}")
            facets.append(
                make(
                    f"{ordinal}-task",
                    f"It has the {ordinal} task and its date.",
                    reason,
                    "regex",
                    pattern=f"(?i){ending}",
                )
            )
    if words.draw.random() < 0.4:
        facets += [faithful_facet(example.question), length_facet(words, len(example.answer.split()))]
    return Task("actions", example.question, tuple(facets), example.answer)
