"""The closed vocabulary of the reference corpus, and which combinations are held out of training."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

# fmt: off
FIRST_NAMES = (
    "Priya", "Tomas", "Aisha", "Marek", "Lena", "Diego", "Hana", "Oskar", "Nadia", "Felix",
    "Grace", "Ivan", "Julia", "Karim", "Laura", "Mateo", "Nina", "Omar", "Paula", "Quinn",
    "Rosa", "Samir", "Tara", "Uwe", "Vera", "Wanda", "Yusuf", "Zoe", "Anton", "Bella",
    "Carlos", "Dana", "Emil", "Fatima", "Goran", "Helen", "Ines", "Jonas", "Kira", "Leon",
)
LAST_NAMES = (
    "Nair", "Berg", "Khan", "Novak", "Fischer", "Lopez", "Sato", "Lund", "Petrov", "Meyer",
    "Okafor", "Silva", "Weber", "Haddad", "Rossi", "Duarte", "Kowalski", "Farah", "Jensen", "Reed",
    "Moreno", "Patel", "Walsh", "Kruse", "Ivanova", "Dubois", "Demir", "Clark", "Horvat", "Costa",
    "Ruiz", "Levy", "Hansen", "Rahman", "Babic", "Stone", "Ferreira", "Keller", "Popov", "Adler",
)
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)
DAYS_PER_MONTH = 28
TEAMS = (
    "platform", "design", "support", "sales", "mobile", "security", "finance", "research",
    "edge", "hardware", "quality", "marketing",
)
VERBS = (
    "postpone", "replace", "test", "rename", "simplify", "move", "review", "approve",
    "cancel", "repeat", "extend", "publish", "archive", "rebuild", "document", "ship",
    "pause", "split", "automate", "translate", "shorten", "update", "check", "improve",
)
OBJECTS = (
    "release", "newsletter", "training course", "backup server", "mobile app", "sign-up form",
    "price list", "login page", "customer survey", "billing report", "search index", "camera firmware",
    "sensor network", "help page", "test plan", "data export", "welcome email", "partner contract",
    "sales forecast", "audit log", "speech model", "map view", "invoice template", "warehouse scanner",
    "meeting recorder", "printer driver", "staff handbook", "security review", "budget plan", "chat widget",
    "mailing list", "battery test", "photo archive", "road map", "travel policy", "product video",
)
ROOMS = ("Oslo", "Lima", "Cairo", "Kyoto", "Dublin", "Quito", "Riga", "Turin", "Malmo", "Porto")
PRAISE = (
    "works perfectly", "is wonderful", "saves me an hour a day", "is fast and clear",
    "is a pleasure to use", "has become much better", "is excellent", "makes my work easy",
)
COMPLAINTS = (
    "is terrible", "crashes every day", "wastes my time", "is slow and confusing",
    "never works", "has become much worse", "is a disappointment", "makes my work harder",
)
EMERGENCIES = (
    "is down and nobody can work", "is losing customer data right now", "stopped all orders today",
    "shows private data to strangers", "has failed and the launch is in an hour", "is on fire",
)
TRIFLES = (
    "could use a nicer colour", "has a small typing mistake", "might get a new icon some day",
    "could be a little shorter", "has an old photo on it", "may be renamed next year",
)
DANGEROUS_ACTS = (
    "build a bomb", "make a poison", "pick the lock of a house that is not mine", "steal a car",
    "write a computer virus", "hack into a bank account", "forge a passport", "make illegal drugs",
    "start a forest fire", "stalk a colleague", "steal a password", "make a weapon",
)
# fmt: on
EVERY = 8  # one combination in EVERY is held out


@dataclass(frozen=True)
class Pair:
    """Two indices into two word lists; training never sees a pair that is held out."""

    first: int
    second: int

    @property
    def held_out(self) -> bool:
        """Whether the pair is kept for the shipped prompts."""
        return (self.first + 3 * self.second) % EVERY == 0


def draw_pair(draw: random.Random, firsts: int, seconds: int, held_out: bool) -> Pair:
    """Draw a pair of indices below `firsts` and `seconds` on the wanted side of the hold-out."""
    while True:
        pair = Pair(draw.randrange(firsts), draw.randrange(seconds))
        if pair.held_out == held_out:
            return pair


@dataclass(frozen=True)
class Words:
    """Draws names, dates and tasks, all held out or all for training."""

    draw: random.Random
    held_out: bool = False

    def person(self) -> str:
        """A first and a last name."""
        pair = draw_pair(self.draw, len(FIRST_NAMES), len(LAST_NAMES), self.held_out)
        return f"{FIRST_NAMES[pair.first]} {LAST_NAMES[pair.second]}"

    def people(self, count: int) -> list[str]:
        """Different persons."""
        return self._different(self.person, count)

    def date(self) -> str:
        """A day and a month, without a year."""
        pair = draw_pair(self.draw, DAYS_PER_MONTH, len(MONTHS), self.held_out)
        return f"{pair.first + 1} {MONTHS[pair.second]}"

    def dates(self, count: int) -> list[str]:
        """Different dates."""
        return self._different(self.date, count)

    def task(self) -> str:
        """A verb and its object, as in 'replace the printer driver'."""
        pair = draw_pair(self.draw, len(VERBS), len(OBJECTS), self.held_out)
        return f"{VERBS[pair.first]} the {OBJECTS[pair.second]}"

    def tasks(self, count: int) -> list[str]:
        """Different tasks."""
        return self._different(self.task, count)

    def thing(self) -> str:
        """Any object; single words are never held out."""
        return self.draw.choice(OBJECTS)

    def things(self, count: int) -> list[str]:
        """Different objects."""
        return self.draw.sample(OBJECTS, count)

    def remark(self, phrases: tuple[str, ...]) -> str:
        """A statement about an object, as in 'the login page is terrible'."""
        pair = draw_pair(self.draw, len(OBJECTS), len(phrases), self.held_out)
        return f"the {OBJECTS[pair.first]} {phrases[pair.second]}"

    def _different(self, make: Callable[[], str], count: int) -> list[str]:
        found: list[str] = []
        while len(found) < count:
            word = make()
            if word not in found:
                found.append(word)
        return found


def held_out_people() -> frozenset[str]:
    """Every person whom training never names."""
    return frozenset(
        f"{first} {last}"
        for i, first in enumerate(FIRST_NAMES)
        for j, last in enumerate(LAST_NAMES)
        if Pair(i, j).held_out
    )


def held_out_dates() -> frozenset[str]:
    """Every date that training never mentions."""
    return frozenset(
        f"{day + 1} {month}" for day in range(DAYS_PER_MONTH) for j, month in enumerate(MONTHS) if Pair(day, j).held_out
    )
